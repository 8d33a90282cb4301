//! Instruments of the engine's own as DogStatsD messages per interval, checked by a strict parser of the grammar: what arrives
//! and what is lost adds up to what was recorded, and the account says which of both it was.

use loaddensity_metrics_core::dogstatsd::{
    Cardinality, ConstantTags, InstrumentMessageEncoder, MessageEncoder, Origin, RowMessages,
};
use loaddensity_metrics_core::export::Now;
use loaddensity_metrics_core::export::datagrams::InstrumentMessages;
use loaddensity_metrics_core::export::items::Items;
use loaddensity_metrics_core::{
    Accounts, Classic, DropReason, Exponential, Exporter, Full, Histograms, Label, ObservedRows, Recorder, Registry,
    SampleRate, Series, Storage, Unit,
};
use loaddensity_metrics_vectors::contract::{Format, ShownLabels, Spelling, millis, observed};
use loaddensity_metrics_vectors::dogstatsd::{MessageType, ParsedMessage, parse};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

type StatsdEngine<H = Exponential> = Storage<4, 2, 2, H, 2, 3>;

/// The name, whether times are observed, and whether it is of the run.
const INSTRUMENTS: [(&str, OwnKind, bool); 5] = [
    ("checks", OwnKind::Counter, false),
    ("iterations", OwnKind::Counter, true),
    ("first_byte", OwnKind::Times, false),
    ("batch", OwnKind::Numbers, false),
    ("iteration", OwnKind::Times, true),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OwnKind {
    Counter,
    Times,
    Numbers,
}

/// The series that are recorded: the registry has no room for the last one.
fn spellings() -> [Spelling; 4] {
    let labelled = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
    [
        Spelling::new("GET", "/a|b#c,d:e"),
        Spelling { labels: labelled("run", "of its own"), ..Spelling::new("", "") },
        Spelling { labels: labelled("scenario", "checkout"), ..Spelling::new("POST", "/ä\n") },
        Spelling::new("overflow", "overflow"),
    ]
}

fn series(registry: Registry<'_>, number: usize) -> Series {
    // Those before it are interned first: so it is always the last one that finds no room.
    let interned: Vec<Series> = spellings()[..=number]
        .iter()
        .map(|it| {
            let labels: Vec<Label<'_>> = it.as_labels();
            registry.series_with_labels(&it.method, &it.name, &labels).expect("good labels")
        })
        .collect();
    interned[number]
}

fn record(recorder: &mut Recorder<'_>, instrument: usize, series: Series, value: u64) {
    let (registry, (name, ..)) = (recorder.registry(), INSTRUMENTS[instrument]);
    let time = Duration::from_nanos(value);
    match instrument {
        0 => recorder.add(registry.counter(name, Unit::One, "").unwrap(), series, value),
        1 => recorder.add_to_run(registry.run_counter(name, Unit::Bytes, "").unwrap(), value),
        2 => recorder.observe(registry.timer(name, "").unwrap(), series, time),
        3 => recorder.observe(registry.histogram(name, Unit::One, "").unwrap(), series, value),
        _ => recorder.observe_in_run(registry.run_timer(name, "").unwrap(), time),
    }
}

/// Constant tags of all messages, and those of gauges.
const CONSTANT: [(&str, &str); 2] = [("run", "7"), ("alone", "")];
const OF_GAUGES: [(&str, &str); 3] = [("run", "7"), ("alone", ""), ("worker", "3")];

/// An encoder with every option.
fn dressed(registry: Registry<'_>) -> InstrumentMessageEncoder<'_> {
    let origin = Origin { container: Some("ci-abc"), external: Some("it-false"), cardinality: Some(Cardinality::Low) };
    MessageEncoder::new(registry, "load.test")
        .expect("a prefix")
        .with_distributions()
        .with_sample_rate(SampleRate::new(0.5).expect("a rate"))
        .with_constant_tags(&ConstantTags::new(CONSTANT).expect("good tags"))
        .with_tags_of_timed(&ConstantTags::new(OF_GAUGES).expect("good tags"))
        .with_newlines()
        .with_origin(origin)
        .expect("a good origin")
        .instruments()
}

/// Instrument and tags: what tells rows apart on the wire. Tags of gauges are without those that only gauges have.
type ShownRow = (usize, ShownLabels);

/// A model of a row: what was recorded since the last freezing, what waits, and what has arrived of it last.
#[derive(Clone, Debug, Default)]
struct RowModel {
    recorded: Vec<u64>,
    frozen: Vec<u64>,
    /// Values whose counters have arrived, and whose gauges may still come.
    shown: Vec<u64>,
    /// Whether its count has left, and its sum has not.
    is_half: bool,
    arrived: u64,
    lost: u64,
}

struct JudgedRows<'a> {
    registry: Registry<'a>,
    source: InstrumentMessages<'a, Vec<u64>>,
    accounts: Accounts<'a>,
    is_single: bool,
    models: BTreeMap<ShownRow, RowModel>,
    /// Sent and lost, in calls.
    calls: [u64; 2],
    gauges: usize,
}

impl<'a> JudgedRows<'a> {
    fn new(accounts: Accounts<'a>, is_single: bool) -> Self {
        let registry = accounts.registry();
        let memory = vec![7; ObservedRows::<Vec<u64>>::words(registry)];
        let (rows, before) = ObservedRows::new(registry, memory).expect("as many words as it asks for");
        let ledger = accounts.observations().open_after(Exporter::Statsd, before);
        let source = InstrumentMessages::new(registry, (rows, ledger), dressed(registry));
        let source = if is_single { source.with_single_messages() } else { source };
        Self { registry, source, accounts, is_single, models: BTreeMap::new(), calls: [0; 2], gauges: 0 }
    }

    fn record(&mut self, recorder: &mut Recorder<'_>, instrument: usize, of: usize, value: u64) {
        record(recorder, instrument, series(self.registry, of), value);
        let tags = if INSTRUMENTS[instrument].2 { Vec::new() } else { spellings()[of].shown(Format::Dogstatsd) };
        let is_new = |(key, _): &&(&str, &str)| tags.iter().all(|(own, _)| own != key);
        let constant = CONSTANT.iter().filter(is_new).map(|(key, value)| (key.to_string(), value.to_string()));
        let mut all: ShownLabels = tags.iter().cloned().chain(constant).collect();
        all.sort();
        self.models.entry((instrument, all)).or_default().recorded.push(value);
    }

    fn freeze(&mut self) {
        if self.source.is_half_sent() {
            return;
        }
        self.source.freeze(Now::default());
        while !self.source.read_on() {}
        for model in self.models.values_mut() {
            assert!(!model.is_half, "an interval ends between a count and its sum");
            model.frozen.append(&mut model.recorded);
            model.shown.clear();
        }
    }

    /// A datagram of at most `bytes` leaves, and arrives or is lost. Whether there was one.
    fn send(&mut self, bytes: usize, cause: Option<DropReason>) -> bool {
        let (mut out, most) = (vec![b'?'; bytes], if self.is_single { 1 } else { usize::MAX });
        let packed = self.source.pack(0, most, &mut out);
        assert_eq!(packed.items == 0, packed.bytes == 0);
        if packed.items == 0 {
            assert!(self.source.is_empty(), "each item fits");
            return false;
        }
        let messages = parse(&out[..packed.bytes]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(out[packed.bytes - 1], b'\n');
        self.judge(&messages, cause.is_some());
        let lost = if cause.is_some() { packed.items } else { 0 };
        self.source.settle(packed.items, lost, cause.unwrap_or(DropReason::Unconfirmed));
        self.check_account();
        true
    }

    fn judge(&mut self, messages: &[ParsedMessage<'_>], is_lost: bool) {
        let mut lost_before = None;
        for message in messages {
            assert_eq!((message.rate, message.timestamp), (None, None), "{message:?}");
            assert_eq!(message.origin, ["c:ci-abc", "e:it-false", "card:low"]);
            let is_gauge = message.kind == MessageType::Gauge;
            assert!(is_gauge || message.kind == MessageType::Count, "{message:?}");
            assert_eq!(message.tag("worker"), is_gauge.then_some("3"), "of gauges the last one stays");
            let [value] = message.values[..] else { panic!("one value: {message:?}") };
            let name = message.name.strip_prefix("load.test.").expect("the prefix");
            let (name, part) = name.split_once('.').unwrap_or((name, ""));
            let instrument = INSTRUMENTS.iter().position(|(it, ..)| *it == name).expect("an instrument");
            let tags = message.tags.iter().map(|(key, value)| (*key, value.unwrap_or_default()));
            let row = (instrument, observed(tags, &["worker"]));
            let model = self.models.get_mut(&row).unwrap_or_else(|| panic!("{row:?} was never recorded"));
            if lost_before.as_ref() == Some(&row) {
                // The rest of it, which is lost with the same datagram.
                assert!(part == "sum" || is_gauge, "{message:?}");
                continue;
            }
            let (calls, sum) = (model.frozen.len() as u64, model.frozen.iter().sum::<u64>());
            let kind = INSTRUMENTS[instrument].1;
            let shown = |value: u64| if kind == OwnKind::Times { millis(value) } else { value.to_string() };
            match (kind, part) {
                (OwnKind::Counter, "") => assert_eq!(value, sum.to_string()),
                (OwnKind::Times | OwnKind::Numbers, "count") => {
                    assert_eq!(value, calls.to_string(), "{row:?}");
                    assert!(!std::mem::replace(&mut model.is_half, !is_lost), "{message:?} twice");
                    if !is_lost {
                        continue;
                    }
                    lost_before = Some(row.clone()).filter(|_| !self.is_single);
                }
                (OwnKind::Times | OwnKind::Numbers, "sum") => {
                    assert_eq!(value, shown(sum), "{row:?}");
                    assert!(std::mem::take(&mut model.is_half), "{message:?} without its count");
                }
                (OwnKind::Times | OwnKind::Numbers, part) if is_gauge => {
                    self.gauges += 1;
                    check_gauge(kind, part, value, &model.shown);
                    continue;
                }
                _ => panic!("{message:?}"),
            }
            assert!(!is_gauge && calls != 0, "{message:?}");
            self.calls[usize::from(is_lost)] += calls;
            let total = if is_lost { &mut model.lost } else { &mut model.arrived };
            *total += sum;
            let values = std::mem::take(&mut model.frozen);
            model.shown = if is_lost { Vec::new() } else { values };
        }
    }

    fn outcome(&self) -> (u64, u64) {
        let account = self.registry.observation_account(Exporter::Statsd);
        (account.sent, account.dropped.total())
    }

    fn check_account(&self) {
        assert_eq!(self.outcome(), (self.calls[0], self.calls[1]));
    }

    /// Sends all that is left: everything that was recorded has arrived, or is lost by a cause.
    fn finish(mut self) {
        while self.send(1_432, None) {}
        self.freeze();
        while self.send(1_432, None) {}
        self.check_account();
        for ((instrument, tags), model) in &self.models {
            assert!(model.frozen.is_empty() && model.recorded.is_empty(), "{tags:?} waits: {model:?}");
            assert_eq!(model.arrived + model.lost, self.total(*instrument, tags), "{instrument} {tags:?}");
        }
        let account = self.accounts.observations().close(Exporter::Statsd, DropReason::Deadline);
        assert_eq!(account.recorded, self.registry.observations());
        assert_eq!((account.sent, account.dropped.total(), account.held), (self.calls[0], self.calls[1], 0));
        assert_eq!(account.dropped.get(DropReason::Deadline), 0, "nothing was left");
    }

    /// What the registry has of a row since its storage was made.
    fn total(&self, instrument: usize, tags: &ShownLabels) -> u64 {
        let (name, kind, is_of_run) = INSTRUMENTS[instrument];
        let instrument = self.registry.instruments().find(|it| it.name() == name).expect("it was declared");
        let is_this = |number: &usize| {
            let own = spellings()[*number].shown(Format::Dogstatsd);
            own.iter().all(|tag| tags.contains(tag))
        };
        let number = (0..4).find(is_this);
        let series = if is_of_run { Series::OVERFLOW } else { series(self.registry, number.expect("a series")) };
        match kind {
            OwnKind::Counter => instrument.counter(series).expect("a counter").sum,
            OwnKind::Times | OwnKind::Numbers => instrument.histogram(series).expect("a histogram").sum,
        }
    }
}

/// A gauge is as near to the truth as an interval's buckets can tell.
fn check_gauge(kind: OwnKind, part: &str, value: &str, values: &[u64]) {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let q = match part {
        "min" => 0.0,
        "max" => 1.0,
        "p50" => 0.5,
        "p95" => 0.95,
        "p99" => 0.99,
        _ => panic!("{part} is no gauge"),
    };
    assert!(!sorted.is_empty(), "a gauge follows its counters");
    let truth = sorted[((q * sorted.len() as f64).ceil() as usize).max(1) - 1];
    let unit = if kind == OwnKind::Times { 1e6 } else { 1.0 };
    let found = value.parse::<f64>().expect("a number") * unit;
    let (zero, end) = if kind == OwnKind::Times { (976.0, 1 << 40) } else { (0.0, 1 << 34) };
    let is_off = (found - truth as f64).abs() > 0.091 * truth as f64 + 1.0 && !(truth as f64 <= zero && found <= zero);
    assert!(truth > end || !is_off, "{part} {found} for {truth} in {values:?}");
}

#[derive(Clone, Copy, Debug)]
enum SentStep {
    Record(usize, usize, u64),
    Freeze,
    /// A datagram of so many bytes, and why it is lost.
    Send(usize, Option<DropReason>),
}

fn any_step() -> impl Strategy<Value = SentStep> {
    let value = prop_oneof![8 => (8..32_u32, any::<u32>()).prop_map(|(bits, noise)| u64::from(noise) >> (32 - bits)), 1 => Just(0)];
    let cause =
        prop_oneof![3 => Just(None), 1 => Just(Some(DropReason::Unconfirmed)), 1 => Just(Some(DropReason::TooLarge))];
    prop_oneof![
        6 => (0..INSTRUMENTS.len(), 0..4_usize, value).prop_map(|(it, of, value)| SentStep::Record(it, of, value)),
        1 => Just(SentStep::Freeze),
        4 => (400..2_000_usize, cause).prop_map(|(bytes, cause)| SentStep::Send(bytes, cause)),
    ]
}

fn follow<H: Histograms>(steps: &[SentStep], is_single: bool) -> usize {
    let storage = Box::<StatsdEngine<H>>::default();
    let registry = storage.registry();
    let pump = registry.pump().expect("the only one");
    let mut recorders = [0, 1, 2].map(|_| registry.recorder());
    let mut judged = JudgedRows::new(pump.accounts(), is_single);
    for (number, step) in steps.iter().enumerate() {
        match *step {
            SentStep::Record(instrument, of, value) => {
                judged.record(&mut recorders[number % 3], instrument, of, value);
            }
            SentStep::Freeze => judged.freeze(),
            SentStep::Send(bytes, cause) => _ = judged.send(bytes, cause),
        }
    }
    let gauges = judged.gauges;
    judged.finish();
    gauges
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_intervals_add_up_to_what_was_recorded_whatever_is_lost(steps in vec(any_step(), 0..150)) {
        for is_single in [false, true] {
            follow::<Exponential>(&steps, is_single);
            let gauges = follow::<Classic>(&steps, is_single);
            prop_assert_eq!(gauges, 0, "without exponential histograms nothing is known but sums");
        }
    }
}

/// A registry in which each instrument counted two values of a series, and its frozen rows.
fn small(storage: &StatsdEngine) -> (Registry<'_>, ObservedRows<Vec<u64>>) {
    let registry = storage.registry();
    let memory = vec![0; ObservedRows::<Vec<u64>>::words(registry)];
    let (mut rows, _) = ObservedRows::new(registry, memory).expect("as many words as it asks for");
    let mut recorder = registry.recorder();
    for (instrument, value) in [(0, 2), (1, 1 << 50), (2, 850_000), (3, 7), (4, 86_400_000_000_000)] {
        (0..2).for_each(|_| record(&mut recorder, instrument, registry.series("GET", "/x"), value));
    }
    rows.freeze(registry);
    (registry, rows)
}

fn texts(encoder: &InstrumentMessageEncoder<'_>, registry: Registry<'_>, rows: &ObservedRows<Vec<u64>>) -> String {
    let mut all = String::new();
    for instrument in registry.instruments() {
        for series in rows.series(&instrument, Series::OVERFLOW) {
            let row = RowMessages::new(rows, &instrument, series).expect("it has something");
            let mut out = [b'?'; 4_096];
            let length = encoder.encode(&row, 0..row.messages(), &mut out).expect("it fits");
            assert_eq!(encoder.encode(&row, 0..row.messages(), &mut out[..length]), Ok(length));
            assert_eq!(encoder.encode(&row, 0..row.messages(), &mut vec![0; length - 1]), Err(Full));
            assert_eq!(encoder.encode(&row, 0..row.messages() + 1, &mut [0; 4_096]), Err(Full), "no such message");
            all += std::str::from_utf8(&out[..length]).expect("UTF-8");
            all += "\n";
        }
    }
    all
}

#[test]
fn a_row_is_written_as_the_documentation_says() {
    let storage = Box::<StatsdEngine>::default();
    let (registry, rows) = small(&storage);
    let encoder = MessageEncoder::new(registry, "loaddensity").expect("a prefix").instruments();
    let expected = "\
loaddensity.checks:4|c|#method:GET,name:/x
loaddensity.iterations:2251799813685248|c
loaddensity.first_byte.count:2|c|#method:GET,name:/x
loaddensity.first_byte.sum:1.7|c|#method:GET,name:/x
loaddensity.first_byte.min:0.85|g|#method:GET,name:/x
loaddensity.first_byte.max:0.85|g|#method:GET,name:/x
loaddensity.first_byte.p50:0.85|g|#method:GET,name:/x
loaddensity.first_byte.p95:0.85|g|#method:GET,name:/x
loaddensity.first_byte.p99:0.85|g|#method:GET,name:/x
loaddensity.batch.count:2|c|#method:GET,name:/x
loaddensity.batch.sum:14|c|#method:GET,name:/x
loaddensity.batch.min:7|g|#method:GET,name:/x
loaddensity.batch.max:7|g|#method:GET,name:/x
loaddensity.batch.p50:7|g|#method:GET,name:/x
loaddensity.batch.p95:7|g|#method:GET,name:/x
loaddensity.batch.p99:7|g|#method:GET,name:/x
loaddensity.iteration.count:2|c
loaddensity.iteration.sum:172800000|c
loaddensity.iteration.min:86400000|g
loaddensity.iteration.max:86400000|g
loaddensity.iteration.p50:86400000|g
loaddensity.iteration.p95:86400000|g
loaddensity.iteration.p99:86400000|g
";
    assert_eq!(texts(&encoder, registry, &rows), expected);
}

/// Datadog takes names of 200 bytes: with the longest prefix those of a histogram may be longer. The row is lost, not cut.
#[test]
fn a_row_whose_names_or_counters_do_not_fit_is_too_large_as_a_whole() {
    let storage = Box::<StatsdEngine>::default();
    let registry = storage.registry();
    let pump = registry.pump().expect("the only one");
    let memory = vec![0; ObservedRows::<Vec<u64>>::words(registry)];
    let (rows, before) = ObservedRows::new(registry, memory).expect("as many words as it asks for");
    let ledger = pump.accounts().observations().open_after(Exporter::Statsd, before);
    let encoder = MessageEncoder::new(registry, &"p".repeat(160)).expect("a prefix").instruments();
    let mut source = InstrumentMessages::new(registry, (rows, ledger), encoder);
    let (mut recorder, series) = (registry.recorder(), registry.series("GET", "/x"));
    for name in ["c".repeat(39), "d".repeat(40)] {
        recorder.add(registry.counter(&name, Unit::One, "").unwrap(), series, 1);
    }
    for name in ["e".repeat(33), "f".repeat(34)] {
        recorder.observe(registry.histogram(&name, Unit::One, "").unwrap(), series, 1);
    }
    source.freeze(Now::default());
    assert!(source.read_on());
    // The counter, then the counters and the gauges of the histogram.
    let (mut out, mut packed) = ([0; 1_432], Vec::new());
    while !source.is_empty() {
        let body = source.pack(0, 1, &mut out);
        packed.push(body.items);
        let cause = DropReason::TooLarge;
        source.settle(1, 1 - body.items, cause);
    }
    assert_eq!(packed, [1, 0, 1, 1, 1, 1, 1, 1, 0]);
    let account = registry.observation_account(Exporter::Statsd);
    assert_eq!((account.sent, account.dropped.get(DropReason::TooLarge), account.held), (2, 2, 0));
    // Of a histogram's counters one may be longer than the other: none of both leaves.
    let fits = |room: usize, is_single: bool| {
        let storage = Box::<StatsdEngine>::default();
        let (registry, mut rows) = small(&storage);
        for instrument in registry.instruments().filter(|it| it.name() != "iteration") {
            let series: Vec<Series> = rows.series(&instrument, Series::OVERFLOW).collect();
            series.into_iter().for_each(|series| _ = rows.settle(&instrument, series));
        }
        let pump = registry.pump().expect("the only one");
        let encoder = MessageEncoder::new(registry, "p").expect("a prefix").instruments();
        let ledger = pump.accounts().observations().open(Exporter::Statsd);
        let source = InstrumentMessages::new(registry, (rows, ledger), encoder);
        let source = if is_single { source.with_single_messages() } else { source };
        source.pack(0, 1, &mut vec![0; room]).bytes
    };
    let (count, sum) = ("p.iteration.count:2|c".len(), "p.iteration.sum:172800000|c".len());
    assert_eq!([sum - 1, sum].map(|room| fits(room, true)), [0, count]);
    assert_eq!([count + sum, count + 1 + sum].map(|room| fits(room, false)), [0, count + 1 + sum]);
}
