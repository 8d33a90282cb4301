//! Other people's libraries, each in a file of its own, set up as its documents advise and with the contract's names.

pub mod cadence;
pub mod fast_telemetry;
pub mod influx_line_protocol;
pub mod measured;
pub mod metrics;
pub mod opentelemetry;
pub mod opentelemetry_export;
pub mod opentelemetry_proto;
pub mod prometheus;
pub mod prometheus_client;
pub mod questdb;
pub mod write;
