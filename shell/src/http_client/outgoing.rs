//! The body of a request, which notes when it begins to go out.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Whether a body may have gone out. Clones tell of the same body.
///
/// Every access is relaxed: it guards nothing but itself, and of two changes the first wins.
#[derive(Clone, Default)]
pub(crate) struct SendState(Arc<AtomicU8>);

/// It has not gone out, but still may.
const WAITS: u8 = 0;
/// The connection has taken it, maybe on another thread.
const TAKEN: u8 = 1;
/// It will never go out.
const WITHDRAWN: u8 = 2;

impl SendState {
    /// `false`: the server cannot have the request.
    pub(crate) fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed) == TAKEN
    }

    /// Keeps it from going out, if it has not begun to.
    pub(crate) fn withdraw(&self) {
        // An error: it has begun.
        let _ = self.0.compare_exchange(WAITS, WITHDRAWN, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// `bytes`, tracked by this.
    pub(crate) const fn track(self, bytes: Bytes) -> TrackedBody {
        TrackedBody { bytes, began: self }
    }
}

/// A body that may be sent.
pub(crate) struct TrackedBody {
    bytes: Bytes,
    began: SendState,
}

impl TrackedBody {
    /// The body of a request that is about to be sent: it has not begun to go out, even where one before it had.
    pub(crate) fn outgoing(&self) -> OutgoingBody {
        self.began.0.store(WAITS, Ordering::Relaxed);
        OutgoingBody { bytes: Some(self.bytes.clone()), began: self.began.clone() }
    }
}

/// The body of one request, of known length. It notes when the connection takes it.
pub(crate) struct OutgoingBody {
    bytes: Option<Bytes>,
    began: SendState,
}

impl OutgoingBody {
    /// A body that nobody tracks.
    pub(crate) fn new(bytes: Bytes) -> Self {
        SendState::default().track(bytes).outgoing()
    }
}

impl Body for OutgoingBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = self.bytes.take();
        // Where it was withdrawn, the request ends short of its length, and the connection with it.
        let before = self.began.0.compare_exchange(WAITS, TAKEN, Ordering::Relaxed, Ordering::Relaxed);
        Poll::Ready(bytes.filter(|_| before != Err(WITHDRAWN)).map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn taken(body: &mut OutgoingBody) -> Option<Bytes> {
        match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
            Poll::Ready(None) => None,
            Poll::Pending => panic!("the body must be ready at once"),
        }
    }

    #[test]
    fn a_withdrawn_body_never_goes_out_and_a_body_that_went_out_cannot_be_withdrawn() {
        let (began, bytes) = (SendState::default(), Bytes::from_static(b"x"));
        let watched = began.clone().track(bytes.clone());
        let (mut first, mut second) = (watched.outgoing(), watched.outgoing());
        assert_eq!((first.size_hint().exact(), began.has_begun()), (Some(1), false));
        assert_eq!((taken(&mut first), began.has_begun()), (Some(bytes.clone()), true));
        began.withdraw();
        assert_eq!((taken(&mut first), began.has_begun()), (None, true), "the body has ended");
        let mut third = watched.outgoing();
        assert!(!began.has_begun(), "the body will be sent again and has not begun to");
        began.withdraw();
        assert_eq!((taken(&mut third), taken(&mut second), began.has_begun()), (None, None, false));
        assert_eq!(taken(&mut OutgoingBody::new(bytes.clone())), Some(bytes));
    }
}
