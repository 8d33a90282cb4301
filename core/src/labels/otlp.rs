//! Attributes in an OTLP data point: a `KeyValue` each.
//!
//! Sources: opentelemetry-proto, `metrics/v1/metrics.proto`, `common/v1/common.proto`.

use heapless::Vec;

use super::{CacheLineEdge, LabelFormat};
use crate::atomics::{AtomicU64, Ordering::Relaxed, words};
use crate::request::error_kind::ErrorKind;
use crate::request::key::{Key, METHOD_BYTES, NAME_BYTES};
use crate::request::label::{LABEL_BYTES, LABELS};
use crate::request::sample::Outcome;
use crate::wire::protobuf::{FrontRoom, ProtobufReader, ReverseWriter, bytes_tag};
use crate::wire::text::out::Full;

/// Field number of the attributes in a `NumberDataPoint`.
pub(crate) const NUMBER_ATTRIBUTES: u8 = 7;
/// Field number of the attributes in a `HistogramDataPoint`.
pub(crate) const HISTOGRAM_ATTRIBUTES: u8 = 9;
/// Field number of the attributes in an `ExponentialHistogramDataPoint`.
pub(crate) const EXPONENTIAL_ATTRIBUTES: u8 = 1;
/// Field numbers of `KeyValue` and `AnyValue`.
const KEY: u8 = 1;
const VALUE: u8 = 2;
const STRING_VALUE: u8 = 1;
const BOOL_VALUE: u8 = 2;

/// The attribute that stands for all attributes which a full registry has no room for: `true` (OpenTelemetry metrics
/// SDK, "Overflow attribute").
const OVERFLOW: &str = "otel.metric.overflow";

/// Bytes that one attribute takes besides its key and its value: three tags and three lengths of up to two bytes, and
/// the tag and the length of its value.
pub(crate) const ATTRIBUTE_FRAME: usize = 11;
/// Room for the attributes of a series, `outcome` not among them.
const BYTES: usize = "methodname".len() + METHOD_BYTES + NAME_BYTES + LABEL_BYTES + (2 + LABELS) * ATTRIBUTE_FRAME;
/// Words that hold them.
const WORDS: usize = BYTES.div_ceil(8).next_multiple_of(LONG);
/// Words that are copied in any case: most attributes fit.
const USUAL: usize = 8;
/// Words that are copied at once of longer attributes.
const LONG: usize = 4;
/// Bytes of the attribute `outcome`.
const OUTCOME: usize = "outcomesuccess".len() + 8;

/// The keys under which OpenTelemetry's semantic conventions for HTTP metrics have what a series' `method` and `name` say.
const CONVENTIONS: [(&str, &str); 2] = [("method", "http.request.method"), ("name", "url.template")];
/// Key and value of the attribute by which those conventions tell a failure whose class is not known.
const ERROR: (&str, &str) = ("error.type", "_OTHER");
/// Bytes by which attributes under the conventional keys are longer, at most.
pub(crate) const CONVENTIONAL: usize = 32;

/// Most bytes of a point's attributes.
pub(crate) const MAX_ATTRIBUTES: usize = BYTES + OUTCOME;

/// The attributes of a series, `outcome` not among them, as fields of a histogram's point.
pub(crate) struct OtlpAttributes;

impl LabelFormat for OtlpAttributes {
    const PLACE: usize = 3;
    const WORDS: usize = WORDS;
    // The text ends where the words end.
    const EDGE: CacheLineEdge = CacheLineEdge::End;
    type Stored<'a> = Attributes<'a>;

    fn write(key: &Key<'_>, words: &[AtomicU64]) -> [usize; 2] {
        let attributes = encode(key);
        words::store_at_end(words, &attributes);
        [attributes.len(), 0]
    }

    #[inline(always)]
    fn read(words: &[AtomicU64], [length, _]: [usize; 2]) -> Attributes<'_> {
        Attributes { words: &words[..WORDS], length }
    }
}

fn encode(key: &Key<'_>) -> Vec<u8, BYTES> {
    let mut room = [0; BYTES];
    let mut back = ReverseWriter::new(&mut room, 0);
    // The room was sized for the longest attributes.
    let fits = put_labels(&mut back, key).and_then(|()| match key.is_overflow() {
        true => put_true(&mut back, HISTOGRAM_ATTRIBUTES, OVERFLOW),
        false => put_attribute(&mut back, HISTOGRAM_ATTRIBUTES, "name", key.name)
            .and_then(|()| put_attribute(&mut back, HISTOGRAM_ATTRIBUTES, "method", key.method)),
    });
    debug_assert_eq!(fits, Ok(()));
    let mut text = Vec::new();
    let fits = text.extend_from_slice(back.into_written());
    debug_assert_eq!(fits.ok(), Some(()));
    text
}

