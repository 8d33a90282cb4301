//! Instruments of the engine's own per event: a message for each observation.

use super::PREFIX_BYTES;
use super::gauges::METRIC_BYTES;
use super::message_format::MessageFormat;
use crate::events::batch::EventEncoder;
use crate::events::observation::Observation;
use crate::labels::dogstatsd::DogstatsdTags;
use crate::metrics::InstrumentKind;
use crate::metrics::unit::ShownUnit;
use crate::registry::Registry;
use crate::registry::instruments::declaration::{InstrumentShape, Reach, StoredInstrument};
use crate::registry::instruments::declared::Instruments;
use crate::wire::text::item::ItemWriter;
use crate::wire::text::item_start::ItemStart;
use crate::wire::text::out::Full;

/// Writes observations as messages: `loaddensity.checks_failed:1|c|#method:GET,name:/x`, and
/// `loaddensity.time_to_first_byte:0.85|ms|#…` in milliseconds, other numbers as `h`; both as `d` where those of requests are.
/// They have no outcome. What is of the run has the constant tags alone.
///
/// ```
/// use loaddensity_metrics_core::dogstatsd::MessageEncoder;
/// use loaddensity_metrics_core::{EventEncoder as _, Exponential, Exporter, Storage, Unit};
///
/// // Room for one counter, and rings of 64 observations.
/// static STORAGE: Storage<100, 4, 1_024, Exponential, 1, 0, 64> = Storage::new();
/// let registry = STORAGE.registry();
/// let iterations = registry.run_counter("iterations", Unit::One, "Iterations that ended")?;
/// let mut pump = registry.pump().expect("no other reads this storage");
/// pump.attach_observations(Exporter::Statsd);
/// registry.recorder().add_to_run(iterations, 3);
/// let (encoder, mut out) = (MessageEncoder::new(registry, "load")?.observations(), [0; 1_432]);
/// pump.drain_observations(|observations| {
///     let length = encoder.encode(&observations[0], 0, &mut out).expect("it fits");
///     assert_eq!(&out[..length], b"load.iterations:3|c");
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ObservationMessageEncoder<'a> {
    registry: Registry<'a>,
    instruments: Instruments<'a>,
    /// The prefix.
    start: ItemStart<{ 1 + PREFIX_BYTES + ".".len() }>,
    format: MessageFormat,
    fills_with_newlines: bool,
}

impl<'a> ObservationMessageEncoder<'a> {
    pub(super) fn new(registry: Registry<'a>, format: MessageFormat, fills_with_newlines: bool) -> Self {
        let (instruments, start) = (registry.own_instruments(), ItemStart::new(&[&format.prefix]));
        Self { registry, instruments, start, format, fills_with_newlines }
    }

    /// As long as what is copied at once, and the length.
    #[inline]
    const fn metric_type(&self, shape: InstrumentShape) -> (&'static [u8; 4], usize) {
        match (shape.kind, shape.unit) {
            (InstrumentKind::Counter, _) => (b"|c  ", 2),
            (InstrumentKind::Histogram, _) if self.format.distributions => (b"|d  ", 2),
            (InstrumentKind::Histogram, ShownUnit::Milliseconds) => (b"|ms ", 3),
            (InstrumentKind::Histogram, ShownUnit::One | ShownUnit::Bytes) => (b"|h  ", 2),
        }
    }
}

impl EventEncoder<Observation> for ObservationMessageEncoder<'_> {
    const ITEMS: u8 = 1;

    fn ends_with_newline(&self) -> bool {
        self.format.ends_with_newline
    }

    fn fills_with_newlines(&self) -> bool {
        self.fills_with_newlines
    }

    /// # Errors
    /// [`Full`] also where the name is longer than [`METRIC_BYTES`] with the prefix.
    #[inline]
    fn encode(&self, observation: &Observation, _: u8, out: &mut [u8]) -> Result<usize, Full> {
        // The message of a single value has the instrument's name as it is: the first of what `produced_names` says.
        let StoredInstrument { name, shape } = self.instruments.observed(observation.of).ok_or(Full)?;
        if self.start.len() + name.len() > METRIC_BYTES {
            return Err(Full);
        }
        let room = out.len();
        let mut out = ItemWriter::new(out);
        self.start.begin(&mut out)?;
        out.put_text(name)?;
        out.put_piece::<48>(
            #[inline(always)]
            |piece| {
                piece.put_all(b":");
                match shape.unit {
                    ShownUnit::Milliseconds => piece.put_millis(observation.value),
                    ShownUnit::One | ShownUnit::Bytes => piece.put_integer(observation.value),
                }
                let (metric_type, length) = self.metric_type(shape);
                piece.put(metric_type, length);
            },
        )?;
        out.put_some(self.format.rate.as_bytes())?;
        match shape.reach {
            Reach::Run => self.format.put_own_fields(false, &mut out)?,
            Reach::Series => {
                let tags = self.registry.shown_entry(observation.series).labels::<DogstatsdTags>();
                self.format.put_fields_of_series(tags, false, &mut out)?;
            }
        }
        Ok(room - out.room())
    }
}
