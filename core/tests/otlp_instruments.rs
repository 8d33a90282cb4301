//! An engine's own instruments in OTLP: decoded by prost types, and compared with a plain model.

mod common;

use common::nasty_recording;
use loaddensity_metrics_core::otlp::{
    DeltaInterval, ExportOptions, HistogramAggregation, MIN_ANY_REQUEST, MIN_OPTIONS_REQUEST, MIN_REQUEST, OwnExport,
    OwnPart, Resource, Sources,
};
use loaddensity_metrics_core::{
    Bounds, Classic, Counter, Exponential, Histogram, Histograms, InstrumentKind, LABEL_BYTES, MAX_BOUNDS,
    ObservedRows, Registry, Sample, Series, Storage, Timestamp, TooSmall, Unit, Weights,
};
use loaddensity_metrics_vectors::contract::{Format, ShownLabels, Spelling, observed};
use loaddensity_metrics_vectors::judge::exponential;
use loaddensity_metrics_vectors::model::Model;
use loaddensity_metrics_vectors::otlp::{
    DecodedPoint, DecodedValue, OVERFLOW, canonical, decode, decode_delta, unframe,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeMap;
use std::time::Duration;

/// Room for seven series, the last of which is the overflow series, and for the instruments of [`Engine`].
type Places<H = Exponential> = Storage<7, 2, 2, H, 2, 3>;

const EXPLICIT: ExportOptions = ExportOptions {
    histograms: HistogramAggregation::Explicit,
    min_max: false,
    exemplars: false,
    http_client_duration: false,
};
const ALL: [ExportOptions; 3] = [
    EXPLICIT,
    ExportOptions { histograms: HistogramAggregation::Exponential, min_max: true, ..EXPLICIT },
    // What own instruments have none of.
    ExportOptions { min_max: true, exemplars: true, http_client_duration: true, ..EXPLICIT },
];
const DAY: u64 = 86_400_000_000_000;
const LARGEST: u64 = 1 << 50;

fn at(nanos: u64) -> Timestamp {
    Timestamp::from_unix_nanos(nanos)
}

/// What an engine declares.
#[derive(Clone, Copy)]
struct Handles {
    failed: Counter,
    first_byte: Histogram<Duration>,
    iterations: Counter,
    sent: Histogram<u64>,
    iteration: Histogram<Duration>,
}

/// Name, description and unit of each, in that order; whether it is a histogram, and whether it is of the run.
const DECLARED: [(&str, &str, &str, bool, bool); 5] = [
    ("checks_failed", "Checks that failed", "1", false, false),
    ("time_to_first_byte", "From the request's last byte to the answer's first", "ms", true, false),
    ("iterations", "", "By", false, true),
    ("sent", "Bytes that were sent", "By", true, false),
    ("iteration", "", "ms", true, true),
];

fn declare(registry: Registry<'_>) -> Handles {
    Handles {
        failed: registry.counter("checks_failed", Unit::One, DECLARED[0].1).unwrap(),
        first_byte: registry.timer("time_to_first_byte", DECLARED[1].1).unwrap(),
        iterations: registry.run_counter("iterations", Unit::Bytes, "").unwrap(),
        sent: registry.histogram("sent", Unit::Bytes, DECLARED[3].1).unwrap(),
        iteration: registry.run_timer("iteration", "").unwrap(),
    }
}

/// One call of an engine: the place of an instrument in [`DECLARED`], or one beyond for a request, the number of a series,
/// and a value.
type Step = (usize, usize, u64);

/// An engine with a plain model of what it recorded.
struct Engine<'a> {
    registry: Registry<'a>,
    handles: Handles,
    /// Series and requests.
    requests: Model,
    series: Vec<Series>,
    /// Of each instrument the values of each series; of the run under the overflow series. Of intervals: those that are not
    /// settled.
    values: [BTreeMap<Series, Vec<u64>>; 5],
    is_delta: bool,
}

impl<'a> Engine<'a> {
    fn new(registry: Registry<'a>, spellings: &[Spelling]) -> Self {
        let (mut requests, mut recorder) = (Model::new(), registry.recorder());
        let series = spellings.iter().filter_map(|spelling| requests.intern(&mut recorder, spelling).ok()).collect();
        let (handles, values) = (declare(registry), Default::default());
        Self { registry, handles, requests, series, values, is_delta: false }
    }

