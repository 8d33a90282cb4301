//! The further labels of a series, which an engine sets: checked and put into their one canonical form.

use core::fmt;

use heapless::{String, Vec};

use crate::metrics;

/// Most further labels of one series.
pub const LABELS: usize = 8;
/// Keys and values of all further labels of one series together, in bytes.
pub const LABEL_BYTES: usize = 256;
/// Key and value of one further label together, in bytes. Datadog takes tags of 200 characters, and a colon is among them
/// (DataDog/documentation, getting_started/tagging).
pub const ONE_LABEL_BYTES: usize = 199;

/// Room for the further labels in their one canonical form: `len(key) len(value) key value`, sorted by key.
pub(crate) const LABEL_BLOCK: usize = LABEL_BYTES + 2 * LABELS;
const _: () = assert!(ONE_LABEL_BYTES < 256, "a length in the block is a byte");

/// The key of the label of failures.
pub(crate) const ERROR_TYPE: &str = "error_type";
/// The key of the label `status`.
pub(crate) const STATUS: &str = "status";
/// Its longest value, `other`, in bytes.
pub(crate) const STATUS_BYTES: usize = 5;
/// Most further labels of a series beside the label `status`.
pub(crate) const LABELS_BESIDE_STATUS: usize = LABELS - 1;
/// Most bytes of their keys and values.
pub(crate) const LABEL_BYTES_BESIDE_STATUS: usize = LABEL_BYTES - STATUS.len() - STATUS_BYTES;

/// Keys that the exporters set themselves in some format, or that a backend keeps for itself. InfluxDB 3 allows no tag
/// with the name of a field.
pub(crate) const RESERVED: [&str; 13] = [
    "method",
    "name",
    "outcome",
    ERROR_TYPE,
    "le",
    "quantile",
    STATUS,
    "time",
    "host",
    "jmx_check_name",
    "status_code",
    metrics::LATENCY.influxdb,
    metrics::SIZE.influxdb,
];
/// A further label of a series, set by the engine: `scenario`, `region`, …
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label<'a> {
    /// Key. Begins with a letter `A-Z` or `a-z`; characters outside `[A-Za-z0-9_]` become `_`, so that every format
    /// takes it.
    pub key: &'a str,
    /// Value. A label with an empty value is left out: Prometheus takes both for the same, InfluxDB refuses empty tags.
    pub value: &'a str,
}

impl Label<'_> {
    /// Whether a series may have this label, whatever others it has.
    ///
    /// # Errors
    /// As [`Registry::series_with_labels`](crate::Registry::series_with_labels) would answer.
    pub fn check(self) -> Result<(), LabelError> {
        canonical_labels([self]).map(drop)
    }
}

/// Key and value.
impl<'a> From<(&'a str, &'a str)> for Label<'a> {
    fn from((key, value): (&'a str, &'a str)) -> Self {
        Self { key, value }
    }
}

/// Key and value.
impl<'a> From<&(&'a str, &'a str)> for Label<'a> {
    fn from(label: &(&'a str, &'a str)) -> Self {
        Self::from(*label)
    }
}

impl<'a> From<&Self> for Label<'a> {
    fn from(label: &Self) -> Self {
        *label
    }
}

/// Why a series cannot have these labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LabelError {
    /// More than [`LABELS`].
    TooMany,
    /// Keys and values together are longer than [`LABEL_BYTES`].
    TooLong,
    /// Key and value of one label together are longer than [`ONE_LABEL_BYTES`].
    OneTooLong,
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
            Self::OneTooLong => {
                write!(f, "a label's key and value are longer than {ONE_LABEL_BYTES} bytes together; shorten them")
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
                "beside the label status a series takes at most {LABELS_BESIDE_STATUS} further labels, of {LABEL_BYTES_BESIDE_STATUS} \
                 bytes together; leave some out or shorten them"
            ),
        }
    }
}

impl core::error::Error for LabelError {}

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
pub(crate) fn canonical_labels<'l, L: Into<Label<'l>>>(
    labels: impl IntoIterator<Item = L>,
) -> Result<Vec<u8, LABEL_BLOCK>, LabelError> {
    let mut sorted: Vec<(String<ONE_LABEL_BYTES>, &str), LABELS> = Vec::new();
    for label in labels.into_iter().map(Into::into).filter(|label| !label.value.is_empty()) {
        let key = clean_key::<ONE_LABEL_BYTES>(label.key).map_err(|error| match error {
            LabelError::TooLong => LabelError::OneTooLong,
            other => other,
        })?;
        if key.len() + label.value.len() > ONE_LABEL_BYTES {
            return Err(LabelError::OneTooLong);
        }
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
        // Both lengths are at most ONE_LABEL_BYTES, which a byte holds, and the block was sized for the sum.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_one_form_whatever_their_order() {
        let (a, b) = (Label { key: "region", value: "eu" }, Label { key: "nine-lives", value: "cat" });
        let block = canonical_labels([a, b, Label { key: "none", value: "" }]).unwrap();
        assert_eq!(block, canonical_labels([b, a]).unwrap());
        assert!(labels_of(&block).eq([("nine_lives", "cat"), ("region", "eu")]));
    }

    #[test]
    fn labels_are_given_as_pairs_or_by_name() {
        let by_name = Label { key: "region", value: "eu" };
        let block = canonical_labels([by_name]);
        for same in
            [canonical_labels([&by_name]), canonical_labels([("region", "eu")]), canonical_labels([&("region", "eu")])]
        {
            assert_eq!(same, block);
        }
    }

    #[test]
    fn labels_that_no_format_could_show_are_refused() {
        let label = |key, value| Label { key, value };
        let many = ["a", "b", "c", "d", "e", "f", "g", "h", "i"].map(|key| label(key, "1"));
        let (long, half) = ("x".repeat(ONE_LABEL_BYTES), "x".repeat(LABEL_BYTES / 2));
        for (labels, error) in [
            (&many[..], LabelError::TooMany),
            (&[label("a", &long)], LabelError::OneTooLong),
            (&[label(&long, "a")], LabelError::OneTooLong),
            (&[label("a", &half), label("b", &half)], LabelError::TooLong),
            (&[label("", "x")], LabelError::Start),
            (&[label("9lives", "x")], LabelError::Start),
            (&[label("status_code", "x")], LabelError::Reserved),
            (&[label("method", "x")], LabelError::Reserved),
            (&[label("_field", "x")], LabelError::Start),
            (&[label("a-b", "x"), label("a_b", "y")], LabelError::Duplicate),
        ] {
            assert_eq!(canonical_labels(labels), Err(error));
        }
        assert_eq!(label("time", "x").check(), Err(LabelError::Reserved));
        assert_eq!(label("region", "eu").check(), Ok(()));
    }
}
