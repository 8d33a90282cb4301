//! The lanes of several cells are added up before buckets are made of them: a pass over a cell has no branch that depends on
//! what was counted.

use heapless::Vec;

use crate::atomics::owned::{OwnedU16, OwnedU32};
use crate::atomics::{AtomicU64, Ordering::Relaxed};
use crate::counts::bounds::{MAX_BOUNDS, Quantity};
use crate::counts::cells::Cells;
use crate::counts::exponential::SIZES;
use crate::counts::lane_map::{LaneMap, LaneRange};
use crate::counts::lanes;
use crate::counts::outcome_cell::{CellLanes, OutcomeCell};
use crate::counts::shard_cells::ShardCells;
use crate::request::sample::Outcome;
use crate::request::series::Series;

/// Requests by lane of one quantity: 2.5 KB.
#[derive(Clone, Debug)]
pub(crate) struct LaneSums {
    sums: [u64; QUANTITY_LANES],
    quantity: Quantity,
    /// The lane that the first sum is of.
    first_lane: usize,
    /// The lanes that were added up; in all others there are no requests.
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

/// Cells whose lines are asked for at once.
const GROUP: usize = 16;
type CellGroup<'a> = Vec<OutcomeCell<'a>, GROUP>;

/// Most lanes of one quantity.
pub(crate) const QUANTITY_LANES: usize = 320;
const _: () = assert!(QUANTITY_LANES >= SIZES + MAX_BOUNDS);

impl CellSummary {
    pub(crate) const NONE: Self = Self { sum: 0, smallest: u64::MAX, largest: 0 };

    #[inline]
    fn add(&mut self, sum: u64, (smallest, largest): (u64, u64)) {
        self.sum = self.sum.wrapping_add(sum);
        self.smallest = self.smallest.min(smallest);
        self.largest = self.largest.max(largest);
    }
}

impl LaneSums {
    pub(crate) const NONE: Self = Self {
        sums: [0; QUANTITY_LANES],
        quantity: Quantity::Latency,
        first_lane: 0,
        range: LaneRange { first: 0, end: 0 },
    };

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
        self.first_lane = first;
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

    /// Each cell between its own extremes: most cells of many recorders have counted little.
    #[inline]
    fn read_merged(&mut self, cells: &ShardCells<'_>, series: Series, outcomes: &[Outcome]) -> CellSummary {
        // Wide words come into use once for a cell: this ends.
        loop {
            if let Some(all) = self.try_read(cells, series, outcomes) {
                return all;
            }
        }
    }

    /// Adds up; `None`, and it must be done again, where a cell has begun to use wide words meanwhile.
    #[inline]
    fn try_read(&mut self, cells: &ShardCells<'_>, series: Series, outcomes: &[Outcome]) -> Option<CellSummary> {
        self.first_lane = cells.map.all(self.quantity).first;
        self.range = LaneRange { first: self.first_lane, end: self.first_lane };
        let (mut all, mut is_right) = (CellSummary::NONE, true);
        let mut group = Vec::new();
        for outcome in outcomes {
            cells.each(series, *outcome, |cell| {
                if let Err(cell) = group.push(cell) {
                    is_right &= self.add_group(cells.map, &group, &mut all);
                    group.clear();
                    // There is room now.
                    let _ = group.push(cell);
                }
            });
        }
        is_right &= self.add_group(cells.map, &group, &mut all);
        is_right.then_some(all)
    }

    /// Adds the lanes of some cells; whether that was right, as [`add_merged`] says.
    ///
    /// Each cell lies in a page of its own, and most of them in no cache. So the heads of all are read first, and all lines
    /// are touched before the first is added up: the processor waits for many at once.
    #[inline]
    fn add_group(&mut self, map: LaneMap<'_>, cells: &CellGroup<'_>, all: &mut CellSummary) -> bool {
        let mut ranges: Vec<LaneRange, GROUP> = Vec::new();
        for cell in cells {
            let extremes = cell.extremes(self.quantity);
            all.add(cell.sum(self.quantity), extremes);
            // There is room for as many.
            let _ = ranges.push(map.between(self.quantity, extremes));
        }
        if cells.len() > 2 {
            cells.iter().zip(&ranges).for_each(|(cell, range)| touch(*cell, *range));
        }
        cells.iter().zip(&ranges).fold(true, |is_right, (cell, range)| self.add(*cell, *range) & is_right)
    }

