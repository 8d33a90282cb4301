//! A strict parser of the Prometheus text format 0.0.4, as the oracle for our pages.
//!
//! Written from the format's description (<https://prometheus.io/docs/instrumenting/exposition_formats/>), because the
//! parsers that exist are lenient: they skip bad lines, take duplicate series and forget the final newline. This one
//! returns every sample of a page or the first fault with its line. Beyond the grammar it checks what the text asks
//! for in prose: families in one piece, metadata first and once, no series twice, and complete histograms.
//!
//! It refuses some things the format allows and we never write: quoted (UTF-8) names, hexadecimal floats, negative
//! timestamps and unknown escape sequences.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

/// A whole page, families in the order in which they appeared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page<'a> {
    /// The families, each once.
    pub families: Vec<Family<'a>>,
}

/// All samples of one metric name, a histogram's or summary's suffixes included.
#[derive(Clone, Debug, PartialEq)]
pub struct Family<'a> {
    /// Name as in HELP and TYPE, without `_bucket`, `_sum`, `_count`.
    pub name: &'a str,
    /// Text of the HELP line, unescaped.
    pub help: Option<String>,
    /// What the TYPE line said, or [`Kind::Untyped`] without one.
    pub kind: Kind,
    /// The samples, in the order of the page.
    pub samples: Vec<Sample<'a>>,
}

/// One line with a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample<'a> {
    /// Name with its suffix.
    pub name: &'a str,
    /// Labels in the order of the page, values unescaped.
    pub labels: Vec<(&'a str, Cow<'a, str>)>,
    /// The value.
    pub value: f64,
    /// The value as it was written, for tests that ask for exact decimals.
    pub text: &'a str,
    /// Milliseconds since the Unix epoch.
    pub timestamp: Option<i64>,
    /// Line in the page, from 1.
    pub line: usize,
}

/// What a TYPE line can say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the format's own")]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
    #[default]
    Untyped,
}

/// Why a page is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Line in the page, from 1.
    pub line: usize,
    /// What is wrong there.
    pub reason: Reason,
}

/// What can be wrong with a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
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

/// Parses a page and checks everything said in the module's documentation.
///
/// # Errors
/// The first fault, with its line. Faults of a whole family are reported at one of its lines.
pub fn parse(page: &[u8]) -> Result<Page<'_>, ParseError> {
    let text = str::from_utf8(page).map_err(|e| {
        let line = 1 + page[..e.valid_up_to()].iter().filter(|&&b| b == b'\n').count();
        ParseError { line, reason: Reason::NotUtf8 }
    })?;
    if !text.is_empty() && !text.ends_with('\n') {
        return Err(ParseError { line: text.split('\n').count(), reason: Reason::NoFinalNewline });
    }
    let mut builder = Builder::default();
    for (index, line) in text.split_terminator('\n').enumerate() {
        builder.line(index + 1, line).map_err(|reason| ParseError { line: index + 1, reason })?;
    }
    let page = Page { families: builder.families };
    no_series_twice(&page)?;
    page.families.iter().try_for_each(check_family)?;
    Ok(page)
}

impl<'a> Page<'a> {
    /// Number of samples of all families.
    #[must_use]
    pub fn sample_count(&self) -> usize {
        self.families.iter().map(|family| family.samples.len()).sum()
    }

    /// The family of this name.
    #[must_use]
    pub fn family(&self, name: &str) -> Option<&Family<'a>> {
        self.families.iter().find(|family| family.name == name)
    }

    /// All samples, in the order of the page.
    pub fn samples(&self) -> impl Iterator<Item = &Sample<'a>> {
        self.families.iter().flat_map(|family| &family.samples)
    }

    /// The sample of this name with exactly these labels, in any order.
    #[must_use]
    pub fn sample(&self, name: &str, labels: &[(&str, &str)]) -> Option<&Sample<'a>> {
        self.samples().find(|sample| sample.name == name && sample.has_exactly(labels))
    }
}

impl Sample<'_> {
    /// The value of a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_ref())
    }

    fn has_exactly(&self, labels: &[(&str, &str)]) -> bool {
        self.labels.len() == labels.len() && labels.iter().all(|(key, value)| self.label(key) == Some(value))
    }

    /// Labels without one of them, sorted, without empty values, which Prometheus treats as absent.
    fn identity(&self, without: &str) -> Vec<(&str, &str)> {
        let mut labels: Vec<(&str, &str)> = self
            .labels
            .iter()
            .filter(|(key, value)| *key != without && !value.is_empty())
            .map(|(key, value)| (*key, value.as_ref()))
            .collect();
        labels.sort_unstable();
        labels
    }
}

/// What has been read so far; the last family is the open one.
#[derive(Default)]
struct Builder<'a> {
    families: Vec<Family<'a>>,
    typed: bool,
}

impl<'a> Builder<'a> {
    fn line(&mut self, number: usize, line: &'a str) -> Result<(), Reason> {
        let line = line.trim_matches(BLANKS);
        if let Some(comment) = line.strip_prefix('#') {
            return self.comment(comment.trim_start_matches(BLANKS));
        }
        if line.is_empty() {
            return Ok(());
        }
        let sample = sample(number, line)?;
        self.open_for(sample.name)?.samples.push(sample);
        Ok(())
    }

