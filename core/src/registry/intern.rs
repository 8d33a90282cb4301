//! Interning: which entry belongs to which key, decided without a lock and without waiting.
//!
//! A thread that meets a new key takes a free entry, writes it, and publishes it with one compare-and-swap in the
//! index. If another thread was first at that place, there are two cases. With the same key, this thread gives its
//! entry back and uses the other one. With a different key, it looks for the next free place. No thread waits for
//! another.

use crate::atomics::{AtomicU64, Ordering};

/// What interning needs to know of the entries.
pub(crate) trait Entries {
    /// Whether entry `number` has the wanted key. Called only for entries that are in the index.
    fn matches(&self, number: u32) -> bool;
    /// Writes the wanted key into entry `number`, which no other thread uses yet.
    fn write(&self, number: u32);
    /// The word by which free entry `number` is linked to the next free one.
    fn free_link(&self, number: u32) -> &AtomicU64;
}

/// Where the numbers of free entries come from.
pub(crate) struct FreeEntries<'a> {
    /// How many entries have been taken that were never used before.
    pub(crate) next: &'a AtomicU64,
    /// The stack of entries that were given back. The low half is the top entry's number plus 1. The high half counts
    /// the changes, so that a compare-and-swap fails if the top was taken and given back meanwhile (the ABA problem).
    pub(crate) returned: &'a AtomicU64,
    /// The first entry that may be taken; those before it are reserved.
    pub(crate) first: u32,
    /// How many entries may be taken, from `first` on.
    pub(crate) capacity: u64,
}

/// The entry of the key, interned now if it is new, and whether it is new. `None` if all entries are taken.
pub(crate) fn intern(
    index: &[AtomicU64],
    free: &FreeEntries<'_>,
    hash: u64,
    entries: &impl Entries,
) -> Option<(u32, bool)> {
    let mut mine = None;
    for place in probes(index, hash) {
        // Acquire pairs with the release below: a thread that sees the number sees the entry.
        let mut found = place.load(Ordering::Acquire);
        if found == 0 {
            let number = match mine {
                Some(number) => number,
                None => {
                    let number = free.take(entries)?;
                    entries.write(number);
                    *mine.insert(number)
                }
            };
            let word = tagged(hash, number);
            // Release publishes the entry. Acquire on failure, because then this thread reads another thread's entry.
            match place.compare_exchange(0, word, Ordering::Release, Ordering::Acquire) {
                Ok(_) => return Some((number, true)),
                Err(winner) => found = winner,
            }
        }
        if let Some(number) = match_in(found, hash, entries) {
            if let Some(mine) = mine {
                free.give_back(mine, entries);
            }
            return Some((number, false));
        }
    }
    if let Some(mine) = mine {
        free.give_back(mine, entries);
    }
    None
}

/// The entry of the key, if it is interned. `matches` does what [`Entries::matches`] does.
pub(crate) fn find(index: &[AtomicU64], hash: u64, matches: impl Fn(u32) -> bool) -> Option<u32> {
    let mut at = first_place(index, hash);
    for _ in 0..index.len() {
        // Acquire pairs with the release in `intern`.
        let found = index.get(at)?.load(Ordering::Acquire);
        if found == 0 {
            return None;
        }
        let number = (found as u32).wrapping_sub(1);
        if found >> 32 == hash >> 32 && matches(number) {
            return Some(number);
        }
        at = if at + 1 == index.len() { 0 } else { at + 1 };
    }
    None
}

/// The number in one of the first two places for `hash`. It is the key's entry if that is in one of them. Otherwise it
/// is another key's entry, or `u32::MAX`, which is no entry's number.
///
/// Choosing between the two places needs no branch: the processor could not predict one.
#[inline(always)]
pub(crate) fn near(index: &[AtomicU64], hash: u64) -> Option<u32> {
    let at = first_place(index, hash);
    // Acquire pairs with the release in `intern`.
    let second = index.get(at + 1)?.load(Ordering::Acquire);
    let first = index.get(at)?.load(Ordering::Acquire);
    let found = if first >> 32 == hash >> 32 { first } else { second };
    Some((found as u32).wrapping_sub(1))
}

/// Enters `number`, whose entry is written, in the index. Does nothing if it is there already.
pub(crate) fn enter(index: &[AtomicU64], hash: u64, number: u32) {
    let word = tagged(hash, number);
    for place in probes(index, hash) {
        // Release publishes the entry.
        match place.compare_exchange(0, word, Ordering::Release, Ordering::Relaxed) {
            Err(other) if other != word => {}
            _ => return,
        }
    }
}

impl FreeEntries<'_> {
    /// The number of an entry that nobody else has.
    pub(crate) fn take(&self, entries: &impl Entries) -> Option<u32> {
        // Acquire pairs with the release in `give_back`, which publishes the link.
        let mut top = self.returned.load(Ordering::Acquire);
        while top as u32 != 0 {
            let number = top as u32 - 1;
            let below = entries.free_link(number).load(Ordering::Relaxed);
            let next = ((top >> 32).wrapping_add(1) << 32) | (below & u64::from(u32::MAX));
            match self.returned.compare_exchange(top, next, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => return Some(number),
                Err(now) => top = now,
            }
        }
        // Relaxed: only the number is handed out; no other word depends on it.
        let step = |next| (next < self.capacity).then_some(next + 1);
        self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).ok().map(|taken| taken as u32 + self.first)
    }

    /// Lets others take an entry that was taken and never entered.
    pub(crate) fn give_back(&self, number: u32, entries: &impl Entries) {
        let mut top = self.returned.load(Ordering::Relaxed);
        loop {
            entries.free_link(number).store(top & u64::from(u32::MAX), Ordering::Relaxed);
            let next = ((top >> 32).wrapping_add(1) << 32) | (u64::from(number) + 1);
            // Release publishes the link.
            match self.returned.compare_exchange(top, next, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => top = now,
            }
        }
    }
}

/// Every place of the index, beginning with the one that the hash names.
fn probes(index: &[AtomicU64], hash: u64) -> impl Iterator<Item = &AtomicU64> {
    let (before, after) = index.split_at_checked(first_place(index, hash)).unwrap_or_default();
    after.iter().chain(before)
}

/// Where the search begins: the hash's lower half, scaled to the length of the index.
#[inline]
fn first_place(index: &[AtomicU64], hash: u64) -> usize {
    (((hash & u64::from(u32::MAX)) * index.len() as u64) >> 32) as usize
}

/// The word of a place in the index. One half is the upper half of the hash: it rules out most other keys without
/// reading their entries. The other half is the entry's number plus 1, because 0 is a free place.
fn tagged(hash: u64, number: u32) -> u64 {
    (hash & !u64::from(u32::MAX)) | (u64::from(number) + 1)
}

#[inline]
fn match_in(word: u64, hash: u64, entries: &impl Entries) -> Option<u32> {
    let number = (word as u32).wrapping_sub(1);
    (word >> 32 == hash >> 32 && entries.matches(number)).then_some(number)
}
