//! The loops that drive the machines of the core: ask for the next action, carry it out, report the outcome.
//!
//! They decide nothing. The machine decides what an answer, a fault or a moment means; the client writes the texts.

#[cfg(feature = "http-client")]
mod backend_link;
#[cfg(feature = "datagrams")]
mod datagram_lenders;
#[cfg(feature = "datagrams")]
mod datagrams;
#[cfg(feature = "datagrams")]
mod destination;
mod lender;
#[cfg(feature = "periodic")]
mod periodic;
#[cfg(feature = "posts")]
mod posts;
#[cfg(feature = "datagrams")]
mod sockets;
mod wakeup;

#[cfg(feature = "http-client")]
pub(crate) use backend_link::BackendLink;
#[cfg(feature = "datagrams")]
pub(crate) use datagram_lenders::{EventLender, IntervalItemLender};
#[cfg(feature = "datagrams")]
pub(crate) use datagrams::DatagramDriver;
#[cfg(feature = "datagrams")]
pub(crate) use destination::Destination;
pub(crate) use lender::Lender;
#[cfg(feature = "periodic")]
pub(crate) use periodic::ExportDriver;
#[cfg(feature = "posts")]
pub(crate) use posts::PostDriver;
#[cfg(feature = "datagrams")]
pub(crate) use sockets::DatagramOptions;
#[cfg(feature = "unix-sockets")]
pub(crate) use sockets::{OpenSocket, connect_unix};
