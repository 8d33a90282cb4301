//! All four exporters run while several threads record. At the end every exporter accounts for every request.

mod support;

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use loaddensity_metrics_tokio::{
    AsyncExporters, DropReason, InfluxdbConfig, InfluxdbUrl, OpenTelemetryConfig, PrometheusConfig, Report, Sample,
    Settings, StatsdConfig, Tokio,
};
use support::{Http, assert_settled, exporters, record, registry, scripted_server};

const THREADS: usize = 6;

#[test]
fn starts_and_stops_during_the_load_account_for_every_request() {
    let exporters = Arc::new(exporters());
    let is_over = Arc::new(AtomicBool::new(false));
    // More threads than the storage has shards: some share the spill shard.
    let engines: Vec<_> = (0..THREADS)
        .map(|_| {
            let (is_over, mut recorder) = (is_over.clone(), exporters.recorder());
            thread::spawn(move || {
                while !is_over.load(Relaxed) {
                    record(&mut recorder, 20);
                    thread::sleep(Duration::from_micros(500));
                }
            })
        })
        .collect();
    let (server, _got) = scripted_server(vec![]);
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("bound").port();
    for round in 0..20 {
        exporters.start_statsd_sink(StatsdConfig::default().port(port)).expect("starts");
        let target = InfluxdbUrl::new(format!("http://{server}/write"));
        exporters.start_influxdb_sink(InfluxdbConfig::default().target(target)).expect("starts");
        thread::sleep(Duration::from_millis(5));
        for status in exporters.status() {
            let account = status.account;
            assert!(account.sent + account.dropped.total() <= account.recorded, "{account:?}");
        }
        let (one, other) = if round % 2 == 0 {
            (exporters.stop_statsd_sink(), exporters.stop_influxdb_sink())
        } else {
            (exporters.stop_influxdb_sink(), exporters.stop_statsd_sink())
        };
        for account in [one, other] {
            let account = account.expect("stops").expect("ran");
            assert_settled(&account);
            // A build without optimisation may be too slow for the rings. Then the account counts `ring_full`.
            let in_full_rings = account.dropped.get(DropReason::RingFull);
            assert!(account.sent > 0 && account.sent + in_full_rings == account.recorded, "{account:?}");
        }
    }
    is_over.store(true, Relaxed);
    engines.into_iter().for_each(|engine| engine.join().expect("no panic"));
}

#[test]
fn all_four_exporters_agree_on_a_runtime_of_several_threads() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().expect("a runtime");
    let (server, _got) = scripted_server(vec![]);
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("bound").port();
    let report: Report = runtime.block_on(async move {
        let exporters =
            AsyncExporters::start_on(Tokio::current().expect("in tokio"), Settings::on(registry(64, 4, 4_096)))
                .expect("free");
        let config = PrometheusConfig::default().port(0);
        let page = exporters.start_prometheus_exporter(config).await.expect("starts");
        exporters.start_statsd_sink(StatsdConfig::default().port(port)).await.expect("starts");
        let target = InfluxdbUrl::new(format!("http://{server}/write"));
        exporters.start_influxdb_sink(InfluxdbConfig::default().target(target)).await.expect("starts");
        let telemetry = OpenTelemetryConfig::default().endpoint("http://127.0.0.1:9");
        exporters.start_opentelemetry_exporter(telemetry).await.expect("starts");
        let recorder = exporters.local_recorder();
        let engines: Vec<_> = (0..50)
            .map(|_| {
                tokio::spawn(async move {
                    for _ in 0..40 {
                        recorder.record_request("GET", "/", Sample::ok(Duration::ZERO));
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                })
            })
            .collect();
        for engine in engines {
            engine.await.expect("no panic");
        }
        tokio::task::spawn_blocking(move || {
            assert_eq!(Http::connect(page).request("GET", "/metrics").status, 200);
        })
        .await
        .expect("scraped");
        exporters.shutdown(Duration::from_secs(5)).await
    });
    assert_eq!(report.accounts.len(), 4);
    report.accounts.iter().for_each(assert_settled);
    let sent: Vec<_> = report.accounts.iter().map(|account| (account.recorded, account.sent)).collect();
    // Nobody takes the OTLP exports.
    assert_eq!(sent, [(2_000, 2_000), (2_000, 2_000), (2_000, 2_000), (2_000, 0)], "{report}");
}
