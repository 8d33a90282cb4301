//! Sizes of storage, taken from the type itself.

use loaddensity_metrics_core::{DefaultStorage, Storage};

use crate::raw_events::RING;

/// Long enough for padding to make no difference.
const SPAN: usize = 1_024;

type Smallest = Storage<2, 1, 2>;
type ClassicStorage<const SERIES: usize, const SHARDS: usize> =
    Storage<SERIES, SHARDS, 2, loaddensity_metrics_core::Classic>;

/// Bytes of one more series in storage with one recorder's shard, and with two. Each storage has the spill shard as
/// well.
const SERIES_1: usize = (Storage::<{ SPAN + 2 }, 1, 2>::SIZE - Smallest::SIZE) / SPAN;
const SERIES_2: usize = (Storage::<{ SPAN + 2 }, 2, 2>::SIZE - Storage::<2, 2, 2>::SIZE) / SPAN;
/// The same without exponential histograms, where the spill shard is as large as another.
const CLASSIC_1: usize = (ClassicStorage::<{ SPAN + 2 }, 1>::SIZE - ClassicStorage::<2, 1>::SIZE) / SPAN;
const CLASSIC_2: usize = (ClassicStorage::<{ SPAN + 2 }, 2>::SIZE - ClassicStorage::<2, 2>::SIZE) / SPAN;
/// Bytes of one more event in every ring, likewise.
const EVENT_1: usize = (Storage::<2, 1, { 2 * SPAN }>::SIZE - Storage::<2, 1, SPAN>::SIZE) / SPAN;
const EVENT_2: usize = (Storage::<2, 2, { 2 * SPAN }>::SIZE - Storage::<2, 2, SPAN>::SIZE) / SPAN;

/// Bytes of a series in each recorder.
pub const COUNTERS: u64 = (SERIES_2 - SERIES_1) as u64;
/// The same in storage without exponential histograms.
pub const CLASSIC_COUNTERS: u64 = (CLASSIC_2 - CLASSIC_1) as u64;
/// Bytes of a series' labels, for all formats, of its exemplars, and of its place in the index.
pub const LABELS: u64 = CLASSIC_1 as u64 - 2 * CLASSIC_COUNTERS;
/// Bytes of a series in the spill shard.
pub const SPILL: u64 = SERIES_1 as u64 - COUNTERS - LABELS;
/// Bytes of an event in a recorder's ring.
pub(crate) const EVENT: u64 = (EVENT_2 - EVENT_1) as u64;
/// Bytes of an event in the ring of those recorders that found no shard.
const SHARED_EVENT: u64 = EVENT_1 as u64 - EVENT;
/// Bytes of a shard without series and ring.
const HEADER: u64 = 256;
/// Bytes of the tables that a registry's first recorder writes.
pub(crate) const TABLES: u64 = Smallest::TABLES_SIZE as u64;
/// The same in storage without exponential histograms.
pub(crate) const CLASSIC_TABLES: u64 = ClassicStorage::<2, 1>::TABLES_SIZE as u64;
/// What there is once, the tables among it.
const REST: u64 = Smallest::SIZE as u64 - 2 * (LABELS + SPILL + COUNTERS) - 2 * HEADER - 2 * (EVENT + SHARED_EVENT);

/// Recorders, and series beside the overflow series, of the default storage.
pub(crate) const DEFAULT_RECORDERS: u64 = 12;
pub(crate) const DEFAULT_SERIES: u64 = 511;
/// Bytes of address space of the default storage.
pub(crate) const DEFAULT_SIZE: u64 = DefaultStorage::SIZE as u64;

/// Bytes of address space of storage for `series` series (the overflow series included), `recorders` recorders and
/// rings of as many events as the default storage has; exact but for some hundred bytes.
#[must_use]
pub const fn size(series: u64, recorders: u64) -> u64 {
    let ring = RING as u64 * (EVENT * recorders + SHARED_EVENT);
    series * (LABELS + SPILL + COUNTERS * recorders) + (recorders + 1) * HEADER + ring + REST
}

/// Bytes that `recorders` recorders and `series` series make resident at the most: every bucket has counted 32,768 requests in
/// each recorder, and every place of the rings has held a raw event.
#[must_use]
pub const fn touched(series: u64, recorders: u64) -> u64 {
    series * LABELS + recorders * recorder(series) + TABLES
}

/// Bytes of the rings of `recorders` recorders.
pub(crate) const fn rings(recorders: u64) -> u64 {
    recorders * RING as u64 * EVENT
}

/// Bytes of one recorder with `series` series and its ring.
pub(crate) const fn recorder(series: u64) -> u64 {
    series * COUNTERS + HEADER + rings(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_add_up_to_the_sizes_of_storage() {
        const { assert!(CLASSIC_COUNTERS < COUNTERS && EVENT < SHARED_EVENT) };
        for (computed, size) in [
            (size(512, 12), DefaultStorage::SIZE),
            (size(3, 1), Storage::<3, 1, RING>::SIZE),
            (size(1_001, 16), Storage::<1_001, 16, RING>::SIZE),
        ] {
            assert!(computed.abs_diff(size as u64) < 512, "{computed} {size}");
        }
    }

    #[test]
    fn the_default_storage_holds_what_is_said_here() {
        static STORAGE: DefaultStorage = DefaultStorage::new();
        let usage = STORAGE.registry().usage();
        assert_eq!(usage.series_capacity as u64, DEFAULT_SERIES);
        assert_eq!((usage.recorders_capacity as u64, usage.ring_capacity), (DEFAULT_RECORDERS, RING));
    }
}
