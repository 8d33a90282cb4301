//! How far an OTLP cycle has come: its points come first, then the gauges in bodies of their own, which carry no requests.

use super::{CyclePart, WriteOutcome};
use crate::formats::otlp::{Export, Sources};
use crate::registry::Registry;
use crate::request::sample::Timestamp;

/// A place in a cycle of [`Cumulative`](super::Cumulative) or [`Delta`](super::Delta).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportCursor {
    pub(super) points: Export,
    pub(super) gauges: Export,
}

impl ExportCursor {
    /// The beginning of a cycle over these `points`, and the gauges `now`.
    pub(super) fn new(points: Export, registry: Registry<'_>, now: Timestamp) -> Self {
        Self { points: points.without_gauges(), gauges: Export::of_gauges(registry, now) }
    }

    /// Writes a body, with gRPC's prefix where that `is_framed`.
    pub(super) fn write(self, sources: Sources<'_>, is_framed: bool, out: &mut [u8]) -> WriteOutcome<Self> {
        let points = |points| Self { points, ..self };
        match write(self.points, sources, is_framed, points, out) {
            WriteOutcome::Nothing => write(self.gauges, sources, is_framed, |gauges| Self { gauges, ..self }, out),
            wrote => wrote,
        }
    }

    fn is_last(self, sources: Sources<'_>) -> bool {
        self.points.skip(sources).is_none() && self.gauges.skip(sources).is_none()
    }
}

fn write(
    export: Export,
    sources: Sources<'_>,
    is_framed: bool,
    place: impl Fn(Export) -> ExportCursor,
    out: &mut [u8],
) -> WriteOutcome<ExportCursor> {
    let written = if is_framed { export.next_request(sources, out) } else { export.next_message(sources, out) };
    let (part, needs) = match written {
        Ok(part) => (part, 0),
        Err(too_small) => (export.skip(sources), too_small.needed),
    };
    let Some(part) = part else { return WriteOutcome::Nothing };
    let next = place(part.next);
    let (end, start) = (out.len(), out.len() - part.bytes);
    let is_last = next.is_last(sources);
    let piece = CyclePart { start, end, points: part.points, requests: part.requests, next, is_last };
    if needs == 0 { WriteOutcome::Body(piece) } else { WriteOutcome::TooSmall { needs, point: piece } }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::formats::otlp::Resource;
    use crate::registry::storage::Storage;
    use crate::request::sample::Sample;

    #[test]
    fn a_body_is_the_last_one_where_neither_points_nor_gauges_come_after_it() {
        static STORAGE: Storage<4, 1, 2> = Storage::new();
        let (registry, resource, now) = (STORAGE.registry(), Resource::new("checkout"), Timestamp::default());
        let walk = || {
            // Of each body so much is lent that one point fits, or the gauges.
            let mut place = ExportCursor::new(Export::new(registry, now, now), registry, now);
            let sources = Sources::new(registry, &resource).with_limit(1);
            let (mut bodies, mut is_last) = (0, false);
            while let WriteOutcome::Body(part) = place.write(sources, false, &mut [0; 4_096]) {
                assert!(!is_last, "body {bodies} came after the last one");
                (place, is_last, bodies) = (part.next, part.is_last, bodies + 1);
            }
            (bodies, is_last)
        };
        registry.gauge("users").expect("a name").set(1.0);
        assert_eq!(walk(), (1, true));
        let mut recorder = registry.recorder();
        let paths = ["/a", "/b"];
        for path in paths {
            recorder.record(registry.series("GET", path), Sample::ok(Duration::ZERO));
        }
        let (bodies, is_last) = walk();
        assert!(bodies > paths.len() && is_last, "{bodies}");
    }
}
