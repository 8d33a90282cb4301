//! TLS 1.2 and 1.3 over a runtime's streams, by rustls. A build without the feature `tls` has the same types, but
//! no values of them.

#[cfg(not(feature = "tls"))]
mod absent;
#[cfg(feature = "tls")]
mod client;
#[cfg(feature = "tls")]
mod handshake_errors;
#[cfg(feature = "tls")]
mod pem;
#[cfg(feature = "tls")]
mod server;
mod stream;
#[cfg(feature = "tls")]
mod trust;

#[cfg(all(not(feature = "tls"), feature = "http-server"))]
pub(crate) use absent::Acceptor;
#[cfg(all(not(feature = "tls"), feature = "http-client"))]
pub(crate) use absent::Connector;
#[cfg(all(feature = "tls", feature = "http-client"))]
pub(crate) use client::Connector;
#[cfg(all(feature = "tls", feature = "http-server"))]
pub(crate) use server::Acceptor;
pub(crate) use stream::MaybeTlsStream;

/// What TLS is to carry (application-layer protocol negotiation, RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HttpVersion {
    Http1,
    Http2,
}

#[cfg(feature = "tls")]
impl HttpVersion {
    fn alpn(self) -> Vec<Vec<u8>> {
        let name: &[u8] = match self {
            Self::Http1 => b"http/1.1",
            Self::Http2 => b"h2",
        };
        vec![name.to_vec()]
    }
}
