//! What one shard counted of one series and outcome, for readers. They wait for nobody, and what they read never goes back.
//!
//! Each number is whole; they are not in step: a request that is recorded meanwhile may be in the lanes and not yet in the
//! count.

use crate::atomics::owned::{OwnedU16, OwnedU32};
use crate::atomics::{AtomicU64, Ordering::Relaxed};
use crate::counts::bounds::Quantity;
use crate::counts::lane_map::{LaneMap, LaneRange};
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
        wides: &'a [OwnedU32],
    },
    /// Merged as well, where several threads write.
    Spilled(&'a [AtomicU64]),
    /// Classic buckets alone: the head has neither count nor extremes.
    Classic(&'a [AtomicU64]),
}

impl<'a> OutcomeCell<'a> {
    #[inline]
    pub(crate) const fn merged(head: &'a CellHead, lanes: &'a [OwnedU16], wides: &'a [OwnedU32]) -> Self {
        Self { head, lanes: CellLanes::Merged { lanes, wides } }
    }

    /// Of words of which the first are the head.
    #[inline]
    pub(crate) fn spilled(words: &'a [AtomicU64]) -> Option<Self> {
        let (head, lanes) = words.split_first_chunk()?;
        Some(Self { head, lanes: CellLanes::Spilled(lanes) })
    }

    /// Of words of which the first are the head.
    #[inline]
    pub(crate) fn classic(words: &'a [AtomicU64]) -> Option<Self> {
        let (head, lanes) = words.split_first_chunk()?;
        Some(Self { head, lanes: CellLanes::Classic(lanes) })
    }

    /// Whether anything was counted. Looks at one line or two: of what has neither latency nor size there are some in the
    /// first lane.
    #[inline]
    pub(crate) fn is_used(self) -> bool {
        match self.lanes {
            CellLanes::Merged { .. } | CellLanes::Spilled(_) => self.word(COUNT) != 0,
            CellLanes::Classic(lanes) => {
                let first = lanes.first().map_or(0, |lane| lane.load(Relaxed));
                self.word(LATENCY_SUM) | self.word(SIZE_SUM) | first != 0
            }
        }
    }

    /// Requests.
    #[inline]
    pub(crate) fn count(self, map: LaneMap<'_>) -> u64 {
        match self.lanes {
            CellLanes::Merged { .. } | CellLanes::Spilled(_) => self.word(COUNT),
            CellLanes::Classic(lanes) => sum_of(lanes, map.all(Quantity::Latency)),
        }
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

    /// Calls `add` with the classic buckets of a quantity that may have counted any, and their requests.
    #[inline]
    pub(crate) fn read_classic(self, map: LaneMap<'_>, quantity: Quantity, mut add: impl FnMut(usize, u64)) {
        for (bucket, run) in map.classic_runs(quantity, self.range(map, quantity)) {
            add(bucket, self.total(run));
        }
    }

    /// The same of exponential buckets; one may come several times.
    #[inline]
    pub(crate) fn read_exponential(self, map: LaneMap<'_>, quantity: Quantity, mut add: impl FnMut(usize, u64)) {
        let LaneRange { first, end } = self.range(map, quantity);
        for lane in first..end {
            add(map.buckets(lane).exponential, self.total(LaneRange { first: lane, end: lane + 1 }));
        }
    }

    /// The lanes of a quantity that may have counted any.
    #[inline]
    fn range(self, map: LaneMap<'_>, quantity: Quantity) -> LaneRange {
        match self.lanes {
            CellLanes::Merged { .. } | CellLanes::Spilled(_) => map.between(quantity, self.extremes(quantity)),
            CellLanes::Classic(_) => map.all(quantity),
        }
    }

    /// Requests in some lanes.
    #[inline]
    fn total(self, run: LaneRange) -> u64 {
        match self.lanes {
            CellLanes::Merged { lanes, wides } => {
                let of = run.first..run.end;
                let (Some(lanes), Some(wides)) = (lanes.get(of.clone()), wides.get(of)) else { return 0 };
                lanes::sum(lanes, wides, &self.head[WIDE_IN_USE])
            }
            CellLanes::Spilled(lanes) | CellLanes::Classic(lanes) => sum_of(lanes, run),
        }
    }

    #[inline]
    fn word(self, at: usize) -> u64 {
        // Relaxed: each number whole, not the numbers in step.
        self.head[at].load(Relaxed)
    }
}

#[inline]
fn sum_of(lanes: &[AtomicU64], run: LaneRange) -> u64 {
    // Relaxed: each number whole, not the numbers in step.
    lanes.get(run.first..run.end).unwrap_or_default().iter().map(|lane| lane.load(Relaxed)).sum()
}
