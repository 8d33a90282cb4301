//! Room for one request in an aggregator.

use crate::events::event::Event;
use crate::registry::drop_reason::DropReason;
use crate::request::error_kind::ErrorKind;
use crate::request::sample::Outcome;
use crate::request::series::Series;

/// Room for one request in an [`Aggregator`](super::Aggregator): 24 bytes.
#[derive(Clone, Copy, Debug)]
pub struct AggregatedRequest {
    pub(super) latency_ns: u64,
    pub(super) response_bytes: u64,
    pub(super) series: Series,
    pub(super) outcome: Outcome,
    /// The kind of its failure, while the label `error_type` is on.
    pub(super) kind: Option<ErrorKind>,
    /// Why a message of it is lost, if one is.
    pub(super) lost: Option<DropReason>,
}

const _: () = assert!(size_of::<AggregatedRequest>() == 24, "the documentation says so");

impl Default for AggregatedRequest {
    fn default() -> Self {
        Self::of(&Event::default(), false)
    }
}

impl AggregatedRequest {
    pub(super) fn of(event: &Event, has_kinds: bool) -> Self {
        let Event { series, latency_ns, response_bytes, .. } = *event;
        let kind = event.error_kind().filter(|_| has_kinds);
        Self { latency_ns, response_bytes, series, outcome: event.outcome(), kind, lost: None }
    }

    /// What it has in common with the others of its context.
    pub(super) fn context(&self) -> (Series, usize, Option<ErrorKind>) {
        (self.series, self.outcome.index(), self.kind)
    }
}
