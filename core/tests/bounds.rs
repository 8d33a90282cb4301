//! Bounds that the engine sets: the page and the export are compared with counting by hand.

mod common;

use common::page_of;
use loaddensity_metrics_core::otlp::{Export, MIN_REQUEST, Resource, Sources};
use loaddensity_metrics_core::{
    Bounds, BoundsError, Classic, LABEL_BYTES, LABELS, MAX_BOUNDS, Outcome, Registry, Sample, Storage, Timestamp,
};
use loaddensity_metrics_vectors::otlp::{DecodedValue, canonical, decode, unframe};
use loaddensity_metrics_vectors::prometheus::parse;
use std::time::Duration;

fn samples() -> Vec<Sample> {
    let one = |number: u64| Sample::ok(Duration::from_nanos(number * number * 40_321)).response_bytes(number * 17);
    (0..500).map(one).collect()
}

/// How many of `values` lie in each bucket of `bounds`.
fn by_hand(bounds: &[u64], values: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut buckets = vec![0; bounds.len() + 1];
    values.for_each(|value| buckets[bounds.iter().filter(|bound| value > **bound).count()] += 1);
    buckets
}

/// The cumulative buckets of one histogram of the page, by `le`.
fn shown(page: &[u8], family: &str) -> Vec<(f64, u64)> {
    let page = parse(page).expect("a valid page");
    let family = page.family(family).expect("the family");
    let buckets = family.samples.iter().filter(|sample| sample.name.ends_with("_bucket"));
    buckets.map(|sample| (sample.label("le").expect("le").parse().expect("a number"), sample.value as u64)).collect()
}

fn check(registry: Registry<'_>, bounds: &Bounds) {
    registry.set_bounds(bounds).expect("nobody has counted yet");
    // More recorders than shards, so that the sums include the spill shard.
    let mut recorders = [(); 3].map(|()| registry.recorder());
    let series = registry.series("GET", "/own");
    let samples = samples();
    samples.iter().zip((0..3).cycle()).for_each(|(sample, recorder)| recorders[recorder].record(series, *sample));

    let latency = by_hand(bounds.latency_ns(), samples.iter().map(|sample| sample.latency.as_nanos() as u64));
    let size = by_hand(bounds.size(), samples.iter().map(|sample| sample.response_bytes));
    let totals = registry.totals();
    assert_eq!((totals.bounds, totals.requests()), (*bounds, 500));
    assert_eq!((totals.latencies[0].buckets(), totals.sizes[0].buckets()), (&*latency, &*size));

    let page = page_of(registry);
    let cumulated = |buckets: &[u64], bounds: Vec<f64>| -> Vec<(f64, u64)> {
        let up_to = buckets.iter().scan(0, |sum, bucket| {
            *sum += bucket;
            Some(*sum)
        });
        bounds.into_iter().chain([f64::INFINITY]).zip(up_to).collect()
    };
    let millis: Vec<f64> = bounds.latency_ns().iter().map(|ns| *ns as f64 / 1e6).collect();
    let bytes: Vec<f64> = bounds.size().iter().map(|bytes| *bytes as f64).collect();
    assert_eq!(shown(&page, "loaddensity_request_latency_ms"), cumulated(&latency, millis.clone()));
    assert_eq!(shown(&page, "loaddensity_response_bytes"), cumulated(&size, bytes.clone()));
    assert_eq!(exported(registry), [(latency, millis), (size, bytes)]);
}

