//! The exponential histograms, compared with a sorted list of what was recorded.

use loaddensity_metrics_core::{Classic, Distribution, Outcome, Quantity, Recorder, Registry, Sample, Series, Storage};
use loaddensity_metrics_vectors::samples;
use proptest::prelude::*;
use std::time::Duration;

/// The error that is promised inside the scale: half of a bucket, which is 2^(1/8) wide. Rounding adds half a unit.
const ERROR: f64 = 0.0434;
const SHARES: [f64; 9] = [0.0, 0.001, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0];

fn sample(latency_ns: u64, response_bytes: u64, failed: bool) -> Sample {
    Sample::new(Outcome::ALL[usize::from(failed)], Duration::from_nanos(latency_ns))
        .status(200)
        .response_bytes(response_bytes)
}

/// The smallest of the sorted values that a share `q` of them does not exceed.
fn exact(sorted: &[u64], q: f64) -> u64 {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted[rank.max(1) - 1]
}

fn check(distribution: &Distribution, mut values: Vec<u64>, zero: u64) {
    values.sort_unstable();
    assert_eq!(distribution.count(), values.len() as u64);
    assert_eq!(distribution.min(), values.first().copied());
    assert_eq!(distribution.max(), values.last().copied());
    let zeros = values.iter().filter(|value| **value <= zero).count() as u64;
    assert_eq!(distribution.zero_count(), zeros);
    assert_eq!(distribution.buckets().map(|(_, requests)| requests).sum::<u64>() + zeros, distribution.count());
    for q in SHARES {
        let Some(estimate) = distribution.quantile(q) else {
            assert!(values.is_empty());
            continue;
        };
        let truth = exact(&values, q);
        let off = estimate.abs_diff(truth) as f64;
        let is_near = off <= ERROR * truth as f64 + 0.5 || (truth <= zero && estimate <= zero);
        assert!(is_near, "{q}: {estimate} beside {truth} of {}", values.len());
    }
}

fn check_both(registry: Registry<'_>, series: Series, samples: &[Sample]) {
    let distributions = registry.series_distributions(series).expect("exponential histograms");
    let nanos = |sample: &Sample| sample.latency.as_nanos() as u64;
    check(&distributions.latency(), samples.iter().map(nanos).collect(), 976);
    check(&distributions.size(), samples.iter().map(|sample| sample.response_bytes).collect(), 0);
    for outcome in Outcome::ALL {
        let side = || samples.iter().filter(|sample| sample.outcome == outcome);
        check(&distributions.latencies[outcome as usize], side().map(nanos).collect(), 976);
        check(&distributions.sizes[outcome as usize], side().map(|sample| sample.response_bytes).collect(), 0);
    }
}

/// Samples from 1 µs to 10 min and from 1 byte to 16 GiB, by powers, so that every bucket gets some.
fn spread(count: u64) -> impl Iterator<Item = Sample> {
    (0..count).map(move |number| {
        let share = number as f64 / (count - 1) as f64;
        let latency = 1_000.0 * 6e8_f64.powf(share);
        let bytes = (34.0 * (share * 7.0).fract()).exp2();
        sample(latency as u64, bytes as u64, number % 50 == 0)
    })
}

#[test]
fn quantiles_of_the_whole_range_are_within_the_promised_error() {
    static STORAGE: Storage<4, 2, 2> = Storage::new();
    let mut recorder = STORAGE.registry().recorder();
    let series = recorder.series("GET", "/spread");
    let samples: Vec<_> = spread(100_000).collect();
    samples.iter().for_each(|sample| recorder.record(series, *sample));
    check_both(STORAGE.registry(), series, &samples);
}

#[test]
fn recorders_with_and_without_shards_of_their_own_add_up() {
    static STORAGE: Storage<4, 2, 2> = Storage::new();
    let registry = STORAGE.registry();
    let mut recorders: Vec<Recorder<'_>> = (0..4).map(|_| registry.recorder()).collect();
    assert!(recorders[3].is_sharing());
    let series = registry.series("GET", "/spread");
    let samples: Vec<_> = spread(10_001).collect();
    for (number, sample) in samples.iter().enumerate() {
        recorders[number % 4].record(series, *sample);
    }
    check_both(registry, series, &samples);
    let all = registry.distributions().expect("exponential histograms");
    assert_eq!(Some(all), registry.series_distributions(series));
}

