//! How long to wait before an attempt is made again: exponential, capped, with jitter. The pauses of all machines stand
//! here, the first and the cap of each.
//!
//! The OTLP exporter specification ("Retry") asks for exponential back-off with jitter; InfluxData's clients do the
//! same. Randomness is an argument, so a test decides it. A pause is drawn from the upper half of its range, so that
//! many load generators that lost the same backend do not come back as one.

use core::time::Duration;

/// The pauses between attempts: `first`, then twice as long each time, up to `cap`; each less up to half of itself.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    next: Duration,
}

/// The longest pause that an InfluxDB server gets when it asks for one. What waits longer than this is lost once the buffer
/// is full.
pub const LONGEST_POST_PAUSE: Duration = Duration::from_secs(60);
/// The longest pause that an OTLP receiver gets when it asks for one.
pub const LONGEST_EXPORT_PAUSE: Duration = Duration::from_secs(600);

/// The back-off cap of calls to servers and of resolving names: the longest pause, unless the server asks for a longer one.
/// Sockets have a shorter cap of their own.
const CAP: Duration = Duration::from_secs(5);

impl Backoff {
    /// After a body that InfluxDB did not take.
    pub(super) const POST: Self = Self::new(Duration::from_millis(250), CAP);
    /// After a body that an OTLP receiver did not take.
    pub(super) const EXPORT: Self = Self::new(Duration::from_millis(500), CAP);
    /// The same once a stop was asked for.
    pub(super) const EXPORT_AT_A_STOP: Self = Self::new(Duration::from_millis(250), CAP);
    /// While the name that datagrams go to has no address.
    pub(super) const NAME: Self = Self::new(Duration::from_millis(250), CAP);
    /// After a failure of a socket for datagrams: the pauses of Datadog's Python client between attempts to connect
    /// (datadog/dogstatsd/base.py).
    pub(super) const SOCKET: Self = Self::new(Duration::from_millis(25), Duration::from_secs(1));

    /// Pauses that begin with `first` and never exceed `cap`.
    #[must_use]
    pub const fn new(first: Duration, cap: Duration) -> Self {
        Self { first, cap, next: first }
    }

    /// The next pause, at least half of the undisturbed one. `random` is any number; its low 32 bits are used.
    pub fn pause(&mut self, random: u64) -> Duration {
        let whole = self.next.min(self.cap);
        self.next = whole.saturating_mul(2).min(self.cap);
        let half = whole / 2;
        // 32 random bits as a fraction of the other half.
        let share = (half.as_nanos() * u128::from(random as u32)) >> 32;
        whole - half + Duration::from_nanos(u64::try_from(share).unwrap_or(u64::MAX)).min(half)
    }

    /// The next pause where the server has named the least it wants.
    pub fn pause_of_at_least(&mut self, least: Duration, random: u64) -> Duration {
        self.pause(random).max(least)
    }

    /// Begins anew: an attempt went well.
    pub const fn reset(&mut self) {
        self.next = self.first;
    }
}

/// The pauses while the system has no buffers for datagrams: they double from 10 ms to 1 s, without jitter, since nobody
/// else waits for the same buffers.
#[derive(Clone, Copy, Debug)]
pub(super) struct BufferPauses {
    next: Duration,
}

impl BufferPauses {
    pub(super) const NEW: Self = Self { next: Duration::from_millis(10) };
    const LONGEST: Duration = Duration::from_secs(1);

    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (2 * pause).min(Self::LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn pauses_double_up_to_the_cap_and_begin_anew() {
        let mut backoff = Backoff::new(MS(100), MS(500));
        for expected in [50, 100, 200, 250, 250] {
            assert_eq!(backoff.pause(0), MS(expected));
        }
        backoff.reset();
        assert_eq!(backoff.pause(0), MS(50));
    }

    #[test]
    fn jitter_stays_in_the_upper_half() {
        for random in [0, 1, 0x7fff_ffff, 0xffff_ffff, u64::MAX] {
            let pause = Backoff::new(MS(100), MS(100)).pause(random);
            assert!((MS(50)..=MS(100)).contains(&pause), "{pause:?} for {random:#x}");
        }
        let middle = Backoff::new(MS(100), MS(100)).pause(0x8000_0000);
        assert_eq!(middle, MS(75));
    }

    #[test]
    fn extremes_neither_overflow_nor_fall_below_the_servers_wish() {
        let mut backoff = Backoff::new(Duration::MAX, Duration::MAX);
        assert!(backoff.pause(u64::MAX) <= Duration::MAX);
        assert!(backoff.pause(u64::MAX) <= Duration::MAX);
        assert_eq!(Backoff::new(MS(1), MS(1)).pause_of_at_least(MS(7_000), 3), MS(7_000));
        assert_eq!(Backoff::new(Duration::ZERO, MS(1)).pause(9), Duration::ZERO);
    }
}
