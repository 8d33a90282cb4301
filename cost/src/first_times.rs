//! What is paid once: the tables that the first recorder of a registry writes, and the first carry of a bucket into memory
//! that nothing has touched.

use std::time::Duration;

use loaddensity_metrics_core::{HeapStorage, Outcome, Sample};

use crate::NO_RING;
use crate::clock::Stopwatch;
use crate::work::{CostMeasurement, CostRow, RoundResult, WrongResult};

/// Requests that a bucket counts before it needs its wide word.
const BEFORE_CARRY: u64 = (1 << 15) - 1;
/// Registries of one round.
const REGISTRIES: u64 = 8;
/// Series of one round whose buckets carry.
const CARRIES: u64 = 8;
/// Series that there is room for: so many that no allocator gives their wide words, 4,608 bytes of each, from memory that was
/// used before. The largest block that glibc may keep is 32 MiB (`mallopt(3)`, `M_MMAP_THRESHOLD`).
const ROOM: usize = 8_000;

/// Claims the first recorder of new registries.
pub(crate) struct WriteTables;

impl CostMeasurement for WriteTables {
    fn row(&self) -> CostRow {
        CostRow::Tables
    }

    fn round(&mut self, watch: &mut Stopwatch) -> Result<RoundResult, WrongResult> {
        for _ in 0..REGISTRIES {
            let Ok(storage) = HeapStorage::new(1, 1, NO_RING) else { return no_memory(self.row()) };
            let registry = storage.registry();
            let series = registry.series("GET", "/items");
            let mut recorder = watch.time(|| registry.recorder());
            recorder.record(series, Sample::http(200, Duration::from_millis(42)));
            self.row().expect("requests counted", 1, registry.series_totals(series).requests())?;
        }
        Ok(RoundResult { operations: REGISTRIES, bytes: 0, times: 1 })
    }
}

/// Records the request with which a bucket carries, in a page for each.
pub(crate) struct CarryFirst;

impl CostMeasurement for CarryFirst {
    fn row(&self) -> CostRow {
        CostRow::FirstCarry
    }

    fn round(&mut self, watch: &mut Stopwatch) -> Result<RoundResult, WrongResult> {
        let Ok(storage) = HeapStorage::new(ROOM, 1, NO_RING) else { return no_memory(self.row()) };
        let registry = storage.registry();
        let mut recorder = registry.recorder();
        for number in 0..CARRIES {
            let series = recorder.series("GET", &format!("/items/{number}"));
            // Of two sizes, so that the bucket of a latency alone carries.
            let sample =
                |request: u64| Sample::http(200, Duration::from_millis(42)).response_bytes(100 << (request % 2 * 8));
            (0..BEFORE_CARRY).for_each(|request| recorder.record(series, sample(request)));
            watch.time(|| recorder.record(series, sample(BEFORE_CARRY)));
            let counted = registry.series_totals(series).latencies[Outcome::Success as usize].count();
            self.row().expect("requests in the buckets", BEFORE_CARRY + 1, counted)?;
        }
        Ok(RoundResult { operations: CARRIES, bytes: 0, times: 1 })
    }
}

fn no_memory(row: CostRow) -> Result<RoundResult, WrongResult> {
    row.expect("storages", 1, 0).map(|()| RoundResult { operations: 0, bytes: 0, times: 0 })
}
