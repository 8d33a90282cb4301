//! Tags that an encoder adds to those of a series: constant ones, the status of the request, and the kind of its failure.

use heapless::Vec;

use crate::atomics::stored_text::StoredText;
use crate::labels::constant::{CONSTANT_BYTES, ConstantLabels};
use crate::labels::influxdb as labels;
use crate::request::error_kind::ErrorKind;
use crate::request::label::ERROR_TYPE;
use crate::request::sample::Outcome;
use crate::wire::text::digits;
use crate::wire::text::item::ItemWriter;
use crate::wire::text::out::Full;

/// Where the status code of a request is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StatusCode {
    /// As the field `status_code`, as the contract has it.
    #[default]
    Field,
    /// As the tag `status_code`: points can be grouped by it, and there is a series for each code.
    Tag,
    /// As the field `status_code` and as the tag `status`: a tag and a field of one name cannot be told apart in a query,
    /// and InfluxDB 3 refuses them.
    Both,
}

impl StatusCode {
    /// The name of the tag.
    pub(super) const fn tag(self) -> Option<&'static str> {
        match self {
            Self::Field => None,
            Self::Tag => Some("status_code"),
            Self::Both => Some("status"),
        }
    }
}

/// Room for constant tags: every byte may be escaped, and the two bytes of each label become `,` and `=`.
const CONSTANT_TEXT: usize = 2 * CONSTANT_BYTES;
/// `,status_code=65535`.
const STATUS_BYTES: usize = ",status_code=".len() + 5;
/// `,error_type=protocol`.
const KIND_BYTES: usize = ",error_type=protocol".len();

/// Tags that are merged into those of a series, in order of their keys. A series' own tag of the same key wins.
#[derive(Clone, Debug)]
pub(super) struct AddedTags {
    /// The constant ones.
    constant: Vec<u8, CONSTANT_TEXT>,
    /// Where in it those begin whose keys come after that of the kind of failure, and after that of the status.
    after_kind: usize,
    after: usize,
    status: StatusCode,
    /// Whether failures say their kind.
    has_kinds: bool,
    /// Whether there is nothing else.
    are_of_failures: bool,
}

impl AddedTags {
    pub(super) fn new(constant: &ConstantLabels, status: StatusCode) -> Self {
        let (mut text, mut after_kind, mut after) = (Vec::new(), 0, 0);
        for (key, value) in constant.iter() {
            // The room was sized for the longest tags with every byte escaped.
            let fits = labels::put_tag(&mut text, key, value);
            debug_assert_eq!(fits, Ok(()));
            if key < ERROR_TYPE {
                after_kind = text.len();
            }
            if status.tag().is_none_or(|tag| key < tag) {
                after = text.len();
            }
        }
        Self { constant: text, after_kind, after, status, has_kinds: false, are_of_failures: false }
    }

    /// The same, and failures say their kind if `has_kinds`; `are_of_failures` says that there is nothing else.
    pub(super) fn with_kinds(self, has_kinds: bool, are_of_failures: bool) -> Self {
        Self { has_kinds, are_of_failures, ..self }
    }

    /// Whether there is any for a request of this outcome.
    #[inline(always)]
    pub(super) fn has_any(&self, outcome: Outcome) -> bool {
        !self.are_of_failures || outcome == Outcome::Failure
    }

    /// Whether there is a constant one.
    pub(super) fn has_constant(&self) -> bool {
        !self.constant.is_empty()
    }

    /// Whether the status code is a field, and not only a tag.
    pub(super) const fn has_status_field(&self) -> bool {
        !matches!(self.status, StatusCode::Tag)
    }

