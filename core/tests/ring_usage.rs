//! What the usage says of the rings and of the pump's visits, from which their size is chosen.

use std::time::Duration;

use loaddensity_metrics_core::{Classic, Exporter, Pump, Recorder, Registry, Sample, Series, Storage, Timestamp};

fn record(recorder: &mut Recorder<'_>, requests: u64) {
    for _ in 0..requests {
        recorder.record(Series::OVERFLOW, Sample::ok(Duration::from_millis(1)));
    }
}

/// A visit at `millis` of a clock; the ring's high-water mark and the longest gap in milliseconds after it.
fn visit(pump: &mut Pump<'_>, millis: u64) -> (u64, u128) {
    pump.set_now(Timestamp::from_unix_nanos(millis * 1_000_000));
    pump.drain(|_| {});
    let usage = pump.registry().usage();
    (usage.ring_high_water, usage.longest_gap.as_millis())
}

fn pump(registry: Registry<'static>) -> Pump<'static> {
    registry.pump().expect("the only pump")
}

#[test]
fn the_most_events_and_the_longest_time_between_two_visits_are_told() {
    static STORAGE: Storage<2, 1, 8, Classic> = Storage::new();
    let (mut pump, mut recorder) = (pump(STORAGE.registry()), STORAGE.registry().recorder());
    pump.attach(Exporter::Statsd);
    for (what, requests, millis, told) in [
        ("nothing came before the first visit", 3, 1_010, (3, 0)),
        ("more events, the first gap", 5, 1_012, (5, 2)),
        ("as many as the ring holds", 8, 1_019, (8, 7)),
        ("fewer events, a shorter gap", 2, 1_022, (8, 7)),
        ("three more than the ring holds", 11, 1_023, (11, 7)),
        ("what was refused counts once", 8, 1_030, (11, 7)),
        ("a clock that stands still", 1, 1_030, (11, 7)),
        ("a clock that is set back", 1, 1_020, (11, 7)),
        ("a longer gap without an event", 0, 1_045, (11, 25)),
    ] {
        record(&mut recorder, requests);
        assert_eq!(visit(&mut pump, millis), told, "{what}");
    }
}

#[test]
fn time_without_an_exporter_that_sends_per_request_is_no_gap() {
    static STORAGE: Storage<2, 1, 8, Classic> = Storage::new();
    let mut pump = pump(STORAGE.registry());
    visit(&mut pump, 1_000);
    assert_eq!(visit(&mut pump, 5_000), (0, 0), "before the first");
    pump.attach(Exporter::Statsd);
    assert_eq!(visit(&mut pump, 5_003), (0, 3));
    pump.detach(Exporter::Statsd);
    assert_eq!(visit(&mut pump, 9_000), (0, 3), "between two");
    pump.attach(Exporter::Influxdb);
    assert_eq!(visit(&mut pump, 9_004), (0, 4));
    drop(pump);
    let mut next = self::pump(STORAGE.registry());
    assert_eq!(visit(&mut next, 20_000), (0, 4), "while there was no pump");
    assert_eq!(visit(&mut next, 20_005), (0, 5));
}

#[test]
fn a_pump_without_a_clock_tells_no_gap() {
    static STORAGE: Storage<2, 1, 8, Classic> = Storage::new();
    let (mut pump, mut recorder) = (pump(STORAGE.registry()), STORAGE.registry().recorder());
    pump.attach(Exporter::Statsd);
    for requests in [2, 4] {
        record(&mut recorder, requests);
        pump.drain(|_| {});
    }
    let usage = STORAGE.registry().usage();
    assert_eq!((usage.ring_high_water, usage.longest_gap), (4, Duration::ZERO));
}

#[test]
fn the_fullest_ring_is_told_and_not_the_sum_of_all() {
    static STORAGE: Storage<2, 2, 8, Classic> = Storage::new();
    let registry = STORAGE.registry();
    let mut recorders: Vec<_> = (0..3).map(|_| registry.recorder()).collect();
    assert!(recorders[2].is_sharing());
    let mut pump = pump(registry);
    pump.attach(Exporter::Statsd);
    for (millis, requests, high_water) in [(1_000, [2, 3, 1], 3), (1_001, [2, 2, 6], 6), (1_002, [9, 8, 12], 12)] {
        recorders.iter_mut().zip(requests).for_each(|(recorder, requests)| record(recorder, requests));
        assert_eq!(visit(&mut pump, millis).0, high_water);
    }
}
