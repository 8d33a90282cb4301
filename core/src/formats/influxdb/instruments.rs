//! Instruments of the engine's own: a line per series with the fields of all that have news, and one for the run.

use super::tags::{AddedTags, OutcomeTag};
use super::{MAX_INTEGER, Measurement, MeasurementError, Precision, StatusCode, escaped};
use crate::aggregates::distribution::Distribution;
use crate::aggregates::observed::{CounterTotal, HistogramTotal};
use crate::aggregates::own_instrument::OwnInstrument;
use crate::labels::constant::ConstantLabels;
use crate::labels::influxdb as labels;
use crate::labels::influxdb::InfluxdbTags;
use crate::metrics::produced_names::{ProducedName, influxdb};
use crate::metrics::unit::ShownUnit;
use crate::registry::Registry;
use crate::request::sample::Timestamp;
use crate::request::series::Series;
use crate::wire::text::item::ItemWriter;
use crate::wire::text::out::Full;

/// Writes what own instruments counted in an interval as lines:
/// `loaddensity_request_instruments,method=GET,name=/x checks_failed=3i,time_to_first_byte_ms_count=2i,time_to_first_byte_ms_sum=1.7 1700000000000000000`.
/// What is of the run has the constant tags alone.
#[derive(Clone, Debug)]
pub struct InstrumentEncoder<'a> {
    registry: Registry<'a>,
    measurement: Measurement,
    tags: AddedTags,
    precision: Precision,
}

impl<'a> InstrumentEncoder<'a> {
    /// An encoder for own instruments of `registry` that writes points of `measurement` with `constant` tags, and timestamps
    /// in `precision`.
    ///
    /// # Errors
    /// A measurement that some version of InfluxDB could not store; see [`MeasurementError`].
    pub fn new(
        registry: Registry<'a>,
        measurement: &str,
        constant: &ConstantLabels,
        precision: Precision,
    ) -> Result<Self, MeasurementError> {
        let tags = AddedTags::new(constant, StatusCode::Field);
        Ok(Self { registry, measurement: escaped(measurement)?, tags, precision })
    }

    /// Writes what a line begins with: that of a series, or of the run. Returns the length in bytes.
    pub(super) fn begin(&self, series: Option<Series>, out: &mut [u8]) -> Result<usize, Full> {
        let room = out.len();
        let mut line = ItemWriter::new(out);
        self.put_beginning(series, &mut line)?;
        Ok(room - line.room())
    }

    /// The same, appended to `line`.
    #[inline]
    pub(super) fn put_beginning(&self, series: Option<Series>, line: &mut ItemWriter<'_>) -> Result<(), Full> {
        self.measurement.begin(line)?;
        let Some(series) = series else { return self.tags.put_alone(line) };
        let (tags, outcome_at) = self.registry.shown_entry(series).labels::<InfluxdbTags>();
        const OUTCOME: usize = labels::OUTCOMES[0].len();
        if self.tags.has_constant() || !line.put_text_without::<OUTCOME>(tags, outcome_at) {
            return self.tags.put(tags, OutcomeTag::LeftOut(outcome_at), 0, None, line);
        }
        Ok(())
    }

    /// What a line ends with: a space and the time.
    pub(super) fn end(&self, at: Timestamp) -> LineEnd {
        let at = at.as_unix_nanos().min(MAX_INTEGER - 1) / self.precision.nanos();
        let mut end = LineEnd { text: [b' '; LINE_END_BYTES], length: 1 };
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(at).as_bytes();
        if let Some(room) = end.text.get_mut(1..=digits.len()) {
            room.iter_mut().zip(digits).for_each(|(to, from)| *to = *from);
            end.length += digits.len();
        }
        end
    }
}

/// A space and the digits of the largest time.
const LINE_END_BYTES: usize = 20;

/// What a line ends with.
pub(super) struct LineEnd {
    text: [u8; LINE_END_BYTES],
    length: usize,
}

impl LineEnd {
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.length).unwrap_or_default()
    }
}

/// What an instrument counted in an interval, as it is shown.
pub(super) enum InstrumentNews {
    /// The sum.
    Counter(u64),
    Histogram {
        count: u64,
        sum: u64,
        /// Extremes and percentiles.
        further: Option<[u64; 5]>,
    },
}

impl InstrumentNews {
    pub(super) const fn of_counter(came: CounterTotal) -> Self {
        Self::Counter(came.sum)
    }

    pub(super) fn of_histogram(came: &HistogramTotal) -> Self {
        let further = came.distribution.as_ref().and_then(Distribution::extremes_and_percentiles);
        Self::Histogram { count: came.count(), sum: came.sum, further }
    }

    /// Writes the fields, with `first` before the first one and commas between them. Returns the length in bytes.
    pub(super) fn put(&self, instrument: &OwnInstrument<'_>, first: u8, out: &mut [u8]) -> Result<usize, Full> {
        let (room, named, unit) = (out.len(), instrument.named(), instrument.unit());
        let mut fields = FieldWriter::new(ItemWriter::new(out), first);
        let mut names = influxdb(&named).of(&named);
        match *self {
            Self::Counter(sum) => {
                for name in names {
                    fields.put_integer(&name, sum)?;
                }
            }
            Self::Histogram { count, sum, further } => {
                // The first name is that of a single value.
                names.next();
                if let Some(name) = names.next() {
                    fields.put_integer(&name, count)?;
                }
                for (name, value) in names.zip([sum].into_iter().chain(further.into_iter().flatten())) {
                    fields.put(&name, value, unit)?;
                }
            }
        }
        Ok(room - fields.line.room())
    }
}

/// Writes fields, with commas between them.
struct FieldWriter<'b> {
    line: ItemWriter<'b>,
    separator: u8,
}

impl<'b> FieldWriter<'b> {
    /// With `first` before the first field.
    const fn new(line: ItemWriter<'b>, first: u8) -> Self {
        Self { line, separator: first }
    }

    /// A value in this unit: times are milliseconds and floats, all else is an integer.
    fn put(&mut self, name: &ProducedName<'_>, value: u64, unit: ShownUnit) -> Result<(), Full> {
        match unit {
            ShownUnit::Milliseconds => {
                self.put_name(name)?;
                self.line.put_millis(value, b"")
            }
            ShownUnit::One | ShownUnit::Bytes => self.put_integer(name, value),
        }
    }

    fn put_integer(&mut self, name: &ProducedName<'_>, value: u64) -> Result<(), Full> {
        self.put_name(name)?;
        self.line.put_integer(value.min(MAX_INTEGER), b"i")
    }

    fn put_name(&mut self, name: &ProducedName<'_>) -> Result<(), Full> {
        self.line.put_all(&[core::mem::replace(&mut self.separator, b',')])?;
        for part in name.parts() {
            self.line.put_exact(part.as_bytes())?;
        }
        self.line.put_all(b"=")
    }
}