    fn follow(&mut self, steps: &[Step]) {
        let (mut recorder, Handles { failed, first_byte, iterations, sent, iteration }) =
            (self.registry.recorder(), self.handles);
        for &(what, series, value) in steps {
            let series = self.series[series % self.series.len()];
            let value = match what {
                0 | 2 | 3 => value.min(LARGEST),
                _ => value.min(DAY),
            };
            let time = Duration::from_nanos(value);
            match what {
                0 => recorder.add(failed, series, value),
                1 => recorder.observe(first_byte, series, time),
                2 => recorder.add_to_run(iterations, value),
                3 => recorder.observe(sent, series, value),
                4 => recorder.observe_in_run(iteration, time),
                _ => self.requests.record(&mut recorder, series, Sample::ok(time)),
            }
            if let Some(values) = self.values.get_mut(what) {
                let series = if DECLARED[what].4 { Series::OVERFLOW } else { series };
                values.entry(series).or_default().push(value);
            }
        }
    }

    fn observations(&self) -> u64 {
        self.values.iter().flat_map(BTreeMap::values).map(|values| values.len() as u64).sum()
    }

    /// What must be seen, and how many observations each point stands for.
    fn expected(&self, options: ExportOptions) -> Vec<(PointKey, ShownPoint, u64)> {
        let mut all = Vec::new();
        for (place, series, key) in self.places() {
            let (_, description, unit, is_histogram, is_of_run) = DECLARED[place];
            let none = Vec::new();
            let values = self.values[place].get(&series).unwrap_or(&none);
            let is_shown = match (is_histogram || self.is_delta, is_of_run) {
                (true, _) => !values.is_empty(),
                (false, true) => true,
                (false, false) => self.has_counted(series),
            };
            if !is_shown {
                continue;
            }
            let (extremes, value) = match is_histogram {
                true => self.histogram(options, unit == "ms", values),
                false => (None, DecodedValue::Sum(values.iter().sum::<u64>() as i64)),
            };
            all.push((key, (description.to_owned(), unit.to_owned(), extremes, value), values.len() as u64));
        }
        all
    }

    /// Each place in [`DECLARED`] with each series, and what its point would be called.
    fn places(&self) -> Vec<(usize, Series, PointKey)> {
        let of = |(place, (name, .., is_of_run)): (usize, (&str, &str, &str, bool, bool))| {
            let named = |labels| (format!("loaddensity.{name}"), labels);
            let known = self.requests.by_handle().map(|(series, known)| (series, known.spelling.shown(Format::Otlp)));
            let series: Vec<_> = if is_of_run { vec![(Series::OVERFLOW, vec![])] } else { known.collect() };
            series.into_iter().map(move |(series, labels)| (place, series, named(labels))).collect::<Vec<_>>()
        };
        DECLARED.into_iter().enumerate().flat_map(of).collect()
    }

    /// The values of a point that is settled.
    fn take(&mut self, key: &PointKey) -> Vec<u64> {
        let places = self.places();
        let (place, series, _) = places.iter().find(|(.., known)| known == key).expect("a known point");
        self.values[*place].remove(series).expect("values that were not settled")
    }

    /// Whether a series has requests or observations.
    fn has_counted(&self, series: Series) -> bool {
        let of_series = |(place, values): (usize, &BTreeMap<Series, Vec<u64>>)| {
            !DECLARED[place].4 && values.get(&series).is_some_and(|values| !values.is_empty())
        };
        self.requests.by_handle().any(|(known, requests)| known == series && !requests.samples.is_empty())
            || self.values.iter().enumerate().any(of_series)
    }

    fn histogram(&self, options: ExportOptions, is_time: bool, values: &[u64]) -> (Extremes, DecodedValue) {
        let (unit, has_scale) = (if is_time { 1e6 } else { 1.0 }, self.registry.has_exponentials());
        let extremes = (*values.iter().min().unwrap() as f64 / unit, *values.iter().max().unwrap() as f64 / unit);
        let extremes = (options.min_max && has_scale && !self.is_delta).then_some(extremes);
        if options.histograms == HistogramAggregation::Exponential && has_scale {
            let (threshold, above) = if is_time { (1.0 / 1_024.0, 160) } else { (0.0, 34 * 8) };
            return (extremes, exponential(values, unit, threshold, above));
        }
        let bounds = self.bounds(is_time);
        let up_to =
            |bound: Option<&u64>| values.iter().filter(|value| bound.is_none_or(|bound| *value <= bound)).count();
        let mut below = 0;
        let buckets = bounds.iter().map(Some).chain([None]).map(|bound| {
            let before = std::mem::replace(&mut below, up_to(bound));
            (below - before) as u64
        });
        let value = DecodedValue::Histogram {
            count: values.len() as u64,
            sum: values.iter().sum::<u64>() as f64 / unit,
            buckets: buckets.collect(),
            bounds: bounds.iter().map(|bound| *bound as f64 / unit).collect(),
        };
        (extremes, value)
    }

    /// Every second power of two, of milliseconds or of one; the registry's where there is no scale.
    fn bounds(&self, is_time: bool) -> Vec<u64> {
        let bounds = self.registry.bounds();
        match (self.registry.has_exponentials(), is_time) {
            (true, true) => (0..=15).map(|step| (1_000_000_u64 << (2 * step)) >> 10).collect(),
            (true, false) => [0].into_iter().chain((0..=17).map(|step| 1_u64 << (2 * step))).collect(),
            (false, true) => bounds.latency_ns().to_vec(),
            (false, false) => bounds.size().to_vec(),
        }
    }
}

