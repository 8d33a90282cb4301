//! The registry: the one thing that recorders, pump and encoders share, as a handle of a few borrowed slices.

use core::fmt;

use heapless::String;

use crate::cell::{self, CellWords, Latencies, Sizes};
use crate::entry::Entry;
use crate::facts::{Facts, FullRing};
use crate::hash;
use crate::intern::{self, Entries, FreeEntries};
use crate::ledger::{Account, Cause, Exporter, Ledger};
use crate::parts::{Parts, ShardWords, shard_word};
use crate::sample::Outcome;
use crate::series::{Key, Label, LabelError, METHOD_BYTES, NAME_BYTES, Series, canonical_labels};
use crate::sync::{AtomicU64, Ordering};
use crate::words;

/// A handle of a registry: `Copy`, a few slices of its storage.
#[derive(Clone, Copy)]
pub struct Registry<'a> {
    pub(crate) parts: Parts<'a>,
}

impl<'a> Registry<'a> {
    pub(crate) fn over(parts: Parts<'a>) -> Self {
        let registry = Self { parts };
        let ready = &parts.control.ready;
        // Acquire pairs with the release below: whoever skips the writing sees what was written. Threads that come at
        // the same time write the same words, and one of them enters the key in the index.
        if ready.load(Ordering::Acquire) == 0 {
            let key = Key::OVERFLOW;
            let hash = hash::of_key(key.method, key.name, key.labels);
            registry.entry(Series::OVERFLOW).write(&key);
            intern::enter(parts.index, hash, Series::OVERFLOW.number());
            registry.entry(Series::OVERFLOW).publish();
            ready.store(1, Ordering::Release);
        }
        registry
    }

    /// The series of `method` and `name`, interned now if it is new.
    pub fn series(self, method: &str, name: &str) -> Series {
        Key::with(method, name, &[], |key| self.intern(key))
    }

    /// The series of `method`, `name` and further labels, interned now if it is new.
    ///
    /// # Errors
    /// Labels that not every format could show; see [`LabelError`].
    pub fn series_with_labels(self, method: &str, name: &str, labels: &[Label<'_>]) -> Result<Series, LabelError> {
        let labels = canonical_labels(labels)?;
        Ok(Key::with(method, name, &labels, |key| self.intern(key)))
    }

    /// Requests recorded since the storage's birth.
    #[must_use]
    pub fn requests(self) -> u64 {
        let both = |cell: &CellWords| Outcome::ALL.into_iter().map(|outcome| cell::count(cell, outcome)).sum::<u64>();
        let one = |number| self.cells(Series::from_number(number)).map(both).sum::<u64>();
        (0..self.series_end()).map(one).sum()
    }

    /// How full the registry is.
    #[must_use]
    pub fn facts(self) -> Facts {
        let control = self.parts.control;
        let owned = |shard: &&ShardWords| shard[shard_word::OWNED].load(Ordering::Relaxed) != 0;
        let published = |number: &u32| self.entry(Series::from_number(*number)).is_published();
        Facts {
            // Without the overflow series, which is always there.
            series: (1..self.series_end()).filter(published).count(),
            series_capacity: self.parts.entries.len(),
            folded: control.folded.load(Ordering::Relaxed),
            names_cut: control.cut.load(Ordering::Relaxed),
            recorders: self.parts.shards.iter().filter(owned).count(),
            recorders_capacity: self.parts.shards.len(),
            spill_recorders: control.spill_recorders.load(Ordering::Relaxed) as usize,
            ring_capacity: self.parts.spill_ring.len(),
        }
    }

    /// Method and name of the first series that was folded into the overflow series.
    #[must_use]
    pub fn first_folded(self) -> Option<(String<METHOD_BYTES>, String<NAME_BYTES>)> {
        let first = &self.parts.control.first_folded;
        // Acquire pairs with the release in `note_folded`.
        let state = first.state.load(Ordering::Acquire);
        if state < 2 {
            return None;
        }
        let (method, name) = ((state >> 8) as u8, (state >> 16) as u8);
        Some((text(&first.method, method.into())?, text(&first.name, name.into())?))
    }

    /// The rings that have refused events, and what size would have held them.
    pub fn full_rings(self) -> impl Iterator<Item = FullRing> {
        let ring = self.parts.spill_ring.len() as u64;
        self.shards().enumerate().filter_map(move |(recorder, shard)| {
            let dropped = shard[shard_word::REFUSED].load(Ordering::Relaxed);
            let needed = shard[shard_word::NEEDED].load(Ordering::Relaxed).max(ring + 1);
            (dropped != 0).then(|| FullRing { recorder, dropped, ring, would_have_held: needed.next_power_of_two() })
        })
    }

    /// The ledger of `exporter`: what its sink writes to.
    #[must_use]
    pub fn ledger(self, exporter: Exporter) -> &'a Ledger {
        &self.parts.control.ledgers[exporter as usize]
    }

