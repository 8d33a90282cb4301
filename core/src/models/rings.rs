//! The ring between one recorder and the pump, and the one that several recorders share.

extern crate std;

use std::vec::Vec;

use loom::sync::Arc;
use loom::thread;

use crate::atomics::{AtomicU64, zeros};
use crate::registry::ring::{self, SharedSlot, Slot};

struct OwnRing {
    slots: [Slot; 2],
    head: AtomicU64,
    tail: AtomicU64,
}

#[test]
fn a_ring_delivers_exactly_the_accepted_events_in_order() {
    loom::model(|| {
        let ring = Arc::new(OwnRing { slots: [zeros(), zeros()], head: AtomicU64::new(0), tail: AtomicU64::new(0) });
        let producer = {
            let ring = ring.clone();
            thread::spawn(move || {
                let (mut head, mut tail, mut accepted) = (0, 0, Vec::new());
                for event in 1..=4 {
                    let words = [event; 4];
                    if ring::push(&ring.slots, &ring.head, &ring.tail, (head, &mut tail), words) {
                        head += 1;
                        accepted.push(words);
                    }
                }
                accepted
            })
        };
        let consumer = {
            let ring = ring.clone();
            thread::spawn(move || {
                let mut delivered = Vec::new();
                for _ in 0..2 {
                    ring::drain(&ring.slots, &ring.head, &ring.tail, |event| delivered.push(event));
                }
                delivered
            })
        };
        let mut delivered = consumer.join().unwrap();
        let accepted = producer.join().unwrap();
        ring::drain(&ring.slots, &ring.head, &ring.tail, |event| delivered.push(event));
        assert_eq!(delivered, accepted);
    });
}

#[test]
fn a_ring_frees_a_slot_only_when_it_has_been_read() {
    loom::model(|| {
        let ring = Arc::new(OwnRing { slots: [zeros(), zeros()], head: AtomicU64::new(0), tail: AtomicU64::new(0) });
        for event in 1..=2 {
            assert!(ring::push(&ring.slots, &ring.head, &ring.tail, (event - 1, &mut 0), [event; 4]));
        }
        let producer = {
            let ring = ring.clone();
            thread::spawn(move || {
                let (mut head, mut tail) = (2, 0);
                for event in 3..=4 {
                    if ring::push(&ring.slots, &ring.head, &ring.tail, (head, &mut tail), [event; 4]) {
                        head += 1;
                    }
                }
            })
        };
        let mut delivered = Vec::new();
        ring::drain(&ring.slots, &ring.head, &ring.tail, |event| delivered.push(event));
        assert_eq!(delivered[..2], [[1; 4], [2; 4]]);
        producer.join().unwrap();
    });
}

struct SharedRing {
    slots: [SharedSlot; 2],
    head: AtomicU64,
    tail: AtomicU64,
}

#[test]
fn a_shared_ring_delivers_every_event_that_it_accepted_once() {
    loom::model(|| {
        let ring = Arc::new(SharedRing { slots: [zeros(), zeros()], head: AtomicU64::new(0), tail: AtomicU64::new(0) });
        let producers: [_; 2] = [1, 2].map(|event| {
            let ring = ring.clone();
            thread::spawn(move || ring::push_shared(&ring.slots, &ring.head, [event; 4]))
        });
        let consumer = {
            let ring = ring.clone();
            thread::spawn(move || {
                let mut delivered = Vec::new();
                ring::drain_shared(&ring.slots, &ring.tail, |event| delivered.push(event));
                delivered
            })
        };
        let mut delivered = consumer.join().unwrap();
        // Two slots have room for both events in any order.
        let _ = producers.map(|producer| assert!(producer.join().unwrap()));
        ring::drain_shared(&ring.slots, &ring.tail, |event| delivered.push(event));
        delivered.sort_unstable();
        assert_eq!(delivered, [[1; 4], [2; 4]]);
    });
}

#[test]
fn a_shared_ring_reuses_its_slots_in_the_next_round() {
    loom::model(|| {
        let ring = Arc::new(SharedRing { slots: [zeros(), zeros()], head: AtomicU64::new(0), tail: AtomicU64::new(0) });
        assert!(ring::push_shared(&ring.slots, &ring.head, [1; 4]));
        assert!(ring::push_shared(&ring.slots, &ring.head, [2; 4]));
        let producer = {
            let ring = ring.clone();
            thread::spawn(move || ring::push_shared(&ring.slots, &ring.head, [3; 4]))
        };
        let consumer = {
            let ring = ring.clone();
            thread::spawn(move || {
                let mut delivered = Vec::new();
                ring::drain_shared(&ring.slots, &ring.tail, |event| delivered.push(event));
                delivered
            })
        };
        let (accepted, mut delivered) = (producer.join().unwrap(), consumer.join().unwrap());
        ring::drain_shared(&ring.slots, &ring.tail, |event| delivered.push(event));
        let expected: &[[u64; 4]] = if accepted { &[[1; 4], [2; 4], [3; 4]] } else { &[[1; 4], [2; 4]] };
        assert_eq!(delivered, expected);
    });
}
