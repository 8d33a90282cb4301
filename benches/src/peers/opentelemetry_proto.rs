//! `opentelemetry-proto` and `prost`: the message as structs, filled from counts that are there already.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
    metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use crate::floor::otlp::{OtlpCell, Times, attribute};
use crate::trace::{LATENCY_BOUNDS_MS, SIZE_BOUNDS_F64};

/// Builds the request: a sum and two histograms for each series, all of whose requests succeed.
#[must_use]
pub fn build(
    names: &[(&str, &str)],
    cells: &[OtlpCell],
    service_name: &str,
    times: Times,
) -> ExportMetricsServiceRequest {
    let all = || names.iter().zip(cells);
    let latency = |cell: &OtlpCell| (counts(&cell.latencies), cell.latency_ms());
    let size = |cell: &OtlpCell| (counts(&cell.sizes), cell.bytes_f64());
    let latencies = all().map(|(name, cell)| histogram(name, latency(cell), &LATENCY_BOUNDS_MS, times)).collect();
    let sizes = all().map(|(name, cell)| histogram(name, size(cell), &SIZE_BOUNDS_F64, times)).collect();
    let requests = all().map(|(name, cell)| number(name, cell.requests.load(Relaxed), times)).collect();
    let metrics = vec![
        metric("loaddensity.requests", "Completed requests", "1", sum(requests)),
        metric("loaddensity.request.latency", "Request latency in milliseconds", "ms", distribution(latencies)),
        metric("loaddensity.response.size", "Response size in bytes", "By", distribution(sizes)),
    ];
    let scope = InstrumentationScope { name: "loaddensity".into(), ..InstrumentationScope::default() };
    let resource = Resource { attributes: vec![attribute("service.name", service_name)], ..Resource::default() };
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() }];
    let resource_metrics =
        vec![ResourceMetrics { resource: Some(resource), scope_metrics, ..ResourceMetrics::default() }];
    ExportMetricsServiceRequest { resource_metrics }
}

fn attributes((method, name): &(&str, &str)) -> Vec<KeyValue> {
    vec![attribute("method", method), attribute("name", name), attribute("outcome", "success")]
}

fn counts(buckets: &[AtomicU64]) -> Vec<u64> {
    buckets.iter().map(|bucket| bucket.load(Relaxed)).collect()
}

fn number(series: &(&str, &str), count: u64, times: Times) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(series),
        start_time_unix_nano: times.start,
        time_unix_nano: times.now,
        value: Some(number_data_point::Value::AsInt(count as i64)),
        ..NumberDataPoint::default()
    }
}

fn histogram(
    series: &(&str, &str),
    (bucket_counts, sum): (Vec<u64>, f64),
    bounds: &[f64],
    times: Times,
) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: attributes(series),
        start_time_unix_nano: times.start,
        time_unix_nano: times.now,
        count: bucket_counts.iter().sum(),
        sum: Some(sum),
        bucket_counts,
        explicit_bounds: bounds.to_vec(),
        ..HistogramDataPoint::default()
    }
}

fn sum(data_points: Vec<NumberDataPoint>) -> metric::Data {
    metric::Data::Sum(Sum { data_points, aggregation_temporality: CUMULATIVE, is_monotonic: true })
}

fn distribution(data_points: Vec<HistogramDataPoint>) -> metric::Data {
    metric::Data::Histogram(Histogram { data_points, aggregation_temporality: CUMULATIVE })
}

const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

fn metric(name: &str, description: &str, unit: &str, data: metric::Data) -> Metric {
    let (name, description, unit) = (name.into(), description.into(), unit.into());
    Metric { name, description, unit, data: Some(data), ..Metric::default() }
}
