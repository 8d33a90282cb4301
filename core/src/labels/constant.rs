//! Labels that every series of an exporter has: run, worker, region, …

use core::fmt;

use heapless::Vec;

use crate::request::label::{LabelError, clean_key, labels_of};

/// Room for all constant labels of one exporter in bytes: names, values, and two bytes for each label.
pub const CONSTANT_BYTES: usize = 1_024;

/// The longest name and the longest value of a constant label in bytes.
const LONGEST: usize = u8::MAX as usize;

/// Labels that every series of an exporter has, checked once and sorted by name, in 1 KiB of its own.
///
/// The names follow the rules of a series' [`Label`](crate::Label): characters outside `[A-Za-z0-9_]` become `_`, and
/// a label with an empty value is left out. Where a series has a label of the same name, the series' own is shown.
///
/// ```
/// use loaddensity_metrics_core::ConstantLabels;
///
/// let labels = ConstantLabels::new([("worker", "w1"), ("run", "7")])?;
/// assert!(labels.iter().eq([("run", "7"), ("worker", "w1")]));
/// # Ok::<(), loaddensity_metrics_core::ConstantLabelError<'_>>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ConstantLabels {
    /// As a series keeps its further labels: `len(name) len(value) name value`, sorted by name.
    block: Vec<u8, CONSTANT_BYTES>,
}

impl ConstantLabels {
    /// No labels.
    pub const NONE: Self = Self { block: Vec::new() };

    /// These labels, names before values, in any order.
    ///
    /// # Errors
    /// The first label that no format could show, or that finds no room; see [`ConstantLabelError`].
    pub fn new<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, ConstantLabelError<'a>> {
        let mut all = Self::NONE;
        labels.into_iter().filter(|(_, value)| !value.is_empty()).try_for_each(|(name, value)| all.add(name, value))?;
        Ok(all)
    }

    /// Names and values, sorted by name in byte order; no name comes twice.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        labels_of(&self.block)
    }

    /// The value of the label of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.block.is_empty()
    }

    fn add<'a>(&mut self, name: &'a str, value: &'a str) -> Result<(), ConstantLabelError<'a>> {
        let refused = |why| ConstantLabelError::Label { name, why };
        if name.len() > LONGEST || value.len() > LONGEST {
            return Err(ConstantLabelError::TooLong { name });
        }
        let clean = clean_key::<LONGEST>(name).map_err(refused)?;
        if self.get(&clean).is_some() {
            return Err(refused(LabelError::Duplicate));
        }
        let at = self.iter().take_while(|(other, _)| *other < clean.as_str()).map(block_bytes).sum::<usize>();
        let added = block_bytes((&clean, value));
        if self.block.len() + added > CONSTANT_BYTES {
            return Err(ConstantLabelError::NoRoom { name });
        }
        // Neither is longer than a byte can tell, and the block has room for their sum.
        let lengths = [clean.len() as u8, value.len() as u8];
        for part in [&lengths[..], clean.as_bytes(), value.as_bytes()] {
            self.block.extend_from_slice(part).map_err(|_| ConstantLabelError::NoRoom { name })?;
        }
        self.block[at..].rotate_right(added);
        Ok(())
    }
}

impl fmt::Debug for ConstantLabels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Why an exporter cannot have these constant labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConstantLabelError<'a> {
    /// A series could not have a label of this name either.
    Label {
        /// The name as it was given.
        name: &'a str,
        /// What is wrong with it.
        why: LabelError,
    },
    /// The name or the value is longer than 255 bytes.
    TooLong {
        /// The name as it was given.
        name: &'a str,
    },
    /// With this label they are longer than [`CONSTANT_BYTES`] together.
    NoRoom {
        /// The name as it was given.
        name: &'a str,
    },
}

impl<'a> ConstantLabelError<'a> {
    /// The name of the label that is wrong, as it was given.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        match *self {
            Self::Label { name, .. } | Self::TooLong { name } | Self::NoRoom { name } => name,
        }
    }
}

