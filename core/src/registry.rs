//! The registry: what recorders, the pump and the encoders share. It is a handle of a few borrowed slices.

pub(crate) mod account;
pub(crate) mod accounts;
pub(crate) mod decided_once;
pub(crate) mod drop_reason;
pub(crate) mod entry;
pub(crate) mod error_label;
pub(crate) mod exceeded;
pub(crate) mod exemplars;
pub(crate) mod exporter;
pub(crate) mod first_folded;
pub(crate) mod gauges;
pub(crate) mod instruments;
pub(crate) mod intern;
mod key_hash;
mod key_words;
pub(crate) mod ledger;
pub(crate) mod linger;
pub(crate) mod parts;
pub(crate) mod ring;
pub(crate) mod status;
pub(crate) mod storage;
pub(crate) mod usage;
mod value_names;

use core::fmt;
use core::ops::Range;
use core::time::Duration;

use heapless::String;

use self::account::{Account, AccountKind};
use self::drop_reason::DropReason;
use self::entry::Entry;
use self::exceeded::{CutNames, Exceeded, FoldedSeries, SeriesName, SpilledRecorders};
use self::exporter::Exporter;
use self::intern::{Entries, FreeEntries};
use self::key_words::KeyHead;
use self::ledger::Ledger;
use self::parts::{Parts, RingHeader, ShardWords, shard_word};
use self::usage::{FullRing, Usage};
use crate::atomics::{AtomicU64, Ordering};
use crate::counts::bounds::{Bounds, BoundsError};
use crate::counts::lane_map::LaneMap;
use crate::counts::shard_cells::ShardCells;
use crate::request::key::{Key, METHOD_BYTES, NAME_BYTES};
use crate::request::label::{Label, LabelError, canonical_labels};
use crate::request::sample::Outcome;
use crate::request::series::Series;

/// A handle to a registry. It is `Copy`: it holds a few slices of the registry's storage.
#[derive(Clone, Copy)]
pub struct Registry<'a> {
    pub(crate) parts: Parts<'a>,
}

impl<'a> Registry<'a> {
    pub(crate) fn over(parts: Parts<'a>) -> Self {
        let registry = Self { parts };
        // One of the threads that come at the same time enters the key in the index.
        parts::before_ready(&parts.control.ready, || {
            let key = Key::OVERFLOW;
            let hash = key_hash::of_key(&key, &KeyHead::of(&key));
            registry.entry(Series::OVERFLOW).write(&key);
            intern::enter(parts.index, hash, Series::OVERFLOW.number());
            registry.entry(Series::OVERFLOW).publish();
        });
        registry
    }

    /// The series of `method` and `name`, interned now if it is new.
    pub fn series(self, method: &str, name: &str) -> Series {
        self.seek(method, name)
    }

    /// The series of `method`, `name` and further labels, interned now if it is new.
    ///
    /// ```
    /// use loaddensity_metrics_core::Storage;
    ///
    /// static STORAGE: Storage<100, 4, 1024> = Storage::new();
    /// let labels = [("scenario", "checkout"), ("region", "eu-west-1")];
    /// let post_orders = STORAGE.registry().series_with_labels("POST", "/orders", labels)?;
    /// # Ok::<(), loaddensity_metrics_core::LabelError>(())
    /// ```
    ///
    /// # Errors
    /// Labels that not every format could show; see [`LabelError`].
    pub fn series_with_labels<'l, L: Into<Label<'l>>>(
        self,
        method: &str,
        name: &str,
        labels: impl IntoIterator<Item = L>,
    ) -> Result<Series, LabelError> {
        let labels = canonical_labels(labels)?;
        if self.status_label().is_some() && !status::has_room(&labels) {
            return Err(LabelError::BesideStatus);
        }
        Ok(self.intern_parts(method, name, &labels))
    }

    /// Sets the bounds of the classic buckets. Call it before anything is counted with the default bounds.
    ///
    /// # Errors
    /// [`BoundsError::InUse`] if other bounds are fixed already. The first recorder, the first exporter and the first
    /// reading of totals fix the default bounds (the contract's), even while another thread is setting others.
    pub fn set_bounds(self, bounds: &Bounds) -> Result<(), BoundsError> {
        self.parts.control.bounds.set(bounds)
    }

    /// The bounds of the classic buckets. After this call they can no longer be set.
    #[must_use]
    pub fn bounds(self) -> Bounds {
        self.parts.control.bounds.get()
    }

