//! The body of a response, at whose end the request is recorded.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::completed::{Ending, OutcomeRule};
use crate::pending::Pending;

pin_project! {
    /// A body whose request is recorded when it ends, breaks off or is dropped. Frames go through as they are.
    #[derive(Debug)]
    pub struct RecordedBody<B, O: OutcomeRule> {
        #[pin]
        inner: B,
        // Gone once the request is recorded.
        pending: Option<Pending<O>>,
    }
}

impl<B, O: OutcomeRule> RecordedBody<B, O> {
    pub(crate) fn new(inner: B, pending: Option<Pending<O>>) -> Self {
        Self { inner, pending }
    }
}

impl<B: Body, O: OutcomeRule> Body for RecordedBody<B, O> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.inner.as_mut().poll_frame(context));
        if let Some(pending) = this.pending.take() {
            match &frame {
                Some(Ok(frame)) => {
                    let bytes = frame.data_ref().map_or(0, Buf::remaining);
                    *this.pending = pending.went_on(bytes as u64, &*this.inner);
                }
                Some(Err(_)) => pending.end(Ending::BodyError),
                None => pending.end(Ending::Whole),
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
