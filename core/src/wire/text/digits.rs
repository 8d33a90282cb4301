//! Decimal digits of integers, eight at a time in one word.
//!
//! How many digits a latency or a size has changes from one request to the next, and a processor that guesses the
//! number wrong loses more time than all the digits take. So nothing here branches on it below 10^8: all eight digits
//! are made by multiplications in the lanes of a word, and leading or trailing zeros are shifted away. Longer integers
//! go to itoa.

/// The first integer with more than eight digits.
pub(crate) const EIGHT_DIGITS: u64 = 100_000_000;

/// The most digits that an integer of 64 bits has.
pub(crate) const MAX_DIGITS: usize = 20;

/// A text of up to eight bytes; those after its length are of no use.
#[derive(Clone, Copy)]
pub(crate) struct Word {
    pub(crate) bytes: [u8; 8],
    pub(crate) length: usize,
}

impl Word {
    #[cfg(test)]
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// `value`, which is below [`EIGHT_DIGITS`], without leading zeros.
#[inline(always)]
pub(crate) fn short(value: u32) -> Word {
    let digits = eight(value);
    // The last digit is shown even where it is zero.
    let zeros = (digits | 1 << 56).trailing_zeros() / 8;
    Word { bytes: ((digits | ASCII) >> (8 * zeros)).to_le_bytes(), length: 8 - zeros as usize }
}

/// `value` without leading zeros; `None` where it has more than eight digits. For counters, whose magnitude changes
/// seldom from one to the next: only the work that small ones need is done.
#[inline(always)]
pub(crate) fn short_if(value: u64) -> Option<Word> {
    match value {
        ..10_000 => {
            let digits = four(value as u32);
            let zeros = (digits | 1 << 24).trailing_zeros() / 8;
            let bytes = u64::from((digits | ASCII as u32) >> (8 * zeros)).to_le_bytes();
            Some(Word { bytes, length: 4 - zeros as usize })
        }
        10_000..EIGHT_DIGITS => Some(short(value as u32)),
        _ => None,
    }
}

/// `value`, which is below [`EIGHT_DIGITS`], with its leading zeros.
#[inline(always)]
pub(crate) fn padded(value: u32) -> [u8; 8] {
    (eight(value) | ASCII).to_le_bytes()
}

/// `value`, which is below 1,000, with its leading zeros, and `end` after it.
#[inline(always)]
pub(crate) fn three(value: u32, end: u8) -> [u8; 4] {
    let (hundreds, rest) = (value / 100, value % 100);
    let (tens, ones) = (rest / 10, rest % 10);
    (hundreds | tens << 8 | ones << 16 | u32::from(end) << 24 | 0x30_3030).to_le_bytes()
}

/// What follows the digits of an integer that `millionths`, which are below 1,000,000, are added to: a point and the
/// decimals without trailing zeros, or nothing where there are none.
#[inline(always)]
pub(crate) fn decimals(millionths: u32) -> Word {
    // Two digits more, both zero, so that the first decimal is the first of eight.
    let digits = eight(100 * millionths);
    let decimals = 8 - (digits.swap_bytes().trailing_zeros() / 8) as usize;
    let bytes = ((digits | ASCII) << 8 | u64::from(b'.')).to_le_bytes();
    Word { bytes, length: decimals + usize::from(decimals != 0) }
}

/// Any integer, for those that are seldom long; the bytes after its length are zero.
#[cold]
#[inline(never)]
pub(crate) fn long(value: u64) -> ([u8; MAX_DIGITS], usize) {
    let (mut bytes, mut buffer) = ([0; MAX_DIGITS], itoa::Buffer::new());
    let text = buffer.format(value).as_bytes();
    bytes[..text.len()].copy_from_slice(text);
    (bytes, text.len())
}

/// `0` in every byte.
const ASCII: u64 = 0x3030_3030_3030_3030;

/// The four digits of `value`, the first in the lowest byte.
#[inline(always)]
const fn four(value: u32) -> u32 {
    let hundreds = (value * 10_486) >> 20;
    let twos = hundreds + ((value - 100 * hundreds) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f;
    tens + ((twos - 10 * tens) << 8)
}

/// The eight digits of `value`, the first in the lowest byte.
#[inline(always)]
const fn eight(value: u32) -> u64 {
    let value = value as u64;
    // Two lanes of four digits, then four of two, then eight of one. In a lane a product and a shift divide by 100 and
    // by 10; they are exact for all that it can hold. The quotient stays in its lane and the remainder goes into the
    // one above: `quotient + ((value - 100 * quotient) << 16)`, in fewer steps.
    let fours = (value << 32) - ((10_000 << 32) - 1) * (value / 10_000);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = (fours << 16) - ((100 << 16) - 1) * hundreds;
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    (twos << 8) - ((10 << 8) - 1) * tens
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::{String, ToString};
    use std::{format, vec::Vec};

    fn text(bytes: &[u8]) -> String {
        core::str::from_utf8(bytes).unwrap().into()
    }

    /// Every number of up to four digits, so that each lane sees all that it can hold, and some of each length.
    fn numbers(below: u32) -> impl Iterator<Item = u32> {
        let lanes = (0..10_000).flat_map(|four| [four, 10_000 * four, 10_000 * four + 9_999 - four]);
        let edges = (0..8).flat_map(|power| [10_u32.pow(power), 10_u32.pow(power) - 1, 7 * 10_u32.pow(power)]);
        // A step that shares no factor with a power of ten.
        lanes.chain(edges).chain((0..99_999_999).step_by(9_973)).chain([99_999_999]).filter(move |&value| value < below)
    }

    #[test]
    fn short_and_padded_integers_are_those_of_the_standard_library() {
        for value in numbers(EIGHT_DIGITS as u32) {
            assert_eq!(text(short(value).as_bytes()), value.to_string());
            assert_eq!(short_if(value.into()).map(|word| text(word.as_bytes())), Some(value.to_string()));
            assert_eq!(text(&padded(value)), format!("{value:08}"));
        }
    }

    #[test]
    fn every_integer_of_three_digits_keeps_its_zeros() {
        for value in 0..1_000 {
            assert_eq!(text(&three(value, b'i')), format!("{value:03}i"));
        }
    }

    #[test]
    fn decimals_have_no_trailing_zeros() {
        for value in numbers(1_000_000) {
            let expected = format!(".{value:06}");
            let expected = expected.trim_end_matches('0').trim_end_matches('.');
            assert_eq!(text(decimals(value).as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn long_integers_are_those_of_the_standard_library() {
        let powers: Vec<u64> = (0..20).map(|power| 10_u64.pow(power)).collect();
        for value in powers.iter().flat_map(|power| [power - 1, *power]).chain([u64::MAX]) {
            let (bytes, length) = long(value);
            assert_eq!(text(&bytes[..length]), value.to_string());
        }
    }
}
