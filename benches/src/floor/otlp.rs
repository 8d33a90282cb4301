//! The floor of an OTLP export: lengths first, then the bytes, attributes encoded once for each series. What it writes
//! is what prost would write, byte for byte.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use prost::Message as _;

use crate::trace::{LATENCY_BOUNDS_MS, SIZE_BOUNDS_F64, TraceEvent};

/// Latency buckets, the one above the last bound included.
pub const LATENCIES: usize = LATENCY_BOUNDS_MS.len() + 1;
/// Size buckets, the one above the last bound included.
pub const SIZES: usize = SIZE_BOUNDS_F64.len() + 1;

/// What one series has counted.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct OtlpCell {
    /// Requests.
    pub requests: AtomicU64,
    /// Requests per latency bucket.
    pub latencies: [AtomicU64; LATENCIES],
    /// Sum of latencies in nanoseconds.
    pub latency_ns: AtomicU64,
    /// Requests per size bucket.
    pub sizes: [AtomicU64; SIZES],
    /// Sum of sizes in bytes.
    pub bytes: AtomicU64,
}

impl OtlpCell {
    /// Counts one request.
    pub fn add(&self, event: &TraceEvent) {
        let bytes = f64::from(event.bytes);
        self.requests.fetch_add(1, Relaxed);
        self.latencies[LATENCY_BOUNDS_MS.partition_point(|bound| *bound < event.millis)].fetch_add(1, Relaxed);
        self.latency_ns.fetch_add(event.nanos(), Relaxed);
        self.sizes[SIZE_BOUNDS_F64.partition_point(|bound| *bound < bytes)].fetch_add(1, Relaxed);
        self.bytes.fetch_add(event.bytes.into(), Relaxed);
    }

    /// Sum of latencies in milliseconds.
    #[inline]
    #[must_use]
    pub fn latency_ms(&self) -> f64 {
        self.latency_ns.load(Relaxed) as f64 / 1e6
    }

    /// Sum of sizes as OTLP has it.
    #[inline]
    #[must_use]
    pub fn bytes_f64(&self) -> f64 {
        self.bytes.load(Relaxed) as f64
    }
}

/// The times that all points carry, in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Since when is counted.
    pub start: u64,
    /// As of when.
    pub now: u64,
}

/// An attribute, as every contender that uses prost's structs builds it.
#[must_use]
pub fn attribute(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value.into())) };
    KeyValue { key: key.into(), value: Some(value), ..KeyValue::default() }
}

/// Writes requests of a sum and two histograms for each series.
#[derive(Debug)]
pub struct FloorExport {
    /// Attributes of each series, as fields of a number point.
    number_attributes: Vec<Box<[u8]>>,
    /// The same as fields of a histogram point.
    histogram_attributes: Vec<Box<[u8]>>,
    resource: Vec<u8>,
    scope: Vec<u8>,
    latency_bounds: Vec<u8>,
    size_bounds: Vec<u8>,
    out: Vec<u8>,
}

/// Bytes of a number point before its attributes: three fields of eight bytes.
const NUMBER: usize = 3 * 9;
/// Start and time.
const TIMES: usize = 2 * 9;
/// Cumulative, as both kinds of metric say it after their points.
const CUMULATIVE: &[u8] = &[0x10, 2];
/// And for sums: monotonic.
const MONOTONIC: &[u8] = &[0x18, 1];

/// Tags of fields that hold bytes.
mod tag {
    pub(super) const RESOURCE_METRICS: u8 = 0x0a;
    pub(super) const RESOURCE: u8 = 0x0a;
    pub(super) const SCOPE_METRICS: u8 = 0x12;
    pub(super) const SCOPE: u8 = 0x0a;
    pub(super) const METRIC: u8 = 0x12;
    pub(super) const NAME: u8 = 0x0a;
    pub(super) const DESCRIPTION: u8 = 0x12;
    pub(super) const UNIT: u8 = 0x1a;
    pub(super) const SUM: u8 = 0x3a;
    pub(super) const HISTOGRAM: u8 = 0x4a;
    pub(super) const POINT: u8 = 0x0a;
    pub(super) const NUMBER_ATTRIBUTE: u8 = 0x3a;
    pub(super) const HISTOGRAM_ATTRIBUTE: u8 = 0x4a;
    pub(super) const BUCKETS: u8 = 0x32;
    pub(super) const BOUNDS: u8 = 0x3a;
}

