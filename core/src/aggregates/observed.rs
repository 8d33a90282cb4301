//! What an engine's own instruments counted, summed over shards.

use crate::aggregates::coarse_buckets::CoarseBuckets;
use crate::aggregates::distribution::Distribution;
use crate::atomics::Ordering;
use crate::counts::bounds::Quantity;
use crate::counts::lane_sums::LaneSums;
use crate::counts::observable::Observable;
use crate::counts::observed_cells::{counter_word, number_of};
use crate::counts::outcome_cell::OutcomeCell;
use crate::metrics::InstrumentKind;
use crate::metrics::handles::{self, Counter, Histogram};
use crate::registry::Registry;
use crate::registry::instruments::observations::CellPlace;
use crate::request::series::Series;

/// What a counter of the engine's own counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CounterTotal {
    /// By how much it was raised.
    pub sum: u64,
    /// How often it was raised. While that happens, what one call adds may be in the sum and not yet counted here.
    pub number: u64,
}

/// What a histogram of the engine's own counted: 3 KB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistogramTotal {
    /// Of all values: in nanoseconds where they are times.
    pub sum: u64,
    /// How often a value was recorded. While that happens, one may be in the sum and in the buckets and not yet counted here.
    pub number: u64,
    /// Values in classic buckets.
    pub buckets: CoarseBuckets,
    /// Quantiles, extremes, and exponential buckets; `None` in storage that keeps no exponential histograms
    /// ([`Classic`](crate::Classic)).
    pub distribution: Option<Distribution>,
}

impl HistogramTotal {
    /// Values in all buckets.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.count()
    }

    fn none(registry: Registry<'_>, quantity: Quantity) -> Self {
        let distribution = registry.has_exponentials().then(|| Distribution::none(quantity));
        Self { sum: 0, number: 0, buckets: CoarseBuckets::none(registry, quantity), distribution }
    }

    /// What a row of an interval has.
    pub(crate) fn of_row(registry: Registry<'_>, quantity: Quantity, row: HistogramRow<'_>) -> Self {
        let HistogramRow { number, sum, buckets, extremes } = row;
        let mut total = Self { number, sum, ..Self::none(registry, quantity) };
        match &mut total.distribution {
            Some(distribution) => {
                *distribution = Distribution::of(quantity, buckets, extremes);
                total.buckets.add_exponential(quantity, distribution);
            }
            None => buckets.iter().enumerate().for_each(|(bucket, count)| total.buckets.add(bucket, *count)),
        }
        total
    }

    fn add(&mut self, registry: Registry<'_>, at: CellPlace, quantity: Quantity) {
        // Before all else: see `counts/observed_cells.rs`.
        let number = registry.observations_at(InstrumentKind::Histogram, at);
        if number == 0 {
            return;
        }
        let (map, mut lanes) = (registry.lane_map(), LaneSums::NONE);
        let summary = lanes.read_observed(map, quantity, |read| registry.each_histogram_cell(at, read));
        self.number = self.number.wrapping_add(number);
        self.sum = self.sum.wrapping_add(summary.sum);
        match &mut self.distribution {
            Some(distribution) => {
                let more = Distribution::of_lanes(quantity, &lanes, map, &summary);
                self.buckets.add_exponential(quantity, &more);
                distribution.merge(&more);
            }
            None => lanes.classic(map, |bucket, count| self.buckets.add(bucket, count)),
        }
    }
}

/// What a histogram counted of a series in an interval, as plain numbers.
#[derive(Clone, Copy)]
pub(crate) struct HistogramRow<'r> {
    pub(crate) number: u64,
    pub(crate) sum: u64,
    /// The exponential ones where the storage keeps such, else the classic ones.
    pub(crate) buckets: &'r [u64],
    /// The smallest and the largest value, if they are known.
    pub(crate) extremes: Option<(u64, u64)>,
}

impl<'a> Registry<'a> {
    /// What a counter of the engine's own counted of all series since the storage was made.
    #[must_use]
    pub fn counter_total(self, counter: Counter) -> CounterTotal {
        self.series_of_handle(counter.bits()).map(|series| self.series_counter_total(counter, series)).fold(
            CounterTotal::default(),
            |all, of_series| CounterTotal {
                sum: all.sum.wrapping_add(of_series.sum),
                number: all.number.wrapping_add(of_series.number),
            },
        )
    }

    /// What a counter of the engine's own counted of one series; of the run, whatever the series, where it is one of the run.
    /// Zero for the handle of another registry.
    #[must_use]
    pub fn series_counter_total(self, counter: Counter, series: Series) -> CounterTotal {
        self.place_of_handle(counter.bits(), series).map(|at| self.counter_at(at)).unwrap_or_default()
    }

    /// What a histogram of the engine's own counted of all series since the storage was made.
    #[must_use]
    pub fn histogram_total<V: Observable>(self, histogram: Histogram<V>) -> HistogramTotal {
        let mut total = HistogramTotal::none(self, V::QUANTITY);
        for series in self.series_of_handle(histogram.bits()) {
            if let Some(at) = self.place_of_handle(histogram.bits(), series) {
                total.add(self, at, V::QUANTITY);
            }
        }
        total
    }

    /// What a histogram of the engine's own counted of one series; of the run, whatever the series, where it is one of the
    /// run. Nothing for the handle of another registry.
    #[must_use]
    pub fn series_histogram_total<V: Observable>(self, histogram: Histogram<V>, series: Series) -> HistogramTotal {
        let mut total = HistogramTotal::none(self, V::QUANTITY);
        if let Some(at) = self.place_of_handle(histogram.bits(), series) {
            total.add(self, at, V::QUANTITY);
        }
        total
    }

    /// The series in which an instrument counts: the first one alone for one of the run.
    fn series_of_handle(self, handle: u32) -> impl Iterator<Item = Series> {
        let (_, last) = handles::place(self.own_instruments().tag(), handle, self.series_end() - 1);
        (0..=last).map(Series::from_number)
    }

    fn place_of_handle(self, handle: u32, series: Series) -> Option<CellPlace> {
        let (index, series) = handles::place(self.own_instruments().tag(), handle, series.number());
        self.cell_place(index, Series::from_number(series))
    }

    pub(crate) fn counter_at(self, at: CellPlace) -> CounterTotal {
        let mut total = CounterTotal::default();
        self.each_observed(|cells| {
            if let Some(cell) = cells.counters.get(at.number()) {
                total.number = total.number.wrapping_add(number_of(cell));
                // Relaxed: the acquire load of the number came before.
                total.sum = total.sum.wrapping_add(cell[counter_word::SUM].load(Ordering::Relaxed));
            }
        });
        total
    }

    pub(crate) fn histogram_at(self, at: CellPlace, quantity: Quantity) -> HistogramTotal {
        let mut total = HistogramTotal::none(self, quantity);
        total.add(self, at, quantity);
        total
    }

    /// Calls `read` with the histograms' cells at a place, those left out that counted nothing: pages that were never written
    /// are not read.
    pub(crate) fn each_histogram_cell(self, at: CellPlace, read: &mut dyn FnMut(OutcomeCell<'a>)) {
        self.each_observed(|cells| {
            if let Some(cell) = cells.histograms.cell(at.number()).filter(|cell| cell.observations() != 0) {
                read(cell);
            }
        });
    }
}
