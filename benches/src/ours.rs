//! What every contender of ours needs: storage, handles, and what was counted.

use std::sync::atomic::{AtomicUsize, Ordering};

use clap::ValueEnum;
use loaddensity_metrics_core::{Classic, Exponential, HeapStorage, Histograms, Storage};
use loaddensity_metrics_core::{Distribution, Recorder, Registry, Series};

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
    let check = |counted: &Distribution, mut sorted: Vec<u64>| {
        sorted.sort_unstable();
        for q in [0.5, 0.9, 0.99, 0.999] {
            let exact = sorted[((q * sorted.len() as f64).ceil() as usize).max(1) - 1] as f64;
            let found = counted.quantile(q).expect("requests were counted") as f64;
            assert!((found / exact - 1.0).abs() <= 0.05, "quantile {q}: {found} instead of {exact}");
        }
    };
    check(&counted.latency(), work.events.iter().map(TraceEvent::nanos).collect());
    check(&counted.size(), work.events.iter().map(|event| event.bytes.into()).collect());
}
