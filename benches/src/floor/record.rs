//! Floors of recording: a shard of each thread's own, plain loads and stores, bounds compared without a branch.

use std::array;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rustc_hash::FxBuildHasher;

use crate::contest::Role;
use crate::recording::{Pass, RecordingContender, Shards, pass};
use crate::trace::{LATENCY_BOUNDS_NS, SIZE_BOUNDS, TraceEvent, TraceSums, TraceWork};

/// One counter by outcome and two histograms of one series. Histograms are not kept per outcome.
#[repr(align(64))]
pub struct FloorCell {
    /// Successes and failures.
    pub requests: [AtomicU64; 2],
    /// Requests per latency bucket, not cumulative.
    pub latency: [AtomicU64; LATENCY_BOUNDS_NS.len() + 1],
    /// Sum of all latencies, in the unit of whoever adds.
    pub latency_sum: AtomicU64,
    /// Requests per size bucket, not cumulative.
    pub size: [AtomicU64; SIZE_BOUNDS.len() + 1],
    /// Sum of all sizes in bytes.
    pub size_sum: AtomicU64,
}

/// Cells of all series.
#[must_use]
pub fn shard(series: usize) -> Vec<FloorCell> {
    fn zeros<const N: usize>() -> [AtomicU64; N] {
        array::from_fn(|_| AtomicU64::new(0))
    }
    let cell = || FloorCell {
        requests: zeros(),
        latency: zeros(),
        latency_sum: AtomicU64::new(0),
        size: zeros(),
        size_sum: AtomicU64::new(0),
    };
    (0..series).map(|_| cell()).collect()
}

impl FloorCell {
    /// Counts a request by its latency in microseconds, 32 bits wide.
    #[inline]
    pub fn add_micros(&self, event: &TraceEvent) {
        const BOUNDS: [u32; 11] = micros(LATENCY_BOUNDS_NS);
        bump(&self.requests[event.outcome as usize], 1);
        bump(&self.latency[bucket(&BOUNDS, event.micros)], 1);
        bump(&self.latency_sum, event.micros.into());
        bump(&self.size[bucket(&narrow(SIZE_BOUNDS), event.bytes)], 1);
        bump(&self.size_sum, event.bytes.into());
    }

    /// Counts a request by its latency in nanoseconds and its size, 64 bits wide.
    #[inline]
    pub fn add_nanos(&self, event: &TraceEvent) {
        bump(&self.requests[event.outcome as usize], 1);
        self.add_values(event);
    }

    /// Counts what instruments of the engine's own have of a request: a counter that it raises by its size, in the place of successes,
    /// and two histograms.
    #[inline]
    pub fn add_instruments(&self, event: &TraceEvent) {
        bump(&self.requests[0], event.bytes.into());
        self.add_values(event);
    }

    #[inline]
    fn add_values(&self, event: &TraceEvent) {
        let (nanos, bytes) = (event.nanos(), u64::from(event.bytes));
        bump(&self.latency[bucket(&LATENCY_BOUNDS_NS, nanos)], 1);
        bump(&self.latency_sum, nanos);
        bump(&self.size[bucket(&SIZE_BOUNDS, bytes)], 1);
        bump(&self.size_sum, bytes);
    }

    /// Adds what was counted to `sums`, where a latency of 1 is `unit_ns` nanoseconds.
    pub fn add_to(&self, sums: &mut TraceSums, unit_ns: u64) {
        let add = |sums: &mut [u64], words: &[AtomicU64]| {
            sums.iter_mut().zip(words).for_each(|(sum, word)| *sum += word.load(Relaxed));
        };
        add(&mut sums.requests, &self.requests);
        add(&mut sums.latency_buckets, &self.latency);
        add(&mut sums.size_buckets, &self.size);
        sums.latency_ns += unit_ns * self.latency_sum.load(Relaxed);
        sums.bytes += self.size_sum.load(Relaxed);
    }
}

