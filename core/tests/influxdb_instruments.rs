//! Lines of own instruments per interval: read by InfluxData's parser and by a reader of what all versions agree on, and
//! compared with the registry's totals; then posted to servers that do as they like.

use loaddensity_metrics_core::export::items::Items;
use loaddensity_metrics_core::export::posts::{InstrumentPoints, PostAction, PostLimits, PostMachine, Schedule};
use loaddensity_metrics_core::export::verdict::Said;
use loaddensity_metrics_core::export::{BodyInput, Now, Random, Tick};
use loaddensity_metrics_core::influxdb::{
    BodyLimits, InstrumentEncoder, InstrumentPlace, InstrumentRows, IntervalTimes, Precision,
};
use loaddensity_metrics_core::{
    Classic, ConstantLabels, DropReason, Exponential, Exporter, InstrumentKind, ObservedRows, Phase, Reach, Recorder,
    Registry, Series, ShownUnit, Storage, Timestamp, TooFewWords, Unit,
};
use loaddensity_metrics_vectors::influx::{ParsedPoint, ParsedValue, parse, portable};
use std::collections::BTreeMap;
use std::time::Duration;

type Engine<H = Exponential> = Storage<5, 2, 2, H, 2, 4>;
type Rows<'a> = InstrumentRows<'a, Vec<u64>>;

const MEASUREMENT: &str = "load_instruments";
const AT: Timestamp = Timestamp::from_unix_nanos(1_700_000_000_123_456_789);
const SECOND: Duration = Duration::from_secs(1);
const STORED: Reply = Reply::Says(Said::Stored);

/// The registry has no room for the last one, so that it is the overflow series.
const SERIES: [&str; 5] = ["/a", "/b c", "/d,e=f", "/g", "/overflow"];
/// What the overflow series is called.
const OVERFLOW: &str = "overflow";
const INSTRUMENTS: usize = 6;

