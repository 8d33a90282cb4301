//! What one shard counts with an engine's own instruments: instrument by instrument, in each series by series.
//!
//! Numbers of observations are stored after all else that is counted of them, with release, and read first: whoever sees an
//! observation in the number finds it in the sum and in the lanes.

use crate::atomics::owned::{OwnedU16, OwnedU32};
use crate::atomics::{AtomicU64, Ordering};
use crate::counts::cells::ClassicCell;
use crate::counts::lane_sums::QUANTITY_LANES;
use crate::counts::layout::{CellHead, HEAD};
use crate::counts::outcome_cell::OutcomeCell;

/// What a shard counts of one counter and series: the words of [`counter_word`].
pub(crate) type CounterCell = [AtomicU64; 2];

/// Words of a counter's cell.
pub(crate) mod counter_word {
    pub(crate) const SUM: usize = 0;
    /// How often it was raised.
    pub(crate) const NUMBER: usize = 1;
}

/// How often a counter was raised. To be read before its sum.
pub(crate) fn number_of(cell: &CounterCell) -> u64 {
    // Acquire pairs with the release of whoever counts.
    cell[counter_word::NUMBER].load(Ordering::Acquire)
}

/// The lanes of a histogram, which counts one quantity: 640 bytes.
pub(crate) type ObservedLanes = [OwnedU16; QUANTITY_LANES];
/// What those carry into: 1,280 bytes, which stay untouched until a lane has counted 2^15 observations.
pub(crate) type ObservedWides = [OwnedU32; QUANTITY_LANES];
/// Head and lanes that several threads write: 2,624 bytes.
pub(crate) type ObservedSpill = [AtomicU64; HEAD + QUANTITY_LANES];

/// All that a shard counts.
#[derive(Clone, Copy)]
pub(crate) struct ObservedCells<'a> {
    pub(crate) counters: &'a [CounterCell],
    pub(crate) histograms: HistogramCells<'a>,
}

/// The cells of histograms. A cell has the head that requests have, of which those words are used that are of its quantity.
#[derive(Clone, Copy)]
pub enum HistogramCells<'a> {
    Merged {
        heads: &'a [CellHead],
        lanes: &'a [ObservedLanes],
        wides: &'a [ObservedWides],
    },
    /// The spill shard's.
    Spilled(&'a [ObservedSpill]),
    /// Of a shard or the spill shard, where there are classic buckets alone.
    Classic(&'a [ClassicCell]),
}

impl<'a> HistogramCells<'a> {
    /// The cell at this place.
    #[inline]
    pub(crate) fn cell(self, place: usize) -> Option<OutcomeCell<'a>> {
        match self {
            Self::Merged { heads, lanes, wides } => {
                Some(OutcomeCell::merged(heads.get(place)?, lanes.get(place)?, wides.get(place)?))
            }
            Self::Spilled(cells) => OutcomeCell::spilled(cells.get(place)?),
            Self::Classic(cells) => OutcomeCell::classic(cells.get(place)?),
        }
    }
}

/// The place of an instrument's cell of a series among those of its kind, where there are cells for `capacity` series of each.
/// No other instrument has it while `series` is below the capacity.
#[inline(always)]
pub(crate) fn place(capacity: usize, (index, series): (u32, u32)) -> Option<usize> {
    // In 64 bits nothing overflows, whatever a handle says.
    usize::try_from(u64::from(index) * capacity as u64 + u64::from(series)).ok()
}
