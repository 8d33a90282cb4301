//! Two sets of exporters, as in two processes, that send to one receiver.

use std::collections::BTreeMap;
use std::time::Duration;

use loaddensity_metrics_shell::config::Precision;
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{
    Exporters, Identity, InfluxdbConfig, InfluxdbUdp, InfluxdbUrl, Labels, OpenTelemetryConfig, Sample, Settings,
    StartError, StatsdConfig, Timestamp,
};

use super::http_server::{HttpReply, HttpServer};
use super::load::{EPOCH, TestEngine, assert_all_sent, settings};
use super::otlp_receiver::{OtlpReply, OtlpTestServer};
use super::receiver::{DatagramReceiver, lines};
use super::scraper::{ScrapeClient, any_port};

/// One process: exporters, and an engine that records the same requests as the engine of the other process.
struct Generator<R: Runtime> {
    exporters: Exporters<R>,
    engine: TestEngine,
    settings: Settings,
}

impl<R: Runtime> Generator<R> {
    fn new(identity: Identity) -> Self {
        let settings = settings(64).identity(identity);
        let exporters = Exporters::start(settings).expect("a thread for the exporters");
        Self { exporters, engine: TestEngine::new(settings.registry), settings }
    }

    /// Two workers that know their numbers.
    fn two_workers() -> [Self; 2] {
        [0, 1].map(|worker| Self::new(worker_of_two(worker)))
    }

    /// Records 20 requests in each of the first milliseconds, with times of a clock that shows only milliseconds.
    fn record_coarsely(&self, millis: u64) {
        let mut recorder = self.settings.registry.recorder();
        let series = recorder.series("GET", "/items");
        for number in 0..20 * millis {
            let completed_at = Timestamp::from_unix_nanos(EPOCH + number / 20 * 1_000_000);
            let sample = Sample::http(200, Duration::from_millis(1));
            recorder.record(series, sample.response_bytes(1).completed_at(completed_at));
        }
    }
}

fn worker_of_two(worker: u32) -> Identity {
    let named = Identity::default().with_run("nightly-7").and_then(|run| run.with_worker(worker, Some(2)));
    named.expect("a good name and a good number")
}

/// What InfluxDB keeps: the last one of several points with the same series and timestamp.
#[derive(Default)]
struct Database(BTreeMap<(String, String), String>);

impl Database {
    fn write(&mut self, bodies: &[String]) {
        for line in bodies.iter().flat_map(|body| lines(body)) {
            // Split from the end: tag values may contain escaped spaces, fields contain none.
            let mut parts = line.rsplitn(3, ' ');
            let time = parts.next().expect(line).to_owned();
            let (fields, series) = (parts.next().expect(line).to_owned(), parts.next().expect(line).to_owned());
            self.0.insert((series, time), fields);
        }
    }

    /// The requests in the points of `measurement` with this tag: one for each point, or as many as its field says.
    fn requests(&self, measurement: &str, tag: &str) -> u64 {
        let of =
            |(series, _): &&(String, String)| series.starts_with(&format!("{measurement},")) && series.contains(tag);
        let points = self.0.iter().filter(|(key, _)| of(key));
        let field = |fields: &str| fields.strip_prefix("requests=")?.split_once('i')?.0.parse().ok();
        points.map(|(_, fields)| field(fields).unwrap_or(1)).sum()
    }
}

fn over_udp(receiver: &DatagramReceiver) -> InfluxdbConfig {
    let target = InfluxdbUdp::new("127.0.0.1", receiver.address.port());
    InfluxdbConfig::default().target(target)
}

/// One point per request: both workers send the same series with the same timestamps, and every point is kept. So are
/// the gauges.
pub fn two_workers_lose_nothing_at_influxdb<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    for mut generator in Generator::<R>::two_workers() {
        generator.exporters.start_influxdb_sink(over_udp(&receiver)).expect("a socket");
        generator.engine.record(500);
        generator.engine.set_gauge("active_users", 250.0);
        let account = generator.exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
        assert_all_sent(&account, 500);
    }
    let mut database = Database::default();
    database.write(&receiver.finish());
    for worker in [",worker=0", ",worker=1"] {
        assert_eq!(database.requests("loaddensity_request", worker), 500, "{worker}");
        assert_eq!(database.requests("loaddensity_request_gauges", worker), 1, "{worker}");
    }
    assert_eq!(database.0.len(), 1_002);
}

