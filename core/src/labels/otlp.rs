//! Attributes in an OTLP data point: a `KeyValue` each.
//!
//! Sources: opentelemetry-proto, `common/v1/common.proto`, `metrics/v1/metrics.proto`.

use heapless::Vec;

use crate::out::Full;
use crate::protobuf::{BackOut, Reader, bytes_tag};
use crate::sample::Outcome;
use crate::series::{Key, LABEL_BYTES, LABELS, METHOD_BYTES, NAME_BYTES};

/// Field numbers of `KeyValue` and `AnyValue`.
const KEY: u8 = 1;
const VALUE: u8 = 2;
const STRING_VALUE: u8 = 1;
/// The tag with which a series' attributes are kept; the kind of point decides with which they are shown.
const PLACEHOLDER: u8 = 1;

/// Bytes that one attribute takes besides its key and its value: three tags and three lengths of up to two bytes, and
/// the tag and the length of its value.
pub(crate) const ATTRIBUTE_FRAME: usize = 11;
/// Room for the attributes of a series, `outcome` not among them.
pub(crate) const BYTES: usize =
    "methodname".len() + METHOD_BYTES + NAME_BYTES + LABEL_BYTES + (2 + LABELS) * ATTRIBUTE_FRAME;

/// The attributes of a series with a tag that the kind of point replaces.
pub(crate) fn encode(key: &Key<'_>) -> Vec<u8, BYTES> {
    let mut room = [0; BYTES];
    let mut back = BackOut::new(&mut room, 0);
    let own = [("method", key.method), ("name", key.name)];
    let mut all: Vec<(&str, &str), { 2 + LABELS }> = Vec::new();
    own.into_iter().chain(key.labels()).for_each(|attribute| {
        let fits = all.push(attribute);
        debug_assert_eq!(fits, Ok(()));
    });
    for (name, value) in all.iter().rev() {
        // The room was sized for the longest attributes.
        let fits = put_attribute(&mut back, PLACEHOLDER, name, value);
        debug_assert_eq!(fits, Ok(()));
    }
    let mut text = Vec::new();
    let fits = text.extend_from_slice(back.into_written());
    debug_assert_eq!(fits.ok(), Some(()));
    text
}

/// Writes a series' attributes with the tag that the kind of point wants, and `outcome` behind them.
pub(crate) fn put_attributes(
    back: &mut BackOut<'_>,
    number: u8,
    attributes: &[u8],
    outcome: Outcome,
) -> Result<(), Full> {
    put_attribute(back, number, "outcome", outcome.as_str())?;
    back.put(attributes)?;
    let front = back.front(attributes.len());
    let mut at = 0;
    while let Some(tag) = front.get_mut(at) {
        *tag = bytes_tag(number);
        let mut reader = Reader::new(&front[at + 1..]);
        let Some(length) = reader.varint() else { break };
        at += 1 + reader.position() + length as usize;
    }
    Ok(())
}

pub(crate) fn put_attribute(back: &mut BackOut<'_>, number: u8, key: &str, value: &str) -> Result<(), Full> {
    let end = back.mark();
    // The string of an AnyValue is a member of a oneof: written even when it is empty.
    back.put(value.as_bytes())?;
    back.length_since(end, STRING_VALUE)?;
    back.length_since(end, VALUE)?;
    put_string(back, KEY, key)?;
    back.length_since(end, number)
}

pub(crate) fn put_string(back: &mut BackOut<'_>, number: u8, text: &str) -> Result<(), Full> {
    let end = back.mark();
    back.put(text.as_bytes())?;
    back.length_since(end, number)
}
