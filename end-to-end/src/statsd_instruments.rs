//! What the DogStatsD sink sends of the engine's own instruments, with receivers of the standard library.

use std::collections::BTreeMap;
use std::time::Duration;

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{
    Counter, DropReason, Exporter, Exporters, HeapStorage, Histogram, Recorder, Registry, Sample, SampleRate, Series,
    Settings, StatsdConfig, Unit,
};

use super::load::{assert_all_sent, assert_settled, wait_until};
use super::receiver::{DatagramReceiver, lines};
use super::unused_port;

/// An engine that declares a counter, a timer and a histogram, and a counter and a timer of the run.
pub(super) struct OwnEngine {
    pub(super) recorder: Recorder<'static>,
    series: [Series; 2],
    checks: Counter,
    iterations: Counter,
    first_byte: Histogram<Duration>,
    batch: Histogram<u64>,
    iteration: Histogram<Duration>,
    /// What the counters must add up to, by metric and tags, times in nanoseconds.
    pub(super) sums: BTreeMap<String, u64>,
    next: u64,
}

impl OwnEngine {
    /// Calls that each round makes.
    pub(super) const CALLS: u64 = 5;

    fn new(registry: Registry<'static>) -> Self {
        let text = "Of a test";
        Self {
            recorder: registry.recorder(),
            series: ["/items", "/orders"].map(|name| registry.series("GET", name)),
            checks: registry.counter("checks", Unit::One, text).expect("room"),
            iterations: registry.run_counter("iterations", Unit::One, text).expect("room"),
            first_byte: registry.timer("first_byte", text).expect("room"),
            batch: registry.histogram("batch", Unit::Bytes, text).expect("room"),
            iteration: registry.run_timer("iteration", text).expect("room"),
            sums: BTreeMap::new(),
            next: 0,
        }
    }

    /// Records a value with each instrument, so many times.
    pub(super) fn observe(&mut self, rounds: u64) {
        for number in self.next..self.next + rounds {
            let (which, nanos) = ((number % 2) as usize, 1_000_003 * (1 + number % 50));
            let (series, tags) = (self.series[which], ["/items", "/orders"][which]);
            self.recorder.add(self.checks, series, number % 3);
            self.recorder.add_to_run(self.iterations, 1);
            self.recorder.observe(self.first_byte, series, Duration::from_nanos(nanos));
            self.recorder.observe(self.batch, series, number);
            self.recorder.observe_in_run(self.iteration, Duration::from_nanos(2 * nanos));
            for (metric, value) in [
                (format!("checks #method:GET,name:{tags}"), number % 3),
                ("iterations ".into(), 1),
                (format!("first_byte.count #method:GET,name:{tags}"), 1),
                (format!("first_byte.sum #method:GET,name:{tags}"), nanos),
                (format!("batch.count #method:GET,name:{tags}"), 1),
                (format!("batch.sum #method:GET,name:{tags}"), number),
                ("iteration.count ".into(), 1),
                ("iteration.sum ".into(), 2 * nanos),
            ] {
                *self.sums.entry(metric).or_default() += value;
            }
        }
        self.next += rounds;
    }
}

/// Exporters with a storage that has room for instruments, and an engine that has declared them.
pub(super) fn exporters<R: Runtime>() -> (Exporters<R>, OwnEngine) {
    let storage = HeapStorage::builder(8, 4, 1_024).counters(2).histograms(3).build().expect("sizes that it can have");
    let settings = Settings::on(Box::leak(Box::new(storage)).registry());
    let exporters = Exporters::start(settings).expect("a thread for the exporters");
    (exporters, OwnEngine::new(settings.registry))
}

/// Adds up the counters of own instruments, by metric and tags, times in nanoseconds. Also returns the number of gauges.
pub(super) fn own_sums(datagrams: &[String]) -> (BTreeMap<String, u64>, usize) {
    let (mut sums, mut gauges) = (BTreeMap::new(), 0);
    for message in datagrams.iter().flat_map(|datagram| lines(datagram)) {
        let rest = message.strip_prefix("loaddensity.").expect(message);
        let (metric, rest) = rest.split_once(':').expect(message);
        let (value, rest) = rest.split_once('|').expect(message);
        let (kind, tags) = rest.split_once('|').unwrap_or((rest, ""));
        let value: f64 = value.parse().expect(message);
        if kind == "g" {
            assert!([".min", ".max", ".p50", ".p95", ".p99"].iter().any(|end| metric.ends_with(end)), "{message}");
            gauges += 1;
            continue;
        }
        assert_eq!(kind, "c", "{message}");
        let is_time = metric == "first_byte.sum" || metric == "iteration.sum";
        let value = if is_time { value * 1e6 } else { value };
        *sums.entry(format!("{metric} {tags}")).or_default() += value.round() as u64;
    }
    (sums, gauges)
}

