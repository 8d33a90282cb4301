//! Instruments of the engine's own in requests of their own, which hold nothing of requests: so an answer that refuses a
//! point, or says how many were left out, says it of one kind.
//!
//! Points are cumulative, or of an interval. Each series is shown with its labels and without an outcome, an instrument of
//! the run without attributes.

use super::envelope::{Frame, LEVELS, bare, grpc_prefix, surround};
use super::export::at_end;
use super::layout::FIXED64;
use super::metric_head::{self, MetricHead, data_field};
use super::row_point::{MAX_ROW_POINT, PointAttributes, PointScale, RowPoint, RowPointWriter};
use super::{
    CUMULATIVE, DELTA, MAX_POINT, MIN_ANY_REQUEST, MIN_OPTIONS_REQUEST, MIN_REQUEST, NAMED_BYTES, Resource, SPILL,
    Sources, USUAL_BYTES, VARINT_FIELD,
};
use crate::aggregates::observed::{CounterTotal, HistogramTotal};
use crate::aggregates::observed_rows::FrozenObserved;
use crate::aggregates::own_instrument::OwnInstrument;
use crate::aggregates::row::Half;
use crate::formats::weights::Weights;
use crate::labels::otlp::OtlpAttributes;
use crate::metrics::handles::{DESCRIPTION_BYTES, INSTRUMENT_NAME_BYTES};
use crate::metrics::unit::ShownUnit;
use crate::metrics::{InstrumentKind, OTLP_NAMESPACE, produced_names};
use crate::registry::Registry;
use crate::registry::instruments::declaration::Reach;
use crate::request::sample::Timestamp;
use crate::request::series::Series;
use crate::wire::protobuf::ReverseWriter;
use crate::wire::text::out::{Full, TooSmall};

/// One cycle over an engine's own instruments, and how far it has come.
///
/// It goes through the instruments that were declared when it began, the last one first, in each from the last series to
/// the first. All of a cycle's points carry one timestamp. With a copy the same part can be written again, and in another
/// length.
///
/// ```
/// use loaddensity_metrics_core::otlp::{OwnExport, Resource, Sources};
/// use loaddensity_metrics_core::{Exponential, Storage, Timestamp, Unit};
///
/// static STORAGE: Storage<100, 4, 1024, Exponential, 1> = Storage::new();
/// let registry = STORAGE.registry();
/// let iterations = registry.run_counter("iterations", Unit::One, "Iterations that ended")?;
/// registry.recorder().add_to_run(iterations, 3);
/// let (start, now) = (Timestamp::from_unix_nanos(1), Timestamp::from_unix_nanos(2));
/// let resource = Resource::new("checkout");
/// let sources = Sources::new(registry, &resource);
/// let (mut export, mut buffer) = (OwnExport::new(registry, start, now), [0; 8192]);
/// while let Some(part) = export.next_request(sources, &mut buffer)? {
///     // Send `part.of(&buffer)` as the body of one gRPC call. When it is accepted:
///     export = part.next;
/// }
/// assert_eq!(export.observations(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnExport {
    /// Instruments that are left; the last of them is next.
    left: usize,
    /// One more than the series that is next of it.
    above: u32,
    end: u32,
    observations: u64,
    start: Timestamp,
    now: Timestamp,
}

/// One part of a cycle: a request, or its message, at the end of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnPart {
    /// Its length in bytes; 0 where a point was [passed over](OwnExport::skip).
    pub bytes: usize,
    /// Data points in it; 0 where the [turn](Sources::with_turn) was over before there was one: nothing is to be sent then.
    pub points: usize,
    /// The observations that its points stand for. [`OwnExport::weights_until`] tells how many the heaviest points have.
    pub observations: u64,
    /// Where the cycle goes on.
    pub next: OwnExport,
}

impl OwnPart {
    /// The part, in the buffer that it was written into.
    #[must_use]
    pub fn of<'b>(&self, buffer: &'b [u8]) -> &'b [u8] {
        at_end(self.bytes, buffer)
    }
}

impl OwnExport {
    /// A cycle as of `now` over what was observed since `start`, from the beginning. That over an interval is
    /// [`DeltaInterval::own_export`](super::DeltaInterval::own_export).
    #[must_use]
    pub fn new(registry: Registry<'_>, start: Timestamp, now: Timestamp) -> Self {
        let end = registry.series_end();
        Self { left: registry.own_instruments().count(), above: end, end, observations: 0, start, now }
    }

    /// The rest of the cycle as of `now`. After an attempt without an answer the rest is written anew: a series must not
    /// have two values at one time.
    #[must_use]
    pub const fn at(self, now: Timestamp) -> Self {
        Self { now, ..self }
    }

