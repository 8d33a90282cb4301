//! The verdict on OTLP requests.

use super::{own, same};
use crate::contract::{Format, LATENCY_BOUNDS_MS, SIZE_BOUNDS, observed};
use crate::model::own::{Measured, OwnValues};
use crate::model::{Model, ModelSeries, SampleSubset, bytes, nanos, separate};
use crate::otlp::{self, DecodedAttributes, DecodedPoint, DecodedValue};
use loaddensity_metrics_core::Outcome;
use loaddensity_metrics_core::otlp::{ExportOptions, HistogramAggregation};

/// What a resource holds unless more is configured: all of it from an exporter, the name alone from the core.
const RESOURCE: [&str; 5] =
    ["service.name", "service.instance.id", "telemetry.sdk.name", "telemetry.sdk.language", "telemetry.sdk.version"];

/// The metric of OpenTelemetry's semantic conventions.
const DURATION: &str = "http.client.request.duration";

/// What decides about how a model is shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExportDialect {
    /// What was asked for. Extremes are expected where the points are cumulative.
    pub options: ExportOptions,
    /// Whether the points are those of an interval.
    pub is_delta: bool,
    /// Whether the storage keeps no exponential histograms: then own instruments have other bounds, and no extremes.
    pub is_classic: bool,
}

/// Judges the gRPC-framed requests of one OTLP cycle.
///
/// # Panics
/// If a request is not canonical or breaks a rule, or the points are not the model's.
pub fn exports<'b>(model: &Model, service: &str, times: (u64, u64), frames: impl IntoIterator<Item = &'b [u8]>) {
    exports_as(ExportDialect::default(), model, service, times, frames);
}

/// The same in another dialect.
///
/// # Panics
/// If a request is not canonical or breaks a rule, or the points are not the model's.
pub fn exports_as<'b>(
    dialect: ExportDialect,
    model: &Model,
    service: &str,
    times: (u64, u64),
    frames: impl IntoIterator<Item = &'b [u8]>,
) {
    let points = decoded(dialect, service, times, frames);
    let (gauges, points): (Vec<_>, Vec<_>) =
        points.into_iter().partition(|point| matches!(point.value, DecodedValue::Gauge(_)));
    judge_gauges(model, &gauges);
    let seen = points.into_iter().map(|mut point| {
        if point.metric == DURATION {
            point.attributes = contract_attributes(point.attributes);
        }
        let labels = point.attributes.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let outcome = point.attributes.get("outcome").cloned().unwrap_or_default();
        // Only the counter has it, for the conventional metric has been renamed.
        let outcome = match point.attributes.get("error.type") {
            Some(kind) => format!("{outcome} {kind}"),
            None => outcome,
        };
        let DecodedPoint { metric, description, unit, extremes, value, exemplars, .. } = &point;
        let shown = format!("{metric} ({description}) {unit} {extremes:?} {value:?} {exemplars:?}");
        (observed(labels, &["outcome", "error.type"]), outcome, shown)
    });
    let mut expected = Vec::new();
    for known in model.shown() {
        for outcome in Outcome::ALL {
            let side = known.of(Some(outcome));
            let exemplars = exemplars_of(dialect, known, outcome, times.1);
            let points = if side.count() == 0 { Vec::new() } else { points_of(dialect, &side, &exemplars) };
            let key = known.spelling.shown(Format::Otlp);
            let points = points.into_iter().map(|point| (key.clone(), outcome.as_str().to_owned(), point));
            expected.extend(points);
        }
        for (outcome, kind, count) in known.counts(model.tells_kinds()).into_iter().filter(|(.., count)| *count != 0) {
            let kind = if kind == Some("other") { Some("_OTHER") } else { kind };
            let value = DecodedValue::Sum(count.try_into().unwrap_or(i64::MAX));
            let outcome =
                kind.map_or_else(|| outcome.as_str().to_owned(), |kind| format!("{} {kind}", outcome.as_str()));
            let point = format!("loaddensity.requests (Completed requests) 1 None {value:?} []");
            expected.push((known.spelling.shown(Format::Otlp), outcome, point));
        }
    }
    same(expected, seen.collect());
}

/// Judges the requests of a cycle of the engine's own instruments.
///
/// # Panics
/// If a request is not canonical or breaks a rule, or the points are not the model's.
pub fn instrument_exports<'b>(
    dialect: ExportDialect,
    model: &Model,
    service: &str,
    times: (u64, u64),
    frames: impl IntoIterator<Item = &'b [u8]>,
) {
    let seen = decoded(dialect, service, times, frames).into_iter().map(|point| {
        let labels = point.attributes.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let DecodedPoint { metric, description, unit, extremes, value, exemplars, .. } = &point;
        let shown = format!("{metric} ({description}) {unit} {extremes:?} {value:?} {exemplars:?}");
        (observed(labels, &[]), shown)
    });
    let mut expected = Vec::new();
    for own in model.own() {
        for point in model.own_points(own, !dialect.is_delta) {
            let labels = point.of.map(|known| known.spelling.shown(Format::Otlp)).unwrap_or_default();
            expected.push((labels, own_point(dialect, own, point.values)));
        }
    }
    same(expected, seen.collect());
}

