//! The exponential histograms, summed over shards: quantiles, the smallest and largest values, and the buckets
//! themselves.

use crate::counts::bounds::Quantity;
use crate::counts::exponential::{self, LATENCIES, SCALE, SIZES};
use crate::counts::lane_map::LaneMap;
use crate::counts::lane_sums::{CellSummary, LaneSums};
use crate::counts::shard_cells::ShardCells;
use crate::registry::Registry;
use crate::request::sample::Outcome;
use crate::request::series::Series;

/// The distribution of latencies, in nanoseconds, or of sizes, in bytes: 2.2 KB.
///
/// Distributions of the same quantity can be added exactly, whether they come from different recorders, series or load
/// generators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distribution {
    quantity: Quantity,
    counts: [u64; SIZES],
    min: u64,
    max: u64,
}

impl Distribution {
    /// There are 2^`SCALE` buckets for each power of two. OTLP calls this number the scale, Prometheus the schema.
    pub const SCALE: i32 = SCALE as i32;

    /// A distribution without requests.
    #[must_use]
    pub const fn none(quantity: Quantity) -> Self {
        Self { quantity, counts: [0; SIZES], min: u64::MAX, max: 0 }
    }

    /// Whether these are latencies or sizes.
    #[must_use]
    pub const fn quantity(&self) -> Quantity {
        self.quantity
    }

    /// The requests in all buckets.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, requests| sum.saturating_add(*requests))
    }

    /// The requests in the zero bucket: sizes of 0 bytes; latencies of 2^-10 ms (0.98 µs) or less.
    #[must_use]
    pub const fn zero_count(&self) -> u64 {
        self.counts[0]
    }

    /// The smallest value. It is exact, except in what [`since`](Self::since) returns. `None` without requests.
    #[must_use]
    pub const fn min(&self) -> Option<u64> {
        if self.min <= self.max { Some(self.min) } else { None }
    }

    /// The largest value. It is exact, except in what [`since`](Self::since) returns. `None` without requests.
    #[must_use]
    pub const fn max(&self) -> Option<u64> {
        if self.min <= self.max { Some(self.max) } else { None }
    }

    /// The value that a share `q` (0 to 1) of the requests did not exceed. For 0 it is the smallest value, for 1 the
    /// largest. In between it is the middle of a bucket, rounded to a whole number; before rounding it is within 4.4 %
    /// of the true value. `None` without requests.
    ///
    /// Latencies above 2^20 ms (17 min) share one bucket, as do sizes above 2^34 bytes (16 GiB); for them the middle of
    /// that bucket is returned.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let (min, max) = (self.min()?, self.max()?);
        let count = self.count();
        // `core` has no `ceil`. A product that is too large to have a fraction stays as it is.
        let exact = q.clamp(0.0, 1.0) * count as f64;
        let mut rank = (exact as u64).saturating_add(u64::from(exact > (exact as u64) as f64));
        // A product may be rounded up: 0.07 times 100 is a little more than 7.
        if rank > 1 && (rank - 1) as f64 / count as f64 >= q {
            rank -= 1;
        }
        if rank == 0 {
            return Some(min);
        }
        if rank >= count {
            return Some(max);
        }
        let mut up_to = 0_u64;
        let bucket = self.counts.iter().position(|requests| {
            up_to = up_to.saturating_add(*requests);
            up_to >= rank
        })?;
        Some(self.middle(bucket).clamp(min, max))
    }

    /// Smallest, largest, and what 50, 95 and 99 % did not exceed. `None` without requests.
    pub(crate) fn extremes_and_percentiles(&self) -> Option<[u64; 5]> {
        let at = |q| self.quantile(q);
        Some([self.min()?, self.max()?, at(0.5)?, at(0.95)?, at(0.99)?])
    }

    /// The index and the requests of each bucket that is not empty, without the zero bucket. The index is OTLP's:
    /// bucket `i` holds the values above 2^(i/8) and up to 2^((i+1)/8), inclusive, in milliseconds or bytes. The bucket
    /// for all larger values has the index after the last one. In Prometheus the index is `i + 1`.
    pub fn buckets(&self) -> impl Iterator<Item = (i32, u64)> {
        let index = match self.quantity {
            Quantity::Latency => exponential::latency_index,
            Quantity::Size => exponential::size_index,
        };
        let buckets = self.counts.iter().enumerate().skip(1);
        buckets.filter(|(_, requests)| **requests != 0).map(move |(bucket, requests)| (index(bucket), *requests))
    }

    /// Each bucket, that of zero first, and what it counted.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (usize, u64)> {
        self.counts.iter().copied().enumerate()
    }

    /// What each bucket counted, that of zero first.
    pub(crate) const fn words(&self) -> &[u64] {
        &self.counts
    }

    /// Adds what `other` counted, if both are of the same quantity. Returns whether they are.
    pub fn merge(&mut self, other: &Self) -> bool {
        if self.quantity != other.quantity {
            return false;
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        true
    }

    /// What was recorded since `earlier`, an older reading of the same. Its smallest and largest values are computed
    /// from the buckets, so they are within 9 % of the true ones. Only in the bucket for all larger values they may be
    /// those of the time before `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut later = *self;
        for (count, old) in later.counts.iter_mut().zip(&earlier.counts) {
            *count = count.saturating_sub(*old);
        }
        later.fit_extremes();
        later
    }

    /// The distribution of an interval: its buckets, and the smallest and largest values of all time until its end.
    pub(crate) fn of(quantity: Quantity, buckets: &[u64], extremes: Option<(u64, u64)>) -> Self {
        let mut all = Self::none(quantity);
        all.counts.iter_mut().zip(buckets).for_each(|(count, bucket)| *count = *bucket);
        (all.min, all.max) = extremes.unwrap_or((all.min, all.max));
        all.fit_extremes();
        all
    }

    /// What was added up in `lanes` of a quantity.
    pub(crate) fn of_lanes(quantity: Quantity, lanes: &LaneSums, map: LaneMap<'_>, summary: &CellSummary) -> Self {
        let mut all = Self::none(quantity);
        all.add_lanes(lanes, map, summary);
        all.fit_extremes();
        all
    }

    fn add(&mut self, cells: &ShardCells<'_>, series: Series, outcome: Outcome, lanes: &mut LaneSums) {
        let summary = lanes.read(cells, series, &[outcome], self.quantity);
        self.add_lanes(lanes, cells.map, &summary);
    }

    fn add_lanes(&mut self, lanes: &LaneSums, map: LaneMap<'_>, summary: &CellSummary) {
        // A request that comes meanwhile may be in some of the words; the extremes are made to fit.
        lanes.exponential(map, |bucket, count| {
            if let Some(sum) = self.counts.get_mut(bucket) {
                *sum = sum.wrapping_add(count);
            }
        });
        self.min = self.min.min(summary.smallest);
        self.max = self.max.max(summary.largest);
    }

    /// Moves the smallest and the largest value into the first and the last bucket that is not empty. They may be
    /// outside in differences, or if a request was recorded while this was read.
    fn fit_extremes(&mut self) {
        let is_used = |requests: &u64| *requests != 0;
        let (Some(first), Some(last)) = (self.counts.iter().position(is_used), self.counts.iter().rposition(is_used))
        else {
            *self = Self::none(self.quantity);
            return;
        };
        let (lowest, highest) = (self.range(first), self.range(last));
        self.min = self.min.clamp(lowest.0, lowest.1);
        self.max = self.max.clamp(highest.0, highest.1);
    }

    /// The smallest and the largest value that a bucket counts.
    fn range(&self, bucket: usize) -> (u64, u64) {
        let (edge, above): (fn(usize) -> u64, usize) = match self.quantity {
            Quantity::Latency => (exponential::latency_edge, LATENCIES - 1),
            Quantity::Size => (exponential::size_edge, SIZES - 1),
        };
        let start = bucket.checked_sub(1).map_or(0, |below| edge(below) + 1);
        // There may be no whole number between two bounds. Such a bucket stays empty.
        (start, if bucket == above { u64::MAX } else { edge(bucket).max(start) })
    }

    /// The whole number in a bucket whose relative distance to the other values is smallest.
    fn middle(&self, bucket: usize) -> u64 {
        if bucket == 0 {
            return 0;
        }
        let (start, end) = self.range(bucket);
        // The harmonic mean: the relative error is the same at both ends of the bucket.
        let (start, end) = (u128::from(start), u128::from(end.min(self.max).max(start)));
        let sum = (start + end).max(1);
        ((4 * start * end + sum) / (2 * sum)) as u64
    }
}

