//! One `POST` at a time over one kept-alive connection.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use loaddensity_metrics_core::verdict::{self, Verdict};
use loaddensity_metrics_core::{Timestamp, influxdb};

use super::Endpoint;
use crate::condition::Condition;
use crate::http_client::{self, Outgoing, Secrets, Taken, in_full, waited};
use crate::hyper_io::HyperIo;
use crate::metered::Meter;
use crate::runtime::Runtime;
use crate::stop::{StopSignal, before};

/// Most bytes of an answer that are read; real ones have a few hundred.
const ANSWER_BYTES: usize = 64 << 10;

/// Longest pause that a server is granted: what waits longer than this is lost to the buffer's end.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What became of one request.
pub(super) enum Outcome {
    /// The server answered.
    Answered(Answer),
    /// No connection, or it broke before an answer came; `taken`: the body may have gone out.
    Failed { taken: bool, says: String },
    /// The time ran out, after so long; `taken` as above.
    TimedOut { taken: bool, waited: Duration },
}

/// A server's answer.
pub(super) struct Answer {
    pub(super) verdict: Verdict,
    /// Of a body that was taken in part: how many of its lines were not.
    pub(super) refused_lines: Option<usize>,
    /// How long the server is to be left alone, as far as that is granted.
    pub(super) least_pause: Duration,
    /// Its words, for people.
    pub(super) says: String,
}

/// The client of one server.
pub(super) struct Client<R: Runtime> {
    runtime: R,
    endpoint: Endpoint,
    connection: Option<Connection<R>>,
    has_connected: bool,
    /// Whether the body that is under way may have gone out.
    taken: Taken,
    condition: Arc<Condition>,
}

struct Connection<R: Runtime> {
    requests: SendRequest<Outgoing>,
    meter: Meter,
    /// Drives the connection; dropped with it.
    _task: R::Task,
}

impl<R: Runtime> Client<R> {
    pub(super) fn new(runtime: R, endpoint: Endpoint, condition: Arc<Condition>) -> Self {
        Self { runtime, endpoint, connection: None, has_connected: false, taken: Taken::default(), condition }
    }

    /// Posts `body` and reads the answer. It may be dropped at any time; then [`give_up`](Self::give_up) tells.
    async fn post(&mut self, body: &Bytes) -> Outcome {
        let kept = self.connection.take().filter(|connection| !connection.requests.is_closed());
        // A server may close a kept connection at any time; that says nothing about a new one. But if the body went
        // out on it, nobody knows what became of it, even where no new one can be had.
        let mut was_taken = false;
        if let Some(connection) = kept {
            match self.exchange(connection, body).await {
                Ok(answer) => return Outcome::Answered(answer),
                Err(_) => was_taken = self.taken.is_taken(),
            }
        }
        match self.post_anew(body).await {
            Ok(answer) => Outcome::Answered(answer),
            Err(says) => Outcome::Failed { taken: was_taken || self.taken.is_taken(), says },
        }
    }

    /// The same within `timeout` and the deadline of a `stop`.
    pub(super) async fn post_in_time(&mut self, body: &Bytes, timeout: Duration, stop: &StopSignal) -> Outcome {
        let runtime = self.runtime.clone();
        let began = runtime.now();
        let body = self.endpoint.encoded(body);
        let answer = before(&runtime, began + timeout, self.post(&body));
        match stop.unless_overdue(&runtime, answer).await.flatten() {
            Some(outcome) => outcome,
            None => {
                let elapsed = runtime.now().saturating_duration_since(began);
                Outcome::TimedOut { taken: self.give_up(), waited: waited(elapsed, timeout) }
            }
        }
    }

    /// After a post that was not waited for: whether its body may have gone out.
    fn give_up(&mut self) -> bool {
        self.connection = None;
        self.taken.is_taken()
    }

    async fn post_anew(&mut self, body: &Bytes) -> Result<Answer, String> {
        self.taken = Taken::default();
        let connection = self.connect().await?;
        self.exchange(connection, body).await
    }

    /// One request and its whole answer. The connection is kept if it can be used again.
    async fn exchange(&mut self, mut connection: Connection<R>, body: &Bytes) -> Result<Answer, String> {
        self.taken = Taken::default();
        connection.requests.ready().await.map_err(|error| in_full(&error))?;
        let request = self.endpoint.request(self.taken.watch(body.clone()))?;
        connection.meter.begin_request();
        let response = connection.requests.send_request(request).await.map_err(|error| in_full(&error))?;
        let now = self.runtime.wall_clock();
        let (answer, is_read) = read_answer(response, &self.endpoint.secrets, now).await;
        if is_read {
            self.connection = Some(connection);
        }
        Ok(answer)
    }

