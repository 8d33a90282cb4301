//! Items that are made anew at every interval: points, gauges, telemetry.

use super::*;
use crate::aggregates::observed_rows::ObservedRows;
use crate::events::phase::Phase;
use crate::export::items::{Items, PackedItems};
use crate::export::posts::{InstrumentPoints, IntervalPoints};
use crate::formats::dogstatsd::{ClientTransport, MessageEncoder, Telemetry};
use crate::formats::influxdb::{
    InstrumentEncoder, InstrumentRows, IntervalEncoder, IntervalRows, IntervalTimes, Precision,
};
use crate::labels::constant::ConstantLabels;
use crate::metrics::unit::Unit;
use crate::registry::storage::{Classic, Storage};

/// Items of these lengths; notes what became of them.
#[derive(Default)]
struct Lines {
    lengths: Vec<usize>,
    waiting: Vec<usize>,
    settled: Vec<(usize, usize)>,
    intervals: usize,
    /// Turns that reading an interval takes besides the last, and how many are left.
    turns: usize,
    left: usize,
}

impl Items for Lines {
    fn len(&self) -> usize {
        self.waiting.len()
    }

    fn pack(&self, from: usize, most: usize, out: &mut [u8]) -> PackedItems {
        let mut body = PackedItems::default();
        for length in self.waiting.iter().skip(from).take(most) {
            if body.bytes + length > out.len() {
                break;
            }
            body = PackedItems { bytes: body.bytes + length, items: body.items + 1 };
        }
        body
    }

    fn settle(&mut self, items: usize, lost: usize, _: DropReason) {
        self.waiting.drain(..items);
        self.settled.push((items, lost));
    }

    fn freeze(&mut self, _: Now) {
        self.waiting.clear();
        self.intervals += 1;
        self.left = self.turns;
    }

    fn read_on(&mut self) -> bool {
        let is_read = self.left == 0;
        if is_read {
            self.waiting.clone_from(&self.lengths);
        }
        self.left = self.left.saturating_sub(1);
        is_read
    }
}

fn packing() -> IntervalPacking {
    IntervalPacking::new(9, 100, Duration::from_secs(10), Now::default())
}

fn bench() -> Bench {
    let route = DatagramRoute { sockets: 1, to: DatagramTarget::UnixSocket, at_once: false };
    Bench { machine: DatagramMachine::new(route, 7), ..Bench::new(1, DatagramTarget::UnixSocket) }
}

#[test]
fn items_leave_at_every_interval_and_a_last_time_at_the_stop() {
    let (mut bench, mut packing, mut items) = (bench(), packing(), Lines::default());
    let mut source = IntervalDatagrams::new(&mut items, &mut packing);
    assert_eq!(bench.run(&mut source, 15_000), "", "no socket is made for nothing");
    source.items.lengths = vec![40; 5];
    assert_eq!(bench.run(&mut source, 20_050), "[20000] connect0:0 send0:1x80 send0:1x80 send0:1x40");
    assert_eq!(bench.run(&mut source, 29_999), "[20100] look0");
    assert_eq!(source.items.settled, [(2, 0), (2, 0), (1, 0)]);
    // What fails waits; what has left does not leave again.
    bench.answers = [All, Fails(Fault::Away)].into();
    let log = bench.run(&mut source, 34_000);
    assert!(log.starts_with("[30000] send0:1x80 send0:1x80 away look0 close0 ["), "{log}");
    assert!(log.contains("connect0:0 send0:1x80 send0:1x40 ["), "{log}");
    bench.handle(DatagramInput::Stop { deadline: millis(39_000) });
    assert_eq!(bench.run(&mut source, 50_000), "[34000] send0:1x80 send0:1x80 send0:1x40 look0 done");
    assert_eq!(source.items.intervals, 4);
}

#[test]
fn an_interval_is_read_in_turns_and_anew_at_a_stop() {
    let (mut bench, mut packing) = (bench(), packing());
    let mut items = Lines { lengths: vec![40], turns: 30, ..Lines::default() };
    let mut source = IntervalDatagrams::new(&mut items, &mut packing);
    assert_eq!(bench.run(&mut source, 10_002), "", "30 turns of 100 µs each");
    bench.handle(DatagramInput::Stop { deadline: millis(19_000) });
    let log = bench.run(&mut source, 30_000);
    assert!(log.ends_with("connect0:0 send0:1x40 look0 done"), "{log}");
    assert_eq!(source.items.intervals, 2, "what came since the first turn is in the last interval");
    assert_eq!((source.items.left, &source.items.settled[..]), (0, &[(1, 0)][..]));
}

