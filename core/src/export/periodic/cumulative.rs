//! All that a registry has counted, in each cycle.

use super::{Place, Source, Wrote};
use crate::formats::otlp::{Export, ExportOptions, Resource, Sources};
use crate::formats::weights::Weights;
use crate::registry::Registry;
use crate::registry::ledger::{Exporter, Ledger};
use crate::request::sample::Timestamp;

/// The [`Source`] of a cumulative exporter.
#[derive(Clone, Copy, Debug)]
pub struct Cumulative<'a> {
    /// What is exported.
    pub registry: Registry<'a>,
    /// Who exports it.
    pub resource: &'a Resource,
    /// How its points look.
    pub options: ExportOptions,
    /// From when on all is counted.
    pub birth: Timestamp,
    /// Whether bodies have gRPC's prefix.
    pub is_framed: bool,
}

impl Source for Cumulative<'_> {
    type Cursor = Place;

    fn begin(&mut self, now: Timestamp) -> Place {
        Place::new(Export::new(self.registry, self.birth, now), self.registry, now)
    }

    fn at(&self, place: Place, now: Timestamp) -> Place {
        Place { points: place.points.at(now), gauges: place.gauges.at(now) }
    }

    fn write(&self, place: Place, limit: usize, out: &mut [u8]) -> Wrote<Place> {
        let sources = Sources::new(self.registry, self.resource).with_options(self.options);
        place.write(sources.with_limit(limit), self.is_framed, out)
    }

    fn weights(&self, from: Place, to: Place) -> Weights {
        let sources = Sources::new(self.registry, self.resource).with_options(self.options);
        from.points.weights_until(to.points, sources)
    }

    // The next cycle has it all again.
    fn settle(&mut self, _: Place, _: Place) {}

    fn ledger(&self) -> &Ledger {
        self.registry.ledger(Exporter::OpenTelemetry)
    }

    fn held(&self) -> u64 {
        self.registry.account(Exporter::OpenTelemetry).held
    }
}
