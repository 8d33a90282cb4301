//! A unary gRPC call over HTTP/2 (grpc/grpc, PROTOCOL-HTTP2.md).

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, TE, USER_AGENT};
use hyper::http::request::Builder;
use hyper::{Request, Response, StatusCode};
use loaddensity_metrics_core::otlp::{self, Pushback, grpc_message, retry_delay};
use loaddensity_metrics_core::verdict::{self, GrpcAnswer, GrpcStatus};
use percent_encoding::percent_decode;

use super::{Exchanged, GRPC_ENCODING, HttpConnection, OtlpTarget, OutgoingBody, ServerAnswer};
use crate::http_client::{self, ANSWER_BYTES, decoded};

/// Why an answer could not be read.
type StreamError = Box<dyn std::error::Error + Send + Sync>;

/// The status of a call: in the trailers, or in the headers of an answer without a body.
const GRPC_STATUS: &str = "grpc-status";
/// The method that takes metrics (opentelemetry-proto, metrics_service.proto).
const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// A request without its body.
pub(super) fn head(target: &OtlpTarget) -> Builder {
    Request::post(format!("{}{EXPORT}", target.server.origin()))
        .header(TE, "trailers")
        .header(CONTENT_TYPE, "application/grpc")
        .header(USER_AGENT, http_client::USER_AGENT)
        // At most a day, hence eight digits, as many as gRPC allows.
        .header("grpc-timeout", format!("{}m", target.timeout.as_millis()))
}

/// Sends `request`, and reads the answer. All of them leave a connection that can be used again, if it did not break.
pub(super) async fn exchange(
    connection: &mut HttpConnection,
    request: Request<OutgoingBody>,
    target: &OtlpTarget,
) -> Result<Exchanged, String> {
    let answer = match connection.send(request).await {
        Ok(response) => read_answer(response, target).await,
        Err(error) => reset(&error, target).ok_or_else(|| error.into()),
    };
    match answer {
        Ok(answer) => Ok(Exchanged { answer, is_over: true }),
        Err(error) => Err(connection.broke(&*error, &target.advice)),
    }
}

/// Reads the answer, from the trailers, or from the headers of an answer without a body. The last status counts.
async fn read_answer(response: Response<Incoming>, target: &OtlpTarget) -> Result<ServerAnswer, StreamError> {
    let (head, body) = response.into_parts();
    let error = match Limited::new(body, ANSWER_BYTES).collect().await {
        Ok(body) => {
            let trailers = body.trailers().filter(|trailers| trailers.contains_key(GRPC_STATUS)).cloned();
            let trailers = trailers.unwrap_or_else(|| head.headers.clone());
            return Ok(answer(head.status, &head.headers, &trailers, &body.to_bytes(), target));
        }
        Err(error) => error,
    };
    // A refusal stays a refusal, however its page ends.
    if head.status != StatusCode::OK || head.headers.contains_key(GRPC_STATUS) {
        return Ok(answer(head.status, &head.headers, &head.headers, &Bytes::new(), target));
    }
    error.downcast_ref().and_then(|error| reset(error, target)).ok_or(error)
}

/// The answer that the reset of a stream stands for (gRPC, "Errors"). `None` where the connection itself broke.
fn reset(error: &hyper::Error, target: &OtlpTarget) -> Option<ServerAnswer> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            let reason = error.reason().filter(|_| error.is_reset() && error.is_remote())?;
            let (status, none) = (status_of(reason), HeaderMap::new());
            let words = format!("stream reset, {reason:?}");
            return Some(judged(
                said_by(StatusCode::OK, Some(status), &none),
                &status_text(status),
                &words,
                &none,
                target,
            ));
        }
        cause = error.source();
    }
    None
}

fn status_of(reason: h2::Reason) -> GrpcStatus {
    match reason {
        h2::Reason::REFUSED_STREAM => GrpcStatus::UNAVAILABLE,
        h2::Reason::CANCEL => GrpcStatus::CANCELLED,
        h2::Reason::ENHANCE_YOUR_CALM => GrpcStatus::RESOURCE_EXHAUSTED,
        _ => GrpcStatus::INTERNAL,
    }
}

/// The answer with these headers, these trailers (or headers in their place), and this body.
fn answer(
    http: StatusCode,
    headers: &HeaderMap,
    trailers: &HeaderMap,
    body: &Bytes,
    target: &OtlpTarget,
) -> ServerAnswer {
    // Success with an HTTP error does not count: it did not come from the service.
    let status = status_in(trailers).filter(|status| http == StatusCode::OK || *status != GrpcStatus::OK);
    let message = trailers.get("grpc-message").map_or(&[][..], |message| message.as_bytes());
    let message: Vec<u8> = percent_decode(message).collect();
    let read = message_of(body, headers);
    let response = read.as_deref().map_or(otlp::Response::Unreadable, otlp::Response::Protobuf);
    let partial = response.partial_success().ok();
    let words = match status {
        Some(GrpcStatus::OK) => partial.map_or(&[][..], |partial| partial.error_message.as_bytes()),
        Some(_) => &message,
        // A proxy's page.
        None => body,
    };
    let answered = status.map_or_else(|| format!("HTTP {http} without a grpc-status"), status_text);
    let said = GrpcAnswer { message: &message, response, ..said_by(http, status, trailers) };
    judged(said, &answered, &target.secrets.excerpt(words), headers, target)
}

