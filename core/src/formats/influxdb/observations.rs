//! Instruments of the engine's own per event: a line for each observation.

use super::instruments::{FieldWriter, InstrumentEncoder};
use super::{MeasurementError, Precision};
use crate::events::batch::EventEncoder;
use crate::events::observation::Observation;
use crate::labels::constant::ConstantLabels;
use crate::metrics::InstrumentKind;
use crate::metrics::produced_names::influxdb;
use crate::registry::Registry;
use crate::registry::instruments::declaration::Reach;
use crate::wire::text::item::ItemWriter;
use crate::wire::text::out::Full;

/// Writes observations as lines:
/// `loaddensity_request_observations,method=GET,name=/x time_to_first_byte_ms=0.85 1700000000000000000`. What is of the run
/// has the constant tags alone.
///
/// ```
/// use loaddensity_metrics_core::influxdb::ObservationEncoder;
/// use loaddensity_metrics_core::{ConstantLabels, EventEncoder as _, Exponential, Exporter, Storage, Timestamp, Unit};
///
/// // Room for one counter, and rings of 64 observations.
/// static STORAGE: Storage<100, 4, 1_024, Exponential, 1, 0, 64> = Storage::new();
/// let registry = STORAGE.registry();
/// let iterations = registry.run_counter("iterations", Unit::One, "Iterations that ended")?;
/// let mut pump = registry.pump().expect("no other reads this storage");
/// pump.attach_observations(Exporter::Influxdb);
/// registry.recorder().add_to_run(iterations, 3);
/// let encoder = ObservationEncoder::new(registry, "load_observations", &ConstantLabels::NONE)?;
/// pump.set_now(Timestamp::from_unix_nanos(1_700_000_000_000_000_001));
/// let mut out = [0; 1_432];
/// pump.drain_observations(|observations| {
///     let length = encoder.encode(&observations[0], 0, &mut out).expect("it fits");
///     assert_eq!(&out[..length], b"load_observations iterations=3i 1700000000000000000");
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ObservationEncoder<'a> {
    registry: Registry<'a>,
    lines: InstrumentEncoder<'a>,
}

impl<'a> ObservationEncoder<'a> {
    /// An encoder for observations of own instruments of `registry` that writes points of `measurement` with `constant` tags,
    /// and timestamps in nanoseconds.
    ///
    /// # Errors
    /// A measurement that some version of InfluxDB could not store; see [`MeasurementError`].
    pub fn new(registry: Registry<'a>, measurement: &str, constant: &ConstantLabels) -> Result<Self, MeasurementError> {
        let lines = InstrumentEncoder::new(registry, measurement, constant, Precision::Nanosecond)?;
        Ok(Self { registry, lines })
    }
}

impl EventEncoder<Observation> for ObservationEncoder<'_> {
    const ITEMS: u8 = 1;

    /// As with lines of requests.
    fn fills_with_newlines(&self) -> bool {
        true
    }

    fn encode(&self, observation: &Observation, _: u8, out: &mut [u8]) -> Result<usize, Full> {
        let instrument = self.registry.own_instruments().named(observation.of).ok_or(Full)?;
        let (named, shape, room) = (instrument.named(), instrument.shape, out.len());
        let name = influxdb(&named).of(&named).next().ok_or(Full)?;
        let series = (shape.reach == Reach::Series).then_some(observation.series);
        let begun = self.lines.begin(series, out)?;
        let mut field = FieldWriter::new(ItemWriter::new(out.get_mut(begun..).ok_or(Full)?), b' ');
        match shape.kind {
            InstrumentKind::Counter => field.put_integer(&name, observation.value)?,
            InstrumentKind::Histogram => field.put(&name, observation.value, shape.unit)?,
        }
        let mut line = field.into_line();
        line.put_exact(self.lines.end(observation.observed_at).as_bytes())?;
        Ok(room - line.room())
    }
}
