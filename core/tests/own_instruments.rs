//! Instruments of the engine's own: declared, recorded and read.

use loaddensity_metrics_core::{
    Classic, Counter, CounterTotal, Exponential, GaugeError, Histogram, HistogramTotal, Histograms, InstrumentError,
    InstrumentKind, Reach, Registry, Sample, Series, ShownUnit, Storage, Unit,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

type Engine<H = Exponential> = Storage<4, 2, 2, H, 3, 3>;

const DAY: Duration = Duration::from_secs(86_400);

fn pair(total: CounterTotal) -> (u64, u64) {
    (total.sum, total.number)
}

#[test]
fn counters_count_by_series_and_for_the_run_on_own_shards_and_on_the_spill_shard() {
    let storage = Box::<Engine>::default();
    let registry = storage.registry();
    let failed = registry.counter("checks_failed", Unit::One, "Checks that failed").unwrap();
    let iterations = registry.run_counter("iterations", Unit::One, "Iterations that ended").unwrap();
    let (one, other) = (registry.series("GET", "/one"), registry.series("GET", "/other"));
    let mut recorders: Vec<_> = (0..4).map(|_| registry.recorder()).collect();
    assert_eq!(recorders.iter().filter(|recorder| recorder.is_sharing()).count(), 2);
    for (number, recorder) in recorders.iter_mut().enumerate() {
        recorder.add(failed, one, 1 + number as u64);
        recorder.add(failed, other, 10);
        recorder.add_to_run(iterations, 2);
        // For the run whatever the series, and for the overflow series.
        recorder.add(iterations, other, 5);
        recorder.add_to_run(failed, 100);
    }
    let of = |counter, series| pair(registry.series_counter_total(counter, series));
    assert_eq!(of(failed, one), (10, 4));
    assert_eq!(of(failed, other), (40, 4));
    assert_eq!(of(failed, Series::OVERFLOW), (400, 4));
    assert_eq!([one, other, Series::OVERFLOW].map(|series| of(iterations, series)), [(28, 8); 3]);
    assert_eq!([failed, iterations].map(|counter| registry.counter_total(counter).sum), [450, 28]);
    assert_eq!((registry.observations(), registry.requests(), registry.usage().unknown_observations), (20, 0, 0));
}

/// Every recorder observes the same; own shards and the spill shard.
fn observe_everywhere<H: Histograms>(storage: &Engine<H>) {
    let registry = storage.registry();
    let timer = registry.timer("first_byte", "From the request to the answer's first byte").unwrap();
    let sizes = registry.histogram("sent", Unit::Bytes, "").unwrap();
    let run = registry.run_timer("iteration", "").unwrap();
    let series = registry.series("GET", "/one");
    let mut recorders: Vec<_> = (0..4).map(|_| registry.recorder()).collect();
    for recorder in &mut recorders {
        for micros in [500, 850, 1_000_000] {
            recorder.observe(timer, series, Duration::from_micros(micros));
        }
        recorder.observe(sizes, series, 0);
        recorder.observe(sizes, series, 100_000);
        recorder.observe_in_run(run, Duration::ZERO);
        recorder.observe(run, series, Duration::from_millis(7));
        recorder.observe_in_run(timer, Duration::MAX);
        recorder.observe_in_run(sizes, u64::MAX);
    }
    let total = registry.series_histogram_total(timer, series);
    assert_eq!((total.number, total.count(), total.sum), (12, 12, 4 * 1_001_350_000));
    let total = registry.series_histogram_total(sizes, series);
    assert_eq!((total.number, total.count(), total.sum), (8, 8, 400_000));
    for series in [series, Series::OVERFLOW] {
        let total = registry.series_histogram_total(run, series);
        assert_eq!((total.number, total.count(), total.sum), (8, 8, 28_000_000));
    }
    let capped = registry.series_histogram_total(timer, Series::OVERFLOW);
    assert_eq!((capped.number, capped.sum), (4, 4 * DAY.as_nanos() as u64));
    assert_eq!(registry.series_histogram_total(sizes, Series::OVERFLOW).sum, 4 << 50);
    assert_eq!((registry.histogram_total(timer).number, registry.histogram_total(run).number), (16, 8));
    assert_eq!((registry.observations(), registry.requests()), (16 + 12 + 8, 0));
    // What lies beside them was not touched.
    let untouched = registry.series("GET", "/two");
    assert_eq!(registry.series_histogram_total(timer, untouched).number, 0);
    assert_eq!(registry.series_totals(series).requests(), 0);
}

#[test]
fn histograms_count_by_series_and_for_the_run_whatever_the_storage_keeps() {
    observe_everywhere(&Box::<Engine>::default());
    observe_everywhere(&Box::<Engine<Classic>>::default());
}

#[test]
fn histograms_have_exact_extremes_percentiles_and_every_second_power_of_two() {
    let storage = Box::<Engine>::default();
    let registry = storage.registry();
    let (timer, sizes) =
        (registry.timer("first_byte", "").unwrap(), registry.histogram("sent", Unit::One, "").unwrap());
    let (series, mut recorder) = (registry.series("GET", "/one"), registry.recorder());
    for micros in 1..=10_000 {
        recorder.observe(timer, series, Duration::from_micros(micros));
        recorder.observe(sizes, series, micros);
    }
    let times = registry.series_histogram_total(timer, series);
    let numbers = registry.series_histogram_total(sizes, series);
    for (total, unit) in [(times, 1_000), (numbers, 1)] {
        let distribution = total.distribution.expect("exponential histograms");
        assert_eq!((distribution.min(), distribution.max()), (Some(unit), Some(10_000 * unit)));
        for (q, expected) in [(0.5, 5_000), (0.95, 9_500), (0.99, 9_900)] {
            let found = distribution.quantile(q).unwrap() as f64;
            assert!((found / (expected * unit) as f64 - 1.0).abs() < 0.045, "{q}: {found}");
        }
        let mut below = 0;
        for (bound, count) in total.buckets.each() {
            let expected = (1..=10_000).filter(|value| bound.is_none_or(|bound| value * unit <= bound)).count() as u64;
            below += count;
            assert_eq!(below, expected, "up to {bound:?}");
        }
        assert_eq!((total.count(), total.sum), (10_000, 50_005_000 * unit));
    }
    let bounds = |total: HistogramTotal| total.buckets.each().map(|(bound, _)| bound).collect::<Vec<_>>();
    let (times, numbers) = (bounds(times), bounds(numbers));
    assert_eq!(
        (times.first(), times[times.len() - 2..].to_vec()),
        (Some(&Some(976)), vec![Some(1_048_576_000_000), None])
    );
    assert!(times.contains(&Some(1_000_000)) && times.len() == 17, "{times:?}");
    assert_eq!(
        (&numbers[..3], numbers[numbers.len() - 2..].to_vec()),
        (&[Some(0), Some(1), Some(4)][..], vec![Some(1 << 34), None])
    );
    assert_eq!(numbers.len(), 20);
}

#[test]
fn a_bucket_that_counts_more_than_its_lane_holds_is_exact() {
    let storage = Box::<Engine>::default();
    let registry = storage.registry();
    let (timer, sizes) = (registry.timer("a", "").unwrap(), registry.histogram("b", Unit::One, "").unwrap());
    let (series, mut recorder) = (registry.series("GET", "/one"), registry.recorder());
    const MANY: u64 = 3 * 65_536 + 5;
    for _ in 0..MANY {
        recorder.observe(timer, series, Duration::from_millis(3));
        recorder.observe(sizes, series, 3);
    }
    recorder.observe(timer, series, Duration::from_millis(30));
    for (count, of) in [
        (MANY + 1, registry.series_histogram_total(timer, series)),
        (MANY, registry.series_histogram_total(sizes, series)),
    ] {
        assert_eq!((of.count(), of.number), (count, count));
    }
}

#[test]
fn storage_of_classic_buckets_alone_has_the_registrys_bounds() {
    let storage = Box::<Engine<Classic>>::default();
    let registry = storage.registry();
    let (timer, sizes) = (registry.timer("a", "").unwrap(), registry.histogram("b", Unit::One, "").unwrap());
    let (series, mut recorder) = (registry.series("GET", "/one"), registry.recorder());
    recorder.observe(timer, series, Duration::from_millis(7));
    recorder.observe(sizes, series, 65);
    let buckets = |total: HistogramTotal| {
        assert_eq!(total.distribution, None);
        total.buckets.each().collect::<Vec<_>>()
    };
    let (times, numbers) = (
        buckets(registry.series_histogram_total(timer, series)),
        buckets(registry.series_histogram_total(sizes, series)),
    );
    assert_eq!(times[..3], [(Some(5_000_000), 0), (Some(10_000_000), 1), (Some(25_000_000), 0)]);
    assert_eq!(numbers[..3], [(Some(64), 0), (Some(256), 1), (Some(1_024), 0)]);
    assert_eq!((times.len(), numbers.len()), (12, 9));
}

#[test]
fn handles_of_nobody_count_nowhere_and_those_of_others_are_told() {
    let (ours, theirs, without) =
        (Box::<Engine>::default(), Box::<Engine>::default(), Box::<Storage<4, 1, 2>>::default());
    let registry = ours.registry();
    let series = registry.series("GET", "/one");
    // Of the same names and places.
    let declare =
        |registry: Registry<'static>| (registry.counter("a", Unit::One, "").unwrap(), registry.timer("b", "").unwrap());
    let (theirs, registry): (&'static Engine, Registry<'static>) = (Box::leak(theirs), Box::leak(ours).registry());
    let ((counter, timer), (foreign_counter, foreign_timer)) = (declare(registry), declare(theirs.registry()));
    assert_ne!((counter, timer), (foreign_counter, foreign_timer));
    let mut recorders: Vec<_> = (0..3).map(|_| registry.recorder()).collect();
    for recorder in &mut recorders {
        recorder.add(Counter::NONE, series, 1);
        recorder.observe(Histogram::<u64>::NONE, series, 1);
        recorder.observe_in_run(Histogram::NONE, Duration::ZERO);
        assert_eq!(registry.usage().unknown_observations % 4, 0);
        recorder.add(foreign_counter, series, 1);
        recorder.add_to_run(foreign_counter, 1);
        recorder.observe(foreign_timer, series, Duration::ZERO);
        recorder.observe_in_run(foreign_timer, Duration::ZERO);
    }
    assert_eq!((registry.usage().unknown_observations, registry.observations()), (12, 0));
    assert_eq!(pair(registry.counter_total(foreign_counter)), (0, 0));
    assert_eq!(registry.histogram_total(foreign_timer).number, 0);
    let mut recorder = without.registry().recorder();
    recorder.add(counter, series, 1);
    recorder.observe(timer, series, Duration::ZERO);
    recorder.add(Counter::NONE, series, 1);
    assert_eq!((without.registry().usage().unknown_observations, without.registry().observations()), (2, 0));
    assert_eq!(pair(without.registry().counter_total(counter)), (0, 0));
}

#[test]
fn a_series_of_another_registry_counts_as_the_overflow_series_and_never_as_the_next_instrument() {
    let (small, large) = (Box::<Engine>::default(), Box::<Storage<64, 1, 2, Classic>>::default());
    let registry = small.registry();
    let [first, second] = ["a", "b"].map(|name| registry.counter(name, Unit::One, "").unwrap());
    let foreign: Vec<_> = (0..63).map(|i| large.registry().series("GET", &format!("/{i}"))).collect();
    let mut recorders: Vec<_> = (0..3).map(|_| registry.recorder()).collect();
    for recorder in &mut recorders {
        for series in &foreign {
            recorder.add(first, *series, 1);
        }
    }
    assert_eq!(registry.series_counter_total(first, Series::OVERFLOW).sum, 3 * 63);
    assert_eq!(registry.counter_total(second).sum, 0);
    // Interned only now: nothing was counted of it before.
    let series = registry.series("GET", "/one");
    assert_eq!(registry.series_counter_total(first, series).sum, 0);
    recorders[0].add(first, series, 1);
    assert_eq!(registry.series_counter_total(first, series).sum, 1);
}

#[test]
fn the_same_declaration_gives_the_same_handle_and_another_one_of_a_name_is_taken() {
    let storage = Box::<Engine>::default();
    let registry = storage.registry();
    let counter = registry.counter("checks", Unit::One, "Checks").unwrap();
    assert_eq!(registry.counter("checks", Unit::One, "in other words"), Ok(counter));
    assert_eq!(registry.counter("checks", Unit::Bytes, ""), Err(InstrumentError::Taken));
    assert_eq!(registry.run_counter("checks", Unit::One, ""), Err(InstrumentError::Taken));
    assert_eq!(registry.timer("checks", ""), Err(InstrumentError::Taken));
    let run = registry.run_counter("iterations", Unit::One, "").unwrap();
    assert_eq!(registry.run_counter("iterations", Unit::One, ""), Ok(run));
    assert_ne!(run, counter);
    let timer = registry.timer("first", "").unwrap();
    assert_eq!((registry.timer("first", ""), size_of_val(&timer), size_of_val(&counter)), (Ok(timer), 4, 4));
    assert_eq!(
        registry.instruments().map(|it| it.name().to_owned()).collect::<Vec<_>>(),
        ["checks", "iterations", "first"]
    );
}

#[test]
fn names_of_others_are_refused_in_whichever_format_they_would_meet() {
    let storage = Box::<Storage<4, 1, 2, Classic, 16, 16>>::default();
    let registry = storage.registry();
    for name in [
        "requests",
        "time",
        "run",
        "run_info",
        "target",
        "target_info",
        "exporter_held",
        "exporter_x",
        "registry_series",
        "registry_x",
        "method",
        "name",
        "outcome",
        "status",
        "error_type",
        "requests_created",
        "request_latency_ms_count",
        "response_bytes_sum",
    ] {
        assert_eq!(registry.counter(name, Unit::One, ""), Err(InstrumentError::Reserved), "{name}");
    }
    // The unit's suffix makes it the family of latencies or of sizes.
    assert_eq!(registry.timer("request_latency", ""), Err(InstrumentError::Reserved));
    assert_eq!(registry.histogram("response", Unit::Bytes, ""), Err(InstrumentError::Reserved));
    assert_eq!(registry.timer("run", ""), Ok(registry.timer("run", "").unwrap()), "run_ms is nobody's");
    for name in ["request_rate", "timer", "names", "response", "exporters"] {
        assert!(registry.counter(name, Unit::One, "").is_ok(), "{name}");
    }
    registry.timer("blocked", "").unwrap();
    registry.histogram("batch", Unit::One, "").unwrap();
    registry.counter("sent", Unit::Bytes, "").unwrap();
    for name in [
        "blocked",
        "batch",
        "sent",
        "batch_count",
        "batch_sum",
        "batch_bucket",
        "batch_created",
        "batch_p99",
        "batch_max",
    ] {
        assert_eq!(registry.counter(name, Unit::One, ""), Err(InstrumentError::Taken), "{name}");
    }
    for name in ["blocked_count", "sent_count", "batches", "batch_p90"] {
        assert!(registry.counter(name, Unit::One, "").is_ok(), "{name}");
    }
}

#[test]
fn gauges_and_instruments_never_have_one_name() {
    let storage = Box::<Engine>::default();
    let registry = storage.registry();
    registry.gauge("users").unwrap();
    registry.gauge("dns_ms").unwrap();
    registry.gauge("fine_total").unwrap();
    assert_eq!(registry.run_counter("users", Unit::One, ""), Err(InstrumentError::Taken));
    assert_eq!(registry.timer("dns", ""), Err(InstrumentError::Taken));
    assert_eq!(registry.counter("fine", Unit::One, ""), Err(InstrumentError::Taken));
    registry.counter("sent", Unit::Bytes, "").unwrap();
    registry.timer("blocked", "").unwrap();
    for name in
        ["sent", "sent_bytes", "sent_bytes_total", "blocked", "blocked_ms", "blocked_ms_sum", "blocked_ms_bucket"]
    {
        assert_eq!(registry.gauge(name).err(), Some(GaugeError::Taken), "{name}");
    }
    assert!(["users", "sent_total", "blocked_sum", "run_x"].iter().all(|name| registry.gauge(name).is_ok()));
    for name in ["run", "run_info", "target", "target_info"] {
        assert_eq!(registry.gauge(name).err(), Some(GaugeError::Reserved), "{name}");
    }
}

#[test]
fn a_storage_has_room_for_what_it_was_built_for() {
    let storage = Box::<Storage<4, 1, 2, Classic, 2, 1>>::default();
    let registry = storage.registry();
    let counter = |name| registry.counter(name, Unit::One, "");
    assert!(registry.timer("t", "").is_ok() && counter("a").is_ok() && counter("b").is_ok());
    assert_eq!(counter("c"), Err(InstrumentError::Full(InstrumentKind::Counter, 2)));
    assert_eq!(registry.timer("u", ""), Err(InstrumentError::Full(InstrumentKind::Histogram, 1)));
    assert!(counter("a").is_ok() && registry.timer("t", "").is_ok());
    let none = Box::<Storage<4, 1, 2, Classic>>::default();
    assert_eq!(none.registry().counter("a", Unit::One, ""), Err(InstrumentError::Full(InstrumentKind::Counter, 0)));
}

#[test]
fn instruments_are_read_in_the_order_of_their_declarations_with_all_that_was_said_of_them() {
    let storage = Box::<Engine>::default();
    let registry = storage.registry();
    let sent = registry.histogram("sent", Unit::Bytes, "Bytes that were sent").unwrap();
    let checks = registry.counter("checks", Unit::One, "Checks").unwrap();
    registry.run_timer("iteration", "").unwrap();
    let iterations = registry.run_counter("iterations", Unit::One, "").unwrap();
    let said: Vec<_> = registry
        .instruments()
        .map(|it| (it.name().to_owned(), it.description().to_owned(), it.kind(), it.unit(), it.reach()))
        .collect();
    let expected = [
        ("sent", "Bytes that were sent", InstrumentKind::Histogram, ShownUnit::Bytes, Reach::Series),
        ("checks", "Checks", InstrumentKind::Counter, ShownUnit::One, Reach::Series),
        ("iteration", "", InstrumentKind::Histogram, ShownUnit::Milliseconds, Reach::Run),
        ("iterations", "", InstrumentKind::Counter, ShownUnit::One, Reach::Run),
    ];
    assert_eq!(
        said,
        expected.map(|(name, text, kind, unit, reach)| (name.to_owned(), text.to_owned(), kind, unit, reach))
    );
    assert_eq!(registry.instrument_at(1).map(|it| it.name().to_owned()).as_deref(), Some("checks"));
    assert!(registry.instrument_at(4).is_none());

    let [one, two] = ["/one", "/two"].map(|name| registry.series("GET", name));
    let shown = || registry.instruments().map(|it| it.series().collect::<Vec<_>>()).collect::<Vec<_>>();
    assert_eq!(shown(), [vec![], vec![], vec![], vec![Series::OVERFLOW]]);
    let mut recorder = registry.recorder();
    recorder.record(one, Sample::ok(Duration::ZERO));
    assert_eq!(shown(), [vec![], vec![one], vec![], vec![Series::OVERFLOW]]);
    recorder.observe(sent, two, 3);
    recorder.add(checks, one, 0);
    recorder.add_to_run(iterations, 7);
    assert_eq!(shown(), [vec![two], vec![one, two], vec![], vec![Series::OVERFLOW]]);
    let [sent, checks, _, iterations] = [0, 1, 2, 3].map(|place| registry.instrument_at(place).unwrap());
    assert_eq!((sent.histogram(two).map(|total| total.sum), sent.counter(two)), (Some(3), None));
    assert_eq!((checks.counter(one).map(pair), checks.histogram(one)), (Some((0, 1)), None));
    assert_eq!(iterations.counter(Series::OVERFLOW).map(pair), Some((7, 1)));
    assert_eq!((checks.observations(one), checks.observations(two), registry.observations()), (1, 0, 3));
}

#[test]
fn caps_hold_and_moved_storage_keeps_its_handles() {
    let storage = Engine::<Classic>::new();
    let counter = storage.registry().counter("a", Unit::One, "").unwrap();
    storage.registry().recorder().add_to_run(counter, u64::MAX);
    let moved = Box::new(storage);
    moved.registry().recorder().add_to_run(counter, 1 << 50);
    assert_eq!(pair(moved.registry().counter_total(counter)), (2 << 50, 2));
    assert_eq!(moved.registry().usage().unknown_observations, 0);
}

/// One call of an engine, by the numbers of its instrument, its series and its value.
#[derive(Clone, Copy, Debug)]
enum Step {
    Add(usize, usize, u64),
    Time(usize, u64),
    Number(usize, u64),
    RunTime(u64),
    /// The recorder is dropped, and another is claimed.
    Again,
}

fn any_step() -> impl Strategy<Value = Step> {
    let value = || prop_oneof![0..5_u64, 0..10_000_000_000_u64, any::<u64>(), select(vec![1 << 34, 1 << 50, u64::MAX])];
    prop_oneof![
        3 => (0..2_usize, 0..5_usize, value()).prop_map(|(counter, series, by)| Step::Add(counter, series, by)),
        3 => (0..5_usize, value()).prop_map(|(series, value)| Step::Time(series, value)),
        3 => (0..5_usize, value()).prop_map(|(series, value)| Step::Number(series, value)),
        2 => value().prop_map(Step::RunTime),
        1 => Just(Step::Again),
    ]
}

/// What a plain model says of one cell: all values, as large as they are counted at most.
type Values = Vec<u64>;

const LARGEST: u64 = 1 << 50;
const LONGEST: u64 = 86_400_000_000_000;

fn check_histogram(total: &HistogramTotal, values: &Values) {
    let sum = values.iter().fold(0_u64, |sum, value| sum.wrapping_add(*value));
    assert_eq!((total.number, total.count(), total.sum), (values.len() as u64, values.len() as u64, sum));
    let mut below = 0;
    for (bound, count) in total.buckets.each() {
        below += count;
        let expected = values.iter().filter(|value| bound.is_none_or(|bound| **value <= bound)).count();
        assert_eq!(below, expected as u64, "up to {bound:?}");
    }
    if let Some(distribution) = total.distribution {
        assert_eq!(distribution.count(), values.len() as u64);
        assert_eq!(
            (distribution.min(), distribution.max()),
            (values.iter().min().copied(), values.iter().max().copied())
        );
    }
}

/// The steps of each thread, on a storage of two shards whose last series is the overflow series.
fn follow<H: Histograms>(storage: &Engine<H>, threads: &[Vec<Step>]) {
    let registry = storage.registry();
    let counters = [registry.counter("a", Unit::One, "").unwrap(), registry.run_counter("b", Unit::Bytes, "").unwrap()];
    let (times, run) = (registry.timer("c", "").unwrap(), registry.run_timer("d", "").unwrap());
    let numbers = registry.histogram("e", Unit::One, "").unwrap();
    let series = ["/1", "/2", "/3", "/no-room", "/none-either"].map(|name| registry.series("GET", name));
    thread::scope(|scope| {
        for steps in threads {
            scope.spawn(move || {
                let mut recorder = registry.recorder();
                for step in steps {
                    match *step {
                        Step::Add(counter, at, by) => recorder.add(counters[counter], series[at], by),
                        Step::Time(at, nanos) => recorder.observe(times, series[at], Duration::from_nanos(nanos)),
                        Step::Number(at, value) => recorder.observe(numbers, series[at], value),
                        Step::RunTime(nanos) => recorder.observe_in_run(run, Duration::from_nanos(nanos)),
                        Step::Again => recorder = registry.recorder(),
                    }
                }
            });
        }
    });
    let all = || threads.iter().flatten().copied();
    for of in series {
        let is_of = |other: usize| series[other] == of;
        let picked = |pick: &dyn Fn(Step) -> Option<u64>| all().filter_map(pick).collect::<Values>();
        let added = picked(&|step| {
            matches!(step, Step::Add(0, other, _) if is_of(other)).then(|| match step {
                Step::Add(_, _, by) => by.min(LARGEST),
                _ => 0,
            })
        });
        let total = registry.series_counter_total(counters[0], of);
        assert_eq!(pair(total), (added.iter().fold(0, |sum: u64, by| sum.wrapping_add(*by)), added.len() as u64));
        let timed = picked(&|step| match step {
            Step::Time(other, nanos) if is_of(other) => Some(nanos.min(LONGEST)),
            _ => None,
        });
        check_histogram(&registry.series_histogram_total(times, of), &timed);
        let numbered = picked(&|step| match step {
            Step::Number(other, value) if is_of(other) => Some(value.min(LARGEST)),
            _ => None,
        });
        check_histogram(&registry.series_histogram_total(numbers, of), &numbered);
    }
    let of_run = all().filter_map(|step| match step {
        Step::RunTime(nanos) => Some(nanos.min(LONGEST)),
        _ => None,
    });
    check_histogram(&registry.histogram_total(run), &of_run.collect());
    let calls = all().filter(|step| !matches!(step, Step::Again)).count() as u64;
    assert_eq!((registry.observations(), registry.requests()), (calls, 0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_threads_record_adds_up_to_what_a_plain_model_says(threads in vec(vec(any_step(), 0..80), 1..5)) {
        follow(&Box::<Engine>::default(), &threads);
        follow(&Box::<Engine<Classic>>::default(), &threads);
    }
}

#[test]
fn totals_that_are_read_meanwhile_never_go_back_and_have_no_more_than_was_recorded() {
    static STORAGE: Storage<4, 2, 2, Exponential, 1, 1> = Storage::new();
    const EACH: u64 = 150_000;
    let registry = STORAGE.registry();
    let (counter, timer) = (registry.counter("a", Unit::One, "").unwrap(), registry.timer("b", "").unwrap());
    let series = registry.series("GET", "/one");
    let running = AtomicUsize::new(3);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut recorder = registry.recorder();
                for _ in 0..EACH {
                    recorder.add(counter, series, 3);
                    recorder.observe(timer, series, Duration::from_millis(2));
                }
                running.fetch_sub(1, Ordering::Release);
            });
        }
        let (mut number, mut count) = (0, 0);
        while running.load(Ordering::Acquire) != 0 {
            let added = registry.series_counter_total(counter, series);
            assert!(added.sum >= 3 * added.number && added.number >= number, "{added:?}");
            let observed = registry.series_histogram_total(timer, series);
            assert!(observed.count() >= observed.number && observed.count() >= count, "{observed:?}");
            assert!(observed.count() <= 3 * EACH);
            (number, count) = (added.number, observed.count());
        }
    });
    let observed = registry.series_histogram_total(timer, series);
    assert_eq!(pair(registry.counter_total(counter)), (9 * EACH, 3 * EACH));
    assert_eq!((observed.number, observed.count(), observed.sum), (3 * EACH, 3 * EACH, 3 * EACH * 2_000_000));
}