#[inline]
pub(super) fn bump(word: &AtomicU64, by: u64) {
    word.store(word.load(Relaxed).wrapping_add(by), Relaxed);
}

#[inline]
pub(super) fn bucket<T: PartialOrd + Copy, const N: usize>(bounds: &[T; N], value: T) -> usize {
    bounds.iter().map(|bound| u32::from(value > *bound)).sum::<u32>() as usize
}

const fn micros<const N: usize>(mut bounds: [u64; N]) -> [u32; N] {
    let mut at = 0;
    while at < N {
        bounds[at] /= 1_000;
        at += 1;
    }
    narrow(bounds)
}

const fn narrow<const N: usize>(bounds: [u64; N]) -> [u32; N] {
    let (mut narrow, mut at) = ([0; N], 0);
    while at < N {
        narrow[at] = bounds[at] as u32;
        at += 1;
    }
    narrow
}

/// By handle: the number of the series is known.
#[must_use]
pub fn by_handle(work: &'static TraceWork) -> Vec<RecordingContender> {
    let one =
        |name, unit_ns, add: fn(Arc<Vec<FloorCell>>, &'static TraceWork) -> Pass| recording(name, unit_ns, work, add);
    vec![
        one("floor, shard, 32-bit microseconds", 1_000, |shard, work| {
            pass(work, move |_, event| shard[event.series as usize].add_micros(event))
        }),
        one("floor, shard, 64-bit nanoseconds", 1, |shard, work| {
            pass(work, move |_, event| shard[event.series as usize].add_nanos(event))
        }),
    ]
}

/// By handle, and with three instruments of the engine's own, which have a cell besides.
#[must_use]
pub fn with_instruments(work: &'static TraceWork) -> RecordingContender {
    let make = move |shards: &Shards<[Vec<FloorCell>; 2]>| {
        let shard = shards.claim();
        pass(work, move |_, event| {
            let [requests, instruments] = &*shard;
            requests[event.series as usize].add_nanos(event);
            instruments[event.series as usize].add_instruments(event);
        })
    };
    let sums = |shards: &Shards<[Vec<FloorCell>; 2]>| {
        let mut sums = [TraceSums::default(), TraceSums::default()];
        shards.for_each(|shard| {
            for (sums, cells) in sums.iter_mut().zip(shard) {
                cells.iter().for_each(|cell| cell.add_to(sums, 1));
            }
        });
        let [requests, instruments] = sums;
        assert_eq!(instruments, TraceSums::of_instruments(&work.events, requests.passes()), "instruments");
        requests
    };
    let shards = || Shards::new(work.names.len(), |series| [shard(series), shard(series)]);
    RecordingContender::new("floor, shard, 64-bit nanoseconds", Role::Floor, shards, make, sums)
}

/// By strings: the series is looked up in a hash map of the thread's own.
#[must_use]
pub fn by_strings(work: &'static TraceWork) -> Vec<RecordingContender> {
    vec![recording("floor, hash map + shard, 32-bit microseconds", 1_000, work, |shard, work| {
        let numbers: HashMap<_, _, FxBuildHasher> = work.names.iter().copied().zip(0_u32..).collect();
        pass(work, move |_, event| shard[numbers[&work.names[event.series as usize]] as usize].add_micros(event))
    })]
}

fn recording(
    name: &'static str,
    unit_ns: u64,
    work: &'static TraceWork,
    make: fn(Arc<Vec<FloorCell>>, &'static TraceWork) -> Pass,
) -> RecordingContender {
    let sums = move |shards: &Shards<Vec<FloorCell>>| {
        let mut sums = TraceSums::default();
        shards.for_each(|shard| shard.iter().for_each(|cell| cell.add_to(&mut sums, unit_ns)));
        sums
    };
    let shards = || Shards::new(work.names.len(), shard);
    RecordingContender::new(name, Role::Floor, shards, move |shards| make(shards.claim(), work), sums)
}
