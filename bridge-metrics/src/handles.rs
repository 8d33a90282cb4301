//! What the facade's handles do: they record through the recorder of whatever thread calls them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use loaddensity_metrics_shell::{Counter, Gauge, Histogram, Series};
use metrics::{CounterFn, GaugeFn, HistogramFn};

use crate::unshown::{FacadeMetric, Lack};

/// The most that one call raises a counter of the registry by.
const MOST: u64 = 1 << 50;

pub(crate) struct FacadeCounter {
    pub(crate) metric: Arc<FacadeMetric>,
    pub(crate) counter: Counter,
    pub(crate) series: Series,
    pub(crate) factor: u64,
    /// Whether it counts what several sets of labels have together.
    pub(crate) is_shared: bool,
}

impl FacadeCounter {
    /// Nothing is a call as well: it makes the counter appear with 0.
    fn add(&self, mut by: u64) {
        loop {
            let part = by.min(MOST);
            self.metric.recorder.add(self.counter, self.series, part);
            by -= part;
            if by == 0 {
                return;
            }
        }
    }
}

impl CounterFn for FacadeCounter {
    fn increment(&self, value: u64) {
        self.add(value.saturating_mul(self.factor));
    }

    fn absolute(&self, value: u64) {
        /// Two threads that raise a counter to a value must not both add what is missing.
        static ONE_BY_ONE: Mutex<()> = Mutex::new(());
        if self.is_shared {
            let why = "an absolute value is not recorded, because labels of this counter are not shown and it counts more than theirs";
            return self.metric.lacks(Lack::Value, why);
        }
        let _alone = ONE_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.metric.recorder.registry().series_counter_total(self.counter, self.series).sum;
        self.add(value.saturating_mul(self.factor).saturating_sub(known));
    }
}

pub(crate) struct FacadeGauge {
    pub(crate) metric: Arc<FacadeMetric>,
    pub(crate) gauge: Gauge<'static>,
}

impl FacadeGauge {
    fn finite(&self, value: f64) -> Option<f64> {
        if !value.is_finite() {
            self.metric.lacks(Lack::Value, format_args!("{value} is no number that every format can show"));
        }
        value.is_finite().then_some(value)
    }
}

impl GaugeFn for FacadeGauge {
    fn increment(&self, value: f64) {
        self.finite(value).into_iter().for_each(|value| self.gauge.add(value));
    }

    fn decrement(&self, value: f64) {
        self.increment(-value);
    }

    fn set(&self, value: f64) {
        self.finite(value).into_iter().for_each(|value| self.gauge.set(value));
    }
}

pub(crate) struct FacadeTimer {
    pub(crate) metric: Arc<FacadeMetric>,
    pub(crate) timer: Histogram<Duration>,
    pub(crate) series: Series,
    /// What a value of 1 is.
    pub(crate) nanos: f64,
}

impl HistogramFn for FacadeTimer {
    fn record(&self, value: f64) {
        if is_observable(&self.metric, value) {
            // Conversion ends at the largest number, and the registry at a day.
            let time = Duration::from_nanos((value * self.nanos).round() as u64);
            self.metric.recorder.observe(self.timer, self.series, time);
        }
    }
}

pub(crate) struct FacadeNumbers {
    pub(crate) metric: Arc<FacadeMetric>,
    pub(crate) histogram: Histogram<u64>,
    pub(crate) series: Series,
    /// What a value of 1 is.
    pub(crate) factor: f64,
}

impl HistogramFn for FacadeNumbers {
    fn record(&self, value: f64) {
        if !is_observable(&self.metric, value) {
            return;
        }
        let number = value * self.factor;
        let whole = number.round();
        if whole != number {
            self.metric.lacks(
                Lack::Fraction,
                format_args!(
                    "{value} is rounded, because histograms take whole numbers. If it is a time, say so before its first \
                     use: describe_histogram!({:?}, Unit::Seconds, \"…\")",
                    self.metric.name
                ),
            );
        }
        self.metric.recorder.observe(self.histogram, self.series, whole as u64);
    }
}

fn is_observable(metric: &FacadeMetric, value: f64) -> bool {
    let is_observable = value.is_finite() && value >= 0.0;
    if !is_observable {
        metric.lacks(Lack::Value, format_args!("{value} is not recorded: histograms take numbers from 0 on"));
    }
    is_observable
}
