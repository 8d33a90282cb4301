//! One kept-alive HTTP/1.1 connection of a user.

use std::error::Error;
use std::io;

use bytes::Bytes;
use futures_lite::{AsyncRead, AsyncWrite};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{Builder, SendRequest};
use loaddensity_metrics_shell::TraceContext;
use loaddensity_metrics_shell::hyper_io::HyperIo;
use loaddensity_metrics_shell::runtime::Runtime;

use super::failures::FailureKind;
use super::measure::CompleteAnswer;
use super::origin::ResolvedOrigin;
use super::script::ScriptStep;
use super::tls;
use super::trace;

/// An open connection. Dropping it closes it.
pub(super) struct EngineConnection<R: Runtime> {
    sender: SendRequest<Full<Bytes>>,
    /// Whether it has answered before: the server may have closed it since, which is no failure.
    used: bool,
    _driver: R::Task,
}

/// Why no answer came.
pub(super) enum RequestFailure {
    /// The connection had been closed by the server before the request left. Another connection may do.
    Stale,
    /// Anything else.
    Lost(LostRequest),
}

/// A request without a whole answer.
pub(super) struct LostRequest {
    pub(super) kind: FailureKind,
    pub(super) cause: Box<dyn Error + Send + Sync>,
    pub(super) advice: &'static str,
}

impl LostRequest {
    pub(super) fn new(kind: FailureKind, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, cause: cause.into(), advice: kind.advice() }
    }

    /// All that is known of it, in one line: what the operating system said is often the last cause.
    pub(super) fn text(&self, origin: &ResolvedOrigin) -> String {
        let mut text = format!("{}: {}", origin.url(), self.cause);
        let mut cause = self.cause.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        format!("{text}; {}", self.advice)
    }
}

impl From<io::Error> for LostRequest {
    fn from(error: io::Error) -> Self {
        Self::new(FailureKind::of(&error), error)
    }
}

impl From<hyper::Error> for LostRequest {
    fn from(error: hyper::Error) -> Self {
        Self::new(kind_of(&error), error)
    }
}

impl<R: Runtime> EngineConnection<R> {
    /// Connects to the first address that answers.
    pub(super) async fn open(runtime: &R, origin: &ResolvedOrigin) -> Result<Self, LostRequest> {
        let mut refused = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in &origin.addresses {
            match runtime.tcp_connect(*address).await {
                Ok(stream) => return Self::secure(runtime, origin, stream).await,
                Err(error) => refused = error,
            }
        }
        Err(refused.into())
    }

    async fn secure(runtime: &R, origin: &ResolvedOrigin, stream: R::Tcp) -> Result<Self, LostRequest> {
        let Some((tls, _)) = &origin.tls else {
            return Self::over(runtime, stream).await;
        };
        // Whatever ends a handshake, it is the handshake that failed.
        let stream = tls.connect(&origin.host, stream).await.map_err(|error| {
            let advice = tls::advice(&error).unwrap_or(FailureKind::Tls.advice());
            LostRequest { advice, ..LostRequest::new(FailureKind::Tls, error) }
        })?;
        Self::over(runtime, stream).await
    }

    async fn over<S>(runtime: &R, stream: S) -> Result<Self, LostRequest>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, driver) = Builder::new().handshake(HyperIo::new(stream)).await?;
        // What ends the connection is seen by the request on it.
        let driver = runtime.spawn(async {
            let _ = driver.await;
        });
        Ok(Self { sender, used: false, _driver: driver })
    }

    /// Sends the request of `step`, with a header that names its trace if it has one, and reads its answer to the end.
    pub(super) async fn request(
        &mut self,
        runtime: &R,
        step: &ScriptStep,
        trace: TraceContext,
    ) -> Result<CompleteAnswer, RequestFailure> {
        let used = self.used;
        let failed =
            |stale, error: hyper::Error| if stale { RequestFailure::Stale } else { RequestFailure::Lost(error.into()) };
        self.sender.ready().await.map_err(|error| failed(used, error))?;
        let mut request = Request::new(Full::new(step.body.clone()));
        *request.method_mut() = step.method.clone();
        *request.uri_mut() = step.path.clone();
        *request.headers_mut() = step.headers.clone();
        if let Some(traceparent) = trace::header(trace) {
            request.headers_mut().insert(trace::TRACEPARENT, traceparent);
        }
        let sent = runtime.now();
        let response = self.sender.try_send_request(request).await.map_err(|mut error| {
            // The request is handed back only where nothing of it was sent.
            let is_unsent = error.take_message().is_some();
            failed(used && is_unsent, error.into_error())
        })?;
        let (status, first_byte) = (response.status().as_u16(), runtime.now().saturating_duration_since(sent));
        let mut body = response.into_body();
        let mut body_bytes = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| failed(false, error))?;
            body_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        self.used = true;
        Ok(CompleteAnswer { status, body_bytes, first_byte })
    }
}

/// What an error of hyper stands for.
fn kind_of(error: &hyper::Error) -> FailureKind {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return FailureKind::of(error);
        }
        cause = error.source();
    }
    match error {
        _ if error.is_parse() => FailureKind::Protocol,
        _ if error.is_incomplete_message() || error.is_closed() || error.is_canceled() => FailureKind::Closed,
        _ => FailureKind::Other,
    }
}
