//! What formats show of instruments of the engine's own, counted anew from the model's lists.

use crate::contract::{LATENCY_BOUNDS_MS, LATENCY_LE, OWN_NUMBER_LE, OWN_TIME_LE, SIZE_BOUNDS, SIZE_LE, millis};
use crate::model::own::Measured;

/// The percentiles of an interval.
pub(super) const PERCENTS: [(&str, usize); 3] = [("p50", 50), ("p95", 95), ("p99", 99)];

/// Upper bounds of classic buckets, in nanoseconds or as numbers, each with its `le`. Where the storage has a scale they are
/// every second power of two; else those of requests.
pub(super) fn bounds(measured: Measured, is_classic: bool) -> Vec<(u64, &'static str)> {
    let zipped = |bounds: Vec<u64>, le: &'static [&'static str]| bounds.into_iter().zip(le.iter().copied()).collect();
    match (measured == Measured::Times, is_classic) {
        (true, false) => zipped((0..16).map(|step| (1_000_000_u64 << (2 * step)) >> 10).collect(), &OWN_TIME_LE),
        (false, false) => zipped([0].into_iter().chain((0..18).map(|step| 1 << (2 * step))).collect(), &OWN_NUMBER_LE),
        (true, true) => zipped(LATENCY_BOUNDS_MS.iter().map(|bound| bound * 1_000_000).collect(), &LATENCY_LE),
        (false, true) => zipped(SIZE_BOUNDS.to_vec(), &SIZE_LE),
    }
}

/// How many values do not exceed a bound.
pub(super) fn up_to(values: &[u64], bound: u64) -> u64 {
    values.iter().filter(|value| **value <= bound).count() as u64
}

/// Nanoseconds or ones in the unit that is shown.
pub(super) fn unit(measured: Measured) -> f64 {
    if measured == Measured::Times { 1e6 } else { 1.0 }
}

/// A value or a sum as texts have it.
pub(super) fn text(measured: Measured, value: u64) -> String {
    if measured == Measured::Times { millis(value) } else { value.to_string() }
}

/// Whether `shown` is what `percent` of the values did not exceed, as near as the buckets can tell.
pub(super) fn is_quantile(measured: Measured, shown: f64, percent: usize, values: &[u64]) -> bool {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (percent * sorted.len()).div_ceil(100).max(1);
    let exact = sorted[rank - 1] as f64 / unit(measured);
    // All that is below the scale is in one bucket, and so is all that is above it. Numbers are whole.
    let (lowest, highest, rounding) = match measured {
        Measured::Times => (1.0 / 1_024.0, f64::from(1 << 20), 2e-6),
        Measured::Numbers | Measured::Counts => (-1.0, (1_u64 << 34) as f64, 0.5),
    };
    let lies_within =
        shown >= sorted[0] as f64 / unit(measured) && shown <= sorted[sorted.len() - 1] as f64 / unit(measured);
    lies_within && (exact <= lowest || exact > highest || (shown - exact).abs() <= exact * 0.0445 + rounding)
}
