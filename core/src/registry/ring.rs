//! The ring of events between one recorder and the pump, and the ring that the recorders of the spill shard share. Requests
//! have one, and so have observations, in storage that was built with it.
//!
//! Both are bounded and never wait: a full ring refuses an event, and the recorder counts the refused events. Positions
//! count all events ever pushed and never wrap in practice (2^64 events). The slot of an event is its position modulo
//! the ring's size, which is a power of two.

use crate::atomics::{AtomicU64, Ordering};
use crate::cold::cold_path;

/// Words of a request.
pub(crate) const EVENT_WORDS: usize = 4;
/// A slot of a recorder's own ring of requests.
pub(crate) type Slot = [AtomicU64; EVENT_WORDS];
/// A slot of the shared ring of requests: the event, then a sequence number that says whose turn it is.
pub(crate) type SharedSlot = [AtomicU64; EVENT_WORDS + 1];
/// Words of an observation, which has the time of the drain.
pub(crate) const OBSERVATION_WORDS: usize = 2;
/// A slot of a recorder's own ring of observations.
pub(crate) type ObservationSlot = [AtomicU64; OBSERVATION_WORDS];
/// A slot of the shared ring of observations, with its sequence number.
pub(crate) type SharedObservationSlot = [AtomicU64; OBSERVATION_WORDS + 1];

/// The rings of observations.
#[derive(Clone, Copy, Default)]
pub(crate) struct ObservationRings<'a> {
    /// Shard by shard.
    pub(crate) own: &'a [ObservationSlot],
    pub(crate) spill: &'a [SharedObservationSlot],
}

impl<'a> ObservationRings<'a> {
    /// That of a shard.
    pub(crate) fn of(self, shard: usize) -> &'a [ObservationSlot] {
        let size = self.spill.len();
        self.own.get(shard * size..(shard + 1) * size).unwrap_or_default()
    }
}

/// Pushes `event` at `head`, if the slot is free. Only one thread at a time may call this.
///
/// `tail` is the consumer's position as the producer last read it. With it the producer rarely has to read the
/// consumer's cache line.
#[inline]
pub(crate) fn push<const WORDS: usize>(
    slots: &[[AtomicU64; WORDS]],
    shared_head: &AtomicU64,
    shared_tail: &AtomicU64,
    (head, tail): (u64, &mut u64),
    event: [u64; WORDS],
) -> bool {
    if head.wrapping_sub(*tail) >= slots.len() as u64 {
        // Acquire pairs with the consumer's release in `drain`: its reads of the slot are over before we overwrite it.
        *tail = shared_tail.load(Ordering::Acquire);
        if head.wrapping_sub(*tail) >= slots.len() as u64 {
            return false;
        }
    }
    for (word, value) in slots[slot_of(head, slots.len())].iter().zip(event) {
        word.store(value, Ordering::Relaxed);
    }
    // Release publishes the words above to the consumer's acquire load of the head.
    shared_head.store(head.wrapping_add(1), Ordering::Release);
    true
}

/// Pushes `event` as [`push`] does, where the shard's header keeps the head, and the tail as its owner last read it: for rings
/// that are used too seldom for a recorder to have them at hand.
#[inline(always)]
pub(crate) fn push_kept<const WORDS: usize>(
    slots: &[[AtomicU64; WORDS]],
    [head, tail, tail_seen]: [&AtomicU64; 3],
    event: [u64; WORDS],
) -> bool {
    // Relaxed, here and below: owners alone write these words, and the claim of a shard pairs with its release.
    let (head_now, mut seen) = (head.load(Ordering::Relaxed), tail_seen.load(Ordering::Relaxed));
    if head_now.wrapping_sub(seen) >= slots.len() as u64 {
        cold_path();
        // Acquire, as in `push`.
        seen = tail.load(Ordering::Acquire);
        tail_seen.store(seen, Ordering::Relaxed);
    }
    push(slots, head, tail, (head_now, &mut seen), event)
}

