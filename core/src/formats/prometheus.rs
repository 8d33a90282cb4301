//! The Prometheus page: text exposition format 0.0.4 or OpenMetrics 1.0, streamed line by line through a buffer of any
//! size. [`Negotiated`] says which of them a scraper wants.
//!
//! A page shows the series that existed when it began. Each histogram is frozen before its first line, so that its
//! buckets and `_count` agree even while requests are recorded; `_sum` may then be a few requests more or fewer.
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
mod messages;
mod negotiation;
mod options;
mod own_family;
mod scrape;
mod series;
mod status;
mod target_labels;
mod time;

use crate::labels::prometheus as labels;
use crate::registry::Registry;
use crate::registry::linger::PageTotals;
use crate::request::series::Series;
use crate::wire::text::out::{Full, TextWriter, TooSmall};
use constant::TEXT_BYTES;
use exemplar::Exemplars;
use family::Family;
use gauge::GaugeReading;
use le::Fragments;
use own_family::OwnFamily;
use scrape::{PageSection, Scrape, Sought};
use status::{STATUS, StatusMetric};

pub use families::{Families, MAX_METRIC};
pub use info::RunInfo;
pub use negotiation::{ContentCoding, Escaping, ExpositionFormat, Negotiated};
pub use options::ScrapeOptions;
pub use target_labels::{TARGET_LABELS, TargetLabels};

/// What the page is served as.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// A buffer of this many bytes holds any line.
pub const MAX_LINE: usize = labels::BYTES + TEXT_BYTES + 192 + EXEMPLAR_BYTES;
const _: () = assert!(MAX_LINE > own_family::HEADER_BYTES);
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
    scrape: Scrape<'a>,
    fragments: Fragments,
    /// The line that is written next, of the series or metric; [`HEADER`] where its section begins.
    line: u8,
    is_open_metrics: bool,
    /// Whether many series in a row had nothing to show.
    is_seeking: bool,
}

/// Series that have nothing to show and are passed over before what was written is handed out.
const PASSED_OVER: usize = 64;
/// The line of a section's header.
const HEADER: u8 = u8::MAX;

impl<'a> Page<'a> {
    /// A page of what `registry` holds now, in the text format.
    #[must_use]
    pub fn new(registry: Registry<'a>) -> Self {
        Self::begin(registry, false)
    }

    /// A page of what `registry` holds now, in OpenMetrics.
    #[must_use]
    pub fn open_metrics(registry: Registry<'a>) -> Self {
        Self::begin(registry, true)
    }

    /// The same page with these `options`.
    #[must_use]
    pub fn with_options(mut self, options: ScrapeOptions) -> Self {
        // The text format has no lines with creation times.
        let created = options.created.filter(|_| self.is_open_metrics);
        self.scrape.options = options.created(created);
        self
    }

    /// Writes as many whole lines as fit to the front of `out`; returns their length in bytes, 0 when the page is
    /// complete.
    ///
    /// # Errors
    /// [`TooSmall`] where not even one line fits into `out`; nothing is lost by it. [`MAX_LINE`] bytes always suffice.
    pub fn fill(&mut self, out: &mut [u8]) -> Result<usize, TooSmall> {
        let mut written = 0;
        while self.scrape.section != PageSection::End || self.line == HEADER {
            match self.write_some(&mut out[written..]) {
                // What is there comes first: it may be long until something else is found.
                Ok(0) if written != 0 && self.is_seeking => break,
                Ok(bytes) => written += bytes,
                Err(Full) if written == 0 => return Err(TooSmall { needed: MAX_LINE }),
                Err(Full) => break,
            }
        }
        Ok(written)
    }

    /// Passes over series of which the current family shows nothing, at most `series` of them; returns whether that was enough.
    /// [`fill`](Self::fill) passes over all of them where it has nothing to hand out yet: whoever has something else to
    /// do in between calls this before.
    #[must_use]
    pub fn look_ahead(&mut self, series: usize) -> bool {
        self.line != 0 || self.scrape.look_ahead(series)
    }

    /// What the lines written so far show: when the page is complete, all that it shows.
    #[must_use]
    pub const fn totals(&self) -> PageTotals {
        self.scrape.totals()
    }

    fn begin(registry: Registry<'a>, is_open_metrics: bool) -> Self {
        let scrape = Scrape::new(registry);
        Self { fragments: Fragments::new(&scrape.bounds), scrape, line: HEADER, is_open_metrics, is_seeking: false }
    }

