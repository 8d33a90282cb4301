//! The prost types of `opentelemetry-proto`, as the oracle for our OTLP requests.
//!
//! [`unframe`] takes one message out of its gRPC frame, [`decode`] flattens it into points and checks what the comments
//! of `metrics.proto` demand, and [`canonical`] makes sure that the bytes are those that prost would have written for
//! the same content, so that no field is unknown, out of order, repeated or written with a longer number than needed.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
    HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, Sum, exemplar, metric, number_data_point,
};
use prost::Message;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

/// The attribute of a point that stands for all series without room: the boolean `true`.
pub const OVERFLOW: &str = "otel.metric.overflow";

/// Attribute keys with their string values, and [`OVERFLOW`] with `true`.
pub type DecodedAttributes = BTreeMap<String, String>;

/// One data point with everything that stands around it.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodedPoint {
    /// Attributes of the resource.
    pub resource: DecodedAttributes,
    /// Name of the instrumentation scope.
    pub scope: String,
    /// Name of the metric.
    pub metric: String,
    /// Description of the metric.
    pub description: String,
    /// Unit of the metric.
    pub unit: String,
    /// Attributes of the point.
    pub attributes: DecodedAttributes,
    /// Nanoseconds since the Unix epoch.
    pub start: u64,
    /// Nanoseconds since the Unix epoch.
    pub time: u64,
    /// The smallest and the largest value of a histogram that shows them.
    pub extremes: Option<(f64, f64)>,
    /// Requests that traces tell more of.
    pub exemplars: Vec<DecodedExemplar>,
    /// What was measured.
    pub value: DecodedValue,
}

/// An exemplar.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodedExemplar {
    /// Sixteen bytes.
    pub trace_id: Vec<u8>,
    /// Eight bytes, or none.
    pub span_id: Vec<u8>,
    /// What was measured.
    pub value: f64,
    /// Nanoseconds since the Unix epoch.
    pub time: u64,
}

/// The value of a point.
#[derive(Clone, Debug, PartialEq)]
pub enum DecodedValue {
    /// A monotonic sum of integers.
    Sum(i64),
    /// A number as it is at the moment.
    Gauge(f64),
    /// A histogram with explicit bounds.
    Histogram {
        /// Number of observations.
        count: u64,
        /// Their sum.
        sum: f64,
        /// Observations per bucket, not cumulated; one more than bounds.
        buckets: Vec<u64>,
        /// Upper bounds, inclusive.
        bounds: Vec<f64>,
    },
    /// A base-2 exponential histogram of values that are not negative.
    Exponential {
        /// Number of observations.
        count: u64,
        /// Their sum.
        sum: f64,
        /// 2 to the power of -`scale` is the power of two that separates two bounds.
        scale: i32,
        /// Observations that are at most `zero_threshold`.
        zero_count: u64,
        /// What counts as zero.
        zero_threshold: f64,
        /// Index and observations of each bucket that has any.
        buckets: Vec<(i32, u64)>,
    },
}

