//! The pump: takes the events out of all rings and gives each a timestamp that no other event has.
//!
//! InfluxDB overwrites a point by another with the same series and timestamp. Therefore the pump makes timestamps
//! strictly increasing per recorder, with the recorder's number in the lowest bits. A timestamp of a coarse clock is
//! put at the process's own place within the clock's step, because another process may see the same clock.

use core::fmt;

use crate::atomics::{AtomicU64, Ordering};
use crate::cold::cold_path;
use crate::events::event::Event;
use crate::events::observation::Observation;
use crate::events::phase::Phase;
use crate::registry::Registry;
use crate::registry::account::{Account, AccountKind};
use crate::registry::accounts::Accounts;
use crate::registry::exporter::Exporter;
use crate::registry::ledger::{self, Ledger};
use crate::registry::parts::RingHeader;
use crate::registry::ring::{self, EVENT_WORDS, OBSERVATION_WORDS};
use crate::request::sample::Timestamp;

/// The latest timestamp that is accepted if nobody has called [`Pump::set_now`]: in the year 2116. There is room for
/// increasing timestamps between it and InfluxDB's last one (an i64, of which the two highest values are reserved:
/// influxdb1-client models/time.go).
const LATEST: Timestamp = Timestamp::from_unix_nanos(1 << 62);

/// How far ahead of the clock a time of completion may be.
const SLACK_NANOS: u64 = 1_000_000_000;

/// The only reader of a registry's event rings. After it is dropped, another can be claimed.
pub struct Pump<'a> {
    registry: Registry<'a>,
    now: Timestamp,
    latest: Timestamp,
    /// The time of the last drain.
    visited: Timestamp,
    phase: Phase,
}

impl<'a> Registry<'a> {
    /// The only reader of the event rings; `None` while somebody else has it.
    #[must_use]
    pub fn pump(self) -> Option<Pump<'a>> {
        Pump::claim(self)
    }
}

impl<'a> Pump<'a> {
    fn claim(registry: Registry<'a>) -> Option<Self> {
        // Acquire pairs with the release in `drop`, so that the former pump's tails are seen. A claim that fails must
        // not make a `Pump`, not even for a moment: dropping it would release the claim of the other pump.
        let owned = &registry.parts.control.pump_owned;
        owned.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok().then(|| Self {
            registry,
            now: Timestamp::default(),
            latest: LATEST,
            visited: Timestamp::default(),
            phase: Phase::NONE,
        })
    }

    /// Sets the current time for the events that are drained next.
    ///
    /// An event without a time of completion (zero, the default) gets this time. An event whose time is more than a
    /// second later gets this time plus a second: timestamps strictly increase, so a wrong one from the future would
    /// move all later ones of its recorder into the future too.
    pub fn set_now(&mut self, now: Timestamp) {
        self.now = now.min(LATEST);
        let latest = now.as_unix_nanos().saturating_add(SLACK_NANOS);
        self.latest = Timestamp::from_unix_nanos(latest).min(LATEST);
    }

    /// Sets where timestamps of a coarse clock are put from now on. A timestamp that is a multiple of a millisecond is
    /// put at this place within the millisecond; one that is only a multiple of a microsecond, at this place within the
    /// microsecond. With [`Phase::NONE`], the default, they stay as they are, and two processes with a clock of 1 ms
    /// give equal timestamps.
    ///
    /// Other timestamps show that the clock of a recorder is not coarse. They stay as they are, and so do all later
    /// ones of this recorder until the end of the drain. For a clock that is coarser than 1 ms, the place is within a
    /// millisecond.
    pub const fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// Takes out the events that are in the rings now and hands each to `deliver`. Returns how many there were.
    ///
    /// It takes at most as many as fit into all rings, however fast the recorders are.
    pub fn drain(&mut self, mut deliver: impl FnMut(Event)) -> u64 {
        self.drain_slices(|events| events.iter().copied().for_each(&mut deliver))
    }

    /// The same, but hands the events over in slices of a few dozen, which a [`Sink`](crate::Sink) takes at once.
    pub fn drain_slices(&mut self, deliver: impl FnMut(&[Event])) -> u64 {
        self.note_gap();
        let parts = self.registry.parts;
        self.drain_rings(AccountKind::Requests, (parts.rings, parts.spill_ring), deliver)
    }