fn own_point(dialect: ExportDialect, own: &OwnValues, values: &[u64]) -> String {
    let (declared, measured) = (&own.declared, own.declared.measured);
    let (unit, sum) = (own::unit(measured), values.iter().sum::<u64>());
    let shown_unit = match declared.suffix() {
        "" => "1",
        "bytes" => "By",
        other => other,
    };
    let scale = if measured == Measured::Times { (1.0 / 1_024.0, 160) } else { (0.0, 34 * 8) };
    let is_exponential = dialect.options.histograms == HistogramAggregation::Exponential && !dialect.is_classic;
    let value = match measured {
        Measured::Counts => DecodedValue::Sum(sum.try_into().unwrap_or(i64::MAX)),
        _ if is_exponential => exponential(values, unit, scale.0, scale.1),
        _ => {
            let bounds = own::bounds(measured, dialect.is_classic);
            let up_to = bounds.iter().map(|(bound, _)| own::up_to(values, *bound));
            DecodedValue::Histogram {
                count: values.len() as u64,
                sum: sum as f64 / unit,
                buckets: separate(&up_to.chain([values.len() as u64]).collect::<Vec<_>>()),
                bounds: bounds.iter().map(|(bound, _)| *bound as f64 / unit).collect(),
            }
        }
    };
    let has_extremes = dialect.options.min_max && !dialect.is_delta && !dialect.is_classic;
    let extremes =
        values.iter().min().zip(values.iter().max()).filter(|_| has_extremes && measured != Measured::Counts);
    let extremes = extremes.map(|(min, max)| (*min as f64 / unit, *max as f64 / unit));
    format!("loaddensity.{} ({}) {shown_unit} {extremes:?} {value:?} []", declared.name, declared.description)
}

/// The points of the requests of a cycle.
fn decoded<'b>(
    dialect: ExportDialect,
    service: &str,
    times: (u64, u64),
    frames: impl IntoIterator<Item = &'b [u8]>,
) -> Vec<DecodedPoint> {
    let mut points = Vec::new();
    for frame in frames {
        let message = otlp::unframe(frame).unwrap_or_else(|e| panic!("{e}"));
        otlp::canonical(message).unwrap_or_else(|e| panic!("{e}: {message:x?}"));
        let decoded = if dialect.is_delta { otlp::decode_delta(message) } else { otlp::decode(message) };
        points.extend(decoded.unwrap_or_else(|e| panic!("{e}")));
    }
    points.iter().for_each(|point| judge_origin(point, service, times));
    points
}

/// The attributes of the conventional metric under the contract's keys, of which it has none itself.
fn contract_attributes(mut attributes: DecodedAttributes) -> DecodedAttributes {
    let own = ["method", "name", "outcome"];
    assert!(own.iter().all(|key| !attributes.contains_key(*key)), "{attributes:?}");
    let outcome = match attributes.remove("error.type").as_deref() {
        None => Outcome::Success,
        Some("_OTHER") => Outcome::Failure,
        Some(other) => panic!("error.type is {other}"),
    };
    for (conventional, own) in [("http.request.method", "method"), ("url.template", "name")] {
        if let Some(value) = attributes.remove(conventional) {
            attributes.insert(own.to_owned(), value);
        }
    }
    attributes.insert("outcome".to_owned(), outcome.as_str().to_owned());
    attributes
}

/// What stands around a point, and when it was made.
fn judge_origin(point: &DecodedPoint, service: &str, (start, now): (u64, u64)) {
    let start = if matches!(point.value, DecodedValue::Gauge(_)) { 0 } else { start };
    assert_eq!((point.start, point.time), (start, now));
    assert_eq!(point.resource.get("service.name").map(String::as_str), Some(service));
    let is_ours = |key: &String| RESOURCE.contains(&key.as_str());
    assert!(point.resource.keys().all(is_ours), "{:?}", point.resource);
    assert_eq!(point.scope, "loaddensity");
}

fn judge_gauges(model: &Model, gauges: &[DecodedPoint]) {
    assert!(gauges.iter().all(|point| point.attributes.is_empty() && point.unit.is_empty()), "{gauges:?}");
    assert!(gauges.iter().all(|point| point.description == "Set by the load engine"), "{gauges:?}");
    let seen = gauges.iter().map(|point| format!("{} {:?}", point.metric, point.value));
    let expected =
        model.gauges().iter().map(|(name, value)| format!("loaddensity.{name} {:?}", DecodedValue::Gauge(*value)));
    same(expected.collect(), seen.collect());
}

