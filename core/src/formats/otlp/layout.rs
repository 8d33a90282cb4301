//! Where a point has its fields.
//!
//! Most exports have the contract's bounds and both times. Code that is compiled for that layout needs neither loops
//! nor checks: hence functions that are inlined into two callers, one of which hands them [`Layout::USUAL`].

use crate::counts::bounds::{Bounds, MAX_BOUNDS, Quantity};
use crate::wire::protobuf::prefix;

use super::field;

/// Bytes of a field of eight bytes.
pub(super) const FIXED64: usize = 9;
/// Bytes of both times.
pub(super) const TIMES: usize = 2 * FIXED64;
/// Most bytes of the bounds of one histogram.
pub(super) const MAX_BOUNDS_FIELD: usize = bounds_field(MAX_BOUNDS + 1);
const NANOS_PER_MILLI: f64 = 1e6;

/// What decides about the lengths of all points, besides their attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) latency_buckets: usize,
    pub(super) size_buckets: usize,
    /// Bytes of both times; one that is zero is left out.
    pub(super) times: usize,
}

impl Layout {
    pub(super) const USUAL: Self = Self {
        latency_buckets: Bounds::CONTRACT.latency_buckets(),
        size_buckets: Bounds::CONTRACT.size_buckets(),
        times: TIMES,
    };

    #[inline(always)]
    pub(super) const fn latency(self) -> Shape {
        Shape { quantity: Quantity::Latency, buckets: self.latency_buckets, unit: NANOS_PER_MILLI }
    }

    #[inline(always)]
    pub(super) const fn size(self) -> Shape {
        Shape { quantity: Quantity::Size, buckets: self.size_buckets, unit: 1.0 }
    }
}

/// One of the histograms.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) quantity: Quantity,
    pub(super) buckets: usize,
    /// How much of what is counted makes one of what is shown.
    pub(super) unit: f64,
}

impl Shape {
    /// The largest [`Self::length`].
    pub(super) const MAX_LENGTH: usize =
        Self { quantity: Quantity::Latency, buckets: MAX_BOUNDS + 1, unit: NANOS_PER_MILLI }.length();

    /// Tag and length of the buckets, at the end of the block.
    #[inline(always)]
    pub(super) const fn buckets_prefix(self) -> ([u8; 4], usize) {
        prefix(field::HISTOGRAM_BUCKET_COUNTS, 8 * self.buckets)
    }

    /// Bytes of the bounds.
    #[inline(always)]
    pub(super) const fn bounds_field(self) -> usize {
        bounds_field(self.buckets)
    }

    /// Bytes of a point besides its times and attributes.
    #[inline(always)]
    pub(super) const fn length(self) -> usize {
        2 * FIXED64 + self.buckets_prefix().1 + 8 * self.buckets + self.bounds_field()
    }
}

/// Bytes of the field `explicit_bounds`, which is left out where there are none.
const fn bounds_field(buckets: usize) -> usize {
    match 8 * (buckets - 1) {
        0 => 0,
        bytes => prefix(field::HISTOGRAM_EXPLICIT_BOUNDS, bytes).1 + bytes,
    }
}
