//! What storage is made of: the words that each shard and the registry have once, and the slices that a registry works
//! on.

use core::panic::RefUnwindSafe;

use crate::atomics::{AtomicU64, Ordering, Padded, const_unless_loom, each, fence, zeros};
use crate::counts::bounds::{BUCKETS, BoundsWords};
use crate::counts::cells::Cells;
use crate::counts::kinds::KindCells;
use crate::counts::lane_map::{LaneMapWords, Slots};
use crate::counts::observed_cells::ObservedCells;
use crate::registry::account::AccountKind;
use crate::registry::decided_once::DecidedOnce;
use crate::registry::entry::{Entry, EntryWords, HeadWords};
use crate::registry::exemplars::ExemplarWords;
use crate::registry::exporter::Exporter;
use crate::registry::first_folded::FirstFolded;
use crate::registry::gauges::{GAUGES, GaugeWords};
use crate::registry::instruments::declaration::DeclaredWords;
use crate::registry::instruments::declared::InstrumentControl;
use crate::registry::ledger::Ledger;
use crate::registry::ring::{ObservationRings, SharedSlot, Slot};

/// Most recorders with shards of their own. The number of a recorder goes into the lowest bits of a timestamp, at most
/// ten.
pub(crate) const MAX_SHARDS: usize = 1_023;

/// The header of a shard: first what its recorder writes, and two cache lines after that what the pump writes.
pub(crate) type ShardWords = [AtomicU64; 32];

/// Words of a shard's header.
pub(crate) mod shard_word {
    /// Events ever pushed. Written by the recorder.
    pub(crate) const HEAD: usize = 0;
    /// Events ever refused by the full ring. Written by the recorder.
    pub(crate) const REFUSED: usize = 1;
    /// Whether a recorder owns the shard. Written when the shard is claimed and when it is given back.
    pub(crate) const OWNED: usize = 2;
    /// Events ever taken out. Written by the pump.
    pub(crate) const TAIL: usize = 16;
    /// The last timestamp that the pump gave to an event, so that the next one is greater. Written by the pump.
    pub(crate) const LAST_TIMESTAMP: usize = 17;
    /// `REFUSED` when the pump last looked. Written by the pump.
    pub(crate) const REFUSED_SEEN: usize = 18;
    /// The most events that came between two visits of the pump, those that were refused among them: the ring has had to
    /// hold these, or would have had to. Written by the pump.
    pub(crate) const NEEDED: usize = 19;
    /// The same of observations. `OBSERVED_TAIL_SEEN` is the tail as the recorder last read it.
    pub(crate) const OBSERVED_HEAD: usize = 3;
    pub(crate) const OBSERVED_REFUSED: usize = 4;
    pub(crate) const OBSERVED_TAIL_SEEN: usize = 5;
    pub(crate) const OBSERVED_TAIL: usize = 20;
    pub(crate) const OBSERVED_LAST_TIMESTAMP: usize = 21;
    pub(crate) const OBSERVED_REFUSED_SEEN: usize = 22;
    pub(crate) const OBSERVED_NEEDED: usize = 23;
}

/// What the header of a shard has of one of its rings. `shard_word` says what the words are.
#[derive(Clone, Copy)]
pub(crate) struct RingHeader<'a> {
    pub(crate) head: &'a AtomicU64,
    pub(crate) refused: &'a AtomicU64,
    pub(crate) tail: &'a AtomicU64,
    pub(crate) last_timestamp: &'a AtomicU64,
    pub(crate) refused_seen: &'a AtomicU64,
    pub(crate) needed: &'a AtomicU64,
}

