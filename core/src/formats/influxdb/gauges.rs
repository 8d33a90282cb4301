//! The engine's gauges: one point with a field for each.

use core::fmt::Write as _;
use core::ops::Range;

use heapless::String;

use super::tags::AddedTags;
use super::{MAX_INTEGER, Measurement, MeasurementError, Precision, StatusCode, escaped};
use crate::events::batch::Written;
use crate::labels::constant::ConstantLabels;
use crate::registry::Registry;
use crate::registry::gauges::NUMBER_BYTES;
use crate::request::sample::Timestamp;
use crate::wire::text::item::ItemWriter;
use crate::wire::text::out::Full;

/// Room for a space and the timestamp.
const TIME_BYTES: usize = 21;

/// Writes the gauges of a registry as one line: `loaddensity_request_gauges active_users=250,rate=12.5 1700000000000000000`.
#[derive(Clone, Debug)]
pub struct GaugeLineEncoder<'a> {
    registry: Registry<'a>,
    measurement: Measurement,
    tags: AddedTags,
    precision: Precision,
}

impl<'a> GaugeLineEncoder<'a> {
    /// An encoder for the gauges of `registry` that writes points of `measurement` with `constant` tags, and timestamps in
    /// `precision`.
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

    /// How many gauges there are.
    #[must_use]
    pub fn gauges(&self) -> usize {
        self.registry.gauges().count()
    }

    /// Writes those `gauges`, counted from 0, as they are, without a newline, to the front of `out`, as many as fit;
    /// says how many those are and how long the line is. Where they are fewer, the others make another line: InfluxDB
    /// adds its fields to those of this one.
    ///
    /// # Errors
    /// [`Full`] where not a single one fits; `out` then holds nothing useful.
    pub fn encode(&self, gauges: Range<usize>, at: Timestamp, out: &mut [u8]) -> Result<Written, Full> {
        let room = out.len();
        let mut line = ItemWriter::new(out);
        let mut written = Written::default();
        for (name, value) in self.registry.gauges().skip(gauges.start).take(gauges.len()) {
            let mut number: String<NUMBER_BYTES> = String::new();
            write!(number, "{value}").map_err(|_| Full)?;
            if written.items == 0 {
                self.measurement.begin(&mut line)?;
                self.tags.put_alone(&mut line)?;
            }
            if line.room() < 2 + name.len() + number.len() + TIME_BYTES {
                break;
            }
            line.put_exact(if written.items == 0 { b" " } else { b"," })?;
            for part in [name.as_bytes(), b"=", number.as_bytes()] {
                line.put_exact(part)?;
            }
            written.items += 1;
        }
        match (written.items, line.room() < room) {
            (0, true) => Err(Full),
            (0, false) => Ok(written),
            _ => {
                let at = at.as_unix_nanos().min(MAX_INTEGER - 1) / self.precision.nanos();
                line.put_exact(b" ")?;
                line.put_exact(itoa::Buffer::new().format(at).as_bytes())?;
                Ok(Written { bytes: room - line.room(), ..written })
            }
        }
    }
}
