//! How DogStatsD and InfluxDB are told what the engines' own instruments observed.

use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;

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
