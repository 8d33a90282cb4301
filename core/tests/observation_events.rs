//! Observations that are sent one by one: from recorders with shards of their own and from those that share one, through the
//! rings, as messages of DogStatsD and lines of InfluxDB, read by parsers of both. Nothing is lost or changed on the way, the
//! account says what became of each, and the registry counts them all the same.

use loaddensity_metrics_core::dogstatsd::MessageEncoder;
use loaddensity_metrics_core::influxdb::ObservationEncoder;
use loaddensity_metrics_core::{
    Account, Classic, ConstantLabels, DropReason, EventEncoder, Exponential, Exporter, Histograms, Observation, Packer,
    Pump, Recorder, Registry, SampleRate, Sampler, Series, Sink, Storage, Timestamp, Unit,
};
use loaddensity_metrics_vectors::dogstatsd;
use loaddensity_metrics_vectors::influx;
use proptest::collection::vec;
use proptest::prelude::*;
use std::time::Duration;

type Engine<H = Exponential, const RING: usize = 64> = Storage<4, 1, 2, H, 2, 3, RING>;

/// The name, and the suffix of its unit in InfluxDB.
const INSTRUMENTS: [(&str, &str); 5] =
    [("checks", ""), ("sent", "_bytes"), ("first_byte", "_ms"), ("batch", ""), ("iteration", "_ms")];
/// Those of the run.
const OF_RUN: [usize; 2] = [1, 4];
/// The registry has no room for the last one.
const SERIES: [&str; 4] = ["/a", "/b c", "/d,e=f|g#h:i", "/overflow"];

/// An observation: by the first recorder, which has a shard, or by the second; the instrument, the series, the value.
type Recorded = (usize, usize, usize, u64);

fn recorded() -> impl Strategy<Value = Recorded> {
    (0..2_usize, 0..INSTRUMENTS.len(), 0..SERIES.len(), prop_oneof![0..2_000_u64, 0..1_u64 << 50])
}

fn series(registry: Registry<'_>, number: usize) -> Series {
    SERIES[..number].iter().for_each(|name| _ = registry.series("GET", name));
    registry.series("GET", SERIES[number])
}

fn record(recorder: &mut Recorder<'_>, (_, instrument, of, value): Recorded) {
    let (registry, time) = (recorder.registry(), Duration::from_nanos(value));
    let (name, of) = (INSTRUMENTS[instrument].0, series(registry, of));
    match instrument {
        0 => recorder.add(registry.counter(name, Unit::One, "").unwrap(), of, value),
        1 => recorder.add_to_run(registry.run_counter(name, Unit::Bytes, "").unwrap(), value),
        2 => recorder.observe(registry.timer(name, "").unwrap(), of, time),
        3 => recorder.observe(registry.histogram(name, Unit::One, "").unwrap(), of, value),
        _ => recorder.observe_in_run(registry.run_timer(name, "").unwrap(), time),
    }
}

/// A time is a day at most.
fn capped((_, instrument, _, value): Recorded) -> u64 {
    let is_time = INSTRUMENTS[instrument].1 == "_ms";
    if is_time { value.min(86_400_000_000_000) } else { value }
}

/// What is told of an observation: the instrument, the tag of the series unless it is of the run, and the value.
type Told = (String, Option<String>, String);

/// The oracle: what DogStatsD and InfluxDB must be told.
fn expected(all: &[Recorded], safe: impl Fn(&str) -> String) -> Vec<Told> {
    let told = all.iter().map(|it @ (_, instrument, of, _)| {
        let ((name, unit), value) = (INSTRUMENTS[*instrument], capped(*it));
        let name_of = if *of == SERIES.len() - 1 { "overflow".to_owned() } else { safe(SERIES[*of]) };
        // The shortest number of milliseconds that is so many nanoseconds.
        let shown = if unit == "_ms" { (value as f64 / 1e6).to_string() } else { value.to_string() };
        (name.to_owned(), (!OF_RUN.contains(instrument)).then_some(name_of), shown)
    });
    sorted(told.collect())
}

fn sorted(mut told: Vec<Told>) -> Vec<Told> {
    told.sort();
    told
}

