//! Latencies and sizes in classic buckets, as plain numbers.

use crate::counts::bounds::{Bounds, MAX_BOUNDS, Quantity};
use crate::counts::lane_sums::LaneSums;
use crate::counts::shard_cells::ShardCells;
use crate::request::sample::Outcome;
use crate::request::series::Series;

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

    /// Adds what was counted of a series and outcome, with the bounds that this was made for.
    pub(crate) fn add(&mut self, cells: &ShardCells<'_>, series: Series, outcome: Outcome, lanes: &mut LaneSums) {
        let summary = lanes.read(cells, series, &[outcome], Quantity::Latency);
        lanes.classic(cells.map, |bucket, count| self.counts.add(bucket, count));
        self.sum_ns = self.sum_ns.wrapping_add(summary.sum);
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

    /// As [`Latencies::add`].
    pub(crate) fn add(&mut self, cells: &ShardCells<'_>, series: Series, outcome: Outcome, lanes: &mut LaneSums) {
        let summary = lanes.read(cells, series, &[outcome], Quantity::Size);
        lanes.classic(cells.map, |bucket, count| self.counts.add(bucket, count));
        self.sum = self.sum.wrapping_add(summary.sum);
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
    fn add(&mut self, bucket: usize, count: u64) {
        if let Some(sum) = self.counts.get_mut(bucket) {
            *sum = sum.wrapping_add(count);
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
