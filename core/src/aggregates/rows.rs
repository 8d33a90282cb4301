//! The requests of an interval, series by series, which are frozen until they are settled. This is the only code that
//! takes the difference of an interval.
//!
//! Each series has two rows per outcome. The first one says what was taken from the registry so far, the second one
//! which part of that is still unsettled. The sender settles a row when it has arrived or is lost. What is not settled
//! is added to the next interval.

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(feature = "alloc")]
use alloc::{vec, vec::Vec};
use core::fmt;

use crate::aggregates::row::{MAX_WORDS, RowShape};
use crate::registry::Registry;
use crate::request::error_kind::ErrorKind;
use crate::request::sample::Outcome;
use crate::request::series::Series;

/// The rows of a registry's series, in the caller's memory.
///
/// The sum of all that was settled and all that is unsettled is what the registry counted since [`new`](Self::new).
/// Rows of one kind and outcome lie side by side, so that an outcome that never occurs (such as failures) costs no
/// memory.
#[derive(Debug)]
pub(crate) struct Rows<M> {
    memory: M,
    shape: RowShape,
    /// The number of series that there is room for.
    capacity: usize,
    /// The rows of series with numbers below this were cleared, so they hold only what was written since.
    cleared: usize,
    unsettled: u64,
    /// The series that is read next, while an interval that has ended is not read whole.
    next: Option<u32>,
    /// Whether the first interval has begun: until then, what was counted before it is read.
    is_begun: bool,
    before: u64,
}

impl<M: AsRef<[u64]> + AsMut<[u64]>> Rows<M> {
    /// The words of memory for all series that `registry` has room for.
    pub(crate) const fn words(registry: Registry<'_>, shape: RowShape) -> usize {
        registry.parts.entries.len() * shape.outcomes().len() * (shape.additive_words() + shape.words())
    }

    /// Rows for what is recorded from now on, and the number of requests that were counted before. It does not matter
    /// what `memory` holds. If it is zero, the words of series without requests are never written.
    pub(crate) fn new(registry: Registry<'_>, shape: RowShape, memory: M) -> Result<(Self, u64), TooFewWords> {
        let (needed, given) = (Self::words(registry, shape), memory.as_ref().len());
        if given < needed {
            return Err(TooFewWords { needed, given });
        }
        let mut rows = Self::unread(registry, shape, memory);
        rows.freeze_some(registry, usize::MAX);
        let before = rows.before;
        Ok((rows, before))
    }

    /// Rows in memory of enough words. What was counted before has to be read: see [`freeze_some`](Self::freeze_some).
    fn unread(registry: Registry<'_>, shape: RowShape, memory: M) -> Self {
        let capacity = registry.parts.entries.len();
        Self { memory, shape, capacity, cleared: 0, unsettled: 0, next: Some(0), is_begun: false, before: 0 }
    }

    pub(crate) const fn shape(&self) -> RowShape {
        self.shape
    }

    /// The number of requests that are frozen and not settled.
    pub(crate) const fn unsettled(&self) -> u64 {
        self.unsettled
    }

    /// Ends an interval: adds what was recorded since the last call to what is unsettled. Returns how many requests are
    /// unsettled now.
    pub(crate) fn freeze(&mut self, registry: Registry<'_>) -> u64 {
        self.begin_to_freeze();
        self.freeze_some(registry, usize::MAX);
        self.unsettled
    }

    /// Ends an interval, whose series [`freeze_some`](Self::freeze_some) reads, the first of them first.
    pub(crate) fn begin_to_freeze(&mut self) {
        self.next = Some(0);
    }

    /// Whether series are left to be read of the interval that ended last.
    pub(crate) const fn is_freezing(&self) -> bool {
        self.next.is_some()
    }

    /// Requests that were counted before the first interval.
    pub(crate) const fn before(&self) -> u64 {
        self.before
    }

    /// Reads the next series, `most` of them; whether all are read now. Of new rows that is what was counted before the first
    /// interval, which begins then.
    pub(crate) fn freeze_some(&mut self, registry: Registry<'_>, most: usize) -> bool {
        let Some(first) = self.next else { return true };
        let (all, most) = (registry.series_end(), u32::try_from(most).unwrap_or(u32::MAX));
        let end = first.saturating_add(most).min(all);
        let mut room = [0; MAX_WORDS];
        // A series that another thread is just publishing has counted nothing, or is seen in the next interval.
        for series in registry.series_among(first..end) {
            match self.is_begun {
                true => self.freeze_in(&mut room, registry, series),
                false => self.keep(&mut room, registry, series),
            }
        }
        self.next = Some(end).filter(|end| *end < all);
        self.is_begun |= self.next.is_none();
        self.next.is_none()
    }

