//! Failures by kind: what a shard counts of them beside its cells, because they split no histogram.
//!
//! A kind is stored after the count of its cell, with release: who sees a failure in its kind finds it in the total.

use crate::atomics::{AtomicU64, Ordering};
use crate::request::error_kind::{ErrorKind, KINDS};

/// The failures of one series in one shard, by kind: a cache line, untouched where nothing fails.
pub(crate) type KindCounts = [AtomicU64; KIND_WORDS];

pub(crate) const KIND_WORDS: usize = 8;
const _: () = assert!(KINDS <= KIND_WORDS);

/// Where all shards keep them.
#[derive(Clone, Copy)]
pub(crate) struct KindCells<'a> {
    /// One shard after another, in each one series after another.
    pub(crate) own: &'a [KindCounts],
    /// The spill shard's.
    pub(crate) spill: &'a [KindCounts],
}

/// Counts a failure where this thread alone does.
#[inline]
pub(crate) fn add_own(counts: Option<&KindCounts>, kind: ErrorKind) {
    if let Some(count) = counts.and_then(|counts| counts.get(kind.index())) {
        // Relaxed load: this thread alone stores.
        count.store(count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }
}

/// Counts a failure where several threads do.
#[inline]
pub(crate) fn add_shared(counts: Option<&KindCounts>, kind: ErrorKind) {
    if let Some(count) = counts.and_then(|counts| counts.get(kind.index())) {
        count.fetch_add(1, Ordering::Release);
    }
}

/// Adds what one shard counted of one series.
pub(crate) fn read(counts: Option<&KindCounts>, sums: &mut [u64; KINDS]) {
    for (sum, count) in sums.iter_mut().zip(counts.into_iter().flatten()) {
        // Acquire pairs with the release of whoever counts.
        *sum = sum.wrapping_add(count.load(Ordering::Acquire));
    }
}
