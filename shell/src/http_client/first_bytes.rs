//! The first bytes that come over a connection: if it breaks, they show which protocol is spoken there.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

/// So many are kept.
const KEPT: usize = 16;

/// The first bytes of one connection, once there are any.
#[derive(Clone, Default)]
pub(crate) struct FirstBytes(Arc<OnceLock<Vec<u8>>>);

impl FirstBytes {
    /// `stream`, whose first bytes these are.
    pub(crate) fn of<S>(&self, stream: S) -> FirstBytesStream<S> {
        FirstBytesStream { stream, first: self.clone() }
    }

    /// The bytes; none where nothing has come.
    pub(crate) fn get(&self) -> &[u8] {
        self.0.get().map_or(&[], Vec::as_slice)
    }
}

/// A stream whose first bytes are noted.
pub(crate) struct FirstBytesStream<S> {
    stream: S,
    first: FirstBytes,
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstBytesStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if let Poll::Ready(Ok(count @ 1..)) = read {
            self.first.0.get_or_init(|| buffer[..count.min(KEPT)].to_vec());
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FirstBytesStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}
