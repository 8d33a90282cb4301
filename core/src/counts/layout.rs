//! The head of a cell: what is counted of one series and outcome besides its lanes, in one cache line.

use crate::atomics::AtomicU64;
use crate::metrics::{Instrument, InstrumentWords, LATENCY, REQUESTS, SIZE};

/// The words of a head, all zero at first.
pub(crate) type CellHead = [AtomicU64; HEAD];

/// Words of a head: a cache line.
pub(crate) const HEAD: usize = 8;
pub(crate) const LATENCY_SUM: usize = words_of(&LATENCY).0;
pub(crate) const SIZE_SUM: usize = words_of(&SIZE).0;
pub(crate) const LONGEST: usize = words_of(&LATENCY).1;
/// The complement of the shortest latency.
pub(crate) const SHORTEST: usize = words_of(&LATENCY).2;
pub(crate) const LARGEST: usize = words_of(&SIZE).1;
/// The complement of the smallest size.
pub(crate) const SMALLEST: usize = words_of(&SIZE).2;
/// Requests. Stored last of all that is counted of one.
pub(crate) const COUNT: usize = match REQUESTS.words {
    InstrumentWords::Counter { count } => count,
    InstrumentWords::Histogram { .. } => panic!("no counter"),
};
/// Whether a lane of this cell has carried.
pub(crate) const WIDE_IN_USE: usize = 7;

/// Sum, largest and complement of the smallest of a histogram.
#[allow(clippy::panic, reason = "evaluated when this is compiled, and never later")]
const fn words_of(instrument: &Instrument) -> (usize, usize, usize) {
    match instrument.words {
        InstrumentWords::Histogram { sum, largest, smallest } => (sum, largest, smallest),
        InstrumentWords::Counter { .. } => panic!("no histogram"),
    }
}

/// What is counted of one request.
#[derive(Clone, Copy)]
pub(crate) struct SampleNumbers {
    /// At most a day.
    pub(crate) latency_ns: u64,
    /// At most 1 PiB.
    pub(crate) bytes: u64,
}
