//! A `POST` of binary protobuf over HTTP/1.1 (OTLP specification, "OTLP/HTTP").

use futures_io::{AsyncRead, AsyncWrite};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, RETRY_AFTER, USER_AGENT};
use hyper::http::request::Builder;
use hyper::{Request, Response, StatusCode};
use loaddensity_metrics_core::Timestamp;
use loaddensity_metrics_core::otlp::{partial_success, status_message};
use loaddensity_metrics_core::verdict::{self, Verdict};

use super::{ANSWER_BYTES, Answer, Exchanged, Requests, Target};
use crate::http_client::{self, Secrets};
use crate::hyper_io::{HyperIo, HyperTasks};
use crate::metered::Meter;
use crate::runtime::Runtime;

/// The type of requests, and of answers to them.
const PROTOBUF: &str = "application/x-protobuf";

pub(super) async fn handshake<R: Runtime, S>(
    stream: HyperIo<S>,
    meter: &Meter,
    tasks: &HyperTasks<R>,
) -> hyper::Result<Requests>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (requests, connection) = http1::handshake(stream).await?;
    tasks.spawn(meter.turns(async move {
        // Its error reaches the request that waits for it.
        let _ = connection.await;
    }));
    Ok(Requests::Http1(requests))
}

/// A request without its body.
pub(super) fn head(target: &Target) -> Builder {
    Request::post(target.path.as_str())
        .header(HOST, target.server.authority())
        .header(USER_AGENT, http_client::USER_AGENT)
        .header(CONTENT_TYPE, PROTOBUF)
}

/// The answer, and whether it was read to its end.
pub(super) async fn read_answer(response: Response<Incoming>, secrets: &Secrets, now: Timestamp) -> Exchanged {
    let (head, body) = response.into_parts();
    match Limited::new(body, ANSWER_BYTES).collect().await {
        Ok(body) => Exchanged::Answer(answer(head.status, &head.headers, &body.to_bytes(), secrets, now), true),
        // A refusal is one, however long it is; but an acceptance may be a partial one.
        Err(_) if !head.status.is_success() => {
            Exchanged::Answer(answer(head.status, &head.headers, &[], secrets, now), false)
        }
        Err(_) => Exchanged::Broken(format!("the answer {} was cut off or too long", head.status)),
    }
}

fn answer(status: StatusCode, headers: &HeaderMap, body: &[u8], secrets: &Secrets, now: Timestamp) -> Answer {
    let kind = headers.get(CONTENT_TYPE).map_or(&[][..], |kind| kind.as_bytes());
    let is_kind =
        |kind: &[u8], name: &str| kind.get(..name.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(name.as_bytes()));
    let verdict = verdict::otlp_http(status.as_u16());
    if verdict != Verdict::Accepted {
        let asked = headers.get(RETRY_AFTER).and_then(|value| verdict::retry_after_at(value.as_bytes(), now));
        let words = match status_message(body).filter(|_| is_kind(kind, PROTOBUF)) {
            Some(message) => secrets.excerpt(message.as_bytes()),
            None => secrets.excerpt(body),
        };
        return Answer::failed(verdict, asked, &status.to_string(), &words);
    }
    // Some receivers answer in JSON whatever they were sent. What it says is not read, but it is an acceptance.
    if is_kind(kind, "application/json") {
        return Answer::accepted(0, String::new());
    }
    match partial_success(body) {
        Ok(partial) => {
            Answer::accepted(partial.rejected_data_points, secrets.excerpt(partial.error_message.as_bytes()))
        }
        Err(error) => Answer::failed(Verdict::Refused, None, &status.to_string(), &error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hyper::header::HeaderValue;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_nanos(784_111_775_000_000_000);

    fn answer_to(status: u16, headers: &[(&'static str, &'static str)], body: &[u8]) -> Answer {
        let headers =
            headers.iter().map(|&(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)));
        let mut secrets = Secrets::default();
        secrets.add("hunter2");
        answer(StatusCode::from_u16(status).expect("a status"), &headers.collect(), body, &secrets, NOW)
    }

    #[test]
    fn only_a_success_with_a_sound_body_is_one() {
        let partial = &[0x0a, 6, 0x08, 2, 0x12, 2, b'n', b'o'][..];
        for (status, kind, body, verdict, rejected, says) in [
            (200, PROTOBUF, &[][..], Verdict::Accepted, 0, ""),
            (200, PROTOBUF, partial, Verdict::Accepted, 2, "no"),
            (202, "", &[], Verdict::Accepted, 0, ""),
            (200, "application/json; charset=utf-8", b"{}", Verdict::Accepted, 0, ""),
            (200, "text/html", b"<html>", Verdict::Refused, 0, "is the endpoint an OTLP receiver?"),
            (400, PROTOBUF, &[0x08, 3, 0x12, 2, b'n', b'o'], Verdict::Refused, 0, "answered 400 Bad Request: no"),
            (400, "text/plain", b"bad hunter2", Verdict::Refused, 0, "answered 400 Bad Request: bad …"),
            (301, "", &[], Verdict::Refused, 0, "301"),
            (500, "", &[], Verdict::Refused, 0, "500"),
            (503, "", b"busy", Verdict::Retry, 0, "503 Service Unavailable: busy"),
        ] {
            let answer = answer_to(status, &[("content-type", kind)], body);
            assert_eq!(
                (answer.verdict, answer.rejected_points),
                (verdict, rejected),
                "{status} {kind}: {}",
                answer.says
            );
            assert!(answer.says.contains(says), "{:?} lacks {says:?}", answer.says);
        }
    }

    #[test]
    fn retry_after_is_honoured_as_a_number_and_as_a_date() {
        for (status, after, seconds) in [
            (429, "7", 7),
            (503, "Sun, 06 Nov 1994 08:49:37 GMT", 2),
            (502, "100000", 600),
            (504, "soon", 0),
            (500, "7", 0),
        ] {
            let answer = answer_to(status, &[("retry-after", after)], &[]);
            assert_eq!(answer.least_pause, Duration::from_secs(seconds), "{status} {after}: {}", answer.says);
        }
    }
}
