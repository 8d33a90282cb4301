//! How observations are counted: by the one thread that owns a shard, in plain loads and stores, and in the spill shard by
//! several.

use crate::atomics::owned::OwnedU16;
use crate::atomics::{AtomicU64, Ordering::Relaxed, Ordering::Release};
use crate::counts::bounds::Quantity;
use crate::counts::cells::ClassicCell;
use crate::counts::lane_map::{COARSE, FINE, LaneMap, SlotTables, Slots, lane_in_slot};
use crate::counts::lanes;
use crate::counts::layout::{
    COUNT, CellHead, HEAD, LARGEST, LATENCY_SUM, LONGEST, SHORTEST, SIZE_SUM, SMALLEST, WIDE_IN_USE,
};
use crate::counts::observed_cells::{CounterCell, HistogramCells, ObservedCells, ObservedLanes, counter_word, place};
use crate::counts::own_cells::Counting;
use crate::metrics::handles;

/// A shard's cells, and the registry that they are of.
#[derive(Clone, Copy)]
pub(crate) struct OwnObserved<'a> {
    counters: &'a [CounterCell],
    histograms: OwnHistograms<'a>,
    /// The tag of the registry's handles.
    tag: u32,
    /// The lane of the smallest numbers, which comes after those of times.
    first_of_sizes: u32,
}

/// With the slots that lead to their lanes, so that one look at the kind of storage is enough.
#[derive(Clone, Copy)]
enum OwnHistograms<'a> {
    Merged { slots: &'a SlotTables<FINE>, heads: &'a [CellHead], lanes: &'a [ObservedLanes] },
    Classic { slots: &'a SlotTables<COARSE>, cells: &'a [ClassicCell] },
}

/// One observation of a histogram.
#[derive(Clone, Copy)]
pub(crate) struct ObservedValue {
    /// The histogram's among those of its kind.
    pub(crate) index: u32,
    /// That counts it.
    pub(crate) series: u32,
    pub(crate) quantity: Quantity,
    /// In nanoseconds or units.
    pub(crate) value: u64,
}

impl<'a> OwnObserved<'a> {
    /// Those of `cells`.
    pub(crate) fn of(cells: ObservedCells<'a>, map: LaneMap<'a>, tag: u32) -> Self {
        let histograms = match (map.slots(), cells.histograms) {
            (Slots::Fine(slots), HistogramCells::Merged { heads, lanes, .. }) => {
                OwnHistograms::Merged { slots, heads, lanes }
            }
            // Several threads write those of the spill shard.
            (Slots::Fine(slots), _) => OwnHistograms::Merged { slots, heads: &[], lanes: &[] },
            (Slots::Coarse(slots), HistogramCells::Classic(cells)) => OwnHistograms::Classic { slots, cells },
            (Slots::Coarse(slots), _) => OwnHistograms::Classic { slots, cells: &[] },
        };
        let first_of_sizes = map.all(Quantity::Size).first as u32;
        Self { counters: cells.counters, histograms, tag, first_of_sizes }
    }

    /// The index of a handle's instrument among those of its kind, and the series that it counts for this one.
    #[inline(always)]
    pub(crate) const fn instrument_of(&self, handle: u32, series: u32) -> (u32, u32) {
        handles::place(self.tag, handle, series)
    }

    /// Raises a counter, of which [`instrument_of`](Self::instrument_of) says this, in storage that has cells for `capacity`
    /// series; whether its cell was found, and the series is below `end`.
    #[inline(always)]
    pub(crate) fn add(&self, (capacity, end): (usize, u32), (index, series): (u32, u32), by: u64) -> bool {
        let place = if series < end { place(capacity, (index, series)) } else { None };
        let Some(cell) = place.and_then(|place| self.counters.get(place)) else { return false };
        raise_own(cell, by);
        true
    }

    /// Counts a value with the lane that its slot says, in storage and of series as in [`add`](Self::add). A lane that must
    /// [`carry`] is crowded.
    #[inline(always)]
    pub(crate) fn observe(&self, (capacity, end): (usize, u32), seen: ObservedValue) -> Counting {
        // First, so that storage with rings, where it finds nothing, looks for no lane.
        if seen.series >= end {
            return Counting::Unknown;
        }
        let Some(place) = place(capacity, (seen.index, seen.series)) else { return Counting::Unknown };
        let lane = match self.histograms {
            OwnHistograms::Merged { slots, .. } => lane_in_slot(slots, seen.quantity, seen.value),
            OwnHistograms::Classic { slots, .. } => lane_in_slot(slots, seen.quantity, seen.value),
        };
        self.count(place, lane, seen, |lane, _| lanes::count_between_carries(lane))
    }

    /// The same at this place and with this lane of the registry's map. `carry` is told the place and the lane where that must
    /// [`carry`].
    pub(crate) fn observe_in(
        &self,
        place: usize,
        lane: usize,
        seen: ObservedValue,
        carry: impl FnOnce(usize, usize),
    ) -> Counting {
        self.count(place, lane, seen, |counted, lane| {
            if lanes::count(counted) {
                carry(place, lane);
            }
            true
        })
    }

