//! Base-2 exponential histograms: fixed buckets that need no choosing, eight to each power of two.
//!
//! The upper bound of a bucket, which belongs to it, is 2^(1/8) times its lower bound. So a value that is computed from
//! a bucket is within 4.4 % of the true one. Latencies are counted in milliseconds, because the backends get this
//! number: from 2^-10 ms (0.98 µs; shorter ones count as zero) to 2^20 ms (17 min). Sizes are counted from one byte to
//! 2^34 bytes (16 GiB), with a bucket of its own for zero. The last bucket is for all larger values.
//!
//! Sources: opentelemetry-proto, `metrics/v1/metrics.proto`, `ExponentialHistogramDataPoint`; Prometheus, "Native
//! Histograms", standard schemas. The former counts buckets by their lower bound, the latter by their upper one.

use crate::counts::bounds::Quantity;

/// Buckets per power of two are 2^`SCALE`: OTLP's scale, Prometheus' schema.
pub(crate) const SCALE: u32 = 3;
/// Buckets of latencies, the one of zero and the one above the scale included.
pub(crate) const LATENCIES: usize = 2 + 30 * STEPS;
/// Buckets of sizes, those of zero and of one byte and the one above the scale included.
pub(crate) const SIZES: usize = 3 + 34 * STEPS;

/// Buckets per power of two.
const STEPS: usize = 1 << SCALE;
/// The power of two, of milliseconds, at which the latencies' buckets begin.
const LATENCY_START: i32 = -10;

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

/// The largest values of coarse buckets, each of which has the values of every second power of two: of latencies from 2^-10 to
/// 2^20 ms, of sizes zero and 1 to 2^34. An exponential bucket ends at each of them.
pub(crate) fn coarse_edges(quantity: Quantity) -> impl Iterator<Item = u64> {
    let (zero, powers, edge): (_, _, fn(usize) -> u64) = match quantity {
        Quantity::Latency => (None, LATENCIES - 1, latency_edge),
        Quantity::Size => (Some(0), SIZES - 2, |bucket| size_edge(bucket + 1)),
    };
    zero.into_iter().chain((0..powers.div_ceil(COARSE_STEPS)).map(move |step| edge(step * COARSE_STEPS)))
}

/// The coarse bucket that an exponential bucket lies in.
pub(crate) const fn coarse_bucket(quantity: Quantity, bucket: usize) -> usize {
    match (quantity, bucket) {
        (Quantity::Latency, _) => bucket.div_ceil(COARSE_STEPS),
        (Quantity::Size, 0) => 0,
        (Quantity::Size, _) => 1 + (bucket - 1).div_ceil(COARSE_STEPS),
    }
}

/// Exponential buckets of a coarse one.
const COARSE_STEPS: usize = 2 * STEPS;

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
/// In nanoseconds.
const MILLISECOND: u64 = 1_000_000;

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use super::*;

    /// The bucket of a value, by comparing.
    fn bucket_of(value: u64, edge: fn(usize) -> u64, buckets: usize) -> usize {
        (0..buckets - 1).take_while(|bucket| value > edge(*bucket)).count()
    }

    fn latency_bucket(ns: u64) -> usize {
        bucket_of(ns, latency_edge, LATENCIES)
    }

    fn size_bucket(bytes: u64) -> usize {
        bucket_of(bytes, size_edge, SIZES)
    }

    /// The index that OTLP's data model asks for, in floating point: right except next to a bound.
    fn otlp_index(value: f64) -> i32 {
        (value.log2() * STEPS as f64).ceil() as i32 - 1
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
        // Each takes Miri some milliseconds.
        for _ in 0..if cfg!(miri) { 300 } else { 20_000 } {
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
