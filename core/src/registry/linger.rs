//! Whether the last values of a page were seen, once its exporter was stopped.
//!
//! A test may end between two scrapes. A page that lingers serves on after its stop, until one scrape has had totals
//! that are at least those at the stop, or until its time is over. Sockets and timers are the caller's.

use core::time::Duration;

/// The note of a page that lingers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linger {
    total: u64,
    limit: Duration,
    is_seen: bool,
}

/// When a page was begun that was delivered whole after its exporter's stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Begun {
    /// Some of its lines may be older than the stop.
    BeforeStop,
    /// Each of its lines is what it was at the stop, or later.
    AfterStop,
}

/// What a page that lingers has to do.
///
/// It is exhaustive on purpose: whoever serves the page must do each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lingering {
    /// Serve on, for this long at most.
    Serve(Duration),
    /// End: the last values were seen.
    Seen,
    /// End: the time is over.
    Over,
}

impl Linger {
    /// For a page whose registry had counted `total` requests at the stop, since the storage was made. It lingers for
    /// `limit` at most.
    #[must_use]
    pub const fn new(total: u64, limit: Duration) -> Self {
        Self { total, limit, is_seen: false }
    }

    /// Notes that a page of `total` requests was delivered whole; whether what it shows may count as delivered.
    ///
    /// One that was begun before the stop and shows more than there was then was read while requests were recorded: more
    /// of one series may hide that another's last requests are missing.
    pub const fn delivered(&mut self, total: u64, begun: Begun) -> bool {
        let counts = matches!(begun, Begun::AfterStop) || total <= self.total;
        self.is_seen |= counts && total >= self.total;
        counts
    }

    /// What is to be done `since_stop` after the stop.
    #[must_use]
    pub const fn poll(&self, since_stop: Duration) -> Lingering {
        match self.limit.checked_sub(since_stop) {
            _ if self.is_seen => Lingering::Seen,
            None | Some(Duration::ZERO) => Lingering::Over,
            Some(left) => Lingering::Serve(left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn a_page_lingers_until_its_last_values_were_seen() {
        use Begun::{AfterStop, BeforeStop};
        // Pages as they are delivered after a stop at 100 requests: what each shows, whether that counts, and what is to be
        // done ten seconds after the stop.
        let serve = Lingering::Serve(S(20));
        type Delivered = (u64, Begun, bool);
        let table: [(&[Delivered], Lingering); 8] = [
            (&[], serve),
            (&[(99, BeforeStop, true)], serve),
            (&[(100, BeforeStop, true)], Lingering::Seen),
            (&[(101, BeforeStop, false)], serve),
            (&[(101, BeforeStop, false), (101, AfterStop, true)], Lingering::Seen),
            (&[(100, AfterStop, true)], Lingering::Seen),
            (&[(170, AfterStop, true)], Lingering::Seen),
            // What was seen is not forgotten.
            (&[(100, AfterStop, true), (99, BeforeStop, true)], Lingering::Seen),
        ];
        for (pages, expected) in table {
            let mut linger = Linger::new(100, S(30));
            for (total, begun, counts) in pages {
                assert_eq!(linger.delivered(*total, *begun), *counts, "{pages:?}");
            }
            assert_eq!(linger.poll(S(10)), expected, "{pages:?}");
        }
    }

    #[test]
    fn a_page_lingers_no_longer_than_its_limit() {
        let mut linger = Linger::new(1, S(30));
        let almost = S(30) - Duration::from_nanos(1);
        for (since, expected) in [
            (S(0), Lingering::Serve(S(30))),
            (almost, Lingering::Serve(Duration::from_nanos(1))),
            (S(30), Lingering::Over),
            (Duration::MAX, Lingering::Over),
        ] {
            assert_eq!(linger.poll(since), expected, "{since:?}");
        }
        assert_eq!(Linger::new(1, Duration::ZERO).poll(S(0)), Lingering::Over);
        // Seen in the last moment is seen.
        assert!(linger.delivered(1, Begun::AfterStop));
        assert_eq!(linger.poll(S(31)), Lingering::Seen);
    }
}
