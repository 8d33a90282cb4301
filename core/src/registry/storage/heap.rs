//! Storage on the heap, whose size is chosen at run time.

extern crate alloc;

use alloc::boxed::Box;
use core::fmt;

use super::aligned::{Aligned, ZeroedAtomic as _, product};
use super::heap_instruments::HeapInstruments;
use super::size_error::SizeError;
use crate::atomics::owned::{OwnedU16, OwnedU32};
use crate::atomics::{AtomicU64, zeros};
use crate::counts::cells::{CLASSIC_LANES, Cells, ClassicCell, MERGED_LANES, MergedLanes, MergedWides, SpillCell};
use crate::counts::kinds::{KindCells, KindCounts};
use crate::counts::lane_map::{COARSE, FINE, SlotTables, Slots};
use crate::counts::layout::CellHead;
use crate::counts::observed_cells::ObservedCells;
use crate::metrics::handles::MAX_INSTRUMENTS;
use crate::registry::Registry;
use crate::registry::entry::{Entry, EntryWords, HeadWords};
use crate::registry::exemplars::ExemplarWords;
use crate::registry::instruments::declaration::DeclaredWords;
use crate::registry::parts::{Control, MAX_SHARDS, Parts, SeldomUsed, ShardWords};
use crate::registry::ring::{ObservationRings, ObservationSlot, SharedObservationSlot, SharedSlot, Slot};

/// Storage whose size is chosen at run time. It is allocated as zeroed memory and never copied over the stack.
///
/// An engine that needs it for the whole run leaks it: `Box::leak(Box::new(HeapStorage::new(…)?))`.
pub struct HeapStorage {
    control: Box<Control>,
    index: Aligned,
    heads: Aligned,
    entries: Aligned,
    exemplars: Aligned,
    shards: Aligned,
    cells: HeapCells,
    kinds: Aligned,
    lane_edges: Aligned,
    lane_buckets: Aligned,
    rings: Aligned,
    spill: Box<ShardWords>,
    spill_kinds: Aligned,
    spill_ring: Aligned,
    instruments: HeapInstruments,
    observation_rings: Aligned,
    spill_observation_ring: Aligned,
}

/// The cells of all shards, and the slots that lead to their lanes.
enum HeapCells {
    Merged {
        slots: Box<SlotTables<FINE>>,
        heads: Aligned,
        lanes: Aligned<OwnedU16>,
        wides: Aligned<OwnedU32>,
        spill: Aligned,
    },
    Classic {
        slots: Box<SlotTables<COARSE>>,
        cells: Aligned,
        spill: Aligned,
    },
}

impl HeapStorage {
    /// Storage for `series` series of yours and one more, the overflow series, which takes what does not fit; for
    /// `shards` recorders with shards of their own, and with rings of `ring` events. It keeps classic buckets and
    /// exponential histograms.
    ///
    /// ```
    /// use loaddensity_metrics_core::HeapStorage;
    ///
    /// let storage = HeapStorage::new(3_000, 4, 1_024)?;
    /// assert_eq!(storage.registry().usage().series_capacity, 3_000);
    /// # Ok::<(), loaddensity_metrics_core::SizeError>(())
    /// ```
    ///
    /// # Errors
    /// If `series` is not 1 to 2^31 - 1, `shards` not 1 to 1,023, or `ring` not a power of two from 2 to 2^31; and
    /// [`SizeError::Memory`] if the allocator does not have so much memory.
    pub fn new(series: usize, shards: usize, ring: usize) -> Result<Self, SizeError> {
        Self::builder(series, shards, ring).build()
    }

