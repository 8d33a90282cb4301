//! What came in an interval, series by series, frozen until somebody has it: the one way to take an interval's difference.
//!
//! A row says what was taken out of the registry so far, a second one what of that is still to be settled. Whoever sends
//! it settles row by row, when it has arrived or is lost. What is not settled grows with the next interval.

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(feature = "alloc")]
use alloc::{vec, vec::Vec};
use core::fmt;

use crate::counts::row::{MAX_WORDS, RowShape};
use crate::registry::Registry;
use crate::sample::Outcome;
use crate::series::Series;

/// The rows of a registry's series, in memory of the caller's.
///
/// The sum of all that was settled and is unsettled is what the registry counted since [`new`](Self::new). Rows of one
/// kind and outcome lie side by side, so that what never happens, such as failures, costs no memory.
#[derive(Debug)]
pub(crate) struct Rows<M> {
    memory: M,
    shape: RowShape,
    /// Series that there is room for.
    capacity: usize,
    /// The rows of series below this one are known to hold nothing but what was put there.
    cleared: usize,
    unsettled: u64,
}

impl<M: AsRef<[u64]> + AsMut<[u64]>> Rows<M> {
    /// Words of memory for all series that `registry` has room for.
    pub(crate) const fn words(registry: Registry<'_>, shape: RowShape) -> usize {
        registry.parts.entries.len() * shape.outcomes().len() * (shape.additive_words() + shape.words())
    }

    /// Rows of what comes from now on, and how many requests had been counted before. What `memory` holds does not matter;
    /// that of series which count nothing is never written.
    pub(crate) fn new(registry: Registry<'_>, shape: RowShape, memory: M) -> Result<(Self, u64), TooFewWords> {
        let (needed, given) = (Self::words(registry, shape), memory.as_ref().len());
        if given < needed {
            return Err(TooFewWords { needed, given });
        }
        Ok(Self::over(registry, shape, memory))
    }

    /// The same in memory that has as many words.
    fn over(registry: Registry<'_>, shape: RowShape, memory: M) -> (Self, u64) {
        let mut rows = Self { memory, shape, capacity: registry.parts.entries.len(), cleared: 0, unsettled: 0 };
        let (mut before, mut room) = (0, [0; MAX_WORDS]);
        for series in registry.each_series() {
            rows.clear_up_to(series);
            for outcome in shape.outcomes() {
                let now = shape.read_into(registry, series, *outcome, &mut room);
                before += shape.requests(now);
                if let Some((kept, _)) = rows.pair(series, *outcome)
                    && kept != &now[..kept.len()]
                {
                    kept.copy_from_slice(&now[..kept.len()]);
                }
            }
        }
        (rows, before)
    }

    pub(crate) const fn shape(&self) -> RowShape {
        self.shape
    }

    /// Requests that are frozen and not settled.
    pub(crate) const fn unsettled(&self) -> u64 {
        self.unsettled
    }

    /// Ends an interval: adds what came since the last time to what is unsettled, and returns how many requests that are.
    pub(crate) fn freeze(&mut self, registry: Registry<'_>) -> u64 {
        let mut room = [0; MAX_WORDS];
        // A series that a thread is about to show has counted nothing, or is seen the next time.
        registry.each_series().for_each(|series| self.freeze_in(&mut room, registry, series));
        self.unsettled
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
            // Memory that was never written stays so while there is nothing to be kept.
            if kept == now {
                continue;
            }
            let before = shape.requests(came);
            for ((came, kept), now) in came.iter_mut().zip(kept).zip(now) {
                *came = came.wrapping_add(now.wrapping_sub(*kept));
                *kept = *now;
            }
            came[now.len()..].copy_from_slice(extremes);
            let more = shape.requests(came).wrapping_sub(before);
            self.unsettled = self.unsettled.wrapping_add(more);
        }
    }

    /// The row of what is unsettled; empty for the handle of another registry.
    pub(crate) fn came(&self, series: Series, outcome: Outcome) -> &[u64] {
        self.frozen().row(series, outcome)
    }

    /// All rows of what is unsettled.
    pub(crate) fn frozen(&self) -> FrozenRows<'_> {
        let came = self.memory.as_ref().get(self.all_kept()..).unwrap_or_default();
        FrozenRows { came, shape: self.shape, capacity: self.capacity }
    }

    /// What is unsettled of a row has arrived or is lost. Returns its requests.
    pub(crate) fn settle(&mut self, series: Series, outcome: Outcome) -> u64 {
        let shape = self.shape;
        let Some((_, came)) = self.pair(series, outcome) else { return 0 };
        let requests = shape.requests(came);
        // Memory that was never written stays so.
        if came.iter().any(|word| *word != 0) {
            came.fill(0);
        }
        self.unsettled = self.unsettled.wrapping_sub(requests);
        requests
    }

    /// What was taken out so far, and what of that is unsettled; `None` for the handle of another registry.
    fn pair(&mut self, series: Series, outcome: Outcome) -> Option<(&mut [u64], &mut [u64])> {
        let (place, all_kept) = (place(self.shape, self.capacity, series, outcome)?, self.all_kept());
        let (kept, came) = self.memory.as_mut().split_at_mut_checked(all_kept)?;
        let of = |words: usize| place * words..(place + 1) * words;
        Some((kept.get_mut(of(self.shape.additive_words()))?, came.get_mut(of(self.shape.words()))?))
    }

    /// Words of all rows of what was taken out; behind them are those of what is unsettled.
    const fn all_kept(&self) -> usize {
        self.capacity * self.shape.outcomes().len() * self.shape.additive_words()
    }

    /// Clears the rows of series that are new. Memory that is zero is not written.
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
    /// In memory of the allocator's: zeroed, so that none of it is resident before it is used.
    pub(crate) fn on_heap(registry: Registry<'_>, shape: RowShape) -> (Self, u64) {
        Self::over(registry, shape, vec![0; Self::words(registry, shape)])
    }
}

/// What came in an interval and is unsettled: rows that do not change while they are lent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrozenRows<'a> {
    came: &'a [u64],
    shape: RowShape,
    capacity: usize,
}

impl<'a> FrozenRows<'a> {
    /// Of one series and outcome; empty for the handle of another registry.
    pub(crate) fn row(&self, series: Series, outcome: Outcome) -> &'a [u64] {
        let words = self.shape.words();
        let place = place(self.shape, self.capacity, series, outcome);
        place.and_then(|place| self.came.get(place * words..(place + 1) * words)).unwrap_or_default()
    }

    pub(crate) const fn shape(&self) -> RowShape {
        self.shape
    }
}

/// The memory for rows is too small.
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

/// Which row of its kind is that of a series and outcome; `None` where there is no room for the series.
fn place(shape: RowShape, capacity: usize, series: Series, outcome: Outcome) -> Option<usize> {
    let side = if shape.outcomes().len() > 1 { outcome.index() } else { 0 };
    (series.index() < capacity).then(|| side * capacity + series.index())
}