    /// Takes out what a series counted before the first interval.
    fn keep(&mut self, room: &mut [u64; MAX_WORDS], registry: Registry<'_>, series: Series) {
        let shape = self.shape;
        self.clear_up_to(series);
        for outcome in shape.outcomes() {
            let now = shape.read_into(registry, series, *outcome, room);
            let Some((kept, _)) = self.pair(series, *outcome) else { return };
            let now = &now[..kept.len()];
            let more = shape.requests(now).wrapping_sub(shape.requests(kept));
            // Without this check, memory that was never written would be written.
            if kept != now {
                kept.copy_from_slice(now);
            }
            self.before = self.before.wrapping_add(more);
        }
    }

    /// The same for one series.
    pub(crate) fn freeze_series(&mut self, registry: Registry<'_>, series: Series) {
        self.freeze_in(&mut [0; MAX_WORDS], registry, series);
    }

    fn freeze_in(&mut self, room: &mut [u64; MAX_WORDS], registry: Registry<'_>, series: Series) {
        let shape = self.shape;
        self.clear_up_to(series);
        for outcome in shape.outcomes() {
            let now = shape.read_into(registry, series, *outcome, room);
            let Some((kept, came)) = self.pair(series, *outcome) else { return };
            let (now, extremes) = now.split_at(kept.len());
            // Without this check, memory that was never written would be written.
            if kept == now {
                continue;
            }
            let more = shape.requests(now).wrapping_sub(shape.requests(kept));
            let (sums, came_extremes) = came.split_at_mut(kept.len());
            for (sum, (now, kept)) in sums.iter_mut().zip(now.iter().zip(&*kept)) {
                *sum = sum.wrapping_add(now.wrapping_sub(*kept));
            }
            came_extremes.copy_from_slice(extremes);
            kept.copy_from_slice(now);
            self.unsettled = self.unsettled.wrapping_add(more);
        }
    }

    /// The row of what is unsettled. It is empty for the handle of another registry.
    pub(crate) fn came(&self, series: Series, outcome: Outcome) -> &[u64] {
        self.frozen().row(series, outcome)
    }

    /// All rows of what is unsettled.
    pub(crate) fn frozen(&self) -> FrozenRows<'_> {
        let came = self.memory.as_ref().get(self.all_kept()..).unwrap_or_default();
        FrozenRows { came, shape: self.shape, capacity: self.capacity, end: self.cleared as u32 }
    }

    /// Says that the unsettled part of a row has arrived or is lost. Returns the number of its requests.
    pub(crate) fn settle(&mut self, series: Series, outcome: Outcome) -> u64 {
        let shape = self.shape;
        let Some((_, came)) = self.pair(series, outcome) else { return 0 };
        let requests = shape.requests(came);
        // Without this check, memory that was never written would be written.
        if came.iter().any(|word| *word != 0) {
            came.fill(0);
        }
        self.unsettled = self.unsettled.wrapping_sub(requests);
        requests
    }

    /// The same for the failures of one kind in a row of failures. Where no others are left, the row is settled.
    pub(crate) fn settle_kind(&mut self, series: Series, kind: ErrorKind) -> u64 {
        let shape = self.shape;
        let Some((_, came)) = self.pair(series, Outcome::Failure) else { return 0 };
        let failures = shape.take_kind(came, kind);
        if failures != 0 && shape.requests(came) == 0 {
            came.fill(0);
        }
        self.unsettled = self.unsettled.wrapping_sub(failures);
        failures
    }

    /// The row of what was taken out so far, and the row of what is unsettled. `None` for the handle of another
    /// registry.
    fn pair(&mut self, series: Series, outcome: Outcome) -> Option<(&mut [u64], &mut [u64])> {
        let (place, all_kept) = (place(self.shape, self.capacity, series, outcome)?, self.all_kept());
        let (kept, came) = self.memory.as_mut().split_at_mut_checked(all_kept)?;
        let of = |words: usize| place * words..(place + 1) * words;
        Some((kept.get_mut(of(self.shape.additive_words()))?, came.get_mut(of(self.shape.words()))?))
    }

    /// The words of all rows of what was taken out. The rows of what is unsettled come after them.
    const fn all_kept(&self) -> usize {
        self.capacity * self.shape.outcomes().len() * self.shape.additive_words()
    }

    /// Clears the rows of new series, up to `series`. Words that are zero already are not written.
    fn clear_up_to(&mut self, series: Series) {
        let end = self.capacity.min(series.index() + 1);
        for number in self.cleared..end {
            for outcome in self.shape.outcomes() {
                if let Some((kept, came)) = self.pair(Series::from_number(number as u32), *outcome) {
                    [kept, came].into_iter().flatten().filter(|word| **word != 0).for_each(|word| *word = 0);
                }
            }
        }
        self.cleared = self.cleared.max(end);
    }
}

