//! The requests that everything is measured with: random, and so many that no branch predictor learns them.

use std::time::Duration;

use loaddensity_metrics_core::{Registry, Sample, Series, Timestamp};

/// Requests of a trace.
pub const REQUESTS: usize = 100_000;

const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];
/// Of a success and of a failure.
const STATUSES: [u16; 2] = [200, 503];
/// One request in so many fails.
const FAILING: u64 = 50;
/// Latencies are spread evenly over their logarithms, from the first upwards by the second: 1 ms to 20 s.
const LATENCY_NS: (f64, f64) = (1e6, 20_000.0);
/// Sizes likewise: 32 bytes to 2 MiB.
const SIZE: (f64, f64) = (32.0, 65_536.0);
/// 2026-01-01 00:00:00 UTC, in nanoseconds.
const BEGAN: u64 = 1_767_225_600_000_000_000;
/// What the random numbers begin with.
const SEED: u64 = 0x2545_f491_4f6c_dd1d;

/// The requests of a load, in the order in which they complete.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Method and name of each series.
    pub names: Vec<(&'static str, String)>,
    /// The requests.
    pub requests: Vec<Traced>,
}

/// One completed request.
#[derive(Clone, Copy, Debug)]
pub struct Traced {
    /// Position of its series in the trace's names.
    pub series: usize,
    /// What is recorded.
    pub sample: Sample,
}

impl Trace {
    /// The trace of `series` series, one or more, at `rate` requests per second. The same at every call.
    #[must_use]
    pub fn new(series: u64, rate: u64) -> Self {
        let mut random = XorShift(SEED);
        let step = 1e9 / rate as f64;
        let request = |number| {
            let completed_at = Timestamp::from_unix_nanos(BEGAN + (number as f64 * step) as u64);
            let sample = random.sample(completed_at);
            Traced { series: (random.next() % series) as usize, sample }
        };
        let requests = (0..REQUESTS).map(request).collect();
        let name = |number| (METHODS[number as usize % METHODS.len()], format!("/api/v1/items/{number:04}"));
        Self { names: (0..series).map(name).collect(), requests }
    }

    /// A success and a failure of each series, so that everything which is exported of a series is there: in a trace
    /// over many series, most have no failure.
    pub(crate) fn every_outcome(&self) -> Vec<Traced> {
        let mut random = XorShift(SEED);
        let completed_at = Timestamp::from_unix_nanos(BEGAN);
        let mut of_status = |series, status| {
            let any = random.sample(completed_at);
            let sample = Sample::http(status, any.latency).response_bytes(any.response_bytes);
            Traced { series, sample: sample.completed_at(completed_at) }
        };
        (0..self.names.len()).flat_map(|series| STATUSES.map(|status| of_status(series, status))).collect()
    }

    /// The handles of all series in `registry`.
    pub(crate) fn intern(&self, registry: Registry<'_>) -> Vec<Series> {
        self.names.iter().map(|(method, name)| registry.series(method, name)).collect()
    }
}

/// Marsaglia, "Xorshift RNGs", 2003: enough for a trace that no predictor learns.
struct XorShift(u64);

impl XorShift {
    fn sample(&mut self, completed_at: Timestamp) -> Sample {
        let latency = Duration::from_nanos(self.spread(LATENCY_NS));
        let response_bytes = self.spread(SIZE);
        let status = STATUSES[usize::from(self.next().is_multiple_of(FAILING))];
        Sample::http(status, latency).response_bytes(response_bytes).completed_at(completed_at)
    }

    /// From `start` upwards by less than `factor`.
    fn spread(&mut self, (start, factor): (f64, f64)) -> u64 {
        let share = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        (start * factor.powf(share)) as u64
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[cfg(test)]
mod tests {
    use loaddensity_metrics_core::Outcome;

    use super::*;

    #[test]
    fn the_trace_is_what_it_says() {
        let trace = Trace::new(500, 250_000);
        assert_eq!((trace.names.len(), trace.requests.len()), (500, REQUESTS));
        let mut used = vec![0_u32; 500];
        for Traced { series, sample } in &trace.requests {
            used[*series] += 1;
            assert!((1_000_000..=20_000_000_000).contains(&sample.latency.as_nanos()), "{sample:?}");
            assert!((32..=2 << 20).contains(&sample.response_bytes), "{sample:?}");
        }
        assert!(used.iter().all(|count| (100..320).contains(count)), "{used:?}");
        let failed = trace.requests.iter().filter(|request| request.sample.outcome == Outcome::Failure).count();
        assert!((1_800..2_200).contains(&failed), "{failed}");
        let times: Vec<_> = trace.requests.iter().map(|request| request.sample.completed_at).collect();
        assert!(times.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn every_series_has_each_outcome_once() {
        let requests = Trace::new(3, 1).every_outcome();
        let outcomes: Vec<_> = requests.iter().map(|request| (request.series, request.sample.outcome)).collect();
        let expected: Vec<_> =
            (0..3).flat_map(|series| [(series, Outcome::Success), (series, Outcome::Failure)]).collect();
        assert_eq!(outcomes, expected);
    }
}
