//! The load that the user asks about.

use std::time::Duration;

use crate::memory;
use crate::other_memory::MOST_BETWEEN;

/// Most series times threads that are measured: their counters take up to 2.5 GB, and 7 GB of addresses.
const MOST_COUNTERS: u64 = 1_000_000;

/// A load, and how long the measuring may take.
#[derive(Debug, clap::Args)]
pub struct LoadArgs {
    /// Requests per second over all threads.
    #[arg(long, value_name = "REQUESTS", default_value_t = 250_000,
        value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub rate: u64,
    /// Series: pairs of method and name, and further labels, that requests are told apart by.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub series: u64,
    /// Threads that record, each with a recorder of its own.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=1_023))]
    pub threads: u64,
    /// Other memory that the engine touches between two requests, in bytes, 1 to 1,048,576, in whole cache lines of 64.
    /// Recording is then measured a second time, with caches as cold as that makes them.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..=MOST_BETWEEN))]
    pub between: Option<u64>,
    /// How long to measure, in seconds, 0.1 to 3,600. Everything is done four times at the least.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub seconds: Duration,
}

impl LoadArgs {
    /// Whether the default storage has room for it.
    pub(crate) const fn fits_the_default_storage(&self) -> bool {
        self.threads <= memory::DEFAULT_RECORDERS && self.series <= memory::DEFAULT_SERIES
    }

    /// Checks the load as a whole.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let counters = self.series * self.threads;
        if counters <= MOST_COUNTERS {
            return Ok(());
        }
        let Self { series, threads, .. } = self;
        Err(format!(
            "--series {series} with --threads {threads} is more than is measured: their product may be {MOST_COUNTERS}; \
             choose fewer of either"
        ))
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=3_600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "expected seconds from 0.1 to 3600, such as 10".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_in_their_range() {
        assert_eq!(seconds("0.1"), Ok(Duration::from_millis(100)));
        for wrong in ["0.09", "3601", "-1", "NaN", "inf", "ten", ""] {
            assert!(seconds(wrong).is_err_and(|error| error.contains("0.1 to 3600")), "{wrong}");
        }
    }

    #[test]
    fn series_times_threads_are_bounded() {
        let load =
            |series, threads| LoadArgs { rate: 1, series, threads, between: None, seconds: Duration::from_secs(1) };
        assert_eq!(load(100_000, 10).check(), Ok(()));
        let error = load(100_000, 11).check().expect_err("too many");
        assert!(error.contains("--series 100000 with --threads 11") && error.contains("1000000"), "{error}");
    }
}
