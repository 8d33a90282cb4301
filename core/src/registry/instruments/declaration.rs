//! What an engine says of an instrument, checked, and the words that keep it.

use heapless::{String, Vec};

use crate::atomics::stored_text::StoredText;
use crate::atomics::{AtomicU64, Ordering, words};
use crate::metrics::InstrumentKind;
use crate::metrics::handles::{DESCRIPTION_BYTES, INSTRUMENT_NAME_BYTES, MAX_INSTRUMENTS};
use crate::metrics::produced_names::{Named, NamedKind};
use crate::metrics::unit::ShownUnit;
use crate::registry::instruments::instrument_error::InstrumentError;

/// Whether an instrument counts each series by itself or the whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reach {
    /// Each series by itself.
    Series,
    /// The whole run, whatever the series.
    Run,
}

/// What tells an instrument from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InstrumentShape {
    pub(crate) kind: InstrumentKind,
    pub(crate) unit: ShownUnit,
    pub(crate) reach: Reach,
}

/// An instrument that is to be declared; its form is right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Declaration<'d> {
    pub(crate) name: &'d str,
    pub(crate) description: &'d str,
    pub(crate) shape: InstrumentShape,
}

impl<'d> Declaration<'d> {
    pub(crate) fn new(name: &'d str, description: &'d str, shape: InstrumentShape) -> Result<Self, InstrumentError> {
        check_form(name)?;
        if description.len() > DESCRIPTION_BYTES || description.chars().any(char::is_control) {
            return Err(InstrumentError::Description);
        }
        Ok(Self { name, description, shape })
    }

    pub(crate) const fn named(&self) -> Named<'d> {
        Named { name: self.name, kind: NamedKind::Instrument(self.shape.kind), unit: self.shape.unit }
    }
}

fn check_form(name: &str) -> Result<(), InstrumentError> {
    let is_usual = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    let begins = name.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
    let fits = name.len() <= INSTRUMENT_NAME_BYTES && name.as_bytes().iter().all(is_usual);
    if !begins || !fits || name.contains("__") || name.ends_with('_') {
        return Err(InstrumentError::Name);
    }
    // By bytes: the search of a text for a character keeps a check that may panic.
    let ends_with = |unit: &&str| {
        let before = name.as_bytes().strip_suffix(unit.as_bytes());
        before.is_some_and(|before| matches!(before.last(), None | Some(b'_')))
    };
    if UNITS.iter().any(ends_with) { Err(InstrumentError::UnitInName) } else { Ok(()) }
}

/// What formats add to names, and what looks as if they had.
const UNITS: [&str; 8] = ["ms", "s", "seconds", "milliseconds", "bytes", "ratio", "percent", "total"];

/// The words of one instrument, all zero at first: one with the shape and the lengths, then those of the name and of the
/// description; the last one is [`note_place`]'s.
pub(crate) type DeclaredWords = [AtomicU64; 24];

const NAME_WORDS: usize = INSTRUMENT_NAME_BYTES / 8;
const _: () = assert!(1 + NAME_WORDS + DESCRIPTION_BYTES / 8 < size_of::<[u64; 24]>() / 8);

/// An instrument as its words have it.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    pub(crate) name: String<INSTRUMENT_NAME_BYTES>,
    pub(crate) description: String<DESCRIPTION_BYTES>,
    pub(crate) shape: InstrumentShape,
    /// Among those of its kind.
    pub(crate) index: usize,
}

impl Declared {
    /// Reads words that were written, and published since.
    pub(crate) fn read(words: &DeclaredWords) -> Self {
        let ([lengths, texts @ ..], (shape, index)) = (words, InstrumentShape::read(words));
        // Relaxed: the acquire load of how many are declared came before.
        let lengths = lengths.load(Ordering::Relaxed);
        let (name, description) = texts.split_at_checked(NAME_WORDS).unwrap_or_default();
        Self { name: text(name, lengths as u8), description: text(description, (lengths >> 8) as u8), shape, index }
    }

    pub(crate) fn named(&self) -> Named<'_> {
        Named { name: &self.name, kind: NamedKind::Instrument(self.shape.kind), unit: self.shape.unit }
    }
}

/// The name of an instrument and its shape as they lie in its words, for whoever writes one observation after another.
#[derive(Clone, Copy)]
pub(crate) struct StoredInstrument<'a> {
    pub(crate) name: StoredText<'a>,
    pub(crate) shape: InstrumentShape,
}

impl<'a> StoredInstrument<'a> {
    /// Reads words that were written, and published since.
    #[inline(always)]
    pub(crate) fn read(words: &'a DeclaredWords) -> Self {
        let ([lengths, texts @ ..], (shape, _)) = (words, InstrumentShape::read(words));
        // Relaxed: as in `Declared::read`.
        let length = lengths.load(Ordering::Relaxed) as u8;
        // What follows the name is among the words, so that whole blocks can be copied.
        Self { name: StoredText::new(texts, usize::from(length).min(INSTRUMENT_NAME_BYTES)), shape }
    }
}

/// In the words at a place that is an instrument's index among those of its kind: notes at which place the instrument itself
/// is. There is one of each kind with this index.
pub(crate) fn note_place([.., places]: &DeclaredWords, kind: InstrumentKind, place: usize) {
    // Relaxed, twice: one thread at a time declares, and the release of how many are declared follows.
    places.store(places.load(Ordering::Relaxed) | (place as u64 + 1) << place_shift(kind), Ordering::Relaxed);
}

