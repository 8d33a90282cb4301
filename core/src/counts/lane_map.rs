//! Which lane counts a value: found without a loop over the bounds, because no predictor can learn latencies.
//!
//! A float's leading bits put a number into one of a few slots to each power of two. Where at most one bound lies in a slot,
//! the lane is one of two, and adding what a table holds for the slot to the number carries into the lane's number where
//! the bound is exceeded: a conversion, a look-up, and no comparison that the next step would wait for. Slots in which
//! several bounds lie say so, and their bounds are compared.
//!
//! The tables are written once for a registry, when its bounds are settled, and shared by all recorders. Threads that come
//! at once write the same words.

use crate::atomics::{AtomicU64, Ordering};
use crate::counts::bounds::{Bounds, Quantity};
use crate::counts::edges::{LaneBuckets, LaneEdges};
use crate::counts::layout::Observation;

/// The slots of latencies, and of sizes.
pub(crate) type SlotTables<const N: usize> = [[AtomicU64; N]; 2];

/// Slots of storage that keeps exponential histograms: 64 to each power of two, so that the contract's bounds and those of
/// the scale have one each.
pub(crate) const FINE: usize = 64 << 6;
/// Slots of storage that keeps classic buckets alone: four to each power of two.
pub(crate) const COARSE: usize = 64 << 2;

/// The slots of one kind of storage or the other: one pair of tables.
#[derive(Clone, Copy)]
pub enum Slots<'a> {
    Fine(&'a [SlotTables<FINE>]),
    Coarse(&'a [SlotTables<COARSE>]),
}

/// The words of a registry's map, all zero at first.
#[derive(Clone, Copy)]
pub(crate) struct LaneMapWords<'a> {
    pub(crate) slots: Slots<'a>,
    /// For each lane the largest value that it counts.
    pub(crate) edges: &'a [AtomicU64],
    /// For each lane the buckets that it is a part of.
    pub(crate) buckets: &'a [AtomicU64],
    /// Zero until all is written; then lanes of latencies and of all, plus one.
    pub(crate) state: &'a AtomicU64,
}

/// A registry's map, written.
#[derive(Clone, Copy)]
pub(crate) struct LaneMap<'a> {
    words: LaneMapWords<'a>,
    latencies: usize,
    all: usize,
}

impl<'a> LaneMapWords<'a> {
    /// The map, written if need be. `bounds` are the registry's, which this settles.
    #[inline]
    pub(crate) fn written(self, bounds: impl FnOnce() -> Bounds) -> LaneMap<'a> {
        // Acquire pairs with the release below.
        match self.state.load(Ordering::Acquire) {
            0 => self.write(&bounds()),
            state => LaneMap { words: self, latencies: state as u32 as usize, all: (state >> 32) as usize },
        }
    }

    #[cold]
    fn write(self, bounds: &Bounds) -> LaneMap<'a> {
        let has_exponentials = matches!(self.slots, Slots::Fine(_));
        let ends = [Quantity::Latency, Quantity::Size].map({
            let mut end = 0;
            move |quantity| {
                let first = end;
                for lane in LaneEdges::new(bounds, quantity, has_exponentials) {
                    // The lanes of all bounds fit; a test counts them.
                    let (Some(edge), Some(buckets)) = (self.edges.get(end), self.buckets.get(end)) else { break };
                    // Relaxed, as in `fill`: the state's release follows.
                    edge.store(lane.edge.unwrap_or(u64::MAX), Ordering::Relaxed);
                    buckets.store(lane.buckets.to_word(), Ordering::Relaxed);
                    end += 1;
                }
                self.fill_slots(quantity, first, self.edges.get(first..end).unwrap_or_default());
                end
            }
        });
        self.state.store(ends[0] as u64 | (ends[1] as u64) << 32, Ordering::Release);
        LaneMap { words: self, latencies: ends[0], all: ends[1] }
    }

    fn fill_slots(self, quantity: Quantity, first: usize, edges: &[AtomicU64]) {
        let place = place_of(quantity);
        match self.slots {
            Slots::Fine(tables) => tables.iter().for_each(|of| fill(&of[place], first, edges, SHIFTS[place])),
            Slots::Coarse(tables) => tables.iter().for_each(|of| fill(&of[place], first, edges, SHIFTS[place])),
        }
    }
}

