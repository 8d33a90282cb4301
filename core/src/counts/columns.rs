//! The cells of one series after the other, for readers that go through all series.

use crate::counts::cell::is_used;
use crate::counts::layout::{CellWords, OutcomeWords};
use crate::request::sample::Outcome;
use crate::request::series::Series;

/// The cells of all shards that were claimed before this was made. The next reader sees what later shards count.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a> {
    /// A cell per series, of the first shard.
    first: &'a [CellWords],
    /// The cells of the following shards, shard by shard.
    more: &'a [CellWords],
    /// The cells of the spill shard; empty if nobody has used it.
    spill: &'a [CellWords],
}

impl<'a> Columns<'a> {
    /// Of the shards in `own`, which have a cell for each of `series`, and of the spill shard.
    pub(crate) fn new(own: &'a [CellWords], series: usize, spill: &'a [CellWords]) -> Self {
        match own.split_at_checked(series) {
            Some((first, more)) => Self { first, more, spill },
            None => Self { first: spill, more: &[], spill: &[] },
        }
    }

    /// What the first shard counted for both outcomes of a series.
    #[inline]
    pub(crate) fn first(&self, series: Series) -> Option<&'a CellWords> {
        self.first.get(series.index())
    }

    /// Whether there are more shards than the first.
    #[inline]
    pub(crate) const fn has_more(&self) -> bool {
        !self.more.is_empty() || !self.spill.is_empty()
    }

    /// Whether the following shards counted anything for one outcome of a series. Not inlined, because the loop over
    /// series needs its registers for other values.
    #[inline(never)]
    pub(crate) fn has_counted_more(&self, series: Series, outcome: Outcome) -> bool {
        self.more(series, outcome).next().is_some()
    }

    /// What the shards that follow counted for one outcome of a series, unless that is nothing.
    #[inline]
    pub(crate) fn more(&self, series: Series, outcome: Outcome) -> impl Iterator<Item = &'a OutcomeWords> {
        let (more, series, step) = (self.more, series.index(), self.first.len());
        let (mut next, mut spill) = (series, self.spill.get(series));
        core::iter::from_fn(move || {
            while let Some(cell) = more.get(next) {
                next += step;
                if is_used(&cell[outcome.index()]) {
                    return Some(&cell[outcome.index()]);
                }
            }
            spill.take().map(|cell| &cell[outcome.index()]).filter(|side| is_used(side))
        })
    }
}
