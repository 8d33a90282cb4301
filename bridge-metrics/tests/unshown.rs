//! What cannot be shown as the facade meant it is counted, told once for each metric, and panics nowhere.

mod told;

use loaddensity_metrics_facade::{FacadeRecorder, Unshown};
use loaddensity_metrics_shell::{
    GAUGES, HeapStorage, HeapStorageBuilder, LocalRecorder, Registry, Series, Unit as RegistryUnit,
};
use metrics::{Unit, counter, describe_counter, describe_histogram, gauge, histogram, with_local_recorder};
use told::{told_by, told_to};

#[test]
fn names_that_a_registry_refuses_are_told_once_each_and_record_nothing() {
    let (registry, recorder) = recorder(HeapStorage::builder(10, 1, 16).counters(20).histograms(20));
    let long = "a".repeat(49);
    let told = told_by(&recorder, || {
        for _ in 0..3 {
            for name in ["", "1xx_responses", "requests_total", "cpu_seconds_total", "total", "été", &long] {
                counter!(name.to_owned()).increment(1);
            }
            for name in ["load_ratio", "load_percent", "time", "status", "exporter.lag"] {
                histogram!(name.to_owned()).record(1.0);
            }
            for name in ["", "1st", "time", "registry.size"] {
                gauge!(name.to_owned()).set(1.0);
            }
        }
    });
    // "été" is shown as "t".
    assert_eq!(told.len(), 15, "{told:#?}");
    assert_eq!(recorder.unshown(), unshown(|unshown| unshown.metrics = 15));
    assert!(
        told[1].starts_with("the counter 1xx_responses of the metrics facade: it is not shown: an instrument's name")
    );
    let shown: Vec<_> = registry.instruments().map(|instrument| instrument.name().to_owned()).collect();
    assert_eq!((shown, registry.observations(), registry.gauges().count()), (vec!["t".to_owned()], 3, 0));
}

#[test]
fn a_full_storage_is_told_once_for_each_metric() {
    let (registry, recorder) = recorder(HeapStorage::builder(10, 1, 16).counters(1).histograms(1));
    let told = told_by(&recorder, || {
        for metric in 0..3 {
            for _ in 0..5 {
                counter!(format!("c{metric}")).increment(1);
                histogram!(format!("h{metric}_seconds")).record(1);
            }
        }
        (0..GAUGES + 2).for_each(|metric| gauge!(format!("g{metric}")).set(1.0));
    });
    assert_eq!(recorder.unshown(), unshown(|unshown| unshown.metrics = 2 + 2 + 2));
    assert_eq!(told.len(), 6, "{told:#?}");
    assert!(told[0].ends_with("HeapStorage::builder(series, shards, ring).counters(2)"), "{}", told[0]);
    assert_eq!((registry.observations(), registry.gauges().count()), (10, GAUGES));
}

#[test]
fn labels_become_those_of_a_series() {
    let (registry, recorder) = recorder(HeapStorage::builder(10, 1, 16).counters(1));
    with_local_recorder(&recorder, || {
        let labels =
            [("method", "GET"), ("name", "/items"), ("status", "200"), ("http.route", "/"), ("9", "x"), ("empty", "")];
        counter!("answers", &labels).increment(2);
        counter!("answers", "empty" => "").increment(3);
    });
    let labels = [("exported_status", "200"), ("http_route", "/"), ("exported_9", "x")];
    let series = registry.series_with_labels("GET", "/items", labels).expect("labels");
    let answers = registry.counter("answers", RegistryUnit::One, "").expect("the same counter");
    let counted = |series| registry.series_counter_total(answers, series).sum;
    assert_eq!((counted(series), counted(registry.series("", ""))), (2, 3));
    assert_eq!((registry.usage().series, recorder.unshown()), (2, Unshown::default()));
}

#[test]
fn labels_that_no_series_can_have_count_in_the_overflow_series() {
    let (registry, recorder) = recorder(HeapStorage::builder(2, 1, 16).counters(3).histograms(1));
    let long = "x".repeat(200);
    let told = told_by(&recorder, || {
        for _ in 0..2 {
            counter!("too_long", "a" => long.clone()).increment(1);
            counter!("twice", "a-b" => "1", "a_b" => "2").increment(1);
            (0..4).for_each(|user| counter!("users", "user" => user.to_string()).increment(1));
            (0..4).for_each(|user| histogram!("waits_ms", "user" => user.to_string()).record(1));
        }
        counter!("users", "user" => "3").absolute(1_000);
        gauge!("idle", "pool" => "a").set(1.0);
    });
    assert_eq!(told.len(), 6, "{told:#?}");
    let expected = unshown(|unshown| (unshown.labels, unshown.values) = (1 + 1 + 2 + 2 + 1, 1));
    assert_eq!(recorder.unshown(), expected);
    let sums: Vec<_> = registry.instruments().map(|instrument| instrument.observations(Series::OVERFLOW)).collect();
    assert_eq!((sums, registry.observations()), (vec![2, 2, 4, 4], 20));
    assert_eq!(registry.gauges().count(), 0);
}