impl<'a> LaneMap<'a> {
    /// The slots of storage that keeps exponential histograms.
    pub(crate) const fn fine(self) -> Option<&'a SlotTables<FINE>> {
        if let Slots::Fine([tables, ..]) = self.words.slots { Some(tables) } else { None }
    }

    /// The slots of storage that keeps classic buckets alone.
    pub(crate) const fn coarse(self) -> Option<&'a SlotTables<COARSE>> {
        if let Slots::Coarse([tables, ..]) = self.words.slots { Some(tables) } else { None }
    }

    /// The lanes that count a request, of latencies and of sizes.
    pub(crate) fn lanes(self, seen: Observation) -> (usize, usize) {
        (self.lane(Quantity::Latency, seen.latency_ns), self.lane(Quantity::Size, seen.bytes))
    }

    /// The lane of one value.
    pub(crate) fn lane(self, quantity: Quantity, value: u64) -> usize {
        let place = place_of(quantity);
        let shifted = value + SHIFTS[place];
        let (found, word) = match self.words.slots {
            Slots::Fine([tables, ..]) => (in_slot(&tables[place], shifted), slot_word(&tables[place], shifted)),
            Slots::Coarse([tables, ..]) => (in_slot(&tables[place], shifted), slot_word(&tables[place], shifted)),
            Slots::Fine([]) | Slots::Coarse([]) => return 0,
        };
        found.checked_sub(CROWDED).map_or(found, |first| self.compared(first, word, value))
    }

    /// The buckets that a lane is a part of.
    pub(crate) fn buckets(self, lane: usize) -> LaneBuckets {
        self.words.buckets.get(lane).map_or_else(LaneBuckets::default, bucket_of)
    }

    /// The lanes of values from `smallest` to `largest`, and the buckets that they are parts of.
    #[inline]
    pub(crate) fn between(self, quantity: Quantity, (smallest, largest): (u64, u64)) -> (usize, &'a [AtomicU64]) {
        if smallest > largest {
            return (0, &[]);
        }
        let (first, last) = (self.lane(quantity, smallest), self.lane(quantity, largest));
        (first, self.words.buckets.get(first..=last).unwrap_or_default())
    }

    /// All lanes of a quantity, likewise.
    #[inline]
    pub(crate) fn all(self, quantity: Quantity) -> (usize, &'a [AtomicU64]) {
        let (first, end) = match quantity {
            Quantity::Latency => (0, self.latencies),
            Quantity::Size => (self.latencies, self.all),
        };
        (first, self.words.buckets.get(first..end).unwrap_or_default())
    }

    /// The lane of a value in a slot of several bounds, the first of which ends lane `first`.
    fn compared(self, first: usize, word: u64, value: u64) -> usize {
        let count = word as usize & CROWDED_EDGES;
        let edges = self.words.edges.get(first..first + count).unwrap_or_default();
        first + edges.partition_point(|edge| value > edge.load(Ordering::Relaxed))
    }
}

/// The buckets that a word of the map stands for.
#[inline(always)]
pub(crate) fn bucket_of(word: &AtomicU64) -> LaneBuckets {
    // Relaxed: the map was written before.
    LaneBuckets::from_word(word.load(Ordering::Relaxed))
}

/// The lanes that count a request in slots of one kind; numbers that no cell has where a slot has several bounds.
#[inline(always)]
pub(crate) fn looked_up<const N: usize>(tables: &SlotTables<N>, seen: Observation) -> (usize, usize) {
    let [latencies, sizes] = tables;
    (in_slot(latencies, seen.latency_ns + SHIFTS[0]), in_slot(sizes, seen.bytes + SHIFTS[1]))
}

