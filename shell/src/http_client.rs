//! What the HTTP clients of InfluxDB and OpenTelemetry share: reading URLs, connecting, a body that knows whether it has
//! been taken, and what a server says without what it was told.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::Uri;
use hyper::body::{Body, Frame, SizeHint};
use loaddensity_metrics_core::Exporter;

use crate::config::public_url;
use crate::error::StartError;
use crate::running::host_port;
use crate::runtime::Runtime;

mod excerpt;

pub(crate) use excerpt::Secrets;

/// What requests call themselves.
pub(crate) const USER_AGENT: &str = concat!("loaddensity-metrics/", env!("CARGO_PKG_VERSION"));

/// A server that is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// Name or address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Server {
    /// `host:port`, as a `Host` header and a URL have it.
    pub(crate) fn authority(&self) -> String {
        host_port(&self.host, self.port)
    }

    /// A connection to the first of its addresses that takes one.
    pub(crate) async fn connect<R: Runtime>(&self, runtime: &R) -> io::Result<R::Tcp> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in runtime.resolve(&self.host, self.port).await? {
            match runtime.tcp_connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Reads `http://host[:port][/path][?query]` into the server and the rest, which begins with `/`.
pub(crate) fn read_url(
    exporter: Exporter,
    key: &'static str,
    url: &str,
    default_port: u16,
) -> Result<(Server, String), StartError> {
    let bad = |expected: &str| StartError::Setting { exporter, key, value: public_url(url), expected: expected.into() };
    let user = || match exporter {
        Exporter::Influxdb => bad("it must not hold a user or a password; there are settings of their own for those"),
        _ => bad("it must not hold a user or a password; none is sent"),
    };
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    // Also behind a slash: a password that holds one ends the host for `Uri`, and its first part passes for a port.
    if rest.split(['?', '#']).next().is_some_and(|rest| rest.contains('@')) {
        return Err(user());
    }
    let uri: Uri =
        url.parse().map_err(|error| bad(&format!("it is no URL ({error}); it must be http://host:port…")))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => {
            return Err(bad("this build has no TLS; use http://, or a proxy on this host that adds TLS"));
        }
        _ => return Err(bad("it must begin with http://")),
    }
    let authority = uri.authority().ok_or_else(|| bad("it must name a host"))?;
    // `Uri` ignores a port that is no port, so it is read here.
    let host = authority.host();
    let port = match authority.as_str()[host.len()..].strip_prefix(':') {
        None => Some(default_port),
        Some(port) => port.parse().ok().filter(|port| *port != 0),
    };
    // Likewise with a question mark; elsewhere a query may well hold an `@`.
    let port = port.ok_or_else(|| if rest.contains('@') { user() } else { bad("its port must be 1 to 65535") })?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err(bad("it must name a host"));
    }
    let rest = uri.path_and_query().map_or("/", |rest| rest.as_str());
    Ok((Server { host: host.into(), port }, rest.into()))
}

/// A body of known length that notes when the connection has taken it.
pub(crate) struct Outgoing {
    bytes: Option<Bytes>,
    taken: Arc<AtomicBool>,
}

/// Whether the body of a request may have gone out.
#[derive(Clone, Default)]
pub(crate) struct Taken(Arc<AtomicBool>);

impl Taken {
    /// `false`: the server cannot have the request.
    pub(crate) fn is_taken(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// A body that this watches.
    pub(crate) fn watch(&self, bytes: Bytes) -> Outgoing {
        Outgoing { bytes: Some(bytes), taken: self.0.clone() }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = self.bytes.take();
        // Release pairs with the acquire above; the connection may live on another thread.
        self.taken.store(true, Ordering::Release);
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// An error with all its causes in one line: hyper's own text leaves out what the operating system said.
pub(crate) fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// For how long an answer was waited, in words that are true: the `timeout`, or less where a stop came first.
pub(crate) fn waited(elapsed: Duration, timeout: Duration) -> Duration {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    timeout.min(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        for (url, host, port, rest) in [
            ("http://localhost:4317", "localhost", 4317, "/"),
            ("http://localhost", "localhost", 1, "/"),
            ("http://[::1]:8086/write?db=x&precision=ns", "::1", 8086, "/write?db=x&precision=ns"),
            ("http://h/api/v2/write?org=o", "h", 1, "/api/v2/write?org=o"),
            ("http://h/write?u=me@home", "h", 1, "/write?u=me@home"),
        ] {
            let read = read_url(Exporter::Influxdb, "url", url, 1).expect("a good URL");
            assert_eq!(read, (Server { host: host.into(), port }, rest.into()), "{url}");
        }
    }

    #[test]
    fn bad_urls_are_refused_without_what_is_secret_in_them() {
        for (url, says) in [
            ("https://h/write?p=secret", "no TLS"),
            ("ftp://h", "http://"),
            ("localhost:4317", "http://"),
            ("", "http://"),
            ("http://root:secret@h/write", "must not hold a user"),
            ("http://root:sec/secret@h/write", "must not hold a user"),
            ("http://root:1/secret@h/write", "must not hold a user"),
            ("http://root:sec?secret@h/write", "must not hold a user"),
            ("http://root:sec#secret@h/write", "must not hold a user"),
            ("http://root:sec secret@h/write", "must not hold a user"),
            ("root:secret@h", "must not hold a user"),
            ("http://h:99999/?p=secret", "port"),
            ("http://h:0/", "port"),
            ("http://h:/", "port"),
            ("http://", "URL"),
            ("http://h h/?secret", "URL"),
        ] {
            let text = read_url(Exporter::Influxdb, "url", url, 1).expect_err(url).to_string();
            assert!(text.contains(says) && text.contains("`url`") && !text.contains("sec"), "{url}: {text}");
        }
    }

    #[test]
    fn what_was_waited_is_never_more_than_the_truth() {
        let millis = Duration::from_millis;
        for (elapsed, shown) in [
            (Duration::from_micros(49_700), millis(49)),
            (millis(2_000), millis(2_000)),
            (Duration::from_micros(2_000_300), millis(2_000)),
            (Duration::MAX, millis(2_000)),
        ] {
            assert_eq!(waited(elapsed, millis(2_000)), shown);
        }
    }
}
