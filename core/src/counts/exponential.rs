//! Base-2 exponential histograms: fixed buckets that need no choosing, eight to each power of two.
//!
//! The upper bound of a bucket, which belongs to it, is 2^(1/8) times its lower bound. So a value that is computed from
//! a bucket is within 4.4 % of the true one. Latencies are counted in milliseconds, because the backends get this
//! number: from 2^-10 ms (0.98 µs; shorter ones count as zero) to 2^20 ms (17 min). Sizes are counted from one byte to
//! 2^34 bytes (16 GiB), with a bucket of its own for zero. The last bucket is for all larger values.
//!
//! Sources: opentelemetry-proto, `metrics/v1/metrics.proto`, `ExponentialHistogramDataPoint`; Prometheus, "Native
//! Histograms", standard schemas. The former counts buckets by their lower bound, the latter by their upper one.

use crate::atomics::{AtomicU64, Ordering::Relaxed};
use crate::cold::cold_path;
use crate::counts::layout::Observation;
use crate::request::sample::Outcome;

/// Buckets per power of two are 2^`SCALE`: OTLP's scale, Prometheus' schema.
pub(crate) const SCALE: u32 = 3;
/// Buckets of latencies, the one of zero and the one above the scale included.
pub(crate) const LATENCIES: usize = 2 + 30 * STEPS;
/// Buckets of sizes, those of zero and of one byte and the one above the scale included.
pub(crate) const SIZES: usize = 3 + 34 * STEPS;

/// The words of one series in one shard, all zero at first: per outcome both histograms. The extremes are in the cell,
/// on a cache line that is written anyway.
pub(crate) type ExponentialWords = [[AtomicU64; POINT]; 2];

/// Buckets per power of two.
const STEPS: usize = 1 << SCALE;
/// The power of two, of milliseconds, at which the latencies' buckets begin.
const LATENCY_START: i32 = -10;

/// Words of one outcome: 4,160 bytes, whole cache lines.
const POINT: usize = (LATENCIES + SIZES).next_multiple_of(8);

/// The bucket of a latency in nanoseconds, at most a day.
#[inline]
pub(crate) fn latency_bucket(ns: u64) -> usize {
    // The first bucket ends at 2^-10 ms, which is the last root between its powers of two of nanoseconds.
    const BELOW: usize = (ONE as i32 + MILLISECOND.ilog2() as i32 + LATENCY_START + 1) as usize * STEPS - 1;
    on_scale::<BELOW, LATENCIES>(steps(ns, &OF_MILLISECONDS))
}

/// The bucket of a size in bytes, at most 1 PiB.
#[inline]
pub(crate) fn size_bucket(bytes: u64) -> usize {
    // One byte ends the first bucket above that of zero, whose float has the least exponent.
    const BELOW: usize = ONE * STEPS - 1;
    at_most_last::<SIZES>(steps(bytes, &OF_ONE).saturating_sub(BELOW))
}

/// The first of `BUCKETS` buckets for what lies below the scale, which begins at `BELOW`, and the last for what lies
/// above. Real latencies are on it: one branch, always predicted, instead of two bounds that every request would pay
/// for.
#[inline(always)]
fn on_scale<const BELOW: usize, const BUCKETS: usize>(steps: usize) -> usize {
    let bucket = steps.wrapping_sub(BELOW);
    if bucket < BUCKETS {
        return bucket;
    }
    cold_path();
    if steps < BELOW { 0 } else { BUCKETS - 1 }
}

/// The last of `BUCKETS` buckets for what lies above the scale, which sizes do not do. Empty answers among others are
/// usual, so that whether a size is zero must not be a branch.
#[inline(always)]
fn at_most_last<const BUCKETS: usize>(bucket: usize) -> usize {
    if bucket < BUCKETS {
        return bucket;
    }
    cold_path();
    BUCKETS - 1
}

/// The largest latency in nanoseconds that `bucket` counts; the last one has no such bound.
pub(crate) const fn latency_edge(bucket: usize) -> u64 {
    let steps = bucket as i32 + LATENCY_START * STEPS as i32;
    let shift = ROOT_BITS - steps.div_euclid(STEPS as i32);
    ((MILLISECOND as u128 * ROOTS[steps.rem_euclid(STEPS as i32) as usize] as u128) >> shift) as u64
}

