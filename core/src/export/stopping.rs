//! What a stop changes: until when what still waits is tried, and how long a pause and a call may last.
//!
//! One rule holds for all machines. Where a connection was ever made, what waits is tried until the deadline; where none was,
//! two attempts are made, counted from the stop. A pause lasts at most half of the time that is left, or all of it where half
//! would leave less than 20 ms. A call gets all of the time, or half of it where the last call has failed or more is to
//! follow, but never less than 20 ms: half of the half, again and again, is no time at all.

use core::time::Duration;

use super::{Now, Tick};

/// Attempts after the stop where no connection was ever made.
const ATTEMPTS: u8 = 2;
/// The least time that a call is given.
const LEAST_CALL: Duration = Duration::from_millis(20);

/// Whether a stop was asked for, and what it leaves.
#[derive(Clone, Copy, Debug)]
pub struct Stopping {
    deadline: Tick,
    attempts: u8,
}

impl Stopping {
    /// No stop was asked for.
    pub const NOT_ASKED: Self = Self { deadline: Tick::NEVER, attempts: 0 };

    /// A stop is asked for, by `deadline`. Of several the nearest deadline counts. Whether it is the first.
    pub fn ask(&mut self, deadline: Tick) -> bool {
        let is_first = !self.is_asked();
        // The moment that never comes would be no stop.
        self.deadline = self.deadline.min(deadline).min(Tick::from_nanos(u64::MAX - 1));
        is_first
    }

    /// Whether a stop was asked for.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.deadline != Tick::NEVER
    }

    /// Whether the deadline has passed.
    #[must_use]
    pub fn is_overdue(&self, now: Now) -> bool {
        now.tick >= self.deadline
    }

    /// An attempt has failed.
    pub fn failed(&mut self) {
        if self.is_asked() {
            self.attempts = self.attempts.saturating_add(1);
        }
    }

    /// Whether there is no use in another attempt: nobody was ever there, nor in two attempts since the stop.
    #[must_use]
    pub fn gives_up(&self, has_connected: bool) -> bool {
        self.is_asked() && !has_connected && self.attempts >= ATTEMPTS
    }

    /// The deadline; [`Tick::NEVER`] where no stop was asked for.
    #[must_use]
    pub const fn deadline(&self) -> Tick {
        self.deadline
    }

    /// `moment`, or the deadline where that comes first.
    #[must_use]
    pub fn clamp(&self, moment: Tick) -> Tick {
        moment.min(self.deadline)
    }

    /// When a pause ends that would last this long. One that leaves no time for a call lasts until the deadline: of a call
    /// that the deadline ends, nobody would know whether it was taken.
    #[must_use]
    pub fn pause(&self, now: Now, pause: Duration) -> Tick {
        let left = self.left(now);
        let pause = pause.min(left / 2);
        if left - pause < LEAST_CALL { self.deadline } else { now.tick.after(pause) }
    }

    /// When a call is given up that may last `timeout`. `shares`: the last one failed, or more is to follow.
    #[must_use]
    pub fn call(&self, now: Now, timeout: Duration, shares: bool) -> Tick {
        let left = self.left(now);
        let share = if shares { (left / 2).max(LEAST_CALL.min(left)) } else { left };
        now.tick.after(timeout.min(share))
    }

    fn left(&self, now: Now) -> Duration {
        if self.is_asked() { self.deadline.since(now.tick) } else { Duration::MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn at(millis: u64) -> Now {
        Now { tick: tick(millis), ..Now::default() }
    }

    fn tick(millis: u64) -> Tick {
        Tick::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn the_nearest_deadline_counts() {
        let mut stop = Stopping::NOT_ASKED;
        assert!(!stop.is_asked() && !stop.is_overdue(at(1_000_000)));
        assert!(stop.ask(tick(500)));
        assert!(!stop.ask(tick(900)) && stop.deadline() == tick(500));
        assert!(!stop.ask(tick(300)) && stop.deadline() == tick(300));
        assert!(!stop.is_overdue(at(299)) && stop.is_overdue(at(300)));
        assert_eq!((stop.clamp(tick(700)), stop.clamp(tick(200))), (tick(300), tick(200)));
        let mut endless = Stopping::NOT_ASKED;
        assert!(endless.ask(Tick::NEVER) && endless.is_asked());
    }

    #[test]
    fn pauses_and_calls_get_their_share() {
        let mut stop = Stopping::NOT_ASKED;
        assert_eq!(stop.pause(at(0), MS(5_000)), tick(5_000));
        assert_eq!(stop.call(at(0), MS(2_000), true), tick(2_000));
        stop.ask(tick(1_000));
        for (now, pause, call, shared) in [
            (0, 500, 1_000, 500),
            (900, 950, 1_000, 950),
            // Not under 20 ms, as long as there are as many; and no call after a pause that leaves less.
            (960, 980, 1_000, 980),
            (970, 1_000, 1_000, 990),
            (990, 1_000, 1_000, 1_000),
            (1_000, 1_000, 1_000, 1_000),
        ] {
            assert_eq!(stop.pause(at(now), MS(5_000)), tick(pause), "{now}");
            assert_eq!(stop.call(at(now), MS(2_000), false), tick(call), "{now}");
            assert_eq!(stop.call(at(now), MS(2_000), true), tick(shared), "{now}");
        }
        assert_eq!(stop.pause(at(0), MS(250)), tick(250));
    }

    #[test]
    fn two_attempts_are_made_where_nobody_was_ever_there() {
        let mut stop = Stopping::NOT_ASKED;
        stop.failed();
        stop.failed();
        assert!(!stop.gives_up(false));
        stop.ask(tick(1_000));
        assert!(!stop.gives_up(false), "they count from the stop");
        stop.failed();
        assert!(!stop.gives_up(false));
        stop.failed();
        assert!(stop.gives_up(false) && !stop.gives_up(true));
    }
}
