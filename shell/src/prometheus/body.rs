//! The body of an answer: a page in small frames, or a line of text.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::compression::Compressor;
use super::delivery::Delivered;
use super::frames::{Frames, Source};

/// Frames in a turn: a quarter of a millisecond or so.
const PLAIN_FRAMES: u32 = 64;
/// Where they are compressed, which takes longer than making them, somewhat more than that.
const COMPRESSED_FRAMES: u32 = 16;

/// What a request is answered with.
pub(super) enum Answer {
    /// The metrics page.
    Page(Box<Pages>),
    /// A text, until it has been taken.
    Text(Option<Bytes>),
}

/// A page that is being sent.
pub(super) struct Pages {
    frames: Frames,
    compressor: Option<Compressor>,
    delivered: Arc<Delivered>,
}

impl Answer {
    /// A page, in gzip where there is a `compressor`.
    pub(super) fn page(source: Source, compressor: Option<Compressor>, delivered: Arc<Delivered>) -> Self {
        let in_a_turn = if compressor.is_some() { COMPRESSED_FRAMES } else { PLAIN_FRAMES };
        Self::Page(Box::new(Pages { frames: Frames::new(source, in_a_turn), compressor, delivered }))
    }

    pub(super) const fn text(text: Bytes) -> Self {
        Self::Text(Some(text))
    }
}

impl Pages {
    fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        let next = ready!(match &mut self.compressor {
            None => self.frames.poll_next(cx),
            Some(compressor) => compressor.poll_next(&mut self.frames, cx),
        });
        if next.is_none() {
            self.delivered.all_but_flushed(self.frames.requests());
        }
        Poll::Ready(next)
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
