//! The recorder: what an engine's thread calls once per completed request.

use crate::atomics::Ordering;
use crate::counts::bounds::Quantity;
use crate::counts::kinds;
use crate::counts::layout::SampleNumbers;
use crate::counts::observable::Observable;
use crate::counts::observed_cells;
use crate::counts::own_cells::{self, Counting, OwnCells};
use crate::counts::own_observed::{self, ObservedValue, OwnObserved};
use crate::events::event::Event;
use crate::events::observation::Observation;
use crate::metrics::InstrumentKind;
use crate::metrics::handles::{self, Counter, Histogram};
use crate::registry::Registry;
use crate::registry::account::AccountKind;
use crate::registry::exemplars::{Exemplar, TraceContext};
use crate::registry::parts::{self, RingHeader, ShardWords, shard_word};
use crate::registry::ring::{self, ObservationSlot, Slot};
use crate::registry::status::{Children, StatusLabel};
use crate::request::label::{Label, LabelError};
use crate::request::sample::{Outcome, Sample, capped_bytes};
use crate::request::series::Series;
use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;

/// Records requests for one thread: `Send`, not `Sync`. Dropping a recorder gives its shard back; the totals stay.
///
/// A call of [`record`](Self::record) takes no lock, allocates nothing, makes no system call, reads no clock and wakes
/// no thread. It does no atomic read-modify-write either, unless the recorder shares the spill shard.
///
/// No method of a recorder panics, and neither does claiming one or dropping it, whatever it is given. A test proves it of
/// optimised builds: a program that makes these calls links with a panic handler that does not link
/// (`core/tests/no_panic.rs`).
///
/// A recorder takes at most 1,280 bytes, 768 of them for the label `status`. An engine that gives each task one moves as many.
///
/// ```
/// use core::time::Duration;
/// use loaddensity_metrics_core::{Sample, Storage, Timestamp};
///
/// static STORAGE: Storage<100, 4, 1024> = Storage::new();
/// let mut recorder = STORAGE.registry().recorder();
/// let get_items = recorder.series("GET", "/items");
/// let completed_at = Timestamp::from_unix_nanos(1_700_000_000_000_000_000);
/// let sample = Sample::http(200, Duration::from_millis(42)).response_bytes(1_024).completed_at(completed_at);
/// recorder.record(get_items, sample);
/// assert_eq!(STORAGE.registry().totals().requests(), 1);
/// ```
pub struct Recorder<'a> {
    registry: Registry<'a>,
    /// Those of the series that were interned when this was last looked at. None on the spill shard, whose cells are written
    /// otherwise, and while the label `status` is on, so that every request takes the way of a new series. While the label
    /// `error_type` is on, failures take it: none of their cells are here, and none at all where those are not apart.
    cells: OwnCells<'a>,
    /// Those of the engine's own instruments, of all series.
    observed: OwnObserved<'a>,
    /// Observations of series below this are counted there; 0 on the spill shard, and where the storage has rings of
    /// observations, so that each takes the way of [`add_ringed`](Self::add_ringed).
    observed_until: u32,
    /// There: observations of series below this are counted and put into the ring; 0 where there are no rings, or on the spill
    /// shard.
    ringed_until: u32,
    /// The ring of observations; empty where there is none, and on the spill shard.
    observation_ring: &'a [ObservationSlot],
    shard: &'a ShardWords,
    /// Empty on the spill shard.
    ring: &'a [Slot],
    number: usize,
    head: u64,
    tail: u64,
    status: Option<StatusLabel>,
    /// Whether the label `error_type` is on.
    has_kinds: bool,
    children: Children,
    /// Makes the recorder `!Sync`: two threads on one shard would lose counts.
    not_sync: PhantomData<Cell<()>>,
}