#[test]
fn series_merge_exactly_and_differences_are_what_came_between() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let mut recorder = registry.recorder();
    let [a, b] = ["/a", "/b"].map(|name| registry.series("GET", name));
    spread(1_000).for_each(|sample| recorder.record(a, sample));
    let before = registry.distributions().expect("exponential histograms");
    let later: Vec<_> = spread(500).collect();
    later.iter().for_each(|sample| recorder.record(b, *sample));
    let now = registry.distributions().expect("exponential histograms");

    let only_b = registry.series_distributions(b).expect("exponential histograms");
    assert!(now.since(&before).latency().buckets().eq(only_b.latency().buckets()));
    assert!(now.since(&before).size().buckets().eq(only_b.size().buckets()));
    assert_eq!(now.since(&now).latency(), Distribution::none(Quantity::Latency));

    let mut merged = before.latency();
    assert!(merged.merge(&only_b.latency()));
    assert_eq!(merged, now.latency());
    assert!(!merged.merge(&only_b.size()), "latencies and sizes do not add up");
    assert_eq!(merged, now.latency());
}

#[test]
fn storage_can_leave_out_exponential_histograms() {
    static STORAGE: Storage<4, 1, 2, Classic> = Storage::new();
    let registry = STORAGE.registry();
    let mut recorder = registry.recorder();
    let series = recorder.series("GET", "/a");
    recorder.record(series, sample(1, 2, false));
    assert_eq!((registry.distributions(), registry.series_distributions(series)), (None, None));
    assert_eq!(registry.totals().requests(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_samples_come_back(picks in prop::collection::vec((any::<u32>(), any::<u32>(), 0..40_u32, 0..34_u32), 1..300)) {
        let storage = Box::new(Storage::<2, 1, 2>::new());
        let registry = storage.registry();
        let mut recorder = registry.recorder();
        let series = recorder.series("GET", "/any");
        let picked = |(latency, size, shift, narrow): (u32, u32, u32, u32)| {
            let latency = (u64::from(latency) << shift >> 20).min(600_000_000_000);
            sample(latency, (u64::from(size) << 2) >> narrow, latency % 3 == 0)
        };
        let samples: Vec<_> = picks.into_iter().map(picked).collect();
        samples.iter().for_each(|sample| recorder.record(series, *sample));
        check_both(registry, series, &samples);
    }
}

#[test]
fn values_at_every_bucket_edge_are_counted_right() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let mut recorder = STORAGE.registry().recorder();
    let series = recorder.series("GET", "/edges");
    let latencies = samples::latencies().into_iter().filter(|ns| *ns <= 600_000_000_000);
    let sizes = samples::sizes().into_iter().filter(|bytes| *bytes <= 1 << 34);
    let samples: Vec<_> =
        latencies.map(|ns| sample(ns, 1, false)).chain(sizes.map(|bytes| sample(1, bytes, true))).collect();
    samples.iter().for_each(|sample| recorder.record(series, *sample));
    check_both(STORAGE.registry(), series, &samples);
}

#[test]
fn the_extremes_of_an_interval_do_not_include_those_before_it() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let mut recorder = registry.recorder();
    let series = recorder.series("GET", "/interval");
    recorder.record(series, sample(10_000_000_000, 1 << 30, false));
    let before = registry.distributions().expect("exponential histograms");
    (0..50).for_each(|_| recorder.record(series, sample(5_000_000, 100, false)));
    let interval = registry.distributions().expect("exponential histograms").since(&before);
    for q in SHARES {
        let (latency, size) = (interval.latency().quantile(q), interval.size().quantile(q));
        assert!(latency.is_some_and(|ns| ns.abs_diff(5_000_000) < 500_000), "{q}: {latency:?}");
        assert!(size.is_some_and(|bytes| bytes.abs_diff(100) < 10), "{q}: {size:?}");
    }
}

#[test]
fn values_above_the_scale_are_not_counted_in_its_last_bucket() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let mut recorder = STORAGE.registry().recorder();
    let series = recorder.series("GET", "/above");
    (0..100).for_each(|_| recorder.record(series, sample(1_000_000_000_000, 15 << 30, false)));
    recorder.record(series, sample(86_400_000_000_000, 1 << 50, false));
    let distributions = STORAGE.registry().series_distributions(series).expect("exponential histograms");
    let (latency, size) = (distributions.latency().quantile(0.5), distributions.size().quantile(0.5));
    assert!(latency.is_some_and(|ns| ns.abs_diff(1_000_000_000_000) < 44_000_000_000), "{latency:?}");
    assert!(size.is_some_and(|bytes| bytes.abs_diff(15 << 30) < (15 << 30) / 22), "{size:?}");
    assert_eq!(distributions.latency().max(), Some(86_400_000_000_000));
}

#[test]
fn quantiles_at_a_whole_number_of_requests_are_exact() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let mut recorder = STORAGE.registry().recorder();
    let series = recorder.series("GET", "/ranks");
    (0..100).for_each(|number| recorder.record(series, sample(0, if number < 7 { 10 } else { 100_000 }, false)));
    let sizes = STORAGE.registry().series_distributions(series).expect("exponential histograms").size();
    assert_eq!((sizes.quantile(0.07), sizes.quantile(0.01)), (Some(10), Some(10)));
    assert!(sizes.quantile(0.071).is_some_and(|bytes| bytes > 90_000));
}