/// The further labels, the last of them first.
fn put_labels(back: &mut ReverseWriter<'_>, key: &Key<'_>) -> Result<(), Full> {
    let mut all: Vec<(&str, &str), LABELS> = Vec::new();
    key.labels().for_each(|label| {
        let fits = all.push(label);
        debug_assert_eq!(fits, Ok(()));
    });
    all.iter().rev().try_for_each(|(name, value)| put_attribute(back, HISTOGRAM_ATTRIBUTES, name, value))
}

/// The attributes of a series as its entry keeps them: a text that ends where the words end.
#[derive(Clone, Copy)]
pub(crate) struct Attributes<'a> {
    words: &'a [AtomicU64],
    length: usize,
}

impl Attributes<'_> {
    /// Bytes that [`Self::put`] and [`Self::put_as`] write.
    pub(crate) const fn len(self) -> usize {
        self.length + OUTCOME
    }

    /// Writes the attributes of a histogram's point, `outcome` after those of the series.
    #[inline(always)]
    pub(crate) fn put(self, outcome: Outcome, front: &mut FrontRoom<'_>) -> Result<(), Full> {
        const OUTCOMES: [[u8; OUTCOME]; 2] = outcomes(HISTOGRAM_ATTRIBUTES);
        front.put(&OUTCOMES[outcome.index()])?;
        self.copy(front)?;
        front.take(self.length).map(|_| ())
    }

    /// Writes the attributes of a number's point, `outcome` after those of the series.
    #[inline(always)]
    pub(crate) fn put_in_number(self, outcome: Outcome, front: &mut FrontRoom<'_>) -> Result<(), Full> {
        self.put_as::<NUMBER_ATTRIBUTES>(outcome, front)
    }

    /// Writes the attributes as fields `NUMBER`, `outcome` after those of the series.
    #[inline(always)]
    pub(crate) fn put_as<const NUMBER: u8>(self, outcome: Outcome, front: &mut FrontRoom<'_>) -> Result<(), Full> {
        front.put(&OutcomesAs::<NUMBER>::OUTCOMES[outcome.index()])?;
        self.put_of_series::<NUMBER>(front)
    }

    /// Bytes that [`Self::put_of_series`] writes.
    pub(crate) const fn len_of_series(self) -> usize {
        self.length
    }

    /// Writes the attributes of the series alone as fields `NUMBER`.
    #[inline(always)]
    pub(crate) fn put_of_series<const NUMBER: u8>(self, front: &mut FrontRoom<'_>) -> Result<(), Full> {
        self.copy(front)?;
        let text = front.take(self.length)?;
        let mut rest = text;
        while let [tag, low, high, ..] = rest {
            *tag = bytes_tag(NUMBER);
            // All lengths are below 2^14.
            let length = if *low < 0x80 {
                2 + usize::from(*low)
            } else {
                3 + usize::from(*low & 0x7f) + (usize::from(*high) << 7)
            };
            rest = rest.get_mut(length..).unwrap_or_default();
        }
        Ok(())
    }

    /// Writes the attributes of a histogram's point under the keys of OpenTelemetry's semantic conventions. A failure has
    /// `error.type`; a success has nothing in the place of `outcome`, as they want it.
    pub(crate) fn put_conventional(self, outcome: Outcome, back: &mut ReverseWriter<'_>) -> Result<(), Full> {
        let mut room = [0; 8 * WORDS];
        load(self.words.last_chunk::<WORDS>().ok_or(Full)?, &mut room);
        if outcome == Outcome::Failure {
            put_attribute(back, HISTOGRAM_ATTRIBUTES, ERROR.0, ERROR.1)?;
        }
        let mut all: Vec<&[u8], { 2 + LABELS }> = Vec::new();
        let mut reader = ProtobufReader::new(room.get(room.len() - self.length..).ok_or(Full)?);
        while let Some(attribute) = reader.varint().and_then(|_| reader.bytes()) {
            all.push(attribute).map_err(|_| Full)?;
        }
        all.iter().rev().try_for_each(|attribute| put_renamed(attribute, back))
    }

    /// Copies the text to the end of the room, and with it what its words hold before it: moves of known length
    /// need no loop. Relaxed: the reader's acquire load of the entry's state came before.
    #[inline(always)]
    fn copy(self, front: &mut FrontRoom<'_>) -> Result<(), Full> {
        let words = self.words.last_chunk::<USUAL>().ok_or(Full)?;
        load(words, front.spill::<{ 8 * USUAL }>()?);
        if self.length > 8 * USUAL { copy_long(self.words, self.length, front) } else { Ok(()) }
    }
}

