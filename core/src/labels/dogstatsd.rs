//! Tags in a DogStatsD message: `method:GET,name:/x`.
//!
//! The protocol has no escapes: in values each of `|`, `,`, `:`, `#` and each control character becomes one `_`. Datadog
//! cuts a tag after [`TAG_CHARACTERS`], which would make one series of two long names: a name that is longer with its key is
//! cut here and gets a hash.

use core::fmt::Write as _;

use heapless::{String, Vec};

use super::{CacheLineEdge, LabelFormat};
use crate::atomics::stored_text::StoredText;
use crate::atomics::{AtomicU64, words};
use crate::request::key::{Key, METHOD_BYTES, NAME_BYTES};
use crate::request::label::{LABEL_BYTES, LABELS, ONE_LABEL_BYTES};
use crate::wire::text::out::Full;

/// Longest tag in characters, its key included. Source: DataDog/documentation, getting_started/tagging.
const TAG_CHARACTERS: usize = 200;
/// Most characters of a name: methods and labels have fewer bytes than that.
const NAME_CHARACTERS: usize = TAG_CHARACTERS - "name:".len();
/// `~` and 16 hexadecimal digits after a name that was cut.
const CUT_MARK: usize = 17;

/// Room for the tags of a series. No replacement is longer than what it replaces.
pub(crate) const BYTES: usize = "method:,name:".len() + METHOD_BYTES + NAME_BYTES + LABEL_BYTES + LABELS * ",:".len();

/// The tags of a series: `method:GET,name:/x`. At the start of a cache line, which the usual tags fit into.
pub(crate) struct DogstatsdTags;

impl LabelFormat for DogstatsdTags {
    const PLACE: usize = 2;
    const WORDS: usize = BYTES.div_ceil(8);
    const EDGE: CacheLineEdge = CacheLineEdge::Begin;
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
    if value.len() <= NAME_CHARACTERS || value.chars().count() <= NAME_CHARACTERS {
        return put_clean(text, value, is_unfit);
    }
    let end = value.char_indices().nth(NAME_CHARACTERS - CUT_MARK).map_or(value.len(), |(at, _)| at);
    put_clean(text, value.get(..end).unwrap_or_default(), is_unfit)?;
    let mut mark: String<CUT_MARK> = String::new();
    write!(mark, "~{:016x}", crate::hash::of(value.as_bytes())).map_err(|_| Full)?;
    text.extend_from_slice(mark.as_bytes()).map_err(|_| Full)
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

const _: () = assert!(METHOD_BYTES + "method:".len() <= TAG_CHARACTERS && ONE_LABEL_BYTES < TAG_CHARACTERS);

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::String as StdString;

    use super::*;

    fn shown(name: &str) -> StdString {
        let tags = Key::with("GET", name, &[], encode);
        let text = str::from_utf8(&tags).expect("UTF-8");
        text.strip_prefix("method:GET,").expect("the method first").into()
    }

    /// Datadog takes tags of 200 characters, whatever their bytes, and would take two names for one that differ later.
    #[test]
    fn a_name_is_shown_in_200_characters_and_two_never_merge() {
        for (letter, longest) in [("x", 195), ("é", 127), ("|", 195)] {
            let clean = letter.replace('|', "_");
            assert_eq!(shown(&letter.repeat(longest)), std::format!("name:{}", clean.repeat(longest)));
        }
        let mixed = |end: &str| "é".repeat(55) + &"x".repeat(140) + end;
        assert_eq!(shown(&mixed("")).chars().count(), 200, "as long as is shown whole, in more than 195 bytes");
        for base in ["x".repeat(195), mixed(""), "x".repeat(254), "x".repeat(5_000)] {
            let (one, other) = (shown(&(base.clone() + "a")), shown(&(base.clone() + "b")));
            assert_ne!(one, other);
            for cut in [one, other] {
                assert_eq!(cut.chars().count(), TAG_CHARACTERS, "{cut}");
                let (text, hash) = cut.rsplit_once('~').expect("a mark");
                let kept: StdString = base.chars().take(178).collect();
                assert_eq!((text, hash.len()), (std::format!("name:{kept}").as_str(), 16));
            }
        }
    }
}
