//! Why requests were dropped, and how many for each reason.

use super::value_names::value_names;

/// Why a recorded request did not reach a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// The recorder's ring was full: the pump came too late.
    RingFull,
    /// The exporter's own buffer was full: the backend is slower than the load, or it is down.
    BufferFull,
    /// The request does not fit into a datagram or a body, even alone.
    TooLarge,
    /// The backend refused it for good.
    Refused,
    /// The backend could not be reached, or could not take anything.
    Unreachable,
    /// The backend may have it. Over HTTP or gRPC: no answer came, or one that does not say whether the backend took
    /// the request. Over UDP: the backend's host refused a datagram.
    Unconfirmed,
    /// The backend accepted the export but not all of its data points (OTLP `partial_success`).
    Rejected,
    /// The request still waited when the deadline of the stop passed.
    Deadline,
    /// No complete scrape has contained it.
    Unscraped,
    /// The exporter was asked to send only a part of the requests, and this one was not among them.
    Sampled,
}

value_names!(DropReason {
    RingFull => "ring_full",
    BufferFull => "buffer_full",
    TooLarge => "too_large",
    Refused => "refused",
    Unreachable => "unreachable",
    Unconfirmed => "unconfirmed",
    Rejected => "rejected",
    Deadline => "deadline",
    Unscraped => "unscraped",
    Sampled => "sampled",
});

/// At which step of its way a request was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropStage {
    /// When it was chosen which requests to send: it was not to be sent, so that nothing was lost.
    Choosing,
    /// When it came in: there was no room for it to wait in.
    Queueing,
    /// When it was sent, or when the backend answered.
    Sending,
    /// When the exporter stopped: there was no time, or nobody, to take it.
    Stopping,
}

impl DropReason {
    /// The step at which requests are dropped for this reason.
    #[must_use]
    pub const fn stage(self) -> DropStage {
        match self {
            Self::Sampled => DropStage::Choosing,
            Self::RingFull | Self::BufferFull => DropStage::Queueing,
            Self::TooLarge | Self::Refused | Self::Unreachable | Self::Unconfirmed | Self::Rejected => {
                DropStage::Sending
            }
            Self::Deadline | Self::Unscraped => DropStage::Stopping,
        }
    }
}

/// Dropped requests by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped(pub(super) [u64; DropReason::ALL.len()]);

impl Dropped {
    /// Requests dropped for `cause`.
    #[must_use]
    pub const fn get(&self, cause: DropReason) -> u64 {
        self.0[cause as usize]
    }

    /// Requests dropped at `stage`, for whichever reason.
    #[must_use]
    pub fn at(&self, stage: DropStage) -> u64 {
        self.iter().filter(|(cause, _)| cause.stage() == stage).map(|(_, requests)| requests).sum()
    }

    /// Requests dropped for any reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Every reason with its count, zeros included.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> {
        DropReason::ALL.into_iter().zip(self.0)
    }

    pub(crate) fn add(&mut self, cause: DropReason, requests: u64) {
        self.0[cause as usize] += requests;
    }
}
