//! How a body of lines is posted to InfluxDB, and what the answer means.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Request, StatusCode};
use loaddensity_metrics_core::Timestamp;
use loaddensity_metrics_core::export::LONGEST_POST_PAUSE;
use loaddensity_metrics_core::verdict::{self, Hint, InfluxdbAnswer, Said, Verdict};

use super::Endpoint;
use super::database::Creation;
use crate::boxed::{AnyRuntime, BoxedFuture};
use crate::http_client::{
    self, Encoding, Exchanged, HttpBackend, HttpConnection, OutgoingBody, ReadBody, RemoteServer, Secrets,
    ServerAnswer, TrackedBody,
};
use crate::tls::HttpVersion;

/// The types of bodies: lines of points, and the form with a query.
const LINES: &str = "text/plain; charset=utf-8";
const FORM: &str = "application/x-www-form-urlencoded";

/// An InfluxDB, as one client knows it.
pub(super) struct Influxdb {
    endpoint: Box<Endpoint>,
    /// Whether the database is there, or nobody is to create it. Relaxed: one request at a time looks at it.
    has_database: AtomicBool,
}

impl Influxdb {
    pub(super) const fn new(endpoint: Box<Endpoint>) -> Self {
        let has_database = AtomicBool::new(endpoint.creation.is_none());
        Self { endpoint, has_database }
    }

    /// Has the database created, unless it is known to be there. Returns the server's refusal, if any.
    async fn create_database(&self, connection: &mut HttpConnection) -> Result<Option<String>, String> {
        let creation = self.endpoint.creation.as_ref().filter(|_| !self.has_database.load(Ordering::Relaxed));
        let Some(creation) = creation else { return Ok(None) };
        let Creation { path, form } = creation;
        let request = self.endpoint.request(path, FORM, OutgoingBody::new(form.clone()))?;
        let response = connection.send(request).await;
        let (head, body) = response.map_err(|error| connection.broke(&error, &self.endpoint.advice))?.into_parts();
        let ReadBody { body, is_over } = http_client::read(&head.headers, body).await;
        if !is_over {
            return Err("the answer to CREATE DATABASE broke off, or is too long for one of InfluxDB".into());
        }
        self.has_database.store(true, Ordering::Relaxed);
        Ok(creation.failure(head.status, &body.unwrap_or_default(), &self.endpoint.secrets))
    }

    /// Whether an answer with this `hint` says that the database is not there any more; from then on it is not.
    fn has_vanished(&self, hint: Option<Hint>) -> bool {
        let has_vanished = hint == Some(Hint::Database) && self.endpoint.creation.is_some();
        has_vanished && self.has_database.swap(false, Ordering::Relaxed)
    }
}

impl HttpBackend for Influxdb {
    const LONGEST_PAUSE: Duration = LONGEST_POST_PAUSE;

    fn server(&self) -> &RemoteServer {
        &self.endpoint.server
    }

    fn protocol(&self) -> HttpVersion {
        HttpVersion::Http1
    }

    fn encoding(&self) -> Encoding {
        Encoding::new(self.endpoint.gzip, false)
    }

    fn secrets(&self) -> &Secrets {
        &self.endpoint.secrets
    }

    fn exchange<'a>(
        &'a self,
        runtime: &'a dyn AnyRuntime,
        connection: &'a mut HttpConnection,
        body: &'a TrackedBody,
    ) -> BoxedFuture<'a, Result<Exchanged, String>> {
        Box::pin(async move {
            loop {
                let outgoing = body.outgoing();
                let was_there = self.has_database.load(Ordering::Relaxed);
                let failure = self.create_database(connection).await?;
                let request = self.endpoint.write(outgoing)?;
                let response = connection.send(request).await;
                let (head, body) =
                    response.map_err(|error| connection.broke(&error, &self.endpoint.advice))?.into_parts();
                let ReadBody { body, is_over } = http_client::read(&head.headers, body).await;
                let now = runtime.wall_time();
                let (mut answer, hint) = answer(head.status, &head.headers, body.as_deref(), &self.endpoint, now);
                // Where all went well in spite of the refusal, somebody else has created it.
                answer.words.extend(failure.filter(|_| !answer.words.is_empty()).map(|failure| format!("; {failure}")));
                // The database was there, or may have been, and has vanished: the body is sent once more.
                if !(self.has_vanished(hint) && was_there && is_over) {
                    return Ok(Exchanged { answer, is_over });
                }
            }
        })
    }
}

