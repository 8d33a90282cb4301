//! The work that all contests share: a long random trace of requests, which no branch predictor can learn.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use loaddensity_metrics_core::{Outcome, Sample, Timestamp};
use loaddensity_metrics_cost::trace::{REQUESTS, Trace, Traced};

/// Requests of every trace.
pub const EVENTS: usize = REQUESTS;
/// Upper bounds of the contract's latency buckets in nanoseconds, inclusive.
pub const LATENCY_BOUNDS_NS: [u64; 11] = [
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];
/// Upper bounds of the contract's size buckets in bytes, inclusive.
pub const SIZE_BOUNDS: [u64; 8] = [64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576];
/// Upper bounds of the latency buckets as peers take them: in milliseconds.
pub const LATENCY_BOUNDS_MS: [f64; 11] = [5., 10., 25., 50., 100., 250., 500., 1000., 2500., 5000., 10000.];
/// Upper bounds of the size buckets as peers take them: in bytes.
pub const SIZE_BOUNDS_F64: [f64; 8] = [64., 256., 1024., 4096., 16384., 65536., 262144., 1048576.];
/// Nanoseconds between one request's completion and the next one's: about a thousand requests a second.
pub const STEP_NANOS: u64 = 1_000_003;

/// Requests a second of the trace that this one is made of; its times are not used.
const RATE: u64 = 1_000;
/// When the trace begins, in nanoseconds since the Unix epoch.
const START_NANOS: u64 = 1_700_000_000_000_000_000;

/// One request of the trace, in every form in which a contender takes it, so that none pays for a conversion.
#[derive(Clone, Copy, Debug)]
pub struct TraceEvent {
    /// The latency: whole tenths of a millisecond.
    pub latency: Duration,
    /// The latency in milliseconds.
    pub millis: f64,
    /// The latency in microseconds.
    pub micros: u32,
    /// Size of the response in bytes.
    pub bytes: u32,
    /// Number of its series, below the work's number of series.
    pub series: u32,
    /// 200 or 503.
    pub status: u16,
    /// Success or failure.
    pub outcome: Outcome,
}

impl TraceEvent {
    /// What [`Recorder::record`](loaddensity_metrics_core::Recorder::record) takes.
    #[inline]
    #[must_use]
    pub fn sample(&self, completed_at: Timestamp) -> Sample {
        Sample::new(self.outcome, self.latency)
            .status(self.status)
            .response_bytes(self.bytes.into())
            .completed_at(completed_at)
    }

    /// The latency in nanoseconds.
    #[must_use]
    pub const fn nanos(&self) -> u64 {
        1_000 * self.micros as u64
    }
}

/// When the request at `position` of a trace was completed, in nanoseconds since the Unix epoch.
#[inline]
#[must_use]
pub const fn completed_at(position: usize) -> Timestamp {
    Timestamp::from_unix_nanos(START_NANOS + position as u64 * STEP_NANOS)
}

/// A trace and the names of its series.
#[derive(Debug)]
pub struct TraceWork {
    /// Method and name of each series.
    pub names: Vec<(&'static str, &'static str)>,
    /// The requests, in the order in which they are completed.
    pub events: Vec<TraceEvent>,
}

/// The work with `series` series. Made at the first call and kept, so that all contenders read the same memory.
#[must_use]
pub fn work(series: usize) -> &'static TraceWork {
    static MADE: Mutex<BTreeMap<usize, &'static TraceWork>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.entry(series).or_insert_with(|| {
        let Trace { names, requests } = Trace::new(series as u64, RATE);
        let names = names.into_iter().map(|(method, name)| (method, &*name.leak())).collect();
        Box::leak(Box::new(TraceWork { names, events: requests.iter().map(event).collect() }))
    })
}

/// A request of the trace. The latency is cut to whole tenths of a millisecond, which every contender can write exactly.
fn event(Traced { series, sample }: &Traced) -> TraceEvent {
    let tenths = (sample.latency.as_nanos() / 100_000) as u32;
    TraceEvent {
        latency: Duration::from_micros(100 * u64::from(tenths)),
        millis: f64::from(tenths) / 10.0,
        micros: 100 * tenths,
        bytes: sample.response_bytes as u32,
        series: *series as u32,
        status: sample.status,
        outcome: sample.outcome,
    }
}

