//! What the bytes of a golden case say, in an order that does not depend on who wrote them, as far as the format leaves
//! that open.
//!
//! Each function panics with what is wrong with the bytes.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message as _;

use crate::families::ProtoMetricFamily;
use crate::{dogstatsd, families, influx, openmetrics, prometheus};

/// One sample of a page.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleRow {
    /// Name, type, unit and help of its family.
    pub family: String,
    /// Its name.
    pub name: String,
    /// Its labels, sorted.
    pub labels: Vec<(String, String)>,
    /// Its value.
    pub value: f64,
    /// Its exemplar.
    pub exemplar: Option<RowExemplar>,
}

/// Labels, sorted, value and time of an exemplar.
pub type RowExemplar = (Vec<(String, String)>, f64, Option<f64>);

/// The samples of a text page, those about the registry and the exporters left out.
///
/// # Panics
/// If it is not what the format's grammar allows; this and all that follow.
#[must_use]
pub fn page(page: &[u8]) -> Vec<SampleRow> {
    let parsed = prometheus::parse(page).unwrap_or_else(|error| panic!("{error}"));
    let mut rows = Vec::new();
    for family in parsed.families.iter().filter(|family| is_of_requests(family.name)) {
        rows.extend(family.samples.iter().map(|sample| SampleRow {
            family: format!("{} {:?} {:?}", family.name, family.kind, family.help),
            name: sample.name.to_owned(),
            labels: sorted(sample.labels.iter().map(|(key, value)| (*key, value.as_ref()))),
            value: sample.value,
            exemplar: None,
        }));
    }
    in_order(rows)
}

/// The samples of an OpenMetrics page, those about the registry and the exporters left out.
#[must_use]
pub fn open_page(page: &[u8]) -> Vec<SampleRow> {
    let parsed = openmetrics::parse(page).unwrap_or_else(|error| panic!("{error}"));
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"));
    let mut rows = Vec::new();
    for family in parsed.families.iter().filter(|family| is_of_requests(family.name)) {
        rows.extend(family.samples.iter().map(|sample| SampleRow {
            family: format!("{} {} {:?} {:?}", family.name, family.kind, family.unit, family.help),
            name: sample.name.to_owned(),
            labels: sorted(sample.labels.iter().map(|(key, value)| (*key, value.as_str()))),
            value: number(sample.text),
            exemplar: sample.exemplar.as_ref().map(|exemplar| {
                let labels = sorted(exemplar.labels.iter().map(|(key, value)| (*key, value.as_str())));
                (labels, number(exemplar.text), exemplar.timestamp.map(number))
            }),
        }));
    }
    in_order(rows)
}

/// A page of OpenMetrics by a client that writes every number as a float, with counts as the strict parser wants them,
/// without a point and without an exponent.
#[must_use]
pub fn whole_numbers(page: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(page);
    let whole = |sample: &str| match sample.rsplit_once(' ') {
        Some((head, number)) if number.contains("e+") && !sample.starts_with('#') => {
            format!("{head} {}", number.parse::<f64>().unwrap_or_else(|_| panic!("{sample:?} has no number")))
        }
        _ => sample.strip_suffix(".0").unwrap_or(sample).to_owned(),
    };
    let lines = text.lines().map(|line| match line.rsplit_once(" # {") {
        Some((sample, exemplar)) => whole(sample) + " # {" + exemplar + "\n",
        None => whole(line) + "\n",
    });
    lines.collect::<String>().into_bytes()
}

/// The families of a scrape in protobuf, those about the registry and the exporters left out, labels sorted.
#[must_use]
pub fn metric_families(body: &[u8]) -> Vec<ProtoMetricFamily> {
    let mut families = families::decode(body).unwrap_or_else(|error| panic!("{error}"));
    families.retain(|family| is_of_requests(family.name()));
    families.sort_by(|a, b| a.name.cmp(&b.name));
    for metric in families.iter_mut().flat_map(|family| &mut family.metric) {
        metric.label.sort_by(|a, b| a.name.cmp(&b.name));
    }
    families
}

/// The points of a body of InfluxDB, tags and fields sorted.
#[must_use]
pub fn points(body: &[u8]) -> Vec<influx::ParsedPoint> {
    let mut points = influx::parse(body).unwrap_or_else(|error| panic!("{error:?}"));
    for point in &mut points {
        point.tags.sort();
        point.fields.sort_by(|a, b| a.0.cmp(&b.0));
    }
    points
}

/// The messages of a payload of DogStatsD, fields in one order.
#[must_use]
pub fn messages(payload: &[u8]) -> Vec<dogstatsd::ParsedMessage<'_>> {
    let mut messages = dogstatsd::parse(payload).unwrap_or_else(|error| panic!("{error}"));
    messages.iter_mut().for_each(|message| message.origin.sort_unstable());
    messages
}

/// An OTLP message, metrics sorted.
#[must_use]
pub fn export(message: &[u8]) -> ExportMetricsServiceRequest {
    let mut request = ExportMetricsServiceRequest::decode(message).unwrap_or_else(|error| panic!("{error}"));
    for scope in request.resource_metrics.iter_mut().flat_map(|resource| &mut resource.scope_metrics) {
        scope.metrics.sort_by(|a, b| a.name.cmp(&b.name));
    }
    request
}

fn is_of_requests(family: &str) -> bool {
    !["loaddensity_exporter_", "loaddensity_registry_"].iter().any(|prefix| family.starts_with(prefix))
}

fn sorted<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    let mut labels: Vec<_> = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    labels.sort();
    labels
}

/// Sums and counts may stand before the buckets or after them.
fn in_order(mut rows: Vec<SampleRow>) -> Vec<SampleRow> {
    rows.sort_by(|a, b| (&a.family, &a.name, &a.labels).cmp(&(&b.family, &b.name, &b.labels)));
    rows
}