/// A metric whose lengths are known.
struct MetricHeader {
    name: &'static str,
    about: &'static str,
    unit: &'static str,
    tag: u8,
    /// Bytes of the points and of what follows them.
    inner: usize,
}

impl FloorExport {
    /// For these series, all of whose requests succeed.
    #[must_use]
    pub fn new(names: &[(&str, &str)], service_name: &str) -> Self {
        let attributes = |tag| -> Vec<Box<[u8]>> {
            let made: Vec<_> = names.iter().map(|name| attributes(name, tag)).collect();
            // Copied once all are made, so that they lie one after the other.
            made.iter().map(|bytes| bytes.as_slice().into()).collect()
        };
        let bounds = |bounds: &[f64]| {
            let mut bytes = Vec::new();
            put_bytes(
                &mut bytes,
                tag::BOUNDS,
                &bounds.iter().flat_map(|bound| bound.to_le_bytes()).collect::<Vec<_>>(),
            );
            bytes
        };
        let (mut resource, mut scope) = (Vec::new(), Vec::new());
        put_bytes(&mut resource, 0x0a, &attribute("service.name", service_name).encode_to_vec());
        put_bytes(&mut scope, tag::NAME, b"loaddensity");
        Self {
            number_attributes: attributes(tag::NUMBER_ATTRIBUTE),
            histogram_attributes: attributes(tag::HISTOGRAM_ATTRIBUTE),
            resource,
            scope,
            latency_bounds: bounds(&LATENCY_BOUNDS_MS),
            size_bounds: bounds(&SIZE_BOUNDS_F64),
            out: Vec::with_capacity(4 << 20),
        }
    }

    /// Encodes one request.
    pub fn encode(&mut self, cells: &[OtlpCell], times: Times) -> &[u8] {
        let heads = self.heads();
        let metrics: usize = heads.iter().map(|head| field(head.length())).sum();
        let scope_metrics = field(self.scope.len()) + metrics;
        let resource_metrics = field(self.resource.len()) + field(scope_metrics);
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        out.reserve(field(resource_metrics));
        put_tag(&mut out, tag::RESOURCE_METRICS, resource_metrics);
        put_bytes(&mut out, tag::RESOURCE, &self.resource);
        put_tag(&mut out, tag::SCOPE_METRICS, scope_metrics);
        put_bytes(&mut out, tag::SCOPE, &self.scope);
        self.points(&heads, cells, times, &mut out);
        self.out = out;
        &self.out
    }

    /// The first pass: lengths only.
    fn heads(&self) -> [MetricHeader; 3] {
        let points = |fixed: usize, attributes: &[Box<[u8]>]| -> usize {
            attributes.iter().map(|attributes| field(fixed + attributes.len())).sum()
        };
        let histogram = |fixed| points(fixed, &self.histogram_attributes) + CUMULATIVE.len();
        let latency = histogram(fixed_bytes(LATENCIES) + self.latency_bounds.len());
        let size = histogram(fixed_bytes(SIZES) + self.size_bounds.len());
        let requests = points(NUMBER, &self.number_attributes) + CUMULATIVE.len() + MONOTONIC.len();
        [
            MetricHeader {
                name: "loaddensity.requests",
                about: "Completed requests",
                unit: "1",
                tag: tag::SUM,
                inner: requests,
            },
            MetricHeader {
                name: "loaddensity.request.latency",
                about: "Request latency in milliseconds",
                unit: "ms",
                tag: tag::HISTOGRAM,
                inner: latency,
            },
            MetricHeader {
                name: "loaddensity.response.size",
                about: "Response size in bytes",
                unit: "By",
                tag: tag::HISTOGRAM,
                inner: size,
            },
        ]
    }

    /// The second pass: the metrics with their points.
    fn points(
        &self,
        [requests, latency, size]: &[MetricHeader; 3],
        cells: &[OtlpCell],
        times: Times,
        out: &mut Vec<u8>,
    ) {
        let times = stamp(times);
        requests.put(out);
        for (cell, attributes) in cells.iter().zip(&self.number_attributes) {
            put_tag(out, tag::POINT, NUMBER + attributes.len());
            let point = room::<NUMBER>(out);
            point[..TIMES].copy_from_slice(&times);
            put_fixed(point, TIMES, 0x31, cell.requests.load(Relaxed));
            out.extend_from_slice(attributes);
        }
        out.extend_from_slice(CUMULATIVE);
        out.extend_from_slice(MONOTONIC);
        latency.put(out);
        for (cell, attributes) in cells.iter().zip(&self.histogram_attributes) {
            let sum = cell.latency_ms();
            put_histogram::<_, { fixed_bytes(LATENCIES) }>(
                out,
                &times,
                &cell.latencies,
                sum,
                &self.latency_bounds,
                attributes,
            );
        }
        out.extend_from_slice(CUMULATIVE);
        size.put(out);
        for (cell, attributes) in cells.iter().zip(&self.histogram_attributes) {
            let sum = cell.bytes_f64();
            put_histogram::<_, { fixed_bytes(SIZES) }>(out, &times, &cell.sizes, sum, &self.size_bounds, attributes);
        }
        out.extend_from_slice(CUMULATIVE);
    }
}

