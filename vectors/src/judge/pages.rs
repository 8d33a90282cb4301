//! The verdicts on Prometheus' pages, in all three dialects.

use super::same;
use crate::contract::{Format, LATENCY_LE, SIZE_LE, ShownLabels, millis, observed};
use crate::model::{KIND_TEXTS, Model, ModelSeries, nanos};
use crate::{openmetrics, prometheus};
use loaddensity_metrics_core::{DropReason, Exporter, Sample, TraceContext};
use std::collections::BTreeMap;

mod own;
mod proto_histogram;
mod protobuf;
use own::{OwnSample, OwnTextFamily};
pub use proto_histogram::native_bucket;
pub use protobuf::protobuf;

/// Lines of one series on a page: two counters, and two histograms with their sums and counts.
pub const PAGE_LINES_PER_SERIES: usize = 2 + (LATENCY_LE.len() + 2) + (SIZE_LE.len() + 2);
/// Lines about the registry itself on every page.
pub const PAGE_LINES_OF_REGISTRY: usize = 5;
/// Lines about each exporter that was ever started.
pub const PAGE_LINES_PER_EXPORTER: usize = 3 + DropReason::ALL.len();

/// What a page shows besides the model.
#[derive(Clone, Copy, Debug, Default)]
pub struct PageExtras<'a> {
    /// The exporters that were ever started on the registry.
    pub exporters: &'a [Exporter],
    /// Constant labels: keys as every format takes them, values as they were given.
    pub constant: &'a [(String, String)],
    /// Since when the registry has counted, in nanoseconds, where the page says that.
    pub created: Option<u64>,
    /// Whether the storage keeps no exponential histograms, so that the engine's own have other bounds.
    pub is_classic: bool,
}

const FAMILIES: [(&str, prometheus::FamilyType); 3] = [
    ("loaddensity_requests_total", prometheus::FamilyType::Counter),
    ("loaddensity_request_latency_ms", prometheus::FamilyType::Histogram),
    ("loaddensity_response_bytes", prometheus::FamilyType::Histogram),
];

const OPEN_FAMILIES: [(&str, &str, Option<&str>); 3] = [
    ("loaddensity_requests", "counter", None),
    ("loaddensity_request_latency_ms", "histogram", Some("ms")),
    ("loaddensity_response_bytes", "histogram", Some("bytes")),
];

/// Judges a whole page of the text format.
///
/// # Panics
/// If the page breaks the format, or shows something else than the model; here and in the next two.
pub fn text(model: &Model, besides: &PageExtras<'_>, page: &[u8]) {
    let parsed = match prometheus::parse(page) {
        Ok(parsed) => parsed,
        Err(error) => panic!("{error}: {:?}", line_of(page, error.line)),
    };
    let families: Vec<_> = parsed.families.iter().map(|family| (family.name, family.kind)).collect();
    assert_eq!(families[..3], FAMILIES);
    assert!(parsed.families.iter().all(|family| family.help.is_some()), "a family without HELP");
    let (mut lines, mut owns) = (Vec::new(), Vec::new());
    for (number, family) in parsed.families.iter().enumerate() {
        if is_own(model, family.name, false) {
            let samples = family.samples.iter().map(|sample| {
                let labels = sample.labels.iter().map(|(key, value)| (*key, value.as_ref()));
                OwnSample { name: sample.name, labels: labels.collect(), text: sample.text }
            });
            owns.push(OwnTextFamily {
                name: family.name,
                kind: format!("{:?}", family.kind).to_lowercase(),
                unit: None,
                help: family.help.as_deref(),
                samples: samples.collect(),
            });
            continue;
        }
        let is_gauge = family.kind == prometheus::FamilyType::Gauge;
        lines.extend(family.samples.iter().map(|sample| Line {
            place: PagePart::of(number, is_gauge, sample.name),
            name: sample.name,
            labels: sample.labels.iter().map(|(key, value)| (*key, value.as_ref())).collect(),
            text: sample.text,
            exemplar: None,
        }));
    }
    own::judge_texts(model, besides, &owns, false);
    judge(model, besides, &lines, false);
}

