//! The label `error_type` in all four formats, checked by the same parsers and models as without it.

mod common;

use common::{any_recording, body_of, edge_recording, nasty_recording, page_of, pumped, record, whole};
use loaddensity_metrics_core::dogstatsd::MessageEncoder;
use loaddensity_metrics_core::influxdb::LineEncoder;
use loaddensity_metrics_core::otlp::{DeltaInterval, Export, ExportOptions, HistogramAggregation, Resource, Sources};
use loaddensity_metrics_core::prometheus::{Families, Page};
use loaddensity_metrics_core::{
    Classic, ConstantLabels, ErrorKind, ErrorLabelInUse, Exponential, Exporter, Histograms, Intervals, LabelError,
    Outcome, Registry, Sample, Storage, Timestamp, dogstatsd,
};
use loaddensity_metrics_vectors::judge;
use loaddensity_metrics_vectors::model::{Model, kind_text};
use proptest::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const START: u64 = 1_700_000_000_000_000_000;
const NOW: u64 = START + 5_000_000_000;

fn labelled<const SERIES: usize, H: Histograms>(storage: &Storage<SERIES, 1, 2, H>) -> Registry<'_> {
    storage.registry().set_error_label().expect("nobody has counted yet");
    storage.registry()
}

/// All that is read off the registry: pages, totals, and cumulative exports.
fn judge_sums(registry: Registry<'_>, model: &Model, exporters: &[Exporter]) {
    judge::page(model, exporters, &page_of(registry));
    judge::open_page(model, exporters, None, &whole(Page::open_metrics(registry)));
    if registry.has_exponentials() {
        judge::families(model, exporters, None, &body_of(Families::new(registry)));
    }
    judge_totals(registry, model);
    let resource = Resource::new("shop");
    for histograms in [HistogramAggregation::Explicit, HistogramAggregation::Exponential] {
        let options = ExportOptions { histograms, ..ExportOptions::default() };
        if histograms == HistogramAggregation::Exponential && !registry.has_exponentials() {
            continue;
        }
        let sources = Sources::new(registry, &resource).with_options(options);
        let export = Export::new(registry, Timestamp::from_unix_nanos(START), Timestamp::from_unix_nanos(NOW));
        let frames = frames(export, sources);
        let dialect = judge::ExportDialect { options, is_delta: false, ..Default::default() };
        judge::exports_as(dialect, model, "shop", (START, NOW), frames.iter().map(Vec::as_slice));
    }
}

fn frames(mut export: Export, sources: Sources<'_>) -> Vec<Vec<u8>> {
    let (mut frames, mut buffer) = (Vec::new(), vec![0; 9_000]);
    while let Some(part) = export.next_request(sources, &mut buffer).expect("room for a point") {
        frames.push(part.of(&buffer).to_vec());
        export = part.next;
    }
    frames
}

/// The failures of each kind are the model's, and together they are all failures.
fn judge_totals(registry: Registry<'_>, model: &Model) {
    let totals = registry.totals();
    for kind in ErrorKind::ALL {
        let samples = model.by_handle().flat_map(|(_, known)| &known.samples);
        let expected = samples.filter(|sample| kind_text(sample) == Some(kind.as_str())).count() as u64;
        assert_eq!(totals.failures_of(kind), expected, "{kind:?}");
    }
    let of_kinds = ErrorKind::ALL.map(|kind| totals.failures_of(kind)).iter().sum::<u64>();
    assert_eq!((of_kinds, totals.requests()), (totals.failures(), model.requests()));
}

#[test]
fn nasty_names_and_extremes_are_shown_by_kind_in_every_format() {
    // Too large for a stack.
    static STORAGES: [Storage<1_024, 1, 2>; 4] = [const { Storage::new() }; 4];
    for (recording, storages) in [nasty_recording(), edge_recording()].iter().zip(STORAGES.as_chunks::<2>().0) {
        let registry = labelled(&storages[0]);
        let encoder = LineEncoder::new(registry, "m").expect("measurement");
        let (model, bodies) = pumped(registry, Exporter::Influxdb, encoder, 1_400, recording);
        judge::lines(&model, "m", bodies.iter().map(Vec::as_slice));
        judge_sums(registry, &model, &[Exporter::Influxdb]);

        let registry = labelled(&storages[1]);
        let encoder = MessageEncoder::new(registry, "p").expect("prefix");
        let (model, payloads) = pumped(registry, Exporter::Statsd, encoder, 1_432, recording);
        judge::messages(&model, "p", payloads.iter().map(Vec::as_slice));
        assert!(registry.totals().failures_of(ErrorKind::Tls) > 0 && model.requests() > 800);
    }
}

