//! How the cells of a shard are counted in: by the one thread that owns the shard, in plain loads and stores, and in the
//! spill shard by several.

use core::ops::Range;

use crate::atomics::owned::OwnedU16;
use crate::atomics::{AtomicU64, Ordering::Relaxed};
use crate::counts::cells::{Cells, ClassicPair, HeadPair, LanePair, MERGED_LANES, WidePair};
use crate::counts::lane_map::{COARSE, FINE, LaneMap, SlotTables, Slots, looked_up};
use crate::counts::lanes;
use crate::counts::layout::{
    COUNT, CellHead, LARGEST, LATENCY_SUM, LONGEST, Observation, SHORTEST, SIZE_SUM, SMALLEST, WIDE_IN_USE,
};
use crate::request::sample::Outcome;

/// Some cells of one shard, from that of series 0 on, with the map that leads to their lanes.
#[derive(Clone, Copy)]
pub(crate) struct OwnCells<'a> {
    map: LaneMap<'a>,
    cells: CellSlices<'a>,
}

#[derive(Clone, Copy)]
enum CellSlices<'a> {
    Merged(MergedCells<'a>),
    Classic { slots: &'a SlotTables<COARSE>, cells: &'a [ClassicPair] },
}

#[derive(Clone, Copy)]
struct MergedCells<'a> {
    slots: &'a SlotTables<FINE>,
    heads: &'a [HeadPair],
    lanes: &'a [LanePair],
    wides: &'a [WidePair],
}

impl<'a> OwnCells<'a> {
    /// None yet.
    pub(crate) const fn none(map: LaneMap<'a>) -> Self {
        let cells = match map.slots() {
            Slots::Fine(slots) => CellSlices::Merged(MergedCells { slots, heads: &[], lanes: &[], wides: &[] }),
            Slots::Coarse(slots) => CellSlices::Classic { slots, cells: &[] },
        };
        Self { map, cells }
    }

    /// Those at `places`, counted over shards and series.
    pub(crate) fn of(map: LaneMap<'a>, cells: Cells<'a>, places: Range<usize>) -> Self {
        let cells = match (cells, map.slots()) {
            (Cells::Merged { heads, lanes, wides, .. }, Slots::Fine(slots)) => CellSlices::Merged(MergedCells {
                slots,
                heads: heads.get(places.clone()).unwrap_or_default(),
                lanes: lanes.get(places.clone()).unwrap_or_default(),
                wides: wides.get(places).unwrap_or_default(),
            }),
            (Cells::Classic { cells, .. }, Slots::Coarse(slots)) => {
                CellSlices::Classic { slots, cells: cells.get(places).unwrap_or_default() }
            }
            // No storage is made so.
            _ => return Self::none(map),
        };
        Self { map, cells }
    }

    /// The map that leads to the lanes.
    pub(crate) const fn map(&self) -> LaneMap<'a> {
        self.map
    }

    /// Counts one request in the cell of a series; `false`, and nothing is counted, where it is not among these.
    #[inline(always)]
    pub(crate) fn add(&self, series: usize, outcome: Outcome, seen: Observation) -> bool {
        match &self.cells {
            CellSlices::Merged(cells) => {
                let Some(cell) = cells.of(series, outcome) else { return false };
                let (latency, size) = looked_up(cells.slots, seen);
                if !cell.add(latency, size, seen) {
                    self.add_compared(series, outcome, seen);
                }
            }
            CellSlices::Classic { slots, cells } => {
                let Some(cell) = cells.get(series) else { return false };
                let (latency, size) = looked_up(slots, seen);
                if !add_classic(&cell[outcome.index()], latency, size, seen) {
                    self.add_compared(series, outcome, seen);
                }
            }
        }
        true
    }

    /// The same where a value's slot has several bounds.
    #[inline(never)]
    fn add_compared(&self, series: usize, outcome: Outcome, seen: Observation) {
        let (latency, size) = self.map.lanes(seen);
        let is_counted = match &self.cells {
            CellSlices::Merged(cells) => {
                cells.of(series, outcome).is_some_and(|cell| cell.add(latency, size, seen))
            }
            CellSlices::Classic { cells, .. } => {
                cells.get(series).is_some_and(|cell| add_classic(&cell[outcome.index()], latency, size, seen))
            }
        };
        debug_assert!(is_counted, "every value has a lane");
    }
}

/// A merged cell.
struct MergedCell<'a> {
    head: &'a CellHead,
    lanes: &'a [OwnedU16; MERGED_LANES],
    wides: &'a [WidePair],
    series: usize,
    side: usize,
}