/// Judges a whole page of OpenMetrics.
///
/// # Panics
/// As [`text`].
pub fn open(model: &Model, besides: &PageExtras<'_>, page: &[u8]) {
    let parsed = match openmetrics::parse(page) {
        Ok(parsed) => parsed,
        Err(error) => panic!("{error}"),
    };
    let heads: Vec<_> = parsed.families.iter().map(|family| (family.name, family.kind, family.unit)).collect();
    assert_eq!(heads[..3], OPEN_FAMILIES);
    assert!(parsed.families.iter().all(|family| family.help.is_some()), "a family without HELP");
    let (mut lines, mut owns) = (Vec::new(), Vec::new());
    for (number, family) in parsed.families.iter().enumerate() {
        if is_own(model, family.name, true) {
            let samples = family.samples.iter().map(|sample| {
                assert_eq!(sample.exemplar, None, "{}", family.name);
                let labels = sample.labels.iter().map(|(key, value)| (*key, value.as_str()));
                OwnSample { name: sample.name, labels: labels.collect(), text: sample.text }
            });
            owns.push(OwnTextFamily {
                name: family.name,
                kind: family.kind.to_owned(),
                unit: family.unit,
                help: family.help.as_deref(),
                samples: samples.collect(),
            });
            continue;
        }
        let is_gauge = family.kind == "gauge";
        lines.extend(family.samples.iter().map(|sample| Line {
            place: PagePart::of(number, is_gauge, sample.name),
            name: sample.name,
            labels: sample.labels.iter().map(|(key, value)| (*key, value.as_str())).collect(),
            text: sample.text,
            exemplar: sample.exemplar.as_ref().map(|exemplar| {
                let labels = exemplar.labels.iter().map(|(key, value)| (*key, value.as_str()));
                exemplar_text(labels, exemplar.text, exemplar.timestamp.map(nanos_of))
            }),
        }));
    }
    own::judge_texts(model, besides, &owns, true);
    judge(model, besides, &lines, true);
}

/// Whether a family is of an instrument of the engine's own.
fn is_own(model: &Model, family: &str, is_open: bool) -> bool {
    model.own().iter().any(|own| own::family_name(own, is_open) == family)
}

/// The nanoseconds of a number of seconds with a fraction, or without one.
///
/// # Panics
/// If it is no such number.
#[must_use]
pub fn nanos_of(seconds: &str) -> u64 {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let number = |digits: &str| digits.parse::<u64>().unwrap_or_else(|_| panic!("{seconds:?} is no time"));
    assert!(fraction.len() <= 9, "{seconds:?} is finer than nanoseconds");
    number(whole) * 1_000_000_000 + number(&format!("{fraction:0<9}"))
}

/// A sample, as both text formats have it.
struct Line<'p> {
    place: PagePart,
    name: &'p str,
    labels: Vec<(&'p str, &'p str)>,
    text: &'p str,
    exemplar: Option<String>,
}

/// In which part of the page a sample is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PagePart {
    Series,
    Gauge,
    /// About the registry and the exporters.
    Status,
}

impl PagePart {
    fn of(family: usize, is_gauge: bool, name: &str) -> Self {
        let is_status = ["loaddensity_registry_", "loaddensity_exporter_"].iter().any(|head| name.starts_with(head));
        match family {
            0..3 => Self::Series,
            _ if is_gauge && !is_status => Self::Gauge,
            _ => Self::Status,
        }
    }
}

impl Line<'_> {
    fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(other, _)| *other == key).map(|(_, value)| *value)
    }
}

fn judge(model: &Model, besides: &PageExtras<'_>, lines: &[Line<'_>], is_open: bool) {
    // Method and name as they are keep series apart whose hashes are blurred.
    let mut series: BTreeMap<(ShownLabels, (&str, &str)), SeriesSamples> = BTreeMap::new();
    let (mut times, mut gauges, mut status) = (0, Vec::new(), 0);
    for line in lines {
        match line.place {
            PagePart::Series if is_open && line.name.ends_with("_created") => {
                assert_eq!(Some(nanos_of(line.text)), besides.created, "{}", line.name);
                times += 1;
            }
            PagePart::Series => {
                let exact = (line.label("method").unwrap_or_default(), line.label("name").unwrap_or_default());
                assert!(exact.0.len() <= 32 && exact.1.len() <= 255, "{exact:?} is too long");
                let part = line.label("outcome").or_else(|| line.label("le")).unwrap_or_default();
                let part = part_of(part, line.label("error_type"));
                let value = with_exemplar(line.text, line.exemplar.clone());
                let key = (observed(line.labels.iter().copied(), &["outcome", "error_type", "le"]), exact);
                series.entry(key).or_default().push((format!("{} {part}", line.name), value));
            }
            PagePart::Gauge => gauges.push((observed(line.labels.iter().copied(), &[]), line.name, number(line.text))),
            PagePart::Status => {
                besides.assert_on(&line.labels);
                status += 1;
            }
        }
    }
    let shown: Vec<_> = series.into_iter().map(|((key, _), lines)| (key, lines)).collect();
    let expected = model.shown().map(|known| (besides.labels(known), page_lines(known, is_open, model.tells_kinds())));
    same(expected.collect(), shown);
    // One for each counter and each histogram.
    let counters = if model.tells_kinds() { 1 + KIND_TEXTS.len() } else { 2 };
    let expected = if besides.created.is_some() && is_open { (counters + 2) * model.shown().count() } else { 0 };
    assert_eq!(times, expected, "times");
    judge_gauges(model, besides, &gauges);
    let exporters = besides.exporters.len() * PAGE_LINES_PER_EXPORTER;
    assert_eq!(status, exporters + PAGE_LINES_OF_REGISTRY, "samples about the registry and the exporters");
    let recorded = |line: &&Line<'_>| line.name == "loaddensity_exporter_recorded_total";
    let mut opened: Vec<_> = lines.iter().filter(recorded).filter_map(|line| line.label("exporter")).collect();
    let mut expected: Vec<_> = besides.exporters.iter().map(|exporter| exporter.as_str()).collect();
    opened.sort_unstable();
    expected.sort_unstable();
    assert_eq!(opened, expected, "accounts");
}

