//! What the DogStatsD sink sends at the end of each interval, with a UDP receiver of the standard library.

use std::collections::BTreeMap;
use std::time::Duration;

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{DropReason, Exporters, StatsdConfig};

use super::load::{LoadSums, assert_all_sent, assert_settled, exporters, settings, wait_until};
use super::receiver::{DatagramReceiver, lines};
use super::unused_port;

/// The engine's gauges are sent at every interval, as messages of their own that no account counts.
pub fn gauges_come_at_every_interval<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    let settings = settings(8);
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    let interval = Duration::from_millis(5);
    exporters.start_statsd_sink(to(&receiver).interval(interval)).expect("a socket");
    let users = settings.registry.gauge("active_users").expect("a good name");
    for value in ["1", "2.5"] {
        users.set(value.parse().expect("a number"));
        let message = format!("loaddensity.active_users:{value}|g");
        receiver.wait_for(|datagrams| datagrams.contains(&message));
    }
    let account = exporters.stop_statsd_sink().expect("a stop").expect("it was running");
    assert_eq!((account.recorded, account.sent, account.held), (0, 0, 0));
}

/// At the stop the gauges are sent once more, with their last values and the constant tags. Packed, they share a
/// datagram.
pub fn gauges_come_at_the_stop<R: Runtime>() {
    for (datagram_bytes, datagrams) in [(None, 2), (Some(1_432), 1)] {
        let receiver = DatagramReceiver::start();
        let settings = settings(8);
        let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
        let constant_labels = [("run", "7")];
        // Only the stop ends an interval.
        let interval = Duration::from_secs(3_600);
        let config = to(&receiver).interval(interval).datagram_bytes(datagram_bytes).constant_labels(constant_labels);
        exporters.start_statsd_sink(config).expect("a socket");
        for (name, value) in [("active_users", 1.0), ("target_rate", 0.5), ("active_users", 250.0)] {
            settings.registry.gauge(name).expect("a good name").set(value);
        }
        settings.registry.gauge("never_set").expect("a good name");
        exporters.stop_statsd_sink().expect("a stop").expect("it was running");
        let received = receiver.finish();
        assert_eq!(received.len(), datagrams);
        let messages: Vec<_> = received.iter().flat_map(|datagram| lines(datagram)).collect();
        let expected = ["loaddensity.active_users:250|g|#run:7", "loaddensity.target_rate:0.5|g|#run:7"];
        assert_eq!(messages, expected);
    }
}

/// A gauge that fits into no datagram is named in the status. The other gauges are sent all the same.
pub fn a_gauge_that_does_not_fit_is_left_out<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    let settings = settings(8);
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    for (name, value) in [("a", f64::MAX), ("b", 1.0)] {
        settings.registry.gauge(name).expect("a good name").set(value);
    }
    let config = to(&receiver).datagram_bytes(100).interval(Duration::from_millis(5));
    exporters.start_statsd_sink(config).expect("a socket");
    receiver.wait_for(|datagrams| !datagrams.is_empty());
    wait_until(|| exporters.status().iter().any(|status| status.state().contains("a gauge is left out")));
    exporters.stop_statsd_sink().expect("a stop").expect("it was running");
    assert!(receiver.finish().iter().all(|datagram| datagram == "loaddensity.b:1|g\n"));
}

/// The messages of all intervals add up to what was recorded since the start. The last ones are sent at the stop.
pub fn messages_per_interval_add_up<R: Runtime>() {
    for distributions in [false, true] {
        let receiver = DatagramReceiver::start();
        let (exporters, mut engine) = exporters::<R>();
        engine.record(70);
        let before = engine.sums;
        let interval = Duration::from_millis(5);
        exporters
            .start_statsd_sink(aggregated(&receiver).distributions(distributions).aggregation_interval(interval))
            .expect("a socket");
        for round in 1..=3 {
            engine.record(100);
            wait_until(|| exporters.status()[0].account.sent == round * 100);
        }
        engine.record(50);
        let account = exporters.stop_statsd_sink().expect("a stop").expect("it was running");
        assert_all_sent(&account, 350);
        let datagrams = receiver.finish();
        assert!(datagrams.iter().all(|datagram| datagram.len() <= 1_432));
        let (sums, _) = sums(&datagrams, if distributions { ["d", "d"] } else { ["ms", "h"] });
        assert_eq!(sums, engine.sums.since(before));
    }
}

