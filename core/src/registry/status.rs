//! The opt-in label `status`: the requests of one series are counted by their status, with a series for each status.

mod children;

use core::fmt;

use heapless::{String, Vec};

use crate::registry::Registry;
use crate::registry::decided_once::DecidedOnce;
use crate::request::key::Key;
use crate::request::label::{
    LABEL_BLOCK, LABEL_BYTES_BESIDE_STATUS, LABELS_BESIDE_STATUS, STATUS, STATUS_BYTES, labels_of,
};
use crate::request::series::Series;

pub(crate) use children::Children;

/// What the label `status` shows of a request's status.
///
/// A request without a status (0) has `none`, one whose status is not 100 to 599 has `other`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatusLabel {
    /// The class of the status, `1xx` to `5xx`: up to 7 series for each series of the engine.
    Class,
    /// The status itself, such as `200` or `404`: a series for each status that occurs.
    Code,
}

/// The registry already counts with another setting of the label `status`. Set the label before the first recorder and
/// before the first series with labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusLabelInUse;

impl fmt::Display for StatusLabelInUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the registry already counts with another setting of the label status; set it before the first recorder and \
             before the first series with labels",
        )
    }
}

impl core::error::Error for StatusLabelInUse {}

impl<'a> Registry<'a> {
    /// Switches the label `status` on; it is off by default. From then on, a request counts in a series that has the
    /// same method, name and labels as the engine's series and the label `status` in addition. All formats show it. The
    /// engine's own series stays, at zero. Requests of the overflow series are not told apart by status.
    ///
    /// Each status that occurs takes one series of the registry's capacity, and recording takes a few nanoseconds
    /// longer. While the label is off, it costs nothing. While it is on, a series takes at most 3 further labels, of 85
    /// bytes together.
    ///
    /// ```
    /// use core::time::Duration;
    /// use loaddensity_metrics_core::{Sample, StatusLabel, Storage};
    ///
    /// static STORAGE: Storage<100, 4, 1024> = Storage::new();
    /// let registry = STORAGE.registry();
    /// registry.set_status_label(StatusLabel::Class)?;
    /// let series = registry.series("GET", "/items");
    /// registry.recorder().record(series, Sample::http(404, Duration::from_millis(42)));
    /// let not_found = registry.series_of_status(series, 404);
    /// assert_eq!(registry.series_totals(not_found).requests(), 1);
    /// # Ok::<(), loaddensity_metrics_core::StatusLabelInUse>(())
    /// ```
    ///
    /// # Errors
    /// [`StatusLabelInUse`] after the first recorder or the first series with labels, unless the label is already set
    /// to `label`.
    pub fn set_status_label(self, label: StatusLabel) -> Result<(), StatusLabelInUse> {
        set(&self.parts.control.status, label)
    }

    /// What the label `status` shows; `None` if it is off. After this call it can no longer be set.
    #[must_use]
    pub fn status_label(self) -> Option<StatusLabel> {
        setting_of(&self.parts.control.status)
    }

    /// The series in which a request of `series` with this `status` counts, interned now if it is new. If the label
    /// `status` is off, it is `series` itself.
    #[must_use]
    pub fn series_of_status(self, series: Series, status: u16) -> Series {
        match self.status_label() {
            Some(label) => self.child(series, Value::new(label, status)),
            None => series,
        }
    }

    fn child(self, series: Series, value: Value) -> Series {
        if series == Series::OVERFLOW || !self.entry(series).is_published() {
            return series;
        }
        self.entry(series).with_key(|key| match with_status(key.labels, &value.text()) {
            Some(labels) => self.intern(&Key { labels: &labels, ..*key }),
            // The series has the label already.
            None => series,
        })
    }
}

const CLASS: u64 = DecidedOnce::OFF + 1;
const CODE: u64 = DecidedOnce::OFF + 2;

fn setting_of(word: &DecidedOnce) -> Option<StatusLabel> {
    match word.get() {
        CLASS => Some(StatusLabel::Class),
        CODE => Some(StatusLabel::Code),
        _ => None,
    }
}

