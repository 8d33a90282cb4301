//! One export at a time over one connection that is kept: what gRPC and HTTP have in common.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response};
use loaddensity_metrics_core::verdict::{Language, Said, Verdict};

use super::target::Target;
use crate::condition::Condition;
use crate::config::OtlpProtocol;
use crate::http_client::{FirstBytes, Outgoing, Taken, in_full};
use crate::hyper_io::{HyperIo, HyperTasks};
use crate::metered::Meter;
use crate::remedy;
use crate::runtime::Runtime;

#[cfg(feature = "opentelemetry")]
mod grpc;
mod http;

/// How the message in gRPC's frame is compressed.
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
/// Longest pause that a receiver is granted.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// What became of one call.
pub(super) enum Outcome {
    /// The server answered.
    Answered(Answer),
    /// No connection, or it broke before an answer came; `taken`: the message may have gone out.
    Failed { taken: bool, says: String },
    /// The time ran out, after so long; `taken` as above.
    TimedOut { taken: bool, waited: Duration },
}

/// A server's answer.
pub(super) struct Answer {
    /// What it means; a pause is as long as is granted.
    pub(super) said: Said,
    /// The server's words and what to do about them, for people; empty where all is well.
    pub(super) says: String,
}

/// The client of one receiver.
pub(super) struct Client<R: Runtime> {
    runtime: R,
    target: Target,
    timeout: Duration,
    connection: Option<Connection<R>>,
    has_connected: bool,
    /// Whether the message that is under way may have gone out.
    taken: Taken,
    condition: Arc<Condition>,
}

struct Connection<R: Runtime> {
    requests: Requests,
    meter: Meter,
    /// What came over it first.
    first: FirstBytes,
    /// Drive the connection; dropped with it.
    _tasks: HyperTasks<R>,
}

/// Hyper's handle of a connection.
enum Requests {
    #[cfg(feature = "opentelemetry")]
    Http2(hyper::client::conn::http2::SendRequest<Outgoing>),
    Http1(hyper::client::conn::http1::SendRequest<Outgoing>),
}

/// What came of a request on a connection.
enum Exchanged {
    /// An answer, and whether it was read to its end, so that the connection can be used again.
    Answer(Answer, bool),
    /// The connection broke.
    Broken(String),
}

impl<R: Runtime> Client<R> {
    pub(super) fn new(runtime: R, target: Target, timeout: Duration, condition: Arc<Condition>) -> Self {
        let taken = Taken::default();
        Self { runtime, target, timeout, connection: None, has_connected: false, taken, condition }
    }

    /// Whether a message needs gRPC's prefix.
    pub(super) const fn wants_frame(&self) -> bool {
        matches!(self.target.protocol, OtlpProtocol::Grpc)
    }

    /// Sends `message`, as the protocol wants it, and reads the answer. It may be dropped at any time; then
    /// [`give_up`](Self::give_up) tells.
    pub(super) async fn call(&mut self, message: &Bytes) -> Outcome {
        let kept = self.connection.take().filter(|connection| !connection.requests.is_closed());
        // A server may close a kept connection at any time; that says nothing about a new one. But if the message went
        // out on it, nobody knows what became of it, even where no new one can be had.
        let mut was_taken = false;
        if let Some(connection) = kept {
            match self.exchange(connection, message).await {
                Ok(answer) => return Outcome::Answered(answer),
                Err(_) => was_taken = self.taken.is_taken(),
            }
        }
        match self.call_anew(message).await {
            Ok(answer) => Outcome::Answered(answer),
            Err(says) => {
                // A GOAWAY has words of the server.
                let says = self.target.secrets.hide_in(&says);
                Outcome::Failed { taken: was_taken || self.taken.is_taken(), says }
            }
        }
    }

    /// After a call that was not waited for: whether its message may have gone out.
    pub(super) fn give_up(&mut self) -> bool {
        self.connection = None;
        self.taken.is_taken()
    }

    async fn call_anew(&mut self, message: &Bytes) -> Result<Answer, String> {
        self.taken = Taken::default();
        let connection = self.connect().await?;
        self.exchange(connection, message).await
    }

    /// One request and its whole answer. The connection is kept if it can be used again.
    async fn exchange(&mut self, mut connection: Connection<R>, message: &Bytes) -> Result<Answer, String> {
        self.taken = Taken::default();
        let request = self.request(self.taken.watch(message.clone()))?;
        let exchanged = match connection.requests.send(request, &connection.meter).await {
            Ok(response) => self.read_answer(response).await,
            Err(error) => self.read_error(&error),
        };
        match exchanged {
            Exchanged::Answer(mut answer, is_read) => {
                answer.says = self.target.server.told(answer.says);
                if is_read {
                    self.connection = Some(connection);
                }
                Ok(answer)
            }
            Exchanged::Broken(says) => {
                let expected = if self.wants_frame() { Language::Http2 } else { Language::Http1 };
                Err(self.target.advice.on_break(says, connection.first.get(), expected))
            }
        }
    }

