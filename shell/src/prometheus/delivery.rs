//! Whether a page was delivered: a stream that notes when the kernel has the last byte of a page.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use loaddensity_metrics_core::{Begun, PageTotals};

use super::Moved;
use super::connections::Admitted;
use crate::hyper_io::HyperIo;
use crate::linger::Scrapes;
use crate::runtime::Runtime;
use crate::status::StatusCell;
use crate::tls::MaybeTlsStream;

/// What has become of a connection's pages.
pub(super) struct Delivered {
    scrapes: Arc<Scrapes>,
    status_cell: Arc<StatusCell>,
    admitted: Admitted,
    /// Whether hyper has all of the answer that is under way.
    is_given: AtomicBool,
    /// What a page shows that hyper has read to its end and not yet written out.
    shown: Mutex<Option<(PageTotals, Begun)>>,
    moved: Moved,
}

impl Delivered {
    pub(super) fn new(scrapes: Arc<Scrapes>, status_cell: Arc<StatusCell>, admitted: Admitted) -> Self {
        let (is_given, shown) = (AtomicBool::new(false), Mutex::new(None));
        Self { scrapes, status_cell, admitted, is_given, shown, moved: Moved::default() }
    }

    /// A request has come whole.
    pub(super) fn asked(&self) {
        // Left from the answer before, if that is not written yet.
        self.is_given.store(false, Ordering::Relaxed);
        self.admitted.asked();
    }

    /// It is told that there is no place for it, as `most` others are busy.
    pub(super) fn turned_away(&self, most: usize) {
        self.status_cell.turned_away(most);
    }

    /// Whether a page that begins now begins before or after the stop.
    pub(super) fn begun(&self) -> Begun {
        self.scrapes.begun()
    }

    /// hyper has all of a page that shows this.
    pub(super) fn all_but_flushed(&self, shown: PageTotals, begun: Begun) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some((shown, begun));
    }

    /// hyper has all of an answer, or wants no more of it.
    pub(super) fn given(&self) {
        // Relaxed, here as above: a connection is one task.
        self.is_given.store(true, Ordering::Relaxed);
    }

    /// Everything that hyper had is with the kernel.
    fn flushed(&self) {
        if let Some((shown, begun)) = self.shown.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.scrapes.delivered(shown, begun);
            self.status_cell.went_well();
        }
        if self.is_given.swap(false, Ordering::Relaxed) {
            self.admitted.answered();
        }
    }

    /// Completes when the connection has to make room for another.
    pub(super) fn makes_room(&self) -> impl Future<Output = ()> + Send + use<> {
        self.admitted.makes_room()
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
pub(super) struct DeliveryStream {
    stream: HyperIo<MaybeTlsStream>,
    delivered: Arc<Delivered>,
}

impl DeliveryStream {
    pub(super) const fn new(stream: HyperIo<MaybeTlsStream>, delivered: Arc<Delivered>) -> Self {
        Self { stream, delivered }
    }
}

impl Read for DeliveryStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, into);
        if read.is_ready() {
            self.delivered.moved.note(1);
        }
        read
    }
}

impl Write for DeliveryStream {
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
