//! Messages per interval with packed values, checked by a strict parser of the grammar and a naive model.

mod common;

use common::{Recording, any_recording, edge_recording, nasty_recording, record};
use loaddensity_metrics_core::dogstatsd::{AggregatedRequest, Cardinality, ConstantTags, MessageEncoder, Origin};
use loaddensity_metrics_core::{Account, DropReason, Event, Exporter, Registry, Sample, SampleRate, Sink, Storage};
use loaddensity_metrics_vectors::contract::Spelling;
use loaddensity_metrics_vectors::dogstatsd::parse;
use loaddensity_metrics_vectors::judge::dogstatsd::{MessageDialect, packed};
use loaddensity_metrics_vectors::model::Model;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

/// What one recording led to.
struct Sent {
    model: Model,
    packets: Vec<Vec<u8>>,
    account: Account,
    /// Contexts of all intervals.
    contexts: usize,
}

/// Records while the exporter runs, and sends everything in intervals of up to `slots` requests, in packets of up to
/// `length` bytes. `is_lost` says for each packet number whether the packet is lost; `None` ends the interval there.
fn sent(
    registry: Registry<'_>,
    encoder: &MessageEncoder<'_>,
    (slots, length): (usize, usize),
    recording: &Recording,
    is_lost: impl Fn(usize) -> Option<bool>,
) -> Sent {
    let mut pump = registry.pump().expect("the only pump");
    let mut sink = Sink::new(vec![Event::default(); 4_096], pump.attach(Exporter::Statsd));
    let model = record(&mut registry.recorder(), recording, || {
        pump.drain(|event| assert!(sink.offer(event)));
    });
    let mut aggregator = encoder.aggregator(vec![AggregatedRequest::default(); slots]);
    let (mut packets, mut contexts, mut number) = (Vec::new(), 0, 0);
    while !sink.is_empty() {
        aggregator.fill(&sink);
        let expected = contexts_of(&sink, aggregator.capacity());
        let mut room = vec![0xff; length];
        let mut begun = 0;
        while let Some(packet) = aggregator.next_packet(&mut room) {
            assert!(packet.bytes <= length);
            number += 1;
            begun += packet.contexts;
            match is_lost(number) {
                Some(true) => aggregator.lost(packet, DropReason::Unreachable),
                Some(false) => packets.push(room[..packet.bytes].to_vec()),
                None => {
                    aggregator.put_back(packet);
                    break;
                }
            }
        }
        assert!(begun <= expected, "{begun} of {expected} contexts");
        contexts += begun;
        aggregator.settle(&mut sink, DropReason::Deadline);
    }
    let account = pump.detach(Exporter::Statsd);
    assert!(account.balanced() && account.held == 0, "{account:?}");
    assert_eq!(account.recorded, model.requests());
    Sent { model, packets, account, contexts }
}

/// The contexts of the first `slots` requests.
fn contexts_of(sink: &Sink<'_, Vec<Event>>, slots: usize) -> usize {
    let events = (0..slots).map_while(|position| sink.get(position));
    events.map(|event| (event.series, event.outcome().as_str())).collect::<BTreeSet<_>>().len()
}

fn all_arrive(_: usize) -> Option<bool> {
    Some(false)
}

