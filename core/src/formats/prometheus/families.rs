//! The Prometheus page in protobuf: `io.prometheus.client.MetricFamily` messages, each after its length, with classic
//! and, from storage that keeps exponential histograms, native histograms.
//!
//! A family's length comes before it, and no family may come twice, so a family of counters that move has to be
//! held until its last metric is written. The caller holds it, because only the caller has memory that grows: as much as
//! the largest family takes on the wire.
//!
//! Sources: prometheus/client_model, io/prometheus/client/metrics.proto; prometheus/docs, specs/native_histograms.md.

use core::iter;

use super::constant::TEXT_BYTES;
use super::exemplar::Exemplars;
use super::family::Family;
use super::gauge::{GaugeReading, HELP};
use super::info;
use super::messages::{self, HistogramMessage, NATIVE_BYTES};
use super::options::ScrapeOptions;
use super::own_family::OwnFamily;
use super::scrape::{PageSection, Scrape};
use super::status::{STATUS, StatusMetric};
use crate::counts::bounds::{BUCKETS, Quantity};
use crate::labels::prometheus as labels;
use crate::registry::Registry;
use crate::registry::linger::PageTotals;
use crate::request::label::ERROR_TYPE;
use crate::request::series::Series;
use crate::wire::protobuf::ReverseWriter;
use crate::wire::text::out::{Full, TooSmall};

/// A buffer of this many bytes holds any metric, and any family's head.
pub const MAX_METRIC: usize = 20_480;
/// What surrounds a label is at most four bytes more than in text, which four bytes surround there.
const LABELS_BYTES: usize = 2 * (labels::BYTES + TEXT_BYTES);
/// Tag and length, count, bound and exemplar of a classic bucket.
const BUCKET_BYTES: usize = 2 + 11 + 9 + 112;
const _: () = assert!(MAX_METRIC > LABELS_BYTES + BUCKETS * BUCKET_BYTES + NATIVE_BYTES + 256);

/// The families of one scrape in progress.
///
/// ```
/// use loaddensity_metrics_core::Storage;
/// use loaddensity_metrics_core::prometheus::{Families, MAX_METRIC};
///
/// static STORAGE: Storage<10, 1, 16> = Storage::new();
/// let mut families = Families::new(STORAGE.registry());
/// let (mut buffer, mut metrics) = (vec![0; MAX_METRIC], Vec::new());
/// while !families.is_complete() {
///     metrics.clear();
///     while let Some(metric) = families.next_metric(&mut buffer)? {
///         metrics.extend_from_slice(metric);
///     }
///     let head = families.finish_family(metrics.len(), &mut buffer)?;
///     // Send `head`, then `metrics`.
/// }
/// # Ok::<(), loaddensity_metrics_core::TooSmall>(())
/// ```
#[derive(Debug)]
pub struct Families<'a> {
    scrape: Scrape<'a>,
    /// The count, in a series of counters.
    count: usize,
}

impl<'a> Families<'a> {
    /// The families of what `registry` holds now.
    #[must_use]
    pub fn new(registry: Registry<'a>) -> Self {
        Self { scrape: Scrape::new(registry), count: 0 }
    }

    /// The same families with these `options`.
    #[must_use]
    pub fn with_options(mut self, options: ScrapeOptions) -> Self {
        self.scrape.options = options;
        self
    }