/// The largest size in bytes that `bucket` counts; the last one has no such bound.
pub(crate) const fn size_edge(bucket: usize) -> u64 {
    match bucket {
        0 => 0,
        _ => (ROOTS[(bucket - 1) % STEPS] as u128 >> (ROOT_BITS as usize - (bucket - 1) / STEPS)) as u64,
    }
}

/// The index of a bucket in an OTLP `ExponentialHistogramDataPoint`. Prometheus' is one more.
pub(crate) const fn latency_index(bucket: usize) -> i32 {
    bucket as i32 - 1 + LATENCY_START * STEPS as i32
}

/// As [`latency_index`].
pub(crate) const fn size_index(bucket: usize) -> i32 {
    bucket as i32 - 2
}

/// Counts one request in words that this thread alone writes: plain loads and stores.
#[inline]
pub(crate) fn add(words: &ExponentialWords, outcome: Outcome, seen: Observation) {
    let point = &words[outcome.index()];
    // Relaxed: readers need each number whole, but the numbers need not belong to the same moment.
    let bump = |at: usize| point[at].store(point[at].load(Relaxed).wrapping_add(1), Relaxed);
    bump(latency_bucket(seen.latency_ns));
    bump(LATENCIES + size_bucket(seen.bytes));
}

/// Counts one request in words that several threads write.
pub(crate) fn add_shared(words: &ExponentialWords, outcome: Outcome, seen: Observation) {
    let point = &words[outcome.index()];
    // Relaxed: only the sums matter.
    point[latency_bucket(seen.latency_ns)].fetch_add(1, Relaxed);
    point[LATENCIES + size_bucket(seen.bytes)].fetch_add(1, Relaxed);
}

/// The buckets of latencies and of sizes of one outcome.
pub(crate) fn buckets(words: &ExponentialWords, outcome: Outcome) -> (&[AtomicU64], &[AtomicU64]) {
    let (latencies, sizes) = words[outcome.index()].split_at(LATENCIES);
    (latencies, &sizes[..SIZES])
}

/// How many steps of a scale are less than `x`, which is less than 2^53: eight to each power of two, from the float on
/// whose bits are all zero.
///
/// A float's bits hold the power of two and, after it, how far above that the number is. On processors that many a
/// binary is still built for, this is half the work of counting leading zeros. There are eight steps to each of the
/// powers, but of different widths: what is added before the bits are cut off moves the root in the number's slot to
/// where a step of equal width ends.
#[inline]
fn steps(x: u64, moves: &[u64; SLOTS]) -> usize {
    let bits = (x as i64 as f64).to_bits();
    let slot = (bits >> (MANTISSA_BITS - SLOT_BITS)) as usize % SLOTS;
    (bits.wrapping_add(moves[slot]) >> STEP_BITS) as usize
}

/// The exponent of 1 in a float's bits.
const ONE: usize = 1_023;
const MANTISSA_BITS: u32 = 52;
/// 2^(i/8), i = 0 to 7, in units of 2^-63, rounded down.
const ROOTS: [u64; STEPS] = [
    0x8000_0000_0000_0000,
    0x8b95_c1e3_ea8b_d6e6,
    0x9837_f051_8db8_a96f,
    0xa5fe_d6a9_b151_38ea,
    0xb504_f333_f9de_6484,
    0xc567_2a11_5506_dadd,
    0xd744_fcca_d69d_6af4,
    0xeac0_c6e7_dd24_392e,
];
const ROOT_BITS: i32 = 63;
const SLOT_BITS: u32 = 4;
const SLOTS: usize = 1 << SLOT_BITS;
/// Bits of a mantissa after those that would number steps of equal width.
const STEP_BITS: u32 = MANTISSA_BITS - SCALE;
/// The scale of sizes: its roots are 2^(i/8).
const OF_ONE: [u64; SLOTS] = moves(1);
/// The scale of latencies: its roots are 2^(i/8) ms, in nanoseconds. No number is rounded on the way to its bucket.
const OF_MILLISECONDS: [u64; SLOTS] = moves(MILLISECOND);
/// In nanoseconds.
const MILLISECOND: u64 = 1_000_000;

/// What moves the root in each slot to the end of a step of equal width, as many of them below it as there are roots;
/// where there is no root, what moves the slot to the beginning of such a step. The roots are 2^(i/8) of `unit`.
const fn moves(unit: u64) -> [u64; SLOTS] {
    let root_in = root_in_slots(unit);
    let mut moves = [0; SLOTS];
    let (mut slot, mut below) = (0, 0_u64);
    while slot < SLOTS {
        moves[slot] = if root_in[slot] == u64::MAX {
            (below << STEP_BITS).wrapping_sub((slot as u64) << (MANTISSA_BITS - SLOT_BITS))
        } else {
            below += 1;
            (below << STEP_BITS).wrapping_sub(1).wrapping_sub(root_in[slot])
        };
        slot += 1;
    }
    moves
}