/// The status. There should be one; of several, an error wins over success.
fn status_in(trailers: &HeaderMap) -> Option<GrpcStatus> {
    let mut all = trailers.get_all(GRPC_STATUS).iter().map(|status| GrpcStatus::parse(status.as_bytes()));
    let first = all.next()?;
    Some(if first == GrpcStatus::OK { all.find(|status| *status != GrpcStatus::OK).unwrap_or(first) } else { first })
}

fn judged(
    answer: GrpcAnswer<'_>,
    answered: &str,
    words: &str,
    headers: &HeaderMap,
    target: &OtlpTarget,
) -> ServerAnswer {
    super::judged(verdict::grpc(answer), answered, words, headers, target)
}

/// What statuses and trailers say, without a message.
fn said_by(http: StatusCode, status: Option<GrpcStatus>, trailers: &HeaderMap) -> GrpcAnswer<'static> {
    GrpcAnswer {
        http: http.as_u16(),
        status,
        message: &[],
        retry_delay: trailers.get("grpc-status-details-bin").and_then(|details| retry_delay(details.as_bytes())),
        pushback: trailers.get("grpc-retry-pushback-ms").map(|value| Pushback::parse(value.as_bytes())),
        response: otlp::Response::Protobuf(&[]),
    }
}

fn status_text(status: GrpcStatus) -> String {
    format!("{} ({})", status.name(), status.0)
}

