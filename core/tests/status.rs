//! The label `status` in all four formats, checked by the same parsers and models as without it.

mod common;

use common::{any_recording, edge_recording, nasty_recording, page_of, pumped, record};
use loaddensity_metrics_core::dogstatsd::MessageEncoder;
use loaddensity_metrics_core::influxdb::LineEncoder;
use loaddensity_metrics_core::otlp::{Export, Resource, Sources};
use loaddensity_metrics_core::{
    Classic, Exporter, Histograms, LABEL_BYTES, Label, LabelError, Registry, Sample, Series, StatusLabel,
    StatusLabelInUse, Storage, Timestamp,
};
use loaddensity_metrics_vectors::judge;
use loaddensity_metrics_vectors::model::Model;
use proptest::prelude::*;
use std::time::Duration;

const BOTH: [StatusLabel; 2] = [StatusLabel::Class, StatusLabel::Code];

fn judge_sums(registry: Registry<'_>, model: &Model, exporters: &[Exporter]) {
    judge::page(model, exporters, &page_of(registry));
    let (start, now) = (1_700_000_000_000_000_000, 1_700_000_005_000_000_000);
    let [from, to] = [start, now].map(Timestamp::from_unix_nanos);
    let resource = Resource::new("shop");
    let export = Export::new(registry, from, to);
    let mut buffer = vec![0; 8 << 20];
    let part = export.next_request(Sources::new(registry, &resource), &mut buffer).expect("room");
    let request = part.map_or(&[][..], |part| part.of(&buffer));
    judge::exports(model, "shop", (start, now), [request].into_iter().filter(|request| !request.is_empty()));
    assert_eq!(registry.requests(), model.requests());
}

fn labelled<const SERIES: usize, H: Histograms>(
    storage: &Storage<SERIES, 1, 2, H>,
    label: StatusLabel,
) -> Registry<'_> {
    storage.registry().set_status_label(label).expect("nobody has counted yet");
    storage.registry()
}

#[test]
fn nasty_names_keep_their_labels_beside_the_status() {
    // Too large for a stack.
    static STORAGES: [Storage<2_048, 1, 2>; 4] = [const { Storage::new() }; 4];
    for (label, storages) in BOTH.into_iter().zip(STORAGES.as_chunks::<2>().0) {
        let registry = labelled(&storages[0], label);
        let encoder = LineEncoder::new(registry, "loaddensity_request").expect("measurement");
        let (model, bodies) = pumped(registry, Exporter::Influxdb, encoder, 1_400, &nasty_recording());
        judge::lines(&model, "loaddensity_request", bodies.iter().map(Vec::as_slice));
        judge_sums(registry, &model, &[Exporter::Influxdb]);

        let registry = labelled(&storages[1], label);
        let encoder = MessageEncoder::new(registry, "loaddensity").expect("prefix");
        let (model, payloads) = pumped(registry, Exporter::Statsd, encoder, 1_432, &nasty_recording());
        assert!(model.requests() > 800, "{}", model.requests());
        judge::messages(&model, "loaddensity", payloads.iter().map(Vec::as_slice));
    }
}

