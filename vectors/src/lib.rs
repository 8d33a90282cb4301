//! Cases, oracles and checks that the tests, fuzz targets, benches and the demo of loaddensity-metrics share.
//!
//! An oracle here is a parser that was not written by looking at our encoders: InfluxData's and prost's where somebody
//! else's exists, and strict ones of our own, from the formats' grammars, where what exists is lenient. Each returns
//! everything that was on the wire or says what is wrong with it; none skips anything silently.
//!
//! This crate uses `std` and is never published; nothing that an embedder links depends on it.

pub mod check;
pub mod closed_port;
pub mod contract;
pub mod dogstatsd;
pub mod families;
pub mod golden;
pub mod influx;
pub mod judge;
pub mod model;
pub mod names;
pub mod openmetrics;
pub mod otlp;
pub mod own_encoder;
pub mod prometheus;
pub mod samples;