#[test]
fn an_interval_that_ends_begins_anew_what_has_not_left() {
    let (mut bench, mut packing, mut items) = (bench(), packing(), Lines::default());
    items.lengths = vec![60; 3];
    let mut source = IntervalDatagrams::new(&mut items, &mut packing);
    bench.answers = [All, Fails(Fault::WouldBlock)].into();
    bench.run(&mut source, 45_000);
    source.items.lengths = vec![70; 3];
    bench.handle(DatagramInput::Writable { socket: 0 });
    assert_eq!(bench.run(&mut source, 45_001), "[45000] send0:1x70 send0:1x70 send0:1x70");
    assert_eq!(source.items.intervals, 2, "those between never began");
}

#[test]
fn a_datagram_of_several_items_that_is_too_large_is_cut() {
    let (mut bench, mut packing, mut items) = (bench(), packing(), Lines::default());
    items.lengths = vec![40; 2];
    let mut source = IntervalDatagrams::new(&mut items, &mut packing);
    bench.answers = [Fails(Fault::TooLarge)].into();
    let log = bench.run(&mut source, 11_000);
    assert_eq!(log, "[10000] connect0:0 send0:1x80 too large send0:1x40 send0:1x40 [10100] look0");
    assert_eq!((items.settled, packing.left_out()), (vec![(1, 0), (1, 0)], 0));
}

#[test]
fn an_interval_leaves_through_the_socket_that_has_its_first_items() {
    let route = DatagramRoute { sockets: 2, to: DatagramTarget::UnixSocket, at_once: false };
    let mut bench = Bench { machine: DatagramMachine::new(route, 7), ..Bench::new(2, DatagramTarget::UnixSocket) };
    let (mut packing, mut items) = (packing(), Lines { lengths: vec![60; 2], ..Lines::default() });
    let mut source = IntervalDatagrams::new(&mut items, &mut packing);
    let log = bench.run(&mut source, 11_000);
    assert_eq!(log, "[10000] connect0:0 connect1:0 send0:1x60 send0:1x60 [10100] look0");
    assert_eq!(bench.run(&mut source, 21_000), "[20000] send1:1x60 send1:1x60 [20100] look1");
    assert_eq!(items.settled, [(1, 0); 4]);
}

#[test]
fn an_interval_that_ends_before_a_look_is_due_looks_at_once() {
    let (mut bench, mut items) = (bench(), Lines { lengths: vec![60; 1], ..Lines::default() });
    let mut packing = IntervalPacking::new(9, 100, Duration::from_millis(50), Now::default());
    let mut source = IntervalDatagrams::new(&mut items, &mut packing);
    assert_eq!(bench.run(&mut source, 110), "[50] connect0:0 send0:1x60 [100] look0 send0:1x60");
    assert_eq!((items.settled, items.intervals), (vec![(1, 0)], 2));
}

#[test]
fn what_no_datagram_holds_is_left_out_and_a_refusal_takes_its_items() {
    let (mut bench, mut packing, mut items) = (bench(), packing(), Lines::default());
    items.lengths = vec![40, 101, 60, 61];
    let mut source = IntervalDatagrams::new(&mut items, &mut packing);
    bench.answers = [All, Fails(Fault::TooLarge)].into();
    bench.looks = [Look::Fine, Look::Refused].into();
    let log = bench.run(&mut source, 11_000);
    let expected = "[10000] connect0:0 send0:1x40 look0 [10001] send0:1x60 too large send0:1x61 [10101] look0 refused";
    assert_eq!(log, expected);
    assert_eq!(source.items.settled, [(1, 0), (1, 1), (1, 1), (1, 1)]);
    assert_eq!(packing.left_out(), 2);
}

#[test]
fn points_per_interval_leave_in_datagrams_and_count_when_they_have_arrived() {
    let storage = TestStorage::new();
    let registry = storage.registry();
    let memory = vec![0; IntervalRows::<Vec<u64>>::words(registry)];
    let (rows, _) = IntervalRows::new(registry, memory).expect("as many words as it asks for");
    let ledger = Accounts::new(registry).open(Exporter::Influxdb);
    let encoder = IntervalEncoder::new(registry, "m", &ConstantLabels::default(), Precision::Nanosecond);
    let encoder = encoder.expect("a plain measurement");
    let times = IntervalTimes::new(Precision::Nanosecond, Duration::from_secs(10), Phase::NONE);
    let mut points = IntervalPoints::new(registry, (rows, ledger), (encoder, times));
    let mut packing = IntervalPacking::new(usize::MAX, 300, Duration::from_secs(10), Now::default());
    let mut source = IntervalDatagrams::new(&mut points, &mut packing);
    let mut bench = Bench::new(1, NAME);
    for (name, requests) in [("/a", 1), ("/b", 2), ("/c", 4)] {
        let series = registry.series("GET", name);
        (0..requests).for_each(|_| registry.recorder().record(series, crate::Sample::ok(Duration::ZERO)));
    }
    bench.looks = [Look::Refused].into();
    let log = bench.run(&mut source, 11_000);
    assert!(log.contains("[10000] send0:1x221 send0:1x110 [10100] look0 refused"), "{log}");
    let outcome = ledger.outcome();
    assert_eq!((outcome.0, outcome.1.get(DropReason::Unconfirmed)), (3, 4));
}