    /// Appends `series`, of which `outcome` is the tag at its place, with these tags, `status` and `kind`.
    pub(super) fn put(
        &self,
        series: StoredText<'_>,
        outcome: OutcomeTag<'_>,
        status: u16,
        kind: Option<ErrorKind>,
        line: &mut ItemWriter<'_>,
    ) -> Result<(), Full> {
        let mut room = [0; labels::BYTES];
        let length = series.copy_to(&mut room).ok_or(Full)?;
        let mut theirs = EncodedTags(outcome.apply(&mut room, length)).peekable();
        let (status, kind) = (self.status_tag(status), kind_tag(kind.filter(|_| self.has_kinds)));
        let (before, after) = self.constant.split_at_checked(self.after).ok_or(Full)?;
        let (before, between) = before.split_at_checked(self.after_kind).ok_or(Full)?;
        let texts = [before, &kind, between, &status, after];
        let mut ours = texts.into_iter().flat_map(EncodedTags).peekable();
        loop {
            let tag = match (theirs.peek(), ours.peek()) {
                (Some(their), Some(our)) if our.key() < their.key() => ours.next(),
                (Some(their), Some(our)) if our.key() == their.key() => {
                    ours.next();
                    theirs.next()
                }
                (Some(_), _) => theirs.next(),
                (None, _) => ours.next(),
            };
            let Some(tag) = tag else { return Ok(()) };
            line.put_exact(tag.0)?;
        }
    }

    /// Appends these tags alone, of a line that is of no series.
    pub(super) fn put_alone(&self, line: &mut ItemWriter<'_>) -> Result<(), Full> {
        line.put_exact(&self.constant)
    }

    fn status_tag(&self, status: u16) -> Vec<u8, STATUS_BYTES> {
        let mut text = Vec::new();
        if let Some(tag) = self.status.tag() {
            let (digits, length) = digits::long(status.into());
            for part in [b",", tag.as_bytes(), b"=", &digits[..length]] {
                // The room was sized for the longer tag and the largest code.
                let fits = text.extend_from_slice(part);
                debug_assert!(fits.is_ok());
            }
        }
        text
    }
}

fn kind_tag(kind: Option<ErrorKind>) -> Vec<u8, KIND_BYTES> {
    let mut text = Vec::new();
    if let Some(kind) = kind {
        // The room was sized for the longest kind.
        let fits = labels::put_tag(&mut text, ERROR_TYPE, kind.as_str());
        debug_assert_eq!(fits, Ok(()));
    }
    text
}

/// What is done with the tag `outcome`, whose place in the text of a series is given.
#[derive(Clone, Copy)]
pub(super) enum OutcomeTag<'o> {
    /// It gets this value.
    Says(usize, &'o [u8; 16]),
    /// It is left out: the line is of both outcomes.
    LeftOut(usize),
}

impl OutcomeTag<'_> {
    /// The tags in the first `length` bytes of `room`.
    fn apply(self, room: &mut [u8; labels::BYTES], length: usize) -> &[u8] {
        let outcome = |at: usize| at..at + labels::OUTCOMES[0].len();
        let length = match self {
            Self::Says(at, says) => {
                if let Some(place) = room.get_mut(outcome(at)) {
                    place.copy_from_slice(says);
                }
                length
            }
            Self::LeftOut(at) => {
                let place = outcome(at);
                if place.end > length {
                    return &[];
                }
                let removed = place.len();
                room.copy_within(place.end..length, at);
                length - removed
            }
        };
        room.get(..length).unwrap_or_default()
    }
}

/// One tag with the comma before it.
struct EncodedTag<'a>(&'a [u8]);

impl<'a> EncodedTag<'a> {
    /// Keys are not escaped: they hold letters, digits and `_`.
    fn key(&self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == b'=').unwrap_or(self.0.len());
        self.0.get(1..end).unwrap_or_default()
    }
}

/// The tags of a text. A comma begins one unless a backslash is before it: a backslash that stands for itself never
/// is.
struct EncodedTags<'a>(&'a [u8]);

impl<'a> Iterator for EncodedTags<'a> {
    type Item = EncodedTag<'a>;

    fn next(&mut self) -> Option<EncodedTag<'a>> {
        let end = self.0.windows(2).position(|pair| pair[1] == b',' && pair[0] != b'\\');
        let (tag, rest) = self.0.split_at(end.map_or(self.0.len(), |end| end + 1));
        self.0 = rest;
        (!tag.is_empty()).then_some(EncodedTag(tag))
    }
}
