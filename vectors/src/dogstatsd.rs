//! A strict parser of DogStatsD datagrams, as the oracle for our messages.
//!
//! Written from Datadog's description of the datagram format (protocol 1.6) and its agent's parser, which is lenient:
//! it skips unknown fields and takes any byte as a name. No parser crate knows all types, packing and tags. This one
//! takes metrics only (no events, no service checks) and refuses whatever a client should not send: unknown or
//! repeated fields, numbers that are not plain decimals, names outside the naming rules, empty tags, control
//! characters.

use std::error::Error;
use std::fmt;

/// One metric message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message<'a> {
    /// Name of the metric.
    pub name: &'a str,
    /// Its values: one, or more if packed. As written; [`Message::numbers`] converts.
    pub values: Vec<&'a str>,
    /// Type of the metric.
    pub kind: Kind,
    /// `@`: sample rate, greater than 0 and at most 1.
    pub rate: Option<f64>,
    /// `#`: key and value, split at the first colon; the value is `None` without a colon.
    pub tags: Vec<(&'a str, Option<&'a str>)>,
    /// `T`: seconds since the Unix epoch.
    pub timestamp: Option<u64>,
    /// `c:`, `e:` and `card:` as written.
    pub origin: Vec<&'a str>,
}

/// Type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `c`
    Count,
    /// `g`
    Gauge,
    /// `ms`
    Timing,
    /// `h`
    Histogram,
    /// `s`
    Set,
    /// `d`
    Distribution,
}

/// Why a payload is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Which message of the payload, from 1.
    pub message: usize,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What can be wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The payload is no UTF-8.
    NotUtf8,
    /// No message at all, or an empty line.
    Empty,
    /// A control character.
    Control,
    /// No `:` after the name, or no `|` before the type.
    Shape,
    /// A name that does not start with a letter, is longer than 200, or has others than letters, digits, `_`, `.`.
    Name,
    /// A value that is no plain decimal number.
    Value,
    /// None of the six types.
    Type,
    /// A field that is unknown, or empty.
    Field,
    /// The same field twice.
    FieldTwice,
    /// A rate outside (0, 1], or on a gauge or set, where it means nothing.
    Rate,
    /// An empty tag, or a tag without key.
    Tag,
    /// A timestamp that is no positive integer, or on another type than count and gauge.
    Timestamp,
}

/// Longest name, in characters (Datadog, "Naming custom metrics").
const NAME_LIMIT: usize = 200;

/// Parses a payload: messages separated by line feeds, of which one may end it. No more: an empty line is a bad message
/// to older Agents, which log each.
///
/// # Errors
/// The first fault, with the number of its message.
pub fn parse(payload: &[u8]) -> Result<Vec<Message<'_>>, ParseError> {
    let text = str::from_utf8(payload).map_err(|e| {
        let message = 1 + payload[..e.valid_up_to()].iter().filter(|&&b| b == b'\n').count();
        ParseError { message, reason: Reason::NotUtf8 }
    })?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let numbered = text.split('\n').enumerate();
    numbered.map(|(index, line)| message(line).map_err(|reason| ParseError { message: index + 1, reason })).collect()
}

impl<'a> Message<'a> {
    /// The value of the first tag of this key.
    #[must_use]
    pub fn tag(&self, key: &str) -> Option<&'a str> {
        self.tags.iter().find(|(name, _)| *name == key).and_then(|(_, value)| *value)
    }

    /// The values as numbers; empty for a set.
    #[must_use]
    pub fn numbers(&self) -> Vec<f64> {
        self.values.iter().filter_map(|value| value.parse().ok()).filter(|_| self.kind != Kind::Set).collect()
    }
}

