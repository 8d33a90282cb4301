//! Instruments of the engine's own per interval: counts of what came in it, and gauges of how a histogram's values lie.
//!
//! The Agent reads the values of all types but sets as numbers with fractions, so that a sum of times is exact to the
//! nanosecond. Source: DataDog/datadog-agent, comp/dogstatsd/server/parse_metrics.go.

use core::ops::Range;

use super::gauges::METRIC_BYTES;
use super::join::{append, end};
use super::message_format::MessageFormat;
use crate::aggregates::observed_rows::ObservedRows;
use crate::aggregates::own_instrument::OwnInstrument;
use crate::counts::bounds::Quantity;
use crate::labels::dogstatsd::DogstatsdTags;
use crate::metrics::InstrumentKind;
use crate::metrics::produced_names::dogstatsd;
use crate::registry::Registry;
use crate::registry::instruments::declaration::Reach;
use crate::request::series::Series;
use crate::wire::text::item::ItemWriter;
use crate::wire::text::out::Full;

/// Messages that a histogram's row begins with: how many values there were, and their sum.
const COUNTERS: usize = 2;
/// The first of them.
const COUNT: usize = 0;
/// Those that follow, where there is a value: the smallest, the largest, and the ones that 50, 95 and 99 % did not exceed.
const GAUGES: usize = 5;

/// The messages of a row: what an instrument counted of a series, or of the run, in an interval. A counter has one. A
/// histogram has two counters, and after them five gauges, where the storage keeps exponential histograms.
#[derive(Clone, Debug)]
pub struct RowMessages<'r, 'a> {
    instrument: &'r OwnInstrument<'a>,
    series: Series,
    numbers: RowNumbers,
}

#[derive(Clone, Copy, Debug)]
enum RowNumbers {
    Counter { sum: u64 },
    Histogram { counters: [u64; COUNTERS], gauges: Option<[u64; GAUGES]> },
}

impl<'r, 'a> RowMessages<'r, 'a> {
    /// Of what is not settled of an instrument and a series; `None` where that is nothing.
    #[must_use]
    pub fn new<M>(rows: &ObservedRows<M>, instrument: &'r OwnInstrument<'a>, series: Series) -> Option<Self>
    where
        M: AsRef<[u64]> + AsMut<[u64]>,
    {
        let numbers = match instrument.kind() {
            InstrumentKind::Counter => RowNumbers::Counter { sum: rows.counter(instrument, series)?.sum },
            InstrumentKind::Histogram => {
                let came = rows.histogram(instrument, series)?;
                let gauges = came.distribution.as_ref().and_then(|values| values.extremes_and_percentiles());
                RowNumbers::Histogram { counters: [came.count(), came.sum], gauges }
            }
        };
        Some(Self { instrument, series, numbers })
    }

    /// How many counters it has, and how many messages, with which [`new`](Self::new) would make it: without reading the
    /// values.
    pub(crate) fn lengths<M>(rows: &ObservedRows<M>, instrument: &OwnInstrument<'_>, series: Series) -> (usize, usize)
    where
        M: AsRef<[u64]> + AsMut<[u64]>,
    {
        match instrument.kind() {
            InstrumentKind::Counter => (1, 1),
            InstrumentKind::Histogram => {
                let has_gauges = instrument.registry().has_exponentials() && rows.has_values(instrument, series);
                (COUNTERS, COUNTERS + if has_gauges { GAUGES } else { 0 })
            }
        }
    }

    /// How many there are, of which the first [`counters`](Self::counters) are counters, and the others are gauges.
    #[must_use]
    pub const fn messages(&self) -> usize {
        match self.numbers {
            RowNumbers::Counter { .. } | RowNumbers::Histogram { gauges: None, .. } => self.counters(),
            RowNumbers::Histogram { gauges: Some(_), .. } => COUNTERS + GAUGES,
        }
    }

    /// How many of them are counters.
    #[must_use]
    pub const fn counters(&self) -> usize {
        match self.numbers {
            RowNumbers::Counter { .. } => 1,
            RowNumbers::Histogram { .. } => COUNTERS,
        }
    }

    fn number(&self, message: usize) -> Option<u64> {
        match &self.numbers {
            RowNumbers::Counter { sum } => (message == 0).then_some(*sum),
            RowNumbers::Histogram { counters, gauges } => {
                counters.iter().chain(gauges.iter().flatten()).nth(message).copied()
            }
        }
    }

    /// Whether a message shows times.
    fn is_time(&self, message: usize) -> bool {
        self.instrument.quantity() == Quantity::Latency && message != COUNT
    }
}

/// Writes rows of [`ObservedRows`] as messages, times in milliseconds: `loaddensity.checks_failed:3|c|#method:GET,name:/x`, and
/// `loaddensity.time_to_first_byte.sum:0.85|c|#…`. They have no outcome, no rate and no timestamp. What is of the run has
/// the constant tags alone.
#[derive(Clone, Debug)]
pub struct InstrumentMessageEncoder<'a> {
    registry: Registry<'a>,
    format: MessageFormat,
}

