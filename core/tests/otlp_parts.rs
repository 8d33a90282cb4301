//! An OTLP export as a value: it can be cut at any length from its current position, cut again from there, written
//! point by point, or skipped.

mod common;

use common::{Recording, any_recording, edge_recording, nasty_recording, record};
use loaddensity_metrics_core::otlp::{
    DeltaInterval, Export, ExportOptions, HistogramAggregation, MIN_OPTIONS_REQUEST, Part, Resource, Sources,
};
use loaddensity_metrics_core::{Registry, Sample, Storage, Timestamp, TooSmall, Weights};
use loaddensity_metrics_vectors::judge::{ExportDialect, exports_as};
use loaddensity_metrics_vectors::otlp::{DecodedPoint, DecodedValue, decode, decode_delta, unframe};
use proptest::prelude::*;
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
const PLAIN: ExportOptions = ExportOptions {
    histograms: HistogramAggregation::Explicit,
    min_max: false,
    exemplars: false,
    http_client_duration: false,
};
const ALL: [ExportOptions; 3] = [
    PLAIN,
    ExportOptions { histograms: HistogramAggregation::Exponential, ..PLAIN },
    ExportOptions { min_max: true, http_client_duration: true, ..PLAIN },
];

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_nanos(seconds * SECOND)
}

fn interval(registry: Registry<'_>, options: ExportOptions) -> DeltaInterval<Vec<u64>> {
    let memory = vec![0; DeltaInterval::<Vec<u64>>::words(registry, options)];
    DeltaInterval::new(registry, options, memory, at(1)).expect("as many words as it asks for").0
}

fn points_of(request: &[u8], is_delta: bool) -> Vec<DecodedPoint> {
    let message = unframe(request).expect("a frame");
    if is_delta { decode_delta(message) } else { decode(message) }.expect("a message")
}

/// The value of each point of the counter.
fn counted(points: &[DecodedPoint]) -> Vec<u64> {
    let value =
        |point: &DecodedPoint| if let DecodedValue::Sum(value) = point.value { Some(value as u64) } else { None };
    points.iter().filter_map(value).collect()
}

/// Checks that what a part says about itself is what it contains.
fn judge_part((part, request): (&Part, &[u8]), weights: Weights, is_delta: bool) {
    let points = points_of(request, is_delta);
    assert_eq!((part.points, part.bytes), (points.len(), request.len()));
    let mut counts = counted(&points);
    counts.sort_unstable_by(|one, other| other.cmp(one));
    assert_eq!([part.requests, weights.all()], [counts.iter().sum::<u64>(); 2]);
    for items in 0..=16 {
        assert_eq!(weights.heaviest(items), counts.iter().take(items as usize).sum::<u64>(), "{items} of {counts:?}");
    }
}

/// Cuts an interval at one length after another. Each part is written twice, and now and then with another length
/// before.
fn cut(registry: Registry<'_>, recording: &Recording, options: ExportOptions, lengths: &[usize]) {
    let resource = Resource::new("shop");
    let mut interval = interval(registry, options);
    let mut recorder = registry.recorder();
    let model = record(&mut recorder, recording, || {});
    assert_eq!(interval.end(registry, at(2)), model.requests());
    let (mut export, mut requests, mut settled) = (interval.export(registry), Vec::new(), 0);
    for (number, length) in lengths.iter().cycle().enumerate() {
        let sources = Sources::of_interval(registry, &resource, &interval);
        let cut = |length: usize| {
            let mut buffer = vec![0xff; length];
            let part = export.next_request(sources, &mut buffer).expect("room for one point")?;
            Some((part, part.of(&buffer).to_vec()))
        };
        let first = cut(lengths[number * 7 % lengths.len()]);
        let series = recorder.series("GET", "/meanwhile");
        recorder.record(series, Sample::ok(Duration::ZERO));
        let (part, request) = match (cut(*length), first) {
            (Some(part), Some(_)) => part,
            (None, None) => break,
            (one, other) => panic!("{one:?} after {other:?}"),
        };
        assert_eq!(cut(*length), Some((part, request.clone())));
        judge_part((&part, &request), export.weights_until(part.next, sources), true);
        requests.push(request);
        let settles = interval.settle(export, part.next);
        assert_eq!(settles, part.requests);
        assert_eq!(interval.settle(export, part.next), 0, "it was settled already");
        settled += settles;
        export = part.next;
        assert_eq!((export.requests(), interval.unsettled()), (settled, model.requests() - settled));
    }
    assert_eq!(settled, model.requests());
    let dialect = ExportDialect { options, is_delta: true, ..Default::default() };
    exports_as(dialect, &model, "shop", (SECOND, 2 * SECOND), requests.iter().map(Vec::as_slice));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_export_shows_each_point_once_wherever_it_is_cut(
        recording in any_recording(),
        lengths in proptest::collection::vec(MIN_OPTIONS_REQUEST..30_000usize, 1..20),
        which in 0..ALL.len(),
        tells_kinds in any::<bool>(),
    ) {
        let storage = Box::new(Storage::<24, 1, 2>::new());
        if tells_kinds {
            storage.registry().set_error_label().expect("nobody has counted yet");
        }
        cut(storage.registry(), &recording, ALL[which], &lengths);
    }
}