#[test]
fn each_failure_is_in_one_line_and_its_histograms_are_not_split() {
    let storage = Storage::<4, 1, 2>::new();
    let registry = labelled(&storage);
    let (mut recorder, series) = (registry.recorder(), registry.series("GET", "/x"));
    let latency = Duration::from_millis(3);
    for sample in [
        Sample::http(200, latency),
        Sample::http(503, latency),
        Sample::http(0, latency),
        Sample::failed(latency).status(200),
        Sample::http(503, latency).error(ErrorKind::Timeout),
        Sample::ok(latency).error(ErrorKind::Timeout),
    ] {
        recorder.record(series, sample);
    }
    let page = String::from_utf8(page_of(registry)).expect("UTF-8");
    let line = |outcome: &str, count: u64| {
        format!("loaddensity_requests_total{{method=\"GET\",name=\"/x\",outcome=\"{outcome}\"}} {count}\n")
    };
    let counts = [0, 2, 0, 0, 0, 1, 2];
    let failures = ErrorKind::ALL.into_iter().zip(counts);
    let failures = failures.map(|(kind, count)| line(&format!("failure\",error_type=\"{}", kind.as_str()), count));
    let expected: String = [line("success", 1)].into_iter().chain(failures).collect();
    let shown = page.lines().filter(|line| line.starts_with("loaddensity_requests_total{"));
    assert_eq!(shown.map(|line| line.to_owned() + "\n").collect::<String>(), expected);
    assert_eq!(page.matches("error_type").count(), ErrorKind::ALL.len(), "the histograms have no kinds");
    assert!(page.contains("loaddensity_request_latency_ms_count{method=\"GET\",name=\"/x\"} 6\n"));
}

#[test]
fn while_the_label_is_off_kinds_change_nothing() {
    let recording = edge_recording();
    let mut without = recording.clone();
    without.iter_mut().flat_map(|(_, samples)| samples).for_each(|sample| sample.error = None);
    let shown = |recording| {
        let storage = Box::new(Storage::<4, 1, 2>::new());
        let registry = storage.registry();
        let encoder = LineEncoder::new(registry, "m").expect("measurement");
        let (model, lines) = pumped(registry, Exporter::Influxdb, encoder, 1_400, recording);
        assert!(!registry.has_error_label());
        assert_eq!(ErrorKind::ALL.map(|kind| registry.totals().failures_of(kind)), [0; 7]);
        judge::page(&model, &[Exporter::Influxdb], &page_of(registry));
        (lines, registry.totals())
    };
    assert_eq!(shown(&recording), shown(&without));
}

#[test]
fn the_label_cannot_be_set_after_the_first_recorder_exporter_or_reading() {
    let refused = |first: fn(Registry<'_>)| {
        let storage = Storage::<4, 1, 2>::new();
        first(storage.registry());
        assert_eq!(storage.registry().set_error_label(), Err(ErrorLabelInUse));
        assert!(!storage.registry().has_error_label());
    };
    refused(|registry| drop(registry.recorder()));
    refused(|registry| drop(LineEncoder::new(registry, "m")));
    refused(|registry| drop(MessageEncoder::new(registry, "p")));
    refused(|registry| {
        let _ = Export::new(registry, Timestamp::default(), Timestamp::default());
    });
    refused(|registry| assert_eq!(registry.requests(), 0));
    let storage = Storage::<4, 1, 2>::new();
    storage.registry().series("GET", "/x");
    assert_eq!([(); 2].map(|()| storage.registry().set_error_label()), [Ok(()); 2]);
    assert!(storage.registry().has_error_label());
}

#[test]
fn no_series_and_no_exporter_has_a_label_of_that_name() {
    let storage = Storage::<4, 1, 2>::new();
    let series = storage.registry().series_with_labels("GET", "/x", [("error.type", "x")]);
    assert_eq!(series, Err(LabelError::Reserved));
    assert!(ConstantLabels::new([("error_type", "x")]).is_err());
    assert!(dogstatsd::ConstantTags::new([("Error_Type", "x")]).is_err());
}

/// Recorders with a shard and without count the same kinds.
fn recorders_count<H: Histograms>(storage: &Storage<4, 1, 2, H>) {
    let registry = labelled(storage);
    let mut recorders = [registry.recorder(), registry.recorder()];
    assert!(recorders[1].is_sharing());
    let series = ["/a", "/b"].map(|name| registry.series("GET", name));
    let mut intervals = Intervals::new(registry, vec![0; Intervals::<Vec<u64>>::words(registry)]).expect("words");
    for number in 0..800_usize {
        let sample = match number % 8 {
            0 => Sample::ok(Duration::ZERO),
            kind => Sample::ok(Duration::ZERO).error(ErrorKind::ALL[kind - 1]),
        };
        recorders[number / 8 % 2].record(series[number / 16 % 2], sample);
    }
    for series in series {
        let interval = intervals.read(series).expect("requests");
        for totals in [registry.series_totals(series), interval.totals] {
            assert_eq!(ErrorKind::ALL.map(|kind| totals.failures_of(kind)), [50; 7]);
            assert_eq!((totals.requests(), totals.failures()), (400, 350));
        }
        assert_eq!(intervals.commit(series), 400);
    }
    let before = registry.totals();
    recorders[0].record(series[0], Sample::failed(Duration::ZERO).error(ErrorKind::Reset));
    let since = registry.totals().since(&before);
    assert_eq!(ErrorKind::ALL.map(|kind| since.failures_of(kind)), [0, 0, 1, 0, 0, 0, 0]);
}