/// Records all, and hands what the pump takes out to a sink with room for `room`, which is packed whole, call by call.
fn send<'a, E: EventEncoder<Observation>>(
    pump: &mut Pump<'a>,
    encoder: E,
    (room, sampler): (usize, Option<Sampler>),
    all: &[Recorded],
) -> (Vec<Vec<u8>>, Vec<Observation>) {
    let registry = pump.registry();
    let ledger = pump.attach_observations(Exporter::Statsd);
    let mut recorders = [registry.recorder(), registry.recorder()];
    assert!(!recorders[0].is_sharing() && recorders[1].is_sharing());
    let mut sink = Sink::new(vec![Observation::default(); room], ledger);
    sampler.into_iter().for_each(|sampler| sink.set_sampler(sampler));
    let (mut taken, mut bodies, mut packer) = (Vec::new(), Vec::new(), Packer::new(encoder));
    for (at, some) in all.chunks(7).enumerate() {
        some.iter().for_each(|it| record(&mut recorders[it.0], *it));
        pump.set_now(Timestamp::from_unix_nanos(1_700_000_000_000_000_000 + at as u64));
        pump.drain_observations(|slice| {
            taken.extend_from_slice(slice);
            sink.offer_all(slice);
        });
        let mut out = [0; 700];
        loop {
            let packed = packer.pack(&mut sink, 3, &mut out);
            if packed.items == 0 {
                break;
            }
            bodies.push(out[..packed.bytes].to_vec());
            packer.confirm(&mut sink, packed);
        }
    }
    (bodies, taken)
}

fn messages(bodies: &[Vec<u8>], rate: Option<f64>) -> Vec<Told> {
    let parsed = bodies.iter().flat_map(|body| dogstatsd::parse(body).expect("messages"));
    let told = parsed.map(|message| {
        let name = message.name.strip_prefix("load.").expect("the prefix").to_owned();
        let is_counter = INSTRUMENTS[..2].iter().any(|(counter, _)| *counter == name);
        let is_time = INSTRUMENTS.iter().any(|(time, unit)| *time == name && *unit == "_ms");
        let expected = match (is_counter, is_time) {
            (true, _) => dogstatsd::MessageType::Count,
            (_, true) => dogstatsd::MessageType::Timing,
            _ => dogstatsd::MessageType::Histogram,
        };
        assert_eq!((message.kind, message.tag("outcome")), (expected, None));
        assert_eq!((message.tag("run"), message.rate), (Some("7"), rate));
        assert_eq!(message.numbers().len(), 1);
        (name, message.tag("name").map(str::to_owned), message.numbers()[0].to_string())
    });
    sorted(told.collect())
}

fn lines(bodies: &[Vec<u8>]) -> (Vec<Told>, Vec<i64>) {
    let points: Vec<_> = bodies.iter().flat_map(|body| influx::parse(body).expect("lines")).collect();
    let times = points.iter().map(|point| point.timestamp.expect("a time")).collect();
    let told = points.iter().map(|point| {
        let [(field, value)] = &point.fields[..] else { panic!("one field: {point:?}") };
        assert_eq!((point.measurement.as_str(), point.tag("run")), ("load_observations", Some("7")));
        let (name, unit) = *INSTRUMENTS.iter().find(|(name, unit)| format!("{name}{unit}") == *field).expect("a field");
        let value = match value {
            influx::ParsedValue::Float(value) => (value.to_string(), true),
            influx::ParsedValue::Integer(value) => (value.to_string(), false),
            other => panic!("{other:?}"),
        };
        assert_eq!(value.1, unit == "_ms", "{point:?}");
        (name.to_owned(), point.tag("name").map(str::to_owned), value.0)
    });
    (sorted(told.collect()), times)
}

/// The account is closed with nothing held. All is counted in the registry too.
fn closed(pump: &mut Pump<'_>, all: &[Recorded]) -> Account {
    let account = pump.detach_observations(Exporter::Statsd);
    assert_eq!((account.recorded, account.held), (all.len() as u64, 0), "{account:?}");
    assert!(account.balanced(), "{account:?}");
    assert_eq!(pump.registry().observations(), all.len() as u64);
    account
}

fn every_observation_is_told_once<H: Histograms>(all: &[Recorded]) {
    let labels = ConstantLabels::new([("run", "7")]).expect("a label");
    let tags = loaddensity_metrics_core::dogstatsd::ConstantTags::new([("run", "7")]).expect("a tag");

    let storage = Box::<Engine<H>>::default();
    let registry = storage.registry();
    let mut pump = registry.pump().expect("the only one");
    let encoder = MessageEncoder::new(registry, "load").expect("a prefix").with_constant_tags(&tags);
    let (bodies, _) = send(&mut pump, encoder.observations(), (99, None), all);
    assert_eq!(messages(&bodies, None), expected(all, dogstatsd_safe));
    assert_eq!(closed(&mut pump, all).sent, all.len() as u64);

    let storage = Box::<Engine<H>>::default();
    let registry = storage.registry();
    let mut pump = registry.pump().expect("the only one");
    let encoder = ObservationEncoder::new(registry, "load_observations", &labels).expect("a measurement");
    let (bodies, taken) = send(&mut pump, encoder, (99, None), all);
    let (told, times) = lines(&bodies);
    assert_eq!(told, expected(all, str::to_owned));
    let mut unique = times;
    unique.sort_unstable();
    unique.dedup();
    assert_eq!((unique.len(), taken.len()), (all.len(), all.len()), "no two points have one time");
    assert_eq!(closed(&mut pump, all).sent, all.len() as u64);
}

