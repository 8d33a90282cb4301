//! The cells of a storage: what each shard counts of each series and outcome.
//!
//! In storage that keeps exponential histograms a shard's cell is a head, lanes of 16 bits, and the wide words that those
//! carry into. Where several threads write, and in storage that keeps classic buckets alone, lanes are words of 64 bits after
//! the head: the former need no carry then, and the latter are so few that short ones would save nothing.

use crate::atomics::AtomicU64;
use crate::atomics::owned::{OwnedU16, OwnedU32};
use crate::counts::layout::{CellHead, HEAD};
use crate::counts::outcome_cell::OutcomeCell;
use crate::request::sample::Outcome;

/// Lanes of an outcome where classic and exponential buckets are merged: whole cache lines, and at least as many as any bounds
/// lead to.
pub(crate) const MERGED_LANES: usize = 576;
/// Lanes of an outcome where there are classic buckets alone.
pub(crate) const CLASSIC_LANES: usize = 48;

/// The lanes of an outcome: 1,152 bytes.
pub(crate) type MergedLanes = [OwnedU16; MERGED_LANES];
/// What those carry into: 2,304 bytes, which stay untouched until a lane has counted 2^15 requests.
pub(crate) type MergedWides = [OwnedU32; MERGED_LANES];
/// Head and merged lanes that several threads write: 4,672 bytes.
pub(crate) type SpillCell = [AtomicU64; HEAD + MERGED_LANES];
/// Head and classic lanes: 448 bytes.
pub(crate) type ClassicCell = [AtomicU64; HEAD + CLASSIC_LANES];

/// The cells of all shards, one shard after another. In each those of one series after another, success before failure. But
/// where lanes are merged, those of all successes come before those of all failures, so that pages of failures stay untouched
/// where nothing fails.
#[derive(Clone, Copy)]
pub enum Cells<'a> {
    Merged {
        heads: &'a [CellHead],
        lanes: &'a [MergedLanes],
        wides: &'a [MergedWides],
        /// The spill shard's.
        spill: &'a [SpillCell],
    },
    Classic {
        cells: &'a [ClassicCell],
        /// The spill shard's.
        spill: &'a [ClassicCell],
    },
}

/// The place of a cell among those of a shard, unless its lanes are merged.
#[inline(always)]
pub(crate) const fn place(series: usize, outcome: Outcome) -> usize {
    2 * series + outcome.index()
}

/// The place of a cell of merged lanes among the `cells` of a shard.
pub(crate) const fn merged_place(cells: usize, series: usize, outcome: Outcome) -> usize {
    outcome.index() * (cells / 2) + series
}

impl<'a> Cells<'a> {
    /// Whether there are exponential buckets.
    pub(crate) const fn has_exponentials(self) -> bool {
        matches!(self, Self::Merged { .. })
    }

    /// The cell of a series in a shard that has cells for `capacity` series.
    #[inline]
    pub(crate) fn own(
        self,
        (shard, capacity): (usize, usize),
        series: usize,
        outcome: Outcome,
    ) -> Option<OutcomeCell<'a>> {
        let first = 2 * shard * capacity;
        match self {
            Self::Merged { heads, lanes, wides, .. } => {
                let at = first + merged_place(2 * capacity, series, outcome);
                Some(OutcomeCell::merged(heads.get(at)?, lanes.get(at)?, wides.get(at)?))
            }
            Self::Classic { cells, .. } => OutcomeCell::classic(cells.get(first + place(series, outcome))?),
        }
    }

    /// The spill shard's cell of a series.
    #[inline]
    pub(crate) fn spill(self, series: usize, outcome: Outcome) -> Option<OutcomeCell<'a>> {
        let at = place(series, outcome);
        match self {
            Self::Merged { spill, .. } => OutcomeCell::spilled(spill.get(at)?),
            Self::Classic { spill, .. } => OutcomeCell::classic(spill.get(at)?),
        }
    }
}
