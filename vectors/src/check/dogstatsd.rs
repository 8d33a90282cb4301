//! DogStatsD: the contract's messages, messages in a dialect, and messages per interval.

use super::program::{Lengths, Program};
use super::{events, own, sum};
use crate::judge::{self, dogstatsd::MessageDialect};
use loaddensity_metrics_core::dogstatsd::{
    AggregatedRequest, Aggregator, Cardinality, ConstantTags, ContextCount, MessageEncoder, Origin,
};
use loaddensity_metrics_core::{
    Classic, DropReason, Event, Exponential, Exporter, Registry, SampleRate, Sink, Timestamp,
};

/// DogStatsD messages, packed into datagrams of the program's lengths: as the contract has them, in a dialect that is
/// made of the program's bytes too, and per interval in the same dialect, with and without seconds and newlines, of which
/// some packets are lost. In the dialect the program runs under the options that it chooses.
///
/// # Panics
/// If the messages or the account are not right.
pub fn dogstatsd(data: &[u8]) {
    (0..WAYS).for_each(|way| in_one_way(data, way));
}

/// In one of those ways, which the bytes choose: for a fuzzer, which comes again.
///
/// # Panics
/// If the messages or the account are not right.
pub fn dogstatsd_way(data: &[u8]) {
    in_one_way(data, sum(data) % WAYS);
}

/// As the contract has it; in the dialect; in the dialect per interval, without and with seconds; the same with losses; and
/// observations one by one, in the dialect.
const WAYS: usize = 7;

fn in_one_way(data: &[u8], way: usize) {
    let (dialect, value) = dialect(data);
    let dialect = MessageDialect { timestamps: dialect.timestamps || matches!(way, 3 | 5), ..dialect };
    match way {
        0 => per_request(Program::read(data), &MessageDialect::contract("loaddensity"), |encoder| encoder),
        1 => per_request(chosen(data), &dialect, |encoder| dressed(encoder, &dialect, &value)),
        2 | 3 => per_interval(chosen(data), &dialect, &value, |_| false),
        6 => per_observation(chosen(data), &dialect, &value),
        _ => {
            let mut bytes = data.iter().cycle();
            per_interval(chosen(data), &dialect, &value, move |packet| {
                bytes.next().is_some_and(|byte| usize::from(*byte).wrapping_add(packet) % 3 == 0)
            });
        }
    }
}

fn chosen(data: &[u8]) -> (Program<'_>, Lengths) {
    Program::read_choice(data).unwrap_or_else(|| Program::read(data))
}

fn per_request(
    program: (Program<'_>, Lengths),
    dialect: &MessageDialect,
    dress: impl for<'a> Fn(MessageEncoder<'a>) -> MessageEncoder<'a>,
) {
    let has_instruments = program.0.choice().has_instruments();
    let check = |registry: Registry<'_>| per_request_of(registry, program, dialect, dress);
    match has_instruments {
        // What is known of their values besides their sums comes from exponential histograms.
        true => own::with_registry::<Exponential>(true, check),
        false => own::with_registry::<Classic>(false, check),
    }
}

fn per_request_of(
    registry: Registry<'_>,
    (program, lengths): (Program<'_>, Lengths),
    dialect: &MessageDialect,
    dress: impl for<'a> Fn(MessageEncoder<'a>) -> MessageEncoder<'a>,
) {
    program.choice().set_error_label(registry);
    let (encoder, observed) = (dress(plain(registry)), own::rows(registry));
    let (model, datagrams) = events((program, lengths), registry, Exporter::Statsd, &encoder);
    judge::dogstatsd::messages(&model, dialect, datagrams.iter().map(Vec::as_slice));
    let pump = registry.pump().expect("it was given back");
    own::messages(&model, pump.accounts(), observed, (&encoder, dialect), lengths);
}

