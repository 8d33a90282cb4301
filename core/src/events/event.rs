//! The event: a completed request on its way to the exporters that send per request.

use crate::counts::layout::SampleNumbers;
use crate::registry::ring::EVENT_WORDS;
use crate::request::error_kind::ErrorKind;
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
    /// Why it failed, where the engine has said so; see [`error_kind`](Self::error_kind).
    pub error: Option<ErrorKind>,
    /// Latency in nanoseconds.
    pub latency_ns: u64,
    /// Size of the response in bytes.
    pub response_bytes: u64,
    /// Time of completion. In events that come from the pump, it is unique among all events of the registry.
    pub completed_at: Timestamp,
}

/// The kind of failure is in the highest bits of the first word, so that nothing has to be masked.
const KIND_SHIFT: u32 = u64::BITS - 3;

impl Default for Event {
    fn default() -> Self {
        Self::from_words([0; EVENT_WORDS])
    }
}

impl Event {
    /// The kind of a failure, each of which has one: see [`Sample::error`](crate::Sample::error). A success has none.
    #[inline]
    #[must_use]
    pub const fn error_kind(&self) -> Option<ErrorKind> {
        match (self.outcome, self.error) {
            (Outcome::Success, _) => None,
            (Outcome::Failure, None) if self.status >= 400 => Some(ErrorKind::Status),
            (Outcome::Failure, None) => Some(ErrorKind::Other),
            (Outcome::Failure, said) => said,
        }
    }

    /// The values that the histograms count.
    #[inline]
    pub(crate) const fn numbers(&self) -> SampleNumbers {
        SampleNumbers { latency_ns: self.latency_ns, bytes: self.response_bytes }
    }

    pub(crate) const fn to_words(self) -> [u64; EVENT_WORDS] {
        let said = (self.outcome as u64) << 48 | ErrorKind::to_bits(self.error) << KIND_SHIFT;
        let head = self.series.number() as u64 | (self.status as u64) << 32 | said;
        [head, self.latency_ns, self.response_bytes, self.completed_at.as_unix_nanos()]
    }

    pub(crate) const fn from_words([head, latency_ns, response_bytes, nanos]: [u64; EVENT_WORDS]) -> Self {
        Self {
            series: Series::from_number(head as u32),
            status: (head >> 32) as u16,
            outcome: if head >> 48 & 1 == 0 { Outcome::Success } else { Outcome::Failure },
            error: ErrorKind::from_bits(head >> KIND_SHIFT),
            latency_ns,
            response_bytes,
            completed_at: Timestamp::from_unix_nanos(nanos),
        }
    }
}

const _: () = assert!(size_of::<Event>() == 8 * EVENT_WORDS, "buffers of events are sized for this");

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_event_survives_its_words_and_a_failure_has_one_kind() {
        let said = ErrorKind::ALL.map(Some);
        for (outcome, status) in [(Outcome::Success, 200), (Outcome::Failure, 0), (Outcome::Failure, u16::MAX)] {
            for error in said.into_iter().chain([None]) {
                let event = Event { outcome, status, error, latency_ns: 1, response_bytes: 2, ..Event::default() };
                assert_eq!(Event::from_words(event.to_words()), event);
                let of_status = if status >= 400 { ErrorKind::Status } else { ErrorKind::Other };
                let expected = (outcome == Outcome::Failure).then(|| error.unwrap_or(of_status));
                assert_eq!(event.error_kind(), expected, "{event:?}");
            }
        }
    }
}
