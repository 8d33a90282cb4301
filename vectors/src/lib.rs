//! Cases, oracles and checks that the tests, fuzz targets, benches and the demo of loaddensity-metrics share.
//!
//! An oracle here is a parser that was not written by looking at our encoders: InfluxData's and prost's where somebody
//! else's exists, and strict ones of our own, from the formats' grammars, where what exists is lenient. Each returns
//! everything that was on the wire or says what is wrong with it; none skips anything silently.
//!
//! This crate uses `std` and is never published; nothing that an embedder links depends on it. What judges by more than an oracle
//! needs feature `judges`, which all but the demo have.

#[cfg(feature = "judges")]
pub mod check;
pub mod closed_port;
#[cfg(feature = "judges")]
pub mod contract;
pub mod dogstatsd;
#[cfg(feature = "judges")]
pub mod families;
#[cfg(feature = "judges")]
pub mod golden;
pub mod influx;
#[cfg(feature = "judges")]
pub mod judge;
#[cfg(feature = "judges")]
pub mod model;
#[cfg(feature = "judges")]
pub mod names;
#[cfg(feature = "judges")]
pub mod openmetrics;
pub mod otlp;
#[cfg(feature = "judges")]
pub mod own_encoder;
pub mod prometheus;
#[cfg(feature = "judges")]
pub mod samples;
