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
