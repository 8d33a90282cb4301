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

/// The heads of both outcomes: 128 bytes.
pub(crate) type HeadPair = [CellHead; 2];
/// The lanes of both outcomes: 2,304 bytes.
pub(crate) type LanePair = [[OwnedU16; MERGED_LANES]; 2];
/// What those carry into: 4,608 bytes, which stay untouched until a lane has counted 2^15 requests.
pub(crate) type WidePair = [[OwnedU32; MERGED_LANES]; 2];
/// Heads and lanes of both outcomes in words of 64 bits.
pub(crate) type WholePair<const WORDS: usize> = [[AtomicU64; WORDS]; 2];
/// Classic buckets alone: 896 bytes.
pub(crate) type ClassicPair = WholePair<{ HEAD + CLASSIC_LANES }>;
/// Merged lanes that several threads write: 9,344 bytes.
pub(crate) type SpillPair = WholePair<{ HEAD + MERGED_LANES }>;

/// The cells of all shards, in each one for each series.
#[derive(Clone, Copy)]
pub enum Cells<'a> {
    Merged {
        heads: &'a [HeadPair],
        lanes: &'a [LanePair],
        wides: &'a [WidePair],
        /// The spill shard's.
        spill: &'a [SpillPair],
    },
    Classic {
        cells: &'a [ClassicPair],
        /// The spill shard's.
        spill: &'a [ClassicPair],
    },
}

impl<'a> Cells<'a> {
    /// Whether there are exponential buckets.
    pub(crate) const fn has_exponentials(self) -> bool {
        matches!(self, Self::Merged { .. })
    }

    /// The cell at this place, counted over shards and series.
    #[inline]
    pub(crate) fn own(self, at: usize, outcome: Outcome) -> Option<OutcomeCell<'a>> {
        let side = outcome.index();
        match self {
            Self::Merged { heads, lanes, wides, .. } => {
                Some(OutcomeCell::merged(&heads.get(at)?[side], &lanes.get(at)?[side], &wides.get(at)?[side]))
            }
            Self::Classic { cells, .. } => OutcomeCell::classic(&cells.get(at)?[side]),
        }
    }

    /// The spill shard's cell of a series.
    #[inline]
    pub(crate) fn spill(self, series: usize, outcome: Outcome) -> Option<OutcomeCell<'a>> {
        let side = outcome.index();
        match self {
            Self::Merged { spill, .. } => OutcomeCell::spilled(&spill.get(series)?[side]),
            Self::Classic { spill, .. } => OutcomeCell::classic(&spill.get(series)?[side]),
        }
    }
}