/// All parts of an export in a large buffer, with `limit`.
fn parts(mut export: Export, sources: Sources<'_>, limit: usize) -> Vec<(Part, Vec<u8>)> {
    let (mut parts, mut buffer) = (Vec::new(), vec![0xff; 1 << 20]);
    while let Some(part) = export.next_request(sources.with_limit(limit), &mut buffer).expect("room") {
        parts.push((part, part.of(&buffer).to_vec()));
        export = part.next;
    }
    parts
}

#[test]
fn a_limit_bounds_several_points_and_never_a_single_one() {
    static STORAGE: Storage<1_024, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    registry.gauge("users").expect("room").set(7.0);
    let model = record(&mut registry.recorder(), &nasty_recording(), || {});
    let resource = Resource::new("shop");
    for options in ALL {
        let (export, sources) =
            (Export::new(registry, at(1), at(2)), Sources::new(registry, &resource).with_options(options));
        let whole = parts(export, sources, usize::MAX);
        let points: usize = whole.iter().map(|(part, _)| part.points).sum();
        for (limit, least) in [(0, points), (2_000, 100), (20_000, 2), (1 << 20, 1)] {
            let parts = parts(export, sources, limit);
            let mut from = export;
            for (part, request) in &parts {
                judge_part((part, request), from.weights_until(part.next, sources), false);
                from = part.next;
                assert!(part.bytes <= limit || part.points == 1, "{} points in {} bytes", part.points, part.bytes);
            }
            let is_shown_whole = parts.iter().map(|(part, _)| part.points).sum::<usize>() == points;
            assert!(is_shown_whole && parts.len() >= least, "{} parts of {limit} bytes", parts.len());
            assert_eq!(parts.last().map(|(part, _)| part.next.requests()), Some(model.requests()));
        }
        let single = parts(export.without_gauges(), sources, 0);
        let dialect = ExportDialect { options, is_delta: false, ..Default::default() };
        exports_as(dialect, &model, "shop", (SECOND, 2 * SECOND), single.iter().map(|(_, request)| request.as_slice()));
    }
}

#[test]
fn a_point_that_fits_nowhere_can_be_passed_over() {
    static STORAGE: Storage<1_024, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    registry.gauge("users").expect("room").set(7.0);
    let resource = Resource::new("shop");
    let mut recorder = registry.recorder();
    for options in ALL {
        let mut interval = interval(registry, options);
        let model = record(&mut recorder, &edge_recording(), || {});
        interval.end(registry, at(2));
        let first = interval.export(registry);
        let sources = Sources::of_interval(registry, &resource, &interval);
        let shown = parts(first, sources, 0);
        assert_eq!(first.next_request(sources, &mut [0; 700]), Err(TooSmall { needed: MIN_OPTIONS_REQUEST }));
        let mut export = first;
        // One point after the other is skipped. Each skipped part describes the same point as the written one.
        for (part, _) in &shown {
            let passed = export.skip(sources).expect("a point");
            assert_eq!((passed.bytes, passed.points, passed.requests), (0, 1, part.requests));
            assert_eq!(passed.next.requests(), part.next.requests());
            export = passed.next;
        }
        assert_eq!(export.skip(sources), None);
        assert_eq!((interval.settle(first, export), interval.unsettled()), (model.requests(), 0));
    }
}

