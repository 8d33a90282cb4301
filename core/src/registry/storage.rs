//! The memory of a registry: a `static`, or on the heap.
//!
//! Everything is zero at first, so that a `static` adds nothing to the size of a binary, and pages that are never
//! touched cost no memory. Size in bytes, with `s` series (the overflow series among
//! them), `n` shards and rings of `r` events:
//! `s × (14,816 + 7,104 × n) + (n + 1) × 256 + r × (32 × n + 40)` and less than 81,000 more. Of the 7,104 bytes per series and
//! shard 4,608 stay untouched until a bucket has counted 32,768 requests. Storage that is [`Classic`] has 6,368 bytes instead
//! of 14,816, 960 instead of 7,104, and less than 23,000 more. Rings of `o` observations add `o × (16 × n + 24)`.

#[cfg(feature = "alloc")]
mod aligned;
#[cfg(feature = "alloc")]
mod heap;
#[cfg(feature = "alloc")]
mod heap_instruments;
#[cfg(feature = "alloc")]
mod size_error;

use crate::atomics::{AtomicU64, Padded, zeros};
use crate::counts::kinds::{KindCells, KindCounts};
use crate::counts::observed_cells::{CounterCell, ObservedCells};
use crate::metrics::handles::MAX_INSTRUMENTS;
use crate::registry::Registry;
use crate::registry::entry::{Entry, EntryWords, HeadWords};
use crate::registry::exemplars::ExemplarWords;
use crate::registry::instruments::declaration::DeclaredWords;
use crate::registry::parts::{Control, MAX_SHARDS, Parts, SeldomUsed, ShardWords};
use crate::registry::ring::{ObservationRings, ObservationSlot, SharedObservationSlot, SharedSlot, Slot};

/// Storage of fixed size for a `static`. `SERIES` includes the overflow series, so there is room for `SERIES` - 1 of
/// yours.
///
/// The overflow series takes what does not fit. `SHARDS` is the number of recorders with shards of their own. `RING` is
/// the number of events that a ring holds (a power of two). `H` is [`Exponential`], or [`Classic`] for storage without
/// exponential histograms. `COUNTERS` and `HISTOGRAMS` are the numbers of [instruments of the engine's
/// own](Registry::counter) that there is room for, 0 to 1,023 of each: none unless they are said. `OBSERVATIONS` is the
/// number of observations that a ring of those holds (a power of two, or 0: none unless it is said). Only exporters that
/// send each observation by itself need such rings: 16 bytes per observation and shard, and 24 for the spill shard.
///
/// A `static` is sensible up to about 64 MB. For more, or if the sizes are known only at run time, use `HeapStorage`.
///
/// ```
/// use loaddensity_metrics_core::Storage;
///
/// static STORAGE: Storage<200, 4, 1_024> = Storage::new();
/// let registry = STORAGE.registry();
/// assert_eq!(registry.usage().series_capacity, 199);
/// ```
#[cfg(not(loom))]
#[derive(Debug)]
pub struct Storage<
    const SERIES: usize,
    const SHARDS: usize,
    const RING: usize,
    H: Histograms = Exponential,
    const COUNTERS: usize = 0,
    const HISTOGRAMS: usize = 0,
    const OBSERVATIONS: usize = 0,
> {
    control: Control,
    index: [[AtomicU64; 4]; SERIES],
    heads: Padded<[HeadWords; SERIES]>,
    entries: Padded<[EntryWords; SERIES]>,
    exemplars: Padded<[ExemplarWords; SERIES]>,
    shards: Padded<[ShardWords; SHARDS]>,
    slots: Padded<H::Slots>,
    lane_edges: Padded<H::LaneWords>,
    lane_buckets: Padded<H::LaneWords>,
    cell_heads: Padded<[[H::Heads; SERIES]; SHARDS]>,
    lanes: Padded<[[H::Lanes; SERIES]; SHARDS]>,
    wides: Padded<[[H::Wides; SERIES]; SHARDS]>,
    kinds: Padded<[[KindCounts; SERIES]; SHARDS]>,
    rings: Padded<[[Slot; RING]; SHARDS]>,
    spill: Padded<ShardWords>,
    spill_cells: Padded<[H::Spill; SERIES]>,
    spill_kinds: Padded<[KindCounts; SERIES]>,
    spill_ring: Padded<[SharedSlot; RING]>,
    declared_counters: [DeclaredWords; COUNTERS],
    declared_histograms: [DeclaredWords; HISTOGRAMS],
    counters: [Padded<[[CounterCell; SERIES]; COUNTERS]>; SHARDS],
    observed_heads: [Padded<[[H::ObservedHeads; SERIES]; HISTOGRAMS]>; SHARDS],
    observed_lanes: [Padded<[[H::ObservedLanes; SERIES]; HISTOGRAMS]>; SHARDS],
    observed_wides: [Padded<[[H::ObservedWides; SERIES]; HISTOGRAMS]>; SHARDS],
    spill_counters: Padded<[[CounterCell; SERIES]; COUNTERS]>,
    spill_observed: Padded<[[H::ObservedSpill; SERIES]; HISTOGRAMS]>,
    observation_rings: Padded<[[ObservationSlot; OBSERVATIONS]; SHARDS]>,
    spill_observation_ring: Padded<[SharedObservationSlot; OBSERVATIONS]>,
}

