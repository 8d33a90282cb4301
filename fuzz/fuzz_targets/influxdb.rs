//! InfluxDB lines of arbitrary programs; see `loaddensity_metrics_vectors::check`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loaddensity_metrics_vectors::check::influxdb_way(data));
