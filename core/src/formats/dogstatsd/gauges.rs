//! The engine's gauges: a message for each.

use core::fmt::Write as _;

use heapless::String;

use super::join::join;
use super::message_format::MessageFormat;
use crate::events::batch::Written;
use crate::registry::Registry;
use crate::registry::gauges::NUMBER_BYTES;
use crate::wire::text::item::ItemWriter;
use crate::wire::text::out::Full;

/// Longest name of a metric in bytes. Source: DataDog/documentation, metrics/custom_metrics, "Naming custom metrics".
pub const METRIC_BYTES: usize = 200;

/// Writes the gauges of a registry as messages: `loaddensity.active_users:250|g`.
#[derive(Clone, Debug)]
pub struct GaugeMessageEncoder<'a> {
    registry: Registry<'a>,
    format: MessageFormat,
}

impl<'a> GaugeMessageEncoder<'a> {
    pub(super) const fn new(registry: Registry<'a>, format: MessageFormat) -> Self {
        Self { registry, format }
    }

    /// How many gauges there are.
    pub(crate) fn gauges(&self) -> usize {
        self.registry.gauges().count()
    }

    /// Writes the gauges after the first `skip` as they are, at most `most` of them and as many as fit, joined by
    /// newlines, to the front of `out`; says how many those are and how long they are. None are left where it says 0.
    ///
    /// # Errors
    /// [`Full`] where the first of them does not fit, or its name is longer than [`METRIC_BYTES`] with the prefix; `out`
    /// then holds nothing useful.
    pub fn encode(&self, skip: usize, most: usize, out: &mut [u8]) -> Result<Written, Full> {
        let gauges = self.registry.gauges().skip(skip).take(most);
        join(gauges, self.format.ends_with_newline, out, |(name, value), room| self.message(&name, value, room))
    }

    fn message(&self, name: &str, value: f64, out: &mut [u8]) -> Result<usize, Full> {
        if self.format.prefix.len() + name.len() > METRIC_BYTES {
            return Err(Full);
        }
        let mut number: String<NUMBER_BYTES> = String::new();
        write!(number, "{value}").map_err(|_| Full)?;
        let room = out.len();
        let mut out = ItemWriter::new(out);
        for part in [&self.format.prefix, name.as_bytes(), b":", number.as_bytes(), b"|g"] {
            out.put_exact(part)?;
        }
        self.format.put_own_fields(true, &mut out)?;
        Ok(room - out.room())
    }
}
