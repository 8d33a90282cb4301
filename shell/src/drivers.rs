//! The loops that serve the machines of the core: ask, do the one thing that is said, tell what came of it.
//!
//! They decide nothing. What an answer, a failure or a moment means is the machine's; its words are the client's.

#[cfg(feature = "opentelemetry-http")]
mod periodic;
#[cfg(feature = "influxdb")]
mod posts;
mod wire;

#[cfg(feature = "opentelemetry-http")]
pub(crate) use periodic::{ExportDriver, PointSource};
#[cfg(feature = "influxdb")]
pub(crate) use posts::{ItemSource, PostDriver};
pub(crate) use wire::Wire;