/// Storage for those who don't care: 511 series, 12 recorders, rings of 65,536 events; 75 MiB of address space, of which
/// only what is used becomes resident.
///
/// The rings hold what a recorder records in 65 ms at 1,000,000 requests a second. A ring is used while InfluxDB or
/// DogStatsD runs, and its recorder walks it round and round: after 65,536 requests all of its 2 MiB are resident.
#[cfg(not(loom))]
pub type DefaultStorage = Storage<512, 12, 65_536>;

/// Which histograms a storage keeps: [`Exponential`] or [`Classic`].
#[cfg(not(loom))]
pub trait Histograms: kinds::Kind {}

/// Classic buckets and exponential histograms: 7,104 bytes per series and recorder, of which only what is used becomes
/// resident.
#[cfg(not(loom))]
#[derive(Clone, Copy, Debug)]
pub enum Exponential {}

/// Classic buckets alone: 960 bytes per series and recorder.
#[cfg(not(loom))]
#[derive(Clone, Copy, Debug)]
pub enum Classic {}

#[cfg(not(loom))]
impl Histograms for Exponential {}
#[cfg(not(loom))]
impl Histograms for Classic {}

#[cfg(not(loom))]
mod kinds {
    use super::{Classic, Exponential};
    use crate::atomics::owned::{OwnedU16, OwnedU32};
    use crate::atomics::{AtomicU64, zeros};
    use crate::counts::cells::{CLASSIC_LANES, Cells, ClassicCell, MERGED_LANES, MergedLanes, MergedWides, SpillCell};
    use crate::counts::lane_map::{COARSE, FINE, SlotTables, Slots};
    use crate::counts::lane_sums::QUANTITY_LANES;
    use crate::counts::layout::CellHead;
    use crate::counts::observed_cells::{HistogramCells, ObservedLanes, ObservedSpill, ObservedWides};
    use core::fmt::Debug;
    use core::panic::RefUnwindSafe;

    /// What storage is made of.
    pub trait Words: Debug + Sync + RefUnwindSafe {}
    impl<W: Debug + Sync + RefUnwindSafe> Words for W {}

