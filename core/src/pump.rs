//! The pump: takes the raw events out of all rings and gives each a timestamp that no other has.
//!
//! InfluxDB overwrites a point that has the series and the timestamp of another. Therefore timestamps are made
//! strictly increasing per recorder, with the recorder's number in the lowest bits.

use core::fmt;

use crate::event::Event;
use crate::ledger::{self, Account, Exporter, Ledger};
use crate::parts::{ShardWords, shard_word};
use crate::registry::Registry;
use crate::ring;
use crate::sample::Timestamp;
use crate::sync::Ordering;

/// Latest timestamp that is believed where nobody says what time it is: in the year 2116. It leaves room to count on
/// below InfluxDB's last one (i64, two highest values reserved: influxdb1-client models/time.go).
const LATEST: Timestamp = Timestamp::from_unix_nanos(1 << 62);

/// How far ahead of the clock a time of completion is still believed.
const SLACK_NANOS: u64 = 1_000_000_000;

/// The one reader of a registry's event rings. Dropping it lets another be claimed.
pub struct Pump<'a> {
    registry: Registry<'a>,
    now: Timestamp,
    latest: Timestamp,
}

impl<'a> Registry<'a> {
    /// The one reader of the event rings; `None` while another holds it.
    #[must_use]
    pub fn pump(self) -> Option<Pump<'a>> {
        Pump::claim(self)
    }
}

impl<'a> Pump<'a> {
    fn claim(registry: Registry<'a>) -> Option<Self> {
        // Acquire pairs with the release in `drop`: the former pump's tails are seen. A claim that fails must make no
        // pump, not even for a moment: its drop would free the other's.
        let owned = &registry.parts.control.pump_owned;
        owned.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok().then(|| Self {
            registry,
            now: Timestamp::default(),
            latest: LATEST,
        })
    }

    /// Says what time it is, for the events that are drained next.
    ///
    /// An event without a time of completion (zero, the default) gets this one. And none is believed that lies more than
    /// a second behind it: timestamps strictly increase, so a wrong one from the future would take all later ones of its
    /// recorder with it.
    pub fn set_now(&mut self, now: Timestamp) {
        self.now = now;
        let latest = now.as_unix_nanos().saturating_add(SLACK_NANOS);
        self.latest = Timestamp::from_unix_nanos(latest).min(LATEST);
    }

    /// Takes out the events that are there now and hands each to `deliver`; returns how many.
    ///
    /// Bounded by the size of all rings, however fast recorders are.
    pub fn drain(&mut self, mut deliver: impl FnMut(Event)) -> u64 {
        self.drain_slices(|events| events.iter().copied().for_each(&mut deliver))
    }

    /// The same, but hands them over in slices of a few dozen, which a [`Sink`](crate::Sink) takes at once.
    pub fn drain_slices(&mut self, deliver: impl FnMut(&[Event])) -> u64 {
        let parts = self.registry.parts;
        let clock = Clock::new(parts.shards.len() as u64 + 1, self.now, self.latest);
        let mut slice = Slice { events: [Event::default(); SLICE_EVENTS], length: 0, deliver };
        let mut taken = 0;
        for (number, shard) in parts.shards.iter().enumerate() {
            let ring = &parts.rings[number * parts.spill_ring.len()..][..parts.spill_ring.len()];
            let mut last = shard[shard_word::LAST_TIMESTAMP].load(Ordering::Relaxed).max(number as u64);
            let stamp = |words| slice.add(clock.stamp(Event::from_words(words), number as u64, &mut last));
            taken += ring::drain(ring, &shard[shard_word::HEAD], &shard[shard_word::TAIL], stamp);
            note_refused(shard, last, parts.spill_ring.len() as u64);
        }
        let number = parts.shards.len() as u64;
        let mut last = parts.spill[shard_word::LAST_TIMESTAMP].load(Ordering::Relaxed).max(number);
        let stamp = |words| slice.add(clock.stamp(Event::from_words(words), number, &mut last));
        taken += ring::drain_shared(parts.spill_ring, &parts.spill[shard_word::TAIL], stamp);
        note_refused(parts.spill, last, parts.spill_ring.len() as u64);
        slice.flush();
        taken
    }

