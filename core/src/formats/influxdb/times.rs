//! The times of points per interval.

use core::time::Duration;

use super::Precision;
use crate::events::phase::Phase;
use crate::request::sample::Timestamp;

/// Longest time by which points are put back.
const LONGEST: Duration = Duration::from_secs(1);

/// Gives the points of each interval a time that no other interval's have: two points of one series and time would be one.
///
/// Processes that were started together end their intervals together. Therefore each puts its times back, by its own part
/// of a second, or of an interval where that is shorter. A precision of seconds does not show it; an identity tells
/// processes apart in any precision.
#[derive(Clone, Copy, Debug)]
pub struct IntervalTimes {
    precision: Precision,
    back_nanos: u64,
    last: Timestamp,
}

impl IntervalTimes {
    /// Times in `precision` of intervals of this length.
    #[must_use]
    pub fn new(precision: Precision, interval: Duration, phase: Phase) -> Self {
        // A second has fewer nanoseconds than a word can count.
        let most = u64::try_from(interval.min(LONGEST).as_nanos()).unwrap_or_default();
        Self { precision, back_nanos: phase.below(most), last: Timestamp::from_unix_nanos(0) }
    }

    /// The time of the points of an interval that ends `now`: later than the last by a unit of the precision, if need be.
    pub fn next(&mut self, now: Timestamp) -> Timestamp {
        let unit = self.precision.nanos();
        let earliest = (self.last.as_unix_nanos() / unit + 1).saturating_mul(unit);
        let put_back = now.as_unix_nanos().saturating_sub(self.back_nanos);
        self.last = Timestamp::from_unix_nanos(put_back.max(earliest));
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times<const N: usize>(mut times: IntervalTimes, now: [u64; N]) -> [u64; N] {
        now.map(|now| times.next(Timestamp::from_unix_nanos(now)).as_unix_nanos())
    }

    #[test]
    fn times_differ_by_a_unit_at_least() {
        let of = |precision| IntervalTimes::new(precision, Duration::from_secs(10), Phase::NONE);
        assert_eq!(times(of(Precision::Nanosecond), [7, 7, 9, 1]), [7, 8, 9, 10]);
        let second = 1_000_000_000;
        let given = [7 * second + 5, 7 * second + 6, 9 * second + 1, 8 * second];
        assert_eq!(times(of(Precision::Second), given), [7 * second + 5, 8 * second, 9 * second + 1, 10 * second]);
    }

    #[test]
    fn times_are_put_back_by_less_than_a_second_and_an_interval() {
        let half = Phase::drawn(1 << 63);
        for (interval, back) in [(10_000, 500_000_000), (1_000, 500_000_000), (10, 5_000_000), (0, 0)] {
            let times_of = IntervalTimes::new(Precision::Millisecond, Duration::from_millis(interval), half);
            assert_eq!(times(times_of, [7_000_000_000]), [7_000_000_000 - back], "{interval} ms");
        }
        let last = IntervalTimes::new(Precision::Nanosecond, Duration::MAX, Phase::drawn(u64::MAX));
        assert_eq!(times(last, [5_000_000_000, 3]), [4_000_000_001, 4_000_000_002]);
    }
}
