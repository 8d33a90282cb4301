//! What an answer means for the requests it answers: taken, refused, to be split, or to be sent again.

use core::time::Duration;

use crate::http_date;
use crate::sample::Timestamp;

/// What becomes of a batch after its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The backend has it.
    Accepted,
    /// The backend will never take it; sending it again is pointless or harmful.
    Refused,
    /// Too large as a whole; smaller parts may be taken.
    Split,
    /// Not now; the same batch may be sent again.
    Retry,
}

/// The verdict of an InfluxDB server (v1, v2, v3 and its compatible ones) on a write, by HTTP status.
///
/// A 400 or 422 may be a partial write whose good lines are stored: see
/// [`refused_lines`](crate::influxdb::refused_lines). To send them again would not mend the bad ones.
#[must_use]
pub const fn influxdb(status: u16) -> Verdict {
    match status {
        200..=299 => Verdict::Accepted,
        413 => Verdict::Split,
        408 | 429 | 500..=599 => Verdict::Retry,
        _ => Verdict::Refused,
    }
}

/// The verdict of an OTLP receiver on an export over HTTP, by its status (OTLP specification, "OTLP/HTTP Response"). The
/// specification has 200 for success; all others from 200 to 299 say the same.
#[must_use]
pub const fn otlp_http(status: u16) -> Verdict {
    match status {
        200..=299 => Verdict::Accepted,
        429 | 502 | 503 | 504 => Verdict::Retry,
        _ => Verdict::Refused,
    }
}

/// A gRPC status code (gRPC "Status codes and their use"), by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrpcStatus(pub u32);

impl GrpcStatus {
    /// Success, the only one.
    pub const OK: Self = Self(0);
    /// The call was given up by the other side.
    pub const CANCELLED: Self = Self(1);
    /// The answer makes no sense or carries no status.
    pub const UNKNOWN: Self = Self(2);
    /// Too much was asked for.
    pub const RESOURCE_EXHAUSTED: Self = Self(8);
    /// Something is broken.
    pub const INTERNAL: Self = Self(13);
    /// The service is not there at the moment.
    pub const UNAVAILABLE: Self = Self(14);

    /// From the text of a `grpc-status` header or trailer. What is not a number is [`UNKNOWN`](Self::UNKNOWN).
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        // Rust's own parser would take a sign.
        let digits = text.iter().all(u8::is_ascii_digit).then_some(text);
        let number = digits.and_then(|digits| core::str::from_utf8(digits).ok()?.parse().ok());
        number.map_or(Self::UNKNOWN, Self)
    }

    /// What an HTTP status other than 200 stands for: a proxy answered in the service's place (gRPC "HTTP to gRPC
    /// status code mapping").
    #[must_use]
    pub const fn of_http(status: u16) -> Self {
        match status {
            400 => Self(13),
            401 => Self(16),
            403 => Self(7),
            404 => Self(12),
            429 | 502 | 503 | 504 => Self::UNAVAILABLE,
            _ => Self::UNKNOWN,
        }
    }

    /// The verdict of an OTLP receiver (OTLP specification, "Failures" under OTLP/gRPC). `RESOURCE_EXHAUSTED` may be
    /// tried again only where the server says when.
    #[must_use]
    pub const fn verdict(self, server_says_when: bool) -> Verdict {
        match self.0 {
            0 => Verdict::Accepted,
            1 | 4 | 10 | 11 | 14 | 15 => Verdict::Retry,
            8 if server_says_when => Verdict::Retry,
            _ => Verdict::Refused,
        }
    }

    /// Its name, as gRPC writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        const NAMES: [&str; 17] = [
            "OK",
            "CANCELLED",
            "UNKNOWN",
            "INVALID_ARGUMENT",
            "DEADLINE_EXCEEDED",
            "NOT_FOUND",
            "ALREADY_EXISTS",
            "PERMISSION_DENIED",
            "RESOURCE_EXHAUSTED",
            "FAILED_PRECONDITION",
            "ABORTED",
            "OUT_OF_RANGE",
            "UNIMPLEMENTED",
            "INTERNAL",
            "UNAVAILABLE",
            "DATA_LOSS",
            "UNAUTHENTICATED",
        ];
        if self.0 < NAMES.len() as u32 { NAMES[self.0 as usize] } else { "UNKNOWN" }
    }
}

