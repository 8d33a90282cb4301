//! Virtual time: nothing waits, the next thing that happens is now.

use std::time::Duration;

use loaddensity_metrics_core::export::{Now, Tick};
use loaddensity_metrics_core::{SteadyClock, Timestamp};

/// When every simulation begins, on the wall clock: in 2026.
pub(crate) const START: Timestamp = Timestamp::from_unix_nanos(1_767_225_600_000_000_000);

/// The time of a simulation.
#[derive(Clone, Debug)]
pub(crate) struct VirtualClock {
    tick: Tick,
    /// By how much the wall clock was set forward, and back.
    ahead: Duration,
    behind: Duration,
    steady: SteadyClock,
}

impl Default for VirtualClock {
    fn default() -> Self {
        let zero = Duration::ZERO;
        Self { tick: Tick::default(), ahead: zero, behind: zero, steady: SteadyClock::new(START) }
    }
}

impl VirtualClock {
    /// The moment on the monotonic clock.
    pub(crate) const fn tick(&self) -> Tick {
        self.tick
    }

    /// What a shell would tell a machine now.
    pub(crate) fn now(&mut self) -> Now {
        let wall = START.as_unix_nanos() + self.tick.as_nanos() + nanos(self.ahead);
        let wall = Timestamp::from_unix_nanos(wall.saturating_sub(nanos(self.behind)));
        Now { tick: self.tick, wall: self.steady.at(self.tick.since(Tick::default()), wall) }
    }

    /// It is this moment now.
    pub(crate) fn advance(&mut self, to: Tick) {
        self.tick = self.tick.max(to);
    }

    /// The moment that comes so much later.
    pub(crate) fn after(&self, duration: Duration) -> Tick {
        self.tick.after(duration)
    }

    /// Somebody sets the wall clock.
    pub(crate) fn step(&mut self, ahead: Duration, behind: Duration) {
        self.ahead += ahead;
        self.behind += behind;
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
