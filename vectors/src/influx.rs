//! InfluxData's own parser, made strict, as the oracle for our line protocol.
//!
//! [`parse`] wraps the crate `influxdb-line-protocol` (the parser of InfluxDB 3) and makes sure that it skipped nothing:
//! as many points as there are lines, or an error. The parsers of InfluxDB 1 and 2 and of InfluxDB 3 read some input
//! differently, mostly around backslashes; [`portable`] is an independent reader of the subset that all of them read
//! alike, and refuses the rest. A line that is right gives the same [`ParsedPoint`] from both.

use influxdb_line_protocol::{EscapedStr, FieldValue, ParsedLine, parse_lines};
use std::error::Error;
use std::fmt;

mod portable;
pub use portable::{Unportable, portable};

/// One line: measurement, tags and field keys unescaped.
#[derive(Clone, Debug, PartialEq)]
pub struct ParsedPoint {
    /// The measurement.
    pub measurement: String,
    /// Tags in the order of the line.
    pub tags: Vec<(String, String)>,
    /// Fields in the order of the line.
    pub fields: Vec<(String, ParsedValue)>,
    /// Nanoseconds since the Unix epoch, if given.
    pub timestamp: Option<i64>,
}

/// The value of a field, with its type.
#[derive(Clone, Debug, PartialEq)]
pub enum ParsedValue {
    /// `1.5`
    Float(f64),
    /// `1i`
    Integer(i64),
    /// `1u`
    Unsigned(u64),
    /// `"text"`
    Text(String),
    /// `true`
    Boolean(bool),
}

/// Why a body is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineError {
    /// The body is no UTF-8.
    NotUtf8,
    /// InfluxData's parser refuses a line.
    Refused {
        /// Which of the parsed lines, from 1.
        line: usize,
        /// What it says.
        message: String,
    },
    /// The parser found another number of points than there are lines: it skipped, joined or split some.
    Skipped {
        /// Lines that are not empty.
        lines: usize,
        /// Points that the parser returned.
        points: usize,
    },
}

/// Parses a body of lines, each ended by a line feed; the last may lack it.
///
/// # Errors
/// The first line that is refused, or [`LineError::Skipped`] if some were not seen at all. A line feed within a string
/// field counts as the end of a line, since the format's documentation does not support it.
pub fn parse(body: &[u8]) -> Result<Vec<ParsedPoint>, LineError> {
    let text = str::from_utf8(body).map_err(|_| LineError::NotUtf8)?;
    let points: Vec<ParsedPoint> = parse_lines(text)
        .enumerate()
        .map(|(index, line)| match line {
            Ok(line) => Ok(point(&line)),
            Err(error) => Err(LineError::Refused { line: index + 1, message: error.to_string() }),
        })
        .collect::<Result<_, _>>()?;
    let lines = text.split('\n').filter(|line| !line.is_empty()).count();
    if lines == points.len() { Ok(points) } else { Err(LineError::Skipped { lines, points: points.len() }) }
}

impl ParsedPoint {
    /// The value of a tag.
    #[must_use]
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The value of a field.
    #[must_use]
    pub fn field(&self, key: &str) -> Option<&ParsedValue> {
        self.fields.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }
}

fn point(line: &ParsedLine<'_>) -> ParsedPoint {
    let tags = line.series.tag_set.iter().flatten();
    ParsedPoint {
        measurement: owned(&line.series.measurement),
        tags: tags.map(|(key, value)| (owned(key), owned(value))).collect(),
        fields: line.field_set.iter().map(|(key, field)| (owned(key), value(field))).collect(),
        timestamp: line.timestamp,
    }
}

fn value(field: &FieldValue<'_>) -> ParsedValue {
    match field {
        FieldValue::F64(number) => ParsedValue::Float(*number),
        FieldValue::I64(number) => ParsedValue::Integer(*number),
        FieldValue::U64(number) => ParsedValue::Unsigned(*number),
        FieldValue::String(text) => ParsedValue::Text(owned(text)),
        FieldValue::Boolean(truth) => ParsedValue::Boolean(*truth),
    }
}

fn owned(text: &EscapedStr<'_>) -> String {
    text.as_str().to_owned()
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => f.write_str("the body is not UTF-8"),
            Self::Refused { line, message } => write!(f, "line {line}: {message}"),
            Self::Skipped { lines, points } => write!(f, "{lines} lines, but {points} points were parsed"),
        }
    }
}

impl Error for LineError {}

#[cfg(test)]
mod tests;
