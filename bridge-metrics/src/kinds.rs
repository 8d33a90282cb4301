//! What counters, gauges and histograms of the facade are in a registry.

use std::sync::Arc;
use std::time::Duration;

use loaddensity_metrics_shell::{Counter, Gauge, Histogram, InstrumentError, Reach, Series};
use metrics::Key;

use crate::handles::{FacadeCounter, FacadeGauge, FacadeNumbers, FacadeTimer};
use crate::naming::{self, CounterName, HistogramName, Scale};
use crate::series::{Place, place_of};
use crate::unshown::{FacadeMetric, Lack};

/// A kind of metrics.
pub(crate) trait FacadeKind {
    /// What a metric became when it was used first.
    type Declared: Clone;
    /// What the facade is given.
    type Handle: Clone;
    /// What it is called.
    const WORD: &'static str;

    /// Declares the metric in the registry of `metric`, with a description that a registry takes.
    fn declare(metric: &FacadeMetric, wanted: Wanted<'_>) -> Result<Self::Declared, String>;
    /// Where it counts with the labels of `key`.
    fn place(metric: &FacadeMetric, declared: &Self::Declared, key: &Key) -> Place;
    /// What records in a series.
    fn handle(metric: &Arc<FacadeMetric>, declared: &Self::Declared, series: Series, is_shared: bool) -> Self::Handle;
    /// What records nothing.
    fn noop() -> Self::Handle;
}

/// What is known of a metric when it is used first.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'w> {
    pub(crate) unit: Option<metrics::Unit>,
    pub(crate) description: &'w str,
    pub(crate) has_labels: bool,
}

/// An instrument of the registry, and whether it is of each series or of the run.
#[derive(Clone)]
pub(crate) struct DeclaredInstrument<I> {
    instrument: I,
    reach: Reach,
}

impl<I> DeclaredInstrument<I> {
    /// Declares an instrument of the run if it was used without labels. If the engine has declared it otherwise, it is that one.
    fn by(has_labels: bool, declare: impl Fn(Reach) -> Result<I, InstrumentError>) -> Result<Self, String> {
        let (wanted, other) = if has_labels { (Reach::Series, Reach::Run) } else { (Reach::Run, Reach::Series) };
        let of = |reach| declare(reach).map(|instrument| Self { instrument, reach });
        let declared = match of(wanted) {
            Err(InstrumentError::Taken) => of(other),
            declared => declared,
        };
        declared.map_err(|error| format!("it is not shown: {error}"))
    }
}

pub(crate) struct FacadeCounters;

impl FacadeKind for FacadeCounters {
    type Declared = DeclaredInstrument<(Counter, u64)>;
    type Handle = metrics::Counter;
    const WORD: &'static str = "counter";

    fn declare(metric: &FacadeMetric, wanted: Wanted<'_>) -> Result<Self::Declared, String> {
        let CounterName { name, unit, factor } = CounterName::of(&metric.name, wanted.unit);
        let registry = metric.recorder.registry();
        DeclaredInstrument::by(wanted.has_labels, |reach| {
            let counter = match reach {
                Reach::Run => registry.run_counter(&name, unit, wanted.description),
                _ => registry.counter(&name, unit, wanted.description),
            };
            Ok((counter?, factor))
        })
    }

    fn place(metric: &FacadeMetric, declared: &Self::Declared, key: &Key) -> Place {
        place_of(metric, declared.reach, key)
    }

    fn handle(metric: &Arc<FacadeMetric>, declared: &Self::Declared, series: Series, is_shared: bool) -> Self::Handle {
        let (metric, (counter, factor)) = (metric.clone(), declared.instrument);
        metrics::Counter::from_arc(Arc::new(FacadeCounter { metric, counter, series, factor, is_shared }))
    }

    fn noop() -> Self::Handle {
        metrics::Counter::noop()
    }
}

pub(crate) struct FacadeHistograms;

/// A histogram, and what a value of 1 is.
#[derive(Clone, Copy)]
pub(crate) enum ScaledHistogram {
    Times(Histogram<Duration>, f64),
    Numbers(Histogram<u64>, f64),
}

impl FacadeKind for FacadeHistograms {
    type Declared = DeclaredInstrument<ScaledHistogram>;
    type Handle = metrics::Histogram;
    const WORD: &'static str = "histogram";

    fn declare(metric: &FacadeMetric, wanted: Wanted<'_>) -> Result<Self::Declared, String> {
        let HistogramName { name, scale } = HistogramName::of(&metric.name, wanted.unit);
        let (registry, text) = (metric.recorder.registry(), wanted.description);
        DeclaredInstrument::by(wanted.has_labels, |reach| match (scale, reach) {
            (Scale::Time(nanos), Reach::Run) => {
                registry.run_timer(&name, text).map(|timer| ScaledHistogram::Times(timer, nanos))
            }
            (Scale::Time(nanos), _) => registry.timer(&name, text).map(|timer| ScaledHistogram::Times(timer, nanos)),
            (Scale::Number(unit, factor), Reach::Run) => {
                registry.run_histogram(&name, unit, text).map(|numbers| ScaledHistogram::Numbers(numbers, factor))
            }
            (Scale::Number(unit, factor), _) => {
                registry.histogram(&name, unit, text).map(|numbers| ScaledHistogram::Numbers(numbers, factor))
            }
        })
    }

    fn place(metric: &FacadeMetric, declared: &Self::Declared, key: &Key) -> Place {
        place_of(metric, declared.reach, key)
    }

    fn handle(metric: &Arc<FacadeMetric>, declared: &Self::Declared, series: Series, _: bool) -> Self::Handle {
        let metric = metric.clone();
        match declared.instrument {
            ScaledHistogram::Times(timer, nanos) => {
                metrics::Histogram::from_arc(Arc::new(FacadeTimer { metric, timer, series, nanos }))
            }
            ScaledHistogram::Numbers(histogram, factor) => {
                metrics::Histogram::from_arc(Arc::new(FacadeNumbers { metric, histogram, series, factor }))
            }
        }
    }

    fn noop() -> Self::Handle {
        metrics::Histogram::noop()
    }
}

pub(crate) struct FacadeGauges;

impl FacadeKind for FacadeGauges {
    type Declared = Gauge<'static>;
    type Handle = metrics::Gauge;
    const WORD: &'static str = "gauge";

    fn declare(metric: &FacadeMetric, _: Wanted<'_>) -> Result<Self::Declared, String> {
        let gauge = metric.recorder.gauge(&naming::clean(&metric.name));
        gauge.map_err(|error| format!("it is not shown: {error}"))
    }

    fn place(metric: &FacadeMetric, _: &Self::Declared, key: &Key) -> Place {
        if key.labels().len() == 0 {
            return Place::Apart(Series::OVERFLOW);
        }
        metric.lacks(Lack::Labels, "it is not shown with labels, because gauges of a registry have none");
        Place::Nowhere
    }

    fn handle(metric: &Arc<FacadeMetric>, gauge: &Self::Declared, _: Series, _: bool) -> Self::Handle {
        metrics::Gauge::from_arc(Arc::new(FacadeGauge { metric: metric.clone(), gauge: *gauge }))
    }

    fn noop() -> Self::Handle {
        metrics::Gauge::noop()
    }
}
