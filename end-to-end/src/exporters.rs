//! The exporters as a whole: all four together, on a runtime of their own or on the caller's, and how they end.

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{
    AsyncExporters, DropReason, Exporter, Exporters, InfluxdbConfig, InfluxdbHttp, OpenTelemetryConfig, Sample,
    StartError, StatsdConfig, StopError,
};

use super::http_server::{HttpReply, HttpServer};
use super::load::{TestEngine, assert_all_sent, assert_settled, exporters, settings};
use super::otlp_receiver::{self, OtlpTestServer};
use super::receiver::DatagramReceiver;
use super::scraper::{ScrapeClient, any_port};
use super::{Bare, influxdb_interval, largest_future, otlp_delta, run, statsd_interval, tls_otlp, tls_page};

/// Four threads record while four exporters run. Each exporter accounts for every request, and every backend has the
/// sums.
pub fn all_four_account_for_every_request<R: Runtime>() {
    const THREADS: u64 = 4;
    const REQUESTS: u64 = 2_500;
    let (statsd, influxdb) = (DatagramReceiver::start(), HttpServer::start(|_, _| HttpReply::Status(204)));
    let otlp = OtlpTestServer::start::<R>(|_| otlp_receiver::OtlpReply::Accept);
    let (exporters, _) = exporters::<R>();
    let page = start_all(&exporters, &statsd, &influxdb, &otlp);
    let engines: Vec<_> = (0..THREADS).map(|_| TestEngine::new(exporters.registry())).collect();
    let threads = engines.into_iter().map(|mut engine| {
        thread::spawn(move || {
            for _ in 0..REQUESTS / 100 {
                engine.record(100);
                // The rings hold 4,096 events; the exporters' thread may be late on a busy machine.
                thread::sleep(Duration::from_millis(2));
            }
        })
    });
    for thread in threads.collect::<Vec<_>>() {
        thread.join().expect("an engine thread");
    }
    assert_eq!(ScrapeClient::connect(page).ask("GET", "/metrics").sums().requests, THREADS * REQUESTS);
    let running: Vec<_> = exporters.status().iter().map(|status| status.exporter).collect();
    assert_eq!(running, Exporter::ALL);
    let report = exporters.shutdown(Duration::from_secs(60));
    assert_eq!(report.accounts.iter().map(|account| account.exporter).collect::<Vec<_>>(), Exporter::ALL);
    for account in &report.accounts {
        assert_settled(account, THREADS * REQUESTS);
        assert_eq!(account.sent + account.dropped.get(DropReason::RingFull), THREADS * REQUESTS, "{report}");
    }
    let stored = report.accounts.iter().find(|account| account.exporter == Exporter::Influxdb).expect("it ran").sent;
    assert_eq!(influxdb.posts().iter().map(|post| post.body.lines().count() as u64).sum::<u64>(), stored);
    assert_eq!(otlp.exports().last().expect("an export").sums().requests, THREADS * REQUESTS);
}

/// Exporters on the caller's own runtime, through async calls.
pub fn exporters_live_on_the_callers_runtime<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    let settings = settings(64);
    run(|runtime: R| async move {
        let exporters = AsyncExporters::start_on(runtime, settings).expect("a storage of their own");
        let address = exporters.start_prometheus_exporter(any_port()).await.expect("a free port");
        let config = StatsdConfig::default().port(receiver.address.port());
        exporters.start_statsd_sink(config).await.expect("a socket");
        let mut engine = TestEngine::new(settings.registry);
        engine.record(40);
        let sums = engine.sums;
        let (done, scraped) = async_channel::bounded(1);
        let client = thread::spawn(move || {
            let answer = ScrapeClient::connect(address).ask("GET", "/metrics");
            done.send_blocking(()).expect("main listens");
            answer.sums()
        });
        scraped.recv().await.expect("the scrape reports");
        assert_eq!(client.join().expect("the client's thread"), sums);
        let account = exporters.stop_statsd_sink().await.expect("a stop").expect("it was running");
        assert_all_sent(&account, 40);
        let report = exporters.shutdown(Duration::from_secs(10)).await;
        assert_eq!(report.accounts.len(), 2);
        report.accounts.iter().for_each(|account| assert_all_sent(account, 40));
        assert_eq!(receiver.finish().len(), 120);
        TcpListener::bind(address).expect("the port is free");
    });
}

/// Two sets of exporters cannot use one storage at the same time, but they can one after the other.
pub fn one_storage_serves_one_set_of_exporters<R: Runtime>() {
    let settings = settings(64);
    let first = Exporters::<R>::start(settings).expect("the storage is free");
    let refused = Exporters::<R>::start(settings).expect_err("the storage is in use");
    assert!(matches!(refused, StartError::StorageInUse), "{refused:?}");
    first.shutdown(Duration::from_secs(10));
    Exporters::<R>::start(settings).expect("the storage is free again");
}

/// Exporters that are dropped stop, flush and free their ports.
pub fn dropped_exporters_flush_and_stop<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    let (exporters, mut engine) = exporters::<R>();
    let page = exporters.start_prometheus_exporter(any_port()).expect("a free port");
    let config = StatsdConfig::default().port(receiver.address.port());
    exporters.start_statsd_sink(config).expect("a socket");
    engine.record(40);
    let registry = exporters.registry();
    drop(exporters);
    TcpListener::bind(page).expect("the port is free");
    assert_eq!(receiver.finish().len(), 120);
    assert_all_sent(&registry.account(Exporter::Statsd), 40);
    assert_settled(&registry.account(Exporter::Prometheus), 40);
}

