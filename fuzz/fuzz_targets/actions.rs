//! Documents of Action-JSON; see `loaddensity_metrics_vectors::check::settings`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loaddensity_metrics_vectors::check::settings::actions(data));