    /// The same without exponential histograms, like [`Classic`](super::Classic). It needs less than a tenth of the
    /// memory per series and shard.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn classic(series: usize, shards: usize, ring: usize) -> Result<Self, SizeError> {
        Self::builder(series, shards, ring).classic().build()
    }

    /// What makes storage of these sizes with room for instruments of the engine's own; see [`new`](Self::new).
    ///
    /// ```
    /// use loaddensity_metrics_core::{HeapStorage, Unit};
    ///
    /// let storage = HeapStorage::builder(3_000, 4, 1_024).counters(2).histograms(1).build()?;
    /// assert!(storage.registry().counter("checks", Unit::One, "Checks").is_ok());
    /// # Ok::<(), loaddensity_metrics_core::SizeError>(())
    /// ```
    pub const fn builder(series: usize, shards: usize, ring: usize) -> HeapStorageBuilder {
        HeapStorageBuilder { series, shards, ring, has_exponentials: true, counters: 0, histograms: 0, observations: 0 }
    }
}

/// The sizes of a storage on the heap; see [`HeapStorage::builder`].
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct HeapStorageBuilder {
    series: usize,
    shards: usize,
    ring: usize,
    has_exponentials: bool,
    counters: usize,
    histograms: usize,
    observations: usize,
}

impl HeapStorageBuilder {
    /// Without exponential histograms, like [`Classic`](super::Classic).
    pub const fn classic(self) -> Self {
        Self { has_exponentials: false, ..self }
    }

    /// With room for so many counters of the engine's own, 0 to 1,023.
    pub const fn counters(self, counters: usize) -> Self {
        Self { counters, ..self }
    }

    /// With room for so many histograms of the engine's own, 0 to 1,023.
    pub const fn histograms(self, histograms: usize) -> Self {
        Self { histograms, ..self }
    }

    /// With rings of so many observations, a power of two from 2 to 2^31; 0, which is the default, is none. Only exporters that
    /// send each observation by itself need them.
    pub const fn observations(self, observations: usize) -> Self {
        Self { observations, ..self }
    }

    /// The storage.
    ///
    /// # Errors
    /// As for [`HeapStorage::new`], and if there are more than 1,023 counters or histograms, or rings of observations are of
    /// another size.
    pub fn build(self) -> Result<HeapStorage, SizeError> {
        let Self { series, shards, ring, has_exponentials, counters, histograms, observations } = self;
        if !(1..1 << 31).contains(&series) {
            return Err(SizeError::Series(series));
        }
        if !(1..=MAX_SHARDS).contains(&shards) {
            return Err(SizeError::Shards(shards));
        }
        if !is_size_of_ring(ring) {
            return Err(SizeError::Ring(ring));
        }
        if observations != 0 && !is_size_of_ring(observations) {
            return Err(SizeError::Ring(observations));
        }
        if counters.max(histograms) > MAX_INSTRUMENTS {
            return Err(SizeError::Instruments(counters.max(histograms)));
        }
        // One more for the overflow series.
        let series = series + 1;
        let cells = product(shards, series)?;
        let lanes = if has_exponentials { MERGED_LANES } else { CLASSIC_LANES };
        Ok(HeapStorage {
            control: Box::new(Control::new()),
            index: Aligned::of::<[AtomicU64; 4]>(series)?,
            heads: Aligned::of::<HeadWords>(series)?,
            entries: Aligned::of::<EntryWords>(series)?,
            exemplars: Aligned::of::<ExemplarWords>(series)?,
            shards: Aligned::of::<ShardWords>(shards)?,
            cells: if has_exponentials {
                HeapCells::merged(cells, series)?
            } else {
                HeapCells::classic(cells, series)?
            },
            kinds: Aligned::of::<KindCounts>(cells)?,
            lane_edges: Aligned::of::<AtomicU64>(lanes)?,
            lane_buckets: Aligned::of::<AtomicU64>(lanes)?,
            rings: Aligned::of::<Slot>(product(shards, ring)?)?,
            spill: Box::new(zeros()),
            spill_kinds: Aligned::of::<KindCounts>(series)?,
            spill_ring: Aligned::of::<SharedSlot>(ring)?,
            instruments: HeapInstruments::new(has_exponentials, [counters, histograms], shards, series)?,
            observation_rings: Aligned::of::<ObservationSlot>(product(shards, observations)?)?,
            spill_observation_ring: Aligned::of::<SharedObservationSlot>(observations)?,
        })
    }
}

