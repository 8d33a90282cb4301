//! A wall clock that is cheap to read, for engines that record millions of requests a second.

use std::time::Duration;

use loaddensity_metrics_core::Timestamp;

/// The operating system's wall clock in whole milliseconds, for
/// [`Sample::completed_at`](loaddensity_metrics_core::Sample::completed_at).
///
/// On Linux it is `CLOCK_REALTIME_COARSE` (`clock_gettime(2)`), which the kernel moves on with its tick, every 1 to 10 ms: a
/// read of memory, some 4 ns where [`system_time`](super::system_time) takes some 29. No thread of ours has to move it, so it
/// never stands still. Elsewhere it is [`system_time`](super::system_time), and costs that.
///
/// The time is up to a tick and a millisecond early, and many requests share one. That is why it has no finer digits: a
/// time in whole milliseconds is known for one of a coarse clock, and each process puts those at a place of its own within the
/// millisecond, where InfluxDB would else overwrite points of two generators by each other
/// ([`Phase`](loaddensity_metrics_core::Phase)). It is no measure of a latency.
#[must_use]
pub fn coarse_time() -> Timestamp {
    whole_millis(since_epoch())
}

#[cfg(target_os = "linux")]
fn since_epoch() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    // A clock before 1970 reads as 1970; the nanoseconds are less than a second.
    match (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec)) {
        (Ok(seconds), Ok(nanos)) => Duration::new(seconds, nanos),
        _ => Duration::ZERO,
    }
}

#[cfg(not(target_os = "linux"))]
fn since_epoch() -> Duration {
    Duration::from_nanos(super::system_time().as_unix_nanos())
}

/// The beginning of the millisecond that a time lies in.
fn whole_millis(since_epoch: Duration) -> Timestamp {
    let millis = since_epoch.as_secs() * 1_000 + u64::from(since_epoch.subsec_millis());
    Timestamp::from_unix_nanos(millis.saturating_mul(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::system_time;

    #[test]
    fn times_are_whole_milliseconds_and_never_late() {
        for (nanos, shown) in [
            (0, 0),
            (999_999, 0),
            (1_000_000, 1_000_000),
            (1_700_000_000_123_456_789, 1_700_000_000_123_000_000),
            (1_700_000_000_999_999_999, 1_700_000_000_999_000_000),
        ] {
            assert_eq!(whole_millis(Duration::from_nanos(nanos)).as_unix_nanos(), shown, "{nanos}");
        }
        assert_eq!(whole_millis(Duration::from_secs(u64::MAX / 1_000_000_000 + 1)).as_unix_nanos(), u64::MAX);
    }

    /// By the system's clock, which may be set while this runs; then it is looked at again.
    #[test]
    fn the_time_is_the_systems_and_moves_on() {
        let is_right = || {
            let before = system_time().as_unix_nanos();
            let coarse = coarse_time().as_unix_nanos();
            assert!(coarse.is_multiple_of(1_000_000), "{coarse}");
            coarse <= system_time().as_unix_nanos() && coarse.abs_diff(before) < 1_000_000_000
        };
        assert!((0..3).any(|_| is_right()));
        let first = coarse_time();
        // Ten ticks of the slowest kernel, and as often as it takes.
        let moved = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            coarse_time() != first
        });
        assert!(moved);
    }
}
