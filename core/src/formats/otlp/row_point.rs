//! Data points from rows: exponential histograms, explicit ones with extremes, and the points of an interval.
//!
//! Source: opentelemetry-proto, `metrics/v1/metrics.proto`.

use super::{ExportOptions, HistogramAggregation, field};
use crate::aggregates::row::Half;
use crate::counts::bounds::{MAX_BOUNDS, Quantity};
use crate::counts::exponential::{SCALE, SIZES, latency_index, size_index};
use crate::labels::otlp::{
    Attributes, CONVENTIONAL, EXPONENTIAL_ATTRIBUTES, HISTOGRAM_ATTRIBUTES, MAX_ATTRIBUTES, NUMBER_ATTRIBUTES,
    put_error,
};
use crate::registry::Registry;
use crate::registry::exemplars::Exemplar;
use crate::request::error_kind::ErrorKind;
use crate::request::sample::{Outcome, Timestamp};
use crate::request::series::Series;
use crate::wire::protobuf::{ReverseWriter, zigzag};
use crate::wire::text::out::Full;

/// Most bytes of a point that is made of a row.
pub(super) const MAX_ROW_POINT: usize =
    8 + MAX_ATTRIBUTES + CONVENTIONAL + 9 * 9 + SIZES * MAX_VARINT + (MAX_BOUNDS + 1) * EXEMPLAR_BYTES;
/// Most bytes of a number.
const MAX_VARINT: usize = 10;
/// Bytes of an exemplar: time, value, both ids with tag and length, and the same of the whole.
const EXEMPLAR_BYTES: usize = 2 * 9 + 18 + 10 + 2;
const _: () = assert!(SIZES * MAX_VARINT > 16 * (MAX_BOUNDS + 1));
const NANOS_PER_MILLI: f64 = 1e6;
const NANOS_PER_SECOND: f64 = 1e9;
/// Latencies up to this, in milliseconds, count as zero: 2^-10.
const LATENCY_ZERO_THRESHOLD: f64 = 1.0 / 1_024.0;

/// Writes the points of a cycle, with what all of them share.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowPointWriter {
    pub(super) is_exponential: bool,
    /// Whether extremes are shown, where they are known.
    pub(super) min_max: bool,
    pub(super) start: Timestamp,
    pub(super) now: Timestamp,
}

/// What a point has besides its counts.
#[derive(Clone, Copy)]
pub(super) struct RowPoint<'a> {
    /// The kind of its failures, if it is of one alone.
    pub(super) kind: Option<ErrorKind>,
    pub(super) attributes: PointAttributes<'a>,
    /// Where exemplars are found, if they are to be shown.
    pub(super) exemplars: Option<(Registry<'a>, Series, Outcome)>,
}

/// The attributes of a point.
#[derive(Clone, Copy)]
pub(super) enum PointAttributes<'a> {
    /// Those of a series, and the outcome.
    Outcome(Attributes<'a>, Outcome),
    /// The same under the keys of OpenTelemetry's semantic conventions, in an explicit histogram.
    Conventional(Attributes<'a>, Outcome),
    /// Those of a series alone.
    Series(Attributes<'a>),
    /// None: the point is of the whole run.
    Run,
}

impl PointAttributes<'_> {
    fn put<const NUMBER: u8>(self, back: &mut ReverseWriter<'_>) -> Result<(), Full> {
        let length = match self {
            Self::Outcome(attributes, outcome) => {
                let mut front = back.front(attributes.len())?;
                attributes.put_as::<NUMBER>(outcome, &mut front)?;
                attributes.len()
            }
            Self::Series(attributes) => {
                let mut front = back.front(attributes.len_of_series())?;
                attributes.put_of_series::<NUMBER>(&mut front)?;
                attributes.len_of_series()
            }
            Self::Conventional(attributes, outcome) => return attributes.put_conventional(outcome, back),
            Self::Run => return Ok(()),
        };
        back.commit(length);
        Ok(())
    }
}

/// What the numbers of a histogram mean.
#[derive(Clone, Copy)]
pub(super) struct PointScale<'b> {
    quantity: Quantity,
    /// How much of what is counted makes one of what is shown.
    unit: f64,
    /// Of explicit buckets, as they are counted.
    bounds: &'b [u64],
}

