//! What each exporter does that costs something.

use loaddensity_metrics_core::Exporter;

/// What is measured of one exporter, and what is made of it.
pub(crate) struct ExporterCost {
    /// Its name in the report.
    pub(crate) name: &'static str,
    /// What one operation is, in the table.
    pub(crate) operation: &'static str,
    pub(crate) work: ExporterWork,
}

/// When an exporter works.
pub(crate) enum ExporterWork {
    /// With each request, which it takes out of its sink and sends.
    PerRequest(&'static [Sending]),
    /// Every so often, when it reads the registry.
    Reading {
        /// One reading.
        what: &'static str,
        /// What is in it.
        things: &'static str,
        /// Seconds between two.
        every: f64,
    },
}

/// How a per-request exporter may send.
pub(crate) struct Sending {
    pub(crate) how: &'static str,
    pub(crate) datagram: DatagramKind,
}

/// A datagram that goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DatagramKind {
    pub(crate) filling: DatagramFilling,
    /// Whether it leaves with others in one call.
    pub(crate) is_offloaded: bool,
}

/// What is in a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DatagramFilling {
    /// As much as fits.
    Packed,
    /// One of the [`MESSAGES`](super::MESSAGES) of a request.
    Message,
}

/// What is measured of `exporter`.
pub(crate) const fn cost_of(exporter: Exporter) -> ExporterCost {
    match exporter {
        Exporter::Prometheus => ExporterCost {
            name: "Prometheus",
            operation: "Prometheus, a line",
            // As most Prometheus servers are set up.
            work: ExporterWork::Reading { what: "a scrape", things: "lines", every: 15.0 },
        },
        Exporter::Influxdb => ExporterCost {
            name: "InfluxDB",
            operation: "InfluxDB, a line",
            work: ExporterWork::PerRequest(
                const { &[packed("packed (default)", true), packed("packed, without offload", false)] },
            ),
        },
        Exporter::Statsd => ExporterCost {
            name: "DogStatsD",
            operation: "DogStatsD, a request (3 messages)",
            work: ExporterWork::PerRequest(
                const {
                    &[
                        message("one by one (default)", true),
                        message("one by one, without offload", false),
                        packed("packed, at most (two or more leave in a call)", false),
                        packed("packed, with fill_datagrams", true),
                    ]
                },
            ),
        },
        Exporter::OpenTelemetry => ExporterCost {
            name: "OpenTelemetry",
            operation: "OTLP, a data point",
            // The default of `interval_seconds`.
            work: ExporterWork::Reading { what: "an export", things: "data points", every: 5.0 },
        },
    }
}

/// Those that take each request, in the order in which they are shown.
pub(crate) fn per_request() -> impl Iterator<Item = Exporter> {
    Exporter::ALL.into_iter().filter(|exporter| matches!(cost_of(*exporter).work, ExporterWork::PerRequest(_)))
}

/// Those that read the registry, in the order in which they are shown.
pub(crate) fn reading() -> impl Iterator<Item = Exporter> {
    Exporter::ALL.into_iter().filter(|exporter| matches!(cost_of(*exporter).work, ExporterWork::Reading { .. }))
}

const fn packed(how: &'static str, is_offloaded: bool) -> Sending {
    Sending { how, datagram: DatagramKind { filling: DatagramFilling::Packed, is_offloaded } }
}

const fn message(how: &'static str, is_offloaded: bool) -> Sending {
    Sending { how, datagram: DatagramKind { filling: DatagramFilling::Message, is_offloaded } }
}
