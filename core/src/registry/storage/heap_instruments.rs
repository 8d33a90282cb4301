//! An engine's own instruments in storage on the heap.

use super::aligned::{Aligned, product};
use super::size_error::SizeError;
use crate::atomics::AtomicU64;
use crate::atomics::owned::{OwnedU16, OwnedU32};
use crate::counts::cells::ClassicCell;
use crate::counts::layout::CellHead;
use crate::counts::observed_cells::{
    CounterCell, HistogramCells, ObservedCells, ObservedLanes, ObservedSpill, ObservedWides,
};
use crate::registry::instruments::declaration::DeclaredWords;

/// What there is room for, and what all shards count with it.
pub(super) struct HeapInstruments {
    /// Counters and histograms.
    pub(super) declared: [Aligned; 2],
    counters: OfShards,
    spill_counters: Aligned,
    histograms: HeapHistograms,
}

/// The cells of shards, one after another. Each shard's begin at a pair of cache lines.
struct OfShards {
    cells: Aligned,
    /// Cells of one shard, and those from one shard's first to the next one's.
    used: usize,
    stride: usize,
}

enum HeapHistograms {
    Merged { heads: OfShards, lanes: Aligned<OwnedU16>, wides: Aligned<OwnedU32>, spill: Aligned },
    Classic { cells: OfShards, spill: Aligned },
}

impl HeapInstruments {
    pub(super) fn new(
        has_exponentials: bool,
        [counters, histograms]: [usize; 2],
        shards: usize,
        series: usize,
    ) -> Result<Self, SizeError> {
        let [counter_cells, cells] = [product(counters, series)?, product(histograms, series)?];
        Ok(Self {
            declared: [Aligned::of::<DeclaredWords>(counters)?, Aligned::of::<DeclaredWords>(histograms)?],
            counters: OfShards::new::<CounterCell>(counter_cells, shards)?,
            spill_counters: Aligned::of::<CounterCell>(counter_cells)?,
            histograms: if has_exponentials {
                HeapHistograms::merged(cells, shards)?
            } else {
                HeapHistograms::classic(cells, shards)?
            },
        })
    }

    pub(super) fn own(&self, shard: usize) -> ObservedCells<'_> {
        let histograms = match &self.histograms {
            HeapHistograms::Merged { heads, lanes, wides, .. } => {
                let places = shard * heads.used..(shard + 1) * heads.used;
                HistogramCells::Merged {
                    heads: heads.of(shard),
                    lanes: lanes.arrays().get(places.clone()).unwrap_or_default(),
                    wides: wides.arrays().get(places).unwrap_or_default(),
                }
            }
            HeapHistograms::Classic { cells, .. } => HistogramCells::Classic(cells.of(shard)),
        };
        ObservedCells { counters: self.counters.of(shard), histograms }
    }

    pub(super) fn spill(&self) -> ObservedCells<'_> {
        let histograms = match &self.histograms {
            HeapHistograms::Merged { spill, .. } => HistogramCells::Spilled(spill.arrays()),
            HeapHistograms::Classic { spill, .. } => HistogramCells::Classic(spill.arrays()),
        };
        ObservedCells { counters: self.spill_counters.arrays(), histograms }
    }
}

impl HeapHistograms {
    fn merged(cells: usize, shards: usize) -> Result<Self, SizeError> {
        // Lanes and wide words of a cell are pairs of cache lines.
        let all = product(cells, shards)?;
        Ok(Self::Merged {
            heads: OfShards::new::<CellHead>(cells, shards)?,
            lanes: Aligned::of::<ObservedLanes>(all)?,
            wides: Aligned::of::<ObservedWides>(all)?,
            spill: Aligned::of::<ObservedSpill>(cells)?,
        })
    }

    fn classic(cells: usize, shards: usize) -> Result<Self, SizeError> {
        Ok(Self::Classic {
            cells: OfShards::new::<ClassicCell>(cells, shards)?,
            spill: Aligned::of::<ClassicCell>(cells)?,
        })
    }
}

impl OfShards {
    /// Room for so many cells, which are words, in each shard.
    fn new<T>(cells: usize, shards: usize) -> Result<Self, SizeError> {
        // So many of any cell are whole pairs of cache lines.
        let stride = cells.checked_next_multiple_of(LINE_WORDS).ok_or(SizeError::Memory)?;
        Ok(Self { cells: Aligned::of::<T>(product(stride, shards)?)?, used: cells, stride })
    }

    fn of<const N: usize>(&self, shard: usize) -> &[[AtomicU64; N]] {
        let first = shard * self.stride;
        self.cells.arrays().get(first..first + self.used).unwrap_or_default()
    }
}

/// Words of a pair of cache lines.
const LINE_WORDS: usize = 16;
