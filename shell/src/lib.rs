//! Everything a loaddensity-metrics shell does except sockets and timers.
//!
//! [`Exporters`] is the handle that an embedder starts and stops the four exporters with; it is generic over a
//! [`Runtime`](runtime::Runtime), which a shell crate (`loaddensity-metrics-tokio`, `loaddensity-metrics-smol`) brings.
//! Each exporter is a cargo feature: `prometheus`, `influxdb`, `statsd`, `opentelemetry`. A call to one that was left
//! out answers [`StartError::BuiltWithout`].

#![cfg_attr(
    not(all(feature = "prometheus", feature = "influxdb", feature = "statsd", feature = "opentelemetry")),
    allow(dead_code, unused_variables, reason = "what exporters share that this build leaves out")
)]

mod birth;
mod condition;
pub mod config;
mod error;
mod exporters;
mod hub;
mod local;
pub mod process_wide;
mod report;
mod running;
pub mod runtime;
mod settings;
mod stop;
mod supervisor;

#[cfg(feature = "action-json")]
pub mod actions;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(any(feature = "influxdb", feature = "opentelemetry"))]
mod http_client;
#[cfg(feature = "http")]
pub mod hyper_io;
#[cfg(feature = "influxdb")]
mod influxdb;
#[cfg(feature = "opentelemetry")]
mod opentelemetry;
#[cfg(feature = "prometheus")]
mod prometheus;
#[cfg(feature = "statsd")]
mod statsd;
#[cfg(any(feature = "influxdb", feature = "statsd"))]
mod udp;

pub use condition::ExporterStatus;
pub use config::{
    BatchLimits, InfluxdbConfig, InfluxdbTarget, OpenTelemetryConfig, PrometheusConfig, Secret, StatsdConfig,
};
pub use error::{StartError, StopError};
pub use exporters::{AsyncExporters, Exporters};
pub use loaddensity_metrics_core::{
    Account, Cause, DefaultStorage, Dropped, Exporter, Facts, FullRing, HeapStorage, Label, LabelError, Outcome,
    Recorder, Registry, Request, Sample, Series, SizeError, Storage, Timestamp, Totals,
};
pub use local::LocalRecorder;
pub use report::Report;
pub use settings::Settings;
