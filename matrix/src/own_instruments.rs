//! What the engines of all scenarios declare for themselves, and observe with each request.

use std::time::Duration;

use loaddensity_metrics_shell::{Counter, HeapStorage, Histogram, Recorder, Registry, Series, Settings, Unit};

/// The counters: one per series, one of the run.
pub(crate) const COUNTERS: [&str; 2] = ["checks_failed", "iterations"];
/// The timer, per series.
pub(crate) const TIMER: &str = "time_to_first_byte";
/// Observations that come with each request.
pub(crate) const OBSERVATIONS: u64 = 3;

/// The instruments of an engine.
#[derive(Clone, Copy)]
pub(crate) struct DeclaredInstruments {
    checks_failed: Counter,
    iterations: Counter,
    first_byte: Histogram<Duration>,
}

impl DeclaredInstruments {
    /// On storage of [`settings`], or with as much room.
    pub(crate) fn declare(registry: Registry<'static>) -> Self {
        let [checks_failed, iterations] = COUNTERS;
        Self {
            checks_failed: registry.counter(checks_failed, Unit::One, "Checks that failed").expect("room"),
            iterations: registry.run_counter(iterations, Unit::One, "Iterations that ended").expect("room"),
            first_byte: registry.timer(TIMER, "To the first byte").expect("room"),
        }
    }

    /// What comes with a request. Counters count by ones, so that backends show calls.
    pub(crate) fn observe(self, recorder: &mut Recorder<'static>, series: Series) {
        recorder.add(self.checks_failed, series, 1);
        recorder.observe(self.first_byte, series, Duration::from_micros(500));
        recorder.add_to_run(self.iterations, 1);
    }
}

/// Settings with a new storage for `series` series, which has room for the instruments. It is never freed.
pub(crate) fn settings(series: usize) -> Settings {
    let storage = HeapStorage::builder(series, 4, 4_096).counters(COUNTERS.len()).histograms(1).build();
    Settings::on(Box::leak(Box::new(storage.expect("sizes that a storage can have"))).registry())
}
