//! What an engine's own instruments counted in an interval, frozen until it is settled: for observations what `rows.rs` is
//! for requests.
//!
//! Each instrument and series has two rows, side by side. The first one says what was taken from the registry so far, the
//! second one which part of that is still unsettled. The sender settles a row when it has arrived or is lost. What is not
//! settled is added to the next interval.

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(feature = "alloc")]
use alloc::{vec, vec::Vec};
use core::ops::Range;

use crate::aggregates::observed::{CounterTotal, HistogramTotal};
use crate::aggregates::observed_row::{MAX_OBSERVED_WORDS, ObservedShape};
use crate::aggregates::own_instrument::OwnInstrument;
use crate::aggregates::rows::TooFewWords;
use crate::counts::lane_sums::LaneSums;
use crate::metrics::InstrumentKind;
use crate::registry::Registry;
use crate::registry::instruments::observations::CellPlace;
use crate::request::series::Series;

/// One interval after another over what the instruments of an engine's own count, in memory of the caller's.
///
/// Nothing is lost or told twice: what was settled is, together with what is not yet, what the instruments counted since
/// [`new`](Self::new). There are rows for all instruments and series that the storage has room for: an instrument that is
/// declared later appears with the next interval.
///
/// ```
/// use loaddensity_metrics_core::{Exponential, ObservedRows, Series, Storage, Unit};
///
/// static STORAGE: Storage<100, 4, 1_024, Exponential, 2> = Storage::new();
/// let registry = STORAGE.registry();
/// let iterations = registry.run_counter("iterations", Unit::One, "Iterations that ended")?;
/// let memory = vec![0; ObservedRows::<Vec<u64>>::words(registry)];
/// let (mut rows, _counted_before) = ObservedRows::new(registry, memory)?;
/// registry.recorder().add_to_run(iterations, 3);
/// assert_eq!(rows.freeze(registry), 1);
/// for instrument in registry.instruments() {
///     for series in rows.series(&instrument, Series::OVERFLOW).collect::<Vec<_>>() {
///         assert_eq!(rows.counter(&instrument, series).map(|came| came.sum), Some(3));
///         // Send it; when it has arrived, or is given up:
///         rows.settle(&instrument, series);
///     }
/// }
/// assert_eq!((rows.unsettled(), rows.freeze(registry)), (0, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ObservedRows<M> {
    memory: M,
    layout: ObservedLayout,
    unsettled: u64,
    /// The instrument, by its place in the order of declaring, and the series that are read next, while an interval that has
    /// ended is not read whole.
    next: Option<(usize, u32)>,
    /// Whether the first interval has begun: until then, what was counted before it is read.
    is_begun: bool,
    before: u64,
}

/// Where the rows of each instrument and series are.
#[derive(Clone, Copy, Debug)]
struct ObservedLayout {
    counters: RowsOfKind,
    histograms: RowsOfKind,
    /// The number of series that there is room for.
    capacity: usize,
    /// The rows of series with numbers below this were cleared, so they hold only what was written since.
    cleared: usize,
}

/// Where the rows of one kind of instruments are: instrument by instrument, in each series by series.
#[derive(Clone, Copy, Debug)]
struct RowsOfKind {
    shape: ObservedShape,
    /// The word with which they begin.
    first: usize,
    /// How many pairs of rows there are.
    pairs: usize,
}

impl<M: AsRef<[u64]> + AsMut<[u64]>> ObservedRows<M> {
    /// Words of memory that a registry needs: for each series of its capacity 32 bytes a counter and 4,448 bytes a histogram;
    /// where it keeps no exponential histograms, with the contract's bounds 224 bytes a histogram, and 752 with the most
    /// bounds. Those of what counts nothing are never written.
    #[must_use]
    pub fn words(registry: Registry<'_>) -> usize {
        let [counters, histograms] = RowsOfKind::both(registry);
        counters.words() + histograms.words()
    }

    /// Intervals from now on, and how many observations had been counted before. `memory` has [`words`](Self::words) words or
    /// more; what it holds is overwritten.
    ///
    /// # Errors
    /// [`TooFewWords`] where the memory is smaller.
    pub fn new(registry: Registry<'_>, memory: M) -> Result<(Self, u64), TooFewWords> {
        let (needed, given) = (Self::words(registry), memory.as_ref().len());
        if given < needed {
            return Err(TooFewWords { needed, given });
        }
        let mut rows = Self::unread(registry, memory);
        rows.freeze_some(registry, usize::MAX);
        let before = rows.before;
        Ok((rows, before))
    }

