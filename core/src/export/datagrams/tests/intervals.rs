//! Messages per interval: what leaves when an interval ends, and what becomes of it.

use super::*;
use crate::formats::dogstatsd::{AggregatedRequest, ContextCount, MessageEncoder};

struct Interval<'a> {
    sink: Sink<'a, Vec<Event>>,
    packing: AggregatePacking<'a, Vec<AggregatedRequest>, Vec<ContextCount>>,
    registry: Registry<'a>,
    offered: u64,
}

impl<'a> Interval<'a> {
    fn new(registry: Registry<'a>, has_seconds: bool) -> Self {
        let sink = Sink::new(vec![Event::default(); 100], ledger(registry, Exporter::Statsd));
        let encoder = MessageEncoder::new(registry, "x").expect("a prefix");
        let aggregator = encoder.aggregator(vec![AggregatedRequest::default(); 50]);
        let counts = has_seconds.then(|| vec![ContextCount::default(); aggregator.contexts()]);
        let aggregator = aggregator.with_counters(counts, 0);
        let packing = AggregatePacking::new(aggregator, 200, Duration::from_secs(10), Now::default());
        Self { sink, packing, registry, offered: 0 }
    }

    fn record(&mut self, count: usize) {
        self.record_at("/x", count);
    }

    fn record_at(&mut self, path: &str, count: usize) {
        let series = self.registry.series("GET", path);
        self.offered += count as u64;
        self.sink.offer_all(&vec![Event { series, latency_ns: 7_000_000, ..Event::default() }; count]);
    }

    fn source(&mut self) -> AggregateDatagrams<'_, 'a, Vec<AggregatedRequest>, Vec<ContextCount>, Vec<Event>> {
        AggregateDatagrams::new(&mut self.sink, &mut self.packing)
    }

    /// Sent, unconfirmed, too large, and held.
    fn account(&self) -> [u64; 4] {
        let (sent, dropped) = self.sink.ledger().outcome();
        let held = self.sink.ledger().held();
        assert_eq!(sent + dropped.total() + held, self.offered, "the law");
        [sent, dropped.get(DropReason::Unconfirmed), dropped.get(DropReason::TooLarge), held]
    }
}

#[test]
fn requests_wait_until_an_interval_ends_or_half_of_the_buffer_is_full() {
    let storage = TestStorage::new();
    let (mut bench, mut interval) =
        (Bench::new(1, DatagramTarget::UnixSocket), Interval::new(storage.registry(), false));
    bench.run(&mut interval.source(), 1);
    interval.record(5);
    let log = bench.run(&mut interval.source(), 10_050);
    assert_eq!(log, "[10000] send0:1x181");
    assert_eq!(interval.account(), [0, 0, 0, 5], "held until more is known of it");
    assert_eq!(bench.wait.expect("it waits").events, 55, "or half of the buffer is full again");
    assert_eq!(bench.run(&mut interval.source(), 11_000), "[10100] look0");
    assert_eq!(interval.account(), [5, 0, 0, 0]);
    assert_eq!(bench.wait.expect("it waits"), Wait { until: millis(20_000), events: 50, writable: 0 });
    interval.record(50);
    let log = bench.run(&mut interval.source(), 11_001);
    assert!(log.starts_with("[11000] send0:1x200 send0:1x") && !log.contains("look"), "{log}");
    interval.record(49);
    assert_eq!(bench.run(&mut interval.source(), 11_050), "", "the others come with the next interval");
    interval.record(1);
    let log = bench.run(&mut interval.source(), 11_051);
    assert!(log.starts_with("[11050] look0 send0:1x"), "no time is left: {log}");
    bench.run(&mut interval.source(), 11_500);
    interval.record(2);
    bench.handle(DatagramInput::Stop { deadline: millis(20_000) });
    let log = bench.run(&mut interval.source(), 30_000);
    assert!(log.starts_with("[11500] send0:1x") && log.ends_with("look0 done"), "{log}");
    assert_eq!(interval.account(), [107, 0, 0, 0]);
}

#[test]
fn a_refused_packet_takes_its_requests_and_one_that_is_too_large_is_cut() {
    let storage = TestStorage::new();
    let (mut bench, mut interval) =
        (Bench::new(1, DatagramTarget::UnixSocket), Interval::new(storage.registry(), false));
    bench.run(&mut interval.source(), 9_999);
    interval.record(40);
    // The first packet had the counter of all.
    bench.answers = [All, Fails(Fault::RefusedBefore)].into();
    bench.run(&mut interval.source(), 12_000);
    assert_eq!(interval.account(), [0, 40, 0, 0]);
    interval.record(49);
    bench.looks = [Look::Refused].into();
    bench.run(&mut interval.source(), 22_000);
    // The last one had the sizes of the last requests.
    let [sent, unconfirmed, ..] = interval.account();
    assert!(sent > 0 && unconfirmed > 40 && sent + unconfirmed == 89, "{sent}, {unconfirmed}");
    interval.record(40);
    bench.answers = [Fails(Fault::TooLarge)].into();
    let log = bench.run(&mut interval.source(), 32_000);
    let sizes: Vec<usize> =
        log.split("send0:1x").skip(2).filter_map(|rest| rest.split(' ').next()?.parse().ok()).collect();
    assert!(sizes.len() == 6 && sizes.iter().all(|size| *size <= 100), "{log}");
    assert_eq!(interval.account(), [sent + 40, unconfirmed, 0, 0]);
    // What cannot be smaller is lost.
    interval.record(1);
    bench.answers = vec![Fails(Fault::TooLarge); 40].into();
    bench.run(&mut interval.source(), 42_000);
    assert_eq!(interval.account(), [sent + 40, unconfirmed, 1, 0]);
}