fn encoder(registry: Registry<'_>) -> InstrumentEncoder<'_> {
    let labels = ConstantLabels::new([("mez", "x y"), ("zone", "7")]).expect("tags that every format takes");
    InstrumentEncoder::new(registry, MEASUREMENT, &labels, Precision::Nanosecond).expect("a plain measurement")
}

/// Rows in memory that held something else.
fn rows(registry: Registry<'_>) -> Rows<'_> {
    let memory = vec![7; ObservedRows::<Vec<u64>>::words(registry)];
    let (rows, _) = ObservedRows::new(registry, memory).expect("as many words as it asks for");
    InstrumentRows::new(registry, rows, vec![7; Rows::words(registry)]).expect("as many words as it asks for")
}

fn series(registry: Registry<'_>, number: usize) -> Series {
    SERIES[..number].iter().for_each(|name| _ = registry.series("GET", name));
    registry.series("GET", SERIES[number])
}

/// The tag that lines have of a series.
fn name_of(registry: Registry<'_>, wanted: Series) -> &'static str {
    let found = (0..SERIES.len()).find(|number| series(registry, *number) == wanted);
    found.filter(|_| wanted != Series::OVERFLOW).map_or(OVERFLOW, |number| SERIES[number])
}

/// Records a value with one of the instruments, which is declared now if it is new.
fn record(recorder: &mut Recorder<'_>, instrument: usize, series: Series, value: u64) {
    let registry = recorder.registry();
    let time = Duration::from_nanos(value);
    match instrument {
        0 => recorder.add(registry.counter("checks", Unit::One, "").unwrap(), series, value),
        1 => recorder.add_to_run(registry.run_counter("sent", Unit::Bytes, "").unwrap(), value),
        2 => recorder.observe(registry.timer("first_byte", "").unwrap(), series, time),
        3 => recorder.observe(registry.histogram("batch", Unit::One, "").unwrap(), series, value),
        4 => recorder.observe_in_run(registry.run_timer("iteration", "").unwrap(), time),
        _ => recorder.observe(registry.histogram("body", Unit::Bytes, "").unwrap(), series, value),
    }
}

fn record_any(recorder: &mut Recorder<'_>, random: &mut Random, value: u64) {
    let of = series(recorder.registry(), random.below(SERIES.len()));
    record(recorder, random.below(INSTRUMENTS), of, value);
}

/// What both readers make of a body.
fn points(body: &[u8]) -> Vec<ParsedPoint> {
    let points = parse(body).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(body)));
    let text = std::str::from_utf8(body).expect("a text");
    let strict: Vec<_> = text.split('\n').map(|line| portable(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    assert_eq!(points, strict);
    points
}

/// All bodies of what is not settled, each of at most so many rows and bytes, which are settled.
fn bodies(rows: &mut Rows<'_>, registry: Registry<'_>, limits: BodyLimits, at: Timestamp) -> Vec<Vec<u8>> {
    let (mut from, mut all, mut out) = (InstrumentPlace::FIRST, Vec::new(), vec![0xff; 8_192]);
    loop {
        let body = rows.pack(&encoder(registry), from, at, limits, &mut out).expect("a row fits");
        if body.rows == 0 {
            assert_eq!((body.bytes, rows.unsettled(), rows.waiting()), (0, 0, 0));
            return all;
        }
        let (weights, next) = rows.weights(from, body.rows);
        assert_eq!((next, rows.settle(from, body.next)), (body.next, weights.all()));
        all.push(out[..body.bytes].to_vec());
        from = body.next;
    }
}

/// A database: tags and time to fields. Points of one series and time become one.
#[derive(Default)]
struct Database(BTreeMap<(Vec<(String, String)>, i64), BTreeMap<String, f64>>);

impl Database {
    fn store(&mut self, points: Vec<ParsedPoint>) {
        for point in points {
            assert_eq!(point.measurement, MEASUREMENT);
            assert!(point.tag("outcome").is_none() && point.tags.is_sorted(), "{point:?}");
            let row = self.0.entry((point.tags, point.timestamp.expect("a time"))).or_default();
            for (name, value) in point.fields {
                let is_float = name.contains("_ms_") && !name.ends_with("_count");
                assert_eq!(matches!(value, ParsedValue::Float(_)), is_float, "{name} is {value:?}");
                let value = number(&value);
                let before = row.insert(name.clone(), value);
                assert!(before.is_none_or(|before| before == value), "{name} has two values at one time");
            }
        }
    }

    /// The sum of a field over all times.
    fn sum(&self, name: Option<&str>, field: &str) -> f64 {
        let is_of = |tags: &[(String, String)]| tags.iter().find(|tag| tag.0 == "name").map(|tag| &*tag.1) == name;
        let rows = self.0.iter().filter(|((tags, _), _)| is_of(tags));
        rows.filter_map(|(_, fields)| fields.get(field)).sum()
    }

    /// Compares the sums of all intervals with the registry's totals, and looks at the steps of each.
    fn check_totals(&self, registry: Registry<'_>) {
        for instrument in registry.instruments() {
            let unit = match instrument.unit() {
                ShownUnit::Milliseconds => "_ms",
                ShownUnit::Bytes => "_bytes",
                _ => "",
            };
            let name = format!("{}{unit}", instrument.name());
            let scale = if unit == "_ms" { 1e-6 } else { 1.0 };
            for series in instrument.series() {
                let tag = match instrument.reach() {
                    Reach::Run => None,
                    _ => Some(name_of(registry, series)),
                };
                let sum = |field: &str| self.sum(tag, &format!("{name}{field}"));
                let is_near = |found: f64, total: u64| {
                    let total = total as f64 * scale;
                    assert!((found - total).abs() <= 1e-9 * total, "{name} of {tag:?}: {found} beside {total}");
                };
                match instrument.kind() {
                    InstrumentKind::Counter => is_near(sum(""), instrument.counter(series).unwrap().sum),
                    _ => {
                        let total = instrument.histogram(series).unwrap();
                        is_near(sum("_sum"), total.sum);
                        assert_eq!(sum("_count"), total.count() as f64, "{name} of {tag:?}");
                    }
                }
            }
        }
        for fields in self.0.values() {
            for prefix in fields.keys().filter_map(|name| name.strip_suffix("_p50")) {
                let steps = ["min", "p50", "p95", "p99", "max"].map(|step| fields[&format!("{prefix}_{step}")]);
                assert!(steps.is_sorted(), "{prefix}: {steps:?}");
            }
        }
    }
}

fn number(value: &ParsedValue) -> f64 {
    match value {
        ParsedValue::Integer(value) => *value as f64,
        ParsedValue::Float(value) => *value,
        _ => panic!("{value:?} is no number"),
    }
}

/// The observations that fields stand for, where each call raised a counter by 1.
fn observations<'f>(fields: impl Iterator<Item = (&'f String, f64)>) -> u64 {
    let is_number = |name: &str| matches!(name, "checks" | "sent_bytes") || name.ends_with("_count");
    fields.filter(|(name, _)| is_number(name)).map(|(_, value)| value as u64).sum()
}

#[test]
fn a_line_has_the_fields_of_all_instruments_that_have_news() {
    let storage = Box::<Engine>::default();
    let (registry, mut recorder) = (storage.registry(), storage.registry().recorder());
    let mut rows = rows(registry);
    let (a, b) = (series(registry, 0), series(registry, 1));
    record(&mut recorder, 0, a, 3);
    record(&mut recorder, 1, a, 1 << 50);
    record(&mut recorder, 2, a, 850_000);
    record(&mut recorder, 4, a, 2_000_000);
    record(&mut recorder, 5, b, 7);
    record(&mut recorder, 0, b, 0);
    assert_eq!((rows.freeze(), rows.waiting()), (6, 6));
    let mut out = [0; 2_000];
    let body = rows.pack(&encoder(registry), InstrumentPlace::FIRST, AT, BodyLimits::NONE, &mut out).unwrap();
    let tags = |name: &str| format!("load_instruments,method=GET,mez=x\\ y,name={name},zone=7");
    // One value is all percentiles, and both extremes.
    let timer = |name: &str, millis: &str| {
        let further = ["sum", "min", "max", "p50", "p95", "p99"].map(|field| format!(",{name}_ms_{field}={millis}"));
        format!("{name}_ms_count=1i{}", further.concat())
    };
    let bytes =
        ["count=1", "sum=7", "min=7", "max=7", "p50=7", "p95=7", "p99=7"].map(|field| format!(",body_bytes_{field}i"));
    let expected = [
        format!(
            "load_instruments,mez=x\\ y,zone=7 sent_bytes=1125899906842624i,{} 1700000000123456789",
            timer("iteration", "2")
        ),
        format!("{} checks=3i,{} 1700000000123456789", tags("/a"), timer("first_byte", "0.85")),
        format!("{} checks=0i{} 1700000000123456789", tags("/b\\ c"), bytes.concat()),
    ];
    assert_eq!(std::str::from_utf8(&out[..body.bytes]).unwrap(), expected.join("\n"));
    assert_eq!((points(&out[..body.bytes]).len(), body.rows), (3, 6));
    assert_eq!(rows.weights(InstrumentPlace::FIRST, 6).0.heaviest(2), 4, "two lines, not two instruments");
    assert_eq!((rows.settle(InstrumentPlace::FIRST, InstrumentPlace::END), rows.freeze()), (6, 0));
}

fn intervals_add_up<H: loaddensity_metrics_core::Histograms>(storage: &Engine<H>, seed: u64) {
    let registry = storage.registry();
    let (mut random, mut rows) = (Random::new(seed), rows(registry));
    let mut recorders = [0, 1, 2].map(|_| registry.recorder());
    let (mut database, mut sizes) = (Database::default(), 0);
    for interval in 0..12_u64 {
        for number in 0..random.below(60) {
            let value = random.next() >> (14 + random.below(40));
            record_any(&mut recorders[number % 3], &mut random, value);
        }
        match interval % 3 {
            0 => assert_eq!(rows.freeze(), rows.unsettled()),
            _ => {
                rows.begin_to_freeze();
                while !rows.freeze_some(1) {}
            }
        }
        // Some intervals fail whole, and some in part.
        if interval % 4 == 3 {
            continue;
        }
        let points_of = [1, 2, 5, usize::MAX][random.below(4)];
        let bytes = [0, 150, 700, 1_400, usize::MAX][random.below(5)];
        let at = Timestamp::from_unix_nanos(AT.as_unix_nanos() + interval);
        for body in bodies(&mut rows, registry, BodyLimits { points: points_of, bytes }, at) {
            sizes += 1;
            let points = points(&body);
            let fields: usize = points.iter().map(|point| point.fields.len()).sum();
            assert!(body.len() <= bytes || points.len() == 1 && fields <= 7, "{}", body.len());
            database.store(points);
        }
    }
    rows.freeze();
    bodies(&mut rows, registry, BodyLimits::NONE, AT.max(Timestamp::from_unix_nanos(u64::MAX / 4)))
        .iter()
        .for_each(|body| database.store(points(body)));
    assert!(sizes > 8);
    database.check_totals(registry);
}

#[test]
fn whatever_is_recorded_the_lines_of_all_intervals_add_up_to_the_totals() {
    for seed in 0..40 {
        intervals_add_up(&Box::<Engine>::default(), seed);
        intervals_add_up(&Box::<Engine<Classic>>::default(), seed);
    }
}

#[test]
fn a_series_with_more_than_a_body_holds_is_one_point_from_several_bodies() {
    let storage = Box::<Engine>::default();
    let (registry, mut recorder) = (storage.registry(), storage.registry().recorder());
    let (mut rows, a) = (rows(registry), series(registry, 0));
    [0, 2, 3, 5].into_iter().for_each(|instrument| record(&mut recorder, instrument, a, 5_000_000));
    rows.freeze();
    let whole = {
        let mut out = [0; 2_000];
        let body = rows.pack(&encoder(registry), InstrumentPlace::FIRST, AT, BodyLimits::NONE, &mut out).unwrap();
        points(&out[..body.bytes])
    };
    let longest = BodyLimits { bytes: 300, ..BodyLimits::NONE };
    let parts: Vec<_> = bodies(&mut rows, registry, longest, AT).iter().flat_map(|body| points(body)).collect();
    assert_eq!((whole.len(), parts.len()), (1, 3));
    assert!(parts.iter().all(|part| part.tags == whole[0].tags && part.timestamp == whole[0].timestamp));
    assert_eq!(parts.into_iter().flat_map(|part| part.fields).collect::<Vec<_>>(), whole[0].fields);
}

#[test]
fn a_row_that_fits_nowhere_is_told_and_the_buffer_of_its_line_is_enough() {
    let storage = Box::<Engine>::default();
    let (registry, mut recorder) = (storage.registry(), storage.registry().recorder());
    let (mut rows, a) = (rows(registry), series(registry, 0));
    record(&mut recorder, 0, a, 7);
    rows.freeze();
    let encoder = encoder(registry);
    let pack = |out: &mut [u8]| rows.pack(&encoder, InstrumentPlace::FIRST, AT, BodyLimits::NONE, out);
    let length = pack(&mut [0; 500]).unwrap().bytes;
    for room in 0..length {
        let mut out = vec![0; room];
        let error = pack(&mut out).unwrap_err();
        assert_eq!(error.observations, 1, "{room}");
        assert!(error.to_string().contains("larger"));
    }
    let mut out = vec![0; length];
    assert_eq!(pack(&mut out).unwrap().bytes, length);
    points(&out);
}

#[test]
fn memory_that_is_too_small_is_refused_and_a_registry_without_instruments_has_no_line() {
    let storage = Box::<Storage<5, 1, 2>>::default();
    let registry = storage.registry();
    assert_eq!(Rows::words(registry), 6);
    let observed = || ObservedRows::new(registry, Vec::new()).unwrap().0;
    let refused = InstrumentRows::new(registry, observed(), vec![0; 5]).map(|rows| rows.waiting());
    assert_eq!(refused, Err(TooFewWords { needed: 6, given: 5 }));
    let mut rows = InstrumentRows::new(registry, observed(), vec![0; 6]).unwrap();
    registry.recorder().record(registry.series("GET", "/x"), loaddensity_metrics_core::Sample::ok(Duration::ZERO));
    assert_eq!((rows.freeze(), rows.waiting(), rows.before()), (0, 0, 0));
    let body = rows.pack(&encoder(registry), InstrumentPlace::FIRST, AT, BodyLimits::NONE, &mut [0; 500]);
    assert_eq!(body.map(|body| (body.bytes, body.rows)), Ok((0, 0)));
}

/// What becomes of a body.
#[derive(Clone, Copy)]
enum Reply {
    Says(Said),
    /// The connection breaks after the body went out.
    Breaks,
}

/// A machine, a server that is always there, and an account.
struct Bench<'a> {
    registry: Registry<'a>,
    posts: PostMachine,
    items: InstrumentPoints<'a, Vec<u64>>,
    out: Vec<u8>,
    now: Tick,
    bodies: usize,
    is_done: bool,
}

