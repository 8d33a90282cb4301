//! Where the lanes of a cell end: at the bounds of classic buckets and, in storage that keeps exponential histograms, of
//! exponential ones. So each bucket of either kind is the sum of some lanes.

use crate::counts::bounds::{Bounds, Quantity};
use crate::counts::exponential::{self, LATENCIES, SIZES};

/// The lanes of one quantity, from the one of the smallest values on.
#[derive(Clone, Debug)]
pub(crate) struct LaneEdges<'b> {
    classic: &'b [u64],
    exponential: ScaleEdges,
    /// Where the next lane is.
    buckets: LaneBuckets,
    is_complete: bool,
}

/// One lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LaneEdge {
    /// The largest value that it counts; `None` for the last one.
    pub(crate) edge: Option<u64>,
    pub(crate) buckets: LaneBuckets,
}

/// The buckets that a lane is a part of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LaneBuckets {
    pub(crate) classic: usize,
    pub(crate) exponential: usize,
}

impl LaneBuckets {
    const SHIFT: u32 = 32;

    pub(crate) const fn to_word(self) -> u64 {
        self.classic as u64 | (self.exponential as u64) << Self::SHIFT
    }

    pub(crate) const fn from_word(word: u64) -> Self {
        Self { classic: word as u32 as usize, exponential: (word >> Self::SHIFT) as usize }
    }
}

/// The bounds of exponential buckets, or none.
#[derive(Clone, Copy, Debug)]
struct ScaleEdges {
    edge: fn(usize) -> u64,
    count: usize,
}

impl<'b> LaneEdges<'b> {
    pub(crate) fn new(bounds: &'b Bounds, quantity: Quantity, has_exponentials: bool) -> Self {
        let (classic, exponential) = match quantity {
            Quantity::Latency => {
                (bounds.latency_ns(), ScaleEdges { edge: exponential::latency_edge, count: LATENCIES - 1 })
            }
            Quantity::Size => (bounds.size(), ScaleEdges { edge: exponential::size_edge, count: SIZES - 1 }),
        };
        let count = if has_exponentials { exponential.count } else { 0 };
        Self {
            classic,
            exponential: ScaleEdges { count, ..exponential },
            buckets: LaneBuckets::default(),
            is_complete: false,
        }
    }

    fn next_classic(&self) -> Option<u64> {
        self.classic.get(self.buckets.classic).copied()
    }

    fn next_exponential(&self) -> Option<u64> {
        let ScaleEdges { edge, count } = self.exponential;
        (self.buckets.exponential < count).then(|| edge(self.buckets.exponential))
    }
}

impl Iterator for LaneEdges<'_> {
    type Item = LaneEdge;

    fn next(&mut self) -> Option<LaneEdge> {
        if self.is_complete {
            return None;
        }
        let edge = self.next_classic().into_iter().chain(self.next_exponential()).min();
        let lane = LaneEdge { edge, buckets: self.buckets };
        self.is_complete = edge.is_none();
        // Bounds may be equal: of both kinds, and of small exponential buckets between which lies no whole number.
        while edge.is_some() && self.next_classic() == edge {
            self.buckets.classic += 1;
        }
        while edge.is_some() && self.next_exponential() == edge {
            self.buckets.exponential += 1;
        }
        Some(lane)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    #[test]
    fn every_value_of_a_lane_is_in_its_buckets() {
        let dense = Bounds::new(&[], &core::array::from_fn::<u64, 44, _>(|i| 990 + i as u64)).unwrap();
        for (bounds, has_exponentials) in [(Bounds::CONTRACT, true), (Bounds::CONTRACT, false), (dense, true)] {
            for quantity in [Quantity::Latency, Quantity::Size] {
                let (classic, scale, count): (_, fn(usize) -> u64, _) = match quantity {
                    Quantity::Latency => (bounds.latency_ns(), exponential::latency_edge, LATENCIES - 1),
                    Quantity::Size => (bounds.size(), exponential::size_edge, SIZES - 1),
                };
                let exceeded = |value: u64| LaneBuckets {
                    classic: classic.iter().filter(|bound| value > **bound).count(),
                    exponential: if has_exponentials { (0..count).filter(|i| value > scale(*i)).count() } else { 0 },
                };
                let mut first = 0;
                for lane in LaneEdges::new(&bounds, quantity, has_exponentials) {
                    let last = lane.edge.unwrap_or(u64::MAX);
                    assert!(first <= last, "an empty lane ends at {last}");
                    assert_eq!([exceeded(first), exceeded(last)], [lane.buckets; 2], "{first} to {last}");
                    first = last.wrapping_add(1);
                }
                assert_eq!(first, 0, "the last lane has no end");
            }
        }
    }

    #[test]
    fn the_lanes_of_every_bounds_fit_into_a_cell() {
        let bounds = Bounds::new(&[], &core::array::from_fn::<u64, 44, _>(|i| 990_001 + i as u64)).unwrap();
        let lanes = |quantity| Vec::from_iter(LaneEdges::new(&bounds, quantity, true)).len();
        assert!(lanes(Quantity::Latency) + lanes(Quantity::Size) <= crate::counts::cells::MERGED_LANES);
    }
}