    /// What a storage keeps per series and shard, and once.
    pub trait Kind {
        type Heads: Words;
        type Lanes: Words;
        type Wides: Words;
        type Spill: Words;
        type Slots: Words;
        type LaneWords: Words;
        const HEADS: Self::Heads;
        const LANES: Self::Lanes;
        const WIDES: Self::Wides;
        const SPILL: Self::Spill;
        const SLOTS: Self::Slots;
        const LANE_WORDS: Self::LaneWords;
        fn cells<'a>(
            heads: &'a [Self::Heads],
            lanes: &'a [Self::Lanes],
            wides: &'a [Self::Wides],
            spill: &'a [Self::Spill],
        ) -> Cells<'a>;
        type ObservedHeads: Words;
        type ObservedLanes: Words;
        type ObservedWides: Words;
        type ObservedSpill: Words;
        const OBSERVED_HEADS: Self::ObservedHeads;
        const OBSERVED_LANES: Self::ObservedLanes;
        const OBSERVED_WIDES: Self::ObservedWides;
        const OBSERVED_SPILL: Self::ObservedSpill;
        fn own_histograms<'a>(
            heads: &'a [Self::ObservedHeads],
            lanes: &'a [Self::ObservedLanes],
            wides: &'a [Self::ObservedWides],
        ) -> HistogramCells<'a>;
        fn spill_histograms(cells: &[Self::ObservedSpill]) -> HistogramCells<'_>;
        fn slots(slots: &Self::Slots) -> Slots<'_>;
        fn lane_words(words: &Self::LaneWords) -> &[AtomicU64];
    }

    impl Kind for Exponential {
        type Heads = [CellHead; 2];
        type Lanes = [MergedLanes; 2];
        type Wides = [MergedWides; 2];
        type Spill = [SpillCell; 2];
        type Slots = SlotTables<FINE>;
        type LaneWords = [AtomicU64; MERGED_LANES];
        const HEADS: [CellHead; 2] = [const { zeros() }; 2];
        const LANES: [MergedLanes; 2] = [const { [const { OwnedU16::new(0) }; MERGED_LANES] }; 2];
        const WIDES: [MergedWides; 2] = [const { [const { OwnedU32::new(0) }; MERGED_LANES] }; 2];
        const SPILL: [SpillCell; 2] = [const { zeros() }; 2];
        const SLOTS: SlotTables<FINE> = zeros();
        const LANE_WORDS: [AtomicU64; MERGED_LANES] = zeros();

        fn cells<'a>(
            heads: &'a [[CellHead; 2]],
            lanes: &'a [[MergedLanes; 2]],
            wides: &'a [[MergedWides; 2]],
            spill: &'a [[SpillCell; 2]],
        ) -> Cells<'a> {
            Cells::Merged {
                heads: heads.as_flattened(),
                lanes: lanes.as_flattened(),
                wides: wides.as_flattened(),
                spill: spill.as_flattened(),
            }
        }

        type ObservedHeads = CellHead;
        type ObservedLanes = ObservedLanes;
        type ObservedWides = ObservedWides;
        type ObservedSpill = ObservedSpill;
        const OBSERVED_HEADS: CellHead = zeros();
        const OBSERVED_LANES: ObservedLanes = [const { OwnedU16::new(0) }; QUANTITY_LANES];
        const OBSERVED_WIDES: ObservedWides = [const { OwnedU32::new(0) }; QUANTITY_LANES];
        const OBSERVED_SPILL: ObservedSpill = zeros();

        fn own_histograms<'a>(
            heads: &'a [CellHead],
            lanes: &'a [ObservedLanes],
            wides: &'a [ObservedWides],
        ) -> HistogramCells<'a> {
            HistogramCells::Merged { heads, lanes, wides }
        }

        fn spill_histograms(cells: &[ObservedSpill]) -> HistogramCells<'_> {
            HistogramCells::Spilled(cells)
        }

        fn slots(slots: &SlotTables<FINE>) -> Slots<'_> {
            Slots::Fine(slots)
        }

        fn lane_words(words: &[AtomicU64; MERGED_LANES]) -> &[AtomicU64] {
            words
        }
    }

    impl Kind for Classic {
        type Heads = [AtomicU64; 0];
        type Lanes = [ClassicCell; 2];
        type Wides = [AtomicU64; 0];
        type Spill = [ClassicCell; 2];
        type Slots = SlotTables<COARSE>;
        type LaneWords = [AtomicU64; CLASSIC_LANES];
        const HEADS: [AtomicU64; 0] = [];
        const LANES: [ClassicCell; 2] = [const { zeros() }; 2];
        const WIDES: [AtomicU64; 0] = [];
        const SPILL: [ClassicCell; 2] = [const { zeros() }; 2];
        const SLOTS: SlotTables<COARSE> = zeros();
        const LANE_WORDS: [AtomicU64; CLASSIC_LANES] = zeros();

        fn cells<'a>(
            _: &'a [[AtomicU64; 0]],
            cells: &'a [[ClassicCell; 2]],
            _: &'a [[AtomicU64; 0]],
            spill: &'a [[ClassicCell; 2]],
        ) -> Cells<'a> {
            Cells::Classic { cells: cells.as_flattened(), spill: spill.as_flattened() }
        }

        type ObservedHeads = [AtomicU64; 0];
        type ObservedLanes = ClassicCell;
        type ObservedWides = [AtomicU64; 0];
        type ObservedSpill = ClassicCell;
        const OBSERVED_HEADS: [AtomicU64; 0] = [];
        const OBSERVED_LANES: ClassicCell = zeros();
        const OBSERVED_WIDES: [AtomicU64; 0] = [];
        const OBSERVED_SPILL: ClassicCell = zeros();

        fn own_histograms<'a>(
            _: &'a [[AtomicU64; 0]],
            cells: &'a [ClassicCell],
            _: &'a [[AtomicU64; 0]],
        ) -> HistogramCells<'a> {
            HistogramCells::Classic(cells)
        }

        fn spill_histograms(cells: &[ClassicCell]) -> HistogramCells<'_> {
            HistogramCells::Classic(cells)
        }

        fn slots(slots: &SlotTables<COARSE>) -> Slots<'_> {
            Slots::Coarse(slots)
        }

        fn lane_words(words: &[AtomicU64; CLASSIC_LANES]) -> &[AtomicU64] {
            words
        }
    }
}

