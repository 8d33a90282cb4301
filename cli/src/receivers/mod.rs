//! Receivers, one for each protocol, for the demo and the tests. Each decodes with an oracle that is not ours where one
//! exists (see `loaddensity-metrics-vectors`), counts requests by outcome, and keeps a sample of what came.
//!
//! Bytes are kept as they come and parsed at the end, so that receiving costs as little as it can. What the kernel
//! threw away before a UDP receiver could read it is read from the kernel's own count.

pub mod datagrams;
mod dogstatsd;
mod influxdb;
mod otlp;
mod prometheus;
mod serve;

use std::fmt;

use loaddensity_metrics_shell::Outcome;

pub use self::datagrams::{CollectedDatagrams, DatagramCollector};
pub use self::dogstatsd::dogstatsd;
pub use self::influxdb::influxdb;
pub use self::otlp::OtlpReceiver;
pub(crate) use self::otlp::{grpc_answer, grpc_frame};
pub use self::prometheus::{prometheus, scrape, scrape_url, well_formed};
pub use self::serve::ServerThread;

/// Requests that arrived at a backend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// Of outcome `success`.
    pub success: u64,
    /// Of outcome `failure`.
    pub failure: u64,
    /// What the instruments of the engine's own counted.
    pub observed: Observed,
    /// Points or messages that showed the engine's gauges.
    pub gauges: u64,
    /// A few lines of what came, decoded where it is binary.
    pub sample: Vec<String>,
}

/// What the instruments of the engine's own counted, over all series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Times that a user went through all tasks.
    pub iterations: u64,
    /// Times to the first byte.
    pub first_bytes: u64,
    /// The sum of these times in nanoseconds.
    pub first_byte_nanos: u64,
}

impl Observed {
    /// How often the engine called for them.
    #[must_use]
    pub const fn calls(&self) -> u64 {
        self.iterations + self.first_bytes
    }

    /// Whether none of it is more than in `all`.
    pub(crate) const fn is_within(&self, all: &Self) -> bool {
        self.iterations <= all.iterations
            && self.first_bytes <= all.first_bytes
            && self.first_byte_nanos <= all.first_byte_nanos
    }

    fn add_first_byte_ms(&mut self, millis: f64) {
        // Backends are sent all digits of it: the nearest nanosecond is the right one.
        self.first_byte_nanos += (millis * 1e6).round() as u64;
    }
}

impl Arrived {
    /// All requests.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.success + self.failure
    }

    fn add(&mut self, outcome: Option<&str>, requests: u64) -> Result<(), Refused> {
        match outcome {
            Some(text) if text == Outcome::Success.as_str() => self.success += requests,
            Some(text) if text == Outcome::Failure.as_str() => self.failure += requests,
            other => return Err(Refused(format!("outcome {other:?}"))),
        }
        Ok(())
    }
}

/// What arrived is not what the contract says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

fn refused(error: impl fmt::Display) -> Refused {
    Refused(error.to_string())
}

/// Counts of several kinds of item that must be equal, because every request has one of each.
fn same_count(counts: &[(&str, u64)]) -> Result<(), Refused> {
    let differ = counts.windows(2).any(|pair| pair[0].1 != pair[1].1);
    let list = || counts.iter().map(|(what, count)| format!("{count} {what}")).collect::<Vec<_>>().join(", ");
    if differ { Err(Refused(list())) } else { Ok(()) }
}
