//! `io.prometheus.client.MetricFamily` as prost reads it, from the field tables of `metrics.proto`
//! (prometheus/client_model), as the oracle for our delimited protobuf.
//!
//! Reading checks what the schema and the documentation of native histograms
//! (<https://prometheus.io/docs/specs/native_histograms/>) ask for: families once and not empty, one value per metric,
//! no field that the schema does not have, cumulative classic buckets, and native buckets that add up.

use prost::Message;
use std::collections::{BTreeMap, BTreeSet};

/// `MetricFamily`.
#[derive(Clone, PartialEq, Message)]
#[expect(missing_docs, reason = "the names are the schema's, here and below")]
pub struct ProtoMetricFamily {
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub help: Option<String>,
    /// 0 counter, 1 gauge, 4 histogram.
    #[prost(int32, optional, tag = "3")]
    pub r#type: Option<i32>,
    #[prost(message, repeated, tag = "4")]
    pub metric: Vec<ProtoMetric>,
    #[prost(string, optional, tag = "5")]
    pub unit: Option<String>,
}

/// `Metric`.
#[derive(Clone, PartialEq, Message)]
#[expect(missing_docs, reason = "as above")]
pub struct ProtoMetric {
    #[prost(message, repeated, tag = "1")]
    pub label: Vec<ProtoLabelPair>,
    #[prost(message, optional, tag = "2")]
    pub gauge: Option<ProtoGauge>,
    #[prost(message, optional, tag = "3")]
    pub counter: Option<ProtoCounter>,
    #[prost(int64, optional, tag = "6")]
    pub timestamp_ms: Option<i64>,
    #[prost(message, optional, tag = "7")]
    pub histogram: Option<ProtoHistogram>,
}

/// `LabelPair`.
#[derive(Clone, PartialEq, Message)]
#[expect(missing_docs, reason = "as above")]
pub struct ProtoLabelPair {
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub value: Option<String>,
}

/// `Gauge`.
#[derive(Clone, PartialEq, Message)]
#[expect(missing_docs, reason = "as above")]
pub struct ProtoGauge {
    #[prost(double, optional, tag = "1")]
    pub value: Option<f64>,
}

/// `Counter`.
#[derive(Clone, PartialEq, Message)]
#[expect(missing_docs, reason = "as above")]
pub struct ProtoCounter {
    #[prost(double, optional, tag = "1")]
    pub value: Option<f64>,
    #[prost(message, optional, tag = "3")]
    pub created_timestamp: Option<ProtoTimestamp>,
}

/// `Histogram`.
#[derive(Clone, PartialEq, Message)]
#[expect(missing_docs, reason = "as above")]
pub struct ProtoHistogram {
    #[prost(uint64, optional, tag = "1")]
    pub sample_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    pub sample_sum: Option<f64>,
    #[prost(message, repeated, tag = "3")]
    pub bucket: Vec<ProtoBucket>,
    #[prost(sint32, optional, tag = "5")]
    pub schema: Option<i32>,
    #[prost(double, optional, tag = "6")]
    pub zero_threshold: Option<f64>,
    #[prost(uint64, optional, tag = "7")]
    pub zero_count: Option<u64>,
    #[prost(message, repeated, tag = "12")]
    pub positive_span: Vec<ProtoBucketSpan>,
    #[prost(sint64, repeated, tag = "13")]
    pub positive_delta: Vec<i64>,
    #[prost(message, optional, tag = "15")]
    pub created_timestamp: Option<ProtoTimestamp>,
}

/// `Bucket`.
#[derive(Clone, PartialEq, Message)]
#[expect(missing_docs, reason = "as above")]
pub struct ProtoBucket {
    #[prost(uint64, optional, tag = "1")]
    pub cumulative_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    pub upper_bound: Option<f64>,
    #[prost(message, optional, tag = "3")]
    pub exemplar: Option<ProtoExemplar>,
}

/// `Exemplar`.
#[derive(Clone, PartialEq, Message)]
#[expect(missing_docs, reason = "as above")]
pub struct ProtoExemplar {
    #[prost(message, repeated, tag = "1")]
    pub label: Vec<ProtoLabelPair>,
    #[prost(double, optional, tag = "2")]
    pub value: Option<f64>,
    #[prost(message, optional, tag = "3")]
    pub timestamp: Option<ProtoTimestamp>,
}

/// `BucketSpan`.
#[derive(Clone, PartialEq, Message)]
#[expect(missing_docs, reason = "as above")]
pub struct ProtoBucketSpan {
    #[prost(sint32, optional, tag = "1")]
    pub offset: Option<i32>,
    #[prost(uint32, optional, tag = "2")]
    pub length: Option<u32>,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, PartialEq, Message)]
