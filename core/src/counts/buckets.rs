//! Which buckets count a request: found without a loop over the bounds, because no predictor can learn latencies.
//!
//! The exponential bucket follows from the number's leading bits. It lies between two bounds of that scale, so a table
//! says which classic bounds are certainly exceeded; the one that may lie inside is compared.

use crate::counts::bounds::{BUCKETS, Bounds};
use crate::counts::cell::AT_BUCKETS;
use crate::counts::exponential::{LATENCIES, Observation, SIZES, latency_bucket, latency_edge, size_bucket, size_edge};

/// A recorder's own copy of the bounds, with the tables that they lead to.
#[derive(Clone)]
pub(crate) struct BucketMap {
    /// The bounds of all classic buckets, latency's before size's, each where the cell counts its bucket. Longer than
    /// they are, so that no index is out of it.
    bounds: [u64; 256],
    /// For each exponential bucket of latencies, where the first classic one is that may count what it counts.
    first_latency: [u8; LATENCIES],
    /// The same for sizes, whose classic buckets come behind those of latencies.
    first_size: [u8; SIZES],
    /// Whether several classic bounds lie in one exponential bucket.
    is_dense: bool,
}

impl BucketMap {
    pub(crate) fn new(bounds: &Bounds) -> Self {
        let mut all = [u64::MAX; 256];
        all[AT_BUCKETS..][..BUCKETS].copy_from_slice(bounds.buckets());
        let sizes = AT_BUCKETS + bounds.latency_buckets();
        let first_latency =
            core::array::from_fn(|i| (AT_BUCKETS + exceeded(bounds.latency_ns(), i, latency_edge)) as u8);
        let first_size = core::array::from_fn(|i| (sizes + exceeded(bounds.size(), i, size_edge)) as u8);
        let is_dense = skips(&first_latency, sizes) || skips(&first_size, sizes + bounds.size_buckets());
        Self { bounds: all, first_latency, first_size, is_dense }
    }

    /// The exponential buckets of a request.
    #[inline]
    pub(crate) fn observe(latency_ns: u64, bytes: u64) -> Observation {
        Observation { latency_bucket: latency_bucket(latency_ns), latency_ns, size_bucket: size_bucket(bytes), bytes }
    }

    /// Where a cell counts a request: latency's bucket and size's.
    #[inline]
    pub(crate) fn classic(&self, seen: Observation) -> (usize, usize) {
        let first = (self.first_latency[seen.latency_bucket], self.first_size[seen.size_bucket]);
        if self.is_dense {
            return (self.climb(first.0, seen.latency_ns), self.climb(first.1, seen.bytes));
        }
        (self.step(first.0, seen.latency_ns), self.step(first.1, seen.bytes))
    }

    /// The first bucket from `first` on whose bound `value` does not exceed, where that is `first` or the next.
    #[inline]
    fn step(&self, first: u8, value: u64) -> usize {
        usize::from(first) + usize::from(value > self.bounds[usize::from(first)])
    }

    /// The first bucket from `first` on whose bound `value` does not exceed. There is one: the last has the largest.
    #[cold]
    fn climb(&self, first: u8, value: u64) -> usize {
        let first = usize::from(first);
        let exceeded = self.bounds[first..].iter().take_while(|bound| value > **bound).count();
        first + exceeded
    }
}

/// How many `bounds` every value in the exponential `bucket` exceeds.
fn exceeded(bounds: &[u64], bucket: usize, edge: fn(usize) -> u64) -> usize {
    match bucket.checked_sub(1) {
        Some(below) => bounds.iter().take_while(|bound| **bound <= edge(below)).count(),
        None => 0,
    }
}

/// Whether more than one of the classic buckets that end at `end` ends inside an exponential one.
fn skips(first: &[u8], end: usize) -> bool {
    let last = end - 1;
    let next = first.iter().skip(1).map(|first| usize::from(*first)).chain([last]);
    first.iter().zip(next).any(|(first, next)| next > usize::from(*first) + 1)
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
            assert_eq!(map.classic(BucketMap::observe(latency_ns, bytes)), expected, "{value} in {bounds:?}");
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
        for bounds in [Bounds::CONTRACT, crowded, dense, Bounds::new(&[], &[]).unwrap()] {
            check(&bounds, around(bounds.latency_ns()));
            check(&bounds, around(bounds.size()));
        }
    }

    #[test]
    fn every_number_finds_the_bucket_that_counting_bounds_finds() {
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
