//! Why requests failed, each kind with its number.

use std::array;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use loaddensity_metrics_shell::ErrorKind;

/// Why no whole answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// Nobody listens there.
    Refused,
    /// No route leads there.
    Unreachable,
    /// It took longer than the task's timeout.
    TimedOut,
    /// The connection was broken off.
    Reset,
    /// The connection was closed before the answer was whole.
    Closed,
    /// The two sides did not agree on TLS.
    Tls,
    /// What came was no HTTP.
    Protocol,
    /// This machine had no socket left: no local port, or no file descriptor.
    NoSocket,
    /// Anything else.
    Other,
}

impl FailureKind {
    /// In the order in which they are declared.
    pub const ALL: [Self; 9] = [
        Self::Refused,
        Self::Unreachable,
        Self::TimedOut,
        Self::Reset,
        Self::Closed,
        Self::Tls,
        Self::Protocol,
        Self::NoSocket,
        Self::Other,
    ];

    /// Its name, as it follows a number.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "connection refused",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed out",
            Self::Reset => "connection reset",
            Self::Closed => "connection closed early",
            Self::Tls => "TLS",
            Self::Protocol => "no HTTP answer",
            Self::NoSocket => "no socket left here",
            Self::Other => "other",
        }
    }

    /// What to look at.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Refused => "check that a server listens there",
            Self::Unreachable => "check the address, the network and firewalls",
            Self::TimedOut => "the server or the network is too slow for this load; a task may have a longer timeout",
            Self::Reset => "the server, or a proxy before it, breaks connections off; its log may say why",
            Self::Closed => "the server, or a proxy before it, gives up on requests; its log may say why",
            Self::Tls => "verify says whose certificates are trusted",
            Self::Protocol => "check that it is an HTTP/1.1 server, and whether it wants https",
            Self::NoSocket => "raise the limit of open files (ulimit -n), or take fewer users",
            Self::Other => "see what the operating system says",
        }
    }

    /// What backends are told, where they are told kinds of failures.
    pub(super) const fn exported(self) -> ErrorKind {
        match self {
            Self::Refused | Self::Unreachable | Self::NoSocket => ErrorKind::Connect,
            Self::TimedOut => ErrorKind::Timeout,
            Self::Reset | Self::Closed => ErrorKind::Reset,
            Self::Tls => ErrorKind::Tls,
            Self::Protocol => ErrorKind::Protocol,
            Self::Other => ErrorKind::Other,
        }
    }

    /// What an error of the operating system, or of TLS, stands for.
    pub(super) fn of(error: &io::Error) -> Self {
        use io::ErrorKind as Kind;
        if error.get_ref().is_some_and(|cause| cause.is::<futures_rustls::rustls::Error>()) {
            return Self::Tls;
        }
        match error.kind() {
            Kind::ConnectionRefused => Self::Refused,
            Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => Self::Unreachable,
            Kind::TimedOut => Self::TimedOut,
            Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe => Self::Reset,
            Kind::UnexpectedEof => Self::Closed,
            // What hyper and rustls say of bytes that are not what they should be.
            Kind::InvalidData | Kind::InvalidInput => Self::Protocol,
            Kind::AddrNotAvailable | Kind::AddrInUse => Self::NoSocket,
            _ if is_out_of_files(error) => Self::NoSocket,
            _ => Self::Other,
        }
    }
}

#[cfg(unix)]
fn is_out_of_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

#[cfg(not(unix))]
fn is_out_of_files(_: &io::Error) -> bool {
    false
}

/// Statuses are three digits, the first of which is not 0 (RFC 9110, 15).
const FIRST_STATUS: u16 = 100;
const STATUSES: usize = 900;

/// What the requests of a test failed with. All of its users share it: only a failure touches it, and adds one to the
/// counter of its kind.
#[derive(Debug)]
pub struct Failures {
    kinds: [AtomicU64; FailureKind::ALL.len()],
    statuses: [AtomicU64; STATUSES],
    first: [OnceLock<String>; FailureKind::ALL.len()],
}

