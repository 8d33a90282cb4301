//! The verdicts on InfluxDB lines in their dialects.

use super::{own, same};
use crate::contract::{Format, ShownLabels, millis, observed};
use crate::influx::{self, ParsedPoint, ParsedValue};
use crate::model::own::{Measured, OwnValues};
use crate::model::{Model, ModelSeries, bytes, kind_text, nanos};
use loaddensity_metrics_core::influxdb::{IntervalEncoder, StatusCode};
use loaddensity_metrics_core::{Outcome, Sample};
use std::collections::{BTreeMap, BTreeSet};

/// What lines have beside the contract's tags, and where they have the status code.
#[derive(Clone, Debug, Default)]
pub struct LineDialect {
    /// Constant tags: keys as every format takes them, values as they were given.
    pub constant: Vec<(String, String)>,
    /// Where the status code is.
    pub status: StatusCode,
}

/// Judges InfluxDB bodies: each sample of the model is one line.
///
/// # Panics
/// If a body breaks the format, or the lines are not the model's samples.
pub fn lines<'b>(model: &Model, measurement: &str, dialect: &LineDialect, bodies: impl IntoIterator<Item = &'b [u8]>) {
    let mut times = BTreeSet::new();
    let mut points = Vec::new();
    for point in bodies.into_iter().flat_map(|body| read(body, measurement)) {
        assert!(point.timestamp.is_some(), "a point has no time: {point:?}");
        assert!(times.insert((point.tags.clone(), point.timestamp)), "time occurs twice: {point:?}");
        points.push((tags(&point), sorted(point.fields)));
    }
    let mut expected = Vec::new();
    for known in model.shown() {
        for sample in &known.samples {
            let mut tags = dialect.tags(known);
            dialect.add_request(&mut tags, sample);
            let kind = kind_text(sample).filter(|_| model.tells_kinds());
            tags.extend(kind.map(|kind| ("error_type".into(), kind.into())));
            tags.sort();
            expected.push((tags, sorted(dialect.fields(sample))));
        }
    }
    same(expected, points);
}

/// Judges bodies of intervals, of which each holds all that the model has of its series.
///
/// # Panics
/// If a body breaks the format, or the lines are not what the model's samples amount to.
pub fn intervals<'b>(
    model: &Model,
    measurement: &str,
    dialect: &LineDialect,
    bodies: impl IntoIterator<Item = &'b [u8]>,
) {
    let points: Vec<_> = bodies.into_iter().flat_map(|body| read(body, measurement)).collect();
    let known: Vec<_> = model.shown().filter(|known| !known.samples.is_empty()).collect();
    same(known.iter().map(|known| dialect.tags(known)).collect(), points.iter().map(tags).collect());
    for known in known {
        let tags_of = dialect.tags(known);
        let candidates: Vec<_> = points.iter().filter(|point| tags(point) == tags_of).collect();
        let is_right = |point: &&ParsedPoint| is_interval_of(point, known, model.tells_kinds());
        assert!(candidates.into_iter().any(|point| is_right(&point)), "no {known:?} in {points:?}");
    }
}

/// Judges the line of all gauges, which is empty where there are none.
///
/// # Panics
/// If it breaks the format, or shows other gauges than the model's.
pub fn gauges(model: &Model, measurement: &str, dialect: &LineDialect, line: &[u8]) {
    let points = if line.is_empty() { Vec::new() } else { read(line, measurement) };
    assert_eq!(points.len(), usize::from(!model.gauges().is_empty()), "{points:?}");
    for point in points {
        assert_eq!(tags(&point), dialect.beside(Vec::new()));
        let expected = model.gauges().iter().map(|(name, value)| format!("{name} {:?}", ParsedValue::Float(*value)));
        same(expected.collect(), point.fields.iter().map(|(name, value)| format!("{name} {value:?}")).collect());
    }
}

/// Judges bodies of one interval of the engine's own instruments: each place has all of its own in lines with the same tags.
///
/// # Panics
/// If a body breaks the format, or the points are not what was observed.
pub fn instruments<'b>(
    model: &Model,
    measurement: &str,
    dialect: &LineDialect,
    bodies: impl IntoIterator<Item = &'b [u8]>,
) {
    let mut lines: Vec<_> = bodies.into_iter().flat_map(|body| read(body, measurement)).collect();
    let is_of_one_time = lines.iter().all(|line| line.timestamp == lines[0].timestamp);
    assert!(is_of_one_time, "not of one time: {lines:?}");
    // What each place has of each instrument. Two may have the same tags: where hashes are blurred, and where two names differ in
    // what no tag can hold.
    let mut places: BTreeMap<_, Vec<(&OwnValues, &[u64])>> = BTreeMap::new();
    for own in model.own() {
        for point in model.own_points(own, false) {
            let place = point.of.map(|known| known.spelling.identity());
            let tags = point.of.map_or_else(|| dialect.beside(Vec::new()), |known| dialect.tags(known));
            places.entry((tags, place)).or_default().push((own, point.values));
        }
    }
    let mut places: Vec<_> = places.into_iter().collect();
    // Of two whose hashes are blurred, the one with more takes its lines first.
    places.sort_by_key(|(_, owns)| std::cmp::Reverse(owns.len()));
    for ((tags_of, _), owns) in places {
        let alike: BTreeSet<_> = lines.iter().filter(|line| tags(line) == tags_of).map(|line| &line.tags).collect();
        let left = alike.into_iter().find_map(|exact| without(&lines, exact, &owns));
        lines = left.unwrap_or_else(|| panic!("no {owns:?} of {tags_of:?} in {lines:?}"));
    }
    assert!(lines.iter().all(|line| line.fields.is_empty()), "nobody observed {lines:?}");
}

