//! The time that everything sent carries, one clock for all exporters of a registry, and since when the registry counts.

#[cfg(any(feature = "influxdb", feature = "statsd", feature = "opentelemetry-http"))]
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

#[cfg(any(feature = "influxdb", feature = "statsd", feature = "opentelemetry-http"))]
use futures_lite::future::yield_now;

#[cfg(any(feature = "influxdb", feature = "statsd", feature = "opentelemetry-http"))]
use loaddensity_metrics_core::export::{Now, Tick};
use loaddensity_metrics_core::{Registry, SteadyClock, Timestamp};

use crate::runtime::Runtime;

/// The registries that exporters were started on.
static KNOWN: Mutex<Vec<StartedRegistry>> = Mutex::new(Vec::new());

struct StartedRegistry {
    registry: Registry<'static>,
    birth: Timestamp,
    clock: Arc<Mutex<SteadyClock>>,
    /// What the clock's ticks are counted from.
    started: Instant,
}

/// Times that never go back, and none of which is before the registry's birth.
#[derive(Clone)]
pub(crate) struct ExporterClock<R> {
    runtime: R,
    birth: Timestamp,
    steady: Arc<Mutex<SteadyClock>>,
    started: Instant,
}

impl<R: Runtime> ExporterClock<R> {
    /// The clock of `registry`. Exporters that are shut down and started anew go on with the same sums, hence with the same
    /// clock: a later start time would tell a receiver that the sums had begun at zero again (OpenTelemetry,
    /// data-model.md, "Resets and Gaps"), and an earlier one would be another stream's.
    pub(crate) fn of(registry: Registry<'static>, runtime: R) -> Self {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let clock_of = |known: &StartedRegistry, runtime| Self {
            runtime,
            birth: known.birth,
            steady: known.clock.clone(),
            started: known.started,
        };
        if let Some(known) = known.iter().find(|known| known.registry == registry) {
            return clock_of(known, runtime);
        }
        let birth = runtime.wall_clock();
        let clock = Arc::new(Mutex::new(SteadyClock::new(birth)));
        let new = StartedRegistry { registry, birth, clock, started: runtime.now() };
        let clock = clock_of(&new, runtime);
        known.push(new);
        clock
    }

    /// When the first exporters of this process were started on the registry.
    pub(crate) const fn birth(&self) -> Timestamp {
        self.birth
    }

    /// The time now. It is later than all that were given before.
    pub(crate) fn now(&self) -> Timestamp {
        let (tick, wall) = (self.runtime.now().saturating_duration_since(self.started), self.runtime.wall_clock());
        self.steady.lock().unwrap_or_else(PoisonError::into_inner).at(tick, wall)
    }

    /// The time now, as the machines are told it.
    #[cfg(any(feature = "influxdb", feature = "statsd", feature = "opentelemetry-http"))]
    pub(crate) fn read(&self) -> Now {
        Now { tick: self.tick_of(self.runtime.now()), wall: self.now() }
    }

    /// The moment as the machines know it.
    #[cfg(any(feature = "influxdb", feature = "statsd", feature = "opentelemetry-http"))]
    pub(crate) fn tick_of(&self, moment: Instant) -> Tick {
        Tick::from_nanos(0).after(moment.saturating_duration_since(self.started))
    }

    /// Completes at `moment`; where that has passed, once the other tasks have had their turn.
    #[cfg(any(feature = "influxdb", feature = "statsd", feature = "opentelemetry-http"))]
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