#[test]
fn each_status_has_its_own_series_with_the_label_in_sorted_order() {
    let storage = Storage::<16, 1, 2>::new();
    let registry = labelled(&storage, StatusLabel::Code);
    let mut recorder = registry.recorder();
    let labels = [Label { key: "region", value: "eu" }, Label { key: "zone", value: "1" }];
    let series = recorder.series_with_labels("GET", "/x", labels).expect("labels");
    for status in [404, 404, 0, 1_000] {
        recorder.record(series, Sample::ok(Duration::ZERO).status(status));
    }
    let page = String::from_utf8(page_of(registry)).expect("UTF-8");
    for (status, requests) in [("404", 2), ("none", 1), ("other", 1)] {
        let labels = format!(r#"method="GET",name="/x",region="eu",status="{status}",zone="1""#);
        let line = format!("loaddensity_requests_total{{{labels},outcome=\"success\"}} {requests}\n");
        assert!(page.contains(&line), "{line} is not in\n{page}");
    }
    let not_found = registry.series_of_status(series, 404);
    assert_eq!(registry.series_of_status(not_found, 500), not_found, "it has the label already");
}

#[test]
fn every_status_finds_its_series_again_on_every_recorder() {
    static STORAGE: Storage<1_024, 1, 2> = Storage::new();
    let registry = labelled(&STORAGE, StatusLabel::Code);
    // The second recorder shares the spill shard. There are more series than a recorder remembers.
    let mut recorders = [registry.recorder(), registry.recorder()];
    let series = ["/a", "/b"].map(|name| registry.series("GET", name));
    for number in 0..9_000_u16 {
        let sample = Sample::ok(Duration::ZERO).status(100 + number % 250);
        recorders[usize::from(number % 2)].record(series[usize::from(number / 2 % 2)], sample);
    }
    let children: Vec<_> = series
        .into_iter()
        .flat_map(|series| (100..350).map(move |status| registry.series_of_status(series, status)))
        .collect();
    let requests = |series: &Series| registry.series_totals(*series).requests();
    assert!(children.iter().all(|child| requests(child) == 18), "{:?}", children.iter().map(requests));
    assert_eq!((registry.requests(), registry.usage().series, registry.usage().folded), (9_000, 502, 0));
}

#[test]
fn statuses_that_a_full_registry_has_no_room_for_count_in_the_overflow_series() {
    let storage = Storage::<4, 1, 2>::new();
    let registry = labelled(&storage, StatusLabel::Code);
    let model = record(&mut registry.recorder(), &edge_recording(), || {});
    assert_eq!((registry.usage().series, registry.requests()), (3, model.requests()));
    assert!(registry.series_totals(Series::OVERFLOW).requests() > 0 && registry.usage().folded > 0);
    judge_sums(registry, &model, &[]);
}

#[test]
fn the_label_cannot_be_set_after_the_first_recorder_or_labels() {
    let label = [Label { key: "region", value: "eu" }];
    let (recorder, labels, neither) = (Storage::<4, 1, 2>::new(), Storage::<4, 1, 2>::new(), Storage::<4, 1, 2>::new());
    drop(recorder.registry().recorder());
    labels.registry().series_with_labels("GET", "/x", label).expect("labels");
    neither.registry().series("GET", "/x");
    let set = |storage: &Storage<4, 1, 2>, label| storage.registry().set_status_label(label);
    assert_eq!(set(&recorder, StatusLabel::Code), Err(StatusLabelInUse));
    assert_eq!(set(&labels, StatusLabel::Code), Err(StatusLabelInUse));
    assert_eq!((set(&neither, StatusLabel::Code), set(&neither, StatusLabel::Code)), (Ok(()), Ok(())));
    assert_eq!(set(&neither, StatusLabel::Class), Err(StatusLabelInUse));
    assert_eq!(neither.registry().status_label(), Some(StatusLabel::Code));
}

#[test]
fn labels_that_leave_no_room_for_the_status_are_refused() {
    let storage = Storage::<8, 1, 2>::new();
    let registry = labelled(&storage, StatusLabel::Class);
    // Key and value of the status have eleven bytes.
    let (half, rest) = ("x".repeat(LABEL_BYTES / 2 - 1), "x".repeat(LABEL_BYTES / 2 - 1 - 10));
    let series = |labels: &[(&str, &str)]| registry.series_with_labels("GET", "/x", labels);
    let eight = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|key| (key, "1"));
    assert_eq!(series(&eight), Err(LabelError::BesideStatus));
    assert_eq!(series(&[("a", &half), ("b", &rest)]), Err(LabelError::BesideStatus));
    for fits in [series(&eight[1..]), series(&[("a", &half), ("b", &rest[1..])])] {
        let fits = fits.expect("room for the status");
        assert_ne!(registry.series_of_status(fits, 200), fits);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_recordings_are_shown_by_status(recording in any_recording(), label in prop::sample::select(&BOTH[..])) {
        // Eleven series with five statuses each; storage on a test's stack must stay small.
        let storage = Storage::<72, 1, 2, Classic>::new();
        let registry = labelled(&storage, label);
            let model = record(&mut registry.recorder(), &recording, || {});
            judge_sums(registry, &model, &[]);
    }
}
