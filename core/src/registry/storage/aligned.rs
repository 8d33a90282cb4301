//! Atomic words on the heap that begin at the start of a cache line.
//!
//! Allocators place a large block 16 bytes after the start of a page. With cells placed like that, every cell would
//! touch one cache line more than it needs, and words of two threads would share a line. In a `static` they do not.

extern crate alloc;

use alloc::boxed::Box;

use super::size_error::SizeError;
use crate::atomics::AtomicU64;

/// Words, all zero at first.
pub(super) struct Aligned {
    words: Box<[AtomicU64]>,
    /// Words before the first whole line.
    skipped: usize,
}

/// Two cache lines, because processors fetch lines in pairs.
const LINES_BYTES: usize = 128;
const LINES_WORDS: usize = LINES_BYTES / size_of::<u64>();

impl Aligned {
    /// Room for `count` times the words of `T`. `T` consists of atomic words only.
    pub(super) fn of<T>(count: usize) -> Result<Self, SizeError> {
        let words = count.checked_mul(size_of::<T>() / size_of::<AtomicU64>());
        let words = zeroed(words.and_then(|words| words.checked_add(LINES_WORDS)).ok_or(SizeError::Memory)?)?;
        let into_lines = words.as_ptr().addr() % LINES_BYTES;
        let skipped = (LINES_BYTES - into_lines) % LINES_BYTES / size_of::<AtomicU64>();
        Ok(Self { words, skipped })
    }

    /// The words one by one.
    pub(super) fn words(&self) -> &[AtomicU64] {
        let end = self.words.len() - LINES_WORDS;
        self.words.get(self.skipped..self.skipped + end).unwrap_or(&self.words[..end])
    }

    /// The words as arrays.
    pub(super) fn arrays<const N: usize>(&self) -> &[[AtomicU64; N]] {
        self.words().as_chunks().0
    }

    /// The words as pairs of arrays: one for each outcome.
    pub(super) fn pairs<const N: usize>(&self) -> &[[[AtomicU64; N]; 2]] {
        self.arrays().as_chunks().0
    }
}

/// Zeroed memory from the allocator. Pages that come fresh from the kernel are not touched.
#[cfg(all(not(loom), target_has_atomic = "64"))]
fn zeroed(words: usize) -> Result<Box<[AtomicU64]>, SizeError> {
    bytemuck::allocation::try_zeroed_slice_box(words).map_err(|()| SizeError::Memory)
}

#[cfg(any(loom, not(target_has_atomic = "64")))]
fn zeroed(words: usize) -> Result<Box<[AtomicU64]>, SizeError> {
    let mut slice = alloc::vec::Vec::new();
    slice.try_reserve_exact(words).map_err(|_| SizeError::Memory)?;
    slice.extend((0..words).map(|_| AtomicU64::new(0)));
    Ok(slice.into_boxed_slice())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn words_begin_at_a_cache_line_and_there_are_as_many_as_asked_for() {
        for count in [1, 7, 100, 10_000, 1_000_000] {
            let aligned = Aligned::of::<[AtomicU64; 6]>(count).unwrap();
            assert_eq!(aligned.words().as_ptr().addr() % LINES_BYTES, 0);
            assert_eq!((aligned.words().len(), aligned.arrays::<6>().len()), (6 * count, count));
            assert_eq!(aligned.pairs::<3>().len(), count);
        }
        assert_eq!(Aligned::of::<[AtomicU64; 6]>(usize::MAX / 2).err(), Some(SizeError::Memory));
    }
}