/// In the order of their buckets. Of an interval they are not known.
fn exemplars_of(dialect: ExportDialect, known: &ModelSeries, outcome: Outcome, now: u64) -> Vec<otlp::DecodedExemplar> {
    if !dialect.options.exemplars || dialect.is_delta {
        return Vec::new();
    }
    let shown = known.exemplars(Some(outcome)).into_values().map(|(sample, trace)| otlp::DecodedExemplar {
        trace_id: trace.trace_id.to_vec(),
        span_id: if trace.span_id == [0; 8] { Vec::new() } else { trace.span_id.to_vec() },
        value: nanos(&sample) as f64 / 1e6,
        time: if sample.completed_at.as_unix_nanos() == 0 { now } else { sample.completed_at.as_unix_nanos() },
    });
    shown.collect()
}

/// The points of the histograms.
fn points_of(dialect: ExportDialect, side: &SampleSubset<'_>, exemplars: &[otlp::DecodedExemplar]) -> Vec<String> {
    let latencies: Vec<u64> = side.samples().map(nanos).collect();
    let sizes: Vec<u64> = side.samples().map(bytes).collect();
    let (latency, size) = match dialect.options.histograms {
        HistogramAggregation::Explicit => explicit(side),
        HistogramAggregation::Exponential => {
            (exponential(&latencies, 1e6, 1.0 / 1_024.0, 160), exponential(&sizes, 1.0, 0.0, 34 * 8))
        }
        other => panic!("no oracle for {other:?}"),
    };
    let show = dialect.options.min_max && !dialect.is_delta;
    let extremes = |values: &[u64], unit: f64| {
        let extremes = (values.iter().min().copied()? as f64 / unit, values.iter().max().copied()? as f64 / unit);
        show.then_some(extremes)
    };
    let mut points = vec![
        format!(
            "loaddensity.request.latency (Request latency in milliseconds) ms {:?} {latency:?} {exemplars:?}",
            extremes(&latencies, 1e6)
        ),
        format!("loaddensity.response.size (Response size in bytes) By {:?} {size:?} []", extremes(&sizes, 1.0)),
    ];
    if dialect.options.http_client_duration && dialect.options.histograms == HistogramAggregation::Explicit {
        let exemplars: Vec<_> = exemplars.iter().cloned().map(in_seconds).collect();
        let duration = durations(side);
        points.push(format!(
            "{DURATION} (Duration of HTTP client requests.) s {:?} {duration:?} {exemplars:?}",
            extremes(&latencies, 1e9)
        ));
    }
    points
}

/// The latencies in seconds, with the contract's bounds.
fn durations(side: &SampleSubset<'_>) -> DecodedValue {
    DecodedValue::Histogram {
        count: side.count(),
        sum: side.latency_sum() as f64 / 1e9,
        buckets: separate(&side.latencies_up_to()),
        bounds: LATENCY_BOUNDS_MS.iter().map(|bound| *bound as f64 / 1e3).collect(),
    }
}

/// An exemplar of a latency in milliseconds, in seconds: from whole nanoseconds, which a float holds.
fn in_seconds(exemplar: otlp::DecodedExemplar) -> otlp::DecodedExemplar {
    otlp::DecodedExemplar { value: (exemplar.value * 1e6).round() / 1e9, ..exemplar }
}

fn explicit(side: &SampleSubset<'_>) -> (DecodedValue, DecodedValue) {
    let floats = |bounds: &[u64]| bounds.iter().map(|bound| *bound as f64).collect();
    let latency = DecodedValue::Histogram {
        count: side.count(),
        sum: side.latency_sum() as f64 / 1e6,
        buckets: separate(&side.latencies_up_to()),
        bounds: floats(&LATENCY_BOUNDS_MS),
    };
    let size = DecodedValue::Histogram {
        count: side.count(),
        sum: side.size_sum() as f64,
        buckets: separate(&side.sizes_up_to()),
        bounds: floats(&SIZE_BOUNDS),
    };
    (latency, size)
}

/// The histogram at scale 3, by the formula of OTLP's data model ("All Scales"); what lies above the scale, from index
/// `above` on, is in that one bucket.
#[must_use]
pub fn exponential(values: &[u64], unit: f64, zero_threshold: f64, above: i32) -> DecodedValue {
    let sum = values.iter().fold(0_u64, |sum, value| sum.wrapping_add(*value));
    let mut buckets = std::collections::BTreeMap::new();
    let mut zero_count = 0;
    for value in values.iter().map(|value| *value as f64 / unit) {
        if value <= zero_threshold {
            zero_count += 1;
        } else {
            let index = (value.log2() * 8.0).ceil() as i32 - 1;
            *buckets.entry(index.min(above)).or_insert(0) += 1;
        }
    }
    DecodedValue::Exponential {
        count: values.len() as u64,
        sum: sum as f64 / unit,
        scale: 3,
        zero_count,
        zero_threshold,
        buckets: buckets.into_iter().collect(),
    }
}
