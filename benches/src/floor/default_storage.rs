//! Floors that do the same work as the default storage: for each outcome classic and exponential histograms, sums and
//! extremes. The plainest code that is quick: a word of 64 bits for each bucket of each, classic bounds compared without a branch,
//! and a table that leaves one exponential bound to compare.

use std::array;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rustc_hash::FxBuildHasher;

use crate::contest::Role;
use crate::floor::record::{bucket, bump};
use crate::recording::{Pass, RecordingContender, Shards, pass};
use crate::trace::{LATENCY_BOUNDS_NS, SIZE_BOUNDS, TraceEvent, TraceSums, TraceWork};

/// By handle: the number of the series is known.
#[must_use]
pub fn by_handle(work: &'static TraceWork) -> Vec<RecordingContender> {
    vec![recording("floor, shard, classic and exponential", work, |shard, work| {
        pass(work, move |_, event| shard[event.series as usize].add(event))
    })]
}

/// By strings: the series is looked up in a hash map of the thread's own.
#[must_use]
pub fn by_strings(work: &'static TraceWork) -> Vec<RecordingContender> {
    vec![recording("floor, hash map + shard, classic and exponential", work, |shard, work| {
        let numbers: HashMap<_, _, FxBuildHasher> = work.names.iter().copied().zip(0_u32..).collect();
        pass(work, move |_, event| shard[numbers[&work.names[event.series as usize]] as usize].add(event))
    })]
}

type SeriesShard = Vec<DefaultFloorCell>;

