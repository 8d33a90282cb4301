//! How often the pump reads the recorders' rings. One pump feeds all per-request exporters, so that it has a pace of its own.

use core::time::Duration;

/// Time between two looks: a ring of 65,536 events then holds 65 million events a second.
const TICK: Duration = Duration::from_millis(1);
/// The same after a look that found fewer than [`CALM_EVENTS`]: half the wake-ups, and still small bursts.
const CALM_TICK: Duration = Duration::from_millis(2);
/// What 64,000 requests a second bring within a calm tick; a ring of 65,536 then has room for 500 times as many.
const CALM_EVENTS: u64 = 128;

/// The pause after a look that took out so many events: 1 ms, or 2 ms where they were few.
#[must_use]
pub const fn pause_after(events: u64) -> Duration {
    if events < CALM_EVENTS { CALM_TICK } else { TICK }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_events_make_longer_pauses() {
        for (events, millis) in [(0, 2), (127, 2), (128, 1), (u64::MAX, 1)] {
            assert_eq!(pause_after(events), Duration::from_millis(millis), "{events}");
        }
    }
}
