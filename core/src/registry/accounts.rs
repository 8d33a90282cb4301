//! The exporters' side of the accounting: opening, closing and writing to accounts.

use core::fmt;
use core::time::Duration;

use crate::registry::Registry;
use crate::registry::account::Account;
use crate::registry::drop_reason::DropReason;
use crate::registry::exporter::Exporter;
use crate::registry::ledger::{self, Ledger};
use crate::registry::linger::Linger;

/// What exporters write to a registry's accounts by.
///
/// An engine holds a [`Registry`], which shows the accounts and cannot change them: `recorded = sent + dropped + held` holds
/// whatever the engine calls. This comes from the one [`Pump`](crate::Pump) of a registry, so that nobody gets it while
/// exporters run that are not their own.
#[derive(Clone, Copy)]
pub struct Accounts<'a> {
    registry: Registry<'a>,
}

impl<'a> Accounts<'a> {
    pub(crate) const fn new(registry: Registry<'a>) -> Self {
        Self { registry }
    }

    /// The registry whose accounts these are.
    #[must_use]
    pub const fn registry(self) -> Registry<'a> {
        self.registry
    }

    /// The ledger of `exporter`: what its sink writes to.
    #[must_use]
    pub fn ledger(self, exporter: Exporter) -> &'a Ledger {
        self.registry.ledger(exporter)
    }

    /// Opens the account of an exporter of sums (Prometheus, OpenTelemetry, the others in their aggregated modes): it
    /// starts now. That of an exporter of single requests is opened by [`Pump::attach`](crate::Pump::attach).
    pub fn open(self, exporter: Exporter) -> &'a Ledger {
        self.open_after(exporter, self.registry.requests())
    }

    /// The same for one that starts after the first `requests` that the registry counted: those that its own first
    /// reading has.
    pub fn open_after(self, exporter: Exporter, requests: u64) -> &'a Ledger {
        let ledger = self.ledger(exporter);
        ledger.open(ledger::SUMS, requests, 0);
        ledger
    }

    /// Freezes the account of a page that goes on serving after its stop, for `limit` at most: what was recorded so far may
    /// still be sent, nothing else counts. `None`, and no change, where all of it was sent before. No page may be noted as
    /// sent meanwhile.
    pub fn linger(self, exporter: Exporter, limit: Duration) -> Option<Linger> {
        let (ledger, total) = (self.ledger(exporter), self.registry.requests());
        let (sent, dropped) = ledger.outcome();
        let (recorded, _) = ledger.since_start(total, 0);
        if sent + dropped.total() >= recorded {
            return None;
        }
        ledger.freeze(total);
        Some(Linger::new(total, limit))
    }

    /// Closes the account of an exporter of sums: what has not been sent is dropped for `cause`.
    pub fn close(self, exporter: Exporter, cause: DropReason) -> Account {
        let ledger = self.ledger(exporter);
        let recorded = self.registry.requests();
        let (sent, dropped) = ledger.outcome();
        let (since_start, _) = ledger.since_start(recorded, 0);
        ledger.add_dropped(cause, since_start.saturating_sub(sent + dropped.total()));
        ledger.close(recorded, 0);
        self.registry.account(exporter)
    }
}

impl fmt::Debug for Accounts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(Exporter::ALL.map(|exporter| self.registry.account(exporter))).finish()
    }
}
