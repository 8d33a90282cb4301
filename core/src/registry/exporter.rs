//! The exporters that have accounts.

use core::fmt;

/// The four exporters.
///
/// The enum is exhaustive on purpose: each exporter has settings, commands and a place in reports, and the compiler
/// must name every place where a fifth one is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Exporter {
    /// The page that Prometheus scrapes.
    Prometheus,
    /// Points over UDP or HTTP.
    Influxdb,
    /// DogStatsD messages.
    Statsd,
    /// OTLP exports.
    OpenTelemetry,
}

impl Exporter {
    /// All four, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Prometheus, Self::Influxdb, Self::Statsd, Self::OpenTelemetry];

    /// Its name in metrics, tables and cargo features: `prometheus`, `influxdb`, `statsd`, `opentelemetry`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prometheus => "prometheus",
            Self::Influxdb => "influxdb",
            Self::Statsd => "statsd",
            Self::OpenTelemetry => "opentelemetry",
        }
    }
}

impl fmt::Display for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