impl<'a> MergedCells<'a> {
    #[inline(always)]
    fn of(&self, series: usize, outcome: Outcome) -> Option<MergedCell<'a>> {
        let side = outcome.index();
        let (head, lanes) = (&self.heads.get(series)?[side], &self.lanes.get(series)?[side]);
        Some(MergedCell { head, lanes, wides: self.wides, series, side })
    }
}

impl MergedCell<'_> {
    /// Counts in these lanes; `false`, and nothing is counted, where there are no such.
    #[inline(always)]
    fn add(&self, latency: usize, size: usize, seen: Observation) -> bool {
        let (Some(latency_lane), Some(size_lane)) = (self.lanes.get(latency), self.lanes.get(size)) else {
            return false;
        };
        if lanes::count(latency_lane) {
            self.carry(latency);
        }
        if lanes::count(size_lane) {
            self.carry(size);
        }
        keep_extremes(self.head, seen);
        add_sums(self.head, seen);
        // Last, so that whoever counts a request finds it in the lanes, as far as the processor keeps stores in order.
        add_one(&self.head[COUNT]);
        true
    }

    /// Once in 2^15 requests of a lane.
    #[cold]
    #[inline(never)]
    fn carry(&self, lane: usize) {
        let wides = self.wides.get(self.series);
        if let Some(wide) = wides.and_then(|wides| wides[self.side].get(lane)) {
            lanes::carry(wide, &self.head[WIDE_IN_USE]);
        }
    }
}

/// Counts in these lanes of a cell of classic buckets; `false`, and nothing is counted, where there are no such.
#[inline(always)]
fn add_classic<const WORDS: usize>(cell: &[AtomicU64; WORDS], latency: usize, size: usize, seen: Observation) -> bool {
    let Some((head, lanes)) = cell.split_first_chunk() else { return false };
    let (Some(latency), Some(size)) = (lanes.get(latency), lanes.get(size)) else { return false };
    add_one(latency);
    add_one(size);
    add_sums(head, seen);
    true
}

/// Counts one request of a series in the spill shard.
pub(crate) fn add_shared(map: LaneMap<'_>, cells: Cells<'_>, series: usize, outcome: Outcome, seen: Observation) {
    let side = outcome.index();
    let cell = match cells {
        Cells::Merged { spill, .. } => spill.get(series).map(|cell| &cell[side][..]),
        Cells::Classic { spill, .. } => spill.get(series).map(|cell| &cell[side][..]),
    };
    let Some((head, lanes)) = cell.and_then(<[AtomicU64]>::split_first_chunk) else { return };
    let is_merged = cells.has_exponentials();
    if is_merged {
        keep_extremes_shared(head, seen);
    }
    let (latency, size) = map.lanes(seen);
    // Relaxed, here and below: only the sums count.
    for lane in [latency, size].into_iter().filter_map(|lane| lanes.get(lane)) {
        lane.fetch_add(1, Relaxed);
    }
    for (at, by) in sums_of(seen) {
        head[at].fetch_add(by, Relaxed);
    }
    if is_merged {
        head[COUNT].fetch_add(1, Relaxed);
    }
}

#[inline(always)]
fn add_sums(head: &CellHead, seen: Observation) {
    for (at, by) in sums_of(seen) {
        // Relaxed: readers want each number whole, not the numbers in step.
        head[at].store(head[at].load(Relaxed).wrapping_add(by), Relaxed);
    }
}

#[inline(always)]
const fn sums_of(seen: Observation) -> [(usize, u64); 2] {
    [(LATENCY_SUM, seen.latency_ns), (SIZE_SUM, seen.bytes)]
}

#[inline(always)]
fn add_one(lane: &AtomicU64) {
    // Relaxed, as in `add_sums`.
    lane.store(lane.load(Relaxed).wrapping_add(1), Relaxed);
}

#[inline(always)]
fn keep_extremes(head: &CellHead, seen: Observation) {
    for (at, to) in extremes_of(seen) {
        // A new extreme is rare, and a branch that is seldom taken costs less than a store.
        if to > head[at].load(Relaxed) {
            head[at].store(to, Relaxed);
        }
    }
}

/// What each word of the extremes must not be less than.
#[inline(always)]
const fn extremes_of(seen: Observation) -> [(usize, u64); 4] {
    [(LONGEST, seen.latency_ns), (SHORTEST, !seen.latency_ns), (LARGEST, seen.bytes), (SMALLEST, !seen.bytes)]
}

fn keep_extremes_shared(head: &CellHead, seen: Observation) {
    for (at, to) in extremes_of(seen) {
        head[at].fetch_max(to, Relaxed);
    }
}
