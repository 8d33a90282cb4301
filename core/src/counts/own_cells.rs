//! How the cells of a shard are counted in: by the one thread that owns the shard, in plain loads and stores, and in the
//! spill shard by several.

use crate::atomics::{AtomicU64, Ordering::Relaxed};
use crate::counts::bounds::Quantity;
use crate::counts::cells::{Cells, ClassicCell, MergedLanes, MergedWides, merged_place, place};
use crate::counts::lane_map::{COARSE, FINE, LaneMap, SlotTables, Slots, compared, looked_up};
use crate::counts::lanes;
use crate::counts::layout::{
    COUNT, CellHead, LARGEST, LATENCY_SUM, LONGEST, SHORTEST, SIZE_SUM, SMALLEST, SampleNumbers, WIDE_IN_USE,
};
use crate::request::sample::Outcome;

/// The cells of the first series of a shard.
#[derive(Clone, Copy)]
pub(crate) enum OwnCells<'a> {
    Merged(MergedCells<'a>),
    Classic(ClassicCells<'a>),
}

#[derive(Clone, Copy)]
pub(crate) struct MergedCells<'a> {
    slots: &'a SlotTables<FINE>,
    /// Of successes, of failures.
    by_outcome: [HeadsAndLanes<'a>; 2],
    /// Of all series.
    wides: &'a [MergedWides],
}

#[derive(Clone, Copy)]
struct HeadsAndLanes<'a> {
    heads: &'a [CellHead],
    lanes: &'a [MergedLanes],
}

#[derive(Clone, Copy)]
pub(crate) struct ClassicCells<'a> {
    slots: &'a SlotTables<COARSE>,
    cells: &'a [ClassicCell],
}

impl<'a> OwnCells<'a> {
    /// None yet.
    pub(crate) const fn none(slots: Slots<'a>) -> Self {
        match slots {
            Slots::Fine(slots) => {
                let none = HeadsAndLanes { heads: &[], lanes: &[] };
                Self::Merged(MergedCells { slots, by_outcome: [none; 2], wides: &[] })
            }
            Slots::Coarse(slots) => Self::Classic(ClassicCells { slots, cells: &[] }),
        }
    }

    /// Those of series below `end` in a shard that has cells for `capacity` series.
    pub(crate) fn of(slots: Slots<'a>, cells: Cells<'a>, (shard, capacity): (usize, usize), end: usize) -> Self {
        let first = 2 * shard * capacity;
        match (cells, slots) {
            (Cells::Merged { heads, lanes, wides, .. }, Slots::Fine(slots)) => Self::Merged(MergedCells {
                slots,
                by_outcome: Outcome::ALL.map(|outcome| {
                    let first = first + merged_place(2 * capacity, 0, outcome);
                    let places = first..first + end;
                    HeadsAndLanes {
                        heads: heads.get(places.clone()).unwrap_or_default(),
                        lanes: lanes.get(places).unwrap_or_default(),
                    }
                }),
                wides: wides.get(first..first + 2 * capacity).unwrap_or_default(),
            }),
            (Cells::Classic { cells, .. }, Slots::Coarse(slots)) => {
                Self::Classic(ClassicCells { slots, cells: cells.get(first..first + 2 * end).unwrap_or_default() })
            }
            // No storage is made so.
            _ => Self::none(slots),
        }
    }

    /// The same, but without the cells of failures; where they are not apart, without any.
    pub(crate) fn without_failures(mut self) -> Self {
        match &mut self {
            Self::Merged(cells) => {
                let [_, failures] = &mut cells.by_outcome;
                *failures = HeadsAndLanes { heads: &[], lanes: &[] };
            }
            Self::Classic(cells) => cells.cells = &[],
        }
        self
    }

    /// Counts one request in the cell of a series.
    #[inline(always)]
    pub(crate) fn add(&self, series: usize, outcome: Outcome, seen: SampleNumbers) -> Counting {
        let lanes = match self {
            Self::Merged(cells) => looked_up(cells.slots, seen),
            Self::Classic(cells) => looked_up(cells.slots, seen),
        };
        self.add_in(series, outcome, lanes, seen)
    }

    /// The same where a value's slot has several bounds. `edges` are those of the registry's lanes.
    #[inline(always)]
    pub(crate) fn add_compared(
        &self,
        edges: &[AtomicU64],
        series: usize,
        outcome: Outcome,
        seen: SampleNumbers,
    ) -> Counting {
        let lanes = match self {
            Self::Merged(cells) => both_compared(cells.slots, edges, seen),
            Self::Classic(cells) => both_compared(cells.slots, edges, seen),
        };
        self.add_in(series, outcome, lanes, seen)
    }

