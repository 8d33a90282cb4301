//! The labels of a series as each format writes them: sister files, each with the room that the longest labels need and
//! a function that encodes a key. They run once per series, when it is interned; the encoders copy what they wrote.

pub(crate) mod constant;
pub(crate) mod dogstatsd;
pub(crate) mod influxdb;
pub(crate) mod otlp;
pub(crate) mod prometheus;
