//! The memory that a registry lives in: a `static`, or the heap.
//!
//! Everything is zero at birth, so that a `static` adds nothing to the size of a binary, and pages that are never
//! touched cost no memory. Size in bytes, with `s` series, `n` shards and rings of `r` events:
//! `s × (2,896 + 384 × (n + 1)) + (n + 1) × 256 + r × (32 × n + 40)` and about 1,700 more.

use crate::cell::CellWords;
use crate::entry::EntryWords;
use crate::ledger::{Exporter, Ledger};
use crate::registry::Registry;
use crate::ring::{SharedSlot, Slot};
use crate::series::{METHOD_BYTES, NAME_BYTES};
use crate::sync::{AtomicU64, Padded, const_unless_loom, zeros};

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

/// Storage for those who don't care: 1,023 series, 16 recorders, rings of 8,192 events; 14.3 MB, of which only what is
/// used becomes resident.
#[cfg(not(loom))]
pub type DefaultStorage = Storage<1_024, 16, 8_192>;

#[cfg(not(loom))]
impl<const SERIES: usize, const SHARDS: usize, const RING: usize> Storage<SERIES, SHARDS, RING> {
    /// Its size in bytes.
    pub const SIZE: usize = size_of::<Self>();

    /// Empty storage. `SERIES` is 2 to 2^31, `SHARDS` 1 to 1,023, and `RING` a power of two; another choice does not
    /// compile.
    #[must_use]
    pub const fn new() -> Self {
        const {
            assert!(SERIES >= 2 && SERIES <= 1 << 31, "SERIES is 2 to 2^31");
            assert!(SHARDS >= 1 && SHARDS <= MAX_SHARDS, "SHARDS is 1 to 1,023");
            assert!(RING.is_power_of_two(), "RING is a power of two");
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
    pub(crate) spill_used: AtomicU64,
    pub(crate) folded: AtomicU64,
    pub(crate) cut: AtomicU64,
    pub(crate) pump_owned: AtomicU64,
    pub(crate) first_folded: FirstFolded,
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
                spill_used: AtomicU64::new(0),
                folded: AtomicU64::new(0),
                cut: AtomicU64::new(0),
                pump_owned: AtomicU64::new(0),
                first_folded: FirstFolded { state: AtomicU64::new(0), method: zeros(), name: zeros() },
                ledgers: [Ledger::new(), Ledger::new(), Ledger::new(), Ledger::new()],
            }
        }
    }
}

/// Storage without its const parameters: what a registry's handle is made of.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) control: &'a Control,
    pub(crate) index: &'a [AtomicU64],
    pub(crate) entries: &'a [EntryWords],
    pub(crate) shards: &'a [ShardWords],
    /// Shard by shard, in each a cell per series.
    pub(crate) cells: &'a [CellWords],
    /// Shard by shard.
    pub(crate) rings: &'a [Slot],
    pub(crate) spill: &'a ShardWords,
    pub(crate) spill_cells: &'a [CellWords],
    pub(crate) spill_ring: &'a [SharedSlot],
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
        /// `series` is 2 to 2^31, `shards` 1 to 1,023, `ring` a power of two.
        pub fn new(series: usize, shards: usize, ring: usize) -> Result<Self, SizeError> {
            if !(2..=1 << 31).contains(&series) {
                return Err(SizeError::Series(series));
            }
            if !(1..=MAX_SHARDS).contains(&shards) {
                return Err(SizeError::Shards(shards));
            }
            if !ring.is_power_of_two() {
                return Err(SizeError::Ring(ring));
            }
            Ok(Self {
                control: Box::new(Control::new()),
                index: zeroed(2 * series, || AtomicU64::new(0)),
                entries: zeroed(series, zeros),
                shards: zeroed(shards, zeros),
                cells: zeroed(shards * series, zeros),
                rings: zeroed(shards * ring, zeros),
                spill: Box::new(zeros()),
                spill_cells: zeroed(series, zeros),
                spill_ring: zeroed(ring, zeros),
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

    /// Pages of zeros from the allocator, untouched where it gets them from the kernel.
    #[cfg(all(not(loom), target_has_atomic = "64"))]
    fn zeroed<T: bytemuck::Zeroable>(n: usize, _: impl Fn() -> T) -> Box<[T]> {
        bytemuck::allocation::zeroed_slice_box(n)
    }

    #[cfg(any(loom, not(target_has_atomic = "64")))]
    fn zeroed<T>(n: usize, zero: impl Fn() -> T) -> Box<[T]> {
        (0..n).map(|_| zero()).collect()
    }

    /// A size that storage cannot have.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum SizeError {
        /// Not 2 to 2^31 series.
        Series(usize),
        /// Not 1 to 1,023 shards.
        Shards(usize),
        /// Not a power of two.
        Ring(usize),
    }

    impl fmt::Display for SizeError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self {
                Self::Series(n) => write!(f, "storage for {n} series: choose 2 to 2,147,483,648"),
                Self::Shards(n) => write!(f, "storage with {n} shards: choose 1 to 1,023"),
                Self::Ring(n) => write!(
                    f,
                    "storage with rings of {n} events: choose a power of two, such as 8192"
                ),
            }
        }
    }

    impl core::error::Error for SizeError {}
}