    fn unread(registry: Registry<'_>, memory: M) -> Self {
        let ([counters, histograms], capacity) = (RowsOfKind::both(registry), registry.parts.entries.len());
        let layout = ObservedLayout { counters, histograms, capacity, cleared: 0 };
        Self { memory, layout, unsettled: 0, next: Some((0, 0)), is_begun: false, before: 0 }
    }

    /// Ends an interval: adds what came since the last one to what is not settled, and returns how many observations that are.
    pub fn freeze(&mut self, registry: Registry<'_>) -> u64 {
        self.begin_to_freeze();
        self.freeze_some(registry, usize::MAX);
        self.unsettled
    }

    /// The same, where what came is read by [`freeze_some`](Self::freeze_some). Calling it again begins anew.
    pub fn begin_to_freeze(&mut self) {
        self.next = Some((0, 0));
    }

    /// Whether rows are left to be read of the interval that ended last.
    #[must_use]
    pub const fn is_freezing(&self) -> bool {
        self.next.is_some()
    }

    /// Reads `most` of the rows, the next ones, so that other work can be done in between. Whether all are read now; until
    /// then, nothing is to be sent or settled. An observation that is recorded meanwhile is part of this interval or of the
    /// next.
    pub fn freeze_some(&mut self, registry: Registry<'_>, most: usize) -> bool {
        let (mut left, mut room) = (u32::try_from(most).unwrap_or(u32::MAX), RowReading::new());
        while let Some((place, first)) = self.next {
            let Some(instrument) = registry.instrument_at(place) else {
                (self.next, self.is_begun) = (None, true);
                break;
            };
            if left == 0 {
                break;
            }
            let all = instrument.series_end();
            let end = first.saturating_add(left).min(all);
            // A series that another thread is just publishing has counted nothing, or is seen in the next interval.
            for series in registry.series_among(first..end) {
                self.read_row(&instrument, series, &mut room);
            }
            left -= end - first;
            self.next = Some(if end < all { (place, end) } else { (place + 1, 0) });
        }
        !self.is_freezing()
    }

    fn read_row(&mut self, instrument: &OwnInstrument<'_>, series: Series, room: &mut RowReading) {
        self.clear_up_to(series);
        let (number, is_begun) = (instrument.observations(series), self.is_begun);
        let Some((shape, [kept, came])) = self.pair(instrument, series) else { return };
        // What is unchanged is not written, nor are its buckets read: a value that is there before it is counted has time.
        if number == ObservedShape::observations(kept) {
            return;
        }
        let Some(now) = room.row.get_mut(..shape.words()) else { return };
        let read = |number| shape.read(instrument, series, number, &mut room.lanes, now);
        read_undisturbed(number, read, || instrument.observations(series));
        let more = ObservedShape::observations(now).wrapping_sub(ObservedShape::observations(kept));
        let additive = kept.len();
        if is_begun {
            for (sum, (now, kept)) in came.iter_mut().zip(now.iter().zip(&*kept)) {
                *sum = sum.wrapping_add(now.wrapping_sub(*kept));
            }
            copy(came.get_mut(additive..), now.get(additive..));
        }
        copy(Some(kept), Some(now));
        let sum = if is_begun { &mut self.unsettled } else { &mut self.before };
        *sum = sum.wrapping_add(more);
    }

    /// Observations that were counted before the first interval. The account of an exporter begins after them; see
    /// [`Accounts::open_after`](crate::Accounts::open_after).
    #[must_use]
    pub const fn before(&self) -> u64 {
        self.before
    }

    /// Observations that are frozen and not settled.
    #[must_use]
    pub const fn unsettled(&self) -> u64 {
        self.unsettled
    }

    /// The series from `from` on of which observations of an instrument are not settled, in the order in which they were
    /// interned, the overflow series first. For one of the run that is the overflow series, which then stands for the run.
    pub fn series(&self, instrument: &OwnInstrument<'_>, from: Series) -> impl Iterator<Item = Series> {
        let all = instrument.series_end().min(self.layout.cleared as u32);
        (from.number()..all).map(Series::from_number).filter(|series| self.observations(instrument, *series) != 0)
    }

    /// How many observations of a series, or of the run, are not settled.
    #[must_use]
    pub fn observations(&self, instrument: &OwnInstrument<'_>, series: Series) -> u64 {
        self.frozen().observations(instrument, series)
    }

    /// The same of the cells at a place.
    pub(crate) fn observations_at(&self, kind: InstrumentKind, at: CellPlace) -> u64 {
        ObservedShape::observations(self.frozen().came_at(kind, at))
    }