/// The pause that a `Retry-After` header asks for at `now`, in seconds or as a date (RFC 9110, 10.2.3); none for a date
/// that has passed.
#[must_use]
pub fn retry_after_at(value: &[u8], now: Timestamp) -> Option<Duration> {
    let seconds = now.as_unix_nanos() / 1_000_000_000;
    let wait = || Some(Duration::from_secs(http_date::parse(value.trim_ascii(), seconds)?.saturating_sub(seconds)));
    retry_after(value).or_else(wait)
}

/// The pause that a `Retry-After` header asks for, where it gives seconds (RFC 9110, 10.2.3). For dates see
/// [`retry_after_at`].
#[must_use]
pub fn retry_after(value: &[u8]) -> Option<Duration> {
    let seconds = core::str::from_utf8(value).ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn influxdb_statuses() {
        for (statuses, verdict) in [
            (&[200, 204][..], Verdict::Accepted),
            (&[301, 400, 401, 403, 404, 405, 422], Verdict::Refused),
            (&[413], Verdict::Split),
            (&[408, 429, 500, 502, 503, 504], Verdict::Retry),
        ] {
            for &status in statuses {
                assert_eq!(influxdb(status), verdict, "{status}");
            }
        }
    }

    #[test]
    fn grpc_statuses_as_the_otlp_specification_lists_them() {
        for code in 0..=17 {
            let expected = match code {
                0 => Verdict::Accepted,
                1 | 4 | 10 | 11 | 14 | 15 => Verdict::Retry,
                _ => Verdict::Refused,
            };
            assert_eq!(GrpcStatus(code).verdict(false), expected, "{code}");
        }
        assert_eq!(GrpcStatus(8).verdict(true), Verdict::Retry);
        assert_eq!(GrpcStatus(13).verdict(true), Verdict::Refused);
    }

    #[test]
    fn only_the_number_zero_is_ok() {
        for (text, status) in [
            (&b"0"[..], GrpcStatus::OK),
            (b"14", GrpcStatus::UNAVAILABLE),
            (b"", GrpcStatus::UNKNOWN),
            (b"ok", GrpcStatus::UNKNOWN),
        ] {
            assert_eq!(GrpcStatus::parse(text), status);
        }
        assert_eq!(GrpcStatus::of_http(200), GrpcStatus::UNKNOWN);
        assert_eq!(GrpcStatus::of_http(503).verdict(false), Verdict::Retry);
        assert_eq!((GrpcStatus(8).name(), GrpcStatus(99).name()), ("RESOURCE_EXHAUSTED", "UNKNOWN"));
    }

    #[test]
    fn otlp_http_statuses_as_the_specification_lists_them() {
        for status in 200..600 {
            let expected = match status {
                200..=299 => Verdict::Accepted,
                429 | 502 | 503 | 504 => Verdict::Retry,
                _ => Verdict::Refused,
            };
            assert_eq!(otlp_http(status), expected, "{status}");
        }
    }

    #[test]
    fn retry_after_as_a_date() {
        let at = |seconds: u64| Timestamp::from_unix_nanos(seconds * 1_000_000_000 + 7);
        let date = b" Sun, 06 Nov 1994 08:49:37 GMT";
        for (now, pause) in [(784_111_777, 0), (784_111_778, 0), (784_111_775, 2), (784_100_000, 11_777)] {
            assert_eq!(retry_after_at(date, at(now)), Some(Duration::from_secs(pause)), "{now}");
        }
        assert_eq!(retry_after_at(b"3", at(0)), Some(Duration::from_secs(3)));
        assert_eq!(retry_after_at(b"soon", at(0)), None);
    }

    #[test]
    fn retry_after_in_seconds() {
        for (value, pause) in [
            (&b"3"[..], Some(Duration::from_secs(3))),
            (b" 120 ", Some(Duration::from_secs(120))),
            (b"-1", None),
            (b"Fri, 31 Dec 1999 23:59:59 GMT", None),
            (b"", None),
            (b"\xff", None),
        ] {
            assert_eq!(retry_after(value), pause);
        }
    }
}
