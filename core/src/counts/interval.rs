//! What came in one interval after another, series by series, for exporters that send sums: nothing is lost by an export
//! that fails, and nothing is told twice.

use core::fmt;

use crate::counts::bounds::Bounds;
use crate::counts::distribution::Distributions;
use crate::counts::exponential::{LATENCIES, SIZES};
use crate::counts::totals::Totals;
use crate::registry::Registry;
use crate::sample::Outcome;
use crate::series::Series;

/// Rows of one series: what the backend has, and what was last read.
const ROWS: usize = 2;
/// Outcomes, and likewise sums per outcome.
const OUTCOMES: usize = Outcome::ALL.len();

/// What one series counted since its last committed interval: 11 KB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
/// use loaddensity_metrics_core::{Intervals, Storage};
///
/// static STORAGE: Storage<10, 1, 16> = Storage::new();
/// let registry = STORAGE.registry();
/// let mut intervals = Intervals::new(registry, vec![0; Intervals::<Vec<u64>>::words(registry)])?;
/// let series = registry.series("GET", "/x");
/// registry.recorder().record(series, Default::default());
/// let interval = intervals.read(series).expect("a request came");
/// assert_eq!(interval.totals.requests(), 1);
/// assert_eq!(intervals.commit(series), 1);
/// assert_eq!(intervals.read(series), None);
/// # Ok::<(), loaddensity_metrics_core::TooFewWords>(())
/// ```
#[derive(Debug)]
pub struct Intervals<'a, M> {
    registry: Registry<'a>,
    bounds: Bounds,
    memory: M,
    /// Words of one row.
    row: usize,
    before: u64,
}

impl<'a, M: AsRef<[u64]> + AsMut<[u64]>> Intervals<'a, M> {
    /// Words of memory that `registry` needs: for each series of its capacity 17,280 bytes with the contract's bounds, 736
    /// of them where it keeps no exponential histograms. Those of series that count nothing are never written.
    #[must_use]
    pub fn words(registry: Registry<'_>) -> usize {
        registry.parts.entries.len() * ROWS * row_words(registry, &registry.bounds())
    }

    /// Intervals from now on, in `memory` of [`words`](Self::words) words or more; what it holds is overwritten.
    ///
    /// # Errors
    /// [`TooFewWords`] where the memory is smaller.
    pub fn new(registry: Registry<'a>, mut memory: M) -> Result<Self, TooFewWords> {
        let (bounds, words) = (registry.bounds(), memory.as_mut());
        let needed = Self::words(registry);
        if words.len() < needed {
            return Err(TooFewWords { needed, given: words.len() });
        }
        // Pages that were never written stay so.
        if words.iter().any(|word| *word != 0) {
            words.fill(0);
        }
        let mut intervals = Self { registry, bounds, memory, row: row_words(registry, &bounds), before: 0 };
        for number in 0..registry.series_end() {
            let series = Series::from_number(number);
            intervals.read(series);
            intervals.before += intervals.commit(series);
        }
        Ok(intervals)
    }

    /// Requests that had been counted before the first interval: where an exporter's account begins; see
    /// [`Registry::open_account_after`].
    #[must_use]
    pub const fn before(&self) -> u64 {
        self.before
    }

