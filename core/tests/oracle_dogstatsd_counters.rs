//! Counters with timestamps, with a clock that the test sets, checked by a strict parser of the grammar.

use loaddensity_metrics_core::dogstatsd::{
    AggregatedRequest, Aggregator, Cardinality, ContextCount, MessageEncoder, Origin,
};
use loaddensity_metrics_core::{
    Account, DropReason, Event, Exporter, Pump, Registry, Sample, Sink, Storage, Timestamp,
};
use loaddensity_metrics_vectors::dogstatsd::{MessageType, parse};
use std::time::Duration;

/// The wall clock at the start: 200 ms after a second.
const START: u64 = 1_700_000_000_200;
/// That second.
const SECOND: u64 = 1_700_000_000;

/// A sink with its aggregator.
struct Bench<'a> {
    registry: Registry<'a>,
    pump: Pump<'a>,
    sink: Sink<'a, Vec<Event>>,
    aggregator: Aggregator<'a, Vec<AggregatedRequest>, Vec<ContextCount>>,
    room: Vec<u8>,
}

/// The value and the timestamp of a counter.
type Counter = (u64, u64);

impl<'a> Bench<'a> {
    fn new(registry: Registry<'a>, encoder: &MessageEncoder<'a>, room: usize, after: u64) -> Self {
        let mut pump = registry.pump().expect("the only pump");
        let sink = Sink::new(vec![Event::default(); 64], pump.attach(Exporter::Statsd));
        let aggregator = encoder.aggregator(vec![AggregatedRequest::default(); 64]);
        let counts = vec![ContextCount::default(); aggregator.contexts()];
        let aggregator = aggregator.with_counters(Some(counts), after);
        Self { registry, pump, sink, aggregator, room: vec![0xff; room] }
    }

    /// Records this number of requests of a series.
    fn record(&mut self, name: &str, requests: usize) {
        let mut recorder = self.registry.recorder();
        let series = recorder.series("GET", name);
        (0..requests).for_each(|_| recorder.record(series, Sample::ok(Duration::ZERO)));
        self.pump.drain(|event| assert!(self.sink.offer(event)));
    }

    /// Ends an interval and sends its values, which arrive unless `are_lost`. Returns the number of their messages.
    fn send_values(&mut self, are_lost: bool) -> usize {
        let mut messages = 0;
        self.aggregator.fill(&self.sink);
        while let Some(packet) = self.aggregator.next_packet(&mut self.room) {
            let values = parse(&self.room[..packet.bytes]).expect("good messages");
            assert!(values.iter().all(|message| (message.kind, message.timestamp) != (MessageType::Count, None)));
            messages += values.len();
            if are_lost {
                self.aggregator.lost(packet, DropReason::Unreachable);
            }
        }
        self.aggregator.settle(&mut self.sink, DropReason::Deadline);
        messages
    }

    /// Sends the counters, if they may be sent at these times of both clocks (in milliseconds).
    fn send_counters(&mut self, tick: u64, wall: u64, are_last: bool, lost: Option<DropReason>) -> Vec<Counter> {
        let mut counters = Vec::new();
        let wall = Timestamp::from_unix_nanos(wall * 1_000_000);
        if !self.aggregator.begin_counters(tick * 1_000_000, wall, are_last) {
            return counters;
        }
        while let Some(packet) = self.aggregator.next_counters(&mut self.room) {
            assert!(packet.bytes <= self.room.len());
            let messages = parse(&self.room[..packet.bytes]).expect("good messages");
            assert_eq!(messages.len(), packet.contexts);
            let value = |text: &str| text.parse().expect("a whole number");
            counters.extend(messages.iter().map(|m| (value(m.values[0]), m.timestamp.unwrap_or(0))));
            self.aggregator.settle_counters(&mut self.sink, packet, lost);
        }
        counters
    }

    fn account(&self) -> Account {
        let account = self.registry.account(Exporter::Statsd);
        assert!(account.balanced(), "{account:?}");
        account
    }
}

