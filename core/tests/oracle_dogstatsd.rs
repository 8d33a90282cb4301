//! DogStatsD messages, checked by a strict parser of the grammar and a naive model.

mod common;

use common::{any_recording, edge_recording, nasty_recording, pumped};
use loaddensity_metrics_core::dogstatsd::{MessageEncoder, PrefixError};
use loaddensity_metrics_core::{Exporter, Sample, Storage};
use loaddensity_metrics_vectors::contract::Spelling;
use loaddensity_metrics_vectors::{check, dogstatsd, judge};
use proptest::prelude::*;
use std::time::Duration;

const PREFIX: &str = "loaddensity";

#[test]
fn nasty_names_survive_or_are_made_safe() {
    static STORAGE: Storage<1_024, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let encoder = MessageEncoder::new(registry, PREFIX).expect("prefix");
    let (model, payloads) = pumped(registry, Exporter::Statsd, encoder, 1_432, &nasty_recording());
    assert!(model.requests() > 800, "{}", model.requests());
    judge::messages(&model, PREFIX, payloads.iter().map(Vec::as_slice));
}

#[test]
fn every_bound_and_extreme_is_written_exactly() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let encoder = MessageEncoder::new(registry, PREFIX).expect("prefix");
    let (model, payloads) = pumped(registry, Exporter::Statsd, encoder, 1_432, &edge_recording());
    judge::messages(&model, PREFIX, payloads.iter().map(Vec::as_slice));
}

#[test]
fn a_prefix_stands_before_the_names_or_is_refused() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let recording = vec![(Spelling::new("GET", "/x"), vec![Sample::ok(Duration::ZERO)])];
    let longest = "p".repeat(160);
    let taken = [("loaddensity", "loaddensity."), ("a.b_9", "a.b_9."), ("dots...", "dots."), ("", ""), ("...", "")];
    for (prefix, before) in taken.into_iter().chain([(longest.as_str(), format!("{longest}.").as_str())]) {
        let encoder = MessageEncoder::new(registry, prefix).expect(prefix);
        let (_, payloads) = pumped(registry, Exporter::Statsd, encoder, 1_432, &recording);
        let payload = payloads.concat();
        let messages = dogstatsd::parse(&payload).unwrap_or_else(|error| panic!("{error} with {prefix:?}"));
        let names: Vec<_> = messages.iter().map(|message| message.name.to_owned()).collect();
        let expected = ["requests", "request.latency", "response.size"].map(|name| format!("{before}{name}"));
        assert_eq!(names, expected);
    }
    let refused = [
        ("9a", PrefixError::Start),
        (".a", PrefixError::Start),
        ("_a", PrefixError::Start),
        ("é", PrefixError::Start),
        ("a b", PrefixError::Character),
        ("a:b", PrefixError::Character),
        ("a|b", PrefixError::Character),
        ("a\nb", PrefixError::Character),
        ("aé", PrefixError::Character),
        (&"p".repeat(161), PrefixError::TooLong),
    ];
    for (prefix, error) in refused {
        assert_eq!(MessageEncoder::new(registry, prefix).err(), Some(error), "{prefix:?}");
    }
}

proptest! {
    #[test]
    fn random_recordings_arrive_exactly(recording in any_recording(), batch in 1_432..9_000usize) {
        let storage = Box::new(Storage::<9, 1, 2>::new());
        let registry = storage.registry();
        let encoder = MessageEncoder::new(registry, PREFIX).expect("prefix");
        let (model, payloads) = pumped(registry, Exporter::Statsd, encoder, batch, &recording);
        judge::messages(&model, PREFIX, payloads.iter().map(Vec::as_slice));
    }

    #[test]
    fn random_programs_give_right_messages(program in proptest::collection::vec(any::<u8>(), 0..600)) {
        check::dogstatsd(&program);
    }
}
