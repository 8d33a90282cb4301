//! Storage on the heap behaves like a `static`. Built with the feature `alloc`, as the shells build it.
#![cfg(feature = "alloc")]

mod common;

use common::{nasty_recording, page_of, record};
use loaddensity_metrics_core::{HeapStorage, Sample, Series, SizeError, Storage, Unit};
use loaddensity_metrics_vectors::judge;
use std::thread;
use std::time::Duration;

#[test]
fn a_page_from_the_heap_is_the_page_from_a_static() {
    static STATIC: Storage<700, 2, 16> = Storage::new();
    let heap = HeapStorage::new(699, 2, 16).expect("a size that exists");
    let recording = nasty_recording();
    let model = record(&mut heap.registry().recorder(), &recording, || {});
    record(&mut STATIC.registry().recorder(), &recording, || {});
    let page = page_of(heap.registry());
    judge::page(&model, &[], &page);
    assert!(page == page_of(STATIC.registry()));
    assert_eq!(heap.registry().usage(), STATIC.registry().usage());
}

#[test]
fn a_storage_holds_as_many_series_as_it_says() {
    static TWO: Storage<2, 1, 2> = Storage::new();
    static HUNDRED: Storage<100, 1, 2> = Storage::new();
    let heap = [1, 3, 3_000].map(|series| HeapStorage::new(series, 1, 2).expect("a size that exists"));
    let classic = HeapStorage::classic(3_000, 1, 2).expect("a size that exists");
    for (registry, capacity) in [
        // The parameter of a `static` includes the overflow series.
        (TWO.registry(), 1),
        (HUNDRED.registry(), 99),
        (heap[0].registry(), 1),
        (heap[1].registry(), 3),
        (heap[2].registry(), 3_000),
        (classic.registry(), 3_000),
    ] {
        let full = (capacity, capacity);
        for number in 0..capacity {
            assert_ne!(registry.series("GET", &format!("/items/{number}")), Series::OVERFLOW, "{number} of {capacity}");
        }
        let usage = registry.usage();
        assert_eq!(((usage.series, usage.series_capacity), usage.folded), (full, 0));
        assert_eq!(registry.series("GET", "/one/more"), Series::OVERFLOW);
        let usage = registry.usage();
        assert_eq!(((usage.series, usage.series_capacity), usage.folded), (full, 1));
        let page = String::from_utf8(page_of(registry)).expect("text");
        for name in ["loaddensity_registry_series", "loaddensity_registry_series_capacity"] {
            assert!(page.contains(&format!("\n{name} {capacity}\n")), "{name} of {capacity}: {page}");
        }
    }
}

#[test]
fn large_storage_never_passes_over_the_stack() {
    let small_stack = thread::Builder::new().stack_size(128 * 1024).spawn(|| {
        let storage = HeapStorage::new(20_000, 8, 8_192).expect("a size that exists");
        let registry = storage.registry();
        let mut recorder = registry.recorder();
        let series = recorder.series("GET", "/items");
        recorder.record(series, Sample::ok(Duration::ZERO));
        registry.totals().requests()
    });
    assert_eq!(small_stack.expect("a thread").join().expect("no overflow"), 1);
}

#[test]
fn sizes_that_storage_cannot_have_are_refused() {
    let refused = [
        ((1 << 31, 1, 16), SizeError::Series(1 << 31)),
        ((0, 1, 16), SizeError::Series(0)),
        ((usize::MAX, 1, 16), SizeError::Series(usize::MAX)),
        ((8, 0, 16), SizeError::Shards(0)),
        ((8, 1_024, 16), SizeError::Shards(1_024)),
        ((8, 1, 0), SizeError::Ring(0)),
        ((8, 1, 1), SizeError::Ring(1)),
        ((8, 1, 1_000), SizeError::Ring(1_000)),
        ((8, 1, 1 << 63), SizeError::Ring(1 << 63)),
        (((1 << 31) - 1, 1_023, 1 << 31), SizeError::Memory),
    ];
    for ((series, shards, ring), error) in refused {
        assert_eq!(HeapStorage::new(series, shards, ring).err(), Some(error));
        assert!(!error.to_string().is_empty());
    }
    assert!(HeapStorage::new(1, 1_023, 2).is_ok());
}

#[test]
fn instruments_of_the_engines_own_count_on_the_heap_as_in_a_static() {
    // Counts whose cells of one shard are no whole cache lines.
    for (series, shards, is_classic) in [(1, 1, false), (3, 2, false), (7, 3, true), (100, 5, false), (5, 4, true)] {
        let builder = HeapStorage::builder(series, shards, 2).counters(3).histograms(3);
        let storage = if is_classic { builder.classic() } else { builder }.build().expect("a few kilobytes");
        let registry = storage.registry();
        let counters = ["a", "b", "c"].map(|name| registry.counter(name, Unit::One, "").expect("room"));
        let timers = ["d", "e", "f"].map(|name| registry.timer(name, "").expect("room"));
        assert!(registry.counter("g", Unit::One, "").is_err() && registry.timer("g", "").is_err());
        let all: Vec<_> = (0..=series).map(|i| registry.series("GET", &format!("/{i}"))).collect();
        // One shares the spill shard.
        let mut recorders: Vec<_> = (0..=shards).map(|_| registry.recorder()).collect();
        for (number, recorder) in (1..).zip(&mut recorders) {
            for (i, series) in all.iter().enumerate() {
                for (which, (counter, timer)) in counters.into_iter().zip(timers).enumerate() {
                    recorder.add(counter, *series, number * (10 * which + i) as u64);
                    recorder.observe(timer, *series, Duration::from_micros(number * (10 * which + i) as u64));
                }
            }
        }
        let numbers = (1..=recorders.len() as u64).sum::<u64>();
        for (i, series) in all.iter().enumerate() {
            for (which, (counter, timer)) in counters.into_iter().zip(timers).enumerate() {
                let sum = registry.series_counter_total(counter, *series).sum;
                let total = registry.series_histogram_total(timer, *series);
                assert_eq!(sum, numbers * (10 * which + i) as u64, "counter {which} of series {i} of {series:?}");
                assert_eq!((total.sum, total.number), (1_000 * sum, recorders.len() as u64));
                assert_eq!((total.count(), total.distribution.is_none()), (recorders.len() as u64, is_classic));
            }
        }
        assert_eq!(registry.requests(), 0);
    }
    assert_eq!(HeapStorage::builder(1, 1, 2).counters(1_024).build().err(), Some(SizeError::Instruments(1_024)));
    assert_eq!(HeapStorage::builder(1, 1, 2).histograms(1_024).build().err(), Some(SizeError::Instruments(1_024)));
    assert!(HeapStorage::builder(1, 1, 2).classic().counters(1_023).histograms(1_023).build().is_ok());
}
