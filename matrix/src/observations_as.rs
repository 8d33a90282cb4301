//! How DogStatsD and InfluxDB are told what the engines' own instruments observed.

use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;
use loaddensity_metrics_shell::{HeapStorageBuilder, InfluxdbConfig, Observations, StatsdConfig};

/// Observations that come with each request.
pub(crate) const OBSERVATIONS: u64 = 3;

/// One way of two. An exporter has one, so that a run of a scenario has one too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ObservationsAs {
    /// Each by itself.
    Event,
    /// What was counted in an interval.
    Interval,
}

/// Process-wide, as a scenario is a process, and all exporters of it have the same way.
static ONE_BY_ONE: AtomicBool = AtomicBool::new(false);

impl ObservationsAs {
    /// The way of a seed on a runtime, by its number: so each round has both for each scenario, and the next seed the other way round. It takes
    /// nothing of the chance that decides the rest: the same faults come with either.
    pub(crate) const fn of_seed(seed: u64, runtime: u64) -> Self {
        if seed.wrapping_add(runtime).is_multiple_of(2) { Self::Event } else { Self::Interval }
    }

    /// As it is given on the command line.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Interval => "interval",
        }
    }

    /// From now on it is this process's way, and that of its forks.
    pub(crate) fn choose(self) {
        ONE_BY_ONE.store(self == Self::Event, Ordering::SeqCst);
    }
}

/// Whether each is sent by itself.
pub(crate) fn are_one_by_one() -> bool {
    ONE_BY_ONE.load(Ordering::SeqCst)
}

/// Rings of so many observations, where they are needed.
pub(crate) fn with_rings(storage: HeapStorageBuilder, observations: usize) -> HeapStorageBuilder {
    if are_one_by_one() { storage.observations(observations) } else { storage }
}

/// A buffer lasts as long for observations as one of the default length lasts for requests.
const BUFFER: usize = 65_536 * OBSERVATIONS as usize;

/// As this process is to send them.
pub(crate) fn influxdb_so(config: InfluxdbConfig) -> InfluxdbConfig {
    if are_one_by_one() { config.observations(Observations::PerEvent).buffer_events(BUFFER) } else { config }
}

/// The same of DogStatsD.
pub(crate) fn statsd_so(config: StatsdConfig) -> StatsdConfig {
    if are_one_by_one() { config.observations(Observations::PerEvent).buffer_events(BUFFER) } else { config }
}
