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
const GROUP: usize = 32;
/// So few cells are added one after the other.
const FEW: usize = 3;
type CellGroup<'a> = Vec<OutcomeCell<'a>, GROUP>;

/// A cell of which no wide word was in use, and which of its lanes may have requests: at least one.
struct NarrowCell<'a> {
    lanes: &'a [OwnedU16],
    range: LaneRange,
    wide_in_use: &'a AtomicU64,
}

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

    /// The same for cells that have lanes of one quantity alone. `each` shows them, and the same ones each time that it is
    /// called.
    pub(crate) fn read_observed<'c>(
        &mut self,
        map: LaneMap<'_>,
        quantity: Quantity,
        each: impl Fn(&mut dyn FnMut(OutcomeCell<'c>)),
    ) -> CellSummary {
        self.quantity = quantity;
        let lanes = map.all(quantity);
        // As in `read_merged`.
        loop {
            // Such a cell's first lane is the first of its quantity.
            (self.first_lane, self.range) = (0, LaneRange::default());
            let (mut all, mut is_right) = (CellSummary::NONE, true);
            each(&mut |cell| {
                let extremes = cell.extremes(quantity);
                all.add(cell.sum(quantity), extremes);
                let range = if map.has_exponentials() { map.between(quantity, extremes) } else { lanes };
                is_right &= self.add_cell(cell, range.after(lanes.first));
            });
            if is_right {
                self.first_lane = lanes.first;
                self.range = LaneRange { first: self.range.first + lanes.first, end: self.range.end + lanes.first };
                return all;
            }
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
                    add_words(sums, lanes.get(first..end).unwrap_or_default());
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

    /// Adds the lanes of some cells; whether that was right, as [`add_cells`](Self::add_cells) says.
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
        self.add_cells(cells, &ranges)
    }

    /// Adds the lanes of `cells`, of each those in its one of `ranges`: without their wide words where none of a cell's was
    /// in use, which is known only after they were read. Where they came into use meanwhile, what was added is wrong, and
    /// this is `false`.
    #[inline]
    pub(crate) fn add_cells(&mut self, cells: &[OutcomeCell<'_>], ranges: &[LaneRange]) -> bool {
        let cells = cells.iter().zip(ranges);
        if cells.len() < FEW {
            return cells.fold(true, |is_right, (cell, range)| self.add_cell(*cell, *range) & is_right);
        }
        let mut narrow: Vec<NarrowCell<'_>, GROUP> = Vec::new();
        for (cell, range) in cells {
            match NarrowCell::new(*cell, *range) {
                // No more than a group is asked for.
                Some(cell) => drop(narrow.push(cell)),
                None => self.add_whole(*cell, *range),
            }
        }
        narrow.iter().for_each(NarrowCell::touch);
        let (fours, rest) = narrow.as_chunks();
        fours.iter().for_each(|four| self.add_four(four));
        rest.iter().for_each(|cell| self.add_narrow(cell, cell.range));
        narrow.iter().fold(true, |is_right, cell| lanes::were_narrow(cell.wide_in_use) & is_right)
    }

    /// The same for one cell.
    #[inline]
    fn add_cell(&mut self, cell: OutcomeCell<'_>, range: LaneRange) -> bool {
        let Some(narrow) = NarrowCell::new(cell, range) else {
            self.add_whole(cell, range);
            return true;
        };
        self.add_narrow(&narrow, range);
        lanes::were_narrow(narrow.wide_in_use)
    }

    /// Adds four cells at once where all have requests: each sum is then loaded and stored once for four lanes.
    #[inline]
    fn add_four(&mut self, cells: &[NarrowCell<'_>; 4]) {
        let common = cells.iter().fold(cells[0].range, |common, cell| common.both(cell.range));
        if common.is_empty() {
            return cells.iter().for_each(|cell| self.add_narrow(cell, cell.range));
        }
        for cell in cells {
            self.grow_to(cell.range);
            let LaneRange { first, end } = cell.range;
            self.add_narrow(cell, LaneRange { first, end: end.min(common.first) });
            self.add_narrow(cell, LaneRange { first: first.max(common.end), end });
        }
        let [a, b, c, d] = cells.each_ref().map(|cell| cell.lanes(common));
        lanes::add_four_narrow(self.sums_of(common), [a, b, c, d]);
    }

    /// Adds a cell's lanes in `range`.
    #[inline]
    fn add_narrow(&mut self, cell: &NarrowCell<'_>, range: LaneRange) {
        if range.is_empty() {
            return;
        }
        if self.range.is_empty() {
            self.range = range;
            lanes::copy_narrow(self.sums_of(range), cell.lanes(range));
        } else {
            self.grow_to(range);
            lanes::add_narrow(self.sums_of(range), cell.lanes(range));
        }
    }

    /// Adds the totals of a cell's lanes in `range`.
    #[inline]
    fn add_whole(&mut self, cell: OutcomeCell<'_>, range: LaneRange) {
        if range.is_empty() {
            return;
        }
        self.grow_to(range);
        let (LaneRange { first, end }, sums) = (range, self.sums_of(range));
        match cell.lanes() {
            CellLanes::Merged { lanes, wides } => {
                add_totals(sums, lanes.get(first..end).unwrap_or_default(), wides.get(first..end).unwrap_or_default());
            }
            CellLanes::Spilled(lanes) | CellLanes::Classic(lanes) => {
                add_words(sums, lanes.get(first..end).unwrap_or_default());
            }
        }
    }

    /// Zeros in what `more`, which is not empty, has beside the sums.
    #[inline]
    fn grow_to(&mut self, more: LaneRange) {
        if self.range.is_empty() {
            self.range = LaneRange { first: more.first, end: more.first };
        }
        if more.first < self.range.first {
            self.sums_of(LaneRange { first: more.first, end: self.range.first }).fill(0);
            self.range.first = more.first;
        }
        if more.end > self.range.end {
            self.sums_of(LaneRange { first: self.range.end, end: more.end }).fill(0);
            self.range.end = more.end;
        }
    }

    #[inline(always)]
    fn sums_of(&mut self, range: LaneRange) -> &mut [u64] {
        self.sums.get_mut(range.first - self.first_lane..range.end - self.first_lane).unwrap_or_default()
    }

    /// All requests.
    #[cfg(loom)]
    pub(crate) fn all(&self) -> u64 {
        self.sums[self.range.first - self.first_lane..self.range.end - self.first_lane].iter().sum()
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

impl<'a> NarrowCell<'a> {
    /// Nothing where wide words are in use, or nothing is in range.
    #[inline]
    fn new(cell: OutcomeCell<'a>, range: LaneRange) -> Option<Self> {
        let wide_in_use = cell.wide_in_use();
        match cell.lanes() {
            // Relaxed: the look after the lanes decides.
            CellLanes::Merged { lanes, .. } if !range.is_empty() && wide_in_use.load(Relaxed) == 0 => {
                Some(Self { lanes, range, wide_in_use })
            }
            _ => None,
        }
    }

    /// Reads a word of each cache line of its range.
    #[inline]
    fn touch(&self) {
        let lanes = self.lanes(self.range);
        let mut at = 0;
        // Iterators with a step cost as much as the memory.
        while let Some(lane) = lanes.get(at) {
            lane.load(Relaxed);
            at += LINE / 2;
        }
        if let Some(last) = lanes.last() {
            last.load(Relaxed);
        }
    }

    #[inline(always)]
    fn lanes(&self, range: LaneRange) -> &'a [OwnedU16] {
        self.lanes.get(range.first..range.end).unwrap_or_default()
    }
}

/// Bytes of a cache line; of a part of one on some processors.
const LINE: usize = 64;

#[inline(never)]
fn add_totals(sums: &mut [u64], lanes: &[OwnedU16], wides: &[OwnedU32]) {
    for (sum, (lane, wide)) in sums.iter_mut().zip(lanes.iter().zip(wides)) {
        *sum = sum.wrapping_add(lanes::total(lane, wide));
    }
}

#[inline]
fn add_words(sums: &mut [u64], lanes: &[AtomicU64]) {
    for (sum, lane) in sums.iter_mut().zip(lanes) {
        // Relaxed: each number whole, not the numbers in step.
        *sum = sum.wrapping_add(lane.load(Relaxed));
    }
}
