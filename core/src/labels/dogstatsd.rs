//! Tags in a DogStatsD message: `method:GET,name:/x`.
//!
//! The protocol has no escapes: in values each of `|`, `,`, `:`, `#` and each control character becomes one `_`.

use heapless::Vec;

use crate::series::{Key, LABEL_BYTES, LABELS, METHOD_BYTES, NAME_BYTES};
use crate::text::out::Full;

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
    put_clean(text, value, is_unfit)
}

/// Appends `part`, each unfit character of it as `_`.
pub(crate) fn put_clean<const N: usize>(
    text: &mut Vec<u8, N>,
    part: &str,
    unfit: fn(char) -> bool,
) -> Result<(), Full> {
    for c in part.chars() {
        let safe = if unfit(c) { '_' } else { c };
        text.extend_from_slice(safe.encode_utf8(&mut [0; 4]).as_bytes()).map_err(|_| Full)?;
    }
    Ok(())
}

/// In the value of a tag that a series has.
fn is_unfit(c: char) -> bool {
    c == ':' || is_unfit_in_constant(c)
}

/// In the value of a constant tag: colons are legal there (DataDog/documentation, getting_started/tagging).
pub(crate) fn is_unfit_in_constant(c: char) -> bool {
    matches!(c, '|' | ',' | '#') || c.is_control()
}

/// In the key of a tag.
pub(crate) fn is_unfit_in_key(c: char) -> bool {
    is_unfit(c)
}
