//! What an engine says of one completed request.

use core::time::Duration;

use crate::cold::cold_path;

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A response came and the engine is content with it.
    #[default]
    Success,
    /// A transport error, a status of 400 and above, or whatever the engine calls a failure.
    Failure,
}

impl Outcome {
    /// Both, in the order in which every format shows them.
    pub const ALL: [Self; 2] = [Self::Success, Self::Failure];

    /// The contract's default rule: a failure is a status of 400 and above, or 0 (no response came).
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
/// Latency and size are not optional, because every count is derived from their buckets: an engine that has none
/// passes zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// From the request's first byte to the response's last, at nanosecond resolution. More than a day counts as a day,
    /// so that a wrong one does not spoil the sum.
    pub latency: Duration,
    /// Size of the response in bytes. More than 1 PiB counts as 1 PiB.
    pub response_bytes: u64,
    /// HTTP status, or 0 where no response came.
    pub status: u16,
    /// See [`Outcome::of_status`] for the default rule.
    pub outcome: Outcome,
    /// When the request was completed. Only InfluxDB shows it. Zero, the default, means that the engine has no time at
    /// hand: the shell then takes the time at which it sees the event, a few milliseconds later.
    pub completed_at: Timestamp,
}

/// One completed request with its series spelled out, for
/// [`Recorder::record_request`](crate::Recorder::record_request).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// HTTP method or whatever stands for it; empty is shown as `REQ`.
    pub method: &'a str,
    /// Name of the request; empty is shown as `unknown`.
    pub name: &'a str,
    /// See [`Sample::latency`].
    pub latency: Duration,
    /// See [`Sample::response_bytes`].
    pub response_bytes: u64,
    /// See [`Sample::status`].
    pub status: u16,
    /// See [`Sample::outcome`].
    pub outcome: Outcome,
    /// See [`Sample::completed_at`].
    pub completed_at: Timestamp,
}

/// Longest latency that counts, in seconds: a day.
const MAX_LATENCY_SECONDS: u64 = 86_400;
/// The same in nanoseconds.
pub(crate) const MAX_LATENCY_NS: u64 = MAX_LATENCY_SECONDS * 1_000_000_000;
/// Largest response that counts, in bytes: 1 PiB.
pub(crate) const MAX_RESPONSE_BYTES: u64 = 1 << 50;

impl Sample {
    /// The latency in nanoseconds, at most a day. Larger ones would be unknown values, and a few of them would take the
    /// sums around.
    #[inline]
    pub(crate) const fn latency_ns(&self) -> u64 {
        let seconds = self.latency.as_secs();
        if seconds < MAX_LATENCY_SECONDS {
            seconds * 1_000_000_000 + self.latency.subsec_nanos() as u64
        } else {
            cold_path();
            MAX_LATENCY_NS
        }
    }

    /// The size in bytes, at most 1 PiB.
    #[inline]
    pub(crate) const fn size(&self) -> u64 {
        if self.response_bytes < MAX_RESPONSE_BYTES { self.response_bytes } else { MAX_RESPONSE_BYTES }
    }
}

impl Request<'_> {
    /// The sample without its series.
    #[must_use]
    pub const fn sample(&self) -> Sample {
        Sample {
            latency: self.latency,
            response_bytes: self.response_bytes,
            status: self.status,
            outcome: self.outcome,
            completed_at: self.completed_at,
        }
    }
}
