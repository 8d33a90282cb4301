//! Loom models of everything that threads share: the rings, interning, and the hand-over of a shard.
//!
//! Run them with `RUSTFLAGS="--cfg loom" cargo test -p loaddensity-metrics-core --lib --release models`. Each model is
//! the smallest one in which its race can happen. loom then tries every interleaving and every value that a relaxed
//! load may return. loom does not find a store that moves before an earlier load. So no model shows that the slots of a
//! ring need a release store when they are freed after reading: only the comment there gives the reason.

extern crate std;

mod lanes;

use std::vec::Vec;

use loom::sync::Arc;
use loom::thread;

use crate::atomics::{AtomicU64, Ordering, zeros};
use crate::counts::bounds::{Bounds, BoundsError, BoundsWords};
use crate::registry::exemplars;
use crate::registry::gauges::{self, GaugeWords};
use crate::registry::intern::{self, Entries, FreeEntries};
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

/// Entries of one word each: the key.
struct Table {
    index: [AtomicU64; 4],
    keys: [AtomicU64; 2],
    links: [AtomicU64; 2],
    next: AtomicU64,
    returned: AtomicU64,
}

struct Wanted<'a>(&'a Table, u64);

impl Entries for Wanted<'_> {
    fn matches(&self, number: u32) -> bool {
        self.0.keys[number as usize].load(Ordering::Relaxed) == self.1
    }

    fn write(&self, number: u32) {
        self.0.keys[number as usize].store(self.1, Ordering::Relaxed);
    }

    fn free_link(&self, number: u32) -> &AtomicU64 {
        &self.0.links[number as usize]
    }
}

impl Table {
    fn new() -> Self {
        Self { index: zeros(), keys: zeros(), links: zeros(), next: AtomicU64::new(0), returned: AtomicU64::new(0) }
    }

    /// All keys have the same hash, which is the worst case.
    fn intern(&self, key: u64) -> Option<u32> {
        let free = FreeEntries { next: &self.next, returned: &self.returned, first: 0, capacity: 2 };
        intern::intern(&self.index, &free, 7 << 32, &Wanted(self, key)).map(|(number, _)| number)
    }
}

#[test]
fn a_key_that_two_threads_intern_has_one_entry() {
    loom::model(|| {
        let table = Arc::new(Table::new());
        let other = {
            let table = table.clone();
            thread::spawn(move || table.intern(11))
        };
        let mine = table.intern(11).unwrap();
        assert_eq!(other.join().unwrap(), Some(mine));
        // The entry of the thread that came second was given back, so there is room for a second key.
        let second = table.intern(22).unwrap();
        assert_ne!(second, mine);
        assert_eq!((table.intern(11), table.intern(22), table.intern(33)), (Some(mine), Some(second), None));
    });
}

#[test]
fn two_keys_have_two_entries_even_with_one_hash() {
    loom::model(|| {
        let table = Arc::new(Table::new());
        let other = {
            let table = table.clone();
            thread::spawn(move || table.intern(22))
        };
        let mine = table.intern(11);
        let theirs = other.join().unwrap();
        assert!(mine.is_some() && theirs.is_some() && mine != theirs);
        assert_eq!((table.intern(11), table.intern(22)), (mine, theirs));
    });
}

#[test]
fn a_thread_that_finds_an_entry_sees_all_of_it() {
    loom::model(|| {
        let table = Arc::new(Table::new());
        let seeker = {
            let table = table.clone();
            thread::spawn(move || {
                let key_of = |number: u32| table.keys[number as usize].load(Ordering::Relaxed);
                let near = intern::near(&table.index, 7 << 32).filter(|number| *number != u32::MAX);
                assert!(near.is_none_or(|number| key_of(number) == 11));
                let found = intern::find(&table.index, 7 << 32, |number| key_of(number) == 11);
                assert!(near.is_none() || found == near);
                found
            })
        };
        let interned = table.intern(11);
        assert!(interned.is_some());
        let found = seeker.join().unwrap();
        assert!(found.is_none() || found == interned);
        assert_eq!(intern::find(&table.index, 7 << 32, |number| number == 0), interned);
    });
}

