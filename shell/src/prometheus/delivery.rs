//! Whether a page has really left: a stream that notices when the last byte of a page is with the kernel.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use loaddensity_metrics_core::Ledger;

use super::Moved;
use crate::condition::Condition;
use crate::runtime::Runtime;

/// What has become of a connection's pages.
pub(super) struct Delivered {
    ledger: &'static Ledger,
    condition: Arc<Condition>,
    /// The total of a page that hyper has read to its end and not yet written out.
    total: Mutex<Option<u64>>,
    moved: Moved,
}

impl Delivered {
    pub(super) fn new(ledger: &'static Ledger, condition: Arc<Condition>) -> Self {
        Self { ledger, condition, total: Mutex::new(None), moved: Moved::default() }
    }

    /// hyper has all of a page that shows `total` requests.
    pub(super) fn all_but_flushed(&self, total: u64) {
        *self.total.lock().unwrap_or_else(PoisonError::into_inner) = Some(total);
    }

    /// Everything that hyper had is with the kernel.
    fn flushed(&self) {
        if let Some(total) = self.total.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.ledger.set_sent_total(total);
            self.condition.went_well();
        }
    }

    /// Completes when no byte has moved for `duration`, or a little longer.
    pub(super) async fn idle<R: Runtime>(&self, runtime: &R, duration: Duration) {
        loop {
            let moved = self.moved.so_far();
            runtime.sleep(duration).await;
            if self.moved.so_far() == moved {
                return;
            }
        }
    }
}

/// A connection's stream. hyper flushes it only when it has written all that it holds.
pub(super) struct Delivery<S> {
    stream: S,
    delivered: Arc<Delivered>,
}

impl<S> Delivery<S> {
    pub(super) const fn new(stream: S, delivered: Arc<Delivered>) -> Self {
        Self { stream, delivered }
    }
}

impl<S: Read + Unpin> Read for Delivery<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, into);
        if read.is_ready() {
            self.delivered.moved.note(1);
        }
        read
    }
}

impl<S: Write + Unpin> Write for Delivery<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.delivered.moved.note(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.delivered.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
