//! Labels in a Prometheus line: `method="GET",name="/x"`.
//!
//! In values `\`, `"` and LF are escaped, and nothing else (prometheus/docs, exposition_formats.md, "Text format
//! details").

use heapless::Vec;

use super::LabelFormat;
use crate::atomics::stored_text::StoredText;
use crate::atomics::{AtomicU64, words};
use crate::request::key::{Key, METHOD_BYTES, NAME_BYTES};
use crate::request::label::{LABEL_BYTES, LABELS};
use crate::wire::text::out::Full;

/// Room for the labels of a series: every byte of a value may be escaped.
pub(crate) const BYTES: usize =
    "method=\"\",name=\"\"".len() + 2 * (METHOD_BYTES + NAME_BYTES + LABEL_BYTES) + LABELS * ",=\"\"".len();

/// The labels of a series as every line of it begins them: `method="GET",name="/x"`.
pub(crate) struct PrometheusLabels;

impl LabelFormat for PrometheusLabels {
    const PLACE: usize = 0;
    const WORDS: usize = BYTES.div_ceil(8);
    type Stored<'a> = StoredText<'a>;

    fn write(key: &Key<'_>, words: &[AtomicU64]) -> [usize; 2] {
        let text = encode(key);
        words::store(words, &text);
        [text.len(), 0]
    }

    #[inline(always)]
    fn read(words: &[AtomicU64], [length, _]: [usize; 2]) -> StoredText<'_> {
        StoredText::new(words, length)
    }
}

fn encode(key: &Key<'_>) -> Vec<u8, BYTES> {
    let mut text = Vec::new();
    // The room was sized for the longest labels with every byte escaped.
    let fits = put_label(&mut text, "method", key.method)
        .and_then(|()| put_label(&mut text, "name", key.name))
        .and_then(|()| key.labels().try_for_each(|(label, value)| put_label(&mut text, label, value)));
    debug_assert_eq!(fits, Ok(()));
    text
}

/// Names and escaped values in a text of labels.
pub(crate) fn pairs(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
    let mut rest = text;
    core::iter::from_fn(move || {
        let equals = rest.iter().position(|byte| *byte == b'=')?;
        let (name, after) = rest.split_at_checked(equals)?;
        let value = after.get(2..)?;
        let (value, after) = value.split_at_checked(length_of_value(value))?;
        // After the quote, and the comma if there is one.
        rest = after.get(2..).unwrap_or_default();
        Some((name, value))
    })
}

/// The bytes that an escaped value stands for.
pub(crate) fn unescaped(value: &[u8]) -> impl Iterator<Item = u8> {
    let mut bytes = value.iter().copied();
    core::iter::from_fn(move || match bytes.next()? {
        b'\\' => bytes.next().map(|byte| if byte == b'n' { b'\n' } else { byte }),
        byte => Some(byte),
    })
}

/// Bytes up to the quote that ends a value.
fn length_of_value(text: &[u8]) -> usize {
    let mut is_escaped = false;
    let end = text.iter().position(|byte| {
        let ends = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        ends
    });
    end.unwrap_or(text.len())
}

/// Appends `label="value"`, with a comma before it where it is not the first.
pub(crate) fn put_label<const N: usize>(text: &mut Vec<u8, N>, label: &str, value: &str) -> Result<(), Full> {
    let separator: &[u8] = if text.is_empty() { b"" } else { b"," };
    let mut put = |bytes: &[u8]| text.extend_from_slice(bytes).map_err(|_| Full);
    for part in [separator, label.as_bytes(), b"=\""] {
        put(part)?;
    }
    for byte in value.bytes() {
        match byte {
            b'\\' => put(b"\\\\")?,
            b'"' => put(b"\\\"")?,
            b'\n' => put(b"\\n")?,
            other => put(&[other])?,
        }
    }
    put(b"\"")
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec as List;

    #[test]
    fn a_text_is_read_as_it_was_written() {
        let values = [("a", "x"), ("b", ""), ("c", "\\\"\n,=\"\\"), ("d", "\\n"), ("e", "é\\")];
        let escaped = ["x", "", "\\\\\\\"\\n,=\\\"\\\\", "\\\\n", "é\\\\"];
        let mut text: Vec<u8, 128> = Vec::new();
        for (name, value) in values {
            put_label(&mut text, name, value).unwrap();
        }
        let read: List<_> = pairs(&text).collect();
        let names = values.iter().map(|(name, _)| name.as_bytes());
        let expected: List<_> = names.zip(escaped.map(str::as_bytes)).collect();
        assert_eq!(read, expected);
        for ((_, value), (_, plain)) in pairs(&text).zip(values) {
            assert!(unescaped(value).eq(plain.bytes()), "{plain:?}");
        }
        assert_eq!(pairs(b"").count(), 0);
    }
}