/// Copies what is before the last words of a long text. With parts of it for arguments, so that it stays in
/// registers.
#[inline(never)]
fn copy_long(words: &[AtomicU64], length: usize, front: &mut FrontRoom<'_>) -> Result<(), Full> {
    let chunks = (length - 8 * USUAL).div_ceil(8 * LONG);
    let words = words[..words.len() - USUAL].as_rchunks::<LONG>().1;
    let room = front.before::<{ 8 * USUAL }, { 8 * LONG }>();
    if room.len() < chunks {
        return Err(Full);
    }
    for (words, room) in words.iter().rev().zip(room.iter_mut().rev()).take(chunks) {
        load(words, room);
    }
    Ok(())
}

#[inline(always)]
fn load(words: &[AtomicU64], room: &mut [u8]) {
    for (chunk, word) in room.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *chunk = word.load(Relaxed).to_le_bytes();
    }
}

/// Writes the attribute for the kind of a failure, of a number's point. The conventions keep `_OTHER` for what has no class of
/// its own (OpenTelemetry semantic conventions, "Error attributes").
pub(crate) fn put_error(kind: ErrorKind, back: &mut ReverseWriter<'_>) -> Result<(), Full> {
    let value = match kind {
        ErrorKind::Other => ERROR.1,
        kind => kind.as_str(),
    };
    put_attribute(back, NUMBER_ATTRIBUTES, ERROR.0, value)
}

/// The attribute `outcome` as field `NUMBER`.
struct OutcomesAs<const NUMBER: u8>;

impl<const NUMBER: u8> OutcomesAs<NUMBER> {
    const OUTCOMES: [[u8; OUTCOME]; 2] = outcomes(NUMBER);
}

/// The attribute `outcome` of both outcomes.
const fn outcomes(number: u8) -> [[u8; OUTCOME]; 2] {
    let mut all = [[0; OUTCOME]; 2];
    all[Outcome::Success.index()] = outcome(number, Outcome::Success.as_str());
    all[Outcome::Failure.index()] = outcome(number, Outcome::Failure.as_str());
    all
}

const fn outcome(number: u8, value: &str) -> [u8; OUTCOME] {
    let key = "outcome";
    let mut bytes = [0; OUTCOME];
    let frame = [bytes_tag(number), OUTCOME as u8 - 2, bytes_tag(KEY), key.len() as u8];
    bytes.split_at_mut(4).0.copy_from_slice(&frame);
    bytes.split_at_mut(4).1.split_at_mut(key.len()).0.copy_from_slice(key.as_bytes());
    let (_, rest) = bytes.split_at_mut(4 + key.len());
    let (frame, text) = rest.split_at_mut(4);
    frame.copy_from_slice(&[bytes_tag(VALUE), value.len() as u8 + 2, bytes_tag(STRING_VALUE), value.len() as u8]);
    text.copy_from_slice(value.as_bytes());
    bytes
}

pub(crate) fn put_attribute(back: &mut ReverseWriter<'_>, number: u8, key: &str, value: &str) -> Result<(), Full> {
    let end = back.mark();
    // The string of an AnyValue is a member of a oneof: written even when it is empty.
    back.put(value.as_bytes())?;
    back.length_since(end, STRING_VALUE)?;
    back.length_since(end, VALUE)?;
    put_string(back, KEY, key)?;
    back.length_since(end, number)
}

/// A `KeyValue` that was encoded before, under the conventional key where there is one.
fn put_renamed(attribute: &[u8], back: &mut ReverseWriter<'_>) -> Result<(), Full> {
    let key = key_of(attribute).unwrap_or_default();
    let end = back.mark();
    match CONVENTIONS.iter().find(|(ours, _)| ours.as_bytes() == key) {
        None => back.put(attribute)?,
        Some((_, conventional)) => {
            // Tag and length of the key are a byte each.
            back.put(attribute.get(2 + key.len()..).unwrap_or_default())?;
            put_string(back, KEY, conventional)?;
        }
    }
    back.length_since(end, HISTOGRAM_ATTRIBUTES)
}

/// An attribute that is `true`.
fn put_true(back: &mut ReverseWriter<'_>, number: u8, key: &str) -> Result<(), Full> {
    let end = back.mark();
    back.varint_field(BOOL_VALUE, 1)?;
    back.length_since(end, VALUE)?;
    put_string(back, KEY, key)?;
    back.length_since(end, number)
}

/// The key of an encoded `KeyValue` that begins with it, as ours do.
pub(crate) fn key_of(attribute: &[u8]) -> Option<&[u8]> {
    let mut reader = ProtobufReader::new(attribute);
    (reader.varint()? == u64::from(bytes_tag(KEY))).then(|| reader.bytes()).flatten()
}

pub(crate) fn put_string(back: &mut ReverseWriter<'_>, number: u8, text: &str) -> Result<(), Full> {
    let end = back.mark();
    back.put(text.as_bytes())?;
    back.length_since(end, number)
}
