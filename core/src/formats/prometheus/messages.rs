//! The messages of `metrics.proto`, written back to front. Fields are named in the comments; optional scalars are
//! written even where they are zero, because in proto2 zero is not the same as nothing.

use heapless::Vec;

use super::exemplar::{self, Exemplars};
use crate::aggregates::distribution::Distribution;
use crate::counts::bounds::Quantity;
use crate::counts::exponential::SIZES;
use crate::labels::constant::CONSTANT_BYTES;
use crate::labels::prometheus::unescaped;
use crate::registry::exemplars::Exemplar;
use crate::request::label::LABELS;
use crate::request::sample::Timestamp;
use crate::wire::protobuf::ReverseWriter;
use crate::wire::text::out::Full;

/// `MetricType`.
pub(super) const COUNTER: u64 = 0;
pub(super) const GAUGE: u64 = 1;
pub(super) const HISTOGRAM: u64 = 4;

/// Most bytes of the native part of a histogram: a span for every second bucket, a delta for each, and some more.
pub(super) const NATIVE_BYTES: usize = SIZES / 2 * 14 + SIZES * 10 + 64;

/// The labels of a metric: method, name, outcome, kind of failure, further ones, and constant ones of at least four bytes each.
const MOST_LABELS: usize = 4 + LABELS + CONSTANT_BYTES / 4;
/// No value is longer than a name.
const VALUE_BYTES: usize = 256;

/// Values of zero are those up to this one: 2^-10 ms for latencies, and for sizes 2^-128, which is the default and more
/// than zero, so that a histogram without requests is a native one all the same.
const LATENCY_ZERO: f64 = 1.0 / 1_024.0;
const SIZE_ZERO: u64 = (1_023 - 128) << 52;

/// `MetricFamily` before its metrics, with its length before it: name = 1, help = 2, type = 3, unit = 5.
pub(super) fn head(
    name: &str,
    help: &str,
    unit: Option<&str>,
    kind: u64,
    metrics: usize,
    out: &mut ReverseWriter<'_>,
) -> Result<(), Full> {
    let end = out.mark();
    if let Some(unit) = unit {
        bytes(5, unit.as_bytes(), out)?;
    }
    out.varint_field(3, kind)?;
    bytes(2, help.as_bytes(), out)?;
    bytes(1, name.as_bytes(), out)?;
    out.varint((out.since(end) + metrics) as u64)
}

/// `Metric` as field 4 of its family, with escaped `labels`: label = 1.
pub(super) fn metric<'l>(
    labels: impl Iterator<Item = (&'l [u8], &'l [u8])>,
    value: impl FnOnce(&mut ReverseWriter<'_>) -> Result<(), Full>,
    out: &mut ReverseWriter<'_>,
) -> Result<(), Full> {
    let end = out.mark();
    value(out)?;
    let labels: Vec<_, MOST_LABELS> = labels.collect();
    for (name, value) in labels.into_iter().rev() {
        // `LabelPair`: name = 1, value = 2.
        let end = out.mark();
        let value: Vec<u8, VALUE_BYTES> = unescaped(value).collect();
        bytes(2, &value, out)?;
        bytes(1, name, out)?;
        out.length_since(end, 1)?;
    }
    out.length_since(end, 4)
}

/// `Counter` as field 3 of its metric: value = 1, created_timestamp = 3.
pub(super) fn counter(value: f64, created: Option<Timestamp>, out: &mut ReverseWriter<'_>) -> Result<(), Full> {
    let end = out.mark();
    timestamp(3, created, out)?;
    out.put_forced_fixed64(1, value.to_bits())?;
    out.length_since(end, 3)
}

/// `Gauge` as field 2 of its metric: value = 1.
pub(super) fn gauge(value: f64, out: &mut ReverseWriter<'_>) -> Result<(), Full> {
    let end = out.mark();
    out.put_forced_fixed64(1, value.to_bits())?;
    out.length_since(end, 2)
}

/// A histogram, classic and native in one.
pub(super) struct HistogramMessage<'h> {
    pub(super) quantity: Quantity,
    /// In nanoseconds or bytes, of all buckets but the last.
    pub(super) bounds: &'h [u64],
    /// Cumulative, the last of all.
    pub(super) up_to: &'h [u64],
    pub(super) sum: f64,
    pub(super) native: Option<Distribution>,
    pub(super) created: Option<Timestamp>,
    pub(super) exemplars: Option<Exemplars<'h>>,
}

