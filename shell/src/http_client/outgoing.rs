//! The body of a request, of which is known whether it has begun to go out.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Whether a body may have gone out. Clones tell of the same body.
#[derive(Clone, Default)]
pub(crate) struct Began(Arc<AtomicBool>);

impl Began {
    /// `false`: the server cannot have the request.
    pub(crate) fn has_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// `bytes`, watched by this.
    pub(crate) const fn watch(self, bytes: Bytes) -> Watched {
        Watched { bytes, began: self }
    }
}

/// A body that may be sent.
pub(crate) struct Watched {
    bytes: Bytes,
    began: Began,
}

impl Watched {
    /// The body of a request that is about to be sent: it has not begun to go out, even where one before it had.
    pub(crate) fn outgoing(&self) -> Outgoing {
        // No order is needed: whoever takes it gets it later, by ways that order what they carry.
        self.began.0.store(false, Ordering::Relaxed);
        Outgoing { bytes: Some(self.bytes.clone()), began: self.began.clone() }
    }
}

/// The body of one request, of known length. It notes when the connection takes it.
pub(crate) struct Outgoing {
    bytes: Option<Bytes>,
    began: Began,
}

impl Outgoing {
    /// A body that nobody watches.
    pub(crate) fn new(bytes: Bytes) -> Self {
        Began::default().watch(bytes).outgoing()
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = self.bytes.take();
        // Release pairs with the acquire above; the connection may live on another thread.
        self.began.0.store(true, Ordering::Release);
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
