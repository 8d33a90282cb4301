//! The Prometheus page: text exposition format 0.0.4 or OpenMetrics 1.0, streamed line by line through a buffer of any
//! size. [`Negotiated`] says which of them a scraper wants.
//!
//! A page shows the series that existed when it began. Each histogram is frozen before its first line, so that its
//! buckets and `_count` agree even while requests are recorded; `_sum` may then be a few requests ahead or behind.
//!
//! Sources of the rules: prometheus/docs, exposition_formats.md, "Text-based format", and specs/om/open_metrics_spec.md.
//! `le` is written as LoadDensity writes it (`5.0`, `1.048576e+06`), so that existing queries go on working; OpenMetrics
//! calls the same spelling canonical.

mod constant;
mod exemplar;
mod families;
mod family;
mod gauge;
mod info;
mod le;
mod metric;
mod negotiation;
mod number;
mod series;
mod status;
mod target_labels;

use crate::counts::bounds::Bounds;
use crate::labels::constant::ConstantLabels;
use crate::labels::prometheus as labels;
use crate::registry::Registry;
use crate::registry::gauges::GAUGES;
use crate::request::sample::Timestamp;
use crate::request::series::Series;
use crate::wire::text::out::{Full, Out, TooSmall};
use constant::{ConstantText, TEXT_BYTES};
use exemplar::Exemplars;
use family::Family;
use gauge::GaugeNow;
use le::Fragments;
use series::SeriesLines;
use status::{STATUS, Status};

pub use families::{Families, MAX_METRIC};
pub use info::RunInfo;
pub use negotiation::{ContentCoding, Dialect, Escaping, Negotiated};
pub use target_labels::{TARGET_LABELS, TargetLabels};

/// What the page is served as.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// A buffer of this many bytes holds any line.
pub const MAX_LINE: usize = labels::BYTES + TEXT_BYTES + 192 + EXEMPLAR_BYTES;
/// What an exemplar takes at most: its labels, its value and its time.
const EXEMPLAR_BYTES: usize = 128;

/// One scrape in progress: constant memory, however many series there are.
///
/// ```
/// use loaddensity_metrics_core::{Storage, prometheus::Page};
///
/// static STORAGE: Storage<100, 4, 1024> = Storage::new();
/// let mut page = Page::new(STORAGE.registry());
/// let mut buffer = [0; 2048];
/// loop {
///     let bytes = page.fill(&mut buffer)?;
///     if bytes == 0 {
///         break;
///     }
///     // Send buffer[..bytes].
/// }
/// # Ok::<(), loaddensity_metrics_core::TooSmall>(())
/// ```
#[derive(Debug)]
pub struct Page<'a> {
    registry: Registry<'a>,
    /// Series below this are shown.
    end: u32,
    bounds: Bounds,
    constant: ConstantText,
    info: Option<RunInfo>,
    fragments: Fragments,
    place: Place,
    /// The series whose lines are being written.
    lines: SeriesLines,
    requests: u64,
    status: Option<Status>,
    is_open_metrics: bool,
}

impl<'a> Page<'a> {
    /// A page of what `registry` holds now, in the text format.
    #[must_use]
    pub fn new(registry: Registry<'a>) -> Self {
        Self::begin(registry, false, None)
    }

    /// A page of what `registry` holds now, in OpenMetrics. Where `created` says since when the registry has counted,
    /// each counter and histogram of the contract has a line with that time, `_created`; Prometheus keeps those as series
    /// of their own unless it is told to read them.
    #[must_use]
    pub fn open_metrics(registry: Registry<'a>, created: Option<Timestamp>) -> Self {
        Self::begin(registry, true, created)
    }

    /// The same page with `constant` on every line, but for those with a label of the same name of their own.
    #[must_use]
    pub fn with_constant_labels(self, constant: &ConstantLabels) -> Self {
        Self { constant: ConstantText::new(constant), ..self }
    }

    /// The same page with a series that says which run it is of.
    #[must_use]
    pub fn with_run_info(self, info: Option<RunInfo>) -> Self {
        Self { info, ..self }
    }

    /// Writes as many whole lines as fit to the front of `out`; returns their length in bytes, 0 when the page is
    /// complete.
    ///
    /// # Errors
    /// [`TooSmall`] where not even one line fits into `out`; nothing is lost by it. [`MAX_LINE`] bytes always suffice.
    pub fn fill(&mut self, out: &mut [u8]) -> Result<usize, TooSmall> {
        let mut written = 0;
        while self.place.section != Section::End {
            match self.write_some(&mut out[written..]) {
                Ok(bytes) => written += bytes,
                Err(Full) if written == 0 => return Err(TooSmall { needed: MAX_LINE }),
                Err(Full) => break,
            }
        }
        Ok(written)
    }

