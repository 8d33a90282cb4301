//! Delta temporality: what came in one interval, frozen, so that it can be sent in several requests and again.
//!
//! Source: OpenTelemetry metrics data model, "Temporality"; start and end of intervals touch.

use super::row::RowShape;
use super::{Histograms, Options};
use crate::registry::Registry;
use crate::sample::{Outcome, Timestamp};
use crate::series::Series;

/// Rows of one series: per outcome what was counted when the interval ended, and what came in it.
const ROWS: usize = 2 * Outcome::ALL.len();

/// One interval after another over what a registry counts, in memory of the caller's.
///
/// Nothing is lost or told twice: the sum of all intervals since [`new`](Self::new) is what the registry counted since.
///
/// ```
/// use loaddensity_metrics_core::otlp::{Export, Interval, Options, Resource};
/// use loaddensity_metrics_core::{Storage, Timestamp};
///
/// static STORAGE: Storage<10, 1, 16> = Storage::new();
/// let (registry, at) = (STORAGE.registry(), Timestamp::from_unix_nanos);
/// let options = Options::default();
/// let memory = vec![0; Interval::<Vec<u64>>::words(registry, options)];
/// let (mut interval, _counted_before) = Interval::new(registry, options, memory, at(1));
/// registry.recorder().record(registry.series("GET", "/x"), Default::default());
/// assert_eq!(interval.end(registry, at(2)), 1);
/// let resource = Resource::new("checkout");
/// let mut export = Export::of_interval(registry, &resource, &interval);
/// let mut buffer = [0; 4096];
/// while let Some(message) = export.next_request(&mut buffer)? {
///     // Send `message`.
/// }
/// assert_eq!(interval.end(registry, at(3)), 0);
/// # Ok::<(), loaddensity_metrics_core::TooSmall>(())
/// ```
#[derive(Debug)]
pub struct Interval<M> {
    memory: M,
    options: Options,
    shape: RowShape,
    start: Timestamp,
    end: Timestamp,
}

impl<M: AsRef<[u64]> + AsMut<[u64]>> Interval<M> {
    /// Words of memory that a registry needs: with the contract's bounds 864 bytes for each series of its capacity, with
    /// exponential histograms 16,736.
    #[must_use]
    pub fn words(registry: Registry<'_>, options: Options) -> usize {
        registry.facts().series_capacity * ROWS * shape(registry, options).words()
    }

    /// Intervals from `now` on, and how many requests had been counted before. `memory` is all zero, of
    /// [`words`](Self::words) words; series that find no room in a smaller one are never shown.
    pub fn new(registry: Registry<'_>, options: Options, memory: M, now: Timestamp) -> (Self, u64) {
        let shape = shape(registry, options);
        let mut first = Self { memory, options, shape, start: now, end: now };
        let before = first.end(registry, now);
        for series in (0..registry.series_end()).map(Series::from_number) {
            Outcome::ALL.into_iter().for_each(|outcome| first.forget(series, outcome));
        }
        (first, before)
    }

    /// Ends the interval at `now`, behind which the next one begins; returns how many requests came in it. What was
    /// frozen before is gone.
    pub fn end(&mut self, registry: Registry<'_>, now: Timestamp) -> u64 {
        let mut row = [0; super::row::MAX_WORDS];
        let row = &mut row[..self.shape.words()];
        let mut requests = 0;
        for number in 0..registry.series_end() {
            let series = Series::from_number(number);
            // A series that a thread is about to show has counted nothing, or is seen the next time.
            if !registry.entry(series).is_published() {
                continue;
            }
            for outcome in Outcome::ALL {
                self.shape.read(registry, series, outcome, row);
                requests += self.freeze(series, outcome, row);
            }
        }
        // A clock that was set back must not end an interval before it began.
        let is_later = now.as_unix_nanos() > self.end.as_unix_nanos();
        (self.start, self.end) = (self.end, if is_later { now } else { self.end });
        requests
    }

    /// Keeps `row` and what came since the one before it.
    fn freeze(&mut self, series: Series, outcome: Outcome, row: &mut [u64]) -> u64 {
        let (shape, at) = (self.shape, place(self.shape, series, outcome));
        let Some(rows) = self.memory.as_mut().get_mut(at..at + 2 * shape.words()) else { return 0 };
        let (kept, came) = rows.split_at_mut(shape.words());
        let requests = shape.latencies(row).count().wrapping_sub(shape.latencies(kept).count());
        // Memory that was never written stays so while there is nothing to be kept.
        if requests != 0 || shape.latencies(came).count() != 0 || kept != row {
            came.copy_from_slice(row);
            shape.subtract(came, kept);
            kept.copy_from_slice(row);
        }
        requests
    }

    /// Forgets what came in the interval.
    fn forget(&mut self, series: Series, outcome: Outcome) {
        let (words, at) = (self.shape.words(), place(self.shape, series, outcome));
        // Memory that was never written stays so.
        if let Some(came) = self.memory.as_mut().get_mut(at + words..at + 2 * words)
            && came.iter().any(|word| *word != 0)
        {
            came.fill(0);
        }
    }

    pub(super) fn frozen(&self) -> Frozen<'_> {
        let Self { options, shape, start, end, .. } = *self;
        Frozen { memory: self.memory.as_ref(), options, shape, start, end }
    }
}

/// An interval that does not change any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frozen<'a> {
    memory: &'a [u64],
    pub(super) options: Options,
    shape: RowShape,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

impl<'a> Frozen<'a> {
    /// What came in it; empty where there was no room.
    pub(super) fn row(&self, series: Series, outcome: Outcome) -> &'a [u64] {
        let (words, at) = (self.shape.words(), place(self.shape, series, outcome));
        self.memory.get(at + words..at + 2 * words).unwrap_or_default()
    }
}

fn shape(registry: Registry<'_>, options: Options) -> RowShape {
    RowShape::new(&registry.bounds(), options.histograms == Histograms::Exponential && registry.has_exponentials())
}

fn place(shape: RowShape, series: Series, outcome: Outcome) -> usize {
    (series.index() * Outcome::ALL.len() + outcome.index()) * 2 * shape.words()
}