/// What DogStatsD would read as its own becomes `_`.
fn dogstatsd_safe(name: &str) -> String {
    name.replace([',', '|', '#', ':', '@'], "_")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_is_lost_or_changed_on_the_way(all in vec(recorded(), 0..60)) {
        every_observation_is_told_once::<Exponential>(&all);
        every_observation_is_told_once::<Classic>(&all);
    }

    #[test]
    fn what_a_ring_a_buffer_or_a_sampler_leaves_out_is_in_the_account(
        all in vec(recorded(), 0..60),
        room in 0..9_usize,
        is_sampled: bool,
    ) {
        // Rings of 2: seven come between two visits.
        let storage = Box::<Engine<Exponential, 2>>::default();
        let registry = storage.registry();
        let mut pump = registry.pump().expect("the only one");
        let encoder = MessageEncoder::new(registry, "load").expect("a prefix");
        let sampler = is_sampled.then(|| Sampler::new(SampleRate::new(0.5).expect("a rate"), 7));
        let (bodies, taken) = send(&mut pump, encoder.observations(), (room, sampler), &all);
        let account = closed(&mut pump, &all);
        let sent = bodies.iter().map(|body| dogstatsd::parse(body).expect("messages").len()).sum::<usize>();
        prop_assert_eq!(account.sent, sent as u64);
        prop_assert_eq!(account.dropped.get(DropReason::RingFull), (all.len() - taken.len()) as u64);
        prop_assert!(is_sampled || account.dropped.get(DropReason::Sampled) == 0);
        let left_out = [DropReason::RingFull, DropReason::Sampled, DropReason::BufferFull];
        prop_assert_eq!(left_out.map(|cause| account.dropped.get(cause)).iter().sum::<u64>() + account.sent, account.recorded);
        let dropped = registry.full_rings().map(|ring| ring.dropped).sum::<u64>();
        prop_assert_eq!(dropped, account.dropped.get(DropReason::RingFull));
    }
}

#[test]
fn messages_say_the_rate_and_distributions_where_requests_do() {
    let all: Vec<Recorded> =
        (0..200).map(|number| (0, number % INSTRUMENTS.len(), number % 3, number as u64)).collect();
    let storage = Box::<Engine>::default();
    let registry = storage.registry();
    let mut pump = registry.pump().expect("the only one");
    let rate = SampleRate::new(0.5).expect("a rate");
    let tags = loaddensity_metrics_core::dogstatsd::ConstantTags::new([("run", "7")]).expect("a tag");
    let encoder = MessageEncoder::new(registry, "load").expect("a prefix").with_sample_rate(rate);
    let encoder = encoder.with_constant_tags(&tags);
    let (bodies, _) = send(&mut pump, encoder.observations(), (99, Some(Sampler::new(rate, 1))), &all);
    let account = closed(&mut pump, &all);
    assert_eq!(messages(&bodies, Some(0.5)).len() as u64, account.sent);
    assert!((60..140).contains(&account.sent), "{account:?}");
    let distributions = encoder.with_distributions().observations();
    let (bodies, _) = send(&mut pump, distributions, (99, None), &all[2..3]);
    let text = bodies.concat();
    assert!(String::from_utf8_lossy(&text).contains("|d|@0.5|#"), "{}", String::from_utf8_lossy(&text));
}

