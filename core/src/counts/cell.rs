//! What one shard counts for one series: for each outcome a classic histogram of latencies and one of sizes, with their
//! sums and, if the storage keeps exponential histograms, their extremes.
//!
//! The number of requests is not kept: it is the sum of the buckets.

use crate::atomics::{AtomicU64, Ordering::Relaxed};
use crate::counts::bounds::{Bounds, MAX_BOUNDS};
use crate::counts::buckets::BucketMap;
use crate::counts::layout::{
    AT_BUCKETS, CellWords, LARGEST, LATENCY_SUM, LONGEST, Observation, OutcomeWords, POINT, SHORTEST, SIZE_SUM,
    SMALLEST,
};
use crate::request::sample::Outcome;

/// Counts one request in a cell that this thread alone writes: plain loads and stores.
#[inline]
pub(crate) fn add(cell: &CellWords, outcome: Outcome, buckets: &BucketMap, seen: Observation) {
    let point = &cell[outcome.index()];
    let (latency, size) = buckets.looked_up(seen);
    let (Some(latency), Some(size)) = (point.get(latency), point.get(size)) else {
        return add_compared(point, buckets, seen);
    };
    add_to_point(point, (latency, size), seen);
}

/// The same in buckets that no look-up finds.
#[cold]
fn add_compared(point: &OutcomeWords, buckets: &BucketMap, seen: Observation) {
    let (latency, size) = buckets.compared(seen);
    if let (Some(latency), Some(size)) = (point.get(latency), point.get(size)) {
        add_to_point(point, (latency, size), seen);
    }
}

#[inline]
fn add_to_point(point: &OutcomeWords, (latency, size): (&AtomicU64, &AtomicU64), seen: Observation) {
    // Relaxed: readers need each number whole, but the numbers need not belong to the same moment.
    let bump = |word: &AtomicU64, by: u64| word.store(word.load(Relaxed).wrapping_add(by), Relaxed);
    bump(latency, 1);
    bump(size, 1);
    bump(&point[LATENCY_SUM], seen.latency_ns);
    bump(&point[SIZE_SUM], seen.bytes);
}

/// Counts one request in a cell that several threads write.
pub(crate) fn add_shared(cell: &CellWords, outcome: Outcome, buckets: (usize, usize), seen: Observation) {
    let point = &cell[outcome.index()];
    for (at, by) in [(buckets.0, 1), (buckets.1, 1), (LATENCY_SUM, seen.latency_ns), (SIZE_SUM, seen.bytes)] {
        if let Some(word) = point.get(at) {
            word.fetch_add(by, Relaxed);
        }
    }
}

/// Keeps the extremes of a cell that this thread alone writes.
#[inline]
pub(crate) fn keep_extremes(cell: &CellWords, outcome: Outcome, seen: Observation) {
    let point = &cell[outcome.index()];
    for (at, to) in extremes_of(seen) {
        // A new extreme is rare, and a branch that is seldom taken costs less than a store.
        if to > point[at].load(Relaxed) {
            point[at].store(to, Relaxed);
        }
    }
}

/// Keeps the extremes of a cell that several threads write.
pub(crate) fn keep_extremes_shared(cell: &CellWords, outcome: Outcome, seen: Observation) {
    for (at, to) in extremes_of(seen) {
        cell[outcome.index()][at].fetch_max(to, Relaxed);
    }
}

/// What each word of the extremes must not be less than.
#[inline]
const fn extremes_of(seen: Observation) -> [(usize, u64); 4] {
    [(LONGEST, seen.latency_ns), (SHORTEST, !seen.latency_ns), (LARGEST, seen.bytes), (SMALLEST, !seen.bytes)]
}

/// The shortest and the longest latency, then the smallest and the largest size, of one outcome.
pub(crate) fn extremes(cell: &CellWords, outcome: Outcome) -> [(u64, u64); 2] {
    let point = &cell[outcome.index()];
    [(!read(&point[SHORTEST]), read(&point[LONGEST])), (!read(&point[SMALLEST]), read(&point[LARGEST]))]
}

