//! What the machine allows: small programs that do one piece of work and nothing else, without `unsafe`. They are no
//! products: nothing is interned, escaped, bounded, accounted for or configurable.

pub mod decimal;
pub mod default_storage;
pub mod dogstatsd;
pub mod influxdb;
pub mod otlp;
pub mod prometheus;
pub mod record;
