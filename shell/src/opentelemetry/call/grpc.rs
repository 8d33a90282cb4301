//! A unary gRPC call over HTTP/2 (grpc/grpc, PROTOCOL-HTTP2.md).

use std::time::Duration;

use futures_io::{AsyncRead, AsyncWrite};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::header::{CONTENT_TYPE, HeaderMap, TE, USER_AGENT};
use hyper::http::request::Builder;
use hyper::{Request, Response, StatusCode};
use loaddensity_metrics_core::otlp::{Pushback, grpc_message, partial_success, retry_delay};
use loaddensity_metrics_core::verdict::{GrpcStatus, Verdict};
use percent_encoding::percent_decode;

use super::{ANSWER_BYTES, Answer, Exchanged, Requests, Target};
use crate::http_client::{self, Secrets, in_full};
use crate::hyper_io::{HyperIo, HyperTasks, HyperTimer};
use crate::metered::Meter;
use crate::runtime::Runtime;

/// The method that takes metrics (opentelemetry-proto, metrics_service.proto).
const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

pub(super) async fn handshake<R: Runtime, S>(
    stream: HyperIo<S>,
    meter: &Meter,
    tasks: &HyperTasks<R>,
    runtime: R,
) -> hyper::Result<Requests>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let timer = HyperTimer::new(runtime);
    let (requests, connection) = http2::Builder::new(tasks.executor()).timer(timer).handshake(stream).await?;
    tasks.spawn(meter.turns(async move {
        // Its error reaches the request that waits for it.
        let _ = connection.await;
    }));
    Ok(Requests::Http2(requests))
}

/// A request without its body.
pub(super) fn head(target: &Target, timeout: Duration) -> Builder {
    Request::post(format!("{}{EXPORT}", target.server.origin()))
        .header(TE, "trailers")
        .header(CONTENT_TYPE, "application/grpc")
        .header(USER_AGENT, http_client::USER_AGENT)
        // At most a day, hence eight digits, as many as gRPC allows.
        .header("grpc-timeout", format!("{}m", timeout.as_millis()))
}

/// What the server said, wherever it said it: in the headers of an answer without a body, or in the trailers.
pub(super) async fn read_answer(response: Response<Incoming>, secrets: &Secrets) -> Exchanged {
    let (head, body) = response.into_parts();
    if head.status != StatusCode::OK {
        let status = GrpcStatus::of_http(head.status.as_u16());
        return Exchanged::Answer(refusal(status, &HeaderMap::new(), &format!("HTTP {}", head.status)), true);
    }
    if head.headers.contains_key("grpc-status") {
        return Exchanged::Answer(answer(&head.headers, &[], secrets), true);
    }
    match Limited::new(body, ANSWER_BYTES).collect().await {
        Ok(body) => {
            let trailers = body.trailers().cloned().unwrap_or_default();
            Exchanged::Answer(answer(&trailers, &body.to_bytes(), secrets), true)
        }
        Err(error) => match error.downcast_ref().and_then(reset) {
            Some(answer) => Exchanged::Answer(answer, true),
            None => Exchanged::Broken(in_full(error.as_ref())),
        },
    }
}

/// The answer that the reset of a stream stands for (gRPC, "Errors"). `None` where the connection itself broke.
pub(super) fn reset(error: &hyper::Error) -> Option<Answer> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            let reason = error.reason().filter(|_| error.is_reset() && error.is_remote())?;
            let status = status_of(reason);
            return Some(refusal(status, &HeaderMap::new(), &format!("stream reset, {reason:?}")));
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

/// The answer with these trailers, or headers in their place, and this body.
fn answer(trailers: &HeaderMap, body: &[u8], secrets: &Secrets) -> Answer {
    let Some(status) = trailers.get("grpc-status").map(|status| GrpcStatus::parse(status.as_bytes())) else {
        return refusal(GrpcStatus::UNKNOWN, trailers, "the answer carries no grpc-status");
    };
    if status != GrpcStatus::OK {
        let message = trailers.get("grpc-message").map_or(&[][..], |message| message.as_bytes());
        return refusal(status, trailers, &secrets.excerpt(&percent_decode(message).collect::<Vec<u8>>()));
    }
    match grpc_message(body).and_then(partial_success) {
        Ok(partial) => {
            Answer::accepted(partial.rejected_data_points, secrets.excerpt(partial.error_message.as_bytes()))
        }
        Err(_) => refusal(GrpcStatus::UNKNOWN, trailers, "the answer is no ExportMetricsServiceResponse"),
    }
}

