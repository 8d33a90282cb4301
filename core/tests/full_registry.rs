//! More names than the registry has room for: nothing is lost, only folded series merge, and the registry reports it.

mod common;

use common::page_of;
use loaddensity_metrics_core::{Outcome, Series, Storage};
use loaddensity_metrics_vectors::contract::Spelling;
use loaddensity_metrics_vectors::model::Model;
use loaddensity_metrics_vectors::{judge, prometheus, samples};
use std::collections::{BTreeMap, BTreeSet};

const NAMES: usize = 2_000;
const CAPACITY: usize = 1_000;
/// None of these has a common divisor with the number of names, so that each step size visits all names.
const STEPS: [usize; 4] = [1, 3, 7, 1_999];

#[test]
fn names_beyond_the_capacity_are_folded_and_counted() {
    static STORAGE: Storage<CAPACITY, 2, 2> = Storage::new();
    let registry = STORAGE.registry();
    let mut recorder = registry.recorder();
    let mut model = Model::new();
    for number in 0..NAMES {
        let spelling = Spelling::new("GET", &format!("/items/{number}"));
        let series = model.intern(&mut recorder, &spelling).expect("no labels");
        assert_eq!(series == Series::OVERFLOW, number >= CAPACITY - 1, "{number}");
        model.record(&mut recorder, series, samples::sample(number as u64));
    }
    judge::page(&model, &[], &page_of(registry));

    let usage = registry.usage();
    assert_eq!((usage.series, usage.series_capacity), (CAPACITY - 1, CAPACITY - 1));
    assert_eq!(usage.folded, (NAMES - CAPACITY + 1) as u64);
    let (method, name) = registry.first_folded().expect("some were folded");
    assert_eq!((method.as_str(), name.as_str()), ("GET", format!("/items/{}", CAPACITY - 1).as_str()));
    let exceeded = registry.exceeded();
    assert_eq!((exceeded.cut, exceeded.spilled), (None, None));
    let says = "1001 requests for series beyond the storage's 999 were folded into the series overflow, the first was \
                GET /items/999; name requests by route, or build the storage for more series (HeapStorage::new)";
    assert_eq!(exceeded.folded.expect("some were folded").to_string(), says);
    assert_eq!(registry.totals().requests(), NAMES as u64);
    let folded = registry.series_totals(Series::OVERFLOW).requests();
    assert_eq!(folded, (NAMES - CAPACITY + 1) as u64);
    let bytes = page_of(registry);
    let page = prometheus::parse(&bytes).expect("a page");
    let labels = [("method", "overflow"), ("name", "overflow")];
    let shown = page.sample("loaddensity_response_bytes_count", &labels).map(|sample| sample.value);
    assert_eq!(shown, Some(folded as f64));

    // Series that are in the registry stay there.
    assert_ne!(recorder.series("GET", "/items/0"), Series::OVERFLOW);
    assert_eq!(recorder.series("GET", "/items/0"), recorder.series("GET", "/items/0"));
}

#[test]
fn names_that_are_cut_are_counted_and_the_first_is_named() {
    static STORAGE: Storage<8, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let mut recorder = registry.recorder();
    recorder.series("GET", &"n".repeat(255));
    assert_eq!(registry.exceeded(), Default::default());
    for name in ["a", "b", "a"] {
        recorder.series("GET", &name.repeat(256));
    }
    let cut = registry.exceeded().cut.expect("two were cut");
    assert_eq!((cut.series, registry.usage().names_cut), (2, 2));
    let kept = format!("{}~", "a".repeat(238));
    assert!(cut.first.method == "GET" && cut.first.name.starts_with(&kept), "{:?}", cut.first);
    let text = cut.to_string();
    let says = "2 series have a method over 32 bytes or a name over 255, which was cut";
    assert!(text.starts_with(says) && text.ends_with("…; give shorter names"), "{text}");
}

#[test]
fn threads_that_race_for_the_last_series_agree_on_their_handles() {
    static STORAGE: Storage<CAPACITY, 4, 2> = Storage::new();
    let registry = STORAGE.registry();
    let threads: Vec<BTreeMap<usize, Series>> = std::thread::scope(|scope| {
        let thread = |start: usize| {
            scope.spawn(move || {
                let mut recorder = registry.recorder();
                // Every thread asks for every name, each thread in another order.
                let order = (0..NAMES).map(move |step| (start * 501 + step * STEPS[start]) % NAMES);
                let intern = |number| {
                    let series = recorder.series("GET", &format!("/items/{number}"));
                    recorder.record(series, samples::sample(number as u64));
                    (number, series)
                };
                order.map(intern).collect()
            })
        };
        let running: Vec<_> = (0..4).map(thread).collect();
        running.into_iter().map(|thread| thread.join().expect("thread")).collect()
    });
    let mut handles: BTreeMap<usize, BTreeSet<Series>> = BTreeMap::new();
    for (number, series) in threads.iter().flatten() {
        handles.entry(*number).or_default().insert(*series);
    }
    let own: Vec<Series> = handles.values().flatten().copied().filter(|series| *series != Series::OVERFLOW).collect();
    let different: BTreeSet<_> = own.iter().collect();
    assert_eq!(different.len(), own.len(), "two names share a handle, or one has two");
    assert_eq!(registry.usage().series, own.len());
    assert!(own.len() < CAPACITY, "{}", own.len());
    let totals = registry.totals();
    assert_eq!(totals.requests(), threads.iter().map(|names| names.len() as u64).sum::<u64>());
    let failed = |number: &usize| samples::sample(*number as u64).outcome == Outcome::Failure;
    let failures = threads.iter().flat_map(BTreeMap::keys).filter(|number| failed(number)).count();
    assert_eq!(totals.failures(), failures as u64);
}
