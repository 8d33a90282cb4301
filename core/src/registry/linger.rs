//! Whether a scrape has seen the last values of a page after its exporter was stopped.
//!
//! A load test may end between two scrapes. A page that lingers is served after the stop, until one scrape has seen
//! totals that are at least those at the stop, or until its time is over. The caller has the sockets and timers.

use core::time::Duration;

/// The state of a page that lingers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linger {
    total: u64,
    limit: Duration,
    is_seen: bool,
}

/// When the writing of a page began, for a page that was delivered whole after its exporter's stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Begun {
    /// Some of its lines may be older than the stop.
    BeforeStop,
    /// Each of its lines shows a value at the stop or later.
    AfterStop,
}

/// What a page that lingers has to do.
///
/// The enum is exhaustive on purpose: the server of the page must handle each variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lingering {
    /// Go on serving the page, for this long at most.
    Serve(Duration),
    /// End: a scrape has seen the last values.
    Seen,
    /// End: the time is over.
    Over,
}

impl Linger {
    /// For a page whose registry had counted `total` requests at the stop (counted from when the storage was made). The
    /// page lingers for `limit` at most.
    #[must_use]
    pub const fn new(total: u64, limit: Duration) -> Self {
        Self { total, limit, is_seen: false }
    }

    /// Notes that a page with `total` requests was delivered whole. Returns whether its requests may count as
    /// delivered.
    ///
    /// They may not if the page was begun before the stop and shows more than the total at the stop. Such a page was
    /// read while requests were recorded: later requests of one series may hide that the last ones of another are
    /// missing.
    pub const fn delivered(&mut self, total: u64, begun: Begun) -> bool {
        let counts = matches!(begun, Begun::AfterStop) || total <= self.total;
        self.is_seen |= counts && total >= self.total;
        counts
    }

    /// What the server of the page has to do when `since_stop` has passed since the stop.
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
        // The pages that are delivered after a stop at 100 requests (the requests that each shows, when it was begun,
        // whether it counts as delivered), and what `poll` says ten seconds after the stop.
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
            // A later, older page does not undo it.
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
        // A page that was seen counts, even if the time is over when `poll` is called.
        assert!(linger.delivered(1, Begun::AfterStop));
        assert_eq!(linger.poll(S(31)), Lingering::Seen);
    }
}