fn recording(
    name: &'static str,
    work: &'static TraceWork,
    make: fn(Arc<SeriesShard>, &'static TraceWork) -> Pass,
) -> RecordingContender {
    let cells = |series| (0..series).map(|_| DefaultFloorCell::new()).collect();
    let shards = move || Shards::new(work.names.len(), cells);
    let sums = |shards: &Shards<SeriesShard>| {
        let mut totals = FloorTotals::new();
        shards.for_each(|shard| shard.iter().for_each(|cell| totals.add(cell)));
        let passes = totals.sums.passes();
        assert_eq!(totals.exponential, exponential_of(work, passes), "exponential buckets");
        assert_eq!(totals.extremes, extremes_of(work), "extremes");
        totals.sums
    };
    RecordingContender::new(name, Role::Floor, shards, move |shards| make(shards.claim(), work), sums)
}

/// What one series has.
struct DefaultFloorCell {
    /// Of successes and failures.
    outcomes: [OutcomeWords; 2],
}

#[repr(C, align(64))]
struct OutcomeWords {
    requests: AtomicU64,
    latency: ValueWords,
    size: ValueWords,
    latency_classic: [AtomicU64; LATENCY_BOUNDS_NS.len() + 1],
    size_classic: [AtomicU64; SIZE_BOUNDS.len() + 1],
    latency_exponential: [AtomicU64; LATENCIES.buckets()],
    size_exponential: [AtomicU64; SIZES.buckets()],
}

/// Sum and extremes of latencies in nanoseconds, or of sizes in bytes.
#[repr(C)]
struct ValueWords {
    sum: AtomicU64,
    least: AtomicU64,
    most: AtomicU64,
}

impl DefaultFloorCell {
    fn new() -> Self {
        fn zeros<const N: usize>() -> [AtomicU64; N] {
            array::from_fn(|_| AtomicU64::new(0))
        }
        let values = || ValueWords { sum: AtomicU64::new(0), least: AtomicU64::new(u64::MAX), most: AtomicU64::new(0) };
        let words = |_| OutcomeWords {
            requests: AtomicU64::new(0),
            latency: values(),
            size: values(),
            latency_classic: zeros(),
            size_classic: zeros(),
            latency_exponential: zeros(),
            size_exponential: zeros(),
        };
        Self { outcomes: array::from_fn(words) }
    }

    #[inline]
    fn add(&self, event: &TraceEvent) {
        let (nanos, bytes) = (event.nanos(), u64::from(event.bytes));
        let words = &self.outcomes[event.outcome as usize];
        bump(&words.requests, 1);
        words.latency.add(nanos);
        words.size.add(bytes);
        bump(&words.latency_classic[bucket(&LATENCY_BOUNDS_NS, nanos)], 1);
        bump(&words.size_classic[bucket(&SIZE_BOUNDS, bytes)], 1);
        bump(&words.latency_exponential[LATENCIES.bucket(event.millis)], 1);
        bump(&words.size_exponential[SIZES.bucket(event.bytes.into())], 1);
    }
}

impl ValueWords {
    #[inline]
    fn add(&self, value: u64) {
        bump(&self.sum, value);
        self.least.store(self.least.load(Relaxed).min(value), Relaxed);
        self.most.store(self.most.load(Relaxed).max(value), Relaxed);
    }
}

/// Base-2 exponential buckets, eight to each power of two between 2^`start` and 2^`end`, one below, and one above.
#[derive(Clone, Copy)]
struct ExponentialScale {
    start: i32,
    end: i32,
}

/// In milliseconds.
const LATENCIES: ExponentialScale = ExponentialScale { start: -10, end: 20 };
/// In bytes. It begins below one, so that zero has a bucket of its own.
const SIZES: ExponentialScale = ExponentialScale { start: -1, end: 34 };
/// The mantissas of 2^(1/8) to 2^(7/8), as an `f64` has them, and what none reaches.
const ROOTS: [u64; 8] = [
    0x0001_72b8_3c7d_517b,
    0x0003_06fe_0a31_b715,
    0x0004_bfda_d536_2a27,
    0x0006_a09e_667f_3bcd,
    0x0008_ace5_422a_a0db,
    0x000a_e89f_995a_d3ad,
    0x000d_5818_dcfb_a487,
    1 << MANTISSA_BITS,
];
/// Bits of an `f64`'s mantissa, and what its exponent is counted from.
const MANTISSA_BITS: u32 = 52;
const EXPONENT_BIAS: i32 = 1_023;

/// How many of [`ROOTS`] are at most a mantissa that begins with these bits and has zeros after them. There is at most one
/// further root until the next slot.
const ROOTS_BELOW: [u8; 1 << SLOT_BITS] = roots_below();
const SLOT_BITS: u32 = 6;

const fn roots_below() -> [u8; 1 << SLOT_BITS] {
    let (mut table, mut slot, mut below) = ([0; 1 << SLOT_BITS], 0, 0);
    while slot < table.len() {
        while ROOTS[below] <= (slot as u64) << (MANTISSA_BITS - SLOT_BITS) {
            below += 1;
        }
        table[slot] = below as u8;
        slot += 1;
    }
    table
}

impl ExponentialScale {
    const fn buckets(self) -> usize {
        2 + 8 * (self.end - self.start) as usize
    }

    #[inline]
    fn bucket(self, value: f64) -> usize {
        // The next smaller value: a bound belongs to the bucket below it.
        let bits = value.to_bits().saturating_sub(1);
        let power = (bits >> MANTISSA_BITS) as i32 - EXPONENT_BIAS - self.start;
        let mantissa = bits & ((1 << MANTISSA_BITS) - 1);
        let below = ROOTS_BELOW[(mantissa >> (MANTISSA_BITS - SLOT_BITS)) as usize];
        let step = i32::from(below) + i32::from(mantissa >= ROOTS[usize::from(below) & 7]);
        (8 * power + step + 1).clamp(0, self.buckets() as i32 - 1) as usize
    }
}

/// Counts of latencies and of sizes by outcome, and least and most of each.
type ExponentialCounts = [[Vec<u64>; 2]; 2];
type Extremes = [[(u64, u64); 2]; 2];

/// What all series have counted.
struct FloorTotals {
    sums: TraceSums,
    exponential: ExponentialCounts,
    extremes: Extremes,
}

impl FloorTotals {
    fn new() -> Self {
        Self { sums: TraceSums::default(), exponential: zero_counts(), extremes: [[(u64::MAX, 0); 2]; 2] }
    }

    fn add(&mut self, cell: &DefaultFloorCell) {
        let add = |sums: &mut [u64], words: &[AtomicU64]| {
            sums.iter_mut().zip(words).for_each(|(sum, word)| *sum += word.load(Relaxed));
        };
        for (outcome, words) in cell.outcomes.iter().enumerate() {
            self.sums.requests[outcome] += words.requests.load(Relaxed);
            self.sums.latency_ns += words.latency.sum.load(Relaxed);
            self.sums.bytes += words.size.sum.load(Relaxed);
            add(&mut self.sums.latency_buckets, &words.latency_classic);
            add(&mut self.sums.size_buckets, &words.size_classic);
            add(&mut self.exponential[outcome][0], &words.latency_exponential);
            add(&mut self.exponential[outcome][1], &words.size_exponential);
            for (extremes, values) in self.extremes[outcome].iter_mut().zip([&words.latency, &words.size]) {
                widen(extremes, values.least.load(Relaxed), values.most.load(Relaxed));
            }
        }
    }
}

fn zero_counts() -> ExponentialCounts {
    array::from_fn(|_| [vec![0; LATENCIES.buckets()], vec![0; SIZES.buckets()]])
}

fn widen((least, most): &mut (u64, u64), smaller: u64, larger: u64) {
    (*least, *most) = ((*least).min(smaller), (*most).max(larger));
}

/// Exponential buckets of `passes` times the trace, from their bounds.
fn exponential_of(work: &TraceWork, passes: u64) -> ExponentialCounts {
    let bounds = |scale: ExponentialScale| -> Vec<f64> {
        (8 * scale.start..=8 * scale.end).map(|step| (f64::from(step) / 8.0).exp2()).collect()
    };
    let (latencies, sizes) = (bounds(LATENCIES), bounds(SIZES));
    let mut counts = zero_counts();
    for event in &work.events {
        let [latency, size] = &mut counts[event.outcome as usize];
        latency[latencies.partition_point(|bound| *bound < event.millis)] += passes;
        size[sizes.partition_point(|bound| *bound < f64::from(event.bytes))] += passes;
    }
    counts
}

fn extremes_of(work: &TraceWork) -> Extremes {
    let mut extremes = FloorTotals::new().extremes;
    for event in &work.events {
        let [latency, size] = &mut extremes[event.outcome as usize];
        widen(latency, event.nanos(), event.nanos());
        widen(size, event.bytes.into(), event.bytes.into());
    }
    extremes
}