    /// The same for observations, each of which gets the current time. Returns how many there were: none where the storage has
    /// no rings for them.
    pub fn drain_observations(&mut self, deliver: impl FnMut(&[Observation])) -> u64 {
        let rings = self.registry.parts.seldom.observation_rings();
        self.drain_rings(AccountKind::Observations, (rings.own, rings.spill), deliver)
    }

    #[inline]
    fn drain_rings<T: Drained<WORDS>, const WORDS: usize, const SLOT: usize>(
        &self,
        kind: AccountKind,
        (rings, spill_ring): (&[[AtomicU64; WORDS]], &[[AtomicU64; SLOT]]),
        deliver: impl FnMut(&[T]),
    ) -> u64 {
        let (parts, ring_size) = (self.registry.parts, spill_ring.len());
        if ring_size == 0 {
            return 0;
        }
        let clock = Clock::new(parts.shards.len() as u64 + 1, (self.now, self.latest), self.phase);
        let mut slice = Slice { events: [T::from_words([0; WORDS]); SLICE_EVENTS], length: 0, deliver };
        let mut taken = 0;
        for (number, shard) in parts.shards.iter().enumerate() {
            let ring = &rings[number * ring_size..][..ring_size];
            let header = RingHeader::of(kind, shard);
            let mut stamps = clock.of(number as u64, header.last_timestamp.load(Ordering::Relaxed));
            let stamp = |words| slice.add(T::from_words(words).stamped(&mut stamps));
            let came = ring::drain(ring, header.head, header.tail, stamp);
            note_visit(header, stamps.last, came, ring_size);
            taken += came;
        }
        let (number, header) = (parts.shards.len() as u64, RingHeader::of(kind, parts.spill));
        let mut stamps = clock.of(number, header.last_timestamp.load(Ordering::Relaxed));
        let stamp = |words| slice.add(T::from_words(words).stamped(&mut stamps));
        let came = ring::drain_shared(spill_ring, header.tail, stamp);
        note_visit(header, stamps.last, came, ring_size);
        slice.flush();
        taken + came
    }

    /// Stores the time since the last drain if none was longer. While no recorder writes events, no gap counts.
    fn note_gap(&mut self) {
        let visited = core::mem::replace(&mut self.visited, self.now);
        let control = &self.registry.parts.control;
        // Relaxed: only the pump writes either word.
        if visited == Timestamp::default() || control.events.0.load(Ordering::Relaxed) == 0 {
            return;
        }
        let gap = self.now.as_unix_nanos().saturating_sub(visited.as_unix_nanos());
        if gap > control.longest_gap.load(Ordering::Relaxed) {
            control.longest_gap.store(gap, Ordering::Relaxed);
        }
    }

    /// Opens the account of `exporter`, which sends per request. From then on recorders write events. Drain before this
    /// call: the events that are in the rings already belong to other exporters.
    pub fn attach(&mut self, exporter: Exporter) -> &'a Ledger {
        self.open(AccountKind::Requests, exporter)
    }

    /// Closes the account of `exporter`, which sends per request. Everything that was drained before must have been
    /// handed to it. After the last such exporter is detached, recorders stop writing events.
    pub fn detach(&mut self, exporter: Exporter) -> Account {
        self.close(AccountKind::Requests, exporter)
    }

    /// Opens the account of observations of `exporter`, which sends each by itself, as [`attach`](Self::attach) does that of
    /// requests. Storage without [rings of observations](Registry::ring_events) has none to send.
    pub fn attach_observations(&mut self, exporter: Exporter) -> &'a Ledger {
        self.open(AccountKind::Observations, exporter)
    }

    /// Closes the account of observations of `exporter`, which sends each by itself, as [`detach`](Self::detach) does that of
    /// requests.
    pub fn detach_observations(&mut self, exporter: Exporter) -> Account {
        self.close(AccountKind::Observations, exporter)
    }

    fn open(&self, kind: AccountKind, exporter: Exporter) -> &'a Ledger {
        let rings = self.registry.rings(kind);
        let ledger = self.registry.ledger_of(kind, exporter);
        ledger.open(ledger::PER_EVENT, rings.taken.wrapping_add(rings.refused), rings.refused);
        self.wanted(kind).fetch_or(bit(exporter), Ordering::SeqCst);
        ledger
    }

    fn close(&self, kind: AccountKind, exporter: Exporter) -> Account {
        self.wanted(kind).fetch_and(!bit(exporter), Ordering::SeqCst);
        let rings = self.registry.rings(kind);
        let ledger = self.registry.ledger_of(kind, exporter);
        ledger.close(rings.taken.wrapping_add(rings.refused), rings.refused);
        self.registry.account_of(kind, exporter)
    }

    /// Where recorders see whether somebody wants events.
    const fn wanted(&self, kind: AccountKind) -> &'a AtomicU64 {
        match kind {
            AccountKind::Requests => &self.registry.parts.control.events.0,
            AccountKind::Observations => &self.registry.parts.control.observation_events,
        }
    }

    /// What exporters open, write and close the registry's accounts with.
    #[must_use]
    pub const fn accounts(&self) -> Accounts<'a> {
        Accounts::new(self.registry)
    }

    /// The registry whose rings this pump reads.
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