impl Endpoint {
    /// Without the query, which may hold a password.
    pub(super) fn public_address(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{}{path}", self.server.origin())
    }

    /// The request that posts `lines`.
    fn write(&self, lines: OutgoingBody) -> Result<Request<OutgoingBody>, String> {
        let mut request = self.request(&self.path, LINES, lines)?;
        if self.gzip {
            request.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Ok(request)
    }

    fn request(&self, path: &str, kind: &'static str, body: OutgoingBody) -> Result<Request<OutgoingBody>, String> {
        let mut request = self.server.post(path).header(USER_AGENT, http_client::USER_AGENT).header(CONTENT_TYPE, kind);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        request.body(body).map_err(|error| error.to_string())
    }
}

/// The answer of `status` that comes at `now`, and what may be wrong; of a `body` that is not known, nothing proves that a
/// line was stored.
fn answer(
    status: StatusCode,
    headers: &HeaderMap,
    body: Option<&[u8]>,
    endpoint: &Endpoint,
    now: Timestamp,
) -> (ServerAnswer, Option<Hint>) {
    let asked = headers.get(RETRY_AFTER).and_then(|value| verdict::retry_after_at(value.as_bytes(), now));
    let Verdict { said, hint } =
        verdict::influxdb(InfluxdbAnswer { status: status.as_u16(), retry_after: asked, body });
    if said == Said::Stored && hint.is_none() {
        return (ServerAnswer { said, words: String::new() }, hint);
    }
    let text = endpoint.secrets.excerpt(body.unwrap_or_default());
    let mut words = format!("answered {status}: {text}").trim_end_matches([':', ' ']).to_owned();
    if let Some(hint) = hint {
        words += &format!("; {}", endpoint.advice.on(hint, headers, &endpoint.secrets));
    }
    (ServerAnswer::new(said, words, Influxdb::LONGEST_PAUSE), hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{InfluxdbConfig, InfluxdbTarget, InfluxdbUrl, Secret};
    use crate::influxdb::endpoint::Transport;

    fn answer_to(
        status: u16,
        headers: &[(&'static str, &'static str)],
        body: &[u8],
        token: Option<&str>,
    ) -> ServerAnswer {
        let target = InfluxdbTarget::Url(InfluxdbUrl {
            url: "http://h/api/v2/api/v2/write?bucket=b".into(),
            token: token.map(Secret::new),
        });
        let config = InfluxdbConfig { target, ..InfluxdbConfig::default() };
        let Ok(Transport::Http { endpoint, .. }) = Transport::of(&config) else { panic!("good settings") };
        let status = StatusCode::from_u16(status).expect("a status");
        let headers =
            headers.iter().map(|&(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)));
        answer(status, &headers.collect(), Some(body), &endpoint, Timestamp::from_unix_nanos(0)).0
    }

    #[test]
    fn the_text_tells_the_pause_that_is_asked_for_and_the_longest_that_is_made() {
        let answer = |status, seconds| {
            let answer = answer_to(status, &[("retry-after", seconds)], b"busy", None);
            let pause = match answer.said {
                Said::Away { at_least, .. } => Some(at_least.as_secs()),
                _ => None,
            };
            (pause, answer.words)
        };
        let says = "answered 503 Service Unavailable: busy";
        assert_eq!(answer(503, "soon"), (Some(0), says.into()));
        assert_eq!(answer(503, "60"), (Some(60), format!("{says}; asked to wait 60 s")));
        assert_eq!(answer(503, "86400"), (Some(86_400), format!("{says}; asked to wait 86400 s, waits 60 s")));
        assert_eq!(answer(503, "18446744073709551615").0, Some(u64::MAX));
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
            let shown = answer_to(status, headers, body.as_bytes(), token).words;
            assert!(shown.contains(says), "{shown:?} lacks {says:?}");
        }
        assert_eq!(answer_to(204, none, b"", None).words, "");
        assert!(!answer_to(201, none, b"", None).words.is_empty());
    }
}
