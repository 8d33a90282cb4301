//! The cap on the rate of a load test, over all of its users.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How far behind the schedule may fall and still be caught up with. Beyond that, turns are lost: after a long stall
/// the load goes on at the capped rate and does not come as one burst.
const CATCH_UP: Duration = Duration::from_millis(100);

/// A schedule of turns at a fixed distance.
#[derive(Debug)]
pub(super) struct Pace {
    distance: Option<Duration>,
    next: Mutex<Instant>,
}

impl Pace {
    /// At most `rate` turns per second from `now` on; no limit where it is `None`.
    pub(super) fn new(rate: Option<f64>, now: Instant) -> Self {
        Self { distance: rate.map(|rate| Duration::from_secs_f64(1.0 / rate)), next: Mutex::new(now) }
    }

    /// Takes the next turn; how long to wait for it.
    pub(super) fn take(&self, now: Instant) -> Duration {
        let Some(distance) = self.distance else {
            return Duration::ZERO;
        };
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now.checked_sub(CATCH_UP).unwrap_or(now);
        let turn = (*next).max(earliest);
        *next = turn + distance;
        turn.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_at_the_rate_and_a_short_stall_is_caught_up() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let pace = Pace::new(Some(100.0), start);
        let waits = |at: u64, turns: usize| -> Vec<u128> {
            (0..turns).map(|_| pace.take(start + ms(at)).as_millis()).collect()
        };
        assert_eq!(waits(0, 4), [0, 10, 20, 30]);
        // 60 ms behind: the turns at 40 to 100 ms are due at once.
        assert_eq!(waits(100, 8), [0, 0, 0, 0, 0, 0, 0, 10]);
        // A second behind: only 100 ms of it are made up.
        assert_eq!(waits(1_100, 12), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10]);
    }

    #[test]
    fn without_a_rate_nobody_waits() {
        let pace = Pace::new(None, Instant::now());
        assert!((0..100).all(|_| pace.take(Instant::now()).is_zero()));
    }
}
