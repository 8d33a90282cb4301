//! What is noted of a connection, for the text if it breaks: the first bytes that came, which show what protocol is spoken
//! there, and the first error. hyper does not always pass an error on to the request that it ended.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use crate::tls::MaybeTlsStream;

/// So many are kept.
const KEPT: usize = 16;

/// What is noted of one connection.
#[derive(Clone, Default)]
pub(crate) struct StreamNotes(Arc<Notes>);

#[derive(Default)]
struct Notes {
    first_bytes: OnceLock<Vec<u8>>,
    error: OnceLock<String>,
}

impl StreamNotes {
    /// `stream`, of which these are the notes.
    pub(super) fn of(&self, stream: MaybeTlsStream) -> NotedStream {
        NotedStream { stream, notes: self.clone() }
    }

    /// The first bytes; none where nothing has come.
    pub(crate) fn first_bytes(&self) -> &[u8] {
        self.0.first_bytes.get().map_or(&[], Vec::as_slice)
    }

    /// `text`, the error of a request, with the stream's error where the text does not say it.
    pub(crate) fn with_error(&self, text: String) -> String {
        match self.0.error.get() {
            Some(error) if !text.contains(error.as_str()) => format!("{text}: {error}"),
            _ => text,
        }
    }

    fn note<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &polled {
            self.0.error.get_or_init(|| error.to_string());
        }
        polled
    }
}

/// A stream of which notes are taken.
pub(super) struct NotedStream {
    stream: MaybeTlsStream,
    notes: StreamNotes,
}

impl AsyncRead for NotedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if let Poll::Ready(Ok(count @ 1..)) = read {
            self.notes.0.first_bytes.get_or_init(|| buffer[..count.min(KEPT)].to_vec());
        }
        self.notes.note(read)
    }
}

impl AsyncWrite for NotedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.notes.note(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.notes.note(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.notes.note(polled)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}