/// Stores the shard's last timestamp and, if never so many events came between two visits, how many did: those that the
/// ring held, or a full ring and those that it refused.
fn note_visit(header: RingHeader<'_>, last: u64, came: u64, ring_size: usize) {
    // Relaxed, here and below: only the pump writes these words but for the count of refused events, a figure that is
    // read whole.
    header.last_timestamp.store(last, Ordering::Relaxed);
    let refused = header.refused.load(Ordering::Relaxed);
    let news = refused.wrapping_sub(header.refused_seen.load(Ordering::Relaxed));
    let needed = if news == 0 { came } else { ring_size as u64 + news };
    header.refused_seen.store(refused, Ordering::Relaxed);
    if needed > header.needed.load(Ordering::Relaxed) {
        header.needed.store(needed, Ordering::Relaxed);
    }
}

/// What is in rings, made of words.
trait Drained<const WORDS: usize>: Copy {
    fn from_words(words: [u64; WORDS]) -> Self;

    /// The same with the next timestamp.
    fn stamped(self, stamps: &mut Stamps<'_>) -> Self;
}

impl Drained<EVENT_WORDS> for Event {
    #[inline(always)]
    fn from_words(words: [u64; EVENT_WORDS]) -> Self {
        Self::from_words(words)
    }

    #[inline(always)]
    fn stamped(self, stamps: &mut Stamps<'_>) -> Self {
        stamps.stamp(self)
    }
}

impl Drained<OBSERVATION_WORDS> for Observation {
    fn from_words(words: [u64; OBSERVATION_WORDS]) -> Self {
        Self::from_words(words)
    }

    fn stamped(self, stamps: &mut Stamps<'_>) -> Self {
        Self { observed_at: Timestamp::from_unix_nanos(stamps.next(self.observed_at.as_unix_nanos())), ..self }
    }
}

/// Events in a slice: two kilobytes.
const SLICE_EVENTS: usize = 64;

/// Events on their way out of the rings. Their slots in the rings are free already.
struct Slice<T, F> {
    events: [T; SLICE_EVENTS],
    length: usize,
    deliver: F,
}

impl<T: Copy, F: FnMut(&[T])> Slice<T, F> {
    fn add(&mut self, event: T) {
        if self.length >= SLICE_EVENTS {
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
    /// The least distance between two timestamps of a recorder: a power of two that is greater than every recorder's
    /// number.
    step: u64,
    /// The time of events that have none of their own.
    now: u64,
    latest: u64,
    /// What is added to a time that is a multiple of a millisecond. It is a multiple of `step`.
    in_milli: u64,
    /// What is added to a time that is only a multiple of a microsecond. It is a multiple of `step`.
    in_micro: u64,
}

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000_000;

impl Clock {
    const fn new(recorders: u64, (now, latest): (Timestamp, Timestamp), phase: Phase) -> Self {
        let step = recorders.next_power_of_two();
        Self {
            step,
            now: now.as_unix_nanos(),
            latest: latest.as_unix_nanos(),
            in_milli: phase.below(MILLI / step) * step,
            in_micro: phase.below(MICRO / step) * step,
        }
    }

    /// The time with the place added, if the time is one of a coarse clock.
    #[inline(always)]
    fn placed(&self, nanos: u64) -> u64 {
        let place = match nanos {
            nanos if nanos.is_multiple_of(MILLI) => self.in_milli,
            nanos if nanos.is_multiple_of(MICRO) => self.in_micro,
            _ => 0,
        };
        nanos + place
    }

    /// The timestamps of one recorder. The first one is after `last`.
    const fn of(&self, recorder: u64, last: u64) -> Stamps<'_> {
        Stamps { clock: self, recorder, last: if last > recorder { last } else { recorder }, looked_at: COARSE }
    }
}

/// These bits are zero in every multiple of a microsecond.
const COARSE: u64 = 7;
/// All bits. They are all zero only if there is no time.
const NO_TIME: u64 = u64::MAX;

/// The timestamps of one recorder in one drain.
struct Stamps<'c> {
    clock: &'c Clock,
    recorder: u64,
    last: u64,
    /// A time in which all of these bits are zero is looked at more closely. At first they are [`COARSE`]; once a time
    /// has shown that the recorder's clock is not coarse, they are [`NO_TIME`]. So other events cost only one
    /// comparison.
    looked_at: u64,
}

impl Stamps<'_> {
    #[inline(always)]
    fn stamp(&mut self, mut event: Event) -> Event {
        event.completed_at = Timestamp::from_unix_nanos(self.next(event.completed_at.as_unix_nanos()));
        event
    }