    /// The account of `exporter` now, or as it was at its stop; all zero if it was never started.
    ///
    /// While requests are recorded or sent, what is in between may be missing: sent + dropped + held never exceed
    /// recorded. It is exact when both pause.
    #[must_use]
    pub fn account(self, exporter: Exporter) -> Account {
        let ledger = self.ledger(exporter);
        let mut generation = ledger.generation();
        let mut account = self.read_account(exporter, ledger);
        for _ in 0..ACCOUNT_READS {
            let now = ledger.generation();
            if now == generation {
                break;
            }
            generation = now;
            account = self.read_account(exporter, ledger);
        }
        account
    }

    fn read_account(self, exporter: Exporter, ledger: &Ledger) -> Account {
        // First what left, then what came in: whatever moves meanwhile, the former is not more than the latter.
        let (sent, mut dropped) = ledger.outcome();
        if !ledger.is_known() {
            return Account { exporter, recorded: 0, sent: 0, held: 0, dropped };
        }
        let in_buffer = ledger.held();
        let rings = if exporter.is_per_request() { self.rings() } else { Rings::default() };
        let all = if exporter.is_per_request() { rings.offered() } else { self.requests() };
        let (recorded, ring_full) = ledger.since_start(all, rings.refused);
        dropped.add(Cause::RingFull, ring_full.unwrap_or_default());
        let held = match (exporter.is_per_request(), ledger.is_open()) {
            (true, true) => in_buffer + rings.waiting,
            // Closed to what is recorded now, it may still be sending what came before.
            (true, false) => in_buffer,
            // An aggregate waits in the registry: it holds what the last page or export did not have.
            (false, true) => recorded.saturating_sub(sent + dropped.total()),
            (false, false) => 0,
        };
        Account { exporter, recorded, sent, held, dropped }
    }

    /// Whether `exporter` has ever been started on this registry.
    #[must_use]
    pub fn is_known(self, exporter: Exporter) -> bool {
        self.ledger(exporter).is_known()
    }

