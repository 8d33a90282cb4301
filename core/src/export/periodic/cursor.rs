//! How far an OTLP cycle has come: the points of requests come first, then those of own instruments, then the gauges, which
//! carry no requests, each in bodies of their own.

use super::{CyclePart, WriteOutcome};
use crate::formats::otlp::{Export, OwnExport, Sources};
use crate::formats::weights::Weights;
use crate::registry::Registry;
use crate::registry::account::AccountKind;
use crate::request::sample::Timestamp;
use crate::wire::text::out::TooSmall;

/// A place in a cycle of [`Cumulative`](super::Cumulative) or [`Delta`](super::Delta).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportCursor {
    pub(super) points: Export,
    /// Where own instruments are sent.
    pub(super) own: Option<OwnExport>,
    pub(super) gauges: Export,
}

impl ExportCursor {
    /// The beginning of a cycle over these `points`, and the gauges `now`.
    pub(super) fn new(points: Export, registry: Registry<'_>, now: Timestamp) -> Self {
        Self { points: points.without_gauges(), own: None, gauges: Export::of_gauges(registry, now) }
    }

    /// Writes a body, with gRPC's prefix where that `is_framed`.
    pub(super) fn write(self, sources: Sources<'_>, is_framed: bool, out: &mut [u8]) -> WriteOutcome<Self> {
        let written = write(self.points, sources, is_framed, |points| Self { points, ..self }, out);
        let written = written.or_else(|| {
            let own = self.own?;
            let written = if is_framed { own.next_request(sources, out) } else { own.next_message(sources, out) };
            let (part, needs) = part_or_skipped(written, || own.skip(sources))?;
            let next = Self { own: Some(part.next), ..self };
            if part.points == 0 {
                return Some(WriteOutcome::Passed(next));
            }
            let body = (part.bytes, part.points, AccountKind::Observations, part.observations);
            Some(outcome(body, needs, next, sources, out.len()))
        });
        let gauges = |gauges| Self { gauges, ..self };
        written.or_else(|| write(self.gauges, sources, is_framed, gauges, out)).unwrap_or(WriteOutcome::Nothing)
    }

    /// What each point between two places stands for: those of requests, or those of own instruments where none of requests
    /// lies between them.
    pub(super) fn weights_until(self, to: Self, sources: Sources<'_>) -> Weights {
        match (self.own, to.own) {
            (Some(own), Some(next)) if own != next => own.weights_until(next, sources),
            _ => self.points.weights_until(to.points, sources),
        }
    }

    fn is_last(self, sources: Sources<'_>) -> bool {
        // Of own instruments a cycle is complete when the last point was written: whether there is another is not looked for here,
        // for many series may be silent.
        self.own.is_none_or(|own| own.is_complete())
            && self.points.skip(sources).is_none()
            && self.gauges.skip(sources).is_none()
    }
}

/// `None` where no point is left.
fn write(
    export: Export,
    sources: Sources<'_>,
    is_framed: bool,
    place: impl Fn(Export) -> ExportCursor,
    out: &mut [u8],
) -> Option<WriteOutcome<ExportCursor>> {
    let written = if is_framed { export.next_request(sources, out) } else { export.next_message(sources, out) };
    let (part, needs) = part_or_skipped(written, || export.skip(sources))?;
    let body = (part.bytes, part.points, AccountKind::Requests, part.requests);
    Some(outcome(body, needs, place(part.next), sources, out.len()))
}

/// The part that was written and 0, or the point that did not fit and the bytes that it needs.
fn part_or_skipped<P>(written: Result<Option<P>, TooSmall>, skip: impl FnOnce() -> Option<P>) -> Option<(P, usize)> {
    match written {
        Ok(part) => Some((part?, 0)),
        Err(too_small) => Some((skip()?, too_small.needed)),
    }
}

/// What came of a part with these bytes, points, and what they stand for, in a buffer that ends there.
fn outcome(
    (bytes, points, kind, recorded): (usize, usize, AccountKind, u64),
    needs: usize,
    next: ExportCursor,
    sources: Sources<'_>,
    end: usize,
) -> WriteOutcome<ExportCursor> {
    let (start, is_last) = (end - bytes, next.is_last(sources));
    let piece = CyclePart { start, end, points, kind, recorded, next, is_last };
    if needs == 0 { WriteOutcome::Body(piece) } else { WriteOutcome::TooSmall { needs, point: piece } }
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;

    use core::time::Duration;

    use super::*;
    use crate::formats::otlp::Resource;
    use crate::metrics::unit::Unit;
    use crate::registry::storage::{Exponential, Storage};
    use crate::request::sample::Sample;
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn own_instruments_come_between_points_and_gauges_and_stand_for_observations() {
        static STORAGE: Storage<4, 1, 2, Exponential, 1, 1> = Storage::new();
        let (registry, resource, now) = (STORAGE.registry(), Resource::new("checkout"), Timestamp::default());
        let (iterations, first_byte) =
            (registry.run_counter("iterations", Unit::One, "").unwrap(), registry.timer("first_byte", "").unwrap());
        let [series, ..] = ["/a", "/b", "/c"].map(|name| registry.series("GET", name));
        let mut recorder = registry.recorder();
        recorder.record(series, Sample::ok(Duration::ZERO));
        (0..3).for_each(|_| recorder.add_to_run(iterations, 7));
        (0..2).for_each(|_| recorder.observe(first_byte, series, Duration::ZERO));
        registry.gauge("users").unwrap().set(1.0);
        // A point in each body, and a turn that ends at the second series without one: the timer has two before that with it.
        let sources = Sources::new(registry, &resource).with_limit(1).with_turn(1);
        let points = ExportCursor::new(Export::new(registry, now, now), registry, now);
        let own = Some(OwnExport::new(registry, now, now));
        let (mut place, mut seen, mut passed) = (ExportCursor { own, ..points }, vec![], 0);
        for _ in 0..100 {
            match place.write(sources, true, &mut [0; 4_096]) {
                WriteOutcome::Body(part) => {
                    assert_eq!(place.weights_until(part.next, sources).all(), part.recorded);
                    seen.push((part.kind, part.points, part.recorded, part.is_last));
                    place = part.next;
                }
                WriteOutcome::Passed(next) => (place, passed) = (next, passed + 1),
                WriteOutcome::Nothing => break,
                WriteOutcome::TooSmall { needs, .. } => panic!("{needs}"),
            }
        }
        let requests = [0, 0, 1].map(|recorded| (AccountKind::Requests, 1, recorded, false));
        let own = [2, 3].map(|recorded| (AccountKind::Observations, 1, recorded, false));
        let gauge = (AccountKind::Requests, 1, 0, true);
        assert_eq!(seen, requests.into_iter().chain(own).chain([gauge]).collect::<Vec<_>>());
        assert_eq!(passed, 1);
        assert!(matches!(place.write(sources, true, &mut [0; 4_096]), WriteOutcome::Nothing));
    }

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
