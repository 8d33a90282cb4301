//! What a series is: a method, a name and, where the engine sets them, a few further labels.
//!
//! Names are checked and made fit once, here, when a series is interned; after that no encoder can fail on one.

use core::fmt;

use heapless::{String, Vec};

use crate::status::{LABEL_BYTES_BESIDE, LABELS_BESIDE};

/// Longest method in bytes; a longer one is cut and gets a hash.
pub const METHOD_BYTES: usize = 32;
/// Longest name in bytes; a longer one is cut and gets a hash.
pub const NAME_BYTES: usize = 255;
/// Most further labels of one series.
pub const LABELS: usize = 4;
/// Keys and values of all further labels of one series together, in bytes.
pub const LABEL_BYTES: usize = 96;

/// Room for the further labels in their one canonical form: `len(key) len(value) key value`, sorted by key.
pub(crate) const LABEL_BLOCK: usize = LABEL_BYTES + 2 * LABELS;

/// What the contract shows for an empty method and an empty name.
const EMPTY_METHOD: &str = "REQ";
const EMPTY_NAME: &str = "unknown";
/// Method and name of the series that takes what a full registry has no room for.
const OVERFLOW: &str = "overflow";
/// Keys that the exporters set themselves in some format, or that a backend keeps for itself. InfluxDB 3 allows no tag
/// with the name of a field.
const RESERVED: [&str; 12] = [
    "method",
    "name",
    "outcome",
    "le",
    "quantile",
    "status",
    "time",
    "host",
    "jmx_check_name",
    "status_code",
    "response_time_ms",
    "response_length",
];
/// `~` and 16 hexadecimal digits behind a name that was cut.
const CUT_MARK: usize = 17;

/// Handle of an interned series: `Copy`, four bytes, valid on every recorder of its registry.
///
/// On another registry it means another series, the overflow series, or none that is shown; nothing worse happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series(u32);

impl Series {
    /// The series that takes the requests of all series for which the registry has no room.
    pub const OVERFLOW: Self = Self(0);

    pub(crate) const fn from_number(number: u32) -> Self {
        Self(number)
    }

    pub(crate) const fn number(self) -> u32 {
        self.0
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A further label of a series, set by the engine: `scenario`, `region`, …
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label<'a> {
    /// Key. Begins with a letter `A-Z` or `a-z`; characters outside `[A-Za-z0-9_]` become `_`, so that every format
    /// takes it.
    pub key: &'a str,
    /// Value. A label with an empty value is left out: Prometheus takes both for the same, InfluxDB refuses empty tags.
    pub value: &'a str,
}

/// Why a series cannot have these labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelError {
    /// More than [`LABELS`].
    TooMany,
    /// Keys and values together are longer than [`LABEL_BYTES`].
    TooLong,
    /// A key does not begin with an ASCII letter, or is empty.
    Start,
    /// A key is one that the exporters or a backend set themselves.
    Reserved,
    /// Two keys are the same, possibly after characters were replaced.
    Duplicate,
    /// The registry's label `status` leaves no room for so many or so long ones.
    BesideStatus,
}

impl fmt::Display for LabelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(f, "a series takes at most {LABELS} further labels"),
            Self::TooLong => {
                write!(
                    f,
                    "keys and values of a series' labels are longer than {LABEL_BYTES} bytes together; shorten them"
                )
            }
            Self::Start => f.write_str("a label's key does not begin with a letter A-Z or a-z; put one in front"),
            Self::Reserved => {
                f.write_str("a label's key is one of ")?;
                RESERVED.iter().try_for_each(|key| write!(f, "{key}, "))?;
                f.write_str("which are taken; choose another")
            }
            Self::Duplicate => f.write_str("two labels have the same key (characters outside [A-Za-z0-9_] become _)"),
            Self::BesideStatus => write!(
                f,
                "beside the label status a series takes at most {LABELS_BESIDE} further labels, of {LABEL_BYTES_BESIDE} \
                 bytes together; leave some out or shorten them"
            ),
        }
    }
}

impl core::error::Error for LabelError {}

/// A series' identity in its one canonical form.
pub(crate) struct Key<'a> {
    pub(crate) method: &'a str,
    pub(crate) name: &'a str,
    pub(crate) labels: &'a [u8],
    /// Whether the method or the name was longer than its limit.
    pub(crate) cut: bool,
}

impl Key<'_> {
    /// The key of the series that a full registry folds new ones into.
    pub(crate) const OVERFLOW: Key<'static> = Key { method: OVERFLOW, name: OVERFLOW, labels: &[], cut: false };

    /// Makes `method` and `name` fit and hands the key to `then`.
    pub(crate) fn with<T>(method: &str, name: &str, labels: &[u8], then: impl FnOnce(&Key<'_>) -> T) -> T {
        if method.len() <= METHOD_BYTES && name.len() <= NAME_BYTES {
            let method = if method.is_empty() { EMPTY_METHOD } else { method };
            let name = if name.is_empty() { EMPTY_NAME } else { name };
            return then(&Key { method, name, labels, cut: false });
        }
        let (mut method_room, mut name_room) = (String::new(), String::new());
        then(&Key {
            method: fit::<METHOD_BYTES>(method, EMPTY_METHOD, &mut method_room),
            name: fit::<NAME_BYTES>(name, EMPTY_NAME, &mut name_room),
            labels,
            cut: true,
        })
    }

    /// Whether it is the overflow series, or one of its parts that have labels.
    pub(crate) fn is_overflow(&self) -> bool {
        self.method == OVERFLOW && self.name == OVERFLOW
    }

    /// The labels, in order of their keys.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        labels_of(self.labels)
    }
}

