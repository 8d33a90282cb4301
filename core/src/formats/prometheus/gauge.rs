//! The engine's gauges, each a family of its own: `loaddensity_active_users 250`.

use core::fmt::{self, Write as _};
use core::iter;

use heapless::String;

use super::constant::ConstantText;
use crate::metrics::{GAUGE_DESCRIPTION, PROMETHEUS_NAMESPACE};
use crate::registry::Registry;
use crate::registry::gauges::GAUGE_NAME_BYTES;
use crate::wire::text::out::{Full, TextWriter};

/// What all of them say of themselves.
pub(super) const HELP: &str = GAUGE_DESCRIPTION;

/// A gauge that has been set.
#[derive(Debug)]
pub(super) struct GaugeReading {
    pub(super) name: String<{ PROMETHEUS_NAMESPACE.len() + GAUGE_NAME_BYTES }>,
    pub(super) value: f64,
}

impl GaugeReading {
    /// The one in place `number` as it is now. A gauge keeps its place, so that going through the places shows none twice
    /// while others are being set.
    pub(super) fn read(registry: Registry<'_>, number: usize) -> Option<Self> {
        let words = registry.parts.control.gauges.get(number)?;
        let (own, value) = (words.name()?, words.value()?);
        let mut name = String::new();
        name.push_str(PROMETHEUS_NAMESPACE).and_then(|()| name.push_str(&own)).ok()?;
        Some(Self { name, value })
    }

    /// Writes all its lines.
    pub(super) fn write(&self, constant: &ConstantText, out: &mut TextWriter<'_>) -> Result<(), Full> {
        let name = self.name.as_str();
        for part in ["# HELP ", name, " ", HELP, "\n# TYPE ", name, " gauge\n", name] {
            out.put(part.as_bytes())?;
        }
        constant.put_after(iter::empty(), out)?;
        out.put(b" ")?;
        let value = self.value;
        // Shortest, and exact when read again; without a fraction of many zeros or a tail of them.
        let is_plain = value == 0.0 || (1e-5..1e15).contains(&value.abs());
        let mut text = FmtWriter(out);
        let written = if is_plain { writeln!(text, "{value}") } else { writeln!(text, "{value:e}") };
        written.map_err(|_| Full)
    }
}

/// Lets `core` write numbers.
struct FmtWriter<'o, 'b>(&'o mut TextWriter<'b>);

impl fmt::Write for FmtWriter<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.put(text.as_bytes()).map_err(|_| fmt::Error)
    }
}
