//! A connection, with TLS or without.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
#[cfg(feature = "tls")]
use futures_rustls::TlsStream;

#[cfg(feature = "tls")]
use super::handshake_errors::{TlsSide, after_handshake};
use crate::byte_budget::BudgetedStream;

/// A connection, with TLS or without.
pub(crate) enum MaybeTlsStream {
    Plain(BudgetedStream),
    /// Boxed: its state is some hundred bytes, of which a plain connection is to know nothing.
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<BudgetedStream>>),
}

impl AsyncRead for MaybeTlsStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, into),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => in_words(stream, |stream| stream.poll_read(cx, into)),
        }
    }
}

impl AsyncWrite for MaybeTlsStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => written(stream, cx, |stream, cx| stream.poll_write(cx, bytes)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => written(stream, cx, |stream, cx| stream.poll_flush(cx)),
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
fn in_words<T>(
    stream: &mut TlsStream<BudgetedStream>,
    poll: impl FnOnce(Pin<&mut TlsStream<BudgetedStream>>) -> Poll<io::Result<T>>,
) -> Poll<io::Result<T>> {
    let side = match stream {
        TlsStream::Client(_) => TlsSide::Client,
        TlsStream::Server(_) => TlsSide::Server,
    };
    poll(Pin::new(stream)).map_err(|error| after_handshake(side, error))
}

/// The same for what writes. A server that refuses the client's certificate sends its reason and closes, maybe while the
/// exporter still writes. The reason can then be read after writing has failed, and it is the better error.
#[cfg(feature = "tls")]
fn written<T>(
    stream: &mut TlsStream<BudgetedStream>,
    cx: &mut Context<'_>,
    poll: impl FnOnce(Pin<&mut TlsStream<BudgetedStream>>, &mut Context<'_>) -> Poll<io::Result<T>>,
) -> Poll<io::Result<T>> {
    let written = in_words(stream, |stream| poll(stream, cx));
    if !matches!(&written, Poll::Ready(Err(error)) if is_closed(error.kind())) {
        return written;
    }
    match in_words(stream, |stream| stream.poll_read(cx, &mut [0])) {
        Poll::Ready(Err(reason)) if !is_closed(reason.kind()) => Poll::Ready(Err(reason)),
        Poll::Ready(_) => written,
        // The runtime has yet to hear that the connection can be read, as it can to its end. It is written again then.
        Poll::Pending => Poll::Pending,
    }
}

/// Whether an error of this kind says that the peer has closed, and nothing else.
#[cfg(feature = "tls")]
fn is_closed(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}
