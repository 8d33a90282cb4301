//! Answers that are cut off anywhere, or have a wrong byte anywhere, still get a verdict: nothing panics, and if the
//! answer means "stored in part", at least one item is missing.

use loaddensity_metrics_core::otlp::{Response, grpc_message};
use loaddensity_metrics_core::verdict::{
    GrpcAnswer, GrpcStatus, InfluxdbAnswer, OtlpHttpAnswer, Said, grpc, influxdb, language, otlp_http,
};

const ANSWERS: [&[u8]; 8] = [
    br#"{"error":"partial write: unable to parse 'a b=': missing field value dropped=0"}"#,
    br#"{"code":"internal error","message":"partial write: points beyond retention policy dropped=139"}"#,
    br#"{"error":"partial write of line protocol occurred","data":[{"original_line":"a \"b\"","line_number":2}]}"#,
    br#"{"partialSuccess":{"rejectedDataPoints":"2","errorMessage":"no \\ \"way\""}}"#,
    br#"{"partial_success":{"rejected_data_points":-2,"error_message":null}}"#,
    // partial_success { rejected_data_points: 2, error_message: "no" }, bare and in gRPC's frame.
    b"\x0a\x06\x08\x02\x12\x02no",
    b"\x00\x00\x00\x00\x08\x0a\x06\x08\x02\x12\x02no",
    b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00",
];

#[test]
fn answers_that_are_broken_anywhere_get_a_verdict() {
    let mut partial = 0;
    for answer in ANSWERS {
        (0..=answer.len()).for_each(|length| partial += judged(&answer[..length]));
        for at in 0..answer.len() {
            let mut broken = answer.to_vec();
            for byte in *b"\"\\}:0\x80" {
                broken[at] = byte;
                partial += judged(&broken);
            }
        }
    }
    assert!(partial > 100, "{partial} answers were partial: most bytes of these do not matter");
}

/// How many of the verdict tables say that `body` means "stored in part".
fn judged(body: &[u8]) -> usize {
    let mut partial = 0;
    let mut look = |said| {
        if let Said::Partial { dropped } = said {
            assert_ne!(dropped, 0, "{body:?}");
            partial += 1;
        }
    };
    for status in [200, 400, 503] {
        look(influxdb(InfluxdbAnswer { status, retry_after: None, body: Some(body) }).said);
        for kind in ["application/x-protobuf", "application/json", "text/plain"] {
            let response = Response::of(kind.as_bytes(), body);
            look(otlp_http(OtlpHttpAnswer { status, retry_after: None, response, body }).said);
        }
    }
    let response = grpc_message(body).map_or(Response::Unreadable, |framed| Response::Protobuf(framed.message));
    for status in [None, Some(GrpcStatus::OK), Some(GrpcStatus::parse(body))] {
        let (message, retry_delay, pushback) = (body, None, None);
        look(grpc(GrpcAnswer { http: 200, status, message, retry_delay, pushback, response }).said);
    }
    let _ = language(body);
    partial
}
