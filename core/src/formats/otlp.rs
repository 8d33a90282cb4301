//! OpenTelemetry: `ExportMetricsServiceRequest`s, cumulative or of intervals, in canonical protobuf, bare or framed for
//! gRPC.
//!
//! A request is written back to front into the end of the caller's buffer, so that every length is known when it is
//! written and no counter that moves meanwhile can tear one. What does not fit goes into the cycle's next request; all
//! of them carry one timestamp. Points without requests are left out.
//!
//! Sources: opentelemetry-proto, `metrics/v1/metrics.proto`, `common/v1/common.proto`, `resource/v1/resource.proto`,
//! `collector/metrics/v1/metrics_service.proto`; grpc/grpc, PROTOCOL-HTTP2.md, "Length-Prefixed-Message".

mod answer;
mod cell_point;
mod envelope;
mod export;
mod field;
mod interval;
mod layout;
mod metric_head;
mod options;
mod own_export;
mod resource;
mod row_point;
mod throttle;

use crate::aggregates::row::{Half, MAX_WORDS, RowShape};
use crate::aggregates::rows::FrozenRows;
use crate::counts::bounds::{Bounds, Quantity};
use crate::counts::lane_sums::LaneSums;
use crate::labels::otlp as labels;
use crate::labels::otlp::OtlpAttributes;
use crate::metrics::{DURATION, GAUGE_DESCRIPTION, Instrument, LATENCY, OTLP_NAMESPACE, REQUESTS, SIZE};
use crate::registry::Registry;
use crate::request::sample::{Outcome, Timestamp};
use crate::request::series::Series;
use crate::wire::protobuf::ReverseWriter;
use crate::wire::text::out::Full;
use cell_point::{CellPoint, CellPointWriter, MAX_POINT, SPILL};
use envelope::{Frame, LEVELS, surround};
use export::PointRow;
use layout::Layout;
use metric_head::{MetricHead, data_field};
use resource::{NAMED_BYTES, USUAL_BYTES};
use row_point::{MAX_ROW_POINT, PointAttributes, PointScale, RowPoint, RowPointWriter};

pub use answer::{Framed, Malformed, PartialSuccess, Response, grpc_message};
pub use export::{Export, Part, Sources};
pub use interval::DeltaInterval;
pub use options::{ExportOptions, HistogramAggregation};
pub use own_export::{OwnExport, OwnPart};
pub use resource::{RESOURCE_BYTES, Resource, ResourceError, SERVICE_NAME_BYTES};
pub use throttle::{Pushback, retry_delay, status_message};

/// Instrumentation scope of all metrics.
pub const SCOPE: &str = "loaddensity";
/// A buffer of this many bytes holds any single data point with all that must surround it, where the resource has
/// nothing but its name.
pub const MIN_REQUEST: usize = 2_304;
/// The same for a resource of up to 1,536 bytes, with [`ExportOptions::default`]. Each byte more of the resource takes one
/// more here: [`Resource::min_request`].
pub const MIN_ANY_REQUEST: usize = 4_096;
/// The same for any [`ExportOptions`], and for intervals.
pub const MIN_OPTIONS_REQUEST: usize = 8_192;
/// Length of the gRPC frame's prefix: one byte of flags and a length of four.
pub const GRPC_PREFIX: usize = 5;

/// `AGGREGATION_TEMPORALITY_DELTA`.
const DELTA: u64 = 1;
/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u64 = 2;

/// The most bytes around the points, without the resource's attributes and [`OtlpMetric::Duration`].
const SURROUNDINGS: usize = {
    const METRICS: usize = OtlpMetric::Requests.frame() + OtlpMetric::Latency.frame() + OtlpMetric::Size.frame();
    SPILL + METRICS + LEVELS
};
const _: () = assert!(MIN_REQUEST >= SURROUNDINGS + NAMED_BYTES + 2 * VARINT_FIELD + MAX_POINT);
const _: () = assert!(MIN_ANY_REQUEST >= SURROUNDINGS + USUAL_BYTES + 2 * VARINT_FIELD + MAX_POINT);
const _: () = assert!(
    MIN_OPTIONS_REQUEST >= SURROUNDINGS + OtlpMetric::Duration.frame() + USUAL_BYTES + 2 * VARINT_FIELD + MAX_ROW_POINT
);
/// Bytes of a field whose value is below 128. Up to two of them follow the points.
const VARINT_FIELD: usize = 2;

