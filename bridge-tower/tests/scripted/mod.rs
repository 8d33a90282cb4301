//! A service that does what each request's script says.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body::{Body, Frame};

/// What a service answers.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// How often the answer is pending before it comes.
    pub(crate) pending: usize,
    /// The status; none: the service fails.
    pub(crate) status: Option<u16>,
    pub(crate) body: ScriptedBody,
    /// Whether the head says how many bytes there are.
    pub(crate) has_length: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct ScriptedBody {
    pub(crate) steps: VecDeque<Step>,
    /// Whether the body knows that nothing more comes.
    pub(crate) knows_its_end: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Data(usize),
    Trailers,
    Pending,
    Broken,
}

/// An error of the service or of a body.
#[derive(Debug)]
pub(crate) struct Scripted;

impl fmt::Display for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("as the script says")
    }
}

impl std::error::Error for Scripted {}

impl Script {
    pub(crate) fn answering(status: u16, steps: impl IntoIterator<Item = Step>) -> Self {
        let body = ScriptedBody { steps: steps.into_iter().collect(), knows_its_end: false };
        Self { pending: 0, status: Some(status), body, has_length: false }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.body.steps.iter().map(|step| if let Step::Data(bytes) = step { *bytes } else { 0 }).sum()
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ScriptedService;

impl tower_service::Service<Request<Script>> for ScriptedService {
    type Response = Response<ScriptedBody>;
    type Error = Scripted;
    type Future = ScriptedAnswer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Scripted>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Script>) -> ScriptedAnswer {
        ScriptedAnswer(request.into_body())
    }
}

pub(crate) struct ScriptedAnswer(Script);

impl Future for ScriptedAnswer {
    type Output = Result<Response<ScriptedBody>, Scripted>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let script = &mut self.0;
        if script.pending > 0 {
            script.pending -= 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(status) = script.status else { return Poll::Ready(Err(Scripted)) };
        let mut response = Response::new(script.body.clone());
        *response.status_mut() = status.try_into().expect("a script has a status of three digits");
        if script.has_length {
            response.headers_mut().insert(header::CONTENT_LENGTH, script.bytes().into());
        }
        Poll::Ready(Ok(response))
    }
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = Scripted;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Scripted>>> {
        static ZEROS: [u8; 4_096] = [0; 4_096];
        Poll::Ready(match self.steps.pop_front() {
            Some(Step::Data(bytes)) => Some(Ok(Frame::data(Bytes::from_static(&ZEROS[..bytes])))),
            Some(Step::Trailers) => Some(Ok(Frame::trailers(http::HeaderMap::new()))),
            Some(Step::Broken) => Some(Err(Scripted)),
            Some(Step::Pending) => {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.knows_its_end && self.steps.is_empty()
    }
}
