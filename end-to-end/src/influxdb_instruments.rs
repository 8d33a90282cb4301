//! What an engine's own instruments count, as points per interval of the InfluxDB sink.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{
    Account, Counter, DropReason, Exporter, Exporters, HeapStorage, Histogram, InfluxdbConfig, InfluxdbTarget,
    InfluxdbUdp, InfluxdbUrl, Recorder, Registry, Sample, Series, Settings, Unit,
};

use super::http_server::{HttpReply, HttpServer};
use super::load::{assert_all_sent, assert_settled, wait_until};
use super::receiver::{DatagramReceiver, lines};

/// What the fields of a series add up to: times are whole milliseconds, so that sums are exact.
type FieldSums = BTreeMap<(String, String), f64>;

/// Observations of one call of [`InstrumentEngine::observe`].
const EACH: u64 = 5;

/// An engine with instruments of its own.
struct InstrumentEngine {
    recorder: Recorder<'static>,
    series: [Series; 2],
    checks_failed: Counter,
    iterations: Counter,
    first_byte: Histogram<Duration>,
    batch: Histogram<u64>,
    next: u64,
    sums: FieldSums,
}

impl InstrumentEngine {
    fn new(registry: Registry<'static>) -> Self {
        let mut recorder = registry.recorder();
        let series = ["/items", "/orders"].map(|name| recorder.series("GET", name));
        Self {
            recorder,
            series,
            checks_failed: registry.counter("checks_failed", Unit::One, "Checks that failed").expect("room"),
            iterations: registry.run_counter("iterations", Unit::One, "Iterations that ended").expect("room"),
            first_byte: registry.timer("time_to_first_byte", "Until the first byte").expect("room"),
            batch: registry.histogram("batch", Unit::Bytes, "Bytes of a batch").expect("room"),
            next: 0,
            sums: FieldSums::new(),
        }
    }

    /// Observes [`EACH`] values, so many times.
    fn observe(&mut self, times: u64) {
        for number in self.next..self.next + times {
            let series = self.series[(number % 2) as usize];
            let tags = [",method=GET,name=/items", ",method=GET,name=/orders"][(number % 2) as usize];
            let (millis, bytes) = (number % 50, number * 3 % 1_000);
            self.recorder.add(self.checks_failed, series, number % 4);
            self.recorder.add_to_run(self.iterations, 1);
            self.recorder.observe(self.first_byte, series, Duration::from_millis(millis));
            self.recorder.observe(self.first_byte, series, Duration::from_millis(1));
            self.recorder.observe(self.batch, series, bytes);
            for (tags, field, value) in [
                (tags, "checks_failed", number % 4),
                ("", "iterations", 1),
                (tags, "time_to_first_byte_ms_count", 2),
                (tags, "time_to_first_byte_ms_sum", millis + 1),
                (tags, "batch_bytes_count", 1),
                (tags, "batch_bytes_sum", bytes),
            ] {
                *self.sums.entry((tags.into(), field.into())).or_default() += value as f64;
            }
        }
        self.next += times;
    }

    fn record(&mut self, requests: u64) {
        (0..requests).for_each(|_| self.recorder.record(self.series[0], Sample::ok(Duration::from_millis(1))));
    }
}

/// The points of all intervals add up to what was observed since the start, in both modes. The last interval is sent at the
/// stop.
pub fn own_instruments_add_up_over_udp<R: Runtime>() {
    for aggregate in [false, true] {
        let receiver = DatagramReceiver::start();
        let (exporters, mut engine) = engine::<R>();
        engine.observe(7);
        engine.sums.clear();
        let target = InfluxdbUdp::new("127.0.0.1", receiver.address.port());
        let config = config(target).aggregate(aggregate);
        exporters.start_influxdb_sink(config).expect("a socket");
        for round in 1..=3 {
            engine.observe(100);
            wait_until(|| observations(&exporters).sent == round * 100 * EACH);
        }
        engine.observe(50);
        engine.record(30);
        assert_all_sent(&exporters.stop_influxdb_sink().expect("a stop").expect("it was running"), 30);
        assert_all_sent(&last_account(&engine), 350 * EACH);
        assert_eq!(sums(&receiver.finish()), engine.sums);
    }
}

/// The same over HTTP, where no body has points of both.
pub fn own_instruments_add_up_over_http<R: Runtime>() {
    for aggregate in [false, true] {
        let server = HttpServer::start(|_, _| HttpReply::Status(204));
        let (exporters, mut engine) = engine::<R>();
        exporters.start_influxdb_sink(to(&server).aggregate(aggregate)).expect("a sink");
        for round in 1..=3 {
            engine.observe(100);
            engine.record(10);
            wait_until(|| observations(&exporters).sent == round * 100 * EACH);
        }
        engine.observe(50);
        assert_all_sent(&exporters.stop_influxdb_sink().expect("a stop").expect("it was running"), 30);
        assert_all_sent(&last_account(&engine), 350 * EACH);
        let bodies = stored(&server);
        for body in &bodies {
            let own = lines(body).filter(|line| is_own(line)).count();
            assert!(own == 0 || own == lines(body).count(), "{body}");
        }
        assert_eq!(sums(&bodies), engine.sums);
    }
}