#[expect(missing_docs, reason = "as above")]
pub struct ProtoTimestamp {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// Reads and checks a body.
///
/// # Errors
/// What is wrong with it.
pub fn decode(mut body: &[u8]) -> Result<Vec<ProtoMetricFamily>, String> {
    let (mut families, mut names) = (Vec::new(), BTreeSet::new());
    while !body.is_empty() {
        let whole = body;
        let family = ProtoMetricFamily::decode_length_delimited(&mut body).map_err(|error| error.to_string())?;
        check(&family).map_err(|fault| format!("{:?}: {fault}", family.name))?;
        if !names.insert(family.name.clone()) {
            return Err(format!("family {:?} twice", family.name));
        }
        // What the schema does not have, prost leaves out; deltas it packs, as we do.
        let read = whole.len() - body.len();
        if family.encode_length_delimited_to_vec().len() != read {
            return Err(format!("family {:?} holds something else besides", family.name));
        }
        families.push(family);
    }
    Ok(families)
}

impl ProtoMetric {
    /// Names and values of the labels.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.label.iter().map(|pair| (pair.name(), pair.value()))
    }

    /// The value of a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels().find(|(other, _)| *other == name).map(|(_, value)| value)
    }
}

impl ProtoHistogram {
    /// The native buckets: index and count.
    ///
    /// # Errors
    /// Spans and deltas that do not fit each other, or a negative count.
    pub fn native(&self) -> Result<BTreeMap<i32, u64>, String> {
        let (mut buckets, mut deltas) = (BTreeMap::new(), self.positive_delta.iter());
        let (mut next, mut count) = (0, 0_i64);
        for (number, span) in self.positive_span.iter().enumerate() {
            if number > 0 && span.offset() < 1 || span.length() == 0 {
                return Err(format!("span {span:?} does not stand apart, or is empty"));
            }
            next += span.offset();
            for _ in 0..span.length() {
                count += deltas.next().ok_or("fewer deltas than the spans say")?;
                buckets.insert(next, u64::try_from(count).map_err(|_| "a negative count")?);
                next += 1;
            }
        }
        if deltas.next().is_some() { Err("more deltas than the spans say".into()) } else { Ok(buckets) }
    }
}

fn check(family: &ProtoMetricFamily) -> Result<(), String> {
    if family.name().is_empty() || family.help().is_empty() || family.metric.is_empty() || family.r#type.is_none() {
        return Err("no name, help, type or metric".into());
    }
    // As Prometheus has it (model/textparse/protobufparse.go): of a counter the name without `_total`.
    let total = if family.r#type() == 0 { "_total" } else { "" };
    let name = family.name().strip_suffix(total).unwrap_or_else(|| family.name());
    if family.unit.as_ref().is_some_and(|unit| !name.ends_with(&format!("_{unit}"))) {
        return Err("the name does not end in the unit".into());
    }
    let mut seen = BTreeSet::new();
    for metric in &family.metric {
        let values = [metric.counter.is_some(), metric.gauge.is_some(), metric.histogram.is_some()];
        let wanted = [family.r#type() == 0, family.r#type() == 1, family.r#type() == 4];
        let labels: BTreeMap<_, _> = metric.labels().collect();
        if values != wanted || labels.len() != metric.label.len() || labels.contains_key("") {
            return Err(format!("not one value of the family's type, or a label twice: {metric:?}"));
        }
        if !seen.insert(labels) {
            return Err(format!("a metric twice: {metric:?}"));
        }
        metric.histogram.as_ref().map_or(Ok(()), check_histogram)?;
    }
    Ok(())
}

fn check_histogram(histogram: &ProtoHistogram) -> Result<(), String> {
    let bounds: Vec<f64> = histogram.bucket.iter().map(ProtoBucket::upper_bound).collect();
    let counts: Vec<u64> =
        histogram.bucket.iter().map(ProtoBucket::cumulative_count).chain([histogram.sample_count()]).collect();
    if !bounds.windows(2).all(|pair| pair[0] < pair[1]) || !counts.is_sorted() {
        return Err(format!("classic buckets are not in order or not cumulative: {histogram:?}"));
    }
    let mut below = f64::NEG_INFINITY;
    for bucket in &histogram.bucket {
        let is_inside = |value: f64| below < value && value <= bucket.upper_bound();
        if bucket.exemplar.as_ref().is_some_and(|exemplar| !is_inside(exemplar.value())) {
            return Err(format!("an exemplar outside of its bucket: {bucket:?}"));
        }
        below = bucket.upper_bound();
    }
    if histogram.schema.is_some() {
        let all = histogram.native()?.values().sum::<u64>() + histogram.zero_count();
        if all != histogram.sample_count() || histogram.zero_threshold() <= 0.0 {
            return Err(format!("native buckets hold {all}: {histogram:?}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
