//! The list of exporters, from which follows whatever there is once for each.

/// Hands the exporters to the macro that is named: a row each, in the order of [`Exporter::ALL`](crate::Exporter::ALL).
///
/// A row says, in this order: the variant of `Exporter`; the name of its folder below `src/` and of its file in
/// `actions/command/`; the cargo feature that brings the folder; the start call with its documentation, its configuration, its answer and
/// its variant of `Command`; the stop call with the same. From it follow
///
/// | what | where |
/// |---|---|
/// | the variant of `ExporterConfig`, which feature a build lacks | `config.rs` |
/// | the call of the folder's `prepare` | `supervisor.rs` |
/// | the start and stop calls, async and blocking | `exporters/calls.rs` |
/// | the same as free functions | `process_wide.rs` |
/// | Action-JSON's commands: `LD_` before the names of the calls | `actions/command.rs` |
#[doc(hidden)]
#[macro_export]
macro_rules! each_exporter {
    ($($callback:tt)+) => {
        $($callback)+! {
            Prometheus: prometheus, feature "prometheus" {
                /// Serves the metrics page. Returns the address that it listens on, with the port that was given for port 0.
                ///
                /// Where it already runs with the same settings, this does nothing; with others, it is stopped and started anew,
                /// and [`Report`](crate::Report) has an account for each of the runs. A start that fails leaves it running as it
                /// was; if it had to be stopped first, to free its own port, the error is [`StartError::Stopped`]. So it is with
                /// all exporters.
                ///
                /// # Errors
                /// [`StartError`]: a setting that cannot work, a host without an address, a port in use, an exporter that was
                /// left out of the build, or a shutdown that came before.
                fn start_prometheus_exporter(PrometheusConfig) -> ::std::net::SocketAddr = StartPrometheus;
                /// Stops serving the metrics page, after pages that are under way, and frees the port. `None`: it was not
                /// running.
                ///
                /// A page that lingers ([`PrometheusConfig::linger`](crate::PrometheusConfig::linger)) serves on, and this does not wait for it: the account has
                /// `held` requests, [`status`](Self::status) shows it, and another stop changes nothing.
                ///
                /// # Errors
                /// [`StopError`]: left out of the build, or shut down before. So it is with all exporters.
                fn stop_prometheus_exporter() = StopPrometheus;
            }
            Influxdb: influxdb, feature "influxdb" {
                /// Sends one point per request to InfluxDB. A backend that is not there does not fail the start.
                ///
                /// # Errors
                /// See [`start_prometheus_exporter`](Self::start_prometheus_exporter).
                fn start_influxdb_sink(InfluxdbConfig) -> () = StartInfluxdb;
                /// Flushes and stops the InfluxDB sink. `None`: it was not running.
                ///
                /// # Errors
                /// See [`stop_prometheus_exporter`](Self::stop_prometheus_exporter).
                fn stop_influxdb_sink() = StopInfluxdb;
            }
            Statsd: statsd, feature "statsd" {
                /// Sends three messages per request to DogStatsD. A backend that is not there does not fail the start.
                ///
                /// # Errors
                /// See [`start_prometheus_exporter`](Self::start_prometheus_exporter).
                fn start_statsd_sink(StatsdConfig) -> () = StartStatsd;
                /// Flushes and stops the DogStatsD sink. `None`: it was not running.
                ///
                /// # Errors
                /// See [`stop_prometheus_exporter`](Self::stop_prometheus_exporter).
                fn stop_statsd_sink() = StopStatsd;
            }
            OpenTelemetry: opentelemetry, feature "opentelemetry-http" {
                /// Exports the totals over OTLP at every interval. A backend that is not there does not fail the start.
                ///
                /// # Errors
                /// See [`start_prometheus_exporter`](Self::start_prometheus_exporter).
                fn start_opentelemetry_exporter(OpenTelemetryConfig) -> () = StartOpenTelemetry;
                /// Exports once more and stops. `None`: it was not running.
                ///
                /// # Errors
                /// See [`stop_prometheus_exporter`](Self::stop_prometheus_exporter).
                fn stop_opentelemetry_exporter() = StopOpenTelemetry;
            }
        }
    };
}
