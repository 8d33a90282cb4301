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
/// (RFC 9110, 5.3), unless there are quotes that one does not close.
///
/// # Panics
/// If they say something else.
pub fn headers(data: &[u8]) {
    let lines: Vec<_> = data.split(|byte| *byte == b'\n').collect();
    let joined = lines.join(&b", "[..]);
    let accepts = |headers: &[&[u8]]| [false, true].map(|protobuf| Negotiated::from_accept(headers, protobuf));
    let codes = ContentCoding::from_accept_encoding;
    let said = (accepts(&lines), codes(&lines));
    assert!(data.contains(&b'"') || said == (accepts(&[&joined]), codes(&[&joined])), "{said:?}");
}

/// `Retry-After`: seconds, or a date. Every date that `httpdate` writes, in each of the three forms of RFC 9110, 5.6.7, gives the
/// time until then. The bytes are the header, and the first eight a date too.
///
/// # Panics
/// If it gives another time.
pub fn retry_after(data: &[u8]) {
    let now = Timestamp::from_unix_nanos(NOW * 1_000_000_000);
    let pause = verdict::retry_after_at(data, now);
    if let Some(seconds) = verdict::retry_after(data) {
        assert_eq!(pause, Some(seconds));
    }
    let number = data.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    // Years of four digits.
    let seconds = number % 253_402_300_800;
    let wait = Some(Duration::from_secs(seconds.saturating_sub(NOW)));
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
    assert_eq!(verdict::retry_after_at(date.as_bytes(), now), wait, "{date}");
    let [_, day, month, year, time, _] = date.split(' ').collect::<Vec<_>>()[..] else { panic!("{date}") };
    let asctime = format!("Sun {month} {:>2} {time} {year}", day.trim_start_matches('0'));
    assert_eq!(verdict::retry_after_at(asctime.as_bytes(), now), wait, "{asctime}");
    // Two digits stand for a year that is at most 50 years ahead, and in the past otherwise.
    if (1974..2073).contains(&year.parse::<u32>().expect("four digits")) {
        let rfc850 = format!("Sunday, {day}-{month}-{} {time} GMT", &year[2..]);
        assert_eq!(verdict::retry_after_at(rfc850.as_bytes(), now), wait, "{rfc850}");
    }
}

/// In seconds since the Unix epoch; November 2023.
const NOW: u64 = 1_700_000_000;

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
