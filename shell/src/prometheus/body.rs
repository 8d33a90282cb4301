//! The body of an answer: a page in small frames, or a line of text.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use loaddensity_metrics_core::Begun;

use super::compression::Compressor;
use super::delivery::Delivered;
use super::frames::{Frames, PageSource};

/// Frames in a turn of a page over one recorder's counters.
pub(super) const PLAIN_FRAMES: usize = 64;
/// The same where they are compressed, which takes longer than to make them.
const COMPRESSED_FRAMES: usize = 16;

/// What a request is answered with. When it is dropped, hyper has all of it.
pub(super) struct PageBody {
    content: Content,
    delivered: Arc<Delivered>,
}

enum Content {
    /// The metrics page.
    Page(Box<Pages>),
    /// A text, until it has been taken.
    Text(Option<Bytes>),
}

/// A page that is being sent.
struct Pages {
    frames: Frames,
    begun: Begun,
    compressor: Option<Compressor>,
}

impl PageBody {
    /// A page over so many recorders' counters that begins now, or before, in gzip where there is a `compressor`.
    pub(super) fn page(
        source: PageSource,
        begun: Begun,
        compressor: Option<Compressor>,
        delivered: Arc<Delivered>,
        recorders: usize,
    ) -> Self {
        let alone = if compressor.is_some() { COMPRESSED_FRAMES } else { PLAIN_FRAMES };
        let frames = Frames::new(source, alone, recorders);
        Self { content: Content::Page(Box::new(Pages { frames, begun, compressor })), delivered }
    }

    pub(super) const fn text(text: Bytes, delivered: Arc<Delivered>) -> Self {
        Self { content: Content::Text(Some(text)), delivered }
    }
}

impl Drop for PageBody {
    fn drop(&mut self) {
        self.delivered.given();
    }
}

impl Pages {
    fn poll_next(&mut self, delivered: &Delivered, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        let next = ready!(match &mut self.compressor {
            None => self.frames.poll_next(cx),
            Some(compressor) => compressor.poll_next(&mut self.frames, cx),
        });
        if next.is_none() {
            delivered.all_but_flushed(self.frames.totals(), self.begun);
        }
        Poll::Ready(next)
    }
}

impl Body for PageBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Self { content, delivered } = self.get_mut();
        let next = match content {
            Content::Page(pages) => ready!(pages.poll_next(delivered, cx)),
            Content::Text(text) => text.take(),
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.content, Content::Text(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Page(_) => SizeHint::default(),
            Content::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
        }
    }
}
