//! The engine's own instruments, each a family of its own: `loaddensity_checks_failed_total{method="GET",name="/x"} 3`.

use heapless::String;

use super::le;
use super::messages::{self, HistogramMessage};
use super::options::ScrapeOptions;
use super::series::SeriesLines;
use super::time::put_seconds;
use crate::aggregates::coarse_buckets::CoarseBuckets;
use crate::aggregates::observed::HistogramTotal;
use crate::aggregates::own_instrument::OwnInstrument;
use crate::counts::bounds::Quantity;
use crate::labels::prometheus::{self as labels, PrometheusLabels};
use crate::metrics::handles::{DESCRIPTION_BYTES, INSTRUMENT_NAME_BYTES};
use crate::metrics::{InstrumentKind, OWN_DESCRIPTION, PROMETHEUS_NAMESPACE, produced_names};
use crate::registry::Registry;
use crate::registry::instruments::declaration::Reach;
use crate::request::series::Series;
use crate::wire::protobuf::ReverseWriter;
use crate::wire::text::item::ItemWriter;
use crate::wire::text::out::{Full, TextWriter};

/// What an instrument of the engine's own is on a page.
#[derive(Debug)]
pub(super) struct OwnFamily<'a> {
    registry: Registry<'a>,
    instrument: OwnInstrument<'a>,
}

/// Room for the longest name, with what units and samples add.
const NAME_BYTES: usize = PROMETHEUS_NAMESPACE.len() + INSTRUMENT_NAME_BYTES + "_bytes".len() + "_created".len();
/// The longest lines before the samples, which are written together. Every byte of the description may be escaped.
pub(super) const HEADER_BYTES: usize =
    "# HELP  \n# TYPE  histogram\n# UNIT  bytes\n".len() + 3 * NAME_BYTES + 2 * DESCRIPTION_BYTES;

/// Which of its names is that of the family, and which that of the first samples.
const FAMILY: usize = 0;
const FIRST_SAMPLE: usize = 1;

impl<'a> OwnFamily<'a> {
    /// That of the instrument in this place.
    pub(super) fn read(registry: Registry<'a>, place: usize) -> Option<Self> {
        registry.instrument_at(place).map(|instrument| Self { registry, instrument })
    }

    /// The end of the series that it may be shown of, if all end at `all`. What is of the run stands in the first place.
    pub(super) fn end(&self, all: u32) -> u32 {
        match self.instrument.reach() {
            Reach::Series => all,
            Reach::Run => 1,
        }
    }

    pub(super) fn is_shown(&self, series: Series) -> bool {
        self.registry.entry(series).is_published() && self.instrument.is_shown(series)
    }

    /// Freezes what it counted of a series, or of the run, for its lines. Returns all that a histogram has, and how many
    /// observations that are.
    pub(super) fn freeze(
        &self,
        series: Series,
        lines: &mut SeriesLines,
        options: &ScrapeOptions,
    ) -> (Option<HistogramTotal>, u64) {
        let is_of_series = self.instrument.reach() == Reach::Series;
        let labels = is_of_series.then(|| self.registry.entry(series).labels::<PrometheusLabels>());
        let histogram = self.instrument.histogram(series);
        let observations = match &histogram {
            Some(total) => {
                lines.freeze_own(labels, options, total.sum, total.buckets.counts());
                total.number
            }
            None => {
                let total = self.instrument.counter(series).unwrap_or_default();
                lines.freeze_own(labels, options, total.sum, &[total.sum]);
                total.number
            }
        };
        (histogram, observations)
    }

    /// Writes the lines before the samples.
    pub(super) fn header(&self, is_open_metrics: bool, out: &mut TextWriter<'_>) -> Result<(), Full> {
        let unit = self.instrument.unit().prometheus();
        self.begin_metadata("# HELP ", is_open_metrics, out)?;
        put_escaped(self.help(), is_open_metrics, out)?;
        out.put(b"\n")?;
        self.begin_metadata("# TYPE ", is_open_metrics, out)?;
        out.put(match self.instrument.kind() {
            InstrumentKind::Counter => b"counter\n",
            InstrumentKind::Histogram => b"histogram\n",
        })?;
        if is_open_metrics && !unit.is_empty() {
            self.begin_metadata("# UNIT ", is_open_metrics, out)?;
            out.put(unit.as_bytes())?;
            out.put(b"\n")?;
        }
        Ok(())
    }

    /// How many lines a series has.
    pub(super) fn line_count(&self, lines: &SeriesLines) -> usize {
        let after_counts = match self.instrument.kind() {
            InstrumentKind::Counter => 0,
            InstrumentKind::Histogram => 2,
        };
        lines.counts().len() + after_counts + usize::from(lines.created().is_some())
    }

    /// Writes the lines of a series from `line` on, as many as fit, to the front of `out`, and moves on; returns their length
    /// in bytes.
    pub(super) fn write(&self, lines: &SeriesLines, line: &mut usize, out: &mut [u8]) -> usize {
        let quantity = self.instrument.quantity();
        let buckets = match self.instrument.kind() {
            InstrumentKind::Counter => None,
            InstrumentKind::Histogram => Some(CoarseBuckets::none(self.registry, quantity)),
        };
        let bounds = buckets.as_ref().map(CoarseBuckets::bounds);
        let mut written = 0;
        while *line < self.line_count(lines) {
            let bounds = bounds.filter(|_| *line < lines.counts().len());
            let le = bounds.map(|bounds| le::of_bound(quantity, bounds.get(*line).copied()));
            let Some(room) = out.get_mut(written..) else { break };
            let Ok(bytes) = self.write_one(lines, *line, le.as_deref(), room) else { break };
            written += bytes;
            *line += 1;
        }
        written
    }

