//! Answers over HTTP; see `loaddensity_metrics_vectors::check::answers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loaddensity_metrics_vectors::check::answers::http(data));
