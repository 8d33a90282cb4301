//! DogStatsD messages with options beyond the contract, checked by a strict parser of the grammar and a naive model.

mod common;

use common::{Recording, any_recording, nasty_recording, pumped, record};
use loaddensity_metrics_core::dogstatsd::{
    Cardinality, ConstantTags, MessageEncoder, Origin, OriginError, TAG_BYTES, TagError,
};
use loaddensity_metrics_core::{DropReason, Event, Exporter, Registry, Sample, SampleRate, Sampler, Sink, Storage};
use loaddensity_metrics_vectors::contract::Format;
use loaddensity_metrics_vectors::dogstatsd;
use loaddensity_metrics_vectors::model::Model;
use proptest::prelude::*;
use std::time::Duration;

const TAGS: [(&str, &str); 5] =
    [("run", "7"), ("scenario", "all"), ("dd.internal.entity_id", "pod:1"), ("a|b", "c,d#e\n"), ("alone", "")];
/// The same as they are shown.
const SHOWN: [(&str, Option<&str>); 5] = [
    ("run", Some("7")),
    ("scenario", Some("all")),
    ("dd.internal.entity_id", Some("pod:1")),
    ("a_b", Some("c_d_e_")),
    ("alone", None),
];

fn everything(registry: Registry<'_>) -> MessageEncoder<'_> {
    let origin =
        Origin { container: Some("ci-abc"), external: Some("it-false,|\ncn-x"), cardinality: Some(Cardinality::Low) };
    MessageEncoder::new(registry, "load.test")
        .expect("a prefix")
        .with_distributions()
        .with_sample_rate(SampleRate::new(0.25).expect("a rate"))
        .with_constant_tags(&ConstantTags::new(TAGS).expect("good tags"))
        .with_origin(origin)
        .expect("a good origin")
}

/// Checks messages of [`everything`].
fn judge(model: &Model, payloads: &[Vec<u8>]) {
    let mut seen = Vec::new();
    for payload in payloads {
        for message in dogstatsd::parse(payload).unwrap_or_else(|error| panic!("{error}")) {
            assert_eq!(message.rate, Some(0.25));
            assert_eq!(message.origin, ["c:ci-abc", "e:it-false,cn-x", "card:low"]);
            assert_eq!(message.timestamp, None, "{message:?}");
            let mut tags: Vec<_> = message.tags.iter().map(|(key, value)| format!("{key}:{value:?}")).collect();
            tags.sort();
            seen.push((format!("{} {:?}", message.name, message.kind), tags));
        }
    }
    let mut expected = Vec::new();
    for known in model.shown() {
        for sample in &known.samples {
            let own = known.spelling.shown(Format::Dogstatsd);
            let added = SHOWN.iter().filter(|(key, _)| own.iter().all(|(own, _)| own != key));
            let added = added.map(|(key, value)| format!("{key}:{value:?}"));
            let own = own.iter().map(|(key, value)| format!("{key}:{:?}", Some(value)));
            let outcome = format!("outcome:{:?}", Some(sample.outcome.as_str()));
            let mut tags: Vec<_> = own.chain(added).chain([outcome]).collect();
            tags.sort();
            let names = [
                "load.test.requests Count",
                "load.test.request.latency Distribution",
                "load.test.response.size Distribution",
            ];
            expected.extend(names.map(|name| (name.to_owned(), tags.clone())));
        }
    }
    expected.sort();
    seen.sort();
    assert_eq!(seen.len(), expected.len());
    for (seen, expected) in seen.iter().zip(&expected) {
        assert_eq!(seen, expected);
    }
}

/// Removes names that are cut: the model does not know the hash that the core puts into them.
fn short(recording: Recording) -> Recording {
    recording.into_iter().filter(|(spelling, _)| spelling.name.len() <= 195 && spelling.method.len() <= 32).collect()
}

#[test]
fn every_option_is_in_every_message_that_can_carry_it() {
    static STORAGE: Storage<1_024, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let recording = short(nasty_recording());
    let (model, payloads) = pumped(registry, Exporter::Statsd, everything(registry), 8_192, &recording);
    assert!(model.requests() > 600, "{}", model.requests());
    judge(&model, &payloads);
}

#[test]
fn a_message_that_does_not_fit_leaves_the_others_whole() {
    static STORAGE: Storage<64, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let recording: Recording = short(nasty_recording()).into_iter().take(40).collect();
    for batch in [500, 800] {
        let (model, payloads) = pumped(registry, Exporter::Statsd, everything(registry), batch, &recording);
        assert!(payloads.iter().all(|payload| payload.len() <= batch));
        judge(&model, &payloads);
    }
}

#[test]
fn each_option_alone_changes_what_it_says_and_nothing_else() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let recording = nasty_recording().into_iter().find(|(_, samples)| !samples.is_empty()).into_iter().collect();
    let plain = || MessageEncoder::new(registry, "p").expect("a prefix");
    let sent = |encoder| {
        let (_, payloads) = pumped(registry, Exporter::Statsd, encoder, 8_192, &recording);
        String::from_utf8(payloads.concat()).expect("text")
    };
    let before = sent(plain());
    assert_eq!(sent(plain().with_distributions()), before.replace("|ms|", "|d|").replace("|h|", "|d|"));
    assert_eq!(sent(plain().with_sample_rate(SampleRate::ALL)), before);
    let halved = before.replace("|#", "|@0.5|#");
    assert_eq!(sent(plain().with_sample_rate(SampleRate::new(0.5).expect("a rate"))), halved);
    assert_eq!(sent(plain().with_origin(Origin::default()).expect("nothing")), before);
    let tags = ConstantTags::new([]).expect("none");
    assert_eq!(sent(plain().with_constant_tags(&tags)), before);
}