impl MetricHeader {
    const fn length(&self) -> usize {
        field(self.name.len()) + field(self.about.len()) + field(self.unit.len()) + field(self.inner)
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_tag(out, tag::METRIC, self.length());
        put_bytes(out, tag::NAME, self.name.as_bytes());
        put_bytes(out, tag::DESCRIPTION, self.about.as_bytes());
        put_bytes(out, tag::UNIT, self.unit.as_bytes());
        put_tag(out, self.tag, self.inner);
    }
}

/// Bytes of a histogram point before its bounds: times, count, sum and buckets.
const fn fixed_bytes(buckets: usize) -> usize {
    TIMES + 2 * 9 + field(8 * buckets)
}

#[inline]
fn put_histogram<const BUCKETS: usize, const FIXED: usize>(
    out: &mut Vec<u8>,
    times: &[u8; TIMES],
    buckets: &[AtomicU64; BUCKETS],
    sum: f64,
    bounds: &[u8],
    attributes: &[u8],
) {
    const COUNT: usize = TIMES;
    const SUM: usize = COUNT + 9;
    const COUNTS: usize = SUM + 9;
    put_tag(out, tag::POINT, FIXED + bounds.len() + attributes.len());
    let point = room::<FIXED>(out);
    point[..TIMES].copy_from_slice(times);
    (point[COUNTS], point[COUNTS + 1]) = (tag::BUCKETS, 8 * BUCKETS as u8);
    let mut count = 0;
    for (position, bucket) in buckets.iter().enumerate() {
        let (value, at) = (bucket.load(Relaxed), COUNTS + 2 + 8 * position);
        count += value;
        point[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    put_fixed(point, COUNT, 0x21, count);
    put_fixed(point, SUM, 0x29, sum.to_bits());
    out.extend_from_slice(bounds);
    out.extend_from_slice(attributes);
}

fn attributes(&(method, name): &(&str, &str), tag: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in [("method", method), ("name", name), ("outcome", "success")] {
        put_bytes(&mut bytes, tag, &attribute(key, value).encode_to_vec());
    }
    bytes
}

fn stamp(times: Times) -> [u8; TIMES] {
    let mut bytes = [0; TIMES];
    put_fixed(&mut bytes, 0, 0x11, times.start);
    put_fixed(&mut bytes, 9, 0x19, times.now);
    bytes
}

/// Makes room at the end of `out`, to be written in place: small pieces that are written and then copied would stall,
/// because the copy waits for the writes.
#[inline]
fn room<const N: usize>(out: &mut Vec<u8>) -> &mut [u8; N] {
    out.extend_from_slice(&[0; N]);
    out.last_chunk_mut().expect("N bytes, just written")
}

#[inline]
fn put_fixed<const N: usize>(point: &mut [u8; N], at: usize, tag: u8, value: u64) {
    point[at] = tag;
    point[at + 1..at + 9].copy_from_slice(&value.to_le_bytes());
}

/// Bytes of a field of `content` bytes with its tag and its length.
const fn field(content: usize) -> usize {
    1 + varint(content) + content
}

const fn varint(mut value: usize) -> usize {
    let mut length = 1;
    while value >= 0x80 {
        value >>= 7;
        length += 1;
    }
    length
}

fn put_bytes(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    put_tag(out, tag, content.len());
    out.extend_from_slice(content);
}

#[inline]
fn put_tag(out: &mut Vec<u8>, tag: u8, length: usize) {
    match length {
        0..0x80 => out.extend_from_slice(&[tag, length as u8]),
        0x80..0x4000 => out.extend_from_slice(&[tag, length as u8 | 0x80, (length >> 7) as u8]),
        _ => put_long_tag(out, tag, length),
    }
}

#[cold]
fn put_long_tag(out: &mut Vec<u8>, tag: u8, mut length: usize) {
    out.push(tag);
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}
