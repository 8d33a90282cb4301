//! The subset of line protocol that InfluxDB 1, 2 and 3 read alike.

use super::{ParsedPoint, ParsedValue};
use std::error::Error;
use std::fmt;

/// Reads one line (without its line feed) and refuses whatever some version of InfluxDB refuses or reads differently.
///
/// # Errors
/// Which rule the line breaks.
pub fn portable(line: &str) -> Result<ParsedPoint, Unportable> {
    if line.contains(|c: char| c.is_ascii_control()) {
        return Err(Unportable::Control);
    }
    if line.starts_with(['#', ' ']) {
        return Err(Unportable::Start);
    }
    let mut rest = line;
    let measurement = element(&mut rest, LinePart::Measurement)?;
    let mut tags = Vec::new();
    while let Some(after) = rest.strip_prefix(',') {
        rest = after;
        tags.push(pair(&mut rest)?);
    }
    let series_length = line.len() - rest.len();
    rest = rest.strip_prefix(' ').ok_or(Unportable::Shape)?;
    let mut fields = vec![field(&mut rest)?];
    while let Some(after) = rest.strip_prefix(',') {
        rest = after;
        fields.push(field(&mut rest)?);
    }
    no_key_twice(tags.iter().map(|(key, _)| key).chain(fields.iter().map(|(key, _)| key)))?;
    let longest = fields.iter().map(|(key, _)| key.len()).max().unwrap_or_default();
    if series_length + longest + SERIES_KEY_EXTRA > SERIES_KEY_LIMIT {
        return Err(Unportable::TooLong);
    }
    let timestamp = match rest.strip_prefix(' ') {
        Some(text) => Some(timestamp(text)?),
        None if rest.is_empty() => None,
        None => return Err(Unportable::Shape),
    };
    Ok(ParsedPoint { measurement, tags, fields, timestamp })
}

/// Which rule a line breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unportable {
    /// An ASCII control character; an encoder cannot rely on any of them.
    Control,
    /// The line starts with `#` and is a comment, or with a space.
    Start,
    /// Sections are not separated by exactly one space, or something is missing.
    Shape,
    /// An empty measurement, key or tag value.
    Empty,
    /// `=` in a tag that is not escaped (InfluxDB 1 and 2 refuse it).
    Equals,
    /// A backslash before a backslash (InfluxDB 3 makes one of two, the others keep both).
    DoubleBackslash,
    /// A backslash that ends an element, or escapes what need not be escaped there.
    Backslash,
    /// A key `time`, `_field` or `_measurement`: InfluxDB refuses or drops such points.
    ReservedKey,
    /// A key occurs twice; a tag and a field of one name count, which InfluxDB 3 refuses.
    KeyTwice,
    /// Not a number in the form that all versions take, or an unsigned integer (off in InfluxDB 1).
    Number,
    /// A string without its closing quote.
    Text,
    /// The timestamp is no integer, or outside the range that is stored.
    Timestamp,
    /// Series and field key are longer than 65,535 bytes.
    TooLong,
}

/// InfluxDB 1: `models.MaxKeyLength`.
const SERIES_KEY_LIMIT: usize = 65_535;
/// InfluxDB 1 puts this many bytes between series and field key.
const SERIES_KEY_EXTRA: usize = 4;
/// The range of timestamps, in nanoseconds; the outermost values of `i64` are reserved.
const TIMESTAMPS: std::ops::RangeInclusive<i64> = i64::MIN + 2..=i64::MAX - 1;

#[derive(Clone, Copy, PartialEq)]
enum LinePart {
    Measurement,
    Key,
    TagValue,
}

/// Reads up to the character that ends this part, which stays in `rest`, and unescapes.
fn element(rest: &mut &str, part: LinePart) -> Result<String, Unportable> {
    let mut plain = String::new();
    let mut chars = rest.char_indices().peekable();
    let end = loop {
        let Some((at, c)) = chars.next() else {
            break rest.len();
        };
        match (c, part) {
            (' ' | ',', _) | ('=', LinePart::Key) => break at,
            ('=', LinePart::TagValue) => return Err(Unportable::Equals),
            ('\\', _) => match chars.next_if(|(_, next)| matches!(next, ',' | '=' | ' ')) {
                Some((_, '=')) if part == LinePart::Measurement => return Err(Unportable::Backslash),
                Some((_, next)) => plain.push(next),
                None => match chars.peek() {
                    Some((_, '\\')) => return Err(Unportable::DoubleBackslash),
                    Some(_) => plain.push('\\'),
                    None => return Err(Unportable::Backslash),
                },
            },
            _ => plain.push(c),
        }
    };
    *rest = &rest[end..];
    if plain.is_empty() { Err(Unportable::Empty) } else { Ok(plain) }
}

