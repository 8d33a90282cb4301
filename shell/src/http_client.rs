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

use crate::config::{ClientTls, public_url};
use crate::error::StartError;
use crate::metered::{Meter, Metered};
use crate::running::host_port;
use crate::runtime::Runtime;
use crate::tls::{Connector, Protocol, Stream};

mod excerpt;

pub(crate) use excerpt::Secrets;

/// What requests call themselves.
pub(crate) const USER_AGENT: &str = concat!("loaddensity-metrics/", env!("CARGO_PKG_VERSION"));

/// The ports of `http` and `https` where a URL names none (RFC 9110, 4.2.1 and 4.2.2).
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

/// A server that is spoken to.
#[derive(Clone)]
pub(crate) struct Server {
    /// Name or address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// What `https` is spoken with.
    tls: Option<Connector>,
}

impl Server {
    /// One that is spoken to without TLS, for which `tls` must then ask nothing.
    pub(crate) fn plain(exporter: Exporter, host: &str, port: u16, tls: &ClientTls) -> Result<Self, StartError> {
        match tls.first_file() {
            None => Ok(Self { host: host.into(), port, tls: None }),
            Some(_) if !cfg!(feature = "tls") => Err(StartError::BuiltWithout { feature: "tls" }),
            Some((key, path)) => {
                let value = path.display().to_string();
                let expected = "it needs TLS; give an https:// URL with it, or leave it out".into();
                Err(StartError::Setting { exporter, key, value, expected })
            }
        }
    }

    /// `http://host:port` or `https://host:port`.
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", if self.tls.is_some() { "https" } else { "http" }, self.authority())
    }

    /// `host:port`, as a `Host` header and a URL have it.
    pub(crate) fn authority(&self) -> String {
        host_port(&self.host, self.port)
    }

    /// A connection to the first of its addresses that takes one, with `meter`, ready to carry HTTP.
    pub(crate) async fn connect<R: Runtime>(&self, runtime: &R, meter: &Meter) -> io::Result<Stream<Metered<R::Tcp>>> {
        let stream = meter.on(self.connect_tcp(runtime).await?);
        match &self.tls {
            None => Ok(Stream::Plain(stream)),
            Some(tls) => tls.connect(&self.host, stream).await,
        }
    }

    async fn connect_tcp<R: Runtime>(&self, runtime: &R) -> io::Result<R::Tcp> {
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

/// Reads `http://host[:port][/path][?query]`, or `https`, into the server and the rest, which begins with `/`. `tls` and
/// `protocol` are how an `https` server is spoken to.
pub(crate) fn read_url(
    exporter: Exporter,
    key: &'static str,
    url: &str,
    tls: &ClientTls,
    protocol: Protocol,
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
    let is_https = match uri.scheme_str() {
        Some("http") => false,
        Some("https") if cfg!(feature = "tls") => true,
        Some("https") => {
            let expected =
                "this build has no TLS: it was built without feature \"tls\"; switch that on, or use http://";
            return Err(bad(expected));
        }
        _ => return Err(bad("it must begin with http:// or https://")),
    };
    let authority = uri.authority().ok_or_else(|| bad("it must name a host"))?;
    // `Uri` ignores a port that is no port, so it is read here.
    let host = authority.host();
    let port = match authority.as_str()[host.len()..].strip_prefix(':') {
        None => Some(if is_https { HTTPS_PORT } else { HTTP_PORT }),
        Some(port) => port.parse().ok().filter(|port| *port != 0),
    };
    // Likewise with a question mark; elsewhere a query may well hold an `@`.
    let port = port.ok_or_else(|| if rest.contains('@') { user() } else { bad("its port must be 1 to 65535") })?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err(bad("it must name a host"));
    }
    let rest = uri.path_and_query().map_or("/", |rest| rest.as_str());
    let server = if is_https {
        Server { host: host.into(), port, tls: Some(Connector::new(exporter, tls, protocol)?) }
    } else {
        Server::plain(exporter, host, port, tls)?
    };
    Ok((server, rest.into()))
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
    use crate::config::{ClientCertificate, Roots};

    fn read(url: &str) -> Result<(Server, String), StartError> {
        read_url(Exporter::Influxdb, "url", url, &ClientTls::default(), Protocol::Http1)
    }

    #[test]
    #[cfg(not(feature = "tls"))]
    fn https_is_refused_by_a_build_without_tls() {
        let text = read("https://h/write?p=secret").err().expect("refused").to_string();
        assert!(text.contains("without feature \"tls\"") && !text.contains("sec"), "{text}");
    }

    #[test]
    fn certificates_are_refused_without_https() {
        let roots = Roots::Pem("ca.pem".into());
        let identity = ClientCertificate { certificate: "mine.pem".into(), key: "mine.key".into() };
        for (tls, key) in [
            (ClientTls { roots, ..ClientTls::default() }, "`ca_file`"),
            (ClientTls { identity: Some(identity), ..ClientTls::default() }, "`client_certificate`"),
        ] {
            let refused = read_url(Exporter::Influxdb, "url", "http://h/write", &tls, Protocol::Http1);
            let text = refused.err().expect(key).to_string();
            if cfg!(feature = "tls") {
                assert!(text.contains(key) && text.contains("https://"), "{text}");
            } else {
                assert!(text.contains("built without feature \"tls\""), "{text}");
            }
        }
    }

    #[test]
    fn urls_are_read() {
        for (url, host, port, rest) in [
            ("http://localhost:4317", "localhost", 4317, "/"),
            ("http://localhost", "localhost", 80, "/"),
            ("http://[::1]:8086/write?db=x&precision=ns", "::1", 8086, "/write?db=x&precision=ns"),
            ("http://h/api/v2/write?org=o", "h", 80, "/api/v2/write?org=o"),
            ("http://h/write?u=me@home", "h", 80, "/write?u=me@home"),
        ] {
            let (server, read) = read(url).expect("a good URL");
            assert_eq!((server.host.as_str(), server.port, read.as_str()), (host, port, rest), "{url}");
            assert!(server.origin().starts_with("http://"));
        }
    }

    #[test]
    fn bad_urls_are_refused_without_what_is_secret_in_them() {
        for (url, says) in [
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
            let text = read(url).err().expect(url).to_string();
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
