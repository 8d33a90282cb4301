//! The requests of one interval after another, series by series, for exporters that send aggregates. If an export
//! fails, nothing is lost, and no request is sent twice.

use crate::aggregates::classic::{Latencies, Sizes};
use crate::aggregates::distribution::{Distribution, Distributions};
use crate::aggregates::row::{Half, RowShape};
use crate::aggregates::rows::{Rows, TooFewWords};
use crate::aggregates::totals::Totals;
use crate::counts::bounds::Quantity;
use crate::registry::Registry;
use crate::request::error_kind::ErrorKind;
use crate::request::sample::Outcome;
use crate::request::series::Series;

/// What one series counted since its last committed interval: 11 KB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interval {
    /// Counts, sums and classic buckets by outcome: exact.
    pub totals: Totals,
    /// Exponential histograms by outcome. Their buckets are exact. Values that are computed from them, the smallest and
    /// largest ones included, are as exact as [`Distribution::since`](crate::Distribution::since) says. `None` in
    /// storage that keeps no exponential histograms.
    ///
    /// A request that is recorded during the reading may be in the totals of this interval and in the histograms of the
    /// next one, or the other way round.
    pub distributions: Option<Distributions>,
}

/// One interval after another of what a registry counts, in the caller's memory. An interval takes two steps:
/// [`read`](Self::read) it as often as necessary, then [`commit`](Self::commit) it once the backend has what was read.
///
/// The sum of all committed intervals is what the registry counted since [`new`](Self::new). If an interval of a series
/// is not committed, because an export failed, the next interval contains it. Series that are interned later begin at
/// zero.
///
/// ```
/// use core::time::Duration;
/// use loaddensity_metrics_core::{Intervals, Sample, Storage};
///
/// static STORAGE: Storage<10, 1, 16> = Storage::new();
/// let registry = STORAGE.registry();
/// let mut intervals = Intervals::new(registry, vec![0; Intervals::<Vec<u64>>::words(registry)])?;
/// let series = registry.series("GET", "/x");
/// registry.recorder().record(series, Sample::http(200, Duration::from_millis(3)));
/// let interval = intervals.read(series).expect("a request came");
/// assert_eq!(interval.totals.requests(), 1);
/// assert_eq!(intervals.commit(series), 1);
/// assert_eq!(intervals.read(series), None);
/// # Ok::<(), loaddensity_metrics_core::TooFewWords>(())
/// ```
#[derive(Debug)]
pub struct Intervals<'a, M> {
    registry: Registry<'a>,
    rows: Rows<M>,
    before: u64,
}

impl<'a, M: AsRef<[u64]> + AsMut<[u64]>> Intervals<'a, M> {
    /// The words of memory that `registry` needs: with the default bounds 17,376 bytes for each series of its capacity, 768
    /// where it keeps no exponential histograms. In zeroed memory, the words of series without requests are never
    /// written.
    #[must_use]
    pub fn words(registry: Registry<'_>) -> usize {
        Rows::<M>::words(registry, RowShape::everything(registry))
    }

    /// Intervals that begin now, in `memory` of at least [`words`](Self::words) words. What the memory holds is
    /// overwritten.
    ///
    /// # Errors
    /// [`TooFewWords`] if the memory is smaller.
    pub fn new(registry: Registry<'a>, memory: M) -> Result<Self, TooFewWords> {
        let (rows, before) = Rows::new(registry, RowShape::everything(registry), memory)?;
        Ok(Self { registry, rows, before })
    }

    /// The requests that were counted before the first interval. The account of an exporter begins after them; see
    /// [`Accounts::open_after`](crate::Accounts::open_after).
    #[must_use]
    pub const fn before(&self) -> u64 {
        self.before
    }

    /// The series that exist now, the overflow series first.
    pub fn series(&self) -> impl Iterator<Item = Series> + use<'a, M> {
        self.registry.each_series()
    }

    /// What `series` counted since its last committed interval; `None` if it counted nothing. The result contains what
    /// was read before and not committed.
    pub fn read(&mut self, series: Series) -> Option<Interval> {
        self.rows.freeze_series(self.registry, series);
        // A request that is in no bucket yet belongs to the next interval.
        (self.requests(series) != 0).then(|| self.interval(series))
    }

    /// Says that the backend has what was last read of `series`. The next interval begins after it. Returns how many
    /// requests these are; 0 if nothing was read since the last commit.
    pub fn commit(&mut self, series: Series) -> u64 {
        match self.requests(series) {
            0 => 0,
            _ => Outcome::ALL.into_iter().map(|outcome| self.rows.settle(series, outcome)).sum(),
        }
    }

    /// Calls [`commit`](Self::commit) for every series, after an export that was accepted whole. Do not use it if the
    /// export left out series that were read for an earlier export: they would be committed too.
    pub fn commit_all(&mut self) -> u64 {
        self.series().map(|series| self.commit(series)).sum()
    }

    /// The requests that were read and not committed.
    fn requests(&self, series: Series) -> u64 {
        let shape = self.rows.shape();
        Outcome::ALL.into_iter().map(|outcome| shape.requests(self.rows.came(series, outcome))).sum()
    }

    fn interval(&self, series: Series) -> Interval {
        let (rows, shape) = (Outcome::ALL.map(|outcome| self.rows.came(series, outcome)), self.rows.shape());
        let [_, failures] = rows;
        let classic = rows.map(|row| shape.classic(row));
        let totals = Totals {
            bounds: self.registry.bounds(),
            by_outcome: rows.map(|row| shape.requests(row)),
            latencies: classic.map(|[latencies, _]| Latencies::of(latencies.sum, latencies.buckets)),
            sizes: classic.map(|[_, sizes]| Sizes::of(sizes.sum, sizes.buckets)),
            kinds: ErrorKind::ALL.map(|kind| shape.failures_of(failures, kind)),
        };
        let exponentials = rows.map(|row| shape.exponentials(row));
        let of = |quantity, half: Half<'_>| Distribution::of(quantity, half.buckets, half.extremes);
        let distributions = self.registry.has_exponentials().then(|| Distributions {
            latencies: exponentials.map(|[latencies, _]| of(Quantity::Latency, latencies)),
            sizes: exponentials.map(|[_, sizes]| of(Quantity::Size, sizes)),
        });
        Interval { totals, distributions }
    }
}