/// Writes one part of a cycle.
struct Writer<'a> {
    registry: Registry<'a>,
    resource: &'a Resource,
    points: CellPointWriter,
    /// Where the points are made of rows instead of straight from the counters.
    rows: Option<RowSource<'a>>,
    /// What is written next.
    at: Export,
    /// Whether the part is to have a single point.
    is_single: bool,
    /// Data points written so far.
    written: usize,
}

impl<'a> Writer<'a> {
    fn new(at: Export, sources: Sources<'a>, is_single: bool) -> Self {
        let Sources { registry, resource, options, interval, .. } = sources;
        // A single point is always made of a row: the bytes are the same.
        let needs_rows = is_single || !sources.is_plain();
        Self {
            registry,
            resource,
            points: CellPointWriter::new(&registry.bounds(), at.start, at.now),
            rows: needs_rows.then(|| RowSource::new(registry, options, at.start, at.now, interval)),
            at,
            is_single,
            written: 0,
        }
    }

    /// Writes as many points as fit into the end of `out`; `None` where none is left, [`Full`] where not even one fits.
    fn write(mut self, out: &mut [u8], frame: Frame) -> Result<Option<Part>, Full> {
        // The buffer's front is kept free for what surrounds the points, so that it always fits.
        let (reserve, before) = (self.surroundings(), self.at.requests);
        if out.len() < reserve {
            return if self.at.is_complete() { Ok(None) } else { Err(Full) };
        }
        let mut back = ReverseWriter::new(out, reserve);
        while let Some(metric) = self.at.metric {
            if !self.put_metric(metric, &mut back) {
                break;
            }
            self.at.next_metric();
        }
        if self.at.metric.is_none() {
            self.put_gauges(&mut back);
        }
        if self.written == 0 {
            return if self.at.is_complete() { Ok(None) } else { Err(Full) };
        }
        surround(self.resource, &mut back, frame);
        let (bytes, points) = (back.into_written().len(), self.written);
        Ok(Some(Part { bytes, points, requests: self.at.requests - before, next: self.at }))
    }

    /// Writes a metric with as many of its points as fit; returns whether those are all.
    fn put_metric(&mut self, metric: OtlpMetric, back: &mut ReverseWriter<'_>) -> bool {
        if metric == OtlpMetric::Duration && !self.has_duration() {
            return true;
        }
        let (head, close) = (metric.head(), back.mark());
        head.open(self.temporality(), back);
        let first = back.mark();
        let is_done = self.points(metric, back);
        if back.mark() == first {
            back.rewind(close);
        } else {
            head.close(data_field(head.kind, self.is_exponential()), back, close);
        }
        is_done
    }

    /// Whether a single point was asked for and is written.
    const fn is_full(&self) -> bool {
        self.is_single && self.written != 0
    }

    fn has_duration(&self) -> bool {
        self.rows.as_ref().is_some_and(|rows| rows.shows(OtlpMetric::Duration))
    }

    /// Writes the gauges that fit, as they are now.
    #[inline(never)]
    fn put_gauges(&mut self, back: &mut ReverseWriter<'_>) {
        while let Some(at) = self.at.gauge.filter(|_| !self.is_full()) {
            let Some((name, value)) = self.registry.gauges().nth(at) else {
                self.at.gauge = None;
                break;
            };
            let mark = back.mark();
            if self.put_gauge(&name, value, back).is_err() {
                back.rewind(mark);
                break;
            }
            self.at.gauge = Some(at + 1);
            self.written += 1;
        }
    }

    fn put_gauge(&self, name: &str, value: f64, back: &mut ReverseWriter<'_>) -> Result<(), Full> {
        let end = back.mark();
        back.put_forced_fixed64(field::NUMBER_AS_DOUBLE, value.to_bits())?;
        back.fixed64(field::TIME_UNIX_NANO, self.at.now.as_unix_nanos())?;
        back.length_since(end, field::DATA_POINTS)?;
        back.length_since(end, field::METRIC_GAUGE)?;
        labels::put_string(back, field::METRIC_DESCRIPTION, GAUGE_DESCRIPTION)?;
        let name_end = back.mark();
        back.put(name.as_bytes())?;
        back.put(OTLP_NAMESPACE.as_bytes())?;
        back.length_since(name_end, field::METRIC_NAME)?;
        back.length_since(end, field::METRICS)
    }

