//! What one shard counted of one series and outcome, for readers. They wait for nobody, and what they read never goes back.
//!
//! Each number is whole; they are not in step: a request that is recorded meanwhile may be in the lanes and not yet in the
//! count.

use crate::atomics::owned::{OwnedU16, OwnedU32};
use crate::atomics::{AtomicU64, Ordering::Acquire, Ordering::Relaxed};
use crate::counts::bounds::Quantity;
use crate::counts::lane_map::{LaneMap, LaneRange};
use crate::counts::layout::{
    COUNT, CellHead, LARGEST, LATENCY_SUM, LONGEST, SHORTEST, SIZE_SUM, SMALLEST, WIDE_IN_USE,
};

/// A cell.
#[derive(Clone, Copy)]
pub(crate) struct OutcomeCell<'a> {
    head: &'a CellHead,
    lanes: CellLanes<'a>,
}

/// The lanes of a cell.
#[derive(Clone, Copy)]
pub(crate) enum CellLanes<'a> {
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
            CellLanes::Classic(lanes) => {
                let LaneRange { first, end } = map.all(Quantity::Latency);
                lanes.get(first..end).unwrap_or_default().iter().map(|lane| lane.load(Relaxed)).sum()
            }
        }
    }

    /// Observations, where this is a histogram of the engine's own. To be read before all else.
    #[inline]
    pub(crate) fn observations(self) -> u64 {
        // Acquire pairs with the release of whoever counts.
        self.head[COUNT].load(Acquire)
    }

    /// The sum of latencies in nanoseconds, or of sizes in bytes.
    #[inline]
    pub(crate) fn sum(self, quantity: Quantity) -> u64 {
        self.word(match quantity {
            Quantity::Latency => LATENCY_SUM,
            Quantity::Size => SIZE_SUM,
        })
    }

    /// The smallest and the largest value. Where they are not kept, in storage of classic buckets alone, the first exceeds the
    /// second.
    #[inline]
    pub(crate) fn extremes(self, quantity: Quantity) -> (u64, u64) {
        match quantity {
            Quantity::Latency => (!self.word(SHORTEST), self.word(LONGEST)),
            Quantity::Size => (!self.word(SMALLEST), self.word(LARGEST)),
        }
    }

    pub(crate) const fn lanes(self) -> CellLanes<'a> {
        self.lanes
    }

    /// The word that says whether wide words are in use.
    pub(crate) const fn wide_in_use(self) -> &'a AtomicU64 {
        &self.head[WIDE_IN_USE]
    }

    #[inline]
    fn word(self, at: usize) -> u64 {
        // Relaxed: each number whole, not the numbers in step.
        self.head[at].load(Relaxed)
    }
}