    /// What a counter counted of a series, or of the run, and is not settled; `None` where that is nothing.
    #[must_use]
    pub fn counter(&self, instrument: &OwnInstrument<'_>, series: Series) -> Option<CounterTotal> {
        self.frozen().counter(instrument, series)
    }

    /// What a histogram counted of a series, or of the run, and is not settled; `None` where that is nothing.
    ///
    /// Its buckets are exact. Values that are computed from them, the smallest and largest ones included, are as exact as
    /// [`Distribution::since`](crate::Distribution::since) says. An observation that is recorded during the reading may be in
    /// the buckets of this interval and in the number of the next one.
    #[must_use]
    pub fn histogram(&self, instrument: &OwnInstrument<'_>, series: Series) -> Option<HistogramTotal> {
        self.frozen().histogram(instrument, series)
    }

    /// Whether a histogram has values of a series, or of the run, that are not settled. It may have observations and no value,
    /// where its values were recorded during the reading before.
    pub(crate) fn has_values(&self, instrument: &OwnInstrument<'_>, series: Series) -> bool {
        let is_histogram = instrument.kind() == InstrumentKind::Histogram;
        is_histogram && self.layout.histograms.shape.has_values(self.frozen().came(instrument, series))
    }

    /// Says that what is unsettled of a series, or of the run, has arrived or is lost. Returns how many observations that are.
    pub fn settle(&mut self, instrument: &OwnInstrument<'_>, series: Series) -> u64 {
        let Some((_, [_, came])) = self.pair(instrument, series) else { return 0 };
        let number = ObservedShape::observations(came);
        // Without this check, memory that was never written would be written.
        if number != 0 {
            came.fill(0);
        }
        self.unsettled = self.unsettled.wrapping_sub(number);
        number
    }

    /// All rows of what is unsettled.
    pub(crate) fn frozen(&self) -> FrozenObserved<'_> {
        FrozenObserved { memory: self.memory.as_ref(), layout: &self.layout }
    }

    /// The row of what was taken out so far, and the row of what is unsettled.
    fn pair(&mut self, instrument: &OwnInstrument<'_>, series: Series) -> Option<(ObservedShape, [&mut [u64]; 2])> {
        let (kind, place) = (instrument.kind(), instrument.place(series)?);
        let (rows, pair) = (self.layout.of(kind), self.layout.pair_at(kind, place)?);
        let words = self.memory.as_mut().get_mut(rows.words_of(pair))?;
        let (kept, came) = words.split_at_mut_checked(rows.shape.additive_words())?;
        Some((rows.shape, [kept, came]))
    }

    /// Clears the rows of new series, up to `series`, for all instruments that there is room for. Words that are zero already
    /// are not written.
    fn clear_up_to(&mut self, series: Series) {
        let ObservedLayout { counters, histograms, capacity, cleared } = self.layout;
        let end = capacity.min(series.index() + 1);
        for number in cleared..end {
            for rows in [counters, histograms] {
                let mut pair = number;
                while pair < rows.pairs {
                    let words = self.memory.as_mut().get_mut(rows.words_of(pair)).unwrap_or_default();
                    words.iter_mut().filter(|word| **word != 0).for_each(|word| *word = 0);
                    pair += capacity;
                }
            }
        }
        self.layout.cleared = cleared.max(end);
    }
}

/// How often a row is read at most. Where calls come faster than it is read, the last reading counts.
const READINGS: usize = 4;

/// Reads a row of which there were `before` calls, and again, with the new number, where calls have come meanwhile.
///
/// A value that comes between the number and the values is shown in an earlier interval than its call. Where an exporter starts or
/// stops just then, that is another run's, or nobody's: its backend would have a value more or less than its account says.
fn read_undisturbed(before: u64, mut read: impl FnMut(u64), number: impl Fn() -> u64) {
    let mut before = before;
    for _ in 0..READINGS {
        read(before);
        let after = number();
        if after == before {
            break;
        }
        before = after;
    }
}

#[cfg(feature = "alloc")]
impl ObservedRows<Vec<u64>> {
    /// As [`new`](Self::new), in memory of the allocator's. But what was counted before is read by
    /// [`freeze_some`](Self::freeze_some): until that says that all is read, no interval has begun.
    #[must_use]
    pub fn on_heap(registry: Registry<'_>) -> Self {
        Self::unread(registry, vec![0; Self::words(registry)])
    }
}

/// The rows of what is unsettled. They do not change while they are borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrozenObserved<'a> {
    memory: &'a [u64],
    layout: &'a ObservedLayout,
}

impl<'a> FrozenObserved<'a> {
    /// Observations in a row.
    pub(crate) fn observations(self, instrument: &OwnInstrument<'_>, series: Series) -> u64 {
        ObservedShape::observations(self.came(instrument, series))
    }