/// What is added to values before they are looked up. The bits of zero lead to the slot of 2; sizes of zero are common, and
/// must not share one with others.
const SHIFTS: [u64; 2] = [0, 1];
const MANTISSA_BITS: u32 = 52;
/// No number that is counted needs as many bits: latencies end at a day, sizes at 2^50.
const LANE_BITS: u32 = 52;
/// What is added to the first lane of a slot in which several bounds lie: a number that no cell has a lane for.
const CROWDED: usize = 1 << 10;
/// The bits of such a slot's word that say how many bounds there are.
const CROWDED_EDGES: usize = 0x3ff;

const fn place_of(quantity: Quantity) -> usize {
    match quantity {
        Quantity::Latency => 0,
        Quantity::Size => 1,
    }
}

const fn slot_bits(slots: usize) -> u32 {
    slots.ilog2() - 6
}

#[inline(always)]
fn slot_word<const N: usize>(table: &[AtomicU64; N], value: u64) -> u64 {
    // Numbers below 2^53 are floats: none is rounded into another slot.
    let slot = (value as i64 as f64).to_bits() >> (MANTISSA_BITS - const { slot_bits(N) });
    // Relaxed: whoever has the map has seen it written.
    table[slot as usize % N].load(Ordering::Relaxed)
}

#[inline(always)]
fn in_slot<const N: usize>(table: &[AtomicU64; N], value: u64) -> usize {
    (slot_word(table, value).wrapping_add(value) >> LANE_BITS) as usize
}

/// Writes a table for lanes from `first` on that end at `edges`, the last of which is none.
fn fill<const N: usize>(table: &[AtomicU64; N], first: usize, edges: &[AtomicU64], shift: u64) {
    let edge = |lane: usize| edges[..edges.len().saturating_sub(1)].get(lane).map(|edge| edge.load(Ordering::Relaxed) + shift);
    let one = 1_023 << slot_bits(N);
    let mut lowest = 0;
    for slot in one..one + N {
        let exceeded = |mut lane: usize, value| {
            while edge(lane).is_some_and(|edge| edge < value) {
                lane += 1;
            }
            lane
        };
        // The bits of zero lead where those of 2 do. Nothing lies between them but 1, which has a slot of its own.
        let from = if slot % N == 0 { 0 } else { exceeded(lowest, start::<N>(slot)) };
        let to = exceeded(from, start::<N>(slot + 1));
        lowest = lowest.max(from);
        let lane = ((first + from) as u64) << LANE_BITS;
        let word = match (to - from, edge(from)) {
            (0, _) | (_, None) => lane,
            (1, Some(edge)) => lane + ((1 << LANE_BITS) - 1 - edge),
            (count, _) => lane + ((CROWDED as u64) << LANE_BITS) + count as u64,
        };
        table[slot % N].store(word, Ordering::Relaxed);
    }
}

