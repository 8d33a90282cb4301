//! The four formats: how each writes what the registry and the rings hold. A format never knows of another.

pub mod dogstatsd;
pub mod influxdb;
pub mod otlp;
pub mod prometheus;
pub(crate) mod weights;