/// The metric and the attributes of a point.
type PointKey = (String, ShownLabels);
type Extremes = Option<(f64, f64)>;
/// Description, unit, extremes and value.
type ShownPoint = (String, String, Extremes, DecodedValue);

fn key_of(point: &DecodedPoint) -> PointKey {
    let labels = point.attributes.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    (point.metric.clone(), observed(labels, &[]))
}

/// The points of requests with gRPC's prefix, in the order in which they stand there.
fn points<'b>(requests: impl IntoIterator<Item = &'b [u8]>) -> Vec<DecodedPoint> {
    requests.into_iter().flat_map(|request| decode(message(request)).expect("a message")).collect()
}

/// The same of an interval.
fn delta_points(request: &[u8]) -> Vec<DecodedPoint> {
    decode_delta(message(request)).expect("a message")
}

fn message(request: &[u8]) -> &[u8] {
    let message = unframe(request).expect("a frame");
    canonical(message).expect("canonical");
    message
}

/// Checks that these are all points, each once, and what stands around them.
fn judge(engine: &Engine<'_>, options: ExportOptions, times: (u64, u64), points: Vec<DecodedPoint>) {
    let mut seen = Vec::new();
    for point in points {
        assert_eq!((point.start, point.time, point.scope.as_str()), (times.0, times.1, "loaddensity"));
        assert_eq!(point.resource.get("service.name").map(String::as_str), Some("shop"));
        assert!(point.exemplars.is_empty());
        let key = key_of(&point);
        let shown: ShownPoint = (point.description, point.unit, point.extremes, point.value);
        seen.push((key, format!("{shown:?}")));
    }
    let all = engine.expected(options).into_iter();
    let mut expected: Vec<_> = all.map(|(key, shown, _)| (key, format!("{shown:?}"))).collect();
    // Names that were cut may be the same without their hashes.
    seen.sort();
    expected.sort();
    assert_eq!(seen, expected);
}

/// Checks that what a part says about itself is what it contains.
fn judge_part(engine: &Engine<'_>, options: ExportOptions, (part, request): (&OwnPart, &[u8]), weights: Weights) {
    let points = if engine.is_delta { delta_points(request) } else { points([request]) };
    let expected = engine.expected(options);
    assert_eq!((part.points, part.bytes), (points.len(), request.len()));
    let number = |key: PointKey| expected.iter().find(|(other, ..)| *other == key).expect("a point that is expected").2;
    let mut numbers: Vec<u64> = points.iter().map(|point| number(key_of(point))).collect();
    numbers.sort_unstable_by(|one, other| other.cmp(one));
    assert_eq!([part.observations, weights.all()], [numbers.iter().sum::<u64>(); 2]);
    for items in 0..=16 {
        assert_eq!(weights.heaviest(items), numbers.iter().take(items as usize).sum::<u64>(), "{items} of {numbers:?}");
    }
}

/// All parts of a cycle in a large buffer, with `limit`.
fn parts(mut export: OwnExport, sources: Sources<'_>, limit: usize) -> Vec<(OwnPart, Vec<u8>)> {
    let (mut parts, mut buffer) = (Vec::new(), vec![0xff; 1 << 20]);
    while let Some(part) = export.next_request(sources.with_limit(limit), &mut buffer).expect("room") {
        parts.push((part, part.of(&buffer).to_vec()));
        export = part.next;
    }
    parts
}

