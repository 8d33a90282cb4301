//! What a person should look at after an answer.

use core::fmt;

/// What is probably wrong where an answer is no plain acceptance. A shell says it with the names of its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hint {
    /// Whether credentials are sent, and whether they are the right ones.
    Credentials,
    /// Credentials of a proxy on the way.
    ProxyCredentials,
    /// The new URL in `Location`: redirects are not followed.
    Redirect,
    /// The path: nothing there takes what was sent.
    Path,
    /// The database: it does not exist.
    Database,
    /// The bucket or the organization: it does not exist.
    Bucket,
    /// The protocol: the server wants another one, or another version.
    Protocol,
    /// The media type or the compression: the server takes another one.
    Media,
    /// What stands on the way: it wants a request to say its length, or to be smaller in its head.
    Proxy,
    /// The largest size of a request.
    Size,
    /// The URL: the status is a success, but the body is no acceptance.
    NoAcceptance,
    /// The URL: the status is a success, but none that this kind of server gives.
    UnusualSuccess,
    /// The URL: what answered may be no receiver, for its body cannot be read.
    Unreadable,
}

impl fmt::Display for Hint {
    /// A few words, as a table has them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Credentials => "credentials",
            Self::ProxyCredentials => "a proxy's credentials",
            Self::Redirect => "the new URL; it is not followed",
            Self::Path => "the path",
            Self::Database => "the database, which does not exist",
            Self::Bucket => "the bucket and the organization",
            Self::Protocol => "the protocol and the port",
            Self::Media => "the protocol, compression",
            Self::Proxy => "a proxy on the way",
            Self::Size => "the size of requests",
            Self::NoAcceptance => "the URL (a doubled path, a proxy, a UI)",
            Self::UnusualSuccess => "the URL (a proxy, another server)",
            Self::Unreadable => "the URL (a login page, another server)",
        })
    }
}
