//! Prometheus pages, checked by a strict parser and a naive model.

mod common;

use common::{any_recording, body_of, edge_recording, nasty_recording, page_of, record, whole};
use loaddensity_metrics_core::prometheus::{Families, MAX_LINE, Page, ScrapeOptions};
use loaddensity_metrics_core::{
    Classic, ConstantLabels, DropReason, Exporter, LABEL_BYTES, LABELS, Outcome, Sample, Storage, Timestamp,
    TraceContext,
};
use loaddensity_metrics_vectors::{check, families, judge, openmetrics, prometheus};
use proptest::prelude::*;
use std::time::Duration;

#[test]
fn nasty_names_survive() {
    static STORAGE: Storage<1_024, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let recording = nasty_recording();
    let model = record(&mut registry.recorder(), &recording, || {});
    assert!(model.shown().count() > 500, "{}", model.shown().count());
    assert_eq!(registry.usage().folded, 0, "the storage is too small for the table");
    judge::page(&model, &[], &page_of(registry));
    judge::open_page(&model, &[], None, &whole(Page::open_metrics(registry)));
    let created = |nanos| ScrapeOptions::default().created(Timestamp::from_unix_nanos(nanos));
    let open = whole(Page::open_metrics(registry).with_options(created(1_700_000_000_000_000_001)));
    judge::open_page(&model, &[], Some("1700000000.000000001"), &open);
    judge::families(&model, &[], None, &body_of(Families::new(registry)));
    for nanos in [1_700_000_000_000_000_001, 1_700_000_000_000_000_000] {
        let body = body_of(Families::new(registry).with_options(created(nanos)));
        judge::families(&model, &[], Some(nanos), &body);
    }
    // The text format has no place for it.
    judge::page(&model, &[], &whole(Page::new(registry).with_options(created(1))));
}

#[test]
fn every_bound_and_extreme_is_counted_in_its_bucket() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let model = record(&mut registry.recorder(), &edge_recording(), || {});
    judge::page(&model, &[], &page_of(registry));
    judge::open_page(&model, &[], None, &whole(Page::open_metrics(registry)));
    judge::families(&model, &[], None, &body_of(Families::new(registry)));
}

#[test]
fn an_empty_registry_gives_a_page() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let model = record(&mut registry.recorder(), &Vec::new(), || {});
    judge::page(&model, &[], &page_of(registry));
    judge::open_page(&model, &[], None, &whole(Page::open_metrics(registry)));
    judge::families(&model, &[], None, &body_of(Families::new(registry)));
}

