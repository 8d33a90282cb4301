//! What becomes of the requests or the observations of a body: the accounts of a periodic exporter.

use super::{CyclePart, ExportSource};
use crate::registry::account::AccountKind;
use crate::registry::drop_reason::{DropReason, Dropped};
use crate::registry::ledger::Ledger;

/// The accounts of requests and of observations. Of each body one of them is told.
#[derive(Clone, Debug)]
pub(super) struct ExportAccounts {
    requests: ExportAccount,
    observations: ExportAccount,
}

impl ExportAccounts {
    pub(super) fn new(is_delta: bool) -> Self {
        Self { requests: ExportAccount::new(is_delta), observations: ExportAccount::new(is_delta) }
    }

    /// A cycle begins.
    pub(super) fn begin(&mut self) {
        self.requests.begin();
        self.observations.begin();
    }

    /// A part was accepted, but for so many of its requests or observations.
    pub(super) fn accepted<S: ExportSource>(&mut self, part: &CyclePart<S::Cursor>, rejected: u64, source: &S) {
        if let (account, Some(ledger)) = self.of(part.kind, source) {
            account.accepted(part, rejected, ledger);
        }
    }

    /// A part will not be sent again.
    pub(super) fn lost<S: ExportSource>(&mut self, cause: DropReason, part: &CyclePart<S::Cursor>, source: &S) {
        if let (account, Some(ledger)) = self.of(part.kind, source) {
            account.lost(cause, part, ledger);
        }
    }

    /// A part may have arrived. It is not settled yet.
    pub(super) fn may_have_arrived<C>(&mut self, part: &CyclePart<C>) {
        match part.kind {
            AccountKind::Requests => self.requests.may_have_arrived(part),
            AccountKind::Observations => self.observations.may_have_arrived(part),
        }
    }

    /// Nothing is sent any more: of what is held, drops what has a cause of its own.
    pub(super) fn finish<S: ExportSource>(&self, source: &S) {
        self.requests.finish(source.held(), source.ledger());
        if let Some(ledger) = source.observation_ledger() {
            self.observations.finish(source.observations_held(), ledger);
        }
    }

    fn of<'s, S: ExportSource>(
        &mut self,
        kind: AccountKind,
        source: &'s S,
    ) -> (&mut ExportAccount, Option<&'s Ledger>) {
        match kind {
            AccountKind::Requests => (&mut self.requests, Some(source.ledger())),
            AccountKind::Observations => (&mut self.observations, source.observation_ledger()),
        }
    }
}

/// The counts from which an exporter's account follows, of requests or of observations.
///
/// Delta: each part is sent or dropped for itself. Cumulative: a part that was not taken is held, since the next export
/// holds it again; `sent` is the largest sum of requests in the accepted parts of one cycle.
#[derive(Clone, Debug)]
struct ExportAccount {
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
    fn new(is_delta: bool) -> Self {
        Self { is_delta, accepted: 0, most: 0, possible: 0, left_out: Dropped::default(), doubtful: 0 }
    }

    /// A cycle begins.
    fn begin(&mut self) {
        (self.accepted, self.left_out, self.doubtful) = (0, Dropped::default(), 0);
    }

    /// A part was accepted, but for so many of its requests.
    fn accepted<C>(&mut self, part: &CyclePart<C>, rejected: u64, ledger: &Ledger) {
        let rejected = rejected.min(part.recorded);
        let taken = part.recorded - rejected;
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
    fn lost<C>(&mut self, cause: DropReason, part: &CyclePart<C>, ledger: &Ledger) {
        if self.is_delta {
            self.drop_for(cause, part.recorded, ledger);
        } else {
            self.left_out.add(cause, part.recorded);
            self.may_have(0);
        }
    }

    /// A part may have arrived. It is not settled yet.
    fn may_have_arrived<C>(&mut self, part: &CyclePart<C>) {
        if self.is_delta {
            self.doubtful = self.doubtful.max(part.recorded);
        } else {
            self.may_have(part.recorded);
        }
    }

    /// Nothing is sent any more: of the requests that are `held`, drops those that have a cause of their own.
    fn finish(&self, mut held: u64, ledger: &Ledger) {
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

    const fn part(recorded: u64) -> CyclePart<()> {
        let kind = AccountKind::Requests;
        CyclePart { start: 0, end: 0, points: 1, kind, recorded, next: (), is_last: false }
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
