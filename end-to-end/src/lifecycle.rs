//! Starts with other settings, starts that fail, and stops that take long. No request is lost without being counted,
//! and no call waits for long.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{
    BatchLimits, DropReason, Exporter, Exporters, InfluxdbConfig, InfluxdbHttp, InfluxdbUrl, OpenTelemetryConfig,
    PrometheusConfig, StartError, StatsdConfig, StopError, ThreadSettings,
};

use super::LOOPBACK;
use super::http_server::{HttpReply, HttpServer};
use super::load::{TestEngine, assert_all_sent, assert_settled, exporters, settings, wait_until};
use super::otlp_receiver::{self, OtlpTestServer};
use super::receiver::DatagramReceiver;
use super::scraper::{ScrapeClient, any_port};
use super::unused_port;

/// Longer than any case may take.
const FOREVER: Duration = Duration::from_secs(600);

/// If an exporter runs, a start with settings that cannot work leaves it running.
pub fn a_failed_restart_changes_nothing<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    let taken = TcpListener::bind(LOOPBACK).expect("a free port");
    let (exporters, mut engine) = exporters::<R>();
    let page = exporters.start_prometheus_exporter(any_port()).expect("a free port");
    exporters.start_statsd_sink(statsd(receiver.address)).expect("a socket");
    exporters.start_influxdb_sink(http(unused_port())).expect("nobody needs to listen yet");
    exporters.start_opentelemetry_exporter(otlp(unused_port())).expect("nobody needs to listen yet");
    engine.record(10);

    let port = taken.local_addr().expect("bound").port();
    let config = PrometheusConfig::default().port(port);
    let error = exporters.start_prometheus_exporter(config).expect_err("the port is taken");
    assert!(matches!(error, StartError::Socket { .. }), "{error:?}");
    let config = StatsdConfig::default().prefix("a:b");
    exporters.start_statsd_sink(config).expect_err("a colon ends a metric's name");
    let url = InfluxdbUrl::new("ftp://localhost/write");
    let config = InfluxdbConfig::default().target(url);
    exporters.start_influxdb_sink(config).expect_err("ftp cannot work");
    let config = InfluxdbConfig::default().measurement(String::new());
    exporters.start_influxdb_sink(config).expect_err("a measurement has a name");
    let config = OpenTelemetryConfig::default().endpoint("localhost:4317");
    exporters.start_opentelemetry_exporter(config).expect_err("an endpoint begins with http:// or https://");

    assert!(exporters.ended_runs().is_empty());
    let running: Vec<_> = exporters.status().iter().map(|status| status.exporter).collect();
    assert_eq!(running, Exporter::ALL);
    assert_eq!(ScrapeClient::connect(page).ask("GET", "/metrics").sums(), engine.sums);
    let account = exporters.stop_statsd_sink().expect("a stop").expect("it was running");
    assert_all_sent(&account, 10);
    assert_eq!(receiver.finish().len(), 30);
}

/// A page that moves to another port or, on its own port, to another address.
pub fn a_page_moves_to_another_port_or_address<R: Runtime>() {
    let (exporters, mut engine) = exporters::<R>();
    let first = exporters.start_prometheus_exporter(any_port()).expect("a free port");
    engine.record(5);
    let everywhere = any_port().host("0.0.0.0").port(first.port());
    let second = exporters.start_prometheus_exporter(everywhere).expect("only the exporter itself was in the way");
    assert_eq!((second.port(), second.ip().is_unspecified()), (first.port(), true));
    assert_eq!(ScrapeClient::connect(first).ask("GET", "/metrics").sums(), engine.sums);
    let free = unused_port();
    let config = PrometheusConfig::default().port(free.port());
    assert_eq!(exporters.start_prometheus_exporter(config).expect("a free port"), free);
    assert_eq!(ScrapeClient::connect(free).ask("GET", "/metrics").sums(), engine.sums);
    let accounts = exporters.shutdown(FOREVER).accounts;
    let accounts: Vec<_> = accounts.iter().map(|account| (account.recorded, account.sent)).collect();
    assert_eq!(accounts, [(5, 0), (0, 0), (0, 0)]);
}