    /// Opens the account of an exporter of aggregates (Prometheus, OpenTelemetry): it starts now.
    pub fn open_account(self, exporter: Exporter) -> &'a Ledger {
        let ledger = self.ledger(exporter);
        ledger.open(self.requests(), 0);
        ledger
    }

    /// Closes the account of an exporter of aggregates: what has not been sent is dropped for `cause`.
    pub fn close_account(self, exporter: Exporter, cause: Cause) -> Account {
        let ledger = self.ledger(exporter);
        let recorded = self.requests();
        let (sent, dropped) = ledger.outcome();
        let (since_start, _) = ledger.since_start(recorded, 0);
        ledger.add_dropped(cause, since_start.saturating_sub(sent + dropped.total()));
        ledger.close(recorded, 0);
        self.account(exporter)
    }

    pub(crate) fn intern(self, key: &Key<'_>) -> Series {
        let hash = hash::of_key(key.method, key.name, key.labels);
        let seek = Seek { registry: self, key };
        if let Some(series) = self.find(hash, &seek) {
            return series;
        }
        let control = self.parts.control;
        let free = FreeEntries {
            next: &control.next_entry.0,
            returned: &control.returned_entries,
            first: 1,
            capacity: self.parts.entries.len() as u64 - 1,
        };
        let Some((number, is_new)) = intern::intern(self.parts.index, &free, hash, &seek) else {
            // The last entry may have gone to this very key, in another thread.
            return self.find(hash, &seek).unwrap_or_else(|| {
                self.note_folded(key);
                Series::OVERFLOW
            });
        };
        self.entry(Series::from_number(number)).publish();
        if is_new && key.cut {
            control.cut.fetch_add(1, Ordering::Relaxed);
        }
        Series::from_number(number)
    }

    /// The series of a key that is in the index. Whoever finds it lets readers show it, so that a thread that was held
    /// up between entering it and publishing it hides nothing.
    #[inline]
    fn find(self, hash: u64, seek: &Seek<'_, '_>) -> Option<Series> {
        let series = Series::from_number(intern::find(self.parts.index, hash, seek)?);
        self.entry(series).publish();
        Some(series)
    }

    fn note_folded(self, key: &Key<'_>) {
        self.parts.control.folded.fetch_add(1, Ordering::Relaxed);
        let first = &self.parts.control.first_folded;
        // Relaxed: it only decides who writes; the release store below publishes what was written.
        let won = first.state.compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if won {
            words::store(&first.method, key.method.as_bytes());
            words::store(&first.name, key.name.as_bytes());
            let lengths = (key.method.len() << 8 | key.name.len() << 16) as u64;
            first.state.store(2 | lengths, Ordering::Release);
        }
    }

    /// Numbers below this may be in use; which of them are, their entries say.
    pub(crate) fn series_end(self) -> u32 {
        // The counter is never above the capacity less one, which fits.
        self.parts.control.next_entry.0.load(Ordering::Acquire) as u32 + 1
    }

    pub(crate) fn entry(self, series: Series) -> Entry<'a> {
        Entry(self.parts.entries.get(series.index()).unwrap_or(&self.parts.entries[0]))
    }

    /// The entry whose labels an event of `series` shows; the overflow series' for the handle of another registry.
    pub(crate) fn shown_entry(self, series: Series) -> Entry<'a> {
        let entry = self.entry(series);
        if entry.is_published() { entry } else { self.entry(Series::OVERFLOW) }
    }

    /// The cells of one series in all shards that have ever been claimed.
    pub(crate) fn cells(self, series: Series) -> impl Iterator<Item = &'a CellWords> {
        let per_shard = self.parts.entries.len();
        let control = self.parts.control;
        let index = if series.index() < per_shard { series.index() } else { 0 };
        let used = control.shards_used.load(Ordering::Acquire) as usize;
        let spill = (control.spill_used.load(Ordering::Acquire) != 0).then(|| &self.parts.spill_cells[index]);
        (0..used).map(move |shard| &self.parts.cells[shard * per_shard + index]).chain(spill)
    }

    pub(crate) fn latencies(self, series: Series, outcome: Outcome) -> Latencies {
        let mut sums = Latencies::default();
        self.cells(series).for_each(|cell| sums.add(cell, outcome));
        sums
    }

    pub(crate) fn sizes(self, series: Series, outcome: Outcome) -> Sizes {
        let mut sums = Sizes::default();
        self.cells(series).for_each(|cell| sums.add(cell, outcome));
        sums
    }

    /// The headers of all shards, the spill shard last.
    pub(crate) fn shards(self) -> impl Iterator<Item = &'a ShardWords> {
        self.parts.shards.iter().chain([self.parts.spill])
    }

    pub(crate) fn rings(self) -> Rings {
        let mut rings = Rings::default();
        for shard in self.shards() {
            // The tail before the head, so that the difference is never negative: acquire keeps them in this order.
            let tail = shard[shard_word::TAIL].load(Ordering::Acquire);
            let head = shard[shard_word::HEAD].load(Ordering::Relaxed);
            rings.taken = rings.taken.wrapping_add(tail);
            rings.waiting += head.wrapping_sub(tail);
            rings.refused = rings.refused.wrapping_add(shard[shard_word::REFUSED].load(Ordering::Relaxed));
        }
        rings
    }
}

impl fmt::Debug for Registry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("facts", &self.facts()).finish_non_exhaustive()
    }
}

/// How often an account is read anew while exporters are started and stopped.
const ACCOUNT_READS: u32 = 100;

/// All rings together.
#[derive(Clone, Copy, Default)]
pub(crate) struct Rings {
    /// Events ever taken out.
    pub(crate) taken: u64,
    /// Events that wait.
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
}

impl Entries for Seek<'_, '_> {
    fn matches(&self, number: u32) -> bool {
        self.registry.entry(Series::from_number(number)).is(self.key)
    }

    fn write(&self, number: u32) {
        self.registry.entry(Series::from_number(number)).write(self.key);
    }

    fn free_link(&self, number: u32) -> &AtomicU64 {
        self.registry.entry(Series::from_number(number)).free_link()
    }
}

fn text<const N: usize>(words: &[AtomicU64], length: usize) -> Option<String<N>> {
    let mut bytes = heapless::Vec::new();
    bytes.resize_default(length).ok()?;
    words::load(words, &mut bytes);
    String::from_utf8(bytes).ok()
}