    /// Writes the family before its `metrics` bytes of metrics.
    pub(super) fn head(&self, metrics: usize, out: &mut ReverseWriter<'_>) -> Result<(), Full> {
        let (number, kind) = match self.instrument.kind() {
            InstrumentKind::Counter => (FIRST_SAMPLE, messages::COUNTER),
            InstrumentKind::Histogram => (FAMILY, messages::HISTOGRAM),
        };
        let mut name: String<NAME_BYTES> = String::new();
        self.put_name(number, |part| name.push_str(part).map_err(|_| Full))?;
        let unit = Some(self.instrument.unit().prometheus()).filter(|unit| !unit.is_empty());
        messages::head(&name, self.help(), unit, kind, metrics, out)
    }

    /// Writes the metric of a series, frozen in `lines`.
    pub(super) fn metric(
        &self,
        histogram: Option<HistogramTotal>,
        lines: &SeriesLines,
        out: &mut ReverseWriter<'_>,
    ) -> Result<(), Full> {
        let (labels, created) = (labels::pairs(lines.labels()), lines.created());
        let Some(total) = histogram else {
            return messages::metric(labels, |out| messages::counter(lines.sum() as f64, created, out), out);
        };
        let quantity = self.instrument.quantity();
        let histogram = HistogramMessage {
            quantity,
            bounds: total.buckets.bounds(),
            up_to: lines.counts(),
            sum: messages::shown(quantity, lines.sum()),
            native: total.distribution,
            created,
            exemplars: None,
        };
        messages::metric(labels, |out| histogram.write(out), out)
    }

    /// OpenMetrics wants one that is not empty.
    fn help(&self) -> &str {
        match self.instrument.description() {
            "" => OWN_DESCRIPTION,
            description => description,
        }
    }

    fn begin_metadata(&self, word: &str, is_open_metrics: bool, out: &mut TextWriter<'_>) -> Result<(), Full> {
        // Only OpenMetrics has families that are called otherwise than their counters.
        let number = match self.instrument.kind() {
            InstrumentKind::Counter if !is_open_metrics => FIRST_SAMPLE,
            _ => FAMILY,
        };
        out.put(word.as_bytes())?;
        self.put_name(number, |part| out.put(part.as_bytes()))?;
        out.put(b" ")
    }

    /// Puts one of its names, part by part.
    fn put_name(&self, number: usize, mut put: impl FnMut(&str) -> Result<(), Full>) -> Result<(), Full> {
        let named = self.instrument.named();
        let name = produced_names::prometheus(&named).of(&named).nth(number).ok_or(Full)?;
        put(PROMETHEUS_NAMESPACE)?;
        name.parts().iter().try_for_each(|part| put(part))
    }

    /// Writes line `line`, which has this bound as [`le::of_bound`] has it, to the front of `out`; returns its length in bytes.
    fn write_one(&self, lines: &SeriesLines, line: usize, le: Option<&[u8]>, out: &mut [u8]) -> Result<usize, Full> {
        let (room, counts) = (out.len(), lines.counts());
        let mut item = ItemWriter::new(out);
        // All counts have one name, and each line after them has one of its own.
        let after_counts = (line + 1).saturating_sub(counts.len());
        self.put_name(FIRST_SAMPLE + after_counts, |part| item.put_exact(part.as_bytes()))?;
        put_labels(lines.labels(), le, &mut item)?;
        match (self.instrument.kind(), after_counts) {
            (_, 0) => item.put_integer(counts.get(line).copied().unwrap_or_default(), b"\n")?,
            (InstrumentKind::Histogram, 1) => match self.instrument.quantity() {
                Quantity::Latency => item.put_millis(lines.sum(), b"\n")?,
                Quantity::Size => item.put_integer(lines.sum(), b"\n")?,
            },
            // The last bucket counts all.
            (InstrumentKind::Histogram, 2) => {
                item.put_integer(counts.last().copied().unwrap_or_default(), b"\n")?;
            }
            _ => put_seconds(lines.created().unwrap_or_default(), &mut item)?,
        }
        Ok(room - item.room())
    }
}

/// Writes labels, and the bound after them, up to the space before the value.
fn put_labels(labels: &[u8], le: Option<&[u8]>, item: &mut ItemWriter<'_>) -> Result<(), Full> {
    let (begin, end): (&[u8], &[u8]) = match (labels, le) {
        ([], None) => (b"", b" "),
        // Without the comma.
        ([], Some(le)) => (b"{", le.get(1..).unwrap_or_default()),
        (_, None) => (b"{", b"} "),
        (_, Some(le)) => (b"{", le),
    };
    [begin, labels, end].into_iter().try_for_each(|part| item.put_exact(part))
}

/// Writes a description, which has no line feed.
fn put_escaped(description: &str, is_open_metrics: bool, out: &mut TextWriter<'_>) -> Result<(), Full> {
    for byte in description.bytes() {
        if byte == b'\\' || byte == b'"' && is_open_metrics {
            out.put(b"\\")?;
        }
        out.put(&[byte])?;
    }
    Ok(())
}