#[test]
fn recorders_with_a_shard_and_without_count_the_same_kinds() {
    recorders_count(&Storage::<4, 1, 2, Exponential>::new());
    recorders_count(&Storage::<4, 1, 2, Classic>::new());
}

#[test]
fn a_page_never_shows_more_failures_than_the_registry_has() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let registry = labelled(&STORAGE);
    let series = registry.series("GET", "/x");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let recorders = [registry.recorder(), registry.recorder()];
        let is_over = &is_over;
        for mut recorder in recorders {
            scope.spawn(move || {
                for number in 0..200_000_usize {
                    recorder.record(series, Sample::failed(Duration::ZERO).error(ErrorKind::ALL[number % 7]));
                }
                is_over.store(true, Ordering::Relaxed);
            });
        }
        let mut before = 0;
        while !is_over.load(Ordering::Relaxed) {
            let mut page = Page::new(registry);
            while page.fill(&mut [0; 4_096]).expect("room for a line") != 0 {}
            let shown = page.totals().requests;
            assert!(before <= shown && shown <= registry.requests(), "{before}, then {shown}");
            before = shown;
        }
    });
    assert_eq!(ErrorKind::ALL.map(|kind| registry.totals().failures_of(kind)).iter().sum::<u64>(), 400_000);
    assert_eq!(registry.requests(), 400_000);
}

#[test]
fn what_is_not_settled_of_a_kind_comes_again_and_nothing_else() {
    let storage = Storage::<4, 1, 2>::new();
    let registry = labelled(&storage);
    let options = ExportOptions::default();
    let memory = vec![0; DeltaInterval::<Vec<u64>>::words(registry, options)];
    let (mut interval, _) =
        DeltaInterval::new(registry, options, memory, Timestamp::from_unix_nanos(1)).expect("words");
    let (mut recorder, series) = (registry.recorder(), registry.series("GET", "/x"));
    let resource = Resource::new("shop");
    let mut end = |interval: &mut DeltaInterval<Vec<u64>>, at| {
        for (kind, times) in [(ErrorKind::Connect, 2), (ErrorKind::Tls, 3)] {
            (0..times).for_each(|_| recorder.record(series, Sample::failed(Duration::ZERO).error(kind)));
        }
        interval.end(registry, Timestamp::from_unix_nanos(at))
    };
    assert_eq!(end(&mut interval, 2), 5);
    let (first, mut buffer) = (interval.export(registry), vec![0; 9_000]);
    let mut export = first;
    // Up to the first point of the counter: the last kind is written first.
    while export.requests() == 0 {
        let sources = Sources::of_interval(registry, &resource, &interval).with_limit(0);
        export = export.next_request(sources, &mut buffer).expect("room").expect("points are left").next;
    }
    assert_eq!((interval.settle(first, export), interval.unsettled()), (3, 2));
    assert_eq!(interval.settle(first, export), 0, "it was settled already");
    assert_eq!(end(&mut interval, 3), 2 + 5);
    let (mut export, mut counted) = (interval.export(registry), Vec::new());
    while let Some(part) = {
        let sources = Sources::of_interval(registry, &resource, &interval).with_limit(0);
        export.next_request(sources, &mut buffer).expect("room")
    } {
        counted.push(part.requests);
        export = part.next;
    }
    assert_eq!(counted, [0, 0, 3, 4]);
    assert_eq!((interval.settle(interval.export(registry), export), interval.unsettled()), (7, 0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_recordings_are_shown_by_kind(recording in any_recording()) {
        let storages = (Box::new(Storage::<9, 1, 2>::new()), Box::new(Storage::<9, 1, 2, Classic>::new()));
        for registry in [labelled(&storages.0), labelled(&storages.1)] {
            let model = record(&mut registry.recorder(), &recording, || {});
            judge_sums(registry, &model, &[]);
            let of = |outcome| model.by_handle().map(|(_, known)| known.of(Some(outcome)).count()).sum::<u64>();
            prop_assert_eq!(registry.totals().by_outcome, Outcome::ALL.map(of));
        }
    }
}
