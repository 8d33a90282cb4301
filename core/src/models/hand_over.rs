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
    /// The tail as owners last read it, where the shard keeps it.
    tail_seen: AtomicU64,
}

/// What an owner does with its shard.
type Push = fn(&Shard, Vec<u64>) -> Vec<Words>;

type Words = [u64; EVENT_WORDS];

impl Shard {
    /// With an owner.
    fn new() -> Arc<Self> {
        Arc::new(Self {
            owned: AtomicU64::new(1),
            slots: [zeros(), zeros()],
            head: zero(),
            tail: zero(),
            tail_seen: zero(),
        })
    }

    /// Pushes requests, of whose ring a recorder has head and tail at hand; returns those that the ring accepted.
    fn push(&self, events: Vec<u64>) -> Vec<Words> {
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

    /// Pushes observations, of whose ring the shard keeps them; returns those that the ring accepted.
    fn push_kept(&self, events: Vec<u64>) -> Vec<Words> {
        let mut accepted = Vec::new();
        for event in events {
            if ring::push_kept(&self.slots, [&self.head, &self.tail, &self.tail_seen], [event; EVENT_WORDS]) {
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

fn check(push: Push, first: u64) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let shard = Shard::new();
        let former = {
            let shard = shard.clone();
            thread::spawn(move || push(&shard, (1..=first).collect()))
        };
        let next = {
            let shard = shard.clone();
            thread::spawn(move || if claim(&shard.owned) { push(&shard, Vec::from([9])) } else { Vec::new() })
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
    check(Shard::push, 1);
}

#[test]
fn a_full_ring_that_is_handed_over_keeps_what_was_not_read() {
    check(Shard::push, 2);
}

#[test]
fn a_ring_whose_shard_keeps_its_place_is_handed_over_with_it() {
    check(Shard::push_kept, 1);
    check(Shard::push_kept, 2);
}
