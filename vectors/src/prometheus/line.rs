//! One line with a value.

use super::{PageFault, TextSample};
use std::borrow::Cow;

/// What separates tokens.
pub(super) const BLANKS: [char; 2] = [' ', '\t'];

/// Name, labels, value and timestamp.
pub(super) fn sample(line: usize, text: &str) -> Result<TextSample<'_>, PageFault> {
    let (name, rest) = text.split_at(name_length(text, true));
    if name.is_empty() {
        return Err(PageFault::MetricName);
    }
    let after_name = rest.trim_start_matches(BLANKS);
    let (labels, rest) = match after_name.strip_prefix('{') {
        Some(inside) => labels(inside)?,
        None if after_name.len() == rest.len() => return Err(PageFault::MetricName),
        None => (Vec::new(), after_name),
    };
    let mut words = rest.split(BLANKS).filter(|word| !word.is_empty());
    let text = words.next().ok_or(PageFault::Value)?;
    let value = number(text)?;
    let timestamp = words.next().map(timestamp).transpose()?;
    match words.next() {
        Some(_) => Err(PageFault::Trailing),
        None => Ok(TextSample { name, labels, value, text, timestamp, line }),
    }
}

type TextLabels<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// Labels up to the closing brace, and what follows it.
fn labels(mut rest: &str) -> Result<(TextLabels<'_>, &str), PageFault> {
    let mut labels: TextLabels<'_> = Vec::new();
    loop {
        rest = rest.trim_start_matches(BLANKS);
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((labels, after));
        }
        let (name, after) = rest.split_at(name_length(rest, false));
        let after = after.trim_start_matches(BLANKS).strip_prefix('=').ok_or(PageFault::Label)?;
        let after = after.trim_start_matches(BLANKS).strip_prefix('"').ok_or(PageFault::Label)?;
        let end = closing_quote(after).ok_or(PageFault::Label)?;
        if name.is_empty() {
            return Err(PageFault::Label);
        }
        if labels.iter().any(|(key, _)| *key == name) {
            return Err(PageFault::LabelTwice(name.to_owned()));
        }
        labels.push((name, unescape(&after[..end], true)?));
        rest = after[end + 1..].trim_start_matches(BLANKS);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.starts_with('}') => {}
            None => return Err(PageFault::Label),
        }
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

/// `\\` and `\n`, and `\"` where the text stands in quotes.
pub(super) fn unescape(text: &str, quoted: bool) -> Result<Cow<'_, str>, PageFault> {
    if !text.contains('\\') {
        return Ok(Cow::Borrowed(text));
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => match chars.next() {
                Some('\\') => '\\',
                Some('n') => '\n',
                Some('"') if quoted => '"',
                _ => return Err(PageFault::Escape),
            },
            c => c,
        });
    }
    Ok(Cow::Owned(plain))
}

/// How many bytes at the start are a metric's (or without `colons` a label's) name.
pub(super) fn name_length(text: &str, colons: bool) -> usize {
    let belongs = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || (colons && byte == b':');
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.bytes().position(|byte| !belongs(byte)).unwrap_or(text.len())
}

/// A value or a bound.
pub(super) fn number(text: &str) -> Result<f64, PageFault> {
    match text {
        "NaN" => return Ok(f64::NAN),
        "+Inf" => return Ok(f64::INFINITY),
        "-Inf" => return Ok(f64::NEG_INFINITY),
        _ => {}
    }
    let decimal = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    if decimal { text.parse().map_err(|_| PageFault::Value) } else { Err(PageFault::Value) }
}

fn timestamp(text: &str) -> Result<i64, PageFault> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().map_err(|_| PageFault::Timestamp) } else { Err(PageFault::Timestamp) }
}
