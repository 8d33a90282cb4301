//! Instruments of the engine's own: every value kept in a list.

use std::collections::BTreeMap;
use std::time::Duration;

use loaddensity_metrics_core::{Counter, Histogram, Recorder, Registry, Series, Unit};

use super::{Model, ModelSeries};

/// The largest time in nanoseconds, and the largest number; what is larger is taken for these.
const LARGEST: (u64, u64) = (86_400_000_000_000, 1 << 50);

/// What an instrument takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measured {
    /// How much it is raised.
    Counts,
    /// Times, in nanoseconds.
    Times,
    /// Numbers.
    Numbers,
}

/// How an instrument is declared.
#[derive(Clone, Debug)]
pub struct OwnDeclared {
    /// Its name, as an engine says it.
    pub name: String,
    /// What it says of itself; may be empty.
    pub description: String,
    /// What it takes.
    pub measured: Measured,
    /// The unit of what are no times.
    pub unit: Unit,
    /// Whether it is of the whole run.
    pub is_of_run: bool,
}

/// What its declaration gave.
#[derive(Clone, Copy, Debug)]
enum OwnHandle {
    Counter(Counter),
    Timer(Histogram<Duration>),
    Numbers(Histogram<u64>),
}

impl OwnDeclared {
    /// Declares it, or finds it again.
    ///
    /// # Panics
    /// If the registry refuses it.
    pub fn declare(&self, registry: Registry<'_>) {
        self.handle(registry);
    }

    /// Records a value with it, for a series or for the run; declares it first if it is new.
    ///
    /// # Panics
    /// As [`declare`](Self::declare).
    pub fn record(&self, recorder: &mut Recorder<'_>, series: Option<Series>, value: u64) {
        let time = Duration::from_nanos(value);
        match (self.handle(recorder.registry()), series) {
            (OwnHandle::Counter(counter), Some(series)) => recorder.add(counter, series, value),
            (OwnHandle::Counter(counter), None) => recorder.add_to_run(counter, value),
            (OwnHandle::Timer(timer), Some(series)) => recorder.observe(timer, series, time),
            (OwnHandle::Timer(timer), None) => recorder.observe_in_run(timer, time),
            (OwnHandle::Numbers(numbers), Some(series)) => recorder.observe(numbers, series, value),
            (OwnHandle::Numbers(numbers), None) => recorder.observe_in_run(numbers, value),
        }
    }

    /// What Prometheus and InfluxDB put after the name, without `_`; nothing where that is empty.
    #[must_use]
    pub fn suffix(&self) -> &'static str {
        match (self.measured, self.unit) {
            (Measured::Times, _) => "ms",
            (_, Unit::Bytes) => "bytes",
            _ => "",
        }
    }

    /// The name with that.
    #[must_use]
    pub fn suffixed(&self) -> String {
        if self.suffix().is_empty() { self.name.clone() } else { format!("{}_{}", self.name, self.suffix()) }
    }

    /// Its description, or what stands there where that is empty.
    #[must_use]
    pub fn help(&self) -> &str {
        if self.description.is_empty() { "Measured by the load engine" } else { &self.description }
    }

    fn handle(&self, registry: Registry<'_>) -> OwnHandle {
        let Self { name, description, unit, .. } = self;
        let declared = match (self.measured, self.is_of_run) {
            (Measured::Counts, false) => registry.counter(name, *unit, description).map(OwnHandle::Counter),
            (Measured::Counts, true) => registry.run_counter(name, *unit, description).map(OwnHandle::Counter),
            (Measured::Times, false) => registry.timer(name, description).map(OwnHandle::Timer),
            (Measured::Times, true) => registry.run_timer(name, description).map(OwnHandle::Timer),
            (Measured::Numbers, false) => registry.histogram(name, *unit, description).map(OwnHandle::Numbers),
            (Measured::Numbers, true) => registry.run_histogram(name, *unit, description).map(OwnHandle::Numbers),
        };
        declared.unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// An instrument and what was observed with it.
#[derive(Clone, Debug)]
pub struct OwnValues {
    /// How it was declared.
    pub declared: OwnDeclared,
    values: BTreeMap<Series, Vec<u64>>,
}

impl OwnValues {
    /// An instrument of which nothing was observed yet.
    #[must_use]
    pub fn new(declared: OwnDeclared) -> Self {
        Self { declared, values: BTreeMap::new() }
    }

    /// Keeps a value in mind. What is of the run counts for it whatever the series, and a value of no series for the overflow
    /// series.
    pub fn keep(&mut self, series: Option<Series>, value: u64) {
        let series = series.filter(|_| !self.declared.is_of_run).unwrap_or(Series::OVERFLOW);
        let largest = if self.declared.measured == Measured::Times { LARGEST.0 } else { LARGEST.1 };
        self.values.entry(series).or_default().push(value.min(largest));
    }

    /// The values of a series; of the run those of the overflow series.
    #[must_use]
    pub fn of(&self, series: Series) -> &[u64] {
        self.values.get(&series).map_or(&[], Vec::as_slice)
    }
}

/// What a format shows of an instrument at one place.
#[derive(Clone, Copy, Debug)]
pub struct OwnPoint<'m> {
    /// The series; none for the run.
    pub of: Option<&'m ModelSeries>,
    /// What was observed there.
    pub values: &'m [u64],
}

