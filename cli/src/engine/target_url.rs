//! A task's URL, taken apart once.

use std::fmt;

use hyper::Uri;
use hyper::header::HeaderValue;

/// An `http` or `https` URL that can be requested.
#[derive(Clone, PartialEq, Eq)]
pub struct TargetUrl {
    is_https: bool,
    host: String,
    port: u16,
    authority: HeaderValue,
    path: Uri,
}

impl TargetUrl {
    /// Reads `url`. A fragment is dropped.
    ///
    /// # Errors
    /// [`TargetUrlError`]: why it cannot be requested.
    pub fn parse(url: &str) -> Result<Self, TargetUrlError> {
        if url.contains("${") {
            return Err(TargetUrlError::Placeholder);
        }
        let uri: Uri = url.parse().map_err(|_| TargetUrlError::NoUrl)?;
        let is_https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(TargetUrlError::NoUrl),
        };
        let default_port = if is_https { 443 } else { 80 };
        let authority = uri.authority().ok_or(TargetUrlError::NoUrl)?;
        if authority.as_str().contains('@') {
            return Err(TargetUrlError::Credentials);
        }
        let host = authority.host();
        // A password with a slash in it ends the host; its first part then passes for a port. A path may hold an `@`.
        let is_user = url.split_once("://").is_some_and(|(_, rest)| rest.contains('@'));
        let no_port = if is_user { TargetUrlError::Credentials } else { TargetUrlError::NoUrl };
        // http's own port() says nothing of a port that is no number.
        let port = match authority.as_str()[host.len()..].strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(no_port)?,
            None => default_port,
        };
        // Without the port that the scheme implies (RFC 9110, 4.2.3), as browsers write it.
        let authority = if port == default_port { host } else { authority.as_str() };
        let authority = HeaderValue::from_str(authority).map_err(|_| TargetUrlError::NoUrl)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(TargetUrlError::NoUrl);
        }
        // A request line begins with a slash, even where the URL has a query alone (RFC 9112, 3.2.1).
        let path = match uri.query() {
            Some(query) => format!("{}?{query}", uri.path()),
            None => uri.path().to_owned(),
        };
        let path = path.parse().map_err(|_| TargetUrlError::NoUrl)?;
        Ok(Self { is_https, host, port, authority, path })
    }

    /// The same with `query`, which is percent-encoded already, at the end of its own.
    ///
    /// # Errors
    /// Where it then is too long.
    pub fn with_query(self, query: &str) -> Result<Self, TargetUrlError> {
        if query.is_empty() {
            return Ok(self);
        }
        let path = match self.path.query() {
            None => format!("{}?{query}", self.path.path()),
            Some(own) => format!("{}?{own}&{query}", self.path.path()),
        };
        Ok(Self { path: path.parse().map_err(|_| TargetUrlError::NoUrl)?, ..self })
    }

    /// Whether it is reached over TLS.
    #[must_use]
    pub const fn is_https(&self) -> bool {
        self.is_https
    }

    /// Name or address, IPv6 without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// 80, or 443 for `https`, where the URL has none.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Value of the `Host` header: without the port where the scheme implies it.
    #[must_use]
    pub const fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// Path and query, as they go into the request line.
    #[must_use]
    pub const fn path(&self) -> &Uri {
        &self.path
    }
}

impl fmt::Debug for TargetUrl {
    /// Without the query, which may hold a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (authority, path) = (&self.authority, self.path.path());
        f.debug_struct("TargetUrl").field("authority", authority).field("path", &path).finish_non_exhaustive()
    }
}

/// Why a URL cannot be requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetUrlError {
    /// It is no absolute `http` or `https` URL.
    NoUrl,
    /// It has one of LoadDensity's placeholders in it, `${…}`.
    Placeholder,
    /// It has a user or a password in it.
    Credentials,
}

impl fmt::Display for TargetUrlError {
    /// What would be right.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoUrl => "a complete URL, http://host:port/path or https://…",
            Self::Placeholder => "a URL without ${…}: ${var.name} alone is known here, with variables beside tasks; write out what it stands for",
            Self::Credentials => "a URL without user and password: give those in auth",
        })
    }
}

impl std::error::Error for TargetUrlError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (url, host, port, authority, path) in [
            ("http://h", "h", 80, "h", "/"),
            ("http://h:80/", "h", 80, "h", "/"),
            ("http://h:443/", "h", 443, "h:443", "/"),
            ("https://h", "h", 443, "h", "/"),
            ("https://[::1]:443/a", "::1", 443, "[::1]", "/a"),
            ("HTTPS://h:80/?b", "h", 80, "h:80", "/?b"),
            ("HTTP://h:8080/a/b?c=d#e", "h", 8080, "h:8080", "/a/b?c=d"),
            ("http://127.0.0.1:1?q", "127.0.0.1", 1, "127.0.0.1:1", "/?q"),
            ("http://[::1]:65535/x", "::1", 65535, "[::1]:65535", "/x"),
            ("http://h/@scope/pkg", "h", 80, "h", "/@scope/pkg"),
        ] {
            let target = TargetUrl::parse(url).expect(url);
            assert_eq!((target.host(), target.port()), (host, port), "{url}");
            assert_eq!(target.authority(), authority, "{url}");
            assert_eq!(target.path().to_string(), path, "{url}");
            assert_eq!(target.is_https(), url.to_ascii_lowercase().starts_with("https"), "{url}");
        }
    }

    #[test]
    fn a_query_goes_behind_the_urls_own() {
        for (url, query, path) in
            [("http://h/a", "", "/a"), ("http://h/a", "b=c", "/a?b=c"), ("http://h?d", "b=c", "/?d&b=c")]
        {
            let target = TargetUrl::parse(url).and_then(|target| target.with_query(query)).expect(url);
            assert_eq!(target.path().to_string(), path, "{url}");
        }
    }

    #[test]
    fn what_cannot_be_requested_is_refused() {
        for (url, expected) in [
            ("", TargetUrlError::NoUrl),
            ("/path", TargetUrlError::NoUrl),
            ("h:80", TargetUrlError::NoUrl),
            ("h:80/x", TargetUrlError::NoUrl),
            ("ftp://h/", TargetUrlError::NoUrl),
            ("http://", TargetUrlError::NoUrl),
            ("http://:80/", TargetUrlError::NoUrl),
            ("http://h:/", TargetUrlError::NoUrl),
            ("http://h:0/", TargetUrlError::NoUrl),
            ("http://h:65536/", TargetUrlError::NoUrl),
            ("http://h:x/", TargetUrlError::NoUrl),
            ("http://h/a b", TargetUrlError::NoUrl),
            ("http://h/\r\nX: y", TargetUrlError::NoUrl),
            ("https://", TargetUrlError::NoUrl),
            ("${var.base}/get", TargetUrlError::Placeholder),
            ("https://me:hunter2@h/", TargetUrlError::Credentials),
            ("http://me:hunter2@h/", TargetUrlError::Credentials),
            ("http://me:hun/ter2@h/", TargetUrlError::Credentials),
            ("http://me:hun?ter2@h/", TargetUrlError::Credentials),
        ] {
            assert_eq!(TargetUrl::parse(url), Err(expected), "{url}");
        }
    }
}
