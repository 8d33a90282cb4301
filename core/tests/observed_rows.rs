//! Intervals of an engine's own instruments, compared with a plain model: what is settled adds up to what was recorded.

use loaddensity_metrics_core::{
    Bounds, Classic, Exponential, HistogramTotal, Histograms, InstrumentKind, ObservedRows, OwnInstrument, Quantity,
    Reach, Recorder, Registry, Series, Storage, TooFewWords, Unit,
};
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

type Engine<H = Exponential> = Storage<4, 2, 2, H, 2, 4>;
type Rows = ObservedRows<Vec<u64>>;

const LARGEST: u64 = 1 << 50;
const LONGEST: u64 = 86_400_000_000_000;

/// The registry has no room for the last one, so that it is the overflow series.
const SERIES: [&str; 4] = ["/a", "/b", "/c", "/overflow"];
const INSTRUMENTS: [&str; 6] = ["checks", "iterations", "first_byte", "batch", "iteration", "sent"];

/// Records a value with one of the instruments, which is declared now if it is new. Returns what counts of the value.
fn record(recorder: &mut Recorder<'_>, instrument: usize, series: Series, value: u64) -> u64 {
    let (registry, name) = (recorder.registry(), INSTRUMENTS[instrument]);
    let time = Duration::from_nanos(value);
    match instrument {
        0 => recorder.add(registry.counter(name, Unit::One, "").unwrap(), series, value),
        1 => recorder.add_to_run(registry.run_counter(name, Unit::One, "").unwrap(), value),
        2 => recorder.observe(registry.timer(name, "").unwrap(), series, time),
        3 => recorder.observe(registry.histogram(name, Unit::One, "").unwrap(), series, value),
        4 => recorder.observe_in_run(registry.run_timer(name, "").unwrap(), time),
        _ => recorder.observe(registry.run_histogram(name, Unit::Bytes, "").unwrap(), series, value),
    }
    value.min(if matches!(instrument, 2 | 4) { LONGEST } else { LARGEST })
}

fn instrument<'a>(registry: Registry<'a>, name: &str) -> Option<OwnInstrument<'a>> {
    registry.instruments().find(|instrument| instrument.name() == name)
}

/// The series with this name. Those before it are interned first: so it is always the last one that finds no room.
fn series(registry: Registry<'_>, number: usize) -> Series {
    SERIES[..number].iter().for_each(|name| _ = registry.series("GET", name));
    registry.series("GET", SERIES[number])
}

/// Rows in memory that held something else.
fn rows(registry: Registry<'_>) -> Rows {
    ObservedRows::new(registry, vec![7; Rows::words(registry)]).expect("as many words as it asks for").0
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Record(usize, usize, u64),
    /// Freezes all, so many rows at a time.
    Freeze(usize),
    Settle(usize, usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    let inside = (10..34_u32, any::<u64>()).prop_map(|(bits, noise)| 1 << bits | noise & ((1 << bits) - 1));
    let value = prop_oneof![6 => inside, 1 => 0..3_u64, 1 => Just(u64::MAX)];
    prop_oneof![
        8 => (0..INSTRUMENTS.len(), 0..SERIES.len(), value).prop_map(|(it, series, value)| Step::Record(it, series, value)),
        1 => prop_oneof![1..4_usize, Just(usize::MAX)].prop_map(Step::Freeze),
        4 => (0..INSTRUMENTS.len(), 0..SERIES.len()).prop_map(|(it, series)| Step::Settle(it, series)),
    ]
}

/// A model of one row: the values since the last freezing, those that are frozen, and those that were settled.
#[derive(Clone, Default)]
struct Model {
    recorded: Vec<u64>,
    frozen: Vec<u64>,
    settled: Vec<u64>,
}

struct ModelledRows<'a> {
    registry: Registry<'a>,
    rows: Rows,
    /// By instrument and series.
    models: [[Model; SERIES.len()]; INSTRUMENTS.len()],
}