impl Model {
    /// Declares an instrument and keeps it in mind, at the end of those that there are if it is new.
    ///
    /// # Panics
    /// As [`OwnDeclared::declare`].
    pub fn declare(&mut self, registry: Registry<'_>, declared: &OwnDeclared) {
        declared.declare(registry);
        self.own_values(declared);
    }

    /// Records a value through `recorder`, for a series or for the run, and keeps it in mind.
    ///
    /// # Panics
    /// As [`declare`](Self::declare).
    pub fn observe(&mut self, recorder: &mut Recorder<'_>, declared: &OwnDeclared, series: Option<Series>, value: u64) {
        declared.record(recorder, series, value);
        if !declared.is_of_run && series.is_none_or(|series| series == Series::OVERFLOW) {
            self.overflow();
        }
        self.own_values(declared).keep(series, value);
    }

    /// The instruments, in the order in which they were declared.
    #[must_use]
    pub fn own(&self) -> &[OwnValues] {
        &self.own
    }

    /// Number of all observations.
    #[must_use]
    pub fn observations(&self) -> u64 {
        self.own.iter().flat_map(|own| own.values.values()).map(|values| values.len() as u64).sum()
    }

    /// Where an instrument is shown. With zeros a counter is there as soon as its series has counted anything, and one of the run
    /// from the beginning; all else is there once it has a value.
    #[must_use]
    pub fn own_points<'m>(&'m self, own: &'m OwnValues, has_zeros: bool) -> Vec<OwnPoint<'m>> {
        let has_zeros = has_zeros && own.declared.measured == Measured::Counts;
        if own.declared.is_of_run {
            let values = own.of(Series::OVERFLOW);
            return if has_zeros || !values.is_empty() { vec![OwnPoint { of: None, values }] } else { Vec::new() };
        }
        let is_zero_shown = |series: Series, known: &ModelSeries| {
            has_zeros && (!known.samples.is_empty() || self.has_observations(series))
        };
        let points = self.series.iter().map(|(series, known)| (*series, known, own.of(*series)));
        let shown = points.filter(|(series, known, values)| !values.is_empty() || is_zero_shown(*series, known));
        shown.map(|(_, known, values)| OwnPoint { of: Some(known), values }).collect()
    }

    /// Whether something of one of its own instruments was observed of a series.
    pub(super) fn has_observations(&self, series: Series) -> bool {
        self.own.iter().any(|own| !own.declared.is_of_run && !own.of(series).is_empty())
    }

    /// Takes in what another model of the same registry has of instruments.
    pub(super) fn take_in_own(&mut self, other: Vec<OwnValues>) {
        for own in other {
            let mine = self.own_values(&own.declared);
            for (series, values) in own.values {
                mine.values.entry(series).or_default().extend(values);
            }
        }
    }

    fn own_values(&mut self, declared: &OwnDeclared) -> &mut OwnValues {
        let at = self.own.iter().position(|own| own.declared.name == declared.name).unwrap_or(self.own.len());
        if at == self.own.len() {
            self.own.push(OwnValues::new(declared.clone()));
        }
        &mut self.own[at]
    }
}
