//! The work that all benches share: a long random trace of requests, which no branch predictor can learn.

use std::time::Duration;

use loaddensity_metrics_core::{Outcome, Sample, Timestamp};

/// Series of the trace.
pub const SERIES: usize = 100;
/// Requests of the trace.
pub const EVENTS: usize = 100_000;

/// One request of the trace.
#[derive(Clone, Copy, Debug)]
pub struct TraceEvent {
    /// Number of its series, below [`SERIES`].
    pub series: usize,
    /// What is recorded.
    pub sample: Sample,
    /// The latency as peers take it, in milliseconds.
    pub millis: f64,
    /// The size as peers take it, in bytes.
    pub bytes: f64,
}

/// Method and name of series `number`.
#[must_use]
pub fn series_name(number: usize) -> (&'static str, String) {
    (["GET", "POST", "PUT", "DELETE"][number % 4], format!("/api/v1/items/{number:04}"))
}

/// The trace: latency log-uniform over 1 ms to 20 s in steps of 0.1 ms, size log-uniform over 32 B to 2 MB, 2 %
/// failures, series in random order. The same at every call.
#[must_use]
pub fn trace() -> Vec<TraceEvent> {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    (0..EVENTS)
        .map(|_| {
            let tenths = (10.0 * 20_000_f64.powf(random.fraction())) as u64;
            let bytes = (32.0 * 65_536_f64.powf(random.fraction())) as u64;
            let failed = random.next().is_multiple_of(50);
            let latency = Duration::from_micros(100 * tenths);
            TraceEvent {
                series: random.next() as usize % SERIES,
                sample: Sample {
                    latency,
                    response_bytes: bytes,
                    status: if failed { 500 } else { 200 },
                    outcome: if failed { Outcome::Failure } else { Outcome::Success },
                    completed_at: Timestamp::from_unix_nanos(1_700_000_000_000_000_000),
                },
                millis: latency.as_secs_f64() * 1e3,
                bytes: bytes as f64,
            }
        })
        .collect()
}

/// Marsaglia's xorshift: enough for a trace that no predictor learns.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
