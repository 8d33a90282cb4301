//! What becomes of the requests of a body: the account of a periodic exporter.

use super::CyclePart;
use crate::registry::drop_reason::{DropReason, Dropped};
use crate::registry::ledger::Ledger;

/// The counts from which an exporter's account follows.
///
/// Delta: each part is sent or dropped for itself. Cumulative: a part that was not taken is held, since the next export
/// holds it again; `sent` is the largest sum of requests in the accepted parts of one cycle.
#[derive(Clone, Debug)]
pub(super) struct ExportAccount {
    is_delta: bool,
    /// Cumulative: requests in the accepted parts of the cycle.
    accepted: u64,
    /// Cumulative: the largest such sum.
    most: u64,
    /// Cumulative: the largest sum that may have arrived.
    possible: u64,
    /// Cumulative: requests that the cycle has left out. They are dropped at the stop only.
    left_out: Dropped,
    /// Delta: requests in what comes next that may have arrived.
    doubtful: u64,
}

impl ExportAccount {
    pub(super) fn new(is_delta: bool) -> Self {
        Self { is_delta, accepted: 0, most: 0, possible: 0, left_out: Dropped::default(), doubtful: 0 }
    }

    /// A cycle begins.
    pub(super) fn begin(&mut self) {
        (self.accepted, self.left_out, self.doubtful) = (0, Dropped::default(), 0);
    }

    /// A part was accepted, but for so many of its requests.
    pub(super) fn accepted<C>(&mut self, part: &CyclePart<C>, rejected: u64, ledger: &Ledger) {
        let rejected = rejected.min(part.requests);
        let taken = part.requests - rejected;
        if self.is_delta {
            ledger.add_sent(taken);
            self.drop_for(DropReason::Rejected, rejected, ledger);
            self.doubtful = self.doubtful.saturating_sub(taken);
        } else {
            self.left_out.add(DropReason::Rejected, rejected);
            self.accepted += taken;
            self.most = self.most.max(self.accepted);
            ledger.set_sent_total(self.most);
        }
    }

    /// A part will not be sent again.
    pub(super) fn lost<C>(&mut self, cause: DropReason, part: &CyclePart<C>, ledger: &Ledger) {
        if self.is_delta {
            self.drop_for(cause, part.requests, ledger);
        } else {
            self.left_out.add(cause, part.requests);
            self.may_have(0);
        }
    }

    /// A part may have arrived. It is not settled yet.
    pub(super) fn may_have_arrived<C>(&mut self, part: &CyclePart<C>) {
        if self.is_delta {
            self.doubtful = self.doubtful.max(part.requests);
        } else {
            self.may_have(part.requests);
        }
    }

    /// Nothing is sent any more: of the requests that are `held`, drops those that have a cause of their own.
    pub(super) fn finish(&self, mut held: u64, ledger: &Ledger) {
        let unconfirmed = if self.is_delta { self.doubtful } else { self.possible.saturating_sub(self.most) };
        let own = self.left_out.iter().filter(|(cause, _)| *cause != DropReason::Unconfirmed);
        for (cause, requests) in [(DropReason::Unconfirmed, unconfirmed)].into_iter().chain(own) {
            let requests = requests.min(held);
            ledger.add_dropped(cause, requests);
            held -= requests;
        }
    }

    /// Delta: drops requests of the part that comes next. What may have arrived is unconfirmed, whatever the cause.
    fn drop_for(&mut self, cause: DropReason, requests: u64, ledger: &Ledger) {
        let unconfirmed = self.doubtful.min(requests);
        self.doubtful -= unconfirmed;
        ledger.add_dropped(DropReason::Unconfirmed, unconfirmed);
        ledger.add_dropped(cause, requests - unconfirmed);
    }

    /// The receiver may have so many requests more than what was accepted.
    fn may_have(&mut self, requests: u64) {
        let unclear = self.left_out.get(DropReason::Unconfirmed);
        self.possible = self.possible.max(self.accepted + unclear + requests);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::registry::accounts::Accounts;
    use crate::registry::exporter::Exporter;
    use crate::registry::storage::Storage;

    const fn part(requests: u64) -> CyclePart<()> {
        CyclePart { start: 0, end: 0, points: 1, requests, next: (), is_last: false }
    }

    /// What is dropped as `unconfirmed` and as `refused`.
    fn dropped(ledger: &Ledger) -> [u64; 2] {
        [DropReason::Unconfirmed, DropReason::Refused].map(|cause| ledger.outcome().1.get(cause))
    }

    #[test]
    fn what_may_have_arrived_of_a_delta_is_unconfirmed_once() {
        static STORAGE: Storage<4, 1, 2> = Storage::new();
        let ledger = Accounts::new(STORAGE.registry()).open(Exporter::OpenTelemetry);
        let mut account = ExportAccount::new(true);
        account.may_have_arrived(&part(5));
        account.lost(DropReason::Refused, &part(5), ledger);
        account.lost(DropReason::Refused, &part(3), ledger);
        assert_eq!(dropped(ledger), [5, 3]);
    }

    #[test]
    fn of_a_cumulative_export_all_is_unconfirmed_that_may_have_arrived_and_was_not_accepted() {
        static STORAGE: Storage<4, 1, 2> = Storage::new();
        let ledger = Accounts::new(STORAGE.registry()).open(Exporter::OpenTelemetry);
        let mut account = ExportAccount::new(false);
        account.accepted(&part(10), 0, ledger);
        account.lost(DropReason::Unconfirmed, &part(4), ledger);
        account.lost(DropReason::Refused, &part(2), ledger);
        account.may_have_arrived(&part(3));
        account.finish(30, ledger);
        assert_eq!((ledger.outcome().0, dropped(ledger)), (10, [7, 2]));
    }
}
