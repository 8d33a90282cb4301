//! What came in one interval after another.

use super::{Place, Source, Wrote};
use crate::formats::otlp::{DeltaInterval, Resource, Sources};
use crate::formats::weights::Weights;
use crate::registry::Registry;
use crate::registry::ledger::{Exporter, Ledger};
use crate::request::sample::Timestamp;

/// The [`Source`] of a delta exporter.
#[derive(Debug)]
pub struct Delta<'a, M> {
    /// What is exported.
    pub registry: Registry<'a>,
    /// Who exports it.
    pub resource: &'a Resource,
    /// The interval that ended last.
    pub interval: &'a mut DeltaInterval<M>,
    /// Whether bodies have gRPC's prefix.
    pub is_framed: bool,
}

impl<M: AsRef<[u64]> + AsMut<[u64]>> Source for Delta<'_, M> {
    type Cursor = Place;

    fn begin(&mut self, now: Timestamp) -> Place {
        self.interval.end(self.registry, now);
        Place::new(self.interval.export(self.registry), self.registry, now)
    }

    fn at(&self, place: Place, now: Timestamp) -> Place {
        Place { gauges: place.gauges.at(now), ..place }
    }

    fn write(&self, place: Place, limit: usize, out: &mut [u8]) -> Wrote<Place> {
        let sources = Sources::of_interval(self.registry, self.resource, self.interval);
        place.write(sources.with_limit(limit), self.is_framed, out)
    }

    fn weights(&self, from: Place, to: Place) -> Weights {
        let sources = Sources::of_interval(self.registry, self.resource, self.interval);
        from.points.weights_until(to.points, sources)
    }

    fn settle(&mut self, from: Place, to: Place) {
        self.interval.settle(from.points, to.points);
    }

    fn ledger(&self) -> &Ledger {
        self.registry.ledger(Exporter::OpenTelemetry)
    }

    fn held(&self) -> u64 {
        self.registry.account(Exporter::OpenTelemetry).held
    }
}