impl ModelledRows<'_> {
    /// The model of what an instrument counts of a series. Those of the run have one.
    fn model(&mut self, instrument: usize, series: usize) -> &mut Model {
        &mut self.models[instrument][if matches!(instrument, 1 | 4 | 5) { 0 } else { series }]
    }

    fn freeze(&mut self, most: usize) {
        self.rows.begin_to_freeze();
        while !self.rows.freeze_some(self.registry, most) {
            assert!(self.rows.is_freezing());
        }
        for model in self.models.iter_mut().flatten() {
            model.frozen.append(&mut model.recorded);
        }
        self.check_unsettled();
    }

    fn check_unsettled(&self) {
        let frozen: usize = self.models.iter().flatten().map(|model| model.frozen.len()).sum();
        assert_eq!(self.rows.unsettled(), frozen as u64);
        let shown = |it: OwnInstrument<'_>| {
            self.rows.series(&it, Series::OVERFLOW).map(|series| self.rows.observations(&it, series)).sum::<u64>()
        };
        assert_eq!(self.registry.instruments().map(shown).sum::<u64>(), frozen as u64);
    }

    /// Settles a row, and checks that it is what the values add up to.
    fn settle(&mut self, number: usize, of: usize) {
        let (registry, series) = (self.registry, series(self.registry, of));
        let values = std::mem::take(&mut self.model(number, of).frozen);
        let Some(instrument) = instrument(registry, INSTRUMENTS[number]) else { return assert!(values.is_empty()) };
        let (counter, histogram) = (self.rows.counter(&instrument, series), self.rows.histogram(&instrument, series));
        match instrument.kind() {
            InstrumentKind::Counter => {
                assert_eq!(histogram, None);
                let expected = (!values.is_empty()).then(|| (values.iter().sum::<u64>(), values.len() as u64));
                assert_eq!(counter.map(|came| (came.sum, came.number)), expected);
            }
            _ => {
                assert_eq!((counter, histogram.is_some()), (None, !values.is_empty()));
                if let Some(came) = histogram {
                    check(&came, &values);
                }
            }
        }
        assert_eq!(self.rows.settle(&instrument, series), values.len() as u64);
        assert_eq!(self.rows.settle(&instrument, series), 0, "it was settled already");
        assert!(self.rows.counter(&instrument, series).is_none() && self.rows.histogram(&instrument, series).is_none());
        self.model(number, of).settled.extend(values);
        self.check_unsettled();
    }
}

/// Checks that a histogram is what these values add up to.
fn check(came: &HistogramTotal, values: &[u64]) {
    let count = values.len() as u64;
    assert_eq!((came.number, came.count(), came.sum), (count, count, values.iter().sum::<u64>()));
    check_buckets(came, values);
    let Some(distribution) = came.distribution else { return };
    // Between these, errors are promised.
    let (zero, end) = match distribution.quantity() {
        Quantity::Latency => (976, 1_048_576_000_000),
        _ => (0, 1 << 34),
    };
    let is_near = |found: Option<u64>, truth: u64, error: f64| {
        let found = found.expect("there are values");
        let is_off = found.abs_diff(truth) as f64 > error * truth as f64 + 1.0 && !(truth <= zero && found <= zero);
        assert!(truth > end || !is_off, "{found} for {truth} in {values:?}");
    };
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let (smallest, largest) = (sorted[0], sorted[sorted.len() - 1]);
    is_near(distribution.min(), smallest, 0.091);
    is_near(distribution.max(), largest, 0.091);
    for q in [0.5, 0.95, 0.99] {
        let truth = sorted[((q * count as f64).ceil() as usize).max(1) - 1];
        // If it is the smallest or the largest value, the error is that of an extreme.
        is_near(distribution.quantile(q), truth, if truth == smallest || truth == largest { 0.091 } else { 0.0434 });
    }
}

fn check_buckets(total: &HistogramTotal, values: &[u64]) {
    let mut below = 0;
    for (bound, count) in total.buckets.each() {
        below += count;
        let expected = values.iter().filter(|value| bound.is_none_or(|bound| **value <= bound)).count();
        assert_eq!(below, expected as u64, "up to {bound:?}");
    }
}

