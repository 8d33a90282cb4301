//! A setting that is decided once: by the first who sets it, or, as off, by the first who reads it.

use crate::atomics::{AtomicU64, Ordering, const_unless_loom};

/// The setting. 0 means that nobody has decided.
#[derive(Debug)]
pub(crate) struct DecidedOnce(AtomicU64);

const OPEN: u64 = 0;

impl DecidedOnce {
    /// Off. All others are greater.
    pub(crate) const OFF: u64 = 1;

    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Self(AtomicU64::new(OPEN))
        }
    }

    /// What was decided; off from now on if nothing was.
    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.settle(Self::OFF)
    }

    /// The setting. It becomes `wanted` if none was decided before.
    #[inline]
    pub(crate) fn settle(&self, wanted: u64) -> u64 {
        // Relaxed: only this word matters; it publishes no other.
        match self.0.load(Ordering::Relaxed) {
            OPEN => self
                .0
                .compare_exchange(OPEN, wanted, Ordering::Relaxed, Ordering::Relaxed)
                .map_or_else(|settled| settled, |_| wanted),
            settled => settled,
        }
    }
}
