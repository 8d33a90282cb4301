//! Requests arrive at the place that URLs and environment variables name.

use std::time::Duration;

use loaddensity_metrics_shell::environment::Environment;
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{BatchLimits, InfluxdbConfig, InfluxdbV2, OpenTelemetryConfig};

use super::http_server::{HttpReply, HttpServer};
use super::load::{assert_all_sent, exporters};
use super::otlp_receiver::{self, OtlpTestServer};

/// An endpoint for all signals keeps its query, and the path of metrics is added once.
pub fn exports_arrive_where_the_environment_says<R: Runtime>() {
    let server = HttpServer::start(|_, _| HttpReply::Status(200));
    let host = server.address.to_string();
    for (endpoint, line) in [
        (format!("http://{host}/otlp?api-key=k"), "POST /otlp/v1/metrics?api-key=k HTTP/1.1"),
        (format!("HTTP://{host}/"), "POST /v1/metrics HTTP/1.1"),
        (format!("http://{host}/v1/metrics"), "POST /v1/metrics HTTP/1.1"),
        (format!("http://{host}//a%2Fb/ "), "POST //a%2Fb/v1/metrics HTTP/1.1"),
    ] {
        let environment = Environment::of([
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ]);
        let before = server.posts().len();
        let (exporters, mut engine) = exporters::<R>();
        let config = OpenTelemetryConfig::from_env(&environment).expect("variables that can be used");
        exporters.start_opentelemetry_exporter(config).expect("an exporter");
        engine.record(10);
        let account = exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running");
        assert_all_sent(&account, 10);
        let posts = server.posts().split_off(before);
        assert!(!posts.is_empty() && posts.iter().all(|post| post.line == line), "{posts:?}");
        assert_eq!(posts[0].header("host"), Some(host.as_str()));
    }
}

/// A gRPC call names the host as the endpoint does (`:authority`; RFC 9113, 8.3.1).
pub fn calls_name_the_host_of_the_endpoint<R: Runtime>() {
    let receiver = OtlpTestServer::start::<R>(|_| otlp_receiver::OtlpReply::Accept);
    let (exporters, mut engine) = exporters::<R>();
    let authority = format!("localhost:{}", receiver.address.port());
    let config = OpenTelemetryConfig::default().endpoint(format!("HTTP://{authority}/"));
    exporters.start_opentelemetry_exporter(config).expect("an exporter");
    engine.record(10);
    let account = exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running");
    assert_all_sent(&account, 10);
    let exports = receiver.exports();
    assert!(exports.iter().all(|export| export.authority == authority), "{exports:?}");
}

/// The URL of a server may be written in the usual ways, and its query is kept.
pub fn points_arrive_where_the_url_says<R: Runtime>() {
    let server = HttpServer::start(|_, _| HttpReply::Status(204));
    let host = server.address.to_string();
    let own = "org=o&bucket=b&precision=ns";
    for (url, target) in [
        (format!("http://{host}"), format!("/api/v2/write?{own}")),
        (format!("http://{host}/api/v2/write"), format!("/api/v2/write?{own}")),
        (format!("http://{host}/influx/api/v2/?key=k%2F1"), format!("/influx/api/v2/write?{own}&key=k%2F1")),
    ] {
        let before = server.posts().len();
        let (exporters, mut engine) = exporters::<R>();
        let target_of = InfluxdbV2::new(url, "o", "b");
        let batch = BatchLimits::default().points(10).age(Duration::from_millis(20));
        let config = InfluxdbConfig::default().target(target_of).batch(batch);
        exporters.start_influxdb_sink(config).expect("a sink");
        engine.record(10);
        assert_all_sent(&exporters.stop_influxdb_sink().expect("a stop").expect("it was running"), 10);
        let posts = server.posts().split_off(before);
        let line = format!("POST {target} HTTP/1.1");
        assert!(!posts.is_empty() && posts.iter().all(|post| post.line == line), "{posts:?}");
        assert_eq!(posts[0].header("host"), Some(host.as_str()));
    }
}