/// Where the ring of a shard that was just claimed is filled on: what [`push`] wants of head and tail.
pub(crate) fn resume(head: &AtomicU64, tail: &AtomicU64) -> (u64, u64) {
    // Relaxed: the shard's former owner wrote the head, and the claim pairs with its release. Acquire pairs with the
    // consumer's release in `drain`: the slots before this tail have been read.
    (head.load(Ordering::Relaxed), tail.load(Ordering::Acquire))
}

/// Takes out every event that is in the ring when the call begins, and hands each to `deliver`. Only one thread at a
/// time may call this.
pub(crate) fn drain<const WORDS: usize>(
    slots: &[[AtomicU64; WORDS]],
    head: &AtomicU64,
    tail: &AtomicU64,
    mut deliver: impl FnMut([u64; WORDS]),
) -> u64 {
    // Acquire pairs with the producer's release in `push`. Relaxed: only this thread writes the tail.
    let end = head.load(Ordering::Acquire);
    let start = tail.load(Ordering::Relaxed);
    for position in start..end {
        deliver(read(&slots[slot_of(position, slots.len())]));
        // Release: the slot is free only when our reads of it are done. The tail moves slot by slot, so that a producer
        // that fills the ring meanwhile finds room at once.
        tail.store(position + 1, Ordering::Release);
    }
    end - start
}

/// Pushes `event` into the ring that several producers share, if there is room.
///
/// A slot has a sequence number. It is the position less the slot's own number while the slot is free for the event of
/// that position, and one more while the slot holds this event. (This is Dmitry Vyukov's bounded queue, with one
/// consumer.)
pub(crate) fn push_shared<const WORDS: usize, const SLOT: usize>(
    slots: &[[AtomicU64; SLOT]],
    head: &AtomicU64,
    event: [u64; WORDS],
) -> bool {
    const { assert!(SLOT == WORDS + 1, "the event, and a sequence number") };
    let mut position = head.load(Ordering::Relaxed);
    loop {
        let index = slot_of(position, slots.len());
        let Some(slot) = slots.get(index) else { return false };
        // Acquire pairs with the release in `drain_shared` that freed the slot.
        let Some((turn_word, words)) = slot.split_last() else { return false };
        let turn = turn_word.load(Ordering::Acquire).wrapping_add(index as u64);
        if turn != position {
            if turn < position {
                return false;
            }
            position = head.load(Ordering::Relaxed);
            continue;
        }
        // Relaxed: the exchange only decides which thread may write; the sequence number publishes the words.
        match head.compare_exchange_weak(position, position + 1, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => {
                for (word, value) in words.iter().zip(event) {
                    word.store(value, Ordering::Relaxed);
                }
                turn_word.store((position + 1).wrapping_sub(index as u64), Ordering::Release);
                return true;
            }
            Err(now) => position = now,
        }
    }
}

/// Takes out the events that producers have finished. Stops at a slot that a producer has claimed but not yet filled.
pub(crate) fn drain_shared<const WORDS: usize, const SLOT: usize>(
    slots: &[[AtomicU64; SLOT]],
    tail: &AtomicU64,
    mut deliver: impl FnMut([u64; WORDS]),
) -> u64 {
    const { assert!(SLOT == WORDS + 1, "as in `push_shared`") };
    let start = tail.load(Ordering::Relaxed);
    let mut position = start;
    while position - start < slots.len() as u64 {
        let index = slot_of(position, slots.len());
        let Some((turn_word, words)) = slots.get(index).and_then(|slot| slot.split_last()) else { break };
        // Acquire pairs with the release in `push_shared` that filled the slot.
        if turn_word.load(Ordering::Acquire).wrapping_add(index as u64) != position + 1 {
            break;
        }
        deliver(read(words));
        let free = (position + slots.len() as u64).wrapping_sub(index as u64);
        // Release: the slot is free for the next round only when our reads of it are done.
        turn_word.store(free, Ordering::Release);
        position += 1;
        tail.store(position, Ordering::Release);
    }
    position - start
}

fn slot_of(position: u64, size: usize) -> usize {
    position as usize & (size - 1)
}

// The pump is compiled where its sinks are known: in another crate.
#[inline]
fn read<const WORDS: usize>(words: &[AtomicU64]) -> [u64; WORDS] {
    core::array::from_fn(|i| words[i].load(Ordering::Relaxed))
}
