//! Who competes with whom. Each function builds the contests that the options want and checks that all contenders of
//! one give the same answers.

pub mod dogstatsd;
#[cfg(test)]
mod golden;
pub mod influxdb;
pub mod otlp;
pub mod ours;
pub mod prometheus;
pub mod record;

use crate::contest::Contest;
use crate::options::RatioOptions;

/// All builders, one after the other: a contest's memory is freed before the next ones are built.
pub const ALL: [fn(&RatioOptions) -> Vec<Contest>; 5] =
    [record::contests, prometheus::contests, influxdb::contests, dogstatsd::contests, otlp::contests];
