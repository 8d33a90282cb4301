//! OpenTelemetry: `ExportMetricsServiceRequest`s, cumulative, in canonical protobuf, framed for gRPC.
//!
//! A request is written back to front into the end of the caller's buffer, so that every length is known when it is
//! written and no counter that moves meanwhile can tear one. What does not fit goes into the cycle's next request; all
//! of them carry one timestamp. Points without requests are left out.
//!
//! Sources: opentelemetry-proto, `metrics/v1/metrics.proto`, `common/v1/common.proto`, `resource/v1/resource.proto`,
//! `collector/metrics/v1/metrics_service.proto`; grpc/grpc, PROTOCOL-HTTP2.md, "Length-Prefixed-Message".

mod answer;
mod field;

use heapless::Vec;

use crate::cell::{LATENCY_BOUNDS_NS, LATENCY_BUCKETS, SIZE_BOUNDS, SIZE_BUCKETS};
use crate::labels::otlp as labels;
use crate::out::{Full, TooSmall};
use crate::protobuf::BackOut;
use crate::registry::Registry;
use crate::sample::{Outcome, Timestamp};
use crate::series::Series;

pub use answer::{Malformed, PartialSuccess, grpc_message, partial_success};

/// Instrumentation scope of all metrics.
pub const SCOPE: &str = "loaddensity";
/// Longest `service.name` in bytes that is shown; a longer one is cut on a character boundary.
pub const SERVICE_NAME_BYTES: usize = 255;
/// A buffer of this many bytes holds any single data point with all that must surround it.
pub const MIN_REQUEST: usize = 2_048;
/// Length of the gRPC frame's prefix: one byte of flags and a length of four.
pub const GRPC_PREFIX: usize = 5;

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u64 = 2;

/// One export cycle in progress.
///
/// ```
/// use loaddensity_metrics_core::{Storage, Timestamp, otlp::Export};
///
/// static STORAGE: Storage<100, 4, 1024> = Storage::new();
/// let (start, now) = (Timestamp::from_unix_nanos(1), Timestamp::from_unix_nanos(2));
/// let mut export = Export::new(STORAGE.registry(), "checkout", start, now);
/// let mut buffer = [0; 4096];
/// while let Some(message) = export.next_request(&mut buffer)? {
///     // Send `message` as the body of one gRPC call.
/// }
/// # Ok::<(), loaddensity_metrics_core::TooSmall>(())
/// ```
#[derive(Debug)]
pub struct Export<'a> {
    registry: Registry<'a>,
    service_name: &'a str,
    start: Timestamp,
    now: Timestamp,
    /// What is written next: from the last metric to the first, in each from the last series to the first.
    metric: Option<Metric>,
    /// One more than the series that is written next.
    above: u32,
    end: u32,
    /// Both outcomes of a series are points of their own.
    outcome: Outcome,
    requests: u64,
}

impl<'a> Export<'a> {
    /// A cycle over what `registry` holds, as of `now`, counted since `start`.
    #[must_use]
    pub fn new(registry: Registry<'a>, service_name: &'a str, start: Timestamp, now: Timestamp) -> Self {
        let end = registry.series_end();
        Self {
            registry,
            service_name: cut(service_name),
            start,
            now,
            metric: Some(Metric::Size),
            above: end,
            end,
            outcome: Outcome::Failure,
            requests: 0,
        }
    }

