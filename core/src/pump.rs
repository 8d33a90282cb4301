//! The pump: takes the raw events out of all rings and gives each a timestamp that no other has.
//!
//! InfluxDB overwrites a point that has the series and the timestamp of another. Therefore timestamps are made
//! strictly increasing per recorder, with the recorder's number in the lowest bits.

use core::fmt;

use crate::event::Event;
use crate::ledger::{Account, Exporter, Ledger};
use crate::registry::Registry;
use crate::ring;
use crate::sample::Timestamp;
use crate::storage::{ShardWords, shard_word};
use crate::sync::Ordering;

/// InfluxDB's last valid timestamp (i64, two highest values reserved: influxdb1-client models/time.go).
const MAX_NANOS: u64 = i64::MAX as u64 - 1;
/// A timestamp that lies further back than this is a clock that was set back, not a late request; it is taken as it
/// is. Otherwise one wrong timestamp from the future would move all later ones there.
const CLOCK_STEP_NANOS: u64 = 1_000_000_000;

/// The one reader of a registry's event rings. Dropping it lets another be claimed.
pub struct Pump<'a> {
    registry: Registry<'a>,
}

impl<'a> Pump<'a> {
    pub(crate) fn claim(registry: Registry<'a>) -> Option<Self> {
        // Acquire pairs with the release in `drop`: the former pump's tails are seen.
        let owned = &registry.parts.control.pump_owned;
        owned
            .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
            .then_some(Self { registry })
    }

    /// Takes out the events that are there now and hands each to `deliver`; returns how many.
    ///
    /// Bounded by the size of all rings, however fast recorders are.
    pub fn drain(&mut self, mut deliver: impl FnMut(Event)) -> u64 {
        let parts = self.registry.parts;
        let clock = Clock::new(parts.shards.len() as u64 + 1);
        let mut taken = 0;
        for (number, shard) in parts.shards.iter().enumerate() {
            let ring = &parts.rings[number * parts.spill_ring.len()..][..parts.spill_ring.len()];
            let mut last = shard[shard_word::LAST_TIMESTAMP].load(Ordering::Relaxed);
            let stamp = |words| deliver(clock.stamp(Event::from_words(words), number as u64, &mut last));
            taken += ring::drain(ring, &shard[shard_word::HEAD], &shard[shard_word::TAIL], stamp);
            note_refused(shard, last, parts.spill_ring.len() as u64);
        }
        let mut last = parts.spill[shard_word::LAST_TIMESTAMP].load(Ordering::Relaxed);
        let number = parts.shards.len() as u64;
        let stamp = |words| deliver(clock.stamp(Event::from_words(words), number, &mut last));
        taken += ring::drain_shared(parts.spill_ring, &parts.spill[shard_word::TAIL], stamp);
        note_refused(parts.spill, last, parts.spill_ring.len() as u64);
        taken
    }

    /// Opens the account of a per-request `exporter` and has recorders write events. Events that were recorded before
    /// belong to others: drain first.
    pub fn attach(&mut self, exporter: Exporter) -> &'a Ledger {
        let rings = self.registry.rings();
        let ledger = self.registry.ledger(exporter);
        ledger.open(rings.taken.wrapping_add(rings.refused), rings.refused);
        self.registry
            .parts
            .control
            .events
            .0
            .fetch_or(bit(exporter), Ordering::SeqCst);
        ledger
    }

    /// Closes the account of a per-request `exporter`, to which everything drained so far was handed; with the last
    /// one recorders stop writing events.
    pub fn detach(&mut self, exporter: Exporter) -> Account {
        self.registry
            .parts
            .control
            .events
            .0
            .fetch_and(!bit(exporter), Ordering::SeqCst);
        let rings = self.registry.rings();
        let ledger = self.registry.ledger(exporter);
        ledger.close(rings.taken.wrapping_add(rings.refused), rings.refused);
        self.registry.account(exporter)
    }

    /// The registry whose rings are read.
    #[must_use]
    pub const fn registry(&self) -> Registry<'a> {
        self.registry
    }
}

impl Drop for Pump<'_> {
    fn drop(&mut self) {
        self.registry.parts.control.pump_owned.store(0, Ordering::Release);
    }
}

impl fmt::Debug for Pump<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pump").finish_non_exhaustive()
    }
}

const fn bit(exporter: Exporter) -> u64 {
    1 << exporter as u32
}

/// Remembers the shard's last timestamp, and how large its ring should have been if it was full.
fn note_refused(shard: &ShardWords, last: u64, ring: u64) {
    shard[shard_word::LAST_TIMESTAMP].store(last, Ordering::Relaxed);
    let refused = shard[shard_word::REFUSED].load(Ordering::Relaxed);
    let news = refused.wrapping_sub(shard[shard_word::REFUSED_SEEN].load(Ordering::Relaxed));
    if news != 0 {
        shard[shard_word::REFUSED_SEEN].store(refused, Ordering::Relaxed);
        let needed = shard[shard_word::NEEDED].load(Ordering::Relaxed).max(ring + news);
        shard[shard_word::NEEDED].store(needed, Ordering::Relaxed);
    }
}

/// Makes timestamps unique.
struct Clock {
    /// The step from one timestamp of a recorder to the next; a power of two that holds every recorder's number.
    step: u64,
}

impl Clock {
    const fn new(recorders: u64) -> Self {
        Self {
            step: recorders.next_power_of_two(),
        }
    }

    fn stamp(&self, mut event: Event, recorder: u64, last: &mut u64) -> Event {
        let mut nanos = event.completed_at.as_unix_nanos().min(MAX_NANOS - 2 * self.step);
        nanos = nanos & !(self.step - 1) | recorder;
        if nanos <= *last && *last - nanos < CLOCK_STEP_NANOS {
            nanos = *last + self.step;
        }
        *last = nanos;
        event.completed_at = Timestamp::from_unix_nanos(nanos);
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamps<const N: usize>(clock: &Clock, recorder: u64, nanos: [u64; N]) -> [u64; N] {
        let mut last = 0;
        nanos.map(|nanos| {
            let event = Event {
                completed_at: Timestamp::from_unix_nanos(nanos),
                ..Event::default()
            };
            clock
                .stamp(event, recorder, &mut last)
                .completed_at
                .as_unix_nanos()
        })
    }

    #[test]
    fn timestamps_carry_the_recorder_and_strictly_increase() {
        let clock = Clock::new(17);
        assert_eq!(clock.step, 32);
        assert_eq!(
            stamps(&clock, 3, [1_000_000; 4]),
            [1_000_003, 1_000_035, 1_000_067, 1_000_099]
        );
        assert_eq!(stamps(&clock, 16, [2_000, 1_000]), [2_000, 2_032]);
    }

    #[test]
    fn a_clock_that_was_set_back_is_followed() {
        let clock = Clock::new(2);
        let late = 5_000_000_000_000;
        assert_eq!(
            stamps(&clock, 1, [late, late - CLOCK_STEP_NANOS]),
            [late + 1, late - CLOCK_STEP_NANOS + 1]
        );
    }

    #[test]
    fn no_timestamp_is_beyond_what_influxdb_takes() {
        let clock = Clock::new(1_024);
        for nanos in stamps(&clock, 1_023, [u64::MAX, 0]) {
            assert!(nanos < MAX_NANOS);
        }
    }
}