    /// Writes whole lines of one header, series or metric, and only then moves on; returns their length in bytes, 0
    /// where there was nothing to write.
    fn write_some(&mut self, out: &mut [u8]) -> Result<usize, Full> {
        match self.scrape.section {
            PageSection::Family(family) if self.line != HEADER => return self.write_series(family, out),
            PageSection::Own(place) => return self.write_own(place, out),
            _ => {}
        }
        let mut out = TextWriter::new(out);
        self.write_metric(&mut out)?;
        Ok(out.len())
    }

    fn write_series(&mut self, family: Family, out: &mut [u8]) -> Result<usize, Full> {
        let mut line = usize::from(self.line);
        if line == 0 {
            let sought = self.scrape.freeze(family, PASSED_OVER);
            if self.found(sought).is_none() {
                return Ok(0);
            }
        }
        let (registry, lines) = (self.scrape.registry, &self.scrape.lines);
        let exemplars = Exemplars { registry, series: Series::from_number(self.scrape.row), family };
        let has_some = self.is_open_metrics && family == Family::Latency && registry.has_exemplars();
        let written = lines.write(&mut line, &self.fragments, has_some.then_some(exemplars), out);
        if line == lines.count() {
            self.scrape.pass_series();
            self.line = 0;
        } else {
            self.line = line as u8;
        }
        if written == 0 { Err(Full) } else { Ok(written) }
    }

    /// Writes what is next of an instrument of the engine's own. Out of line, so that it costs the lines of series nothing.
    #[inline(never)]
    fn write_own(&mut self, place: usize, out: &mut [u8]) -> Result<usize, Full> {
        let Some(own) = OwnFamily::read(self.scrape.registry, place) else {
            self.next_section();
            return Ok(0);
        };
        if self.line == HEADER {
            let mut out = TextWriter::new(out);
            own.header(self.is_open_metrics, &mut out)?;
            self.line = 0;
            return Ok(out.len());
        }
        if self.line == 0 {
            let sought = self.scrape.seek_own(&own, PASSED_OVER);
            let Some(series) = self.found(sought) else { return Ok(0) };
            self.scrape.freeze_own(&own, series);
        }
        let mut line = usize::from(self.line);
        let written = own.write(&self.scrape.lines, &mut line, out);
        if line == own.line_count(&self.scrape.lines) {
            self.scrape.pass_own();
            self.line = 0;
        } else {
            self.line = line as u8;
        }
        if written == 0 { Err(Full) } else { Ok(written) }
    }

    /// Writes what is next and not of a series: a family's header, a gauge, a line of the status. Out of line, so that it
    /// costs the lines of series nothing.
    #[inline(never)]
    fn write_metric(&mut self, out: &mut TextWriter<'_>) -> Result<(), Full> {
        let Self { scrape, is_open_metrics, .. } = self;
        match scrape.section {
            PageSection::Family(family) => {
                out.put(family.header(*is_open_metrics))?;
                self.line = 0;
                return Ok(());
            }
            // These have all their lines written where those of series are.
            PageSection::Own(_) => {}
            PageSection::Gauge(number) => {
                if let Some(gauge) = GaugeReading::read(scrape.registry, number) {
                    gauge.write(&scrape.options.constant, out)?;
                }
            }
            PageSection::Info => {
                if let Some(info) = &scrape.options.run_info {
                    info.write(*is_open_metrics, &scrape.options.constant, out)?;
                }
            }
            PageSection::Status(number) => return self.write_status(&STATUS[number], out),
            PageSection::End => {
                if *is_open_metrics {
                    out.put(b"# EOF\n")?;
                }
                self.line = 0;
                return Ok(());
            }
        }
        self.next_section();
        Ok(())
    }

    /// Writes the next line about the registry and the exporters themselves.
    fn write_status(&mut self, metric: &StatusMetric, out: &mut TextWriter<'_>) -> Result<(), Full> {
        if self.line == HEADER {
            let (status, _) = self.scrape.status();
            if !metric.is_shown(status) {
                self.next_section();
                return Ok(());
            }
            metric.header(self.is_open_metrics, out)?;
            self.line = 0;
            return Ok(());
        }
        let (status, options) = self.scrape.status();
        if metric.line(status, self.line.into(), &options.constant, out)? {
            self.line += 1;
        } else {
            self.next_section();
        }
        Ok(())
    }

    /// The series that was sought. Where there is none, the section is over.
    fn found(&mut self, sought: Sought) -> Option<Series> {
        self.is_seeking = sought == Sought::Later;
        if sought == Sought::None {
            self.next_section();
        }
        sought.series()
    }

    fn next_section(&mut self) {
        self.scrape.next_section();
        self.line = HEADER;
    }
}