/// One interval has one counter for each series and outcome, however many datagrams its values take.
pub fn an_interval_has_one_counter_of_each_kind<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    let (exporters, mut engine) = exporters::<R>();
    exporters.start_statsd_sink(aggregated(&receiver).datagram_bytes(300)).expect("a socket");
    engine.record(900);
    let account = exporters.stop_statsd_sink().expect("a stop").expect("it was running");
    assert_all_sent(&account, 900);
    let datagrams = receiver.finish();
    assert!(datagrams.iter().all(|datagram| datagram.len() <= 300));
    let (sums, counters) = sums(&datagrams, ["ms", "h"]);
    assert_eq!(sums, engine.sums);
    // Three series with both outcomes.
    assert_eq!(counters, 6);
}

/// An interval ends early when half of the buffer is in use, so that nothing is dropped.
pub fn a_full_buffer_ends_an_interval<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    let (exporters, mut engine) = exporters::<R>();
    exporters.start_statsd_sink(aggregated(&receiver).buffer_events(100)).expect("a socket");
    for round in 1..=10 {
        engine.record(50);
        wait_until(|| exporters.status()[0].account.sent == round * 50);
    }
    let account = exporters.stop_statsd_sink().expect("a stop").expect("it was running");
    assert_all_sent(&account, 500);
    assert_eq!(sums(&receiver.finish(), ["ms", "h"]).0, engine.sums);
}

/// Counters with a timestamp are sent at most once per second, however often intervals end. The last ones are sent at
/// the stop.
pub fn counts_have_timestamps<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    let (exporters, mut engine) = exporters::<R>();
    let config = aggregated(&receiver)
        .timestamps_of_counts(true)
        .aggregation_interval(Duration::from_millis(20))
        .buffer_events(100);
    let mut recorded = 0;
    for _ in 0..2 {
        exporters.start_statsd_sink(config.clone()).expect("a socket");
        for _ in 0..20 {
            engine.record(50);
            recorded += 50;
            // Wait until the values have arrived, so that the buffer has room.
            receiver.wait_for(|datagrams| values(datagrams) == recorded);
        }
        let account = exporters.stop_statsd_sink().expect("a stop").expect("it was running");
        assert_all_sent(&account, 1_000);
    }
    let mut last = BTreeMap::new();
    let datagrams: Vec<_> = receiver.finish();
    let without_seconds = |line: &str| match line.rsplit_once("|T") {
        None => line.to_owned(),
        Some((counter, second)) => {
            let (_, tags) = counter.split_once("|c|").expect("a counter");
            let second: u64 = second.parse().expect("seconds");
            let before = last.insert(tags.to_owned(), second);
            assert!(before.is_none_or(|before| before < second), "{second} after {before:?}");
            counter.to_owned()
        }
    };
    let messages: Vec<_> = datagrams.iter().flat_map(|datagram| lines(datagram)).map(without_seconds).collect();
    assert_eq!(sums(&messages, ["ms", "h"]).0, engine.sums);
    // Three series with both outcomes.
    assert_eq!(last.len(), 6);
}

/// How many latencies have arrived.
fn values(datagrams: &[String]) -> usize {
    let latencies = datagrams.iter().flat_map(|datagram| lines(datagram)).filter(|line| line.contains(".latency:"));
    latencies.map(|line| line.split('|').next().map_or(0, |values| values.matches(':').count())).sum()
}

/// Messages that fit into no datagram are dropped as `too_large`, and no receiver listens: in both cases every request
/// is accounted for.
pub fn intervals_that_do_not_arrive_change_no_sum<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    for (port, datagram_bytes) in [(receiver.address.port(), 20), (unused_port().port(), 1_432)] {
        let (exporters, mut engine) = exporters::<R>();
        let config = aggregated(&receiver).port(port).datagram_bytes(datagram_bytes);
        exporters.start_statsd_sink(config).expect("nobody needs to listen yet");
        engine.record(100);
        let account = exporters.stop_statsd_sink().expect("a stop").expect("it was running");
        assert_settled(&account, 100);
        assert_eq!(account.dropped.get(DropReason::TooLarge), if datagram_bytes == 20 { 100 } else { 0 });
    }
    assert_eq!(receiver.finish(), Vec::<String>::new());
}

