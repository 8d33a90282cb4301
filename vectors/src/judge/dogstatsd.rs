//! The verdicts on DogStatsD messages in their dialects.

use super::{own, same};
use crate::contract::{Format, ShownLabels, millis, observed};
use crate::dogstatsd::{self, MessageType, ParsedMessage};
use crate::model::own::{Measured, OwnValues};
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

/// Judges payloads of one interval of the engine's own instruments, which arrived whole: what `dialect` says of rates, times and
/// distributions is of requests alone.
///
/// # Panics
/// If a payload breaks the grammar, or the messages are not what was observed.
pub fn instruments<'b>(model: &Model, dialect: &MessageDialect, payloads: impl IntoIterator<Item = &'b [u8]>) {
    let dialect = MessageDialect { rate: None, timestamps: false, ..dialect.clone() };
    // The messages of each row, by the tags as they are: those of two names that were cut differ in their hashes alone, and two
    // that differ in what no tag can hold have the same. Then a row begins with a part that the one before has.
    let mut rows: BTreeMap<(String, ShownLabels), Vec<Vec<OwnMessage>>> = BTreeMap::new();
    for message in payloads.into_iter().flat_map(read) {
        dialect.check(&message);
        let name = message.name.strip_prefix(&dialect.prefix).unwrap_or_else(|| panic!("prefix of {}", message.name));
        let (name, part) = name.split_once('.').unwrap_or((name, ""));
        let [value] = message.values[..] else { panic!("one value: {message:?}") };
        let tags = message.tags.iter().map(|(key, value)| ((*key).to_owned(), value.unwrap_or_default().to_owned()));
        let alike = rows.entry((name.to_owned(), tags.collect())).or_default();
        let message = (part.to_owned(), message.kind, value.to_owned());
        match alike.last_mut() {
            Some(row) if row.iter().all(|(other, ..)| *other != part) => row.push(message),
            _ => alike.push(vec![message]),
        }
    }
    let rows = rows.into_iter().flat_map(|(key, alike)| alike.into_iter().map(move |row| (key.clone(), row)));
    let mut rows: Vec<_> = rows.collect();
    for own in model.own() {
        for point in model.own_points(own, false) {
            let tags = point.of.map_or_else(|| dialect.constant.clone(), |known| dialect.tags(known));
            let tags = observed(tags.iter().map(|(key, value)| (key.as_str(), value.as_str())), &[]);
            let found = rows.iter().position(|((name, shown), messages)| {
                let shown = observed(shown.iter().map(|(key, value)| (key.as_str(), value.as_str())), &[]);
                *name == own.declared.name && shown == tags && is_row_of(messages, own, point.values)
            });
            rows.remove(
                found.unwrap_or_else(|| panic!("no {:?} {:?} of {tags:?} in {rows:?}", own.declared, point.values)),
            );
        }
    }
    assert!(rows.is_empty(), "nobody observed {rows:?}");
}

/// Judges payloads of observations one by one: each value of the model is a message.
///
/// # Panics
/// As [`instruments`].
pub fn observations<'b>(model: &Model, dialect: &MessageDialect, payloads: impl IntoIterator<Item = &'b [u8]>) {
    let dialect = MessageDialect { timestamps: false, ..dialect.clone() };
    let mut values = Vec::new();
    for message in payloads.into_iter().flat_map(read) {
        dialect.check(&message);
        assert_eq!(message.values.len(), 1, "packed values: {message:?}");
        values.extend(dialect.values(&message));
    }
    let mut expected = Vec::new();
    for own in model.own() {
        let (name, kind) = (&own.declared.name, dialect.type_of(own.declared.measured));
        for point in model.own_points(own, false) {
            let tags = point.of.map_or_else(|| dialect.constant.clone(), |known| dialect.tags(known));
            let tags = observed(tags.iter().map(|(key, value)| (key.as_str(), value.as_str())), &[]);
            let texts = point.values.iter().map(|value| text(name, kind, &own::text(own.declared.measured, *value)));
            expected.extend(texts.map(|text| (tags.clone(), text)));
        }
    }
    same(expected, values);
}

/// The part of a row, the type and the value of a message.
type OwnMessage = (String, MessageType, String);

/// Whether these are the messages of an instrument, in their order: counters, then gauges.
fn is_row_of(messages: &[OwnMessage], own: &OwnValues, values: &[u64]) -> bool {
    let (measured, sum) = (own.declared.measured, values.iter().sum());
    let exact = |part: &str, kind: MessageType, value: String| (part.to_owned(), kind, value);
    if measured == Measured::Counts {
        return messages == [exact("", MessageType::Count, own::text(measured, sum))];
    }
    let gauge = |part: &str, value: Option<&u64>| {
        exact(part, MessageType::Gauge, value.map_or_else(String::new, |value| own::text(measured, *value)))
    };
    let begin = [
        exact("count", MessageType::Count, values.len().to_string()),
        exact("sum", MessageType::Count, own::text(measured, sum)),
        gauge("min", values.iter().min()),
        gauge("max", values.iter().max()),
    ];
    let Some((first, percentiles)) = messages.split_at_checked(begin.len()) else { return false };
    let is_near = |((part, kind, value), (wanted, percent)): (&OwnMessage, (&str, usize))| {
        let value = value.parse().unwrap_or(f64::NAN);
        part == wanted && *kind == MessageType::Gauge && own::is_quantile(measured, value, percent, values)
    };
    first == begin && percentiles.len() == own::PERCENTS.len() && percentiles.iter().zip(own::PERCENTS).all(is_near)
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

    /// The type of single observations.
    const fn type_of(&self, measured: Measured) -> MessageType {
        match (measured, self.distributions) {
            (Measured::Counts, _) => MessageType::Count,
            (_, true) => MessageType::Distribution,
            (Measured::Times, false) => MessageType::Timing,
            (Measured::Numbers, false) => MessageType::Histogram,
        }
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
