//! Tags in a DogStatsD message: `method:GET,name:/x`.
//!
//! The protocol has no escapes: in values each of `|`, `,`, `:`, `#` and each control character becomes one `_`.

use heapless::Vec;

use crate::out::Full;
use crate::series::{Key, LABEL_BYTES, LABELS, METHOD_BYTES, NAME_BYTES};

/// Room for the tags of a series. No replacement is longer than what it replaces.
pub(crate) const BYTES: usize = "method:,name:".len() + METHOD_BYTES + NAME_BYTES + LABEL_BYTES + LABELS * ",:".len();

/// The tags of a series: `method:GET,name:/x`.
pub(crate) fn encode(key: &Key<'_>) -> Vec<u8, BYTES> {
    let mut text = Vec::new();
    let own = [("method", key.method), ("name", key.name)];
    for (tag, value) in own.into_iter().chain(key.labels()) {
        // The room was sized for the longest tags.
        let fits = put_tag(&mut text, tag, value);
        debug_assert_eq!(fits, Ok(()));
    }
    text
}

fn put_tag<const N: usize>(text: &mut Vec<u8, N>, tag: &str, value: &str) -> Result<(), Full> {
    let separator: &[u8] = if text.is_empty() { b"" } else { b"," };
    for part in [separator, tag.as_bytes(), b":"] {
        text.extend_from_slice(part).map_err(|_| Full)?;
    }
    for c in value.chars() {
        let safe = if matches!(c, '|' | ',' | ':' | '#') || c.is_control() { '_' } else { c };
        text.extend_from_slice(safe.encode_utf8(&mut [0; 4]).as_bytes()).map_err(|_| Full)?;
    }
    Ok(())
}
