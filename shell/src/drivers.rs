//! The loops that serve the machines of the core: ask, do the one thing that is said, tell what came of it.
//!
//! They decide nothing. What an answer, a fault or a moment means is the machine's; its words are the client's.

#[cfg(any(feature = "influxdb", feature = "opentelemetry-http"))]
mod backend_link;
#[cfg(any(feature = "influxdb", feature = "statsd"))]
mod datagram_lenders;
#[cfg(any(feature = "influxdb", feature = "statsd"))]
mod datagrams;
mod lender;
#[cfg(feature = "opentelemetry-http")]
mod periodic;
#[cfg(feature = "influxdb")]
mod posts;
#[cfg(any(feature = "influxdb", feature = "statsd"))]
mod sockets;
mod wakeup;

#[cfg(any(feature = "influxdb", feature = "opentelemetry-http"))]
pub(crate) use backend_link::BackendLink;
#[cfg(any(feature = "influxdb", feature = "statsd"))]
pub(crate) use datagram_lenders::{IntervalItemLender, RequestLender};
#[cfg(any(feature = "influxdb", feature = "statsd"))]
pub(crate) use datagrams::DatagramDriver;
pub(crate) use lender::Lender;
#[cfg(feature = "opentelemetry-http")]
pub(crate) use periodic::ExportDriver;
#[cfg(feature = "influxdb")]
pub(crate) use posts::PostDriver;
#[cfg(any(feature = "influxdb", feature = "statsd"))]
pub(crate) use sockets::{Destination, SocketOptions};
// DogStatsD alone speaks to Unix sockets.
#[cfg(feature = "statsd")]
pub(crate) use sockets::{OpenSocket, connect};
