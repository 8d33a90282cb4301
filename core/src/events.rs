//! Single requests, for the exporters that send per request. An event goes from a recorder's ring through the pump into
//! the sink of each exporter, and from there into datagrams and bodies.

pub(crate) mod batch;
pub(crate) mod event;
pub(crate) mod observation;
pub(crate) mod phase;
pub(crate) mod pump;
pub(crate) mod sampling;
pub(crate) mod segments;
pub(crate) mod sink;