    /// Observations in the points before this: when the cycle is complete, those that it shows.
    #[must_use]
    pub const fn observations(&self) -> u64 {
        self.observations
    }

    /// Whether nothing is left to be written.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.left == 0
    }

    /// Writes the next request, gRPC prefix included, into the end of `out`, with as many data points as fit; `None` when
    /// the cycle is complete. Of `sources` it heeds the limit, the turn, the kind of histograms and whether they have extremes.
    ///
    /// # Errors
    /// [`TooSmall`] where not even one data point fits: a buffer as long as it says holds any, and is no longer than requests
    /// need ([`Resource::min_request`], as if it were plain where histograms are explicit). [`skip`](Self::skip) passes over
    /// that point.
    pub fn next_request(self, sources: Sources<'_>, out: &mut [u8]) -> Result<Option<OwnPart>, TooSmall> {
        self.next_part(sources, out, grpc_prefix)
    }

    /// As [`next_request`](Self::next_request), without gRPC's prefix: the body of a request over HTTP, and what is
    /// compressed for gRPC.
    ///
    /// # Errors
    /// Those of [`next_request`](Self::next_request).
    pub fn next_message(self, sources: Sources<'_>, out: &mut [u8]) -> Result<Option<OwnPart>, TooSmall> {
        self.next_part(sources, out, bare)
    }

    fn next_part(self, sources: Sources<'_>, out: &mut [u8], frame: Frame) -> Result<Option<OwnPart>, TooSmall> {
        let start = out.len() - sources.most.min(out.len());
        let room = out.get_mut(start..).unwrap_or_default();
        let several = OwnWriter::new(self, sources, false).write(room, frame);
        let written = match several {
            Err(Full) if start > 0 => OwnWriter::new(self, sources, true).write(out, frame),
            _ => several,
        };
        let is_exponential = RowPointWriter::is_exponential(sources.options, sources.registry);
        written.map_err(|Full| TooSmall { needed: sources.resource.min_request(!is_exponential, 0) })
    }

    /// Passes over the next data point, which is written nowhere; `None` when the cycle is complete.
    #[must_use]
    pub fn skip(self, sources: Sources<'_>) -> Option<OwnPart> {
        let mut next = self;
        let shown = OwnPoints::of(sources);
        let observations = next.find(sources.registry, |_, instrument, series| {
            shown.has(instrument, series).then(|| shown.observations(instrument, series))
        })?;
        next.observations += observations;
        Some(OwnPart { bytes: 0, points: 1, observations, next })
    }

    /// The observations of the points from this to `to`, of which a receiver has rejected some. In an interval they are what
    /// was sent, until they are settled. Totals are read now and may have grown since: taking the heaviest of them off what was
    /// sent never claims too much.
    #[must_use]
    pub fn weights_until(self, to: Self, sources: Sources<'_>) -> Weights {
        let (mut weights, shown) = (Weights::default(), OwnPoints::of(sources));
        self.each_until(to, sources.registry, |instrument, series| {
            if shown.has(instrument, series) {
                weights.add(shown.observations(instrument, series));
            }
        });
        weights
    }

    /// Calls `look` with each place from this to `to`, whether it is shown or not.
    pub(super) fn each_until(
        mut self,
        to: Self,
        registry: Registry<'_>,
        mut look: impl FnMut(&OwnInstrument<'_>, Series),
    ) {
        let _: Option<()> = self.find(registry, |at, instrument, series| {
            let is_there = (at.left, at.above) >= (to.left, to.above);
            if is_there {
                look(instrument, series);
            }
            (!is_there).then_some(())
        });
    }

    /// Goes on until `look` has found something in a place, and ends after it. `look` gets this as it is there.
    fn find<T>(
        &mut self,
        registry: Registry<'_>,
        mut look: impl FnMut(&Self, &OwnInstrument<'_>, Series) -> Option<T>,
    ) -> Option<T> {
        while let Some(instrument) = self.instrument(registry) {
            while let Some(series) = self.series(instrument.reach()) {
                self.above = series.number();
                if let Some(found) = look(self, &instrument, series) {
                    return Some(found);
                }
            }
            self.next_instrument();
        }
        None
    }

    /// The instrument that is next.
    fn instrument<'a>(&self, registry: Registry<'a>) -> Option<OwnInstrument<'a>> {
        self.left.checked_sub(1).and_then(|place| registry.instrument_at(place))
    }

    /// The series that is next of an instrument, whether it is shown or not.
    fn series(&self, reach: Reach) -> Option<Series> {
        let below = self.above.checked_sub(1)?;
        Some(match reach {
            Reach::Series => Series::from_number(below),
            // It stands for the run.
            Reach::Run => Series::OVERFLOW,
        })
    }

    fn next_instrument(&mut self) {
        self.left = self.left.saturating_sub(1);
        self.above = self.end;
    }
}