/// Where a slot begins, rounded down.
fn start<const N: usize>(slot: usize) -> u64 {
    f64::from_bits((slot as u64) << (MANTISSA_BITS - slot_bits(N))) as u64
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use super::*;
    use crate::atomics::zeros;
    use crate::counts::cells::{CLASSIC_LANES, MERGED_LANES};
    use core::time::Duration;
    use std::vec::Vec;

    /// Both kinds of map for these bounds.
    fn with_maps(bounds: &Bounds, check: impl Fn(LaneMap<'_>, bool)) {
        let (fine, coarse) = (std::boxed::Box::new([zeros(), zeros()]), [zeros(), zeros()]);
        let (edges, buckets, state) = (zeros::<MERGED_LANES>(), zeros::<MERGED_LANES>(), AtomicU64::new(0));
        let slots = Slots::Fine(core::slice::from_ref(&*fine));
        check(LaneMapWords { slots, edges: &edges, buckets: &buckets, state: &state }.written(|| *bounds), true);
        let (edges, buckets, state) = (zeros::<CLASSIC_LANES>(), zeros::<CLASSIC_LANES>(), AtomicU64::new(0));
        let slots = Slots::Coarse(core::slice::from_ref(&coarse));
        check(LaneMapWords { slots, edges: &edges, buckets: &buckets, state: &state }.written(|| *bounds), false);
    }

    fn check(bounds: &Bounds, values: &[u64]) {
        with_maps(bounds, |map, has_exponentials| {
            let mut first = 0;
            for (quantity, largest) in [(Quantity::Latency, 86_400_000_000_000), (Quantity::Size, 1 << 50)] {
                let lanes: Vec<_> = LaneEdges::new(bounds, quantity, has_exponentials).collect();
                for value in values.iter().map(|value| *value.min(&largest)) {
                    let lane = lanes.iter().position(|lane| lane.edge.is_none_or(|edge| value <= edge)).unwrap();
                    assert_eq!(map.lane(quantity, value), first + lane, "{quantity} of {value} in {bounds:?}");
                    assert_eq!(map.buckets(first + lane), lanes[lane].buckets);
                }
                first += lanes.len();
            }
        });
    }

    fn around(values: impl IntoIterator<Item = u64>) -> Vec<u64> {
        values.into_iter().flat_map(|value| [value.saturating_sub(1), value, value + 1]).chain([0, u64::MAX]).collect()
    }

    fn lists() -> Vec<Bounds> {
        let close = Vec::from_iter((1..=22).map(|i| 1_000 * i));
        let durations: Vec<_> = close.iter().map(|ns| Duration::from_nanos(*ns)).collect();
        let nanos = |list: &[u64]| Vec::from_iter(list.iter().map(|ns| Duration::from_nanos(*ns)));
        let millis = |list: &[u64]| Vec::from_iter(list.iter().map(|ms| Duration::from_millis(*ms)));
        let opentelemetry = [5, 10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000];
        [
            Ok(Bounds::CONTRACT),
            Bounds::new(&durations, &close),
            Bounds::new(&nanos(&[1_000_001, 1_000_002, 1_000_003]), &[1, 2, 3]),
            Bounds::new(&nanos(&[1]), &[2]),
            Bounds::new(&nanos(&[1, 2, 3]), &[1]),
            Bounds::new(&[Duration::from_secs(86_400)], &[1 << 50]),
            Bounds::new(&[], &[]),
            Bounds::new(&millis(&opentelemetry), &opentelemetry),
            Bounds::new(&[], &Vec::from_iter((0..44).map(|i| 990_001 + i))),
        ]
        .map(Result::unwrap)
        .into()
    }

    #[test]
    fn every_value_finds_the_lane_that_comparing_finds() {
        let mut random = 7_u64;
        let numbers = core::iter::from_fn(|| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            Some(random >> (random % 64))
        });
        let numbers: Vec<_> = (0..300).chain(numbers.take(3_000)).collect();
        for bounds in lists() {
            for quantity in [Quantity::Latency, Quantity::Size] {
                check(&bounds, &around(LaneEdges::new(&bounds, quantity, true).filter_map(|lane| lane.edge)));
            }
            check(&bounds, &numbers);
        }
    }

    #[test]
    fn no_two_edges_of_the_contract_share_a_slot() {
        with_maps(&Bounds::CONTRACT, |map, _| {
            let is_crowded = |word: &AtomicU64| word.load(Ordering::Relaxed) >> LANE_BITS >= CROWDED as u64;
            let words = match map.words.slots {
                Slots::Fine(tables) => tables.as_flattened().as_flattened(),
                Slots::Coarse(tables) => tables.as_flattened().as_flattened(),
            };
            assert_eq!(words.iter().filter(|word| is_crowded(word)).count(), 0);
        });
    }
}
