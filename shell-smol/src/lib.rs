//! loaddensity-metrics on smol: one record call per request, four backends.
//!
//! ```
//! use std::time::Duration;
//!
//! use loaddensity_metrics_smol::{Exporters, PageAccess, PageLimits, PrometheusConfig, Quantity, Sample, Settings, Timestamp};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let exporters = Exporters::start(Settings::default())?; // a thread of their own, the default storage
//!     let page = exporters.start_prometheus_exporter(PrometheusConfig::default().port(0))?;
//!     println!("http://{page}/metrics");
//!
//!     let mut recorder = exporters.recorder(); // one per thread
//!     let get_items = recorder.series("GET", "/items"); // interned once, valid on every recorder
//!     // On every completed request:
//!     let latency = Duration::from_micros(4_200);
//!     let completed_at = Timestamp::from_unix_nanos(1_700_000_000_000_000_000);
//!     let sample = Sample::http(200, latency).response_bytes(512).completed_at(completed_at);
//!     recorder.record(get_items, sample);
//!     // Or, without a handle:
//!     recorder.record_request("GET", "/items", sample);
//!
//!     let report = exporters.shutdown(Duration::from_secs(5));
//!     println!("{report}"); // recorded, sent, dropped by cause
//!     assert_eq!(report.accounts[0].recorded, 2);
//!     Ok(())
//! }
//! ```
//!
//! By default the exporters have a thread and a runtime of their own. [`AsyncExporters::start_on`] puts them on the
//! caller's: `AsyncExporters::start_on(Smol::global(), Settings::default())`.
//!
//! LoadDensity's eight calls are here as free functions too ([`start_prometheus_exporter`] …), over exporters that the
//! whole process shares; [`shutdown`] ends those. The same exporters run on tokio by way of
//! `loaddensity-metrics-tokio`, and on any other runtime by way of [`runtime::Runtime`].

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
