//! Which word of a cell holds which number.

use super::bounds::BUCKETS;
use crate::atomics::AtomicU64;
use crate::metrics::{Instrument, InstrumentWords, LATENCY, SIZE};

/// The words of one cell, all zero at first: 896 bytes, of which the contract's bounds use eight cache lines.
pub(crate) type CellWords = [OutcomeWords; 2];

/// The words of one outcome.
pub(crate) type OutcomeWords = [AtomicU64; POINT];

/// Words of one outcome: whole cache lines. Size's buckets come right after those of latency.
pub(crate) const POINT: usize = (AT_BUCKETS + BUCKETS).next_multiple_of(8);
pub(crate) const LATENCY_SUM: usize = words_of(&LATENCY).0;
pub(crate) const SIZE_SUM: usize = words_of(&SIZE).0;
pub(crate) const LONGEST: usize = words_of(&LATENCY).1;
/// The complement of the shortest latency.
pub(crate) const SHORTEST: usize = words_of(&LATENCY).2;
pub(crate) const LARGEST: usize = words_of(&SIZE).1;
/// The complement of the smallest size.
pub(crate) const SMALLEST: usize = words_of(&SIZE).2;
/// Where the buckets begin: latency's, then size's.
pub(crate) const AT_BUCKETS: usize = 6;

/// Sum, largest and complement of the smallest of a histogram.
const fn words_of(instrument: &Instrument) -> (usize, usize, usize) {
    match instrument.words {
        InstrumentWords::Histogram { sum, largest, smallest } => (sum, largest, smallest),
        InstrumentWords::OfLatency => panic!("no histogram"),
    }
}

/// What is counted of one request.
#[derive(Clone, Copy)]
pub(crate) struct Observation {
    /// At most a day.
    pub(crate) latency_ns: u64,
    /// At most 1 PiB.
    pub(crate) bytes: u64,
}
