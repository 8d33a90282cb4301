//! Times that never go back, whatever is done to the wall clock.

use core::time::Duration;

use crate::request::sample::Timestamp;

/// Makes the times that are sent: the wall clock at the start plus a monotonic clock, moved forward where the wall clock is
/// ahead of that, never back. Each is later than the one before.
///
/// So a point's time is never before its start, intervals never overlap, and a wall clock that is set back, for an hour or
/// for good, is no more than an offset. One that is set forward, or that went on while the machine slept, is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SteadyClock {
    /// The time at a tick of zero.
    origin: u64,
    last: u64,
}

impl SteadyClock {
    /// Starts at a tick of zero and at this time of the wall clock. The first time that it gives is a nanosecond later, or
    /// more.
    #[must_use]
    pub const fn new(wall: Timestamp) -> Self {
        Self { origin: wall.as_unix_nanos(), last: wall.as_unix_nanos() }
    }

    /// The time `tick` after the start on a monotonic clock, while the wall clock shows `wall`.
    pub fn at(&mut self, tick: Duration, wall: Timestamp) -> Timestamp {
        let tick = u64::try_from(tick.as_nanos()).unwrap_or(u64::MAX);
        self.origin = self.origin.max(wall.as_unix_nanos().saturating_sub(tick));
        self.last = self.origin.saturating_add(tick).max(self.last.saturating_add(1));
        Timestamp::from_unix_nanos(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const HOUR: u64 = 3_600 * SECOND;
    const START: u64 = 1_700_000_000 * SECOND;

    #[test]
    fn times_go_on_whatever_is_done_to_the_wall_clock() {
        let mut clock = SteadyClock::new(Timestamp::from_unix_nanos(START));
        for (what, tick, wall, time) in [
            ("both go alike", SECOND, START + SECOND, START + SECOND),
            ("the wall clock is set back", 2 * SECOND, START + 2 * SECOND - HOUR, START + 2 * SECOND),
            ("it stays there", 3 * SECOND, START + 3 * SECOND - HOUR, START + 3 * SECOND),
            ("it is set right again", 4 * SECOND, START + 4 * SECOND, START + 4 * SECOND),
            ("it is set forward", 5 * SECOND, START + 5 * SECOND + HOUR, START + 5 * SECOND + HOUR),
            ("it is set right again", 6 * SECOND, START + 6 * SECOND, START + 6 * SECOND + HOUR),
            ("it has no date", 7 * SECOND, 0, START + 7 * SECOND + HOUR),
            ("nothing has moved", 7 * SECOND, 0, START + 7 * SECOND + HOUR + 1),
            ("the tick went back, which it must not", SECOND, 0, START + 7 * SECOND + HOUR + 2),
            ("it creeps ahead", 8 * SECOND, START + 8 * SECOND + HOUR + 5, START + 8 * SECOND + HOUR + 5),
        ] {
            let shown = clock.at(Duration::from_nanos(tick), Timestamp::from_unix_nanos(wall));
            assert_eq!(shown.as_unix_nanos(), time, "{what}");
        }
    }

    #[test]
    fn the_end_of_time_is_no_fault() {
        let mut clock = SteadyClock::new(Timestamp::from_unix_nanos(u64::MAX));
        assert_eq!(clock.at(Duration::MAX, Timestamp::from_unix_nanos(0)).as_unix_nanos(), u64::MAX);
    }
}
