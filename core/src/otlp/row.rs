//! What was counted for one outcome of one series, as plain numbers: what every point is made of that is not cumulative
//! with explicit bounds.

use crate::counts::bounds::Bounds;
use crate::counts::cell::{self, AT_BUCKETS, LATENCY_SUM, SIZE_SUM};
use crate::counts::exponential::{self, LATENCIES, SIZES};
use crate::registry::Registry;
use crate::sample::Outcome;
use crate::series::Series;
use crate::sync::{AtomicU64, Ordering::Relaxed};

/// Places in a row: first the latencies' sum and extremes, then those of the sizes, then latency's buckets, then size's.
mod at {
    pub(super) const LATENCY: usize = 0;
    pub(super) const SIZE: usize = 3;
    pub(super) const BUCKETS: usize = 6;
}

/// Most words of a row.
pub(super) const MAX_WORDS: usize = at::BUCKETS + LATENCIES + SIZES;

/// How the numbers lie in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowShape {
    is_exponential: bool,
    latencies: usize,
    sizes: usize,
}

/// One histogram of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Half<'r> {
    /// In nanoseconds or bytes.
    pub(super) sum: u64,
    /// The smallest and the largest value, where they are known.
    pub(super) extremes: Option<(u64, u64)>,
    pub(super) buckets: &'r [u64],
}

impl Half<'_> {
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }
}

impl RowShape {
    pub(super) const fn new(bounds: &Bounds, is_exponential: bool) -> Self {
        let (latencies, sizes) =
            if is_exponential { (LATENCIES, SIZES) } else { (bounds.latency_buckets(), bounds.size_buckets()) };
        Self { is_exponential, latencies, sizes }
    }

    pub(super) const fn words(self) -> usize {
        at::BUCKETS + self.latencies + self.sizes
    }

    /// The latencies in `row`.
    pub(super) fn latencies(self, row: &[u64]) -> Half<'_> {
        half(row, at::LATENCY, at::BUCKETS, self.latencies)
    }

    /// The sizes in `row`.
    pub(super) fn sizes(self, row: &[u64]) -> Half<'_> {
        half(row, at::SIZE, at::BUCKETS + self.latencies, self.sizes)
    }

    /// Reads what all shards counted into `row`. Relaxed: each number whole, not the numbers in step; the extremes may
    /// be those of a request that no bucket shows yet.
    pub(super) fn read(self, registry: Registry<'_>, series: Series, outcome: Outcome, row: &mut [u64]) {
        row.fill(0);
        let mut extremes = [(u64::MAX, 0); 2];
        for (cell, exponentials) in registry.counted(series) {
            let side = &cell[outcome.index()];
            if !cell::is_used(side) {
                continue;
            }
            let [latencies, sizes] = match exponentials.filter(|_| self.is_exponential) {
                Some(words) => exponential::buckets(words, outcome).into(),
                None => [&side[AT_BUCKETS..], side.get(AT_BUCKETS + self.latencies..).unwrap_or_default()],
            };
            add(row, at::BUCKETS, self.latencies, latencies);
            add(row, at::BUCKETS + self.latencies, self.sizes, sizes);
            for (at, word) in [(at::LATENCY, LATENCY_SUM), (at::SIZE, SIZE_SUM)] {
                row[at] = row[at].wrapping_add(side[word].load(Relaxed));
            }
            for (all, (min, max)) in extremes.iter_mut().zip(cell::extremes(cell, outcome)) {
                *all = (all.0.min(min), all.1.max(max));
            }
        }
        // Only beside exponential histograms a cell keeps extremes.
        if registry.has_exponentials() {
            for (at, (min, max)) in [at::LATENCY, at::SIZE].into_iter().zip(extremes) {
                (row[at + 1], row[at + 2]) = (!min, max);
            }
        }
    }

    /// What came between `earlier` and `row`, into `row`. Its extremes are not known.
    pub(super) fn subtract(self, row: &mut [u64], earlier: &[u64]) {
        for (now, old) in row.iter_mut().zip(earlier) {
            *now = now.wrapping_sub(*old);
        }
        for at in [at::LATENCY, at::SIZE] {
            (row[at + 1], row[at + 2]) = (0, 0);
        }
    }
}

/// A histogram whose sum and extremes are at `head`, and whose buckets are at `first`.
fn half(row: &[u64], head: usize, first: usize, buckets: usize) -> Half<'_> {
    let word = |at: usize| row.get(at).copied().unwrap_or_default();
    let (min, max) = (!word(head + 1), word(head + 2));
    Half {
        sum: word(head),
        extremes: (min <= max).then_some((min, max)),
        buckets: row.get(first..first + buckets).unwrap_or_default(),
    }
}

fn add(row: &mut [u64], first: usize, count: usize, words: &[AtomicU64]) {
    for (sum, word) in row.iter_mut().skip(first).take(count).zip(words) {
        *sum = sum.wrapping_add(word.load(Relaxed));
    }
}
