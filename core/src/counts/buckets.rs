//! Which classic buckets count a request. They are found without a loop over the bounds, because the processor cannot
//! predict the branches of such a loop.
//!
//! The leading bits of a float put a number into one of four slots for each power of two. If at most one bound is in a
//! slot, the bucket is one of two. A table has a summand for each slot. Adding it to the number carries into the bits
//! of the bucket's number exactly if the number exceeds the bound. So the cost is a conversion and a look-up, and no
//! comparison that the next step would have to wait for.

use crate::counts::bounds::Bounds;
use crate::counts::layout::{AT_BUCKETS, Observation, POINT};

/// A recorder's own copy of the bounds, with the tables that they lead to.
#[derive(Clone)]
pub(crate) struct BucketMap {
    latency: Places,
    /// Of sizes, whose buckets come after those of latencies.
    size: Places,
    bounds: Bounds,
}

impl BucketMap {
    pub(crate) fn new(bounds: &Bounds) -> Self {
        Self {
            latency: places(bounds.latency_ns(), AT_BUCKETS),
            size: places(bounds.size(), AT_BUCKETS + bounds.latency_buckets()),
            bounds: *bounds,
        }
    }

    /// Where a cell counts a request: latency's bucket and size's.
    pub(crate) fn classic(&self, seen: Observation) -> (usize, usize) {
        let (latency, size) = self.looked_up(seen);
        if latency < POINT && size < POINT { (latency, size) } else { self.compared(seen) }
    }

    /// The same where no other bound is near; otherwise a place that no cell has.
    #[inline]
    pub(crate) fn looked_up(&self, seen: Observation) -> (usize, usize) {
        (place(&self.latency, seen.latency_ns), place(&self.size, seen.bytes))
    }

    /// The same by comparing with every bound.
    pub(crate) fn compared(&self, seen: Observation) -> (usize, usize) {
        let sizes = AT_BUCKETS + self.bounds.latency_buckets();
        let latency = exceeded(self.bounds.latency_ns(), seen.latency_ns);
        (AT_BUCKETS + latency, sizes + exceeded(self.bounds.size(), seen.bytes))
    }
}

/// For each slot what is added to a number in it, so that the bits from [`PLACE_BITS`] on say where a cell counts it.
type Places = [u64; SLOTS];

/// Powers of two up to 2^64, so that no index is out of the table.
const SLOTS: usize = 64 << SLOT_BITS;
const SLOT_BITS: u32 = 2;
const MANTISSA_BITS: u32 = 52;
/// The slot of 1, counted from the float whose bits are all zero.
const ONE: usize = 1_023 << SLOT_BITS;
/// No number that is counted needs as many bits: latencies end at a day, sizes at 2^50.
const PLACE_BITS: u32 = 52;
/// What several bounds in one slot lead to: a place that no cell has.
const CROWDED: u64 = (POINT as u64) << PLACE_BITS;

#[inline]
fn place(places: &Places, value: u64) -> usize {
    // Numbers below 2^53 are floats: none is rounded into another slot.
    let slot = (value as i64 as f64).to_bits() >> (MANTISSA_BITS - SLOT_BITS);
    (places[slot as usize % SLOTS].wrapping_add(value) >> PLACE_BITS) as usize
}

/// The table for these `bounds`, the first bucket of which is at `first` in a cell.
fn places(bounds: &[u64], first: usize) -> Places {
    let mut places = [0; SLOTS];
    for slot in ONE..ONE + SLOTS {
        // The bits of zero lead where those of 2 do. Nothing lies between them but 1, which has a slot of its own.
        let from = if slot % SLOTS == 0 { 0 } else { start(slot) };
        let (lowest, highest) = (exceeded(bounds, from), exceeded(bounds, start(slot + 1)));
        let place = ((first + lowest) as u64) << PLACE_BITS;
        places[slot % SLOTS] = match bounds.get(lowest..highest) {
            Some([]) => place,
            Some([bound]) => place + ((1 << PLACE_BITS) - 1 - bound),
            _ => CROWDED,
        };
    }
    places
}

/// Where a slot begins, rounded down.
fn start(slot: usize) -> u64 {
    f64::from_bits((slot as u64) << (MANTISSA_BITS - SLOT_BITS)) as u64
}

/// How many `bounds` are less than `value`.
fn exceeded(bounds: &[u64], value: u64) -> usize {
    bounds.iter().take_while(|bound| value > **bound).count()
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use super::*;
    use core::time::Duration;

    fn check(bounds: &Bounds, values: impl Iterator<Item = u64>) {
        let map = BucketMap::new(bounds);
        for value in values {
            let (latency_ns, bytes) = (value.min(86_400_000_000_000), value.min(1 << 50));
            let latency = bounds.latency_ns().iter().filter(|bound| latency_ns > **bound).count();
            let size = bounds.size().iter().filter(|bound| bytes > **bound).count();
            let expected = (AT_BUCKETS + latency, AT_BUCKETS + bounds.latency_buckets() + size);
            assert_eq!(map.classic(Observation { latency_ns, bytes }), expected, "{value} in {bounds:?}");
        }
    }

    fn around(values: &[u64]) -> impl Iterator<Item = u64> {
        values.iter().flat_map(|value| [value - 1, *value, value + 1]).chain([0, u64::MAX])
    }

    #[test]
    fn buckets_include_their_upper_bound() {
        let close = std::vec::Vec::from_iter((1..=22).map(|i| 1_000 * i));
        let durations: std::vec::Vec<_> = close.iter().map(|ns| Duration::from_nanos(*ns)).collect();
        let crowded = Bounds::new(&durations, &close).unwrap();
        let dense = Bounds::new(&[1_000_001, 1_000_002, 1_000_003].map(Duration::from_nanos), &[1, 2, 3]).unwrap();
        let least = Bounds::new(&[Duration::from_nanos(1)], &[2]).unwrap();
        let most = Bounds::new(&[Duration::from_secs(86_400)], &[1 << 50]).unwrap();
        for bounds in [Bounds::CONTRACT, crowded, dense, least, most, Bounds::new(&[], &[]).unwrap()] {
            check(&bounds, around(bounds.latency_ns()));
            check(&bounds, around(bounds.size()));
            check(&bounds, 0..300);
        }
    }

    #[test]
    fn no_two_of_the_contracts_bounds_share_a_slot() {
        let map = BucketMap::new(&Bounds::CONTRACT);
        assert!(map.latency.iter().chain(&map.size).all(|place| *place < CROWDED));
    }

    #[test]
    fn the_look_up_finds_the_same_bucket_as_comparing_with_every_bound() {
        let mut random = 7_u64;
        let numbers = core::iter::from_fn(|| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            Some(random >> (random % 64))
        });
        check(&Bounds::CONTRACT, numbers.take(200_000));
    }
}
