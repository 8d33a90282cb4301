//! Everything a loaddensity-metrics shell does except sockets and timers.
//!
//! [`Exporters`] is the handle that an embedder starts and stops the four exporters with; it is generic over a
//! [`Runtime`](runtime::Runtime), which a shell crate (`loaddensity-metrics-tokio`, `-smol`, `-std`) brings.
//! Each exporter is a cargo feature: `prometheus`, `influxdb`, `statsd`, `opentelemetry`. A call to one that was left
//! out answers [`StartError::BuiltWithout`].

// Bad input never panics: whoever calls what may must say why that cannot happen.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable, clippy::todo)
)]
#![cfg_attr(
    not(feature = "default"),
    allow(dead_code, unused_variables, reason = "what is shared with exporters that this build may leave out")
)]

// The tests of the HTTP client run on the runtime of a shell, whose source they borrow: as a dependency it would be made for
// another build of this crate.
#[cfg(all(test, feature = "prometheus", feature = "influxdb", feature = "opentelemetry", feature = "gzip"))]
extern crate self as loaddensity_metrics_shell;
#[cfg(all(test, feature = "prometheus", feature = "influxdb", feature = "opentelemetry", feature = "gzip"))]
#[path = "../../shell-smol/src"]
#[allow(dead_code, unreachable_pub, reason = "a shell's users see more of it than the tests need")]
mod shell_smol {
    pub(crate) mod smol_runtime;
}

mod clock;
pub mod config;
mod dispatcher;
mod each_exporter;
pub mod environment;
mod error;
mod exporters;
#[cfg(feature = "datagrams")]
mod fault;
mod host_port;
mod identity;
mod linger;
mod local;
mod network_errors;
pub mod process_wide;
mod public_url;
mod random;
mod registry_warnings;
mod report;
mod running;
pub mod runtime;
mod settings;
mod status;
mod stop;
mod supervisor;
mod thread_settings;

#[cfg(feature = "action-json")]
pub mod actions;
#[cfg(feature = "http")]
mod boxed;
#[cfg(feature = "http")]
mod byte_budget;
#[cfg(feature = "drivers")]
mod drivers;
#[cfg(all(feature = "gzip", feature = "http"))]
mod gzip;
#[cfg(feature = "http-client")]
mod http_client;
#[cfg(feature = "http")]
pub mod hyper_io;
#[cfg(feature = "influxdb")]
mod influxdb;
#[cfg(feature = "opentelemetry-http")]
mod opentelemetry;
#[cfg(feature = "prometheus")]
mod prometheus;
#[cfg(feature = "statsd")]
mod statsd;
#[cfg(feature = "http")]
mod tls;

pub use config::{
    BatchLimits, ClientCertificate, ClientTls, InfluxdbConfig, InfluxdbHttp, InfluxdbTarget, InfluxdbUdp, InfluxdbUrl,
    InfluxdbV1, InfluxdbV2, InfluxdbV3, Labels, Observations, OpenTelemetryConfig, OtlpProtocol, PageAccess,
    PageLimits, PrometheusConfig, Proxy, ProxyError, Roots, Secret, ServerTls, StatsdConfig, StatsdOrigin,
    StatsdSocket, Temporality,
};
pub use error::{StartError, StopError};
pub use exporters::{AsyncExporters, Exporters};
pub use identity::{Identity, IdentityError, RUN_BYTES};
pub use loaddensity_metrics_core::dogstatsd::Cardinality;
pub use loaddensity_metrics_core::otlp::HistogramAggregation;
#[cfg(feature = "prometheus")]
pub use loaddensity_metrics_core::prometheus::{ExpositionFormat, Negotiated};
pub use loaddensity_metrics_core::{
    Account, AccountKind, Bounds, BoundsError, Classic, CoarseBuckets, Counter, CounterTotal, CutNames,
    DESCRIPTION_BYTES, DefaultStorage, Distribution, Distributions, DropReason, DropStage, Dropped, ErrorKind,
    ErrorLabelInUse, Exceeded, Exemplar, Exponential, Exporter, FoldedSeries, FullRing, GAUGES, Gauge, GaugeError,
    HeapStorage, HeapStorageBuilder, Histogram, HistogramTotal, Histograms, InstrumentError, InstrumentKind, Interval,
    Intervals, LABEL_BYTES, LABELS, Label, LabelError, Latencies, ONE_LABEL_BYTES, Observable, Outcome, OwnInstrument,
    Quantity, Reach, Recorder, Registry, Sample, SampleRate, Series, SeriesName, ShownUnit, SizeError, Sizes,
    SpilledRecorders, StatusLabel, StatusLabelInUse, SteadyClock, Storage, Timestamp, TooFewWords, Totals,
    TraceContext, Unit, Usage,
};
pub use local::LocalRecorder;
#[cfg(feature = "prometheus")]
pub use prometheus::renderer::{PageRenderer, RenderedPage};
pub use report::Report;
pub use settings::Settings;
pub use status::ExporterStatus;
pub use thread_settings::ThreadSettings;