/// What there is to show: all that was counted, or the rows of an interval.
#[derive(Clone, Copy)]
struct OwnPoints<'a> {
    registry: Registry<'a>,
    rows: Option<FrozenObserved<'a>>,
}

impl<'a> OwnPoints<'a> {
    const fn of(sources: Sources<'a>) -> Self {
        Self { registry: sources.registry, rows: sources.observed }
    }

    const fn temporality(self) -> u64 {
        if self.rows.is_some() { DELTA } else { CUMULATIVE }
    }

    /// Whether an instrument has a point of a series.
    fn has(self, instrument: &OwnInstrument<'_>, series: Series) -> bool {
        let is_shown = || match self.rows {
            Some(rows) => rows.observations(instrument, series) != 0,
            None => instrument.is_shown(series),
        };
        self.registry.entry(series).is_published() && is_shown()
    }

    /// How many places are asked to know that a series has no point.
    fn looks(self, kind: InstrumentKind) -> usize {
        match (kind, self.rows) {
            // A counter is shown where any instrument has counted: each of them is asked.
            (InstrumentKind::Counter, None) => self.registry.own_instruments().count(),
            _ => 1,
        }
    }

    fn observations(self, instrument: &OwnInstrument<'_>, series: Series) -> u64 {
        match self.rows {
            Some(rows) => rows.observations(instrument, series),
            None => instrument.observations(series),
        }
    }

    fn counter(self, instrument: &OwnInstrument<'_>, series: Series) -> Option<CounterTotal> {
        match self.rows {
            Some(rows) => rows.counter(instrument, series),
            None => instrument.counter(series),
        }
    }

    fn histogram(self, instrument: &OwnInstrument<'_>, series: Series) -> Option<HistogramTotal> {
        match self.rows {
            Some(rows) => rows.histogram(instrument, series),
            None => instrument.histogram(series),
        }
    }
}

/// Most bytes that are kept free before the points, without the resource's attributes: those of one metric and of what
/// surrounds all.
const RESERVE: usize = {
    let name = OTLP_NAMESPACE.len() + INSTRUMENT_NAME_BYTES;
    SPILL + LEVELS + metric_head::frame(name, DESCRIPTION_BYTES, UNIT_BYTES)
};
const _: () = assert!(MIN_OPTIONS_REQUEST >= RESERVE + USUAL_BYTES + 2 * VARINT_FIELD + MAX_ROW_POINT);
/// Most bytes of a point with explicit bounds, which may have extremes.
const MAX_EXPLICIT: usize = MAX_POINT + 2 * FIXED64;
const _: () = assert!(MIN_REQUEST >= RESERVE + NAMED_BYTES + 2 * VARINT_FIELD + MAX_EXPLICIT);
const _: () = assert!(MIN_ANY_REQUEST >= RESERVE + USUAL_BYTES + 2 * VARINT_FIELD + MAX_EXPLICIT);

/// Most bytes of a unit.
const UNIT_BYTES: usize = 2;
const _: () = assert!(
    ShownUnit::One.otlp().len() <= UNIT_BYTES
        && ShownUnit::Bytes.otlp().len() <= UNIT_BYTES
        && ShownUnit::Milliseconds.otlp().len() <= UNIT_BYTES
);

/// Writes one part of a cycle.
struct OwnWriter<'a> {
    shown: OwnPoints<'a>,
    resource: &'a Resource,
    points: RowPointWriter,
    /// What is written next.
    at: OwnExport,
    /// Whether the part is to have a single point.
    is_single: bool,
    /// Data points written so far.
    written: usize,
    /// How many looks at what has counted nothing are left.
    silent: usize,
}

/// Why writing ends before the cycle does.
enum Stop {
    /// The next point does not fit.
    Full,
    /// The turn is over.
    Turn,
}

impl From<Full> for Stop {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

impl<'a> OwnWriter<'a> {
    fn new(at: OwnExport, sources: Sources<'a>, is_single: bool) -> Self {
        let (Sources { registry, resource, options, .. }, shown) = (sources, OwnPoints::of(sources));
        let is_exponential = RowPointWriter::is_exponential(options, registry);
        // The extremes of an interval are not known.
        let min_max = options.min_max && shown.rows.is_none();
        let points = RowPointWriter { is_exponential, min_max, start: at.start, now: at.now };
        Self { shown, resource, points, at, is_single, written: 0, silent: sources.silent }
    }

