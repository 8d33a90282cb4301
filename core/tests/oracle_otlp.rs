//! OTLP requests, judged byte for byte by prost, and by a naive model.

mod common;

use common::{Recording, any_recording, edge_recording, nasty_recording, record};
use loaddensity_metrics_core::otlp::{Export, MIN_REQUEST};
use loaddensity_metrics_core::{Registry, Storage, Timestamp};
use loaddensity_metrics_vectors::{check, judge};
use proptest::prelude::*;

const TIMES: (u64, u64) = (1_700_000_000_000_000_000, 1_700_000_005_000_000_000);

/// All requests of one cycle, each at most `limit` bytes long, and the total that the cycle shows.
fn cycle(registry: Registry<'_>, service: &str, limit: usize) -> (Vec<Vec<u8>>, u64) {
    let (start, now) = (Timestamp::from_unix_nanos(TIMES.0), Timestamp::from_unix_nanos(TIMES.1));
    let mut export = Export::new(registry, service, start, now);
    let (mut requests, mut buffer) = (Vec::new(), vec![0xff; limit]);
    while let Some(request) = export.next_request(&mut buffer).expect("room for one point") {
        requests.push(request.to_vec());
    }
    (requests, export.requests())
}

fn judge_recording(registry: Registry<'_>, recording: &Recording, service: &str, limit: usize) -> usize {
    let model = record(&mut registry.recorder(), recording, || {});
    let (requests, total) = cycle(registry, service, limit);
    assert_eq!(total, model.requests());
    judge::exports(&model, service, TIMES, requests.iter().map(Vec::as_slice));
    requests.len()
}

#[test]
fn nasty_names_survive_in_one_request_and_in_many() {
    static STORAGE: Storage<1_024, 1, 2> = Storage::new();
    let recording = nasty_recording();
    let model = record(&mut STORAGE.registry().recorder(), &recording, || {});
    for (limit, least) in [(4 << 20, 1), (64 * 1024, 4), (MIN_REQUEST, 150)] {
        let (requests, total) = cycle(STORAGE.registry(), "shop", limit);
        assert!(requests.len() >= least, "{} requests of at most {limit} bytes", requests.len());
        assert!(limit < 4 << 20 || requests.len() == 1, "one request would do");
        assert_eq!(total, model.requests());
        judge::exports(&model, "shop", TIMES, requests.iter().map(Vec::as_slice));
    }
}

#[test]
fn every_bound_and_extreme_is_counted_in_its_bucket() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    assert_eq!(judge_recording(STORAGE.registry(), &edge_recording(), "shop", 4 << 20), 1);
}

#[test]
fn service_names_survive() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let recording = edge_recording();
    let model = record(&mut STORAGE.registry().recorder(), &recording, || {});
    let long = "é".repeat(200);
    for (service, shown) in [("", ""), ("café/😀 \"\\\n\0", "café/😀 \"\\\n\0"), (&long, &long[..254])] {
        let (requests, _) = cycle(STORAGE.registry(), service, 4 << 20);
        judge::exports(&model, shown, TIMES, requests.iter().map(Vec::as_slice));
    }
}

#[test]
fn nothing_recorded_is_nothing_sent() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    registry.recorder().series("GET", "/silent");
    assert_eq!(cycle(registry, "shop", MIN_REQUEST), (Vec::new(), 0));
}

proptest! {
    #[test]
    fn random_recordings_are_prosts_bytes(recording in any_recording(), limit in MIN_REQUEST..20_000usize) {
        let storage = Box::new(Storage::<9, 1, 2>::new());
        judge_recording(storage.registry(), &recording, "shop", limit);
    }

    #[test]
    fn random_programs_give_right_requests(program in proptest::collection::vec(any::<u8>(), 0..600)) {
        check::otlp(&program);
    }
}
