//! OTLP requests, compared byte for byte with prost's, and checked by a naive model.

mod common;

use common::{Recording, any_recording, edge_recording, nasty_recording, record};
use loaddensity_metrics_core::otlp::{Export, MIN_ANY_REQUEST, MIN_REQUEST, Resource, Sources};
use loaddensity_metrics_core::{Registry, Storage, Timestamp};
use loaddensity_metrics_vectors::contract::Spelling;
use loaddensity_metrics_vectors::otlp::{DecodedAttributes, OVERFLOW, canonical, decode, unframe};
use loaddensity_metrics_vectors::{check, judge, samples};
use proptest::prelude::*;

const TIMES: (u64, u64) = (1_700_000_000_000_000_000, 1_700_000_005_000_000_000);

/// All requests of one export, each at most `limit` bytes long, and the total that the export shows.
fn cycle(registry: Registry<'_>, service: &str, limit: usize) -> (Vec<Vec<u8>>, u64) {
    let (start, now) = (Timestamp::from_unix_nanos(TIMES.0), Timestamp::from_unix_nanos(TIMES.1));
    let resource = Resource::new(service);
    let mut export = Export::new(registry, start, now);
    let (mut requests, mut buffer) = (Vec::new(), vec![0xff; limit]);
    while let Some(part) = export.next_request(Sources::new(registry, &resource), &mut buffer).expect("room") {
        requests.push(part.of(&buffer).to_vec());
        export = part.next;
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
fn times_of_zero_are_left_out() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let model = record(&mut STORAGE.registry().recorder(), &edge_recording(), || {});
    for times in [(0, TIMES.1), (TIMES.0, 0), (0, 0)] {
        let [start, now] = [times.0, times.1].map(Timestamp::from_unix_nanos);
        let mut buffer = vec![0xff; 64 * 1024];
        let resource = Resource::new("shop");
        let export = Export::new(STORAGE.registry(), start, now);
        let part = export.next_request(Sources::new(STORAGE.registry(), &resource), &mut buffer).expect("room");
        let request = part.expect("points").of(&buffer);
        canonical(unframe(request).expect("a frame")).expect("canonical");
        // Without a time a point means nothing, and the judge says so; a start that is unknown is allowed.
        if times.1 != 0 {
            judge::exports(&model, "shop", times, [request]);
        }
    }
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
fn resources_are_shown_whole_in_every_request_framed_or_bare() {
    static STORAGE: Storage<1_024, 1, 2> = Storage::new();
    record(&mut STORAGE.registry().recorder(), &nasty_recording(), || {});
    for (length, least) in [(1_400, MIN_ANY_REQUEST), (8_000, MIN_ANY_REQUEST + 6_544)] {
        shows_its_resource(STORAGE.registry(), &"v".repeat(length), least);
    }
}

fn shows_its_resource(registry: Registry<'_>, long: &str, least: usize) {
    let mut resource = Resource::new("shop");
    let attributes = [("service.instance.id", "1"), ("é\"\n\0", ""), ("long", long)];
    attributes.iter().for_each(|(key, value)| resource.put(key, value).expect("room"));
    assert_eq!(resource.min_request(true, 0), least);
    let expected: DecodedAttributes =
        [("service.name", "shop")].into_iter().chain(attributes).map(|(k, v)| (k.into(), v.into())).collect();
    let (start, now) = (Timestamp::from_unix_nanos(TIMES.0), Timestamp::from_unix_nanos(TIMES.1));
    for limit in [least, 64 << 10] {
        let (mut framed, mut bare) = (vec![0xff; limit], vec![0xff; limit]);
        let mut export = Export::new(registry, start, now);
        let sources = Sources::new(registry, &resource);
        let mut requests = 0;
        while let Some(part) = export.next_request(sources, &mut framed).expect("room for one point") {
            let same = export.next_message(sources, &mut bare).expect("room").expect("as many");
            assert_eq!((same.points, same.next), (part.points, part.next));
            let message = same.of(&bare);
            assert_eq!(unframe(part.of(&framed)), Ok(message));
            canonical(message).expect("canonical");
            assert!(decode(message).expect("a message").iter().all(|point| point.resource == expected));
            requests += 1;
            export = part.next;
        }
        assert!(export.is_complete() && export.next_message(sources, &mut bare) == Ok(None));
        assert!(requests > 3, "{requests} requests of {limit} bytes");
    }
    let (export, sources) = (Export::new(registry, start, now), Sources::new(registry, &resource));
    assert_eq!(export.next_request(sources, &mut vec![0; least - 3_000]).map_err(|error| error.needed), Err(least));
}

#[test]
fn a_full_registry_is_shown_by_the_attribute_of_the_specification() {
    static STORAGE: Storage<2, 1, 2> = Storage::new();
    let recording = ["/a", "/b", "/c"].map(|name| (Spelling::new("GET", name), vec![samples::sample(7)]));
    let model = record(&mut STORAGE.registry().recorder(), &recording.to_vec(), || {});
    let (requests, _) = cycle(STORAGE.registry(), "shop", 4 << 20);
    judge::exports(&model, "shop", TIMES, requests.iter().map(Vec::as_slice));
    let points = decode(unframe(&requests[0]).expect("a frame")).expect("a message");
    let of_overflow = points.iter().filter(|point| point.attributes.contains_key(OVERFLOW));
    let keys: Vec<Vec<_>> = of_overflow.map(|point| point.attributes.keys().map(String::as_str).collect()).collect();
    // Both requests of one outcome: a point of each metric.
    assert_eq!(keys, vec![vec![OVERFLOW, "outcome"]; 3]);
}

#[test]
fn without_requests_nothing_is_sent() {
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