/// Why a message is refused.
#[derive(Clone, Debug, PartialEq)]
pub enum DecodeError {
    /// Less than five bytes, or the length in the frame is not that of the rest.
    Frame,
    /// The compression flag of the frame is not 0.
    Compressed,
    /// Not a message of this type.
    Protobuf(String),
    /// A level of the message without content, which should not be sent.
    Empty(&'static str),
    /// A metric that is neither a sum nor a histogram, or a point without value.
    NoData(String),
    /// A metric of another temporality than is expected, or a sum that is not monotonic.
    Temporality(String),
    /// An attribute that is empty, of the wrong type, or occurs twice.
    Attribute(String),
    /// A metric name occurs twice in a scope, or a point's attributes twice in a metric.
    Twice(String),
    /// A point's time is 0 or before its start.
    Time(String),
    /// A histogram whose lengths, bounds, buckets or sum don't fit each other.
    Histogram(String),
    /// Not the bytes that prost writes; the first difference is at this offset.
    NotCanonical(usize),
}

/// Length of what gRPC puts before each message: a flag and a length of four bytes, big-endian.
pub const FRAME_LENGTH: usize = 5;

/// The message inside one gRPC frame.
///
/// # Errors
/// [`DecodeError::Frame`] or [`DecodeError::Compressed`].
pub fn unframe(frame: &[u8]) -> Result<&[u8], DecodeError> {
    let (head, message) = frame.split_first_chunk::<FRAME_LENGTH>().ok_or(DecodeError::Frame)?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    match head[0] {
        0 if usize::try_from(length) == Ok(message.len()) => Ok(message),
        0 => Err(DecodeError::Frame),
        _ => Err(DecodeError::Compressed),
    }
}

/// The points of one `ExportMetricsServiceRequest`, in its order, all of them cumulative.
///
/// # Errors
/// The first rule that the message breaks.
pub fn decode(message: &[u8]) -> Result<Vec<DecodedPoint>, DecodeError> {
    decode_of(AggregationTemporality::Cumulative, message)
}

/// The same for points of an interval.
///
/// # Errors
/// The first rule that the message breaks.
pub fn decode_delta(message: &[u8]) -> Result<Vec<DecodedPoint>, DecodeError> {
    decode_of(AggregationTemporality::Delta, message)
}

fn decode_of(temporality: AggregationTemporality, message: &[u8]) -> Result<Vec<DecodedPoint>, DecodeError> {
    let request = request(message)?;
    not_empty(&request.resource_metrics, "resource_metrics")?;
    let mut points = Vec::new();
    for resource in &request.resource_metrics {
        flatten(temporality as i32, resource, &mut points)?;
    }
    Ok(points)
}

/// Whether these are exactly the bytes that prost would write for the same content.
///
/// # Errors
/// [`DecodeError::NotCanonical`], or [`DecodeError::Protobuf`] if prost cannot read them at all.
pub fn canonical(message: &[u8]) -> Result<(), DecodeError> {
    let theirs = request(message)?.encode_to_vec();
    if theirs == message {
        return Ok(());
    }
    let same = theirs.iter().zip(message).take_while(|(a, b)| a == b).count();
    Err(DecodeError::NotCanonical(same))
}

fn request(message: &[u8]) -> Result<ExportMetricsServiceRequest, DecodeError> {
    ExportMetricsServiceRequest::decode(message).map_err(|error| DecodeError::Protobuf(error.to_string()))
}

fn flatten(temporality: i32, resource: &ResourceMetrics, points: &mut Vec<DecodedPoint>) -> Result<(), DecodeError> {
    not_empty(&resource.scope_metrics, "scope_metrics")?;
    let resource_attributes = match &resource.resource {
        Some(resource) => attributes(&resource.attributes)?,
        None => return Err(DecodeError::Empty("resource")),
    };
    for scope in &resource.scope_metrics {
        not_empty(&scope.metrics, "metrics")?;
        let name = scope.scope.as_ref().map(|scope| scope.name.clone()).unwrap_or_default();
        let mut seen = Vec::new();
        for metric in &scope.metrics {
            if metric.name.is_empty() || seen.contains(&&metric.name) {
                return Err(DecodeError::Twice(metric.name.clone()));
            }
            seen.push(&metric.name);
            let context = PointContext { temporality, resource: &resource_attributes, scope: &name, metric };
            context.flatten(points)?;
        }
    }
    Ok(())
}

/// What stands around the points of one metric.
struct PointContext<'a> {
    temporality: i32,
    resource: &'a DecodedAttributes,
    scope: &'a str,
    metric: &'a Metric,
}

