//! How much of a page is made before other tasks get their turn, the pump above all: about a quarter of a millisecond's work.

/// Recorders whose counters are added up in the time that a series' lines take.
const RECORDERS: usize = 8;

/// Of a page over this many recorders' counters, if it is `alone` over one's.
pub(super) fn in_a_turn(alone: u32, recorders: usize) -> u32 {
    let share = RECORDERS + recorders.saturating_sub(1);
    (alone as usize * RECORDERS / share).max(1) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_over_many_recorders_is_shorter_but_never_nothing() {
        for (alone, recorders, expected) in
            [(64, 0, 64), (64, 1, 64), (64, 9, 32), (64, 64, 7), (16, 64, 1), (16, 100_000, 1)]
        {
            assert_eq!(in_a_turn(alone, recorders), expected, "{alone}, {recorders}");
        }
    }
}
