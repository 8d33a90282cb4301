//! The exporters' machines: bytes decide what happens when; see `loaddensity_metrics_sim`.
#![no_main]

use loaddensity_metrics_sim::{Choices, simulate};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let run = |is_traced| simulate(Choices::of_bytes(data.to_vec()), is_traced);
    // What happened takes long to tell, so that only a second run tells it.
    if let Err(violation) = run(false).or_else(|_| run(true)) {
        violation.trace.iter().for_each(|line| eprintln!("{line}"));
        panic!("after {:?}: {}", violation.at, violation.what);
    }
});
