//! The memory that a registry lives in: a `static`, or the heap.
//!
//! Everything is zero at birth, so that a `static` adds nothing to the size of a binary, and pages that are never
//! touched cost no memory. Size in bytes, with `s` series, `n` shards and rings of `r` events:
//! `s × (2,960 + 384 × (n + 1)) + (n + 1) × 256 + r × (32 × n + 40)` and less than 1,700 more.

use crate::cell::CellWords;
use crate::entry::EntryWords;
use crate::parts::{Control, MAX_SHARDS, Parts, ShardWords};
use crate::registry::Registry;
use crate::ring::{SharedSlot, Slot};
use crate::sync::{AtomicU64, Padded, zeros};

/// Storage of fixed size for a `static`: `SERIES` series (one of them takes what does not fit), `SHARDS` recorders
/// with shards of their own, and rings of `RING` events (a power of two).
///
/// ```
/// use loaddensity_metrics_core::Storage;
///
/// static STORAGE: Storage<200, 4, 1024> = Storage::new();
/// let registry = STORAGE.registry();
/// assert_eq!(registry.facts().series_capacity, 200);
/// ```
#[cfg(not(loom))]
#[derive(Debug)]
pub struct Storage<const SERIES: usize, const SHARDS: usize, const RING: usize> {
    control: Control,
    index: [[AtomicU64; 2]; SERIES],
    entries: Padded<[EntryWords; SERIES]>,
    shards: Padded<[ShardWords; SHARDS]>,
    cells: Padded<[[CellWords; SERIES]; SHARDS]>,
    rings: Padded<[[Slot; RING]; SHARDS]>,
    spill: Padded<ShardWords>,
    spill_cells: Padded<[CellWords; SERIES]>,
    spill_ring: Padded<[SharedSlot; RING]>,
}

/// Storage for those who don't care: 1,023 series, 16 recorders, rings of 8,192 events; 14.2 MB, of which only what is
/// used becomes resident.
#[cfg(not(loom))]
pub type DefaultStorage = Storage<1_024, 16, 8_192>;

#[cfg(not(loom))]
impl<const SERIES: usize, const SHARDS: usize, const RING: usize> Storage<SERIES, SHARDS, RING> {
    /// Its size in bytes.
    pub const SIZE: usize = size_of::<Self>();

    /// Empty storage. `SERIES` is 2 to 2^31, `SHARDS` 1 to 1,023, and `RING` a power of two from 2 on; another choice
    /// does not compile.
    #[must_use]
    pub const fn new() -> Self {
        const {
            assert!(SERIES >= 2 && SERIES <= 1 << 31, "SERIES is 2 to 2^31");
            assert!(SHARDS >= 1 && SHARDS <= MAX_SHARDS, "SHARDS is 1 to 1,023");
            assert!(RING >= 2 && RING.is_power_of_two(), "RING is a power of two, 2 or more");
        }
        Self {
            control: Control::new(),
            index: [const { zeros() }; SERIES],
            entries: Padded([const { zeros() }; SERIES]),
            shards: Padded([const { zeros() }; SHARDS]),
            cells: Padded([const { [const { zeros() }; SERIES] }; SHARDS]),
            rings: Padded([const { [const { zeros() }; RING] }; SHARDS]),
            spill: Padded(zeros()),
            spill_cells: Padded([const { zeros() }; SERIES]),
            spill_ring: Padded([const { zeros() }; RING]),
        }
    }

    /// The registry in this storage. Every call returns a handle of the same one.
    pub fn registry(&self) -> Registry<'_> {
        Registry::over(Parts {
            control: &self.control,
            index: self.index.as_flattened(),
            entries: &self.entries.0,
            shards: &self.shards.0,
            cells: self.cells.0.as_flattened(),
            rings: self.rings.0.as_flattened(),
            spill: &self.spill.0,
            spill_cells: &self.spill_cells.0,
            spill_ring: &self.spill_ring.0,
        })
    }
}

#[cfg(not(loom))]
impl<const SERIES: usize, const SHARDS: usize, const RING: usize> Default for Storage<SERIES, SHARDS, RING> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "alloc")]
pub use heap::{HeapStorage, SizeError};

#[cfg(feature = "alloc")]
mod heap {
    extern crate alloc;

    use alloc::boxed::Box;
    use core::fmt;

