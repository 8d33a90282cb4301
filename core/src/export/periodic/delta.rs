//! The source of a delta exporter: in each cycle what came in one interval.

use super::{ExportCursor, ExportSource, WriteOutcome};
use crate::export::turn::series_in_a_turn;
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
    /// What the registry of `accounts` counts in one `interval` after another, exported by `resource`.
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
        ExportCursor::new(self.interval.export(self.accounts.registry()), self.accounts.registry(), now)
    }

    fn with_time(&self, place: ExportCursor, now: Timestamp) -> ExportCursor {
        ExportCursor { gauges: place.gauges.at(now), ..place }
    }

    fn write(&self, place: ExportCursor, limit: usize, out: &mut [u8]) -> WriteOutcome<ExportCursor> {
        let sources = Sources::of_interval(self.accounts.registry(), self.resource, self.interval);
        place.write(sources.with_limit(limit), self.is_framed, out)
    }

    fn weights(&self, from: ExportCursor, to: ExportCursor) -> Weights {
        let sources = Sources::of_interval(self.accounts.registry(), self.resource, self.interval);
        from.points.weights_until(to.points, sources)
    }

    fn settle(&mut self, from: ExportCursor, to: ExportCursor) {
        self.interval.settle(from.points, to.points);
    }

    fn ledger(&self) -> &Ledger {
        self.accounts.ledger(Exporter::OpenTelemetry)
    }

    fn held(&self) -> u64 {
        self.accounts.registry().account(Exporter::OpenTelemetry).held
    }
}
