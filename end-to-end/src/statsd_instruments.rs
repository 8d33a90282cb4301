//! What the DogStatsD sink sends of the engine's own instruments, with a UDP receiver of the standard library.

use std::collections::BTreeMap;
use std::time::Duration;

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{DropReason, Observations, Sample, SampleRate, StatsdConfig};

use super::load::{assert_all_sent, assert_settled, wait_until};
use super::own_instruments::{OBSERVATIONS, ObservingEngine, ended, observing, observing_with_rings};
use super::receiver::{DatagramReceiver, lines};
use super::statsd_interval::told;
use super::unused_port;

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
        let (exporters, mut engine) = observing::<R>();
        engine.observe();
        let config = dialect(to(&receiver)).instruments_interval(Duration::from_millis(5));
        exporters.start_statsd_sink(config).expect("a socket");
        let sent = || exporters.status().pop().and_then(|run| run.observations).expect("an account").sent;
        for round in 1..=3 {
            exporters.local_recorder().record_request("GET", "/items", Sample::ok(Duration::from_millis(1)));
            rounds(&mut engine, 30);
            wait_until(|| sent() == round * 30 * OBSERVATIONS);
        }
        rounds(&mut engine, 10);
        let requests = exporters.stop_statsd_sink().expect("a stop").expect("it was running");
        assert_settled(&requests, 3);
        assert_all_sent(&ended(&exporters), 100 * OBSERVATIONS);
        let (of_requests, own): (Vec<_>, Vec<_>) =
            receiver.finish().into_iter().partition(|datagram| datagram.contains("outcome:"));
        assert!(of_requests.iter().flat_map(|datagram| lines(datagram)).all(|line| line.contains(",outcome:success")));
        let is_single = own.iter().all(|datagram| lines(datagram).count() == 1);
        assert_eq!(is_single, number % 3 == 0, "each message is a datagram unless they share them");
        let (sums, gauges) = own_sums(&own);
        assert_eq!(sums, expected(100));
        assert!(gauges >= 3 * 5, "five of each histogram and series: {gauges}");
    }
}

/// Each observation since the start is a metric of its kind, as each value of a request is, per interval and per event.
pub fn telemetry_counts_observations<R: Runtime>() {
    for observations in [Observations::PerInterval, Observations::PerEvent] {
        let receiver = DatagramReceiver::start();
        let (exporters, mut engine) = observing_with_rings::<R>(1_024);
        engine.observe();
        exporters.start_statsd_sink(to(&receiver).telemetry(true).observations(observations)).expect("a socket");
        exporters.local_recorder().record_request("GET", "/items", Sample::ok(Duration::from_millis(1)));
        rounds(&mut engine, 20);
        assert_all_sent(&exporters.stop_statsd_sink().expect("a stop").expect("it was running"), 1);
        assert_all_sent(&ended(&exporters), 20 * OBSERVATIONS);
        let datagrams = receiver.finish();
        let types =
            ["count", "timing", "histogram"].map(|kind| told(&datagrams, "udp", &format!("metrics_by_type {kind}")));
        assert_eq!(types, [Some(1 + 40), Some(1 + 40), Some(1 + 20)]);
        assert_eq!(told(&datagrams, "udp", "metrics"), Some(3 + 100));
        assert_eq!(told(&datagrams, "udp", "metric_dropped_on_receive"), Some(0));
    }
}

/// Rows that fit into no datagram are `too_large`, and nobody listens: every observation is accounted for, and neither changes
/// what becomes of requests.
pub fn own_instruments_that_do_not_arrive_change_no_sum<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    for (port, datagram_bytes) in [(receiver.address.port(), 20), (unused_port().port(), 1_432)] {
        let (exporters, mut engine) = observing::<R>();
        let interval = Duration::from_millis(5);
        let config = to(&receiver).port(port).datagram_bytes(datagram_bytes).instruments_interval(interval);
        exporters.start_statsd_sink(config).expect("nobody needs to listen yet");
        rounds(&mut engine, 20);
        let is_too_large = datagram_bytes == 20;
        wait_until(|| {
            let run = exporters.status().pop().expect("it runs");
            let is_told = !is_too_large || run.state().contains("own instruments: a message is left out");
            is_told && run.observations.is_some_and(|account| account.dropped.total() != 0)
        });
        rounds(&mut engine, 20);
        let requests = exporters.stop_statsd_sink().expect("a stop").expect("it was running");
        assert_settled(&requests, 0);
        let account = ended(&exporters);
        assert_settled(&account, 40 * OBSERVATIONS);
        let [too_large, unconfirmed] =
            [DropReason::TooLarge, DropReason::Unconfirmed].map(|cause| account.dropped.get(cause));
        assert_eq!(account.sent, 0);
        assert_eq!((too_large, unconfirmed != 0), if is_too_large { (account.recorded, false) } else { (0, true) });
    }
    assert_eq!(receiver.finish(), Vec::<String>::new());
}

pub(super) fn rounds(engine: &mut ObservingEngine, rounds: u64) {
    (0..rounds).for_each(|_| engine.observe());
}

/// What the counters add up to after so many rounds, by metric and tags, times in nanoseconds.
pub(super) fn expected(rounds: u64) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::from([("depth.count ".into(), rounds), ("depth.sum ".into(), 7 * rounds)]);
    for (number, name) in (1..).zip(["/items", "/orders"]) {
        let tags = format!("#method:GET,name:{name}");
        sums.insert(format!("checks_failed {tags}"), number * rounds);
        sums.insert(format!("first_byte.count {tags}"), rounds);
        sums.insert(format!("first_byte.sum {tags}"), 250_000 * number * rounds);
    }
    sums
}

/// Adds up the counters of own instruments in the same way. Also returns the number of gauges.
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
        let value = if metric == "first_byte.sum" { value * 1e6 } else { value };
        *sums.entry(format!("{metric} {tags}")).or_default() += value.round() as u64;
    }
    (sums, gauges)
}

fn to(receiver: &DatagramReceiver) -> StatsdConfig {
    StatsdConfig::default().port(receiver.address.port())
}