impl<'b> PointScale<'b> {
    /// Times in milliseconds, and numbers as they are.
    pub(super) const fn new(quantity: Quantity, bounds: &'b [u64]) -> Self {
        let unit = match quantity {
            Quantity::Latency => NANOS_PER_MILLI,
            Quantity::Size => 1.0,
        };
        Self { quantity, unit, bounds }
    }

    /// Times in seconds.
    pub(super) const fn in_seconds(bounds: &'b [u64]) -> Self {
        Self { quantity: Quantity::Latency, unit: NANOS_PER_SECOND, bounds }
    }
}

impl RowPoint<'_> {
    /// The exemplar of a latency bucket with one of the registry's bounds.
    fn exemplar(self, bucket: usize) -> Option<Exemplar> {
        let (registry, series, outcome) = self.exemplars?;
        registry.exemplar(series, outcome, bucket)
    }
}

impl RowPointWriter {
    /// Whether histograms are exponential: where that is asked for and the storage keeps them.
    pub(super) fn is_exponential(options: ExportOptions, registry: Registry<'_>) -> bool {
        options.histograms == HistogramAggregation::Exponential && registry.has_exponentials()
    }

    /// Writes a point over `half`: the histogram on a scale, or the count where there is none.
    pub(super) fn put(
        self,
        scale: Option<PointScale<'_>>,
        half: Half<'_>,
        point: RowPoint<'_>,
        back: &mut ReverseWriter<'_>,
    ) -> Result<(), Full> {
        let end = back.mark();
        let written = match scale {
            None => self.put_number(half.count, point, back),
            Some(scale) if self.is_exponential => self.put_exponential(scale, half, point, back),
            Some(scale) => self.put_explicit(scale, half, point, back),
        };
        let whole = written.and_then(|()| back.length_since(end, field::DATA_POINTS));
        if whole.is_err() {
            back.rewind(end);
        }
        whole
    }

    fn put_number(self, count: u64, point: RowPoint<'_>, back: &mut ReverseWriter<'_>) -> Result<(), Full> {
        point.kind.map_or(Ok(()), |kind| put_error(kind, back))?;
        point.attributes.put::<NUMBER_ATTRIBUTES>(back)?;
        back.put_forced_fixed64(field::NUMBER_AS_INT, count)?;
        self.put_times(back)
    }

    fn put_explicit(
        self,
        PointScale { unit, bounds, .. }: PointScale<'_>,
        half: Half<'_>,
        point: RowPoint<'_>,
        back: &mut ReverseWriter<'_>,
    ) -> Result<(), Full> {
        self.put_extremes((field::HISTOGRAM_MIN, field::HISTOGRAM_MAX), half, unit, back)?;
        point.attributes.put::<HISTOGRAM_ATTRIBUTES>(back)?;
        self.put_exemplars(field::HISTOGRAM_EXEMPLARS, unit, point, back)?;
        let end = back.mark();
        bounds.iter().rev().try_for_each(|bound| back.put(&(*bound as f64 / unit).to_le_bytes()))?;
        if !bounds.is_empty() {
            back.length_since(end, field::HISTOGRAM_EXPLICIT_BOUNDS)?;
        }
        let end = back.mark();
        half.buckets.iter().rev().try_for_each(|count| back.put(&count.to_le_bytes()))?;
        back.length_since(end, field::HISTOGRAM_BUCKET_COUNTS)?;
        self.put_sum_and_count(half, unit, back)
    }