/// What is left of lines without what those with these tags have of these instruments; `None` where one of them is missing.
fn without(
    lines: &[ParsedPoint],
    tags: &[(String, String)],
    owns: &[(&OwnValues, &[u64])],
) -> Option<Vec<ParsedPoint>> {
    let mut left = lines.to_vec();
    for (own, values) in owns {
        let line = left.iter_mut().find(|line| line.tags == *tags && has_fields(line, own, values))?;
        let name = own.declared.suffixed();
        let is_own = |field: &str| match own.declared.measured {
            Measured::Counts => field == name,
            _ => {
                field.strip_prefix(&name).and_then(|part| part.strip_prefix('_')).is_some_and(|it| PARTS.contains(&it))
            }
        };
        let (all, of_one) =
            (line.fields.len(), if own.declared.measured == Measured::Counts { 1 } else { PARTS.len() });
        line.fields.retain(|(field, _)| !is_own(field));
        assert_eq!(all - line.fields.len(), of_one, "a field twice in {lines:?}");
    }
    Some(left)
}

/// What a histogram's fields end with.
const PARTS: [&str; 7] = ["count", "sum", "min", "max", "p50", "p95", "p99"];

/// Judges bodies of observations one by one: each value of the model is a line with one field and a time of its own.
///
/// # Panics
/// As [`instruments`].
pub fn observations<'b>(
    model: &Model,
    measurement: &str,
    dialect: &LineDialect,
    bodies: impl IntoIterator<Item = &'b [u8]>,
) {
    let (mut times, mut points) = (BTreeSet::new(), Vec::new());
    for point in bodies.into_iter().flat_map(|body| read(body, measurement)) {
        assert!(times.insert(point.timestamp), "time occurs twice: {point:?}");
        points.push((tags(&point), sorted(point.fields)));
    }
    let mut expected = Vec::new();
    for own in model.own() {
        let name = own.declared.suffixed();
        for point in model.own_points(own, false) {
            let tags = point.of.map_or_else(|| dialect.beside(Vec::new()), |known| dialect.tags(known));
            let fields = point.values.iter().map(|value| vec![(name.clone(), shown(own.declared.measured, *value))]);
            expected.extend(fields.map(|fields| (tags.clone(), sorted(fields))));
        }
    }
    same(expected, points);
}

/// A value as lines have it.
fn shown(measured: Measured, value: u64) -> ParsedValue {
    match measured {
        Measured::Times => ParsedValue::Float(millis(value).parse().unwrap_or(f64::NAN)),
        Measured::Numbers | Measured::Counts => integer(value),
    }
}

/// Whether a line has what was observed with an instrument.
fn has_fields(point: &ParsedPoint, own: &OwnValues, values: &[u64]) -> bool {
    let (measured, name, sum) = (own.declared.measured, own.declared.suffixed(), values.iter().sum());
    if measured == Measured::Counts {
        return point.field(&name) == Some(&integer(sum));
    }
    let field = |part: &str| point.field(&format!("{name}_{part}"));
    let is = |part: &str, value: Option<u64>| field(part) == value.map(|value| shown(measured, value)).as_ref();
    let is_near = |(part, percent): (&str, usize)| match (field(part), measured) {
        (Some(ParsedValue::Float(value)), Measured::Times) => own::is_quantile(measured, *value, percent, values),
        (Some(ParsedValue::Integer(value)), Measured::Numbers) => {
            own::is_quantile(measured, *value as f64, percent, values)
        }
        _ => false,
    };
    field("count") == Some(&integer(values.len() as u64))
        && is("sum", Some(sum))
        && is("min", values.iter().min().copied())
        && is("max", values.iter().max().copied())
        && own::PERCENTS.into_iter().all(is_near)
}

impl LineDialect {
    /// The tags of a series, sorted; of two with the same key the series' own.
    fn tags(&self, known: &ModelSeries) -> ShownLabels {
        self.beside(known.spelling.shown(Format::Influxdb))
    }

    /// These tags and the constant ones, sorted; of two with the same key the former.
    fn beside(&self, mut tags: ShownLabels) -> ShownLabels {
        for (key, value) in self.constant.iter().filter(|(_, value)| !value.is_empty()) {
            if tags.iter().all(|(own, _)| own != key) {
                tags.push((key.clone(), Format::Influxdb.safe(value)));
            }
        }
        tags.sort();
        tags
    }

