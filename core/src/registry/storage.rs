//! The memory of a registry: a `static`, or on the heap.
//!
//! Everything is zero at first. So a `static` adds nothing to the size of a binary, and pages that are never touched
//! cost no memory. The size in bytes, with `s` series (the overflow series included), `n` shards and rings of `r`
//! events, is `s × (4,128 + 9,216 × (n + 1)) + (n + 1) × 256 + r × (32 × n + 40)` and less than 4,700 more. Of the
//! 9,216 bytes per series and shard, 8,320 are the exponential histograms, which [`Classic`] leaves out.

#[cfg(feature = "alloc")]
mod aligned;
#[cfg(feature = "alloc")]
mod heap;
#[cfg(feature = "alloc")]
mod size_error;

use crate::atomics::{AtomicU64, Padded, zeros};
use crate::counts::exponential::ExponentialWords;
use crate::counts::layout::CellWords;
use crate::registry::Registry;
use crate::registry::entry::{EntryWords, HeadWords};
use crate::registry::exemplars::ExemplarWords;
use crate::registry::parts::{Control, MAX_SHARDS, Parts, ShardWords};
use crate::registry::ring::{SharedSlot, Slot};

/// Storage of fixed size for a `static`. `SERIES` includes the overflow series, so there is room for `SERIES` - 1 of
/// yours.
///
/// The overflow series takes what does not fit. `SHARDS` is the number of recorders with shards of their own. `RING` is
/// the number of events that a ring holds (a power of two). `H` is [`Exponential`], or [`Classic`] for storage without
/// exponential histograms.
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
pub struct Storage<const SERIES: usize, const SHARDS: usize, const RING: usize, H: Histograms = Exponential> {
    control: Control,
    index: [[AtomicU64; 4]; SERIES],
    heads: Padded<[HeadWords; SERIES]>,
    entries: Padded<[EntryWords; SERIES]>,
    exemplars: Padded<[ExemplarWords; SERIES]>,
    shards: Padded<[ShardWords; SHARDS]>,
    cells: Padded<[[CellWords; SERIES]; SHARDS]>,
    exponentials: Padded<[[H::Words; SERIES]; SHARDS]>,
    rings: Padded<[[Slot; RING]; SHARDS]>,
    spill: Padded<ShardWords>,
    spill_cells: Padded<[CellWords; SERIES]>,
    spill_exponentials: Padded<[H::Words; SERIES]>,
    spill_ring: Padded<[SharedSlot; RING]>,
}

/// Storage for general use: 511 series, 12 recorders, rings of 8,192 events. It takes 63 MiB of address space; only
/// what is used becomes resident.
#[cfg(not(loom))]
pub type DefaultStorage = Storage<512, 12, 8_192>;

/// Which histograms a storage keeps: [`Exponential`] or [`Classic`].
#[cfg(not(loom))]
pub trait Histograms: kinds::Kind {}

/// Classic buckets and exponential histograms: 9,216 bytes per series and recorder.
#[cfg(not(loom))]
#[derive(Clone, Copy, Debug)]
pub enum Exponential {}

/// Classic buckets alone: 896 bytes per series and recorder.
#[cfg(not(loom))]
#[derive(Clone, Copy, Debug)]
pub enum Classic {}

#[cfg(not(loom))]
impl Histograms for Exponential {}
#[cfg(not(loom))]
impl Histograms for Classic {}

#[cfg(not(loom))]
mod kinds {
    use super::{AtomicU64, Classic, Exponential, ExponentialWords, zeros};

    /// What a storage keeps per series and shard in addition to the cell.
    pub trait Kind {
        type Words: core::fmt::Debug;
        const ZERO: Self::Words;
        fn words(all: &[Self::Words]) -> &[ExponentialWords];
    }

    impl Kind for Exponential {
        type Words = ExponentialWords;
        const ZERO: ExponentialWords = [const { zeros() }; 2];
        fn words(all: &[ExponentialWords]) -> &[ExponentialWords] {
            all
        }
    }

    impl Kind for Classic {
        type Words = [AtomicU64; 0];
        const ZERO: [AtomicU64; 0] = [];
        fn words(_: &[[AtomicU64; 0]]) -> &[ExponentialWords] {
            &[]
        }
    }
}

#[cfg(not(loom))]
impl<const SERIES: usize, const SHARDS: usize, const RING: usize, H: Histograms> Storage<SERIES, SHARDS, RING, H> {
    /// The size of the storage in bytes.
    pub const SIZE: usize = size_of::<Self>();

    /// Empty storage. `SERIES` is 2 to 2^31, `SHARDS` is 1 to 1,023, and `RING` is a power of two, 2 or more. Other
    /// values do not compile.
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
            heads: Padded([const { zeros() }; SERIES]),
            entries: Padded([const { zeros() }; SERIES]),
            exemplars: Padded([const { zeros() }; SERIES]),
            shards: Padded([const { zeros() }; SHARDS]),
            cells: Padded([const { [const { [const { zeros() }; 2] }; SERIES] }; SHARDS]),
            exponentials: Padded([const { [const { H::ZERO }; SERIES] }; SHARDS]),
            rings: Padded([const { [const { zeros() }; RING] }; SHARDS]),
            spill: Padded(zeros()),
            spill_cells: Padded([const { [const { zeros() }; 2] }; SERIES]),
            spill_exponentials: Padded([const { H::ZERO }; SERIES]),
            spill_ring: Padded([const { zeros() }; RING]),
        }
    }

    /// The registry in this storage. Every call returns a handle to the same registry.
    pub fn registry(&self) -> Registry<'_> {
        Registry::over(Parts {
            control: &self.control,
            index: self.index.as_flattened(),
            heads: &self.heads.0,
            entries: &self.entries.0,
            exemplars: &self.exemplars.0,
            shards: &self.shards.0,
            cells: self.cells.0.as_flattened(),
            exponentials: H::words(self.exponentials.0.as_flattened()),
            rings: self.rings.0.as_flattened(),
            spill: &self.spill.0,
            spill_cells: &self.spill_cells.0,
            spill_exponentials: H::words(&self.spill_exponentials.0),
            spill_ring: &self.spill_ring.0,
        })
    }
}

#[cfg(not(loom))]
impl<const SERIES: usize, const SHARDS: usize, const RING: usize, H: Histograms> Default
    for Storage<SERIES, SHARDS, RING, H>
{
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "alloc")]
pub use heap::HeapStorage;
#[cfg(feature = "alloc")]
pub use size_error::SizeError;
