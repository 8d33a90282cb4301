//! Which series a method and a name belong to. Keys that are shown alike have the same handle. Other keys never share
//! one, whatever their lengths and bytes are and however they are looked up.

use loaddensity_metrics_core::{Classic, Recorder, Registry, Sample, Series, Storage};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The lengths at which the look-up works in another way, and the lengths next to them.
const LENGTHS: [usize; 29] =
    [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 23, 24, 25, 31, 32, 33, 34, 63, 64, 65, 95, 97, 128, 254, 255, 256, 300];

type Names = (String, String);

/// Method and name as they are shown. These decide the series.
fn shown((method, name): &Names) -> (&str, &str) {
    (if method.is_empty() { "REQ" } else { method }, if name.is_empty() { "unknown" } else { name })
}

/// Records a request for each key by its strings, and looks the key up in all other ways. Returns the series of each
/// key.
fn record(recorder: &mut Recorder<'_>, keys: &[Names]) -> Vec<Series> {
    let registry = recorder.registry();
    keys.iter()
        .map(|(method, name)| {
            recorder.record_request(method, name, Sample::ok(Duration::ZERO));
            let series = recorder.series(method, name);
            assert_eq!(registry.series(method, name), series);
            assert_eq!(recorder.series_with_labels(method, name, [("none", "")]), Ok(series));
            series
        })
        .collect()
}

/// Records the keys twice, in different orders. The registry has seen none of them, and has room for all.
fn check(registry: Registry<'_>, keys: &[Names]) {
    let before = registry.usage().series;
    let mut recorder = registry.recorder();
    let handles = record(&mut recorder, keys);
    let mut numbers: BTreeMap<_, Series> = BTreeMap::new();
    for (key, &series) in keys.iter().zip(&handles) {
        let first = *numbers.entry(shown(key)).or_insert(series);
        assert_eq!(first, series, "{key:?} has two series");
    }
    let distinct: BTreeSet<_> = numbers.values().collect();
    assert_eq!(distinct.len(), numbers.len(), "two of these share a series: {numbers:?}");
    assert_eq!(registry.usage().series - before, numbers.len());
    let mut again: Vec<_> = keys.to_vec();
    again.reverse();
    let mut handles_again = record(&mut recorder, &again);
    handles_again.reverse();
    assert_eq!(handles_again, handles);
    for (key, series) in numbers {
        let count = keys.iter().filter(|other| shown(other) == key).count() as u64;
        assert_eq!(registry.series_totals(series).requests(), 2 * count, "{key:?}");
    }
}

fn text(length: usize) -> String {
    "/api/v1/customers/".chars().cycle().take(length).collect()
}

#[test]
fn names_that_differ_in_length_are_different_series() {
    let names = LENGTHS.iter().map(|&length| ("GET".to_owned(), text(length)));
    let methods = LENGTHS.iter().map(|&length| (text(length), "/x".to_owned()));
    let both = LENGTHS.iter().map(|&length| (text(length), text(length)));
    static STORAGE: Storage<128, 1, 2, Classic> = Storage::new();
    check(STORAGE.registry(), &names.chain(methods).chain(both).collect::<Vec<_>>());
}

#[test]
fn names_that_differ_in_one_byte_are_different_series() {
    static STORAGE: Storage<8_192, 1, 2, Classic> = Storage::new();
    for length in LENGTHS.into_iter().filter(|length| (1..=255).contains(length)) {
        let changed = |at: usize| {
            ['\0', '\x7f', 'é', '\u{85}'].map(|c| {
                let mut name = text(length - 1);
                name.insert(at, c);
                name
            })
        };
        let names: Vec<_> = (0..length).flat_map(changed).collect();
        let keys = names.iter().map(|name| ("GET".to_owned(), name.clone()));
        let methods = names.iter().filter(|name| name.len() <= 32).map(|name| (name.clone(), "/x".to_owned()));
        check(STORAGE.registry(), &keys.chain(methods).collect::<Vec<_>>());
    }
}

#[test]
fn keys_that_differ_in_where_the_method_ends_are_different_series() {
    let text = text(60);
    static STORAGE: Storage<64, 1, 2, Classic> = Storage::new();
    check(STORAGE.registry(), &(0..=32).map(|at| (text[..at].to_owned(), text[at..].to_owned())).collect::<Vec<_>>());
}

#[test]
fn keys_of_every_length_count_on_a_full_registry() {
    let storage: Box<Storage<2, 1, 2, Classic>> = Box::default();
    let mut recorder = storage.registry().recorder();
    let known = recorder.series("GET", "/known");
    for length in LENGTHS {
        recorder.record_request("GET", &text(length), Sample::ok(Duration::ZERO));
        recorder.record(known, Sample::ok(Duration::ZERO));
    }
    let requests = |series| storage.registry().series_totals(series).requests();
    assert_eq!((requests(Series::OVERFLOW), requests(known)), (LENGTHS.len() as u64, LENGTHS.len() as u64));
}

/// Texts of these lengths from few different characters, so that many are nearly equal.
fn any_text() -> impl Strategy<Value = String> {
    let characters = vec(select(vec!['a', 'b', '\0', 'é', '😀']), 0..6);
    (characters, select(LENGTHS.to_vec()), any::<prop::sample::Index>()).prop_map(|(characters, length, at)| {
        let mut text = text(length);
        let at = at.index(text.len() + 1);
        text.extend(characters.iter().rev().take(1));
        text.insert_str(at, &characters.iter().collect::<String>());
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn equal_keys_have_equal_handles_and_different_keys_do_not(
        methods in vec(prop_oneof![select(vec!["", "GET", "POST", "G", "OPTIONS"]).prop_map(str::to_owned), any_text()], 1..8),
        names in vec(prop_oneof![any_text(), "(?s).{0,80}"], 1..8),
    ) {
        let keys: Vec<_> = methods.iter().flat_map(|method| names.iter().map(|name| (method.clone(), name.clone()))).collect();
        check(Box::<Storage<66, 1, 2, Classic>>::default().registry(), &keys);
    }
}
