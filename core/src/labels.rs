//! The labels of a series as each format writes them: sister files, each with the room that the longest labels need and
//! a function that encodes a key. They run once per series, when it is interned; the encoders copy what they wrote.
//!
//! An entry lays out what [`FORMATS`] lists. So the labels of one more format are a file here and a line there.

pub(crate) mod constant;
pub(crate) mod dogstatsd;
pub(crate) mod influxdb;
pub(crate) mod otlp;
pub(crate) mod prometheus;

use crate::atomics::AtomicU64;
use crate::request::key::Key;

/// The formats whose labels an entry keeps, in their order there. OTLP's come last, because their text ends where the
/// entry ends: at the end of a cache line.
pub(crate) const FORMATS: [LabelRoom; 4] = [
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
    /// Whether the words begin with a cache line.
    const IS_ALIGNED: bool = false;
    /// Whether it keeps a second number besides the length of the labels.
    const HAS_MARK: bool = false;
    /// What encoders copy.
    type Stored<'a>;

    /// Writes the labels of `key` into its words; returns their length in bytes, and the mark if it has one.
    fn write(key: &Key<'_>, words: &[AtomicU64]) -> [usize; 2];

    /// What was written. The words go on to the end of the entry.
    fn read(words: &[AtomicU64], numbers: [usize; 2]) -> Self::Stored<'_>;
}

/// What an entry must know of a format.
pub(crate) struct LabelRoom {
    pub(crate) words: usize,
    pub(crate) is_aligned: bool,
    pub(crate) has_mark: bool,
    pub(crate) write: fn(&Key<'_>, &[AtomicU64]) -> [usize; 2],
    place: usize,
}

impl LabelRoom {
    const fn of<F: LabelFormat>() -> Self {
        let (is_aligned, has_mark) = (F::IS_ALIGNED, F::HAS_MARK);
        Self { words: F::WORDS, is_aligned, has_mark, write: F::write, place: F::PLACE }
    }
}

const _: () = {
    let mut place = 0;
    while place < FORMATS.len() {
        assert!(FORMATS[place].place == place, "each format says its place in the list");
        place += 1;
    }
};
