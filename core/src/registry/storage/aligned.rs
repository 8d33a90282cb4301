//! Atomic words on the heap that begin where a cache line does.
//!
//! An allocator gives large blocks 16 bytes after a page's start. There, every cell would lie across one cache line more
//! than it needs, and two threads' words would share lines that a `static` keeps apart.

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

/// Cache lines are fetched in pairs.
const LINES_BYTES: usize = 128;
const LINES_WORDS: usize = LINES_BYTES / size_of::<u64>();

impl Aligned {
    /// Room for `count` times the words of `T`, which is made of nothing else.
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

    /// The words in arrays.
    pub(super) fn arrays<const N: usize>(&self) -> &[[AtomicU64; N]] {
        self.words().as_chunks().0
    }

    /// The words in arrays of both outcomes.
    pub(super) fn pairs<const N: usize>(&self) -> &[[[AtomicU64; N]; 2]] {
        self.arrays().as_chunks().0
    }
}

/// Pages of zeros from the allocator, untouched where it gets them from the kernel.
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
    fn words_begin_at_a_line_and_are_as_many_as_asked_for() {
        for count in [1, 7, 100, 10_000, 1_000_000] {
            let aligned = Aligned::of::<[AtomicU64; 6]>(count).unwrap();
            assert_eq!(aligned.words().as_ptr().addr() % LINES_BYTES, 0);
            assert_eq!((aligned.words().len(), aligned.arrays::<6>().len()), (6 * count, count));
            assert_eq!(aligned.pairs::<3>().len(), count);
        }
        assert_eq!(Aligned::of::<[AtomicU64; 6]>(usize::MAX / 2).err(), Some(SizeError::Memory));
    }
}
