//! What one shard counted of one series and outcome, for readers. They wait for nobody, and what they read never goes back.
//!
//! Each number is whole; they are not in step: a request that is recorded meanwhile may be in the lanes and not yet in the
//! count.

use crate::atomics::owned::{OwnedU16, OwnedU64};
use crate::atomics::{AtomicU64, Ordering::Relaxed};
use crate::counts::bounds::Quantity;
use crate::counts::edges::LaneBuckets;
use crate::counts::lane_map::{LaneMap, bucket_of};
use crate::counts::lanes;
use crate::counts::layout::{
    COUNT, CellHead, LARGEST, LATENCY_SUM, LONGEST, SHORTEST, SIZE_SUM, SMALLEST, WIDE_IN_USE,
};

/// A cell.
#[derive(Clone, Copy)]
pub(crate) struct OutcomeCell<'a> {
    head: &'a CellHead,
    lanes: CellLanes<'a>,
}

#[derive(Clone, Copy)]
enum CellLanes<'a> {
    Merged {
        lanes: &'a [OwnedU16],
        wides: &'a [OwnedU64],
    },
    Whole {
        lanes: &'a [AtomicU64],
        /// Whether the head says which lanes can be other than zero.
        has_extremes: bool,
    },
}

impl<'a> OutcomeCell<'a> {
    #[inline]
    pub(crate) const fn merged(head: &'a CellHead, lanes: &'a [OwnedU16], wides: &'a [OwnedU64]) -> Self {
        Self { head, lanes: CellLanes::Merged { lanes, wides } }
    }

    /// Of words of which the first are the head.
    #[inline]
    pub(crate) fn whole(words: &'a [AtomicU64], has_extremes: bool) -> Option<Self> {
        let (head, lanes) = words.split_first_chunk()?;
        Some(Self { head, lanes: CellLanes::Whole { lanes, has_extremes } })
    }

    /// Requests.
    #[inline]
    pub(crate) fn count(self) -> u64 {
        self.word(COUNT)
    }

    /// The sum of latencies in nanoseconds, or of sizes in bytes.
    #[inline]
    pub(crate) fn sum(self, quantity: Quantity) -> u64 {
        self.word(match quantity {
            Quantity::Latency => LATENCY_SUM,
            Quantity::Size => SIZE_SUM,
        })
    }

    /// The smallest and the largest value, where they are kept: in storage with exponential histograms.
    #[inline]
    pub(crate) fn extremes(self, quantity: Quantity) -> (u64, u64) {
        match quantity {
            Quantity::Latency => (!self.word(SHORTEST), self.word(LONGEST)),
            Quantity::Size => (!self.word(SMALLEST), self.word(LARGEST)),
        }
    }

    /// Calls `add` with the requests of each lane of a quantity that may have counted any, and the buckets that it is a part
    /// of.
    #[inline]
    pub(crate) fn read(self, map: LaneMap<'_>, quantity: Quantity, mut add: impl FnMut(LaneBuckets, u64)) {
        match self.lanes {
            CellLanes::Merged { lanes, wides } => {
                let (first, buckets) = map.between(quantity, self.extremes(quantity));
                let from = |end: usize| first..first + end;
                let (Some(lanes), Some(wides)) = (lanes.get(from(buckets.len())), wides.get(from(buckets.len()))) else {
                    return;
                };
                for ((lanes, wides), buckets) in lanes.chunks(RUN).zip(wides.chunks(RUN)).zip(buckets.chunks(RUN)) {
                    self.read_run(lanes, wides, buckets, &mut add);
                }
            }
            CellLanes::Whole { lanes, has_extremes } => {
                let (first, buckets) =
                    if has_extremes { map.between(quantity, self.extremes(quantity)) } else { map.all(quantity) };
                for (lane, buckets) in lanes.iter().skip(first).zip(buckets) {
                    add(bucket_of(buckets), lane.load(Relaxed));
                }
            }
        }
    }

    /// The same of some lanes, which are copied before anything is added: whether their wide words are in use is known
    /// afterwards only.
    #[inline]
    fn read_run(
        self,
        lanes: &[OwnedU16],
        wides: &[OwnedU64],
        buckets: &[AtomicU64],
        add: &mut impl FnMut(LaneBuckets, u64),
    ) {
        let mut copy = [0; RUN];
        if lanes::copy_narrow(lanes, &self.head[WIDE_IN_USE], &mut copy) {
            for (count, buckets) in copy.iter().zip(buckets) {
                add(bucket_of(buckets), (*count).into());
            }
        } else {
            for ((lane, wide), buckets) in lanes.iter().zip(wides).zip(buckets) {
                add(bucket_of(buckets), lanes::total(lane, wide));
            }
        }
    }

    #[inline]
    fn word(self, at: usize) -> u64 {
        // Relaxed: each number whole, not the numbers in step.
        self.head[at].load(Relaxed)
    }
}

/// Lanes that are copied at once.
const RUN: usize = 64;