    /// The number of requests that were recorded since the storage was made.
    #[must_use]
    pub fn requests(self) -> u64 {
        let cells = self.shard_cells();
        let requests = |number| Outcome::ALL.map(|outcome| cells.requests(Series::from_number(number), outcome));
        (0..self.series_end()).flat_map(requests).sum()
    }

    /// Requests of one series.
    pub(crate) fn requests_of(self, series: Series) -> u64 {
        let cells = self.shard_cells();
        Outcome::ALL.into_iter().map(|outcome| cells.requests(series, outcome)).sum()
    }

    /// The series that readers may show, the overflow series first, in the order in which they were interned.
    pub fn each_series(self) -> impl Iterator<Item = Series> {
        self.series_among(0..self.series_end())
    }

    /// Those whose numbers are among these, which are below [`series_end`](Self::series_end).
    pub(crate) fn series_among(self, numbers: Range<u32>) -> impl Iterator<Item = Series> {
        numbers.map(Series::from_number).filter(move |series| self.entry(*series).is_published())
    }

    /// How full the registry is.
    #[must_use]
    pub fn usage(self) -> Usage {
        let control = self.parts.control;
        // Relaxed, here and below: these are figures for display, and each word is read whole.
        let owned = |shard: &&ShardWords| shard[shard_word::OWNED].load(Ordering::Relaxed) != 0;
        let needed = |shard: &ShardWords| shard[shard_word::NEEDED].load(Ordering::Relaxed);
        let published = |number: &u32| self.entry(Series::from_number(*number)).is_published();
        Usage {
            // From 1 on: the overflow series (0) is always there and is not counted.
            series: (1..self.series_end()).filter(published).count(),
            series_capacity: self.room(),
            folded: control.folded.load(Ordering::Relaxed),
            names_cut: control.cut.load(Ordering::Relaxed),
            recorders: self.parts.shards.iter().filter(owned).count(),
            recorders_capacity: self.parts.shards.len(),
            spill_recorders: control.spill_recorders.load(Ordering::Relaxed) as usize,
            ring_capacity: self.parts.spill_ring.len(),
            ring_high_water: self.shards().map(needed).max().unwrap_or_default(),
            longest_gap: Duration::from_nanos(control.longest_gap.load(Ordering::Relaxed)),
            unknown_observations: control.instruments.unknown.load(Ordering::Relaxed),
        }
    }

    /// Recorders whose counters a reader adds up: each shard that a recorder has had counts as one, and so does the spill
    /// shard once it has been used. What a page or an export takes grows with it.
    #[must_use]
    pub fn recorders_read(self) -> usize {
        let cells = self.shard_cells();
        cells.shards + usize::from(cells.is_spilled)
    }

    /// Method and name of the first series that was folded into the overflow series.
    #[must_use]
    pub fn first_folded(self) -> Option<(String<METHOD_BYTES>, String<NAME_BYTES>)> {
        self.parts.control.first_folded.get()
    }

    /// The limits of the storage that were exceeded since it was made. This reads a few words, however many series
    /// there are, so it may be called every second.
    #[must_use]
    pub fn exceeded(self) -> Exceeded {
        let control = self.parts.control;
        // Relaxed: these are figures for display, and each word is read whole.
        let times = control.folded.load(Ordering::Relaxed);
        let most = control.spill_most.load(Ordering::Relaxed) as usize;
        let first = self.first_folded().map(|(method, name)| SeriesName { method, name });
        Exceeded {
            folded: (times != 0).then(|| FoldedSeries { times, first, room: self.room() }),
            cut: self.cut_names(),
            spilled: (most != 0).then_some(SpilledRecorders { most, shards: self.parts.shards.len() }),
        }
    }

    /// How many series there is room for, without the overflow series.
    const fn room(self) -> usize {
        self.parts.entries.len() - 1
    }

    fn cut_names(self) -> Option<CutNames> {
        let control = self.parts.control;
        // Acquire, twice: they pair with the releases in `note_cut`.
        let series = control.cut.load(Ordering::Acquire);
        let first = Series::from_number(control.first_cut.load(Ordering::Acquire) as u32);
        (series != 0).then(|| CutNames { series, first: self.name_of(first) })
    }

    fn name_of(self, series: Series) -> SeriesName {
        // A key's parts fit by construction.
        self.entry(series).with_key(|key| SeriesName {
            method: key.method.parse().unwrap_or_default(),
            name: key.name.parse().unwrap_or_default(),
        })
    }

