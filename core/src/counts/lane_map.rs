//! Which lane counts a value: found without a loop over the bounds, because no predictor can learn latencies.
//!
//! A float's leading bits put a number into one of a few slots to each power of two. Where at most one bound lies in a slot,
//! the lane is one of two, and adding what a table holds for the slot to the number carries into the lane's number where
//! the bound is exceeded: a conversion, a look-up, and no comparison that the next step would wait for. Slots in which
//! several bounds lie say so, and their bounds are compared.
//!
//! The tables are written once for a registry, when its bounds are settled, and shared by all recorders. Threads that come
//! at once write the same words.

use crate::atomics::{AtomicU64, Ordering, Ordering::Relaxed};
use crate::counts::bounds::{Bounds, Quantity};
use crate::counts::edges::{LaneBuckets, LaneEdges};
use crate::counts::layout::SampleNumbers;

/// The slots of latencies, and after them as many of sizes.
pub(crate) type SlotTables<const N: usize> = [AtomicU64; N];

/// Slots of storage that keeps exponential histograms: 64 to each power of two, so that the contract's bounds and those of
/// the scale have one each.
pub(crate) const FINE: usize = 2 * 64 * 64;
/// Slots of storage that keeps classic buckets alone: 16 to each power of two, so that bounds 6 % apart have one each.
pub(crate) const COARSE: usize = 2 * 64 * 16;

/// The slots of one kind of storage or the other.
#[derive(Clone, Copy)]
pub enum Slots<'a> {
    Fine(&'a SlotTables<FINE>),
    Coarse(&'a SlotTables<COARSE>),
}

/// The words of a registry's map, all zero at first.
#[derive(Clone, Copy)]
pub(crate) struct LaneMapWords<'a> {
    pub(crate) slots: Slots<'a>,
    /// For each lane the largest value that it counts.
    pub(crate) edges: &'a [AtomicU64],
    /// For each lane the buckets that it is a part of.
    pub(crate) buckets: &'a [AtomicU64],
    /// For each classic bucket, latency's before size's, the lane after its last one.
    pub(crate) classic_ends: &'a [AtomicU64],
    /// Zero until all is written; then how many there are: see [`LaneCounts`].
    pub(crate) state: &'a AtomicU64,
}

/// How many lanes and buckets a map has.
#[derive(Clone, Copy, Default)]
struct LaneCounts {
    latencies: u16,
    all: u16,
    latency_buckets: u16,
}

/// A registry's map, written.
#[derive(Clone, Copy)]
pub(crate) struct LaneMap<'a> {
    words: LaneMapWords<'a>,
    counts: LaneCounts,
}

/// Neighbouring lanes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LaneRange {
    pub(crate) first: usize,
    /// After the last one.
    pub(crate) end: usize,
}

impl LaneRange {
    pub(crate) const fn is_empty(self) -> bool {
        self.first >= self.end
    }

    /// The same lanes, counted from `lane`, before which there are none of them.
    pub(crate) const fn after(self, lane: usize) -> Self {
        Self { first: self.first.saturating_sub(lane), end: self.end.saturating_sub(lane) }
    }

    /// The lanes that are in both.
    pub(crate) fn both(self, other: Self) -> Self {
        Self { first: self.first.max(other.first), end: self.end.min(other.end) }
    }
}

impl<'a> LaneMapWords<'a> {
    /// The map, written if need be. `bounds` are the registry's, which this settles.
    #[inline(always)]
    pub(crate) fn written(self, bounds: impl FnOnce() -> Bounds) -> LaneMap<'a> {
        // Acquire pairs with the release below.
        match self.state.load(Ordering::Acquire) {
            0 => self.write(&bounds()),
            state => LaneMap { words: self, counts: LaneCounts::from_word(state) },
        }
    }

    #[cold]
    fn write(self, bounds: &Bounds) -> LaneMap<'a> {
        let latencies = self.write_lanes(bounds, Quantity::Latency, 0, 0);
        let all = self.write_lanes(bounds, Quantity::Size, latencies, bounds.latency_buckets());
        let counts = LaneCounts {
            latencies: latencies as u16,
            all: all as u16,
            latency_buckets: bounds.latency_buckets() as u16,
        };
        self.state.store(counts.to_word(), Ordering::Release);
        LaneMap { words: self, counts }
    }

    /// Writes the lanes of a quantity, from `first` on, and its classic buckets, from `bucket` on; returns where they end.
    /// Each word is stored once, with the value that it keeps: a thread that came first may have published the map already.
    fn write_lanes(self, bounds: &Bounds, quantity: Quantity, first: usize, bucket: usize) -> usize {
        let has_exponentials = matches!(self.slots, Slots::Fine(_));
        let mut end = first;
        let mut lanes = LaneEdges::new(bounds, quantity, has_exponentials).peekable();
        // The lanes of all bounds fit; a test counts them.
        for (edge, buckets) in self.edges.iter().zip(self.buckets).skip(first) {
            let Some(lane) = lanes.next() else { break };
            end += 1;
            // Relaxed, here and in `fill`: the state's release follows.
            edge.store(lane.edge.unwrap_or(u64::MAX), Relaxed);
            buckets.store(lane.buckets.to_word(), Relaxed);
            let ends_bucket = lanes.peek().is_none_or(|next| next.buckets.classic != lane.buckets.classic);
            if let Some(last) = self.classic_ends.get(bucket + lane.buckets.classic).filter(|_| ends_bucket) {
                last.store(end as u64, Relaxed);
            }
        }
        self.fill_slots(quantity, first, self.edges.get(first..end).unwrap_or_default());
        end
    }

    fn fill_slots(self, quantity: Quantity, first: usize, edges: &[AtomicU64]) {
        match self.slots {
            Slots::Fine(tables) => fill(half(tables, quantity), first, edges, shift::<FINE>(quantity)),
            Slots::Coarse(tables) => fill(half(tables, quantity), first, edges, shift::<COARSE>(quantity)),
        }
    }
}