#[test]
fn own_instruments_leave_in_datagrams_and_what_none_holds_costs_itself_alone() {
    let storage = Storage::<5, 1, 2, Classic, 2>::new();
    let registry = storage.registry();
    let words = |words| vec![0; words];
    let (rows, _) = ObservedRows::new(registry, words(ObservedRows::<Vec<u64>>::words(registry))).expect("enough");
    let rows = InstrumentRows::new(registry, rows, words(InstrumentRows::<Vec<u64>>::words(registry))).expect("enough");
    let ledger = Accounts::new(registry).observations().open(Exporter::Influxdb);
    let encoder = InstrumentEncoder::new(registry, "m", &ConstantLabels::default(), Precision::Nanosecond);
    let times = IntervalTimes::new(Precision::Nanosecond, Duration::from_secs(10), Phase::NONE);
    let mut points = InstrumentPoints::new(registry, (rows, ledger), (encoder.expect("a plain measurement"), times));
    let mut packing = IntervalPacking::new(usize::MAX, 110, Duration::from_secs(10), Now::default());
    let mut source = IntervalDatagrams::new(&mut points, &mut packing);
    let mut bench = Bench::new(1, NAME);
    let (mut recorder, long) = (registry.recorder(), "x".repeat(90));
    let failed = registry.counter("failed", Unit::One, "").expect("a name");
    let ended = registry.run_counter("ended", Unit::One, "").expect("a name");
    for (name, times) in [("/a", 1), (&*long, 2), ("/b", 4), ("/c", 8)] {
        let series = registry.series("GET", name);
        (0..times).for_each(|_| recorder.add(failed, series, 10));
    }
    recorder.add_to_run(ended, 5);
    bench.looks = [Look::Fine, Look::Refused].into();
    let log = bench.run(&mut source, 11_000);
    let expected = "[10000] send0:1x82 look0 [10001] send0:1x103 [10101] look0 refused";
    assert!(log.contains(expected), "{log}");
    let (sent, dropped) = ledger.outcome();
    let lost = [DropReason::TooLarge, DropReason::Unconfirmed].map(|cause| dropped.get(cause));
    assert_eq!((sent, lost, packing.left_out()), (2, [2, 12], 1));
    assert_eq!(sent + dropped.total(), registry.observations());
}

#[test]
fn gauges_and_telemetry_are_messages_of_which_none_is_told_twice() {
    let storage = TestStorage::new();
    let registry = storage.registry();
    let encoder = MessageEncoder::new(registry, "x").expect("a prefix");
    registry.gauge("users").expect("a name").set(7.0);
    let done = core::cell::Cell::new(Telemetry::default());
    let telemetry = Some((encoder.telemetry(ClientTransport::Udp), || done.get()));
    let of_telemetry = encoder.telemetry(ClientTransport::Udp).messages(&Telemetry::default());
    let mut messages = StatsdMessages::new(encoder.gauges(), telemetry);
    let text = |messages: &StatsdMessages<'_, _>, from| {
        let mut out = [0; 2_000];
        let body = messages.pack(from, usize::MAX, &mut out);
        (String::from_utf8(out[..body.bytes].to_vec()).expect("a text"), body.items)
    };
    assert_eq!(messages.len(), 0);
    for (requests, packets, metrics) in [(10, 3, "metrics:31|c"), (10, 3, "metrics:32|c"), (15, 4, "metrics:16|c")] {
        done.set(Telemetry { requests, packets_sent: packets, ..Telemetry::default() });
        messages.freeze(Now::default());
        assert_eq!(messages.len(), 1 + of_telemetry);
        assert_eq!(text(&messages, 0), ("x.users:7|g".into(), 1));
        let (telemetry, items) = text(&messages, 1);
        assert!(telemetry.contains(metrics), "{telemetry}");
        assert_eq!((items + 1, messages.pack(messages.len(), 9, &mut [0; 99]).items), (messages.len(), 0));
        messages.settle(1, 0, DropReason::Unconfirmed);
        // The first telemetry does not leave.
        if metrics != "metrics:31|c" {
            messages.settle(items, 0, DropReason::Unconfirmed);
            assert!(messages.is_empty());
        }
    }
}

#[test]
fn a_gauge_that_comes_while_others_leave_waits_for_the_next_interval() {
    let storage = TestStorage::new();
    let registry = storage.registry();
    let encoder = MessageEncoder::new(registry, "x").expect("a prefix");
    let telemetry = Some((encoder.telemetry(ClientTransport::Udp), Telemetry::default));
    let mut messages = StatsdMessages::new(encoder.gauges(), telemetry);
    for name in ["users", "threads"] {
        registry.gauge(name).expect("a name").set(7.0);
    }
    messages.freeze(Now::default());
    registry.gauge("errors").expect("a name").set(7.0);
    assert_eq!([0, 1].map(|from| messages.pack(from, usize::MAX, &mut [0; 999]).items), [2, 1]);
}
