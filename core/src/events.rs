//! Requests one by one, for the exporters that send each: from a recorder's ring, through the pump, into each exporter's own
//! sink, and into datagrams and bodies.

pub(crate) mod batch;
pub(crate) mod event;
pub(crate) mod phase;
pub(crate) mod pump;
pub(crate) mod sampling;
pub(crate) mod segments;
pub(crate) mod sink;
