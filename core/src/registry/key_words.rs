//! The key of a series as words. These words are hashed, kept in the entry and compared.
//!
//! A text is split into blocks of four words. If the last block would not be full, it begins earlier and overlaps the
//! block before it. In a text that is shorter than a block, the words overlap in the same way. So reading them needs no
//! loop over bytes and hardly a branch on the length. Two texts are equal if their lengths and their words are equal.

use crate::request::key::{Key, METHOD_BYTES, NAME_BYTES};

/// Four words.
pub(crate) type Block = [u64; 4];

/// Bytes of a block.
const BLOCK: usize = size_of::<Block>();
/// Bytes of a word.
const WORD: usize = size_of::<u64>();

/// Blocks of the longest name.
pub(crate) const NAME_BLOCKS: usize = NAME_BYTES.div_ceil(BLOCK);

// The lengths of a method and of a name are a byte each, and a method is one block.
const _: () = assert!(NAME_BYTES < 256 && METHOD_BYTES <= BLOCK);

/// The words that every key has. Most keys have no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeyHead {
    /// The lengths of method and name, a byte each, and that of the labels after them.
    pub(crate) lengths: u64,
    /// The first word of the method.
    pub(crate) method: u64,
    /// The first block of the name.
    pub(crate) name: Block,
}

impl KeyHead {
    /// The head of `key`.
    pub(crate) fn of(key: &Key<'_>) -> Self {
        let (method, name) = (key.method.as_bytes(), key.name.as_bytes());
        Self {
            lengths: (method.len() | name.len() << 8 | key.labels.len() << 16) as u64,
            method: if method.len() > WORD { first(method)[0] } else { short(method) },
            name: first(name),
        }
    }

    /// The head of a key without labels whose method and name have a usual length.
    ///
    /// `None` if the method is longer than a word, if the method or the name is empty (a placeholder is then shown), if
    /// the name is so long that it will be cut, and if the method has one byte, which saves the look-up a branch.
    #[inline(always)]
    pub(crate) fn usual(method: &str, name: &str) -> Option<Self> {
        let (method, name) = (method.as_bytes(), name.as_bytes());
        // In two steps: with a single condition the compiler forgets that the method has at least two bytes.
        if method.len().checked_sub(2)? > WORD - 2 || name.is_empty() || name.len() > NAME_BYTES {
            return None;
        }
        Some(Self { lengths: (method.len() | name.len() << 8) as u64, method: short(method), name: first(name) })
    }
}

/// Whether `name` has more words than its head.
#[inline(always)]
pub(crate) const fn is_long(name: &str) -> bool {
    name.len() > BLOCK
}

/// Whether `key` has more words than its head.
pub(crate) const fn has_rest(key: &Key<'_>) -> bool {
    key.method.len() > WORD || is_long(key.name) || !key.labels.is_empty()
}

/// The words of a method after its first, if it has more.
pub(crate) fn method_rest(method: &str) -> Option<[u64; 3]> {
    let [_, rest @ ..] = first(method.as_bytes());
    (method.len() > WORD).then_some(rest)
}

/// The blocks of a name after its first.
#[inline]
pub(crate) fn name_rest(name: &str) -> impl Iterator<Item = Block> {
    let name = name.as_bytes();
    (1..name.len().div_ceil(BLOCK)).map_while(move |number| {
        let at = (number * BLOCK).min(name.len() - BLOCK);
        let block = name.get(at..)?.first_chunk::<BLOCK>()?;
        Some([0, 8, 16, 24].map(|at| word(block, at)))
    })
}

/// Writes the first block of a text to `text`, whose length is that of the whole text.
pub(crate) fn write_first(block: Block, text: &mut [u8]) {
    if text.len() <= WORD {
        return write_short(block[0], text);
    }
    let last = text.len() - WORD;
    for (word, at) in block.into_iter().zip([0, 8, 16, 24]) {
        write(&word.to_le_bytes(), at.min(last), text);
    }
}

/// Writes block `number` (1 or more) of a text to `text`, whose length is that of the whole text. Does nothing if the
/// text has no such block.
pub(crate) fn write_block(number: usize, block: Block, text: &mut [u8]) {
    if number < text.len().div_ceil(BLOCK) {
        let start = (number * BLOCK).min(text.len() - BLOCK);
        for (word, at) in block.into_iter().zip([0, 8, 16, 24]) {
            write(&word.to_le_bytes(), start + at, text);
        }
    }
}

