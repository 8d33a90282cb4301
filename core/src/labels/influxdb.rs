//! Tags in an InfluxDB line: `,method=GET,name=/x,outcome=success`.
//!
//! `,`, `=` and space are escaped with a backslash. Control characters, and a backslash that some parser could read as
//! an escape or that would end the value, become `_` (InfluxDB 1 and 3 differ there; what remains reads the same).

use heapless::Vec;

use super::LabelFormat;
use crate::atomics::stored_text::StoredText;
use crate::atomics::{AtomicU64, words};
use crate::request::key::{Key, METHOD_BYTES, NAME_BYTES};
use crate::request::label::{LABEL_BYTES, LABELS};
use crate::request::sample::Outcome;
use crate::wire::text::out::Full;

/// Room for the tags of a series: every byte of a value may be escaped.
pub(crate) const BYTES: usize =
    ",method=,name=".len() + 2 * (METHOD_BYTES + NAME_BYTES + LABEL_BYTES) + LABELS * ",=".len() + OUTCOMES[0].len();

/// The tag whose value depends on the request and not on the series, for each outcome: of one length, so that a line
/// writes it over the one that is kept with the series.
pub(crate) const OUTCOMES: [&[u8; 16]; 2] = [b",outcome=success", b",outcome=failure"];

/// The tags of a series, `,method=GET,name=/x,outcome=success`, in order of their keys, which spares the server the
/// sorting; and where the outcome begins.
pub(crate) struct InfluxdbTags;

impl LabelFormat for InfluxdbTags {
    const PLACE: usize = 1;
    const WORDS: usize = BYTES.div_ceil(8);
    const HAS_MARK: bool = true;
    type Stored<'a> = (StoredText<'a>, usize);

    fn write(key: &Key<'_>, words: &[AtomicU64]) -> [usize; 2] {
        let (text, outcome_at) = encode(key);
        words::store(words, &text);
        [text.len(), outcome_at]
    }

    #[inline(always)]
    fn read(words: &[AtomicU64], [length, outcome_at]: [usize; 2]) -> (StoredText<'_>, usize) {
        (StoredText::new(words, length), outcome_at)
    }
}

fn encode(key: &Key<'_>) -> (Vec<u8, BYTES>, usize) {
    let mut text = Vec::new();
    let mut outcome_at = 0;
    let (outcome, success) = ("outcome", Outcome::Success.as_str());
    let mut own = [("method", key.method), ("name", key.name), (outcome, success)].into_iter().peekable();
    let mut further = key.labels().peekable();
    loop {
        let next = match (own.peek(), further.peek()) {
            (Some((ours, _)), Some((theirs, _))) if theirs < ours => further.next(),
            (Some(_), _) => own.next(),
            (None, _) => further.next(),
        };
        let Some((tag, value)) = next else { break };
        if tag == outcome {
            outcome_at = text.len();
        }
        // The room was sized for the longest tags with every byte escaped.
        let fits = put_tag(&mut text, tag, value);
        debug_assert_eq!(fits, Ok(()));
    }
    (text, outcome_at)
}

/// Appends `,tag=value`, escaped.
pub(crate) fn put_tag<const N: usize>(text: &mut Vec<u8, N>, tag: &str, value: &str) -> Result<(), Full> {
    let mut put = |bytes: &[u8]| text.extend_from_slice(bytes).map_err(|_| Full);
    put(b",")?;
    put(tag.as_bytes())?;
    put(b"=")?;
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        let lone_backslash = next.is_some_and(|next| !matches!(next, '\\' | ',' | '=' | ' '));
        match c {
            '\\' if !lone_backslash => put(b"_")?,
            // C1 controls are no ASCII and pass every parser; only bytes below space and DEL are refused.
            c if c.is_ascii_control() => put(b"_")?,
            ',' | '=' | ' ' => put(&[b'\\', c as u8])?,
            c => put(c.encode_utf8(&mut [0; 4]).as_bytes())?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcomes_are_those_of_all_formats() {
        for outcome in Outcome::ALL {
            let value = OUTCOMES[outcome.index()].strip_prefix(b",outcome=");
            assert_eq!(value, Some(outcome.as_str().as_bytes()));
        }
    }
}