impl<'a> InstrumentMessageEncoder<'a> {
    pub(super) const fn new(registry: Registry<'a>, format: MessageFormat) -> Self {
        Self { registry, format }
    }

    /// Writes `messages` of a row, joined by newlines, to the front of `out`; returns how long they are.
    ///
    /// ```
    /// use loaddensity_metrics_core::dogstatsd::{MessageEncoder, RowMessages};
    /// use loaddensity_metrics_core::{Exponential, ObservedRows, Series, Storage, Unit};
    ///
    /// static STORAGE: Storage<100, 4, 1_024, Exponential, 1> = Storage::new();
    /// let registry = STORAGE.registry();
    /// let iterations = registry.run_counter("iterations", Unit::One, "Iterations that ended")?;
    /// let memory = vec![0; ObservedRows::<Vec<u64>>::words(registry)];
    /// let (mut rows, _counted_before) = ObservedRows::new(registry, memory)?;
    /// registry.recorder().add_to_run(iterations, 3);
    /// rows.freeze(registry);
    /// let (encoder, mut out) = (MessageEncoder::new(registry, "load")?.instruments(), [0; 1_432]);
    /// let instrument = registry.instrument_at(0).expect("it was declared");
    /// let row = RowMessages::new(&rows, &instrument, Series::OVERFLOW).expect("it was raised");
    /// let length = encoder.encode(&row, 0..row.messages(), &mut out)?;
    /// assert_eq!(&out[..length], b"load.iterations:3|c");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Full`] where one of them does not fit, is not there, or has a name longer than [`METRIC_BYTES`] with the prefix; `out`
    /// then holds nothing useful.
    pub fn encode(&self, row: &RowMessages<'_, '_>, messages: Range<usize>, out: &mut [u8]) -> Result<usize, Full> {
        let mut bytes = self.append(row, messages, out, 0)?;
        self.end(out, &mut bytes);
        Ok(bytes)
    }

    /// Writes them after the first `bytes` of `out`, which a newline separates from them; returns how many those are now.
    pub(crate) fn append(
        &self,
        row: &RowMessages<'_, '_>,
        messages: Range<usize>,
        out: &mut [u8],
        bytes: usize,
    ) -> Result<usize, Full> {
        let newline = self.format.ends_with_newline;
        messages
            .into_iter()
            .try_fold(bytes, |bytes, message| append(out, bytes, newline, |room| self.message(row, message, room)))
    }

    /// Ends a packet of `bytes`.
    pub(crate) fn end(&self, out: &mut [u8], bytes: &mut usize) {
        end(out, bytes, self.format.ends_with_newline);
    }

    fn message(&self, row: &RowMessages<'_, '_>, message: usize, out: &mut [u8]) -> Result<usize, Full> {
        let named = row.instrument.named();
        // The first name of a histogram is that of the whole.
        let first = usize::from(row.instrument.kind() == InstrumentKind::Histogram);
        let name = dogstatsd(&named).of(&named).nth(first + message).ok_or(Full)?.parts();
        let number = row.number(message).ok_or(Full)?;
        if self.format.prefix.len() + name.iter().map(|part| part.len()).sum::<usize>() > METRIC_BYTES {
            return Err(Full);
        }
        let room = out.len();
        let mut out = ItemWriter::new(out);
        out.put_exact(&self.format.prefix)?;
        name.iter().try_for_each(|part| out.put_exact(part.as_bytes()))?;
        out.put_exact(b":")?;
        if row.is_time(message) {
            out.put_millis(number, b"")?;
        } else {
            out.put_integer(number, b"")?;
        }
        let is_gauge = message >= row.counters();
        out.put_exact(if is_gauge { b"|g" } else { b"|c" })?;
        match row.instrument.reach() {
            Reach::Run => self.format.put_own_fields(is_gauge, &mut out)?,
            Reach::Series => {
                let tags = self.registry.shown_entry(row.series).labels::<DogstatsdTags>();
                self.format.put_fields_of_series(tags, is_gauge, &mut out)?;
            }
        }
        Ok(room - out.room())
    }
}
