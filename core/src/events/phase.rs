//! The place within a step of a coarse clock at which a process puts its timestamps.

/// A place within a step of a coarse clock, the same for every step. Each process draws it once at random.
///
/// Otherwise, processes whose clocks show only milliseconds would often give equal timestamps. InfluxDB overwrites a
/// point by another with the same series and timestamp, so it would keep only one of them.
///
/// ```
/// use loaddensity_metrics_core::Phase;
///
/// assert_eq!(Phase::NONE.below(1_000_000), 0);
/// assert_eq!(Phase::drawn(1 << 63).below(1_000_000), 500_000);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phase(u64);

impl Phase {
    /// The beginning of every step: timestamps stay as they are.
    pub const NONE: Self = Self(0);

    /// The place for the number `random`. Every number must be equally likely.
    #[must_use]
    pub const fn drawn(random: u64) -> Self {
        Self(random)
    }

    /// The place as a number from 0 to `places` - 1; 0 if `places` is 0.
    #[must_use]
    pub const fn below(self, places: u64) -> u64 {
        ((self.0 as u128 * places as u128) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_drawn_equally_often_and_none_is_out_of_range() {
        assert_eq!(Phase::drawn(u64::MAX).below(1), 0);
        assert_eq!(Phase::drawn(u64::MAX).below(0), 0);
        assert_eq!(Phase::drawn(u64::MAX).below(1_000), 999);
        let mut drawn = [0; 10];
        for random in (0..1_000).map(|part| u64::MAX / 1_000 * part) {
            drawn[Phase::drawn(random).below(10) as usize] += 1;
        }
        assert_eq!(drawn.iter().sum::<u32>(), 1_000);
        assert!(drawn.iter().all(|times| (99..=101).contains(times)), "{drawn:?}");
    }
}