/// The hook runs first, on a thread of the name that was given, with the smallest stack that is allowed.
pub fn the_exporters_thread_is_as_its_user_wants_it<R: Runtime>() {
    let (tell, told) = mpsc::channel();
    let hook = move || {
        let current = thread::current();
        tell.send((current.name().map(str::to_owned), current.id())).map_err(io::Error::other)
    };
    let wanted = ThreadSettings::default().name("of-mine").stack_bytes(1 << 20).on_start(Box::leak(Box::new(hook)));
    let settings = settings(64).thread(wanted);
    let exporters = Exporters::<R>::start(settings).expect("a thread");
    let (name, id) = told.try_recv().expect("the hook has run");
    assert_eq!(name.as_deref(), Some("of-mine"));
    assert_ne!(id, thread::current().id());

    let receiver = DatagramReceiver::start();
    let mut engine = TestEngine::new(settings.registry);
    exporters.start_statsd_sink(statsd(receiver.address)).expect("a socket");
    engine.record(10);
    assert_all_sent(&exporters.stop_statsd_sink().expect("a stop").expect("it was running"), 10);
    exporters.shutdown(FOREVER);
    assert!(told.try_recv().is_err(), "the hook runs once");
}

/// A hook that fails or panics fails the start in its words, and the storage can be used again at once.
pub fn a_hook_that_fails_leaves_nothing_that_runs<R: Runtime>() {
    let settings = settings(64);
    let start = |hook| Exporters::<R>::start(settings.thread(ThreadSettings::default().on_start(hook)));
    for _ in 0..20 {
        let error = start(&|| Err(io::ErrorKind::PermissionDenied.into())).expect_err("no right").to_string();
        assert!(error.contains("`thread.on_start` failed: permission denied"), "{error}");
        let error = start(&|| panic!("no such core")).expect_err("a panic").to_string();
        assert!(error.contains("`thread.on_start` panicked: no such core"), "{error}");
        let error =
            Exporters::<R>::start(settings.thread(ThreadSettings::default().stack_bytes(1))).expect_err("1 byte");
        assert!(error.to_string().contains("`thread.stack_bytes` is 1; expected"), "{error}");
    }
    start(&|| Ok(())).expect("the storage is free").shutdown(FOREVER);
}

/// Every run of an exporter has its row in the report, whether a stop or a start with other settings ended it.
pub fn the_report_has_every_run<R: Runtime>() {
    let receivers = [DatagramReceiver::start(), DatagramReceiver::start(), DatagramReceiver::start()];
    let (exporters, mut engine) = exporters::<R>();
    for (receiver, requests) in receivers.iter().zip([10, 20, 30]) {
        exporters.start_statsd_sink(statsd(receiver.address)).expect("a socket");
        engine.record(requests);
        if requests == 20 {
            exporters.start_prometheus_exporter(any_port()).expect("a free port");
            exporters.stop_statsd_sink().expect("a stop").expect("it was running");
        }
    }
    let ended: Vec<_> = exporters.ended_runs().iter().map(|run| (run.address.clone(), run.account.sent)).collect();
    assert_eq!(
        ended,
        [10, 20].map(|requests| (format!("udp://{}", receivers[requests / 10 - 1].address), requests as u64))
    );
    let report = exporters.shutdown(FOREVER);
    let accounts: Vec<_> = report.accounts.iter().map(|account| (account.exporter, account.recorded)).collect();
    let statsd = |requests| (Exporter::Statsd, requests);
    assert_eq!(accounts, [(Exporter::Prometheus, 30), statsd(10), statsd(20), statsd(30)]);
    report.accounts[1..].iter().for_each(|account| assert_all_sent(account, account.recorded));
    let table = report.to_string();
    for part in ["(run 1 of 3)", "(run 2 of 3)", "(run 3 of 3)"] {
        assert!(table.contains(part), "{table}");
    }
    assert_eq!(table.lines().filter(|line| line.starts_with("statsd ")).count(), 3, "{table}");
    for (receiver, requests) in receivers.into_iter().zip([10, 20, 30]) {
        assert_eq!(receiver.finish().len(), requests * 3);
    }
}

/// If only the stop finds that a backend is missing, the backend and the error are still reported.
pub fn errors_at_the_stop_are_reported<R: Runtime>() {
    let (influxdb, otlp_address) = (unused_port(), unused_port());
    let (exporters, mut engine) = exporters::<R>();
    exporters.start_influxdb_sink(http(influxdb)).expect("nobody needs to listen yet");
    exporters.start_opentelemetry_exporter(otlp(otlp_address)).expect("nobody needs to listen yet");
    engine.record(10);
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_eq!(account.dropped.get(DropReason::Unreachable), 10);
    let [run] = &exporters.ended_runs()[..] else { panic!("one run has ended") };
    assert!(run.state().starts_with(&format!("http://{influxdb}/write: cannot connect")), "{}", run.state());
    let report = exporters.shutdown(FOREVER);
    report.accounts.iter().for_each(|account| assert_settled(account, 10));
    let wrong: Vec<_> = report.troubles.iter().map(|run| run.exporter).collect();
    assert_eq!(wrong, [Exporter::Influxdb, Exporter::OpenTelemetry]);
    let table = report.to_string();
    for address in [influxdb, otlp_address] {
        assert!(
            table.lines().any(|line| line.contains(&format!("http://{address}")) && line.contains("cannot connect"))
        );
    }
}