/// One point per interval, with times in whole seconds: both workers have the same times.
pub fn two_workers_lose_no_interval_at_influxdb<R: Runtime>() {
    let server = HttpServer::start(|_, _| HttpReply::Status(204));
    let mut generators = Generator::<R>::two_workers();
    let url = format!("http://{}/write", server.address);
    for generator in &generators {
        let target = InfluxdbUrl::new(url.clone());
        let precision = Precision::Second;
        let config = InfluxdbConfig::default().target(target).aggregate(true).precision(precision);
        generator.exporters.start_influxdb_sink(config).expect("a sink");
    }
    for generator in &mut generators {
        generator.engine.record(300);
    }
    for generator in &generators {
        let account = generator.exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
        assert_all_sent(&account, 300);
    }
    let mut database = Database::default();
    database.write(&server.posts().into_iter().map(|post| post.body).collect::<Vec<_>>());
    for worker in [",worker=0", ",worker=1"] {
        assert_eq!(database.requests("loaddensity_request_interval", worker), 300, "{worker}");
    }
}

/// The processes have no worker numbers, and their clocks show only milliseconds: each puts its timestamps at its own
/// place within the millisecond.
pub fn two_generators_with_a_coarse_clock_have_different_timestamps<R: Runtime>() {
    let kept = || {
        let receiver = DatagramReceiver::start();
        for generator in [Generator::<R>::new(Identity::default()), Generator::new(Identity::default())] {
            generator.exporters.start_influxdb_sink(over_udp(&receiver)).expect("a socket");
            generator.record_coarsely(20);
            let account = generator.exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
            assert_all_sent(&account, 400);
        }
        let mut database = Database::default();
        database.write(&receiver.finish());
        for (_, time) in database.0.keys() {
            let time: u64 = time.parse().expect("nanoseconds");
            // The requests are of the first 20 milliseconds. If the place is at the end of a millisecond, the last
            // timestamps run into the next one.
            assert!((EPOCH..EPOCH + 21_000_000).contains(&time), "{time}");
        }
        database.0.len()
    };
    // Only one pair in thousands draws places that overlap.
    assert!((0..3).any(|_| kept() == 800), "three pairs in a row drew the same places");
}

/// Gauges of two workers would replace each other at the Agent, so they have the worker's tag. Values that the Agent
/// adds up have the tag only if it is asked for.
pub fn two_workers_are_told_apart_at_dogstatsd<R: Runtime>() {
    for is_labelled in [false, true] {
        let receiver = DatagramReceiver::start();
        for worker in [0, 1] {
            let identity = worker_of_two(worker);
            let identity = if is_labelled { identity.with_worker_label().with_run_label() } else { identity };
            let mut generator = Generator::<R>::new(identity);
            let config = StatsdConfig::default().port(receiver.address.port()).packed(true);
            generator.exporters.start_statsd_sink(config).expect("a socket");
            generator.engine.record(10);
            generator.engine.set_gauge("active_users", 250.0);
            let account = generator.exporters.stop_statsd_sink().expect("a stop").expect("it was running");
            assert_all_sent(&account, 10);
        }
        let datagrams = receiver.finish();
        let messages: Vec<_> = datagrams.iter().flat_map(|datagram| lines(datagram)).collect();
        let (gauges, requests): (Vec<_>, Vec<_>) = messages.into_iter().partition(|message| message.contains("|g"));
        let run = if is_labelled { ",run:nightly-7" } else { "" };
        let gauge = |worker| format!("loaddensity.active_users:250|g|#worker:{worker}{run}");
        assert_eq!(gauges, [gauge(0), gauge(1)]);
        assert_eq!(requests.len(), 60);
        let tagged =
            requests.iter().filter(|message| message.contains(",worker:") && message.ends_with(",run:nightly-7"));
        assert_eq!(tagged.count(), if is_labelled { 60 } else { 0 }, "{requests:?}");
    }
}

/// The Agent keeps only the last of several counts with the same timestamp, so counts with timestamps have the worker's
/// tag.
pub fn counts_with_timestamps_of_two_workers_are_told_apart<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    for mut generator in Generator::<R>::two_workers() {
        let (aggregate, timestamps_of_counts) = (true, true);
        let port = receiver.address.port();
        let config = StatsdConfig::default().port(port).aggregate(aggregate).timestamps_of_counts(timestamps_of_counts);
        generator.exporters.start_statsd_sink(config).expect("a socket");
        generator.engine.record(20);
        let account = generator.exporters.stop_statsd_sink().expect("a stop").expect("it was running");
        assert_all_sent(&account, 20);
    }
    let datagrams = receiver.finish();
    let messages: Vec<_> = datagrams.iter().flat_map(|datagram| lines(datagram)).collect();
    let (counts, values): (Vec<_>, Vec<_>) = messages.into_iter().partition(|message| message.contains("|c|"));
    for worker in [",worker:0|T", ",worker:1|T"] {
        let of_worker = counts.iter().filter(|message| message.contains(worker));
        let sum: u64 = of_worker
            .map(|message| message.split([':', '|']).nth(1).expect(message).parse::<u64>().expect(message))
            .sum();
        assert_eq!(sum, 20, "{counts:?}");
    }
    assert!(!values.is_empty() && values.iter().all(|message| !message.contains("worker")), "{values:?}");
}