fn plain(registry: Registry<'_>) -> MessageEncoder<'_> {
    MessageEncoder::new(registry, "loaddensity").expect("a prefix")
}

/// Checks a run without losses.
fn judge(sent: &Sent, dialect: &MessageDialect) {
    assert_eq!(sent.account.sent, sent.model.requests(), "{:?}", sent.account);
    let counters = packed(&sent.model, dialect, sent.packets.iter().map(Vec::as_slice));
    assert_eq!(counters, sent.contexts, "not one counter per context and interval");
}

#[test]
fn nasty_names_and_extremes_arrive_in_packets_of_every_size() {
    static STORAGE: Storage<1_024, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    for recording in [nasty_recording(), edge_recording()] {
        for (slots, length) in [(4_096, 600), (4_096, 1_432), (7, 1_432), (1, 1_432), (100, 65_507)] {
            let sent = sent(registry, &plain(registry), (slots, length), &recording, all_arrive);
            judge(&sent, &MessageDialect::contract("loaddensity"));
        }
    }
}

#[test]
fn values_of_one_context_share_messages() {
    let storage = Box::new(Storage::<4, 1, 2>::new());
    let registry = storage.registry();
    let recording = vec![(Spelling::new("GET", "/x"), vec![Sample::ok(Duration::ZERO).response_bytes(7); 3])];
    let sent = sent(registry, &plain(registry), (8, 1_432), &recording, all_arrive);
    let tags = "#method:GET,name:/x,outcome:success";
    let expected = format!(
        "loaddensity.requests:3|c|{tags}\nloaddensity.request.latency:0:0:0|ms|{tags}\nloaddensity.response.size:7:7:7|h|{tags}"
    );
    assert_eq!(sent.packets.iter().map(|packet| String::from_utf8_lossy(packet)).collect::<Vec<_>>(), [expected]);
}

/// Each option appears once per message, however many values the message has.
#[test]
fn every_option_is_in_packed_messages() {
    static STORAGE: Storage<1_024, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let origin = Origin { container: Some("ci-abc"), external: Some("it-false"), cardinality: Some(Cardinality::Low) };
    let encoder = MessageEncoder::new(registry, "load.test")
        .expect("a prefix")
        .with_distributions()
        .with_sample_rate(SampleRate::new(0.25).expect("a rate"))
        .with_constant_tags(&ConstantTags::new([("run", "7"), ("scenario", "all"), ("alone", "")]).expect("good tags"))
        .with_origin(origin)
        .expect("a good origin");
    let constant = [("run", "7"), ("scenario", "all"), ("alone", "")];
    let dialect = MessageDialect {
        distributions: true,
        rate: Some(0.25),
        constant: constant.map(|(key, value)| (key.into(), value.into())).into(),
        origin: ["c:ci-abc", "e:it-false", "card:low"].map(Into::into).into(),
        ..MessageDialect::contract("load.test")
    };
    let sent = sent(registry, &encoder, (500, 1_432), &nasty_recording(), all_arrive);
    judge(&sent, &dialect);
}

/// If one message of a context could be longer than a packet, the whole context is dropped, and no other one.
#[test]
fn messages_that_fit_into_no_packet_are_too_large() {
    let storage = Box::new(Storage::<4, 1, 2>::new());
    let registry = storage.registry();
    let samples = vec![Sample::ok(Duration::ZERO); 5];
    let (short, long) = (Spelling::new("GET", "/x"), Spelling::new("GET", &"n".repeat(100)));
    let recording = vec![(short, samples.clone()), (long, samples)];
    // The short one's: prefix and name, the longest number, type and tags.
    let longest = "loaddensity.request.latency:18446744073709.551615|ms|#method:GET,name:/x,outcome:success".len();
    let short = sent(registry, &plain(registry), (16, longest), &recording, all_arrive);
    let too_large = |sent: &Sent| sent.account.dropped.get(DropReason::TooLarge);
    assert_eq!((short.account.sent, too_large(&short), short.contexts), (5, 5, 1));
    let neither = sent(registry, &plain(registry), (16, longest - 1), &recording, all_arrive);
    assert_eq!((neither.account.sent, too_large(&neither), neither.packets.len()), (0, 10, 0));
}

/// Whichever packets are lost, and whenever the deadline comes: a request counts as sent exactly if all of its messages
/// were sent, and as unconfirmed if some were and none is lost.
#[test]
fn lost_packets_take_their_requests_with_them_and_no_others() {
    for (lost, end) in (0..8).flat_map(|lost| (1..10).map(move |end| (lost, end))) {
        let storage = Box::new(Storage::<4, 1, 2>::new());
        let registry = storage.registry();
        // Each size and each latency occurs once, and tells which request it is.
        let sample = |number| Sample::ok(Duration::from_millis(number)).response_bytes(number);
        let of = |name, numbers: Range<u64>| (Spelling::new("GET", name), numbers.map(sample).collect());
        let recording = vec![of("/a", 100..150), of("/b", 200..203), of("/c", 300..301)];
        let ended = Cell::new(false);
        let fate = |number| {
            ended.set(number >= end);
            (number < end).then_some(number == lost)
        };
        let sent = sent(registry, &plain(registry), (64, 200), &recording, fate);
        let messages_of = |name: &str, number: u64| {
            let has = |metric, is_value: &dyn Fn(&str) -> bool| {
                sent.packets.iter().flat_map(|packet| parse(packet).expect("good messages")).any(|message| {
                    message.name.ends_with(metric)
                        && message.tag("name") == Some(name)
                        && message.values.iter().any(|value| is_value(value))
                })
            };
            let is_its = |value: &str| value == number.to_string();
            [has(".requests", &|_| true), has(".latency", &is_its), has(".size", &is_its)]
        };
        let all = (100..150).map(|n| ("/a", n)).chain((200..203).map(|n| ("/b", n))).chain([("/c", 300)]);
        let sent_of = Vec::from_iter(all.map(|(name, number)| messages_of(name, number)));
        let whole = sent_of.iter().filter(|messages| **messages == [true; 3]).count();
        let in_part = sent_of.iter().filter(|messages| messages.contains(&true)).count() - whole;
        assert_eq!(sent.account.sent, whole as u64, "packet {lost} was lost, {end} was too late: {:?}", sent.account);
        let dropped = sent.account.dropped;
        assert_eq!(dropped.total(), 54 - whole as u64);
        let [unconfirmed, deadline] = [DropReason::Unconfirmed, DropReason::Deadline].map(|cause| dropped.get(cause));
        assert_eq!(unconfirmed + deadline != 0, ended.get(), "{dropped:?}");
        assert!(if lost == 0 { unconfirmed == in_part as u64 } else { unconfirmed <= in_part as u64 }, "{dropped:?}");
    }
}

proptest! {
    #[test]
    fn random_recordings_arrive_in_intervals(
        recording in any_recording(), slots in 1..20usize, length in 700..3_000usize,
    ) {
        let storage = Box::new(Storage::<9, 1, 2>::new());
        let registry = storage.registry();
        let sent = sent(registry, &plain(registry), (slots, length), &recording, all_arrive);
        judge(&sent, &MessageDialect::contract("loaddensity"));
    }

    /// The account is right whichever packets are lost, and wherever an interval ends.
    #[test]
    fn random_losses_leave_the_account_right(
        recording in any_recording(), slots in 1..20usize, length in 400..1_500usize, fates in any::<u64>(),
    ) {
        let storage = Box::new(Storage::<9, 1, 2>::new());
        let registry = storage.registry();
        let fate = |number: usize| match fates.rotate_right(2 * number as u32) & 3 {
            0 => None,
            1 => Some(true),
            _ => Some(false),
        };
        let sent = sent(registry, &plain(registry), (slots, length), &recording, fate);
        prop_assert!(sent.account.sent <= sent.model.requests());
    }
}
