//! Pages and exports made while requests are recorded: no number is torn, none contradicts another, none goes back.

mod common;

use common::page_of;
use loaddensity_metrics_core::otlp::Export;
use loaddensity_metrics_core::{Recorder, Registry, Series, Storage, Timestamp};
use loaddensity_metrics_vectors::otlp::{self, Value};
use loaddensity_metrics_vectors::{prometheus, samples};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const NAMES: [&str; 3] = ["/a", "/b", "/c"];

/// Runs `read` again and again while four threads record on two shards and the spill shard.
fn while_recording(registry: Registry<'static>, rounds: usize, mut read: impl FnMut()) {
    let done = AtomicBool::new(false);
    let record = |mut recorder: Recorder<'_>, series: &[Series]| {
        for seed in (0..).take_while(|_| !done.load(Ordering::Relaxed)) {
            recorder.record(series[seed as usize % series.len()], samples::sample(seed));
        }
    };
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut recorder = registry.recorder();
                let series = NAMES.map(|name| recorder.series("GET", name));
                record(recorder, &series);
            });
        }
        while registry.requests() == 0 {
            thread::yield_now();
        }
        (0..rounds).for_each(|_| read());
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn pages_agree_with_themselves_and_never_go_back() {
    static STORAGE: Storage<8, 2, 2> = Storage::new();
    let mut last: BTreeMap<String, f64> = BTreeMap::new();
    let mut grown = 0;
    while_recording(STORAGE.registry(), 100, || {
        let bytes = page_of(STORAGE.registry());
        // The parser checks that buckets are cumulative and that the last one is `_count`.
        let page = prometheus::parse(&bytes).unwrap_or_else(|error| panic!("{error}"));
        for sample in page.families.iter().take(3).flat_map(|family| &family.samples) {
            let key = format!("{} {:?}", sample.name, sample.labels);
            let before = last.insert(key, sample.value).unwrap_or_default();
            assert!(before <= sample.value, "{} went back from {before} to {}", sample.name, sample.value);
            grown += usize::from(before < sample.value);
        }
    });
    assert!(grown > 100, "nothing moved: {grown}");
}

#[test]
fn exports_agree_with_themselves_and_never_go_back() {
    static STORAGE: Storage<8, 2, 2> = Storage::new();
    let (mut last, mut grown, mut buffer) = (BTreeMap::new(), 0, vec![0; 64 * 1024]);
    while_recording(STORAGE.registry(), 100, || {
        let [start, now] = [1, 2].map(Timestamp::from_unix_nanos);
        let mut export = Export::new(STORAGE.registry(), "shop", start, now);
        let mut total = 0;
        while let Some(frame) = export.next_request(&mut buffer).expect("room for a point") {
            let message = otlp::unframe(frame).expect("a frame");
            otlp::canonical(message).expect("canonical");
            // The decoder checks that buckets add up to the count.
            for point in otlp::decode(message).unwrap_or_else(|error| panic!("{error}")) {
                let count = match point.value {
                    Value::Sum(value) => {
                        total += value as u64;
                        value as u64
                    }
                    Value::Histogram { count, .. } => count,
                };
                let before = last.insert((point.metric, point.attributes), count).unwrap_or_default();
                assert!(before <= count, "went back from {before} to {count}");
                grown += usize::from(before < count);
            }
        }
        assert_eq!(export.requests(), total, "the total is not what the counter points show");
    });
    assert!(grown > 100, "nothing moved: {grown}");
}