#[cfg(feature = "alloc")]
impl Rows<Vec<u64>> {
    /// Rows in memory from the allocator; what was counted before has to be read. The memory is zeroed, so that none of it is
    /// resident before it is used.
    pub(crate) fn on_heap(registry: Registry<'_>, shape: RowShape) -> Self {
        Self::unread(registry, shape, vec![0; Self::words(registry, shape)])
    }
}

/// The rows of what is unsettled. They do not change while they are borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrozenRows<'a> {
    came: &'a [u64],
    shape: RowShape,
    capacity: usize,
    end: u32,
}

impl<'a> FrozenRows<'a> {
    /// The row of one series and outcome. It is empty for the handle of another registry.
    pub(crate) fn row(&self, series: Series, outcome: Outcome) -> &'a [u64] {
        let words = self.shape.words();
        let place = place(self.shape, self.capacity, series, outcome);
        place.and_then(|place| self.came.get(place * words..(place + 1) * words)).unwrap_or_default()
    }

    pub(crate) const fn shape(&self) -> RowShape {
        self.shape
    }

    /// Series with this number or a higher one had counted nothing when the interval ended.
    pub(crate) const fn end(&self) -> u32 {
        self.end
    }
}

/// The memory for rows is too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFewWords {
    /// The number of words that the registry needs.
    pub needed: usize,
    /// The number of words that were given.
    pub given: usize,
}

impl fmt::Display for TooFewWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { needed, given } = self;
        write!(f, "intervals of this registry need {needed} words of memory, but only {given} were given")
    }
}

impl core::error::Error for TooFewWords {}