impl<'a> Bench<'a> {
    fn new(registry: Registry<'a>, bytes: usize, seed: u64) -> Self {
        let rows = rows(registry);
        let accounts = registry.pump().expect("no other reads this storage").accounts().observations();
        let ledger = accounts.open_after(Exporter::Influxdb, rows.before());
        let times = IntervalTimes::new(Precision::Nanosecond, SECOND, Phase::NONE);
        let items = InstrumentPoints::new(registry, (rows, ledger), (encoder(registry), times));
        let schedule = Schedule::Intervals { every: SECOND, always_anew: false };
        let limits = PostLimits::new(SECOND, bytes, schedule).points(9);
        let (posts, now) = (PostMachine::new(&limits, seed), Tick::default());
        Self { registry, posts, items, out: vec![0; bytes], now, bodies: 0, is_done: false }
    }

    /// Lets all happen that is due now.
    fn step(&mut self, server: &mut impl FnMut(&[u8]) -> Reply) {
        let address = ([192, 0, 2, 1], 8086).into();
        // Reading an interval is done in turns, which are waited for.
        for _ in 0..10_000 {
            let now = Now { tick: self.now, wall: Timestamp::from_unix_nanos(self.now.as_nanos()) };
            let posts = &mut self.posts;
            match posts.poll(now, &mut self.items, &mut self.out) {
                PostAction::Resolve { id } => posts.handle(now, BodyInput::Resolved { id, addresses: &[address] }),
                PostAction::Connect { id, .. } => posts.handle(now, BodyInput::Connected { id }),
                PostAction::Send { id, range } => {
                    self.bodies += 1;
                    posts.handle(
                        now,
                        match server(&self.out[range]) {
                            Reply::Says(said) => BodyInput::Answer { id, said },
                            Reply::Breaks => BodyInput::Failed { id, began: true, kept: false },
                        },
                    );
                }
                PostAction::Cancel { id } => posts.handle(now, BodyInput::Failed { id, began: true, kept: false }),
                PostAction::Wait { until, .. } if until.since(self.now) > Duration::from_millis(1) => return,
                PostAction::Wait { until, .. } => self.now = until.max(self.now),
                PostAction::Done { .. } => {
                    self.is_done = true;
                    return;
                }
            }
        }
        panic!("it does not come to rest");
    }