#[test]
fn counters_that_say_their_second_follow_the_values_and_hold_their_requests() {
    let storage = TestStorage::new();
    let (mut bench, mut interval) = (Bench::new(1, NAME), Interval::new(storage.registry(), true));
    bench.run(&mut interval.source(), 9_999);
    interval.record(3);
    let log = bench.run(&mut interval.source(), 10_099);
    assert_eq!((log.as_str(), interval.account()), ("[10000] send0:1x122", [0, 0, 0, 3]));
    let log = bench.run(&mut interval.source(), 11_000);
    assert_eq!((log.as_str(), interval.account()), ("[10100] look0 send0:1x62 [10200] look0", [3, 0, 0, 0]));
    assert_eq!((interval.packing.second(), interval.packing.contexts()), (Some(1_700_000_010), 1));
    // Refused: the requests that the counter stands for.
    interval.record(4);
    bench.answers = [All, All].into();
    bench.looks = [Look::Fine, Look::Refused].into();
    bench.run(&mut interval.source(), 21_000);
    assert_eq!(interval.account(), [3, 4, 0, 0]);
    // At the stop the last ones leave at once.
    interval.record(1);
    bench.run(&mut interval.source(), 31_000);
    interval.record(5);
    bench.handle(DatagramInput::Stop { deadline: millis(35_000) });
    let log = bench.run(&mut interval.source(), 40_000);
    assert!(log.starts_with("[31000] send0:1x") && log.ends_with("look0 [31001] send0:1x62 look0 done"), "{log}");
    assert_eq!(interval.account(), [9, 4, 0, 0]);
}

#[test]
fn what_the_buffer_has_no_room_for_follows_at_once() {
    let storage = TestStorage::new();
    let (mut bench, mut interval) =
        (Bench::new(1, DatagramTarget::UnixSocket), Interval::new(storage.registry(), false));
    bench.run(&mut interval.source(), 1);
    interval.record(90);
    let log = bench.run(&mut interval.source(), 50);
    let expected = "[1] send0:1x200 send0:1x200 send0:1x71 look0 [2] send0:1x188 send0:1x133";
    assert_eq!((log.as_str(), interval.account()), (expected, [50, 0, 0, 40]));
}

#[test]
fn each_counter_leaves_whatever_the_socket_bears() {
    let storage = TestStorage::new();
    let (mut bench, mut interval) =
        (Bench::new(1, DatagramTarget::UnixSocket), Interval::new(storage.registry(), true));
    interval.record(1);
    interval.record_at("/a-path-that-is-longer-than-the-other-one", 1);
    bench.run(&mut interval.source(), 10_099);
    bench.answers = [Fails(Fault::TooLarge)].into();
    let log = bench.run(&mut interval.source(), 19_000);
    assert_eq!(interval.packing.contexts(), 2);
    let expected = "[10100] look0 send0:1x164 too large send0:1x62 send0:1x101 [10200] look0";
    assert_eq!((log.as_str(), interval.account()), (expected, [2, 0, 0, 0]));
}

#[test]
fn an_interval_leaves_through_one_socket_and_the_next_one_through_another() {
    let storage = TestStorage::new();
    let (mut bench, mut interval) =
        (Bench::new(2, DatagramTarget::UnixSocket), Interval::new(storage.registry(), false));
    interval.record(49);
    let log = bench.run(&mut interval.source(), 10_001);
    assert!(log.ends_with("connect1:0 send0:1x200 send0:1x200 send0:1x67"), "{log}");
    interval.record(1);
    assert_eq!(bench.run(&mut interval.source(), 20_001), "[10100] look0 [20000] send1:1x165");
}

#[test]
fn what_is_away_at_the_deadline_is_dropped_whole_and_what_left_in_part_is_unconfirmed() {
    let cases: [(&[Answer], [u64; 2]); 2] = [(&[], [0, 40]), (&[All], [40, 0])];
    for (has_seconds, (first, expected)) in [false, true].into_iter().flat_map(|has| cases.map(|case| (has, case))) {
        let storage = TestStorage::new();
        let (mut bench, mut interval) =
            (Bench::new(1, DatagramTarget::UnixSocket), Interval::new(storage.registry(), has_seconds));
        interval.record(40);
        bench.answers = [first, &[Fails(Fault::Away); 900]].concat().into();
        bench.run(&mut interval.source(), 12_000);
        bench.handle(DatagramInput::Stop { deadline: millis(15_000) });
        let log = bench.run(&mut interval.source(), 30_000);
        // One that never reached anybody gives up at once.
        assert!(log.ends_with(if first.is_empty() { "away done" } else { "[15000] done" }), "{log}");
        let [sent, _, _, held] = interval.account();
        assert_eq!((sent, held), (0, 0));
        let dropped = interval.sink.ledger().outcome().1;
        assert_eq!([DropReason::Unconfirmed, DropReason::Unreachable].map(|cause| dropped.get(cause)), expected);
    }
}