impl PointContext<'_> {
    fn flatten(&self, points: &mut Vec<DecodedPoint>) -> Result<(), DecodeError> {
        let first = points.len();
        match &self.metric.data {
            Some(metric::Data::Sum(sum)) => self.sum(sum, points)?,
            Some(metric::Data::Gauge(gauge)) => self.gauge(gauge, points)?,
            Some(metric::Data::Histogram(histogram)) => self.histogram(histogram, points)?,
            Some(metric::Data::ExponentialHistogram(histogram)) => self.exponential(histogram, points)?,
            _ => return Err(DecodeError::NoData(self.name())),
        }
        let mut seen: Vec<_> = points[first..].iter().map(|point| &point.attributes).collect();
        seen.sort_unstable();
        if seen.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(DecodeError::Twice(self.name()));
        }
        Ok(())
    }

    fn sum(&self, sum: &Sum, points: &mut Vec<DecodedPoint>) -> Result<(), DecodeError> {
        not_empty(&sum.data_points, "data_points")?;
        if sum.aggregation_temporality != self.temporality || !sum.is_monotonic {
            return Err(DecodeError::Temporality(self.name()));
        }
        for point in &sum.data_points {
            let value = integer(point).ok_or_else(|| DecodeError::NoData(self.name()))?;
            let times = (point.start_time_unix_nano, point.time_unix_nano);
            points.push(self.point(&point.attributes, times, (None, DecodedValue::Sum(value)))?);
        }
        Ok(())
    }

    fn gauge(&self, gauge: &Gauge, points: &mut Vec<DecodedPoint>) -> Result<(), DecodeError> {
        not_empty(&gauge.data_points, "data_points")?;
        for point in &gauge.data_points {
            let Some(number_data_point::Value::AsDouble(value)) =
                point.value.filter(|_| point.start_time_unix_nano == 0)
            else {
                return Err(DecodeError::NoData(self.name()));
            };
            points.push(self.point(
                &point.attributes,
                (0, point.time_unix_nano),
                (None, DecodedValue::Gauge(value)),
            )?);
        }
        Ok(())
    }

    fn histogram(&self, histogram: &Histogram, points: &mut Vec<DecodedPoint>) -> Result<(), DecodeError> {
        not_empty(&histogram.data_points, "data_points")?;
        if histogram.aggregation_temporality != self.temporality {
            return Err(DecodeError::Temporality(self.name()));
        }
        for point in &histogram.data_points {
            let times = (point.start_time_unix_nano, point.time_unix_nano);
            let value = distribution(point).ok_or_else(|| DecodeError::Histogram(self.name()))?;
            let extremes = self.extremes(point.min, point.max)?;
            let exemplars = self.exemplars(&point.exemplars)?;
            points.push(DecodedPoint { exemplars, ..self.point(&point.attributes, times, (extremes, value))? });
        }
        Ok(())
    }

    fn exponential(&self, histogram: &ExponentialHistogram, points: &mut Vec<DecodedPoint>) -> Result<(), DecodeError> {
        not_empty(&histogram.data_points, "data_points")?;
        if histogram.aggregation_temporality != self.temporality {
            return Err(DecodeError::Temporality(self.name()));
        }
        for point in &histogram.data_points {
            let times = (point.start_time_unix_nano, point.time_unix_nano);
            let value = exponential(point).ok_or_else(|| DecodeError::Histogram(self.name()))?;
            let extremes = self.extremes(point.min, point.max)?;
            let exemplars = self.exemplars(&point.exemplars)?;
            points.push(DecodedPoint { exemplars, ..self.point(&point.attributes, times, (extremes, value))? });
        }
        Ok(())
    }

    /// Each with a trace, and with a span or none.
    fn exemplars(&self, list: &[Exemplar]) -> Result<Vec<DecodedExemplar>, DecodeError> {
        let one = |exemplar: &Exemplar| match exemplar.value {
            Some(exemplar::Value::AsDouble(value))
                if exemplar.trace_id.len() == 16 && matches!(exemplar.span_id.len(), 0 | 8) =>
            {
                let (trace_id, span_id) = (exemplar.trace_id.clone(), exemplar.span_id.clone());
                Ok(DecodedExemplar { trace_id, span_id, value, time: exemplar.time_unix_nano })
            }
            _ => Err(DecodeError::NoData(self.name())),
        };
        list.iter().map(one).collect()
    }

    /// Both or neither, in order.
    fn extremes(&self, min: Option<f64>, max: Option<f64>) -> Result<Option<(f64, f64)>, DecodeError> {
        match (min, max) {
            (None, None) => Ok(None),
            (Some(min), Some(max)) if min <= max => Ok(Some((min, max))),
            _ => Err(DecodeError::Histogram(self.name())),
        }
    }

    fn point(
        &self,
        list: &[KeyValue],
        (start, time): (u64, u64),
        (extremes, value): (Option<(f64, f64)>, DecodedValue),
    ) -> Result<DecodedPoint, DecodeError> {
        if time == 0 || time < start {
            return Err(DecodeError::Time(self.name()));
        }
        Ok(DecodedPoint {
            resource: self.resource.clone(),
            scope: self.scope.to_owned(),
            metric: self.name(),
            description: self.metric.description.clone(),
            unit: self.metric.unit.clone(),
            attributes: attributes(list)?,
            start,
            time,
            extremes,
            exemplars: Vec::new(),
            value,
        })
    }

    fn name(&self) -> String {
        self.metric.name.clone()
    }
}