impl HistogramMessage<'_> {
    /// As field 7 of its metric: sample_count = 1, sample_sum = 2, bucket = 3, native fields, created_timestamp = 15.
    pub(super) fn write(&self, out: &mut ReverseWriter<'_>) -> Result<(), Full> {
        let end = out.mark();
        timestamp(15, self.created, out)?;
        let classic = self.up_to.last().copied().unwrap_or_default();
        // Prometheus refuses a native histogram whose count is not the sum of its buckets.
        let count = self.native.as_ref().map_or(classic, Distribution::count);
        if let Some(native) = &self.native {
            self.native(native, out)?;
        }
        let bounded = self.up_to.len().saturating_sub(1);
        for (number, up_to) in self.up_to.iter().enumerate().rev() {
            let exemplar = self.exemplars.and_then(|exemplars| exemplars.of_bucket(number));
            // The bucket without a bound is left out, unless it has an exemplar.
            if number == bounded && exemplar.is_none() {
                continue;
            }
            // `Bucket`: cumulative_count = 1, upper_bound = 2, exemplar = 3.
            let end = out.mark();
            if let Some(exemplar) = &exemplar {
                self::exemplar(exemplar, out)?;
            }
            out.put_forced_fixed64(2, self.bound(number).to_bits())?;
            out.varint_field(1, if number == bounded { count } else { (*up_to).min(count) })?;
            out.length_since(end, 3)?;
        }
        out.put_forced_fixed64(2, self.sum.to_bits())?;
        out.varint_field(1, count)?;
        out.length_since(end, 7)
    }

    fn bound(&self, number: usize) -> f64 {
        self.bounds.get(number).map_or(f64::INFINITY, |bound| shown(self.quantity, *bound))
    }

    /// schema = 5, zero_threshold = 6, zero_count = 7, positive_span = 12, positive_delta = 13.
    fn native(&self, native: &Distribution, out: &mut ReverseWriter<'_>) -> Result<(), Full> {
        // Counted by their upper bounds here, and by their lower ones in OTLP.
        let buckets: Vec<(i32, u64), SIZES> = native.buckets().map(|(index, count)| (index + 1, count)).collect();
        let end = out.mark();
        for (number, (_, count)) in buckets.iter().enumerate().rev() {
            let before = number.checked_sub(1).and_then(|before| buckets.get(before)).map_or(0, |(_, count)| *count);
            out.varint(zigzag(count.wrapping_sub(before) as i64))?;
        }
        if !buckets.is_empty() {
            out.length_since(end, 13)?;
        }
        self.spans(&buckets, out)?;
        out.varint_field(7, native.zero_count())?;
        let threshold = match self.quantity {
            Quantity::Latency => LATENCY_ZERO.to_bits(),
            Quantity::Size => SIZE_ZERO,
        };
        out.put_forced_fixed64(6, threshold)?;
        out.varint_field(5, zigzag(Distribution::SCALE.into()))
    }

    /// `BucketSpan` for each run of neighbours: offset = 1, length = 2.
    fn spans(&self, buckets: &[(i32, u64)], out: &mut ReverseWriter<'_>) -> Result<(), Full> {
        let mut rest = buckets;
        while let Some((last, _)) = rest.last() {
            // In a run, indexes grow as positions do.
            let is_of_run = |(at, (index, _)): (usize, &(i32, u64))| last - index == (rest.len() - 1 - at) as i32;
            let length = rest.iter().enumerate().rev().take_while(|(at, bucket)| is_of_run((*at, *bucket))).count();
            let first = last - (length as i32 - 1);
            rest = &rest[..rest.len() - length];
            // The first offset is an index, each other the number of buckets between.
            let offset = rest.last().map_or(first, |(before, _)| first - before - 1);
            let end = out.mark();
            out.varint_field(2, length as u64)?;
            out.varint_field(1, zigzag(offset.into()))?;
            out.length_since(end, 12)?;
        }
        Ok(())
    }
}

/// Nanoseconds in milliseconds, or a number as it is.
pub(super) const fn shown(quantity: Quantity, value: u64) -> f64 {
    match quantity {
        Quantity::Latency => value as f64 / 1e6,
        Quantity::Size => value as f64,
    }
}

/// `Exemplar` as field 3 of its bucket: label = 1, value = 2, timestamp = 3.
fn exemplar(exemplar: &Exemplar, out: &mut ReverseWriter<'_>) -> Result<(), Full> {
    let end = out.mark();
    timestamp(3, Some(exemplar.at).filter(|at| *at != Timestamp::default()), out)?;
    out.put_forced_fixed64(2, (exemplar.latency_ns as f64 / 1e6).to_bits())?;
    for (name, digits, length) in exemplar::labels(exemplar).iter().filter(|(.., length)| *length > 0).rev() {
        let end = out.mark();
        bytes(2, &digits[..*length], out)?;
        bytes(1, name.as_bytes(), out)?;
        out.length_since(end, 1)?;
    }
    out.length_since(end, 3)
}

/// `google.protobuf.Timestamp`, if there is one: seconds = 1, nanos = 2. It is proto3: a zero is left out.
fn timestamp(field: u8, time: Option<Timestamp>, out: &mut ReverseWriter<'_>) -> Result<(), Full> {
    let Some(time) = time else { return Ok(()) };
    let (end, nanos) = (out.mark(), time.as_unix_nanos());
    if !nanos.is_multiple_of(1_000_000_000) {
        out.varint_field(2, nanos % 1_000_000_000)?;
    }
    out.varint_field(1, nanos / 1_000_000_000)?;
    out.length_since(end, field)
}

fn bytes(field: u8, bytes: &[u8], out: &mut ReverseWriter<'_>) -> Result<(), Full> {
    let end = out.mark();
    out.put(bytes)?;
    out.length_since(end, field)
}

const fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}
