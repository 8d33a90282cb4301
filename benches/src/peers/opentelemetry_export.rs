//! `opentelemetry_sdk`: the whole of an export, without sending: collect, turn into `opentelemetry-proto`'s structs,
//! encode with `prost`. It also keeps a minimum and a maximum in each histogram point, and copes with attributes that
//! were never seen before.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, MeterProvider as _};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{Instrument, SdkMeterProvider, Stream};
use prost::Message as _;

use super::opentelemetry::SharedReader;
use crate::trace::{LATENCY_BOUNDS_MS, SIZE_BOUNDS_F64, TraceWork};

/// The contract's metrics, made with the SDK, and its pipeline to bytes.
#[derive(Debug)]
pub struct OpenTelemetryExport {
    reader: SharedReader,
    /// Keeps the instruments' pipeline.
    _provider: SdkMeterProvider,
    requests: Counter<u64>,
    latency: Histogram<f64>,
    size: Histogram<f64>,
    collected: ResourceMetrics,
    out: Vec<u8>,
}

impl OpenTelemetryExport {
    /// With a limit of `series` sets of attributes, so that none overflows.
    #[must_use]
    pub fn new(service_name: &'static str, series: usize) -> Self {
        let reader = SharedReader::new();
        let resource = Resource::builder_empty().with_service_name(service_name).build();
        let limit = move |_: &Instrument| Stream::builder().with_cardinality_limit(series + 1).build().ok();
        let provider =
            SdkMeterProvider::builder().with_reader(reader.clone()).with_resource(resource).with_view(limit).build();
        let meter = provider.meter("loaddensity");
        let histogram = |name: &'static str, about: &'static str, unit: &'static str, bounds: &[f64]| {
            let builder = meter.f64_histogram(name).with_description(about).with_unit(unit);
            builder.with_boundaries(bounds.to_vec()).build()
        };
        let requests = meter.u64_counter("loaddensity.requests").with_description("Completed requests");
        Self {
            requests: requests.with_unit("1").build(),
            latency: histogram(
                "loaddensity.request.latency",
                "Request latency in milliseconds",
                "ms",
                &LATENCY_BOUNDS_MS,
            ),
            size: histogram("loaddensity.response.size", "Response size in bytes", "By", &SIZE_BOUNDS_F64),
            reader,
            _provider: provider,
            collected: ResourceMetrics::default(),
            out: Vec::new(),
        }
    }

    /// Records all requests of `work` as successes.
    pub fn record(&self, work: &TraceWork) {
        for event in &work.events {
            let (method, name) = work.names[event.series as usize];
            let attributes =
                [KeyValue::new("method", method), KeyValue::new("name", name), KeyValue::new("outcome", "success")];
            self.requests.add(1, &attributes);
            self.latency.record(event.millis, &attributes);
            self.size.record(event.bytes.into(), &attributes);
        }
    }

    /// One export.
    pub fn encode(&mut self) -> &[u8] {
        self.reader.collect(&mut self.collected).expect("a reader of a provider that runs");
        let request = ExportMetricsServiceRequest::from(&self.collected);
        self.out.clear();
        request.encode(&mut self.out).expect("a Vec takes anything");
        &self.out
    }
}