/// Carries out the steps, and compares with the model.
fn follow(registry: Registry<'_>, steps: &[Step]) {
    let mut recorders = [0, 1, 2].map(|_| registry.recorder());
    assert_eq!(recorders.iter().filter(|recorder| recorder.is_sharing()).count(), 1);
    let mut before = 0;
    for (number, step) in steps.iter().take(5).enumerate() {
        if let Step::Record(instrument, of, value) = *step {
            record(&mut recorders[number % 3], instrument, series(registry, of), value);
            before += 1;
        }
    }
    let mut beside = ModelledRows { registry, rows: rows(registry), models: Default::default() };
    assert_eq!(beside.rows.before(), before);
    for (number, step) in steps.iter().enumerate() {
        match *step {
            Step::Record(instrument, of, value) => {
                let counted = record(&mut recorders[number % 3], instrument, series(registry, of), value);
                beside.model(instrument, of).recorded.push(counted);
            }
            Step::Freeze(most) => beside.freeze(most),
            Step::Settle(instrument, of) => beside.settle(instrument, of),
        }
    }
    beside.freeze(usize::MAX);
    (0..INSTRUMENTS.len()).for_each(|instrument| (0..SERIES.len()).for_each(|of| beside.settle(instrument, of)));
    assert_eq!(beside.rows.unsettled(), 0);
    let settled: usize = beside.models.iter().flatten().map(|model| model.settled.len()).sum();
    assert_eq!(before + settled as u64, registry.observations());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn settled_rows_add_up_to_what_was_recorded_in_any_order_of_steps(steps in vec(any_step(), 0..200)) {
        follow(Box::<Engine>::default().registry(), &steps);
        follow(Box::<Engine<Classic>>::default().registry(), &steps);
        let own = Box::<Engine<Classic>>::default();
        own.registry().set_bounds(&Bounds::new(&[Duration::from_millis(3)], &[1, 2, 3])?)?;
        follow(own.registry(), &steps);
    }
}

#[test]
fn while_threads_record_no_row_counts_a_call_without_its_value_and_all_add_up() {
    static STORAGE: Storage<4, 2, 2, Exponential, 1, 1> = Storage::new();
    const EACH: u64 = 400_000;
    let registry = STORAGE.registry();
    let (counter, timer) = (registry.counter("checks", Unit::One, "").unwrap(), registry.timer("blocked", "").unwrap());
    let series = registry.series("GET", "/a");
    let mut rows = rows(registry);
    let [checks, blocked] = ["checks", "blocked"].map(|name| instrument(registry, name).unwrap());
    let (mut added, mut observed, mut buckets) = ([0; 2], [0; 3], vec![0; 17]);
    let mut settle = |rows: &mut Rows| {
        let counted = rows.counter(&checks, series);
        assert_eq!(rows.settle(&checks, series), counted.map_or(0, |came| came.number));
        if let Some(came) = counted {
            added = [added[0] + came.number, added[1] + came.sum];
        }
        assert!(added[1] >= 3 * added[0], "{added:?}");
        let timed = rows.histogram(&blocked, series);
        assert_eq!(rows.settle(&blocked, series), timed.map_or(0, |came| came.number));
        if let Some(came) = timed {
            observed = [observed[0] + came.number, observed[1] + came.count(), observed[2] + came.sum];
            assert_eq!(came.distribution.map(|distribution| distribution.count()), Some(came.count()));
            buckets.iter_mut().zip(came.buckets.each()).for_each(|(sum, (_, more))| *sum += more);
        }
        assert!(observed[1] >= observed[0], "{observed:?}");
        assert_eq!(rows.unsettled(), 0);
    };
    let running = AtomicUsize::new(3);
    thread::scope(|scope| {
        // More threads than shards.
        for seed in 1..=3 {
            let running = &running;
            scope.spawn(move || {
                let mut recorder = registry.recorder();
                for number in 0..EACH {
                    recorder.add(counter, series, 3);
                    recorder.observe(timer, series, Duration::from_nanos(seed * number * 1_000));
                }
                running.fetch_sub(1, Ordering::Release);
            });
        }
        while running.load(Ordering::Acquire) != 0 {
            // The first sending fails.
            rows.freeze(registry);
            rows.begin_to_freeze();
            while !rows.freeze_some(registry, 1) {}
            settle(&mut rows);
        }
    });
    rows.freeze(registry);
    settle(&mut rows);
    assert_eq!(added, [3 * EACH, 9 * EACH]);
    let total = registry.histogram_total(timer);
    assert_eq!(observed, [3 * EACH, 3 * EACH, total.sum]);
    assert!(total.buckets.each().map(|(_, count)| count).eq(buckets));
}

