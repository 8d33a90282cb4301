//! A `POST` of binary protobuf over HTTP/1.1 (OTLP specification, "OTLP/HTTP").

use hyper::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER, USER_AGENT};
use hyper::http::request::Builder;
use hyper::{Request, StatusCode};
use loaddensity_metrics_core::Timestamp;
use loaddensity_metrics_core::otlp::Response;
use loaddensity_metrics_core::verdict::{self, OtlpHttpAnswer};

use super::{Exchanged, HttpConnection, OtlpTarget, OutgoingBody, ServerAnswer, judged};
use crate::boxed::AnyRuntime;
use crate::http_client::{self, ReadBody};

/// The type of requests, and of answers to them.
const PROTOBUF: &str = "application/x-protobuf";

/// A request without its body.
pub(super) fn head(target: &OtlpTarget) -> Builder {
    target.server.post(&target.path).header(USER_AGENT, http_client::USER_AGENT).header(CONTENT_TYPE, PROTOBUF)
}

/// Sends `request`, and reads the answer.
pub(super) async fn exchange(
    connection: &mut HttpConnection,
    request: Request<OutgoingBody>,
    target: &OtlpTarget,
    runtime: &dyn AnyRuntime,
) -> Result<Exchanged, String> {
    let response = connection.send(request).await;
    let (head, body) = response.map_err(|error| connection.broke(&error, &target.advice))?.into_parts();
    let ReadBody { body, is_over } = http_client::read(&head.headers, body).await;
    let answer = answer(head.status, &head.headers, body.as_deref(), target, runtime.wall_time());
    Ok(Exchanged { answer, is_over })
}

/// The answer with this body, if it is known.
fn answer(
    status: StatusCode,
    headers: &HeaderMap,
    body: Option<&[u8]>,
    target: &OtlpTarget,
    now: Timestamp,
) -> ServerAnswer {
    let kind = headers.get(CONTENT_TYPE).map_or(&[][..], |kind| kind.as_bytes());
    let answer = OtlpHttpAnswer {
        status: status.as_u16(),
        retry_after: headers.get(RETRY_AFTER).and_then(|value| verdict::retry_after_at(value.as_bytes(), now)),
        response: body.map_or(Response::Unreadable, |body| Response::of(kind, body)),
        body: body.unwrap_or_default(),
    };
    let verdict = verdict::otlp_http(answer);
    let partial = answer.response.partial_success().ok().filter(|_| status.is_success());
    let words = partial.map_or_else(|| answer.words(), |partial| partial.error_message.as_bytes());
    judged(verdict, &status.to_string(), &target.secrets.excerpt(words), headers, target)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hyper::header::HeaderValue;
    use loaddensity_metrics_core::verdict::Said;

    use super::*;
    use crate::config::{OpenTelemetryConfig, Secret};

    const NOW: Timestamp = Timestamp::from_unix_nanos(784_111_775_000_000_000);
    const STORED: Said = Said::Stored;

    fn answer_to(status: u16, headers: &[(&'static str, &'static str)], body: Option<&[u8]>) -> ServerAnswer {
        let headers =
            headers.iter().map(|&(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)));
        let config = OpenTelemetryConfig {
            headers: vec![("x-api-key".into(), Secret::new("hunter2"))],
            ..OpenTelemetryConfig::http()
        };
        let target = OtlpTarget::read(&config).expect("good settings");
        answer(StatusCode::from_u16(status).expect("a status"), &headers.collect(), body, &target, NOW)
    }

    #[test]
    fn the_status_decides_and_the_body_is_shown() {
        let partial = &[0x0a, 6, 0x08, 2, 0x12, 2, b'n', b'o'][..];
        let json = br#"{"partialSuccess":{"rejectedDataPoints":"2","errorMessage":"no"}}"#;
        let away = Said::Away { at_least: Duration::ZERO, may_have_arrived: false };
        for (status, kind, body, said, says) in [
            (200, PROTOBUF, &[][..], STORED, ""),
            (200, PROTOBUF, partial, Said::Partial { dropped: 2 }, "no"),
            (200, "application/json", json, Said::Partial { dropped: 2 }, "no"),
            (202, "", &[], STORED, ""),
            (200, "application/json; charset=utf-8", b"{}", STORED, ""),
            (200, "text/html", b"<html>", STORED, "answered 200 OK: <html>; counted as accepted"),
            (200, "text/plain", b"OK hunter2", STORED, "answered 200 OK: OK …; counted as accepted"),
            (400, PROTOBUF, &[0x08, 3, 0x12, 2, b'n', b'o'], Said::Refused, "answered 400 Bad Request: no"),
            (400, "text/plain", b"bad hunter2", Said::Refused, "answered 400 Bad Request: bad …"),
            (401, "", &[], Said::Refused, "answered 401 Unauthorized; check `headers`, which was sent"),
            (404, "", b"?", Said::Refused, "nothing takes metrics at http://localhost:4318/v1/metrics"),
            (413, "", &[], Said::TooLarge, "`max_request_bytes`"),
            (415, "", &[], Said::Refused, "`protocol`"),
            (500, "", &[], Said::Refused, "500"),
            (503, "", b"busy", away, "503 Service Unavailable: busy"),
        ] {
            let answer = answer_to(status, &[("content-type", kind)], Some(body));
            assert_eq!(answer.said, said, "{status} {kind}: {}", answer.words);
            assert!(answer.words.contains(says), "{:?} lacks {says:?}", answer.words);
            assert_eq!(answer.words.is_empty(), says.is_empty(), "{}", answer.words);
        }
        let cut = answer_to(200, &[("content-type", PROTOBUF)], None);
        assert!(cut.said == STORED && cut.words.contains("counted as accepted"), "{}", cut.words);
        let moved = answer_to(308, &[("location", "https://h/v1/metrics?k=hunter2")], Some(b"")).words;
        assert!(moved.contains("set `endpoint` so that requests go to https://h/v1/metrics?…"), "{moved}");
    }

    #[test]
    fn retry_after_is_honoured_as_a_number_and_as_a_date() {
        for (status, after, seconds) in [
            (429, "7", Some(7)),
            (503, "Sun, 06 Nov 1994 08:49:37 GMT", Some(2)),
            (502, "100000", Some(100_000)),
            (504, "soon", Some(0)),
            (500, "7", None),
        ] {
            let answer = answer_to(status, &[("retry-after", after)], Some(&[]));
            let pause = match answer.said {
                Said::Away { at_least, .. } => Some(at_least.as_secs()),
                _ => None,
            };
            assert_eq!(pause, seconds, "{status} {after}: {}", answer.words);
        }
    }
}
