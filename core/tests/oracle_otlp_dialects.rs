//! OTLP with exponential histograms, with extremes and with delta temporality, compared byte for byte with prost's
//! output and checked by a naive model.

mod common;

use common::{Recording, any_recording, edge_recording, nasty_recording, record};
use loaddensity_metrics_core::otlp::{
    DeltaInterval, Export, ExportOptions, HistogramAggregation, MIN_OPTIONS_REQUEST, MIN_REQUEST, Resource, Sources,
};
use loaddensity_metrics_core::{Classic, Registry, Sample, Storage, Timestamp, TooFewWords, TraceContext};
use loaddensity_metrics_vectors::contract::Spelling;
use loaddensity_metrics_vectors::judge::{ExportDialect, exports_as};
use loaddensity_metrics_vectors::model::Model;
use loaddensity_metrics_vectors::otlp::{
    DecodedExemplar, DecodedPoint, DecodedValue, OVERFLOW, canonical, decode, decode_delta, unframe,
};
use loaddensity_metrics_vectors::samples;
use proptest::prelude::*;
use std::time::Duration;

const TIMES: (u64, u64) = (1_700_000_000_000_000_000, 1_700_000_005_000_000_000);
const EXPLICIT: ExportOptions = ExportOptions {
    histograms: HistogramAggregation::Explicit,
    min_max: false,
    exemplars: false,
    http_client_duration: false,
};
const EXPONENTIAL: ExportOptions =
    ExportOptions { histograms: HistogramAggregation::Exponential, min_max: true, ..EXPLICIT };
const ALL: [ExportOptions; 6] = [
    EXPLICIT,
    ExportOptions { min_max: true, ..EXPLICIT },
    ExportOptions { histograms: HistogramAggregation::Exponential, ..EXPLICIT },
    EXPONENTIAL,
    ExportOptions { http_client_duration: true, ..EXPLICIT },
    ExportOptions { http_client_duration: true, min_max: true, ..EXPLICIT },
];

fn times() -> (Timestamp, Timestamp) {
    (Timestamp::from_unix_nanos(TIMES.0), Timestamp::from_unix_nanos(TIMES.1))
}

/// All requests of one export, each at most `limit` bytes long, and the total that the export shows.
fn all_of((mut export, sources): (Export, Sources<'_>), limit: usize) -> (Vec<Vec<u8>>, u64) {
    let (mut requests, mut buffer) = (Vec::new(), vec![0xff; limit]);
    while let Some(part) = export.next_request(sources, &mut buffer).expect("room for one point") {
        requests.push(part.of(&buffer).to_vec());
        export = part.next;
    }
    (requests, export.requests())
}

fn of_totals<'a>(registry: Registry<'a>, resource: &'a Resource, options: ExportOptions) -> (Export, Sources<'a>) {
    let (start, now) = times();
    (Export::new(registry, start, now), Sources::new(registry, resource).with_options(options))
}

fn of_interval<'a>(
    registry: Registry<'a>,
    resource: &'a Resource,
    interval: &'a DeltaInterval<Vec<u64>>,
) -> (Export, Sources<'a>) {
    (interval.export(registry), Sources::of_interval(registry, resource, interval))
}

fn judge(registry: Registry<'_>, model: &Model, limit: usize) {
    let resource = Resource::new("shop");
    for options in ALL {
        let (requests, total) = all_of(of_totals(registry, &resource, options), limit);
        assert_eq!(total, model.requests());
        let dialect = ExportDialect { options, is_delta: false, ..ExportDialect::default() };
        exports_as(dialect, model, "shop", TIMES, requests.iter().map(Vec::as_slice));
    }
}