impl<'a> RingHeader<'a> {
    /// That of the ring of requests, or of observations.
    #[inline]
    pub(crate) const fn of(kind: AccountKind, shard: &'a ShardWords) -> Self {
        match kind {
            AccountKind::Requests => Self {
                head: &shard[shard_word::HEAD],
                refused: &shard[shard_word::REFUSED],
                tail: &shard[shard_word::TAIL],
                last_timestamp: &shard[shard_word::LAST_TIMESTAMP],
                refused_seen: &shard[shard_word::REFUSED_SEEN],
                needed: &shard[shard_word::NEEDED],
            },
            AccountKind::Observations => Self {
                head: &shard[shard_word::OBSERVED_HEAD],
                refused: &shard[shard_word::OBSERVED_REFUSED],
                tail: &shard[shard_word::OBSERVED_TAIL],
                last_timestamp: &shard[shard_word::OBSERVED_LAST_TIMESTAMP],
                refused_seen: &shard[shard_word::OBSERVED_REFUSED_SEEN],
                needed: &shard[shard_word::OBSERVED_NEEDED],
            },
        }
    }
}

/// The words that a registry has once.
#[derive(Debug)]
pub(crate) struct Control {
    /// One bit per exporter, set while it sends per request. Read by every `record`, written when such an exporter
    /// starts or stops.
    pub(crate) events: Padded<AtomicU64>,
    /// The same for exporters that send each observation by itself. Read where storage has rings of observations.
    pub(crate) observation_events: AtomicU64,
    /// Whether the overflow series has been written.
    pub(crate) ready: AtomicU64,
    /// How many entries have been taken, without entry 0, which is the overflow series. Those after them were never
    /// used.
    pub(crate) next_entry: Padded<AtomicU64>,
    pub(crate) returned_entries: AtomicU64,
    /// The shards with numbers below this have been claimed at least once.
    pub(crate) shards_used: AtomicU64,
    pub(crate) spill_recorders: AtomicU64,
    /// The most recorders that shared the spill shard at the same time.
    pub(crate) spill_most: AtomicU64,
    pub(crate) spill_used: AtomicU64,
    pub(crate) folded: AtomicU64,
    pub(crate) cut: AtomicU64,
    /// The first series whose method or name was cut. 0, which is the overflow series' number, means none.
    pub(crate) first_cut: AtomicU64,
    pub(crate) pump_owned: AtomicU64,
    /// The longest time between two visits of the pump, in nanoseconds. Written by the pump.
    pub(crate) longest_gap: AtomicU64,
    /// Whether there has ever been an exemplar.
    pub(crate) traced: AtomicU64,
    pub(crate) bounds: BoundsWords,
    /// Whether the lanes' map has been written; see there.
    pub(crate) lane_map: AtomicU64,
    pub(crate) classic_ends: [AtomicU64; BUCKETS],
    pub(crate) status: DecidedOnce,
    pub(crate) errors: DecidedOnce,
    pub(crate) first_folded: FirstFolded,
    pub(crate) gauges: [GaugeWords; GAUGES],
    pub(crate) instruments: InstrumentControl,
    pub(crate) ledgers: [Ledger; Exporter::ALL.len()],
    pub(crate) observation_ledgers: [Ledger; Exporter::ALL.len()],
}

impl Control {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Self {
                events: Padded(AtomicU64::new(0)),
                observation_events: AtomicU64::new(0),
                ready: AtomicU64::new(0),
                next_entry: Padded(AtomicU64::new(0)),
                returned_entries: AtomicU64::new(0),
                shards_used: AtomicU64::new(0),
                spill_recorders: AtomicU64::new(0),
                spill_most: AtomicU64::new(0),
                spill_used: AtomicU64::new(0),
                folded: AtomicU64::new(0),
                cut: AtomicU64::new(0),
                first_cut: AtomicU64::new(0),
                pump_owned: AtomicU64::new(0),
                longest_gap: AtomicU64::new(0),
                traced: AtomicU64::new(0),
                bounds: BoundsWords::new(),
                lane_map: AtomicU64::new(0),
                classic_ends: zeros(),
                status: DecidedOnce::new(),
                errors: DecidedOnce::new(),
                first_folded: FirstFolded::new(),
                gauges: each!(GaugeWords::new(); GAUGES),
                instruments: InstrumentControl::new(),
                ledgers: each!(Ledger::new(); Exporter::ALL.len()),
                observation_ledgers: each!(Ledger::new(); Exporter::ALL.len()),
            }
        }
    }
}

