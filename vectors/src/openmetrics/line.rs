//! One line with a value.

use super::{OpenMetricsExemplar, OpenMetricsSample};

/// A sample at the start of `line`, and what follows it.
pub(super) fn sample(line: &str) -> Result<(OpenMetricsSample<'_>, &str), String> {
    let (name, rest) = line.split_at(name_length(line, true));
    if name.is_empty() {
        return Err("no metric name".into());
    }
    let (labels, rest) = if rest.starts_with('{') { labels(rest)? } else { (Vec::new(), rest) };
    let (text, rest) = number(rest.strip_prefix(' ').ok_or("no space before the value")?)?;
    let Some(after) = rest.strip_prefix(" # ") else {
        return Ok((OpenMetricsSample { name, labels, text, exemplar: None }, rest));
    };
    let (exemplar, rest) = exemplar(after)?;
    Ok((OpenMetricsSample { name, labels, text, exemplar: Some(exemplar) }, rest))
}

fn exemplar(text: &str) -> Result<(OpenMetricsExemplar<'_>, &str), String> {
    let (labels, rest) = labels(text)?;
    let runes: usize = labels.iter().map(|(key, value)| key.chars().count() + value.chars().count()).sum();
    if runes > 128 {
        return Err(format!("the labels of an exemplar have {runes} characters"));
    }
    let (text, rest) = number(rest.strip_prefix(' ').ok_or("no space before an exemplar's value")?)?;
    let (timestamp, rest) = match rest.strip_prefix(' ') {
        Some(rest) => number(rest).map(|(text, rest)| (Some(text), rest))?,
        None => (None, rest),
    };
    Ok((OpenMetricsExemplar { labels, text, timestamp }, rest))
}

type OpenMetricsLabels<'a> = Vec<(&'a str, String)>;

/// `{a="x",b="y"}` or `{}` at the start of `text`, and what follows it.
fn labels(text: &str) -> Result<(OpenMetricsLabels<'_>, &str), String> {
    let mut rest = text.strip_prefix('{').ok_or("no brace before labels")?;
    let mut labels: OpenMetricsLabels<'_> = Vec::new();
    if let Some(rest) = rest.strip_prefix('}') {
        return Ok((labels, rest));
    }
    loop {
        let (name, after) = rest.split_at(name_length(rest, false));
        let value = after.strip_prefix("=\"").ok_or("a label is not name=\"value\"")?;
        let mut escaped = false;
        let end = value.bytes().position(|byte| {
            let closes = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        });
        let (value, after) = value.split_at(end.ok_or("a label's value has no end")?);
        if name.is_empty() || labels.iter().any(|(other, _)| *other == name) {
            return Err(format!("label {name:?} is empty or there twice"));
        }
        labels.push((name, unescape(value)?));
        let after = &after[1..];
        match (after.strip_prefix(','), after.strip_prefix('}')) {
            (Some(more), _) => rest = more,
            (_, Some(after)) => return Ok((labels, after)),
            _ => return Err("labels are not closed".into()),
        }
    }
}

/// The only escapes that there are. A bare quote is illegal, unlike in HELP of the text format.
pub(super) fn unescape(text: &str) -> Result<String, String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => match chars.next() {
                Some('\\') => '\\',
                Some('n') => '\n',
                Some('"') => '"',
                other => return Err(format!("unknown escape {other:?}")),
            },
            '"' => return Err("a bare quote".into()),
            c => c,
        });
    }
    Ok(plain)
}

/// A `realnumber`, `+Inf` or `NaN` at the start of `text`, and what follows it.
pub(super) fn number(text: &str) -> Result<(&str, &str), String> {
    let (word, rest) = text.split_at(text.find(' ').unwrap_or(text.len()));
    let is_real = word.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let is_known = matches!(word, "+Inf" | "-Inf" | "NaN") || is_real && word.parse::<f64>().is_ok();
    if is_known { Ok((word, rest)) } else { Err(format!("{word:?} is no number")) }
}

/// How many bytes at the start are a metric's (or without `colons` a label's) name.
pub(super) fn name_length(text: &str, colons: bool) -> usize {
    let belongs = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || (colons && byte == b':');
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.bytes().position(|byte| !belongs(byte)).unwrap_or(text.len())
}
