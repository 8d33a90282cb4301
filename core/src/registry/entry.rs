//! The entry of a series: its key, and its labels as each format writes them. It is written once, when the series is
//! interned.

use crate::atomics::words;
use crate::atomics::{AtomicU64, Ordering};
use crate::labels::{FORMATS, LINE, LabelFormat};
use crate::registry::key_words::{self, Block, KeyHead, NAME_BLOCKS};
use crate::request::key::{Key, METHOD_BYTES, NAME_BYTES};
use crate::request::label::LABEL_BLOCK;

/// The words of an entry that a look-up reads: one cache line, all zero at first. They are apart from the other words,
/// so that those of thousands of series stay in the caches.
pub(crate) type HeadWords = [AtomicU64; 8];

/// The other words of one entry, all zero at first: 4,160 bytes.
pub(crate) type EntryWords = [AtomicU64; WORDS];

/// Places in the head.
mod at {
    pub(super) const STATE: usize = 0;
    /// The numbers that the formats keep for their labels, of [`NUMBER_BITS`](super::NUMBER_BITS) each.
    pub(super) const NUMBERS: usize = 1;
    pub(super) const LENGTHS: usize = 2;
    pub(super) const METHOD: usize = 3;
    pub(super) const NAME: usize = 4;
}

/// Bits of one number: the length of a format's labels, or a place in them. Five such numbers fit into a word.
const NUMBER_BITS: usize = 12;

const FREE_LINK: usize = 0;
const METHOD_REST: usize = 1;
const NAME_REST: usize = 4;
const LABELS: usize = NAME_REST + 4 * (NAME_BLOCKS - 1);
const ROOMS: usize = LABELS + LABEL_BLOCK.div_ceil(8);

/// Where the words of each format begin; the last element is where the entry ends. An entry has an odd number of cache lines:
/// were it a multiple of 4 KiB long, the labels of all series would share a few sets of the caches.
const ROOM: [usize; FORMATS.len() + 1] = {
    let (mut room, mut at, mut format) = ([0; FORMATS.len() + 1], ROOMS, 0);
    while format < FORMATS.len() {
        room[format] = FORMATS[format].begin(at);
        at = room[format] + FORMATS[format].words;
        format += 1;
    }
    room[format] = (at.div_ceil(LINE) | 1) * LINE;
    room
};
const WORDS: usize = ROOM[FORMATS.len()];

/// Which of the head's numbers is the first of each format; the last element is how many numbers there are.
const FIRST_NUMBER: [usize; FORMATS.len() + 1] = {
    let (mut first, mut format) = ([0; FORMATS.len() + 1], 0);
    while format < FORMATS.len() {
        assert!(8 * FORMATS[format].words < 1 << NUMBER_BITS, "longer labels need numbers of more bits");
        first[format + 1] = first[format] + 1 + FORMATS[format].has_mark as usize;
        format += 1;
    }
    assert!(first[format] * NUMBER_BITS <= 64, "the numbers of so many formats need another word of the head");
    first
};

/// The state of an entry that readers may show.
const READY: u64 = 1;

/// A view of one entry.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) head: &'a HeadWords,
    pub(crate) words: &'a EntryWords,
}

/// Whether these are the words of an entry with this head: that of a key without a rest, or one of several keys that
/// begin like this and differ in the rest.
#[inline(always)]
pub(crate) fn has_head(words: &HeadWords, head: &KeyHead) -> bool {
    get(words, at::LENGTHS) == head.lengths && get(words, at::METHOD) == head.method && has(words, at::NAME, head.name)
}

/// Lets readers show the series. Release: a reader that sees this state also sees the labels.
#[inline(always)]
pub(crate) fn publish(head: &HeadWords) {
    if get(head, at::STATE) != READY {
        head[at::STATE].store(READY, Ordering::Release);
    }
}

impl<'a> Entry<'a> {
    /// Fills the entry. Until the entry is published, either no other thread may write it, or all threads write the
    /// same.
    pub(crate) fn write(self, key: &Key<'_>) {
        self.write_key(key);
        words::store(&self.words[LABELS..], key.labels);
        let mut word = 0;
        for (at, format) in FORMATS.iter().enumerate() {
            let numbers = (format.write)(key, &self.words[ROOM[at]..][..format.words]);
            let places = FIRST_NUMBER[at]..FIRST_NUMBER[at + 1];
            word |= numbers.iter().zip(places).fold(0, |word, (&number, place)| word | shifted(number, place));
        }
        put(self.head, at::NUMBERS, word);
    }

    fn write_key(self, key: &Key<'_>) {
        let head = KeyHead::of(key);
        put(self.head, at::LENGTHS, head.lengths);
        put(self.head, at::METHOD, head.method);
        head.name.into_iter().zip(at::NAME..).for_each(|(word, at)| put(self.head, at, word));
        let method = key_words::method_rest(key.method).into_iter().flatten();
        method.zip(METHOD_REST..).for_each(|(word, at)| put(self.words, at, word));
        let name = key_words::name_rest(key.name).flatten();
        name.zip(NAME_REST..).for_each(|(word, at)| put(self.words, at, word));
    }

