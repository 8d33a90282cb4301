//! What an InfluxDB server (1, 2, 3, and what speaks like it) says of a write.

use core::time::Duration;

use super::table::Evidence;
use super::{Codes, Hint, Needs, Said, Verdict, VerdictRow};
use crate::formats::influxdb::{error_words, refused_lines};

/// An answer to a write.
#[derive(Clone, Copy, Debug, Default)]
pub struct InfluxdbAnswer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// What `Retry-After` asks for.
    pub retry_after: Option<Duration>,
    /// The body; `None` where it was not read to its end, for instance because it is too long.
    pub body: Option<&'a [u8]>,
}

/// The verdict on a write, from [`INFLUXDB`].
#[must_use]
pub fn influxdb(answer: InfluxdbAnswer<'_>) -> Verdict {
    let body = answer.body.unwrap_or_default();
    let evidence = Evidence {
        http: answer.status,
        has_empty_body: answer.body == Some(&[]),
        words: error_words(body),
        rejected: refused_lines(body).unwrap_or(0) as u64,
        asked: answer.retry_after,
        ..Evidence::default()
    };
    evidence.verdict(INFLUXDB)
}

const V1_WRITE: &str = "InfluxDB 1, `services/httpd/handler.go`";
const TELEGRAF_WORDS: &str = "Telegraf, `plugins/outputs/influxdb/http.go`";
const TELEGRAF_2: &str = "Telegraf, `plugins/outputs/influxdb_v2/http.go`";
const API: &str = "API of InfluxDB 1, 2 and 3, write";
const RFC: &str = "RFC 9110, 15";
const PROXY: &str = "RFC 9110, 15; proxies";

