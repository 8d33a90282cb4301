//! How large a body may be: no larger than was configured, and no larger than the server has shown that it takes.
//!
//! There is one size. It limits bodies of several items, never a single item: that one is sent alone, whatever its size. A
//! failure halves the size, an acceptance doubles it, up to a ceiling. The ceiling becomes half of a body that the server
//! finds too large, or about which it says nothing right after it has accepted another; each minute doubles the ceiling.
//! Without a ceiling, every second body would fail on a slow line.

use core::time::Duration;

use super::{Now, Tick};

/// Least size while a server is away or silent.
const FLOOR: usize = 4 << 10;
/// A server that finds even fewer bytes than these too large refuses everything.
const EVERYTHING: usize = 2_000;
/// The size of bodies to such a server until it accepts one.
const LEAST: usize = 1_000;
/// Time after which the ceiling doubles.
const CEILING_DOUBLES: Duration = Duration::from_secs(60);

/// The size of bodies.
#[derive(Clone, Copy, Debug)]
pub struct BodySize {
    largest: usize,
    bytes: usize,
    /// At most `largest`, which means that there is none.
    ceiling: usize,
    /// When the ceiling was set or doubled last.
    ceiling_at: Tick,
    /// Whether the last answer to a body accepted it.
    has_accepted: bool,
}

/// What is to be done about a body that was too large.
///
/// It is exhaustive on purpose: a machine must handle each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooLarge {
    /// It is sent again in smaller parts.
    Halved,
    /// It was a single item, which no body will ever hold.
    Item,
    /// It was small: the server refuses everything. The body counts as refused, and the next one waits.
    Everything,
}

impl BodySize {
    /// Bodies of at most `largest` bytes.
    #[must_use]
    pub const fn new(largest: usize) -> Self {
        Self { largest, bytes: largest, ceiling: largest, ceiling_at: Tick::from_nanos(0), has_accepted: false }
    }

    /// Most bytes of a body of several items.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The ceiling in bytes, where the server has shown one below what was configured.
    #[must_use]
    pub fn learned(&self) -> Option<usize> {
        (self.ceiling < self.largest).then_some(self.ceiling)
    }

    /// The server has accepted a body.
    pub fn accepted(&mut self, now: Now) {
        self.raise_ceiling(now);
        self.has_accepted = true;
        self.bytes = self.bytes.saturating_mul(2).min(self.ceiling);
    }

    /// The server is away.
    pub fn away(&mut self) {
        self.bytes = self.halved();
    }

    /// No answer came to a body of this many bytes. Whether bodies become smaller now, so that the next one may go well.
    pub fn silent(&mut self, body: usize, now: Now) -> bool {
        let before = self.bytes;
        if core::mem::take(&mut self.has_accepted) && body / 2 >= FLOOR {
            self.set_ceiling(body / 2, now);
        }
        self.bytes = self.halved();
        self.bytes < before
    }

    /// The server finds a body of so many bytes and `items` too large.
    pub fn too_large(&mut self, body: usize, items: usize, now: Now) -> TooLarge {
        if body < EVERYTHING {
            self.bytes = LEAST.min(self.largest);
            return TooLarge::Everything;
        }
        if items <= 1 {
            return TooLarge::Item;
        }
        self.set_ceiling(body / 2, now);
        self.bytes = self.ceiling;
        TooLarge::Halved
    }

    /// Half of it, but no less than the floor, and no more than it is.
    fn halved(&self) -> usize {
        (self.bytes / 2).max(FLOOR).min(self.bytes)
    }

    fn set_ceiling(&mut self, ceiling: usize, now: Now) {
        self.ceiling = ceiling.min(self.largest);
        self.ceiling_at = now.tick;
        self.bytes = self.bytes.min(self.ceiling);
    }

    fn raise_ceiling(&mut self, now: Now) {
        while self.ceiling < self.largest && now.tick.since(self.ceiling_at) >= CEILING_DOUBLES {
            self.ceiling = self.ceiling.saturating_mul(2).min(self.largest);
            self.ceiling_at = self.ceiling_at.after(CEILING_DOUBLES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        Now { tick: Tick::from_nanos(seconds * 1_000_000_000), ..Now::default() }
    }

    #[test]
    fn failures_halve_it_down_to_a_floor_and_acceptances_double_it() {
        let mut size = BodySize::new(64 << 10);
        for expected in [32, 16, 8, 4, 4] {
            size.away();
            assert_eq!(size.bytes(), expected << 10);
        }
        for expected in [8, 16, 32, 64, 64] {
            size.accepted(at(1));
            assert_eq!(size.bytes(), expected << 10);
        }
        assert_eq!(size.learned(), None, "who is away has shown nothing");
        let mut small = BodySize::new(3_000);
        small.away();
        assert_eq!(small.bytes(), 3_000, "what is configured may lie below the floor");
    }

    #[test]
    fn the_first_silence_after_an_acceptance_sets_a_ceiling_that_a_minute_doubles() {
        let mut size = BodySize::new(64 << 10);
        size.silent(60_000, at(0));
        assert_eq!((size.bytes(), size.learned()), (32 << 10, None), "nothing was ever accepted");
        size.accepted(at(1));
        size.silent(60_000, at(2));
        assert_eq!((size.bytes(), size.learned()), (15_000, Some(30_000)));
        size.silent(15_000, at(4));
        assert_eq!((size.bytes(), size.learned()), (7_500, Some(30_000)), "the second says nothing new");
        for _ in 0..3 {
            size.accepted(at(5));
        }
        assert_eq!(size.bytes(), 30_000);
        size.accepted(at(62));
        assert_eq!((size.bytes(), size.learned()), (60_000, Some(60_000)));
        size.accepted(at(122));
        assert_eq!((size.bytes(), size.learned()), (64 << 10, None));
        // Half of a short body would be less than bodies ever become.
        size.silent(6_000, at(123));
        assert_eq!(size.learned(), None);
    }

    #[test]
    fn silence_makes_bodies_smaller_down_to_the_floor() {
        let mut size = BodySize::new(8 << 10);
        assert_eq!([size.silent(8_000, at(0)), size.silent(4_000, at(0))], [true, false]);
    }

    #[test]
    fn too_large_is_halved_until_it_is_one_item_or_the_server_refuses_everything() {
        let mut size = BodySize::new(64 << 10);
        assert_eq!(size.too_large(40_000, 9, at(0)), TooLarge::Halved);
        assert_eq!((size.bytes(), size.learned()), (20_000, Some(20_000)));
        assert_eq!(size.too_large(30_000, 1, at(0)), TooLarge::Item);
        assert_eq!(size.too_large(2_000, 1, at(0)), TooLarge::Item);
        assert_eq!(size.bytes(), 20_000, "one item says nothing of others");
        assert_eq!(size.too_large(1_999, 9, at(0)), TooLarge::Everything);
        assert_eq!(size.too_large(1_999, 1, at(0)), TooLarge::Everything);
        assert_eq!(size.bytes(), 1_000);
        size.away();
        assert_eq!(size.bytes(), 1_000);
        size.accepted(at(1));
        assert_eq!(size.bytes(), 2_000);
    }
}