/// The position of the row of a series and outcome among the rows of its kind. `None` if there is no room for the
/// series.
fn place(shape: RowShape, capacity: usize, series: Series, outcome: Outcome) -> Option<usize> {
    let side = if shape.outcomes().len() > 1 { outcome.index() } else { 0 };
    (series.index() < capacity).then(|| side * capacity + series.index())
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use super::*;
    use crate::registry::storage::{Classic, Storage};
    use crate::request::sample::Sample;
    use core::time::Duration;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::vec::Vec;

    /// The registry has no room for the last one, so that it is the overflow series.
    const NAMES: [&str; 4] = ["/a", "/b", "/c", "/overflow"];

    #[derive(Clone, Debug)]
    enum Step {
        Record(usize, Sample),
        /// Freezes all, so many series at a time.
        Freeze(usize),
        /// Freezes only one series.
        FreezeSeries(usize),
        Settle(usize, Outcome),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        let outcome = || (0..2usize).prop_map(|index| Outcome::ALL[index]);
        let sample = (0..45u32, 0..50u32, outcome()).prop_map(|(latency, size, outcome)| {
            Sample::new(outcome, Duration::from_nanos(1 << latency)).status(200).response_bytes(1 << size)
        });
        prop_oneof![
            6 => (0..NAMES.len(), sample).prop_map(|(series, sample)| Step::Record(series, sample)),
            1 => prop_oneof![1..3_usize, Just(usize::MAX)].prop_map(Step::Freeze),
            1 => (0..NAMES.len()).prop_map(Step::FreezeSeries),
            3 => (0..NAMES.len(), outcome()).prop_map(|(series, outcome)| Step::Settle(series, outcome)),
        ]
    }

    /// A model of one row: the samples since the last freezing, and those that are frozen.
    #[derive(Clone, Default)]
    struct Model {
        recorded: Vec<Sample>,
        frozen: Vec<Sample>,
    }

    /// The rows, the model of each, and the sum of all that was settled.
    struct ModelledRows<'a> {
        registry: Registry<'a>,
        rows: Rows<Vec<u64>>,
        /// By series and outcome.
        models: [[Model; 2]; NAMES.len()],
        settled: [[Vec<u64>; 2]; NAMES.len()],
    }

    impl ModelledRows<'_> {
        fn series(&self, name: usize) -> Series {
            // All are interned in the same order, so that it is always the last one that finds no room.
            NAMES.map(|name| self.registry.series("GET", name))[name]
        }

        /// The outcomes that the row of this outcome holds.
        fn sides(&self, outcome: Outcome) -> Vec<usize> {
            if self.rows.shape().outcomes().len() == 1 { [0, 1].into() } else { [outcome.index()].into() }
        }

        fn freeze(&mut self, names: &[usize]) {
            for name in names {
                for model in &mut self.models[*name] {
                    model.frozen.append(&mut model.recorded);
                }
            }
            let frozen: usize = self.models.iter().flatten().map(|model| model.frozen.len()).sum();
            assert_eq!(self.rows.unsettled(), frozen as u64);
        }

        /// Settles a row, and checks that it is what the samples add up to.
        fn settle(&mut self, name: usize, outcome: Outcome) {
            let (series, shape, sides) = (self.series(name), self.rows.shape(), self.sides(outcome));
            let samples: Vec<Sample> =
                sides.iter().flat_map(|side| core::mem::take(&mut self.models[name][*side].frozen)).collect();
            let row = self.rows.came(series, outcome);
            let sum = |of: fn(&Sample) -> u64| samples.iter().map(of).sum::<u64>();
            assert_eq!(row[0], sum(|sample| sample.latency.as_nanos() as u64));
            assert_eq!(row[1], sum(|sample| sample.response_bytes));
            for halves in [shape.classic(row), shape.exponentials(row)] {
                for half in halves.iter().filter(|half| !half.buckets.is_empty()) {
                    assert_eq!(half.count, samples.len() as u64);
                }
            }
            let sums = &mut self.settled[name][sides[0]];
            sums.resize(shape.additive_words(), 0);
            sums.iter_mut().zip(row).for_each(|(sum, word)| *sum += *word);
            assert_eq!(self.rows.settle(series, outcome), samples.len() as u64);
            assert!(self.rows.came(series, outcome).iter().all(|word| *word == 0));
            assert_eq!(self.rows.settle(series, outcome), 0, "it was settled already");
        }
    }

    fn follow(registry: Registry<'_>, shape: RowShape, steps: &[Step]) {
        let mut recorders = [registry.recorder(), registry.recorder()];
        let all = |registry| NAMES.map(|name| Registry::series(registry, "GET", name));
        for (number, step) in steps.iter().take(5).enumerate() {
            if let Step::Record(name, sample) = step {
                recorders[number % 2].record(all(registry)[*name], *sample);
            }
        }
        let read = |series, outcome| shape.read_into(registry, series, outcome, &mut [0; MAX_WORDS]).to_vec();
        let at_first = all(registry).map(|series| Outcome::ALL.map(|outcome| read(series, outcome)));
        let memory = std::vec![7; Rows::<Vec<u64>>::words(registry, shape)];
        let (rows, before) = Rows::new(registry, shape, memory).expect("as many words as it asks for");
        assert_eq!(before, registry.requests());
        let mut beside = ModelledRows { registry, rows, models: Default::default(), settled: Default::default() };
        for (number, step) in steps.iter().enumerate() {
            match step {
                Step::Record(name, sample) => {
                    recorders[number % 2].record(beside.series(*name), *sample);
                    beside.models[*name][sample.outcome.index()].recorded.push(*sample);
                }
                Step::Freeze(most) => {
                    beside.rows.begin_to_freeze();
                    while !beside.rows.freeze_some(registry, *most) {}
                    beside.freeze(&[0, 1, 2, 3]);
                }
                Step::FreezeSeries(name) => {
                    let series = beside.series(*name);
                    beside.rows.freeze_series(registry, series);
                    beside.freeze(&[*name]);
                }
                Step::Settle(name, outcome) => beside.settle(*name, *outcome),
            }
        }
        beside.rows.freeze(registry);
        beside.freeze(&[0, 1, 2, 3]);
        for (name, at_first) in at_first.iter().enumerate() {
            for outcome in shape.outcomes() {
                beside.settle(name, *outcome);
                let now = read(beside.series(name), *outcome);
                let since = now.iter().zip(&at_first[outcome.index()]).map(|(now, then)| now - then);
                let settled = &beside.settled[name][outcome.index()];
                assert!(since.take(shape.additive_words()).eq(settled.iter().copied()), "{name} {outcome:?}");
            }
        }
        assert_eq!(beside.rows.unsettled(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn settled_rows_add_up_to_what_was_counted_in_any_order_of_steps(steps in vec(any_step(), 0..200)) {
            let shapes: [fn(Registry<'_>) -> RowShape; 4] = [
                |registry| RowShape::explicit(&registry.bounds()),
                |registry| if registry.has_exponentials() { RowShape::exponential() } else { RowShape::merged(registry) },
                RowShape::merged,
                RowShape::everything,
            ];
            for shape in shapes {
                let (exponential, classic) = (Storage::<4, 1, 2>::new(), Storage::<4, 1, 2, Classic>::new());
                follow(exponential.registry(), shape(exponential.registry()), &steps);
                follow(classic.registry(), shape(classic.registry()), &steps);
            }
        }
    }
}
