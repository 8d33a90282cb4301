//! The labels of a series as each format writes them: sister files, each with the room that the longest labels need and
//! a function that encodes a key. They run once per series, when it is interned; the encoders copy what they wrote.
//!
//! An entry lays out what [`FORMATS`] lists. So the labels of one more format are a file here and a line there; its
//! `PLACE` is its place in the list.

pub(crate) mod constant;
pub(crate) mod dogstatsd;
pub(crate) mod influxdb;
pub(crate) mod otlp;
pub(crate) mod prometheus;

use crate::atomics::AtomicU64;
use crate::request::key::Key;

/// The formats whose labels an entry keeps, in their order there. Any order would do.
pub(crate) const FORMATS: &[LabelRoom] = &[
    LabelRoom::of::<prometheus::PrometheusLabels>(),
    LabelRoom::of::<influxdb::InfluxdbTags>(),
    LabelRoom::of::<dogstatsd::DogstatsdTags>(),
    LabelRoom::of::<otlp::OtlpAttributes>(),
];

/// How a format keeps the labels of a series: in words of the series' entry, and in numbers in the entry's head.
pub(crate) trait LabelFormat {
    /// Its place in [`FORMATS`].
    const PLACE: usize;
    /// Words that the longest labels need.
    const WORDS: usize;
    /// Which end of the words lies on a cache line's.
    const EDGE: CacheLineEdge = CacheLineEdge::Neither;
    /// Whether it keeps a second number besides the length of the labels.
    const HAS_MARK: bool = false;
    /// What encoders copy.
    type Stored<'a>;

    /// Writes the labels of `key` into its words; returns their length in bytes, and the mark if it has one.
    fn write(key: &Key<'_>, words: &[AtomicU64]) -> [usize; 2];

    /// What was written. Words of other formats may follow its own, so that long copies need not stop short.
    fn read(words: &[AtomicU64], numbers: [usize; 2]) -> Self::Stored<'_>;
}

/// Which end of a format's words lies on a cache line's.
#[derive(Clone, Copy)]
pub(crate) enum CacheLineEdge {
    Neither,
    Begin,
    End,
}

/// What an entry must know of a format.
pub(crate) struct LabelRoom {
    pub(crate) words: usize,
    pub(crate) edge: CacheLineEdge,
    pub(crate) has_mark: bool,
    pub(crate) write: fn(&Key<'_>, &[AtomicU64]) -> [usize; 2],
    place: usize,
}

impl LabelRoom {
    const fn of<F: LabelFormat>() -> Self {
        Self { words: F::WORDS, edge: F::EDGE, has_mark: F::HAS_MARK, write: F::write, place: F::PLACE }
    }

    /// Where its words begin, in an entry that is taken up to `at`.
    pub(crate) const fn begin(&self, at: usize) -> usize {
        match self.edge {
            CacheLineEdge::Neither => at,
            CacheLineEdge::Begin => at.next_multiple_of(LINE),
            CacheLineEdge::End => (at + self.words).next_multiple_of(LINE) - self.words,
        }
    }
}

/// Words of a cache line.
pub(crate) const LINE: usize = 8;

const _: () = {
    let mut place = 0;
    while place < FORMATS.len() {
        assert!(FORMATS[place].place == place, "each format says its place in the list");
        place += 1;
    }
};

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use super::otlp::OtlpAttributes;
    use super::*;
    use crate::atomics::{Ordering::Relaxed, zeros};
    use crate::request::sample::Outcome;
    use crate::wire::protobuf::ReverseWriter;

    #[test]
    fn words_keep_to_the_edge_of_a_cache_line_that_their_format_asks_for() {
        for (at, format) in (0..2 * LINE).flat_map(|at| FORMATS.iter().map(move |format| (at, format))) {
            let begin = format.begin(at);
            assert!((at..at + LINE).contains(&begin), "{at}: {begin}");
            let on_edge = match format.edge {
                CacheLineEdge::Neither => begin == at,
                CacheLineEdge::Begin => begin % LINE == 0,
                CacheLineEdge::End => (begin + format.words) % LINE == 0,
            };
            assert!(on_edge, "{at}: {begin}");
        }
    }

    #[test]
    fn attributes_that_end_where_their_words_end_are_read_where_others_follow() {
        let words = zeros::<{ OtlpAttributes::WORDS + 2 * LINE }>();
        words[OtlpAttributes::WORDS..].iter().for_each(|word| word.store(u64::MAX, Relaxed));
        let name = "/".repeat(100);
        for name in ["/x", &name] {
            let numbers =
                Key::with("GET", name, &[], |key| OtlpAttributes::write(key, &words[..OtlpAttributes::WORDS]));
            let written = |words| {
                let mut room = [0; 1_024];
                let mut back = ReverseWriter::new(&mut room, 0);
                let attributes = OtlpAttributes::read(words, numbers);
                assert_eq!(attributes.put_conventional(Outcome::Success, &mut back), Ok(()));
                std::vec::Vec::from(back.into_written())
            };
            assert_eq!(written(&words), written(&words[..OtlpAttributes::WORDS]));
            assert!(written(&words).windows(name.len()).any(|part| part == name.as_bytes()));
        }
    }
}