    /// What a counter's row has; `None` where that is nothing.
    pub(crate) fn counter(self, instrument: &OwnInstrument<'_>, series: Series) -> Option<CounterTotal> {
        let is_counter = instrument.kind() == InstrumentKind::Counter;
        let total = ObservedShape::counter(self.came(instrument, series));
        (is_counter && total.number != 0).then_some(total)
    }

    /// What a histogram's row has; `None` where that is nothing.
    pub(crate) fn histogram(self, instrument: &OwnInstrument<'_>, series: Series) -> Option<HistogramTotal> {
        let (row, shape) = (self.came(instrument, series), self.layout.histograms.shape);
        let is_histogram = instrument.kind() == InstrumentKind::Histogram;
        (is_histogram && ObservedShape::observations(row) != 0).then(|| shape.histogram(instrument, row))
    }

    /// A row. It is empty where there is none.
    fn came(&self, instrument: &OwnInstrument<'_>, series: Series) -> &'a [u64] {
        instrument.place(series).map(|at| self.came_at(instrument.kind(), at)).unwrap_or_default()
    }

    fn came_at(&self, kind: InstrumentKind, at: CellPlace) -> &'a [u64] {
        let rows = self.layout.of(kind);
        let words = self.layout.pair_at(kind, at).and_then(|pair| self.memory.get(rows.words_of(pair)));
        words.and_then(|words| words.get(rows.shape.additive_words()..)).unwrap_or_default()
    }
}

impl ObservedLayout {
    /// The number of a pair of rows that was cleared, among those of its kind.
    fn pair_at(&self, kind: InstrumentKind, at: CellPlace) -> Option<usize> {
        let pair = at.number();
        let is_there = pair < self.of(kind).pairs && pair.checked_rem(self.capacity)? < self.cleared;
        is_there.then_some(pair)
    }

    const fn of(&self, kind: InstrumentKind) -> RowsOfKind {
        match kind {
            InstrumentKind::Counter => self.counters,
            InstrumentKind::Histogram => self.histograms,
        }
    }
}

impl RowsOfKind {
    /// Those of counters, and after them those of histograms.
    fn both(registry: Registry<'_>) -> [Self; 2] {
        let rows = |kind, first| {
            let pairs = registry.own_instruments().room(kind) * registry.parts.entries.len();
            Self { shape: ObservedShape::of(registry, kind), first, pairs }
        };
        let counters = rows(InstrumentKind::Counter, 0);
        [counters, rows(InstrumentKind::Histogram, counters.words())]
    }

    const fn words(self) -> usize {
        self.pairs * self.words_of_pair()
    }

    const fn words_of_pair(self) -> usize {
        self.shape.additive_words() + self.shape.words()
    }

    /// The words of a pair, which is below `pairs`.
    const fn words_of(self, pair: usize) -> Range<usize> {
        let first = self.first + pair * self.words_of_pair();
        first..first + self.words_of_pair()
    }
}

/// As many words as both have.
fn copy(to: Option<&mut [u64]>, from: Option<&[u64]>) {
    let (to, from) = (to.unwrap_or_default(), from.unwrap_or_default());
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}

/// What is needed to read a row: 5 KB.
struct RowReading {
    row: [u64; MAX_OBSERVED_WORDS],
    lanes: LaneSums,
}

impl RowReading {
    const fn new() -> Self {
        Self { row: [0; MAX_OBSERVED_WORDS], lanes: LaneSums::NONE }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;

    use core::cell::{Cell, RefCell};
    use std::vec::Vec;

    use super::{READINGS, read_undisturbed};

    /// The numbers with which a row is read that has two calls at first, while so many calls come during each reading.
    fn readings(meanwhile: &[u64]) -> Vec<u64> {
        let (number, readings) = (Cell::new(2), RefCell::new(Vec::new()));
        let read = |before| {
            let coming = meanwhile.get(readings.borrow().len()).unwrap_or(&0);
            readings.borrow_mut().push(before);
            number.set(number.get() + coming);
        };
        read_undisturbed(2, read, || number.get());
        readings.into_inner()
    }

    #[test]
    fn a_row_is_read_again_where_calls_have_come_meanwhile() {
        assert_eq!(readings(&[]), [2]);
        assert_eq!(readings(&[5]), [2, 7]);
        assert_eq!(readings(&[1, 1]), [2, 3, 4]);
        // An engine that never pauses does not hold up who reads.
        assert_eq!(readings(&[1; 100]).len(), READINGS);
    }
}