/// Records several parts and ends an interval after each. Each interval must show exactly its part.
fn judge_intervals(registry: Registry<'_>, parts: [&Recording; 3], options: ExportOptions, limit: usize) {
    let resource = Resource::new("shop");
    let at = |seconds: u64| Timestamp::from_unix_nanos(seconds * 1_000_000_000);
    let mut recorder = registry.recorder();
    let before = record(&mut recorder, parts[0], || {});
    let memory = vec![0; DeltaInterval::<Vec<u64>>::words(registry, options)];
    let (mut interval, counted_before) =
        DeltaInterval::new(registry, options, memory, at(1)).expect("as many words as it asks for");
    assert_eq!(counted_before, before.requests());
    assert_eq!(all_of(of_interval(registry, &resource, &interval), limit), (vec![], 0));
    for (part, number) in parts[1..].iter().zip(1..) {
        let model = record(&mut recorder, part, || {});
        assert_eq!(interval.end(registry, at(number + 1)), model.requests());
        let (requests, total) = all_of(of_interval(registry, &resource, &interval), limit);
        assert_eq!(total, model.requests());
        let times = (number * 1_000_000_000, (number + 1) * 1_000_000_000);
        let dialect = ExportDialect { options, is_delta: true, ..ExportDialect::default() };
        exports_as(dialect, &model, "shop", times, requests.iter().map(Vec::as_slice));
        // An export that failed is made again with the same bytes, whatever was recorded meanwhile.
        let series = recorder.series("GET", "/meanwhile");
        recorder.record(series, Sample::ok(Duration::ZERO));
        assert_eq!(all_of(of_interval(registry, &resource, &interval), limit).0, requests);
        assert_eq!(settle_all(&mut interval, registry), model.requests());
        // What was recorded meanwhile is no part of the next part's model.
        assert_eq!((interval.end(registry, at(number + 1)), settle_all(&mut interval, registry)), (1, 1));
    }
}

#[test]
fn nasty_names_survive_in_every_dialect() {
    static STORAGE: Storage<1_024, 1, 2> = Storage::new();
    let model = record(&mut STORAGE.registry().recorder(), &nasty_recording(), || {});
    for limit in [4 << 20, 64 * 1024, MIN_OPTIONS_REQUEST] {
        judge(STORAGE.registry(), &model, limit);
    }
}

/// Settles the interval from the first point to the last. Returns the number of its requests.
fn settle_all(interval: &mut DeltaInterval<Vec<u64>>, registry: Registry<'_>) -> u64 {
    let (first, resource) = (interval.export(registry), Resource::new("shop"));
    let (mut last, mut buffer) = (first, vec![0; 1 << 20]);
    loop {
        let sources = Sources::of_interval(registry, &resource, interval);
        let Some(part) = last.next_request(sources, &mut buffer).expect("room for one point") else { break };
        last = part.next;
    }
    interval.settle(first, last)
}

#[test]
fn every_bound_and_extreme_is_counted_in_its_bucket() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let model = record(&mut STORAGE.registry().recorder(), &edge_recording(), || {});
    judge(STORAGE.registry(), &model, 4 << 20);
}

#[test]
fn rows_and_counters_give_the_same_bytes() {
    static STORAGE: Storage<1_024, 2, 2, Classic> = Storage::new();
    let registry = STORAGE.registry();
    for mut recorder in [registry.recorder(), registry.recorder(), registry.recorder()] {
        record(&mut recorder, &nasty_recording(), || {});
    }
    // Storage without extremes has none to show, so that the options change nothing but the way.
    let resource = Resource::new("shop");
    for limit in [4 << 20, 20_000] {
        let plain = all_of(of_totals(registry, &resource, EXPLICIT), limit);
        for options in [ALL[1], EXPONENTIAL] {
            let rows = all_of(of_totals(registry, &resource, options), limit);
            assert!(rows == plain, "{options:?}, {limit} bytes");
        }
    }
}