    /// Writes the next request, gRPC prefix included, into the end of `out`, with as many data points as fit, and
    /// returns it; `None` when the cycle is complete.
    ///
    /// # Errors
    /// [`TooSmall`] where not even one data point fits; nothing is lost by it. [`MIN_REQUEST`] bytes always suffice.
    pub fn next_request<'b>(&mut self, out: &'b mut [u8]) -> Result<Option<&'b [u8]>, TooSmall> {
        // The buffer's front is kept free for what surrounds the points, so that it always fits.
        let reserve = self.surroundings();
        if out.len() < reserve {
            return self.nothing_or_too_small();
        }
        let mut back = BackOut::new(out, reserve);
        let mut is_empty = true;
        while let Some(metric) = self.metric {
            let close = back.mark();
            metric.open(&mut back);
            let first = back.mark();
            let is_done = self.points(metric, &mut back);
            if back.mark() == first {
                back.rewind(close);
            } else {
                metric.close(&mut back, close);
                is_empty = false;
            }
            if !is_done {
                break;
            }
            self.next_metric(metric);
        }
        if is_empty {
            return self.nothing_or_too_small();
        }
        self.surround(&mut back);
        Ok(Some(back.into_written()))
    }

    /// Requests in the counter points written so far: when the cycle is complete, the total that it shows.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.requests
    }

    fn nothing_or_too_small(&self) -> Result<Option<&'static [u8]>, TooSmall> {
        match self.metric {
            None => Ok(None),
            Some(_) => Err(TooSmall { needed: MIN_REQUEST }),
        }
    }

    fn next_metric(&mut self, metric: Metric) {
        self.metric = metric.previous();
        self.above = self.end;
        self.outcome = Outcome::Failure;
    }

    /// Writes the points of `metric` that fit; says whether those are all.
    fn points(&mut self, metric: Metric, back: &mut BackOut<'_>) -> bool {
        while let Some(number) = self.above.checked_sub(1) {
            let series = Series::from_number(number);
            let entry = self.registry.entry(series);
            if entry.is_published() {
                let attributes: Vec<u8, { labels::BYTES }> = entry.otlp().to_vec();
                loop {
                    let mark = back.mark();
                    match self.point(metric, series, &attributes, back) {
                        Ok(requests) => self.requests += requests,
                        Err(Full) => {
                            back.rewind(mark);
                            return false;
                        }
                    }
                    if self.outcome == Outcome::Success {
                        break;
                    }
                    self.outcome = Outcome::Success;
                }
            }
            self.above = number;
            self.outcome = Outcome::Failure;
        }
        true
    }

    /// Writes one point, frozen first, unless it is empty; returns the requests that it adds to the total.
    fn point(&self, metric: Metric, series: Series, attributes: &[u8], back: &mut BackOut<'_>) -> Result<u64, Full> {
        let end = back.mark();
        let requests = match metric {
            Metric::Requests => {
                let count = self.registry.latencies(series, self.outcome).count();
                if count == 0 {
                    return Ok(0);
                }
                labels::put_attributes(back, field::NUMBER_ATTRIBUTES, attributes, self.outcome)?;
                back.fixed64(field::NUMBER_AS_INT, count)?;
                count
            }
            Metric::Latency => {
                let sums = self.registry.latencies(series, self.outcome);
                let millis = sums.sum_ns as f64 / NANOS_PER_MILLI;
                self.histogram(&sums.buckets, &LATENCY_BOUNDS_MS, millis, attributes, back)?;
                0
            }
            Metric::Size => {
                let sums = self.registry.sizes(series, self.outcome);
                self.histogram(&sums.buckets, &SIZE_BOUNDS_F64, sums.sum as f64, attributes, back)?;
                0
            }
        };
        if back.mark() == end {
            return Ok(0);
        }
        back.fixed64(field::TIME_UNIX_NANO, self.now.as_unix_nanos())?;
        back.fixed64(field::START_TIME_UNIX_NANO, self.start.as_unix_nanos())?;
        back.length_since(end, field::DATA_POINTS)?;
        Ok(requests)
    }

    fn histogram(
        &self,
        buckets: &[u64],
        bounds: &[f64],
        sum: f64,
        attributes: &[u8],
        back: &mut BackOut<'_>,
    ) -> Result<(), Full> {
        let count: u64 = buckets.iter().sum();
        if count == 0 {
            return Ok(());
        }
        labels::put_attributes(back, field::HISTOGRAM_ATTRIBUTES, attributes, self.outcome)?;
        let end = back.mark();
        bounds.iter().rev().try_for_each(|bound| back.put(&bound.to_le_bytes()))?;
        back.length_since(end, field::HISTOGRAM_EXPLICIT_BOUNDS)?;
        let end = back.mark();
        buckets.iter().rev().try_for_each(|bucket| back.put(&bucket.to_le_bytes()))?;
        back.length_since(end, field::HISTOGRAM_BUCKET_COUNTS)?;
        back.put_forced_fixed64(field::HISTOGRAM_SUM, sum.to_bits())?;
        back.fixed64(field::HISTOGRAM_COUNT, count)
    }

    /// An upper bound of what [`Self::surround`] and the metrics' own frames write.
    const fn surroundings(&self) -> usize {
        const METRICS: usize = 3 * 64;
        const LEVELS: usize =
            GRPC_PREFIX + 3 * 6 + 2 + 2 + SCOPE.len() + 2 * labels::ATTRIBUTE_FRAME + "service.name".len();
        METRICS + LEVELS + self.service_name.len()
    }

    /// Puts scope, resource and gRPC prefix in front of the metrics. Never fails: the room was kept.
    fn surround(&self, back: &mut BackOut<'_>) {
        back.release_reserve();
        let fits = self.try_surround(back);
        debug_assert_eq!(fits, Ok(()));
    }

    fn try_surround(&self, back: &mut BackOut<'_>) -> Result<(), Full> {
        let whole = back.end_mark();
        let scope = back.mark();
        labels::put_string(back, field::SCOPE_NAME, SCOPE)?;
        back.length_since(scope, field::SCOPE)?;
        back.length_since(whole, field::SCOPE_METRICS)?;
        let resource = back.mark();
        labels::put_attribute(back, field::RESOURCE_ATTRIBUTES, "service.name", self.service_name)?;
        back.length_since(resource, field::RESOURCE)?;
        back.length_since(whole, field::RESOURCE_METRICS)?;
        let length = back.since(whole) as u32;
        back.put(&length.to_be_bytes())?;
        // Not compressed.
        back.put(&[0])
    }
}