fn judge_gauges(model: &Model, besides: &PageExtras<'_>, gauges: &[(ShownLabels, &str, f64)]) {
    let seen: BTreeMap<_, _> = gauges.iter().map(|(_, name, value)| ((*name).to_owned(), value.to_bits())).collect();
    let of_model = model.gauges().iter();
    let expected: BTreeMap<_, _> =
        of_model.map(|(name, value)| (format!("loaddensity_{name}"), value.to_bits())).collect();
    assert_eq!((seen, gauges.len()), (expected, model.gauges().len()), "gauges");
    let constant = besides.beside(Vec::new());
    assert!(gauges.iter().all(|(labels, ..)| *labels == constant), "{gauges:?} have not {constant:?}");
}

impl PageExtras<'_> {
    /// The labels of a series.
    fn labels(&self, known: &ModelSeries) -> ShownLabels {
        self.beside(known.spelling.shown(Format::Prometheus))
    }

    /// These labels and the constant ones, but for those that are there already.
    fn beside(&self, mut labels: ShownLabels) -> ShownLabels {
        for (key, value) in self.constant.iter().filter(|(_, value)| !value.is_empty()) {
            if labels.iter().all(|(own, _)| own != key) {
                labels.push((key.clone(), value.clone()));
            }
        }
        labels.sort();
        labels
    }

    /// Every constant label is there, or one of the metric's own that has its name.
    fn assert_on(&self, labels: &[(&str, &str)]) {
        for (key, value) in self.constant.iter().filter(|(_, value)| !value.is_empty()) {
            let seen = labels.iter().find(|(own, _)| own == key);
            let is_own = ["exporter", "cause"].contains(&key.as_str());
            assert!(is_own || seen.is_some_and(|(_, seen)| seen == value), "no {key}={value:?} in {labels:?}");
        }
    }
}

/// The samples of one series on a page, in their order: name with outcome or `le`, and the value's text.
type SeriesSamples = Vec<(String, String)>;

/// An outcome, or the bound of a bucket, and a kind of failure where one is told.
fn part_of(part: &str, kind: Option<&str>) -> String {
    kind.map_or_else(|| part.to_owned(), |kind| format!("{part} {kind}"))
}

fn page_lines(known: &ModelSeries, is_open: bool, tells_kinds: bool) -> SeriesSamples {
    let mut lines = Vec::new();
    let mut push = |name: String, value: String| lines.push((name, value));
    for (outcome, kind, count) in known.counts(tells_kinds) {
        push(format!("loaddensity_requests_total {}", part_of(outcome.as_str(), kind)), count.to_string());
    }
    let (both, exemplars) = (known.of(None), if is_open { known.exemplars(None) } else { BTreeMap::new() });
    for (bucket, (le, count)) in LATENCY_LE.iter().zip(both.latencies_up_to()).enumerate() {
        let exemplar = exemplars.get(&bucket).map(of_sample);
        push(format!("loaddensity_request_latency_ms_bucket {le}"), with_exemplar(&count.to_string(), exemplar));
    }
    push("loaddensity_request_latency_ms_sum ".into(), millis(both.latency_sum()));
    push("loaddensity_request_latency_ms_count ".into(), both.count().to_string());
    for (le, count) in SIZE_LE.iter().zip(both.sizes_up_to()) {
        push(format!("loaddensity_response_bytes_bucket {le}"), count.to_string());
    }
    push("loaddensity_response_bytes_sum ".into(), both.size_sum().to_string());
    push("loaddensity_response_bytes_count ".into(), both.count().to_string());
    lines
}

fn with_exemplar(value: &str, exemplar: Option<String>) -> String {
    exemplar.map_or_else(|| value.to_owned(), |exemplar| format!("{value} # {exemplar}"))
}

/// The exemplar that this sample makes.
fn of_sample((sample, trace): &(Sample, TraceContext)) -> String {
    let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let ids = [("trace_id", hexadecimal(&trace.trace_id)), ("span_id", hexadecimal(&trace.span_id))];
    let known = ids.iter().filter(|(_, id)| id.bytes().any(|digit| digit != b'0'));
    let at = Some(sample.completed_at.as_unix_nanos()).filter(|at| *at != 0);
    exemplar_text(known.map(|(key, id)| (*key, id.as_str())), &millis(nanos(sample)), at)
}

fn exemplar_text<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>, value: &str, at: Option<u64>) -> String {
    format!("{:?} {value} {at:?}", labels.collect::<Vec<_>>())
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}

fn line_of(text: &[u8], line: usize) -> String {
    let line = text.split(|byte| *byte == b'\n').nth(line.saturating_sub(1)).unwrap_or_default();
    String::from_utf8_lossy(line).into_owned()
}