impl HeapStorage {
    /// The registry in this storage. Every call returns a handle to the same registry.
    #[must_use]
    pub fn registry(&self) -> Registry<'_> {
        let (heads, entries) = (self.heads.arrays(), self.entries.arrays());
        Registry::over(Parts {
            control: &self.control,
            index: self.index.words(),
            heads,
            entries,
            // There are two or more.
            overflow: Entry { head: &heads[0], words: &entries[0] },
            shards: self.shards.arrays(),
            cells: self.cells.parts(),
            seldom: self,
            slots: self.cells.slots(),
            lane_edges: self.lane_edges.words(),
            lane_buckets: self.lane_buckets.words(),
            rings: self.rings.arrays(),
            spill: &self.spill,
            spill_ring: self.spill_ring.arrays(),
        })
    }
}

impl SeldomUsed for HeapStorage {
    fn exemplars(&self) -> &[ExemplarWords] {
        self.exemplars.arrays()
    }

    fn kinds(&self) -> KindCells<'_> {
        KindCells { own: self.kinds.arrays(), spill: self.spill_kinds.arrays() }
    }

    fn declared(&self) -> [&[DeclaredWords]; 2] {
        self.instruments.declared.each_ref().map(Aligned::arrays)
    }

    fn own_observed(&self, shard: usize) -> ObservedCells<'_> {
        self.instruments.own(shard)
    }

    fn spill_observed(&self) -> ObservedCells<'_> {
        self.instruments.spill()
    }

    fn observation_rings(&self) -> ObservationRings<'_> {
        ObservationRings { own: self.observation_rings.arrays(), spill: self.spill_observation_ring.arrays() }
    }
}

impl HeapCells {
    fn merged(cells: usize, series: usize) -> Result<Self, SizeError> {
        Ok(Self::Merged {
            slots: zeroed_array()?,
            heads: Aligned::of::<[CellHead; 2]>(cells)?,
            lanes: Aligned::of::<[MergedLanes; 2]>(cells)?,
            wides: Aligned::of::<[MergedWides; 2]>(cells)?,
            spill: Aligned::of::<[SpillCell; 2]>(series)?,
        })
    }

    fn classic(cells: usize, series: usize) -> Result<Self, SizeError> {
        Ok(Self::Classic {
            slots: zeroed_array()?,
            cells: Aligned::of::<[ClassicCell; 2]>(cells)?,
            spill: Aligned::of::<[ClassicCell; 2]>(series)?,
        })
    }

    fn slots(&self) -> Slots<'_> {
        match self {
            Self::Merged { slots, .. } => Slots::Fine(slots),
            Self::Classic { slots, .. } => Slots::Coarse(slots),
        }
    }

    fn parts(&self) -> Cells<'_> {
        match self {
            Self::Merged { heads, lanes, wides, spill, .. } => Cells::Merged {
                heads: heads.arrays(),
                lanes: lanes.arrays(),
                wides: wides.arrays(),
                spill: spill.arrays(),
            },
            Self::Classic { cells, spill, .. } => Cells::Classic { cells: cells.arrays(), spill: spill.arrays() },
        }
    }
}

impl fmt::Debug for HeapStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.registry().fmt(f)
    }
}

const fn is_size_of_ring(events: usize) -> bool {
    events.is_power_of_two() && 2 <= events && events <= 1 << 31
}

/// An array of zeros that never passes over the stack.
fn zeroed_array<const N: usize>() -> Result<Box<[AtomicU64; N]>, SizeError> {
    AtomicU64::zeroed(N)?.try_into().map_err(|_| SizeError::Memory)
}
