//! Where a cell keeps what.

use super::bounds::BUCKETS;
use crate::atomics::AtomicU64;

/// The words of one cell, all zero at birth: 896 bytes, of which the contract's bounds use eight cache lines.
pub(crate) type CellWords = [Side; 2];

/// The words of one outcome.
pub(crate) type Side = [AtomicU64; POINT];

/// Words of one outcome: whole cache lines. Size's buckets come right behind those of latency.
pub(crate) const POINT: usize = (AT_BUCKETS + BUCKETS).next_multiple_of(8);
pub(crate) const LATENCY_SUM: usize = 0;
pub(crate) const SIZE_SUM: usize = 1;
pub(crate) const LONGEST: usize = 2;
/// The complement of the shortest latency, because words are zero at birth.
pub(crate) const SHORTEST: usize = 3;
pub(crate) const LARGEST: usize = 4;
/// The complement of the smallest size.
pub(crate) const SMALLEST: usize = 5;
pub(crate) const AT_BUCKETS: usize = 6;

/// What is counted of one request.
#[derive(Clone, Copy)]
pub(crate) struct Observation {
    /// At most a day.
    pub(crate) latency_ns: u64,
    /// At most 1 PiB.
    pub(crate) bytes: u64,
}
