//! What storage is made of: the words that shards and the registry keep once, and the slices that a registry works on.

use crate::atomics::{AtomicU64, Padded, const_unless_loom, each, zeros};
use crate::counts::bounds::BoundsWords;
use crate::counts::exponential::ExponentialWords;
use crate::counts::layout::CellWords;
use crate::registry::entry::{EntryWords, HeadWords};
use crate::registry::exemplars::ExemplarWords;
use crate::registry::exporter::Exporter;
use crate::registry::gauges::{GAUGES, GaugeWords};
use crate::registry::ledger::Ledger;
use crate::registry::ring::{SharedSlot, Slot};
use crate::registry::status::StatusWord;
use crate::request::key::{METHOD_BYTES, NAME_BYTES};

/// Most recorders with shards of their own; their number goes into the lowest ten bits of a timestamp at the most.
pub(crate) const MAX_SHARDS: usize = 1_023;

/// The header of a shard: what its recorder writes, and two cache lines further what the pump writes.
pub(crate) type ShardWords = [AtomicU64; 32];

/// Words of a shard's header.
pub(crate) mod shard_word {
    /// Events ever pushed. Written by the recorder.
    pub(crate) const HEAD: usize = 0;
    /// Events ever refused by the full ring. Written by the recorder.
    pub(crate) const REFUSED: usize = 1;
    /// Whether a recorder owns the shard. Written when claimed and given back.
    pub(crate) const OWNED: usize = 2;
    /// Events ever taken out. Written by the pump.
    pub(crate) const TAIL: usize = 16;
    /// The last timestamp given out, for uniqueness. Written by the pump.
    pub(crate) const LAST_TIMESTAMP: usize = 17;
    /// `REFUSED` when the pump last looked. Written by the pump.
    pub(crate) const REFUSED_SEEN: usize = 18;
    /// Most events that a ring would have had to hold between two visits of the pump. Written by the pump.
    pub(crate) const NEEDED: usize = 19;
}

/// What a registry has once.
#[derive(Debug)]
pub(crate) struct Control {
    /// Read by every `record`, written when a per-request sink starts or stops: a bit per exporter.
    pub(crate) events: Padded<AtomicU64>,
    /// Whether the overflow series has been written.
    pub(crate) ready: AtomicU64,
    /// Entries never used begin here, less one: entry 0 is the overflow series.
    pub(crate) next_entry: Padded<AtomicU64>,
    pub(crate) returned_entries: AtomicU64,
    /// Shards 0 to this have been claimed at least once.
    pub(crate) shards_used: AtomicU64,
    pub(crate) spill_recorders: AtomicU64,
    /// Most of them at once.
    pub(crate) spill_most: AtomicU64,
    pub(crate) spill_used: AtomicU64,
    pub(crate) folded: AtomicU64,
    pub(crate) cut: AtomicU64,
    /// The first series whose method or name was cut. 0, the overflow series' number: none.
    pub(crate) first_cut: AtomicU64,
    pub(crate) pump_owned: AtomicU64,
    /// Whether there has ever been an exemplar.
    pub(crate) traced: AtomicU64,
    pub(crate) bounds: BoundsWords,
    pub(crate) status: StatusWord,
    pub(crate) first_folded: FirstFolded,
    pub(crate) gauges: [GaugeWords; GAUGES],
    pub(crate) ledgers: [Ledger; Exporter::ALL.len()],
}

/// The key that was folded into the overflow series first.
#[derive(Debug)]
pub(crate) struct FirstFolded {
    /// 0: none; 1: being written; from 2: written, with the lengths of method and name above the low byte.
    pub(crate) state: AtomicU64,
    pub(crate) method: [AtomicU64; METHOD_BYTES.div_ceil(8)],
    pub(crate) name: [AtomicU64; NAME_BYTES.div_ceil(8)],
}

impl Control {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Self {
                events: Padded(AtomicU64::new(0)),
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
                traced: AtomicU64::new(0),
                bounds: BoundsWords::new(),
                status: StatusWord::new(),
                first_folded: FirstFolded { state: AtomicU64::new(0), method: zeros(), name: zeros() },
                gauges: each!(GaugeWords::new(); GAUGES),
                ledgers: each!(Ledger::new(); Exporter::ALL.len()),
            }
        }
    }
}

/// Storage without its const parameters: what a registry's handle is made of.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) control: &'a Control,
    pub(crate) index: &'a [AtomicU64],
    pub(crate) heads: &'a [HeadWords],
    pub(crate) entries: &'a [EntryWords],
    pub(crate) shards: &'a [ShardWords],
    pub(crate) exemplars: &'a [ExemplarWords],
    /// Shard by shard, in each a cell per series.
    pub(crate) cells: &'a [CellWords],
    /// As the cells; empty where the storage keeps none.
    pub(crate) exponentials: &'a [ExponentialWords],
    /// Shard by shard.
    pub(crate) rings: &'a [Slot],
    pub(crate) spill: &'a ShardWords,
    pub(crate) spill_cells: &'a [CellWords],
    pub(crate) spill_exponentials: &'a [ExponentialWords],
    pub(crate) spill_ring: &'a [SharedSlot],
}
