//! Requests from any bytes: what a property test and a fuzzer mutate.

use std::time::Duration;

use loaddensity_metrics_core::{Outcome, Sample};
use loaddensity_metrics_vectors::contract::Spelling;
use loaddensity_metrics_vectors::{names, samples};

/// Bytes of one request.
const REQUEST: usize = 6;
/// The judges take fewer than 128 series.
const MOST: usize = 100;

/// A request for each six bytes: names that break encoders, latencies and sizes at bounds.
#[must_use]
pub fn requests(bytes: &[u8]) -> Vec<(Spelling, Sample)> {
    let (names, latencies, sizes) = (names::all(), samples::latencies(), samples::sizes());
    let request = |bytes: &[u8]| {
        let pick = |at: usize, of: usize| usize::from(bytes[at]) % of;
        let name = &names[usize::from(u16::from_le_bytes([bytes[0], bytes[1]])) % names.len()].name;
        let mut series = Spelling::new(["GET", "", "POST", "a|b"][pick(2, 4)], name);
        let label = ["", "eu-west-1", "a,b:c#d", "naïve"][pick(3, 4)];
        series.labels.push(("region".to_owned(), label.to_owned()));
        let outcome = Outcome::ALL[usize::from(bytes[3] >> 7)];
        let sample = Sample::new(outcome, Duration::from_nanos(latencies[pick(4, latencies.len())]));
        (series, sample.response_bytes(sizes[pick(5, sizes.len())]))
    };
    bytes.chunks_exact(REQUEST).take(MOST).map(request).collect()
}