/// The message in the frame that is the body of an answer, as it was before it was compressed. grpc-go compresses as the
/// request was, whatever `grpc-accept-encoding` says. `None` where it cannot be read.
fn message_of(body: &Bytes, headers: &HeaderMap) -> Option<Bytes> {
    let framed = grpc_message(body).ok()?;
    let message = body.slice_ref(framed.message);
    if !framed.is_compressed {
        return Some(message);
    }
    let encoding = headers.get(GRPC_ENCODING)?;
    decoded(message, encoding.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hyper::header::HeaderValue;
    use loaddensity_metrics_core::verdict::Said;

    use super::*;
    use crate::config::OpenTelemetryConfig;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|&(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value))).collect()
    }

    fn answer_to(http: u16, head: &HeaderMap, trailers: &HeaderMap, body: &[u8]) -> ServerAnswer {
        let target = OtlpTarget::read(&OpenTelemetryConfig::default()).expect("good settings");
        let status = StatusCode::from_u16(http).expect("a status");
        answer(status, head, trailers, &Bytes::copy_from_slice(body), &target)
    }

    /// ExportMetricsServiceResponse { partial_success { rejected_data_points: 2, error_message: "no" } }
    const TWO: [u8; 8] = [0x0a, 6, 0x08, 2, 0x12, 2, b'n', b'o'];

    fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
        let length = u32::try_from(message.len()).expect("short").to_be_bytes();
        [&[flag], &length[..], message].concat()
    }

    #[test]
    fn the_status_decides_and_the_message_is_read_if_possible() {
        let ok = headers(&[("grpc-status", "0")]);
        let away = Said::Away { at_least: Duration::ZERO, may_have_arrived: false };
        let complaint = "counted as accepted";
        for (trailers, body, said, says) in [
            (&ok, &[][..], Said::Stored, ""),
            (&ok, &frame(0, &[]), Said::Stored, ""),
            (&ok, &frame(0, &TWO), Said::Partial { dropped: 2 }, "no"),
            (&ok, &[0, 0, 0, 0, 9, 1], Said::Stored, complaint),
            (&ok, &frame(0, b"OK"), Said::Stored, complaint),
            (&ok, &frame(1, b"OK"), Said::Stored, complaint),
            (&headers(&[]), &[], Said::Unclear, "without a grpc-status; nothing says that the metrics were taken"),
            (&headers(&[("grpc-status", "zero")]), &[], Said::Refused, "UNKNOWN"),
            (&headers(&[("grpc-status", "16")]), &[], Said::Refused, "no credentials were sent: set `headers`"),
            (&headers(&[("grpc-status", "12")]), &[], Said::Refused, "no OTLP receiver of metrics"),
            (
                &headers(&[("grpc-status", "14"), ("grpc-message", "try%20later")]),
                &[],
                away,
                "UNAVAILABLE (14): try later",
            ),
        ] {
            let answer = answer_to(200, &headers(&[]), trailers, body);
            assert_eq!(answer.said, said, "{}", answer.words);
            assert!(answer.words.contains(says), "{:?} lacks {says:?}", answer.words);
            assert_eq!(answer.words.is_empty(), says.is_empty(), "{}", answer.words);
        }
    }

    #[cfg(feature = "gzip")]
    #[test]
    fn an_answer_in_the_requests_encoding_is_read() {
        let (ok, gzip) = (headers(&[("grpc-status", "0")]), headers(&[("grpc-encoding", "gzip")]));
        let compressed = |message: &[u8]| frame(1, &crate::gzip::compressed(message));
        for (head, body, said, complains) in [
            (&gzip, compressed(&[]), Said::Stored, false),
            (&gzip, compressed(&TWO), Said::Partial { dropped: 2 }, false),
            (&gzip, frame(0, &TWO), Said::Partial { dropped: 2 }, false),
            (&gzip, compressed(&[0; 100_000]), Said::Stored, true),
            (&gzip, frame(1, b"no gzip"), Said::Stored, true),
            (&headers(&[("grpc-encoding", "zstd")]), compressed(&TWO), Said::Stored, true),
            (&headers(&[]), compressed(&TWO), Said::Stored, true),
        ] {
            let answer = answer_to(200, head, &ok, &body);
            assert_eq!(answer.said, said, "{}", answer.words);
            assert_eq!(answer.words.contains("counted as accepted"), complains, "{}", answer.words);
        }
    }

    #[test]
    fn http_statuses_of_proxies_are_understood() {
        let none = headers(&[]);
        let mut twice = headers(&[("grpc-status", "0")]);
        twice.append("grpc-status", HeaderValue::from_static("13"));
        for (http, head, said, says) in [
            (301, &headers(&[("location", "https://h:4317/")]), Said::Refused, "requests go to https://h:4317/,"),
            (
                401,
                &none,
                Said::Refused,
                "HTTP 401 Unauthorized without a grpc-status: <p>no</p>; no credentials were sent",
            ),
            (404, &none, Said::Refused, "no OTLP receiver of metrics"),
            (413, &none, Said::TooLarge, "`max_request_bytes`"),
            (415, &none, Said::Refused, "`protocol`"),
            (204, &none, Said::Unclear, "nothing says that the metrics were taken"),
            (
                504,
                &none,
                Said::Away { at_least: Duration::ZERO, may_have_arrived: true },
                "without a grpc-status: <p>no</p>",
            ),
            (503, &headers(&[("grpc-status", "8")]), Said::Refused, "RESOURCE_EXHAUSTED (8)"),
            (500, &headers(&[("grpc-status", "0")]), Said::Refused, "HTTP 500"),
            (200, &twice, Said::Refused, "INTERNAL (13)"),
        ] {
            let answer = answer_to(http, head, head, b"<p>no</p>");
            assert_eq!(answer.said, said, "{http}: {}", answer.words);
            assert!(answer.words.contains(says), "{:?} lacks {says:?}", answer.words);
        }
    }

    #[test]
    fn the_pause_that_a_server_asks_for_is_read() {
        // google.rpc.Status { code: 8, details: [RetryInfo { retry_delay: 2.5 s }] } in an Any, in base64.
        let info = (
            "grpc-status-details-bin",
            "CAgSCXNsb3cgZG93bho2Cih0eXBlLmdvb2dsZWFwaXMuY29tL2dvb2dsZS5ycGMuUmV0cnlJbmZvEgoKCAgCEIDKte4B",
        );
        let none: (&str, &str) = ("x", "");
        for (status, details, pushback, millis) in [
            ("8", none, none, None),
            ("8", info, none, Some(2_500)),
            ("14", info, none, Some(2_500)),
            ("14", none, none, Some(0)),
            ("14", none, ("grpc-retry-pushback-ms", "40"), Some(40)),
            ("14", info, ("grpc-retry-pushback-ms", "3000"), Some(3_000)),
            ("14", info, ("grpc-retry-pushback-ms", "-1"), None),
            ("14", none, ("grpc-retry-pushback-ms", "1200000"), Some(1_200_000)),
            ("13", info, none, None),
            ("3", none, ("grpc-retry-pushback-ms", "40"), None),
        ] {
            let answer = answer_to(200, &headers(&[]), &headers(&[("grpc-status", status), details, pushback]), &[]);
            let pause = match answer.said {
                Said::Away { at_least, .. } => Some(at_least.as_millis()),
                _ => None,
            };
            assert_eq!(pause, millis, "{status} {pushback:?}: {}", answer.words);
            assert_eq!(answer.words.contains("asked to wait"), millis.unwrap_or(0) > 0, "{}", answer.words);
        }
    }

    #[test]
    fn resets_stand_for_statuses() {
        for (reason, status) in [
            (h2::Reason::REFUSED_STREAM, 14),
            (h2::Reason::CANCEL, 1),
            (h2::Reason::ENHANCE_YOUR_CALM, 8),
            (h2::Reason::INTERNAL_ERROR, 13),
            (h2::Reason::PROTOCOL_ERROR, 13),
            (h2::Reason::FLOW_CONTROL_ERROR, 13),
        ] {
            assert_eq!(status_of(reason).0, status, "{reason:?}");
        }
    }
}
