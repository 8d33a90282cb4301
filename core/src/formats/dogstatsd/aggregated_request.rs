//! Room for one request in an aggregator.

use crate::events::event::Event;
use crate::registry::drop_reason::DropReason;
use crate::request::sample::Outcome;
use crate::request::series::Series;

/// Room for one request in an [`Aggregator`](super::Aggregator): 24 bytes.
#[derive(Clone, Copy, Debug)]
pub struct AggregatedRequest {
    pub(super) latency_ns: u64,
    pub(super) response_bytes: u64,
    pub(super) series: Series,
    pub(super) outcome: Outcome,
    /// Why a message of it is lost, if one is.
    pub(super) lost: Option<DropReason>,
}

const _: () = assert!(size_of::<AggregatedRequest>() == 24, "the documentation says so");

impl Default for AggregatedRequest {
    fn default() -> Self {
        Self::of(&Event::default())
    }
}

impl AggregatedRequest {
    pub(super) const fn of(event: &Event) -> Self {
        let Event { series, outcome, latency_ns, response_bytes, .. } = *event;
        Self { latency_ns, response_bytes, series, outcome, lost: None }
    }

    /// What it has in common with the others of its context.
    pub(super) fn context(&self) -> (Series, usize) {
        (self.series, self.outcome.index())
    }
}
