//! The registry under recorders that come and go; see `loaddensity_metrics_vectors::check`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loaddensity_metrics_vectors::check::registry(data));
