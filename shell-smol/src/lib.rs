//! loaddensity-metrics on smol: one record call per request, four backends.
//!
//! # The loop
//!
//! ```
//! use std::time::{Duration, Instant};
//!
//! use loaddensity_metrics_smol::runtime::system_time;
//! use loaddensity_metrics_smol::{Exporters, PrometheusConfig, Sample, Settings};
//!
//! fn main() {
//!     if let Err(error) = run() { eprintln!("error: {error}"); std::process::exit(1) }
//! }
//!
//! fn run() -> Result<(), Box<dyn std::error::Error>> {
//!     let exporters = Exporters::start(Settings::default())?; // a thread of their own, the default storage
//!     let page = exporters.start_prometheus_exporter(PrometheusConfig::default().port(0))?;
//!     println!("http://{page}/metrics");
//!     let mut recorder = exporters.recorder(); // one per thread
//!     let labels = [("scenario", "checkout"), ("region", "eu-west-1")]; // up to 8, of 256 bytes
//!     let post_orders = recorder.series_with_labels("POST", "/orders", labels)?; // interned once, valid on every recorder
//!     let active_users = exporters.registry().gauge("active_users")?;
//!     active_users.set(20.0);
//!
//!     let began = Instant::now();
//!     // On every completed request:
//!     let sample = Sample::http(201, began.elapsed()).response_bytes(512).completed_at(system_time());
//!     recorder.record(post_orders, sample);
//!     // Or, without a handle and labels:
//!     recorder.record_request("GET", "/items", sample);
//!
//!     let latency = exporters.registry().distributions().map(|all| all.latency());
//!     println!("p99 {:?} ns", latency.and_then(|latency| latency.quantile(0.99)));
//!     let report = exporters.shutdown(Duration::from_secs(5));
//!     println!("{report}"); // recorded, sent, dropped by cause
//!     assert_eq!(report.accounts[0].recorded, 2);
//!     Ok(())
//! }
//! ```
//!
//! # What there is
//!
//! | you want | see |
//! |---|---|
//! | to record | [`Recorder`] for a thread, [`LocalRecorder`] for tasks that migrate between threads, [`Sample`] |
//! | labels | [`Recorder::series_with_labels`], [`Registry::set_status_label`] for the status, [`Registry::set_error_label`] for the kind of a failure; of all series: `constant_labels` of each configuration, [`Identity`] |
//! | counters and histograms of your own | [`Registry::counter`], [`Registry::timer`], [`Registry::histogram`], in storage of [`HeapStorage::builder`]; [`Recorder::add`], [`Recorder::observe`] |
//! | gauges, exemplars | [`Registry::gauge`], [`Recorder::record_traced`] |
//! | percentiles, totals | [`Registry::distributions`], [`Registry::totals`] |
//! | storage and buckets of your own | [`Storage`], [`HeapStorage`], [`Settings::on`], [`Registry::set_bounds`] |
//! | to know how it goes | [`Exporters::status`], [`Report`], [`Registry::usage`] |
//! | what a backend is sent | [`PrometheusConfig`], [`InfluxdbConfig`], [`StatsdConfig`], [`OpenTelemetryConfig`] |
//! | a thread of the exporters as you want it, a cheap clock | [`ThreadSettings`], `runtime::coarse_time` |
//!
//! By default the exporters have a thread and a runtime of their own. [`AsyncExporters::start_on`] puts them on the caller's:
//! `AsyncExporters::start_on(Smol::global(), Settings::default())`. LoadDensity's eight calls are here as free functions too
//! ([`start_prometheus_exporter`] …), over exporters that the whole process shares; [`shutdown`] ends those. The same exporters run
//! on tokio by way of `loaddensity-metrics-tokio`, and on any other runtime by way of [`runtime::Runtime`].
//!
//! # Features
//!
//! On by default: `prometheus`, `influxdb`, `statsd`, `opentelemetry`. Off: `opentelemetry-http` (OTLP without HTTP/2), `tls`, `gzip`,
//! `action-json` (LoadDensity's commands), `coarse-clock`. A call to an exporter that was left out answers [`StartError::BuiltWithout`].
//!
//! # The book
//!
//! [Embedding](https://github.com/Integration-Automation/loaddensity-metrics/blob/main/docs/embedding.md), [threads and clocks](https://github.com/Integration-Automation/loaddensity-metrics/blob/main/docs/threads.md), [costs](https://github.com/Integration-Automation/loaddensity-metrics/blob/main/docs/costs.md), [gauges and exemplars](https://github.com/Integration-Automation/loaddensity-metrics/blob/main/docs/gauges-and-exemplars.md),
//! [instruments of your own](https://github.com/Integration-Automation/loaddensity-metrics/blob/main/docs/own-instruments.md), [why requests failed](https://github.com/Integration-Automation/loaddensity-metrics/blob/main/docs/failures.md), [bridges](https://github.com/Integration-Automation/loaddensity-metrics/blob/main/docs/bridges.md),
//! [what goes wrong](https://github.com/Integration-Automation/loaddensity-metrics/blob/main/docs/what-goes-wrong.md) and [each fault](https://github.com/Integration-Automation/loaddensity-metrics/blob/main/docs/faults.md), [Prometheus](https://github.com/Integration-Automation/loaddensity-metrics/blob/main/docs/prometheus.md), [InfluxDB](https://github.com/Integration-Automation/loaddensity-metrics/blob/main/docs/influxdb.md),
//! [DogStatsD](https://github.com/Integration-Automation/loaddensity-metrics/blob/main/docs/dogstatsd.md), [OpenTelemetry](https://github.com/Integration-Automation/loaddensity-metrics/blob/main/docs/opentelemetry.md), [several generators](https://github.com/Integration-Automation/loaddensity-metrics/blob/main/docs/generators.md), [TLS and proxies](https://github.com/Integration-Automation/loaddensity-metrics/blob/main/docs/tls.md),
//! [another runtime](https://github.com/Integration-Automation/loaddensity-metrics/blob/main/docs/runtimes.md), [from LoadDensity](https://github.com/Integration-Automation/loaddensity-metrics/blob/main/docs/migrating.md).

mod smol_runtime;

// Everything of the shell, so that all sisters offer the same; `Exporters` and `AsyncExporters` are those below.
pub use loaddensity_metrics_shell::*;
pub use smol_runtime::{Smol, SmolListener, SmolStream, SmolTask, SmolUdp};

/// The exporters on a thread of their own, run by smol. Every call blocks until it is carried out.
pub type Exporters = loaddensity_metrics_shell::Exporters<Smol>;

/// The exporters' handle for async callers, on smol.
pub type AsyncExporters = loaddensity_metrics_shell::AsyncExporters<Smol>;

loaddensity_metrics_shell::process_wide!(Smol);

/// The README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