// The tables that lead to lanes are the registry's: with tables of its own a recorder had 5,520 bytes.
const _: () =
    assert!(size_of::<Recorder<'_>>() <= 1_280, "the documents say that a recorder takes at most 1,280 bytes");

impl<'a> Registry<'a> {
    /// A recorder with a shard of its own. While all shards are taken, it is one that shares the spill shard with
    /// others: it is slower, but loses nothing. This never fails.
    #[must_use]
    pub fn recorder(self) -> Recorder<'a> {
        Recorder::claim(self)
    }
}

impl<'a> Recorder<'a> {
    fn claim(registry: Registry<'a>) -> Self {
        let parts = registry.parts;
        let is_free = |(_, shard): &(usize, &ShardWords)| parts::claim(&shard[shard_word::OWNED]);
        let Some((number, shard)) = parts.shards.iter().enumerate().find(is_free) else {
            return Self::share(registry);
        };
        // Release: a thread that reads the shard's cells because of this number sees the shard as it was claimed.
        parts.control.shards_used.fetch_max(number as u64 + 1, Ordering::Release);
        let ring = parts.spill_ring.len();
        let first = number * ring;
        let (head, tail) = ring::resume(&shard[shard_word::HEAD], &shard[shard_word::TAIL]);
        Self {
            registry,
            cells: OwnCells::none(registry.lane_map().slots()),
            observed: own_observed(registry, number),
            observed_until: 0,
            ringed_until: 0,
            observation_ring: parts.seldom.observation_rings().of(number),
            shard,
            ring: parts.rings.get(first..first + ring).unwrap_or_default(),
            number,
            head,
            tail,
            status: registry.status_label(),
            has_kinds: registry.has_error_label(),
            children: Children::new(),
            not_sync: PhantomData,
        }
    }

    fn share(registry: Registry<'a>) -> Self {
        let parts = registry.parts;
        // Relaxed: these are figures for display. Release: as for `shards_used` in `claim`.
        let others = parts.control.spill_recorders.fetch_add(1, Ordering::Relaxed);
        parts.control.spill_most.fetch_max(others + 1, Ordering::Relaxed);
        parts.control.spill_used.store(1, Ordering::Release);
        Self {
            registry,
            cells: OwnCells::none(registry.lane_map().slots()),
            observed: own_observed(registry, parts.shards.len()),
            observed_until: 0,
            ringed_until: 0,
            observation_ring: &[],
            shard: parts.spill,
            ring: &[],
            number: parts.shards.len(),
            head: 0,
            tail: 0,
            status: registry.status_label(),
            has_kinds: registry.has_error_label(),
            children: Children::new(),
            not_sync: PhantomData,
        }
    }

    /// The series of `method` and `name`, interned now if it is new. It is best to call this once per series, before
    /// the load begins. The handle is valid on every recorder of this registry.
    ///
    /// If the registry is full, this returns [`Series::OVERFLOW`], and the registry counts it.
    pub fn series(&mut self, method: &str, name: &str) -> Series {
        self.registry.seek(method, name)
    }

    /// The series of `method`, `name` and further labels: `[("scenario", "checkout"), ("region", "eu-west-1")]`.
    ///
    /// # Errors
    /// Labels that not every format could show; see [`LabelError`].
    pub fn series_with_labels<'l, L: Into<Label<'l>>>(
        &mut self,
        method: &str,
        name: &str,
        labels: impl IntoIterator<Item = L>,
    ) -> Result<Series, LabelError> {
        self.registry.series_with_labels(method, name, labels)
    }

    /// Records one completed request.
    #[inline(always)]
    pub fn record(&mut self, series: Series, sample: Sample) {
        let numbers = SampleNumbers { latency_ns: sample.latency_ns(), bytes: sample.size() };
        self.count((series, sample.outcome, numbers), || Event::with_numbers(series, sample, numbers));
    }