    /// Whether this is the entry of `key`, whose head is `head`.
    pub(crate) fn is(self, key: &Key<'_>, head: &KeyHead) -> bool {
        has_head(self.head, head) && (!key_words::has_rest(key) || self.has_rest(key))
    }

    fn has_rest(self, key: &Key<'_>) -> bool {
        self.has_name_rest(key.name)
            && self.has_method_rest(key.method)
            && words::equal(&self.words[LABELS..ROOMS], key.labels)
    }

    fn has_method_rest(self, method: &str) -> bool {
        let kept = [0, 1, 2].map(|number| get(self.words, METHOD_REST + number));
        key_words::method_rest(method).is_none_or(|rest| rest == kept)
    }

    /// Whether the name of the entry is `name`, provided that both have the same first block and the same length.
    #[inline]
    pub(crate) fn has_name_rest(self, name: &str) -> bool {
        let (kept, _) = self.words[NAME_REST..LABELS].as_chunks::<4>();
        kept.iter().zip(key_words::name_rest(name)).fold(true, |same, (kept, block)| same & has(kept, 0, block))
    }

    /// Puts the key together from its words and hands it to `then`.
    pub(crate) fn with_key<T>(self, then: impl FnOnce(&Key<'_>) -> T) -> T {
        let (mut method, mut name, mut labels) = ([0; METHOD_BYTES], [0; NAME_BYTES], [0; LABEL_BLOCK]);
        let lengths = get(self.head, at::LENGTHS);
        let [method_length, name_length] = [0, 8].map(|shift| (lengths >> shift) as u8 as usize);
        let labels_length = (lengths >> 16) as usize;
        let method = &mut method[..method_length.min(METHOD_BYTES)];
        let name = &mut name[..name_length.min(NAME_BYTES)];
        let labels = &mut labels[..labels_length.min(LABEL_BLOCK)];
        let rest = [0, 1, 2].map(|number| get(self.words, METHOD_REST + number));
        key_words::write_first([get(self.head, at::METHOD), rest[0], rest[1], rest[2]], method);
        key_words::write_first([0, 1, 2, 3].map(|number| get(self.head, at::NAME + number)), name);
        let (blocks, _) = self.words[NAME_REST..LABELS].as_chunks::<4>();
        for (number, block) in blocks.iter().enumerate() {
            key_words::write_block(number + 1, [0, 1, 2, 3].map(|word| get(block, word)), name);
        }
        words::load(&self.words[LABELS..ROOMS], labels);
        let text = |bytes| core::str::from_utf8(bytes).unwrap_or_default();
        then(&Key { method: text(method), name: text(name), labels, cut: false })
    }

    /// Lets readers show the series.
    pub(crate) fn publish(self) {
        publish(self.head);
    }

    /// Whether readers may show the series. Acquire pairs with the release of `publish`.
    pub(crate) fn is_published(self) -> bool {
        self.head[at::STATE].load(Ordering::Acquire) == READY
    }

    /// The link to the next free entry. It is in a word that an entry uses for nothing else before it is published.
    pub(crate) fn free_link(self) -> &'a AtomicU64 {
        &self.words[FREE_LINK]
    }

    /// The labels as a format writes them.
    #[inline(always)]
    pub(crate) fn labels<F: LabelFormat>(self) -> F::Stored<'a> {
        let first = const {
            assert!(F::PLACE < FORMATS.len(), "a format whose labels are read stands in the list");
            FIRST_NUMBER[F::PLACE]
        };
        F::read(&self.words[const { ROOM[F::PLACE] }..], [self.number(first), self.number(first + 1)])
    }

    #[inline(always)]
    fn number(self, place: usize) -> usize {
        (get(self.head, at::NUMBERS) >> (NUMBER_BITS * place)) as usize & ((1 << NUMBER_BITS) - 1)
    }
}

const fn shifted(number: usize, place: usize) -> u64 {
    (number as u64) << (NUMBER_BITS * place)
}

#[inline(always)]
fn get(words: &[AtomicU64], at: usize) -> u64 {
    // Relaxed: a reader found the entry by the number in the index or by the state, and both publish the words.
    words[at].load(Ordering::Relaxed)
}

fn put(words: &[AtomicU64], at: usize, value: u64) {
    if let Some(word) = words.get(at) {
        word.store(value, Ordering::Relaxed);
    }
}

/// Whether the four words from `at` on are these. Written without an iterator, because the compiler would not inline
/// its loop.
#[inline(always)]
fn has(words: &[AtomicU64], at: usize, [a, b, c, d]: Block) -> bool {
    get(words, at) == a && get(words, at + 1) == b && get(words, at + 2) == c && get(words, at + 3) == d
}
