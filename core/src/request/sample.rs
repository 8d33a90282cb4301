//! What an engine says of one completed request.

use core::time::Duration;

use crate::cold::cold_path;
use crate::request::error_kind::ErrorKind;

/// A moment of the wall clock: nanoseconds since 1970-01-01 00:00:00 UTC, up to the year 2554.
///
/// The core never reads a clock; the engine, or the shell on its behalf, says what time it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn from_unix_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn as_unix_nanos(self) -> u64 {
        self.0
    }
}

/// Whether a request counts as a success.
///
/// It is exhaustive on purpose: a request either counts as a success or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A response came and the engine is content with it.
    Success,
    /// A transport error, a status of 400 and above, or whatever the engine calls a failure.
    Failure,
}

impl Outcome {
    /// Both, in the order in which every format shows them.
    pub const ALL: [Self; 2] = [Self::Success, Self::Failure];

    /// The contract's default rule: a failure is a status of 400 and above, or 0 (no response came).
    #[inline]
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        if status == 0 || status >= 400 { Self::Failure } else { Self::Success }
    }

    /// `success` or `failure`, the value of the label `outcome` in all four formats.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// One completed request, for [`Recorder::record`](crate::Recorder::record).
///
/// An engine that speaks HTTP says [`http`](Self::http), and the status decides; any other says [`ok`](Self::ok) or
/// [`failed`](Self::failed). There is no default, because a request of which nothing is known is neither.
///
/// ```
/// use core::time::Duration;
/// use loaddensity_metrics_core::{Outcome, Sample, Timestamp};
///
/// let sample = Sample::http(404, Duration::from_millis(42)).response_bytes(1_024);
/// assert_eq!(sample.outcome, Outcome::Failure);
/// // A task that expects this status:
/// let expected = Sample::ok(Duration::from_millis(42)).status(404);
/// assert_eq!(expected.outcome, Outcome::Success);
/// // With the time at which it was completed:
/// let completed_at = Timestamp::from_unix_nanos(1_700_000_000_000_000_000);
/// assert_eq!(sample.completed_at(completed_at).completed_at, completed_at);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sample {
    /// From the request's first byte to the response's last, at nanosecond resolution; zero where the engine has none.
    /// More than a day counts as a day, so that a wrong one does not spoil the sum.
    pub latency: Duration,
    /// Size of the response in bytes; zero where the engine has none. More than 1 PiB counts as 1 PiB.
    pub response_bytes: u64,
    /// HTTP status, or 0 where no response came.
    pub status: u16,
    /// Whether it counts as a success.
    pub outcome: Outcome,
    /// Why it failed, where the engine has said so; see [`error`](Self::error).
    pub error: Option<ErrorKind>,
    /// When the request was completed. Only InfluxDB shows it. Zero means that the engine has no time at hand: the shell
    /// then takes the time at which it sees the event, a few milliseconds later.
    pub completed_at: Timestamp,
}

/// Longest latency that counts, in seconds: a day.
const MAX_LATENCY_SECONDS: u64 = 86_400;
/// The same in nanoseconds.
pub(crate) const MAX_LATENCY_NS: u64 = MAX_LATENCY_SECONDS * 1_000_000_000;
/// Largest response that counts, in bytes: 1 PiB.
pub(crate) const MAX_RESPONSE_BYTES: u64 = 1 << 50;

impl Sample {
    /// A request over HTTP, which succeeded or failed as [`Outcome::of_status`] says. A status of 0 means that no
    /// response came.
    #[inline]
    #[must_use]
    pub const fn http(status: u16, latency: Duration) -> Self {
        Self::new(Outcome::of_status(status), latency).status(status)
    }

    /// A success, with no status.
    #[inline]
    #[must_use]
    pub const fn ok(latency: Duration) -> Self {
        Self::new(Outcome::Success, latency)
    }

    /// A failure, with no status.
    #[inline]
    #[must_use]
    pub const fn failed(latency: Duration) -> Self {
        Self::new(Outcome::Failure, latency)
    }

