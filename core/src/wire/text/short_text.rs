//! A short text in an array that holds the longest one: where the numbers of an item are written.
//!
//! The compiler knows the array's length and the most that each part can take, so that it proves every place and checks
//! none. Parts are copied as the whole arrays that they lie in; what is after the length is of no use.

use crate::wire::text::digits::{self, EIGHT_DIGITS, MAX_DIGITS, Word};

/// The text.
pub(crate) struct ShortText<'b, const N: usize> {
    bytes: &'b mut [u8; N],
    length: usize,
}

impl<'b, const N: usize> ShortText<'b, N> {
    #[inline(always)]
    pub(crate) const fn new(bytes: &'b mut [u8; N]) -> Self {
        Self { bytes, length: 0 }
    }

    #[inline(always)]
    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    /// Appends `length` bytes, at most `M`, of `bytes`.
    #[inline(always)]
    pub(crate) fn put<const M: usize>(&mut self, bytes: &[u8; M], length: usize) {
        self.put_over(self.length, bytes);
        self.length += length;
    }

    /// Appends `bytes`.
    #[inline(always)]
    pub(crate) fn put_all<const M: usize>(&mut self, bytes: &[u8; M]) {
        self.put(bytes, M);
    }

    /// Writes `bytes` over what is at `at`.
    #[inline(always)]
    pub(crate) fn put_over<const M: usize>(&mut self, at: usize, bytes: &[u8; M]) {
        self.bytes[at..][..M].copy_from_slice(bytes);
    }

    /// Appends an integer.
    #[inline(always)]
    pub(crate) fn put_integer(&mut self, value: u64) {
        if value < EIGHT_DIGITS { self.put_word(digits::short(value as u32)) } else { self.put_long(value) }
    }

    /// Appends an integer that is seldom written, or seldom short.
    #[inline(always)]
    pub(crate) fn put_long(&mut self, value: u64) {
        let (bytes, length) = digits::long(value);
        // The minimum tells the compiler that it fits.
        self.put(&bytes, length.min(MAX_DIGITS));
    }

    /// Appends milliseconds as the shortest exact decimal: `42`, `0.137`, `7.9`.
    #[inline(always)]
    pub(crate) fn put_millis(&mut self, nanos: u64) {
        self.put_integer(nanos / NANOS_PER_MILLI);
        self.put_word(digits::decimals((nanos % NANOS_PER_MILLI) as u32));
    }

    #[inline(always)]
    fn put_word(&mut self, word: Word) {
        self.put(&word.bytes, word.length);
    }
}

const NANOS_PER_MILLI: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_exact_and_short() {
        for (nanos, text) in [
            (0, "0"),
            (1, "0.000001"),
            (137_000, "0.137"),
            (7_900_000, "7.9"),
            (42_000_000, "42"),
            (10_000_010, "10.00001"),
            (u64::MAX, "18446744073709.551615"),
        ] {
            let mut bytes = [0; 40];
            let mut piece = ShortText::new(&mut bytes);
            piece.put_millis(nanos);
            let length = piece.len();
            assert_eq!(core::str::from_utf8(&bytes[..length]), Ok(text));
        }
    }
}