    /// Requests in the counter lines written so far: when the page is complete, the total that it shows.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.requests
    }

    fn begin(registry: Registry<'a>, is_open_metrics: bool, created: Option<Timestamp>) -> Self {
        let bounds = registry.bounds();
        Self {
            registry,
            end: registry.series_end(),
            bounds,
            constant: ConstantText::NONE,
            info: None,
            fragments: Fragments::new(&bounds),
            place: Place { section: Section::Family(Family::Requests), row: 0, line: HEADER },
            lines: SeriesLines::none(created),
            requests: 0,
            status: None,
            is_open_metrics,
        }
    }

    /// Writes whole lines of one header, series or metric, and only then moves on; returns their length in bytes, 0
    /// where there was nothing to write.
    fn write_some(&mut self, out: &mut [u8]) -> Result<usize, Full> {
        match self.place.section {
            Section::Family(family) if self.place.line == HEADER => {
                let mut out = Out::new(out);
                out.put(family.header(self.is_open_metrics))?;
                self.place.line = 0;
                Ok(out.len())
            }
            Section::Family(family) if self.place.row == self.end => {
                let section = family.next().map_or(Section::Gauges, Section::Family);
                self.place = Place { section, row: 0, line: HEADER };
                Ok(0)
            }
            Section::Family(family) => self.write_series(family, out),
            Section::Gauges => self.write_gauge(out),
            Section::Status => self.write_status(out),
            Section::End => Ok(0),
        }
    }

    fn write_series(&mut self, family: Family, out: &mut [u8]) -> Result<usize, Full> {
        let mut line = usize::from(self.place.line);
        if line == 0 && !self.freeze(family) {
            self.place.row += 1;
            return Ok(0);
        }
        let registry = self.registry;
        let exemplars = Exemplars { registry, series: Series::from_number(self.place.row), family };
        let has_some = self.is_open_metrics && family == Family::Latency && registry.has_exemplars();
        let written = self.lines.write(&mut line, &self.fragments, has_some.then_some(exemplars), out);
        if line == self.lines.count() {
            self.requests += self.lines.requests();
            self.place.line = 0;
            self.place.row += 1;
        } else {
            self.place.line = line as u8;
        }
        if written == 0 { Err(Full) } else { Ok(written) }
    }

    /// Freezes what the lines of the next series in `family` show; says whether the series is shown at all.
    fn freeze(&mut self, family: Family) -> bool {
        let (registry, series) = (self.registry, Series::from_number(self.place.row));
        let entry = registry.entry(series);
        if !is_shown(registry, series) {
            return false;
        }
        self.lines.freeze(family, entry.prometheus(), &self.constant, &self.bounds, registry.cells(series));
        true
    }

    /// Writes the next gauge that has been set; after the last, which run the page is of, where that is known.
    fn write_gauge(&mut self, out: &mut [u8]) -> Result<usize, Full> {
        let mut out = Out::new(out);
        let gauges = self.place.row as usize..GAUGES;
        let next = gauges.filter_map(|at| Some((at, GaugeNow::read(self.registry, at)?))).next();
        if let Some((at, gauge)) = next {
            gauge.write(&self.constant, &mut out)?;
            self.place.row = at as u32 + 1;
        } else {
            self.write_info(&mut out)?;
            self.place = Place { section: Section::Status, row: 0, line: HEADER };
        }
        Ok(out.len())
    }

    /// Once a page: apart, so that it costs the other lines nothing.
    #[inline(never)]
    fn write_info(&self, out: &mut Out<'_>) -> Result<(), Full> {
        match &self.info {
            Some(info) => info.write(self.is_open_metrics, &self.constant, out),
            None => Ok(()),
        }
    }

    /// Writes the next line about the registry and the exporters themselves.
    fn write_status(&mut self, out: &mut [u8]) -> Result<usize, Full> {
        let (registry, mut out) = (self.registry, Out::new(out));
        let status = self.status.get_or_insert_with(|| Status::of(registry));
        let Some(metric) = STATUS.get(self.place.row as usize) else {
            if self.is_open_metrics {
                out.put(b"# EOF\n")?;
            }
            self.place.section = Section::End;
            return Ok(out.len());
        };
        if self.place.line == HEADER {
            metric.header(self.is_open_metrics, &mut out)?;
            self.place.line = 0;
            return Ok(out.len());
        }
        let more = metric.line(status, self.place.line.into(), &self.constant, &mut out)?;
        self.place.line += 1;
        if !more {
            self.place = Place { section: Section::Status, row: self.place.row + 1, line: HEADER };
        }
        Ok(out.len())
    }
}

/// Whether a page shows `series`.
fn is_shown(registry: Registry<'_>, series: Series) -> bool {
    // The overflow series is there from birth but is news only when it is used.
    registry.entry(series).is_published()
        && (series != Series::OVERFLOW || registry.series_totals(series).requests() != 0)
}

/// Where a page is: the next line to be written.
#[derive(Clone, Copy, Debug)]
struct Place {
    section: Section,
    /// The series of a family, or the metric of the status.
    row: u32,
    /// The line of that series or metric.
    line: u8,
}

/// The line of a family's or a metric's header.
const HEADER: u8 = u8::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Family(Family),
    Gauges,
    Status,
    End,
}
