//! Prometheus pages, judged by a strict parser and a naive model.

mod common;

use common::{any_recording, edge_recording, nasty_recording, page_of, record};
use loaddensity_metrics_core::{Cause, Exporter, Storage, prometheus::Page};
use loaddensity_metrics_vectors::{check, judge, prometheus};
use proptest::prelude::*;

#[test]
fn nasty_names_survive() {
    static STORAGE: Storage<1_024, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let recording = nasty_recording();
    let model = record(&mut registry.recorder(), &recording, || {});
    assert!(model.shown().count() > 500, "{}", model.shown().count());
    assert_eq!(registry.facts().folded, 0, "the storage is too small for the table");
    judge::page(&model, &[], &page_of(registry));
}

#[test]
fn every_bound_and_extreme_is_counted_in_its_bucket() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let model = record(&mut registry.recorder(), &edge_recording(), || {});
    judge::page(&model, &[], &page_of(registry));
}

#[test]
fn an_empty_registry_gives_a_page() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    judge::page(&record(&mut registry.recorder(), &Vec::new(), || {}), &[], &page_of(registry));
}

#[test]
fn accounts_are_shown_from_an_exporters_start_on() {
    static STORAGE: Storage<8, 1, 16> = Storage::new();
    let registry = STORAGE.registry();
    let ledger = registry.open_account(Exporter::Prometheus);
    let mut pump = registry.pump().expect("the only pump");
    pump.attach(Exporter::Statsd);
    let recording = edge_recording().into_iter().map(|(name, samples)| (name, samples[..20].to_vec())).collect();
    let model = record(&mut registry.recorder(), &recording, || {});
    ledger.set_sent_total(model.requests() - 1);

    let bytes = page_of(registry);
    judge::page(&model, &[Exporter::Prometheus, Exporter::Statsd], &bytes);
    let page = prometheus::parse(&bytes).expect("judged above");
    let value = |name: &str, labels: &[(&str, &str)]| page.sample(name, labels).map(|sample| sample.value);
    let (scraped, statsd) = (("exporter", "prometheus"), ("exporter", "statsd"));
    assert_eq!(value("loaddensity_exporter_recorded_total", &[scraped]), Some(20.0));
    assert_eq!(value("loaddensity_exporter_sent_total", &[scraped]), Some(19.0));
    assert_eq!(value("loaddensity_exporter_held", &[scraped]), Some(1.0));
    assert_eq!(value("loaddensity_exporter_recorded_total", &[statsd]), Some(20.0));
    assert_eq!(value("loaddensity_exporter_held", &[statsd]), Some(16.0));
    for cause in Cause::ALL {
        let labels = [statsd, ("cause", cause.as_str())];
        let expected = if cause == Cause::RingFull { 4.0 } else { 0.0 };
        assert_eq!(value("loaddensity_exporter_dropped_total", &labels), Some(expected), "{cause}");
    }
}

#[test]
fn a_page_shows_the_series_that_existed_when_it_began() {
    static STORAGE: Storage<8, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let mut recorder = registry.recorder();
    recorder.series("GET", "/before");
    let mut page = Page::new(registry);
    let mut buffer = [0; 512];
    let mut bytes = Vec::new();
    loop {
        match page.fill(&mut buffer).expect("512 bytes hold any line here") {
            0 => break,
            length => bytes.extend_from_slice(&buffer[..length]),
        }
        recorder.series("GET", "/after");
    }
    let page = prometheus::parse(&bytes).expect("a page");
    let names: Vec<_> = page.samples().filter_map(|sample| sample.label("name")).collect();
    assert_eq!(names.len(), judge::PAGE_LINES_PER_SERIES);
    assert!(names.iter().all(|name| *name == "/before"), "{names:?}");
}

proptest! {
    #[test]
    fn random_recordings_are_shown_exactly(recording in any_recording()) {
        let storage = Box::new(Storage::<9, 1, 2>::new());
        let registry = storage.registry();
        let model = record(&mut registry.recorder(), &recording, || {});
        judge::page(&model, &[], &page_of(registry));
    }

    #[test]
    fn random_programs_give_right_pages(program in proptest::collection::vec(any::<u8>(), 0..600)) {
        check::prometheus(&program);
    }
}
