//! The exporters that have accounts.

use super::value_names::value_names;

/// The exporters. Their names are also those of their cargo features.
///
/// It is exhaustive on purpose: each has settings, commands and a place in reports, which another must not lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Exporter {
    /// The scraped page.
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
