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
pub struct ParsedMessage<'a> {
    /// Name of the metric.
    pub name: &'a str,
    /// Its values: one, or more if packed. As written; [`ParsedMessage::numbers`] converts.
    pub values: Vec<&'a str>,
    /// Type of the metric.
    pub kind: MessageType,
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
pub enum MessageType {
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
pub struct MessageError {
    /// Which message of the payload, from 1.
    pub message: usize,
    /// What is wrong with it.
    pub reason: MessageFault,
}

/// What can be wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageFault {
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
pub fn parse(payload: &[u8]) -> Result<Vec<ParsedMessage<'_>>, MessageError> {
    let text = str::from_utf8(payload).map_err(|e| {
        let message = 1 + payload[..e.valid_up_to()].iter().filter(|&&b| b == b'\n').count();
        MessageError { message, reason: MessageFault::NotUtf8 }
    })?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let numbered = text.split('\n').enumerate();
    numbered.map(|(index, line)| message(line).map_err(|reason| MessageError { message: index + 1, reason })).collect()
}

impl<'a> ParsedMessage<'a> {
    /// The value of the first tag of this key.
    #[must_use]
    pub fn tag(&self, key: &str) -> Option<&'a str> {
        self.tags.iter().find(|(name, _)| *name == key).and_then(|(_, value)| *value)
    }

    /// The values as numbers; empty for a set.
    #[must_use]
    pub fn numbers(&self) -> Vec<f64> {
        self.values.iter().filter_map(|value| value.parse().ok()).filter(|_| self.kind != MessageType::Set).collect()
    }
}

fn message(line: &str) -> Result<ParsedMessage<'_>, MessageFault> {
    if line.is_empty() {
        return Err(MessageFault::Empty);
    }
    if line.contains(char::is_control) {
        return Err(MessageFault::Control);
    }
    let (name, rest) = line.split_once(':').ok_or(MessageFault::Shape)?;
    let (values, rest) = rest.split_once('|').ok_or(MessageFault::Shape)?;
    check_name(name)?;
    let mut fields = rest.split('|');
    let kind = kind(fields.next().unwrap_or_default())?;
    let values = if kind == MessageType::Set { vec![values] } else { values.split(':').collect() };
    if !values.iter().all(|value| is_valid_value(kind, value)) {
        return Err(MessageFault::Value);
    }
    let mut message =
        ParsedMessage { name, values, kind, rate: None, tags: Vec::new(), timestamp: None, origin: Vec::new() };
    let mut seen = Vec::new();
    for field in fields {
        let key = read_field(&mut message, field)?;
        if seen.contains(&key) {
            return Err(MessageFault::FieldTwice);
        }
        seen.push(key);
    }
    Ok(message)
}

fn check_name(name: &str) -> Result<(), MessageFault> {
    let letter_first = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let rest = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
    if letter_first && rest && name.len() <= NAME_LIMIT { Ok(()) } else { Err(MessageFault::Name) }
}

fn kind(text: &str) -> Result<MessageType, MessageFault> {
    match text {
        "c" => Ok(MessageType::Count),
        "g" => Ok(MessageType::Gauge),
        "ms" => Ok(MessageType::Timing),
        "h" => Ok(MessageType::Histogram),
        "s" => Ok(MessageType::Set),
        "d" => Ok(MessageType::Distribution),
        _ => Err(MessageFault::Type),
    }
}

fn is_valid_value(kind: MessageType, value: &str) -> bool {
    if kind == MessageType::Set {
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
fn read_field<'a>(message: &mut ParsedMessage<'a>, field: &'a str) -> Result<&'static str, MessageFault> {
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
    let key = ["c:", "e:", "card:"].into_iter().find(|key| field.starts_with(key)).ok_or(MessageFault::Field)?;
    if field.len() == key.len() {
        return Err(MessageFault::Field);
    }
    message.origin.push(field);
    Ok(key)
}

fn sample_rate(kind: MessageType, text: &str) -> Result<f64, MessageFault> {
    let rate = text.parse().ok().filter(|rate| *rate > 0.0 && *rate <= 1.0).ok_or(MessageFault::Rate)?;
    let plain = is_valid_value(MessageType::Gauge, text);
    if plain && !matches!(kind, MessageType::Gauge | MessageType::Set) { Ok(rate) } else { Err(MessageFault::Rate) }
}

fn tag(text: &str) -> Result<(&str, Option<&str>), MessageFault> {
    let (key, value) = match text.split_once(':') {
        Some((key, value)) => (key, Some(value)),
        None => (text, None),
    };
    if key.is_empty() || value.is_some_and(str::is_empty) { Err(MessageFault::Tag) } else { Ok((key, value)) }
}

fn timestamp(kind: MessageType, text: &str) -> Result<u64, MessageFault> {
    let seconds = text.parse().ok().filter(|seconds| *seconds > 0 && is_digits(text)).ok_or(MessageFault::Timestamp)?;
    if matches!(kind, MessageType::Count | MessageType::Gauge) { Ok(seconds) } else { Err(MessageFault::Timestamp) }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} of the payload: {}", self.message, self.reason)
    }
}

impl Error for MessageError {}

impl fmt::Display for MessageFault {
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