    /// A request of which the engine knows the outcome, with no status, no response and no time of its own.
    #[inline]
    #[must_use]
    pub const fn new(outcome: Outcome, latency: Duration) -> Self {
        Self { latency, response_bytes: 0, status: 0, outcome, error: None, completed_at: Timestamp(0) }
    }

    /// With this size of the response in bytes.
    #[inline]
    #[must_use]
    pub const fn response_bytes(mut self, bytes: u64) -> Self {
        self.response_bytes = bytes;
        self
    }

    /// With this status. The outcome stays as it is: the engine has said it.
    #[inline]
    #[must_use]
    pub const fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// A failure of this kind, whatever it was before. A failure of which nobody says the kind is [`ErrorKind::Status`] where
    /// its status is 400 or more, and [`ErrorKind::Other`] where it is not. Shown while the registry's label is on; see
    /// [`Registry::set_error_label`](crate::Registry::set_error_label).
    #[inline]
    #[must_use]
    pub const fn error(mut self, kind: ErrorKind) -> Self {
        self.outcome = Outcome::Failure;
        self.error = Some(kind);
        self
    }

    /// With this time of completion.
    #[inline]
    #[must_use]
    pub const fn completed_at(mut self, at: Timestamp) -> Self {
        self.completed_at = at;
        self
    }

    /// The latency in nanoseconds, at most a day. Larger ones would be unknown values, and a few of them would take the
    /// sums around.
    #[inline]
    pub(crate) const fn latency_ns(&self) -> u64 {
        capped_nanos(self.latency)
    }

    /// The size in bytes, at most 1 PiB.
    #[inline]
    pub(crate) const fn size(&self) -> u64 {
        capped_bytes(self.response_bytes)
    }
}

/// Nanoseconds, at most a day's.
#[inline(always)]
pub(crate) const fn capped_nanos(latency: Duration) -> u64 {
    let seconds = latency.as_secs();
    if seconds < MAX_LATENCY_SECONDS {
        seconds * 1_000_000_000 + latency.subsec_nanos() as u64
    } else {
        cold_path();
        MAX_LATENCY_NS
    }
}

/// A number that is at most 2^50, which is 1 PiB.
#[inline(always)]
pub(crate) const fn capped_bytes(number: u64) -> u64 {
    if number < MAX_RESPONSE_BYTES { number } else { MAX_RESPONSE_BYTES }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_decides_over_http_and_else_the_engine() {
        const LATENCY: Duration = Duration::from_millis(7);
        for (sample, status, outcome) in [
            (Sample::http(0, LATENCY), 0, Outcome::Failure),
            (Sample::http(100, LATENCY), 100, Outcome::Success),
            (Sample::http(200, LATENCY), 200, Outcome::Success),
            (Sample::http(399, LATENCY), 399, Outcome::Success),
            (Sample::http(400, LATENCY), 400, Outcome::Failure),
            (Sample::http(500, LATENCY), 500, Outcome::Failure),
            (Sample::http(u16::MAX, LATENCY), u16::MAX, Outcome::Failure),
            (Sample::ok(LATENCY), 0, Outcome::Success),
            (Sample::ok(LATENCY).status(500), 500, Outcome::Success),
            (Sample::failed(LATENCY), 0, Outcome::Failure),
            (Sample::failed(LATENCY).status(200), 200, Outcome::Failure),
            (Sample::new(Outcome::Failure, LATENCY), 0, Outcome::Failure),
        ] {
            let completed_at = Timestamp::from_unix_nanos(5);
            let expected = Sample { latency: LATENCY, response_bytes: 9, status, outcome, error: None, completed_at };
            assert_eq!(sample.response_bytes(9).completed_at(completed_at), expected);
        }
    }

    #[test]
    fn a_request_with_a_kind_of_failure_is_a_failure() {
        let sample = Sample::ok(Duration::ZERO).status(200).error(ErrorKind::Reset);
        assert_eq!((sample.outcome, sample.error, sample.status), (Outcome::Failure, Some(ErrorKind::Reset), 200));
    }
}
