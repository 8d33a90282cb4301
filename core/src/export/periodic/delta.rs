//! The source of a delta exporter: in each cycle what came in one interval, of requests and of own instruments.

use super::{ExportCursor, ExportSource, WriteOutcome};
use crate::export::turn::{series_in_a_turn, silent_in_a_turn};
use crate::formats::otlp::{DeltaInterval, Resource, Sources};
use crate::formats::weights::Weights;
use crate::registry::accounts::Accounts;
use crate::registry::exporter::Exporter;
use crate::registry::ledger::Ledger;
use crate::request::sample::Timestamp;

/// The [`ExportSource`] of a delta exporter.
#[derive(Debug)]
pub struct Delta<'a, M> {
    accounts: Accounts<'a>,
    resource: &'a Resource,
    /// The interval that ended last.
    interval: &'a mut DeltaInterval<M>,
    is_framed: bool,
}

impl<'a, M> Delta<'a, M> {
    /// What the registry of `accounts` counts in one `interval` after another, exported by `resource`. Where the interval has
    /// own instruments, they come in bodies of their own after those of requests, and are accounted with
    /// [`Accounts::observations`], whose account of the exporter has to be open.
    #[must_use]
    pub const fn new(accounts: Accounts<'a>, resource: &'a Resource, interval: &'a mut DeltaInterval<M>) -> Self {
        Self { accounts, resource, interval, is_framed: false }
    }

    /// The same, where bodies have gRPC's prefix if `is_framed`.
    #[must_use]
    pub fn framed(self, is_framed: bool) -> Self {
        Self { is_framed, ..self }
    }
}

impl<M: AsRef<[u64]> + AsMut<[u64]>> Delta<'_, M> {
    fn sources(&self) -> Sources<'_> {
        let registry = self.accounts.registry();
        let turn = silent_in_a_turn(registry.recorders_read());
        Sources::of_interval(registry, self.resource, self.interval).with_turn(turn)
    }
}

impl<M: AsRef<[u64]> + AsMut<[u64]>> ExportSource for Delta<'_, M> {
    type Cursor = ExportCursor;

    fn end_interval(&mut self, now: Timestamp) {
        self.interval.begin_to_end(now);
    }

    fn read_on(&mut self) -> bool {
        let registry = self.accounts.registry();
        self.interval.read_some(registry, series_in_a_turn(registry.recorders_read()))
    }

    fn begin(&mut self, now: Timestamp) -> ExportCursor {
        let registry = self.accounts.registry();
        ExportCursor {
            own: self.interval.own_export(registry),
            ..ExportCursor::new(self.interval.export(registry), registry, now)
        }
    }

    fn with_time(&self, place: ExportCursor, now: Timestamp) -> ExportCursor {
        ExportCursor { gauges: place.gauges.at(now), ..place }
    }

    fn write(&self, place: ExportCursor, limit: usize, out: &mut [u8]) -> WriteOutcome<ExportCursor> {
        place.write(self.sources().with_limit(limit), self.is_framed, out)
    }

    fn weights(&self, from: ExportCursor, to: ExportCursor) -> Weights {
        from.weights_until(to, self.sources())
    }

    fn settle(&mut self, from: ExportCursor, to: ExportCursor) {
        self.interval.settle(from.points, to.points);
        if let (Some(from), Some(to)) = (from.own, to.own)
            && from != to
        {
            self.interval.settle_instruments(self.accounts.registry(), from, to);
        }
    }

    fn ledger(&self) -> &Ledger {
        self.accounts.ledger(Exporter::OpenTelemetry)
    }

    fn held(&self) -> u64 {
        self.accounts.registry().account(Exporter::OpenTelemetry).held
    }

    fn observation_ledger(&self) -> Option<&Ledger> {
        let has_instruments = self.interval.own_export(self.accounts.registry()).is_some();
        has_instruments.then(|| self.accounts.observations().ledger(Exporter::OpenTelemetry))
    }

    fn observations_held(&self) -> u64 {
        self.accounts.registry().observation_account(Exporter::OpenTelemetry).held
    }
}
