//! What can be set of a machine that posts.

use core::time::Duration;

use super::Schedule;

/// What can be set of a [`PostMachine`](super::PostMachine).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PostLimits {
    /// How long one call may take, from asking the name to the end of the answer.
    pub timeout: Duration,
    /// The most bytes of a body of several items. The buffer that is lent is at least as long.
    pub bytes: usize,
    /// The most items of a body.
    pub points: usize,
    /// When a body is sent.
    pub schedule: Schedule,
}

impl PostLimits {
    /// Calls of at most `timeout`, bodies of at most `bytes` and of as many items as fit, by this schedule.
    #[must_use]
    pub const fn new(timeout: Duration, bytes: usize, schedule: Schedule) -> Self {
        Self { timeout, bytes, points: usize::MAX, schedule }
    }

    /// The same with at most so many items in a body.
    #[must_use]
    pub const fn points(self, points: usize) -> Self {
        Self { points, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_as_many_items_as_fit_unless_fewer_are_asked_for() {
        let schedule = Schedule::Batches { age: Duration::from_secs(1), capacity: 100 };
        let limits = PostLimits::new(Duration::from_secs(10), 1 << 20, schedule);
        assert_eq!((limits.points, limits.points(9).points), (usize::MAX, 9));
    }
}