fn message(line: &str) -> Result<Message<'_>, Reason> {
    if line.is_empty() {
        return Err(Reason::Empty);
    }
    if line.contains(char::is_control) {
        return Err(Reason::Control);
    }
    let (name, rest) = line.split_once(':').ok_or(Reason::Shape)?;
    let (values, rest) = rest.split_once('|').ok_or(Reason::Shape)?;
    check_name(name)?;
    let mut fields = rest.split('|');
    let kind = kind(fields.next().unwrap_or_default())?;
    let values = if kind == Kind::Set { vec![values] } else { values.split(':').collect() };
    if !values.iter().all(|value| is_valid_value(kind, value)) {
        return Err(Reason::Value);
    }
    let mut message = Message { name, values, kind, rate: None, tags: Vec::new(), timestamp: None, origin: Vec::new() };
    let mut seen = Vec::new();
    for field in fields {
        let key = read_field(&mut message, field)?;
        if seen.contains(&key) {
            return Err(Reason::FieldTwice);
        }
        seen.push(key);
    }
    Ok(message)
}

fn check_name(name: &str) -> Result<(), Reason> {
    let letter_first = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let rest = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
    if letter_first && rest && name.len() <= NAME_LIMIT { Ok(()) } else { Err(Reason::Name) }
}

fn kind(text: &str) -> Result<Kind, Reason> {
    match text {
        "c" => Ok(Kind::Count),
        "g" => Ok(Kind::Gauge),
        "ms" => Ok(Kind::Timing),
        "h" => Ok(Kind::Histogram),
        "s" => Ok(Kind::Set),
        "d" => Ok(Kind::Distribution),
        _ => Err(Reason::Type),
    }
}

fn is_valid_value(kind: Kind, value: &str) -> bool {
    if kind == Kind::Set {
        return !value.is_empty();
    }
    let digits = value.strip_prefix('-').unwrap_or(value);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    is_digits(whole) && is_digits(fraction)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads one field into the message; the answer is which field it was.
fn read_field<'a>(message: &mut Message<'a>, field: &'a str) -> Result<&'static str, Reason> {
    if let Some(rate) = field.strip_prefix('@') {
        message.rate = Some(sample_rate(message.kind, rate)?);
        return Ok("@");
    }
    if let Some(tags) = field.strip_prefix('#') {
        message.tags = tags.split(',').map(tag).collect::<Result<_, _>>()?;
        return Ok("#");
    }
    if let Some(seconds) = field.strip_prefix('T') {
        message.timestamp = Some(timestamp(message.kind, seconds)?);
        return Ok("T");
    }
    let key = ["c:", "e:", "card:"].into_iter().find(|key| field.starts_with(key)).ok_or(Reason::Field)?;
    if field.len() == key.len() {
        return Err(Reason::Field);
    }
    message.origin.push(field);
    Ok(key)
}

fn sample_rate(kind: Kind, text: &str) -> Result<f64, Reason> {
    let rate = text.parse().ok().filter(|rate| *rate > 0.0 && *rate <= 1.0).ok_or(Reason::Rate)?;
    let plain = is_valid_value(Kind::Gauge, text);
    if plain && !matches!(kind, Kind::Gauge | Kind::Set) { Ok(rate) } else { Err(Reason::Rate) }
}

fn tag(text: &str) -> Result<(&str, Option<&str>), Reason> {
    let (key, value) = match text.split_once(':') {
        Some((key, value)) => (key, Some(value)),
        None => (text, None),
    };
    if key.is_empty() || value.is_some_and(str::is_empty) { Err(Reason::Tag) } else { Ok((key, value)) }
}

fn timestamp(kind: Kind, text: &str) -> Result<u64, Reason> {
    let seconds = text.parse().ok().filter(|seconds| *seconds > 0 && is_digits(text)).ok_or(Reason::Timestamp)?;
    if matches!(kind, Kind::Count | Kind::Gauge) { Ok(seconds) } else { Err(Reason::Timestamp) }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} of the payload: {}", self.message, self.reason)
    }
}

impl Error for ParseError {}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotUtf8 => "not UTF-8",
            Self::Empty => "empty",
            Self::Control => "a control character",
            Self::Shape => "not name:value|type",
            Self::Name => "not a metric name",
            Self::Value => "not a plain decimal number",
            Self::Type => "type is none of c, g, ms, h, s, d",
            Self::Field => "unknown or empty field",
            Self::FieldTwice => "the same field twice",
            Self::Rate => "a rate outside (0, 1], or where it means nothing",
            Self::Tag => "a tag without key or value",
            Self::Timestamp => "not a positive timestamp, or where none belongs",
        })
    }
}

#[cfg(test)]
mod tests;
