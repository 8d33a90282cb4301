//! The DogStatsD sink, with a UDP receiver of the standard library.

use std::time::Duration;

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{Account, Cardinality, DropReason, SampleRate, StatsdConfig, StatsdOrigin};

use super::load::{LoadSums, assert_all_sent, assert_settled, exporters, wait_until};
use super::receiver::{DatagramReceiver, lines};
use super::unused_port;

/// The default of the contract: three datagrams per request, with one message each.
pub fn each_message_is_a_datagram<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    let (exporters, mut engine) = exporters::<R>();
    exporters.start_statsd_sink(to(&receiver)).expect("a socket");
    for round in 1..=20 {
        // Few enough to fit into the receiver's buffer.
        engine.record(50);
        receiver.wait_for(|datagrams| datagrams.len() == round * 150);
    }
    let account = exporters.stop_statsd_sink().expect("a stop").expect("it was running");
    assert_all_sent(&account, 1_000);
    let datagrams = receiver.finish();
    assert_eq!(datagrams.len(), 3_000);
    assert!(datagrams.iter().all(|datagram| !datagram.contains('\n')), "one message each");
    assert_eq!(sums(&datagrams, "loaddensity"), engine.sums);
}

/// With `datagram_bytes`, messages share datagrams of at most this size.
pub fn messages_are_packed<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    let (exporters, mut engine) = exporters::<R>();
    let config = to(&receiver).datagram_bytes(512).prefix("my.load.");
    exporters.start_statsd_sink(config).expect("a socket");
    for round in 1..=10 {
        engine.record(100);
        receiver.wait_for(|datagrams| messages(datagrams).count() == round * 300);
    }
    let account = exporters.stop_statsd_sink().expect("a stop").expect("it was running");
    assert_all_sent(&account, 1_000);
    let datagrams = receiver.finish();
    assert!(datagrams.iter().all(|datagram| datagram.len() <= 512));
    assert!(datagrams.len() < 1_500, "{} datagrams for 3,000 messages", datagrams.len());
    assert_eq!(sums(&datagrams, "my.load"), engine.sums);
}

/// A stop sends everything that was recorded before it. The account begins at the start of the exporter.
pub fn a_stop_flushes<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    let (exporters, mut engine) = exporters::<R>();
    engine.record(7);
    for _ in 0..3 {
        exporters.start_statsd_sink(to(&receiver)).expect("a socket");
        engine.record(20);
        let account = exporters.stop_statsd_sink().expect("a stop").expect("it was running");
        engine.record(5);
        assert_all_sent(&account, 20);
    }
    assert!(exporters.stop_statsd_sink().expect("a stop").is_none(), "it was not running");
    assert_eq!(sums(&receiver.finish(), "loaddensity").requests, 60);
}

/// Options beyond the contract are in every message, and requests that sampling leaves out are accounted for.
pub fn options_are_in_every_message<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    let (exporters, mut engine) = exporters::<R>();
    let config = to(&receiver)
        .datagram_bytes(1_432)
        .distributions(true)
        .sample_rate(SampleRate::new(0.5).expect("a rate"))
        .constant_labels([("run", "7")])
        .origin(StatsdOrigin::default().cardinality(Cardinality::Low));
    exporters.start_statsd_sink(config).expect("a socket");
    for round in 1..=10 {
        // Few enough to fit into the receiver's buffer, which is emptied before the next.
        engine.record(100);
        wait_until(|| {
            let Account { sent, dropped, .. } = exporters.status()[0].account;
            sent + dropped.get(DropReason::Sampled) == round * 100
                && receiver.has(|datagrams| messages(datagrams).count() as u64 == 3 * sent)
        });
    }
    let account = exporters.stop_statsd_sink().expect("a stop").expect("it was running");
    let sampled = account.dropped.get(DropReason::Sampled);
    assert_eq!((account.recorded, account.held, account.sent + sampled), (1_000, 0, 1_000), "{account:?}");
    // About fifteen standard deviations around 500.
    assert!((260..=740).contains(&sampled), "{sampled} of 1,000 at 0.5");
    let datagrams = receiver.finish();
    let mut counts = 0;
    for message in messages(&datagrams) {
        let (value, tags) = message.split_once("|@0.5|#").expect(message);
        let is_count = value.ends_with(":1|c");
        assert!(is_count || value.ends_with("|d"), "{message}");
        assert!(tags.ends_with(",run:7|card:low"), "{message}");
        counts += u64::from(is_count);
    }
    assert_eq!((counts, messages(&datagrams).count() as u64), (account.sent, 3 * account.sent));
}