    /// Whether all families have been written.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.scrape.section == PageSection::End
    }

    /// What the metrics written so far show: when the families are complete, all that they show.
    #[must_use]
    pub const fn totals(&self) -> PageTotals {
        self.scrape.totals()
    }

    /// Passes over series of which the current family shows nothing, at most `series` of them; returns whether that was
    /// enough. [`next_metric`](Self::next_metric) passes over all of them: whoever has something else to do in between calls this
    /// before.
    #[must_use]
    pub fn look_ahead(&mut self, series: usize) -> bool {
        self.scrape.look_ahead(series)
    }

    /// Writes the next metric of the current family into the end of `out` and returns it; `None` after the last.
    ///
    /// # Errors
    /// [`TooSmall`] where it does not fit; nothing is lost by it. [`MAX_METRIC`] bytes always suffice.
    pub fn next_metric<'b>(&mut self, out: &'b mut [u8]) -> Result<Option<&'b [u8]>, TooSmall> {
        let mut out = ReverseWriter::new(out, 0);
        let written = match self.scrape.section {
            PageSection::Family(family) => self.series_metric(family, &mut out),
            PageSection::Own(place) => self.own_metric(place, &mut out),
            PageSection::Gauge(number) => self.gauge_metric(number, &mut out),
            PageSection::Info => self.info_metric(&mut out),
            PageSection::Status(number) => self.status_metric(&STATUS[number], &mut out),
            PageSection::End => Ok(false),
        };
        match written {
            Ok(true) => Ok(Some(out.into_written())),
            Ok(false) => Ok(None),
            Err(Full) => Err(TooSmall { needed: MAX_METRIC }),
        }
    }

    /// Writes what comes before the `metrics` bytes of the current family into the end of `out`, returns it, and
    /// goes on to the next family. A family without metrics is left out.
    ///
    /// # Errors
    /// [`TooSmall`] where it does not fit; nothing is lost by it. [`MAX_METRIC`] bytes always suffice.
    pub fn finish_family<'b>(&mut self, metrics: usize, out: &'b mut [u8]) -> Result<&'b [u8], TooSmall> {
        let mut out = ReverseWriter::new(out, 0);
        if metrics != 0 {
            self.head(metrics, &mut out).map_err(|Full| TooSmall { needed: MAX_METRIC })?;
        }
        self.scrape.next_section();
        self.count = 0;
        Ok(out.into_written())
    }

    fn head(&self, metrics: usize, out: &mut ReverseWriter<'_>) -> Result<(), Full> {
        let (name, help, unit, kind) = match self.scrape.section {
            PageSection::Family(family) => {
                let (name, help, unit) = family.about();
                (name, help, unit, if family == Family::Requests { messages::COUNTER } else { messages::HISTOGRAM })
            }
            PageSection::Own(place) => {
                let Some(own) = OwnFamily::read(self.scrape.registry, place) else { return Ok(()) };
                return own.head(metrics, out);
            }
            PageSection::Gauge(number) => {
                let Some(gauge) = GaugeReading::read(self.scrape.registry, number) else { return Ok(()) };
                return messages::head(&gauge.name, HELP, None, messages::GAUGE, metrics, out);
            }
            PageSection::Info => (info::NAME, info::HELP, None, messages::GAUGE),
            PageSection::Status(number) => {
                let metric = &STATUS[number];
                let (name, help) = metric.about();
                (name, help, None, if metric.is_counter() { messages::COUNTER } else { messages::GAUGE })
            }
            PageSection::End => return Ok(()),
        };
        messages::head(name, help, unit, kind, metrics, out)
    }

    /// Returns whether there was one left.
    fn series_metric(&mut self, family: Family, out: &mut ReverseWriter<'_>) -> Result<bool, Full> {
        // All counts are of what was frozen for the first.
        let series = match self.count {
            0 => self.scrape.freeze(family, usize::MAX).series(),
            _ => Some(Series::from_number(self.scrape.row)),
        };
        let Some(series) = series else { return Ok(false) };
        self.write(family, series, out)?;
        if family == Family::Requests && self.count + 1 < self.scrape.lines.counts().len() {
            self.count += 1;
        } else {
            self.scrape.pass_series();
            self.count = 0;
        }
        Ok(true)
    }

    fn write(&self, family: Family, series: Series, out: &mut ReverseWriter<'_>) -> Result<(), Full> {
        let Scrape { registry, bounds, lines, .. } = &self.scrape;
        let created = lines.created();
        let labels = labels::pairs(lines.labels());
        if family == Family::Requests {
            let (outcome, kind) = lines.of_count(self.count);
            let outcome = [(&b"outcome"[..], outcome.as_str().as_bytes())];
            let kind = kind.map(|kind| (ERROR_TYPE.as_bytes(), kind.as_str().as_bytes()));
            let count = lines.counts().get(self.count).copied().unwrap_or_default();
            let value = |out: &mut ReverseWriter<'_>| messages::counter(count as f64, created, out);
            return messages::metric(labels.chain(outcome).chain(kind), value, out);
        }
        let (quantity, bounds) = match family {
            Family::Latency => (Quantity::Latency, bounds.latency_ns()),
            Family::Requests | Family::Size => (Quantity::Size, bounds.size()),
        };
        let histogram = HistogramMessage {
            quantity,
            bounds,
            up_to: lines.counts(),
            sum: messages::shown(quantity, lines.sum()),
            native: lines.distribution(*registry),
            created,
            exemplars: Some(Exemplars { registry: *registry, series, family }),
        };
        messages::metric(labels, |out| histogram.write(out), out)
    }

    /// Returns whether there was one left.
    fn own_metric(&mut self, place: usize, out: &mut ReverseWriter<'_>) -> Result<bool, Full> {
        let Some(own) = OwnFamily::read(self.scrape.registry, place) else { return Ok(false) };
        let Some(series) = self.scrape.seek_own(&own, usize::MAX).series() else { return Ok(false) };
        let histogram = self.scrape.freeze_own(&own, series);
        own.metric(histogram, &self.scrape.lines, out)?;
        self.scrape.pass_own();
        Ok(true)
    }

    /// Returns whether it was written: not where it has no value, nor a second time.
    fn gauge_metric(&mut self, number: usize, out: &mut ReverseWriter<'_>) -> Result<bool, Full> {
        let Some(gauge) = GaugeReading::read(self.scrape.registry, number).filter(|_| self.scrape.row == 0) else {
            return Ok(false);
        };
        let labels = self.scrape.options.constant.after(iter::empty());
        messages::metric(labels, |out| messages::gauge(gauge.value, out), out)?;
        self.scrape.row = 1;
        Ok(true)
    }

    /// Returns whether it was written: not where nothing is known, nor a second time.
    fn info_metric(&mut self, out: &mut ReverseWriter<'_>) -> Result<bool, Full> {
        let ScrapeOptions { run_info, constant, .. } = &self.scrape.options;
        let Some(info) = run_info.as_ref().filter(|_| self.scrape.row == 0) else {
            return Ok(false);
        };
        messages::metric(info.pairs(constant), |out| messages::gauge(1.0, out), out)?;
        self.scrape.row = 1;
        Ok(true)
    }

    /// Returns whether there was one left.
    fn status_metric(&mut self, metric: &StatusMetric, out: &mut ReverseWriter<'_>) -> Result<bool, Full> {
        let rows = self.scrape.row as usize..metric.points();
        let (status, options) = self.scrape.status();
        let Some((row, point)) = rows.filter_map(|row| Some((row, metric.point(status, row)?))).next() else {
            return Ok(false);
        };
        let value = |out: &mut ReverseWriter<'_>| match metric.is_counter() {
            true => messages::counter(point.value as f64, None, out),
            false => messages::gauge(point.value as f64, out),
        };
        messages::metric(options.constant.after(point.labels()), value, out)?;
        self.scrape.row = row as u32 + 1;
        Ok(true)
    }
}
