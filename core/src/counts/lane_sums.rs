//! The lanes of several cells are added up before buckets are made of them: a pass over a cell has no branch that depends on
//! what was counted.

use crate::atomics::owned::{OwnedU16, OwnedU32};
use crate::atomics::{AtomicU64, Ordering::Relaxed};
use crate::counts::bounds::{MAX_BOUNDS, Quantity};
use crate::counts::cells::Cells;
use crate::counts::exponential::SIZES;
use crate::counts::lane_map::{LaneMap, LaneRange};
use crate::counts::lanes;
use crate::counts::outcome_cell::CellLanes;
use crate::counts::shard_cells::ShardCells;
use crate::request::sample::Outcome;
use crate::request::series::Series;

/// Requests by lane of one quantity: 2.5 KB.
#[derive(Clone, Debug)]
pub(crate) struct LaneSums {
    sums: [u64; QUANTITY_LANES],
    quantity: Quantity,
    /// The lanes that the sums are of; in all others there are no requests.
    range: LaneRange,
}

/// What several cells have besides their lanes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CellSummary {
    /// Of latencies in nanoseconds, or of sizes in bytes.
    pub(crate) sum: u64,
    /// The smallest value; the largest number where nothing was counted, and in storage of classic buckets alone.
    pub(crate) smallest: u64,
    /// The largest value, or zero likewise.
    pub(crate) largest: u64,
}

/// Most lanes of one quantity.
pub(crate) const QUANTITY_LANES: usize = 320;
const _: () = assert!(QUANTITY_LANES >= SIZES + MAX_BOUNDS);

impl LaneSums {
    pub(crate) const NONE: Self =
        Self { sums: [0; QUANTITY_LANES], quantity: Quantity::Latency, range: LaneRange { first: 0, end: 0 } };

    /// Adds up the lanes of a quantity of a series and some outcomes, and forgets what was added up before.
    #[inline]
    pub(crate) fn read(
        &mut self,
        cells: &ShardCells<'_>,
        series: Series,
        outcomes: &[Outcome],
        quantity: Quantity,
    ) -> CellSummary {
        self.quantity = quantity;
        match cells.cells {
            Cells::Merged { .. } => self.read_merged(cells, series, outcomes),
            Cells::Classic { .. } => self.read_classic(cells, series, outcomes),
        }
    }

    /// All classic lanes: in one pass, because it is known before which lanes there are.
    #[inline]
    fn read_classic(&mut self, cells: &ShardCells<'_>, series: Series, outcomes: &[Outcome]) -> CellSummary {
        self.range = cells.map.all(self.quantity);
        let LaneRange { first, end } = self.range;
        let sums = self.sums.get_mut(..end - first).unwrap_or_default();
        sums.fill(0);
        let mut sum = 0_u64;
        for outcome in outcomes {
            cells.each(series, *outcome, |cell| {
                sum = sum.wrapping_add(cell.sum(self.quantity));
                if let CellLanes::Classic(lanes) = cell.lanes() {
                    add_whole(sums, lanes.get(first..end).unwrap_or_default());
                }
            });
        }
        CellSummary { sum, smallest: u64::MAX, largest: 0 }
    }

    /// First the extremes of all cells, then the lanes between them.
    #[inline]
    fn read_merged(&mut self, cells: &ShardCells<'_>, series: Series, outcomes: &[Outcome]) -> CellSummary {
        let (quantity, mut all) = (self.quantity, CellSummary { sum: 0, smallest: u64::MAX, largest: 0 });
        for outcome in outcomes {
            cells.each(series, *outcome, |cell| {
                let (smallest, largest) = cell.extremes(quantity);
                all.sum = all.sum.wrapping_add(cell.sum(quantity));
                all.smallest = all.smallest.min(smallest);
                all.largest = all.largest.max(largest);
            });
        }
        self.range = cells.map.between(quantity, (all.smallest, all.largest));
        // Wide words come into use once for a cell: this ends.
        while !self.try_add(cells, series, outcomes) {}
        all
    }

    /// Adds up; `false`, and it must be done again, where a cell has begun to use wide words meanwhile.
    #[inline]
    fn try_add(&mut self, cells: &ShardCells<'_>, series: Series, outcomes: &[Outcome]) -> bool {
        let LaneRange { first, end } = self.range;
        let Some(sums) = self.sums.get_mut(..end - first) else { return true };
        sums.fill(0);
        let mut is_right = true;
        for outcome in outcomes {
            cells.each(series, *outcome, |cell| match cell.lanes() {
                CellLanes::Merged { lanes, wides } => {
                    if let (Some(lanes), Some(wides)) = (lanes.get(first..end), wides.get(first..end)) {
                        is_right &= add_merged(sums, lanes, wides, cell.wide_in_use());
                    }
                }
                CellLanes::Spilled(lanes) => add_whole(sums, lanes.get(first..end).unwrap_or_default()),
                // There are none among merged ones.
                CellLanes::Classic(_) => {}
            });
        }
        is_right
    }

    /// Requests in each classic bucket that may have some.
    #[inline]
    pub(crate) fn classic(&self, map: LaneMap<'_>, mut add: impl FnMut(usize, u64)) {
        let LaneRange { first, end } = self.range;
        if !map.has_exponentials() {
            // Each lane is a bucket.
            return self.sums.iter().take(end - first).enumerate().for_each(|(bucket, lane)| add(bucket, *lane));
        }
        for (bucket, run) in map.classic_runs(self.quantity, self.range) {
            let lanes = self.sums.get(run.first - first..run.end - first).unwrap_or_default();
            add(bucket, lanes.iter().fold(0, |sum: u64, lane| sum.wrapping_add(*lane)));
        }
    }

    /// Requests in each exponential bucket that may have some. One may come several times.
    #[inline]
    pub(crate) fn exponential(&self, map: LaneMap<'_>, mut add: impl FnMut(usize, u64)) {
        for (lane, requests) in (self.range.first..self.range.end).zip(&self.sums) {
            add(map.buckets(lane).exponential, *requests);
        }
    }
}

/// Adds lanes to sums: alone where none of the cell's wide words was in use, which is known only after they were read; where
/// they came into use meanwhile, what was added is wrong, and this is `false`.
#[inline]
pub(crate) fn add_merged(sums: &mut [u64], lanes: &[OwnedU16], wides: &[OwnedU32], wide_in_use: &AtomicU64) -> bool {
    // Relaxed: the look after the lanes decides.
    if wide_in_use.load(Relaxed) != 0 {
        add_totals(sums, lanes, wides);
        return true;
    }
    lanes::add_narrow(sums, lanes);
    lanes::were_narrow(wide_in_use)
}

#[inline(never)]
fn add_totals(sums: &mut [u64], lanes: &[OwnedU16], wides: &[OwnedU32]) {
    for (sum, (lane, wide)) in sums.iter_mut().zip(lanes.iter().zip(wides)) {
        *sum = sum.wrapping_add(lanes::total(lane, wide));
    }
}

#[inline]
fn add_whole(sums: &mut [u64], lanes: &[AtomicU64]) {
    for (sum, lane) in sums.iter_mut().zip(lanes) {
        // Relaxed: each number whole, not the numbers in step.
        *sum = sum.wrapping_add(lane.load(Relaxed));
    }
}