    #[inline(always)]
    fn add_in(&self, series: usize, outcome: Outcome, lanes: (usize, usize), seen: SampleNumbers) -> Counting {
        match self {
            Self::Merged(cells) => cells.add(series, outcome, lanes, seen),
            Self::Classic(ClassicCells { cells, .. }) => {
                cells.get(place(series, outcome)).map_or(Counting::Unknown, |cell| add_classic(cell, lanes, seen))
            }
        }
    }
}

/// Whether a request was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counting {
    Done,
    /// No: its series is not among the cells.
    Unknown,
    /// No: several bounds lie in the slot of one of its values, which must be compared with them.
    Crowded,
}

impl MergedCells<'_> {
    /// Counts in these lanes of a cell.
    #[inline(always)]
    fn add(&self, series: usize, outcome: Outcome, (latency, size): (usize, usize), seen: SampleNumbers) -> Counting {
        let Some(HeadsAndLanes { heads, lanes }) = self.by_outcome.get(outcome.index()) else {
            return Counting::Unknown;
        };
        let (Some(head), Some(lanes)) = (heads.get(series), lanes.get(series)) else { return Counting::Unknown };
        let (Some(latency_lane), Some(size_lane)) = (lanes.get(latency), lanes.get(size)) else {
            return Counting::Crowded;
        };
        if lanes::count(latency_lane) {
            self.carry(head, (series, outcome), latency);
        }
        if lanes::count(size_lane) {
            self.carry(head, (series, outcome), size);
        }
        keep_extremes(head, seen);
        add_sums(head, seen);
        // Last, so that whoever counts a request finds it in the lanes, as far as the processor keeps stores in order.
        add_one(&head[COUNT]);
        Counting::Done
    }

    /// Once in 2^15 requests of a lane.
    #[cold]
    #[inline(never)]
    fn carry(&self, head: &CellHead, (series, outcome): (usize, Outcome), lane: usize) {
        let at = merged_place(self.wides.len(), series, outcome);
        if let Some(wide) = self.wides.get(at).and_then(|wides| wides.get(lane)) {
            lanes::carry(wide, &head[WIDE_IN_USE]);
        }
    }
}

#[inline(always)]
fn both_compared<const N: usize>(slots: &SlotTables<N>, edges: &[AtomicU64], seen: SampleNumbers) -> (usize, usize) {
    (compared(slots, edges, Quantity::Latency, seen.latency_ns), compared(slots, edges, Quantity::Size, seen.bytes))
}

/// Counts in these lanes of a cell of classic buckets.
#[inline(always)]
fn add_classic(cell: &ClassicCell, (latency, size): (usize, usize), seen: SampleNumbers) -> Counting {
    let Some((head, lanes)) = cell.split_first_chunk() else { return Counting::Unknown };
    let (Some(latency), Some(size)) = (lanes.get(latency), lanes.get(size)) else { return Counting::Crowded };
    add_one(latency);
    add_one(size);
    add_sums(head, seen);
    Counting::Done
}

/// Counts one request of a series in the spill shard.
pub(crate) fn add_shared(map: LaneMap<'_>, cells: Cells<'_>, series: usize, outcome: Outcome, seen: SampleNumbers) {
    let at = place(series, outcome);
    let cell = match cells {
        Cells::Merged { spill, .. } => spill.get(at).map(|cell| &cell[..]),
        Cells::Classic { spill, .. } => spill.get(at).map(|cell| &cell[..]),
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
fn add_sums(head: &CellHead, seen: SampleNumbers) {
    for (at, by) in sums_of(seen) {
        // Relaxed: readers want each number whole, not the numbers in step.
        head[at].store(head[at].load(Relaxed).wrapping_add(by), Relaxed);
    }
}

#[inline(always)]
const fn sums_of(seen: SampleNumbers) -> [(usize, u64); 2] {
    [(LATENCY_SUM, seen.latency_ns), (SIZE_SUM, seen.bytes)]
}

#[inline(always)]
fn add_one(lane: &AtomicU64) {
    // Relaxed, as in `add_sums`.
    lane.store(lane.load(Relaxed).wrapping_add(1), Relaxed);
}

#[inline(always)]
fn keep_extremes(head: &CellHead, seen: SampleNumbers) {
    for (at, to) in extremes_of(seen) {
        // A new extreme is rare, and a branch that is seldom taken costs less than a store.
        if to > head[at].load(Relaxed) {
            head[at].store(to, Relaxed);
        }
    }
}

/// What each word of the extremes must not be less than.
#[inline(always)]
const fn extremes_of(seen: SampleNumbers) -> [(usize, u64); 4] {
    [(LONGEST, seen.latency_ns), (SHORTEST, !seen.latency_ns), (LARGEST, seen.bytes), (SMALLEST, !seen.bytes)]
}

fn keep_extremes_shared(head: &CellHead, seen: SampleNumbers) {
    for (at, to) in extremes_of(seen) {
        head[at].fetch_max(to, Relaxed);
    }
}
