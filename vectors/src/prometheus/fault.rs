//! What can be wrong with a page.

use std::error::Error;
use std::fmt;

/// Why a page is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageError {
    /// Line in the page, from 1.
    pub line: usize,
    /// What is wrong there.
    pub reason: PageFault,
}

/// What can be wrong with a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageFault {
    /// A byte sequence is no UTF-8.
    NotUtf8,
    /// The page does not end with a line feed.
    NoFinalNewline,
    /// A HELP or TYPE line without a valid metric name.
    Metadata,
    /// A TYPE line with a word that is no type.
    UnknownType,
    /// A second HELP or TYPE line for one name.
    MetadataTwice,
    /// HELP or TYPE after the family's first sample.
    MetadataLate,
    /// A family goes on after another one began.
    Interleaved(String),
    /// No valid metric name at the start of a sample.
    MetricName,
    /// A label is not `name="value"`, or the braces don't close.
    Label,
    /// A label name occurs twice in one sample.
    LabelTwice(String),
    /// A backslash in a label value or HELP text that is followed by something else than the format knows.
    Escape,
    /// No value, or one that is no decimal number, `NaN`, `+Inf` or `-Inf`.
    Value,
    /// The timestamp is no unsigned integer.
    Timestamp,
    /// Something follows the sample on its line.
    Trailing,
    /// The same name with the same labels occurred before.
    SeriesTwice,
    /// A counter, bucket or count is negative or `NaN`.
    NegativeCount,
    /// A sample of a histogram or summary that is none of its parts, or has a wrong `le` or `quantile`.
    Part,
    /// The buckets of a histogram are not in strictly increasing order of `le`.
    BucketOrder,
    /// A bucket of a histogram holds less than the one before it.
    NotCumulative,
    /// A histogram without `le="+Inf"`.
    NoInfinity,
    /// A histogram without `_count`.
    NoCount,
    /// A histogram without `_sum`.
    NoSum,
    /// `le="+Inf"` and `_count` differ.
    CountDiffers,
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the page: {}", self.line, self.reason)
    }
}

impl Error for PageError {}

impl fmt::Display for PageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotUtf8 => "not UTF-8",
            Self::NoFinalNewline => "the last line does not end with a line feed",
            Self::Metadata => "HELP or TYPE without a valid metric name",
            Self::UnknownType => "TYPE is none of counter, gauge, histogram, summary, untyped",
            Self::MetadataTwice => "a second HELP or TYPE for this name",
            Self::MetadataLate => "HELP or TYPE after the first sample of its family",
            Self::Interleaved(name) => return write!(f, "family {name} goes on after another one began"),
            Self::MetricName => "no valid metric name",
            Self::Label => "labels are not name=\"value\" pairs in braces",
            Self::LabelTwice(name) => return write!(f, "label {name} occurs twice"),
            Self::Escape => "unknown escape sequence",
            Self::Value => "the value is no number",
            Self::Timestamp => "the timestamp is no unsigned integer",
            Self::Trailing => "text after the sample",
            Self::SeriesTwice => "the same name and labels occurred before",
            Self::NegativeCount => "a count is negative or NaN",
            Self::Part => "not a part of this histogram or summary",
            Self::BucketOrder => "buckets are not in increasing order of le",
            Self::NotCumulative => "a bucket holds less than the one before",
            Self::NoInfinity => "histogram without le=\"+Inf\"",
            Self::NoCount => "histogram without _count",
            Self::NoSum => "histogram without _sum",
            Self::CountDiffers => "le=\"+Inf\" and _count differ",
        })
    }
}
