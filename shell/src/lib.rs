//! Everything a loaddensity-metrics shell does except sockets and timers.

pub mod config;
pub mod runtime;
