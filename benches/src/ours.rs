//! What every contender of ours needs: storage, handles, and what was counted.

use std::sync::atomic::{AtomicUsize, Ordering};

use clap::ValueEnum;
use loaddensity_metrics_core::{Classic, Exponential, HeapStorage, Histograms, Storage};
use loaddensity_metrics_core::{Distribution, HistogramTotal, Recorder, Registry, Series};

use crate::trace::{TraceEvent, TraceSums, TraceWork};

/// Which histograms a registry keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HistogramKind {
    /// Classic buckets alone.
    Classic,
    /// Exponential histograms as well, as by default.
    Exponential,
}

impl HistogramKind {
    /// Its name in tables and on command lines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Exponential => "exponential",
        }
    }
}

/// Series for which there is storage of fixed size; more go on the heap, as the documents advise.
const SMALL: usize = 128;
/// Shards of such storage: as many as there are threads in any contest.
const SHARDS: usize = 2;
/// Events in a ring.
const RING: usize = 8_192;

/// The registry in new storage for `series` series with `shards` shards. It is never given back.
#[must_use]
pub fn registry(kind: HistogramKind, series: usize, shards: usize) -> Registry<'static> {
    static CLASSIC: Pool<Classic, 24> = Pool::new();
    static EXPONENTIAL: Pool<Exponential, 24> = Pool::new();
    let small = series < SMALL && shards <= SHARDS;
    let heap = match kind {
        HistogramKind::Classic if small => return CLASSIC.next(),
        HistogramKind::Exponential if small => return EXPONENTIAL.next(),
        HistogramKind::Classic => HeapStorage::classic(series, shards, RING),
        HistogramKind::Exponential => HeapStorage::new(series, shards, RING),
    };
    Box::leak(Box::new(heap.expect("a size that storage can have"))).registry()
}

/// The registry in new storage, with room for a counter and two histograms of the engine's own. It is never given back.
#[must_use]
pub fn registry_with_instruments(kind: HistogramKind, series: usize) -> Registry<'static> {
    let builder = HeapStorage::builder(series, SHARDS, RING).counters(1).histograms(2);
    let heap = match kind {
        HistogramKind::Classic => builder.classic().build(),
        HistogramKind::Exponential => builder.build(),
    };
    Box::leak(Box::new(heap.expect("a size that storage can have"))).registry()
}

/// Storage in a `static`, as an engine has it, for one contender after another.
struct Pool<H: Histograms, const N: usize> {
    storages: [Storage<SMALL, SHARDS, RING, H>; N],
    taken: AtomicUsize,
}

impl<H: Histograms, const N: usize> Pool<H, N> {
    const fn new() -> Self {
        Self { storages: [const { Storage::new() }; N], taken: AtomicUsize::new(0) }
    }

    fn next(&'static self) -> Registry<'static> {
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        self.storages.get(number).expect("a pool as large as there are contenders").registry()
    }
}

/// Handles of all series of the work, in its order.
pub fn handles(recorder: &mut Recorder<'_>, work: &TraceWork) -> Vec<Series> {
    work.names.iter().map(|(method, name)| recorder.series(method, name)).collect()
}

/// What a registry has counted.
#[must_use]
pub fn sums(registry: Registry<'_>) -> TraceSums {
    let (totals, mut sums) = (registry.totals(), TraceSums::default());
    let add = |to: &mut [u64], from: &[u64]| to.iter_mut().zip(from).for_each(|(sum, value)| *sum += value);
    for (outcome, (latencies, sizes)) in totals.latencies.iter().zip(&totals.sizes).enumerate() {
        sums.requests[outcome] = latencies.count();
        add(&mut sums.latency_buckets, latencies.buckets());
        add(&mut sums.size_buckets, sizes.buckets());
        sums.latency_ns += latencies.sum_ns;
        sums.bytes += sizes.sum;
    }
    sums
}

/// Panics where the quantiles of exponential histograms, if there are any, are further than 5 % from those of the work.
pub fn check_quantiles(registry: Registry<'_>, work: &TraceWork) {
    let Some(counted) = registry.distributions() else { return };
    check_quantiles_of(&counted.latency(), work.events.iter().map(TraceEvent::nanos).collect());
    check_quantiles_of(&counted.size(), work.events.iter().map(|event| event.bytes.into()).collect());
}

/// Panics unless a histogram of the engine's own has `passes` times these values: their number and sum, every bucket, and
/// quantiles within 5 % if there are any.
pub fn check_histogram(total: &HistogramTotal, mut values: Vec<u64>, passes: u64) {
    values.sort_unstable();
    let (number, sum) = (values.len() as u64, values.iter().sum::<u64>());
    assert_eq!((total.number, total.sum), (passes * number, passes * sum), "values of an instrument");
    let mut below = 0;
    for (bound, count) in total.buckets.each() {
        let end = bound.map_or(values.len(), |bound| values.partition_point(|value| *value <= bound));
        assert_eq!(count, passes * (end - below) as u64, "the bucket up to {bound:?}");
        below = end;
    }
    total.distribution.iter().for_each(|counted| check_quantiles_of(counted, values.clone()));
}

fn check_quantiles_of(counted: &Distribution, mut values: Vec<u64>) {
    values.sort_unstable();
    for q in [0.5, 0.9, 0.99, 0.999] {
        let exact = values[((q * values.len() as f64).ceil() as usize).max(1) - 1] as f64;
        let found = counted.quantile(q).expect("requests were counted") as f64;
        assert!((found / exact - 1.0).abs() <= 0.05, "quantile {q}: {found} instead of {exact}");
    }
}