#[test]
fn a_shard_that_changes_hands_loses_no_count() {
    loom::model(|| {
        // The words of a claim and of one counter, used as `Recorder::claim`, `OwnCells::add` and `Recorder::drop` use
        // them.
        let shard: Arc<(AtomicU64, AtomicU64)> = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
        let work = |shard: &(AtomicU64, AtomicU64)| {
            let won = shard.0.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok();
            if won {
                shard.1.store(shard.1.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                shard.0.store(0, Ordering::Release);
            }
            u64::from(won)
        };
        let other = {
            let shard = shard.clone();
            thread::spawn(move || work(&shard))
        };
        let counted = work(&shard) + other.join().unwrap();
        assert_eq!(shard.1.load(Ordering::Relaxed), counted);
    });
}

#[test]
fn registries_made_at_once_agree_on_the_overflow_series() {
    loom::model(|| {
        let index: Arc<[AtomicU64; 2]> = Arc::new(zeros());
        let other = {
            let index = index.clone();
            thread::spawn(move || intern::enter(&*index, 7 << 32, 0))
        };
        intern::enter(&*index, 7 << 32, 0);
        other.join().unwrap();
        let taken = index.iter().filter(|place| place.load(Ordering::Relaxed) != 0).count();
        assert_eq!(taken, 1);
    });
}

fn number_of(gauges: &[GaugeWords], name: &str) -> Option<usize> {
    let found = gauges::find_or_write(gauges, name)?;
    gauges.iter().position(|gauge| core::ptr::eq(gauge, found))
}

#[test]
fn two_threads_that_name_the_same_gauge_get_one() {
    loom::model(|| {
        let gauges: Arc<[GaugeWords; 2]> = Arc::new(core::array::from_fn(|_| GaugeWords::new()));
        let other = {
            let gauges = gauges.clone();
            thread::spawn(move || number_of(&*gauges, "users"))
        };
        assert_eq!(number_of(&*gauges, "users"), Some(0));
        assert_eq!(other.join().unwrap(), Some(0));
        assert_eq!((number_of(&*gauges, "rate"), number_of(&*gauges, "third")), (Some(1), None));
    });
}

#[test]
fn gauges_whose_names_begin_alike_are_different_and_readers_see_whole_names() {
    loom::model(|| {
        let gauges: Arc<[GaugeWords; 2]> = Arc::new(core::array::from_fn(|_| GaugeWords::new()));
        let (short, long) = ("begins_l", "begins_like_it");
        let other = {
            let gauges = gauges.clone();
            thread::spawn(move || number_of(&*gauges, long))
        };
        let mine = number_of(&*gauges, short);
        let seen = gauges.iter().filter_map(|gauge| gauge.name());
        assert!(seen.clone().any(|name| name == short) && seen.clone().all(|name| name == short || name == long));
        let theirs = other.join().unwrap();
        assert!(mine.is_some() && theirs.is_some() && mine != theirs);
        assert_eq!((number_of(&*gauges, short), number_of(&*gauges, long)), (mine, theirs));
    });
}

/// A slot of two words. That is enough to see a torn one.
struct ExemplarSlot {
    sequence: AtomicU64,
    words: [AtomicU64; 2],
}

impl ExemplarSlot {
    fn new() -> Arc<Self> {
        Arc::new(Self { sequence: AtomicU64::new(0), words: zeros() })
    }

    fn write(&self, number: u64) {
        exemplars::write(&self.sequence, &self.words, [number; 2]);
    }

    fn read(&self) -> Option<[u64; 2]> {
        exemplars::read(&self.sequence, &self.words)
    }
}

#[test]
fn two_writers_of_an_exemplar_leave_one_whole_exemplar() {
    loom::model(|| {
        let slot = ExemplarSlot::new();
        let other = {
            let slot = slot.clone();
            thread::spawn(move || slot.write(2))
        };
        slot.write(1);
        other.join().unwrap();
        // The first writer has written. The other one may have given up.
        let last = slot.read();
        assert!([Some([1; 2]), Some([2; 2])].contains(&last), "{last:?}");
    });
}

#[test]
fn an_exemplar_that_is_being_overwritten_is_read_whole() {
    loom::model(|| {
        let slot = ExemplarSlot::new();
        slot.write(1);
        let writer = {
            let slot = slot.clone();
            thread::spawn(move || slot.write(2))
        };
        let read = slot.read();
        assert!([None, Some([1; 2]), Some([2; 2])].contains(&read), "{read:?}");
        writer.join().unwrap();
        assert_eq!(slot.read(), Some([2; 2]));
    });
}

#[test]
fn two_threads_may_set_the_same_bounds_at_once() {
    loom::model(|| {
        let words = Arc::new(BoundsWords::new());
        let own = Bounds::new(&[], &[]).unwrap();
        let other = {
            let words = words.clone();
            thread::spawn(move || words.set(&own))
        };
        assert_eq!(words.set(&own), Ok(()));
        assert_eq!((other.join().unwrap(), words.get()), (Ok(()), own));
    });
}

#[test]
fn only_one_of_two_threads_that_set_different_bounds_succeeds() {
    loom::model(|| {
        let words = Arc::new(BoundsWords::new());
        let [mine, theirs] = [&[1][..], &[2]].map(|sizes| Bounds::new(&[], sizes).unwrap());
        let other = {
            let words = words.clone();
            thread::spawn(move || words.set(&theirs))
        };
        let expected = match words.set(&mine) {
            Ok(()) => (Err(BoundsError::InUse), mine),
            Err(_) => (Ok(()), theirs),
        };
        assert_eq!((other.join().unwrap(), words.get()), expected);
    });
}

#[test]
fn a_thread_that_reads_bounds_while_others_set_them_fixes_them() {
    loom::model(|| {
        let words = Arc::new(BoundsWords::new());
        let own = Bounds::new(&[], &[1]).unwrap();
        let setter = {
            let words = words.clone();
            thread::spawn(move || words.set(&own))
        };
        let seen = words.get();
        let expected = if seen == own { Ok(()) } else { Err(BoundsError::InUse) };
        assert!(seen == own || seen == Bounds::CONTRACT);
        assert_eq!((setter.join().unwrap(), words.get()), (expected, seen));
    });
}