fn integer(point: &NumberDataPoint) -> Option<i64> {
    match point.value {
        Some(number_data_point::Value::AsInt(value)) if value >= 0 => Some(value),
        _ => None,
    }
}

/// The point as a value, if it keeps all rules that `metrics.proto` states for histograms.
fn distribution(point: &HistogramDataPoint) -> Option<DecodedValue> {
    let sum = point.sum?;
    let total = point.bucket_counts.iter().try_fold(0u64, |total, count| total.checked_add(*count))?;
    let increasing = point.explicit_bounds.windows(2).all(|pair| pair[0] < pair[1]);
    let finite = sum.is_finite() && point.explicit_bounds.iter().all(|bound| bound.is_finite());
    let fits = point.bucket_counts.len() == point.explicit_bounds.len() + 1
        && total == point.count
        && increasing
        && finite
        && (point.count > 0 || sum == 0.0);
    fits.then(|| DecodedValue::Histogram {
        count: point.count,
        sum,
        buckets: point.bucket_counts.clone(),
        bounds: point.explicit_bounds.clone(),
    })
}

/// The same for an exponential histogram, whose outermost buckets must not be empty.
fn exponential(point: &ExponentialHistogramDataPoint) -> Option<DecodedValue> {
    let sum = point.sum.filter(|sum| sum.is_finite())?;
    let no_negative = point.negative.as_ref().is_none_or(|negative| negative.bucket_counts.is_empty());
    let (offset, counts) = match &point.positive {
        Some(positive) => (positive.offset, &positive.bucket_counts[..]),
        None => (0, &[][..]),
    };
    let trimmed = counts.first() != Some(&0) && counts.last() != Some(&0);
    let total = counts.iter().try_fold(point.zero_count, |total, count| total.checked_add(*count))?;
    let fits = no_negative && trimmed && total == point.count && total > 0 && point.zero_threshold >= 0.0;
    let used = counts.iter().zip(offset..).filter(|(count, _)| **count != 0);
    fits.then(|| DecodedValue::Exponential {
        count: point.count,
        sum,
        scale: point.scale,
        zero_count: point.zero_count,
        zero_threshold: point.zero_threshold,
        buckets: used.map(|(count, index)| (index, *count)).collect(),
    })
}

fn attributes(list: &[KeyValue]) -> Result<DecodedAttributes, DecodeError> {
    let mut attributes = DecodedAttributes::new();
    for attribute in list {
        let fault = || DecodeError::Attribute(attribute.key.clone());
        let value = match attribute.value.as_ref().and_then(|any| any.value.as_ref()) {
            Some(any_value::Value::StringValue(value)) if attribute.key != OVERFLOW => value.clone(),
            Some(any_value::Value::BoolValue(true)) if attribute.key == OVERFLOW => "true".to_owned(),
            _ => return Err(fault()),
        };
        let twice = attributes.insert(attribute.key.clone(), value).is_some();
        if twice || attribute.key.is_empty() {
            return Err(fault());
        }
    }
    Ok(attributes)
}

fn not_empty<T>(list: &[T], what: &'static str) -> Result<(), DecodeError> {
    if list.is_empty() { Err(DecodeError::Empty(what)) } else { Ok(()) }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame => f.write_str("the gRPC frame's length is not the message's"),
            Self::Compressed => f.write_str("the gRPC frame is marked as compressed"),
            Self::Protobuf(error) => write!(f, "not an export request: {error}"),
            Self::Empty(what) => write!(f, "no {what}"),
            Self::NoData(metric) => write!(f, "metric {metric} or a point of it has no usable value"),
            Self::Temporality(metric) => {
                write!(f, "metric {metric} has another temporality than expected, or is not monotonic")
            }
            Self::Attribute(key) => write!(f, "attribute {key:?} is empty, of the wrong type, or there twice"),
            Self::Twice(metric) => write!(f, "metric {metric:?}, or the attributes of a point of it, occur twice"),
            Self::Time(metric) => write!(f, "a point of metric {metric} has no time, or one before its start"),
            Self::Histogram(metric) => write!(f, "a histogram of metric {metric} contradicts itself"),
            Self::NotCanonical(at) => write!(f, "not what prost would write, from byte {at} on"),
        }
    }
}

impl Error for DecodeError {}

#[cfg(test)]
mod tests;