/// A deadline may be the longest duration that there is.
pub fn an_endless_deadline_is_allowed<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    let settings = settings(64).stop_deadline(Duration::MAX);
    for round in 1..=3 {
        let exporters = Exporters::<R>::start(settings).expect("the storage is free");
        exporters.start_prometheus_exporter(any_port()).expect("a free port");
        exporters.start_statsd_sink(statsd(receiver.address)).expect("a socket");
        TestEngine::new(settings.registry).record(10);
        match round {
            1 => assert_eq!(exporters.shutdown(Duration::MAX).accounts.len(), 2),
            2 => assert!(exporters.stop_statsd_sink().expect("a stop").is_some()),
            _ => drop(exporters),
        }
        assert_all_sent(&settings.registry.account(Exporter::Statsd), 10);
    }
}

/// Several exporters whose servers hang are stopped within one deadline, not one after the other. They can be started
/// again.
pub fn stops_share_one_deadline<R: Runtime>() {
    let silent = (
        HttpServer::start(|_, _| HttpReply::Silence),
        OtlpTestServer::start::<R>(|_| otlp_receiver::OtlpReply::Silence),
    );
    let settings = settings(64).stop_deadline(Duration::from_secs(3));
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    exporters.start_influxdb_sink(http(silent.0.address)).expect("a sink");
    exporters.start_opentelemetry_exporter(otlp(silent.1.address)).expect("an exporter");
    TestEngine::new(settings.registry).record(10);
    let began = Instant::now();
    let accounts = exporters.stop_all().expect("a stop");
    // One after the other, they would take six seconds.
    assert!(began.elapsed() < Duration::from_millis(5_500), "{:?}", began.elapsed());
    let unconfirmed: Vec<_> = accounts.iter().map(|account| account.dropped.get(DropReason::Unconfirmed)).collect();
    assert_eq!(unconfirmed, [10, 10], "{accounts:?}");
    assert!(exporters.status().is_empty() && exporters.stop_all().expect("nothing to stop").is_empty());
    exporters.start_prometheus_exporter(any_port()).expect("starts again");
}

/// A shutdown does not wait for a stop that waits for a hanging server. Every call is answered.
pub fn a_shutdown_shortens_a_stop<R: Runtime>() {
    let silent = HttpServer::start(|_, _| HttpReply::Silence);
    let settings = settings(64).stop_deadline(FOREVER);
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    exporters.start_influxdb_sink(http(silent.address)).expect("a sink");
    exporters.start_prometheus_exporter(any_port()).expect("a free port");
    TestEngine::new(settings.registry).record(10);
    let handle = exporters.as_async().clone();
    let stopping = thread::spawn(move || futures_lite::future::block_on(handle.stop_influxdb_sink()));
    // The body is sent only because of the stop.
    wait_until(|| !silent.posts().is_empty());
    let handle = exporters.as_async().clone();
    let second = thread::spawn(move || futures_lite::future::block_on(handle.stop_prometheus_exporter()));
    let report = exporters.shutdown(Duration::from_millis(100));
    let account = stopping.join().expect("no panic").expect("carried out").expect("it was running");
    assert_eq!(
        account.dropped.get(DropReason::Unconfirmed) + account.dropped.get(DropReason::Deadline),
        10,
        "{account:?}"
    );
    // The second stop is carried out before the shutdown, or the shutdown comes first.
    let second = second.join().expect("no panic");
    assert!(matches!(second, Ok(Some(_)) | Err(StopError::ShutDown)), "{second:?}");
    let ran: Vec<_> = report.accounts.iter().map(|account| account.exporter).collect();
    assert_eq!(ran, [Exporter::Prometheus, Exporter::Influxdb]);
    report.accounts.iter().for_each(|account| assert_settled(account, 10));
}

fn statsd(receiver: SocketAddr) -> StatsdConfig {
    StatsdConfig::default().port(receiver.port())
}

/// A sink that sends its bodies only at its stop.
fn http(server: SocketAddr) -> InfluxdbConfig {
    let target = InfluxdbHttp::new(server.ip().to_string(), server.port());
    let batch = BatchLimits::default().age(FOREVER);
    InfluxdbConfig::default().target(target).batch(batch).timeout(FOREVER)
}

/// An exporter that exports only at its stop.
fn otlp(receiver: SocketAddr) -> OpenTelemetryConfig {
    let endpoint = format!("http://{receiver}");
    OpenTelemetryConfig::default().endpoint(endpoint).interval(FOREVER).timeout(FOREVER)
}