/// The labels in a canonical block.
pub(crate) fn labels_of(block: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = block;
    core::iter::from_fn(move || {
        let (&key_len, tail) = rest.split_first()?;
        let (&value_len, tail) = tail.split_first()?;
        let (key, tail) = tail.split_at_checked(key_len.into())?;
        let (value, tail) = tail.split_at_checked(value_len.into())?;
        rest = tail;
        Some((core::str::from_utf8(key).ok()?, core::str::from_utf8(value).ok()?))
    })
}

/// Puts `labels` into their canonical form: keys cleaned, sorted, none twice, empty values left out.
pub(crate) fn canonical_labels(labels: &[Label<'_>]) -> Result<Vec<u8, LABEL_BLOCK>, LabelError> {
    let mut sorted: Vec<(String<LABEL_BYTES>, &str), LABELS> = Vec::new();
    for label in labels.iter().filter(|label| !label.value.is_empty()) {
        let key = clean_key::<LABEL_BYTES>(label.key)?;
        let at = sorted.iter().position(|(other, _)| *other >= key).unwrap_or(sorted.len());
        if sorted.get(at).is_some_and(|(other, _)| *other == key) {
            return Err(LabelError::Duplicate);
        }
        sorted.insert(at, (key, label.value)).map_err(|_| LabelError::TooMany)?;
    }
    if sorted.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > LABEL_BYTES {
        return Err(LabelError::TooLong);
    }
    let mut block = Vec::new();
    for (key, value) in &sorted {
        // Both lengths are at most LABEL_BYTES, which a byte holds, and the block was sized for the sum.
        let lengths = [key.len() as u8, value.len() as u8];
        for part in [&lengths[..], key.as_bytes(), value.as_bytes()] {
            block.extend_from_slice(part).map_err(|_| LabelError::TooLong)?;
        }
    }
    Ok(block)
}

/// The key as every format takes it, in `N` bytes.
pub(crate) fn clean_key<const N: usize>(key: &str) -> Result<String<N>, LabelError> {
    if !key.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Err(LabelError::Start);
    }
    let mut clean = String::new();
    for c in key.chars() {
        let c = if c.is_ascii_alphanumeric() { c } else { '_' };
        clean.push(c).map_err(|_| LabelError::TooLong)?;
    }
    if RESERVED.contains(&clean.as_str()) {
        return Err(LabelError::Reserved);
    }
    Ok(clean)
}

/// `text`, or what stands for an empty one, or its beginning and a hash of the whole where it is too long.
fn fit<'a, const N: usize>(text: &'a str, empty: &'static str, room: &'a mut String<N>) -> &'a str {
    if text.is_empty() {
        return empty;
    }
    if text.len() <= N {
        return text;
    }
    let mut end = N - CUT_MARK;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    room.clear();
    // `end` and the mark fit into N by construction.
    let fits = room.push_str(&text[..end]).is_ok()
        && fmt::Write::write_fmt(room, format_args!("~{:016x}", crate::hash::of(text.as_bytes()))).is_ok();
    debug_assert!(fits);
    room
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::String as StdString;

    fn shown(method: &str, name: &str) -> (StdString, StdString, bool) {
        Key::with(method, name, &[], |key| (key.method.into(), key.name.into(), key.cut))
    }

    #[test]
    fn empty_names_are_shown_as_the_contract_says() {
        assert_eq!(shown("", ""), ("REQ".into(), "unknown".into(), false));
    }

    #[test]
    fn names_up_to_the_limit_are_kept_and_longer_ones_cut_on_a_character() {
        let fits = "é".repeat(127) + "x";
        assert_eq!(shown("GET", &fits), ("GET".into(), fits, false));
        let (_, cut, was_cut) = shown("GET", &"é".repeat(128));
        assert!(was_cut && cut.len() <= NAME_BYTES);
        let (text, mark) = cut.split_once('~').unwrap();
        assert_eq!((text, mark.len()), ("é".repeat(119).as_str(), 16));
    }

    #[test]
    fn two_long_names_never_merge() {
        let one = "x".repeat(5_000);
        let other = "x".repeat(4_999) + "y";
        assert_ne!(shown("GET", &one), shown("GET", &other));
    }

    #[test]
    fn labels_have_one_form_whatever_their_order() {
        let (a, b) = (Label { key: "region", value: "eu" }, Label { key: "nine-lives", value: "cat" });
        let block = canonical_labels(&[a, b, Label { key: "none", value: "" }]).unwrap();
        assert_eq!(block, canonical_labels(&[b, a]).unwrap());
        assert!(labels_of(&block).eq([("nine_lives", "cat"), ("region", "eu")]));
    }

    #[test]
    fn labels_that_no_format_could_show_are_refused() {
        let label = |key, value| Label { key, value };
        let many = [label("a", "1"), label("b", "1"), label("c", "1"), label("d", "1"), label("e", "1")];
        let long = "x".repeat(LABEL_BYTES);
        for (labels, error) in [
            (&many[..], LabelError::TooMany),
            (&[label("a", &long)], LabelError::TooLong),
            (&[label("", "x")], LabelError::Start),
            (&[label("9lives", "x")], LabelError::Start),
            (&[label("status_code", "x")], LabelError::Reserved),
            (&[label("method", "x")], LabelError::Reserved),
            (&[label("_field", "x")], LabelError::Start),
            (&[label("a-b", "x"), label("a_b", "y")], LabelError::Duplicate),
        ] {
            assert_eq!(canonical_labels(labels), Err(error));
        }
    }
}
