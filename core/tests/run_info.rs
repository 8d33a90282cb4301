//! The run and the worker on a Prometheus page, in every format, as other people's parsers read them.

mod common;

use common::{body_of, page_of, whole};
use loaddensity_metrics_core::prometheus::{Families, MAX_LINE, Page, RunInfo, ScrapeOptions};
use loaddensity_metrics_core::{CONSTANT_BYTES, ConstantLabels, Exporter, Full, Registry, Storage};
use loaddensity_metrics_vectors::{families, openmetrics, prometheus};

const NAME: &str = "loaddensity_run_info";

/// The labels of the only series, in their order.
type Labels = Vec<(String, String)>;

fn registry(storage: &'static Storage<4, 1, 2>) -> Registry<'static> {
    let registry = storage.registry();
    registry.pump().expect("the only pump").accounts().open(Exporter::Prometheus);
    registry.recorder().series("GET", "/x");
    registry.gauge("active_users").expect("a good name").set(250.0);
    registry
}

/// What the text format, OpenMetrics and protobuf show.
fn read(registry: Registry<'_>, info: &Option<RunInfo>, constant: &ConstantLabels) -> [Option<Labels>; 3] {
    let options = ScrapeOptions::default().constant_labels(constant).run_info(info.clone());
    let text = whole(Page::new(registry).with_options(options.clone()));
    let text = prometheus::parse(&text).unwrap_or_else(|error| panic!("{error}"));
    let text = text.family(NAME).map(|family| {
        let [sample] = &family.samples[..] else { panic!("one series: {family:?}") };
        assert_eq!((family.kind, sample.text), (prometheus::FamilyType::Gauge, "1"));
        sample.labels.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect()
    });
    let open = whole(Page::open_metrics(registry).with_options(options.clone()));
    let open = openmetrics::parse(&open).unwrap_or_else(|error| panic!("{error}"));
    let open = open.families.iter().find(|family| family.name == "loaddensity_run").map(|family| {
        let [sample] = &family.samples[..] else { panic!("one series: {family:?}") };
        assert_eq!((family.kind, sample.name, sample.text), ("info", NAME, "1"));
        sample.labels.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    });
    let body = body_of(Families::new(registry).with_options(options));
    let all = families::decode(&body).unwrap_or_else(|error| panic!("{error}"));
    let protobuf = all.iter().find(|family| family.name() == NAME).map(|family| {
        let [metric] = &family.metric[..] else { panic!("one series: {family:?}") };
        assert_eq!(metric.gauge.as_ref().map(|gauge| gauge.value()), Some(1.0));
        metric.labels().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    });
    [text, open, protobuf]
}

#[test]
fn the_run_is_shown_in_each_format() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let registry = registry(&STORAGE);
    let constant = ConstantLabels::new([("run", "mine"), ("zone", "a\"b\\")]).expect("good labels");
    let longest = "é".repeat(32);
    for (run, worker, of) in [
        (Some("nightly-7"), Some(3), Some(40)),
        (Some("nightly-7"), None, None),
        (None, Some(u32::MAX), None),
        (None, None, Some(40)),
        (Some("a\"b\\c\nd"), Some(0), Some(1)),
        (Some(&*longest), Some(u32::MAX), Some(u32::MAX)),
    ] {
        let info = RunInfo::new(run, worker, of).expect("room");
        let text = |number: Option<u32>| number.map(|number| number.to_string());
        let known = [("run", run.map(ToOwned::to_owned)), ("worker", text(worker)), ("of", text(of))];
        let known: Labels = known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        assert_eq!(read(registry, &info, &ConstantLabels::NONE), [(); 3].map(|()| Some(known.clone())));
        // The series also has the constant labels, except one whose name it has already.
        let others = constant.iter().filter(|(name, _)| known.iter().all(|(own, _)| own != name));
        let others = others.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let all: Labels = known.iter().cloned().chain(others).collect();
        assert_eq!(read(registry, &info, &constant), [(); 3].map(|()| Some(all.clone())));
    }
    assert_eq!(RunInfo::new(Some(&"x".repeat(65)), None, None), Err(Full));
}

#[test]
fn a_page_without_an_identity_is_the_contracts() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let registry = registry(&STORAGE);
    assert_eq!(RunInfo::new(None, None, None), Ok(None));
    let options = ScrapeOptions::default().run_info(None);
    assert_eq!(options, ScrapeOptions::default());
    assert_eq!(whole(Page::new(registry).with_options(options)), page_of(registry));
    assert_eq!(read(registry, &None, &ConstantLabels::NONE), [None, None, None]);
}

#[test]
fn a_buffer_of_the_promised_size_holds_its_lines() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let registry = registry(&STORAGE);
    let value = "\"".repeat(253);
    let labels = [("a", &*value), ("b", &value), ("c", &value), ("d", &value)];
    let constant = ConstantLabels::new(labels).expect("they fill the room");
    assert_eq!(constant.iter().map(|(name, value)| 2 + name.len() + value.len()).sum::<usize>(), CONSTANT_BYTES);
    let info = RunInfo::new(Some(&"\"".repeat(64)), Some(u32::MAX), Some(u32::MAX)).expect("room");
    let options = ScrapeOptions::default().constant_labels(&constant).run_info(info);
    for page in [Page::new(registry), Page::open_metrics(registry)] {
        let mut page = page.with_options(options.clone());
        let mut buffer = vec![0; MAX_LINE];
        let mut text = Vec::new();
        loop {
            match page.fill(&mut buffer).expect("room for any line") {
                0 => break,
                length => text.extend_from_slice(&buffer[..length]),
            }
        }
        assert!(String::from_utf8(text).expect("UTF-8").contains("\nloaddensity_run_info{run="));
    }
}