impl LaneCounts {
    const fn to_word(self) -> u64 {
        self.latencies as u64 | (self.all as u64) << 16 | (self.latency_buckets as u64) << 32
    }

    const fn from_word(word: u64) -> Self {
        Self { latencies: word as u16, all: (word >> 16) as u16, latency_buckets: (word >> 32) as u16 }
    }
}

impl<'a> LaneMap<'a> {
    /// Whether exponential buckets are merged into the lanes. Otherwise each lane is a classic bucket.
    pub(crate) const fn has_exponentials(self) -> bool {
        matches!(self.words.slots, Slots::Fine(_))
    }

    pub(crate) const fn slots(self) -> Slots<'a> {
        self.words.slots
    }

    /// The lanes that count a request, of latencies and of sizes.
    pub(crate) fn lanes(self, seen: SampleNumbers) -> (usize, usize) {
        (self.lane(Quantity::Latency, seen.latency_ns), self.lane(Quantity::Size, seen.bytes))
    }

    /// The lane of one value.
    pub(crate) fn lane(self, quantity: Quantity, value: u64) -> usize {
        match self.words.slots {
            Slots::Fine(tables) => compared(tables, self.words.edges, quantity, value),
            Slots::Coarse(tables) => compared(tables, self.words.edges, quantity, value),
        }
    }

    /// The buckets that a lane is a part of.
    #[inline]
    pub(crate) fn buckets(self, lane: usize) -> LaneBuckets {
        // Relaxed: the map was written before.
        self.words
            .buckets
            .get(lane)
            .map_or_else(LaneBuckets::default, |word| LaneBuckets::from_word(word.load(Relaxed)))
    }

    /// The lanes of values from `smallest` to `largest`: none where the first exceeds the second.
    #[inline]
    pub(crate) fn between(self, quantity: Quantity, (smallest, largest): (u64, u64)) -> LaneRange {
        if smallest > largest {
            return LaneRange::default();
        }
        LaneRange { first: self.lane(quantity, smallest), end: self.lane(quantity, largest) + 1 }
    }

    /// All lanes of a quantity.
    #[inline]
    pub(crate) const fn all(self, quantity: Quantity) -> LaneRange {
        let LaneCounts { latencies, all, .. } = self.counts;
        match quantity {
            Quantity::Latency => LaneRange { first: 0, end: latencies as usize },
            Quantity::Size => LaneRange { first: latencies as usize, end: all as usize },
        }
    }

    /// Each classic bucket that has lanes in `range`, with those lanes.
    #[inline]
    pub(crate) fn classic_runs(self, quantity: Quantity, range: LaneRange) -> impl Iterator<Item = (usize, LaneRange)> {
        let bucket = self.buckets(range.first).classic;
        let before = match quantity {
            Quantity::Latency => 0,
            Quantity::Size => self.counts.latency_buckets as usize,
        };
        let ends = self.words.classic_ends.get(before + bucket..).unwrap_or_default();
        let mut first = range.first;
        ends.iter().zip(bucket..).map_while(move |(end, bucket)| {
            // Relaxed: the map was written before.
            let run = LaneRange { first, end: range.end.min(end.load(Relaxed) as usize) };
            first = run.end;
            (run.first < run.end).then_some((bucket, run))
        })
    }
}

