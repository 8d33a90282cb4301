//! Text as words of relaxed atomics. In this form threads share labels without `unsafe`.
//!
//! A text is written once, before a release store publishes it, and is only read afterwards. Its length is kept
//! elsewhere. The bytes of the last word after the end of the text are zero.

use crate::atomics::{AtomicU64, Ordering::Relaxed};

/// Writes `text` into `words`, or as much of it as fits. Relaxed: the release store that publishes the entry follows.
pub(crate) fn store(words: &[AtomicU64], text: &[u8]) {
    for (word, value) in words.iter().zip(values(text)) {
        word.store(value, Relaxed);
    }
}

/// Writes `text` so that it ends where `words` end. It must not be longer than they are. Relaxed as in [`store`].
pub(crate) fn store_at_end(words: &[AtomicU64], text: &[u8]) {
    let (rest, chunks) = text.as_rchunks::<8>();
    let first = (!rest.is_empty()).then(|| rest.iter().rfold(0, |word, &byte| word << 8 | u64::from(byte)));
    let first = first.map(|word| word << (64 - 8 * rest.len()));
    let values = chunks.iter().rev().map(|chunk| u64::from_le_bytes(*chunk)).chain(first);
    for (word, value) in words.iter().rev().zip(values) {
        word.store(value, Relaxed);
    }
}

/// Whether the text in `words` is equal to `text`, provided that both have the same length.
#[inline]
pub(crate) fn equal(words: &[AtomicU64], text: &[u8]) -> bool {
    let (chunks, rest) = text.as_chunks::<8>();
    let mut same = true;
    for (chunk, word) in chunks.iter().zip(words) {
        same &= word.load(Relaxed) == u64::from_le_bytes(*chunk);
    }
    same && (rest.is_empty() || words.get(chunks.len()).is_some_and(|word| word.load(Relaxed) == last(text)))
}

/// Copies the text in `words` to `out`, which has the length of the text. Relaxed: the reader made an acquire load of
/// the entry's number or state before.
#[inline]
pub(crate) fn load(words: &[AtomicU64], out: &mut [u8]) {
    let (chunks, rest) = out.as_chunks_mut::<8>();
    for (chunk, word) in chunks.iter_mut().zip(words) {
        *chunk = word.load(Relaxed).to_le_bytes();
    }
    if !rest.is_empty()
        && let Some(word) = words.get(chunks.len())
    {
        rest.copy_from_slice(&word.load(Relaxed).to_le_bytes()[..rest.len()]);
    }
}

/// Copies the text of `length` bytes in `words` to the front of `out`, in whole blocks of 64 bytes, so that bytes after
/// the text are copied too: copies of a fixed length need no loop. Returns `false` if `words` or `out` are too short
/// for whole blocks; then `out` holds nothing useful.
#[inline(always)]
pub(crate) fn load_wide(words: &[AtomicU64], length: usize, out: &mut [u8]) -> bool {
    let (words, out) = (words.as_chunks::<8>().0, out.as_chunks_mut::<64>().0);
    let ([usual, words @ ..], [room, out @ ..]) = (words, out) else { return false };
    load_block(usual, room);
    if length <= 64 {
        return true;
    }
    let ([long, words @ ..], [room, out @ ..]) = (words, out) else { return false };
    load_block(long, room);
    length <= 128 || load_blocks(words, out, length.div_ceil(64) - 2)
}

#[inline(always)]
fn load_block(words: &[AtomicU64; 8], room: &mut [u8; 64]) {
    for (room, word) in room.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *room = word.load(Relaxed).to_le_bytes();
    }
}

#[inline(never)]
fn load_blocks(words: &[[AtomicU64; 8]], room: &mut [[u8; 64]], blocks: usize) -> bool {
    let (Some(words), Some(room)) = (words.get(..blocks), room.get_mut(..blocks)) else { return false };
    words.iter().zip(room).for_each(|(words, room)| load_block(words, room));
    true
}

/// `text` as little-endian words. The last word is filled up with zeros.
#[inline]
pub(crate) fn values(text: &[u8]) -> impl Iterator<Item = u64> {
    let (chunks, rest) = text.as_chunks::<8>();
    let last = (!rest.is_empty()).then(|| last(text));
    chunks.iter().map(|chunk| u64::from_le_bytes(*chunk)).chain(last)
}

/// The last word of `text`, whose length is not a multiple of eight. It takes a few loads: copying byte by byte would
/// cost more than all other words of a usual name.
#[inline]
fn last(text: &[u8]) -> u64 {
    let length = text.len();
    let rest = length % 8;
    if let Some(end) = text.last_chunk::<8>() {
        return u64::from_le_bytes(*end) >> (64 - 8 * rest);
    }
    if let (Some(start), Some(end)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        // The halves may overlap. The bits that both set are then equal.
        let (start, end) = (u32::from_le_bytes(*start), u32::from_le_bytes(*end));
        return u64::from(start) | u64::from(end) << (8 * (length - 4));
    }
    text.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use super::*;
    use crate::atomics::zeros;

    #[test]
    fn texts_of_every_length_are_restored_and_equal_only_themselves() {
        let text: std::vec::Vec<u8> = (1..=200).collect();
        for length in 0..=text.len() {
            let (words, text) = (zeros::<32>(), &text[..length]);
            store(&words, text);
            let mut copy = std::vec![0; length];
            load(&words, &mut copy);
            assert_eq!(copy, text);
            let (ending, mut all) = (zeros::<32>(), [0; 256]);
            store_at_end(&ending, text);
            load(&ending, &mut all);
            assert_eq!(&all[256 - length..], text);
            for room in length..=280 {
                let mut wide = std::vec![0; room];
                let copied = load_wide(&words, length, &mut wide);
                assert_eq!(copied, room >= length.next_multiple_of(64).max(64), "{length} bytes into {room}");
                assert!(!copied || wide[..length] == *text);
            }
            assert!(equal(&words, text));
            for changed in 0..length {
                copy[changed] ^= 0x80;
                assert!(!equal(&words, &copy), "byte {changed} of {length}");
                copy[changed] ^= 0x80;
            }
        }
    }
}
