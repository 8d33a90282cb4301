//! The exporters' machines: bytes decide what happens when; see `loaddensity_metrics_sim`.
#![no_main]

use loaddensity_metrics_sim::{Choices, simulate};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Err(violation) = simulate(Choices::of_bytes(data.to_vec()), true) {
        violation.trace.iter().for_each(|line| eprintln!("{line}"));
        panic!("after {:?}: {}", violation.at, violation.what);
    }
});
