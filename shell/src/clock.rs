//! The clock of all exporters of a registry, which gives every timestamp, and the time since which the registry counts.

#[cfg(feature = "drivers")]
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

#[cfg(feature = "drivers")]
use futures_lite::future::yield_now;

#[cfg(feature = "drivers")]
use loaddensity_metrics_core::export::{Now, Tick};
use loaddensity_metrics_core::{Registry, SteadyClock, Timestamp};

use crate::runtime::Runtime;

/// The registries that exporters were started on.
static STARTED: Mutex<Vec<StartedRegistry>> = Mutex::new(Vec::new());

struct StartedRegistry {
    registry: Registry<'static>,
    start_time: Timestamp,
    clock: Arc<Mutex<SteadyClock>>,
    /// What the clock's ticks are counted from.
    started: Instant,
}

/// When the first exporters of this process were started on `registry`, if any were.
#[cfg(feature = "prometheus")]
pub(crate) fn start_time_of(registry: Registry<'static>) -> Option<Timestamp> {
    let started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    started.iter().find(|one| one.registry == registry).map(|one| one.start_time)
}

/// A clock that never goes back, nor before the start time of the registry.
#[derive(Clone)]
pub(crate) struct ExporterClock<R> {
    runtime: R,
    start_time: Timestamp,
    steady: Arc<Mutex<SteadyClock>>,
    started: Instant,
}

impl<R: Runtime> ExporterClock<R> {
    /// The clock of `registry`. Exporters that are shut down and started anew go on with the same sums, hence with the same
    /// clock: a later start time would tell a receiver that the sums had begun at zero again (OpenTelemetry,
    /// data-model.md, "Resets and Gaps"), and an earlier one would be another stream's.
    pub(crate) fn of(registry: Registry<'static>, runtime: R) -> Self {
        let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
        let clock_of = |one: &StartedRegistry, runtime| Self {
            runtime,
            start_time: one.start_time,
            steady: one.clock.clone(),
            started: one.started,
        };
        if let Some(known) = started.iter().find(|one| one.registry == registry) {
            return clock_of(known, runtime);
        }
        let start_time = runtime.wall_clock();
        let clock = Arc::new(Mutex::new(SteadyClock::new(start_time)));
        let new = StartedRegistry { registry, start_time, clock, started: runtime.now() };
        let clock = clock_of(&new, runtime);
        started.push(new);
        clock
    }

    /// When the first exporters of this process were started on the registry.
    pub(crate) const fn start_time(&self) -> Timestamp {
        self.start_time
    }

    /// The time now, later than all that were given before.
    pub(crate) fn now(&self) -> Timestamp {
        let (tick, wall) = (self.runtime.now().saturating_duration_since(self.started), self.runtime.wall_clock());
        self.steady.lock().unwrap_or_else(PoisonError::into_inner).at(tick, wall)
    }

    /// The time now, as the machines are told it.
    #[cfg(feature = "drivers")]
    pub(crate) fn read(&self) -> Now {
        Now { tick: self.tick_of(self.runtime.now()), wall: self.now() }
    }

    /// The moment as the machines know it.
    #[cfg(feature = "drivers")]
    pub(crate) fn tick_of(&self, moment: Instant) -> Tick {
        Tick::from_nanos(0).after(moment.saturating_duration_since(self.started))
    }

    /// Completes at `moment`; if that has passed, after the other tasks have had their turn.
    #[cfg(feature = "drivers")]
    pub(crate) async fn sleep_until(&self, moment: Tick) {
        match moment {
            Tick::NEVER => pending().await,
            moment => {
                let left = moment.since(self.tick_of(self.runtime.now()));
                if left.is_zero() { yield_now().await } else { self.runtime.sleep(left).await }
            }
        }
    }
}
