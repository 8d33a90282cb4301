//! The verdicts: what an oracle read from the wire, compared with what the model says was recorded.
//!
//! Each function panics with the difference, so that tests and fuzz targets can use it as it is. All compare the whole:
//! nothing may be missing, doubled or too much, and every number must be equal.

use crate::contract::{Format, LATENCY_BOUNDS_MS, LATENCY_LE, SIZE_BOUNDS, SIZE_LE, Shown, millis, observed};
use crate::model::{Known, Model, Side, bytes, nanos, separate};
use crate::{dogstatsd, influx, otlp, prometheus};
use loaddensity_metrics_core::{Cause, Exporter, Outcome, Sample};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

/// Lines of one series on a Prometheus page: two counters, and two histograms with their sums and counts.
pub const PAGE_LINES_PER_SERIES: usize = 2 + (LATENCY_LE.len() + 2) + (SIZE_LE.len() + 2);
/// Lines about the registry itself on every page.
pub const PAGE_LINES_OF_REGISTRY: usize = 5;
/// Lines about each exporter that was ever started.
pub const PAGE_LINES_PER_EXPORTER: usize = 3 + Cause::ALL.len();

const FAMILIES: [(&str, prometheus::Kind); 3] = [
    ("loaddensity_requests_total", prometheus::Kind::Counter),
    ("loaddensity_request_latency_ms", prometheus::Kind::Histogram),
    ("loaddensity_response_bytes", prometheus::Kind::Histogram),
];

/// Judges a whole page; `exporters` are those that were ever started on the registry.
///
/// # Panics
/// If the page breaks the format, or shows something else than the model.
pub fn page(model: &Model, exporters: &[Exporter], page: &[u8]) {
    let parsed = match prometheus::parse(page) {
        Ok(parsed) => parsed,
        Err(error) => panic!("{error}: {:?}", line_of(page, error.line)),
    };
    let families: Vec<_> = parsed.families.iter().take(3).map(|family| (family.name, family.kind)).collect();
    assert_eq!(families, FAMILIES);
    assert!(parsed.families.iter().all(|family| family.help.is_some()), "a family without HELP");
    // Method and name as they are keep series apart whose hashes are blurred.
    let mut series: BTreeMap<(Shown, (&str, &str)), Lines> = BTreeMap::new();
    for sample in parsed.families.iter().take(3).flat_map(|family| &family.samples) {
        let labels = sample.labels.iter().map(|(key, value)| (*key, value.as_ref()));
        let exact = (sample.label("method").unwrap_or_default(), sample.label("name").unwrap_or_default());
        let key = (observed(labels, &["outcome", "le"]), exact);
        let part = sample.label("outcome").or_else(|| sample.label("le")).unwrap_or_default();
        let line = (format!("{} {part}", sample.name), sample.text.to_owned());
        series.entry(key).or_default().push(line);
        assert!(exact.0.len() <= 32 && exact.1.len() <= 255, "{exact:?} is too long");
    }
    let shown: Vec<_> = series.into_iter().map(|((key, _), lines)| (key, lines)).collect();
    let expected = model.shown().map(|known| (known.spelling.shown(Format::Prometheus), page_lines(known)));
    same(expected.collect(), shown);
    let lines = model.shown().count() * PAGE_LINES_PER_SERIES
        + exporters.len() * PAGE_LINES_PER_EXPORTER
        + PAGE_LINES_OF_REGISTRY;
    assert_eq!(parsed.sample_count(), lines, "samples on the page");
    for exporter in Exporter::ALL {
        let labels = [("exporter", exporter.as_str())];
        let is_shown = parsed.sample("loaddensity_exporter_recorded_total", &labels).is_some();
        assert_eq!(is_shown, exporters.contains(&exporter), "account of {exporter}");
    }
}

/// The samples of one series on a page, in their order: name with outcome or `le`, and the value's text.
type Lines = Vec<(String, String)>;