fn an_instrument_that_is_declared_later<H: Histograms>(storage: &Engine<H>) {
    let registry = storage.registry();
    let mut recorder = registry.recorder();
    record(&mut recorder, 0, series(registry, 0), 5);
    let mut rows = rows(registry);
    assert_eq!((rows.before(), rows.freeze(registry)), (1, 0));
    record(&mut recorder, 2, series(registry, 0), 5_000_000);
    record(&mut recorder, 4, series(registry, 0), 7_000_000);
    record(&mut recorder, 0, series(registry, 1), 6);
    assert_eq!(rows.freeze(registry), 3);
    let names = |rows: &Rows| {
        let has_news = |it: &OwnInstrument<'_>| rows.series(it, Series::OVERFLOW).next().is_some();
        registry.instruments().filter(has_news).map(|it| it.name().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&rows), ["checks", "first_byte", "iteration"]);
    let [checks, first_byte, iteration] =
        ["checks", "first_byte", "iteration"].map(|name| instrument(registry, name).unwrap());
    let shown = |it, from| rows.series(it, from).collect::<Vec<_>>();
    assert_eq!(shown(&checks, Series::OVERFLOW), [series(registry, 1)]);
    assert_eq!(shown(&first_byte, series(registry, 0)), [series(registry, 0)]);
    assert!(shown(&first_byte, series(registry, 1)).is_empty());
    assert_eq!((iteration.reach(), shown(&iteration, Series::OVERFLOW)), (Reach::Run, vec![Series::OVERFLOW]));
    assert_eq!((rows.settle(&iteration, Series::OVERFLOW), rows.unsettled()), (1, 2));
    // What was not settled is part of the next interval.
    record(&mut recorder, 0, series(registry, 1), 10);
    assert_eq!(rows.freeze(registry), 3);
    assert_eq!(rows.counter(&checks, series(registry, 1)).map(|came| (came.sum, came.number)), Some((16, 2)));
}

#[test]
fn an_instrument_that_is_declared_later_appears_with_the_next_interval() {
    an_instrument_that_is_declared_later(&Box::<Engine>::default());
    an_instrument_that_is_declared_later(&Box::<Engine<Classic>>::default());
}

#[cfg(feature = "alloc")]
#[test]
fn rows_on_the_heap_begin_once_all_is_read_that_was_counted_before() {
    let storage = Box::<Engine>::default();
    let (registry, mut recorder) = (storage.registry(), storage.registry().recorder());
    let mut record_all = || {
        for number in 0..INSTRUMENTS.len() * SERIES.len() {
            let of = series(registry, number % SERIES.len());
            record(&mut recorder, number / SERIES.len(), of, number as u64);
        }
        registry.observations()
    };
    record_all();
    let mut rows = Rows::on_heap(registry);
    assert!(rows.is_freezing() && !rows.freeze_some(registry, 5));
    let before = record_all();
    rows.begin_to_freeze();
    while !rows.freeze_some(registry, 1) {}
    assert_eq!((rows.before(), rows.unsettled(), rows.is_freezing()), (before, 0, false));
    assert_eq!(record_all() - before, rows.freeze(registry));
    assert_eq!(rows.before(), before);
}