    fn comment(&mut self, comment: &'a str) -> Result<(), Reason> {
        let (word, rest) = comment.split_once(BLANKS).unwrap_or((comment, ""));
        if word != "HELP" && word != "TYPE" {
            return Ok(());
        }
        let rest = rest.trim_start_matches(BLANKS);
        let (name, rest) = rest.split_at(name_length(rest, true));
        if name.is_empty() || !(rest.is_empty() || rest.starts_with(BLANKS)) {
            return Err(Reason::Metadata);
        }
        let rest = rest.trim_start_matches(BLANKS);
        let typed = self.typed;
        let same = self.families.last().is_some_and(|family| family.name == name);
        let family = self.open(name)?;
        if !family.samples.is_empty() {
            return Err(Reason::MetadataLate);
        }
        if word == "HELP" {
            let text = unescape(rest, false)?.into_owned();
            return family.help.replace(text).map_or(Ok(()), |_| Err(Reason::MetadataTwice));
        }
        if typed && same {
            return Err(Reason::MetadataTwice);
        }
        family.kind = kind(rest)?;
        self.typed = true;
        Ok(())
    }

    /// The family to which a sample of this name belongs, opened if need be.
    fn open_for(&mut self, name: &'a str) -> Result<&mut Family<'a>, Reason> {
        let base = self.families.iter().rev().find_map(|family| part_of(family, name));
        self.open(base.unwrap_or(name))
    }

    fn open(&mut self, name: &'a str) -> Result<&mut Family<'a>, Reason> {
        let place = self.families.iter().position(|family| family.name == name);
        if place.is_some_and(|place| place + 1 < self.families.len()) {
            return Err(Reason::Interleaved(name.to_owned()));
        }
        if place.is_none() {
            self.typed = false;
            self.families.push(Family { name, help: None, kind: Kind::Untyped, samples: Vec::new() });
        }
        self.families.last_mut().ok_or(Reason::MetricName)
    }
}

/// The family's name, if a sample of this name is one of its parts.
fn part_of<'a>(family: &Family<'a>, name: &str) -> Option<&'a str> {
    let suffixes: &[&str] = match family.kind {
        Kind::Histogram => &["_bucket", "_sum", "_count"],
        Kind::Summary => &["_sum", "_count"],
        Kind::Counter | Kind::Gauge | Kind::Untyped => &[],
    };
    let suffix = name.strip_prefix(family.name)?;
    suffixes.contains(&suffix).then_some(family.name)
}

fn kind(word: &str) -> Result<Kind, Reason> {
    match word {
        "counter" => Ok(Kind::Counter),
        "gauge" => Ok(Kind::Gauge),
        "histogram" => Ok(Kind::Histogram),
        "summary" => Ok(Kind::Summary),
        "untyped" => Ok(Kind::Untyped),
        _ => Err(Reason::UnknownType),
    }
}

fn sample(line: usize, text: &str) -> Result<Sample<'_>, Reason> {
    let (name, rest) = text.split_at(name_length(text, true));
    if name.is_empty() {
        return Err(Reason::MetricName);
    }
    let after_name = rest.trim_start_matches(BLANKS);
    let (labels, rest) = match after_name.strip_prefix('{') {
        Some(inside) => labels(inside)?,
        None if after_name.len() == rest.len() => return Err(Reason::MetricName),
        None => (Vec::new(), after_name),
    };
    let mut words = rest.split(BLANKS).filter(|word| !word.is_empty());
    let text = words.next().ok_or(Reason::Value)?;
    let value = number(text)?;
    let timestamp = words.next().map(timestamp).transpose()?;
    match words.next() {
        Some(_) => Err(Reason::Trailing),
        None => Ok(Sample { name, labels, value, text, timestamp, line }),
    }
}

type Labels<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// Labels up to the closing brace, and what follows it.
fn labels(mut rest: &str) -> Result<(Labels<'_>, &str), Reason> {
    let mut labels: Labels<'_> = Vec::new();
    loop {
        rest = rest.trim_start_matches(BLANKS);
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((labels, after));
        }
        let (name, after) = rest.split_at(name_length(rest, false));
        let after = after.trim_start_matches(BLANKS).strip_prefix('=').ok_or(Reason::Label)?;
        let after = after.trim_start_matches(BLANKS).strip_prefix('"').ok_or(Reason::Label)?;
        let end = closing_quote(after).ok_or(Reason::Label)?;
        if name.is_empty() {
            return Err(Reason::Label);
        }
        if labels.iter().any(|(key, _)| *key == name) {
            return Err(Reason::LabelTwice(name.to_owned()));
        }
        labels.push((name, unescape(&after[..end], true)?));
        rest = after[end + 1..].trim_start_matches(BLANKS);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.starts_with('}') => {}
            None => return Err(Reason::Label),
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
fn unescape(text: &str, quoted: bool) -> Result<Cow<'_, str>, Reason> {
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
                _ => return Err(Reason::Escape),
            },
            c => c,
        });
    }
    Ok(Cow::Owned(plain))
}

