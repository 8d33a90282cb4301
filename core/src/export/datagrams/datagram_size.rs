//! How large a datagram may be, as one socket has shown.

use core::time::Duration;

use super::super::Tick;

/// Time after which what was learned doubles.
const DOUBLES: Duration = Duration::from_secs(60);
/// More bytes than any datagram over UDP or a Unix socket has: as good as no limit.
const LARGEST: usize = 1 << 20;

/// The most bytes of a datagram of several items. A single item is sent alone, whatever its size.
#[derive(Clone, Copy, Debug)]
pub(super) struct DatagramSize {
    bytes: usize,
    since: Tick,
}

impl DatagramSize {
    /// Nothing was learned.
    pub(super) const NONE: Self = Self { bytes: usize::MAX, since: Tick::from_nanos(0) };

    /// The limit now; `usize::MAX` where there is none.
    pub(super) fn bytes(&mut self, now: Tick) -> usize {
        while self.bytes != usize::MAX && now.since(self.since) >= DOUBLES {
            self.since = self.since.after(DOUBLES);
            self.bytes = if self.bytes >= LARGEST { usize::MAX } else { 2 * self.bytes };
        }
        self.bytes
    }

    /// What was learned last, if anything is.
    pub(super) const fn learned(&self) -> Option<usize> {
        if self.bytes == usize::MAX { None } else { Some(self.bytes) }
    }

    /// So many bytes were too many.
    pub(super) fn exceeded(&mut self, now: Tick, most: usize) {
        self.bytes = self.bytes.min(most.max(1));
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_every_minute_until_there_is_none() {
        let at = |seconds: u64| Tick::from_nanos(seconds * 1_000_000_000);
        let mut limit = DatagramSize::NONE;
        assert_eq!((limit.bytes(at(100)), limit.learned()), (usize::MAX, None));
        limit.exceeded(at(100), 700);
        limit.exceeded(at(101), 900);
        for (seconds, bytes) in [(160, 700), (161, 1_400), (220, 1_400), (281, 5_600)] {
            assert_eq!(limit.bytes(at(seconds)), bytes, "{seconds}");
        }
        assert_eq!((limit.bytes(at(100_000)), limit.learned()), (usize::MAX, None));
    }
}