    async fn connect(&mut self) -> Result<Connection<R>, String> {
        let meter = Meter::of_server();
        let first = FirstBytes::default();
        let tasks = HyperTasks::metered(self.runtime.clone(), &meter);
        let requests = meter.turns(self.shake_hands(&meter, &first, &tasks)).await?;
        if std::mem::replace(&mut self.has_connected, true) {
            self.condition.reconnected();
        }
        Ok(Connection { requests, meter, first, _tasks: tasks })
    }

    async fn shake_hands(&self, meter: &Meter, first: &FirstBytes, tasks: &HyperTasks<R>) -> Result<Requests, String> {
        let stream = self.target.server.connect(&self.runtime, meter).await;
        let stream = HyperIo::new(first.of(stream.map_err(|error| remedy::cannot_connect(&error))?));
        let requests = match self.target.protocol {
            #[cfg(feature = "opentelemetry")]
            OtlpProtocol::Grpc => {
                grpc::handshake(stream, meter, tasks, self.runtime.clone(), self.condition.clone()).await
            }
            #[cfg(not(feature = "opentelemetry"))]
            OtlpProtocol::Grpc => return Err("this build has no HTTP/2".into()),
            OtlpProtocol::HttpProtobuf => http::handshake(stream, tasks).await,
        };
        requests.map_err(|error| in_full(&error))
    }

    fn request(&self, message: Outgoing) -> Result<Request<Outgoing>, String> {
        let request = match self.target.protocol {
            #[cfg(feature = "opentelemetry")]
            OtlpProtocol::Grpc => grpc::head(&self.target, self.timeout),
            #[cfg(not(feature = "opentelemetry"))]
            OtlpProtocol::Grpc => return Err("this build has no HTTP/2".into()),
            OtlpProtocol::HttpProtobuf => http::head(&self.target),
        };
        let mut request = request.body(message).map_err(|error| error.to_string())?;
        if self.target.gzip {
            let name = if self.wants_frame() { GRPC_ENCODING } else { CONTENT_ENCODING };
            request.headers_mut().insert(name, HeaderValue::from_static("gzip"));
        }
        let given = self.target.headers.iter();
        request.headers_mut().extend(given.map(|(name, value)| (name.clone(), value.clone())));
        Ok(request)
    }

    async fn read_answer(&self, response: Response<Incoming>) -> Exchanged {
        match self.target.protocol {
            #[cfg(feature = "opentelemetry")]
            OtlpProtocol::Grpc => grpc::read_answer(response, &self.target).await,
            _ => http::read_answer(response, &self.target, self.runtime.wall_clock()).await,
        }
    }

    fn read_error(&self, error: &hyper::Error) -> Exchanged {
        #[cfg(feature = "opentelemetry")]
        if let Some(answer) = grpc::reset(error, &self.target) {
            return Exchanged::Answer(answer, true);
        }
        Exchanged::Broken(in_full(error))
    }
}

impl Requests {
    fn is_closed(&self) -> bool {
        match self {
            #[cfg(feature = "opentelemetry")]
            Self::Http2(requests) => requests.is_closed(),
            Self::Http1(requests) => requests.is_closed(),
        }
    }

    async fn send(&mut self, request: Request<Outgoing>, meter: &Meter) -> hyper::Result<Response<Incoming>> {
        match self {
            #[cfg(feature = "opentelemetry")]
            Self::Http2(requests) => {
                requests.ready().await?;
                meter.begin_request();
                requests.send_request(request).await
            }
            Self::Http1(requests) => {
                requests.ready().await?;
                meter.begin_request();
                requests.send_request(request).await
            }
        }
    }
}

impl Answer {
    /// An answer with this `verdict`: what was `answered`, and the server's `words`.
    fn new(verdict: Verdict, answered: &str, words: &str, headers: &HeaderMap, target: &Target) -> Self {
        let Verdict { said, hint } = verdict;
        let is_plain = hint.is_none() && matches!(said, Said::Stored | Said::Partial { .. });
        let mut says = if is_plain { words.to_owned() } else { format!("answered {answered}: {words}") };
        says.truncate(says.trim_end_matches([':', ' ']).len());
        if let Some(hint) = hint {
            says += &format!("; {}", target.advice.on(hint, headers, &target.secrets));
        }
        Self { said: granted(said, &mut says), says }
    }
}

/// `said` with the pause that is granted; `says` tells of it.
fn granted(said: Said, says: &mut String) -> Said {
    let Said::Away { at_least, may_have_arrived } = said else { return said };
    if !at_least.is_zero() {
        *says += &format!("; asked to wait {at_least:?}");
    }
    if at_least > LONGEST_PAUSE {
        *says += &format!(", waits {LONGEST_PAUSE:?}");
    }
    Said::Away { at_least: at_least.min(LONGEST_PAUSE), may_have_arrived }
}
