//! How observations are counted: by the one thread that owns a shard, in plain loads and stores, and in the spill shard by
//! several.

use crate::atomics::{AtomicU64, Ordering::Relaxed, Ordering::Release};
use crate::counts::bounds::Quantity;
use crate::counts::cells::ClassicCell;
use crate::counts::lane_map::{LaneMap, Slots, lane_in_slot};
use crate::counts::lanes;
use crate::counts::layout::{
    COUNT, CellHead, HEAD, LARGEST, LATENCY_SUM, LONGEST, SHORTEST, SIZE_SUM, SMALLEST, WIDE_IN_USE,
};
use crate::counts::observed_cells::{CounterCell, HistogramCells, ObservedCells, ObservedLanes, counter_word, place};
use crate::counts::own_cells::Counting;
use crate::metrics::handles;

/// A shard's cells of the first series, and the registry that they are of.
#[derive(Clone, Copy)]
pub(crate) struct OwnObserved<'a> {
    counters: &'a [CounterCell],
    histograms: OwnHistograms<'a>,
    /// The tag of the registry's handles.
    tag: u32,
    /// Observations of series below this are counted; none on the spill shard.
    end: u32,
    /// The lane of the smallest numbers, which comes after those of times.
    first_of_sizes: u32,
}

#[derive(Clone, Copy)]
enum OwnHistograms<'a> {
    Merged { heads: &'a [CellHead], lanes: &'a [ObservedLanes] },
    Classic(&'a [ClassicCell]),
}

/// One observation of a histogram.
#[derive(Clone, Copy)]
pub(crate) struct ObservedValue {
    /// The handle of the histogram.
    pub(crate) handle: u32,
    pub(crate) series: u32,
    pub(crate) quantity: Quantity,
    /// In nanoseconds or units.
    pub(crate) value: u64,
}

impl<'a> OwnObserved<'a> {
    /// Those of `cells`, for series below `end`.
    pub(crate) fn of(cells: ObservedCells<'a>, map: LaneMap<'_>, tag: u32, end: u32) -> Self {
        let histograms = match cells.histograms {
            HistogramCells::Merged { heads, lanes, .. } => OwnHistograms::Merged { heads, lanes },
            HistogramCells::Classic(cells) => OwnHistograms::Classic(cells),
            // Several threads write those.
            HistogramCells::Spilled(_) => OwnHistograms::Merged { heads: &[], lanes: &[] },
        };
        let first_of_sizes = map.all(Quantity::Size).first as u32;
        Self { counters: cells.counters, histograms, tag, end, first_of_sizes }
    }

    pub(crate) const fn set_end(&mut self, end: u32) {
        self.end = end;
    }

    /// The place of the cell of a handle's instrument and a series, where its kind has `cells` of them; nothing where that is
    /// the handle of another registry, or the series is not among the first.
    #[inline(always)]
    fn place(&self, capacity: usize, handle: u32, series: u32) -> Option<usize> {
        let (index, series) = handles::place(self.tag, handle, series);
        if series >= self.end {
            return None;
        }
        place(capacity, (index, series))
    }

    /// The index of a handle's instrument among those of its kind, and the series that it counts for this one.
    #[inline]
    pub(crate) const fn instrument_of(&self, handle: u32, series: u32) -> (u32, u32) {
        handles::place(self.tag, handle, series)
    }

    /// Raises a counter in storage that has cells for `capacity` series; whether its cell was found.
    #[inline(always)]
    pub(crate) fn add(&self, capacity: usize, counter: u32, series: u32, by: u64) -> bool {
        let Some(cell) = self.place(capacity, counter, series).and_then(|place| self.counters.get(place)) else {
            return false;
        };
        raise_own(cell, by);
        true
    }

    /// Counts a value with the lane that its slot says. `carry` is told the place and the lane where that must [`carry`].
    #[inline(always)]
    pub(crate) fn observe(
        &self,
        capacity: usize,
        slots: Slots<'_>,
        seen: ObservedValue,
        carry: impl FnOnce(usize, usize),
    ) -> Counting {
        let lane = match slots {
            Slots::Fine(tables) => lane_in_slot(tables, seen.quantity, seen.value),
            Slots::Coarse(tables) => lane_in_slot(tables, seen.quantity, seen.value),
        };
        self.observe_in(capacity, lane, seen, carry)
    }

    /// The same with this lane of the registry's map.
    #[inline(always)]
    pub(crate) fn observe_in(
        &self,
        capacity: usize,
        lane: usize,
        seen: ObservedValue,
        carry: impl FnOnce(usize, usize),
    ) -> Counting {
        let Some(place) = self.place(capacity, seen.handle, seen.series) else { return Counting::Unknown };
        let lane = lane_of_quantity(seen.quantity, lane, self.first_of_sizes as usize);
        let head = match self.histograms {
            OwnHistograms::Merged { heads, lanes } => {
                let (Some(head), Some(lanes)) = (heads.get(place), lanes.get(place)) else { return Counting::Unknown };
                let Some(counted) = lanes.get(lane) else { return Counting::Crowded };
                if lanes::count(counted) {
                    carry(place, lane);
                }
                keep_extremes(head, seen);
                head
            }
            OwnHistograms::Classic(cells) => {
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