/// The place that was noted; `None` where none was.
#[inline(always)]
pub(crate) fn noted_place([.., places]: &DeclaredWords, kind: InstrumentKind) -> Option<usize> {
    // Relaxed: the acquire load of how many are declared came before.
    let noted = (places.load(Ordering::Relaxed) >> place_shift(kind)) as u16;
    usize::from(noted).checked_sub(1)
}

const fn place_shift(kind: InstrumentKind) -> u32 {
    match kind {
        InstrumentKind::Counter => 0,
        InstrumentKind::Histogram => u16::BITS,
    }
}

const _: () = assert!(2 * MAX_INSTRUMENTS <= u16::MAX as usize, "a place takes 16 bits");

impl Declaration<'_> {
    /// Writes this into words that nobody reads yet.
    pub(crate) fn write(&self, words: &DeclaredWords, index: usize) {
        let lengths = self.name.len() as u64 | (self.description.len() as u64) << 8;
        let [shape, texts @ ..] = words;
        // Relaxed, here and in `store`: the release of how many are declared follows.
        shape.store(lengths | self.shape.to_word() | (index as u64) << 32, Ordering::Relaxed);
        if let Some((name, description)) = texts.split_at_checked(NAME_WORDS) {
            words::store(name, self.name.as_bytes());
            words::store(description, self.description.as_bytes());
        }
    }
}

impl InstrumentShape {
    /// Reads it and the index of words that were written, and published since.
    #[inline]
    pub(crate) fn read([shape, ..]: &DeclaredWords) -> (Self, usize) {
        // Relaxed: the acquire load of how many are declared came before.
        let shape = shape.load(Ordering::Relaxed);
        (Self::from_word(shape), (shape >> 32) as usize)
    }

    const fn to_word(self) -> u64 {
        let unit = match self.unit {
            ShownUnit::One => 0,
            ShownUnit::Bytes => 1,
            ShownUnit::Milliseconds => 2,
        };
        let is_histogram = matches!(self.kind, InstrumentKind::Histogram) as u64;
        let is_of_run = matches!(self.reach, Reach::Run) as u64;
        unit << 16 | is_histogram << 18 | is_of_run << 19
    }

    const fn from_word(word: u64) -> Self {
        Self {
            unit: match (word >> 16) & 3 {
                0 => ShownUnit::One,
                1 => ShownUnit::Bytes,
                _ => ShownUnit::Milliseconds,
            },
            kind: if word >> 18 & 1 == 1 { InstrumentKind::Histogram } else { InstrumentKind::Counter },
            reach: if word >> 19 & 1 == 1 { Reach::Run } else { Reach::Series },
        }
    }
}

fn text<const N: usize>(words: &[AtomicU64], length: u8) -> String<N> {
    let mut bytes: Vec<u8, N> = Vec::new();
    if bytes.resize_default(usize::from(length).min(N)).is_ok() {
        words::load(words, &mut bytes);
    }
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use super::*;
    use crate::atomics::zeros;

    #[test]
    fn what_is_written_is_read() {
        let longest = ("n".repeat(INSTRUMENT_NAME_BYTES), "ä".repeat(DESCRIPTION_BYTES / 2));
        for (name, description) in [("a", ""), ("checks_failed", "Checks that failed"), (&longest.0, &longest.1)] {
            for kind in [InstrumentKind::Counter, InstrumentKind::Histogram] {
                for (unit, reach) in
                    ShownUnit::ALL.into_iter().flat_map(|unit| [(unit, Reach::Series), (unit, Reach::Run)])
                {
                    let shape = InstrumentShape { kind, unit, reach };
                    let words = zeros();
                    Declaration::new(name, description, shape).unwrap().write(&words, 1_022);
                    let read = Declared::read(&words);
                    assert_eq!((&*read.name, &*read.description), (name, description));
                    assert_eq!((read.shape, read.index), (shape, 1_022));
                    assert_eq!(InstrumentShape::read(&words), (shape, 1_022));
                }
            }
        }
    }

    #[test]
    fn names_and_descriptions_of_another_form_are_refused() {
        use InstrumentError::{Description, Name, UnitInName};
        let shape = InstrumentShape { kind: InstrumentKind::Counter, unit: ShownUnit::One, reach: Reach::Series };
        let error = |name: &str, description: &str| Declaration::new(name, description, shape).err();
        let too_long = "a".repeat(INSTRUMENT_NAME_BYTES + 1);
        for name in ["", "_a", "1a", "A", "aB", "a-b", "a.b", "é", "a\0", "a__b", "a_", &too_long] {
            assert_eq!(error(name, ""), Some(Name), "{name}");
        }
        for name in
            ["sent_bytes", "first_byte_ms", "a_s", "a_seconds", "a_milliseconds", "a_ratio", "a_percent", "a_total"]
        {
            assert_eq!(error(name, ""), Some(UnitInName), "{name}");
        }
        for name in UNITS {
            assert_eq!(error(name, ""), Some(UnitInName), "{name}");
        }
        for name in ["a", "a1", "a_1", "bytes_sent", "totals", "items", "ms_x", &too_long[1..]] {
            assert_eq!(error(name, ""), None, "{name}");
        }
        for description in ["a\nb", "\0", "\u{7f}", "\u{85}", &"d".repeat(DESCRIPTION_BYTES + 1)] {
            assert_eq!(error("a", description), Some(Description), "{description:?}");
        }
        assert_eq!(error("a", &"d".repeat(DESCRIPTION_BYTES)), None);
    }
}