    /// Adds the lanes of a cell in `range`; whether that was right, as [`add_merged`] says.
    #[inline]
    fn add(&mut self, cell: OutcomeCell<'_>, range: LaneRange) -> bool {
        if range.is_empty() {
            return true;
        }
        let is_first = self.range.is_empty();
        if is_first {
            self.range = range;
        } else {
            self.grow_to(range);
        }
        let LaneRange { first, end } = range;
        let sums = self.sums_of(first, end);
        match cell.lanes() {
            CellLanes::Merged { lanes, wides } => match (lanes.get(first..end), wides.get(first..end)) {
                (Some(lanes), Some(wides)) => add_merged(sums, is_first, (lanes, wides), cell.wide_in_use()),
                _ => true,
            },
            CellLanes::Spilled(lanes) => {
                if is_first {
                    sums.fill(0);
                }
                add_whole(sums, lanes.get(first..end).unwrap_or_default());
                true
            }
            // There are none among merged ones.
            CellLanes::Classic(_) => true,
        }
    }

    /// Zeros in what `more`, which is not empty, has beside the sums.
    #[inline]
    fn grow_to(&mut self, more: LaneRange) {
        if more.first < self.range.first {
            self.sums_of(more.first, self.range.first).fill(0);
            self.range.first = more.first;
        }
        if more.end > self.range.end {
            self.sums_of(self.range.end, more.end).fill(0);
            self.range.end = more.end;
        }
    }

    #[inline(always)]
    fn sums_of(&mut self, first: usize, end: usize) -> &mut [u64] {
        self.sums.get_mut(first - self.first_lane..end - self.first_lane).unwrap_or_default()
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
            let lanes = self.sums.get(run.first - self.first_lane..run.end - self.first_lane).unwrap_or_default();
            add(bucket, lanes.iter().fold(0, |sum: u64, lane| sum.wrapping_add(*lane)));
        }
    }

    /// Requests in each exponential bucket that may have some. One may come several times.
    #[inline]
    pub(crate) fn exponential(&self, map: LaneMap<'_>, mut add: impl FnMut(usize, u64)) {
        let LaneRange { first, end } = self.range;
        let sums = self.sums.get(first - self.first_lane..end - self.first_lane).unwrap_or_default();
        for (lane, requests) in (first..end).zip(sums) {
            add(map.buckets(lane).exponential, *requests);
        }
    }
}

/// Reads a word of each cache line of a cell's lanes in `range`.
#[inline]
fn touch(cell: OutcomeCell<'_>, range: LaneRange) {
    let LaneRange { first, end } = range;
    if let CellLanes::Merged { lanes, .. } = cell.lanes() {
        let lanes = lanes.get(first..end).unwrap_or_default();
        for lane in lanes.iter().step_by(LINE / 2).chain(lanes.last()) {
            lane.load(Relaxed);
        }
    }
}

/// Bytes of a cache line; of a part of one on some processors.
const LINE: usize = 64;

/// Adds lanes to sums, of which nothing is kept where they are the first: alone where none of the cell's wide words was in
/// use, which is known only after they were read; where they came into use meanwhile, what was added is wrong, and this is
/// `false`.
#[inline]
pub(crate) fn add_merged(
    sums: &mut [u64],
    is_first: bool,
    (lanes, wides): (&[OwnedU16], &[OwnedU32]),
    wide_in_use: &AtomicU64,
) -> bool {
    // Relaxed: the look after the lanes decides.
    if wide_in_use.load(Relaxed) != 0 {
        if is_first {
            sums.fill(0);
        }
        add_totals(sums, lanes, wides);
        return true;
    }
    if is_first {
        lanes::copy_narrow(sums, lanes);
    } else {
        lanes::add_narrow(sums, lanes);
    }
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
