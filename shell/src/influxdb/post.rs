//! One `POST` at a time over one kept-alive connection.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use loaddensity_metrics_core::Timestamp;
use loaddensity_metrics_core::verdict::{self, Hint, InfluxdbAnswer, Language, Said, Verdict};

use super::Endpoint;
use crate::condition::Condition;
use crate::http_client::{self, Advice, Answered, FirstBytes, Outgoing, Taken, in_full, waited};
use crate::hyper_io::HyperIo;
use crate::metered::Meter;
use crate::remedy;
use crate::runtime::Runtime;
use crate::stop::{StopSignal, before};

/// The types of bodies: lines of points, and the form with a query.
const LINES: &str = "text/plain; charset=utf-8";
const FORM: &str = "application/x-www-form-urlencoded";

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
    /// What it means; a pause is as long as is granted.
    pub(super) said: Said,
    /// What may be wrong.
    hint: Option<Hint>,
    /// Its words and what to do about them, for people.
    pub(super) says: String,
}

/// The client of one server.
pub(super) struct Client<R: Runtime> {
    runtime: R,
    endpoint: Box<Endpoint>,
    connection: Option<Connection<R>>,
    has_connected: bool,
    /// Whether the body that is under way may have gone out.
    taken: Taken,
    condition: Arc<Condition>,
    /// Whether the database is there, or nobody is to create it.
    has_database: bool,
}

struct Connection<R: Runtime> {
    requests: SendRequest<Outgoing>,
    meter: Meter,
    /// What came over it first.
    first: FirstBytes,
    /// Drives the connection; dropped with it.
    _task: R::Task,
}

