//! What an OTLP receiver says of an export over gRPC.

use core::time::Duration;

use super::table::Evidence;
use super::{Codes, GrpcStatus, Hint, Needs, Said, Verdict, VerdictRow};
use crate::formats::otlp::{Pushback, Response};

/// An answer to an export over gRPC.
#[derive(Clone, Copy, Debug)]
pub struct GrpcAnswer<'a> {
    /// The HTTP status. It counts only where there is no `grpc-status`: a proxy answered in the service's place (gRPC,
    /// "HTTP to gRPC status code mapping").
    pub http: u16,
    /// The status in the trailers, or in the headers of an answer without a body.
    pub status: Option<GrpcStatus>,
    /// `grpc-message`, decoded.
    pub message: &'a [u8],
    /// The delay of a `RetryInfo`.
    pub retry_delay: Option<Duration>,
    /// `grpc-retry-pushback-ms`.
    pub pushback: Option<Pushback>,
    /// The message of the answer, decompressed.
    pub response: Response<'a>,
}

/// The verdict on an export over gRPC, from [`GRPC`]. A pause is the longer one of those that are asked for.
#[must_use]
pub fn grpc(answer: GrpcAnswer<'_>) -> Verdict {
    let partial = answer.response.partial_success();
    let pushback = match answer.pushback {
        Some(Pushback::Wait(wait)) => Some(wait),
        Some(Pushback::Never) | None => None,
    };
    let evidence = Evidence {
        http: answer.http,
        grpc: answer.status,
        is_unreadable: partial.is_err(),
        // A receiver that rejects fewer than none rejects none.
        rejected: partial.map_or(0, |partial| u64::try_from(partial.rejected_data_points).unwrap_or(0)),
        words: answer.message,
        asked: answer.retry_delay,
        refuses_retry: answer.pushback == Some(Pushback::Never),
        ..Evidence::default()
    };
    let Verdict { said, hint } = evidence.verdict(GRPC);
    let said = match (said, pushback) {
        (Said::Away { at_least, may_have_arrived }, Some(pushback)) => {
            Said::Away { at_least: at_least.max(pushback), may_have_arrived }
        }
        (said, _) => said,
    };
    Verdict { said, hint }
}

/// What servers say of a message that is too large, whatever the status that goes with it.
pub(super) const TOO_LARGE_WORDS: &[&str] = &[
    "received message larger than max",
    "received message after decompression larger than max",
    "message exceeds maximum size",
    "exceeds the maximum configured message size",
    "decoded message length too large",
    "request body too large",
];

const FAILURES: &str = "OTLP specification, \"Failures\" under OTLP/gRPC";
const MAPPING: &str = "gRPC, `http-grpc-status-mapping.md`";
const PROXY: &str = "gRPC, `http-grpc-status-mapping.md`; proxies";

