//! The ring of raw events between one recorder and the pump, and the one that late recorders share.
//!
//! Both are bounded and never wait: a full ring refuses, and the recorder counts what it refused. Positions count all
//! events ever pushed and never wrap in practice (2^64 events); the slot is the position modulo the ring's size, a
//! power of two.

use crate::atomics::{AtomicU64, Ordering};

/// Words of one event.
pub(crate) const EVENT_WORDS: usize = 4;
/// A slot of a recorder's own ring.
pub(crate) type Slot = [AtomicU64; EVENT_WORDS];
/// A slot of the shared ring: the event, then a sequence number that says whose turn it is.
pub(crate) type SharedSlot = [AtomicU64; EVENT_WORDS + 1];

/// Pushes `event` at `head`, if the slot is free; one thread at a time calls this.
///
/// `tail` is the producer's last knowledge of the consumer's position and spares it most looks at the other's line.
#[inline]
pub(crate) fn push(
    slots: &[Slot],
    shared_head: &AtomicU64,
    shared_tail: &AtomicU64,
    (head, tail): (u64, &mut u64),
    event: [u64; EVENT_WORDS],
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

/// Takes out every event that was there when it began and hands each to `deliver`; one thread at a time calls this.
pub(crate) fn drain(
    slots: &[Slot],
    head: &AtomicU64,
    tail: &AtomicU64,
    mut deliver: impl FnMut([u64; EVENT_WORDS]),
) -> u64 {
    // Acquire pairs with the producer's release in `push`. The tail is ours alone.
    let end = head.load(Ordering::Acquire);
    let start = tail.load(Ordering::Relaxed);
    for position in start..end {
        deliver(read(&slots[slot_of(position, slots.len())]));
        // Release: the slot is free only when our reads of it are done. Slot by slot, so that a producer that fills
        // the ring meanwhile finds room at once.
        tail.store(position + 1, Ordering::Release);
    }
    end - start
}

/// Pushes `event` into the ring that several producers share, if there is room.
///
/// A slot's sequence number is `position` (counted from 0, less the slot's own number) when it is free for that
/// position, and one more when it holds the event (after Dmitry Vyukov's bounded queue, with one consumer).
pub(crate) fn push_shared(slots: &[SharedSlot], head: &AtomicU64, event: [u64; EVENT_WORDS]) -> bool {
    let mut position = head.load(Ordering::Relaxed);
    loop {
        let index = slot_of(position, slots.len());
        let slot = &slots[index];
        // Acquire pairs with the release in `drain_shared` that freed the slot.
        let turn = slot[EVENT_WORDS].load(Ordering::Acquire).wrapping_add(index as u64);
        if turn != position {
            if turn < position {
                return false;
            }
            position = head.load(Ordering::Relaxed);
            continue;
        }
        // Relaxed: winning the position gives the right to write; the words are published by the sequence number.
        match head.compare_exchange_weak(position, position + 1, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => {
                for (word, value) in slot.iter().zip(event) {
                    word.store(value, Ordering::Relaxed);
                }
                slot[EVENT_WORDS].store((position + 1).wrapping_sub(index as u64), Ordering::Release);
                return true;
            }
            Err(now) => position = now,
        }
    }
}

/// Takes out what producers have finished; stops at a slot that a producer has won but not yet filled.
pub(crate) fn drain_shared(slots: &[SharedSlot], tail: &AtomicU64, mut deliver: impl FnMut([u64; EVENT_WORDS])) -> u64 {
    let start = tail.load(Ordering::Relaxed);
    let mut position = start;
    while position - start < slots.len() as u64 {
        let index = slot_of(position, slots.len());
        let slot = &slots[index];
        // Acquire pairs with the release in `push_shared` that filled the slot.
        if slot[EVENT_WORDS].load(Ordering::Acquire).wrapping_add(index as u64) != position + 1 {
            break;
        }
        deliver(read(slot));
        let free = (position + slots.len() as u64).wrapping_sub(index as u64);
        // Release: the slot is free for the next lap only when our reads of it are done.
        slot[EVENT_WORDS].store(free, Ordering::Release);
        position += 1;
        tail.store(position, Ordering::Release);
    }
    position - start
}

fn slot_of(position: u64, size: usize) -> usize {
    position as usize & (size - 1)
}

fn read(words: &[AtomicU64]) -> [u64; EVENT_WORDS] {
    core::array::from_fn(|i| words[i].load(Ordering::Relaxed))
}