    /// The rings that refused events, and the size that would have held these events.
    pub fn full_rings(self) -> impl Iterator<Item = FullRing> {
        [AccountKind::Requests, AccountKind::Observations].into_iter().flat_map(move |of| self.full_rings_of(of))
    }

    fn full_rings_of(self, of: AccountKind) -> impl Iterator<Item = FullRing> {
        let ring = self.ring_events(of) as u64;
        self.shards().enumerate().filter_map(move |(recorder, shard)| {
            let header = RingHeader::of(of, shard);
            // Relaxed: these are figures for display.
            let dropped = header.refused.load(Ordering::Relaxed);
            let needed = header.needed.load(Ordering::Relaxed).max(ring + 1);
            (dropped != 0).then(|| FullRing {
                of,
                recorder,
                dropped,
                ring,
                would_have_held: needed.next_power_of_two(),
            })
        })
    }

    /// How many events a ring of requests, or of observations, holds; 0 where the storage was built without.
    #[must_use]
    pub fn ring_events(self, of: AccountKind) -> usize {
        match of {
            AccountKind::Requests => self.parts.spill_ring.len(),
            AccountKind::Observations => self.parts.seldom.observation_rings().spill.len(),
        }
    }

    /// The ledger of `exporter`, which [`Accounts`](crate::Accounts) lets exporters write to.
    #[must_use]
    pub(crate) fn ledger(self, exporter: Exporter) -> &'a Ledger {
        self.ledger_of(AccountKind::Requests, exporter)
    }

    pub(crate) fn ledger_of(self, kind: AccountKind, exporter: Exporter) -> &'a Ledger {
        let ledgers = match kind {
            AccountKind::Requests => &self.parts.control.ledgers,
            AccountKind::Observations => &self.parts.control.observation_ledgers,
        };
        &ledgers[exporter as usize]
    }

    /// What accounts of this kind count, since the storage was made.
    pub(crate) fn recorded(self, kind: AccountKind) -> u64 {
        match kind {
            AccountKind::Requests => self.requests(),
            AccountKind::Observations => self.observations(),
        }
    }

    /// The account of `exporter` now, or as it was at its stop; all zero if it was never started.
    ///
    /// While requests are recorded or sent, those on the way from one count to the next may be missing: sent + dropped
    /// + held is never more than recorded. The account is exact while recording and sending pause.
    #[must_use]
    pub fn account(self, exporter: Exporter) -> Account {
        self.account_of(AccountKind::Requests, exporter)
    }

    /// The same of observations: calls that raised a counter of the engine's own or gave a histogram a value.
    #[must_use]
    pub fn observation_account(self, exporter: Exporter) -> Account {
        self.account_of(AccountKind::Observations, exporter)
    }

    /// The account of observations, for a page that has just shown `all` of them. To read all again would take long where
    /// there are many series.
    pub(crate) fn observation_account_after(self, exporter: Exporter, all: u64) -> Account {
        let account = self.consistent_account(AccountKind::Observations, exporter, || all);
        // Another exporter may have sent since what the page shows is older than that.
        Account { recorded: account.recorded.max(account.sent + account.dropped.total()), ..account }
    }

    pub(crate) fn account_of(self, kind: AccountKind, exporter: Exporter) -> Account {
        self.consistent_account(kind, exporter, || self.recorded(kind))
    }

    /// The account; `all` reads what was recorded, where that is not counted in the rings.
    fn consistent_account(self, kind: AccountKind, exporter: Exporter, all: impl Fn() -> u64) -> Account {
        let ledger = self.ledger_of(kind, exporter);
        let mut generation = ledger.generation();
        let mut account = self.read_account(kind, exporter, &all);
        for _ in 0..ACCOUNT_READS {
            let now = ledger.generation();
            if now == generation {
                break;
            }
            generation = now;
            account = self.read_account(kind, exporter, &all);
        }
        account
    }

    fn read_account(self, kind: AccountKind, exporter: Exporter, all: impl Fn() -> u64) -> Account {
        let ledger = self.ledger_of(kind, exporter);
        // First what was sent or dropped, then what was recorded: so the former is never more than the latter, whatever
        // other threads count meanwhile.
        let (sent, mut dropped) = ledger.outcome();
        if !ledger.is_known() {
            return Account { exporter, recorded: 0, sent: 0, held: 0, dropped };
        }
        let in_buffer = ledger.held();
        let is_per_event = ledger.is_per_event();
        let rings = if is_per_event { self.rings(kind) } else { Rings::default() };
        let all = if is_per_event { rings.offered() } else { all() };
        let (recorded, ring_full) = ledger.since_start(all, rings.refused);
        dropped.add(DropReason::RingFull, ring_full.unwrap_or_default());
        let held = match (is_per_event, ledger.is_open()) {
            (true, true) => in_buffer + rings.waiting,
            // What is recorded now does not count any more, but the exporter may still send what it has in its buffer.
            (true, false) => in_buffer,
            // Aggregates wait in the registry: what the last page or export did not contain is held.
            (false, _) if ledger.is_open_or_lingers() => recorded.saturating_sub(sent + dropped.total()),
            (false, _) => 0,
        };
        Account { exporter, recorded, sent, held, dropped }
    }

    /// Whether `exporter` has ever opened an account of observations.
    pub(crate) fn accounts_observations(self, exporter: Exporter) -> bool {
        self.ledger_of(AccountKind::Observations, exporter).is_known()
    }

    /// Whether `exporter` has ever been started on this registry.
    #[must_use]
    pub fn is_known(self, exporter: Exporter) -> bool {
        self.ledger(exporter).is_known()
    }

    /// The series of `method` and `name`, interned now if it is new.
    ///
    /// For a key of usual length that lies near the place that its hash names, this works in registers, without a loop
    /// and with hardly a branch that could be mispredicted.
    #[inline(never)]
    pub(crate) fn seek(&self, method: &str, name: &str) -> Series {
        if key_words::is_long(name) {
            return self.seek_long(method, name);
        }
        let Some(head) = KeyHead::usual(method, name) else {
            return self.intern_parts(method, name, &[]);
        };
        let hash = key_hash::of_head(key_hash::NO_REST, &head);
        self.near(hash, &head).unwrap_or_else(|| self.seek_far(hash, method, name))
    }

    #[inline(never)]
    fn seek_long(&self, method: &str, name: &str) -> Series {
        let known = KeyHead::usual(method, name).and_then(|head| {
            let hash = key_hash::of_head(key_hash::of_name_rest(name), &head);
            self.near(hash, &head).filter(|series| self.entry(*series).has_name_rest(name))
        });
        known.unwrap_or_else(|| self.intern_parts(method, name, &[]))
    }

    /// The series with this head, if it lies near the place that the hash names. If found, it is published: see
    /// [`find`](Self::find).
    #[inline(always)]
    fn near(&self, hash: u64, head: &KeyHead) -> Option<Series> {
        let number = intern::near(self.parts.index, hash)?;
        let words = self.parts.heads.get(number as usize)?;
        entry::has_head(words, head).then(|| {
            entry::publish(words);
            Series::from_number(number)
        })
    }

    /// The series of a key that lies further away or is new. The arguments are the parts of the key, because a
    /// `KeyHead` would have to be put into memory before every look-up.
    #[inline(never)]
    fn seek_far(&self, hash: u64, method: &str, name: &str) -> Series {
        let known = KeyHead::usual(method, name)
            .and_then(|head| self.find_where(hash, |entry| entry::has_head(entry.head, &head)));
        known.unwrap_or_else(|| self.intern_parts(method, name, &[]))
    }

    #[inline(never)]
    fn intern_parts(&self, method: &str, name: &str, labels: &[u8]) -> Series {
        Key::with(method, name, labels, |key| self.intern(key))
    }

    pub(crate) fn intern(self, key: &Key<'_>) -> Series {
        if let Some(series) = self.find(key) {
            return series;
        }
        let seek = Seek { registry: self, key, head: KeyHead::of(key) };
        let hash = key_hash::of_key(key, &seek.head);
        let control = self.parts.control;
        let free = FreeEntries {
            next: &control.next_entry.0,
            returned: &control.returned_entries,
            first: 1,
            capacity: self.room() as u64,
        };
        let Some((number, is_new)) = intern::intern(self.parts.index, &free, hash, &seek) else {
            // Another thread may have taken the last entry for this key.
            return self.find(key).unwrap_or_else(|| {
                self.note_folded(key);
                Series::OVERFLOW
            });
        };
        self.entry(Series::from_number(number)).publish();
        if is_new && key.cut {
            self.note_cut(number);
        }
        Series::from_number(number)
    }

    /// The series of a key that is in the index. A thread that finds the series publishes it, because the thread that
    /// entered it may be held up before it publishes it.
    fn find(&self, key: &Key<'_>) -> Option<Series> {
        let head = KeyHead::of(key);
        self.find_where(key_hash::of_key(key, &head), |entry| entry.is(key, &head))
    }

    fn find_where(&self, hash: u64, is: impl Fn(Entry<'a>) -> bool) -> Option<Series> {
        let entry = |number| self.entry(Series::from_number(number));
        let number = intern::find(self.parts.index, hash, |number| is(entry(number)))?;
        entry(number).publish();
        Some(Series::from_number(number))
    }

    fn note_cut(self, number: u32) {
        let control = self.parts.control;
        // Release publishes the entry's key. If two threads come at once, it does not matter which one is the first.
        let _ = control.first_cut.compare_exchange(0, number.into(), Ordering::Release, Ordering::Relaxed);
        // Release: a thread that sees this count also sees the first series.
        control.cut.fetch_add(1, Ordering::Release);
    }

    fn note_folded(self, key: &Key<'_>) {
        // Relaxed: only the sum counts.
        self.parts.control.folded.fetch_add(1, Ordering::Relaxed);
        self.parts.control.first_folded.note(key.method, key.name);
    }

    /// Series numbers below this may be in use. Whether one is, its entry says.
    pub(crate) fn series_end(self) -> u32 {
        // The counter never exceeds the capacity less one, which fits into 32 bits. Relaxed: a thread that has a handle
        // got it after the count, and each entry publishes its own words.
        self.parts.control.next_entry.0.load(Ordering::Relaxed) as u32 + 1
    }

    #[inline]
    pub(crate) fn entry(self, series: Series) -> Entry<'a> {
        let Parts { heads, entries, overflow, .. } = self.parts;
        match (heads.get(series.index()), entries.get(series.index())) {
            (Some(head), Some(words)) => Entry { head, words },
            _ => overflow,
        }
    }

    /// The entry whose labels an event of `series` shows. For the handle of another registry it is the overflow series'
    /// entry.
    #[inline]
    pub(crate) fn shown_entry(self, series: Series) -> Entry<'a> {
        let entry = self.entry(series);
        if entry.is_published() { entry } else { self.entry(Series::OVERFLOW) }
    }

    /// The cells of all shards that have ever been claimed.
    #[inline]
    pub(crate) fn shard_cells(self) -> ShardCells<'a> {
        let Parts { control, entries, cells, seldom, .. } = self.parts;
        ShardCells {
            map: self.lane_map(),
            cells,
            kinds: self.has_error_label().then(|| seldom.kinds()),
            series: entries.len(),
            // Acquire pairs with the release when a shard is claimed: what is read of these shards is complete.
            shards: control.shards_used.load(Ordering::Acquire) as usize,
            is_spilled: control.spill_used.load(Ordering::Acquire) != 0,
        }
    }

    /// Which lane counts which values. The bounds can no longer be set after this.
    #[inline]
    pub(crate) fn lane_map(self) -> LaneMap<'a> {
        self.parts.lane_map_words().written(|| self.bounds())
    }

    /// Whether the storage keeps exponential histograms, and with them the smallest and the largest values.
    #[must_use]
    pub fn has_exponentials(self) -> bool {
        self.parts.cells.has_exponentials()
    }

    /// The headers of all shards, the spill shard last.
    pub(crate) fn shards(self) -> impl Iterator<Item = &'a ShardWords> {
        self.parts.shards.iter().chain([self.parts.spill])
    }

    pub(crate) fn rings(self, kind: AccountKind) -> Rings {
        let mut rings = Rings::default();
        for ring in self.shards().map(|shard| RingHeader::of(kind, shard)) {
            // The tail is read before the head, so that the difference is never negative. Acquire keeps this order.
            let tail = ring.tail.load(Ordering::Acquire);
            let head = ring.head.load(Ordering::Relaxed);
            rings.taken = rings.taken.wrapping_add(tail);
            rings.waiting += head.wrapping_sub(tail);
            rings.refused = rings.refused.wrapping_add(ring.refused.load(Ordering::Relaxed));
        }
        rings
    }
}