    /// Writes as many points of `metric` as fit; returns whether those are all.
    #[inline(never)]
    fn points(&mut self, metric: OtlpMetric, back: &mut ReverseWriter<'_>) -> bool {
        let layout = self.points.layout();
        // A loop for each metric, so that no loop has to ask at each point.
        let all = match metric {
            _ if self.rows.is_some() => self.each_row(metric, back),
            _ if layout != Layout::USUAL => self.each_point(metric, layout, back),
            OtlpMetric::Requests => self.each_point(OtlpMetric::Requests, Layout::USUAL, back),
            OtlpMetric::Latency => self.each_point(OtlpMetric::Latency, Layout::USUAL, back),
            OtlpMetric::Size => self.each_point(OtlpMetric::Size, Layout::USUAL, back),
            // Made of rows alone.
            OtlpMetric::Duration => Ok(()),
        };
        all.is_ok()
    }

    #[inline(always)]
    fn each_point(&mut self, metric: OtlpMetric, layout: Layout, back: &mut ReverseWriter<'_>) -> Result<(), Full> {
        let (registry, cells, mut lanes) = (self.registry, self.registry.shard_cells(), LaneSums::NONE);
        while let Some(number) = self.at.above.checked_sub(1) {
            let series = Series::from_number(number);
            let entry = registry.entry(series);
            if entry.is_published() {
                let point = |outcome| CellPoint::new(&cells, series, outcome, entry);
                if self.at.outcome == Outcome::Failure {
                    if let Some(point) = point(Outcome::Failure) {
                        self.put_point(metric, layout, point, &mut lanes, back)?;
                    }
                    self.at.outcome = Outcome::Success;
                }
                if let Some(point) = point(Outcome::Success) {
                    self.put_point(metric, layout, point, &mut lanes, back)?;
                }
            }
            self.at.above = number;
            self.at.outcome = Outcome::Failure;
        }
        Ok(())
    }

    #[inline(always)]
    fn put_point(
        &mut self,
        metric: OtlpMetric,
        layout: Layout,
        point: CellPoint<'_>,
        lanes: &mut LaneSums,
        back: &mut ReverseWriter<'_>,
    ) -> Result<(), Full> {
        if let Some(requests) = self.points.put(metric, layout, point, lanes, back)? {
            self.written += 1;
            self.at.requests += requests;
        }
        Ok(())
    }

    #[inline(never)]
    fn each_row(&mut self, metric: OtlpMetric, back: &mut ReverseWriter<'_>) -> Result<(), Full> {
        let Some(rows) = self.rows else { return Ok(()) };
        let mut room = [0; MAX_WORDS];
        while let Some(row) = self.at.row() {
            let PointRow { series, outcome, kind } = row;
            let entry = self.registry.entry(series);
            if entry.is_published() {
                let half = rows.half(metric, self.registry, row, &mut room);
                let count = half.count;
                if count != 0 {
                    if self.is_full() {
                        return Err(Full);
                    }
                    let exemplars = rows.exemplars && matches!(metric, OtlpMetric::Latency | OtlpMetric::Duration);
                    let exemplars = exemplars.then_some((self.registry, series, outcome));
                    let labels = entry.labels::<OtlpAttributes>();
                    let attributes = match metric {
                        OtlpMetric::Duration => PointAttributes::Conventional(labels, outcome),
                        _ => PointAttributes::Outcome(labels, outcome),
                    };
                    let point = RowPoint { kind, attributes, exemplars };
                    rows.writer.put(metric.scale(&rows.bounds), half, point, back)?;
                    self.written += 1;
                    self.at.requests += if metric == OtlpMetric::Requests { count } else { 0 };
                }
            }
            self.at.pass_row();
        }
        Ok(())
    }

    const fn temporality(&self) -> u64 {
        match &self.rows {
            Some(RowSource { interval: Some(_), .. }) => DELTA,
            _ => CUMULATIVE,
        }
    }

    fn is_exponential(&self) -> bool {
        self.rows.as_ref().is_some_and(|rows| rows.writer.is_exponential)
    }