fn spellings() -> Vec<Spelling> {
    let labelled = |labels: &[(&str, &str)]| Spelling {
        labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        ..Spelling::new("", "")
    };
    vec![
        Spelling::new("GET", "/one"),
        labelled(&[("scenario", "checkout")]),
        Spelling::new("GET", &"/long".repeat(60)),
        labelled(&[("a", "\"|\n\0é"), ("b", &"v".repeat(150))]),
        Spelling::new("POST", "/five"),
        Spelling::new("PUT", "/six"),
        Spelling::new("PUT", "/no-room"),
        Spelling::new("PUT", "/none-either"),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let value = prop_oneof![0..5_u64, 0..10_000_000_000_u64, any::<u64>(), select(vec![976, 977, 1 << 34, 1 << 50])];
    (0..6_usize, 0..8_usize, value)
}

/// Cuts a cycle at one length after another. Each part is written twice, and once in another length before.
fn cut<H: Histograms>(storage: &Places<H>, steps: &[Step], options: ExportOptions, limits: &[usize]) {
    let (registry, resource) = (storage.registry(), Resource::new("shop"));
    let mut engine = Engine::new(registry, &spellings());
    engine.follow(steps);
    let sources = Sources::new(registry, &resource).with_options(options);
    let (mut export, mut all) = (OwnExport::new(registry, at(1), at(2)), Vec::new());
    for (number, limit) in limits.iter().cycle().enumerate() {
        let cut = |limit: usize| {
            let mut buffer = vec![0xff; MIN_OPTIONS_REQUEST];
            let part = export.next_request(sources.with_limit(limit), &mut buffer).expect("room for one point")?;
            Some((part, part.of(&buffer).to_vec()))
        };
        let (part, request) = match (cut(*limit), cut(limits[number * 7 % limits.len()])) {
            (Some(part), Some(_)) => part,
            (None, None) => break,
            (one, other) => panic!("{one:?} beside {other:?}"),
        };
        assert_eq!(cut(*limit), Some((part, request.clone())));
        judge_part(&engine, options, (&part, &request), export.weights_until(part.next, sources));
        assert!(part.bytes <= *limit || part.points == 1, "{} points in {} bytes", part.points, part.bytes);
        all.push(request);
        export = part.next;
    }
    assert_eq!((export.observations(), export.skip(sources)), (engine.observations(), None));
    judge(&engine, options, (1, 2), points(all.iter().map(Vec::as_slice)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_cycle_shows_each_point_once_wherever_it_is_cut(
        steps in vec(any_step(), 0..120),
        limits in vec(0..6_000_usize, 1..20),
        which in 0..ALL.len(),
    ) {
        cut(&Box::<Places>::default(), &steps, ALL[which], &limits);
        cut(&Box::<Places<Classic>>::default(), &steps, ALL[which], &limits);
    }
}

/// What is recorded in an interval, the most bytes of a part, and how many parts are settled of it.
type Round = (Vec<Step>, usize, usize);

fn any_round() -> impl Strategy<Value = Round> {
    (vec(any_step(), 0..20), prop_oneof![0..3_000_usize, Just(1 << 16)], prop_oneof![0..6_usize, Just(usize::MAX)])
}

/// Ends one interval after another. Checks what each has, and that what is settled of all adds up to what was counted.
fn deltas<H: Histograms>(storage: &Places<H>, rounds: &[Round], options: ExportOptions) {
    let (registry, resource) = (storage.registry(), Resource::new("shop"));
    let mut engine = Engine::new(registry, &spellings());
    // These are counted before the first interval.
    engine.follow(&[(0, 0, 7), (1, 1, 5), (2, 0, 9), (4, 0, 8)]);
    let before = totals(registry);
    let counted = vec![7; ObservedRows::<Vec<u64>>::words(registry)];
    let (rows, observed_before) = ObservedRows::new(registry, counted).expect("room");
    assert_eq!(observed_before, engine.observations());
    let memory = vec![7; DeltaInterval::<Vec<u64>>::words(registry, options)];
    let (interval, _) = DeltaInterval::new(registry, options, memory, at(1)).expect("room");
    let mut interval = interval.with_instruments(rows);
    (engine.values, engine.is_delta) = (Default::default(), true);
    let (mut start, mut end, mut is_begun, mut sums) = (1, 1, false, BTreeMap::new());
    let last = (vec![], 1 << 16, usize::MAX);
    for (number, (steps, limit, settled)) in rounds.iter().chain([&last]).enumerate() {
        if is_begun || engine.observations() + interval.unsettled() == 0 {
            start = end;
        }
        engine.follow(steps);
        end = 10 * (number as u64 + 1);
        interval.end(registry, at(end));
        assert_eq!(interval.observations_unsettled(), engine.observations());
        let (mut export, mut left, mut parts) = (interval.own_export(registry).expect("rows"), *settled, 0);
        let mut buffer = vec![0xff; 1 << 16];
        while left > 0 {
            let sources = Sources::of_interval(registry, &resource, &interval).with_limit(*limit);
            let Some(part) = export.next_request(sources, &mut buffer).expect("room") else { break };
            let (request, weights) = (part.of(&buffer), export.weights_until(part.next, sources));
            judge_part(&engine, options, (&part, request), weights);
            let passed = export.skip(sources).expect("its first point");
            assert!(passed.observations <= part.observations && passed.observations != 0);
            for point in delta_points(request) {
                assert_eq!((point.start, point.time), (start, end));
                let key = key_of(&point);
                let expected = engine.expected(options).into_iter().find(|(other, ..)| *other == key);
                let shown: ShownPoint = (point.description, point.unit, point.extremes, point.value);
                assert_eq!(expected.map(|(_, shown, _)| format!("{shown:?}")), Some(format!("{shown:?}")));
                engine.take(&key);
                *sums.entry(shown_as(&key.0)).or_default() += amount(&shown.3);
            }
            assert_eq!(interval.settle_instruments(registry, export, part.next), part.observations);
            assert_eq!(interval.settle_instruments(registry, export, part.next), 0, "it was settled already");
            assert_eq!(interval.observations_unsettled(), engine.observations());
            (export, left, parts) = (part.next, left - 1, parts + 1);
        }
        is_begun = parts != 0;
    }
    assert_eq!((interval.observations_unsettled(), engine.observations()), (0, 0));
    let mut all = totals(registry);
    all.iter_mut().for_each(|(name, total)| *total -= before[name]);
    all.retain(|_, total| *total != 0);
    sums.retain(|_, sum| *sum != 0);
    assert_eq!(sums, all);
}

fn shown_as(metric: &str) -> String {
    metric.strip_prefix("loaddensity.").expect("the namespace").to_owned()
}

/// A counter's sum, a histogram's count.
fn amount(value: &DecodedValue) -> u64 {
    match value {
        DecodedValue::Sum(sum) => *sum as u64,
        DecodedValue::Histogram { count, .. } | DecodedValue::Exponential { count, .. } => *count,
        DecodedValue::Gauge(_) => panic!("a gauge"),
    }
}

/// The same of all series of each instrument, as the registry has it.
fn totals(registry: Registry<'_>) -> BTreeMap<String, u64> {
    let each = registry.instruments().map(|it| {
        let total = it.series().map(|series| match it.kind() {
            InstrumentKind::Counter => it.counter(series).map_or(0, |total| total.sum),
            _ => it.histogram(series).map_or(0, |total| total.count()),
        });
        (it.name().to_owned(), total.sum())
    });
    each.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn intervals_add_up_to_what_was_counted_whichever_parts_are_settled(
        rounds in vec(any_round(), 0..8),
        which in 0..ALL.len(),
    ) {
        deltas(&Box::<Places>::default(), &rounds, ALL[which]);
        deltas(&Box::<Places<Classic>>::default(), &rounds, ALL[which]);
    }
}

#[test]
fn each_instrument_is_shown_with_all_that_was_said_of_it_and_without_an_outcome() {
    let storage = Box::<Places>::default();
    let (registry, resource) = (storage.registry(), Resource::new("shop"));
    let handles = declare(registry);
    let one = registry.series("GET", "/one");
    let scenario = registry.series_with_labels("", "", [("scenario", "checkout")]).unwrap();
    let mut recorder = registry.recorder();
    recorder.record(one, Sample::ok(Duration::ZERO));
    recorder.add(handles.failed, scenario, 3);
    recorder.add(handles.failed, Series::OVERFLOW, 4);
    for millis in [2, 5_000] {
        recorder.observe(handles.first_byte, one, Duration::from_millis(millis));
    }
    recorder.observe(handles.sent, one, 0);
    recorder.observe_in_run(handles.iteration, Duration::from_micros(1_500));
    let sources = Sources::new(registry, &resource);
    let [(part, request)] = &parts(OwnExport::new(registry, at(1), at(2)), sources, usize::MAX)[..] else {
        panic!("one part")
    };
    assert_eq!((part.points, part.observations, part.next.observations()), (7, 6, 6));
    assert!(part.next.is_complete());
    let seen: Vec<_> = points([&request[..]])
        .into_iter()
        .map(|point| {
            let shown = match point.value {
                DecodedValue::Sum(sum) => format!("{sum}"),
                DecodedValue::Histogram { count, sum, .. } => format!("{count} {sum}"),
                other => panic!("{other:?}"),
            };
            let attributes: Vec<_> = point.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
            (point.metric, point.unit, attributes.join(","), shown)
        })
        .collect();
    let overflow = format!("{OVERFLOW}=true");
    let expected = [
        ("loaddensity.checks_failed", "1", overflow.as_str(), "4"),
        ("loaddensity.checks_failed", "1", "method=GET,name=/one", "0"),
        ("loaddensity.checks_failed", "1", "method=REQ,name=unknown,scenario=checkout", "3"),
        ("loaddensity.time_to_first_byte", "ms", "method=GET,name=/one", "2 5002"),
        ("loaddensity.iterations", "By", "", "0"),
        ("loaddensity.sent", "By", "method=GET,name=/one", "1 0"),
        ("loaddensity.iteration", "ms", "", "1 1.5"),
    ];
    assert_eq!(seen, expected.map(|(a, b, c, d)| (a.to_owned(), b.to_owned(), c.to_owned(), d.to_owned())));
}

#[test]
fn no_length_is_cut_wrongly() {
    let storage = Box::<Places>::default();
    let (registry, resource) = (storage.registry(), Resource::new("shop"));
    let mut engine = Engine::new(registry, &spellings());
    let each = |what| (0..8).map(move |series| (what, series, 1_000_000 * series as u64));
    let steps: Vec<Step> = (0..6).flat_map(each).collect();
    engine.follow(&steps);
    for options in ALL {
        let sources = Sources::new(registry, &resource).with_options(options);
        let export = OwnExport::new(registry, at(1), at(2));
        let whole = parts(export, sources, usize::MAX)[0].0;
        assert_eq!(whole.points, engine.expected(options).len());
        let mut least = 1;
        for limit in (0..whole.bytes + 600).step_by(5) {
            let mut buffer = vec![0xff; 1 << 16];
            let part = export.next_request(sources.with_limit(limit), &mut buffer).expect("room").expect("points");
            assert!(part.bytes <= limit || part.points == 1, "{} points in {} bytes", part.points, part.bytes);
            assert!(part.points >= least, "a longer part has fewer points");
            least = part.points;
            canonical(unframe(part.of(&buffer)).expect("a frame")).expect("canonical");
        }
        assert_eq!(least, whole.points);
    }
}

#[test]
fn nasty_names_survive_in_one_request_and_in_many() {
    static STORAGE: Storage<1_024, 2, 2, Exponential, 2, 3> = Storage::new();
    let (registry, resource) = (STORAGE.registry(), Resource::new("shop"));
    let names: Vec<_> = nasty_recording().into_iter().map(|(spelling, _)| spelling).collect();
    let mut engine = Engine::new(registry, &names);
    let steps: Vec<Step> = (0..names.len()).map(|number| (number % 5, number, 1_000 * number as u64)).collect();
    engine.follow(&steps);
    for options in ALL {
        let sources = Sources::new(registry, &resource).with_options(options);
        for (limit, least) in [(0, steps.len()), (8_192, 5), (1 << 20, 1)] {
            let parts = parts(OwnExport::new(registry, at(1), at(2)), sources, limit);
            assert!(parts.len() >= least.min(parts.iter().map(|(part, _)| part.points).sum()));
            assert!(limit < 1 << 20 || parts.len() == 1, "one would do");
            judge(&engine, options, (1, 2), points(parts.iter().map(|(_, request)| &request[..])));
        }
    }
}

#[test]
fn a_point_that_fits_nowhere_can_be_passed_over() {
    let storage = Box::<Places>::default();
    let (registry, resource) = (storage.registry(), Resource::new("shop"));
    let mut engine = Engine::new(registry, &spellings());
    engine.follow(&[(0, 0, 7), (1, 1, 5), (1, 1, 6), (2, 0, 9), (3, 7, 1), (4, 0, 8), (5, 2, 3)]);
    let sources = Sources::new(registry, &resource);
    let first = OwnExport::new(registry, at(1), at(2));
    let shown = parts(first, sources, 0);
    assert_eq!(shown.len(), engine.expected(EXPLICIT).len());
    for length in [0, 100, 600] {
        let error = first.next_request(sources, &mut vec![0; length]);
        assert_eq!(error, Err(TooSmall { needed: MIN_REQUEST }), "{length}");
    }
    let exponential = sources.with_options(ALL[1]);
    let error = first.next_request(exponential, &mut [0; 100]);
    assert_eq!(error, Err(TooSmall { needed: MIN_OPTIONS_REQUEST }));
    let mut export = first;
    for (part, _) in &shown {
        let passed = export.skip(sources).expect("a point");
        assert_eq!((passed.bytes, passed.points, passed.observations), (0, 1, part.observations));
        assert_eq!(first.weights_until(passed.next, sources), first.weights_until(part.next, sources));
        assert_eq!(passed.next.observations(), part.next.observations());
        export = passed.next;
    }
    assert_eq!((export.skip(sources), export.observations()), (None, engine.observations()));
    assert_eq!(first.weights_until(first, sources), Weights::default());
}

#[test]
fn bare_messages_are_the_framed_ones_and_a_later_time_is_that_of_the_rest() {
    let storage = Box::<Places>::default();
    let (registry, resource) = (storage.registry(), Resource::new("shop"));
    let mut engine = Engine::new(registry, &spellings());
    engine.follow(&[(0, 0, 7), (1, 1, 5), (2, 0, 9), (4, 0, 8)]);
    let sources = Sources::new(registry, &resource);
    let (mut framed, mut bare) = ([0xff; MIN_OPTIONS_REQUEST], [0xff; MIN_OPTIONS_REQUEST]);
    let first = OwnExport::new(registry, at(1), at(2));
    let part = first.next_request(sources.with_limit(0), &mut framed).unwrap().unwrap();
    let same = first.next_message(sources.with_limit(0), &mut bare).unwrap().unwrap();
    assert_eq!((unframe(part.of(&framed)), same.next), (Ok(same.of(&bare)), part.next));
    let rest = parts(part.next.at(at(9)), sources, usize::MAX);
    let mut all = points(rest.iter().map(|(_, request)| &request[..]));
    assert!(all.len() > 2 && all.iter().all(|point| (point.start, point.time) == (1, 9)), "{all:?}");
    all.iter_mut().for_each(|point| point.time = 2);
    all.extend(points([part.of(&framed)]));
    judge(&engine, EXPLICIT, (1, 2), all);
}

#[test]
fn what_is_declared_while_a_cycle_goes_on_is_in_the_next_one() {
    let storage = Box::new(Storage::<4, 1, 2, Exponential, 3>::new());
    let (registry, resource) = (storage.registry(), Resource::new("shop"));
    let sources = Sources::new(registry, &resource);
    let metrics = |export: OwnExport| {
        let parts = parts(export, sources, 0);
        points(parts.iter().map(|(_, request)| &request[..])).into_iter().map(|point| point.metric).collect::<Vec<_>>()
    };
    let before = OwnExport::new(registry, at(1), at(2));
    assert!(before.is_complete() && before.next_request(sources, &mut []) == Ok(None));
    registry.run_counter("a", Unit::One, "").unwrap();
    registry.counter("b", Unit::One, "").unwrap();
    let under_way = OwnExport::new(registry, at(1), at(2));
    registry.run_counter("c", Unit::One, "").unwrap();
    // What counts per series is not shown before its series has counted anything.
    assert_eq!((metrics(before), metrics(under_way)), (vec![], vec!["loaddensity.a".to_owned()]));
    assert_eq!(metrics(OwnExport::new(registry, at(1), at(2))), ["loaddensity.c", "loaddensity.a"]);
}

#[test]
fn many_silent_series_are_passed_over_in_turns() {
    static STORAGE: Storage<256, 1, 2, Classic, 2> = Storage::new();
    let (registry, resource) = (STORAGE.registry(), Resource::new("shop"));
    let counters = ["a", "b"].map(|name| registry.counter(name, Unit::One, "").unwrap());
    let series: Vec<_> = (0..200).map(|number| registry.series("GET", &format!("/{number}"))).collect();
    let mut recorder = registry.recorder();
    for number in [10, 150] {
        recorder.add(counters[0], series[number], 1);
    }
    let sources = Sources::new(registry, &resource);
    let whole = parts(OwnExport::new(registry, at(1), at(2)), sources, usize::MAX);
    // Each of both instruments has 201 series, two of which show it.
    for (turn, least) in [(0, 390), (1, 390), (30, 10), (199, 1), (1_000, 0)] {
        let parts = parts(OwnExport::new(registry, at(1), at(2)), sources.with_turn(turn), usize::MAX);
        let (empty, full): (Vec<_>, Vec<_>) = parts.iter().partition(|(part, _)| part.points == 0);
        assert!(empty.iter().all(|(part, request)| (part.bytes, part.observations, request.len()) == (0, 0, 0)));
        assert!(parts.len() > least && empty.len() <= 400, "{} parts in turns of {turn}", parts.len());
        let shown = |parts: Vec<&(OwnPart, Vec<u8>)>| {
            let mut all = points(parts.into_iter().map(|(_, request)| &request[..]));
            all.sort_by_key(key_of);
            all
        };
        assert_eq!(shown(full), shown(whole.iter().collect()), "turns of {turn}");
    }
}

#[test]
fn a_sum_beyond_the_largest_signed_number_stays_at_that() {
    let storage = Box::new(Storage::<4, 1, 2, Classic, 1>::new());
    let (registry, resource) = (storage.registry(), Resource::new("shop"));
    let counter = registry.run_counter("a", Unit::One, "").unwrap();
    let mut recorder = registry.recorder();
    let sum = || {
        let parts = parts(OwnExport::new(registry, at(1), at(2)), Sources::new(registry, &resource), 0);
        points(parts.iter().map(|(_, request)| &request[..]))[0].value.clone()
    };
    (0..(1 << 13) - 1).for_each(|_| recorder.add_to_run(counter, LARGEST));
    assert_eq!(sum(), DecodedValue::Sum(((1 << 13) - 1) << 50));
    recorder.add_to_run(counter, LARGEST);
    assert_eq!(sum(), DecodedValue::Sum(i64::MAX));
}

/// The longest of all that surrounds a point, and histograms with all their buckets.
fn longest<H: Histograms>(storage: &Storage<4, 1, 2, H, 0, 2>, options: ExportOptions, least: usize) -> DecodedValue {
    let registry = storage.registry();
    let mut resource = Resource::new("shop");
    resource.put("k", &"v".repeat(1_490)).unwrap();
    let (name, description) = ("n".repeat(48), "d".repeat(128));
    let histogram = registry.histogram(&name, Unit::Bytes, &description).unwrap();
    let timer = registry.timer("t", "").unwrap();
    let keys = ["k", "l", "m", "n", "o", "p", "q", "r"];
    let values = keys.map(|key| (key, "v".repeat(LABEL_BYTES / keys.len() - key.len())));
    let labels = values.iter().map(|(key, value)| (*key, value.as_str()));
    let series = registry.series_with_labels(&"m".repeat(32), &"p".repeat(255), labels).unwrap();
    let mut recorder = registry.recorder();
    let mut value = 1.0_f64;
    while value < 2e10 {
        recorder.observe(histogram, series, value as u64);
        recorder.observe(timer, series, Duration::from_nanos((value * 900.0) as u64));
        value *= 1.04;
    }
    let sources = Sources::new(registry, &resource).with_options(options);
    let (mut export, mut buffer, mut all) = (OwnExport::new(registry, at(1), at(2)), vec![0xff; least], Vec::new());
    let error = export.next_request(sources, &mut [0; 2_000]);
    assert_eq!(error, Err(TooSmall { needed: least }));
    while let Some(part) = export.next_request(sources, &mut buffer).expect("room for one point") {
        all.extend(points([part.of(&buffer)]));
        export = part.next;
    }
    let of = |metric: &str| all.iter().find(|point| point.metric == metric).expect("a point");
    assert_eq!((all.len(), export.observations()), (2, registry.observations()));
    let longest = of(&format!("loaddensity.{name}"));
    assert_eq!((longest.description.as_str(), longest.attributes.len()), (description.as_str(), 10));
    longest.value.clone()
}

#[test]
fn the_longest_point_fits_where_any_does() {
    let longest_of = |options, least| longest(&Box::<Storage<4, 1, 2, Exponential, 0, 2>>::default(), options, least);
    let exponential = longest_of(ALL[1], MIN_OPTIONS_REQUEST);
    assert!(
        matches!(&exponential, DecodedValue::Exponential { buckets, .. } if buckets.len() > 200),
        "{exponential:?}"
    );
    let explicit = longest_of(ALL[2], MIN_ANY_REQUEST);
    assert!(matches!(&explicit, DecodedValue::Histogram { bounds, .. } if bounds.len() == 19), "{explicit:?}");
    // The most bounds, all of one quantity.
    let storage = Box::<Storage<4, 1, 2, Classic, 0, 2>>::default();
    let sizes: Vec<u64> = (1..=MAX_BOUNDS as u64).collect();
    storage.registry().set_bounds(&Bounds::new(&[], &sizes).unwrap()).unwrap();
    let classic = longest(&storage, EXPLICIT, MIN_ANY_REQUEST);
    assert!(matches!(&classic, DecodedValue::Histogram { bounds, .. } if bounds.len() == MAX_BOUNDS), "{classic:?}");
}

#[test]
fn an_interval_of_observations_alone_begins_where_the_last_settled_one_ended() {
    let storage = Box::<Places>::default();
    let (registry, resource) = (storage.registry(), Resource::new("shop"));
    let handles = declare(registry);
    let memory = vec![0; DeltaInterval::<Vec<u64>>::words(registry, EXPLICIT)];
    let (interval, _) = DeltaInterval::new(registry, EXPLICIT, memory, at(1)).expect("room");
    assert_eq!((interval.own_export(registry), interval.observations_unsettled()), (None, 0));
    let memory = vec![0; ObservedRows::<Vec<u64>>::words(registry)];
    let mut interval = interval.with_instruments(ObservedRows::new(registry, memory).expect("room").0);
    let mut recorder = registry.recorder();
    recorder.add_to_run(handles.iterations, 3);
    // The requests are read, and of own instruments some: it ends anew and is still the same.
    interval.begin_to_end(at(10));
    assert!(!interval.read_some(registry, 1));
    interval.begin_to_end(at(20));
    while !interval.read_some(registry, 1) {}
    let mut buffer = vec![0; MIN_OPTIONS_REQUEST];
    let mut shown = |interval: &DeltaInterval<Vec<u64>>| {
        let (export, sources) =
            (interval.own_export(registry).unwrap(), Sources::of_interval(registry, &resource, interval));
        let part = export.next_request(sources, &mut buffer).unwrap()?;
        let points = delta_points(part.of(&buffer));
        assert_eq!(points.len(), 1);
        Some((points[0].start, points[0].time, amount(&points[0].value)))
    };
    assert_eq!(shown(&interval), Some((1, 20, 3)));
    // Nobody took it.
    recorder.add_to_run(handles.iterations, 4);
    interval.end(registry, at(30));
    assert_eq!(shown(&interval), Some((1, 30, 7)));
    let export = interval.own_export(registry).unwrap();
    let end = export.skip(Sources::of_interval(registry, &resource, &interval)).unwrap().next;
    assert_eq!(interval.settle_instruments(registry, export, end), 2);
    interval.end(registry, at(40));
    assert_eq!(shown(&interval), None);
    recorder.add_to_run(handles.iterations, 5);
    interval.end(registry, at(50));
    assert_eq!(shown(&interval), Some((40, 50, 5)));
}
