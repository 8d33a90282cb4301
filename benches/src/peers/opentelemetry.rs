//! `opentelemetry_sdk` 0.33: instruments that are bound to attributes (experimental), and plain ones that are given
//! prebuilt attributes or build them for each request.

use std::sync::{Arc, Weak};
use std::time::Duration;

use loaddensity_metrics_core::Outcome;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, MeterProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{
    Instrument, InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Stream, Temporality,
};

use crate::contest::Role;
use crate::exposition;
use crate::recording::{Pass, RecordingContender, pass};
use crate::trace::{LATENCY_BOUNDS_MS, SIZE_BOUNDS_F64, TraceSums, TraceWork};

/// The metrics of the contract. Clones count into the same place.
#[derive(Clone)]
struct OpenTelemetryMetrics {
    reader: SharedReader,
    /// Kept: without it the instruments count nothing.
    _provider: SdkMeterProvider,
    requests: Counter<u64>,
    latency: Histogram<f64>,
    size: Histogram<f64>,
}

/// The SDK takes ownership of its reader; this one can be held by both.
#[derive(Clone, Debug)]
pub(super) struct SharedReader(Arc<ManualReader>);

impl SharedReader {
    pub(super) fn new() -> Self {
        Self(Arc::new(ManualReader::builder().build()))
    }
}

impl MetricReader for SharedReader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}

impl OpenTelemetryMetrics {
    fn new(work: &TraceWork) -> Self {
        // The SDK folds what goes beyond 2,000 attribute sets unless it is told otherwise.
        let limit = 2 * work.names.len() + 1;
        let unfolded = move |_: &Instrument| Stream::builder().with_cardinality_limit(limit).build().ok();
        let reader = SharedReader::new();
        let provider = SdkMeterProvider::builder().with_reader(reader.clone()).with_view(unfolded).build();
        let meter = provider.meter("loaddensity");
        let histogram = |name, bounds: &[f64]| meter.f64_histogram(name).with_boundaries(bounds.to_vec()).build();
        Self {
            reader,
            requests: meter.u64_counter("loaddensity.requests").build(),
            latency: histogram("loaddensity.request.latency", &LATENCY_BOUNDS_MS),
            size: histogram("loaddensity.response.size", &SIZE_BOUNDS_F64),
            _provider: provider,
        }
    }

    fn bound(&self, work: &'static TraceWork) -> Pass {
        let bind = |names: &(&'static str, &'static str)| {
            let series = attributes(*names);
            let requests = Outcome::ALL.map(|outcome| self.requests.bind(&with_outcome(&series, outcome)));
            (requests, self.latency.bind(&series), self.size.bind(&series))
        };
        let bound: Vec<_> = work.names.iter().map(bind).collect();
        let provider = self.clone();
        pass(work, move |_, event| {
            let _ = &provider;
            let (requests, latency, size) = &bound[event.series as usize];
            requests[event.outcome as usize].add(1);
            latency.record(event.millis);
            size.record(event.bytes.into());
        })
    }

    fn prebuilt(&self, work: &'static TraceWork) -> Pass {
        let build = |names: &(&'static str, &'static str)| {
            let series = attributes(*names);
            (Outcome::ALL.map(|outcome| with_outcome(&series, outcome)), series)
        };
        let attributes: Vec<_> = work.names.iter().map(build).collect();
        let metrics = self.clone();
        pass(work, move |_, event| {
            let (request, series) = &attributes[event.series as usize];
            metrics.requests.add(1, &request[event.outcome as usize]);
            metrics.latency.record(event.millis, series);
            metrics.size.record(event.bytes.into(), series);
        })
    }

    fn built(&self, work: &'static TraceWork) -> Pass {
        let metrics = self.clone();
        pass(work, move |_, event| {
            let request = with_outcome(&attributes(work.names[event.series as usize]), event.outcome);
            metrics.requests.add(1, &request);
            metrics.latency.record(event.millis, &request[..2]);
            metrics.size.record(event.bytes.into(), &request[..2]);
        })
    }

    fn sums(&self) -> TraceSums {
        let (mut metrics, mut sums) = (ResourceMetrics::default(), TraceSums::default());
        self.reader.collect(&mut metrics).expect("a pipeline");
        for metric in metrics.scope_metrics().flat_map(|scope| scope.metrics()) {
            match metric.data() {
                AggregatedMetrics::U64(data) => add_requests(&mut sums, data),
                AggregatedMetrics::F64(data) => add_histogram(&mut sums, metric.name(), data),
                AggregatedMetrics::I64(_) => panic!("{}: of a type that nobody asked for", metric.name()),
            }
        }
        sums
    }
}

fn attributes((method, name): (&'static str, &'static str)) -> [KeyValue; 2] {
    [KeyValue::new("method", method), KeyValue::new("name", name)]
}

fn with_outcome([method, name]: &[KeyValue; 2], outcome: Outcome) -> [KeyValue; 3] {
    [method.clone(), name.clone(), KeyValue::new("outcome", outcome.as_str())]
}

fn add_requests(sums: &mut TraceSums, data: &MetricData<u64>) {
    let MetricData::Sum(sum) = data else { panic!("a counter is shown as a sum") };
    for point in sum.data_points() {
        let failed = point.attributes().any(|attribute| attribute.value.as_str() == Outcome::Failure.as_str());
        sums.requests[usize::from(failed)] += point.value();
    }
}

fn add_histogram(sums: &mut TraceSums, name: &str, data: &MetricData<f64>) {
    let MetricData::Histogram(histogram) = data else { panic!("{name}: a histogram with explicit bounds") };
    for point in histogram.data_points() {
        let buckets = if name.ends_with("latency") {
            sums.latency_ns += exposition::nanos(point.sum());
            &mut sums.latency_buckets[..]
        } else {
            sums.bytes += point.sum() as u64;
            &mut sums.size_buckets[..]
        };
        buckets.iter_mut().zip(point.bucket_counts()).for_each(|(sum, count)| *sum += count);
    }
}

/// By handle.
#[must_use]
pub fn by_handle(work: &'static TraceWork) -> Vec<RecordingContender> {
    vec![recording("opentelemetry_sdk, bound instruments", work, OpenTelemetryMetrics::bound)]
}

/// By strings.
#[must_use]
pub fn by_strings(work: &'static TraceWork) -> Vec<RecordingContender> {
    vec![
        recording("opentelemetry_sdk, prebuilt attributes", work, OpenTelemetryMetrics::prebuilt),
        recording("opentelemetry_sdk, attributes built per request", work, OpenTelemetryMetrics::built),
    ]
}

fn recording(
    name: &'static str,
    work: &'static TraceWork,
    make: fn(&OpenTelemetryMetrics, &'static TraceWork) -> Pass,
) -> RecordingContender {
    let metrics = || OpenTelemetryMetrics::new(work);
    RecordingContender::new(name, Role::Peer, metrics, move |metrics| make(metrics, work), OpenTelemetryMetrics::sums)
}