    async fn connect(&mut self) -> Result<Connection<R>, String> {
        let meter = Meter::of_server();
        let stream = meter.turns(self.endpoint.server.connect(&self.runtime, &meter)).await;
        let stream = stream.map_err(|error| format!("cannot connect: {error}"))?;
        let (requests, connection) = http1::handshake(HyperIo::new(stream)).await.map_err(|error| in_full(&error))?;
        if std::mem::replace(&mut self.has_connected, true) {
            self.condition.reconnected();
        }
        let task = self.runtime.spawn(meter.turns(async move {
            // Its error reaches the request that waits for it.
            let _ = connection.await;
        }));
        Ok(Connection { requests, meter, _task: task })
    }
}

impl Endpoint {
    /// Without the query, which may hold a password.
    pub(super) fn public_address(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{}{path}", self.server.origin())
    }

    /// The body as it goes out.
    fn encoded(&self, body: &Bytes) -> Bytes {
        #[cfg(feature = "gzip")]
        if self.gzip {
            return crate::gzip::compressed(body).into();
        }
        body.clone()
    }

    fn request(&self, body: Outgoing) -> Result<Request<Outgoing>, String> {
        let mut request = Request::post(self.path.as_str())
            .header(HOST, self.server.authority())
            .header(USER_AGENT, http_client::USER_AGENT)
            .header(CONTENT_TYPE, "text/plain; charset=utf-8");
        if self.gzip {
            request = request.header(CONTENT_ENCODING, "gzip");
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        request.body(body).map_err(|error| error.to_string())
    }
}

/// The answer that comes at `now`, and whether it was read to its end, so that the connection can be used again.
async fn read_answer(response: Response<Incoming>, secrets: &Secrets, now: Timestamp) -> (Answer, bool) {
    let status = response.status();
    let asked = response.headers().get(RETRY_AFTER);
    let asked = asked.and_then(|value| verdict::retry_after_at(value.as_bytes(), now));
    let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
    let is_read = body.is_ok();
    // Of an answer that is not read to its end, nothing proves that a line was stored.
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    (Answer::new(status, asked, &body, secrets), is_read)
}

impl Answer {
    /// The answer of `status` with the server's words in `body`, and the pause that it `asked` for.
    fn new(status: StatusCode, asked: Option<Duration>, body: &[u8], secrets: &Secrets) -> Self {
        let verdict = verdict::influxdb(status.as_u16());
        let may_be_partial = matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY);
        let refused_lines = if may_be_partial { influxdb::refused_lines(body) } else { None };
        let text = secrets.excerpt(body);
        let mut says = format!("answered {status}: {text}").trim_end_matches([':', ' ']).to_owned();
        if let (Verdict::Retry, Some(asked)) = (verdict, asked) {
            says += &format!("; asked to wait {} s", asked.as_secs());
            if asked > LONGEST_PAUSE {
                says += &format!(", waits {} s", LONGEST_PAUSE.as_secs());
            }
        }
        Self { verdict, refused_lines, least_pause: asked.unwrap_or_default().min(LONGEST_PAUSE), says }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_left_alone_for_a_minute_at_most() {
        let answer = |status, seconds: Option<u64>| {
            let answer = Answer::new(status, seconds.map(Duration::from_secs), b"busy", &Secrets::default());
            (answer.least_pause.as_secs(), answer.says)
        };
        let busy = StatusCode::SERVICE_UNAVAILABLE;
        let says = "answered 503 Service Unavailable: busy";
        assert_eq!(answer(busy, None), (0, says.into()));
        assert_eq!(answer(busy, Some(60)), (60, format!("{says}; asked to wait 60 s")));
        assert_eq!(answer(busy, Some(86_400)), (60, format!("{says}; asked to wait 86400 s, waits 60 s")));
        assert_eq!(answer(busy, Some(u64::MAX)).0, 60);
        let refused = answer(StatusCode::FORBIDDEN, Some(5)).1;
        assert_eq!(refused, "answered 403 Forbidden: busy", "it is not asked again");
    }

    #[test]
    fn only_a_refusal_can_be_partial() {
        let body = br#"{"error":"partial write: field type conflict dropped=3"}"#;
        for (status, refused_lines) in [(400, Some(3)), (422, Some(3)), (403, None), (500, None), (204, None)] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(Answer::new(status, None, body, &Secrets::default()).refused_lines, refused_lines, "{status}");
        }
    }
}
