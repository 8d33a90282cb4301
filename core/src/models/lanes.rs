//! Lanes under the model checker, with a half turn of two requests: no total is ever wrong by a turn, so that none goes back
//! and none says more than was counted. `sim/mutations/run model-lanes` takes away each order that they need.

use core::{array, slice};

use heapless::Vec;
use loom::sync::Arc;
use loom::thread;

use crate::atomics::AtomicU64;
use crate::atomics::owned::{OwnedU16, OwnedU32};
use crate::counts::lane_map::LaneRange;
use crate::counts::lane_sums::LaneSums;
use crate::counts::lanes;
use crate::counts::layout::{CellHead, WIDE_IN_USE};
use crate::counts::outcome_cell::OutcomeCell;
use crate::registry::parts::{claim, release};

/// One lane of a cell, and the words that it carries into.
struct Counted {
    lane: OwnedU16,
    wide: OwnedU32,
    head: CellHead,
    /// The mark of its shard's owner.
    owned: AtomicU64,
}

impl Counted {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            lane: OwnedU16::new(0),
            wide: OwnedU32::new(0),
            head: array::from_fn(|_| AtomicU64::new(0)),
            owned: AtomicU64::new(1),
        })
    }

    fn count(&self, requests: usize) {
        for _ in 0..requests {
            if lanes::count(&self.lane) {
                lanes::carry(&self.wide, &self.head[WIDE_IN_USE]);
            }
        }
    }

    fn total(&self) -> u64 {
        lanes::total(&self.lane, &self.wide)
    }

    /// As readers do, who look at lanes alone while no wide word is in use.
    fn sum(&self) -> u64 {
        self.sum_beside([])
    }

    /// The same beside other cells.
    fn sum_beside<const N: usize>(&self, others: [&Self; N]) -> u64 {
        loop {
            let mut sums = LaneSums::NONE;
            let cells: Vec<_, 4> = others.into_iter().chain([self]).map(Self::cell).collect();
            if sums.add_cells(&cells, &[LaneRange { first: 0, end: 1 }; 4]) {
                return sums.all();
            }
        }
    }

    fn cell(&self) -> OutcomeCell<'_> {
        OutcomeCell::merged(&self.head, slice::from_ref(&self.lane), slice::from_ref(&self.wide))
    }
}

/// Reads twice while somebody counts `most` requests.
fn check_readings(counted: &Counted, most: u64, read: impl Fn(&Counted) -> u64) {
    let (first, second) = (read(counted), read(counted));
    assert!(first <= second && second <= most, "{first}, then {second} of {most}");
}

fn model(check: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    // Two suffice for every order that must not go, and three take hours.
    builder.preemption_bound = Some(2);
    builder.check(check);
}

#[test]
fn a_total_is_exact_while_its_lane_carries() {
    model(|| {
        let counted = Counted::new();
        let writer = {
            let counted = counted.clone();
            thread::spawn(move || counted.count(6))
        };
        check_readings(&counted, 6, Counted::total);
        writer.join().unwrap();
        assert_eq!(counted.total(), 6);
    });
}

#[test]
fn lanes_are_read_alone_only_while_none_has_begun_a_turn_again() {
    model(|| {
        let counted = Counted::new();
        let writer = {
            let counted = counted.clone();
            thread::spawn(move || counted.count(6))
        };
        check_readings(&counted, 6, Counted::sum);
        writer.join().unwrap();
        assert_eq!(counted.sum(), 6);
    });
}

#[test]
fn four_lanes_are_read_at_once_only_while_none_has_begun_a_turn_again() {
    model(|| {
        let (counted, others) = (Counted::new(), [Counted::new(), Counted::new(), Counted::new()]);
        others.iter().for_each(|other| other.count(1));
        let writer = {
            let counted = counted.clone();
            thread::spawn(move || counted.count(5))
        };
        check_readings(&counted, 8, |counted| counted.sum_beside(others.each_ref().map(|other| &**other)));
        writer.join().unwrap();
    });
}

#[test]
fn a_shard_that_is_handed_over_keeps_its_totals() {
    model(|| {
        let counted = Counted::new();
        let first = {
            let counted = counted.clone();
            thread::spawn(move || {
                counted.count(3);
                release(&counted.owned);
            })
        };
        let second = {
            let counted = counted.clone();
            thread::spawn(move || {
                if claim(&counted.owned) {
                    counted.count(3);
                }
            })
        };
        check_readings(&counted, 6, Counted::total);
        first.join().unwrap();
        second.join().unwrap();
    });
}
