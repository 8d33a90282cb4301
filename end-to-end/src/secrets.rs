//! Receivers that repeat what they were sent: nothing secret of it is shown.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::thread;

use loaddensity_metrics_shell::config::Credentials;
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{BatchLimits, Exporters, InfluxdbConfig, InfluxdbTarget, OpenTelemetryConfig, Secret};

use super::LOOPBACK;
use super::floods::skip_frames_to_headers;
use super::http_server::{HttpReply, HttpServer};
use super::load::{exporters, wait_until};
use super::otlp_receiver::{self, OtlpTestServer};

/// Each way to tell InfluxDB who one is.
pub fn what_influxdb_repeats_is_masked<R: Runtime>() {
    let server = HttpServer::start(|_, _| HttpReply::Echo(403));
    let own = format!("http://{}", server.address);
    let secret = || Some(Secret::new(SECRET));
    for target in [
        InfluxdbTarget::Http {
            host: "127.0.0.1".into(),
            port: server.address.port(),
            database: Some("load".into()),
            username: Some("me".into()),
            password: secret(),
        },
        InfluxdbTarget::Url { url: format!("{own}/write?db=load&p=hunter2%2Bx&precision=ns"), token: None },
        InfluxdbTarget::Url { url: format!("{own}/write"), token: secret() },
        InfluxdbTarget::V1 {
            server: own.clone(),
            database: "load".into(),
            retention_policy: None,
            username: Some("me".into()),
            password: secret(),
            credentials: Credentials::Query,
        },
        InfluxdbTarget::V2 { server: own, org: "o".into(), bucket: "load".into(), token: secret() },
    ] {
        let (exporters, mut engine) = exporters::<R>();
        let batch = BatchLimits::default().points(1);
        exporters.start_influxdb_sink(InfluxdbConfig::default().target(target).batch(batch)).expect("a sink");
        engine.record(1);
        masked(&exporters, "no such thing: POST /");
    }
}

/// A query and headers, over HTTP/1.1.
pub fn what_an_otlp_receiver_repeats_is_masked<R: Runtime>() {
    let server = HttpServer::start(|_, _| HttpReply::Echo(400));
    let (exporters, mut engine) = exporters::<R>();
    let endpoint = format!("http://{}/otlp?api-key=hunter2%2Bx", server.address);
    exporters.start_opentelemetry_exporter(otlp(endpoint, OpenTelemetryConfig::http())).expect("an exporter");
    engine.record(1);
    masked(&exporters, "no such thing: POST /otlp?… HTTP/1.1");
}

/// Headers, as `grpc-message`.
pub fn what_a_grpc_receiver_repeats_is_masked<R: Runtime>() {
    let server = OtlpTestServer::start::<R>(|_| otlp_receiver::OtlpReply::Echo(16));
    let (exporters, mut engine) = exporters::<R>();
    let endpoint = format!("http://{}", server.address);
    exporters.start_opentelemetry_exporter(otlp(endpoint, OpenTelemetryConfig::default())).expect("an exporter");
    engine.record(1);
    masked(&exporters, "answered UNAUTHENTICATED (16)");
}

/// The words with which a server closes a connection of HTTP/2 (RFC 9113, 6.8).
pub fn what_a_connection_ends_with_is_masked<R: Runtime>() {
    let listener = TcpListener::bind(LOOPBACK).expect("a free port");
    let address = listener.local_addr().expect("a bound address");
    // Ends with the process: the case has no more connections for it.
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

/// Waits for the server's words, and sees that nothing secret is among them.
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
    // GOAWAY: nothing of stream 1 was done; ENHANCE_YOUR_CALM.
    let length = u8::try_from(8 + words.len()).map_err(io::Error::other)?;
    let head = [0, 0, length, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0b];
    stream.write_all(&[&head[..], words].concat())?;
    io::copy(&mut stream, &mut io::sink()).map(drop)
}
