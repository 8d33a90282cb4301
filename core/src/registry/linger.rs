//! Whether a scrape has seen the last values of a page after its exporter was stopped.
//!
//! A load test may end between two scrapes. A page that lingers is served after the stop, until one scrape has seen
//! totals that are at least those at the stop, or until its time is over. The caller has the sockets and timers.

use core::time::Duration;

use crate::registry::account::AccountKind;

/// What a page shows, or a registry had counted, since the storage was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageTotals {
    /// Requests.
    pub requests: u64,
    /// Observations: calls that raised a counter of the engine's own or gave a histogram a value.
    pub observations: u64,
}

/// The state of a page that lingers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linger {
    at_stop: PageTotals,
    limit: Duration,
    /// The most that a page has shown of it.
    seen: PageTotals,
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

impl PageTotals {
    pub(crate) const fn of(&self, kind: AccountKind) -> u64 {
        match kind {
            AccountKind::Requests => self.requests,
            AccountKind::Observations => self.observations,
        }
    }
}

impl Linger {
    /// For a page whose registry had counted this much at the stop. The page lingers for `limit` at most.
    #[must_use]
    pub const fn new(at_stop: PageTotals, limit: Duration) -> Self {
        Self { at_stop, limit, seen: PageTotals { requests: 0, observations: 0 }, is_seen: false }
    }

    /// Notes that a page that shows this much was delivered whole. Returns how much of it counts as delivered: all requests or
    /// none, and all observations or none.
    ///
    /// Those of a page that was begun before the stop do not count if it shows more of them than there were at the stop. Such
    /// a page was read while they were recorded: later ones of one series may hide that the last ones of another are missing.
    pub fn delivered(&mut self, shown: PageTotals, begun: Begun) -> PageTotals {
        let counts = |shown: u64, at_stop: u64| if begun == Begun::AfterStop || shown <= at_stop { shown } else { 0 };
        let counted = PageTotals {
            requests: counts(shown.requests, self.at_stop.requests),
            observations: counts(shown.observations, self.at_stop.observations),
        };
        self.seen.requests = self.seen.requests.max(counted.requests);
        self.seen.observations = self.seen.observations.max(counted.observations);
        self.is_seen =
            self.seen.requests >= self.at_stop.requests && self.seen.observations >= self.at_stop.observations;
        counted
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

    fn totals((requests, observations): (u64, u64)) -> PageTotals {
        PageTotals { requests, observations }
    }

    #[test]
    fn a_page_lingers_until_its_last_values_were_seen() {
        use Begun::{AfterStop, BeforeStop};
        // The pages that are delivered after a stop at 100 requests and 7 observations (what each shows, when it was begun, what
        // of it counts as delivered), and what `poll` says ten seconds after the stop.
        let serve = Lingering::Serve(S(20));
        type Delivered = ((u64, u64), Begun, (u64, u64));
        let table: [(&[Delivered], Lingering); 12] = [
            (&[], serve),
            (&[((99, 7), BeforeStop, (99, 7))], serve),
            (&[((100, 7), BeforeStop, (100, 7))], Lingering::Seen),
            (&[((101, 7), BeforeStop, (0, 7))], serve),
            (&[((101, 7), BeforeStop, (0, 7)), ((101, 7), AfterStop, (101, 7))], Lingering::Seen),
            (&[((100, 7), AfterStop, (100, 7))], Lingering::Seen),
            (&[((170, 9), AfterStop, (170, 9))], Lingering::Seen),
            // A later, older page does not undo it.
            (&[((100, 7), AfterStop, (100, 7)), ((99, 7), BeforeStop, (99, 7))], Lingering::Seen),
            // Observations are waited for as requests are, each on its own.
            (&[((100, 6), BeforeStop, (100, 6))], serve),
            (&[((100, 8), BeforeStop, (100, 0))], serve),
            (&[((100, 6), BeforeStop, (100, 6)), ((99, 7), BeforeStop, (99, 7))], Lingering::Seen),
            (&[((101, 8), BeforeStop, (0, 0))], serve),
        ];
        for (pages, expected) in table {
            let mut linger = Linger::new(totals((100, 7)), S(30));
            for (shown, begun, counted) in pages {
                assert_eq!(linger.delivered(totals(*shown), *begun), totals(*counted), "{pages:?}");
            }
            assert_eq!(linger.poll(S(10)), expected, "{pages:?}");
        }
    }

    #[test]
    fn a_page_lingers_no_longer_than_its_limit() {
        let mut linger = Linger::new(totals((1, 0)), S(30));
        let almost = S(30) - Duration::from_nanos(1);
        for (since, expected) in [
            (S(0), Lingering::Serve(S(30))),
            (almost, Lingering::Serve(Duration::from_nanos(1))),
            (S(30), Lingering::Over),
            (Duration::MAX, Lingering::Over),
        ] {
            assert_eq!(linger.poll(since), expected, "{since:?}");
        }
        assert_eq!(Linger::new(totals((1, 0)), Duration::ZERO).poll(S(0)), Lingering::Over);
        // A page that was seen counts, even if the time is over when `poll` is called.
        assert_eq!(linger.delivered(totals((1, 0)), Begun::AfterStop), totals((1, 0)));
        assert_eq!(linger.poll(S(31)), Lingering::Seen);
    }
}
