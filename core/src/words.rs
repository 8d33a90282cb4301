//! Text in words of relaxed atomics: how labels are shared between threads without `unsafe`.
//!
//! A text is written once, before it is published with a release store, and only read afterwards. Its length is kept
//! elsewhere; the bytes of the last word behind the text are zero.

use crate::sync::{AtomicU64, Ordering::Relaxed};

/// Writes `text` into `words`, as far as they reach. Relaxed: the release store that publishes the entry follows.
pub(crate) fn store(words: &[AtomicU64], text: &[u8]) {
    for (word, value) in words.iter().zip(values(text)) {
        word.store(value, Relaxed);
    }
}

/// Whether the text in `words` is `text`, provided that the lengths are equal.
pub(crate) fn equal(words: &[AtomicU64], text: &[u8]) -> bool {
    values(text)
        .zip(words)
        .all(|(value, word)| word.load(Relaxed) == value)
}

/// Copies the text in `words` to `out`, whose length is the text's. Relaxed: the reader's acquire load of the entry's
/// index came before.
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

/// `text` as little-endian words, the last one filled up with zeros.
pub(crate) fn values(text: &[u8]) -> impl Iterator<Item = u64> {
    let (chunks, rest) = text.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let last = (!rest.is_empty()).then(|| u64::from_le_bytes(last));
    chunks.iter().map(|chunk| u64::from_le_bytes(*chunk)).chain(last)
}
