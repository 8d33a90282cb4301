//! What an engine does between two requests: it touches other memory, which takes the caches away from the recorder.
//!
//! Reading that memory takes longer than recording does, so the same reading without requests is timed in turns with it, a
//! few hundred requests at a time, and taken off. What is left is what a request adds to the engine's own work. Where
//! the processor does some of it while it waits for that memory, this is the engine's gain as well, and stays in.

use std::hint::black_box;

use crate::clock::Stopwatch;
use crate::trace::{Trace, Traced};

/// Bytes of a cache line.
const LINE: usize = 64;
/// Bytes of the memory: more than a core has of the caches for itself.
pub(crate) const MEMORY: usize = 64 << 20;
/// Most bytes that may be read between two requests. Where it were more, the little that recording takes would be lost in what
/// is taken off.
pub(crate) const MOST_BETWEEN: u64 = 1 << 20;
/// Requests between two looks at the clock: enough for those to make no difference.
const SLICE: usize = 500;

/// Memory that is read from one end to the other, a piece between two requests.
pub(crate) struct OtherMemory(Vec<CacheLine>);

#[derive(Clone, Copy)]
#[repr(align(64))]
struct CacheLine([u64; LINE / 8]);

impl OtherMemory {
    /// All of it resident: not zero, because pages of zeros may all be one page.
    pub(crate) fn new() -> Self {
        Self(vec![CacheLine([1; LINE / 8]); MEMORY / LINE])
    }

    /// Pieces of `bytes`, 1 to [`MOST_BETWEEN`], in whole cache lines.
    pub(crate) fn pieces(&self, bytes: u64) -> MemoryPieces<'_> {
        MemoryPieces { lines: &self.0, piece: (bytes as usize).div_ceil(LINE), next: 0, request: 0 }
    }
}

/// Where the reading stands, in the memory and in the trace.
#[derive(Clone, Copy)]
pub(crate) struct MemoryPieces<'a> {
    lines: &'a [CacheLine],
    /// Lines between two requests.
    piece: usize,
    next: usize,
    request: usize,
}

/// What is between two requests.
#[derive(Clone, Copy)]
pub(crate) enum BetweenRequests<'a> {
    Nothing,
    Reading(MemoryPieces<'a>),
}

impl BetweenRequests<'_> {
    /// The requests of a round: the whole trace, or the next ones, before which the whole memory is read at the most.
    pub(crate) fn requests<'t>(&mut self, trace: &'t Trace) -> &'t [Traced] {
        match self {
            Self::Nothing => &trace.requests,
            Self::Reading(pieces) => pieces.requests(&trace.requests),
        }
    }

    /// Does `record` with `requests`, which counts: with all at once, or with one after another where memory is read between.
    #[inline]
    pub(crate) fn time(&mut self, watch: &mut Stopwatch, requests: &[Traced], mut record: impl FnMut(&[Traced])) {
        match self {
            Self::Nothing => watch.time(|| record(requests)),
            Self::Reading(pieces) => {
                for slice in requests.chunks(SLICE) {
                    watch.take_off(|| slice.iter().for_each(|_| pieces.read()));
                    watch.time(|| {
                        for request in slice.chunks(1) {
                            pieces.read();
                            record(request);
                        }
                    });
                }
            }
        }
    }
}

impl MemoryPieces<'_> {
    fn requests<'t>(&mut self, trace: &'t [Traced]) -> &'t [Traced] {
        let first = self.request;
        let end = trace.len().min(first + self.lines.len() / self.piece);
        self.request = end % trace.len();
        &trace[first..end]
    }

    /// Reads a piece. Never inlined, so that it is the same code with requests and without.
    #[inline(never)]
    fn read(&mut self) {
        let end = self.next + self.piece;
        let (first, end) = if end <= self.lines.len() { (self.next, end) } else { (0, self.piece) };
        black_box(self.lines[first..end].iter().fold(0, |sum: u64, line| sum.wrapping_add(line.0[0])));
        self.next = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_follow_one_another_through_all_of_the_memory() {
        let memory = OtherMemory::new();
        let lines = MEMORY / LINE;
        for (bytes, piece) in [(1, 1), (64, 1), (65, 2), (4_000, 63), (MOST_BETWEEN, 16_384)] {
            let mut pieces = memory.pieces(bytes);
            for number in 1..=lines / piece {
                pieces.read();
                assert_eq!(pieces.next, number * piece, "{bytes} bytes");
            }
            pieces.read();
            assert_eq!(pieces.next, piece, "{bytes} bytes");
        }
    }

    #[test]
    fn every_request_of_the_trace_has_its_turn() {
        let (memory, trace) = (OtherMemory::new(), Trace::new(10, 1_000));
        for (bytes, of_a_round) in [(64, 100_000), (4_096, 16_384), (MOST_BETWEEN, 64)] {
            let mut between = BetweenRequests::Reading(memory.pieces(bytes));
            let mut seen = 0;
            while seen < trace.requests.len() {
                let requests = between.requests(&trace);
                assert!(std::ptr::eq(requests.as_ptr(), &raw const trace.requests[seen]));
                assert_eq!(requests.len(), of_a_round.min(trace.requests.len() - seen));
                seen += requests.len();
            }
            assert!(std::ptr::eq(between.requests(&trace).as_ptr(), trace.requests.as_ptr()));
        }
    }

    #[test]
    fn each_request_is_done_once_and_the_reading_taken_off() {
        let (memory, trace) = (OtherMemory::new(), Trace::new(10, 1_000));
        for (between, takes_off) in
            [(BetweenRequests::Nothing, false), (BetweenRequests::Reading(memory.pieces(4_096)), true)]
        {
            let (mut between, mut watch, mut done) = (between, Stopwatch::new(), 0);
            let requests = between.requests(&trace);
            between.time(&mut watch, requests, |requests| done += requests.len());
            let time = watch.take();
            assert_eq!((done, time.taken_off > 0), (requests.len(), takes_off));
            assert!(time.counted > 0);
        }
    }
}
