//! How much is read before other tasks get their turn, the pump above all. With one recorder that is a fixed amount, and
//! with many it is less: each of them has counters of its own, which must be added up.

use core::time::Duration;

/// Recorders whose counters are added up in the time that writing what one has counted takes.
const RECORDERS: usize = 8;
/// Series that are read in a turn, if there is one recorder.
const SERIES: usize = 512;
/// Series of own instruments that are passed over in a turn because they show nothing, if there is one recorder: of each a word
/// is read.
const SILENT: usize = 16 * SERIES;
/// The time between two turns of an interval's reading. It is waited for: some runtimes look at timers and sockets rarely
/// as long as tasks merely give way.
pub const BETWEEN_TURNS: Duration = Duration::from_micros(100);
/// A body of fewer bytes is not worth a request of its own.
const LEAST_BODY: usize = 64 << 10;

/// What is read in a turn over the counters of this many `recorders`, if it is `alone` over those of one. At least 1.
#[must_use]
pub const fn in_a_turn(alone: usize, recorders: usize) -> usize {
    let further = recorders.saturating_sub(1);
    let part = if further == 0 { alone } else { alone.saturating_mul(RECORDERS) / (RECORDERS + further) };
    if part == 0 { 1 } else { part }
}

/// Most series whose counters are read in a turn.
#[must_use]
pub const fn series_in_a_turn(recorders: usize) -> usize {
    in_a_turn(SERIES, recorders)
}

/// Most series of own instruments that are passed over in a turn.
pub(crate) const fn silent_in_a_turn(recorders: usize) -> usize {
    in_a_turn(SILENT, recorders)
}

/// Most bytes of a body that is written in a turn, where up to `limit` are sent.
pub(crate) fn body_in_a_turn(limit: usize, recorders: usize) -> usize {
    in_a_turn(limit, recorders).max(LEAST_BODY.min(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_over_many_recorders_is_shorter_but_never_nothing() {
        for (alone, recorders, expected) in [
            (64, 0, 64),
            (64, 1, 64),
            (64, 9, 32),
            (64, 64, 7),
            (16, 64, 1),
            (16, 100_000, 1),
            (usize::MAX, 1, usize::MAX),
        ] {
            assert_eq!(in_a_turn(alone, recorders), expected, "{alone}, {recorders}");
        }
    }

    #[test]
    fn of_an_interval_over_many_recorders_fewer_series_are_read_in_a_turn() {
        assert_eq!([1, 8, 64, 100_000].map(series_in_a_turn), [512, 273, 57, 1]);
    }

    #[test]
    fn a_body_over_many_recorders_is_smaller_but_worth_a_request() {
        for (limit, recorders, expected) in
            [(4 << 20, 1, 4 << 20), (4 << 20, 64, 472_597), (4 << 20, 1_000, 64 << 10), (4 << 10, 64, 4 << 10)]
        {
            assert_eq!(body_in_a_turn(limit, recorders), expected, "{limit}, {recorders}");
        }
    }
}