#[test]
fn accounts_are_shown_from_an_exporters_start_on() {
    static STORAGE: Storage<8, 1, 16> = Storage::new();
    let registry = STORAGE.registry();
    let ledger = registry.pump().expect("the only pump").accounts().open(Exporter::Prometheus);
    let mut pump = registry.pump().expect("the only pump");
    pump.attach(Exporter::Statsd);
    let recording = edge_recording().into_iter().map(|(name, samples)| (name, samples[..20].to_vec())).collect();
    let model = record(&mut registry.recorder(), &recording, || {});
    ledger.set_sent_total(model.requests() - 1);

    let bytes = page_of(registry);
    judge::page(&model, &[Exporter::Prometheus, Exporter::Statsd], &bytes);
    let open = whole(Page::open_metrics(registry));
    judge::open_page(&model, &[Exporter::Prometheus, Exporter::Statsd], None, &open);
    let body = body_of(Families::new(registry));
    judge::families(&model, &[Exporter::Prometheus, Exporter::Statsd], None, &body);
    let page = prometheus::parse(&bytes).expect("judged above");
    let value = |name: &str, labels: &[(&str, &str)]| page.sample(name, labels).map(|sample| sample.value);
    let (scraped, statsd) = (("exporter", "prometheus"), ("exporter", "statsd"));
    assert_eq!(value("loaddensity_exporter_recorded_total", &[scraped]), Some(20.0));
    assert_eq!(value("loaddensity_exporter_sent_total", &[scraped]), Some(19.0));
    assert_eq!(value("loaddensity_exporter_held", &[scraped]), Some(1.0));
    assert_eq!(value("loaddensity_exporter_recorded_total", &[statsd]), Some(20.0));
    assert_eq!(value("loaddensity_exporter_held", &[statsd]), Some(16.0));
    for cause in DropReason::ALL {
        let labels = [statsd, ("cause", cause.as_str())];
        let expected = if cause == DropReason::RingFull { 4.0 } else { 0.0 };
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

/// Every line has the constant labels, escaped, except those whose name it has as a label of its own.
#[test]
fn constant_labels_are_on_every_line() {
    static STORAGE: Storage<1_024, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    registry.pump().expect("the only pump").accounts().open(Exporter::Prometheus);
    record(&mut registry.recorder(), &nasty_recording(), || {});
    let given = [("run", "\\\"\n7"), ("scenario", "all"), ("cause", "mine"), ("exporter", "mine")];
    let constant = ConstantLabels::new(given).expect("good labels");
    let plain = page_of(registry);
    let options = ScrapeOptions::default().constant_labels(&constant);
    let bytes = whole(Page::new(registry).with_options(options.clone()));
    let (plain, page) = (prometheus::parse(&plain).expect("a page"), prometheus::parse(&bytes).expect("a page"));
    assert_eq!(plain.sample_count(), page.sample_count());
    for (before, after) in plain.samples().zip(page.samples()) {
        let mut expected: Vec<_> = before.labels.iter().map(|(name, value)| (*name, value.as_ref())).collect();
        // The part that tells the lines of a series apart comes last.
        let part = expected.pop_if(|(name, _)| ["outcome", "le"].contains(name));
        let added = constant.iter().filter(|(name, _)| before.label(name).is_none());
        expected.extend(added.chain(part));
        let seen: Vec<_> = after.labels.iter().map(|(name, value)| (*name, value.as_ref())).collect();
        assert_eq!((before.name, before.text, expected), (after.name, after.text, seen));
    }
    let own = page.samples().filter(|sample| sample.label("scenario").is_some_and(|value| value != "all"));
    assert!(own.count() > 1_000, "no series has a label of its own");
    let open = whole(Page::open_metrics(registry).with_options(options.clone()));
    let open = openmetrics::parse(&open).expect("a page");
    assert!(open.samples().map(|open| (open.name, open.text)).eq(page.samples().map(|text| (text.name, text.text))));
    assert!(open.samples().all(|sample| sample.label("run") == Some("\\\"\n7")));
    let body = body_of(Families::new(registry).with_options(options));
    let families = families::decode(&body).expect("families");
    let metrics = || families.iter().flat_map(|family| &family.metric);
    assert!(metrics().all(|metric| metric.label("run") == Some("\\\"\n7")));
    let scenarios = |value| metrics().filter(|metric| metric.label("scenario").is_some_and(|own| own != value)).count();
    assert!(scenarios("all") > 100, "no series has a label of its own");
    assert!(
        families.iter().any(|family| family.metric.iter().any(|metric| metric.label("cause") == Some("ring_full")))
    );
}

/// The longest series with the longest constant labels fits into the longest line.
#[test]
fn the_longest_line_is_as_long_as_promised() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let (method, name, value) = ("\"".repeat(32), "\"".repeat(255), "\"".repeat((LABEL_BYTES - LABELS - 6) / 2));
    let labels = ["i", "j", "k", "l", "m", "n", "o", "p"].map(|key| (key, if key < "o" { "\"" } else { &*value }));
    let mut recorder = registry.recorder();
    let series = recorder.series_with_labels(&method, &name, labels).expect("labels that just fit");
    let sample = Sample::ok(Duration::MAX).completed_at(Timestamp::from_unix_nanos(u64::MAX));
    recorder.record_traced(series, sample, TraceContext { trace_id: [7; 16], span_id: [7; 8] });
    let quotes = "\"".repeat(253);
    let constant = ConstantLabels::new(["a", "b", "c", "d"].map(|name| (name, &*quotes))).expect("they just fit");
    let mut page = Page::open_metrics(registry).with_options(ScrapeOptions::default().constant_labels(&constant));
    let (mut buffer, mut longest) = ([0; MAX_LINE], 0);
    loop {
        let length = page.fill(&mut buffer).expect("it holds any line");
        if length == 0 {
            break;
        }
        longest = buffer[..length].split(|byte| *byte == b'\n').map(|line| line.len() + 1).fold(longest, usize::max);
    }
    assert!(longest > MAX_LINE - 200, "{longest} of {MAX_LINE}");
}

/// A gauge that has been set is shown exactly, in every format. One that has not been set is not shown.
#[test]
fn gauges_are_shown_as_they_were_set() {
    let numbers =
        [0.0, -0.5, 250.0, 12.5, 0.1, 1e15, 123_456_789.125, 1e-7, -1e300, f64::MAX, f64::MIN_POSITIVE, 5e-324];
    let storage = Box::new(Storage::<4, 1, 2>::new());
    let registry = storage.registry();
    registry.gauge("never_set").expect("a new gauge");
    for (number, value) in numbers.iter().enumerate() {
        registry.gauge(&format!("gauge_{number}")).expect("a new gauge").set(*value);
    }
    let constant = ConstantLabels::new([("run", "7")]).expect("a good label");
    for constant in [ConstantLabels::NONE, constant] {
        let options = ScrapeOptions::default().constant_labels(&constant);
        let text = whole(Page::new(registry).with_options(options.clone()));
        let open = whole(Page::open_metrics(registry).with_options(options.clone()));
        let body = body_of(Families::new(registry).with_options(options));
        let (text, open) = (prometheus::parse(&text).expect("a page"), openmetrics::parse(&open).expect("a page"));
        let families = families::decode(&body).expect("families");
        assert!(text.family("loaddensity_never_set").is_none());
        for (number, value) in numbers.iter().enumerate() {
            let name = format!("loaddensity_gauge_{number}");
            let sample = &text.family(&name).expect("a family").samples[0];
            assert_eq!((sample.value, sample.label("run")), (*value, constant.get("run")));
            let family = open.families.iter().find(|family| family.name == name).expect("a family");
            assert_eq!((family.kind, family.samples[0].text.parse()), ("gauge", Ok(*value)));
            let family = families.iter().find(|family| family.name() == name).expect("a family");
            let gauge = family.metric[0].gauge.as_ref().expect("a gauge");
            assert_eq!((gauge.value(), family.metric[0].label("run")), (*value, constant.get("run")));
        }
    }
}

/// Each bucket shows the latest trace of its requests, in OpenMetrics and in protobuf. The text format has no
/// exemplars.
#[test]
fn exemplars_are_on_the_buckets_of_their_requests() {
    let storage = Box::new(Storage::<4, 1, 2>::new());
    let registry = storage.registry();
    let mut recorder = registry.recorder();
    let series = recorder.series("GET", "/x");
    let at = |number: u64| Timestamp::from_unix_nanos(1_700_000_000_500_000_000 + number);
    // Into the first bucket, twice, and the second, without a span; into the last, without a time.
    let requests = [(1, 500_000, at(1)), (2, 400_000, at(2)), (3, 7_250_000, at(3)), (4, 80_000_000_000, at(0))];
    for (number, nanos, completed_at) in requests {
        let completed_at = if number == 4 { Timestamp::default() } else { completed_at };
        let outcome = if number == 2 { Outcome::Failure } else { Outcome::Success };
        let sample = Sample::new(outcome, Duration::from_nanos(nanos)).completed_at(completed_at);
        let span_id = if number == 3 { [0; 8] } else { [number; 8] };
        recorder.record_traced(series, sample, TraceContext { trace_id: [number; 16], span_id });
    }
    let page = whole(Page::open_metrics(registry));
    let page = openmetrics::parse(&page).expect("a page");
    let shown: Vec<_> = page
        .samples()
        .filter_map(|sample| {
            let exemplar = sample.exemplar.as_ref()?;
            let labels: Vec<_> = exemplar.labels.iter().map(|(name, id)| format!("{name}={id}")).collect();
            Some((sample.label("le")?.to_owned(), labels.join(" "), exemplar.text, exemplar.timestamp))
        })
        .collect();
    let ids = |byte: &str| format!("trace_id={} span_id={}", byte.repeat(16), byte.repeat(8));
    let expected = [
        ("5.0".to_owned(), ids("02"), "0.4", Some("1700000000.500000002")),
        ("10.0".to_owned(), format!("trace_id={}", "03".repeat(16)), "7.25", Some("1700000000.500000003")),
        ("+Inf".to_owned(), ids("04"), "80000", None),
    ];
    assert_eq!(shown, expected);
    let families = families::decode(&body_of(Families::new(registry))).expect("families");
    let buckets = families[1].metric[0].histogram.as_ref().expect("a histogram").bucket.iter();
    let shown: Vec<_> = buckets
        .filter_map(|bucket| {
            let exemplar = bucket.exemplar.as_ref()?;
            let labels: Vec<_> =
                exemplar.label.iter().map(|pair| format!("{}={}", pair.name(), pair.value())).collect();
            let nanos = exemplar.timestamp.as_ref().map(|time| (time.seconds, time.nanos));
            Some((bucket.upper_bound(), labels.join(" "), exemplar.value(), nanos))
        })
        .collect();
    let expected = [
        (5.0, ids("02"), 0.4, Some((1_700_000_000, 500_000_002))),
        (10.0, format!("trace_id={}", "03".repeat(16)), 7.25, Some((1_700_000_000, 500_000_003))),
        (f64::INFINITY, ids("04"), 80_000.0, None),
    ];
    assert_eq!(shown, expected);
    let text = page_of(registry);
    assert!(prometheus::parse(&text).is_ok() && !String::from_utf8_lossy(&text).contains("trace_id"));
}

/// A page from storage without exponential histograms has only classic histograms.
#[test]
fn classic_storage_shows_classic_histograms() {
    let storage = Box::new(Storage::<4, 1, 2, Classic>::new());
    let registry = storage.registry();
    let model = record(&mut registry.recorder(), &edge_recording(), || {});
    let families = families::decode(&body_of(Families::new(registry))).expect("families");
    let histograms: Vec<_> =
        families.iter().flat_map(|family| &family.metric).filter_map(|metric| metric.histogram.as_ref()).collect();
    assert_eq!(histograms.len(), 2);
    for histogram in histograms {
        assert_eq!((histogram.schema, histogram.sample_count()), (None, model.requests()));
        assert!(!histogram.bucket.is_empty());
    }
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
