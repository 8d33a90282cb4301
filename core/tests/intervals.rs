//! Intervals, compared with a plain model: what is committed adds up to what was recorded, whatever fails in between.

use loaddensity_metrics_core::{
    Bounds, Classic, Interval, Intervals, Outcome, Registry, Sample, Series, Storage, TooFewWords,
};
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The errors that are promised inside the scale: half a bucket for quantiles, a whole bucket for extremes.
const QUANTILE_ERROR: f64 = 0.0434;
const EXTREME_ERROR: f64 = 0.091;

fn intervals(registry: Registry<'_>) -> Intervals<'_, Vec<u64>> {
    Intervals::new(registry, vec![7; Intervals::<Vec<u64>>::words(registry)]).expect("as many words as it asks for")
}

fn sample(latency_ns: u64, response_bytes: u64, failed: bool) -> Sample {
    let outcome = Outcome::ALL[usize::from(failed)];
    let latency = Duration::from_nanos(latency_ns);
    Sample::new(outcome, latency).status(200).response_bytes(response_bytes)
}

/// Checks that the interval is what these samples add up to.
fn check(interval: Option<Interval>, samples: &[Sample]) {
    let Some(interval) = interval else { return assert!(samples.is_empty(), "{samples:?}") };
    let nanos = |sample: &Sample| sample.latency.as_nanos() as u64;
    for outcome in Outcome::ALL {
        let side = || samples.iter().filter(|sample| sample.outcome == outcome);
        let (latencies, sizes) = (interval.totals.latencies[outcome as usize], interval.totals.sizes[outcome as usize]);
        assert_eq!((latencies.count(), sizes.count()), (side().count() as u64, side().count() as u64));
        assert_eq!(latencies.sum_ns, side().map(nanos).sum::<u64>());
        assert_eq!(sizes.sum, side().map(|sample| sample.response_bytes).sum::<u64>());
        for (at, bound) in interval.totals.bounds.latency_ns().iter().enumerate() {
            let expected = side().filter(|sample| nanos(sample) <= *bound).count() as u64;
            assert_eq!(latencies.buckets()[..=at].iter().sum::<u64>(), expected, "up to {bound} ns");
        }
    }
    let Some(distributions) = interval.distributions else { return };
    let mut sorted: Vec<u64> = samples.iter().map(nanos).collect();
    sorted.sort_unstable();
    let latency = distributions.latency();
    assert_eq!((latency.count(), distributions.size().count()), (sorted.len() as u64, sorted.len() as u64));
    let is_near = |estimate: Option<u64>, truth: u64, error: f64| {
        estimate.is_some_and(|estimate| estimate.abs_diff(truth) as f64 <= error * truth as f64 + 1.0)
    };
    for q in [0.5, 0.95, 0.99] {
        let truth = sorted[((q * sorted.len() as f64).ceil() as usize).max(1) - 1];
        // If the quantile is the smallest or the largest value, the error is that of an extreme.
        let error = if truth == sorted[0] || Some(&truth) == sorted.last() { EXTREME_ERROR } else { QUANTILE_ERROR };
        assert!(is_near(latency.quantile(q), truth, error), "{q}: {:?} beside {truth}", latency.quantile(q));
    }
    assert!(is_near(latency.min(), sorted[0], EXTREME_ERROR), "{:?} beside {}", latency.min(), sorted[0]);
    assert!(is_near(latency.max(), sorted[sorted.len() - 1], EXTREME_ERROR), "{:?}", latency.max());
}

#[derive(Clone, Debug)]
enum Step {
    Record(usize, Sample),
    /// Reads a series and commits what was read, or fails.
    Export(usize, bool),
}

fn any_step() -> impl Strategy<Value = Step> {
    // Latencies inside the scale, for which errors are promised, and sizes of every bit length.
    let latency = (10..40u32, any::<u64>()).prop_map(|(bits, noise)| (1 << bits) | (noise & ((1 << bits) - 1)));
    let sample =
        (latency, 0..34u32, any::<bool>()).prop_map(|(latency, bits, failed)| sample(latency, 1 << bits, failed));
    prop_oneof![
        4 => (0..NAMES.len(), sample).prop_map(|(series, sample)| Step::Record(series, sample)),
        1 => (0..NAMES.len(), any::<bool>()).prop_map(|(series, accepted)| Step::Export(series, accepted)),
    ]
}

/// The registry has no room for the last one, so that it is the overflow series.
const NAMES: [&str; 4] = ["/a", "/b", "/c", "/overflow"];

/// Carries out the steps, and compares with a model that keeps the samples of each series until they are committed.
fn follow(registry: Registry<'_>, steps: &[Step]) {
    let mut recorders = [registry.recorder(), registry.recorder()];
    recorders[0].record(registry.series("GET", "/a"), sample(1_000_000, 1, false));
    let mut intervals = intervals(registry);
    assert_eq!(intervals.before(), 1);
    let mut waiting: [Vec<Sample>; NAMES.len()] = Default::default();
    let mut committed = 0;
    for (number, step) in steps.iter().enumerate() {
        match step {
            Step::Record(name, sample) => {
                // All are interned in the same order, so that it is always the last one that finds no room.
                let series = NAMES.map(|name| registry.series("GET", name));
                recorders[number % 2].record(series[*name], *sample);
                waiting[*name].push(*sample);
            }
            Step::Export(name, accepted) => {
                let series = NAMES.map(|name| registry.series("GET", name))[*name];
                check(intervals.read(series), &waiting[*name]);
                if *accepted {
                    assert_eq!(intervals.commit(series), waiting[*name].len() as u64);
                    committed += waiting[*name].len() as u64;
                    waiting[*name].clear();
                    assert_eq!(intervals.commit(series), 0, "it was committed already");
                }
            }
        }
    }
    let all: Vec<Series> = intervals.series().collect();
    assert!(all.contains(&Series::OVERFLOW));
    for series in all {
        intervals.read(series);
    }
    committed += intervals.commit_all();
    assert_eq!(1 + committed, registry.requests());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn intervals_contain_what_came_since_the_last_accepted_one_whatever_fails(steps in vec(any_step(), 0..200)) {
        follow(Storage::<4, 1, 2>::new().registry(), &steps);
        follow(Storage::<4, 1, 2, Classic>::new().registry(), &steps);
        let own = Storage::<4, 2, 2>::new();
        own.registry().set_bounds(&Bounds::new(&[Duration::from_millis(3)], &[])?)?;
        follow(own.registry(), &steps);
    }
}

#[test]
fn while_threads_record_committed_intervals_add_up_to_the_totals_bucket_by_bucket() {
    static STORAGE: Storage<4, 2, 2> = Storage::new();
    static IS_OVER: AtomicBool = AtomicBool::new(false);
    let registry = STORAGE.registry();
    let series = registry.series("GET", "/x");
    let mut intervals = intervals(registry);
    let (mut requests, mut sums) = (0, [0; 3]);
    let mut buckets = vec![0; registry.bounds().latency_ns().len() + 1];
    let mut exponential = 0;
    let mut collect = |interval: Option<Interval>, committed: u64| {
        let Some(interval) = interval else { return assert_eq!(committed, 0) };
        assert_eq!(interval.totals.requests(), committed, "what is committed is what was shown");
        requests += committed;
        for (latencies, sizes) in interval.totals.latencies.iter().zip(&interval.totals.sizes) {
            sums = [sums[0] + latencies.sum_ns, sums[1] + sizes.sum, sums[2] + sizes.count()];
            buckets.iter_mut().zip(latencies.buckets()).for_each(|(sum, more)| *sum += more);
        }
        exponential += interval.distributions.expect("exponential histograms").latency().count();
    };
    std::thread::scope(|scope| {
        // More threads than shards.
        let threads = [1, 2, 3].map(|seed| {
            scope.spawn(move || {
                let mut recorder = registry.recorder();
                for number in 0..100_000_u64 {
                    recorder.record(series, sample(number * seed * 1_000, number * seed, number % 7 == 0));
                }
            })
        });
        let reader = scope.spawn(|| {
            while !IS_OVER.load(Ordering::Acquire) {
                // The first export fails.
                intervals.read(series);
                let interval = intervals.read(series);
                collect(interval, intervals.commit(series));
            }
            let interval = intervals.read(series);
            collect(interval, intervals.commit(series));
        });
        threads.into_iter().for_each(|thread| thread.join().expect("a recording thread"));
        IS_OVER.store(true, Ordering::Release);
        reader.join().expect("the reading thread");
    });
    let totals = registry.series_totals(series);
    assert_eq!((requests, exponential), (300_000, 300_000));
    let sum_of = |f: fn(&loaddensity_metrics_core::Totals, usize) -> u64| f(&totals, 0) + f(&totals, 1);
    assert_eq!(sums[0], sum_of(|totals, side| totals.latencies[side].sum_ns));
    assert_eq!(sums[1], sum_of(|totals, side| totals.sizes[side].sum));
    assert_eq!(sums[2], 300_000);
    let expected = totals.latencies[0].buckets().iter().zip(totals.latencies[1].buckets()).map(|(a, b)| a + b);
    assert!(expected.eq(buckets));
}

#[test]
fn memory_is_as_large_as_it_says_and_a_smaller_one_is_refused() {
    let (exponential, classic) = (Storage::<3, 1, 2>::new(), Storage::<3, 1, 2, Classic>::new());
    let words = |registry| Intervals::<Vec<u64>>::words(registry);
    assert_eq!((words(exponential.registry()), words(classic.registry())), (3 * 17_376 / 8, 3 * 768 / 8));
    let needed = words(classic.registry());
    let refused = Intervals::new(classic.registry(), vec![0; needed - 1]).map(|intervals| intervals.before());
    assert_eq!(refused, Err(TooFewWords { needed, given: needed - 1 }));
}

#[test]
fn the_handle_of_another_registry_has_no_intervals() {
    let (small, large) = (Storage::<2, 1, 2>::new(), Storage::<9, 1, 2>::new());
    let mut intervals = intervals(small.registry());
    let foreign = ["/a", "/b", "/c"].map(|name| large.registry().series("GET", name))[2];
    small.registry().recorder().record(foreign, sample(1, 1, false));
    assert_eq!((intervals.read(foreign), intervals.commit(foreign)), (None, 0));
    assert_eq!(intervals.read(Series::OVERFLOW).map(|interval| interval.totals.requests()), Some(1));
}
