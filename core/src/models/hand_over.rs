//! A shard that is handed over while the pump reads its ring: the next owner goes on where the former one was. What is handed
//! over of its lanes is in `lanes.rs`.

extern crate std;

use std::vec::Vec;

use loom::sync::Arc;
use loom::thread;

use crate::atomics::{AtomicU64, zeros};
use crate::registry::parts::{claim, release};
use crate::registry::ring::{self, EVENT_WORDS, Slot};

struct Shard {
    owned: AtomicU64,
    slots: [Slot; 2],
    head: AtomicU64,
    tail: AtomicU64,
}

type Words = [u64; EVENT_WORDS];

impl Shard {
    /// With an owner.
    fn new() -> Arc<Self> {
        Arc::new(Self { owned: AtomicU64::new(1), slots: [zeros(), zeros()], head: zero(), tail: zero() })
    }

    /// What an owner does with its shard; returns the events that the ring accepted.
    fn push(&self, events: impl IntoIterator<Item = u64>) -> Vec<Words> {
        let (mut head, mut tail) = ring::resume(&self.head, &self.tail);
        let mut accepted = Vec::new();
        for event in events {
            if ring::push(&self.slots, &self.head, &self.tail, (head, &mut tail), [event; EVENT_WORDS]) {
                head += 1;
                accepted.push([event; EVENT_WORDS]);
            }
        }
        release(&self.owned);
        accepted
    }

    fn drain(&self, delivered: &mut Vec<Words>) {
        ring::drain(&self.slots, &self.head, &self.tail, |event| delivered.push(event));
    }
}

fn zero() -> AtomicU64 {
    AtomicU64::new(0)
}

fn check(first: u64) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let shard = Shard::new();
        let former = {
            let shard = shard.clone();
            thread::spawn(move || shard.push(1..=first))
        };
        let next = {
            let shard = shard.clone();
            thread::spawn(move || if claim(&shard.owned) { shard.push([9]) } else { Vec::new() })
        };
        let mut delivered = Vec::new();
        shard.drain(&mut delivered);
        let mut accepted = former.join().unwrap();
        accepted.extend(next.join().unwrap());
        shard.drain(&mut delivered);
        assert_eq!(delivered, accepted);
    });
}

#[test]
fn the_ring_of_a_shard_that_is_handed_over_delivers_each_event_once() {
    check(1);
}

#[test]
fn a_full_ring_that_is_handed_over_keeps_what_was_not_read() {
    check(2);
}
