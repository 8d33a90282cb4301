//! Why requests were dropped, and how many for each reason.

use core::fmt;

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

impl DropReason {
    /// All reasons, in the order in which they are shown.
    pub const ALL: [Self; 10] = [
        Self::RingFull,
        Self::BufferFull,
        Self::TooLarge,
        Self::Refused,
        Self::Unreachable,
        Self::Unconfirmed,
        Self::Rejected,
        Self::Deadline,
        Self::Unscraped,
        Self::Sampled,
    ];

    /// The name of the reason in metrics and tables: `ring_full`, `buffer_full`, ….
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RingFull => "ring_full",
            Self::BufferFull => "buffer_full",
            Self::TooLarge => "too_large",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Unconfirmed => "unconfirmed",
            Self::Rejected => "rejected",
            Self::Deadline => "deadline",
            Self::Unscraped => "unscraped",
            Self::Sampled => "sampled",
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

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
