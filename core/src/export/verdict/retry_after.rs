//! The header `Retry-After`.

use core::time::Duration;

use crate::export::verdict::http_date;
use crate::request::sample::Timestamp;

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
