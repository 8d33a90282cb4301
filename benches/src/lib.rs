//! The contests of loaddensity-metrics: ours, its peers and the floor on the same work, in the same run.
//!
//! [`trace`] is the work; [`contests`] put contenders on it and check that all of them get the same answers; [`runner`]
//! runs them in interleaved rounds and prints ratios beside the [`targets`]. [`floor`] is what the machine allows: small
//! programs that do only this work. [`peers`] are other people's libraries, each with what the work asks of it.

pub mod allocations;
pub mod backends;
pub mod batches;
pub mod choice;
pub mod clock;
pub mod contest;
pub mod contests;
pub mod cost_table;
pub mod criterion_groups;
pub mod drain;
pub mod exposition;
pub mod floor;
pub mod interrupt;
pub mod neighbour;
pub mod options;
pub mod ours;
pub mod peers;
pub mod process;
pub mod recording;
pub mod residency;
pub mod runner;
pub mod scraper;
pub mod spread;
pub mod starts;
pub mod targets;
pub mod trace;
