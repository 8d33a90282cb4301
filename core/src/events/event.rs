//! The event: a completed request on its way to the exporters that send per request.

use core::fmt;

use crate::counts::layout::SampleNumbers;
use crate::registry::ring::EVENT_WORDS;
use crate::request::error_kind::ErrorKind;
use crate::request::sample::{Outcome, Sample, Timestamp};
use crate::request::series::Series;

/// One completed request, 32 bytes.
///
/// The default value fills the empty places in the buffer of a [`Sink`](crate::Sink). A sink never returns it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// The series of the request.
    pub series: Series,
    /// HTTP status; 0 if no response came.
    pub status: u16,
    /// The outcome in the lowest bit, the kind of failure that the engine has said in the highest ones. Series, status and
    /// flags lie as they do in the first word of a slot, so that the pump copies them at once; who asks decodes them.
    pub(crate) flags: u16,
    /// Latency in nanoseconds.
    pub latency_ns: u64,
    /// Size of the response in bytes.
    pub response_bytes: u64,
    /// Time of completion. In events that come from the pump, it is unique among all events of the registry.
    pub completed_at: Timestamp,
}

/// The kind of failure is in the highest bits, so that nothing has to be masked.
const KIND_SHIFT: u32 = u16::BITS - 3;

impl Default for Event {
    fn default() -> Self {
        Self::from_words([0; EVENT_WORDS])
    }
}

impl Event {
    /// What the exporters that send per request see of a sample of `series`. The pump makes its time unique besides.
    #[inline]
    #[must_use]
    pub const fn of(series: Series, sample: Sample) -> Self {
        Self::with_numbers(series, sample, SampleNumbers { latency_ns: sample.latency_ns(), bytes: sample.size() })
    }

    /// The same, of a sample whose numbers are these.
    #[inline(always)]
    pub(crate) const fn with_numbers(series: Series, sample: Sample, numbers: SampleNumbers) -> Self {
        Self {
            series,
            status: sample.status,
            flags: sample.outcome as u16 | (ErrorKind::to_bits(sample.error) as u16) << KIND_SHIFT,
            latency_ns: numbers.latency_ns,
            response_bytes: numbers.bytes,
            completed_at: sample.completed_at,
        }
    }

    /// Success or failure.
    #[inline]
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        if self.flags & 1 == 0 { Outcome::Success } else { Outcome::Failure }
    }

    /// The kind of a failure, each of which has one: see [`Sample::error`](crate::Sample::error). A success has none.
    #[inline]
    #[must_use]
    pub const fn error_kind(&self) -> Option<ErrorKind> {
        match (self.outcome(), self.said_error()) {
            (Outcome::Success, _) => None,
            (Outcome::Failure, None) if self.status >= 400 => Some(ErrorKind::Status),
            (Outcome::Failure, None) => Some(ErrorKind::Other),
            (Outcome::Failure, said) => said,
        }
    }

    /// Why it failed, where the engine has said so.
    const fn said_error(&self) -> Option<ErrorKind> {
        ErrorKind::from_bits((self.flags >> KIND_SHIFT) as u64)
    }

    /// The values that the histograms count.
    #[inline]
    pub(crate) const fn numbers(&self) -> SampleNumbers {
        SampleNumbers { latency_ns: self.latency_ns, bytes: self.response_bytes }
    }

    pub(crate) const fn to_words(self) -> [u64; EVENT_WORDS] {
        let head = self.series.number() as u64 | (self.status as u64) << 32 | (self.flags as u64) << 48;
        [head, self.latency_ns, self.response_bytes, self.completed_at.as_unix_nanos()]
    }

    pub(crate) const fn from_words([head, latency_ns, response_bytes, nanos]: [u64; EVENT_WORDS]) -> Self {
        Self {
            series: Series::from_number(head as u32),
            status: (head >> 32) as u16,
            flags: (head >> 48) as u16,
            latency_ns,
            response_bytes,
            completed_at: Timestamp::from_unix_nanos(nanos),
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("series", &self.series)
            .field("status", &self.status)
            .field("outcome", &self.outcome())
            .field("error_kind", &self.error_kind())
            .field("latency_ns", &self.latency_ns)
            .field("response_bytes", &self.response_bytes)
            .field("completed_at", &self.completed_at)
            .finish()
    }
}

const _: () = assert!(size_of::<Event>() == 8 * EVENT_WORDS, "buffers of events are sized for this");

#[cfg(all(test, not(loom)))]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn an_event_survives_its_words_and_a_failure_has_one_kind() {
        let said = ErrorKind::ALL.map(Some);
        for (outcome, status) in [(Outcome::Success, 200), (Outcome::Failure, 0), (Outcome::Failure, u16::MAX)] {
            for error in said.into_iter().chain([None]) {
                let sample = Sample::new(outcome, Duration::from_nanos(1)).status(status).response_bytes(2);
                let event = Event::of(Series::from_number(u32::MAX - 1), Sample { error, ..sample });
                assert_eq!(Event::from_words(event.to_words()), event);
                assert_eq!((event.outcome(), event.said_error(), event.status), (outcome, error, status));
                let of_status = if status >= 400 { ErrorKind::Status } else { ErrorKind::Other };
                let expected = (outcome == Outcome::Failure).then(|| error.unwrap_or(of_status));
                assert_eq!(event.error_kind(), expected, "{event:?}");
            }
        }
    }
}