/// What answers to an export over gRPC mean. `grpc-status` decides; an HTTP status alone is a proxy's.
pub const GRPC: &[VerdictRow] = &[
    VerdictRow::new(
        Codes::Grpc(&[GrpcStatus::OK]),
        Needs::Rejections,
        Said::IN_PART,
        "OTLP specification, \"Partial Success\" under OTLP/gRPC",
    ),
    VerdictRow::new(
        Codes::Grpc(&[GrpcStatus::OK]),
        Needs::UnreadableBody,
        Said::Stored,
        "gRPC, `PROTOCOL-HTTP2.md`: the status decides; grpc-go compresses whatever `grpc-accept-encoding` says",
    )
    .hints(Hint::Unreadable),
    VerdictRow::new(Codes::Grpc(&[GrpcStatus::OK]), Needs::Nothing, Said::Stored, FAILURES),
    VerdictRow::new(
        Codes::AnyGrpc,
        Needs::Words(TOO_LARGE_WORDS),
        Said::TooLarge,
        "grpc-go, grpc-java and .NET with RESOURCE_EXHAUSTED, tonic with OUT_OF_RANGE",
    )
    .hints(Hint::Size),
    VerdictRow::new(Codes::AnyGrpc, Needs::NoRetry, Said::Refused, "grpc/proposal, A6, \"Pushback\""),
    VerdictRow::new(
        Codes::Grpc(&[GrpcStatus::RESOURCE_EXHAUSTED]),
        Needs::Pause,
        Said::AWAY,
        "OTLP specification, \"Throttling\": `RetryInfo`",
    ),
    VerdictRow::new(
        Codes::Grpc(&[GrpcStatus::CANCELLED, GrpcStatus::DEADLINE_EXCEEDED, GrpcStatus::DATA_LOSS]),
        Needs::Nothing,
        Said::AWAY_WITH_IT,
        FAILURES,
    ),
    VerdictRow::new(
        Codes::Grpc(&[GrpcStatus::ABORTED, GrpcStatus::OUT_OF_RANGE, GrpcStatus::UNAVAILABLE]),
        Needs::Nothing,
        Said::AWAY,
        FAILURES,
    ),
    VerdictRow::new(
        Codes::Grpc(&[GrpcStatus::PERMISSION_DENIED, GrpcStatus::UNAUTHENTICATED]),
        Needs::Nothing,
        Said::Refused,
        FAILURES,
    )
    .hints(Hint::Credentials),
    VerdictRow::new(Codes::Grpc(&[GrpcStatus::UNIMPLEMENTED]), Needs::Nothing, Said::Refused, FAILURES)
        .hints(Hint::Path),
    VerdictRow::new(Codes::AnyGrpc, Needs::Nothing, Said::Refused, FAILURES),
    VerdictRow::new(
        Codes::Http(&[(200, 299)]),
        Needs::Nothing,
        Said::Unclear,
        "gRPC, `PROTOCOL-HTTP2.md`: only a status is success; proxies and login pages answer 200 without one",
    )
    .hints(Hint::NoAcceptance),
    VerdictRow::new(Codes::Http(&[(300, 399)]), Needs::Nothing, Said::Refused, "RFC 9110, 15.4").hints(Hint::Redirect),
    VerdictRow::new(Codes::Http(&[(401, 401), (403, 403)]), Needs::Nothing, Said::Refused, MAPPING)
        .hints(Hint::Credentials),
    VerdictRow::new(Codes::Http(&[(404, 404), (405, 405)]), Needs::Nothing, Said::Refused, MAPPING).hints(Hint::Path),
    VerdictRow::new(Codes::Http(&[(407, 407)]), Needs::Nothing, Said::Refused, "RFC 9110, 15")
        .hints(Hint::ProxyCredentials),
    VerdictRow::new(Codes::Http(&[(413, 413)]), Needs::Nothing, Said::TooLarge, PROXY).hints(Hint::Size),
    VerdictRow::new(
        Codes::Http(&[(411, 411), (415, 415), (426, 426), (464, 464), (505, 505)]),
        Needs::Nothing,
        Said::Refused,
        "gRPC, `PROTOCOL-HTTP2.md` (415); RFC 9110, 15; AWS load balancers (464)",
    )
    .hints(Hint::Protocol),
    VerdictRow::new(Codes::Http(&[(429, 429), (503, 503)]), Needs::Nothing, Said::AWAY, MAPPING),
    VerdictRow::new(Codes::Http(&[(502, 502), (504, 504)]), Needs::Nothing, Said::AWAY_WITH_IT, PROXY),
    VerdictRow::new(Codes::Any, Needs::Nothing, Said::Refused, MAPPING),
];

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: GrpcAnswer<'_> = GrpcAnswer {
        http: 200,
        status: None,
        message: b"",
        retry_delay: None,
        pushback: None,
        response: Response::Protobuf(&[]),
    };

    fn of(code: u32) -> GrpcAnswer<'static> {
        GrpcAnswer { status: Some(GrpcStatus(code)), ..NOTHING }
    }

    #[test]
    fn grpc_statuses_as_the_otlp_specification_lists_them() {
        for code in 0..=17 {
            let expected = match code {
                0 => Said::Stored,
                1 | 4 | 15 => Said::AWAY_WITH_IT,
                10 | 11 | 14 => Said::AWAY,
                _ => Said::Refused,
            };
            assert_eq!(grpc(of(code)).said, expected, "{code}");
        }
        let pause = Duration::from_secs(2);
        let with_info = |code| grpc(GrpcAnswer { retry_delay: Some(pause), ..of(code) }).said;
        assert_eq!(with_info(8), Said::Away { at_least: pause, may_have_arrived: false });
        assert_eq!(with_info(13), Said::Refused);
    }

    #[test]
    fn http_statuses_stand_for_what_grpc_maps_them_to() {
        for (http, said, hint) in [
            (200, Said::Unclear, Some(Hint::NoAcceptance)),
            (206, Said::Unclear, Some(Hint::NoAcceptance)),
            (301, Said::Refused, Some(Hint::Redirect)),
            (400, Said::Refused, None),
            (401, Said::Refused, Some(Hint::Credentials)),
            (403, Said::Refused, Some(Hint::Credentials)),
            (404, Said::Refused, Some(Hint::Path)),
            (413, Said::TooLarge, Some(Hint::Size)),
            (415, Said::Refused, Some(Hint::Protocol)),
            (429, Said::AWAY, None),
            (500, Said::Refused, None),
            (502, Said::AWAY_WITH_IT, None),
            (503, Said::AWAY, None),
            (504, Said::AWAY_WITH_IT, None),
            (600, Said::Refused, None),
        ] {
            assert_eq!(grpc(GrpcAnswer { http, ..NOTHING }), Verdict { said, hint }, "{http}");
            let status = Some(GrpcStatus::UNAVAILABLE);
            assert_eq!(grpc(GrpcAnswer { http, status, ..NOTHING }).said, Said::AWAY, "{http}: the status decides");
        }
    }

    #[test]
    fn the_status_decides_and_a_message_that_cannot_be_read_is_a_complaint() {
        let ok = |response| grpc(GrpcAnswer { response, ..of(0) });
        let two = &[0x0a, 6, 0x08, 2, 0x12, 2, b'n', b'o'];
        assert_eq!(ok(Response::Protobuf(two)), Verdict { said: Said::Partial { dropped: 2 }, hint: None });
        for unreadable in [Response::Unreadable, Response::Protobuf(b"OK")] {
            assert_eq!(ok(unreadable), Verdict { said: Said::Stored, hint: Some(Hint::Unreadable) });
        }
    }

    #[test]
    fn words_for_too_large_count_whatever_the_status() {
        for (code, message) in [
            (8, "grpc: received message larger than max (5000000 vs. 4194304)"),
            (8, "grpc: received message after decompression larger than max 4194304"),
            (8, "gRPC message exceeds maximum size 4194304: 5000000"),
            (8, "Received message exceeds the maximum configured message size."),
            (11, "Error, decoded message length too large: found 5000000 bytes, the limit is: 4194304 bytes"),
        ] {
            let verdict = grpc(GrpcAnswer { message: message.as_bytes(), ..of(code) });
            assert_eq!(verdict, Verdict { said: Said::TooLarge, hint: Some(Hint::Size) }, "{message}");
        }
    }

    #[test]
    fn the_longest_pause_that_is_asked_for_counts() {
        let millis = Duration::from_millis;
        for (code, delay, pushback, expected) in [
            (14, Some(2_500), None, Some(2_500)),
            (14, None, Some(Pushback::Wait(millis(40))), Some(40)),
            (14, Some(2_500), Some(Pushback::Wait(millis(3_000))), Some(3_000)),
            (14, Some(2_500), Some(Pushback::Wait(millis(40))), Some(2_500)),
            (14, Some(2_500), Some(Pushback::Never), None),
            (8, None, Some(Pushback::Wait(millis(40))), None),
            (3, None, Some(Pushback::Wait(millis(40))), None),
        ] {
            let said = grpc(GrpcAnswer { retry_delay: delay.map(millis), pushback, ..of(code) }).said;
            let pause = match said {
                Said::Away { at_least, .. } => Some(at_least),
                _ => None,
            };
            assert_eq!(pause, expected.map(millis), "{code} {delay:?} {pushback:?}: {said:?}");
        }
    }

    #[test]
    fn only_the_number_zero_is_ok() {
        for (text, status) in [
            (&b"0"[..], GrpcStatus::OK),
            (b"14", GrpcStatus::UNAVAILABLE),
            (b"", GrpcStatus::UNKNOWN),
            (b"ok", GrpcStatus::UNKNOWN),
            (b"+0", GrpcStatus::UNKNOWN),
        ] {
            assert_eq!(GrpcStatus::parse(text), status);
        }
        assert_eq!(
            [8, 16, 17, 99].map(|code| GrpcStatus(code).name()),
            ["RESOURCE_EXHAUSTED", "UNAUTHENTICATED", "UNKNOWN", "UNKNOWN"]
        );
    }
}
