//! Storage on the heap, whose size is chosen at run time.

extern crate alloc;

use alloc::boxed::Box;
use core::fmt;

use super::aligned::Aligned;
use super::size_error::SizeError;
use crate::atomics::{AtomicU64, zeros};
use crate::counts::exponential::ExponentialWords;
use crate::counts::layout::CellWords;
use crate::registry::Registry;
use crate::registry::entry::{EntryWords, HeadWords};
use crate::registry::exemplars::ExemplarWords;
use crate::registry::parts::{Control, MAX_SHARDS, Parts, ShardWords};
use crate::registry::ring::{SharedSlot, Slot};

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
    cells: Aligned,
    exponentials: Aligned,
    rings: Aligned,
    spill: Box<ShardWords>,
    spill_cells: Aligned,
    spill_exponentials: Aligned,
    spill_ring: Aligned,
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
        Self::with(series, shards, ring, true)
    }

    /// The same without exponential histograms, like [`Classic`](super::Classic). It needs less than a tenth of the
    /// memory per series and shard.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn classic(series: usize, shards: usize, ring: usize) -> Result<Self, SizeError> {
        Self::with(series, shards, ring, false)
    }

    fn with(series: usize, shards: usize, ring: usize, has_exponentials: bool) -> Result<Self, SizeError> {
        if !(1..1 << 31).contains(&series) {
            return Err(SizeError::Series(series));
        }
        if !(1..=MAX_SHARDS).contains(&shards) {
            return Err(SizeError::Shards(shards));
        }
        if !ring.is_power_of_two() || !(2..=1 << 31).contains(&ring) {
            return Err(SizeError::Ring(ring));
        }
        // One more for the overflow series.
        let series = series + 1;
        let exponentials = if has_exponentials { series } else { 0 };
        Ok(Self {
            control: Box::new(Control::new()),
            index: Aligned::of::<[AtomicU64; 4]>(series)?,
            heads: Aligned::of::<HeadWords>(series)?,
            entries: Aligned::of::<EntryWords>(series)?,
            exemplars: Aligned::of::<ExemplarWords>(series)?,
            shards: Aligned::of::<ShardWords>(shards)?,
            cells: Aligned::of::<CellWords>(product(shards, series)?)?,
            exponentials: Aligned::of::<ExponentialWords>(product(shards, exponentials)?)?,
            rings: Aligned::of::<Slot>(product(shards, ring)?)?,
            spill: Box::new(zeros()),
            spill_cells: Aligned::of::<CellWords>(series)?,
            spill_exponentials: Aligned::of::<ExponentialWords>(exponentials)?,
            spill_ring: Aligned::of::<SharedSlot>(ring)?,
        })
    }

    /// The registry in this storage. Every call returns a handle to the same registry.
    #[must_use]
    pub fn registry(&self) -> Registry<'_> {
        Registry::over(Parts {
            control: &self.control,
            index: self.index.words(),
            heads: self.heads.arrays(),
            entries: self.entries.arrays(),
            exemplars: self.exemplars.arrays(),
            shards: self.shards.arrays(),
            cells: self.cells.pairs(),
            exponentials: self.exponentials.pairs(),
            rings: self.rings.arrays(),
            spill: &self.spill,
            spill_cells: self.spill_cells.pairs(),
            spill_exponentials: self.spill_exponentials.pairs(),
            spill_ring: self.spill_ring.arrays(),
        })
    }
}

impl fmt::Debug for HeapStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.registry().fmt(f)
    }
}

fn product(a: usize, b: usize) -> Result<usize, SizeError> {
    a.checked_mul(b).ok_or(SizeError::Memory)
}