    /// Writes as many points as fit into the end of `out`; `None` where none is left, [`Full`] where not even one fits.
    fn write(mut self, out: &mut [u8], frame: Frame) -> Result<Option<OwnPart>, Full> {
        let (reserve, before) = (RESERVE + self.resource.as_bytes().len(), self.at.observations);
        if out.len() < reserve {
            return if self.at.is_complete() { Ok(None) } else { Err(Full) };
        }
        let mut back = ReverseWriter::new(out, reserve);
        let end = self.put_instruments(&mut back);
        if self.written == 0 {
            return match end {
                Ok(()) => Ok(None),
                Err(Stop::Full) => Err(Full),
                Err(Stop::Turn) => Ok(Some(OwnPart { bytes: 0, points: 0, observations: 0, next: self.at })),
            };
        }
        surround(self.resource, &mut back, frame);
        let (bytes, points) = (back.into_written().len(), self.written);
        Ok(Some(OwnPart { bytes, points, observations: self.at.observations - before, next: self.at }))
    }

    fn put_instruments(&mut self, back: &mut ReverseWriter<'_>) -> Result<(), Stop> {
        while let Some(instrument) = self.at.instrument(self.shown.registry) {
            // Once the frame of one metric has taken of the reserve, there is no room for another.
            self.put_instrument(&instrument, back)?;
            self.at.next_instrument();
        }
        Ok(())
    }

    /// Writes an instrument with as many of its points as fit.
    fn put_instrument(&mut self, instrument: &OwnInstrument<'_>, back: &mut ReverseWriter<'_>) -> Result<(), Stop> {
        let (kind, named) = (instrument.kind(), instrument.named());
        let Some(name) = produced_names::otlp(&named).of(&named).next() else { return Ok(()) };
        let [first, second, third] = name.parts();
        let name = [OTLP_NAMESPACE, first, second, third];
        let head = MetricHead { name, description: instrument.description(), unit: instrument.unit().otlp(), kind };
        let end = back.mark();
        head.open(self.shown.temporality(), back);
        let none = back.mark();
        let all = self.put_points(instrument, back);
        if back.mark() == none {
            back.rewind(end);
        } else {
            head.close(data_field(kind, self.points.is_exponential), back, end);
        }
        all
    }

    fn put_points(&mut self, instrument: &OwnInstrument<'_>, back: &mut ReverseWriter<'_>) -> Result<(), Stop> {
        let looks = self.shown.looks(instrument.kind());
        while let Some(series) = self.at.series(instrument.reach()) {
            if self.shown.has(instrument, series) {
                if self.is_single && self.written != 0 {
                    return Err(Stop::Full);
                }
                self.at.observations += self.put_point(instrument, series, back)?;
                self.written += 1;
            } else {
                if self.silent == 0 {
                    return Err(Stop::Turn);
                }
                self.silent = self.silent.saturating_sub(looks);
            }
            self.at.above = series.number();
        }
        Ok(())
    }

    /// Writes a point; returns the observations that it stands for.
    fn put_point(
        &self,
        instrument: &OwnInstrument<'_>,
        series: Series,
        back: &mut ReverseWriter<'_>,
    ) -> Result<u64, Full> {
        let attributes = match instrument.reach() {
            Reach::Series => PointAttributes::Series(self.shown.registry.entry(series).labels::<OtlpAttributes>()),
            Reach::Run => PointAttributes::Run,
        };
        let point = RowPoint { kind: None, attributes, exemplars: None };
        match instrument.kind() {
            InstrumentKind::Counter => {
                let total = self.shown.counter(instrument, series).unwrap_or_default();
                // The number of a sum is signed: the largest of those stays, rather than that it becomes negative.
                let sum = total.sum.min(i64::MAX as u64);
                self.points.put(None, Half::of_count(sum), point, back)?;
                Ok(total.number)
            }
            InstrumentKind::Histogram => {
                let Some(total) = self.shown.histogram(instrument, series) else { return Ok(0) };
                let scale = PointScale::new(instrument.quantity(), total.buckets.bounds());
                self.points.put(Some(scale), half(&total, self.points.is_exponential), point, back)?;
                Ok(total.number)
            }
        }
    }
}

/// What a point shows of a histogram.
fn half(total: &HistogramTotal, is_exponential: bool) -> Half<'_> {
    let distribution = total.distribution.as_ref();
    let exponential = distribution.filter(|_| is_exponential);
    Half {
        sum: total.sum,
        extremes: distribution.and_then(|values| values.min().zip(values.max())),
        buckets: exponential.map_or_else(|| total.buckets.counts(), |values| values.words()),
        count: total.count(),
    }
}
