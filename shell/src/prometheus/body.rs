//! The body of an answer: a page in small frames, or a line of text.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, SizeHint};
use loaddensity_metrics_core::Registry;
use loaddensity_metrics_core::prometheus::{MAX_LINE, Page};

use super::delivery::Delivered;

/// Bytes of the page that are made at a time. hyper takes the next frame when it has less than its own buffer.
const FRAME: usize = 4_096;
const _: () = assert!(FRAME >= MAX_LINE);
/// Frames after which other tasks get their turn: a quarter of a millisecond or so. A client that reads as fast as pages
/// are made would otherwise hold up the pump.
const FRAMES_IN_A_TURN: u32 = 64;

/// What a request is answered with.
pub(super) enum Answer {
    /// The metrics page.
    Page(Box<Pages>),
    /// A text, until it has been taken.
    Text(Option<Bytes>),
}

/// A page that is being read.
pub(super) struct Pages {
    page: Page<'static>,
    /// Where frames are made. The memory is used again as soon as hyper has let go of the last one.
    frame: BytesMut,
    frames_in_this_turn: u32,
    delivered: Arc<Delivered>,
}

impl Answer {
    /// A page of what `registry` holds now.
    pub(super) fn page(registry: Registry<'static>, delivered: Arc<Delivered>) -> Self {
        let page = Page::new(registry);
        Self::Page(Box::new(Pages { page, frame: BytesMut::new(), frames_in_this_turn: 0, delivered }))
    }

    pub(super) const fn text(text: &'static str) -> Self {
        Self::Text(Some(Bytes::from_static(text.as_bytes())))
    }
}

impl Pages {
    fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        if self.frames_in_this_turn == FRAMES_IN_A_TURN {
            self.frames_in_this_turn = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.frames_in_this_turn += 1;
        Poll::Ready(self.next_frame())
    }

    fn next_frame(&mut self) -> Option<Bytes> {
        self.frame.resize(FRAME, 0);
        // A frame holds any line, so this cannot fail; if it ever did, the page would end here, and not be complete.
        let bytes = self.page.fill(&mut self.frame).unwrap_or_default();
        if bytes == 0 {
            self.delivered.all_but_flushed(self.page.requests());
            return None;
        }
        let frame = self.frame.split_to(bytes).freeze();
        self.frame.clear();
        Some(frame)
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match self.get_mut() {
            Self::Page(pages) => ready!(pages.poll_next(cx)),
            Self::Text(text) => text.take(),
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Text(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Page(_) => SizeHint::default(),
            Self::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
        }
    }
}
