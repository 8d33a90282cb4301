//! How much may leave at once.
//!
//! Datagrams leave in small bursts, one a millisecond. A receiver with the usual socket buffer of 208 KiB holds some 250
//! small datagrams; a larger burst is lost there, whatever the average rate.

use core::time::Duration;

/// Time between two bursts.
pub(super) const TICK: Duration = Duration::from_millis(1);
/// Datagrams in a burst: a receiver's buffer of 208 KiB holds some 250 small ones, or 90 of 1,400 bytes. The lower end
/// keeps up with 64,000 datagrams a second; a backlog raises it.
const DATAGRAMS: (usize, usize) = (64, 192);
/// Bytes after which a burst ends, whatever its datagrams.
const BYTES: usize = 96 << 10;
/// The most datagrams while more than half of the exporter's own buffer is in use: what the receiver may lose then would
/// otherwise be lost here.
const PRESSED: usize = 1_024;
/// The same with segmentation offload: as many take five milliseconds, while the rings fill.
const PRESSED_OFFLOADED: usize = 8_192;
/// A backlog is sent over this many bursts.
pub(super) const BURSTS_OF_A_BACKLOG: usize = 8;

/// What may still leave in a burst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Burst {
    pub(super) datagrams: usize,
    pub(super) bytes: usize,
}

impl Burst {
    /// As many bytes as a receiver's buffer holds, in datagrams of whatever size.
    pub const OF_BYTES: Self = Self { datagrams: usize::MAX, bytes: BYTES };

    /// The burst of an exporter of which this is the share of its backlog, in datagrams.
    pub(super) fn of_share(share: usize, is_pressed: bool, is_offloaded: bool) -> Self {
        let (least, most) = DATAGRAMS;
        match (is_pressed, is_offloaded) {
            (false, _) => Self { datagrams: share.clamp(least, most), bytes: BYTES },
            (true, false) => Self { datagrams: share.clamp(least, PRESSED), bytes: usize::MAX },
            (true, true) => Self { datagrams: share.clamp(least, PRESSED_OFFLOADED), bytes: usize::MAX },
        }
    }

    pub(super) const fn take(&mut self, datagrams: usize, bytes: usize) {
        self.datagrams = self.datagrams.saturating_sub(datagrams);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    pub(super) const fn is_spent(self) -> bool {
        self.datagrams == 0 || self.bytes == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backlog_raises_a_burst_and_a_buffer_that_fills_raises_it_further() {
        for (share, is_pressed, is_offloaded, datagrams, bytes) in [
            (1, false, false, 64, 98_304),
            (100, false, true, 100, 98_304),
            (5_000, false, true, 192, 98_304),
            (5_000, true, false, 1_024, usize::MAX),
            (5_000, true, true, 5_000, usize::MAX),
            (50_000, true, true, 8_192, usize::MAX),
        ] {
            let burst = Burst::of_share(share, is_pressed, is_offloaded);
            assert_eq!(burst, Burst { datagrams, bytes }, "{share} {is_pressed} {is_offloaded}");
        }
    }

    #[test]
    fn it_is_spent_by_datagrams_or_by_bytes() {
        for (datagrams, bytes, is_spent) in [(1, 10, false), (2, 10, true), (1, 11, true), (9, 99, true)] {
            let mut burst = Burst { datagrams: 2, bytes: 11 };
            burst.take(datagrams, bytes);
            assert_eq!(burst.is_spent(), is_spent, "{datagrams} {bytes}");
        }
    }
}