impl fmt::Display for ConstantLabelError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = ShownName(self.name());
        match self {
            Self::Label { why, .. } => write!(f, "constant label {name}: {why}"),
            Self::TooLong { .. } => {
                write!(f, "constant label {name}: its name or value is longer than {LONGEST} bytes; shorten it")
            }
            Self::NoRoom { .. } => write!(
                f,
                "constant label {name}: with it, all names and values and 2 bytes for each label are longer than \
                 {CONSTANT_BYTES} bytes together; shorten them or leave some out"
            ),
        }
    }
}

impl core::error::Error for ConstantLabelError<'_> {}

/// A name as an error shows it: quoted and escaped, and the beginning of a long one.
pub(crate) struct ShownName<'a>(pub(crate) &'a str);

impl fmt::Display for ShownName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beginning = self.0.char_indices().nth(SHOWN).and_then(|(end, _)| self.0.get(..end));
        match beginning {
            Some(beginning) => write!(f, "{beginning:?}…"),
            None => write!(f, "{:?}", self.0),
        }
    }
}

/// Most characters of a name that an error shows.
const SHOWN: usize = 80;

/// How long a label is in the block.
fn block_bytes((name, value): (&str, &str)) -> usize {
    2 + name.len() + value.len()
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn errors_show_the_beginning_of_a_long_name() {
        let name = "é".repeat(9_000);
        let error = ConstantLabels::new([(name.as_str(), "x")]).expect_err("a long name").to_string();
        assert!(error.starts_with(&std::format!("constant label \"{}\"…: ", "é".repeat(80))), "{error}");
        assert_eq!(ShownName(&"x".repeat(80)).to_string(), std::format!("{:?}", "x".repeat(80)));
    }

    #[test]
    fn labels_are_sorted_and_their_names_made_fit() {
        let given = [("worker", "w1"), ("run-id", "7"), ("Zone", "a b,c=\"é"), ("none", ""), ("a", "x")];
        let expected = [("Zone", "a b,c=\"é"), ("a", "x"), ("run_id", "7"), ("worker", "w1")];
        for turn in 0..given.len() {
            let mut turned = given;
            turned.rotate_left(turn);
            assert!(ConstantLabels::new(turned).unwrap().iter().eq(expected));
        }
        assert_eq!(ConstantLabels::new(given).unwrap().get("run_id"), Some("7"));
        assert!(ConstantLabels::new([]).unwrap().is_empty());
    }

    #[test]
    fn labels_that_no_format_could_show_are_refused_by_name() {
        let long = "x".repeat(256);
        for (name, value, why) in [
            ("", "x", LabelError::Start),
            ("9lives", "x", LabelError::Start),
            ("le", "x", LabelError::Reserved),
            ("status", "x", LabelError::Reserved),
            ("quantile", "x", LabelError::Reserved),
            ("run-id", "x", LabelError::Duplicate),
        ] {
            let refused = ConstantLabels::new([("run_id", "1"), (name, value)]);
            assert_eq!(refused, Err(ConstantLabelError::Label { name, why }));
        }
        assert_eq!(ConstantLabels::new([(&*long, "x")]), Err(ConstantLabelError::TooLong { name: &long }));
        assert_eq!(ConstantLabels::new([("x", &*long)]), Err(ConstantLabelError::TooLong { name: "x" }));
    }

    #[test]
    fn the_room_is_what_it_says_and_no_byte_more() {
        let quarter = "x".repeat(253);
        // Four labels of 256 bytes.
        let full = [("a", &*quarter), ("b", &quarter), ("d", &quarter), ("c", &quarter)];
        assert_eq!(ConstantLabels::new(full).unwrap().block.len(), CONSTANT_BYTES);
        let longer = "x".repeat(254);
        let error = ConstantLabels::new(full.into_iter().take(3).chain([("c", &*longer)])).unwrap_err();
        assert_eq!(error, ConstantLabelError::NoRoom { name: "c" });
        assert!(error.to_string().contains("1024"), "{error}");
    }
}