fn page_lines(known: &Known) -> Lines {
    let mut lines = Vec::new();
    let mut push = |name: String, value: String| lines.push((name, value));
    for outcome in Outcome::ALL {
        let count = known.of(Some(outcome)).count();
        push(format!("loaddensity_requests_total {}", outcome.as_str()), count.to_string());
    }
    let both = known.of(None);
    for (le, count) in LATENCY_LE.iter().zip(both.latencies_up_to()) {
        push(format!("loaddensity_request_latency_ms_bucket {le}"), count.to_string());
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

/// Judges lines of InfluxDB, joined into bodies: each sample of the model is one point.
///
/// # Panics
/// If a line breaks the format or is read differently by some version of InfluxDB, or the points are not the model's
/// samples, or two points of one series have the same time.
pub fn lines<'b>(model: &Model, measurement: &str, bodies: impl IntoIterator<Item = &'b [u8]>) {
    let mut points = Vec::new();
    let mut times = BTreeSet::new();
    for body in bodies {
        let parsed = influx::parse(body).unwrap_or_else(|e| panic!("{e}: {:?}", String::from_utf8_lossy(body)));
        for (line, point) in String::from_utf8_lossy(body).lines().zip(&parsed) {
            let portable = influx::portable(line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
            assert_eq!(&portable, point, "two parsers disagree about {line:?}");
            assert_eq!(point.measurement, measurement);
            let tags: Vec<(&str, &str)> = point.tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            assert!(tags.is_sorted(), "tags are not in order: {line:?}");
            assert!(times.insert((point.tags.clone(), point.timestamp)), "time occurs twice: {line:?}");
            let outcome = point.tag("outcome").unwrap_or_default().to_owned();
            points.push((observed(tags, &["outcome"]), outcome, format!("{:?}", point.fields)));
        }
    }
    same(each_sample(model, Format::Influxdb, |sample| vec![influx_fields(sample)]), points);
}

fn influx_fields(sample: &Sample) -> String {
    let millis: f64 = millis(nanos(sample)).parse().unwrap_or(f64::NAN);
    let fields = [
        ("status_code".to_owned(), influx::Value::Integer(sample.status.into())),
        ("response_time_ms".to_owned(), influx::Value::Float(millis)),
        ("response_length".to_owned(), influx::Value::Integer(bytes(sample).try_into().unwrap_or(i64::MAX))),
    ];
    format!("{fields:?}")
}

/// Judges DogStatsD payloads: each sample of the model is three messages.
///
/// # Panics
/// If a payload breaks the grammar, or the messages are not the model's samples.
pub fn messages<'b>(model: &Model, prefix: &str, payloads: impl IntoIterator<Item = &'b [u8]>) {
    let mut messages = Vec::new();
    for payload in payloads {
        let parsed =
            dogstatsd::parse(payload).unwrap_or_else(|e| panic!("{e}: {:?}", String::from_utf8_lossy(payload)));
        for message in parsed {
            assert!(message.rate.is_none() && message.timestamp.is_none() && message.origin.is_empty());
            let tags = message.tags.iter().map(|(key, value)| (*key, value.unwrap_or_default()));
            let outcome = message.tag("outcome").unwrap_or_default().to_owned();
            let name = message.name.strip_prefix(prefix).unwrap_or_else(|| panic!("prefix of {}", message.name));
            let text = format!("{name} {:?} {:?}", message.kind, message.values);
            messages.push((observed(tags, &["outcome"]), outcome, text));
        }
    }
    let expected = each_sample(model, Format::Dogstatsd, |sample| {
        vec![
            format!(".requests Count {:?}", ["1"]),
            format!(".request.latency Timing {:?}", [millis(nanos(sample))]),
            format!(".response.size Histogram {:?}", [bytes(sample).to_string()]),
        ]
    });
    same(expected, messages);
}

/// Judges the gRPC-framed requests of one OTLP cycle.
///
/// # Panics
/// If a request is not canonical or breaks a rule, or the points are not the model's.
pub fn exports<'b>(model: &Model, service: &str, times: (u64, u64), frames: impl IntoIterator<Item = &'b [u8]>) {
    let mut points = Vec::new();
    for frame in frames {
        let message = otlp::unframe(frame).unwrap_or_else(|e| panic!("{e}"));
        otlp::canonical(message).unwrap_or_else(|e| panic!("{e}: {message:x?}"));
        points.extend(otlp::decode(message).unwrap_or_else(|e| panic!("{e}")));
    }
    let seen = points.into_iter().map(|point| {
        assert_eq!((point.start, point.time), times);
        assert_eq!(point.resource, [("service.name".to_owned(), service.to_owned())].into());
        assert_eq!(point.scope, "loaddensity");
        let labels = point.attributes.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let outcome = point.attributes.get("outcome").cloned().unwrap_or_default();
        (observed(labels, &["outcome"]), outcome, format!("{} {} {:?}", point.metric, point.unit, point.value))
    });
    let mut expected = Vec::new();
    for known in model.shown() {
        for outcome in Outcome::ALL {
            let side = known.of(Some(outcome));
            let points = if side.count() == 0 { Vec::new() } else { export_points(&side) };
            let key = known.spelling.shown(Format::Otlp);
            expected.extend(points.into_iter().map(|point| (key.clone(), outcome.as_str().to_owned(), point)));
        }
    }
    same(expected, seen.collect());
}

fn export_points(side: &Side<'_>) -> Vec<String> {
    let floats = |bounds: &[u64]| bounds.iter().map(|bound| *bound as f64).collect();
    let requests = otlp::Value::Sum(side.count().try_into().unwrap_or(i64::MAX));
    let latency = otlp::Value::Histogram {
        count: side.count(),
        sum: side.latency_sum() as f64 / 1e6,
        buckets: separate(&side.latencies_up_to()),
        bounds: floats(&LATENCY_BOUNDS_MS),
    };
    let size = otlp::Value::Histogram {
        count: side.count(),
        sum: side.size_sum() as f64,
        buckets: separate(&side.sizes_up_to()),
        bounds: floats(&SIZE_BOUNDS),
    };
    vec![
        format!("loaddensity.requests 1 {requests:?}"),
        format!("loaddensity.request.latency ms {latency:?}"),
        format!("loaddensity.response.size By {size:?}"),
    ]
}

type Item = (Shown, String, String);

fn each_sample(model: &Model, format: Format, texts: impl Fn(&Sample) -> Vec<String>) -> Vec<Item> {
    let mut items = Vec::new();
    for known in model.shown() {
        let shown = known.spelling.shown(format);
        for sample in &known.samples {
            let outcome = sample.outcome.as_str().to_owned();
            items.extend(texts(sample).into_iter().map(|text| (shown.clone(), outcome.clone(), text)));
        }
    }
    items
}

/// Both hold the same items, each as often, in any order.
fn same<T: Ord + Debug>(mut expected: Vec<T>, mut seen: Vec<T>) {
    expected.sort();
    seen.sort();
    if let Some((expected, seen)) = expected.iter().zip(&seen).find(|(expected, seen)| expected != seen) {
        panic!("expected {expected:?}\n    seen {seen:?}");
    }
    assert_eq!(expected.len(), seen.len(), "something is missing or too much behind the equal part");
}

fn line_of(text: &[u8], line: usize) -> String {
    let line = text.split(|byte| *byte == b'\n').nth(line.saturating_sub(1)).unwrap_or_default();
    String::from_utf8_lossy(line).into_owned()
}

#[cfg(test)]
mod tests;
