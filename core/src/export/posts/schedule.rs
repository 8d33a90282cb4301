//! When a body is sent and when an interval ends.

use core::time::Duration;

use crate::export::items::PackedItems;
use crate::export::{Now, Tick};

/// The length of a line before any was seen.
const USUAL_LINE: usize = 160;

/// When items are sent, as long as nothing fails.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Schedule {
    /// As soon as they fill a body, or the oldest has waited long enough.
    Batches {
        /// How long the oldest may wait.
        age: Duration,
        /// The most items that can wait: half of them are always enough for a body.
        capacity: usize,
    },
    /// At the end of each interval, and once more at a stop.
    Intervals {
        /// Its length.
        every: Duration,
        /// Whether all that waits is made anew when an interval ends, even what may have arrived: for values that nobody
        /// adds up.
        always_anew: bool,
    },
}

/// When the next body is schedule.
#[derive(Clone, Debug)]
pub(super) struct ScheduleState {
    schedule: Schedule,
    /// Most items of a body.
    points: usize,
    /// Length of a line, as they were long in the last body.
    line: usize,
    /// Since when the oldest waits; none where nothing waits.
    oldest: Option<Tick>,
    /// When the interval ends; none before anything is known of the time.
    interval: Option<Tick>,
}

impl ScheduleState {
    pub(super) const fn new(schedule: Schedule, points: usize) -> Self {
        Self { schedule, points, line: USUAL_LINE, oldest: None, interval: None }
    }

    /// Most items of a body.
    pub(super) const fn points(&self) -> usize {
        self.points
    }

    /// `waiting` items wait now.
    pub(super) fn observe(&mut self, now: Now, waiting: usize) {
        self.oldest = (waiting != 0).then(|| self.oldest.unwrap_or(now.tick));
        if let Schedule::Intervals { every, .. } = self.schedule {
            self.interval.get_or_insert_with(|| now.tick.after(every));
        }
    }

    /// A body was packed. Items that it leaves came later, or are so many that the next body is due at once.
    pub(super) fn packed(&mut self, now: Now, body: PackedItems) {
        self.line = body.bytes.div_ceil(body.items.max(1)).max(1);
        self.oldest = Some(now.tick);
    }

    /// When `waiting` items are due, where a body has so many bytes and `most` items; and how many items are due at once.
    pub(super) fn next_body(&self, waiting: usize, bytes: usize, most: usize) -> (Tick, usize) {
        match (self.schedule, self.oldest) {
            (Schedule::Intervals { .. }, oldest) => (oldest.unwrap_or(Tick::NEVER), usize::MAX),
            (Schedule::Batches { .. }, None) => (Tick::NEVER, 1),
            (Schedule::Batches { age, capacity }, Some(oldest)) => {
                let full = self.points.min(bytes / self.line).min(capacity / 2).min(most).max(1);
                (if waiting >= full { Tick::default() } else { oldest.after(age) }, full)
            }
        }
    }

    /// When the interval ends; never where there are none.
    pub(super) fn interval_end(&self) -> Tick {
        self.interval.unwrap_or(Tick::NEVER)
    }

    /// Whether there are intervals.
    pub(super) const fn has_intervals(&self) -> bool {
        matches!(self.schedule, Schedule::Intervals { .. })
    }

    /// Whether there are intervals, and one may end although something `may_have_arrived`.
    pub(super) const fn may_freeze(&self, may_have_arrived: bool) -> bool {
        match self.schedule {
            Schedule::Batches { .. } => false,
            Schedule::Intervals { always_anew, .. } => always_anew || !may_have_arrived,
        }
    }

    /// The interval has ended. After one that took too long, the ends that have passed are left out.
    pub(super) fn frozen(&mut self, now: Now) {
        if let (Schedule::Intervals { every, .. }, Some(due)) = (self.schedule, self.interval) {
            let passed = now.tick.since(due).as_nanos().checked_div(every.as_nanos()).unwrap_or_default();
            let passed = u32::try_from(passed).unwrap_or(u32::MAX);
            self.interval = Some(due.after(every.saturating_mul(passed.saturating_add(1))));
        }
        self.oldest = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        Now { tick: tick(seconds), ..Now::default() }
    }

    fn tick(seconds: u64) -> Tick {
        Tick::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_batch_is_due_by_number_by_bytes_at_half_of_the_capacity_or_by_age() {
        let batches = |capacity| Schedule::Batches { age: Duration::from_secs(1), capacity };
        for (points, capacity, bytes, most, full) in [
            (5_000, 65_536, 1 << 20, usize::MAX, 5_000),
            (5_000, 8_000, 1 << 20, usize::MAX, 4_000),
            (5_000, 65_536, 16_000, usize::MAX, 160),
            (5_000, 65_536, 16_000, 64, 64),
            (5_000, 1, 1 << 20, usize::MAX, 1),
            (5_000, 65_536, 10, usize::MAX, 1),
        ] {
            let mut schedule = ScheduleState::new(batches(capacity), points);
            assert_eq!(schedule.next_body(0, bytes, most), (Tick::NEVER, 1));
            schedule.packed(at(3), PackedItems { bytes: 1_000, items: 10 });
            schedule.observe(at(4), 1);
            assert_eq!(schedule.next_body(0, bytes, most), (tick(4), full), "{full}");
            assert_eq!(schedule.next_body(full, bytes, most).0, Tick::default());
        }
        let mut schedule = ScheduleState::new(batches(100), 10);
        schedule.observe(at(1), 3);
        schedule.observe(at(2), 4);
        assert_eq!(schedule.next_body(4, 10_000, 99), (tick(2), 10), "since the first");
        schedule.observe(at(3), 0);
        schedule.observe(at(4), 1);
        assert_eq!(
            (schedule.next_body(1, 10_000, 99).0, schedule.interval_end(), schedule.may_freeze(false)),
            (tick(5), Tick::NEVER, false)
        );
    }

    #[test]
    fn intervals_follow_each_other_and_one_that_was_held_up_leaves_out_those_that_have_passed() {
        let every = Duration::from_secs(10);
        let mut schedule = ScheduleState::new(Schedule::Intervals { every, always_anew: false }, 10);
        schedule.observe(at(5), 0);
        assert_eq!((schedule.interval_end(), schedule.next_body(0, 99, 99)), (tick(15), (Tick::NEVER, usize::MAX)));
        schedule.frozen(at(16));
        schedule.observe(at(16), 3);
        assert_eq!((schedule.interval_end(), schedule.next_body(3, 99, 99).0), (tick(25), tick(16)));
        schedule.frozen(at(40));
        assert_eq!(schedule.interval_end(), tick(45));
        assert!(schedule.may_freeze(false) && !schedule.may_freeze(true));
        assert!(ScheduleState::new(Schedule::Intervals { every, always_anew: true }, 10).may_freeze(true));
    }
}
