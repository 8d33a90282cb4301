//! What came in one interval after another, series by series, for exporters that send sums: nothing is lost by an export
//! that fails, and nothing is told twice.

use crate::aggregates::classic::{Latencies, Sizes};
use crate::aggregates::distribution::{Distribution, Distributions};
use crate::aggregates::row::{Half, RowShape};
use crate::aggregates::rows::{Rows, TooFewWords};
use crate::aggregates::totals::Totals;
use crate::counts::bounds::Quantity;
use crate::registry::Registry;
use crate::request::sample::Outcome;
use crate::request::series::Series;

/// What one series counted since its last committed interval: 11 KB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interval {
    /// Counts, sums and classic buckets by outcome: exact.
    pub totals: Totals,
    /// Exponential histograms by outcome, whose buckets are exact; what is told from them, extremes included, is as near
    /// as [`Distribution::since`](crate::Distribution::since) says. `None` in storage that keeps none. While requests
    /// are recorded, one that is in the totals may be in the next interval's histograms, or the other way round.
    pub distributions: Option<Distributions>,
}

/// One interval after another over what a registry counts, in two steps, in memory of the caller's: [`read`](Self::read)
/// as often as need be, then [`commit`](Self::commit) once the backend has what was read.
///
/// The sum of all committed intervals is what the registry counted since [`new`](Self::new). A series that is not
/// committed, because an export failed, has it all in its next interval. Series interned later begin at zero.
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
    /// Words of memory that `registry` needs: with the contract's bounds 17,344 bytes for each series of its capacity, 736
    /// where it keeps no exponential histograms. Those of series that count nothing are never written.
    #[must_use]
    pub fn words(registry: Registry<'_>) -> usize {
        Rows::<M>::words(registry, RowShape::everything(registry))
    }

    /// Intervals from now on, in `memory` of [`words`](Self::words) words or more; what it holds is overwritten.
    ///
    /// # Errors
    /// [`TooFewWords`] where the memory is smaller.
    pub fn new(registry: Registry<'a>, memory: M) -> Result<Self, TooFewWords> {
        let (rows, before) = Rows::new(registry, RowShape::everything(registry), memory)?;
        Ok(Self { registry, rows, before })
    }

    /// Requests that had been counted before the first interval: where an exporter's account begins; see
    /// [`Accounts::open_after`](crate::Accounts::open_after).
    #[must_use]
    pub const fn before(&self) -> u64 {
        self.before
    }

    /// The series that exist now, the overflow series first.
    pub fn series(&self) -> impl Iterator<Item = Series> + use<'a, M> {
        self.registry.each_series()
    }

    /// What `series` counted since its last committed interval; `None` where that is nothing. It replaces what was read
    /// before and not committed, and has it in it.
    pub fn read(&mut self, series: Series) -> Option<Interval> {
        self.rows.freeze_series(self.registry, series);
        // What no bucket shows yet is left to the next interval.
        (self.requests(series) != 0).then(|| self.interval(series))
    }

    /// The backend has what was last read of `series`: the next interval begins after it. Returns how many requests
    /// that is; 0 where nothing was read since the last commit.
    pub fn commit(&mut self, series: Series) -> u64 {
        match self.requests(series) {
            0 => 0,
            _ => Outcome::ALL.into_iter().map(|outcome| self.rows.settle(series, outcome)).sum(),
        }
    }

    /// [`commit`](Self::commit) of every series: for an export that was accepted whole. Not for one that left out
    /// series that an earlier one had read.
    pub fn commit_all(&mut self) -> u64 {
        self.series().map(|series| self.commit(series)).sum()
    }

    /// Requests that were read and not committed.
    fn requests(&self, series: Series) -> u64 {
        let shape = self.rows.shape();
        Outcome::ALL.into_iter().map(|outcome| shape.requests(self.rows.came(series, outcome))).sum()
    }

    fn interval(&self, series: Series) -> Interval {
        let (rows, shape) = (Outcome::ALL.map(|outcome| self.rows.came(series, outcome)), self.rows.shape());
        let classic = rows.map(|row| shape.classic(row));
        let totals = Totals {
            bounds: self.registry.bounds(),
            latencies: classic.map(|[latencies, _]| Latencies::of(latencies.sum, latencies.buckets)),
            sizes: classic.map(|[_, sizes]| Sizes::of(sizes.sum, sizes.buckets)),
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