fn refusal(status: GrpcStatus, trailers: &HeaderMap, words: &str) -> Answer {
    let delay = trailers.get("grpc-status-details-bin").and_then(|details| retry_delay(details.as_bytes()));
    let pushback = trailers.get("grpc-retry-pushback-ms").map(|value| Pushback::parse(value.as_bytes()));
    let (verdict, asked) = match (status.verdict(delay.is_some()), pushback) {
        (Verdict::Retry, Some(Pushback::Never)) => (Verdict::Refused, None),
        (verdict, Some(Pushback::Wait(wait))) => (verdict, delay.max(Some(wait))),
        (verdict, _) => (verdict, delay),
    };
    Answer::failed(verdict, asked, &format!("{} ({})", status.name(), status.0), words)
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
        for (trailers, body, verdict, rejected, says) in [
            (&ok, &[][..], Verdict::Accepted, 0, ""),
            (&ok, &[0, 0, 0, 0, 0], Verdict::Accepted, 0, ""),
            // ExportMetricsServiceResponse { partial_success { rejected_data_points: 2, error_message: "no" } }
            (&ok, &[0, 0, 0, 0, 8, 0x0a, 6, 0x08, 2, 0x12, 2, b'n', b'o'], Verdict::Accepted, 2, "no"),
            (&ok, &[0, 0, 0, 0, 9, 1], Verdict::Refused, 0, "no ExportMetricsServiceResponse"),
            (&trailers(&[]), &[], Verdict::Refused, 0, "no grpc-status"),
            (&trailers(&[("grpc-status", "zero")]), &[], Verdict::Refused, 0, "UNKNOWN"),
            (
                &trailers(&[("grpc-status", "14"), ("grpc-message", "try%20later")]),
                &[],
                Verdict::Retry,
                0,
                "UNAVAILABLE (14): try later",
            ),
        ] {
            let answer = answer(trailers, body, &Secrets::default());
            assert_eq!((answer.verdict, answer.rejected_points), (verdict, rejected), "{}", answer.says);
            assert!(answer.says.contains(says), "{:?} lacks {says:?}", answer.says);
        }
    }

    #[test]
    fn a_server_says_when_it_may_be_asked_again() {
        // google.rpc.Status { code: 8, details: [RetryInfo { retry_delay: 2.5 s }] } in an Any, in base64.
        let info = (
            "grpc-status-details-bin",
            "CAgSCXNsb3cgZG93bho2Cih0eXBlLmdvb2dsZWFwaXMuY29tL2dvb2dsZS5ycGMuUmV0cnlJbmZvEgoKCAgCEIDKte4B",
        );
        let none: (&str, &str) = ("x", "");
        for (status, details, pushback, verdict, millis) in [
            ("8", none, none, Verdict::Refused, 0),
            ("8", info, none, Verdict::Retry, 2_500),
            ("14", info, none, Verdict::Retry, 2_500),
            ("14", none, none, Verdict::Retry, 0),
            ("14", none, ("grpc-retry-pushback-ms", "40"), Verdict::Retry, 40),
            ("14", info, ("grpc-retry-pushback-ms", "3000"), Verdict::Retry, 3_000),
            ("14", info, ("grpc-retry-pushback-ms", "-1"), Verdict::Refused, 0),
            ("14", none, ("grpc-retry-pushback-ms", "1200000"), Verdict::Retry, 600_000),
            ("13", info, none, Verdict::Refused, 0),
            ("3", none, ("grpc-retry-pushback-ms", "40"), Verdict::Refused, 0),
        ] {
            let answer = answer(&trailers(&[("grpc-status", status), details, pushback]), &[], &Secrets::default());
            let got = (answer.verdict, answer.least_pause);
            assert_eq!(got, (verdict, Duration::from_millis(millis)), "{status} {pushback:?}: {}", answer.says);
            assert_eq!(answer.says.contains("asked to wait"), millis > 0, "{}", answer.says);
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