/// Buckets and bounds of both histograms of the export.
fn exported(registry: Registry<'_>) -> [(Vec<u64>, Vec<f64>); 2] {
    let [start, now] = [1, 2].map(Timestamp::from_unix_nanos);
    let mut buffer = vec![0; 64 * 1024];
    let resource = Resource::new("own");
    let export = Export::new(registry, start, now);
    let part = export.next_request(Sources::new(registry, &resource), &mut buffer).expect("room").expect("points");
    let points = decode(unframe(part.of(&buffer)).expect("a frame")).expect("a message");
    ["loaddensity.request.latency", "loaddensity.response.size"].map(|metric| {
        let point = points.iter().find(|point| point.metric == metric).expect("the metric");
        match &point.value {
            DecodedValue::Histogram { buckets, bounds, .. } => (buckets.clone(), bounds.clone()),
            other => panic!("{metric} is {other:?}"),
        }
    })
}

#[test]
fn every_backend_shows_the_bounds_that_were_set() {
    static FEW: Storage<4, 2, 2> = Storage::new();
    check(FEW.registry(), &Bounds::new(&[500, 1_000, 2_000_000].map(Duration::from_micros), &[1_000]).expect("bounds"));
    static MOST: Storage<4, 1, 2, Classic> = Storage::new();
    let latency: Vec<_> = (1..=30).map(|n| Duration::from_millis(3 * n)).collect();
    let size: Vec<_> = (1..=MAX_BOUNDS as u64 - 30).map(|n| 500 * n).collect();
    check(MOST.registry(), &Bounds::new(&latency, &size).expect("bounds"));
    static NONE: Storage<4, 1, 2> = Storage::new();
    check(NONE.registry(), &Bounds::new(&[], &[]).expect("bounds"));
}

#[test]
fn the_largest_point_fits_into_the_smallest_request() {
    static LATENCY: Storage<4, 1, 2, Classic> = Storage::new();
    static SIZE: Storage<4, 1, 2, Classic> = Storage::new();
    let millis: Vec<_> = (1..=MAX_BOUNDS as u64).map(Duration::from_millis).collect();
    let bytes: Vec<_> = (1..=MAX_BOUNDS as u64).collect();
    for (registry, latency, size) in
        [(LATENCY.registry(), &millis[..], &[][..]), (SIZE.registry(), &[][..], &bytes[..])]
    {
        registry.set_bounds(&Bounds::new(latency, size).expect("bounds")).expect("nobody has counted yet");
        let value = "w".repeat((LABEL_BYTES - LABELS - 6) / 2);
        let labels = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|key| (key, if key < "g" { "v" } else { &*value }));
        let (method, name) = ("M".repeat(32), "n".repeat(255));
        let series = registry.series_with_labels(&method, &name, labels).expect("labels");
        // Both outcomes, in the recorder's own shard and in the spill shard.
        for mut recorder in [registry.recorder(), registry.recorder()] {
            for outcome in Outcome::ALL {
                recorder.record(series, Sample::new(outcome, Duration::ZERO));
            }
        }
        let (resource, now) = (Resource::new(&"s".repeat(255)), Timestamp::from_unix_nanos(u64::MAX));
        let mut export = Export::new(registry, now, now);
        let sources = Sources::new(registry, &resource);
        let (mut buffer, mut points) = ([0xff; MIN_REQUEST], Vec::new());
        while let Some(part) = export.next_request(sources, &mut buffer).expect("room for a point") {
            export = part.next;
            let message = unframe(part.of(&buffer)).expect("a frame");
            canonical(message).expect("canonical");
            points.extend(decode(message).expect("a message"));
        }
        assert_eq!((points.len(), export.requests()), (6, 4));
        assert!(points.iter().all(|point| point.attributes["name"] == name && point.attributes["h"] == value));
    }
}

#[test]
fn bounds_cannot_be_changed_once_they_are_in_use() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let own = Bounds::new(&[Duration::from_millis(1)], &[]).expect("bounds");
    drop(registry.recorder());
    assert_eq!(registry.set_bounds(&own), Err(BoundsError::InUse));
    assert_eq!((registry.set_bounds(&Bounds::CONTRACT), registry.bounds()), (Ok(()), Bounds::default()));
    assert!(BoundsError::InUse.to_string().contains("before the first recorder"));
}