    /// Records one completed request and, unless the trace's id is all zero, keeps it as the exemplar of its latency
    /// bucket; see [`Registry::exemplar`]. If another thread is just writing the exemplar of that bucket, it is left as
    /// it is.
    ///
    /// All recorders share the exemplars, so this costs an atomic read-modify-write. Use it for a sample of the
    /// requests.
    #[inline]
    pub fn record_traced(&mut self, series: Series, sample: Sample, trace: TraceContext) {
        self.record(series, sample);
        if trace.is_some() {
            self.keep(series, sample, trace);
        }
    }

    /// Records one completed request of the series of `method` and `name`, which is interned now if it is new; see
    /// [`series`](Self::series). An empty method is shown as `REQ`, an empty name as `unknown`.
    #[inline]
    pub fn record_request(&mut self, method: &str, name: &str, sample: Sample) {
        let series = self.registry.seek(method, name);
        self.record(series, sample);
    }

    /// Raises a counter of the engine's own for a series: by at most 2^50. A counter of the run is raised for the run,
    /// whatever the series.
    #[inline(always)]
    pub fn add(&mut self, counter: Counter, series: Series, by: u64) {
        let (counter, series, by) = (counter.bits(), series.number(), capped_bytes(by));
        let place = self.observed.instrument_of(counter, series);
        if !self.observed.add(self.room(self.observed_until), place, by) {
            self.add_ringed(counter, series, by);
        }
    }

    /// Raises a counter of the run: by at most 2^50. A counter per series is raised for the overflow series.
    #[inline]
    pub fn add_to_run(&mut self, counter: Counter, by: u64) {
        self.add(counter, Series::OVERFLOW, by);
    }

    /// Records a value in a histogram of the engine's own for a series: a time of at most a day, a number of at most 2^50. A
    /// histogram of the run has it for the run, whatever the series.
    #[inline(always)]
    pub fn observe<V: Observable>(&mut self, histogram: Histogram<V>, series: Series, value: V) {
        let (handle, series, value) = (histogram.bits(), series.number(), value.number());
        let (index, counted) = self.observed.instrument_of(handle, series);
        let seen = ObservedValue { index, series: counted, quantity: V::QUANTITY, value };
        match self.observed.observe(self.room(self.observed_until), seen) {
            Counting::Done => {}
            Counting::Unknown => self.observe_ringed::<V>(handle, series, value),
            Counting::Crowded => self.observe_elsewhere(handle, series, V::QUANTITY, value),
        }
    }

    /// Records a value in a histogram of the run. A histogram per series has it for the overflow series.
    #[inline]
    pub fn observe_in_run<V: Observable>(&mut self, histogram: Histogram<V>, value: V) {
        self.observe(histogram, Series::OVERFLOW, value);
    }

    /// Whether this recorder shares the spill shard, because all other shards were taken. It then does atomic
    /// read-modify-writes.
    #[must_use]
    pub const fn is_sharing(&self) -> bool {
        self.ring.is_empty()
    }