impl Default for Failures {
    fn default() -> Self {
        let zeros = || AtomicU64::new(0);
        Self {
            kinds: array::from_fn(|_| zeros()),
            statuses: array::from_fn(|_| zeros()),
            first: array::from_fn(|_| OnceLock::new()),
        }
    }
}

// Relaxed: each number stands for itself.
impl Failures {
    /// One more without an answer; `text` says where and what, and is asked only for the first of a kind.
    pub(super) fn note(&self, kind: FailureKind, text: impl FnOnce() -> String) {
        self.first[kind as usize].get_or_init(text);
        self.kinds[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// One more whose answer has the wrong status.
    pub(super) fn note_status(&self, status: u16) {
        if let Some(count) = self.statuses.get(usize::from(status.wrapping_sub(FIRST_STATUS))) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many answers had this status, and were failures.
    #[must_use]
    pub fn of_status(&self, status: u16) -> u64 {
        let count = self.statuses.get(usize::from(status.wrapping_sub(FIRST_STATUS)));
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Where the first of this kind happened, and what was said; `None` while there was none.
    #[must_use]
    pub fn first(&self, kind: FailureKind) -> Option<&str> {
        self.first[kind as usize].get().map(String::as_str)
    }

    /// What there was, the most frequent first: a kind's name, or a status as `status 503`, and how often.
    #[must_use]
    pub fn counts(&self) -> Vec<(String, u64)> {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let kinds =
            FailureKind::ALL.into_iter().map(|kind| (kind.as_str().to_owned(), load(&self.kinds[kind as usize])));
        let status = |(at, count)| (format!("status {}", at + usize::from(FIRST_STATUS)), load(count));
        let statuses = self.statuses.iter().enumerate().filter(|(_, count)| load(count) != 0).map(status);
        let mut counts: Vec<_> = kinds.chain(statuses).filter(|(_, count)| *count != 0).collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart() {
        use io::ErrorKind as Kind;
        for (error, kind) in [
            (Kind::ConnectionRefused.into(), FailureKind::Refused),
            (Kind::HostUnreachable.into(), FailureKind::Unreachable),
            (Kind::NetworkUnreachable.into(), FailureKind::Unreachable),
            (Kind::TimedOut.into(), FailureKind::TimedOut),
            (Kind::ConnectionReset.into(), FailureKind::Reset),
            (Kind::BrokenPipe.into(), FailureKind::Reset),
            (Kind::UnexpectedEof.into(), FailureKind::Closed),
            (Kind::InvalidData.into(), FailureKind::Protocol),
            (Kind::AddrNotAvailable.into(), FailureKind::NoSocket),
            #[cfg(unix)]
            (io::Error::from_raw_os_error(libc::EMFILE), FailureKind::NoSocket),
            (io::Error::other(futures_rustls::rustls::Error::DecryptError), FailureKind::Tls),
            (Kind::PermissionDenied.into(), FailureKind::Other),
        ] {
            assert_eq!(FailureKind::of(&error), kind, "{error}");
        }
    }

    #[test]
    fn the_most_frequent_comes_first_and_the_first_text_of_a_kind_stays() {
        let failures = Failures::default();
        assert_eq!((failures.counts(), failures.first(FailureKind::Refused)), (vec![], None));
        for _ in 0..3 {
            failures.note_status(503);
        }
        failures.note(FailureKind::Refused, || "one".into());
        failures.note(FailureKind::Refused, || "two".into());
        failures.note_status(999);
        assert_eq!((failures.of_status(503), failures.of_status(500), failures.of_status(0)), (3, 0, 0));
        // No status at all.
        failures.note_status(0);
        failures.note_status(1_000);
        let counts = [("status 503", 3), ("connection refused", 2), ("status 999", 1)];
        assert_eq!(failures.counts(), counts.map(|(name, count)| (name.to_owned(), count)));
        assert_eq!(failures.first(FailureKind::Refused), Some("one"));
    }
}