#[test]
fn memory_is_as_large_as_it_says_and_a_smaller_one_is_refused() {
    const ROOM: usize = 16;
    fn bytes(registry: Registry<'_>) -> usize {
        8 * Rows::words(registry) / ROOM
    }
    assert_eq!(bytes(Box::<Storage<ROOM, 1, 2>>::default().registry()), 0);
    assert_eq!(bytes(Box::<Storage<ROOM, 1, 2, Exponential, 1>>::default().registry()), 32);
    assert_eq!(bytes(Box::<Storage<ROOM, 1, 2, Exponential, 0, 1>>::default().registry()), 4_448);
    assert_eq!(bytes(Box::<Storage<ROOM, 1, 2, Exponential, 3, 2>>::default().registry()), 3 * 32 + 2 * 4_448);
    let classic = || Box::<Storage<ROOM, 1, 2, Classic, 0, 1>>::default();
    assert_eq!(bytes(classic().registry()), 224);
    for (times, numbers) in [(44, 0), (0, 44)] {
        let (times, numbers) =
            ((1..=times).map(Duration::from_millis).collect::<Vec<_>>(), Vec::from_iter(1..=numbers));
        let most = classic();
        most.registry().set_bounds(&Bounds::new(&times, &numbers).unwrap()).unwrap();
        assert_eq!(bytes(most.registry()), 752);
    }
    let storage = Box::<Engine>::default();
    let needed = Rows::words(storage.registry());
    let refused = ObservedRows::new(storage.registry(), vec![0; needed - 1]).map(|(rows, _)| rows.before());
    assert_eq!(refused, Err(TooFewWords { needed, given: needed - 1 }));
}

#[test]
fn storage_without_room_for_instruments_has_no_rows() {
    let storage = Box::<Storage<4, 1, 2>>::default();
    let (mut rows, before) = ObservedRows::new(storage.registry(), Vec::<u64>::new()).unwrap();
    assert_eq!((before, rows.freeze(storage.registry()), rows.unsettled()), (0, 0, 0));
}

#[test]
fn the_instrument_of_another_registry_that_has_more_of_them_has_no_row() {
    let (small, large) = (Box::<Storage<4, 1, 2, Exponential, 1, 1>>::default(), Box::<Engine>::default());
    let mut rows = rows(small.registry());
    let mut recorder = large.registry().recorder();
    for number in 0..INSTRUMENTS.len() {
        record(&mut recorder, number, series(large.registry(), 0), 1);
    }
    rows.freeze(small.registry());
    for instrument in large.registry().instruments() {
        let series = series(large.registry(), 0);
        assert_eq!(rows.observations(&instrument, series), 0);
        assert!(rows.counter(&instrument, series).is_none() && rows.histogram(&instrument, series).is_none());
        assert_eq!(rows.settle(&instrument, series), 0);
    }
}

#[test]
fn extremes_are_those_of_the_interval_and_not_of_the_time_before() {
    let storage = Box::<Engine>::default();
    let (registry, mut recorder) = (storage.registry(), storage.registry().recorder());
    let (of, mut rows) = (series(registry, 0), rows(registry));
    for (times, expected) in [([10_000_000, 1_000], [1_000, 10_000_000]), ([300_000, 2_000_000], [300_000, 2_000_000])]
    {
        times.iter().for_each(|nanos| _ = record(&mut recorder, 2, of, *nanos));
        assert_eq!(rows.freeze(registry), 2);
        let first_byte = instrument(registry, "first_byte").unwrap();
        let distribution = rows.histogram(&first_byte, of).and_then(|came| came.distribution).unwrap();
        let found = [distribution.min(), distribution.max()].map(Option::unwrap);
        for (found, expected) in found.into_iter().zip(expected) {
            assert!(found.abs_diff(expected) as f64 <= 0.091 * expected as f64, "{found} for {expected}");
        }
        assert_eq!(rows.settle(&first_byte, of), 2);
    }
}
