//! The exporters that have accounts.

use super::value_names::value_names;

/// The exporters. Their names are also those of their cargo features.
///
/// The enum is exhaustive on purpose: each exporter has settings, commands and a place in reports, and the compiler must
/// name every place where another one is missing.
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

value_names!(Exporter {
    Prometheus => "prometheus",
    Influxdb => "influxdb",
    Statsd => "statsd",
    OpenTelemetry => "opentelemetry",
});
