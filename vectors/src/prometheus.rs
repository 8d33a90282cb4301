//! A strict parser of the Prometheus text format 0.0.4, as the oracle for our pages.
//!
//! Written from the format's description (<https://prometheus.io/docs/instrumenting/exposition_formats/>), because the
//! parsers that exist are lenient: they skip bad lines, take duplicate series and forget the final newline. This one
//! returns every sample of a page or the first fault with its line. Beyond the grammar it checks what the text asks
//! for in prose: families in one piece, metadata first and once, no series twice, and complete histograms.
//!
//! It refuses some things the format allows and we never write: quoted (UTF-8) names, hexadecimal floats, negative
//! timestamps and unknown escape sequences.

mod complete;
mod fault;
mod line;

pub use fault::{PageError, PageFault};

use complete::{check_family, no_series_twice};
use line::{BLANKS, name_length, sample, unescape};
use std::borrow::Cow;

/// A whole page, families in the order in which they appeared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextPage<'a> {
    /// The families, each once.
    pub families: Vec<TextFamily<'a>>,
}

/// All samples of one metric name, a histogram's or summary's suffixes included.
#[derive(Clone, Debug, PartialEq)]
pub struct TextFamily<'a> {
    /// Name as in HELP and TYPE, without `_bucket`, `_sum`, `_count`.
    pub name: &'a str,
    /// Text of the HELP line, unescaped.
    pub help: Option<String>,
    /// What the TYPE line said, or [`FamilyType::Untyped`] without one.
    pub kind: FamilyType,
    /// The samples, in the order of the page.
    pub samples: Vec<TextSample<'a>>,
}

/// One line with a value.
#[derive(Clone, Debug, PartialEq)]
pub struct TextSample<'a> {
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
pub enum FamilyType {
    Counter,
    Gauge,
    Histogram,
    Summary,
    #[default]
    Untyped,
}

/// Parses a page and checks everything said in the module's documentation.
///
/// # Errors
/// The first fault, with its line. Faults of a whole family are reported at one of its lines.
pub fn parse(page: &[u8]) -> Result<TextPage<'_>, PageError> {
    let text = str::from_utf8(page).map_err(|e| {
        let line = 1 + page[..e.valid_up_to()].iter().filter(|&&b| b == b'\n').count();
        PageError { line, reason: PageFault::NotUtf8 }
    })?;
    if !text.is_empty() && !text.ends_with('\n') {
        return Err(PageError { line: text.split('\n').count(), reason: PageFault::NoFinalNewline });
    }
    let mut builder = Builder::default();
    for (index, line) in text.split_terminator('\n').enumerate() {
        builder.line(index + 1, line).map_err(|reason| PageError { line: index + 1, reason })?;
    }
    let page = TextPage { families: builder.families };
    no_series_twice(&page)?;
    page.families.iter().try_for_each(check_family)?;
    Ok(page)
}

impl<'a> TextPage<'a> {
    /// Number of samples of all families.
    #[must_use]
    pub fn sample_count(&self) -> usize {
        self.families.iter().map(|family| family.samples.len()).sum()
    }

    /// The family of this name.
    #[must_use]
    pub fn family(&self, name: &str) -> Option<&TextFamily<'a>> {
        self.families.iter().find(|family| family.name == name)
    }

    /// All samples, in the order of the page.
    pub fn samples(&self) -> impl Iterator<Item = &TextSample<'a>> {
        self.families.iter().flat_map(|family| &family.samples)
    }

    /// The sample of this name with exactly these labels, in any order.
    #[must_use]
    pub fn sample(&self, name: &str, labels: &[(&str, &str)]) -> Option<&TextSample<'a>> {
        self.samples().find(|sample| sample.name == name && sample.has_exactly(labels))
    }
}

impl TextSample<'_> {
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
    families: Vec<TextFamily<'a>>,
    typed: bool,
}

impl<'a> Builder<'a> {
    fn line(&mut self, number: usize, line: &'a str) -> Result<(), PageFault> {
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

    fn comment(&mut self, comment: &'a str) -> Result<(), PageFault> {
        let (word, rest) = comment.split_once(BLANKS).unwrap_or((comment, ""));
        if word != "HELP" && word != "TYPE" {
            return Ok(());
        }
        let rest = rest.trim_start_matches(BLANKS);
        let (name, rest) = rest.split_at(name_length(rest, true));
        if name.is_empty() || !(rest.is_empty() || rest.starts_with(BLANKS)) {
            return Err(PageFault::Metadata);
        }
        let rest = rest.trim_start_matches(BLANKS);
        let typed = self.typed;
        let same = self.families.last().is_some_and(|family| family.name == name);
        let family = self.open(name)?;
        if !family.samples.is_empty() {
            return Err(PageFault::MetadataLate);
        }
        if word == "HELP" {
            let text = unescape(rest, false)?.into_owned();
            return family.help.replace(text).map_or(Ok(()), |_| Err(PageFault::MetadataTwice));
        }
        if typed && same {
            return Err(PageFault::MetadataTwice);
        }
        family.kind = kind(rest)?;
        self.typed = true;
        Ok(())
    }

    /// The family to which a sample of this name belongs, opened if need be.
    fn open_for(&mut self, name: &'a str) -> Result<&mut TextFamily<'a>, PageFault> {
        let base = self.families.iter().rev().find_map(|family| part_of(family, name));
        self.open(base.unwrap_or(name))
    }

    fn open(&mut self, name: &'a str) -> Result<&mut TextFamily<'a>, PageFault> {
        let place = self.families.iter().position(|family| family.name == name);
        if place.is_some_and(|place| place + 1 < self.families.len()) {
            return Err(PageFault::Interleaved(name.to_owned()));
        }
        if place.is_none() {
            self.typed = false;
            self.families.push(TextFamily { name, help: None, kind: FamilyType::Untyped, samples: Vec::new() });
        }
        self.families.last_mut().ok_or(PageFault::MetricName)
    }
}

/// The family's name, if a sample of this name is one of its parts.
fn part_of<'a>(family: &TextFamily<'a>, name: &str) -> Option<&'a str> {
    let suffixes: &[&str] = match family.kind {
        FamilyType::Histogram => &["_bucket", "_sum", "_count"],
        FamilyType::Summary => &["_sum", "_count"],
        FamilyType::Counter | FamilyType::Gauge | FamilyType::Untyped => &[],
    };
    let suffix = name.strip_prefix(family.name)?;
    suffixes.contains(&suffix).then_some(family.name)
}

fn kind(word: &str) -> Result<FamilyType, PageFault> {
    match word {
        "counter" => Ok(FamilyType::Counter),
        "gauge" => Ok(FamilyType::Gauge),
        "histogram" => Ok(FamilyType::Histogram),
        "summary" => Ok(FamilyType::Summary),
        "untyped" => Ok(FamilyType::Untyped),
        _ => Err(PageFault::UnknownType),
    }
}

#[cfg(test)]
mod tests;