    fn add_request(&self, tags: &mut ShownLabels, sample: &Sample) {
        tags.push(("outcome".into(), sample.outcome.as_str().into()));
        let key = match self.status {
            StatusCode::Field => None,
            StatusCode::Tag => Some("status_code"),
            StatusCode::Both => Some("status"),
            other => panic!("no oracle for {other:?}"),
        };
        // A series' own tag of that key is shown.
        if let Some(key) = key.filter(|key| tags.iter().all(|(own, _)| own != key)) {
            tags.push((key.into(), sample.status.to_string()));
        }
        tags.sort();
    }

    fn fields(&self, sample: &Sample) -> Vec<(String, ParsedValue)> {
        let latency: f64 = millis(nanos(sample)).parse().unwrap_or(f64::NAN);
        let mut fields = vec![
            ("status_code".to_owned(), ParsedValue::Integer(sample.status.into())),
            ("response_time_ms".to_owned(), ParsedValue::Float(latency)),
            ("response_length".to_owned(), integer(bytes(sample))),
        ];
        if self.status == StatusCode::Tag {
            fields.remove(0);
        }
        fields
    }
}

/// The points of a body, in which both parsers see the same and keys are in order.
fn read(body: &[u8], measurement: &str) -> Vec<ParsedPoint> {
    let parsed = influx::parse(body).unwrap_or_else(|e| panic!("{e}: {:?}", String::from_utf8_lossy(body)));
    for (line, point) in String::from_utf8_lossy(body).lines().zip(&parsed) {
        let portable = influx::portable(line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
        assert_eq!(&portable, point, "two parsers disagree about {line:?}");
        assert_eq!(point.measurement, measurement);
        let is_ascending = point.tags.windows(2).all(|pair| pair[0].0 < pair[1].0);
        assert!(is_ascending, "tags are not in order: {line:?}");
    }
    parsed
}

fn tags(point: &ParsedPoint) -> ShownLabels {
    observed(point.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())), &[])
}

/// Fields in one order: a line may have them in any.
fn sorted(mut fields: Vec<(String, ParsedValue)>) -> String {
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    format!("{fields:?}")
}

fn is_interval_of(point: &ParsedPoint, known: &ModelSeries, tells_kinds: bool) -> bool {
    let kinds = known.counts(tells_kinds).into_iter();
    let kinds: Vec<_> = kinds
        .filter_map(|(_, kind, count)| Some((format!("failures_{}", kind?), count)))
        .filter(|(_, count)| *count != 0)
        .collect();
    let names: Vec<_> = point.fields.iter().map(|(name, _)| name.as_str()).collect();
    let latencies: Vec<u64> = known.samples.iter().map(nanos).collect();
    let failures = known.samples.iter().filter(|sample| sample.outcome == Outcome::Failure).count();
    let sum = |values: &mut dyn Iterator<Item = u64>| values.fold(0, u64::wrapping_add);
    let float = |name: &str| match point.field(name) {
        Some(ParsedValue::Float(value)) => *value,
        other => panic!("{name} is {other:?}"),
    };
    let as_millis = |nanos: u64| millis(nanos).parse::<f64>().unwrap_or(f64::NAN);
    let expected: Vec<_> =
        IntervalEncoder::FIELDS.into_iter().chain(kinds.iter().map(|(name, _)| name.as_str())).collect();
    names == expected
        && kinds.iter().all(|(name, count)| point.field(name) == Some(&integer(*count)))
        && point.field("requests") == Some(&ParsedValue::Integer(known.samples.len() as i64))
        && point.field("failures") == Some(&ParsedValue::Integer(failures as i64))
        && float("response_time_ms_sum") == as_millis(sum(&mut latencies.iter().copied()))
        && Some(float("response_time_ms_min")) == latencies.iter().min().map(|nanos| as_millis(*nanos))
        && Some(float("response_time_ms_max")) == latencies.iter().max().map(|nanos| as_millis(*nanos))
        && [("p50", 50), ("p95", 95), ("p99", 99)]
            .into_iter()
            .all(|(name, percent)| is_quantile(float(&format!("response_time_ms_{name}")), percent, &latencies))
        && point.field("response_length_sum") == Some(&integer(sum(&mut known.samples.iter().map(bytes))))
}

/// Whether `millis` is what `percent` of the latencies did not exceed, as near as the buckets can tell.
fn is_quantile(millis: f64, percent: usize, latencies: &[u64]) -> bool {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    let rank = (percent * sorted.len()).div_ceil(100).max(1);
    let exact = sorted[rank - 1] as f64 / 1e6;
    // All that is below the scale is in one bucket, and so is all that is above it.
    let is_off_scale = exact <= 1.0 / 1_024.0 || exact > f64::from(1 << 20);
    is_off_scale || (millis - exact).abs() <= exact * 0.0445 + 2e-6
}

fn integer(value: u64) -> ParsedValue {
    ParsedValue::Integer(value.try_into().unwrap_or(i64::MAX))
}