    /// The series that exist now, the overflow series first.
    pub fn series(&self) -> impl Iterator<Item = Series> + use<'a, M> {
        let registry = self.registry;
        let all = (0..registry.series_end()).map(Series::from_number);
        all.filter(move |series| registry.entry(*series).is_published())
    }

    /// What `series` counted since its last committed interval; `None` where that is nothing. It replaces what was read
    /// before and not committed, and has it in it.
    pub fn read(&mut self, series: Series) -> Option<Interval> {
        let (registry, bounds) = (self.registry, self.bounds);
        let (committed, shown) = self.rows(series)?;
        let mut now = Reading::of(registry, series);
        let mut earlier = Reading::none(&bounds, now.0.distributions.is_some());
        earlier.each(committed.iter(), |number, word| *number = *word);
        let interval = now.0.since(&earlier.0);
        // What no bucket shows yet is left to the next interval.
        if interval.totals.requests() == 0 {
            shown.copy_from_slice(committed);
            return None;
        }
        now.each(shown.iter_mut(), |number, word| *word = *number);
        Some(interval)
    }

    /// The backend has what was last read of `series`: the next interval begins behind it. Returns how many requests
    /// that is; 0 where nothing was read since the last commit.
    pub fn commit(&mut self, series: Series) -> u64 {
        let buckets = self.bounds.latency_buckets();
        let Some((committed, shown)) = self.rows(series) else { return 0 };
        if committed == shown {
            return 0;
        }
        let requests = requests_in(shown, buckets) - requests_in(committed, buckets);
        committed.copy_from_slice(shown);
        requests
    }

    /// [`commit`](Self::commit) of every series: for an export that was accepted whole. Not for one that left out
    /// series that an earlier one had read.
    pub fn commit_all(&mut self) -> u64 {
        (0..self.registry.series_end()).map(|number| self.commit(Series::from_number(number))).sum()
    }

    /// What the backend has of `series`, and what was last read; `None` for the handle of another registry.
    fn rows(&mut self, series: Series) -> Option<(&mut [u64], &mut [u64])> {
        let (row, at) = (self.row, series.index() * ROWS * self.row);
        (series.index() < self.registry.parts.entries.len()).then_some(())?;
        Some(self.memory.as_mut().get_mut(at..at + ROWS * row)?.split_at_mut(row))
    }
}

/// The memory for intervals is too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFewWords {
    /// Words that the registry needs.
    pub needed: usize,
    /// Words that were given.
    pub given: usize,
}

impl fmt::Display for TooFewWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { needed, given } = self;
        write!(f, "intervals of this registry need {needed} words of memory, and {given} were given")
    }
}

impl core::error::Error for TooFewWords {}

/// Everything that one series has counted, which a row keeps word by word.
struct Reading(Interval);

impl Reading {
    fn of(registry: Registry<'_>, series: Series) -> Self {
        let totals = registry.series_totals(series);
        Self(Interval { totals, distributions: registry.series_distributions(series) })
    }

    fn none(bounds: &Bounds, has_distributions: bool) -> Self {
        let distributions = has_distributions.then_some(Distributions::NONE);
        Self(Interval { totals: Totals::none(*bounds), distributions })
    }

    /// Calls `f` with every number that adds up and its word in a row: the latencies first, outcome by outcome. Extremes
    /// do not add up and are not among them.
    fn each<W>(&mut self, mut words: impl Iterator<Item = W>, mut f: impl FnMut(&mut u64, W)) {
        let mut next = |number: &mut u64| {
            if let Some(word) = words.next() {
                f(number, word);
            }
        };
        let Interval { totals, distributions } = &mut self.0;
        totals.latencies.iter_mut().for_each(|side| side.each_number(&mut next));
        totals.sizes.iter_mut().for_each(|side| side.each_number(&mut next));
        if let Some(all) = distributions {
            all.latencies.iter_mut().chain(&mut all.sizes).for_each(|side| side.each_number(&mut next));
        }
    }
}

impl Interval {
    fn since(&self, earlier: &Self) -> Self {
        let distributions = self.distributions.zip(earlier.distributions).map(|(now, old)| now.since(&old));
        Self { totals: self.totals.since(&earlier.totals), distributions }
    }
}

/// Words of one row: what [`Reading::each`] goes through.
fn row_words(registry: Registry<'_>, bounds: &Bounds) -> usize {
    let classic = OUTCOMES * (1 + bounds.latency_buckets() + 1 + bounds.size_buckets());
    classic + if registry.has_exponentials() { OUTCOMES * (LATENCIES + SIZES) } else { 0 }
}

/// Requests of both outcomes in a row with so many latency buckets, each outcome's behind their sum.
fn requests_in(row: &[u64], buckets: usize) -> u64 {
    row.chunks(1 + buckets).take(OUTCOMES).flat_map(|side| side.iter().skip(1)).sum()
}