/// How many bytes at the start are a metric's (or without `colons` a label's) name.
fn name_length(text: &str, colons: bool) -> usize {
    let belongs = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || (colons && byte == b':');
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.bytes().position(|byte| !belongs(byte)).unwrap_or(text.len())
}

fn number(text: &str) -> Result<f64, Reason> {
    match text {
        "NaN" => return Ok(f64::NAN),
        "+Inf" => return Ok(f64::INFINITY),
        "-Inf" => return Ok(f64::NEG_INFINITY),
        _ => {}
    }
    let decimal = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    if decimal { text.parse().map_err(|_| Reason::Value) } else { Err(Reason::Value) }
}

fn timestamp(text: &str) -> Result<i64, Reason> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().map_err(|_| Reason::Timestamp) } else { Err(Reason::Timestamp) }
}

fn no_series_twice(page: &Page<'_>) -> Result<(), ParseError> {
    let mut all: Vec<_> = page.samples().map(|sample| (sample.name, sample.identity(""), sample.line)).collect();
    all.sort_unstable();
    match all.windows(2).find(|pair| (pair[0].0, &pair[0].1) == (pair[1].0, &pair[1].1)) {
        Some(pair) => Err(ParseError { line: pair[1].2, reason: Reason::SeriesTwice }),
        None => Ok(()),
    }
}

fn check_family(family: &Family<'_>) -> Result<(), ParseError> {
    match family.kind {
        Kind::Counter => {
            family.samples.iter().try_for_each(|sample| check(sample.value >= 0.0, sample, Reason::NegativeCount))
        }
        Kind::Histogram => check_histograms(family),
        Kind::Summary => check_summary(family),
        Kind::Gauge | Kind::Untyped => Ok(()),
    }
}

fn check(holds: bool, sample: &Sample<'_>, reason: Reason) -> Result<(), ParseError> {
    if holds { Ok(()) } else { Err(ParseError { line: sample.line, reason }) }
}

/// What was seen of one histogram of a family: those samples that differ in `le` only.
#[derive(Default)]
struct Histogram {
    line: usize,
    last_bound: Option<f64>,
    last_bucket: f64,
    infinity: Option<f64>,
    count: Option<f64>,
    sum: Option<f64>,
}

fn check_histograms(family: &Family<'_>) -> Result<(), ParseError> {
    let mut histograms: BTreeMap<Vec<(&str, &str)>, Histogram> = BTreeMap::new();
    for sample in &family.samples {
        let histogram = histograms.entry(sample.identity("le")).or_default();
        histogram.line = sample.line;
        match (&sample.name[family.name.len()..], sample.label("le")) {
            ("_bucket", Some(bound)) => histogram.bucket(sample, bound)?,
            ("_count", None) => {
                check(sample.value >= 0.0, sample, Reason::NegativeCount)?;
                histogram.count = Some(sample.value);
            }
            ("_sum", None) => histogram.sum = Some(sample.value),
            _ => check(false, sample, Reason::Part)?,
        }
    }
    histograms.values().try_for_each(Histogram::check_complete)
}

impl Histogram {
    fn bucket(&mut self, sample: &Sample<'_>, bound: &str) -> Result<(), ParseError> {
        let bound = number(bound).map_err(|_| ParseError { line: sample.line, reason: Reason::Part })?;
        check(!bound.is_nan(), sample, Reason::Part)?;
        check(sample.value >= 0.0, sample, Reason::NegativeCount)?;
        check(self.last_bound.is_none_or(|last| last < bound), sample, Reason::BucketOrder)?;
        check(self.last_bucket <= sample.value, sample, Reason::NotCumulative)?;
        self.last_bound = Some(bound);
        self.last_bucket = sample.value;
        if bound == f64::INFINITY {
            self.infinity = Some(sample.value);
        }
        Ok(())
    }

    fn check_complete(&self) -> Result<(), ParseError> {
        let fault = |reason| Err(ParseError { line: self.line, reason });
        match (self.infinity, self.count, self.sum) {
            (None, _, _) => fault(Reason::NoInfinity),
            (_, None, _) => fault(Reason::NoCount),
            (_, _, None) => fault(Reason::NoSum),
            (Some(infinity), Some(count), _) if infinity != count => fault(Reason::CountDiffers),
            _ => Ok(()),
        }
    }
}

fn check_summary(family: &Family<'_>) -> Result<(), ParseError> {
    family.samples.iter().try_for_each(|sample| {
        let quantile = sample.label("quantile").map(number);
        let fits = match (&sample.name[family.name.len()..], quantile) {
            ("", Some(Ok(quantile))) => (0.0..=1.0).contains(&quantile),
            ("_sum" | "_count", None) => true,
            _ => false,
        };
        check(fits, sample, Reason::Part)
    })
}

/// What separates tokens.
const BLANKS: [char; 2] = [' ', '\t'];

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the page: {}", self.line, self.reason)
    }
}

impl Error for ParseError {}

impl fmt::Display for Reason {
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

#[cfg(test)]
mod tests;