/// After a shutdown, calls through remaining handles return an error and do not hang.
pub fn calls_after_a_shutdown_are_errors<R: Runtime>() {
    let (exporters, mut engine) = exporters::<R>();
    exporters.start_prometheus_exporter(any_port()).expect("a free port");
    engine.record(5);
    let handle = exporters.as_async().clone();
    let report = exporters.shutdown(Duration::from_secs(10));
    assert_settled(&report.accounts[0], 5);
    run(|_: R| async move {
        let error = handle.start_prometheus_exporter(any_port()).await.expect_err("they are gone");
        assert!(matches!(error, StartError::ShutDown), "{error:?}");
        assert_eq!(handle.stop_statsd_sink().await, Err(StopError::ShutDown));
        assert!(handle.status().await.is_empty());
    });
    engine.record(5);
}

/// The report tells what the storage had no room for, and what to do. No request is lost.
pub fn exceeded_limits_of_the_storage_are_reported<R: Runtime>() {
    let settings = settings(64);
    let exporters = Exporters::<R>::start(settings).expect("a storage of their own");
    let registry = exporters.registry();
    let page = exporters.start_prometheus_exporter(any_port()).expect("a free port");
    let names = registry.usage().series_capacity + 10;
    let mut recorders: Vec<_> = (0..=registry.usage().recorders_capacity).map(|_| exporters.recorder()).collect();
    for name in 0..names {
        let series = recorders[0].series("GET", &format!("/{name}/{}", "x".repeat(260)));
        recorders.iter_mut().for_each(|recorder| recorder.record(series, Sample::ok(Duration::ZERO)));
    }
    ScrapeClient::connect(page).ask("GET", "/metrics");
    let requests = (names * recorders.len()) as u64;
    let report = exporters.shutdown(Duration::from_secs(10));
    assert_all_sent(&report.accounts[0], requests);
    let folded = report.exceeded.folded.as_ref().expect("some were folded");
    assert_eq!((folded.times, folded.room), (10, names - 10));
    assert!(folded.first.as_ref().is_some_and(|first| first.name.starts_with(&format!("/{}/", folded.room))));
    assert_eq!(report.exceeded.cut.as_ref().expect("all were cut").series, folded.room as u64);
    assert_eq!(report.exceeded.spilled.expect("one shared").most, 1);
    let text = report.to_string();
    for line in ["\nseries: 10 requests for series beyond", "\nnames: ", "\nrecorders: 1 recorders found none"] {
        assert!(text.contains(line), "{text}");
    }
}

/// Spawned futures must be small: a future is copied on the way to its task, in a debug build several times, and
/// threads have small stacks.
pub fn spawned_futures_are_small<R: Runtime>() {
    const MOST: usize = 1_024;
    let cases: [(&str, fn()); 11] = [
        ("all four", all_four_account_for_every_request::<Bare<R>>),
        ("the page and DogStatsD on the caller's runtime", exporters_live_on_the_callers_runtime::<Bare<R>>),
        ("InfluxDB over HTTP", influxdb_interval::points_per_interval_add_up_over_http::<Bare<R>>),
        ("InfluxDB over UDP", influxdb_interval::points_per_interval_add_up_over_udp::<Bare<R>>),
        ("InfluxDB, with gauges", influxdb_interval::gauges_are_shown_in_both_modes::<Bare<R>>),
        ("DogStatsD, aggregated", statsd_interval::messages_per_interval_add_up::<Bare<R>>),
        ("DogStatsD, with telemetry", statsd_interval::telemetry_counts_what_was_sent::<Bare<R>>),
        ("OTLP over gRPC, delta", otlp_delta::deltas_add_up_over_grpc::<Bare<R>>),
        ("OTLP over HTTP and TLS", tls_otlp::exports_go_over_tls::<Bare<R>>),
        ("OTLP over gRPC and TLS", tls_otlp::calls_go_over_tls::<Bare<R>>),
        ("the page over TLS", tls_page::the_page_is_served_over_tls::<Bare<R>>),
    ];
    // Resets the largest size, so that futures of other tests do not count.
    let _ = largest_future();
    for (what, case) in cases {
        case();
        let largest = largest_future();
        println!("{what}: the largest future has {largest} bytes");
        assert!((1..=MOST).contains(&largest), "{what}: a future of {largest} bytes was given to spawn: box it");
    }
}

fn start_all<R: Runtime>(
    exporters: &Exporters<R>,
    statsd: &DatagramReceiver,
    influxdb: &HttpServer,
    otlp: &OtlpTestServer,
) -> std::net::SocketAddr {
    let page = exporters.start_prometheus_exporter(any_port()).expect("a free port");
    let config = StatsdConfig::default().port(statsd.address.port());
    exporters.start_statsd_sink(config).expect("a socket");
    let target = InfluxdbHttp::new("127.0.0.1", influxdb.address.port());
    exporters.start_influxdb_sink(InfluxdbConfig::default().target(target)).expect("a sink");
    let endpoint = format!("http://{}", otlp.address);
    let interval = Duration::from_millis(50);
    let config = OpenTelemetryConfig::default().endpoint(endpoint).interval(interval);
    exporters.start_opentelemetry_exporter(config).expect("an exporter");
    page
}