    fn put_exponential(
        self,
        PointScale { quantity, unit, .. }: PointScale<'_>,
        half: Half<'_>,
        point: RowPoint<'_>,
        back: &mut ReverseWriter<'_>,
    ) -> Result<(), Full> {
        let (zero_threshold, index): (_, fn(usize) -> i32) = match quantity {
            Quantity::Latency => (LATENCY_ZERO_THRESHOLD, latency_index),
            Quantity::Size => (0.0, size_index),
        };
        back.fixed64(field::EXPONENTIAL_ZERO_THRESHOLD, zero_threshold.to_bits())?;
        self.put_extremes((field::EXPONENTIAL_MIN, field::EXPONENTIAL_MAX), half, unit, back)?;
        self.put_exemplars(field::EXPONENTIAL_EXEMPLARS, unit, point, back)?;
        put_positive(half.buckets, index, back)?;
        back.fixed64(field::EXPONENTIAL_ZERO_COUNT, half.buckets.first().copied().unwrap_or_default())?;
        back.varint_field(field::EXPONENTIAL_SCALE, zigzag(SCALE as i32))?;
        self.put_sum_and_count(half, unit, back)?;
        point.attributes.put::<EXPONENTIAL_ATTRIBUTES>(back)
    }

    fn put_exemplars(
        self,
        number: u8,
        unit: f64,
        point: RowPoint<'_>,
        back: &mut ReverseWriter<'_>,
    ) -> Result<(), Full> {
        for exemplar in (0..=MAX_BOUNDS).rev().filter_map(|bucket| point.exemplar(bucket)) {
            let end = back.mark();
            back.put(&exemplar.trace.trace_id)?;
            back.length_since(end, field::EXEMPLAR_TRACE_ID)?;
            if exemplar.trace.span_id != [0; 8] {
                let end = back.mark();
                back.put(&exemplar.trace.span_id)?;
                back.length_since(end, field::EXEMPLAR_SPAN_ID)?;
            }
            let value = exemplar.latency_ns as f64 / unit;
            back.put_forced_fixed64(field::EXEMPLAR_AS_DOUBLE, value.to_bits())?;
            // Where the engine did not say when, it was before now.
            let at = if exemplar.at.as_unix_nanos() == 0 { self.now } else { exemplar.at };
            back.fixed64(field::EXEMPLAR_TIME_UNIX_NANO, at.as_unix_nanos())?;
            back.length_since(end, number)?;
        }
        Ok(())
    }

    fn put_extremes(
        self,
        (min, max): (u8, u8),
        half: Half<'_>,
        unit: f64,
        back: &mut ReverseWriter<'_>,
    ) -> Result<(), Full> {
        let Some(extremes) = half.extremes.filter(|_| self.min_max) else { return Ok(()) };
        back.put_forced_fixed64(max, (extremes.1 as f64 / unit).to_bits())?;
        back.put_forced_fixed64(min, (extremes.0 as f64 / unit).to_bits())
    }

    /// The sum, the count, and before them the times: the same fields in both kinds of histograms.
    fn put_sum_and_count(self, half: Half<'_>, unit: f64, back: &mut ReverseWriter<'_>) -> Result<(), Full> {
        back.put_forced_fixed64(field::HISTOGRAM_SUM, (half.sum as f64 / unit).to_bits())?;
        back.fixed64(field::HISTOGRAM_COUNT, half.count)?;
        self.put_times(back)
    }

    fn put_times(self, back: &mut ReverseWriter<'_>) -> Result<(), Full> {
        back.fixed64(field::TIME_UNIX_NANO, self.now.as_unix_nanos())?;
        back.fixed64(field::START_TIME_UNIX_NANO, self.start.as_unix_nanos())
    }
}

/// The buckets above that of zero: those from the first that counts something to the last.
fn put_positive(buckets: &[u64], index: fn(usize) -> i32, back: &mut ReverseWriter<'_>) -> Result<(), Full> {
    let is_used = |bucket: &usize| buckets[*bucket] != 0;
    let (Some(first), Some(last)) = ((1..buckets.len()).find(is_used), (1..buckets.len()).rev().find(is_used)) else {
        return Ok(());
    };
    let end = back.mark();
    buckets[first..=last].iter().rev().try_for_each(|count| back.varint(*count))?;
    back.length_since(end, field::BUCKETS_BUCKET_COUNTS)?;
    match zigzag(index(first)) {
        0 => {}
        offset => back.varint_field(field::BUCKETS_OFFSET, offset)?,
    }
    back.length_since(end, field::EXPONENTIAL_POSITIVE)
}
