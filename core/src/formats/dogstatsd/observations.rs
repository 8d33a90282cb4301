//! Instruments of the engine's own per event: a message for each observation.

use super::gauges::METRIC_BYTES;
use super::message_format::MessageFormat;
use crate::events::batch::EventEncoder;
use crate::events::observation::Observation;
use crate::labels::dogstatsd::DogstatsdTags;
use crate::metrics::InstrumentKind;
use crate::metrics::produced_names::dogstatsd;
use crate::metrics::unit::ShownUnit;
use crate::registry::Registry;
use crate::registry::instruments::declaration::Reach;
use crate::wire::text::item::ItemWriter;
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
    format: MessageFormat,
    fills_with_newlines: bool,
}

impl<'a> ObservationMessageEncoder<'a> {
    pub(super) const fn new(registry: Registry<'a>, format: MessageFormat, fills_with_newlines: bool) -> Self {
        Self { registry, format, fills_with_newlines }
    }

    const fn metric_type(&self, kind: InstrumentKind, unit: ShownUnit) -> &'static [u8] {
        match (kind, unit) {
            (InstrumentKind::Counter, _) => b"|c",
            (InstrumentKind::Histogram, _) if self.format.distributions => b"|d",
            (InstrumentKind::Histogram, ShownUnit::Milliseconds) => b"|ms",
            (InstrumentKind::Histogram, ShownUnit::One | ShownUnit::Bytes) => b"|h",
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
    fn encode(&self, observation: &Observation, _: u8, out: &mut [u8]) -> Result<usize, Full> {
        let instrument = self.registry.own_instruments().named(observation.of).ok_or(Full)?;
        let named = instrument.named();
        let name = dogstatsd(&named).of(&named).next().ok_or(Full)?.parts();
        if self.format.prefix.len() + name.iter().map(|part| part.len()).sum::<usize>() > METRIC_BYTES {
            return Err(Full);
        }
        let (room, shape) = (out.len(), instrument.shape);
        let mut out = ItemWriter::new(out);
        out.put_exact(&self.format.prefix)?;
        name.iter().try_for_each(|part| out.put_exact(part.as_bytes()))?;
        out.put_exact(b":")?;
        match shape.unit {
            ShownUnit::Milliseconds => out.put_millis(observation.value, b"")?,
            ShownUnit::One | ShownUnit::Bytes => out.put_integer(observation.value, b"")?,
        }
        out.put_exact(self.metric_type(shape.kind, shape.unit))?;
        out.put_exact(self.format.rate.as_bytes())?;
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
