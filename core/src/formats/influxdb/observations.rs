//! Instruments of the engine's own per event: a line for each observation.

use super::instruments::InstrumentEncoder;
use super::{MAX_INTEGER, MeasurementError, Precision, TimestampDigits};
use crate::events::batch::EventEncoder;
use crate::events::observation::Observation;
use crate::labels::constant::ConstantLabels;
use crate::metrics::unit::ShownUnit;
use crate::registry::Registry;
use crate::registry::instruments::declaration::{Reach, StoredInstrument};
use crate::registry::instruments::declared::Instruments;
use crate::wire::text::item::ItemWriter;
use crate::wire::text::joined::joined;
use crate::wire::text::out::Full;

/// Writes observations as lines:
/// `loaddensity_request_observations,method=GET,name=/x time_to_first_byte_ms=0.85 1700000000000000000`. What is of the run
/// has the constant tags alone.
///
/// It keeps what the last timestamp began with, so each thread that encodes has one of its own.
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
    instruments: Instruments<'a>,
    lines: InstrumentEncoder<'a>,
    time: TimestampDigits,
}

impl<'a> ObservationEncoder<'a> {
    /// An encoder for observations of own instruments of `registry` that writes points of `measurement` with `constant` tags,
    /// and timestamps in nanoseconds.
    ///
    /// # Errors
    /// A measurement that some version of InfluxDB could not store; see [`MeasurementError`].
    pub fn new(registry: Registry<'a>, measurement: &str, constant: &ConstantLabels) -> Result<Self, MeasurementError> {
        let lines = InstrumentEncoder::new(registry, measurement, constant, Precision::Nanosecond)?;
        Ok(Self { instruments: registry.own_instruments(), lines, time: TimestampDigits::default() })
    }
}

impl EventEncoder<Observation> for ObservationEncoder<'_> {
    const ITEMS: u8 = 1;

    /// As with lines of requests.
    fn fills_with_newlines(&self) -> bool {
        true
    }

    #[inline]
    fn encode(&self, observation: &Observation, _: u8, out: &mut [u8]) -> Result<usize, Full> {
        let StoredInstrument { name, shape } = self.instruments.observed(observation.of).ok_or(Full)?;
        let room = out.len();
        let mut line = ItemWriter::new(out);
        self.lines.put_beginning((shape.reach == Reach::Series).then_some(observation.series), &mut line)?;
        line.put(b" ", 1)?;
        line.put_text(name)?;
        line.put_piece::<VALUE_BYTES>(
            #[inline(always)]
            |piece| {
                let (suffix, length) = suffix(shape.unit);
                piece.put(suffix, length);
                match shape.unit {
                    ShownUnit::Milliseconds => {
                        piece.put_millis(observation.value);
                        piece.put_all(b" ");
                    }
                    ShownUnit::One | ShownUnit::Bytes => {
                        piece.put_integer(observation.value.min(MAX_INTEGER));
                        piece.put_all(b"i ");
                    }
                }
                self.time.put(observation.observed_at.as_unix_nanos().min(MAX_INTEGER - 1), piece);
            },
        )?;
        Ok(room - line.room())
    }
}

/// Room for what follows a name, 74 bytes at most, and what is copied with it.
const VALUE_BYTES: usize = 96;

/// What comes between an instrument's name and a value, the first of what `produced_names` says: as long as what is copied at
/// once, and the length.
#[inline]
const fn suffix(unit: ShownUnit) -> (&'static [u8; 8], usize) {
    const NONE: &[u8; 8] = joined!(ShownUnit::One.suffix(), "=       ");
    const BYTES: &[u8; 8] = joined!(ShownUnit::Bytes.suffix(), "= ");
    const TIME: &[u8; 8] = joined!(ShownUnit::Milliseconds.suffix(), "=    ");
    let bytes = match unit {
        ShownUnit::One => NONE,
        ShownUnit::Bytes => BYTES,
        ShownUnit::Milliseconds => TIME,
    };
    (bytes, unit.suffix().len() + 1)
}