#[test]
fn quantiles_of_an_exported_histogram_are_near_those_of_a_sorted_list() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let (mut recorder, mut random) = (registry.recorder(), 1_u64);
    let series = recorder.series("GET", "/x");
    let mut sorted: Vec<u64> = (0..10_000)
        .map(|_| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            1_000_000 + (random >> 33) % (1 << (20 + (random >> 60)))
        })
        .collect();
    for nanos in &sorted {
        let latency = Duration::from_nanos(*nanos);
        recorder.record(series, Sample::ok(latency));
    }
    sorted.sort_unstable();
    let resource = Resource::new("shop");
    let (requests, _) = all_of(of_totals(registry, &resource, EXPONENTIAL), 64 << 10);
    let points = decode(unframe(&requests[0]).expect("a frame")).expect("a message");
    let latency = points.iter().find(|point| point.metric == "loaddensity.request.latency").expect("the metric");
    let DecodedValue::Exponential { buckets, .. } = &latency.value else { panic!("{latency:?}") };
    for percent in [1, 25, 50, 75, 90, 95, 99] {
        let rank = sorted.len() * percent / 100;
        let exact = sorted[rank - 1] as f64 / 1e6;
        let mut up_to = 0;
        let holds = |(_, count): &&(i32, u64)| {
            up_to += *count as usize;
            up_to >= rank
        };
        let (index, _) = buckets.iter().find(holds).expect("a bucket");
        let (low, high) = ((f64::from(*index) / 8.0).exp2(), (f64::from(index + 1) / 8.0).exp2());
        assert!(low < exact && exact <= high, "p{percent} is {exact}, not in ({low}, {high}]");
    }
}

#[test]
fn a_full_registry_is_shown_in_the_conventional_metric_too() {
    static STORAGE: Storage<2, 1, 2> = Storage::new();
    let recording = ["/a", "/b", "/c"].map(|name| (Spelling::new("GET", name), vec![samples::sample(7)]));
    let model = record(&mut STORAGE.registry().recorder(), &recording.to_vec(), || {});
    let resource = Resource::new("shop");
    let options = ExportOptions { http_client_duration: true, ..EXPLICIT };
    let (requests, _) = all_of(of_totals(STORAGE.registry(), &resource, options), 64 << 10);
    exports_as(
        ExportDialect { options, is_delta: false, ..ExportDialect::default() },
        &model,
        "shop",
        TIMES,
        requests.iter().map(Vec::as_slice),
    );
    let points = decode(unframe(&requests[0]).expect("a frame")).expect("a message");
    let of_overflow = |point: &&DecodedPoint| point.attributes.contains_key(OVERFLOW);
    assert_eq!(points.iter().filter(of_overflow).count(), 4);
}

#[test]
fn an_interval_shows_what_came_in_it() {
    static STORAGES: [Storage<1_024, 1, 2>; ALL.len()] = [const { Storage::new() }; ALL.len()];
    let (nasty, edges) = (nasty_recording(), edge_recording());
    for (storage, options) in STORAGES.iter().zip(ALL) {
        judge_intervals(storage.registry(), [&nasty, &edges, &nasty], options, 64 << 10);
    }
}

#[test]
fn memory_for_intervals_is_as_large_as_it_says_and_a_smaller_one_is_refused() {
    let (exponential, classic) = (Storage::<3, 1, 2>::new(), Storage::<3, 1, 2, Classic>::new());
    let words = |registry, options| DeltaInterval::<Vec<u64>>::words(registry, options);
    for (registry, options, bytes) in [
        (exponential.registry(), EXPLICIT, 768),
        (exponential.registry(), EXPONENTIAL, 16_640),
        (classic.registry(), EXPONENTIAL, 768),
    ] {
        let needed = words(registry, options);
        assert_eq!(needed * 8, 3 * bytes, "{options:?}");
        let refused = DeltaInterval::new(registry, options, vec![0; needed - 1], Timestamp::default());
        assert_eq!(refused.map(|_| ()), Err(TooFewWords { needed, given: needed - 1 }));
    }
}