    /// So many tenths of a second.
    fn run(&mut self, tenths: u32, server: &mut impl FnMut(&[u8]) -> Reply) {
        for _ in 0..tenths {
            self.step(server);
            self.now = self.now.after(SECOND / 10);
        }
    }

    fn stop(&mut self, server: &mut impl FnMut(&[u8]) -> Reply) {
        let now = Now { tick: self.now, ..Now::default() };
        self.posts.handle(now, BodyInput::Stop { deadline: self.now.after(5 * SECOND) });
        self.run(100, server);
        assert!(self.is_done && self.items.is_empty());
    }

    /// The account, which must add up without anything that is held.
    fn settled(&self) -> (u64, u64, u64) {
        let account = self.registry.observation_account(Exporter::Influxdb);
        let (sent, dropped) = (account.sent, account.dropped);
        assert_eq!((sent + dropped.total(), account.held), (self.registry.observations(), 0), "{account:?}");
        assert_eq!(self.registry.account(Exporter::Influxdb).recorded, 0, "requests have a ledger of their own");
        (sent, dropped.total(), dropped.get(DropReason::Unconfirmed))
    }
}

#[test]
fn a_good_server_gets_all_and_its_sums_are_the_totals() {
    for (seed, bytes) in [(1, 512), (2, 1_400), (3, 1 << 20)] {
        let storage = Box::<Engine>::default();
        let (registry, mut random) = (storage.registry(), Random::new(seed));
        let (mut bench, mut recorder) = (Bench::new(registry, bytes, seed), registry.recorder());
        let mut database = Database::default();
        let mut server = |body: &[u8]| {
            database.store(points(body));
            STORED
        };
        for _ in 0..40 {
            let value = 1_000 + random.below(1 << 30) as u64;
            record_any(&mut recorder, &mut random, value);
            bench.run(1, &mut server);
        }
        assert!((3..20 * 4).contains(&bench.bodies), "{}", bench.bodies);
        bench.stop(&mut server);
        database.check_totals(registry);
        assert_eq!(bench.settled(), (40, 0, 0));
    }
}