/// Two handles are equal if they belong to the same storage.
impl PartialEq for Registry<'_> {
    fn eq(&self, other: &Self) -> bool {
        core::ptr::eq(self.parts.control, other.parts.control)
    }
}

impl Eq for Registry<'_> {}

impl fmt::Debug for Registry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("usage", &self.usage()).finish_non_exhaustive()
    }
}

/// How often an account is read again at most, because exporters were started or stopped meanwhile.
const ACCOUNT_READS: u32 = 100;

/// The sums over all rings.
#[derive(Clone, Copy, Default)]
pub(crate) struct Rings {
    /// Events ever taken out.
    pub(crate) taken: u64,
    /// Events that wait in the rings.
    pub(crate) waiting: u64,
    /// Events ever refused.
    pub(crate) refused: u64,
}

impl Rings {
    /// Events that recorders ever wanted to push.
    pub(crate) const fn offered(self) -> u64 {
        self.taken.wrapping_add(self.waiting).wrapping_add(self.refused)
    }
}

/// The search for one key among a registry's entries.
struct Seek<'a, 'k> {
    registry: Registry<'a>,
    key: &'k Key<'k>,
    head: KeyHead,
}

impl Entries for Seek<'_, '_> {
    fn matches(&self, number: u32) -> bool {
        self.registry.entry(Series::from_number(number)).is(self.key, &self.head)
    }