#[cfg(not(loom))]
impl<
    const SERIES: usize,
    const SHARDS: usize,
    const RING: usize,
    H: Histograms,
    const COUNTERS: usize,
    const HISTOGRAMS: usize,
    const OBSERVATIONS: usize,
> Storage<SERIES, SHARDS, RING, H, COUNTERS, HISTOGRAMS, OBSERVATIONS>
{
    /// The size of the storage in bytes.
    pub const SIZE: usize = size_of::<Self>();
    /// Events that a ring holds.
    pub const RING_EVENTS: usize = RING;

    /// Bytes of [`SIZE`](Self::SIZE) that its first recorder writes, and no later one: the tables that lead from a value to its
    /// counters, which all recorders share. 74,752, or 17,152 in storage that is [`Classic`].
    pub const TABLES_SIZE: usize = size_of::<H::Slots>() + 2 * size_of::<H::LaneWords>();

    /// Empty storage. `SERIES` is 2 to 2^31, `SHARDS` is 1 to 1,023, and `RING` is a power of two, 2 or more. Other
    /// values do not compile.
    #[must_use]
    pub const fn new() -> Self {
        const {
            assert!(SERIES >= 2 && SERIES <= 1 << 31, "SERIES is 2 to 2^31");
            assert!(SHARDS >= 1 && SHARDS <= MAX_SHARDS, "SHARDS is 1 to 1,023");
            assert!(RING >= 2 && RING.is_power_of_two(), "RING is a power of two, 2 or more");
            assert!(
                COUNTERS <= MAX_INSTRUMENTS && HISTOGRAMS <= MAX_INSTRUMENTS,
                "COUNTERS and HISTOGRAMS are 0 to 1,023"
            );
            assert!(
                OBSERVATIONS == 0 || OBSERVATIONS >= 2 && OBSERVATIONS.is_power_of_two(),
                "OBSERVATIONS is 0 or a power of two, 2 or more"
            );
        }
        Self {
            control: Control::new(),
            index: [const { zeros() }; SERIES],
            heads: Padded([const { zeros() }; SERIES]),
            entries: Padded([const { zeros() }; SERIES]),
            exemplars: Padded([const { zeros() }; SERIES]),
            shards: Padded([const { zeros() }; SHARDS]),
            slots: Padded(H::SLOTS),
            lane_edges: Padded(H::LANE_WORDS),
            lane_buckets: Padded(H::LANE_WORDS),
            cell_heads: Padded([const { [const { H::HEADS }; SERIES] }; SHARDS]),
            lanes: Padded([const { [const { H::LANES }; SERIES] }; SHARDS]),
            wides: Padded([const { [const { H::WIDES }; SERIES] }; SHARDS]),
            kinds: Padded([const { [const { zeros() }; SERIES] }; SHARDS]),
            rings: Padded([const { [const { zeros() }; RING] }; SHARDS]),
            spill: Padded(zeros()),
            spill_cells: Padded([const { H::SPILL }; SERIES]),
            spill_kinds: Padded([const { zeros() }; SERIES]),
            spill_ring: Padded([const { zeros() }; RING]),
            declared_counters: [const { zeros() }; COUNTERS],
            declared_histograms: [const { zeros() }; HISTOGRAMS],
            counters: [const { Padded([const { [const { zeros() }; SERIES] }; COUNTERS]) }; SHARDS],
            observed_heads: [const { Padded([const { [const { H::OBSERVED_HEADS }; SERIES] }; HISTOGRAMS]) }; SHARDS],
            observed_lanes: [const { Padded([const { [const { H::OBSERVED_LANES }; SERIES] }; HISTOGRAMS]) }; SHARDS],
            observed_wides: [const { Padded([const { [const { H::OBSERVED_WIDES }; SERIES] }; HISTOGRAMS]) }; SHARDS],
            spill_counters: Padded([const { [const { zeros() }; SERIES] }; COUNTERS]),
            spill_observed: Padded([const { [const { H::OBSERVED_SPILL }; SERIES] }; HISTOGRAMS]),
            observation_rings: Padded([const { [const { zeros() }; OBSERVATIONS] }; SHARDS]),
            spill_observation_ring: Padded([const { zeros() }; OBSERVATIONS]),
        }
    }

    /// The registry in this storage. Every call returns a handle to the same registry.
    pub fn registry(&self) -> Registry<'_> {
        Registry::over(Parts {
            control: &self.control,
            index: self.index.as_flattened(),
            heads: &self.heads.0,
            entries: &self.entries.0,
            overflow: Entry { head: &self.heads.0[0], words: &self.entries.0[0] },
            shards: &self.shards.0,
            cells: H::cells(
                self.cell_heads.0.as_flattened(),
                self.lanes.0.as_flattened(),
                self.wides.0.as_flattened(),
                &self.spill_cells.0,
            ),
            seldom: self,
            slots: H::slots(&self.slots.0),
            lane_edges: H::lane_words(&self.lane_edges.0),
            lane_buckets: H::lane_words(&self.lane_buckets.0),
            rings: self.rings.0.as_flattened(),
            spill: &self.spill.0,
            spill_ring: &self.spill_ring.0,
        })
    }
}