/// What answers to a write mean. Words are those of `error` or `message` in a JSON body; lines that a server quotes
/// cannot pass for them, for a space in our lines has a backslash before it.
pub const INFLUXDB: &[VerdictRow] = &[
    VerdictRow::new(
        Codes::Any,
        Needs::Rejections,
        Said::IN_PART,
        "API of InfluxDB 1, 2 and 3 (400, 422); influxdata/telegraf#8571 (500); Cloud Serverless before 2024-09 (201)",
    ),
    // Before the words: InfluxDB 1 answers 401 "unable to parse authentication credentials".
    VerdictRow::new(Codes::Http(&[(401, 401), (403, 403)]), Needs::Nothing, Said::Refused, API)
        .hints(Hint::Credentials),
    VerdictRow::new(Codes::Any, Needs::Words(&["hinted handoff queue not empty"]), Said::Stored, TELEGRAF_WORDS),
    VerdictRow::new(
        Codes::Any,
        Needs::Words(&[
            "points beyond retention policy",
            "field type conflict",
            "unable to parse",
            "partial write",
            "retention policy not found",
        ]),
        Said::Refused,
        TELEGRAF_WORDS,
    ),
    VerdictRow::new(Codes::Any, Needs::Words(&["database not found"]), Said::Refused, V1_WRITE).hints(Hint::Database),
    VerdictRow::new(Codes::Http(&[(404, 404)]), Needs::Words(&["bucket", "organization"]), Said::Refused, API)
        .hints(Hint::Bucket),
    VerdictRow::new(Codes::Http(&[(413, 413)]), Needs::Nothing, Said::TooLarge, API).hints(Hint::Size),
    VerdictRow::new(
        Codes::Any,
        Needs::Words(&["request body too large", "request entity too large"]),
        Said::TooLarge,
        "Go, `http.MaxBytesError`; InfluxDB 1",
    )
    .hints(Hint::Size),
    VerdictRow::new(Codes::Http(&[(204, 204)]), Needs::Nothing, Said::Stored, API),
    VerdictRow::new(Codes::Http(&[(200, 299)]), Needs::EmptyBody, Said::Stored, TELEGRAF_2).hints(Hint::UnusualSuccess),
    VerdictRow::new(
        Codes::Http(&[(200, 299)]),
        Needs::Nothing,
        Said::Unclear,
        "InfluxDB 2 answers 200 on paths that it does not know; proxies and login pages do",
    )
    .hints(Hint::NoAcceptance),
    VerdictRow::new(Codes::Http(&[(300, 399)]), Needs::Nothing, Said::Refused, "RFC 9110, 15.4").hints(Hint::Redirect),
    VerdictRow::new(Codes::Http(&[(404, 404), (405, 405)]), Needs::Nothing, Said::Refused, API).hints(Hint::Path),
    VerdictRow::new(Codes::Http(&[(407, 407)]), Needs::Nothing, Said::Refused, RFC).hints(Hint::ProxyCredentials),
    VerdictRow::new(Codes::Http(&[(408, 408)]), Needs::Nothing, Said::AWAY_WITH_IT, PROXY),
    VerdictRow::new(Codes::Http(&[(411, 411), (431, 431)]), Needs::Nothing, Said::Refused, PROXY).hints(Hint::Proxy),
    VerdictRow::new(Codes::Http(&[(415, 415)]), Needs::Nothing, Said::Refused, RFC).hints(Hint::Media),
    VerdictRow::new(Codes::Http(&[(426, 426), (505, 505)]), Needs::Nothing, Said::Refused, RFC).hints(Hint::Protocol),
    VerdictRow::new(Codes::Http(&[(429, 429), (503, 503)]), Needs::Nothing, Said::AWAY, API),
    VerdictRow::new(Codes::Http(&[(502, 502), (504, 504)]), Needs::Nothing, Said::AWAY_WITH_IT, PROXY),
    VerdictRow::new(
        Codes::Http(&[(500, 999)]),
        Needs::Nothing,
        Said::Ill,
        "API of InfluxDB 1, 2 and 3 (500); RFC 9110, 15 (from 600 on as 5xx)",
    ),
    VerdictRow::new(Codes::Any, Needs::Nothing, Said::Refused, API),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, body: &[u8]) -> Verdict {
        influxdb(InfluxdbAnswer { status, retry_after: None, body: Some(body) })
    }

    #[test]
    fn influxdb_statuses() {
        for (statuses, said) in [
            (&[200, 201, 202, 204, 205, 206, 208, 299][..], Said::Stored),
            (&[101, 300, 301, 302, 303, 304, 307, 308], Said::Refused),
            (&[400, 401, 402, 403, 404, 405, 407, 411, 415, 422, 426, 431, 499, 505], Said::Refused),
            (&[413], Said::TooLarge),
            (&[429, 503], Said::AWAY),
            (&[408, 502, 504], Said::AWAY_WITH_IT),
            (&[500, 501, 507, 511, 520, 599, 600, 999], Said::Ill),
        ] {
            for &status in statuses {
                assert_eq!(verdict(status, b"").said, said, "{status}");
            }
        }
    }

    #[test]
    fn words_decide_whatever_the_status() {
        for (status, body, said, hint) in [
            (400, r#"{"error":"partial write: field type conflict dropped=3"}"#, Said::Partial { dropped: 3 }, None),
            (
                500,
                r#"{"code":"internal error","message":"unexpected error writing points to database: partial write: points beyond retention policy dropped=139"}"#,
                Said::Partial { dropped: 139 },
                None,
            ),
            (201, r#"{"error":"partial write: x dropped=1"}"#, Said::Partial { dropped: 1 }, None),
            (
                503,
                r#"{"error":"partial write of line protocol occurred","data":[{"line_number":2}]}"#,
                Said::Partial { dropped: 1 },
                None,
            ),
            (500, r#"{"error":"hinted handoff queue not empty"}"#, Said::Stored, None),
            (503, r#"{"error":"timeout: hinted handoff queue not empty"}"#, Said::Stored, None),
            (500, r#"{"error":"points beyond retention policy"}"#, Said::Refused, None),
            (200, r#"{"error":"unable to parse 'a b=': missing field value"}"#, Said::Refused, None),
            (500, r#"{"error":"retention policy not found: week"}"#, Said::Refused, None),
            (404, r#"{"error":"database not found: \"load\""}"#, Said::Refused, Some(Hint::Database)),
            (500, r#"{"error":"database not found: \"load\""}"#, Said::Refused, Some(Hint::Database)),
            (404, r#"{"code":"not found","message":"bucket \"load\" not found"}"#, Said::Refused, Some(Hint::Bucket)),
            (
                404,
                r#"{"code":"not found","message":"organization name \"o\" not found"}"#,
                Said::Refused,
                Some(Hint::Bucket),
            ),
            (401, r#"{"error":"unable to parse authentication credentials"}"#, Said::Refused, Some(Hint::Credentials)),
            (400, r#"{"error":"http: request body too large"}"#, Said::TooLarge, Some(Hint::Size)),
            (500, r#"{"error":"engine is closed"}"#, Said::Ill, None),
            // What is quoted is no word of the server, nor is a key.
            (503, r#"{"original_line":"a unable to parse"}"#, Said::AWAY, None),
            (503, r#"{"unable to parse":1}"#, Said::AWAY, None),
            (503, "unable to parse", Said::AWAY, None),
        ] {
            assert_eq!(verdict(status, body.as_bytes()), Verdict { said, hint }, "{status} {body}");
        }
    }

    #[test]
    fn a_success_with_a_body_is_no_acceptance() {
        for body in ["{\"links\":{}}", "<html>", "OK", "{}"] {
            assert_eq!(verdict(200, body.as_bytes()), Verdict { said: Said::Unclear, hint: Some(Hint::NoAcceptance) });
        }
        assert_eq!(verdict(204, b"").hint, None);
        assert_eq!(verdict(200, b"").hint, Some(Hint::UnusualSuccess));
        let cut = influxdb(InfluxdbAnswer { status: 200, ..InfluxdbAnswer::default() });
        assert_eq!(cut.said, Said::Unclear, "a body that was not read to its end may hold anything");
    }

    #[test]
    fn a_pause_that_is_asked_for_is_part_of_the_verdict() {
        let pause = Duration::from_secs(7);
        let said = |status| influxdb(InfluxdbAnswer { status, retry_after: Some(pause), body: Some(b"") }).said;
        assert_eq!(said(503), Said::Away { at_least: pause, may_have_arrived: false });
        assert_eq!(said(504), Said::Away { at_least: pause, may_have_arrived: true });
        assert_eq!((said(403), said(500)), (Said::Refused, Said::Ill));
    }
}
