//! What an exporter of datagrams has sent.

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Datagrams that were handed over.
    pub sent: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Datagrams that were too large.
    pub dropped: u64,
    /// Bytes of those.
    pub dropped_bytes: u64,
    /// Refusals that sockets have told of.
    pub refusals: u64,
    /// Sockets that were made in place of an earlier one.
    pub reconnects: u64,
}
