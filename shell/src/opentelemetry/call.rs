//! One unary gRPC call at a time over one HTTP/2 connection without TLS (grpc/grpc, PROTOCOL-HTTP2.md).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HeaderMap, TE, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use loaddensity_metrics_core::otlp::{grpc_message, partial_success};
use loaddensity_metrics_core::verdict::GrpcStatus;
use percent_encoding::percent_decode;

use crate::condition::Condition;
use crate::http_client::{self, Outgoing, Secrets, Server, Taken, in_full};
use crate::hyper_io::{HyperIo, HyperTasks, HyperTimer};
use crate::runtime::Runtime;

/// The method that takes metrics (opentelemetry-proto, metrics_service.proto).
const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
/// Most bytes of an answer that are read; real ones have a few hundred.
const ANSWER_BYTES: usize = 64 << 10;

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
    pub(super) status: GrpcStatus,
    /// Points that an otherwise accepted message lost (`partial_success`).
    pub(super) rejected_points: i64,
    /// The server's words, for people.
    pub(super) says: String,
}

/// The client of one receiver.
pub(super) struct Client<R: Runtime> {
    runtime: R,
    server: Server,
    timeout: Duration,
    connection: Option<Connection<R>>,
    has_connected: bool,
    /// Whether the message that is under way may have gone out.
    taken: Taken,
    condition: Arc<Condition>,
}

struct Connection<R: Runtime> {
    requests: SendRequest<Outgoing>,
    /// Drive the connection; dropped with it.
    _tasks: HyperTasks<R>,
}

impl<R: Runtime> Client<R> {
    pub(super) fn new(runtime: R, server: Server, timeout: Duration, condition: Arc<Condition>) -> Self {
        let taken = Taken::default();
        Self { runtime, server, timeout, connection: None, has_connected: false, taken, condition }
    }

    /// Sends `message`, gRPC prefix included, and reads the answer. It may be dropped at any time; then
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
            Err(says) => Outcome::Failed { taken: was_taken || self.taken.is_taken(), says },
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
        connection.requests.ready().await.map_err(|error| in_full(&error))?;
        let request = self.request(self.taken.watch(message.clone()))?;
        let response = connection.requests.send_request(request).await.map_err(|error| in_full(&error))?;
        let answer = read_answer(response).await?;
        self.connection = Some(connection);
        Ok(answer)
    }

    async fn connect(&mut self) -> Result<Connection<R>, String> {
        let stream = self.server.connect(&self.runtime).await;
        let stream = stream.map_err(|error| format!("cannot connect: {error}"))?;
        let tasks = HyperTasks::new(self.runtime.clone());
        let (requests, connection) = http2::Builder::new(tasks.executor())
            .timer(HyperTimer::new(self.runtime.clone()))
            .handshake(HyperIo::new(stream))
            .await
            .map_err(|error| in_full(&error))?;
        if std::mem::replace(&mut self.has_connected, true) {
            self.condition.reconnected();
        }
        tasks.spawn(async move {
            // Its error reaches the request that waits for it.
            let _ = connection.await;
        });
        Ok(Connection { requests, _tasks: tasks })
    }

    fn request(&self, message: Outgoing) -> Result<Request<Outgoing>, String> {
        Request::post(format!("http://{}{EXPORT}", self.server.authority()))
            .header(TE, "trailers")
            .header(CONTENT_TYPE, "application/grpc")
            .header(USER_AGENT, http_client::USER_AGENT)
            // At most a day, hence eight digits, as many as gRPC allows.
            .header("grpc-timeout", format!("{}m", self.timeout.as_millis()))
            .body(message)
            .map_err(|error| error.to_string())
    }
}

/// What the server said, wherever it said it: in the headers of an answer without a body, or in the trailers.
async fn read_answer(response: Response<Incoming>) -> Result<Answer, String> {
    let (head, body) = response.into_parts();
    if head.status != StatusCode::OK {
        return Ok(refusal(GrpcStatus::of_http(head.status.as_u16()), &format!("HTTP {}", head.status)));
    }
    if head.headers.contains_key("grpc-status") {
        return Ok(answer(&head.headers, &[]));
    }
    let body = Limited::new(body, ANSWER_BYTES).collect().await.map_err(|error| in_full(error.as_ref()))?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    Ok(answer(&trailers, &body.to_bytes()))
}

/// The beginning of a receiver's words. It is told nothing secret.
fn excerpt(text: &[u8]) -> String {
    Secrets::default().excerpt(text)
}

/// The answer with these trailers, or headers in their place, and this body.
fn answer(trailers: &HeaderMap, body: &[u8]) -> Answer {
    let Some(status) = trailers.get("grpc-status").map(|status| GrpcStatus::parse(status.as_bytes())) else {
        return refusal(GrpcStatus::UNKNOWN, "the answer carries no grpc-status");
    };
    if status != GrpcStatus::OK {
        let message = trailers.get("grpc-message").map_or(&[][..], |message| message.as_bytes());
        return refusal(status, &excerpt(&percent_decode(message).collect::<Vec<u8>>()));
    }
    match grpc_message(body).and_then(partial_success) {
        Ok(partial) => {
            let says = excerpt(partial.error_message.as_ref());
            Answer { status, rejected_points: partial.rejected_data_points.max(0), says }
        }
        Err(_) => refusal(GrpcStatus::UNKNOWN, "the answer is no ExportMetricsServiceResponse"),
    }
}

fn refusal(status: GrpcStatus, says: &str) -> Answer {
    let says = format!("answered {} ({}): {says}", status.name(), status.0);
    Answer { status, rejected_points: 0, says: says.trim_end_matches([':', ' ']).into() }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn trailers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|&(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_status_zero_with_a_sound_body_is_success() {
        let ok = trailers(&[("grpc-status", "0")]);
        for (trailers, body, status, rejected, says) in [
            (&ok, &[][..], 0, 0, ""),
            (&ok, &[0, 0, 0, 0, 0], 0, 0, ""),
            // ExportMetricsServiceResponse { partial_success { rejected_data_points: 2, error_message: "no" } }
            (&ok, &[0, 0, 0, 0, 8, 0x0a, 6, 0x08, 2, 0x12, 2, b'n', b'o'], 0, 2, "no"),
            (&ok, &[0, 0, 0, 0, 9, 1], 2, 0, "no ExportMetricsServiceResponse"),
            (&trailers(&[]), &[], 2, 0, "no grpc-status"),
            (&trailers(&[("grpc-status", "zero")]), &[], 2, 0, "UNKNOWN"),
            (
                &trailers(&[("grpc-status", "14"), ("grpc-message", "try%20later")]),
                &[],
                14,
                0,
                "UNAVAILABLE (14): try later",
            ),
        ] {
            let answer = answer(trailers, body);
            assert_eq!((answer.status.0, answer.rejected_points), (status, rejected), "{}", answer.says);
            assert!(answer.says.contains(says), "{:?} lacks {says:?}", answer.says);
        }
    }
}
