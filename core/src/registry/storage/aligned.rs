//! Atomics on the heap that begin where a cache line does.
//!
//! Allocators place a large block 16 bytes after the start of a page. With cells placed like that, every cell would
//! touch one cache line more than it needs, and words of two threads would share a line. In a `static` they do not.

extern crate alloc;

use alloc::boxed::Box;

use super::size_error::SizeError;
use crate::atomics::AtomicU64;
use crate::atomics::owned::{OwnedU16, OwnedU32};

/// Atomics, all zero at first.
pub(super) struct Aligned<A = AtomicU64> {
    atomics: Box<[A]>,
    /// Those before the first whole line.
    skipped: usize,
    used: usize,
}

/// Two cache lines, because processors fetch lines in pairs.
const LINES_BYTES: usize = 128;

/// Zeroed memory from the allocator. Pages that come fresh from the kernel are not touched.
#[cfg(all(not(loom), target_has_atomic = "64"))]
macro_rules! zeroed {
    ($count:expr, $atomic:ty) => {
        bytemuck::allocation::try_zeroed_slice_box($count).map_err(|()| SizeError::Memory)
    };
}

#[cfg(any(loom, not(target_has_atomic = "64")))]
macro_rules! zeroed {
    ($count:expr, $atomic:ty) => {{
        let mut slice = alloc::vec::Vec::new();
        slice.try_reserve_exact($count).map_err(|_| SizeError::Memory)?;
        slice.extend((0..$count).map(|_| <$atomic>::new(0)));
        Ok(slice.into_boxed_slice())
    }};
}

/// What can be allocated as zeros.
pub(super) trait ZeroedAtomic: Sized {
    /// So many from the allocator.
    fn zeroed(count: usize) -> Result<Box<[Self]>, SizeError>;
}

impl<A: ZeroedAtomic> Aligned<A> {
    /// Room for `count` times the atomics of `T`, which is made of nothing else.
    pub(super) fn of<T>(count: usize) -> Result<Self, SizeError> {
        let used = count.checked_mul(size_of::<T>() / size_of::<A>()).ok_or(SizeError::Memory)?;
        // Nothing takes no memory.
        let spare = if used == 0 { 0 } else { LINES_BYTES / size_of::<A>() };
        let atomics = A::zeroed(used.checked_add(spare).ok_or(SizeError::Memory)?)?;
        let into_lines = atomics.as_ptr().addr() % LINES_BYTES;
        let skipped = (LINES_BYTES - into_lines) % LINES_BYTES / size_of::<A>();
        Ok(Self { atomics, skipped, used })
    }

    /// One by one.
    pub(super) fn words(&self) -> &[A] {
        self.atomics.get(self.skipped..self.skipped + self.used).unwrap_or_default()
    }

    /// In arrays.
    pub(super) fn arrays<const N: usize>(&self) -> &[[A; N]] {
        self.words().as_chunks().0
    }
}

/// So many of so many.
pub(super) fn product(a: usize, b: usize) -> Result<usize, SizeError> {
    a.checked_mul(b).ok_or(SizeError::Memory)
}

macro_rules! impl_zeroed {
    ($($atomic:ty),*) => {$(
        impl ZeroedAtomic for $atomic {
            fn zeroed(count: usize) -> Result<Box<[Self]>, SizeError> {
                zeroed!(count, Self)
            }
        }
    )*};
}

impl_zeroed!(OwnedU16, OwnedU32, AtomicU64);

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn words_begin_at_a_cache_line_and_there_are_as_many_as_asked_for() {
        for count in [1, 7, 100, 10_000, 1_000_000] {
            let aligned: Aligned = Aligned::of::<[AtomicU64; 6]>(count).unwrap();
            assert_eq!(aligned.words().as_ptr().addr() % LINES_BYTES, 0);
            assert_eq!((aligned.words().len(), aligned.arrays::<6>().len()), (6 * count, count));
        }
        assert_eq!(Aligned::<AtomicU64>::of::<[AtomicU64; 6]>(usize::MAX / 2).err(), Some(SizeError::Memory));
    }
}