    /// Opens the account of a per-request `exporter` and has recorders write events. Events that were recorded before
    /// belong to others: drain first.
    pub fn attach(&mut self, exporter: Exporter) -> &'a Ledger {
        let rings = self.registry.rings();
        let ledger = self.registry.ledger(exporter);
        ledger.open(ledger::PER_REQUEST, rings.taken.wrapping_add(rings.refused), rings.refused);
        self.registry.parts.control.events.0.fetch_or(bit(exporter), Ordering::SeqCst);
        ledger
    }

    /// Closes the account of a per-request `exporter`, to which everything drained so far was handed; with the last
    /// one recorders stop writing events.
    pub fn detach(&mut self, exporter: Exporter) -> Account {
        self.registry.parts.control.events.0.fetch_and(!bit(exporter), Ordering::SeqCst);
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

/// Events in a slice: two kilobytes of them.
const SLICE_EVENTS: usize = 64;

/// Events on their way out of the rings. The slots that they were in are free already.
struct Slice<F> {
    events: [Event; SLICE_EVENTS],
    length: usize,
    deliver: F,
}

impl<F: FnMut(&[Event])> Slice<F> {
    fn add(&mut self, event: Event) {
        if self.length == SLICE_EVENTS {
            self.flush();
        }
        self.events[self.length] = event;
        self.length += 1;
    }

    fn flush(&mut self) {
        (self.deliver)(&self.events[..self.length]);
        self.length = 0;
    }
}

/// Makes timestamps unique.
struct Clock {
    /// The step from one timestamp of a recorder to the next; a power of two that holds every recorder's number.
    step: u64,
    /// For events without a time of their own.
    now: u64,
    latest: u64,
}

impl Clock {
    const fn new(recorders: u64, now: Timestamp, latest: Timestamp) -> Self {
        Self { step: recorders.next_power_of_two(), now: now.as_unix_nanos(), latest: latest.as_unix_nanos() }
    }

    fn stamp(&self, mut event: Event, recorder: u64, last: &mut u64) -> Event {
        let nanos = match event.completed_at.as_unix_nanos() {
            0 => self.now,
            nanos => nanos.min(self.latest),
        };
        *last = (nanos & !(self.step - 1) | recorder).max(*last + self.step);
        event.completed_at = Timestamp::from_unix_nanos(*last);
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Timestamp = Timestamp::from_unix_nanos(0);

    fn stamps<const N: usize>(clock: &Clock, recorder: u64, nanos: [u64; N]) -> [u64; N] {
        // What a recorder's first event follows.
        let mut last = recorder;
        nanos.map(|nanos| {
            let event = Event { completed_at: Timestamp::from_unix_nanos(nanos), ..Event::default() };
            clock.stamp(event, recorder, &mut last).completed_at.as_unix_nanos()
        })
    }

    #[test]
    fn timestamps_carry_the_recorder_and_strictly_increase() {
        let clock = Clock::new(17, NEVER, LATEST);
        assert_eq!(clock.step, 32);
        assert_eq!(stamps(&clock, 3, [1_000_000; 4]), [1_000_003, 1_000_035, 1_000_067, 1_000_099]);
        assert_eq!(stamps(&clock, 16, [2_000, 1_000]), [2_000, 2_032]);
    }

    #[test]
    fn they_stay_unique_when_the_clock_is_set_back_and_forth() {
        let clock = Clock::new(2, NEVER, LATEST);
        let (late, early) = (5_000_000_000_000, 3_000_000_000_000);
        assert_eq!(stamps(&clock, 1, [late, early, late, early]), [1, 3, 5, 7].map(|step| late + step));
    }

    #[test]
    fn one_from_the_future_takes_the_others_no_further_than_the_latest_believed() {
        let clock = Clock::new(2, NEVER, Timestamp::from_unix_nanos(1_000));
        assert_eq!(stamps(&clock, 0, [u64::MAX, 900, 900]), [1_000, 1_002, 1_004]);
    }

    #[test]
    fn what_has_no_time_gets_the_time_that_it_is() {
        let clock = Clock::new(2, Timestamp::from_unix_nanos(5_000), LATEST);
        assert_eq!(stamps(&clock, 1, [0, 4_000, 6_000]), [5_001, 5_003, 6_001]);
    }

    #[test]
    fn no_timestamp_is_beyond_what_influxdb_takes() {
        let clock = Clock::new(1_024, NEVER, LATEST);
        for nanos in stamps(&clock, 1_023, [u64::MAX; 6]) {
            assert!(nanos < i64::MAX as u64 - 1);
        }
    }
}