/// The lanes that count a request in slots of one kind; numbers that no cell has where a slot has several bounds.
#[inline(always)]
pub(crate) fn looked_up<const N: usize>(tables: &SlotTables<N>, seen: SampleNumbers) -> (usize, usize) {
    (in_slot(tables, Quantity::Latency, seen.latency_ns).0, in_slot(tables, Quantity::Size, seen.bytes).0)
}

/// The lane that counts a value in slots of one kind; likewise a number that no cell has.
#[inline(always)]
pub(crate) fn lane_in_slot<const N: usize>(tables: &SlotTables<N>, quantity: Quantity, value: u64) -> usize {
    in_slot(tables, quantity, value).0
}

/// The lane of a value, compared with the bounds in its slot where there are several. `edges` are the map's.
#[inline(always)]
pub(crate) fn compared<const N: usize>(
    tables: &SlotTables<N>,
    edges: &[AtomicU64],
    quantity: Quantity,
    value: u64,
) -> usize {
    let (found, word) = in_slot(tables, quantity, value);
    let Some(first) = found.checked_sub(CROWDED) else { return found };
    // The bounds in the slot, the first of which ends lane `first`.
    let edges = edges.get(first..first + (word as usize & CROWDED_EDGES)).unwrap_or_default();
    first + edges.partition_point(|edge| value > edge.load(Relaxed))
}

/// What is added to values before they are looked up. The bits of zero lead to the slot of 2; sizes of zero are common, and
/// must not share a slot with others where there are bounds between them.
const fn shift<const N: usize>(quantity: Quantity) -> u64 {
    (N == FINE && matches!(quantity, Quantity::Size)) as u64
}

const MANTISSA_BITS: u32 = 52;
/// No number that is counted needs as many bits: latencies end at a day, sizes at 2^50.
const LANE_BITS: u32 = 52;
/// What is added to the first lane of a slot in which several bounds lie: a number that no cell has a lane for.
const CROWDED: usize = 1 << 10;
/// The bits of such a slot's word that say how many bounds there are.
const CROWDED_EDGES: usize = 0x3ff;

/// The bits of a mantissa that number the slots of a power of two.
const fn slot_bits(slots: usize) -> u32 {
    slots.ilog2() - 6
}

/// What the slot of a value says: its lane, or [`CROWDED`] and more; and the slot's word.
#[inline(always)]
fn in_slot<const N: usize>(tables: &SlotTables<N>, quantity: Quantity, value: u64) -> (usize, u64) {
    // Numbers below 2^53 are floats: none is rounded into another slot.
    let slot = ((value + shift::<N>(quantity)) as i64 as f64).to_bits() >> (MANTISSA_BITS - const { slot_bits(N / 2) });
    let before = if matches!(quantity, Quantity::Size) { N / 2 } else { 0 };
    // Relaxed: whoever has the map has seen it written.
    let word = tables[before + slot as usize % (N / 2)].load(Relaxed);
    ((word.wrapping_add(value) >> LANE_BITS) as usize, word)
}

fn half<const N: usize>(tables: &SlotTables<N>, quantity: Quantity) -> &[AtomicU64] {
    let (latencies, sizes) = tables.split_at(N / 2);
    if matches!(quantity, Quantity::Size) { sizes } else { latencies }
}

/// Writes a table for lanes from `first` on that end at `edges`, the last of which is none.
fn fill(table: &[AtomicU64], first: usize, edges: &[AtomicU64], shift: u64) {
    let edge = |lane: usize| edges[..edges.len().saturating_sub(1)].get(lane).map(|edge| edge.load(Relaxed));
    let slots = table.len();
    let one = 1_023 << slot_bits(slots);
    let mut lowest = 0;
    for slot in one..one + slots {
        let exceeded = |mut lane: usize, value| {
            while edge(lane).is_some_and(|edge| edge + shift < value) {
                lane += 1;
            }
            lane
        };
        // The bits of zero lead where those of 2 do. Nothing lies between them but 1, which has a slot of its own.
        let from = if slot % slots == 0 { 0 } else { exceeded(lowest, start(slots, slot)) };
        let to = exceeded(from, start(slots, slot + 1));
        lowest = lowest.max(from);
        let lane = ((first + from) as u64) << LANE_BITS;
        let word = match (to - from, edge(from)) {
            (0, _) | (_, None) => lane,
            (1, Some(edge)) => lane + ((1 << LANE_BITS) - 1 - edge),
            (count, _) => lane + ((CROWDED as u64) << LANE_BITS) + count as u64,
        };
        table[slot % slots].store(word, Relaxed);
    }
}

