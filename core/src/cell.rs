//! What one shard counts for one series: per outcome a histogram of latencies and one of sizes, each with its sum.
//!
//! Counts are not kept: they are the sums of the buckets.

use crate::sample::Outcome;
use crate::sync::{AtomicU64, Ordering::Relaxed};

/// Upper bounds of the latency buckets in nanoseconds, inclusive: LoadDensity's 5 ms to 10 s.
pub const LATENCY_BOUNDS_NS: [u64; 11] = [
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];
/// Upper bounds of the size buckets in bytes, inclusive: LoadDensity's 64 B to 1 MiB.
pub const SIZE_BOUNDS: [u64; 8] = [64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576];

/// Latency buckets, the one above the last bound included.
pub const LATENCY_BUCKETS: usize = LATENCY_BOUNDS_NS.len() + 1;
/// Size buckets, the one above the last bound included.
pub const SIZE_BUCKETS: usize = SIZE_BOUNDS.len() + 1;

/// The words of one cell, all zero at birth: 384 bytes, six cache lines.
pub(crate) type CellWords = [AtomicU64; 2 * POINT];

/// Words of one outcome, rounded up to whole cache lines.
const POINT: usize = (SIZE_SUM + 1).next_multiple_of(8);
const SIZES: usize = LATENCY_BUCKETS;
const LATENCY_SUM: usize = SIZES + SIZE_BUCKETS;
const SIZE_SUM: usize = LATENCY_SUM + 1;

/// Counts one request in a cell that this thread alone writes: plain loads and stores.
#[inline]
pub(crate) fn add(cell: &CellWords, outcome: Outcome, latency_ns: u64, bytes: u64) {
    // Relaxed: readers want each number whole, not the numbers in step.
    let bump = |word: &AtomicU64, by: u64| word.store(word.load(Relaxed).wrapping_add(by), Relaxed);
    let point = point(cell, outcome);
    bump(&point[bucket(&LATENCY_BOUNDS_NS, latency_ns)], 1);
    bump(&point[SIZES + bucket(&SIZE_BOUNDS, bytes)], 1);
    bump(&point[LATENCY_SUM], latency_ns);
    bump(&point[SIZE_SUM], bytes);
}

/// Counts one request in a cell that several threads write.
pub(crate) fn add_shared(cell: &CellWords, outcome: Outcome, latency_ns: u64, bytes: u64) {
    let point = point(cell, outcome);
    point[bucket(&LATENCY_BOUNDS_NS, latency_ns)].fetch_add(1, Relaxed);
    point[SIZES + bucket(&SIZE_BOUNDS, bytes)].fetch_add(1, Relaxed);
    point[LATENCY_SUM].fetch_add(latency_ns, Relaxed);
    point[SIZE_SUM].fetch_add(bytes, Relaxed);
}

/// Latencies of one outcome, summed over shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// Requests per bucket of [`LATENCY_BOUNDS_NS`], not cumulative.
    pub buckets: [u64; LATENCY_BUCKETS],
    /// Sum of all latencies in nanoseconds.
    pub sum_ns: u64,
}

/// Sizes of one outcome, summed over shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Requests per bucket of [`SIZE_BOUNDS`], not cumulative.
    pub buckets: [u64; SIZE_BUCKETS],
    /// Sum of all sizes in bytes.
    pub sum: u64,
}

impl Latencies {
    /// Requests in all buckets.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    pub(crate) fn add(&mut self, cell: &CellWords, outcome: Outcome) {
        let point = point(cell, outcome);
        add_words(&mut self.buckets, point);
        self.sum_ns = self.sum_ns.wrapping_add(point[LATENCY_SUM].load(Relaxed));
    }
}

impl Sizes {
    /// Requests in all buckets.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    pub(crate) fn add(&mut self, cell: &CellWords, outcome: Outcome) {
        let point = point(cell, outcome);
        add_words(&mut self.buckets, &point[SIZES..]);
        self.sum = self.sum.wrapping_add(point[SIZE_SUM].load(Relaxed));
    }
}

/// Requests of one outcome in a cell.
pub(crate) fn count(cell: &CellWords, outcome: Outcome) -> u64 {
    point(cell, outcome)[..LATENCY_BUCKETS].iter().map(|word| word.load(Relaxed)).sum()
}

fn point(cell: &CellWords, outcome: Outcome) -> &[AtomicU64] {
    &cell[outcome.index() * POINT..][..POINT]
}

fn add_words(sums: &mut [u64], words: &[AtomicU64]) {
    for (sum, word) in sums.iter_mut().zip(words) {
        *sum = sum.wrapping_add(word.load(Relaxed));
    }
}

/// The bucket of `value`: how many bounds it exceeds. Without a branch, because the predictor cannot learn latencies.
#[inline]
fn bucket<const N: usize>(bounds: &[u64; N], value: u64) -> usize {
    bounds.iter().map(|bound| usize::from(value > *bound)).sum()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn buckets_include_their_upper_bound() {
        for (i, bound) in LATENCY_BOUNDS_NS.into_iter().enumerate() {
            assert_eq!((bucket(&LATENCY_BOUNDS_NS, bound), bucket(&LATENCY_BOUNDS_NS, bound + 1)), (i, i + 1));
        }
        for (i, bound) in SIZE_BOUNDS.into_iter().enumerate() {
            assert_eq!((bucket(&SIZE_BOUNDS, bound), bucket(&SIZE_BOUNDS, bound + 1)), (i, i + 1));
        }
        assert_eq!((bucket(&LATENCY_BOUNDS_NS, 0), bucket(&SIZE_BOUNDS, u64::MAX)), (0, 8));
    }

    #[test]
    fn both_ways_to_count_agree() {
        let (own, shared) = [const { [const { AtomicU64::new(0) }; 48] }; 2].into();
        for (latency, bytes) in [(0, 0), (5_000_000, 64), (42_000_000, 1_024), (u64::MAX, u64::MAX)] {
            add(&own, Outcome::Failure, latency, bytes);
            add_shared(&shared, Outcome::Failure, latency, bytes);
        }
        let read = |cell: &CellWords| {
            let (mut latencies, mut sizes) = (Latencies::default(), Sizes::default());
            latencies.add(cell, Outcome::Failure);
            sizes.add(cell, Outcome::Failure);
            (latencies, sizes, count(cell, Outcome::Failure), count(cell, Outcome::Success))
        };
        assert_eq!(read(&own), read(&shared));
        assert_eq!((read(&own).2, read(&own).3), (4, 0));
    }
}