/// The root in each slot as the bits of a mantissa, rounded down; where there is none, a number that none has. Sixteen
/// slots are narrow enough that at most one root lies in each.
const fn root_in_slots(unit: u64) -> [u64; SLOTS] {
    let mut roots = [u64::MAX; SLOTS];
    let mut i = 0;
    while i < STEPS {
        let root = unit as u128 * ROOTS[i] as u128;
        let mantissa = (root >> (root.ilog2() - MANTISSA_BITS)) as u64 & ((1 << MANTISSA_BITS) - 1);
        roots[(mantissa >> (MANTISSA_BITS - SLOT_BITS)) as usize] = mantissa;
        i += 1;
    }
    roots
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use super::*;

    /// The index that OTLP's data model asks for, in floating point: right except next to a bound.
    fn otlp_index(value: f64) -> i32 {
        (value.log2() * STEPS as f64).ceil() as i32 - 1
    }

    #[test]
    fn every_bucket_ends_at_its_edge_and_includes_it() {
        let latency =
            (0..LATENCIES - 1).map(|bucket| (bucket, latency_edge(bucket), latency_bucket as fn(u64) -> usize));
        let size = (0..SIZES - 1).map(|bucket| (bucket, size_edge(bucket), size_bucket as fn(u64) -> usize));
        for (bucket, edge, bucket_of) in latency.chain(size) {
            // Where no whole number lies between two bounds, a bucket stays empty.
            assert!(bucket_of(edge) <= bucket && bucket_of(edge + 1) > bucket, "bucket {bucket}, edge {edge}");
        }
    }

    #[test]
    fn edges_are_the_bounds_of_the_scale_rounded_down() {
        for bucket in 0..LATENCIES - 1 {
            let bound = (f64::from(latency_index(bucket) + 1) / 8.0).exp2() * 1e6;
            assert_eq!(latency_edge(bucket), (bound + 1e-4).floor() as u64, "latency bucket {bucket}");
            assert!(
                (bound + 1e-4).floor() == (bound - 1e-4).floor() || bound.fract() == 0.0,
                "f64 cannot tell {bound}"
            );
        }
        for bucket in 1..SIZES - 1 {
            let bound = (f64::from(size_index(bucket) + 1) / 8.0).exp2();
            assert_eq!(size_edge(bucket), (bound + 1e-5).floor() as u64, "size bucket {bucket}");
        }
    }

    #[test]
    fn powers_of_two_are_the_upper_bounds_of_their_buckets() {
        for power in 0..=34 {
            assert_eq!(size_index(size_bucket(1 << power)), 8 * power - 1);
        }
        for power in 0..=19 {
            assert_eq!(latency_index(latency_bucket(1_000_000 << power)), 8 * power - 1);
        }
    }

    #[test]
    fn the_index_is_that_of_the_exported_number() {
        let mut random = 1_u64;
        for _ in 0..1_000_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let ns = (random >> (random % 40)).clamp(1_000, 600_000_000_000);
            assert_eq!(latency_index(latency_bucket(ns)), otlp_index(ns as f64 / 1e6), "{ns} ns");
            let bytes = (random >> (random % 60)).clamp(1, 1 << 34);
            assert_eq!(size_index(size_bucket(bytes)), otlp_index(bytes as f64), "{bytes} bytes");
        }
    }

    #[test]
    fn values_outside_the_scale_count_at_its_ends() {
        assert_eq!([0, 1, 976].map(latency_bucket), [0, 0, 0]);
        assert_eq!([977, 1_000].map(latency_bucket), [1, 1]);
        assert_eq!([1_048_576_000_000, 1_048_576_000_001].map(latency_bucket), [LATENCIES - 2, LATENCIES - 1]);
        assert_eq!(latency_bucket(86_400_000_000_000), LATENCIES - 1);
        assert_eq!([0, 1, 2].map(size_bucket), [0, 1, 9]);
        assert_eq!([1 << 34, (1 << 34) + 1, 1 << 50].map(size_bucket), [SIZES - 2, SIZES - 1, SIZES - 1]);
    }
}
