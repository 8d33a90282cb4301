//! A strict parser of OpenMetrics 1.0, as the oracle for our pages.
//!
//! Written from the ABNF and the prose of the specification
//! (<https://github.com/prometheus/docs/blob/main/docs/specs/om/open_metrics_spec.md>), because the parsers that exist
//! leave out much of it. One page is read whole, or the first fault is told with its line.
//!
//! It refuses some things the specification allows and we never write: timestamps of samples, families without TYPE,
//! kinds other than counter, gauge and histogram, and unknown escape sequences.

mod complete;
mod line;

use complete::{check, no_family_twice};
use line::{name_length, sample, unescape};

/// A whole page, families in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenMetricsPage<'a> {
    /// The families, each once.
    pub families: Vec<OpenMetricsFamily<'a>>,
}

/// A family with what its metadata says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenMetricsFamily<'a> {
    /// Its name, without the suffixes of its samples.
    pub name: &'a str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'a str,
    /// Its unit.
    pub unit: Option<&'a str>,
    /// Its help, unescaped.
    pub help: Option<String>,
    /// Its samples in their order.
    pub samples: Vec<OpenMetricsSample<'a>>,
}

/// One line with a value.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenMetricsSample<'a> {
    /// Name with its suffix.
    pub name: &'a str,
    /// Labels in their order, values unescaped.
    pub labels: Vec<(&'a str, String)>,
    /// The value as it is written.
    pub text: &'a str,
    /// What follows ` # `.
    pub exemplar: Option<OpenMetricsExemplar<'a>>,
}

/// A request that stands for the others of its bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenMetricsExemplar<'a> {
    /// Its labels.
    pub labels: Vec<(&'a str, String)>,
    /// Its value as it is written.
    pub text: &'a str,
    /// Seconds since the Unix epoch as they are written.
    pub timestamp: Option<&'a str>,
}

/// Parses a page.
///
/// # Errors
/// The first fault, with its line.
pub fn parse(page: &[u8]) -> Result<OpenMetricsPage<'_>, String> {
    let text = str::from_utf8(page).map_err(|error| format!("not UTF-8: {error}"))?;
    let body = text.strip_suffix("# EOF\n").ok_or("the page does not end with `# EOF` and a line feed")?;
    if !body.is_empty() && !body.ends_with('\n') {
        return Err("`# EOF` is not on a line of its own".into());
    }
    let mut page = OpenMetricsPage::default();
    for (index, line) in body.split_terminator('\n').enumerate() {
        read_line(&mut page, line).map_err(|fault| format!("line {}: {fault}: {line:?}", index + 1))?;
    }
    no_family_twice(&page)?;
    for family in &page.families {
        check(family).map_err(|fault| format!("family {}: {fault}", family.name))?;
    }
    Ok(page)
}

impl<'a> OpenMetricsPage<'a> {
    /// All samples, in their order.
    pub fn samples(&self) -> impl Iterator<Item = &OpenMetricsSample<'a>> {
        self.families.iter().flat_map(|family| &family.samples)
    }
}

impl OpenMetricsSample<'_> {
    /// The value of a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    /// What tells the metrics of a family apart.
    fn metric(&self) -> Vec<(&str, &str)> {
        let labels = self.labels.iter().filter(|(key, _)| *key != "le");
        let mut labels: Vec<_> = labels.map(|(key, value)| (*key, value.as_str())).collect();
        labels.sort_unstable();
        labels
    }
}

fn read_line<'a>(page: &mut OpenMetricsPage<'a>, line: &'a str) -> Result<(), String> {
    if let Some(rest) = line.strip_prefix("# ") {
        let (word, rest) = rest.split_once(' ').ok_or("metadata without a name")?;
        let (name, text) = rest.split_once(' ').ok_or("metadata without a text")?;
        return metadata(page, word, name, text);
    }
    let (sample, rest) = sample(line)?;
    if !rest.is_empty() {
        return Err(format!("{rest:?} after the sample"));
    }
    let family = page.families.last_mut().ok_or("a sample before any family")?;
    let suffixes: &[&str] = match family.kind {
        "counter" => &["_total", "_created"],
        "histogram" => &["_bucket", "_sum", "_count", "_created"],
        "info" => &["_info"],
        _ => &[""],
    };
    let suffix = sample.name.strip_prefix(family.name).ok_or("a sample of another family")?;
    if !suffixes.contains(&suffix) {
        return Err(format!("a {} has no sample {suffix:?}", family.kind));
    }
    family.samples.push(sample);
    Ok(())
}

fn metadata<'a>(page: &mut OpenMetricsPage<'a>, word: &str, name: &'a str, text: &'a str) -> Result<(), String> {
    if name.is_empty() || name_length(name, true) != name.len() {
        return Err("no metric name".into());
    }
    if page.families.last().is_none_or(|family| family.name != name) {
        page.families.push(OpenMetricsFamily { name, ..OpenMetricsFamily::default() });
    }
    let family = page.families.last_mut().ok_or("no family")?;
    if !family.samples.is_empty() {
        return Err("metadata after samples".into());
    }
    let is_new = match word {
        "TYPE" if matches!(text, "counter" | "gauge" | "histogram" | "info") => {
            std::mem::replace(&mut family.kind, text).is_empty()
        }
        "UNIT" => {
            let fits = !text.is_empty() && name.strip_suffix(text).is_some_and(|name| name.ends_with('_'));
            if !fits {
                return Err("the name does not end in the unit".into());
            }
            family.unit.replace(text).is_none()
        }
        "HELP" => family.help.replace(unescape(text)?).is_none(),
        _ => return Err("neither TYPE, UNIT nor HELP, or an unknown type".into()),
    };
    if is_new { Ok(()) } else { Err("metadata twice".into()) }
}

#[cfg(test)]
mod tests;
