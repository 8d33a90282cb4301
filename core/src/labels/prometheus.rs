//! Labels in a Prometheus line: `method="GET",name="/x"`.
//!
//! In values `\`, `"` and LF are escaped, and nothing else (prometheus/docs, exposition_formats.md, "Text format
//! details").

use heapless::Vec;

use crate::out::Full;
use crate::series::{Key, LABEL_BYTES, LABELS, METHOD_BYTES, NAME_BYTES};

/// Room for the labels of a series: every byte of a value may be escaped.
pub(crate) const BYTES: usize =
    "method=\"\",name=\"\"".len() + 2 * (METHOD_BYTES + NAME_BYTES + LABEL_BYTES) + LABELS * ",=\"\"".len();

/// The labels of a series as every line of it begins them: `method="GET",name="/x"`.
pub(crate) fn encode(key: &Key<'_>) -> Vec<u8, BYTES> {
    let mut text = Vec::new();
    // The room was sized for the longest labels with every byte escaped.
    let fits = put_label(&mut text, "method", key.method)
        .and_then(|()| text.push(b',').map_err(|_| Full))
        .and_then(|()| put_label(&mut text, "name", key.name))
        .and_then(|()| {
            key.labels().try_for_each(|(label, value)| {
                text.push(b',').map_err(|_| Full)?;
                put_label(&mut text, label, value)
            })
        });
    debug_assert_eq!(fits, Ok(()));
    text
}

fn put_label<const N: usize>(text: &mut Vec<u8, N>, label: &str, value: &str) -> Result<(), Full> {
    let mut put = |bytes: &[u8]| text.extend_from_slice(bytes).map_err(|_| Full);
    put(label.as_bytes())?;
    put(b"=\"")?;
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
