//! A row of an engine's own instrument: what was counted of one series, as plain numbers one after another. Differences of
//! intervals are taken between rows.

use crate::aggregates::observed::{CounterTotal, HistogramRow, HistogramTotal};
use crate::aggregates::own_instrument::OwnInstrument;
use crate::counts::exponential::{LATENCIES, SIZES};
use crate::counts::lane_sums::LaneSums;
use crate::metrics::InstrumentKind;
use crate::registry::Registry;
use crate::request::series::Series;

/// The places of a row's first words.
mod at {
    pub(super) const NUMBER: usize = 0;
    pub(super) const SUM: usize = 1;
    pub(super) const BUCKETS: usize = 2;
}

/// Most words of a row.
pub(crate) const MAX_OBSERVED_WORDS: usize = at::BUCKETS + MOST_BUCKETS + EXTREMES;
/// Exponential buckets in a row: room for times and for numbers, because there are rows before it is known which of them an
/// instrument takes.
const MOST_BUCKETS: usize = if LATENCIES > SIZES { LATENCIES } else { SIZES };
/// Words of the extremes: the complement of the smallest value, because words are zero at first, and the largest.
const EXTREMES: usize = 2;

/// Which columns the rows of one kind of instruments have, in this order: the number of observations, the sum of their
/// values, the buckets of a histogram, its extremes. All but the extremes can be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ObservedShape {
    buckets: usize,
    extremes: usize,
}

impl ObservedShape {
    /// With the buckets that `registry` keeps: exponential ones, of which classic ones are made, or classic ones alone.
    pub(crate) fn of(registry: Registry<'_>, kind: InstrumentKind) -> Self {
        match kind {
            InstrumentKind::Counter => Self { buckets: 0, extremes: 0 },
            InstrumentKind::Histogram if registry.has_exponentials() => {
                Self { buckets: MOST_BUCKETS, extremes: EXTREMES }
            }
            InstrumentKind::Histogram => {
                let bounds = registry.bounds();
                Self { buckets: bounds.latency_buckets().max(bounds.size_buckets()), extremes: 0 }
            }
        }
    }

    pub(crate) const fn words(self) -> usize {
        self.additive_words() + self.extremes
    }

    /// The words that can be added. A row begins with them.
    pub(crate) const fn additive_words(self) -> usize {
        at::BUCKETS + self.buckets
    }

    /// Reads what all shards counted of a series into `row`. `number` was read before: so each observation of it has its
    /// value in the row.
    pub(crate) fn read(
        self,
        instrument: &OwnInstrument<'_>,
        series: Series,
        number: u64,
        lanes: &mut LaneSums,
        row: &mut [u64],
    ) {
        row.fill(0);
        let (registry, Some(place)) = (instrument.registry(), instrument.place(series)) else { return };
        let Some(([seen, sum], rest)) = row.split_first_chunk_mut::<{ at::BUCKETS }>() else { return };
        *seen = number;
        if instrument.kind() == InstrumentKind::Counter {
            *sum = registry.counter_at(place).sum;
            return;
        }
        let map = registry.lane_map();
        let summary = lanes.read_observed(map, instrument.quantity(), |read| registry.each_histogram_cell(place, read));
        *sum = summary.sum;
        let (buckets, extremes) = rest.split_at_mut_checked(self.buckets).unwrap_or_default();
        if let [smallest, largest] = extremes {
            (*smallest, *largest) = (!summary.smallest, summary.largest);
        }
        let add = |bucket: usize, count: u64| {
            if let Some(sum) = buckets.get_mut(bucket) {
                *sum = sum.wrapping_add(count);
            }
        };
        if map.has_exponentials() { lanes.exponential(map, add) } else { lanes.classic(map, add) }
    }

    /// What a counter's row has.
    pub(crate) fn counter(row: &[u64]) -> CounterTotal {
        CounterTotal { sum: word(row, at::SUM), number: Self::observations(row) }
    }

    /// What a histogram's row has.
    pub(crate) fn histogram(self, instrument: &OwnInstrument<'_>, row: &[u64]) -> HistogramTotal {
        let (additive, extremes) = row.split_at_checked(self.additive_words()).unwrap_or_default();
        let extremes = match extremes {
            [smallest, largest] => Some((!smallest, *largest)),
            _ => None,
        };
        let row = HistogramRow {
            number: Self::observations(row),
            sum: word(row, at::SUM),
            buckets: additive.get(at::BUCKETS..).unwrap_or_default(),
            extremes: extremes.filter(|(smallest, largest)| smallest <= largest),
        };
        HistogramTotal::of_row(instrument.registry(), instrument.quantity(), row)
    }

    /// Whether the buckets of a histogram's row count anything.
    pub(crate) fn has_values(self, row: &[u64]) -> bool {
        let buckets = row.get(at::BUCKETS..self.additive_words()).unwrap_or_default();
        buckets.iter().any(|count| *count != 0)
    }

    /// The observations in a row.
    pub(crate) fn observations(row: &[u64]) -> u64 {
        word(row, at::NUMBER)
    }
}

fn word(row: &[u64], at: usize) -> u64 {
    row.get(at).copied().unwrap_or_default()
}