#[cfg(not(loom))]
impl<
    const SERIES: usize,
    const SHARDS: usize,
    const RING: usize,
    H: Histograms,
    const COUNTERS: usize,
    const HISTOGRAMS: usize,
    const OBSERVATIONS: usize,
> SeldomUsed for Storage<SERIES, SHARDS, RING, H, COUNTERS, HISTOGRAMS, OBSERVATIONS>
{
    fn exemplars(&self) -> &[ExemplarWords] {
        &self.exemplars.0
    }

    fn kinds(&self) -> KindCells<'_> {
        KindCells { own: self.kinds.0.as_flattened(), spill: &self.spill_kinds.0 }
    }

    fn declared(&self) -> [&[DeclaredWords]; 2] {
        [&self.declared_counters, &self.declared_histograms]
    }

    fn own_observed(&self, shard: usize) -> ObservedCells<'_> {
        ObservedCells {
            counters: of_shard(&self.counters, shard),
            histograms: H::own_histograms(
                of_shard(&self.observed_heads, shard),
                of_shard(&self.observed_lanes, shard),
                of_shard(&self.observed_wides, shard),
            ),
        }
    }

    fn spill_observed(&self) -> ObservedCells<'_> {
        ObservedCells {
            counters: self.spill_counters.0.as_flattened(),
            histograms: H::spill_histograms(self.spill_observed.0.as_flattened()),
        }
    }

    fn observation_rings(&self) -> ObservationRings<'_> {
        ObservationRings { own: self.observation_rings.0.as_flattened(), spill: &self.spill_observation_ring.0 }
    }
}

/// What one shard has of all instruments and series.
#[cfg(not(loom))]
fn of_shard<T, const SERIES: usize, const INSTRUMENTS: usize>(
    shards: &[Padded<[[T; SERIES]; INSTRUMENTS]>],
    shard: usize,
) -> &[T] {
    shards.get(shard).map(|cells| cells.0.as_flattened()).unwrap_or_default()
}

#[cfg(not(loom))]
const _: () = assert!(
    DefaultStorage::TABLES_SIZE == 74_752 && Storage::<2, 1, 2, Classic>::TABLES_SIZE == 17_152,
    "these numbers stand in the documents"
);

#[cfg(not(loom))]
impl<
    const SERIES: usize,
    const SHARDS: usize,
    const RING: usize,
    H: Histograms,
    const COUNTERS: usize,
    const HISTOGRAMS: usize,
    const OBSERVATIONS: usize,
> Default for Storage<SERIES, SHARDS, RING, H, COUNTERS, HISTOGRAMS, OBSERVATIONS>
{
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "alloc")]
pub use heap::{HeapStorage, HeapStorageBuilder};
#[cfg(feature = "alloc")]
pub use size_error::SizeError;