#[test]
fn whatever_a_server_does_every_observation_is_sent_dropped_or_unconfirmed() {
    let away = |may_have_arrived| Reply::Says(Said::Away { at_least: Duration::ZERO, may_have_arrived });
    for seed in 0..60 {
        let storage = Box::<Engine>::default();
        let (registry, mut random) = (storage.registry(), Random::new(seed));
        let (mut bench, mut recorder) = (Bench::new(registry, 700, seed), registry.recorder());
        let (mut database, mut faults) = (Database::default(), Random::new(seed + 1_000));
        let mut server = |body: &[u8]| {
            let mut lines = points(body);
            let reply = match faults.below(14) {
                0 => Reply::Breaks,
                1 => Reply::Says(Said::Unclear),
                2 => Reply::Says(Said::Refused),
                3 => Reply::Says(Said::Ill),
                4 => away(true),
                5 => away(false),
                6 if lines.len() > 1 => Reply::Says(Said::TooLarge),
                7 => Reply::Says(Said::Partial { dropped: 1 + faults.below(lines.len()) as u64 }),
                _ => STORED,
            };
            match reply {
                Reply::Says(Said::Stored) => {}
                Reply::Says(Said::Partial { dropped }) => {
                    // The heaviest, so that no more was stored than is called sent.
                    lines.sort_by_key(|line| {
                        observations(line.fields.iter().map(|(name, value)| (name, number(value))))
                    });
                    lines.truncate(lines.len() - dropped as usize);
                }
                Reply::Breaks | Reply::Says(Said::Unclear | Said::Away { may_have_arrived: true, .. }) => {
                    lines.truncate(faults.below(2) * lines.len());
                }
                _ => lines.clear(),
            }
            database.store(lines);
            reply
        };
        for _ in 0..100 {
            (0..random.below(9)).for_each(|_| record_any(&mut recorder, &mut random, 1));
            bench.run(1, &mut server);
        }
        bench.stop(&mut server);
        let (sent, _, unconfirmed) = bench.settled();
        let stored = observations(database.0.values().flatten().map(|(name, value)| (name, *value)));
        assert!(sent <= stored && stored <= sent + unconfirmed, "{sent} {stored} {unconfirmed}, seed {seed}");
    }
}