    /// The timestamp of an event of this time, or of none.
    #[inline(always)]
    fn next(&mut self, mut nanos: u64) -> u64 {
        let Clock { step, latest, .. } = *self.clock;
        if nanos > latest {
            cold_path();
            nanos = latest;
        }
        if nanos & self.looked_at == 0 {
            cold_path();
            if nanos == 0 {
                nanos = self.clock.now;
            } else if !nanos.is_multiple_of(MICRO) {
                self.looked_at = NO_TIME;
            }
            nanos = self.clock.placed(nanos);
        }
        self.last = (nanos & !(step - 1) | self.recorder).max(self.last + step);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Timestamp = Timestamp::from_unix_nanos(0);

    fn stamps<const N: usize>(clock: &Clock, recorder: u64, nanos: [u64; N]) -> [u64; N] {
        let mut stamps = clock.of(recorder, 0);
        nanos.map(|nanos| {
            let event = Event { completed_at: Timestamp::from_unix_nanos(nanos), ..Event::default() };
            stamps.stamp(event).completed_at.as_unix_nanos()
        })
    }

    #[cfg(not(loom))]
    #[test]
    fn events_are_handed_over_in_slices_and_not_one_by_one() {
        use crate::registry::storage::Storage;
        use crate::request::sample::Sample;
        static STORAGE: Storage<4, 1, 256> = Storage::new();
        let registry = STORAGE.registry();
        let mut pump = registry.pump().expect("the only one");
        // Of two exporters one goes.
        for exporter in [Exporter::Statsd, Exporter::Influxdb] {
            pump.attach(exporter);
        }
        pump.detach(Exporter::Influxdb);
        pump.set_phase(Phase::drawn(1 << 63));
        let sample = Sample::ok(core::time::Duration::ZERO).completed_at(Timestamp::from_unix_nanos(7 * MILLI));
        let (mut recorder, series) = (registry.recorder(), registry.series("GET", "/"));
        (0..150).for_each(|_| recorder.record(series, sample));
        let (mut lengths, mut slices, mut first) = ([0; 4], 0, None);
        pump.drain_slices(|events| {
            first.get_or_insert(events[0].completed_at.as_unix_nanos());
            (lengths[slices], slices) = (events.len(), slices + 1);
        });
        assert_eq!(first, Some(7 * MILLI + MILLI / 2));
        assert_eq!((lengths, slices), ([SLICE_EVENTS, SLICE_EVENTS, 150 - 2 * SLICE_EVENTS, 0], 3));
    }

    #[test]
    fn timestamps_carry_the_recorder_and_strictly_increase() {
        let clock = Clock::new(17, (NEVER, LATEST), Phase::NONE);
        assert_eq!(clock.step, 32);
        assert_eq!(stamps(&clock, 3, [1_000_000; 4]), [1_000_003, 1_000_035, 1_000_067, 1_000_099]);
        assert_eq!(stamps(&clock, 16, [2_000, 1_000]), [2_000, 2_032]);
    }

    #[test]
    fn timestamps_stay_unique_when_the_clock_is_set_back_and_forth() {
        let clock = Clock::new(2, (NEVER, LATEST), Phase::NONE);
        let (late, early) = (5_000_000_000_000, 3_000_000_000_000);
        assert_eq!(stamps(&clock, 1, [late, early, late, early]), [1, 3, 5, 7].map(|step| late + step));
    }

    #[test]
    fn a_timestamp_from_the_future_is_cut_to_the_latest_accepted_one() {
        let clock = Clock::new(2, (NEVER, Timestamp::from_unix_nanos(1_000)), Phase::NONE);
        assert_eq!(stamps(&clock, 0, [u64::MAX, 900, 900]), [1_000, 1_002, 1_004]);
    }

    #[test]
    fn an_event_without_a_time_gets_the_current_time() {
        let clock = Clock::new(2, (Timestamp::from_unix_nanos(5_000), LATEST), Phase::NONE);
        assert_eq!(stamps(&clock, 1, [0, 4_000, 6_000]), [5_001, 5_003, 6_001]);
    }

    #[test]
    fn timestamps_of_a_coarse_clock_are_put_at_a_place_within_its_step() {
        // The last place of each step, and the place in the middle.
        let last = Clock::new(13, (NEVER, LATEST), Phase::drawn(u64::MAX));
        assert_eq!((last.step, last.in_milli, last.in_micro), (16, 999_984, 976));
        let middle = Clock::new(13, (NEVER, LATEST), Phase::drawn(1 << 63));
        for (clock, nanos, placed) in [
            // Clocks of seconds and milliseconds, of microseconds, and of nanoseconds, whose times stay.
            (&last, 7_000_000_000, 7_000_999_984 | 3),
            (&last, 7_000_001_000, (7_000_001_976 & !15) | 3),
            (&last, 7_000_001_008, 7_000_001_008 & !15 | 3),
            (&middle, 7_001_000_000, 7_001_500_000 & !15 | 3),
            (&middle, 7_001_500_000, 7_001_500_496 & !15 | 3),
            (&middle, 7_001_500_001, 7_001_500_001 & !15 | 3),
        ] {
            assert_eq!(stamps(clock, 3, [nanos]), [placed], "{nanos}");
        }
    }

    #[test]
    fn a_place_is_never_in_the_next_step_however_many_recorders_there_are() {
        for recorders in [1, 2, 13, 64, 1_000, 1_024, 100_000] {
            let clock = Clock::new(recorders, (NEVER, LATEST), Phase::drawn(u64::MAX));
            for (tick, unit) in [(8_000_000_000, MILLI), (8_000_003_000, MICRO)] {
                let [placed] = stamps(&clock, recorders - 1, [tick]);
                // If there are more recorders than nanoseconds in the clock's step, there is no room for a place.
                assert!(placed < tick + unit.max(clock.step), "{recorders} {unit}: {placed}");
            }
        }
    }

    #[test]
    fn a_recorder_whose_clock_shows_nanoseconds_keeps_them() {
        // The times before the first one with nanoseconds cannot be told from those of a coarse clock.
        let clock = Clock::new(1, (NEVER, LATEST), Phase::drawn(u64::MAX));
        assert_eq!(stamps(&clock, 0, [7_000_000, 8_000_000]), [7_999_999, 8_999_999]);
        let given = [9_000_000, 11_000_008, 12_000_000, 13_000_000];
        assert_eq!(stamps(&clock, 0, given), [9_999_999, 11_000_008, 12_000_000, 13_000_000]);
        // A time that is too late, or none, does not show whether the clock is coarse.
        let clock = Clock::new(
            1,
            (Timestamp::from_unix_nanos(9_000_008), Timestamp::from_unix_nanos(99_000_016)),
            Phase::drawn(u64::MAX),
        );
        assert_eq!(
            stamps(&clock, 0, [0, 10_000_000, u64::MAX, 10_000_000]),
            [9_000_008, 10_999_999, 99_000_016, 99_000_017]
        );
    }

    #[test]
    fn no_timestamp_is_beyond_what_influxdb_takes() {
        let clock = Clock::new(1_024, (NEVER, LATEST), Phase::NONE);
        for nanos in stamps(&clock, 1_023, [u64::MAX; 6]) {
            assert!(nanos < i64::MAX as u64 - 1);
        }
    }
}