#[test]
fn what_cannot_be_shown_is_refused() {
    assert_eq!(ConstantTags::new([("1a", "x")]), Err(TagError::Start { key: "1a" }));
    assert_eq!(ConstantTags::new([("", "x")]), Err(TagError::Start { key: "" }));
    assert_eq!(ConstantTags::new([("name", "x")]), Err(TagError::Reserved { key: "name" }));
    assert_eq!(ConstantTags::new([("Outcome", "x")]), Err(TagError::Reserved { key: "Outcome" }));
    let long = "x".repeat(TAG_BYTES);
    assert_eq!(ConstantTags::new([("run", "7"), ("k", &long)]), Err(TagError::NoRoom { key: "k" }));
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let refused = |origin| MessageEncoder::new(STORAGE.registry(), "p").expect("a prefix").with_origin(origin).err();
    let long = "c".repeat(257);
    for container in ["", "a|b", "a b", "é", &long] {
        assert_eq!(refused(Origin { container: Some(container), ..Origin::default() }), Some(OriginError::Container));
    }
    let external = "e".repeat(257);
    assert_eq!(refused(Origin { external: Some(&external), ..Origin::default() }), Some(OriginError::External));
    assert_eq!(Cardinality::of("Orchestrator"), Some(Cardinality::Orchestrator));
    assert_eq!(Cardinality::of("all"), None);
}

#[test]
fn requests_left_out_by_sampling_are_accounted_for() {
    static STORAGE: Storage<8, 1, 16> = Storage::new();
    let registry = STORAGE.registry();
    let mut pump = registry.pump().expect("the only pump");
    let mut sink = Sink::new(vec![Event::default(); 400], pump.attach(Exporter::Statsd));
    sink.set_sampler(Sampler::new(SampleRate::new(0.3).expect("a rate"), 1));
    let recording = vec![(Default::default(), vec![Sample::ok(Duration::ZERO); 1_000])];
    let model = record(&mut registry.recorder(), &recording, || {
        pump.drain_slices(|events| {
            sink.offer_all(events);
        });
    });
    let account = registry.account(Exporter::Statsd);
    assert!(account.balanced(), "{account:?}");
    let sampled = account.dropped.get(DropReason::Sampled);
    assert_eq!((account.recorded, account.held + sampled), (model.requests(), 1_000));
    assert!((620..=780).contains(&sampled), "{sampled} of 1,000 at 0.3");
}

proptest! {
    #[test]
    fn random_recordings_arrive_with_every_option(recording in any_recording()) {
        let storage = Box::new(Storage::<16, 1, 2>::new());
        let registry = storage.registry();
        let (model, payloads) = pumped(registry, Exporter::Statsd, everything(registry), 8_192, &short(recording));
        judge(&model, &payloads);
    }
}