fn per_observation((program, lengths): (Program<'_>, Lengths), dialect: &MessageDialect, value: &str) {
    if !program.choice().has_instruments() {
        return;
    }
    own::with_registry::<Classic>(true, |registry| {
        program.choice().set_error_label(registry);
        let encoder = dressed(plain(registry), dialect, value).observations();
        let (model, datagrams) = events((program, lengths), registry, Exporter::Statsd, &encoder);
        judge::dogstatsd::observations(&model, dialect, datagrams.iter().map(Vec::as_slice));
    });
}

/// Records with the exporter on, and sends what waits now and then, in intervals of a few requests. `is_lost` says of each
/// packet by its number whether it is; where one was, only the account is judged.
fn per_interval(
    program: (Program<'_>, Lengths),
    dialect: &MessageDialect,
    value: &str,
    is_lost: impl FnMut(usize) -> bool,
) {
    own::with_registry::<Classic>(program.0.choice().has_instruments(), |registry| {
        per_interval_of(registry, program, (dialect, value), is_lost);
    });
}

fn per_interval_of(
    registry: Registry<'_>,
    (program, mut lengths): (Program<'_>, Lengths),
    (dialect, value): (&MessageDialect, &str),
    mut is_lost: impl FnMut(usize) -> bool,
) {
    program.choice().set_error_label(registry);
    let encoder = dressed(plain(registry), dialect, value).with_newlines();
    let mut pump = registry.pump().expect("the pump of a new registry is free");
    let mut sink = Sink::new(vec![Event::default(); 64], pump.attach(Exporter::Statsd));
    let aggregator = encoder.aggregator(vec![AggregatedRequest::default(); 1 + lengths.take() % 24]);
    let counts = dialect.timestamps.then(|| vec![ContextCount::default(); aggregator.contexts()]);
    let mut aggregator = aggregator.with_counters(counts, 0);
    let (mut packets, mut number, mut lost, mut tick) = (Vec::new(), 0, false, 0);
    let mut send = |sink: &mut Sink<'_, Vec<Event>>, is_last| {
        let mut is_lost = |packet: Vec<u8>| {
            assert_eq!(packet.last(), Some(&b'\n'), "a packet ends with a newline");
            number += 1;
            let is_lost = is_lost(number);
            lost |= is_lost;
            packets.extend((!is_lost).then_some(packet));
            is_lost
        };
        loop {
            // Room for the longest message of one value.
            let length = lengths.take().max(LONGEST);
            interval(&mut aggregator, sink, length, &mut is_lost);
            // Some intervals end within a second of others.
            tick += 300_000_000;
            counters(&mut aggregator, sink, (tick, length), is_last && sink.is_empty(), &mut is_lost);
            if sink.is_empty() {
                return;
            }
        }
    };
    let model = program.run(registry, || {
        pump.drain(|event| assert!(sink.offer(event), "the sink is full"));
        if sink.len() > 40 {
            send(&mut sink, false);
        }
    });
    send(&mut sink, true);
    let account = pump.detach(Exporter::Statsd);
    assert!(account.balanced() && account.held == 0, "{account:?}");
    assert_eq!(account.recorded, model.requests());
    assert_eq!(account.dropped.total(), account.dropped.get(DropReason::Unreachable), "{account:?}");
    assert!(lost || account.sent == account.recorded, "{account:?}");
    if !lost {
        judge::dogstatsd::packed(&model, dialect, packets.iter().map(Vec::as_slice));
    }
}

/// Sends one interval; each packet is taken twice, as after a failed attempt.
fn interval(
    aggregator: &mut Aggregator<'_, Vec<AggregatedRequest>, Vec<ContextCount>>,
    sink: &mut Sink<'_, Vec<Event>>,
    length: usize,
    mut is_lost: impl FnMut(Vec<u8>) -> bool,
) {
    aggregator.fill(sink);
    let (mut first, mut again) = (vec![0xff; length], vec![0; length]);
    while let Some(packet) = aggregator.next_packet(&mut first) {
        aggregator.put_back(packet);
        assert_eq!(aggregator.next_packet(&mut again), Some(packet), "taken again, it is another packet");
        assert_eq!(first[..packet.bytes], again[..packet.bytes], "taken again, it is another packet");
        if is_lost(first[..packet.bytes].to_vec()) {
            aggregator.lost(packet, DropReason::Unreachable);
        }
    }
    aggregator.settle(sink, DropReason::Deadline);
}

/// Sends the counters that say their second, if it has come; each packet is taken twice, too.
fn counters(
    aggregator: &mut Aggregator<'_, Vec<AggregatedRequest>, Vec<ContextCount>>,
    sink: &mut Sink<'_, Vec<Event>>,
    (tick, length): (u64, usize),
    are_last: bool,
    mut is_lost: impl FnMut(Vec<u8>) -> bool,
) {
    if !aggregator.begin_counters(tick, Timestamp::from_unix_nanos(1_700_000_000_000_000_000 + tick), are_last) {
        return;
    }
    let (mut first, mut again) = (vec![0xff; length], vec![0; length]);
    while let Some(packet) = aggregator.next_counters(&mut first) {
        aggregator.put_back_counters(&packet);
        assert_eq!(aggregator.next_counters(&mut again).as_ref(), Some(&packet), "taken again, it is another packet");
        assert_eq!(first[..packet.bytes], again[..packet.bytes], "taken again, it is another packet");
        let lost = is_lost(first[..packet.bytes].to_vec()).then_some(DropReason::Unreachable);
        aggregator.settle_counters(sink, packet, lost);
    }
}

/// Longest message of one value: 404 bytes of a series' tags, 150 of a constant one, 150 of external data, and the rest.
pub(super) const LONGEST: usize = 900;

/// The dialect of a program, with the text in its constant tag and in its external data before either is made safe.
fn dialect(data: &[u8]) -> (MessageDialect, String) {
    let value = String::from_utf8_lossy(data.get(..data.len().min(40)).unwrap_or_default()).into_owned();
    let safe = |c: char| if matches!(c, '|' | ',' | '#') || c.is_control() { '_' } else { c };
    let external: String = value.chars().filter(|c| *c != '|' && !c.is_control()).collect();
    let mut origin = vec!["c:in-1".to_owned()];
    origin.extend((!external.is_empty()).then(|| format!("e:{external}")));
    origin.push("card:orchestrator".to_owned());
    let dialect = MessageDialect {
        distributions: data.len().is_multiple_of(2),
        rate: (!data.len().is_multiple_of(3)).then_some(0.125),
        constant: vec![("run".into(), value.chars().map(safe).collect()), ("alone".into(), String::new())],
        origin,
        ..MessageDialect::contract("loaddensity")
    };
    (dialect, value)
}

fn plain(registry: Registry<'_>) -> MessageEncoder<'_> {
    MessageEncoder::new(registry, "loaddensity").expect("a plain prefix")
}

/// With everything that `dialect` says.
fn dressed<'a>(encoder: MessageEncoder<'a>, dialect: &MessageDialect, value: &str) -> MessageEncoder<'a> {
    let tags = ConstantTags::new([("run", value), ("alone", "")]).expect("tags that are short enough");
    let origin =
        Origin { container: Some("in-1"), external: Some(value), cardinality: Some(Cardinality::Orchestrator) };
    let rate = dialect.rate.and_then(SampleRate::new).unwrap_or(SampleRate::ALL);
    let encoder = encoder.with_constant_tags(&tags).with_sample_rate(rate);
    let encoder = if dialect.distributions { encoder.with_distributions() } else { encoder };
    encoder.with_origin(origin).expect("a good origin")
}
