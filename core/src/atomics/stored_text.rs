//! A text that is kept in words. An entry keeps the labels of a series in this form.

use super::{AtomicU64, words};

/// A text as words, and its length in bytes.
#[derive(Clone, Copy)]
pub(crate) struct StoredText<'a> {
    words: &'a [AtomicU64],
    length: usize,
}

impl<'a> StoredText<'a> {
    #[inline(always)]
    pub(crate) const fn new(words: &'a [AtomicU64], length: usize) -> Self {
        Self { words, length }
    }

    /// Bytes of the text.
    #[inline(always)]
    pub(crate) const fn len(self) -> usize {
        self.length
    }

    /// Copies the text to the front of `room`. If there is more room, some bytes after the text are overwritten too.
    /// Returns the length of the text, or `None` if it does not fit.
    #[inline(always)]
    pub(crate) fn copy_wide(self, room: &mut [u8]) -> Option<usize> {
        let copied = words::load_wide(self.words, self.length, room) || load_exact(self.words, self.length, room);
        copied.then_some(self.length)
    }

    /// Copies the text to the front of `out`. Returns its length, or `None` if it does not fit.
    #[inline]
    pub(crate) fn copy_to(self, out: &mut [u8]) -> Option<usize> {
        words::load(self.words, out.get_mut(..self.length)?);
        Some(self.length)
    }
}

/// The arguments are the parts of a `StoredText`, so that the `StoredText` stays in registers.
#[cold]
#[inline(never)]
fn load_exact(words: &[AtomicU64], length: usize, room: &mut [u8]) -> bool {
    StoredText { words, length }.copy_to(room).is_some()
}
