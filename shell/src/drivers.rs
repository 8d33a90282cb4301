//! The loops that serve the machines of the core: ask, do the one thing that is said, tell what came of it.
//!
//! They decide nothing. What an answer, a fault or a moment means is the machine's; its words are the client's.

#[cfg(any(feature = "influxdb", feature = "statsd"))]
mod datagrams;
#[cfg(any(feature = "influxdb", feature = "statsd"))]
mod lent;
#[cfg(feature = "opentelemetry-http")]
mod periodic;
#[cfg(feature = "influxdb")]
mod posts;
#[cfg(any(feature = "influxdb", feature = "statsd"))]
mod sockets;
#[cfg(any(feature = "influxdb", feature = "opentelemetry-http"))]
mod wire;

#[cfg(any(feature = "influxdb", feature = "statsd"))]
pub(crate) use datagrams::DatagramDriver;
#[cfg(any(feature = "influxdb", feature = "statsd"))]
pub(crate) use lent::{LentItems, LentRequests};
#[cfg(feature = "opentelemetry-http")]
pub(crate) use periodic::{ExportDriver, PointSource};
#[cfg(feature = "influxdb")]
pub(crate) use posts::{ItemSource, PostDriver};
#[cfg(any(feature = "influxdb", feature = "statsd"))]
pub(crate) use sockets::{Destination, SocketSettings};
#[cfg(any(feature = "influxdb", feature = "opentelemetry-http"))]
pub(crate) use wire::Wire;
// DogStatsD alone speaks to Unix sockets, and sums requests up.
#[cfg(feature = "statsd")]
pub(crate) use {
    lent::DatagramSource,
    sockets::{Open, connect},
};
