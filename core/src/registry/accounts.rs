//! The part of the accounting that only exporters use: opening accounts, writing to them and closing them.

use core::fmt;
use core::time::Duration;

use crate::registry::Registry;
use crate::registry::account::{Account, AccountKind};
use crate::registry::drop_reason::DropReason;
use crate::registry::exporter::Exporter;
use crate::registry::ledger::{self, Ledger};
use crate::registry::linger::{Linger, PageTotals};

/// What exporters open, write and close the accounts of a registry with.
///
/// An engine has a [`Registry`], which shows the accounts and cannot change them: `recorded = sent + dropped + held` is
/// true whatever the engine calls. `Accounts` comes from the only [`Pump`](crate::Pump) of a registry: while exporters
/// run, nobody but their owner can get it.
#[derive(Clone, Copy)]
pub struct Accounts<'a> {
    registry: Registry<'a>,
    kind: AccountKind,
}

impl<'a> Accounts<'a> {
    pub(crate) const fn new(registry: Registry<'a>) -> Self {
        Self { registry, kind: AccountKind::Requests }
    }

    /// The accounts of observations, on ledgers of their own: what the other methods say of requests is then true of
    /// observations, which [`Registry::observations`](crate::Registry::observations) counts.
    ///
    /// ```
    /// use loaddensity_metrics_core::{DropReason, Exponential, Exporter, Storage, Unit};
    ///
    /// static STORAGE: Storage<100, 4, 1_024, Exponential, 1> = Storage::new();
    /// let registry = STORAGE.registry();
    /// let pump = registry.pump().expect("no other reads this storage");
    /// let ledger = pump.accounts().observations().open(Exporter::Statsd);
    /// let iterations = registry.run_counter("iterations", Unit::One, "Iterations that ended")?;
    /// registry.recorder().add_to_run(iterations, 3);
    /// assert_eq!(registry.observation_account(Exporter::Statsd).held, 1);
    /// ledger.add_sent(1);
    /// let account = pump.accounts().observations().close(Exporter::Statsd, DropReason::Deadline);
    /// assert_eq!((account.recorded, account.sent), (1, 1));
    /// # Ok::<(), loaddensity_metrics_core::InstrumentError>(())
    /// ```
    #[must_use]
    pub const fn observations(self) -> Self {
        Self { kind: AccountKind::Observations, ..self }
    }

    /// The registry whose accounts these are.
    #[must_use]
    pub const fn registry(self) -> Registry<'a> {
        self.registry
    }

    /// The ledger of `exporter`: what its sink writes to.
    #[must_use]
    pub fn ledger(self, exporter: Exporter) -> &'a Ledger {
        self.registry.ledger_of(self.kind, exporter)
    }

    /// Opens the account of an exporter that sends aggregates (Prometheus, OpenTelemetry, the others in their
    /// aggregating modes). The account starts now. For an exporter that sends per request,
    /// [`Pump::attach`](crate::Pump::attach) opens it.
    pub fn open(self, exporter: Exporter) -> &'a Ledger {
        self.open_after(exporter, self.registry.recorded(self.kind))
    }

    /// Opens the same account, but it starts after the first `requests` that the registry counted: those that the
    /// exporter's own first reading of the registry contains.
    pub fn open_after(self, exporter: Exporter, requests: u64) -> &'a Ledger {
        let ledger = self.ledger(exporter);
        ledger.open(ledger::SUMS, requests, 0);
        ledger
    }

    /// A page with these totals was delivered whole: it has reached whoever asked for it.
    pub fn delivered(self, exporter: Exporter, shown: PageTotals) {
        for kind in [AccountKind::Requests, AccountKind::Observations] {
            self.registry.ledger_of(kind, exporter).set_sent_total(shown.of(kind));
        }
    }

    /// Freezes both accounts of a page that is served after its exporter's stop, for `limit` at most. What was recorded
    /// before may still be sent; what is recorded later does not count. Returns `None` and changes nothing if all of it
    /// was sent before. No other thread may note a page as sent during this call.
    pub fn linger(self, exporter: Exporter, limit: Duration) -> Option<Linger> {
        let registry = self.registry;
        let totals = PageTotals { requests: registry.requests(), observations: registry.observations() };
        let ledgers = [AccountKind::Requests, AccountKind::Observations]
            .map(|kind| (registry.ledger_of(kind, exporter), totals.of(kind)));
        let open = || ledgers.iter().filter(|(ledger, _)| ledger.is_open());
        if !open().any(|(ledger, total)| {
            let (sent, dropped) = ledger.outcome();
            let (recorded, _) = ledger.since_start(*total, 0);
            sent + dropped.total() < recorded
        }) {
            return None;
        }
        open().for_each(|(ledger, total)| ledger.freeze(*total));
        Some(Linger::new(totals, limit))
    }

    /// Closes the account of an exporter that sends aggregates. What has not been sent is dropped for `cause`.
    pub fn close(self, exporter: Exporter, cause: DropReason) -> Account {
        let ledger = self.ledger(exporter);
        let recorded = self.registry.recorded(self.kind);
        let (sent, dropped) = ledger.outcome();
        let (since_start, _) = ledger.since_start(recorded, 0);
        ledger.add_dropped(cause, since_start.saturating_sub(sent + dropped.total()));
        ledger.close(recorded, 0);
        self.registry.account_of(self.kind, exporter)
    }
}

impl fmt::Debug for Accounts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(Exporter::ALL.map(|exporter| self.registry.account_of(self.kind, exporter))).finish()
    }
}
