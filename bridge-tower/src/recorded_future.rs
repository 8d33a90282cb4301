//! What a call returns.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use crate::completed::{AnyServiceError, ErrorKindRule, OutcomeRule};
use crate::pending::Pending;
use crate::recorded_body::RecordedBody;

pin_project! {
    /// The future of a call that is recorded. Dropped before its response, it counts as [`Ending::Cancelled`].
    #[derive(Debug)]
    pub struct RecordedFuture<F, O: OutcomeRule, K = AnyServiceError> {
        #[pin]
        inner: F,
        // Gone once there is a response or an error.
        pending: Option<Pending<O>>,
        kinds: K,
    }
}

impl<F, O: OutcomeRule, K> RecordedFuture<F, O, K> {
    pub(crate) fn new(inner: F, pending: Pending<O>, kinds: K) -> Self {
        Self { inner, pending: Some(pending), kinds }
    }
}

impl<F, O, K, B, E> Future for RecordedFuture<F, O, K>
where
    F: Future<Output = Result<Response<B>, E>>,
    O: OutcomeRule,
    K: ErrorKindRule<E>,
    B: Body,
{
    type Output = Result<Response<RecordedBody<B, O>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.inner.poll(context));
        let pending = this.pending.take();
        Poll::Ready(match answer {
            Ok(response) => {
                let pending = pending.and_then(|pending| pending.responded(&response));
                Ok(response.map(|body| RecordedBody::new(body, pending)))
            }
            Err(error) => {
                pending.into_iter().for_each(|pending| pending.failed(this.kinds.kind_of(&error)));
                Err(error)
            }
        })
    }
}