/// Writes a whole text of up to eight bytes.
fn write_short(word: u64, text: &mut [u8]) {
    let bytes = word.to_le_bytes();
    match text.len().checked_sub(2) {
        Some(last) => (0..4).for_each(|pair| write(&bytes[2 * pair..][..2], (2 * pair).min(last), text)),
        None => write(&bytes[..text.len()], 0, text),
    }
}

fn write(bytes: &[u8], at: usize, text: &mut [u8]) {
    if let Some(room) = text.get_mut(at..at + bytes.len()) {
        room.copy_from_slice(bytes);
    }
}

/// The first block of `text`.
#[inline(always)]
fn first(text: &[u8]) -> Block {
    match text.len().checked_sub(WORD) {
        Some(last) => [0, 8, 16, 24].map(|at: usize| word(text, at.min(last))),
        None => [short(text), 0, 0, 0],
    }
}

/// A whole text of up to eight bytes in one word, read as pairs of bytes.
#[inline(always)]
fn short(text: &[u8]) -> u64 {
    let Some(last) = text.len().checked_sub(2) else {
        return text.first().map_or(0, |&byte| byte.into());
    };
    [6, 4, 2, 0].into_iter().fold(0, |word, at: usize| word << 16 | u64::from(pair(text, at.min(last))))
}

/// The eight bytes of `text` from `at` on. `text` is long enough.
#[inline(always)]
fn word(text: &[u8], at: usize) -> u64 {
    text.get(at..).and_then(|text| text.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// The two bytes of `text` from `at` on. `text` is long enough.
#[inline(always)]
fn pair(text: &[u8], at: usize) -> u16 {
    text.get(at..).and_then(|text| text.first_chunk()).map_or(0, |bytes| u16::from_le_bytes(*bytes))
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use super::*;
    use std::collections::HashSet;
    use std::vec::Vec;

    /// All words of a key without labels.
    fn words(method: &str, name: &str) -> Vec<u64> {
        let head = KeyHead::of(&Key { method, name, labels: &[], cut: false });
        let mut words = Vec::from([head.lengths, head.method]);
        words.extend(head.name);
        words.extend(method_rest(method).into_iter().flatten());
        words.extend(name_rest(name).flatten());
        words
    }

    /// Characters of one byte each. They are all different if the text has at most 127.
    fn text(length: usize) -> std::string::String {
        (0..length).map(|i| char::from((i % 127 + 1) as u8)).collect()
    }

    #[test]
    fn keys_that_differ_in_any_byte_or_in_length_have_different_words() {
        let mut seen = HashSet::new();
        for length in 1..=NAME_BYTES {
            let name = text(length);
            assert!(seen.insert(words("GET", &name)), "a name of {length} bytes");
            for changed in 0..length {
                let mut other = name.clone().into_bytes();
                other[changed] = 0;
                let other = std::string::String::from_utf8(other).unwrap();
                assert!(seen.insert(words("GET", &other)), "byte {changed} of {length} in a name");
                if length <= METHOD_BYTES {
                    assert!(seen.insert(words(&other, "/x")), "byte {changed} of {length} in a method");
                }
            }
        }
    }

    #[test]
    fn a_text_can_be_restored_from_its_words() {
        for length in 0..=NAME_BYTES {
            let name = text(length);
            let mut back = std::vec![0; length];
            write_first(KeyHead::of(&Key { method: "", name: &name, labels: &[], cut: false }).name, &mut back);
            name_rest(&name).zip(1..).for_each(|(block, number)| write_block(number, block, &mut back));
            assert_eq!(back, name.as_bytes());
        }
        for length in 0..=METHOD_BYTES {
            let method = text(length);
            let first = KeyHead::of(&Key { method: &method, name: "", labels: &[], cut: false }).method;
            let rest = method_rest(&method).unwrap_or_default();
            let mut back = std::vec![0; length];
            write_first([first, rest[0], rest[1], rest[2]], &mut back);
            assert_eq!(back, method.as_bytes());
        }
    }

    #[test]
    fn the_head_for_usual_keys_equals_the_head_for_any_key() {
        for method_length in 0..=METHOD_BYTES {
            for name_length in 0..=NAME_BYTES + 1 {
                let (method, name) = (&text(method_length), &text(name_length));
                let key = Key { method, name, labels: &[], cut: false };
                let is_usual = (2..=8).contains(&method_length) && (1..=NAME_BYTES).contains(&name_length);
                assert_eq!(KeyHead::usual(method, name), is_usual.then(|| KeyHead::of(&key)));
                assert_eq!(has_rest(&key), method_length > 8 || name_length > 32);
            }
        }
    }
}
