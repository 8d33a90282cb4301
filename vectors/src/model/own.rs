//! Instruments of the engine's own: every value kept in a list.

use std::collections::BTreeMap;
use std::time::Duration;

use loaddensity_metrics_core::{Counter, Histogram, Recorder, Registry, Series, Unit};

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

    /// What Prometheus and InfluxDB put behind the name, without `_`; nothing where that is empty.
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

    /// How many values there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.values.values().map(|values| values.len() as u64).sum()
    }
}