/// Telemetry counts every metric, and the packets and bytes that were sent before the end of the interval. The packets
/// of that interval's gauges are counted in the next one.
pub fn telemetry_counts_what_was_sent<R: Runtime>() {
    for (aggregate, contexts) in [(false, None), (true, Some(18))] {
        let receiver = DatagramReceiver::start();
        let (exporters, mut engine) = exporters::<R>();
        engine.set_gauge("active_users", 1.0);
        let config = aggregated(&receiver).telemetry(true).aggregate(aggregate).datagram_bytes(1_432);
        exporters.start_statsd_sink(config.interval(Duration::from_secs(3_600))).expect("a socket");
        engine.record(100);
        let account = exporters.stop_statsd_sink().expect("a stop").expect("it was running");
        assert_all_sent(&account, 100);
        let datagrams = receiver.finish();
        let is_telemetry = |datagram: &&String| datagram.starts_with("datadog.");
        let is_gauge = |datagram: &&String| datagram.starts_with("loaddensity.active_users");
        let others: Vec<_> =
            datagrams.iter().filter(|datagram| !is_telemetry(datagram) && !is_gauge(datagram)).collect();
        let told = |metric: &str| told(&datagrams, "udp", metric);
        let type_of = |kind: &str| told(&format!("metrics_by_type {kind}"));
        assert_eq!(told("metrics"), Some(301));
        let types = ["count", "timing", "histogram", "gauge", "distribution"].map(type_of);
        assert_eq!(types, [Some(100), Some(100), Some(100), Some(1), None]);
        assert_eq!((told("packets_sent"), told("packets_dropped")), (Some(others.len() as u64), Some(0)));
        let bytes: usize = others.iter().map(|datagram| datagram.len()).sum();
        assert_eq!((told("bytes_sent"), told("bytes_dropped")), (Some(bytes as u64), Some(0)));
        assert_eq!(told("aggregated_context"), contexts);
        assert_eq!(told("metric_dropped_on_receive"), Some(0));
    }
}

/// Telemetry is sent at every interval, and counts what was sent since the last one.
pub fn telemetry_comes_at_every_interval<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    let (exporters, mut engine) = exporters::<R>();
    let config = to(&receiver).telemetry(true).interval(Duration::from_millis(5));
    exporters.start_statsd_sink(config).expect("a socket");
    for round in 1..=2 {
        engine.record(50);
        receiver.wait_for(|datagrams| told(datagrams, "udp", "metrics") == Some(round * 150));
    }
    exporters.stop_statsd_sink().expect("a stop").expect("it was running");
    receiver.finish();
}

/// The sum of one telemetry metric for `transport`. `metric` is its name, and for one metric type a blank and that
/// type.
pub(super) fn told(datagrams: &[String], transport: &str, metric: &str) -> Option<u64> {
    let (name, kind) = metric.split_once(' ').unwrap_or((metric, ""));
    let start = format!("datadog.dogstatsd.client.{name}:");
    let client = "client:loaddensity-metrics,client_version:";
    let messages = datagrams.iter().flat_map(|datagram| lines(datagram)).filter_map(|line| line.strip_prefix(&start));
    let values = messages.filter_map(|message| {
        let (value, tags) = message.split_once("|c|#").expect(message);
        let over = tags.split(',').find_map(|tag| tag.strip_prefix("client_transport:"));
        assert!(tags.starts_with(client) && over == Some(transport), "{message}");
        let is_of_type = tags.split_once(",metrics_type:").map_or(kind.is_empty(), |(_, of)| of == kind);
        is_of_type.then(|| value.parse::<u64>().expect(message))
    });
    values.reduce(|sum, value| sum + value)
}

/// Only the stop ends an interval.
fn aggregated(receiver: &DatagramReceiver) -> StatsdConfig {
    to(receiver).aggregate(true).aggregation_interval(Duration::from_secs(3_600))
}

/// Adds up messages with packed values, where latencies and sizes have these types. Also returns the number of
/// counters.
pub(super) fn sums(datagrams: &[String], types: [&str; 2]) -> (LoadSums, usize) {
    let (mut sums, mut counters, mut latencies, mut sizes) = (LoadSums::default(), 0, 0, 0);
    for message in datagrams.iter().flat_map(|datagram| lines(datagram)) {
        let parts = message.strip_prefix("loaddensity.").and_then(|rest| rest.split_once(':'));
        let (metric, rest) = parts.expect(message);
        let (values, rest) = rest.split_once('|').expect(message);
        let (kind, tags) = rest.split_once("|#method:").expect(message);
        let values: Vec<f64> = values.split(':').map(|value| value.parse().expect(message)).collect();
        let sum: f64 = values.iter().sum();
        match metric {
            "requests" => {
                assert_eq!((kind, values.len()), ("c", 1), "{message}");
                counters += 1;
                sums.requests += sum as u64;
                sums.failures += if tags.ends_with(",outcome:failure") { sum as u64 } else { 0 };
            }
            "request.latency" if kind == types[0] => {
                latencies += values.len() as u64;
                sums.latency_ms += sum;
            }
            "response.size" if kind == types[1] => {
                sizes += values.len() as u64;
                sums.bytes += sum as u64;
            }
            _ => panic!("not a message of the contract: {message}"),
        }
    }
    assert_eq!((latencies, sizes), (sums.requests, sums.requests));
    (sums, counters)
}

fn to(receiver: &DatagramReceiver) -> StatsdConfig {
    StatsdConfig::default().port(receiver.address.port())
}