    /// The most bytes that [`surround`] and the metrics' frames write.
    fn surroundings(&self) -> usize {
        let further = if self.has_duration() { const { OtlpMetric::Duration.frame() } } else { 0 };
        SURROUNDINGS + further + self.resource.as_bytes().len()
    }
}

/// How points are made of rows.
#[derive(Clone, Copy, Debug)]
struct RowSource<'a> {
    shape: RowShape,
    bounds: Bounds,
    writer: RowPointWriter,
    exemplars: bool,
    /// Whether latencies are shown in seconds too.
    has_duration: bool,
    /// Where the rows are kept; else they are read when they are needed.
    interval: Option<FrozenRows<'a>>,
}

impl<'a> RowSource<'a> {
    fn new(
        registry: Registry<'_>,
        options: ExportOptions,
        start: Timestamp,
        now: Timestamp,
        interval: Option<FrozenRows<'a>>,
    ) -> Self {
        let bounds = registry.bounds();
        let is_exponential = RowPointWriter::is_exponential(options, registry);
        let shape = if is_exponential { RowShape::exponential() } else { RowShape::explicit(&bounds) };
        Self {
            // The extremes of an interval are not known.
            shape: interval.map_or_else(|| shape.with_extremes(), |rows| rows.shape()),
            bounds,
            writer: RowPointWriter { is_exponential, min_max: options.min_max, start, now },
            exemplars: options.exemplars && interval.is_none(),
            has_duration: options.http_client_duration && !is_exponential,
            interval,
        }
    }

    const fn shows(&self, metric: OtlpMetric) -> bool {
        self.has_duration || !matches!(metric, OtlpMetric::Duration)
    }

    /// The histogram that `metric` shows of what was counted, in `room` or in the interval's memory.
    fn half<'r>(
        &self,
        metric: OtlpMetric,
        registry: Registry<'_>,
        PointRow { series, outcome, kind }: PointRow,
        room: &'r mut [u64; MAX_WORDS],
    ) -> Half<'r>
    where
        'a: 'r,
    {
        let row = match self.interval {
            Some(interval) => interval.row(series, outcome),
            // A whole row for each kind would be read in vain.
            None if kind.is_some() => {
                let failures = registry.shard_cells().failures(series).unwrap_or_default();
                let of_kind = kind.and_then(|kind| failures.get(kind.index()).copied());
                return Half::of_count(of_kind.unwrap_or_default());
            }
            None => self.shape.read_into(registry, series, outcome, room),
        };
        match metric {
            OtlpMetric::Size => self.shape.sizes(row),
            OtlpMetric::Latency | OtlpMetric::Duration => self.shape.latencies(row),
            OtlpMetric::Requests => Half::of_count(match kind {
                Some(kind) => self.shape.failures_of(row, kind),
                None => self.shape.requests(row),
            }),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OtlpMetric {
    Requests,
    Latency,
    Size,
    /// The latencies once more, as OpenTelemetry's semantic conventions have them.
    Duration,
}

impl OtlpMetric {
    /// The one that is written first.
    const LAST: Self = Self::Duration;

    const fn previous(self) -> Option<Self> {
        match self {
            Self::Requests => None,
            Self::Latency => Some(Self::Requests),
            Self::Size => Some(Self::Latency),
            Self::Duration => Some(Self::Size),
        }
    }

    const fn instrument(self) -> &'static Instrument {
        match self {
            Self::Requests => &REQUESTS,
            Self::Latency => &LATENCY,
            Self::Size => &SIZE,
            Self::Duration => &DURATION,
        }
    }

    const fn head(self) -> MetricHead<'static> {
        let Instrument { kind, otlp, description, otlp_unit, .. } = *self.instrument();
        MetricHead { name: [otlp, "", "", ""], description, unit: otlp_unit, kind }
    }

    const fn frame(self) -> usize {
        self.head().frame()
    }

    /// What its histogram's numbers mean; `None` for the counter.
    fn scale(self, bounds: &Bounds) -> Option<PointScale<'_>> {
        match self {
            Self::Requests => None,
            Self::Latency => Some(PointScale::new(Quantity::Latency, bounds.latency_ns())),
            Self::Size => Some(PointScale::new(Quantity::Size, bounds.size())),
            Self::Duration => Some(PointScale::in_seconds(bounds.latency_ns())),
        }
    }
}
