//! The event: a completed request on its way to the exporters that send per request.

use crate::counts::layout::Observation;
use crate::registry::ring::EVENT_WORDS;
use crate::request::sample::{Outcome, Timestamp};
use crate::request::series::Series;

/// One completed request, 32 bytes.
///
/// The default value fills the empty places in the buffer of a [`Sink`](crate::Sink). A sink never returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The series of the request.
    pub series: Series,
    /// HTTP status; 0 if no response came.
    pub status: u16,
    /// Success or failure.
    pub outcome: Outcome,
    /// Latency in nanoseconds.
    pub latency_ns: u64,
    /// Size of the response in bytes.
    pub response_bytes: u64,
    /// Time of completion. In events that come from the pump, it is unique among all events of the registry.
    pub completed_at: Timestamp,
}

impl Default for Event {
    fn default() -> Self {
        Self::from_words([0; EVENT_WORDS])
    }
}

impl Event {
    /// The values that the histograms count.
    #[inline]
    pub(crate) const fn observation(&self) -> Observation {
        Observation { latency_ns: self.latency_ns, bytes: self.response_bytes }
    }

    pub(crate) const fn to_words(self) -> [u64; EVENT_WORDS] {
        let head = self.series.number() as u64 | (self.status as u64) << 32 | (self.outcome as u64) << 48;
        [head, self.latency_ns, self.response_bytes, self.completed_at.as_unix_nanos()]
    }

    pub(crate) const fn from_words([head, latency_ns, response_bytes, nanos]: [u64; EVENT_WORDS]) -> Self {
        Self {
            series: Series::from_number(head as u32),
            status: (head >> 32) as u16,
            outcome: if head >> 48 & 1 == 0 { Outcome::Success } else { Outcome::Failure },
            latency_ns,
            response_bytes,
            completed_at: Timestamp::from_unix_nanos(nanos),
        }
    }
}
