//! Lanes that carry while they are read, on real threads: every total lies between what was recorded before it was read and
//! what was recorded after. Orders of loads and stores are proved by models (`ci/models.sh`); this finds plain mistakes.
//!
//! `LANE_RACE_SECONDS=600 cargo test --release -p loaddensity-metrics-core --test lane_race` is the soak.

#![cfg(not(loom))]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use loaddensity_metrics_core::{Recorder, Registry, Sample, Series, Storage};

/// Requests between two looks at the clock. Miri takes minutes for some thousand beside a reader.
const LOOK: u64 = if cfg!(miri) { 64 } else { 4_096 };
/// Requests that fill a lane four times.
const REQUESTS: u64 = 4 << 16;

fn equal_request() -> Sample {
    Sample::ok(Duration::from_millis(42)).response_bytes(1_024)
}

/// Records equal requests until `is_over`, and says after each how many there are.
fn record(mut recorder: Recorder<'_>, series: Series, recorded: &AtomicU64, is_over: impl Fn(u64) -> bool) {
    // One that is not in the lane of the others, so that no lane keeps step with the count.
    recorder.record(series, Sample::ok(Duration::from_millis(1)));
    let mut requests = 1;
    recorded.store(requests, Ordering::Release);
    while !is_over(requests) {
        recorder.record(series, equal_request());
        requests += 1;
        recorded.store(requests, Ordering::Release);
    }
}

/// Reads until the recording is over; returns how often.
fn check(registry: Registry<'_>, series: Series, recorded: &AtomicU64, is_done: &AtomicBool) -> u64 {
    let (mut before, mut readings) = ([0; 3], 0);
    while !is_done.load(Ordering::Acquire) {
        let at_least = recorded.load(Ordering::Acquire);
        let totals = registry.series_totals(series);
        let distribution = registry.series_distributions(series).expect("exponential histograms").latency();
        // One more may be recorded and not yet told.
        let at_most = recorded.load(Ordering::Acquire) + 1;
        let now = [totals.requests(), totals.latencies[0].count(), distribution.count()];
        for (now, before) in now.iter().zip(before) {
            assert!(
                (at_least.max(before)..=at_most).contains(now),
                "{now} of {at_least} to {at_most}, {before} before"
            );
        }
        (before, readings) = (now, readings + 1);
    }
    readings
}

#[test]
fn totals_are_exact_while_lanes_carry() {
    static STORAGE: Storage<3, 1, 2> = Storage::new();
    static RECORDED: AtomicU64 = AtomicU64::new(0);
    static IS_DONE: AtomicBool = AtomicBool::new(false);
    let soak = std::env::var("LANE_RACE_SECONDS").ok().map(|seconds| seconds.parse().expect("a number of seconds"));
    let end = soak.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let registry = STORAGE.registry();
    let series = registry.series("GET", "/x");
    let recorder = registry.recorder();
    let readings = std::thread::scope(|scope| {
        let reader = scope.spawn(|| check(registry, series, &RECORDED, &IS_DONE));
        record(recorder, series, &RECORDED, |requests| match end {
            None => requests == REQUESTS,
            Some(end) => requests.is_multiple_of(LOOK) && Instant::now() >= end,
        });
        IS_DONE.store(true, Ordering::Release);
        reader.join().expect("the reading thread")
    });
    let recorded = RECORDED.load(Ordering::Acquire);
    let totals = registry.series_totals(series);
    assert_eq!([totals.requests(), totals.latencies[0].count(), totals.sizes[0].count()], [recorded; 3]);
    println!("{recorded} requests, {readings} readings");
}
