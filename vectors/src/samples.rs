//! Latencies and sizes at which encoders go wrong: the buckets' bounds and their neighbours, zero, and the extremes.

use crate::contract::{LATENCY_BOUNDS_MS, SIZE_BOUNDS};
use loaddensity_metrics_core::{ErrorKind, Outcome, Sample, Timestamp};
use std::time::Duration;

/// Latencies in nanoseconds.
#[must_use]
pub fn latencies() -> Vec<u64> {
    let bounds = LATENCY_BOUNDS_MS.iter().map(|bound| bound * 1_000_000);
    let around = bounds.flat_map(|bound| [bound - 1, bound, bound + 1]);
    around.chain([0, 1, 137_000, 7_900_000, 42_000_000, 86_400_000_000_000, u64::MAX]).collect()
}

/// Sizes in bytes.
#[must_use]
pub fn sizes() -> Vec<u64> {
    let around = SIZE_BOUNDS.iter().flat_map(|bound| [bound - 1, *bound, bound + 1]);
    around.chain([0, 1, 1 << 53, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX]).collect()
}

/// A sample whose fields all follow from `seed`, different for different seeds and plain for small ones.
#[must_use]
pub fn sample(seed: u64) -> Sample {
    let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let sample =
        Sample::new(Outcome::ALL[(seed / 6 % 2) as usize], Duration::from_nanos((mixed >> 20) % 20_000_000_000))
            .status([200, 204, 301, 404, 500, 0][(seed % 6) as usize])
            .response_bytes((mixed >> 8) % 3_000_000)
            .completed_at(Timestamp::from_unix_nanos(1_700_000_000_000_000_000 + seed * 1_000));
    with_error(sample, seed / 12)
}

/// The same with one of the kinds of failures, or with none. That of a success is shown nowhere.
#[must_use]
pub fn with_error(mut sample: Sample, seed: u64) -> Sample {
    sample.error = (seed % 8).checked_sub(1).and_then(|kind| ErrorKind::ALL.get(kind as usize).copied());
    sample
}