    /// The registry that this recorder records into.
    #[must_use]
    pub const fn registry(&self) -> Registry<'a> {
        self.registry
    }

    #[inline(never)]
    fn keep(&self, series: Series, sample: Sample, trace: TraceContext) {
        let exemplar = Exemplar { trace, latency_ns: sample.latency_ns(), at: sample.completed_at };
        let map = self.registry.lane_map();
        let bucket = map.buckets(map.lane(Quantity::Latency, exemplar.latency_ns)).classic;
        // Where its request counts.
        let series = self.registry.series_of_status(series, sample.status);
        self.registry.keep_exemplar(series, sample.outcome, bucket, exemplar);
    }

    /// The event is made where it is wanted: made before, its flags cost every request four or five instructions.
    #[inline(always)]
    fn count(&mut self, (series, outcome, numbers): (Series, Outcome, SampleNumbers), event: impl FnOnce() -> Event) {
        match self.cells.add(series.index(), outcome, numbers) {
            Counting::Done => {}
            Counting::Unknown => {
                let [head, latency, size, time] = event().to_words();
                return self.count_elsewhere(head, latency, size, time);
            }
            Counting::Crowded => {
                let [head, latency, size, time] = event().to_words();
                return self.count_compared(head, latency, size, time);
            }
        }
        if self.wants_events() {
            self.offer(event());
        }
    }

    /// Counts a request with a value that is compared with several bounds. Apart, so that others need no registers for it.
    #[cold]
    #[inline(never)]
    fn count_compared(&mut self, head: u64, latency: u64, size: u64, time: u64) {
        let event = Event::from_words([head, latency, size, time]);
        let edges = self.registry.parts.lane_edges;
        self.cells.add_compared(edges, event.series.index(), event.outcome(), event.numbers());
        if self.wants_events() {
            self.offer(event);
        }
    }

    /// Counts a request in one of four special cases: its series was interned after `cells` was taken, the recorder
    /// shares the spill shard, the label `status` is on, or the label `error_type`. A handle of another registry that names no series here
    /// counts as the overflow series.
    ///
    /// The event is passed as numbers, so that it stays in registers while this is not called.
    #[cold]
    fn count_elsewhere(&mut self, head: u64, latency: u64, size: u64, time: u64) {
        let mut event = Event::from_words([head, latency, size, time]);
        let parts = self.registry.parts;
        let end = self.registry.series_end() as usize;
        if event.series.index() >= end || !self.registry.entry(event.series).is_published() {
            event.series = Series::OVERFLOW;
        }
        if let Some(label) = self.status {
            event.series = self.children.of(self.registry, label, event.series, event.status);
        }
        if self.is_sharing() {
            return self.count_shared(event);
        }
        if self.status.is_some() || self.is_counted_by_kind(event.outcome()) {
            return self.count_apart(event);
        }
        self.cells = OwnCells::of(parts.slots, parts.cells, (self.number, parts.entries.len()), end);
        if self.has_kinds {
            self.cells = self.cells.without_failures();
        }
        // It comes here once: the series is known now.
        self.count((event.series, event.outcome(), event.numbers()), || event);
    }

    /// Whether the label `error_type` keeps requests of this outcome out of `cells`: failures, and successes where the two are
    /// not apart.
    const fn is_counted_by_kind(&self, outcome: Outcome) -> bool {
        let is_apart = matches!((self.cells, outcome), (OwnCells::Merged(_), Outcome::Success));
        self.has_kinds && !is_apart
    }

    /// Counts a request whose series is one of this registry, without the slices `cells` and `exponentials`. It repeats
    /// the body of `count`, because sharing it would add instructions to `count`.
    #[inline(never)]
    fn count_apart(&mut self, event: Event) {
        let parts = self.registry.parts;
        let (shard, series) = ((self.number, parts.entries.len()), event.series.index());
        let cells = OwnCells::of(parts.slots, parts.cells, shard, series + 1);
        cells.add_compared(parts.lane_edges, series, event.outcome(), event.numbers());
        if let Some(kind) = event.error_kind().filter(|_| self.has_kinds) {
            kinds::add_own(parts.seldom.kinds().own.get(self.number * parts.entries.len() + series), kind);
        }
        if self.wants_events() {
            self.offer(event);
        }
    }

    /// Raises a counter where the storage has rings of observations, and puts that into the ring. Not inlined, or each call of
    /// the engine's would have both ways; and not cold, for with rings it is the usual one.
    #[inline(never)]
    fn add_ringed(&mut self, counter: u32, series: u32, by: u64) {
        let (index, counted) = self.observed.instrument_of(counter, series);
        if !self.observed.add(self.room(self.ringed_until), (index, counted), by) {
            return self.add_elsewhere(counter, series, by);
        }
        self.offer_own_observation(InstrumentKind::Counter, (index, counted), by);
    }

    /// The same for a histogram.
    #[inline(never)]
    fn observe_ringed<V: Observable>(&mut self, handle: u32, series: u32, value: u64) {
        let (index, counted) = self.observed.instrument_of(handle, series);
        let seen = ObservedValue { index, series: counted, quantity: V::QUANTITY, value };
        match self.observed.observe(self.room(self.ringed_until), seen) {
            Counting::Done => self.offer_own_observation(InstrumentKind::Histogram, (index, counted), value),
            Counting::Unknown | Counting::Crowded => self.observe_elsewhere(handle, series, V::QUANTITY, value),
        }
    }

    /// Raises a counter in one of three special cases: its series was interned after the recorder last looked, the recorder
    /// shares the spill shard, or the handle is another registry's or none.
    #[cold]
    #[inline(never)]
    fn add_elsewhere(&mut self, counter: u32, series: u32, by: u64) {
        let Some(observed) = self.observed_place(counter, series, InstrumentKind::Counter) else { return };
        if self.is_sharing() {
            let cell = self.registry.parts.seldom.spill_observed().counters.get(observed.place);
            cell.into_iter().for_each(|cell| own_observed::raise_shared(cell, by));
        } else {
            self.observed.add(self.room(observed.end), (observed.index, observed.series), by);
        }
        self.offer_observation(InstrumentKind::Counter, (observed.index, observed.series), by);
    }

    /// Records a value in one of five special cases: those of [`add_elsewhere`](Self::add_elsewhere), a value that is
    /// compared with several bounds, and one whose lane must carry.
    #[cold]
    #[inline(never)]
    fn observe_elsewhere(&mut self, handle: u32, series: u32, quantity: Quantity, value: u64) {
        let Some(observed) = self.observed_place(handle, series, InstrumentKind::Histogram) else { return };
        let seen = ObservedValue { index: observed.index, series: observed.series, quantity, value };
        let map = self.registry.lane_map();
        if self.is_sharing() {
            own_observed::observe_shared(self.registry.parts.seldom.spill_observed(), map, observed.place, seen);
        } else {
            let carry = |place, lane| self.carry(place, lane);
            self.observed.observe_in(observed.place, map.lane(quantity, value), seen, carry);
        }
        self.offer_observation(InstrumentKind::Histogram, (observed.index, observed.series), value);
    }

    /// Where an observation counts; `None`, and it was counted as unknown, for the handle of another registry. From now on
    /// `observed_until` or `ringed_until` has the series.
    fn observed_place(&mut self, handle: u32, series: u32, kind: InstrumentKind) -> Option<ObservedPlace> {
        let (registry, instruments) = (self.registry, self.registry.own_instruments());
        let (index, series) = handles::place(instruments.tag(), handle, series);
        if handle == handles::NONE {
            return None;
        }
        if index as usize >= instruments.room(kind) {
            // Relaxed: this is a figure for display.
            instruments.control.unknown.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let (end, named) = (registry.series_end(), Series::from_number(series));
        let is_known = series < end && registry.entry(named).is_published();
        let series = if is_known { series } else { Series::OVERFLOW.number() };
        match (self.is_sharing(), self.observation_ring) {
            (true, _) => {}
            (false, []) => self.observed_until = end,
            (false, _) => self.ringed_until = end,
        }
        let place = observed_cells::place(registry.parts.entries.len(), (index, series))?;
        Some(ObservedPlace { index, series, place, end })
    }

    /// How many series the storage has cells for, and before which one to count.
    #[inline(always)]
    const fn room(&self, end: u32) -> (usize, u32) {
        (self.registry.parts.entries.len(), end)
    }

    /// Puts an observation of an instrument and a series into the recorder's own ring, if somebody wants it.
    #[inline(always)]
    fn offer_own_observation(&self, kind: InstrumentKind, counted: (u32, u32), value: u64) {
        if self.wants_observations() {
            self.push_observation(kind, counted, value);
        }
    }

    /// Puts an observation into a ring, if there is one and somebody wants it.
    fn offer_observation(&self, kind: InstrumentKind, counted: (u32, u32), value: u64) {
        let rings = self.registry.parts.seldom.observation_rings();
        if rings.spill.is_empty() || !self.wants_observations() {
            return;
        }
        if !self.is_sharing() {
            return self.push_observation(kind, counted, value);
        }
        let RingHeader { head, refused, .. } = RingHeader::of(AccountKind::Observations, self.shard);
        if !ring::push_shared(rings.spill, head, Observation::words(kind, counted, value)) {
            // Relaxed: only the sum of the additions matters.
            refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[inline(always)]
    fn push_observation(&self, kind: InstrumentKind, counted: (u32, u32), value: u64) {
        let RingHeader { head, tail, refused, .. } = RingHeader::of(AccountKind::Observations, self.shard);
        let tail_seen = &self.shard[shard_word::OBSERVED_TAIL_SEEN];
        let words = Observation::words(kind, counted, value);
        if !ring::push_kept(self.observation_ring, [head, tail, tail_seen], words) {
            // Relaxed load and store: this thread alone writes the count.
            refused.store(refused.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        }
    }

    #[inline(always)]
    fn wants_observations(&self) -> bool {
        // Relaxed: as in `wants_events`.
        self.registry.parts.control.observation_events.load(Ordering::Relaxed) != 0
    }

    #[cold]
    fn carry(&self, place: usize, lane: usize) {
        own_observed::carry(self.registry.parts.seldom.own_observed(self.number).histograms, place, lane);
    }

    fn count_shared(&self, event: Event) {
        let (series, cells) = (event.series.index(), self.registry.parts.cells);
        own_cells::add_shared(self.registry.lane_map(), cells, series, event.outcome(), event.numbers());
        if let Some(kind) = event.error_kind().filter(|_| self.has_kinds) {
            kinds::add_shared(self.registry.parts.seldom.kinds().spill.get(series), kind);
        }
        if self.wants_events() {
            self.offer_shared(event);
        }
    }

    #[inline]
    fn wants_events(&self) -> bool {
        // Relaxed: an exporter that starts gets the requests that are recorded after this thread has seen its start.
        self.registry.parts.control.events.0.load(Ordering::Relaxed) != 0
    }

    #[inline]
    fn offer(&mut self, event: Event) {
        let (head, tail) = (&self.shard[shard_word::HEAD], &self.shard[shard_word::TAIL]);
        if ring::push(self.ring, head, tail, (self.head, &mut self.tail), event.to_words()) {
            self.head = self.head.wrapping_add(1);
        } else {
            let refused = &self.shard[shard_word::REFUSED];
            // Relaxed load and store: this thread alone writes the count.
            refused.store(refused.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        }
    }

    fn offer_shared(&self, event: Event) {
        let head = &self.shard[shard_word::HEAD];
        if !ring::push_shared(self.registry.parts.spill_ring, head, event.to_words()) {
            // Relaxed: only the sum of the additions matters.
            self.shard[shard_word::REFUSED].fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Where an observation counts.
#[derive(Clone, Copy)]
struct ObservedPlace {
    /// The instrument's among those of its kind.
    index: u32,
    series: u32,
    /// The place of the cell among those of its kind.
    place: usize,
    /// Series below this were known when it was looked up.
    end: u32,
}

/// The cells of a shard; none on the spill shard, whose number comes after those of all shards.
fn own_observed(registry: Registry<'_>, shard: usize) -> OwnObserved<'_> {
    let cells = registry.parts.seldom.own_observed(shard);
    OwnObserved::of(cells, registry.lane_map(), registry.own_instruments().tag())
}

impl Drop for Recorder<'_> {
    fn drop(&mut self) {
        if self.is_sharing() {
            // Relaxed: this is a figure for display.
            self.registry.parts.control.spill_recorders.fetch_sub(1, Ordering::Relaxed);
        } else {
            parts::release(&self.shard[shard_word::OWNED]);
        }
    }
}

impl fmt::Debug for Recorder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("shard", &self.number)
            .field("is_sharing", &self.is_sharing())
            .finish_non_exhaustive()
    }
}
