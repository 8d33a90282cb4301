//! loaddensity-metrics on threads of the standard library: one record call per request, and no async runtime.
//!
//! ```
//! use std::net::UdpSocket;
//! use std::time::Duration;
//!
//! use loaddensity_metrics_std::{Exporters, Sample, Settings, StatsdConfig, Timestamp};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let agent = UdpSocket::bind("127.0.0.1:0")?; // stands for Datadog's Agent
//!     let exporters = Exporters::start(Settings::default())?; // threads of their own, the default storage
//!     let port = agent.local_addr()?.port();
//!     exporters.start_statsd_sink(StatsdConfig::default().port(port))?;
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
//!     assert_eq!((report.accounts[0].recorded, report.accounts[0].sent), (2, 2));
//!     let mut message = [0; 128];
//!     let length = agent.recv(&mut message)?;
//!     assert!(message[..length].starts_with(b"loaddensity.re")); // one of six: requests, request.latency, response.size
//!     Ok(())
//! }
//! ```
//!
//! There is UDP, Unix sockets and timers: DogStatsD (feature `statsd`, the default) and InfluxDB over UDP (feature
//! `influxdb`). There is no TCP: what needs it (the Prometheus page, InfluxDB over HTTP, OpenTelemetry) is refused at its
//! start, in words. Two threads start and stop the exporters and wake those that sleep; while a
//! sink runs, one more pumps, and each sink has two. A socket that is full is tried again after a millisecond, because the
//! standard library cannot wait for it.
//!
//! LoadDensity's eight calls are here as free functions too ([`start_statsd_sink`] …), over exporters that the whole
//! process shares; [`shutdown`] ends those. The same exporters run on tokio and smol by way of `loaddensity-metrics-tokio`
//! and `loaddensity-metrics-smol`, and on any other runtime by way of [`runtime::Runtime`].

mod std_runtime;

// Everything of the shell, so that the sisters offer the same; `Exporters` and `AsyncExporters` are those below.
pub use loaddensity_metrics_shell::*;
pub use std_runtime::{Std, StdTask, StdUdp};

/// The exporters on threads of their own. Every call blocks until it is carried out.
pub type Exporters = loaddensity_metrics_shell::Exporters<Std>;

/// The exporters' handle for async callers, whose work is done on threads.
pub type AsyncExporters = loaddensity_metrics_shell::AsyncExporters<Std>;

loaddensity_metrics_shell::process_wide!(Std);

/// The README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