    /// Counts a value in a lane of the registry's map, as `count` does in the cell's lane of this number: unless it says no.
    #[inline(always)]
    fn count(
        &self,
        place: usize,
        lane: usize,
        seen: ObservedValue,
        count: impl FnOnce(&OwnedU16, usize) -> bool,
    ) -> Counting {
        let lane = lane_of_quantity(seen.quantity, lane, self.first_of_sizes as usize);
        let head = match self.histograms {
            OwnHistograms::Merged { heads, lanes, .. } => {
                let (Some(head), Some(lanes)) = (heads.get(place), lanes.get(place)) else { return Counting::Unknown };
                let Some(counted) = lanes.get(lane) else { return Counting::Crowded };
                if !count(counted, lane) {
                    return Counting::Crowded;
                }
                keep_extremes(head, seen);
                head
            }
            OwnHistograms::Classic { cells, .. } => {
                let Some((head, lanes)) = cells.get(place).and_then(|cell| cell.split_first_chunk()) else {
                    return Counting::Unknown;
                };
                let Some(counted) = lanes.get(lane) else { return Counting::Crowded };
                add_own(counted, 1);
                head
            }
        };
        add_own(HeadOfQuantity::of(head, seen.quantity).sum, seen.value);
        count_own(&head[COUNT]);
        Counting::Done
    }
}

/// Counts half a turn in the wide word of a lane, for the thread that owns the cell. Once in 2^15 observations of a lane.
#[cold]
#[inline(never)]
pub(crate) fn carry(cells: HistogramCells<'_>, place: usize, lane: usize) {
    let HistogramCells::Merged { heads, wides, .. } = cells else { return };
    if let (Some(head), Some(wide)) = (heads.get(place), wides.get(place).and_then(|wides| wides.get(lane))) {
        lanes::carry(wide, &head[WIDE_IN_USE]);
    }
}

/// Raises a counter that this thread alone does.
#[inline(always)]
pub(crate) fn raise_own(cell: &CounterCell, by: u64) {
    add_own(&cell[counter_word::SUM], by);
    count_own(&cell[counter_word::NUMBER]);
}

/// Raises a counter that several threads do.
pub(crate) fn raise_shared(cell: &CounterCell, by: u64) {
    cell[counter_word::SUM].fetch_add(by, Relaxed);
    // Release, as in `count_own`.
    cell[counter_word::NUMBER].fetch_add(1, Release);
}

/// Counts a value in a histogram of the spill shard.
pub(crate) fn observe_shared(cells: ObservedCells<'_>, map: LaneMap<'_>, place: usize, seen: ObservedValue) {
    let cell = match cells.histograms {
        HistogramCells::Spilled(cells) => cells.get(place).map(|cell| &cell[..]),
        HistogramCells::Classic(cells) => cells.get(place).map(|cell| &cell[..]),
        HistogramCells::Merged { .. } => None,
    };
    let Some((head, lanes)) = cell.and_then(<[AtomicU64]>::split_first_chunk::<HEAD>) else { return };
    let words = HeadOfQuantity::of(head, seen.quantity);
    if map.has_exponentials() {
        words.largest.fetch_max(seen.value, Relaxed);
        words.smallest.fetch_max(!seen.value, Relaxed);
    }
    let lane = lane_of_quantity(seen.quantity, map.lane(seen.quantity, seen.value), map.all(Quantity::Size).first);
    // Relaxed, here and above: what a reader must see comes with the number.
    if let Some(lane) = lanes.get(lane) {
        lane.fetch_add(1, Relaxed);
    }
    words.sum.fetch_add(seen.value, Relaxed);
    head[COUNT].fetch_add(1, Release);
}

/// The place of a lane of the registry's map in a cell that has the lanes of one quantity alone.
#[inline(always)]
const fn lane_of_quantity(quantity: Quantity, lane: usize, first_of_sizes: usize) -> usize {
    match quantity {
        Quantity::Latency => lane,
        // No number has a lane before the first.
        Quantity::Size => lane.wrapping_sub(first_of_sizes),
    }
}

/// The words of a head that are of one quantity.
#[derive(Clone, Copy)]
struct HeadOfQuantity<'a> {
    sum: &'a AtomicU64,
    largest: &'a AtomicU64,
    /// Of the complement.
    smallest: &'a AtomicU64,
}

impl<'a> HeadOfQuantity<'a> {
    #[inline(always)]
    const fn of(head: &'a CellHead, quantity: Quantity) -> Self {
        match quantity {
            Quantity::Latency => Self { sum: &head[LATENCY_SUM], largest: &head[LONGEST], smallest: &head[SHORTEST] },
            Quantity::Size => Self { sum: &head[SIZE_SUM], largest: &head[LARGEST], smallest: &head[SMALLEST] },
        }
    }
}

#[inline(always)]
fn keep_extremes(head: &CellHead, seen: ObservedValue) {
    let words = HeadOfQuantity::of(head, seen.quantity);
    for (word, to) in [(words.largest, seen.value), (words.smallest, !seen.value)] {
        // A new extreme is rare, and a branch that is seldom taken costs less than a store.
        if to > word.load(Relaxed) {
            word.store(to, Relaxed);
        }
    }
}

#[inline(always)]
fn add_own(word: &AtomicU64, by: u64) {
    // Relaxed: this thread alone stores, and what a reader must see comes with the number.
    word.store(word.load(Relaxed).wrapping_add(by), Relaxed);
}

/// Counts an observation, after all else of it.
#[inline(always)]
fn count_own(number: &AtomicU64) {
    // Release: whoever sees the observation here sees the rest of it.
    number.store(number.load(Relaxed).wrapping_add(1), Release);
}