/// The distributions of latencies and sizes, by outcome: 9 KB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distributions {
    /// Latencies of the successes and of the failures, in this order.
    pub latencies: [Distribution; 2],
    /// Sizes of the successes and of the failures, in this order.
    pub sizes: [Distribution; 2],
}

impl Distributions {
    pub(crate) const NONE: Self =
        Self { latencies: [Distribution::none(Quantity::Latency); 2], sizes: [Distribution::none(Quantity::Size); 2] };

    /// Latencies of both outcomes.
    #[must_use]
    pub fn latency(&self) -> Distribution {
        both(&self.latencies)
    }

    /// Sizes of both outcomes.
    #[must_use]
    pub fn size(&self) -> Distribution {
        both(&self.sizes)
    }

    /// What was recorded since `earlier`, an older reading of the same.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut later = *self;
        for (now, old) in later.latencies.iter_mut().zip(&earlier.latencies) {
            *now = now.since(old);
        }
        for (now, old) in later.sizes.iter_mut().zip(&earlier.sizes) {
            *now = now.since(old);
        }
        later
    }

    /// Applies [`Distribution::fit_extremes`] to all of them.
    fn fit_extremes(mut self) -> Self {
        self.latencies.iter_mut().chain(&mut self.sizes).for_each(Distribution::fit_extremes);
        self
    }
}

impl Registry<'_> {
    /// The distributions over all series and recorders since the storage was made; `None` in storage that keeps no
    /// exponential histograms ([`Classic`](crate::Classic)).
    ///
    /// Reads up to 1.2 KB for each series, outcome and recorder that has counted something, and 4.6 KB more where a bucket of
    /// it has passed 32,768 requests.
    #[must_use]
    pub fn distributions(self) -> Option<Distributions> {
        let mut sums = self.has_exponentials().then_some(Distributions::NONE)?;
        for number in 0..self.series_end() {
            self.add_distributions(Series::from_number(number), &mut sums);
        }
        Some(sums.fit_extremes())
    }

    /// The distributions of one series over all recorders since the storage was made; `None` as for
    /// [`distributions`](Self::distributions).
    #[must_use]
    pub fn series_distributions(self, series: Series) -> Option<Distributions> {
        let mut sums = self.has_exponentials().then_some(Distributions::NONE)?;
        self.add_distributions(series, &mut sums);
        Some(sums.fit_extremes())
    }

    fn add_distributions(self, series: Series, sums: &mut Distributions) {
        let (cells, mut lanes) = (self.shard_cells(), LaneSums::NONE);
        for outcome in Outcome::ALL {
            sums.latencies[outcome.index()].add(&cells, series, outcome, &mut lanes);
            sums.sizes[outcome.index()].add(&cells, series, outcome, &mut lanes);
        }
    }
}

fn both([success, failure]: &[Distribution; 2]) -> Distribution {
    let mut sum = *success;
    sum.merge(failure);
    sum
}
