//! The verdicts on DogStatsD messages in their dialects.

use super::same;
use crate::contract::{Format, ShownLabels, millis, observed};
use crate::dogstatsd::{self, MessageType, ParsedMessage};
use crate::model::{Model, ModelSeries, bytes, kind_text, nanos};
use std::collections::BTreeMap;

/// What messages have beside, or in place of, what the contract says.
#[derive(Clone, Debug, Default)]
pub struct MessageDialect {
    /// The prefix, with its dot.
    pub prefix: String,
    /// Whether latencies and sizes are distributions.
    pub distributions: bool,
    /// The sample rate that each message names.
    pub rate: Option<f64>,
    /// Constant tags as they are shown; a value may be empty.
    pub constant: Vec<(String, String)>,
    /// The fields of the origin as they are shown.
    pub origin: Vec<String>,
    /// Whether counters say a second, each later than the one before of the same tags.
    pub timestamps: bool,
}

/// Judges payloads of messages per request: each sample of the model is three messages.
///
/// # Panics
/// If a payload breaks the grammar, or the messages are not the model's samples.
pub fn messages<'b>(model: &Model, dialect: &MessageDialect, payloads: impl IntoIterator<Item = &'b [u8]>) {
    let mut values = Vec::new();
    for message in payloads.into_iter().flat_map(read) {
        dialect.check(&message);
        assert_eq!(message.values.len(), 1, "packed values: {message:?}");
        values.extend(dialect.values(&message));
    }
    same(dialect.expected(model), values);
}

/// Judges payloads of messages with packed values: their values together are the model's samples, and each counter says
/// for how many of them it stands. Returns the number of counters.
///
/// # Panics
/// If a payload breaks the grammar, or the values are not those of the model's samples.
pub fn packed<'b>(model: &Model, dialect: &MessageDialect, payloads: impl IntoIterator<Item = &'b [u8]>) -> usize {
    let (mut values, mut counters, mut seconds) = (Vec::new(), 0, BTreeMap::new());
    for message in payloads.into_iter().flat_map(read) {
        dialect.check(&message);
        if message.kind != MessageType::Count {
            values.extend(dialect.values(&message));
            continue;
        }
        let [count] = message.values[..] else { panic!("a counter is one sum: {message:?}") };
        let one = ParsedMessage { values: vec!["1"], ..message.clone() };
        let count: usize = count.parse().unwrap_or_else(|error| panic!("{error}: {message:?}"));
        values.extend((0..count).flat_map(|_| dialect.values(&one)));
        counters += 1;
        let last = seconds.insert(format!("{:?}", message.tags), message.timestamp).flatten();
        assert!(last.is_none() || last < message.timestamp, "{message:?} is not after {last:?}");
    }
    same(dialect.expected(model), values);
    counters
}

/// A value of a metric with its tags.
type TaggedValue = (ShownLabels, String);

fn read(payload: &[u8]) -> Vec<ParsedMessage<'_>> {
    dogstatsd::parse(payload).unwrap_or_else(|e| panic!("{e}: {:?}", String::from_utf8_lossy(payload)))
}

impl MessageDialect {
    /// What the contract says.
    #[must_use]
    pub fn contract(prefix: &str) -> Self {
        Self { prefix: format!("{prefix}."), ..Self::default() }
    }

    /// The fields that do not depend on the series.
    fn check(&self, message: &ParsedMessage<'_>) {
        assert_eq!(message.rate, self.rate, "{message:?}");
        assert_eq!(message.origin, self.origin, "{message:?}");
        assert_eq!(message.timestamp.is_some(), self.timestamps && message.kind == MessageType::Count, "{message:?}");
    }

    fn values(&self, message: &ParsedMessage<'_>) -> Vec<TaggedValue> {
        let name = message.name.strip_prefix(&self.prefix).unwrap_or_else(|| panic!("prefix of {}", message.name));
        let tags = message.tags.iter().map(|(key, value)| (*key, value.unwrap_or_default()));
        let tags = observed(tags, &[]);
        message.values.iter().map(|value| (tags.clone(), text(name, message.kind, value))).collect()
    }

    fn expected(&self, model: &Model) -> Vec<TaggedValue> {
        let (latency, size) = match self.distributions {
            true => (MessageType::Distribution, MessageType::Distribution),
            false => (MessageType::Timing, MessageType::Histogram),
        };
        let mut values = Vec::new();
        for known in model.shown() {
            let shown = self.tags(known);
            for sample in &known.samples {
                let mut tags = shown.clone();
                tags.push(("outcome".into(), sample.outcome.as_str().into()));
                tags.sort();
                let texts = [
                    text("requests", MessageType::Count, "1"),
                    text("request.latency", latency, &millis(nanos(sample))),
                    text("response.size", size, &bytes(sample).to_string()),
                ];
                let [requests, values_of] = [&texts[..1], &texts[1..]];
                values.extend(values_of.iter().map(|text| (tags.clone(), text.clone())));
                let kind = kind_text(sample).filter(|_| model.tells_kinds());
                tags.extend(kind.map(|kind| ("error_type".into(), kind.into())));
                tags.sort();
                values.extend(requests.iter().map(|text| (tags.clone(), text.clone())));
            }
        }
        values
    }

    /// The tags of a series; of two with the same key the series' own.
    fn tags(&self, known: &ModelSeries) -> ShownLabels {
        let own = known.spelling.shown(Format::Dogstatsd);
        let is_new = |(key, _): &&(String, String)| own.iter().all(|(own, _)| own != key);
        own.iter().chain(self.constant.iter().filter(is_new)).cloned().collect()
    }
}

fn text(name: &str, kind: MessageType, value: &str) -> String {
    format!("{name} {kind:?} {value}")
}
