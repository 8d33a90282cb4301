//! What stands around the points of a metric.

use super::field;
use crate::labels::otlp as labels;
use crate::metrics::InstrumentKind;
use crate::wire::protobuf::ReverseWriter;
use crate::wire::text::out::Full;

/// What a metric says besides its points.
#[derive(Clone, Copy)]
pub(super) struct MetricHead<'a> {
    /// The parts of its name.
    pub(super) name: [&'a str; 4],
    pub(super) description: &'a str,
    pub(super) unit: &'a str,
    pub(super) kind: InstrumentKind,
}

impl MetricHead<'_> {
    /// Most bytes that [`Self::close`] writes.
    pub(super) const fn frame(&self) -> usize {
        let [a, b, c, d] = self.name;
        frame(a.len() + b.len() + c.len() + d.len(), self.description.len(), self.unit.len())
    }

    /// Writes what comes after the points. Where it does not fit, no point will either.
    pub(super) fn open(&self, temporality: u64, back: &mut ReverseWriter<'_>) {
        let mark = back.mark();
        let monotonic = match self.kind {
            InstrumentKind::Counter => back.varint_field(field::IS_MONOTONIC, 1),
            InstrumentKind::Histogram => Ok(()),
        };
        let fits = monotonic.and_then(|()| back.varint_field(field::AGGREGATION_TEMPORALITY, temporality));
        if fits.is_err() {
            back.rewind(mark);
        }
    }

    /// Writes what comes before the points, into the room that was kept.
    pub(super) fn close(&self, data: u8, back: &mut ReverseWriter<'_>, end: usize) {
        let kept = back.release_reserve();
        let fits = self.try_close(data, back, end);
        debug_assert_eq!(fits, Ok(()));
        back.restore_reserve(kept);
    }

    fn try_close(&self, data: u8, back: &mut ReverseWriter<'_>, end: usize) -> Result<(), Full> {
        back.length_since(end, data)?;
        labels::put_string(back, field::METRIC_UNIT, self.unit)?;
        // An empty text is left out, as proto3 demands.
        if !self.description.is_empty() {
            labels::put_string(back, field::METRIC_DESCRIPTION, self.description)?;
        }
        let name_end = back.mark();
        self.name.iter().rev().try_for_each(|part| back.put(part.as_bytes()))?;
        back.length_since(name_end, field::METRIC_NAME)?;
        back.length_since(end, field::METRICS)
    }
}

/// Most bytes of what comes before the points, where the texts are so long: tag and length of each text, of up to five bytes of
/// the points and the whole.
pub(super) const fn frame(name: usize, description: usize, unit: usize) -> usize {
    let long = if description < 1 << 7 { 0 } else { 1 };
    name + description + long + unit + 3 * 2 + 2 * 6
}

/// The field that holds the points.
pub(super) const fn data_field(kind: InstrumentKind, is_exponential: bool) -> u8 {
    match kind {
        InstrumentKind::Counter => field::METRIC_SUM,
        InstrumentKind::Histogram if is_exponential => field::METRIC_EXPONENTIAL_HISTOGRAM,
        InstrumentKind::Histogram => field::METRIC_HISTOGRAM,
    }
}