/// What every contender must have counted, computed from the trace by plain code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceSums {
    /// Successes and failures.
    pub requests: [u64; 2],
    /// Requests per latency bucket, not cumulative.
    pub latency_buckets: [u64; LATENCY_BOUNDS_NS.len() + 1],
    /// Sum of all latencies in nanoseconds.
    pub latency_ns: u64,
    /// Requests per size bucket, not cumulative.
    pub size_buckets: [u64; SIZE_BOUNDS.len() + 1],
    /// Sum of all sizes in bytes.
    pub bytes: u64,
}

impl TraceSums {
    /// Of `passes` times these events.
    #[must_use]
    pub fn of(events: &[TraceEvent], passes: u64) -> Self {
        let mut sums = Self::default();
        events.iter().for_each(|event| sums.add(event, passes));
        sums
    }

    /// What instruments of the engine's own must have counted: a counter that each request raises by its size, in the place of
    /// successes, and histograms of latencies and of sizes.
    #[must_use]
    pub fn of_instruments(events: &[TraceEvent], passes: u64) -> Self {
        let sums = Self::of(events, passes);
        Self { requests: [sums.bytes, 0], ..sums }
    }

    /// How often all `events` were recorded, by the requests that were counted.
    #[must_use]
    pub fn passes(&self) -> u64 {
        self.requests.iter().sum::<u64>() / EVENTS as u64
    }

    /// Of `passes` times the work's events, one for each series.
    #[must_use]
    pub fn by_series(work: &TraceWork, passes: u64) -> Vec<Self> {
        let mut sums = vec![Self::default(); work.names.len()];
        work.events.iter().for_each(|event| sums[event.series as usize].add(event, passes));
        sums
    }

    fn add(&mut self, event: &TraceEvent, times: u64) {
        let (nanos, bytes) = (event.nanos(), u64::from(event.bytes));
        self.requests[event.outcome as usize] += times;
        self.latency_buckets[LATENCY_BOUNDS_NS.partition_point(|bound| *bound < nanos)] += times;
        self.latency_ns += times * nanos;
        self.size_buckets[SIZE_BOUNDS.partition_point(|bound| *bound < bytes)] += times;
        self.bytes += times * bytes;
    }
}

#[cfg(test)]
mod tests {
    use loaddensity_metrics_core::Bounds;

    use super::*;

    #[test]
    fn the_bounds_are_the_contracts() {
        assert_eq!(
            (Bounds::CONTRACT.latency_ns(), Bounds::CONTRACT.size()),
            (&LATENCY_BOUNDS_NS[..], &SIZE_BOUNDS[..])
        );
        assert_eq!(LATENCY_BOUNDS_MS.map(|bound| (1e6 * bound) as u64), LATENCY_BOUNDS_NS);
        assert_eq!(SIZE_BOUNDS_F64.map(|bound| bound as u64), SIZE_BOUNDS);
    }

    #[test]
    fn the_trace_is_what_it_says() {
        let work = work(100);
        assert_eq!((work.events.len(), work.names.len()), (EVENTS, 100));
        let sums = TraceSums::of(&work.events, 1);
        assert!((0.015..0.025).contains(&(sums.requests[1] as f64 / EVENTS as f64)));
        let by_series = TraceSums::by_series(work, 1);
        assert!(by_series.iter().all(|sums| sums.requests[0] > 500));
        assert_eq!(by_series.iter().map(|sums| sums.latency_ns).sum::<u64>(), sums.latency_ns);
        let range = |value: fn(&TraceEvent) -> u64| {
            let values = work.events.iter().map(value);
            (values.clone().min().unwrap_or(0), values.max().unwrap_or(0))
        };
        let ((fastest, slowest), (smallest, largest)) = (range(TraceEvent::nanos), range(|event| event.bytes.into()));
        assert!(fastest >= 1_000_000 && slowest <= 20_000_000_000 && smallest >= 32 && largest <= 2 << 20);
    }
}