impl<R: Runtime> Client<R> {
    pub(super) fn new(runtime: R, endpoint: Box<Endpoint>, condition: Arc<Condition>) -> Self {
        let has_database = endpoint.creation.is_none();
        let taken = Taken::default();
        Self { runtime, endpoint, connection: None, has_connected: false, taken, condition, has_database }
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
            Err(says) => {
                let says = self.endpoint.secrets.hide_in(&says);
                Outcome::Failed { taken: was_taken || self.taken.is_taken(), says }
            }
        }
    }

    /// The same within `timeout` and the deadline of a `stop`.
    pub(super) async fn post_in_time(&mut self, body: &Bytes, timeout: Duration, stop: &StopSignal) -> Outcome {
        let runtime = self.runtime.clone();
        let began = runtime.now();
        let body = self.endpoint.encoded(body);
        let answer = before(&runtime, began + timeout, Box::pin(self.post(&body)));
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

    /// One body and its whole answer. The connection is kept if it can be used again.
    async fn exchange(&mut self, mut connection: Connection<R>, body: &Bytes) -> Result<Answer, String> {
        loop {
            self.taken = Taken::default();
            let was_there = self.has_database;
            let failure = if was_there { None } else { self.create_database(&mut connection).await? };
            let (mut answer, is_over) = self.write(&mut connection, body).await?;
            answer.says = self.endpoint.server.told(answer.says);
            answer.says.extend(failure.map(|failure| format!("; {failure}")));
            // It was there, or may have been, and is not any more: the body is none that is refused twice.
            let has_vanished = answer.hint == Some(Hint::Database) && self.endpoint.creation.is_some();
            self.has_database &= !has_vanished;
            if !is_over {
                return Ok(answer);
            }
            if !(has_vanished && was_there) {
                self.connection = Some(connection);
                return Ok(answer);
            }
        }
    }

    /// Has the database created; what the server has against it. An error is one of the connection.
    async fn create_database(&mut self, connection: &mut Connection<R>) -> Result<Option<String>, String> {
        let Some(creation) = &self.endpoint.creation else { return Ok(None) };
        let request = self.endpoint.request(&creation.path, FORM, Taken::default().watch(creation.form.clone()))?;
        let response = connection.send(request, &self.endpoint.advice).await?;
        let (head, body) = response.into_parts();
        let Answered { body, is_over } = http_client::read(&head.headers, body).await;
        if !is_over {
            return Err("the answer to CREATE DATABASE broke off, or is too long for one of InfluxDB".into());
        }
        self.has_database = true;
        Ok(creation.failure(head.status, &body.unwrap_or_default(), &self.endpoint.secrets))
    }

    /// Posts a body; the answer, and whether it was read to its end.
    async fn write(&mut self, connection: &mut Connection<R>, body: &Bytes) -> Result<(Answer, bool), String> {
        let mut request = self.endpoint.request(&self.endpoint.path, LINES, self.taken.watch(body.clone()))?;
        if self.endpoint.gzip {
            request.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let response = connection.send(request, &self.endpoint.advice).await?;
        Ok(read_answer(response, &self.endpoint, self.runtime.wall_clock()).await)
    }

    async fn connect(&mut self) -> Result<Connection<R>, String> {
        let meter = Meter::of_server();
        let stream = meter.turns(self.endpoint.server.connect(&self.runtime, &meter)).await;
        let stream = stream.map_err(|error| remedy::cannot_connect(&error))?;
        let first = FirstBytes::default();
        let stream = HyperIo::new(first.of(stream));
        let (requests, connection) = http1::handshake(stream).await.map_err(|error| in_full(&error))?;
        if std::mem::replace(&mut self.has_connected, true) {
            self.condition.reconnected();
        }
        let task = self.runtime.spawn(meter.turns(async move {
            // Its error reaches the request that waits for it.
            let _ = connection.await;
        }));
        Ok(Connection { requests, meter, first, _task: task })
    }
}

impl<R: Runtime> Connection<R> {
    async fn send(&mut self, request: Request<Outgoing>, advice: &Advice) -> Result<Response<Incoming>, String> {
        let answer = async {
            // What greets first ends the connection before anything was asked.
            self.requests.ready().await?;
            self.meter.begin_request();
            self.requests.send_request(request).await
        };
        answer.await.map_err(|error: hyper::Error| advice.on_break(in_full(&error), self.first.get(), Language::Http1))
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

    fn request(&self, path: &str, kind: &'static str, body: Outgoing) -> Result<Request<Outgoing>, String> {
        let mut request = self.server.post(path).header(USER_AGENT, http_client::USER_AGENT).header(CONTENT_TYPE, kind);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        request.body(body).map_err(|error| error.to_string())
    }
}

/// The answer that comes at `now`, and whether it was read to its end, so that the connection can be used again.
async fn read_answer(response: Response<Incoming>, endpoint: &Endpoint, now: Timestamp) -> (Answer, bool) {
    let (head, body) = response.into_parts();
    let Answered { body, is_over } = http_client::read(&head.headers, body).await;
    (Answer::new(head.status, &head.headers, body.as_deref(), endpoint, now), is_over)
}

impl Answer {
    /// The answer of `status`; of a `body` that is not known, nothing proves that a line was stored.
    fn new(status: StatusCode, headers: &HeaderMap, body: Option<&[u8]>, endpoint: &Endpoint, now: Timestamp) -> Self {
        let asked = headers.get(RETRY_AFTER).and_then(|value| verdict::retry_after_at(value.as_bytes(), now));
        let answer = InfluxdbAnswer { status: status.as_u16(), retry_after: asked, body };
        let Verdict { said, hint } = verdict::influxdb(answer);
        let text = endpoint.secrets.excerpt(body.unwrap_or_default());
        let mut says = format!("answered {status}: {text}").trim_end_matches([':', ' ']).to_owned();
        if let Some(hint) = hint {
            says += &format!("; {}", endpoint.advice.on(hint, headers, &endpoint.secrets));
        }
        Self { said: granted(said, &mut says), hint, says }
    }

    /// What there is to complain about, although all of the body is stored.
    pub(super) fn complaint(self) -> Option<String> {
        self.hint.map(|_| self.says)
    }
}

/// `said` with the pause that is granted; `says` tells of it.
fn granted(said: Said, says: &mut String) -> Said {
    let Said::Away { at_least, may_have_arrived } = said else { return said };
    if !at_least.is_zero() {
        *says += &format!("; asked to wait {} s", at_least.as_secs());
    }
    if at_least > LONGEST_PAUSE {
        *says += &format!(", waits {} s", LONGEST_PAUSE.as_secs());
    }
    Said::Away { at_least: at_least.min(LONGEST_PAUSE), may_have_arrived }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{InfluxdbConfig, InfluxdbTarget, Secret};
    use crate::influxdb::endpoint::Way;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &[u8], token: Option<&str>) -> Answer {
        let target =
            InfluxdbTarget::Url { url: "http://h/api/v2/api/v2/write?bucket=b".into(), token: token.map(Secret::new) };
        let config = InfluxdbConfig { target, ..InfluxdbConfig::default() };
        let Ok(Way::Http { endpoint, .. }) = Way::of(&config) else { panic!("good settings") };
        let status = StatusCode::from_u16(status).expect("a status");
        let headers =
            headers.iter().map(|&(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)));
        Answer::new(status, &headers.collect(), Some(body), &endpoint, Timestamp::from_unix_nanos(0))
    }

    #[test]
    fn a_server_is_left_alone_for_a_minute_at_most() {
        let answer = |status, seconds| {
            let answer = answer(status, &[("retry-after", seconds)], b"busy", None);
            let pause = match answer.said {
                Said::Away { at_least, .. } => Some(at_least.as_secs()),
                _ => None,
            };
            (pause, answer.says)
        };
        let says = "answered 503 Service Unavailable: busy";
        assert_eq!(answer(503, "soon"), (Some(0), says.into()));
        assert_eq!(answer(503, "60"), (Some(60), format!("{says}; asked to wait 60 s")));
        assert_eq!(answer(503, "86400"), (Some(60), format!("{says}; asked to wait 86400 s, waits 60 s")));
        assert_eq!(answer(503, "18446744073709551615").0, Some(60));
        assert_eq!(answer(422, "5"), (None, "answered 422 Unprocessable Entity: busy".into()), "it is not asked again");
    }

    #[test]
    fn answers_say_what_to_do() {
        let none: &[(&str, &str)] = &[];
        for (status, headers, body, token, says) in [
            (401, none, "", None, "answered 401 Unauthorized; no credentials were sent: set `token`"),
            (403, none, "no", Some("t0k"), "answered 403 Forbidden: no; check `token`, which was sent"),
            (404, none, "", None, "nothing takes points at http://h/api/v2/api/v2/write: check the path in `url`"),
            (404, none, r#"{"error":"database not found: \"d\""}"#, None, "create it"),
            (404, none, r#"{"message":"bucket \"b\" not found"}"#, None, "create it"),
            (413, none, "", None, "lower `batch_bytes`"),
            (415, none, "", None, "`gzip`"),
            (
                301,
                &[("location", "https://h/write?p=hunter2")],
                "",
                None,
                "set `url` so that requests go to https://h/write?…",
            ),
            (200, none, "{\"links\":{}}", None, "nothing says that the points were stored: check `url`"),
            (202, none, "", None, "answered 202 Accepted; counted as stored, though InfluxDB answers 204"),
        ] {
            let shown = answer(status, headers, body.as_bytes(), token).says;
            assert!(shown.contains(says), "{shown:?} lacks {says:?}");
        }
        assert_eq!(answer(204, none, b"", None).complaint(), None);
        assert!(answer(201, none, b"", None).complaint().is_some());
    }
}