fn set(word: &DecidedOnce, label: StatusLabel) -> Result<(), StatusLabelInUse> {
    let wanted = match label {
        StatusLabel::Class => CLASS,
        StatusLabel::Code => CODE,
    };
    if word.settle(wanted) == wanted { Ok(()) } else { Err(StatusLabelInUse) }
}

/// A value of the label: a status, the first status of a class, or [`NONE`](Self::NONE) or [`OTHER`](Self::OTHER).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    label: StatusLabel,
    number: u16,
}

impl Value {
    const NONE: u16 = 0;
    const OTHER: u16 = 1;

    pub(crate) const fn new(label: StatusLabel, status: u16) -> Self {
        let number = match (status, label) {
            (0, _) => Self::NONE,
            (100..=599, StatusLabel::Class) => status / 100 * 100,
            (100..=599, StatusLabel::Code) => status,
            _ => Self::OTHER,
        };
        Self { label, number }
    }

    pub(crate) const fn number(self) -> u16 {
        self.number
    }

    fn text(self) -> String<STATUS_BYTES> {
        let mut text = String::new();
        let fits = match (self.number, self.label) {
            (Self::NONE, _) => text.push_str("none").is_ok(),
            (Self::OTHER, _) => text.push_str("other").is_ok(),
            (number, StatusLabel::Class) => fmt::write(&mut text, format_args!("{}xx", number / 100)).is_ok(),
            (number, StatusLabel::Code) => fmt::write(&mut text, format_args!("{number}")).is_ok(),
        };
        debug_assert!(fits);
        text
    }
}

/// Whether a series with these labels, in their canonical form, has room for the label `status`.
pub(crate) fn has_room(labels: &[u8]) -> bool {
    let bytes = labels_of(labels).map(|(key, value)| key.len() + value.len()).sum::<usize>();
    labels_of(labels).count() <= LABELS_BESIDE_STATUS && bytes <= LABEL_BYTES_BESIDE_STATUS
}

/// The labels, in their canonical form, with `status` added. `None` if they have it already or there is no room for it.
fn with_status(labels: &[u8], value: &str) -> Option<Vec<u8, LABEL_BLOCK>> {
    if !has_room(labels) || labels_of(labels).any(|(key, _)| key == STATUS) {
        return None;
    }
    let before = labels_of(labels).take_while(|(key, _)| *key < STATUS);
    let (before, after) = labels.split_at_checked(before.map(|(key, value)| 2 + key.len() + value.len()).sum())?;
    let lengths = [STATUS.len() as u8, value.len() as u8];
    let mut block = Vec::new();
    for part in [before, &lengths, STATUS.as_bytes(), value.as_bytes(), after] {
        block.extend_from_slice(part).ok()?;
    }
    Some(block)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_the_label_is_a_code_a_class_or_a_word_of_at_most_five_characters() {
        for (status, class, code) in [
            (0, "none", "none"),
            (1, "other", "other"),
            (99, "other", "other"),
            (100, "1xx", "100"),
            (404, "4xx", "404"),
            (599, "5xx", "599"),
            (600, "other", "other"),
            (u16::MAX, "other", "other"),
        ] {
            assert_eq!(Value::new(StatusLabel::Class, status).text(), class);
            assert_eq!(Value::new(StatusLabel::Code, status).text(), code);
        }
    }

    #[test]
    fn the_first_who_sets_or_reads_the_label_decides_it() {
        let (class, code) = (StatusLabel::Class, StatusLabel::Code);
        let word = DecidedOnce::new();
        assert_eq!((set(&word, code), setting_of(&word)), (Ok(()), Some(code)));
        assert_eq!((set(&word, code), set(&word, class)), (Ok(()), Err(StatusLabelInUse)));
        let word = DecidedOnce::new();
        assert_eq!((setting_of(&word), set(&word, class)), (None, Err(StatusLabelInUse)));
    }
}