/// Where a slot begins, rounded down.
fn start(slots: usize, slot: usize) -> u64 {
    f64::from_bits((slot as u64) << (MANTISSA_BITS - slot_bits(slots))) as u64
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use super::*;
    use crate::atomics::zeros;
    use crate::counts::bounds::BUCKETS;
    use crate::counts::cells::{CLASSIC_LANES, MERGED_LANES};
    use core::time::Duration;
    use std::vec::Vec;

    /// Both kinds of map for these bounds.
    fn with_maps(bounds: &Bounds, check: impl Fn(LaneMap<'_>, bool)) {
        let (fine, coarse) = (zeros(), zeros());
        for (slots, has_exponentials) in [(Slots::Fine(&fine), true), (Slots::Coarse(&coarse), false)] {
            let lanes = if has_exponentials { MERGED_LANES } else { CLASSIC_LANES };
            let (edges, buckets) = (zeros::<MERGED_LANES>(), zeros::<MERGED_LANES>());
            let (edges, buckets) = (&edges[..lanes], &buckets[..lanes]);
            let (classic_ends, state) = (&zeros::<BUCKETS>(), &AtomicU64::new(0));
            let words = LaneMapWords { slots, edges, buckets, classic_ends, state };
            check(words.written(|| *bounds), has_exponentials);
        }
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
    fn a_map_that_is_written_again_never_shows_another_value() {
        let (fine, edges, buckets, classic_ends) =
            (zeros(), zeros::<MERGED_LANES>(), zeros::<MERGED_LANES>(), zeros::<BUCKETS>());
        let state = AtomicU64::new(0);
        let slots = Slots::Fine(&fine);
        let words =
            LaneMapWords { slots, edges: &edges, buckets: &buckets, classic_ends: &classic_ends, state: &state };
        let read = || {
            let words = edges.iter().chain(&buckets).chain(&classic_ends).chain(&fine);
            words.map(|word| word.load(Relaxed)).collect::<Vec<_>>()
        };
        words.write(&Bounds::CONTRACT);
        let (first, is_over) = (read(), AtomicU64::new(0));
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                while is_over.load(Ordering::Acquire) == 0 {
                    assert_eq!(read(), first);
                }
            });
            (0..500).for_each(|_| _ = words.write(&Bounds::CONTRACT));
            is_over.store(1, Ordering::Release);
            reader.join().unwrap();
        });
    }

    /// In storage with exponential histograms and in classic storage, of latencies spread evenly over their logarithms from
    /// 1 ms to 20 s, as in the benches' trace.
    #[test]
    fn few_requests_are_compared() {
        let millis = |list: &[f64]| Vec::from_iter(list.iter().map(|ms| Duration::from_nanos((ms * 1e6) as u64)));
        let prometheus = [5., 10., 25., 50., 100., 250., 500., 1_000., 2_500., 5_000., 10_000.];
        let opentelemetry = [5., 10., 25., 50., 75., 100., 250., 500., 750., 1_000., 2_500., 5_000., 7_500., 10_000.];
        let dense = Vec::from_iter((0..40).map(|i| 1.06_f64.powi(i) * 100.0));
        let (none, few) = (0.0..=0.0, 0.0005..=0.002);
        for (latencies, fine, coarse) in [
            (&prometheus[..], none.clone(), none.clone()),
            (&opentelemetry, few, none.clone()),
            (&dense, 0.003..=0.01, none),
        ] {
            let bounds = Bounds::new(&millis(latencies), &[]).unwrap();
            with_maps(&bounds, |map, has_exponentials| {
                let values = (0..20_000).map(|i| (1e6 * 20_000_f64.powf(f64::from(i) / 20_000.0)) as u64);
                let is_compared = |value: &u64| match map.slots() {
                    Slots::Fine(tables) => in_slot(tables, Quantity::Latency, *value).0 >= CROWDED,
                    Slots::Coarse(tables) => in_slot(tables, Quantity::Latency, *value).0 >= CROWDED,
                };
                let share = values.filter(is_compared).count() as f64 / 20_000.0;
                let expected = if has_exponentials { &fine } else { &coarse };
                assert!(expected.contains(&share), "{share} of {latencies:?}, exponential: {has_exponentials}");
            });
        }
    }

    #[test]
    fn no_two_edges_of_the_contract_share_a_slot() {
        with_maps(&Bounds::CONTRACT, |map, _| {
            let is_crowded = |word: &AtomicU64| word.load(Relaxed) >> LANE_BITS >= CROWDED as u64;
            let words = match map.words.slots {
                Slots::Fine(tables) => &tables[..],
                Slots::Coarse(tables) => &tables[..],
            };
            assert_eq!(words.iter().filter(|word| is_crowded(word)).count(), 0);
        });
    }
}