/// Claims a shard by its owner's mark, for a recorder that alone writes it from now on; `false` where it has an owner.
pub(crate) fn claim(owned: &AtomicU64) -> bool {
    // Relaxed: a look costs less than an exchange that fails. Acquire pairs with the release of the former owner, whose
    // stores come before ours.
    let is_mine = owned.load(Ordering::Relaxed) == 0
        && owned.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok();
    if is_mine {
        // Whoever sees a lane that the new owner stores sees the carries of the former one.
        fence(Ordering::Release);
    }
    is_mine
}

/// Gives a shard back. Release: the next owner's claim, which is an acquire, sees all that was counted before.
pub(crate) fn release(owned: &AtomicU64) {
    owned.store(0, Ordering::Release);
}

/// Makes what must be there before a registry is used, unless `ready` says that it is. Threads that come at once all make
/// it: they must write the same words.
pub(crate) fn before_ready(ready: &AtomicU64, make: impl FnOnce()) {
    // Acquire pairs with the release below: a thread that makes nothing sees what was made.
    if ready.load(Ordering::Acquire) == 0 {
        make();
        ready.store(1, Ordering::Release);
    }
}

/// What is not touched by most requests nor by most readers. Apart, and asked for by a call, because a registry's handle is
/// copied often: a handle of more than 256 bytes costs each line of a page eight instructions.
pub(crate) trait SeldomUsed: Sync + RefUnwindSafe {
    /// The exemplars, series after series.
    fn exemplars(&self) -> &[ExemplarWords];

    /// Failures by kind; none are counted unless the label `error_type` is on.
    fn kinds(&self) -> KindCells<'_>;

    /// The engine's own instruments: room for counters, and for histograms.
    fn declared(&self) -> [&[DeclaredWords]; 2];

    /// What a shard counts with them.
    fn own_observed(&self, shard: usize) -> ObservedCells<'_>;

    /// What the spill shard does.
    fn spill_observed(&self) -> ObservedCells<'_>;

    /// The rings of observations; empty where the storage was built without.
    fn observation_rings(&self) -> ObservationRings<'_>;
}

const _: () = assert!(size_of::<Parts<'_>>() <= 256 || cfg!(loom), "see above");

/// Storage without its const parameters: what a registry's handle is made of.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) control: &'a Control,
    pub(crate) index: &'a [AtomicU64],
    pub(crate) heads: &'a [HeadWords],
    pub(crate) entries: &'a [EntryWords],
    /// The first of these, so that whoever asks for one that is not there needs no second look.
    pub(crate) overflow: Entry<'a>,
    pub(crate) shards: &'a [ShardWords],
    pub(crate) cells: Cells<'a>,
    pub(crate) seldom: &'a (dyn SeldomUsed + 'a),
    /// The words of the lanes' map.
    pub(crate) slots: Slots<'a>,
    pub(crate) lane_edges: &'a [AtomicU64],
    pub(crate) lane_buckets: &'a [AtomicU64],
    /// Shard by shard.
    pub(crate) rings: &'a [Slot],
    pub(crate) spill: &'a ShardWords,
    pub(crate) spill_ring: &'a [SharedSlot],
}

impl<'a> Parts<'a> {
    pub(crate) const fn lane_map_words(&self) -> LaneMapWords<'a> {
        LaneMapWords {
            slots: self.slots,
            edges: self.lane_edges,
            buckets: self.lane_buckets,
            classic_ends: &self.control.classic_ends,
            state: &self.control.lane_map,
        }
    }
}
