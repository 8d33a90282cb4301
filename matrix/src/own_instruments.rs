//! What the engines of all scenarios declare for themselves, and observe with each request.

use std::time::Duration;

use loaddensity_metrics_shell::{
    Counter, HeapStorage, HeapStorageBuilder, Histogram, Recorder, Registry, Series, Settings, Unit,
};

use crate::observations_as::are_one_by_one;

/// The counters: one per series, one of the run.
pub(crate) const COUNTERS: [&str; 2] = ["checks_failed", "iterations"];
/// The timer, per series.
pub(crate) const TIMER: &str = "time_to_first_byte";
/// What it observes, always.
const FIRST_BYTE: Duration = Duration::from_micros(500);
/// The same, as formats show it that are told of each by itself.
pub(crate) const FIRST_BYTE_MS: &str = "0.5";
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
        recorder.observe(self.first_byte, series, FIRST_BYTE);
        recorder.add_to_run(self.iterations, 1);
    }
}

/// Settings with a new storage for `series` series, which has room for the instruments. It is never freed.
pub(crate) fn settings(series: usize) -> Settings {
    // Four times as long as those of requests, so that they last as long.
    let storage = with_room(HeapStorage::builder(series, 4, 4_096), 16_384).build();
    Settings::on(Box::leak(Box::new(storage.expect("sizes that a storage can have"))).registry())
}

/// Room for the instruments, with rings of so many observations where they are sent one by one.
pub(crate) fn with_room(storage: HeapStorageBuilder, ring: usize) -> HeapStorageBuilder {
    let storage = storage.counters(COUNTERS.len()).histograms(1);
    if are_one_by_one() { storage.observations(ring) } else { storage }
}
