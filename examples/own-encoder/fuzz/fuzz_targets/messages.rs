//! Any bytes are requests, and what the encoder makes of them is judged.
#![no_main]

use loaddensity_metrics_vectors::own_encoder::dogstatsd;
use own_encoder::{encode, requests};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let requests = requests(data);
    dogstatsd(&requests, &encode(&requests));
});
