//! Instruments of the engine's own: declared, recorded and read.

use loaddensity_metrics_core::{Counter, Exponential, Registry, Series, Storage, Unit};

type Engine<H = Exponential> = Storage<4, 2, 2, H, 3, 3>;

fn sum(registry: Registry<'_>, counter: Counter, series: Series) -> (u64, u64) {
    let total = registry.series_counter_total(counter, series);
    (total.sum, total.number)
}

#[test]
fn counters_count_by_series_and_for_the_run_on_own_shards_and_on_the_spill_shard() {
    let storage = Box::<Engine>::default();
    let registry = storage.registry();
    let failed = registry.counter("checks_failed", Unit::One, "Checks that failed").unwrap();
    let iterations = registry.run_counter("iterations", Unit::One, "Iterations that ended").unwrap();
    let (one, other) = (registry.series("GET", "/one"), registry.series("GET", "/other"));
    let mut recorders: Vec<_> = (0..4).map(|_| registry.recorder()).collect();
    assert_eq!(recorders.iter().filter(|recorder| recorder.is_sharing()).count(), 2);
    for (number, recorder) in recorders.iter_mut().enumerate() {
        recorder.add(failed, one, 1 + number as u64);
        recorder.add(failed, other, 10);
        recorder.add_to_run(iterations, 2);
        // For the run whatever the series, and for the overflow series.
        recorder.add(iterations, other, 5);
        recorder.add_to_run(failed, 100);
    }
    assert_eq!(sum(registry, failed, one), (10, 4));
    assert_eq!(sum(registry, failed, other), (40, 4));
    assert_eq!(sum(registry, failed, Series::OVERFLOW), (400, 4));
    assert_eq!([one, other, Series::OVERFLOW].map(|series| sum(registry, iterations, series)), [(28, 8); 3]);
    assert_eq!((registry.counter_total(failed).sum, registry.counter_total(iterations).sum), (450, 28));
    assert_eq!((registry.observations(), registry.requests(), registry.usage().unknown_observations), (20, 0, 0));
}