#[test]
fn more_sets_of_labels_than_are_kept_count_all_the_same() {
    let (registry, recorder) = recorder(HeapStorage::builder(1, 1, 16).counters(1));
    let told = told_by(&recorder, || {
        for _ in 0..2 {
            (0..3_000).for_each(|user| counter!("users", "user" => user.to_string()).increment(1));
        }
        (0..5_000).for_each(|name| counter!(format!("name {name}")).increment(1));
    });
    // The first has the series. 1,024 of the others are kept, so that they count once.
    assert_eq!((registry.observations(), recorder.unshown().labels), (6_000, 2 * 2_999 - 1_024));
    // Of names 4,096 are kept, and told; the others are told together.
    assert_eq!((recorder.unshown().metrics, told.len()), (5_000, 1 + 4_095 + 1));
}

#[test]
fn the_first_use_decides_whether_a_metric_is_of_the_run_unless_the_engine_has() {
    let (registry, recorder) = recorder(HeapStorage::builder(4, 1, 16).counters(3));
    let known = registry.counter("known", RegistryUnit::One, "").expect("room");
    let told = told_by(&recorder, || {
        counter!("of_run").increment(1);
        counter!("of_run", "a" => "1").increment(2);
        counter!("of_run", "a" => "2").increment(4);
        counter!("of_series", "a" => "1").increment(1);
        counter!("of_series").increment(2);
        counter!("known").increment(1);
        counter!("known", "a" => "1").increment(2);
    });
    let series = registry.series_with_labels("", "", [("a", "1")]).expect("a label");
    let counted: Vec<_> = registry
        .instruments()
        .map(|it| [series, registry.series("", ""), Series::OVERFLOW].map(|series| it.counter(series).unwrap().sum))
        .collect();
    // All three name the run where the counter is one of the run.
    assert_eq!(counted, [[2, 1, 0], [7, 7, 7], [1, 2, 0]]);
    assert_eq!(registry.counter_total(known).sum, 3);
    assert_eq!((told.len(), recorder.unshown()), (1, unshown(|unshown| unshown.labels = 2)));
}

#[test]
fn values_that_histograms_do_not_take_are_left_out_or_rounded() {
    let (registry, recorder) = recorder(HeapStorage::builder(4, 1, 16).histograms(3));
    let told = told_by(&recorder, || {
        describe_histogram!("wait", Unit::Seconds, "");
        for value in [-1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0, -0.0, 1e-9, 1.5e-9, f64::MAX] {
            histogram!("wait").record(value);
        }
        for value in [-0.1, f64::NAN, 0.4, 0.5, 2.5, 7.0] {
            histogram!("depth").record(value);
        }
        for value in [f64::NAN, 1.0, f64::NEG_INFINITY] {
            gauge!("idle").set(value);
            gauge!("idle").increment(value);
        }
    });
    let totals: Vec<_> = registry.instruments().filter_map(|it| it.histogram(Series::OVERFLOW)).collect();
    const DAY: u64 = 24 * 3_600 * 1_000_000_000;
    assert_eq!((totals[0].number, totals[0].sum), (5, 1_000_000_000 + 1 + 2 + DAY));
    assert_eq!((totals[1].number, totals[1].sum), (4, 1 + 3 + 7));
    assert_eq!(registry.gauges().map(|(_, value)| value).collect::<Vec<_>>(), [2.0]);
    let expected = unshown(|unshown| (unshown.values, unshown.rounded) = (4 + 2 + 4, 3));
    assert_eq!(recorder.unshown(), expected);
    assert_eq!(told.len(), 4, "{told:#?}");
    assert!(told.iter().any(|text| text.contains("describe_histogram!(\"depth\", Unit::Seconds")), "{told:#?}");
}

#[test]
fn a_description_counts_if_it_comes_before_the_first_use() {
    let (registry, recorder) = recorder(HeapStorage::builder(4, 1, 16).counters(3));
    let told = told_by(&recorder, || {
        describe_counter!("sent", Unit::Bytes, "Bytes that\nwere sent");
        describe_counter!("sent", Unit::Count, "The first one counts");
        counter!("sent").increment(1);
        counter!("late").increment(1);
        describe_counter!("late", "Too late");
        describe_counter!("late", "Too late");
        describe_counter!("long", "x".repeat(129));
        (0..2).for_each(|_| counter!("long").increment(1));
        describe_counter!("never used", "");
    });
    let shown: Vec<_> = registry.instruments().map(|it| it.description().to_owned()).collect();
    assert_eq!(shown, ["Bytes that were sent".to_owned(), String::new(), "x".repeat(128)]);
    assert_eq!((told.len(), recorder.unshown()), (2, unshown(|unshown| unshown.descriptions = 2)));
}

#[test]
fn a_subscriber_that_uses_the_facade_itself_is_no_obstacle() {
    let (registry, recorder) = recorder(HeapStorage::builder(4, 1, 16).counters(1));
    let load = || with_local_recorder(&recorder, || counter!("total").increment(1));
    let told = told_to(|| counter!("warnings").increment(1), load);
    assert_eq!((told.len(), registry.observations()), (1, 1));
}

fn unshown(set: impl FnOnce(&mut Unshown)) -> Unshown {
    let mut unshown = Unshown::default();
    set(&mut unshown);
    unshown
}

/// A registry of its own, which the process keeps.
fn recorder(builder: HeapStorageBuilder) -> (Registry<'static>, FacadeRecorder) {
    let registry = Box::leak(Box::new(builder.build().expect("a small storage can be made"))).registry();
    (registry, FacadeRecorder::new(LocalRecorder::new(registry)))
}
