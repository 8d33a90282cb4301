//! What is read off the registry: the Prometheus page and the OTLP export.

use std::hint::black_box;

use loaddensity_metrics_core::otlp::{Export, Resource, Sources};
use loaddensity_metrics_core::prometheus::Page;
use loaddensity_metrics_core::{Exporter, Outcome, Registry, Series, Timestamp, TooSmall};

use crate::clock::Stopwatch;
use crate::work::{CostMeasurement, CostRow, RoundResult, WrongResult};

/// Bytes that the server has the page written into at once.
const FRAME: usize = 4_096;
/// Largest request of the OTLP exporter, the default of `max_request_bytes`.
const REQUEST: usize = 4 << 20;
/// Lines or data points of a round, at the least: small pages are written several times.
const LEAST: u64 = 20_000;

/// Reads everything, once or several times.
pub(crate) struct ReadRegistry<'a> {
    recorders: u64,
    registry: Registry<'a>,
    read: ReadingKind,
    buffer: Vec<u8>,
    /// Lines or data points of one page or export.
    operations: u64,
    times: u64,
}

enum ReadingKind {
    Page,
    /// With the resource, which an exporter makes once.
    Export(Box<Resource>),
}

impl<'a> ReadRegistry<'a> {
    /// The reading of pages. Nothing must be interned afterwards.
    pub(crate) fn of_pages(registry: Registry<'a>, recorders: u64) -> Result<Self, TooSmall> {
        let mut lines = 0;
        let mut buffer = vec![0; FRAME];
        page(registry, &mut buffer, |part| lines += part.iter().filter(|byte| **byte == b'\n').count() as u64)?;
        Ok(Self::new(ReadingKind::Page, recorders, registry, (buffer, lines)))
    }

    /// The reading of exports. Everything that will be must have been recorded once.
    pub(crate) fn of_exports(registry: Registry<'a>, recorders: u64, handles: &[Series]) -> Self {
        let points = |series: &Series| {
            let totals = registry.series_totals(*series);
            // A counter and two histograms for each outcome that was recorded.
            3 * Outcome::ALL.iter().zip(totals.latencies).filter(|(_, side)| side.count() != 0).count() as u64
        };
        let points = handles.iter().map(points).sum();
        let read = ReadingKind::Export(Box::new(Resource::new("loaddensity")));
        Self::new(read, recorders, registry, (vec![0; REQUEST], points))
    }

    fn new(read: ReadingKind, recorders: u64, registry: Registry<'a>, (buffer, operations): (Vec<u8>, u64)) -> Self {
        Self { recorders, registry, read, buffer, operations, times: LEAST.div_ceil(operations.max(1)) }
    }

    /// Reads everything; returns the requests and the bytes in it.
    fn once(&mut self) -> Result<[u64; 2], TooSmall> {
        let mut bytes = 0;
        let written = |part: &[u8]| bytes += black_box(part).len() as u64;
        let requests = match &self.read {
            ReadingKind::Page => page(self.registry, &mut self.buffer, written)?,
            ReadingKind::Export(resource) => export(self.registry, resource, &mut self.buffer, written)?,
        };
        Ok([requests, bytes])
    }
}

impl CostMeasurement for ReadRegistry<'_> {
    fn row(&self) -> CostRow {
        let exporter = match self.read {
            ReadingKind::Page => Exporter::Prometheus,
            ReadingKind::Export(_) => Exporter::OpenTelemetry,
        };
        CostRow::Reading { exporter, recorders: self.recorders }
    }

    fn round(&mut self, watch: &mut Stopwatch) -> Result<RoundResult, WrongResult> {
        let (row, recorded, operations) = (self.row(), self.registry.requests(), self.operations * self.times);
        let mut bytes = 0;
        for _ in 0..self.times {
            let Ok([requests, more]) = watch.time(|| self.once()) else {
                return row.expect("readings that fit", 1, 0).map(|()| RoundResult { operations, bytes, times: 0 });
            };
            row.expect("requests read", recorded, requests)?;
            bytes += more;
        }
        row.expect("readings without a byte", 0, (bytes < operations).into())?;
        Ok(RoundResult { operations, bytes, times: self.times })
    }
}

/// Writes the Prometheus page through `buffer`; returns the requests that it counts.
///
/// # Errors
/// Where the buffer is too small for a line.
pub fn page(registry: Registry<'_>, buffer: &mut [u8], mut written: impl FnMut(&[u8])) -> Result<u64, TooSmall> {
    let mut page = Page::new(registry);
    loop {
        let bytes = page.fill(buffer)?;
        if bytes == 0 {
            return Ok(page.totals().requests);
        }
        written(&buffer[..bytes]);
    }
}

/// Writes an OTLP export over gRPC through `buffer`; returns the requests that it counts.
///
/// # Errors
/// Where the buffer is too small for a point.
pub fn export(
    registry: Registry<'_>,
    resource: &Resource,
    buffer: &mut [u8],
    mut written: impl FnMut(&[u8]),
) -> Result<u64, TooSmall> {
    let [start, now] =
        [1, 2].map(|day| Timestamp::from_unix_nanos(1_767_225_600_000_000_000 + day * 86_400_000_000_000));
    let mut export = Export::new(registry, start, now);
    while let Some(part) = export.next_request(Sources::new(registry, resource), buffer)? {
        written(part.of(buffer));
        export = part.next;
    }
    Ok(export.requests())
}
