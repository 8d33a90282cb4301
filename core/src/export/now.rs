//! The time, as a driver tells it to a machine.

use core::time::Duration;

use crate::request::sample::Timestamp;

/// A moment on a monotonic clock: nanoseconds since a moment that stays the same, for 584 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(u64);

impl Tick {
    /// The moment that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// The moment this many nanoseconds after the first.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the first moment.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The moment `duration` later; [`NEVER`](Self::NEVER) where that is too far away.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// The time since `earlier`; zero where that is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// What time it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The time on the monotonic clock. Pauses, timeouts and deadlines go by it.
    pub tick: Tick,
    /// The time that is sent with points and messages: it never goes back. See [`SteadyClock`](crate::SteadyClock).
    pub wall: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_neither_overflow_nor_go_below_zero() {
        let tick = Tick::from_nanos(5);
        assert_eq!(tick.after(Duration::from_nanos(3)), Tick::from_nanos(8));
        assert_eq!(tick.after(Duration::MAX), Tick::NEVER);
        assert_eq!(Tick::NEVER.after(Duration::from_secs(1)), Tick::NEVER);
        assert_eq!(tick.since(Tick::from_nanos(2)), Duration::from_nanos(3));
        assert_eq!(tick.since(Tick::NEVER), Duration::ZERO);
    }
}
