//! What became of the requests, or of the observations, that an exporter had to send.

use super::drop_reason::Dropped;
use super::exporter::Exporter;

/// What an account counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccountKind {
    /// Requests.
    #[default]
    Requests,
    /// Calls that raised a counter of the engine's own or gave a histogram a value.
    Observations,
}

/// What became of the requests recorded since an exporter's start; or of the observations, with the same rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Account {
    /// Whose account it is.
    pub exporter: Exporter,
    /// Requests recorded since the exporter's start.
    pub recorded: u64,
    /// Of those, how many the backend has. UDP: handed to the kernel; HTTP and gRPC: acknowledged; Prometheus: in the
    /// last page that was delivered whole.
    pub sent: u64,
    /// Of those, how many wait in rings and buffers or, for aggregates, for the next scrape or export.
    pub held: u64,
    /// Of those, how many were dropped, by reason.
    pub dropped: Dropped,
}

impl Account {
    /// Whether `recorded = sent + dropped + held`. It is true whenever recording and sending pause.
    #[must_use]
    pub fn balanced(&self) -> bool {
        self.recorded == self.sent + self.dropped.total() + self.held
    }
}