#[test]
fn gauges_come_with_the_points_without_them_or_alone() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    registry.gauge("users").expect("room").set(7.0);
    registry.gauge("rate").expect("room").set(0.5);
    record(&mut registry.recorder(), &edge_recording(), || {});
    let (resource, all) = (Resource::new("shop"), Export::new(registry, at(1), at(2)));
    let sources = Sources::new(registry, &resource);
    let shown = |export| {
        let parts = parts(export, sources, usize::MAX);
        let points = parts.iter().flat_map(|(_, request)| points_of(request, false));
        let is_gauge = |point: &DecodedPoint| matches!(point.value, DecodedValue::Gauge(_));
        let (gauges, others): (Vec<_>, Vec<_>) = points.partition(is_gauge);
        (gauges.len(), others.len(), parts.iter().map(|(part, _)| part.requests).sum::<u64>())
    };
    let (gauges, points, requests) = shown(all);
    assert_eq!((gauges, requests), (2, registry.requests()));
    assert_eq!(shown(all.without_gauges()), (0, points, requests));
    assert_eq!(shown(Export::of_gauges(registry, at(2))), (2, 0, 0));
    assert_eq!(shown(Export::of_gauges(registry, at(2)).without_gauges()), (0, 0, 0));
}

#[test]
fn a_part_that_is_written_again_can_have_another_time() {
    static STORAGE: Storage<64, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    record(&mut registry.recorder(), &edge_recording(), || {});
    let (resource, export) = (Resource::new("shop"), Export::new(registry, at(1), at(2)));
    let sources = Sources::new(registry, &resource);
    let first = parts(export, sources, 0)[0].0;
    let rest = parts(first.next.at(at(3)), sources, usize::MAX);
    let points = points_of(&rest[0].1, false);
    assert!(points.iter().all(|point| (point.start, point.time) == (SECOND, 3 * SECOND)));
    assert_eq!(points.len() + 1, parts(export, sources, usize::MAX)[0].0.points);
}

#[test]
fn intervals_touch_whatever_part_of_the_last_one_was_settled() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let mut recorder = registry.recorder();
    let series = ["/a", "/b"].map(|name| recorder.series("GET", name));
    let mut interval = interval(registry, PLAIN);
    let resource = Resource::new("shop");
    let mut end = |interval: &mut DeltaInterval<Vec<u64>>, seconds| {
        series.iter().for_each(|series| recorder.record(*series, Sample::ok(Duration::ZERO)));
        interval.end(registry, at(seconds))
    };
    let times = |interval: &DeltaInterval<Vec<u64>>| {
        let parts = parts(interval.export(registry), Sources::of_interval(registry, &resource, interval), usize::MAX);
        let points = points_of(&parts[0].1, true);
        assert!(points.iter().all(|point| (point.start, point.time) == (points[0].start, points[0].time)));
        let mut counts = counted(&points);
        counts.sort_unstable();
        (points[0].start / SECOND, points[0].time / SECOND, counts)
    };
    assert_eq!((end(&mut interval, 2), times(&interval)), (2, (1, 2, vec![1, 1])));
    // Nothing of the interval was settled, so the next one includes it.
    assert_eq!((end(&mut interval, 3), times(&interval)), (4, (1, 3, vec![2, 2])));
    // One series was settled: its points must not overlap.
    let first = interval.export(registry);
    let one = parts(first, Sources::of_interval(registry, &resource, &interval), 0);
    let until = one.iter().find(|(part, _)| part.next.requests() != 0).expect("a point of the counter").0.next;
    assert_eq!(interval.settle(first, until), 2);
    assert_eq!((end(&mut interval, 4), times(&interval)), (4, (3, 4, vec![1, 3])));
    // All of it was settled, at a later time. The next interval begins at that time. A clock that was set back changes
    // nothing.
    assert_eq!((interval.postpone(at(6)), interval.postpone(at(5))), (at(6), at(6)));
    let last = parts(interval.export(registry), Sources::of_interval(registry, &resource, &interval), usize::MAX);
    assert_eq!(interval.settle(interval.export(registry), last[0].0.next), 4);
    assert_eq!((end(&mut interval, 7), times(&interval)), (2, (6, 7, vec![1, 1])));
    // Positions in the wrong order settle nothing.
    assert_eq!(interval.settle(last[0].0.next, first), 0);
}