/// Latencies of one outcome in classic buckets, summed over shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    counts: Counts,
    /// Sum of all latencies in nanoseconds.
    pub sum_ns: u64,
}

/// Sizes of one outcome in classic buckets, summed over shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    counts: Counts,
    /// Sum of all sizes in bytes.
    pub sum: u64,
}

impl Latencies {
    /// Requests per bucket, not cumulative: one for each of [`Bounds::latency_ns`], and one above.
    #[must_use]
    pub fn buckets(&self) -> &[u64] {
        self.counts.used()
    }

    /// Requests in all buckets.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets().iter().sum()
    }

    /// None yet, with a bucket for each of `bounds`.
    pub(crate) fn none(bounds: &Bounds) -> Self {
        Self { counts: Counts::zeros(bounds.latency_buckets()), sum_ns: 0 }
    }

    /// Adds what `cell` counted with the bounds that this was made for.
    #[inline]
    pub(crate) fn add(&mut self, cell: &CellWords, outcome: Outcome) {
        let point = &cell[outcome.index()];
        self.counts.add(&point[AT_BUCKETS..]);
        self.sum_ns = self.sum_ns.wrapping_add(point[LATENCY_SUM].load(Relaxed));
    }

    /// What came since `earlier`, an older reading of the same.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self { counts: self.counts.since(&earlier.counts), sum_ns: self.sum_ns.wrapping_sub(earlier.sum_ns) }
    }

    /// Those in `buckets`, of which there are no more than there are bounds, and one.
    pub(crate) fn of(sum_ns: u64, buckets: &[u64]) -> Self {
        Self { counts: Counts::of(buckets), sum_ns }
    }
}

impl Sizes {
    /// Requests per bucket, not cumulative: one for each of [`Bounds::size`], and one above.
    #[must_use]
    pub fn buckets(&self) -> &[u64] {
        self.counts.used()
    }

    /// Requests in all buckets.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets().iter().sum()
    }

    /// None yet, with a bucket for each of `bounds`.
    pub(crate) fn none(bounds: &Bounds) -> Self {
        Self { counts: Counts::zeros(bounds.size_buckets()), sum: 0 }
    }

    /// Adds what `cell` counted; its size buckets come `distance` words after those of latency.
    #[inline]
    pub(crate) fn add(&mut self, cell: &CellWords, outcome: Outcome, distance: usize) {
        let point = &cell[outcome.index()];
        self.counts.add(&point[(AT_BUCKETS + distance).min(POINT)..]);
        self.sum = self.sum.wrapping_add(point[SIZE_SUM].load(Relaxed));
    }

    /// What came since `earlier`, an older reading of the same.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self { counts: self.counts.since(&earlier.counts), sum: self.sum.wrapping_sub(earlier.sum) }
    }

    /// As [`Latencies::of`].
    pub(crate) fn of(sum: u64, buckets: &[u64]) -> Self {
        Self { counts: Counts::of(buckets), sum }
    }
}

/// Whether anything was counted. It reads only one cache line: a latency of zero is in the first bucket, and any other
/// latency adds to the sum.
#[inline]
pub(crate) fn is_used(side: &OutcomeWords) -> bool {
    [LATENCY_SUM, SIZE_SUM, AT_BUCKETS].iter().fold(0, |all, &at| all | side[at].load(Relaxed)) != 0
}

/// Requests of one outcome in a cell with so many latency buckets.
pub(crate) fn count(cell: &CellWords, outcome: Outcome, latency_buckets: usize) -> u64 {
    cell[outcome.index()][AT_BUCKETS..].iter().take(latency_buckets).map(|word| word.load(Relaxed)).sum()
}

