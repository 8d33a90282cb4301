//! LoadDensity's eight calls as free functions, over exporters that the whole process shares.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use loaddensity_metrics_tokio as metrics;
use metrics::{
    Exporter, Identity, InfluxdbConfig, InfluxdbUdp, OpenTelemetryConfig, PrometheusConfig, Sample, Settings,
    StartError, StatsdConfig,
};

/// One test, for there is one process.
#[test]
fn the_calls_work_without_a_handle() {
    assert!(metrics::stop_prometheus_exporter().expect("a stop").is_none());
    assert!(metrics::shutdown(Duration::from_secs(1)).accounts.is_empty());
    for _ in 0..2 {
        start_record_and_shut_down();
    }
    settings_come_first();
}

fn settings_come_first() {
    let identity = Identity::default().with_worker(3, Some(40)).expect("a worker");
    let settings = Settings::default().identity(identity);
    metrics::exporters_with(settings).expect("nothing runs");
    assert!(matches!(metrics::exporters_with(settings), Err(StartError::StorageInUse)));
    let address = metrics::start_prometheus_exporter(PrometheusConfig::default().port(0));
    let mut scrape = TcpStream::connect(address.expect("a free port")).expect("the exporter listens");
    scrape.write_all(b"GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").expect("a request sent");
    let mut page = String::new();
    scrape.read_to_string(&mut page).expect("a page");
    assert!(page.contains("loaddensity_run_info{worker=\"3\",of=\"40\"} 1"), "{page}");
    metrics::shutdown(Duration::from_secs(1));
}

fn start_record_and_shut_down() {
    let backend = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let port = backend.local_addr().expect("a bound address").port();
    // It takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("http://{}", silent.local_addr().expect("a bound address"));

    let page = PrometheusConfig::default().port(0);
    let address = metrics::start_prometheus_exporter(page).expect("a free port");
    let target = InfluxdbUdp::new("127.0.0.1", port);
    metrics::start_influxdb_sink(InfluxdbConfig::default().target(target)).expect("a socket");
    metrics::start_statsd_sink(StatsdConfig::default().port(port)).expect("a socket");
    let otlp = OpenTelemetryConfig::default().endpoint(endpoint);
    metrics::start_opentelemetry_exporter(otlp).expect("an exporter");

    let mut recorder = metrics::exporters().expect("they run").recorder();
    for _ in 0..10 {
        recorder.record_request("GET", "/items", Sample::ok(Duration::ZERO));
    }
    drop(recorder);
    for account in [metrics::stop_influxdb_sink(), metrics::stop_statsd_sink()] {
        let account = account.expect("a stop").expect("it was running");
        assert_eq!((account.recorded, account.sent), (10, 10), "{account:?}");
    }
    drop(TcpStream::connect(address).expect("the exporter listens"));
    let report = metrics::shutdown(Duration::from_millis(300));
    assert_eq!(report.accounts.iter().map(|account| account.exporter).collect::<Vec<_>>(), Exporter::ALL);
    for account in report.accounts {
        assert_eq!((account.recorded, account.held), (10, 0), "{account:?}");
        assert!(account.balanced(), "{account:?}");
    }
    TcpListener::bind(address).expect("the port is free");
}