/// A server that refuses every point of an own instrument gets all requests, and the accounts say so.
pub fn a_refused_instrument_costs_no_request<R: Runtime>() {
    let server = HttpServer::start(|post, _| HttpReply::Status(if is_own(&post.body) { 400 } else { 204 }));
    let (exporters, mut engine) = engine::<R>();
    exporters.start_influxdb_sink(to(&server)).expect("a sink");
    engine.observe(100);
    engine.record(40);
    wait_until(|| observations(&exporters).held == 0);
    engine.observe(10);
    let status = exporters.status().remove(0);
    assert!(status.last_error.is_some_and(|error| error.starts_with("own instruments: ")), "it is told");
    assert_all_sent(&exporters.stop_influxdb_sink().expect("a stop").expect("it was running"), 40);
    let account = last_account(&engine);
    assert_settled(&account, 110 * EACH);
    assert_eq!((account.sent, account.dropped.get(DropReason::Refused)), (0, 110 * EACH), "{account:?}");
}

/// What a server could not take is in the next points, and nothing is counted twice.
pub fn an_interval_of_instruments_that_failed_is_in_the_next_one<R: Runtime>() {
    let server = HttpServer::start(|_, number| HttpReply::Status(if number < 3 { 503 } else { 204 }));
    let (exporters, mut engine) = engine::<R>();
    exporters.start_influxdb_sink(to(&server)).expect("a sink");
    engine.observe(100);
    wait_until(|| server.posts().len() >= 2);
    engine.observe(100);
    wait_until(|| observations(&exporters).sent == 200 * EACH);
    assert_all_sent(&exporters.stop_influxdb_sink().expect("a stop").expect("it was running"), 0);
    assert_all_sent(&last_account(&engine), 200 * EACH);
    assert_eq!(sums(&stored(&server)), engine.sums);
}

/// A silent server does not delay a stop beyond its deadline, and every observation is accounted for.
pub fn a_silent_server_leaves_observations_unconfirmed<R: Runtime>() {
    let server = HttpServer::start(|_, _| HttpReply::Silence);
    let settings = settings().stop_deadline(Duration::from_millis(300));
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    let mut engine = InstrumentEngine::new(settings.registry);
    exporters.start_influxdb_sink(to(&server).timeout(Duration::from_secs(60))).expect("a sink");
    engine.observe(50);
    wait_until(|| server.posts().len() == 1);
    assert_all_sent(&exporters.stop_influxdb_sink().expect("a stop").expect("it was running"), 0);
    let account = last_account(&engine);
    assert_settled(&account, 50 * EACH);
    assert_eq!((account.sent, account.dropped.get(DropReason::Unconfirmed)), (0, 50 * EACH), "{account:?}");
}

/// Where the storage has no room for any there is no account, and nothing is sent of them.
pub fn storage_without_room_for_instruments_sends_none<R: Runtime>() {
    let server = HttpServer::start(|_, _| HttpReply::Status(204));
    let (exporters, mut engine) = super::load::exporters::<R>();
    exporters.start_influxdb_sink(to(&server)).expect("a sink");
    engine.record(30);
    wait_until(|| exporters.status()[0].account.sent == 30);
    assert_eq!(exporters.status()[0].observations, None);
    assert_all_sent(&exporters.stop_influxdb_sink().expect("a stop").expect("it was running"), 30);
    assert!(!stored(&server).iter().any(|body| is_own(body)));
}

fn settings() -> Settings {
    let storage = HeapStorage::builder(64, 4, 4_096).counters(2).histograms(2).build().expect("sizes that it can have");
    Settings::on(Box::leak(Box::new(storage)).registry())
}

fn engine<R: Runtime>() -> (Exporters<R>, InstrumentEngine) {
    let settings = settings();
    let exporters = Exporters::start(settings).expect("a thread for the exporters");
    (exporters, InstrumentEngine::new(settings.registry))
}

fn config(target: impl Into<InfluxdbTarget>) -> InfluxdbConfig {
    let interval = Duration::from_millis(20);
    InfluxdbConfig::default().target(target).interval(interval).instruments_interval(interval)
}

fn to(server: &HttpServer) -> InfluxdbConfig {
    config(InfluxdbUrl::new(format!("http://{}/write", server.address)))
}

fn observations<R: Runtime>(exporters: &Exporters<R>) -> Account {
    exporters.status()[0].observations.expect("there is room for instruments")
}

/// The account of observations after a stop.
fn last_account(engine: &InstrumentEngine) -> Account {
    engine.recorder.registry().observation_account(Exporter::Influxdb)
}

fn is_own(line: &str) -> bool {
    line.starts_with("loaddensity_request_instruments")
}

/// The bodies that were taken.
fn stored(server: &HttpServer) -> Vec<String> {
    server.posts().into_iter().filter(|post| post.status == Some(204)).map(|post| post.body).collect()
}

/// Adds up the points of own instruments. No field of a series may have two values at one time.
fn sums(bodies: &[String]) -> FieldSums {
    let (mut sums, mut seen) = (FieldSums::new(), BTreeSet::new());
    for line in bodies.iter().flat_map(|body| lines(body)).filter(|line| is_own(line)) {
        let mut parts = line.split(' ');
        let key = parts.next().and_then(|key| key.strip_prefix("loaddensity_request_instruments")).expect(line);
        let (fields, time) = (parts.next().expect(line), parts.next().expect(line));
        for (name, value) in fields.split(',').map(|field| field.split_once('=').expect(line)) {
            assert!(seen.insert((key.to_owned(), name.to_owned(), time.to_owned())), "two values at one time: {line}");
            let is_added = ["checks_failed", "iterations"].contains(&name)
                || ["_count", "_sum"].iter().any(|end| name.ends_with(end));
            if is_added {
                let value: f64 = value.trim_end_matches('i').parse().expect(line);
                *sums.entry((key.to_owned(), name.to_owned())).or_default() += value;
            }
        }
    }
    sums
}
