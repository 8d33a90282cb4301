//! How the cells of a shard are counted in: by the one thread that owns the shard, in plain loads and stores, and in the
//! spill shard by several.

use crate::atomics::{AtomicU64, Ordering::Relaxed};
use crate::counts::cells::{Cells, ClassicPair, HeadPair, LanePair, WidePair};
use crate::counts::lane_map::{COARSE, FINE, LaneMap, SlotTables, looked_up};
use crate::counts::lanes;
use crate::counts::layout::{
    COUNT, CellHead, LARGEST, LATENCY_SUM, LONGEST, Observation, SHORTEST, SIZE_SUM, SMALLEST, WIDE_IN_USE,
};
use crate::request::sample::Outcome;

/// Some cells of one shard, from that of series 0 on, with the tables that lead to their lanes.
#[derive(Clone, Copy)]
pub(crate) struct OwnCells<'a> {
    map: LaneMap<'a>,
    fine: Option<&'a SlotTables<FINE>>,
    heads: &'a [HeadPair],
    lanes: &'a [LanePair],
    wides: &'a [WidePair],
    coarse: Option<&'a SlotTables<COARSE>>,
    classic: &'a [ClassicPair],
}

impl<'a> OwnCells<'a> {
    /// None yet.
    pub(crate) const fn none(map: LaneMap<'a>) -> Self {
        Self { map, fine: map.fine(), heads: &[], lanes: &[], wides: &[], coarse: map.coarse(), classic: &[] }
    }

    /// Those at `places`, counted over shards and series.
    pub(crate) fn of(map: LaneMap<'a>, cells: Cells<'a>, places: core::ops::Range<usize>) -> Self {
        let none = Self::none(map);
        match cells {
            Cells::Merged { heads, lanes, wides, .. } => Self {
                heads: heads.get(places.clone()).unwrap_or_default(),
                lanes: lanes.get(places.clone()).unwrap_or_default(),
                wides: wides.get(places).unwrap_or_default(),
                ..none
            },
            Cells::Classic { cells, .. } => Self { classic: cells.get(places).unwrap_or_default(), ..none },
        }
    }

    /// The tables that lead to the lanes.
    pub(crate) const fn map(&self) -> LaneMap<'a> {
        self.map
    }

    /// Counts one request in the cell of a series; `false`, and nothing is counted, where it is not among these.
    #[inline(always)]
    pub(crate) fn add(&self, series: usize, outcome: Outcome, seen: Observation) -> bool {
        let side = outcome.index();
        if let (Some(lanes), Some(heads), Some(slots)) = (self.lanes.get(series), self.heads.get(series), self.fine) {
            let (lanes, head) = (&lanes[side], &heads[side]);
            let (latency, size) = looked_up(slots, seen);
            match (lanes.get(latency), lanes.get(size)) {
                (Some(latency_lane), Some(size_lane)) => {
                    let carries = (lanes::count(latency_lane), lanes::count(size_lane));
                    if carries.0 {
                        self.carry(series, side, latency);
                    }
                    if carries.1 {
                        self.carry(series, side, size);
                    }
                    keep_extremes(head, seen);
                    add_to_head(head, seen);
                }
                _ => self.add_compared(series, side, seen),
            }
            return true;
        }
        if let (Some(cell), Some(slots)) = (self.classic.get(series), self.coarse)
            && let Some((head, lanes)) = cell[side].split_first_chunk()
        {
            let (latency, size) = looked_up(slots, seen);
            match (lanes.get(latency), lanes.get(size)) {
                (Some(latency), Some(size)) => {
                    add_one(latency);
                    add_one(size);
                    add_to_head(head, seen);
                }
                _ => self.add_compared(series, side, seen),
            }
            return true;
        }
        false
    }

    /// The same where a value's slot has several bounds.
    #[inline(never)]
    fn add_compared(&self, series: usize, side: usize, seen: Observation) {
        let (latency, size) = self.map.lanes(seen);
        if let (Some(lanes), Some(heads)) = (self.lanes.get(series), self.heads.get(series)) {
            for lane in [latency, size] {
                if lanes[side].get(lane).is_some_and(lanes::count) {
                    self.carry(series, side, lane);
                }
            }
            keep_extremes(&heads[side], seen);
            add_to_head(&heads[side], seen);
        } else if let Some(cell) = self.classic.get(series)
            && let Some((head, lanes)) = cell[side].split_first_chunk()
        {
            [latency, size].iter().filter_map(|lane| lanes.get(*lane)).for_each(add_one);
            add_to_head(head, seen);
        }
    }

    /// Once in 2^15 requests of a lane.
    #[cold]
    fn carry(&self, series: usize, side: usize, lane: usize) {
        if let (Some(heads), Some(wides)) = (self.heads.get(series), self.wides.get(series))
            && let Some(wide) = wides[side].get(lane)
        {
            lanes::carry(wide, &heads[side][WIDE_IN_USE]);
        }
    }
}

/// Counts one request of a series in the spill shard.
pub(crate) fn add_shared(map: LaneMap<'_>, cells: Cells<'_>, series: usize, outcome: Outcome, seen: Observation) {
    let side = outcome.index();
    let cell = match cells {
        Cells::Merged { spill, .. } => spill.get(series).map(|cell| &cell[side][..]),
        Cells::Classic { spill, .. } => spill.get(series).map(|cell| &cell[side][..]),
    };
    let Some((head, lanes)) = cell.and_then(<[AtomicU64]>::split_first_chunk) else { return };
    if cells.has_exponentials() {
        keep_extremes_shared(head, seen);
    }
    let (latency, size) = map.lanes(seen);
    // Relaxed, here and below: only the sums count.
    for lane in [latency, size].into_iter().filter_map(|lane| lanes.get(lane)) {
        lane.fetch_add(1, Relaxed);
    }
    for (at, by) in [(LATENCY_SUM, seen.latency_ns), (SIZE_SUM, seen.bytes), (COUNT, 1)] {
        head[at].fetch_add(by, Relaxed);
    }
}

#[inline(always)]
fn add_to_head(head: &CellHead, seen: Observation) {
    for (at, by) in [(LATENCY_SUM, seen.latency_ns), (SIZE_SUM, seen.bytes), (COUNT, 1)] {
        // Relaxed: readers want each number whole, not the numbers in step.
        head[at].store(head[at].load(Relaxed).wrapping_add(by), Relaxed);
    }
}

#[inline(always)]
fn add_one(lane: &AtomicU64) {
    // Relaxed, as in `add_to_head`.
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