fn is_of_requests(datagram: &str) -> bool {
    datagram.starts_with("loaddensity.request") || datagram.starts_with("loaddensity.response")
}

/// Their counters of all intervals add up to what was recorded since the start, whether requests are sent one by one, packed or
/// per interval. They share no datagram with requests. The last ones are sent at the stop.
pub fn own_instruments_add_up<R: Runtime>() {
    let dialects: [fn(StatsdConfig) -> StatsdConfig; 4] = [
        |config| config,
        |config| config.packed(true),
        |config| config.aggregate(true).aggregation_interval(Duration::from_millis(5)).datagram_bytes(200),
        |config| config.sample_rate(SampleRate::new(0.5).expect("a rate")).newline(true),
    ];
    for (number, dialect) in dialects.into_iter().enumerate() {
        let receiver = DatagramReceiver::start();
        let (exporters, mut engine) = exporters::<R>();
        let registry = engine.recorder.registry();
        engine.observe(40);
        engine.sums.clear();
        let config = dialect(to(&receiver)).instruments_interval(Duration::from_millis(5));
        exporters.start_statsd_sink(config).expect("a socket");
        let sent = || registry.observation_account(Exporter::Statsd).sent;
        for round in 1..=3 {
            engine.recorder.record(engine.series[0], Sample::ok(Duration::from_millis(1)));
            engine.observe(30);
            wait_until(|| sent() == round * 30 * OwnEngine::CALLS);
        }
        let status = exporters.status().pop().expect("it runs");
        assert_eq!(status.observations.map(|account| account.sent), Some(90 * OwnEngine::CALLS));
        engine.observe(10);
        let requests = exporters.stop_statsd_sink().expect("a stop").expect("it was running");
        assert_settled(&requests, 3);
        assert_all_sent(&registry.observation_account(Exporter::Statsd), 100 * OwnEngine::CALLS);
        let (of_requests, own): (Vec<_>, Vec<_>) =
            receiver.finish().into_iter().partition(|datagram: &String| is_of_requests(datagram));
        assert!(of_requests.iter().flat_map(|it| lines(it)).all(|line| line.contains(",outcome:success")));
        let is_single = own.iter().all(|datagram| lines(datagram).count() == 1);
        assert_eq!(is_single, number % 3 == 0, "each message is a datagram unless they share them");
        let (sums, gauges) = own_sums(&own);
        assert_eq!(sums, engine.sums);
        assert!(gauges >= 25, "five of each histogram and series: {gauges}");
    }
}

/// Rows that fit into no datagram are `too_large`, and nobody listens: every observation is accounted for, and neither changes
/// what becomes of requests.
pub fn own_instruments_that_do_not_arrive_change_no_sum<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    for (port, datagram_bytes) in [(receiver.address.port(), 20), (unused_port().port(), 1_432)] {
        let (exporters, mut engine) = exporters::<R>();
        let registry = engine.recorder.registry();
        let interval = Duration::from_millis(5);
        let config = to(&receiver).port(port).datagram_bytes(datagram_bytes).instruments_interval(interval);
        exporters.start_statsd_sink(config).expect("nobody needs to listen yet");
        engine.observe(20);
        let account = || registry.observation_account(Exporter::Statsd);
        wait_until(|| account().dropped.total() != 0);
        if datagram_bytes == 20 {
            wait_until(|| {
                exporters.status().iter().any(|status| status.state().contains("own instruments: a message"))
            });
        }
        engine.observe(20);
        let requests = exporters.stop_statsd_sink().expect("a stop").expect("it was running");
        assert_settled(&requests, 0);
        let (recorded, too_large) = (40 * OwnEngine::CALLS, account().dropped.get(DropReason::TooLarge));
        assert_settled(&account(), recorded);
        assert_eq!(account().sent, 0);
        assert_eq!(too_large, if datagram_bytes == 20 { recorded } else { 0 });
        // With the message, or because nobody was there at the end.
        assert_eq!(account().dropped.get(DropReason::Unconfirmed) != 0, datagram_bytes != 20);
    }
    assert_eq!(receiver.finish(), Vec::<String>::new());
}

fn to(receiver: &DatagramReceiver) -> StatsdConfig {
    StatsdConfig::default().port(receiver.address.port())
}