fn encoder(registry: Registry<'_>) -> MessageEncoder<'_> {
    MessageEncoder::new(registry, "p").expect("a prefix").with_newlines()
}

/// The values of each interval are sent at its end, and the counters at most once a second; requests whose counter
/// waits are held. Timestamps strictly increase, whatever happens to the wall clock.
#[test]
fn counts_of_a_series_are_sent_at_most_once_a_second() {
    let storage = Box::new(Storage::<4, 1, 64>::new());
    let registry = storage.registry();
    let mut bench = Bench::new(registry, &encoder(registry), 1_432, 0);
    let hour = 3_600_000;
    let mut sent = 0;
    for (what, tick, wall, requests, are_last, expected) in [
        ("the first interval", 0, START, 3, false, Some((3, SECOND))),
        ("a full table ends one early", 300, START + 300, 2, false, None),
        ("and once more", 790, START + 790, 4, false, None),
        ("the second has passed", 800, START + 800, 1, false, Some((7, SECOND + 1))),
        ("set back by an hour, within the second", 1_700, START + 1_700 - hour, 1, false, None),
        ("set back by an hour", 1_800, START + 1_800 - hour, 1, false, Some((2, SECOND + 2))),
        ("moved on by ten seconds", 1_900, START + 11_900, 1, false, Some((1, SECOND + 12))),
        ("moved back by them, within the second", 2_700, START + 2_700, 1, false, None),
        ("moved back by them", 2_800, START + 2_800, 1, false, Some((2, SECOND + 13))),
        ("nothing new", 5_000, START + 5_000, 0, false, None),
        ("more of the last one's second", 5_100, START + 5_100, 2, false, None),
        ("the stop", 5_200, START + 5_200, 1, true, Some((3, SECOND + 16))),
    ] {
        bench.record("/x", requests);
        let messages = bench.send_values(false);
        assert_eq!(messages, if requests == 0 { 0 } else { 2 }, "{what}: latencies and sizes");
        let counters = bench.send_counters(tick, wall, are_last, None);
        assert_eq!(counters, expected.into_iter().collect::<Vec<_>>(), "{what}");
        sent += expected.map_or(0, |(value, _)| value);
        let account = bench.account();
        assert_eq!((account.sent, account.held), (sent, account.recorded - sent), "{what}");
    }
    assert_eq!(bench.account().held, 0);
}

/// Series that are one series for Datadog have only one count in a second. Datadog turns tags into lower case, and
/// different tags may become equal when they are cleaned.
#[test]
fn series_that_datadog_takes_for_one_share_a_counter() {
    let storage = Box::new(Storage::<8, 1, 64>::new());
    let registry = storage.registry();
    let mut bench = Bench::new(registry, &encoder(registry), 1_432, 0);
    for name in ["/a|b", "/É", "/a:b", "/é", "/A#B", "/other"] {
        bench.record(name, 2);
    }
    bench.send_values(false);
    assert_eq!(bench.send_counters(0, START, false, None), [(6, SECOND), (4, SECOND), (2, SECOND)]);
    bench.record("/A#B", 1);
    bench.send_values(false);
    assert_eq!(bench.send_counters(1_000, START + 1_000, false, None), [(1, SECOND + 1)]);
    assert_eq!((bench.account().sent, bench.account().held), (13, 0));
}

/// A sink that is started again does not use the timestamps of the former one.
#[test]
fn seconds_go_on_after_a_restart() {
    let storage = Box::new(Storage::<4, 1, 64>::new());
    let registry = storage.registry();
    let mut bench = Bench::new(registry, &encoder(registry), 1_432, SECOND + 1);
    bench.record("/x", 2);
    bench.send_values(false);
    for (tick, expected) in [(0, vec![]), (1_700, vec![]), (1_800, vec![(2, SECOND + 2)])] {
        assert_eq!(bench.send_counters(tick, START + tick, false, None), expected, "{tick} ms");
    }
    assert_eq!(bench.aggregator.second(), Some(SECOND + 2));
}

/// A request counts as sent when its values and its counter were sent. Counters also count requests whose values are
/// lost, so that the Agent gets the right sum.
#[test]
fn a_lost_packet_is_counted_once() {
    for (values, counters, expected) in [
        (false, None, (3, 0)),
        (true, None, (0, 3)),
        (false, Some(DropReason::Unreachable), (0, 3)),
        (true, Some(DropReason::Unreachable), (0, 3)),
    ] {
        let storage = Box::new(Storage::<4, 1, 64>::new());
        let registry = storage.registry();
        let mut bench = Bench::new(registry, &encoder(registry), 1_432, 0);
        bench.record("/x", 3);
        bench.send_values(values);
        assert_eq!(bench.send_counters(0, START, false, counters), [(3, SECOND)]);
        let account = bench.account();
        assert_eq!((account.sent, account.dropped.get(DropReason::Unreachable)), expected, "{values} {counters:?}");
    }
    let storage = Box::new(Storage::<4, 1, 64>::new());
    let registry = storage.registry();
    let mut bench = Bench::new(registry, &encoder(registry), 1_432, SECOND);
    bench.record("/x", 3);
    bench.send_values(false);
    assert_eq!((bench.sink.len(), bench.account().held), (0, 3));
    bench.sink.abandon(DropReason::Deadline);
    assert_eq!(bench.account().dropped.get(DropReason::Unconfirmed), 3, "their values have left");
}

/// Counters fill packets like other messages. If a counter could not fit into a packet, its whole series is left out.
#[test]
fn counters_share_packets_of_any_length() {
    let origin = Origin { container: Some("ci-1"), external: None, cardinality: Some(Cardinality::Low) };
    let message = "p.requests:9|c|#method:GET,name:/a,outcome:success|c:ci-1|T1700000000|card:low\n";
    // With the longest number and the longest second.
    let longest = message.len() + 19 + 1;
    for (room, in_first, too_large) in
        [(4 * message.len(), 4, 0), (4 * message.len() - 1, 3, 0), (longest, 1, 0), (longest - 1, 0, 36)]
    {
        let storage = Box::new(Storage::<8, 1, 64>::new());
        let registry = storage.registry();
        let encoder = encoder(registry).with_distributions().with_origin(origin).expect("a good origin");
        let mut bench = Bench::new(registry, &encoder, room, 0);
        ["/a", "/b", "/c", "/d"].into_iter().for_each(|name| bench.record(name, 9));
        bench.send_values(false);
        assert!(bench.aggregator.begin_counters(0, Timestamp::from_unix_nanos(START * 1_000_000), false));
        let first = bench.aggregator.next_counters(&mut bench.room);
        assert_eq!(first.as_ref().map_or(0, |packet| packet.contexts), in_first, "{room} bytes");
        if let Some(packet) = first {
            let text = str::from_utf8(&bench.room[..packet.bytes]).expect("UTF-8");
            assert!(text.starts_with(message), "{text}");
            assert_eq!(text.len(), in_first * message.len());
            bench.aggregator.put_back_counters(&packet);
        }
        let sent = bench.send_counters(1_000, START + 1_000, false, None).len();
        assert_eq!(sent, if too_large == 0 { 4 } else { 0 });
        let account = bench.account();
        assert_eq!((account.dropped.get(DropReason::TooLarge), account.held), (too_large, 0), "{room} bytes");
    }
}

/// The Agent drops messages with the timestamp 0.
#[test]
fn timestamps_of_counts_are_never_0() {
    for (wall, expected) in [(0, 1), (1_000, 1), (2_999, 2)] {
        let storage = Box::new(Storage::<4, 1, 64>::new());
        let registry = storage.registry();
        let mut bench = Bench::new(registry, &encoder(registry), 1_432, 0);
        bench.record("/x", 1);
        bench.send_values(false);
        // A clock that was never set begins there.
        let counters = bench.send_counters(0, wall, wall == 0, None);
        assert_eq!(counters, [(1, expected)], "{wall} ms");
    }
}