#[test]
fn a_series_that_a_server_fails_over_costs_its_own_observations() {
    let storage = Box::<Engine>::default();
    let registry = storage.registry();
    let (mut bench, mut recorder) = (Bench::new(registry, 1 << 16, 7), registry.recorder());
    let mut server = |body: &[u8]| {
        let is_bad =
            points(body).iter().any(|point| point.tag("name") == Some("/b c") && point.field("checks").is_some());
        if is_bad { Reply::Says(Said::Ill) } else { STORED }
    };
    for number in 0..SERIES.len() {
        let of = series(registry, number);
        (0..INSTRUMENTS).for_each(|instrument| record(&mut recorder, instrument, of, 1));
    }
    bench.run(200, &mut server);
    bench.stop(&mut server);
    assert_eq!(bench.settled(), (29, 1, 0));
}

#[test]
fn of_a_body_that_is_taken_in_part_the_heaviest_lines_count_as_refused() {
    let storage = Box::<Engine>::default();
    let registry = storage.registry();
    let (mut bench, mut recorder) = (Bench::new(registry, 1 << 16, 7), registry.recorder());
    for (number, times) in [(0, 1), (1, 4), (2, 2)] {
        let of = series(registry, number);
        (0..times).for_each(|_| record(&mut recorder, 0, of, 1));
        (0..times).for_each(|_| record(&mut recorder, 2, of, 1));
    }
    let mut replies = vec![Reply::Says(Said::Partial { dropped: 1 })];
    let mut server = |_: &[u8]| replies.pop().unwrap_or(STORED);
    bench.run(20, &mut server);
    bench.stop(&mut server);
    assert_eq!(bench.settled(), (6, 8, 0), "both instruments of the second series");
}

#[test]
fn what_fits_into_no_body_is_too_large_and_costs_itself_alone() {
    let storage = Box::<Engine>::default();
    let registry = storage.registry();
    let (mut bench, mut recorder) = (Bench::new(registry, 140, 7), registry.recorder());
    for instrument in [0, 2, 2, 3] {
        record(&mut recorder, instrument, series(registry, 0), 1 << 40);
    }
    let mut database = Database::default();
    let mut server = |body: &[u8]| {
        database.store(points(body));
        STORED
    };
    bench.run(20, &mut server);
    bench.stop(&mut server);
    assert_eq!(bench.settled(), (1, 3, 0));
    let account = registry.observation_account(Exporter::Influxdb);
    assert_eq!(
        (account.dropped.get(DropReason::TooLarge), database.sum(Some("/a"), "checks")),
        (3, (1_u64 << 40) as f64)
    );
}