fn key(rest: &mut &str) -> Result<String, Unportable> {
    let key = element(rest, LinePart::Key)?;
    *rest = rest.strip_prefix('=').ok_or(Unportable::Shape)?;
    if matches!(key.as_str(), "time" | "_field" | "_measurement") { Err(Unportable::ReservedKey) } else { Ok(key) }
}

fn pair(rest: &mut &str) -> Result<(String, String), Unportable> {
    Ok((key(rest)?, element(rest, LinePart::TagValue)?))
}

fn field(rest: &mut &str) -> Result<(String, ParsedValue), Unportable> {
    let key = key(rest)?;
    if let Some(after) = rest.strip_prefix('"') {
        *rest = after;
        return Ok((key, ParsedValue::Text(text(rest)?)));
    }
    let (word, after) = rest.split_at(rest.find([',', ' ']).unwrap_or(rest.len()));
    *rest = after;
    let value = match word {
        "t" | "T" | "true" | "True" | "TRUE" => ParsedValue::Boolean(true),
        "f" | "F" | "false" | "False" | "FALSE" => ParsedValue::Boolean(false),
        _ => number(word)?,
    };
    Ok((key, value))
}

fn text(rest: &mut &str) -> Result<String, Unportable> {
    let mut plain = String::new();
    let mut chars = rest.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                *rest = &rest[at + 1..];
                return Ok(plain);
            }
            '\\' => match chars.next() {
                Some((_, next @ ('"' | '\\'))) => plain.push(next),
                _ => return Err(Unportable::Text),
            },
            c => plain.push(c),
        }
    }
    Err(Unportable::Text)
}

fn number(word: &str) -> Result<ParsedValue, Unportable> {
    if let Some(integer) = word.strip_suffix('i') {
        return if is_integer(integer) {
            integer.parse().map(ParsedValue::Integer).map_err(|_| Unportable::Number)
        } else {
            Err(Unportable::Number)
        };
    }
    let (mantissa, exponent) = word.split_once(['e', 'E']).unwrap_or((word, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    if !is_integer(whole) || !is_digits(fraction) || !is_digits(exponent) {
        return Err(Unportable::Number);
    }
    let value: f64 = word.parse().map_err(|_| Unportable::Number)?;
    if value.is_finite() { Ok(ParsedValue::Float(value)) } else { Err(Unportable::Number) }
}

fn timestamp(text: &str) -> Result<i64, Unportable> {
    let stamp = text.parse().ok().filter(|stamp| is_integer(text) && TIMESTAMPS.contains(stamp));
    stamp.ok_or(Unportable::Timestamp)
}

fn is_integer(text: &str) -> bool {
    is_digits(text.strip_prefix('-').unwrap_or(text))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn no_key_twice<'a>(keys: impl Iterator<Item = &'a String>) -> Result<(), Unportable> {
    let mut keys: Vec<_> = keys.collect();
    keys.sort_unstable();
    if keys.windows(2).any(|pair| pair[0] == pair[1]) { Err(Unportable::KeyTwice) } else { Ok(()) }
}

impl fmt::Display for Unportable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Control => "a control character",
            Self::Start => "the line starts with # or a space",
            Self::Shape => "not measurement[,tags] fields [timestamp] with one space between them",
            Self::Empty => "an empty measurement, key or tag value",
            Self::Equals => "an unescaped = in a tag value",
            Self::DoubleBackslash => "two backslashes, which versions read differently",
            Self::Backslash => "a backslash where versions disagree about it",
            Self::ReservedKey => "a reserved key",
            Self::KeyTwice => "the same key twice",
            Self::Number => "a number that not all versions take",
            Self::Text => "a string that is not closed or has an unknown escape",
            Self::Timestamp => "a timestamp out of range",
            Self::TooLong => "the series key is too long",
        })
    }
}

impl Error for Unportable {}
