//! Receivers whose answers repeat what they were sent. No secret in it is shown.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::thread;

use loaddensity_metrics_shell::config::Credentials;
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{
    BatchLimits, Exporters, InfluxdbConfig, InfluxdbHttp, InfluxdbTarget, InfluxdbUrl, InfluxdbV1, InfluxdbV2,
    OpenTelemetryConfig, Secret,
};

use super::LOOPBACK;
use super::floods::skip_frames_to_headers;
use super::http_server::{HttpReply, HttpServer};
use super::load::{exporters, wait_until};
use super::otlp_receiver::{self, OtlpTestServer};

/// Every kind of credentials for InfluxDB.
pub fn secrets_that_influxdb_repeats_are_hidden<R: Runtime>() {
    let server = HttpServer::start(|_, _| HttpReply::Echo(403));
    let own = format!("http://{}", server.address);
    let secret = || Some(Secret::new(SECRET));
    for target in [
        InfluxdbTarget::from(
            InfluxdbHttp::new("127.0.0.1", server.address.port()).database("load").username("me").password(secret()),
        ),
        InfluxdbUrl::new(format!("{own}/write?db=load&p=hunter2%2Bx&precision=ns")).into(),
        InfluxdbUrl::new(format!("{own}/write")).token(secret()).into(),
        InfluxdbV1::new(own.clone(), "load").username("me").password(secret()).credentials(Credentials::Query).into(),
        InfluxdbV2::new(own, "o", "load").token(secret()).into(),
    ] {
        let (exporters, mut engine) = exporters::<R>();
        let batch = BatchLimits::default().points(1);
        exporters.start_influxdb_sink(InfluxdbConfig::default().target(target).batch(batch)).expect("a sink");
        engine.record(1);
        masked(&exporters, "no such thing: POST /");
    }
}

/// The query of the URL and the headers, over HTTP/1.1.
pub fn secrets_that_an_otlp_receiver_repeats_are_hidden<R: Runtime>() {
    let server = HttpServer::start(|_, _| HttpReply::Echo(400));
    let (exporters, mut engine) = exporters::<R>();
    let endpoint = format!("http://{}/otlp?api-key=hunter2%2Bx", server.address);
    exporters.start_opentelemetry_exporter(otlp(endpoint, OpenTelemetryConfig::http())).expect("an exporter");
    engine.record(1);
    masked(&exporters, "no such thing: POST /otlp?… HTTP/1.1");
}

/// The headers, in `grpc-message`.
pub fn secrets_that_a_grpc_receiver_repeats_are_hidden<R: Runtime>() {
    let server = OtlpTestServer::start::<R>(|_| otlp_receiver::OtlpReply::Echo(16));
    let (exporters, mut engine) = exporters::<R>();
    let endpoint = format!("http://{}", server.address);
    exporters.start_opentelemetry_exporter(otlp(endpoint, OpenTelemetryConfig::default())).expect("an exporter");
    engine.record(1);
    masked(&exporters, "answered UNAUTHENTICATED (16)");
}

/// The text with which a server closes an HTTP/2 connection (RFC 9113, 6.8).
pub fn secrets_in_the_last_words_of_a_connection_are_hidden<R: Runtime>() {
    let listener = TcpListener::bind(LOOPBACK).expect("a free port");
    let address = listener.local_addr().expect("a bound address");
    // The thread ends with the process.
    thread::spawn(move || {
        for stream in listener.incoming() {
            // An error is the client's way of closing the connection.
            let _ = stream.and_then(go_away);
        }
    });
    let (exporters, mut engine) = exporters::<R>();
    let config = otlp(format!("http://{address}"), OpenTelemetryConfig::default());
    exporters.start_opentelemetry_exporter(config).expect("an exporter");
    engine.record(1);
    masked(&exporters, "no entry with");
}

const SECRET: &str = "hunter2+x";

fn otlp(endpoint: String, base: OpenTelemetryConfig) -> OpenTelemetryConfig {
    let interval = std::time::Duration::from_millis(20);
    let headers = [("x-key", Secret::new(SECRET)), ("authorization", Secret::new("Bearer hunter2+x"))];
    base.endpoint(endpoint).interval(interval).headers(headers)
}

/// Waits until the server's words are shown, and asserts that no secret is among them.
fn masked<R: Runtime>(exporters: &Exporters<R>, words: &str) {
    let state = || exporters.status().remove(0).state();
    wait_until(|| state().contains(words));
    let state = state();
    assert!(state.contains('…') && !state.contains("hunter2"), "{state}");
}

fn go_away(mut stream: impl Read + Write) -> io::Result<()> {
    stream.write_all(b"\0\0\0\x04\0\0\0\0\0")?;
    skip_frames_to_headers(&mut stream)?;
    let words = b"no entry with \"hunter2+x\"";
    // GOAWAY: stream 1 was not processed; the error is ENHANCE_YOUR_CALM.
    let length = u8::try_from(8 + words.len()).map_err(io::Error::other)?;
    let head = [0, 0, length, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0b];
    stream.write_all(&[&head[..], words].concat())?;
    io::copy(&mut stream, &mut io::sink()).map(drop)
}