/// Packed messages all end with a newline. Empty lines occur only if datagrams may be filled up. Single messages end
/// with a newline if it is asked for.
pub fn messages_end_with_a_newline<R: Runtime>() {
    let packed = StatsdConfig::default().packed(true);
    let offloaded = packed.clone().segmentation_offload(false);
    let single = StatsdConfig::default().newline(true);
    let filled = packed.clone().fill_datagrams(true);
    for config in [packed, offloaded, single, filled] {
        let receiver = DatagramReceiver::start();
        let (exporters, mut engine) = exporters::<R>();
        engine.set_gauge("active_users", 1.0);
        let (is_single, is_filled) = (config.newline, config.fill_datagrams);
        let config = config.port(receiver.address.port()).telemetry(true);
        exporters.start_statsd_sink(config.interval(Duration::from_secs(3_600))).expect("a socket");
        engine.record(100);
        assert_all_sent(&exporters.stop_statsd_sink().expect("a stop").expect("it was running"), 100);
        let datagrams = receiver.finish();
        for datagram in &datagrams {
            assert!(
                datagram.ends_with('\n') && !datagram.starts_with('\n') && (is_filled || !datagram.contains("\n\n")),
                "{datagram:?}"
            );
            assert!(datagram.len() <= 1_432 && (!is_single || datagram.matches('\n').count() == 1), "{datagram:?}");
        }
        let requests =
            datagrams.iter().flat_map(|datagram| lines(datagram)).filter(|line| line.contains(":1|c|#method"));
        assert_eq!(requests.count(), 100);
    }
}

/// No receiver listens: the start does not fail, nothing hangs, and every request is accounted for.
pub fn a_missing_receiver_changes_no_sum<R: Runtime>() {
    let (exporters, mut engine) = exporters::<R>();
    let config = StatsdConfig::default().port(unused_port().port());
    exporters.start_statsd_sink(config).expect("nobody needs to listen yet");
    engine.record(500);
    let account = exporters.stop_statsd_sink().expect("a stop").expect("it was running");
    assert_settled(&account, 500);
}

fn to(receiver: &DatagramReceiver) -> StatsdConfig {
    StatsdConfig::default().port(receiver.address.port())
}

fn messages(datagrams: &[String]) -> impl Iterator<Item = &str> {
    datagrams.iter().flat_map(|datagram| lines(datagram))
}

/// Adds up the messages, each of which must be one of the contract's three.
pub(super) fn sums(datagrams: &[String], prefix: &str) -> LoadSums {
    let (mut sums, mut latencies, mut sizes) = (LoadSums::default(), 0, 0);
    for message in messages(datagrams) {
        let parts = message.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.'));
        let (metric, rest) = parts.and_then(|rest| rest.split_once(':')).expect(message);
        let mut parts = rest.split('|');
        let (value, kind, tags) = (parts.next().expect(message), parts.next(), parts.next().expect(message));
        assert_eq!(parts.next(), None, "{message}");
        let failed = tags.ends_with(",outcome:failure");
        assert!(tags.starts_with("#method:") && (failed || tags.ends_with(",outcome:success")), "{message}");
        match (metric, kind) {
            ("requests", Some("c")) => {
                assert_eq!(value, "1", "{message}");
                sums.requests += 1;
                sums.failures += u64::from(failed);
            }
            ("request.latency", Some("ms")) => {
                latencies += 1;
                sums.latency_ms += value.parse::<f64>().expect(message);
            }
            ("response.size", Some("h")) => {
                sizes += 1;
                sums.bytes += value.parse::<u64>().expect(message);
            }
            _ => panic!("not a message of the contract: {message}"),
        }
    }
    assert_eq!((latencies, sizes), (sums.requests, sums.requests));
    sums
}