/// Cells of instruments cost what the documents say, and instruments that are not built for cost nothing.
#[test]
fn instruments_take_the_bytes_that_are_said() {
    const SERIES: usize = 1_024;
    const NONE: usize = Storage::<SERIES, 1, 2>::SIZE;
    const CLASSIC: usize = Storage::<SERIES, 1, 2, Classic>::SIZE;
    let said = [
        // A counter in a shard and in the spill shard, and its name.
        (Storage::<SERIES, 1, 2, Exponential, 1>::SIZE - NONE, SERIES * (16 + 16)),
        (Storage::<SERIES, 2, 2, Exponential, 1>::SIZE - Storage::<SERIES, 2, 2>::SIZE, SERIES * (2 * 16 + 16)),
        (Storage::<SERIES, 1, 2, Exponential, 0, 1>::SIZE - NONE, SERIES * (704 + 1_280 + 2_624)),
        (Storage::<SERIES, 1, 2, Classic, 1>::SIZE - CLASSIC, SERIES * (16 + 16)),
        (Storage::<SERIES, 1, 2, Classic, 0, 1>::SIZE - CLASSIC, SERIES * (448 + 448)),
    ];
    for (more, cells) in said {
        assert!((cells..cells + 512).contains(&more), "{more} bytes more, of which {cells} are of cells");
    }
    assert_eq!(Storage::<SERIES, 1, 2, Exponential, 0, 0>::SIZE, NONE);
}
