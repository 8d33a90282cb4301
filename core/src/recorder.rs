//! The recorder: what an engine's thread calls once per completed request.

use crate::cell::{self, CellWords};
use crate::event::Event;
use crate::parts::{ShardWords, shard_word};
use crate::registry::Registry;
use crate::ring::{self, Slot};
use crate::sample::{Request, Sample};
use crate::series::{Label, LabelError, Series};
use crate::sync::Ordering;
use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;

/// Records requests for one thread: `Send`, not `Sync`. Dropping it gives its shard back, totals kept.
///
/// A call of [`record`](Self::record) takes no lock, allocates nothing, makes no system call, reads no clock, wakes
/// nobody and does no atomic read-modify-write; only a recorder that shares the spill shard does the last.
///
/// ```
/// use core::time::Duration;
/// use loaddensity_metrics_core::{Outcome, Sample, Storage, Timestamp};
///
/// static STORAGE: Storage<100, 4, 1024> = Storage::new();
/// let mut recorder = STORAGE.registry().recorder();
/// let get_items = recorder.series("GET", "/items");
/// recorder.record(
///     get_items,
///     Sample {
///         latency: Duration::from_millis(42),
///         response_bytes: 1024,
///         status: 200,
///         outcome: Outcome::Success,
///         completed_at: Timestamp::from_unix_nanos(1_700_000_000_000_000_000),
///     },
/// );
/// assert_eq!(STORAGE.registry().totals().requests(), 1);
/// ```
pub struct Recorder<'a> {
    registry: Registry<'a>,
    /// A cell for each series that was interned when this was last looked at.
    cells: &'a [CellWords],
    shard: &'a ShardWords,
    /// Empty on the spill shard.
    ring: &'a [Slot],
    number: usize,
    head: u64,
    tail: u64,
    /// Two threads on one shard would lose counts.
    not_sync: PhantomData<Cell<()>>,
}

impl<'a> Registry<'a> {
    /// A recorder with a shard of its own or, while all shards are taken, one of those that share the spill shard:
    /// slower, and nothing is lost. Never fails.
    #[must_use]
    pub fn recorder(self) -> Recorder<'a> {
        Recorder::claim(self)
    }
}

impl<'a> Recorder<'a> {
    fn claim(registry: Registry<'a>) -> Self {
        let parts = registry.parts;
        // Acquire pairs with the release in `drop`: the former owner's stores come before ours.
        let free = |shard: &ShardWords| {
            shard[shard_word::OWNED].compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok()
        };
        let Some(number) = parts.shards.iter().position(free) else {
            return Self::share(registry);
        };
        // Release: whoever reads the shard's cells because of this sees it whole.
        parts.control.shards_used.fetch_max(number as u64 + 1, Ordering::Release);
        let ring = parts.spill_ring.len();
        let shard = &parts.shards[number];
        Self {
            registry,
            cells: &[],
            shard,
            ring: &parts.rings[number * ring..][..ring],
            number,
            head: shard[shard_word::HEAD].load(Ordering::Relaxed),
            // Acquire pairs with the pump's release: the slots before this tail have been read.
            tail: shard[shard_word::TAIL].load(Ordering::Acquire),
            not_sync: PhantomData,
        }
    }

    fn share(registry: Registry<'a>) -> Self {
        let parts = registry.parts;
        parts.control.spill_recorders.fetch_add(1, Ordering::Relaxed);
        parts.control.spill_used.store(1, Ordering::Release);
        Self {
            registry,
            cells: &[],
            shard: parts.spill,
            ring: &[],
            number: parts.shards.len(),
            head: 0,
            tail: 0,
            not_sync: PhantomData,
        }
    }

    /// The series of `method` and `name`, interned now if it is new: at best once, before the load begins. The handle
    /// is valid on every recorder of this registry.
    ///
    /// Where the registry is full it is [`Series::OVERFLOW`], and the registry counts that.
    pub fn series(&mut self, method: &str, name: &str) -> Series {
        self.registry.series(method, name)
    }

    /// The series of `method`, `name` and further labels.
    ///
    /// # Errors
    /// Labels that not every format could show; see [`LabelError`].
    pub fn series_with_labels(&mut self, method: &str, name: &str, labels: &[Label<'_>]) -> Result<Series, LabelError> {
        self.registry.series_with_labels(method, name, labels)
    }

    /// Records one completed request.
    #[inline]
    pub fn record(&mut self, series: Series, sample: Sample) {
        let (latency_ns, response_bytes) = (sample.latency_ns(), sample.size());
        let cell = match self.cells.get(series.index()) {
            Some(cell) => cell,
            None => self.cell_of_a_new_series(series),
        };
        if self.is_sharing() {
            cell::add_shared(cell, sample.outcome, latency_ns, response_bytes);
        } else {
            cell::add(cell, sample.outcome, latency_ns, response_bytes);
        }
        // Relaxed: a sink that starts sees the requests that come after its start has been seen here.
        if self.registry.parts.control.events.0.load(Ordering::Relaxed) != 0 {
            self.offer(Event {
                series,
                status: sample.status,
                outcome: sample.outcome,
                latency_ns,
                response_bytes,
                completed_at: sample.completed_at,
            });
        }
    }

    /// Records one completed request of a series that is spelled out; interns the series if it is new.
    pub fn record_request(&mut self, request: &Request<'_>) {
        let series = self.series(request.method, request.name);
        self.record(series, request.sample());
    }

    /// Whether all shards were taken and this recorder shares the spill shard: it does atomic read-modify-writes.
    #[must_use]
    pub const fn is_sharing(&self) -> bool {
        self.ring.is_empty()
    }

    /// The registry that this recorder records into.
    #[must_use]
    pub const fn registry(&self) -> Registry<'a> {
        self.registry
    }

    /// The cell of a series that was interned since the last look. The handle of another registry, for which there is
    /// no series here, counts as the overflow series.
    #[cold]
    fn cell_of_a_new_series(&mut self, series: Series) -> &'a CellWords {
        let parts = self.registry.parts;
        let per_shard = parts.entries.len();
        let all = parts.cells.get(self.number * per_shard..).filter(|all| !all.is_empty());
        self.cells = &all.unwrap_or(parts.spill_cells)[..self.registry.series_end() as usize];
        self.cells.get(series.index()).unwrap_or(&self.cells[0])
    }

    #[inline]
    fn offer(&mut self, event: Event) {
        if self.is_sharing() {
            return self.offer_shared(event);
        }
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
            self.shard[shard_word::REFUSED].fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Recorder<'_> {
    fn drop(&mut self) {
        if self.is_sharing() {
            self.registry.parts.control.spill_recorders.fetch_sub(1, Ordering::Relaxed);
        } else {
            // Release: the next owner's acquire claim sees all that was counted here.
            self.shard[shard_word::OWNED].store(0, Ordering::Release);
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