/// Some buckets of one outcome, counted from latency's first.
#[inline]
pub(crate) fn buckets(point: &[AtomicU64; POINT], first: usize, count: usize) -> &[AtomicU64] {
    point[AT_BUCKETS..].get(first..).and_then(|from| from.get(..count)).unwrap_or_default()
}

/// The sum of words.
#[inline]
pub(crate) fn sum_of(words: &[AtomicU64]) -> u64 {
    words.iter().map(read).sum()
}

/// Adds words to sums, one by one.
#[inline]
pub(crate) fn add_to(sums: &mut [u64], words: &[AtomicU64]) {
    // Four at a time: no compiler unrolls a loop over atomics.
    let (fours, rest) = words.as_chunks::<4>();
    let (sums_of_fours, sums_of_rest) = sums.split_at_mut_checked(4 * fours.len()).unwrap_or_default();
    for (sums, words) in sums_of_fours.as_chunks_mut::<4>().0.iter_mut().zip(fours) {
        for (sum, word) in sums.iter_mut().zip(words) {
            *sum = sum.wrapping_add(read(word));
        }
    }
    for (sum, word) in sums_of_rest.iter_mut().zip(rest) {
        *sum = sum.wrapping_add(read(word));
    }
}

/// Relaxed: each number is read whole, but the numbers need not belong to the same moment.
#[inline]
pub(crate) fn read(word: &AtomicU64) -> u64 {
    word.load(Relaxed)
}

/// As many counts as a histogram has classic buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counts {
    counts: [u64; MAX_BOUNDS + 1],
    used: u8,
}

impl Counts {
    const fn zeros(buckets: usize) -> Self {
        Self { counts: [0; MAX_BOUNDS + 1], used: buckets as u8 }
    }

    fn used(&self) -> &[u64] {
        self.counts.get(..self.used.into()).unwrap_or(&self.counts)
    }

    fn of(buckets: &[u64]) -> Self {
        let mut all = Self::zeros(buckets.len());
        all.counts.iter_mut().zip(buckets).for_each(|(count, bucket)| *count = *bucket);
        all
    }

    #[inline]
    fn add(&mut self, words: &[AtomicU64]) {
        for (sum, word) in self.counts.iter_mut().take(self.used.into()).zip(words) {
            *sum = sum.wrapping_add(word.load(Relaxed));
        }
    }

    /// What came since `earlier`, an older reading of the same.
    fn since(mut self, earlier: &Self) -> Self {
        for (now, old) in self.counts.iter_mut().zip(earlier.used()) {
            *now = now.saturating_sub(*old);
        }
        self
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self::zeros(0)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_count_agree() {
        let bounds = Bounds::CONTRACT;
        let map = BucketMap::new(&bounds);
        let (own, shared) =
            ([const { [const { AtomicU64::new(0) }; POINT] }; 2], [const { [const { AtomicU64::new(0) }; POINT] }; 2]);
        for (latency_ns, bytes) in [(0, 0), (5_000_000, 64), (42_000_000, 1_024), (86_400_000_000_000, 1 << 50)] {
            let seen = Observation { latency_ns, bytes };
            add(&own, Outcome::Failure, &map, seen);
            add_shared(&shared, Outcome::Failure, map.classic(seen), seen);
        }
        let read = |cell: &CellWords| {
            let (mut latencies, mut sizes) = (Latencies::none(&bounds), Sizes::none(&bounds));
            latencies.add(cell, Outcome::Failure);
            sizes.add(cell, Outcome::Failure, bounds.latency_buckets());
            let counts = Outcome::ALL.map(|outcome| count(cell, outcome, bounds.latency_buckets()));
            (latencies, sizes, counts)
        };
        assert_eq!(read(&own), read(&shared));
        assert_eq!(read(&own).2, [0, 4]);
        assert_eq!(read(&own).0.buckets(), [2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(read(&own).1.buckets(), [2, 0, 1, 0, 0, 0, 0, 0, 1]);
    }
}