    use super::{Control, EntryWords, MAX_SHARDS, Parts, ShardWords, zeros};
    use crate::cell::CellWords;
    use crate::registry::Registry;
    use crate::ring::{SharedSlot, Slot};
    use crate::sync::AtomicU64;

    /// Storage whose size is chosen at run time. It is allocated as zeroed memory and never passes over the stack.
    ///
    /// An engine that needs it for the whole run leaks it: `Box::leak(Box::new(HeapStorage::new(…)?))`.
    pub struct HeapStorage {
        control: Box<Control>,
        index: Box<[AtomicU64]>,
        entries: Box<[EntryWords]>,
        shards: Box<[ShardWords]>,
        cells: Box<[CellWords]>,
        rings: Box<[Slot]>,
        spill: Box<ShardWords>,
        spill_cells: Box<[CellWords]>,
        spill_ring: Box<[SharedSlot]>,
    }

    impl HeapStorage {
        /// Storage for `series` series (one of them takes what does not fit), `shards` recorders with shards of their
        /// own, and rings of `ring` events.
        ///
        /// # Errors
        /// `series` is 2 to 2^31, `shards` 1 to 1,023, `ring` a power of two from 2 to 2^31. [`SizeError::Memory`] where the
        /// allocator does not have as much.
        pub fn new(series: usize, shards: usize, ring: usize) -> Result<Self, SizeError> {
            if !(2..=1 << 31).contains(&series) {
                return Err(SizeError::Series(series));
            }
            if !(1..=MAX_SHARDS).contains(&shards) {
                return Err(SizeError::Shards(shards));
            }
            if !ring.is_power_of_two() || !(2..=1 << 31).contains(&ring) {
                return Err(SizeError::Ring(ring));
            }
            Ok(Self {
                control: Box::new(Control::new()),
                index: zeroed(product(2, series)?, || AtomicU64::new(0))?,
                entries: zeroed(series, zeros)?,
                shards: zeroed(shards, zeros)?,
                cells: zeroed(product(shards, series)?, zeros)?,
                rings: zeroed(product(shards, ring)?, zeros)?,
                spill: Box::new(zeros()),
                spill_cells: zeroed(series, zeros)?,
                spill_ring: zeroed(ring, zeros)?,
            })
        }

        /// The registry in this storage. Every call returns a handle of the same one.
        #[must_use]
        pub fn registry(&self) -> Registry<'_> {
            Registry::over(Parts {
                control: &self.control,
                index: &self.index,
                entries: &self.entries,
                shards: &self.shards,
                cells: &self.cells,
                rings: &self.rings,
                spill: &self.spill,
                spill_cells: &self.spill_cells,
                spill_ring: &self.spill_ring,
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

    /// Pages of zeros from the allocator, untouched where it gets them from the kernel.
    #[cfg(all(not(loom), target_has_atomic = "64"))]
    fn zeroed<T: bytemuck::Zeroable>(n: usize, _: impl Fn() -> T) -> Result<Box<[T]>, SizeError> {
        bytemuck::allocation::try_zeroed_slice_box(n).map_err(|()| SizeError::Memory)
    }

    #[cfg(any(loom, not(target_has_atomic = "64")))]
    fn zeroed<T>(n: usize, zero: impl Fn() -> T) -> Result<Box<[T]>, SizeError> {
        let mut slice = alloc::vec::Vec::new();
        slice.try_reserve_exact(n).map_err(|_| SizeError::Memory)?;
        slice.extend((0..n).map(|_| zero()));
        Ok(slice.into_boxed_slice())
    }

    /// A size that storage cannot have.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum SizeError {
        /// Not 2 to 2^31 series.
        Series(usize),
        /// Not 1 to 1,023 shards.
        Shards(usize),
        /// Not a power of two from 2 to 2^31.
        Ring(usize),
        /// More than the allocator has.
        Memory,
    }

    impl fmt::Display for SizeError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self {
                Self::Series(n) => write!(f, "storage for {n} series: choose 2 to 2,147,483,648"),
                Self::Shards(n) => write!(f, "storage with {n} shards: choose 1 to 1,023"),
                Self::Ring(n) => {
                    write!(f, "storage with rings of {n} events: choose a power of two from 2 on, such as 8192")
                }
                Self::Memory => f.write_str(
                    "there is not enough memory for storage of this size; choose fewer series, shards or events",
                ),
            }
        }
    }

    impl core::error::Error for SizeError {}
}
