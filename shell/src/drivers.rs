//! The loops that drive the machines of the core: ask for the next action, carry it out, report the outcome.
//!
//! They decide nothing. The machine decides what an answer, a fault or a moment means; the client writes the texts.

#[cfg(any(feature = "influxdb", feature = "opentelemetry-http"))]
mod backend_link;
#[cfg(any(feature = "influxdb", feature = "statsd"))]
mod datagram_lenders;
#[cfg(any(feature = "influxdb", feature = "statsd"))]
mod datagrams;
#[cfg(any(feature = "influxdb", feature = "statsd"))]
mod destination;
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
#[cfg(any(feature = "influxdb", feature = "statsd"))]
pub(crate) use destination::Destination;
pub(crate) use lender::Lender;
#[cfg(feature = "opentelemetry-http")]
pub(crate) use periodic::ExportDriver;
#[cfg(feature = "influxdb")]
pub(crate) use posts::PostDriver;
#[cfg(any(feature = "influxdb", feature = "statsd"))]
pub(crate) use sockets::DatagramOptions;
// DogStatsD alone speaks to Unix sockets.
#[cfg(feature = "statsd")]
pub(crate) use sockets::{OpenSocket, connect_unix};
