//! How many points go into the next body.

use std::time::Duration;

use crate::config::BatchLimits;

/// Length of a line before any was seen.
const USUAL_LINE: usize = 160;
/// Bodies that must be taken before a server that found one too large is offered larger ones again.
const PATIENCE: u32 = 16;

/// The size of bodies: the configured limits, and what the server has shown that it takes.
pub(super) struct BatchSize {
    limits: BatchLimits,
    /// Most points that may wait: a batch must not need more.
    capacity: usize,
    /// Most points in a body, lowered by a server that finds bodies too large.
    points: usize,
    taken: u32,
    line: usize,
}

impl BatchSize {
    pub(super) const fn new(limits: BatchLimits, capacity: usize) -> Self {
        Self { limits, capacity, points: limits.points, taken: 0, line: USUAL_LINE }
    }

    /// Most points in the next body.
    pub(super) const fn points(&self) -> usize {
        self.points
    }

    /// Most bytes in the next body.
    pub(super) const fn bytes(&self) -> usize {
        self.limits.bytes
    }

    /// How long the first point of a body may wait.
    pub(super) const fn age(&self) -> Duration {
        self.limits.age
    }

    /// Points at which a body is full: by count, by bytes as lines have been long so far, and before half of the
    /// buffer is in use.
    pub(super) fn full(&self) -> usize {
        self.points.min(self.limits.bytes / self.line).min(self.capacity / 2).max(1)
    }

    /// A body of `points` in `bytes` was packed.
    pub(super) fn packed(&mut self, points: usize, bytes: usize) {
        self.line = bytes.div_ceil(points.max(1)).max(1);
    }

    /// The server took a body.
    pub(super) fn taken(&mut self) {
        self.taken += 1;
        if self.taken >= PATIENCE {
            self.taken = 0;
            self.points = self.points.saturating_mul(2).min(self.limits.points);
        }
    }

    /// The server found a body of `points` too large. `false`: it cannot be smaller.
    pub(super) fn split(&mut self, points: usize) -> bool {
        self.taken = 0;
        self.points = (points / 2).max(1);
        points > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_full_at_whichever_limit_comes_first() {
        let limits = BatchLimits { points: 100, bytes: 16_000, age: Duration::from_secs(1) };
        let mut size = BatchSize::new(limits, 1_000);
        assert_eq!(size.full(), 100);
        size.packed(10, 10_000);
        assert_eq!(size.full(), 16);
        assert_eq!(BatchSize::new(limits, 60).full(), 30);
        assert_eq!(BatchSize::new(limits, 1).full(), 1);
    }

    #[test]
    fn too_large_bodies_are_halved_and_grow_again_slowly() {
        let limits = BatchLimits { points: 100, bytes: 1 << 20, age: Duration::from_secs(1) };
        let mut size = BatchSize::new(limits, 1_000);
        assert!(size.split(100));
        assert!(size.split(50));
        assert_eq!(size.points(), 25);
        for _ in 0..PATIENCE {
            size.taken();
        }
        assert_eq!(size.points(), 50);
        assert!(size.split(2) && !size.split(1));
        assert_eq!(size.points(), 1);
    }
}