#[test]
fn exemplars_are_shown_with_the_latencies_of_their_buckets() {
    static STORAGE: Storage<8, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let mut recorder = registry.recorder();
    let series = recorder.series("GET", "/x");
    let mut expected = Vec::new();
    for (number, millis) in [3, 7, 42, 20_000].into_iter().enumerate() {
        // Of two requests in one bucket the latter is shown; one has no span, one no time.
        for trace in [1, 2 + number as u8] {
            let span = if number == 1 { 0 } else { trace };
            let time = if number == 2 { 0 } else { TIMES.0 + number as u64 };
            let sample = Sample::ok(Duration::from_millis(millis)).completed_at(Timestamp::from_unix_nanos(time));
            recorder.record_traced(series, sample, TraceContext { trace_id: [trace; 16], span_id: [span; 8] });
        }
        let trace = 2 + number as u8;
        expected.push(DecodedExemplar {
            trace_id: vec![trace; 16],
            span_id: if number == 1 { vec![] } else { vec![trace; 8] },
            value: millis as f64,
            time: if number == 2 { TIMES.1 } else { TIMES.0 + number as u64 },
        });
    }
    let resource = Resource::new("shop");
    for histograms in [HistogramAggregation::Explicit, HistogramAggregation::Exponential] {
        for exemplars in [false, true] {
            let options = ExportOptions { histograms, min_max: true, exemplars, http_client_duration: true };
            let (requests, _) = all_of(of_totals(registry, &resource, options), 64 << 10);
            let message = unframe(&requests[0]).expect("a frame");
            canonical(message).expect("canonical");
            for point in decode(message).expect("a message") {
                let unit = match point.metric.as_str() {
                    "loaddensity.request.latency" if exemplars => 1.0,
                    "http.client.request.duration" if exemplars => 1e3,
                    _ => {
                        assert_eq!(point.exemplars, [], "{}", point.metric);
                        continue;
                    }
                };
                let in_unit = |shown: &DecodedExemplar| DecodedExemplar { value: shown.value / unit, ..shown.clone() };
                assert_eq!(point.exemplars, expected.iter().map(in_unit).collect::<Vec<_>>(), "{}", point.metric);
            }
        }
    }
}

#[test]
fn gauges_are_shown_as_they_are_after_all_points() {
    static STORAGE: Storage<64, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let mut recorder = registry.recorder();
    let gauges: Vec<_> = (0..32).map(|n| registry.gauge(&format!("g{n:063}")).expect("room")).collect();
    gauges.iter().zip([0.0, -1.5, 1e300].into_iter().cycle()).for_each(|(gauge, value)| gauge.set(value));
    let expected: Vec<_> = (0..32).map(|n| (format!("loaddensity.g{n:063}"), [0.0, -1.5, 1e300][n % 3])).collect();
    let (resource, (start, now)) = (Resource::new("shop"), times());
    let memory = vec![0; DeltaInterval::<Vec<u64>>::words(registry, EXPONENTIAL)];
    let (mut interval, _) =
        DeltaInterval::new(registry, EXPONENTIAL, memory, start).expect("as many words as it asks for");
    // Alone at first, then after points.
    for round in 0..2 {
        interval.end(registry, now);
        for limit in [64 << 10, MIN_REQUEST] {
            let limits = [limit, limit.max(MIN_OPTIONS_REQUEST)];
            let requests = [
                all_of(of_totals(registry, &resource, EXPLICIT), limits[0]).0,
                all_of(of_interval(registry, &resource, &interval), limits[1]).0,
            ];
            for (requests, decode) in requests.iter().zip([decode, decode_delta]) {
                let mut seen = Vec::new();
                for request in requests {
                    let message = unframe(request).expect("a frame");
                    canonical(message).expect("canonical");
                    for point in decode(message).expect("a message") {
                        assert!(point.time == TIMES.1 || round == 1);
                        if let DecodedValue::Gauge(value) = point.value {
                            assert!(point.unit.is_empty() && point.attributes.is_empty());
                            seen.push((point.metric, value));
                        }
                    }
                }
                seen.sort_by(|one, other| one.0.cmp(&other.0));
                assert!(seen == expected, "{seen:?}");
            }
        }
        record(&mut recorder, &edge_recording(), || {});
    }
}

proptest! {
    #[test]
    fn random_recordings_are_prosts_bytes(recording in any_recording(), limit in MIN_OPTIONS_REQUEST..40_000usize) {
        let storage = Box::new(Storage::<9, 1, 2>::new());
        let model = record(&mut storage.registry().recorder(), &recording, || {});
        judge(storage.registry(), &model, limit);
    }

    #[test]
    fn random_intervals_are_prosts_bytes(
        parts in [any_recording(), any_recording(), any_recording()],
        which in 0..ALL.len(),
        limit in MIN_OPTIONS_REQUEST..40_000usize,
    ) {
        let storage = Box::new(Storage::<24, 1, 2>::new());
        judge_intervals(storage.registry(), [&parts[0], &parts[1], &parts[2]], ALL[which], limit);
    }
}
