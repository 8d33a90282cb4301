//! Constant tags of a DogStatsD sink.

use core::fmt;

use heapless::Vec;

use crate::labels::constant::ShownName;
use crate::labels::dogstatsd as labels;
use crate::request::label::ERROR_TYPE;
use crate::wire::text::out::Full;

/// Room for all constant tags in bytes: `,key:value` for each.
pub const TAG_BYTES: usize = 1_024;

/// Tags that every message has, checked and made fit once.
///
/// A key may hold whatever Datadog takes in a tag, dots included (`dd.internal.entity_id`); in keys and values each of
/// `|`, `,`, `#` and each control character becomes `_`, and so does a colon in a key. Where a series has a tag of the
/// same key, the series' own is shown. An empty value makes a tag of the key alone.
///
/// Source: DataDog/documentation, getting_started/tagging.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConstantTags {
    /// `,key:value` of each.
    text: Vec<u8, TAG_BYTES>,
}

impl ConstantTags {
    /// These tags, keys before values, in their order.
    ///
    /// # Errors
    /// The first that cannot be shown; see [`TagError`].
    pub fn new<'t>(tags: impl IntoIterator<Item = (&'t str, &'t str)>) -> Result<Self, TagError<'t>> {
        let mut all = Self::default();
        tags.into_iter().try_for_each(|(key, value)| all.add(key, value))?;
        Ok(all)
    }

    /// Each tag, `key:value` or `key`.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.text.split(|byte| *byte == b',').skip(1)
    }

    /// All of them, each with a comma before it.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// One more.
    ///
    /// # Errors
    /// Why it cannot be shown; the others are as before.
    pub fn add<'t>(&mut self, key: &'t str, value: &'t str) -> Result<(), TagError<'t>> {
        if !key.starts_with(char::is_alphabetic) {
            return Err(TagError::Start { key });
        }
        // Datadog takes tags in lower case.
        if ["method", "name", "outcome", ERROR_TYPE].iter().any(|taken| taken.eq_ignore_ascii_case(key)) {
            return Err(TagError::Reserved { key });
        }
        let before = self.text.len();
        self.put(key, value).map_err(|Full| {
            self.text.truncate(before);
            TagError::NoRoom { key }
        })
    }

    fn put(&mut self, key: &str, value: &str) -> Result<(), Full> {
        self.text.push(b',').map_err(|_| Full)?;
        labels::put_clean(&mut self.text, key, labels::is_unfit_in_key)?;
        if value.is_empty() {
            return Ok(());
        }
        self.text.push(b':').map_err(|_| Full)?;
        labels::put_clean(&mut self.text, value, labels::is_unfit_in_constant)
    }
}

/// Why a sink cannot have these constant tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TagError<'t> {
    /// The key does not begin with a letter.
    Start {
        /// The key.
        key: &'t str,
    },
    /// Every message has a tag of this key already.
    Reserved {
        /// The key.
        key: &'t str,
    },
    /// With this tag they are longer than [`TAG_BYTES`] together.
    NoRoom {
        /// The key.
        key: &'t str,
    },
}

impl fmt::Display for TagError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Start { key } | Self::Reserved { key } | Self::NoRoom { key }) = self;
        let key = ShownName(key);
        match self {
            Self::Start { .. } => write!(f, "constant tag {key}: a tag begins with a letter; put one in front"),
            Self::Reserved { .. } => {
                write!(f, "constant tag {key}: every message has a tag of that key already; take another")
            }
            Self::NoRoom { .. } => {
                write!(f, "constant tag {key}: with it they are longer than {TAG_BYTES} bytes together; leave some out")
            }
        }
    }
}

impl core::error::Error for TagError<'_> {}