/// One series of each page names the run and the worker. The other series are the same in every run, unless the labels
/// are asked for.
pub fn two_workers_are_told_apart_on_their_pages<R: Runtime>() {
    for is_labelled in [false, true] {
        for worker in [0, 1] {
            let identity = worker_of_two(worker);
            let identity = if is_labelled { identity.with_worker_label().with_run_label() } else { identity };
            let mut generator = Generator::<R>::new(identity);
            let address = generator.exporters.start_prometheus_exporter(any_port()).expect("a free port");
            generator.engine.record(10);
            let page = ScrapeClient::connect(address).ask("GET", "/metrics");
            let info = format!("loaddensity_run_info{{run=\"nightly-7\",worker=\"{worker}\",of=\"2\"}} 1");
            let samples: Vec<_> = page.text().lines().filter(|line| !line.starts_with('#')).collect();
            let (infos, others): (Vec<_>, Vec<_>) = samples.into_iter().partition(|line| line.contains("run_info"));
            assert_eq!(infos, [info]);
            let labels = format!("run=\"nightly-7\",worker=\"{worker}\"");
            let labelled = others.iter().filter(|line| line.contains(&labels)).count();
            assert_eq!(labelled, if is_labelled { others.len() } else { 0 }, "{others:?}");
            assert!(is_labelled || others.iter().all(|line| !line.contains("worker=") && !line.contains("run=")));
        }
    }
}

/// The resource has the run and the worker, and an instance id that is different in each process.
pub fn two_workers_are_told_apart_in_their_resources<R: Runtime>() {
    let receiver = OtlpTestServer::start::<R>(|_| OtlpReply::Accept);
    for mut generator in Generator::<R>::two_workers() {
        let endpoint = format!("http://{}", receiver.address);
        let config = OpenTelemetryConfig::default().endpoint(endpoint);
        generator.exporters.start_opentelemetry_exporter(config).expect("an exporter");
        generator.engine.record(10);
        let account = generator.exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running");
        assert_all_sent(&account, 10);
    }
    let exports = receiver.exports();
    let workers: Vec<_> = exports.iter().map(|export| export.identity[1].as_deref()).collect();
    assert_eq!((workers.first(), workers.last()), (Some(&Some("0")), Some(&Some("1"))));
    for export in &exports {
        let [run, _, instance] = export.identity.each_ref().map(Option::as_deref);
        assert_eq!(run, Some("nightly-7"));
        assert_eq!(instance.map(str::len), Some(36), "a UUID");
    }
}

/// If an exporter has a label of the same name, it replaces that of the identity. No label appears twice.
pub fn labels_of_an_exporter_win_over_the_identity<R: Runtime>() {
    let own = || Labels::from([("worker", "mine")]);
    let receiver = DatagramReceiver::start();
    let mut generator = Generator::<R>::new(worker_of_two(1).with_worker_label());
    let exporters = &generator.exporters;
    exporters.start_influxdb_sink(over_udp(&receiver).constant_labels(own())).expect("a socket");
    let config = any_port().constant_labels(own());
    let address = exporters.start_prometheus_exporter(config).expect("a free port");
    generator.engine.record(10);
    let page = ScrapeClient::connect(address).ask("GET", "/metrics");
    exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    let datagrams = receiver.finish();
    let points: Vec<_> = datagrams.iter().flat_map(|datagram| lines(datagram)).collect();
    assert_eq!(points.iter().filter(|line| line.contains(",worker=mine ")).count(), 10, "{points:?}");
    let requests = page.text().lines().filter(|line| line.starts_with("loaddensity_requests_total{"));
    assert!(requests.into_iter().all(|line| line.contains("worker=\"mine\"") && line.matches("worker=").count() == 1));
    assert!(page.text().contains("loaddensity_run_info{run=\"nightly-7\",worker=\"1\",of=\"2\"} 1"), "{}", page.text());
    // Tags that leave no room for the tag `worker` are refused, and the error names it.
    let long = Labels::new()
        .with("a".repeat(200), "b".repeat(255))
        .with("c".repeat(200), "d".repeat(255))
        .with("e".repeat(50), "f".repeat(56));
    let error = exporters.start_influxdb_sink(over_udp(&DatagramReceiver::start()).constant_labels(long));
    let error = error.expect_err("no room");
    assert!(matches!(&error, StartError::Setting { field: "constant_labels", .. }), "{error:?}");
    assert!(error.to_string().contains("\"worker\""), "{error}");
}