/// Without constant tags, those of a series are copied as they lie, but for the outcome, which lines leave out: it is last, or
/// before a little, or before a lot.
#[test]
fn messages_and_lines_are_whole_in_whatever_room_they_fit_into_and_in_no_smaller_one() {
    let long = "z".repeat(90);
    for (labels, dogstatsd, influxdb) in [
        (vec![], "method:GET,name:/a".to_owned(), "method=GET,name=/a".to_owned()),
        (vec![("zone", "b")], "method:GET,name:/a,zone:b".into(), "method=GET,name=/a,zone=b".into()),
        (
            vec![("lane", "1"), ("zone", long.as_str())],
            format!("method:GET,name:/a,lane:1,zone:{long}"),
            format!("lane=1,method=GET,name=/a,zone={long}"),
        ),
    ] {
        let storage = Box::<Engine>::default();
        let registry = storage.registry();
        let mut pump = registry.pump().expect("the only one");
        pump.attach_observations(Exporter::Statsd);
        let timer = registry.timer("first_byte", "").expect("room");
        let series = registry.series_with_labels("GET", "/a", labels).expect("labels");
        registry.recorder().observe(timer, series, Duration::from_micros(850));
        pump.set_now(Timestamp::from_unix_nanos(1_700_000_000_000_000_001));
        let mut taken = Vec::new();
        pump.drain_observations(|some| taken.extend_from_slice(some));
        let messages = MessageEncoder::new(registry, "load").expect("a prefix").observations();
        let lines = ObservationEncoder::new(registry, "load", &ConstantLabels::NONE).expect("a measurement");
        let expected = [
            format!("load.first_byte:0.85|ms|#{dogstatsd}"),
            format!("load,{influxdb} first_byte_ms=0.85 {}", taken[0].observed_at.as_unix_nanos()),
        ];
        for (is_line, expected) in [false, true].into_iter().zip(expected) {
            for room in 0..expected.len() + 150 {
                let mut out = vec![0; room];
                let encoded = match is_line {
                    true => lines.encode(&taken[0], 0, &mut out),
                    false => messages.encode(&taken[0], 0, &mut out),
                };
                let encoded = encoded.ok().map(|length| String::from_utf8_lossy(&out[..length]).into_owned());
                assert_eq!(encoded, (room >= expected.len()).then(|| expected.clone()), "{room}");
            }
        }
    }
}

/// The lane must carry, which is a longer way than the usual one.
#[test]
fn a_bucket_that_counts_more_than_its_lane_holds_puts_each_value_into_the_ring_once() {
    const MANY: u64 = 65_536 + 5;
    let storage = Box::<Engine>::default();
    let registry = storage.registry();
    let mut pump = registry.pump().expect("the only one");
    pump.attach_observations(Exporter::Influxdb);
    let (timer, series) = (registry.timer("first_byte", "").expect("room"), registry.series("GET", "/a"));
    let (mut recorder, mut sum) = (registry.recorder(), 0);
    for number in 0..MANY {
        recorder.observe(timer, series, Duration::from_nanos(1_000_000 + number % 7));
        if number % 64 == 63 || number + 1 == MANY {
            pump.drain_observations(|some| sum += some.iter().map(|it| it.value - 1_000_000).sum::<u64>());
        }
    }
    let total = registry.series_histogram_total(timer, series);
    let expected = (0..MANY).map(|number| number % 7).sum::<u64>();
    assert_eq!((total.count(), total.number, total.sum), (MANY, MANY, MANY * 1_000_000 + expected));
    let account = pump.detach_observations(Exporter::Influxdb);
    assert_eq!((account.recorded, account.dropped.get(DropReason::RingFull), sum), (MANY, 0, expected));
}

#[test]
fn without_rings_or_without_anybody_who_wants_them_nothing_is_put_into_a_ring() {
    fn drained<const RING: usize>(storage: &Engine<Exponential, RING>, wants: bool) -> (u64, usize) {
        let registry = storage.registry();
        let mut pump = registry.pump().expect("the only one");
        if wants {
            pump.attach_observations(Exporter::Influxdb);
        }
        let (mut own, mut shared) = (registry.recorder(), registry.recorder());
        for recorder in [&mut own, &mut shared] {
            record(recorder, (0, 0, 0, 1));
            record(recorder, (0, 2, 1, 1));
        }
        (pump.drain_observations(|_| ()), registry.observations() as usize)
    }
    assert_eq!(drained(&*Box::<Engine<Exponential, 0>>::default(), true), (0, 4));
    assert_eq!(drained(&*Box::<Engine>::default(), false), (0, 4));
    assert_eq!(drained(&*Box::<Engine>::default(), true), (4, 4));
}

#[test]
fn a_recorder_that_takes_over_a_shard_goes_on_in_its_ring() {
    let storage = Box::<Engine<Exponential, 4>>::default();
    let registry = storage.registry();
    let mut pump = registry.pump().expect("the only one");
    pump.attach_observations(Exporter::Influxdb);
    let mut values = Vec::new();
    for number in 0..40 {
        let mut recorder = registry.recorder();
        assert!(!recorder.is_sharing());
        record(&mut recorder, (0, 0, 0, number));
        drop(recorder);
        if number % 3 == 0 {
            pump.drain_observations(|slice| values.extend(slice.iter().map(|observation| observation.value)));
        }
    }
    assert_eq!(values, Vec::from_iter(0..40));
    assert_eq!(registry.full_rings().count(), 0);
}
