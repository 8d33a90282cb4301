//! Whatever the network sends is read without a panic, and as somebody else reads it: headers of scrapers, answers of backends.

use std::time::{Duration, UNIX_EPOCH};

use loaddensity_metrics_core::Timestamp;
use loaddensity_metrics_core::export::verdict::{self, GrpcAnswer, GrpcStatus, InfluxdbAnswer, OtlpHttpAnswer};
use loaddensity_metrics_core::influxdb::{error_words, refused_lines};
use loaddensity_metrics_core::otlp::{Pushback, Response, grpc_message, retry_delay, status_message};
use loaddensity_metrics_core::prometheus::{ContentCoding, Negotiated};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message as _;

/// Headers of a scraper: `Accept` and `Accept-Encoding`. Several headers say what one does that has them all, with commas
/// (RFC 9110, 5.3).
///
/// # Panics
/// If they say something else.
pub fn headers(data: &[u8]) {
    let lines: Vec<_> = data.split(|byte| *byte == b'\n').collect();
    let joined = lines.join(&b", "[..]);
    for has_protobuf in [false, true] {
        assert_eq!(Negotiated::from_accept(&lines, has_protobuf), Negotiated::from_accept(&[&joined], has_protobuf));
    }
    assert_eq!(ContentCoding::from_accept_encoding(&lines), ContentCoding::from_accept_encoding(&[&joined]));
}

/// `Retry-After`: seconds, or a date. Every date that `httpdate` reads is read, and gives the time until then.
///
/// # Panics
/// If it gives another time.
pub fn retry_after(data: &[u8]) {
    // Within the 50 years in which a year of two digits means the same to everybody.
    let now = Timestamp::from_unix_nanos(1_700_000_000_000_000_000);
    let pause = verdict::retry_after_at(data, now);
    if let Some(seconds) = verdict::retry_after(data) {
        assert_eq!(pause, Some(seconds));
        return;
    }
    let date = str::from_utf8(data).ok().and_then(|text| httpdate::parse_http_date(text).ok());
    if let Some(date) = date {
        let at = date.duration_since(UNIX_EPOCH).unwrap_or_default();
        assert_eq!(pause, Some(Duration::from_secs(at.as_secs().saturating_sub(1_700_000_000))));
    }
}

/// An answer over gRPC: its frame, its trailers, and the message, which prost reads alike. The first byte chooses the status.
///
/// # Panics
/// If prost reads something else.
pub fn grpc(data: &[u8]) {
    let (choice, rest) = data.split_first().map_or((0, data), |(first, rest)| (*first, rest));
    let mut parts = rest.splitn(4, |byte| *byte == b'\n');
    let [status, message, details, body] = [(); 4].map(|()| parts.next().unwrap_or_default());
    if let Some(delay) = retry_delay(details) {
        assert!(delay <= Duration::new(i64::MAX.unsigned_abs(), 999_999_999));
    }
    let framed = grpc_message(body);
    let response = framed.map_or(Response::Unreadable, |framed| Response::Protobuf(framed.message));
    if let Ok(framed) = framed {
        response_is_as_prost_reads_it(framed.message);
    }
    let _ = verdict::grpc(GrpcAnswer {
        http: [200, 404, 503, 0][usize::from(choice % 4)],
        status: (choice & 4 != 0).then(|| GrpcStatus::parse(status)),
        message,
        retry_delay: retry_delay(details),
        pushback: (choice & 8 != 0).then(|| Pushback::parse(status)),
        response,
    });
}

/// An answer over HTTP: of an OTLP receiver, in protobuf and in JSON, and of an InfluxDB. The first two bytes are the status.
///
/// # Panics
/// If prost reads something else.
pub fn http(data: &[u8]) {
    let (status, body) =
        data.split_first_chunk().map_or((0, data), |(status, body)| (u16::from_le_bytes(*status), body));
    response_is_as_prost_reads_it(body);
    let kinds: [&[u8]; 3] = [b"application/x-protobuf", b"Application/JSON ; charset=utf-8", b"text/html"];
    for response in kinds.map(|kind| Response::of(kind, body)) {
        let answer = OtlpHttpAnswer { status, retry_after: None, response, body };
        let _ = (answer.words(), verdict::otlp_http(answer));
    }
    let _ = verdict::influxdb(InfluxdbAnswer { status, retry_after: None, body: Some(body) });
    // There are no more refused lines than the answer can speak of: each takes more than a byte, or is counted by one number.
    let words = error_words(body);
    assert!(words.is_empty() || body.windows(words.len()).any(|part| part == words), "words that nobody said");
    let _ = (refused_lines(body), status_message(body), verdict::language(body));
}

/// What prost reads is read alike; what prost refuses may be read all the same, where only a text is not UTF-8.
fn response_is_as_prost_reads_it(message: &[u8]) {
    let ours = Response::Protobuf(message).partial_success();
    if let Ok(theirs) = ExportMetricsServiceResponse::decode(message) {
        let theirs = theirs.partial_success.unwrap_or_default();
        let ours = ours.expect("prost reads it");
        assert_eq!(ours.rejected_data_points, theirs.rejected_data_points);
        assert_eq!(ours.error_message, theirs.error_message);
    }
}
