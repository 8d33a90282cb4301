//! A connection, with TLS or without.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
#[cfg(feature = "tls")]
use futures_rustls::TlsStream;

#[cfg(feature = "tls")]
use super::handshake_errors::{TlsSide, after_handshake};

/// A connection, with TLS or without.
pub(crate) enum MaybeTlsStream<S> {
    Plain(S),
    /// Boxed: its state is some hundred bytes, of which a plain connection is to know nothing.
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<S>>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for MaybeTlsStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, into),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => in_words(stream, |stream| stream.poll_read(cx, into)),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for MaybeTlsStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => in_words(stream, |stream| stream.poll_write(cx, bytes)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => in_words(stream, |stream| stream.poll_flush(cx)),
        }
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_close(cx),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_close(cx),
        }
    }
}

/// An error says what to do.
#[cfg(feature = "tls")]
fn in_words<S, T>(
    stream: &mut TlsStream<S>,
    poll: impl FnOnce(Pin<&mut TlsStream<S>>) -> Poll<io::Result<T>>,
) -> Poll<io::Result<T>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let side = match stream {
        TlsStream::Client(_) => TlsSide::Client,
        TlsStream::Server(_) => TlsSide::Server,
    };
    poll(Pin::new(stream)).map_err(|error| after_handshake(side, error))
}
