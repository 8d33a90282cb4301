//! What an OTLP receiver says of an export over HTTP.

use core::time::Duration;

use super::grpc::TOO_LARGE_WORDS;
use super::table::Evidence;
use super::{Codes, Hint, Needs, Said, Verdict, VerdictRow};
use crate::formats::otlp::{Response, status_message};

/// An answer to an export over HTTP.
#[derive(Clone, Copy, Debug)]
pub struct OtlpHttpAnswer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// What `Retry-After` asks for.
    pub retry_after: Option<Duration>,
    /// The body, by its `Content-Type`.
    pub response: Response<'a>,
    /// The same as text, of whatever type it is.
    pub body: &'a [u8],
}

impl<'a> OtlpHttpAnswer<'a> {
    /// What it says for people: the message of a `google.rpc.Status`, or the body as it stands.
    #[must_use]
    pub fn words(&self) -> &'a [u8] {
        match self.response {
            Response::Protobuf(status) => status_message(status).map_or(self.body, str::as_bytes),
            Response::Json(_) | Response::Unreadable => self.body,
        }
    }
}

/// The verdict on an export over HTTP, from [`OTLP_HTTP`].
#[must_use]
pub fn otlp_http(answer: OtlpHttpAnswer<'_>) -> Verdict {
    let is_success = (200..300).contains(&answer.status);
    let partial = answer.response.partial_success();
    let evidence = Evidence {
        http: answer.status,
        is_unreadable: partial.is_err(),
        // A receiver that rejects fewer than none rejects none.
        rejected: partial.map_or(0, |partial| u64::try_from(partial.rejected_data_points).unwrap_or(0)),
        words: if is_success { &[] } else { answer.words() },
        asked: answer.retry_after,
        ..Evidence::default()
    };
    evidence.verdict(OTLP_HTTP)
}

const RESPONSE: &str = "OTLP specification, \"OTLP/HTTP Response\"";
const FAILURES: &str = "OTLP specification, \"Failures\" under OTLP/HTTP";
const RFC: &str = "RFC 9110, 15";

/// What answers to an export over HTTP mean. The status decides; the body is read only where it is protobuf or JSON.
pub const OTLP_HTTP: &[VerdictRow] = &[
    VerdictRow::new(
        Codes::Http(&[(200, 299)]),
        Needs::Rejections,
        Said::IN_PART,
        "OTLP specification, \"Partial Success\" under OTLP/HTTP",
    ),
    VerdictRow::new(Codes::Http(&[(200, 299)]), Needs::UnreadableBody, Said::Stored, RESPONSE).hints(Hint::Unreadable),
    VerdictRow::new(Codes::Http(&[(200, 299)]), Needs::Nothing, Said::Stored, RESPONSE),
    VerdictRow::new(Codes::Http(&[(300, 399)]), Needs::Nothing, Said::Refused, "RFC 9110, 15.4").hints(Hint::Redirect),
    VerdictRow::new(Codes::Http(&[(413, 413)]), Needs::Nothing, Said::TooLarge, RFC).hints(Hint::Size),
    VerdictRow::new(
        Codes::Any,
        Needs::Words(TOO_LARGE_WORDS),
        Said::TooLarge,
        "OpenTelemetry Collector (400); gateways that speak gRPC",
    )
    .hints(Hint::Size),
    VerdictRow::new(Codes::Http(&[(401, 401), (403, 403)]), Needs::Nothing, Said::Refused, FAILURES)
        .hints(Hint::Credentials),
    VerdictRow::new(Codes::Http(&[(404, 404), (405, 405)]), Needs::Nothing, Said::Refused, FAILURES).hints(Hint::Path),
    VerdictRow::new(Codes::Http(&[(407, 407)]), Needs::Nothing, Said::Refused, RFC).hints(Hint::ProxyCredentials),
    VerdictRow::new(Codes::Http(&[(411, 411), (431, 431)]), Needs::Nothing, Said::Refused, RFC).hints(Hint::Proxy),
    VerdictRow::new(Codes::Http(&[(415, 415)]), Needs::Nothing, Said::Refused, RFC).hints(Hint::Media),
    VerdictRow::new(
        Codes::Http(&[(426, 426), (464, 464), (505, 505)]),
        Needs::Nothing,
        Said::Refused,
        "RFC 9110, 15; AWS load balancers (464)",
    )
    .hints(Hint::Protocol),
    VerdictRow::new(Codes::Http(&[(429, 429), (503, 503)]), Needs::Nothing, Said::AWAY, FAILURES),
    VerdictRow::new(Codes::Http(&[(502, 502), (504, 504)]), Needs::Nothing, Said::AWAY_WITH_IT, FAILURES),
    VerdictRow::new(Codes::Any, Needs::Nothing, Said::Refused, FAILURES),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, kind: &str, body: &[u8]) -> Verdict {
        let response = Response::of(kind.as_bytes(), body);
        otlp_http(OtlpHttpAnswer { status, retry_after: None, response, body })
    }

    #[test]
    fn otlp_http_statuses_as_the_specification_lists_them() {
        for status in 100..=999 {
            let said = match status {
                200..=299 => Said::Stored,
                413 => Said::TooLarge,
                429 | 503 => Said::AWAY,
                502 | 504 => Said::AWAY_WITH_IT,
                _ => Said::Refused,
            };
            assert_eq!(verdict(status, "", b"").said, said, "{status}");
        }
    }

    #[test]
    fn a_receiver_that_asks_for_a_pause_gets_it() {
        let (retry_after, response) = (Some(Duration::from_secs(7)), Response::of(b"", b""));
        let Verdict { said, .. } = otlp_http(OtlpHttpAnswer { status: 503, retry_after, response, body: b"" });
        assert_eq!(said, Said::Away { at_least: Duration::from_secs(7), may_have_arrived: false });
    }

    #[test]
    fn the_status_decides_and_a_body_that_cannot_be_read_is_a_complaint() {
        let two = &[0x0a, 6, 0x08, 2, 0x12, 2, b'n', b'o'][..];
        let negative = &[0x0a, 11, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01][..];
        let complaint = (Said::Stored, Some(Hint::Unreadable));
        for (status, kind, body, expected) in [
            (200, "text/plain", &b"OK"[..], complaint),
            (200, "text/html", b"<html>", complaint),
            (200, "", b"OK", complaint),
            (202, "application/x-protobuf", b"OK", complaint),
            (200, "application/json", b"[]", complaint),
            (200, "text/plain", b"", (Said::Stored, None)),
            (204, "", b"", (Said::Stored, None)),
            (200, "application/json", b"{}", (Said::Stored, None)),
            (200, "application/x-protobuf", two, (Said::Partial { dropped: 2 }, None)),
            (200, "application/x-protobuf", negative, (Said::Stored, None)),
            (
                200,
                "application/json",
                br#"{"partialSuccess":{"rejectedDataPoints":"2"}}"#,
                (Said::Partial { dropped: 2 }, None),
            ),
            (400, "text/plain", b"http: request body too large", (Said::TooLarge, Some(Hint::Size))),
            (400, "text/plain", b"no", (Said::Refused, None)),
            (503, "text/plain", b"OK", (Said::AWAY, None)),
        ] {
            let Verdict { said, hint } = verdict(status, kind, body);
            assert_eq!((said, hint), expected, "{status} {kind} {body:?}");
        }
    }
}