const NANOS_PER_MILLI: f64 = 1e6;
const LATENCY_BOUNDS_MS: [f64; LATENCY_BUCKETS - 1] = {
    let mut bounds = [0.0; LATENCY_BUCKETS - 1];
    let mut i = 0;
    while i < bounds.len() {
        bounds[i] = (LATENCY_BOUNDS_NS[i] / 1_000_000) as f64;
        i += 1;
    }
    bounds
};
const SIZE_BOUNDS_F64: [f64; SIZE_BUCKETS - 1] = {
    let mut bounds = [0.0; SIZE_BUCKETS - 1];
    let mut i = 0;
    while i < bounds.len() {
        bounds[i] = SIZE_BOUNDS[i] as f64;
        i += 1;
    }
    bounds
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Metric {
    Requests,
    Latency,
    Size,
}

impl Metric {
    const fn previous(self) -> Option<Self> {
        match self {
            Self::Requests => None,
            Self::Latency => Some(Self::Requests),
            Self::Size => Some(Self::Latency),
        }
    }

    const fn name_and_unit(self) -> (&'static str, &'static str) {
        match self {
            Self::Requests => ("loaddensity.requests", "1"),
            Self::Latency => ("loaddensity.request.latency", "ms"),
            Self::Size => ("loaddensity.response.size", "By"),
        }
    }

    /// Writes what comes behind the points. Where it does not fit, no point will either.
    fn open(self, back: &mut BackOut<'_>) {
        let mark = back.mark();
        let monotonic = if self == Self::Requests { back.varint_field(field::IS_MONOTONIC, 1) } else { Ok(()) };
        let fits = monotonic.and_then(|()| back.varint_field(field::AGGREGATION_TEMPORALITY, CUMULATIVE));
        if fits.is_err() {
            back.rewind(mark);
        }
    }

    /// Writes what comes before the points, into the room that was kept.
    fn close(self, back: &mut BackOut<'_>, end: usize) {
        let kept = back.release_reserve();
        let fits = self.try_close(back, end);
        debug_assert_eq!(fits, Ok(()));
        back.restore_reserve(kept);
    }

    fn try_close(self, back: &mut BackOut<'_>, end: usize) -> Result<(), Full> {
        let data = if self == Self::Requests { field::METRIC_SUM } else { field::METRIC_HISTOGRAM };
        back.length_since(end, data)?;
        let (name, unit) = self.name_and_unit();
        labels::put_string(back, field::METRIC_UNIT, unit)?;
        labels::put_string(back, field::METRIC_NAME, name)?;
        back.length_since(end, field::METRICS)
    }
}

fn cut(name: &str) -> &str {
    let mut end = name.len().min(SERVICE_NAME_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}