    fn write(&self, number: u32) {
        self.registry.entry(Series::from_number(number)).write(self.key);
    }

    fn free_link(&self, number: u32) -> &AtomicU64 {
        self.registry.entry(Series::from_number(number)).free_link()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use super::*;
    use crate::registry::storage::{Classic, Storage};
    use std::collections::HashMap;
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    fn hash_of(method: &str, name: &str) -> u64 {
        let key = Key { method, name, labels: &[], cut: false };
        key_hash::of_key(&key, &KeyHead::of(&key))
    }

    /// Interns both keys, in this order, and finds both again. They must be two series.
    fn check_apart(one: (&str, &str), other: (&str, &str)) {
        let storage = Storage::<4, 1, 2, Classic>::new();
        let registry = storage.registry();
        let seek = |(method, name)| registry.series(method, name);
        let (first, second) = (seek(one), seek(other));
        assert_ne!(first, second, "{one:?} and {other:?}");
        assert_eq!((seek(one), seek(other)), (first, second));
        assert_eq!((registry.usage().series, registry.usage().folded), (2, 0));
    }

    #[test]
    fn keys_that_share_a_half_of_their_hash_are_two_series() {
        let names = |i| ("GET".into(), format!("/items/{i}"));
        let methods = |i| (format!("M{i}"), "/items".into());
        let long_names = |i| ("GET".into(), format!("/customers/{{id}}/orders/of/the/day/{i}"));
        for make in [&names as &dyn Fn(u32) -> (String, String), &methods, &long_names] {
            let keys: Vec<_> = (0..200_000).map(make).collect();
            for shift in [0, 32] {
                let mut seen = HashMap::new();
                let mut pairs = 0;
                for (method, name) in &keys {
                    if let Some(other) = seen.insert((hash_of(method, name) >> shift) as u32, (method, name)) {
                        check_apart((method, name), (other.0, other.1));
                        pairs += 1;
                    }
                }
                assert!(pairs > 0, "no two keys share the half from bit {shift}");
            }
        }
    }

    /// Two keys with the same hash: the middle of the second name makes up for the difference between the methods.
    fn same_hash(tail: &str) -> [(String, String); 2] {
        let method = |i: u32| format!("M{i:07}");
        let word = |text: &[u8]| u64::from_le_bytes(text[..8].try_into().unwrap());
        let name = |middle: u64| {
            let middle = String::from_utf8(middle.to_le_bytes().to_vec()).unwrap();
            format!("/sixteen-bytes-/{middle}/and/end{tail}")
        };
        for i in 1.. {
            let [one, other] = [method(0), method(i)];
            let mixed = key_hash::mixed_method(word(one.as_bytes())) ^ key_hash::mixed_method(word(other.as_bytes()));
            // Only ASCII, so that the changed name is still valid text.
            if mixed & 0x8080_8080_8080_8080 == 0 {
                let middle = word(b"original");
                return [(one, name(middle)), (other, name(middle ^ mixed))];
            }
        }
        unreachable!("one word in 256 will do")
    }

    #[test]
    fn keys_with_one_hash_are_two_series() {
        for tail in ["", "/and-a-rest-of-more-than-a-block-of-the-name"] {
            let [(method, name), (other_method, other_name)] = &same_hash(tail);
            assert_eq!(hash_of(method, name), hash_of(other_method, other_name));
            check_apart((method, name), (other_method, other_name));
        }
    }
}
