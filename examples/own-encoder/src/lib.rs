//! An encoder of one's own: DogStatsD, as somebody writes it who has read what the contract says of names and numbers. Its input
//! has the types that the oracles take; nothing else of it is from this project.

use std::hash::{DefaultHasher, Hash, Hasher};

use loaddensity_metrics_core::Sample;
use loaddensity_metrics_vectors::contract::Spelling;

pub use loaddensity_metrics_vectors::own_encoder::requests;

/// Longest method and name, in bytes; longest tag with its key, in characters.
const METHOD: usize = 32;
const NAME: usize = 255;
const TAG: usize = 200;
/// `~` and 16 digits.
const MARK: usize = 17;

/// Longer latencies count as a day, larger responses as 1 PiB.
const DAY: u128 = 86_400_000_000_000;
const PEBIBYTE: u64 = 1 << 50;

/// Three messages for each request, with newlines between them.
#[must_use]
pub fn encode(requests: &[(Spelling, Sample)]) -> Vec<u8> {
    encode_with(requests, clean)
}

/// The same with another idea of what is safe in a value, so that a wrong one can be tried.
#[must_use]
pub fn encode_with(requests: &[(Spelling, Sample)], clean: fn(&str) -> String) -> Vec<u8> {
    let messages: Vec<_> = requests.iter().map(|(series, sample)| messages(series, sample, clean)).collect();
    messages.join("\n").into_bytes()
}

fn messages(series: &Spelling, sample: &Sample, clean: fn(&str) -> String) -> String {
    let tags = tags(series, sample, clean);
    let (latency, size) = (milliseconds(sample.latency.as_nanos().min(DAY)), sample.response_bytes.min(PEBIBYTE));
    format!(
        "loaddensity.requests:1|c|#{tags}\n\
         loaddensity.request.latency:{latency}|ms|#{tags}\n\
         loaddensity.response.size:{size}|h|#{tags}"
    )
}

fn tags(series: &Spelling, sample: &Sample, clean: fn(&str) -> String) -> String {
    let method = cut(or(&series.method, "REQ"), METHOD, str::len);
    let name = cut(or(&series.name, "unknown"), NAME, str::len);
    // Datadog would cut a longer tag itself, and make one series of two.
    let name = cut(&name, TAG - "name:".len(), |text| text.chars().count());
    let mut tags = format!("method:{},name:{},outcome:{}", clean(&method), clean(&name), sample.outcome.as_str());
    for (key, value) in series.labels.iter().filter(|(_, value)| !value.is_empty()) {
        tags.push_str(&format!(",{}:{}", key_of(key), clean(value)));
    }
    tags
}

/// The protocol has no escapes.
fn clean(value: &str) -> String {
    value.replace(|c: char| "|,:#".contains(c) || c.is_control(), "_")
}

fn key_of(key: &str) -> String {
    let clean = key.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    if clean.starts_with(|c: char| c.is_ascii_digit()) { format!("_{clean}") } else { clean }
}

fn or<'a>(text: &'a str, empty: &'a str) -> &'a str {
    if text.is_empty() { empty } else { text }
}

/// Two texts that differ only after the cut stay different, by a hash of the whole.
fn cut(text: &str, limit: usize, length: fn(&str) -> usize) -> String {
    if length(text) <= limit {
        return text.to_owned();
    }
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let ends = text.char_indices().map(|(at, c)| &text[..at + c.len_utf8()]);
    let kept = ends.take_while(|kept| length(kept) + MARK <= limit).last().unwrap_or_default();
    format!("{kept}~{:016x}", hasher.finish())
}

/// Exact to the nanosecond, without an exponent.
fn milliseconds(nanos: u128) -> String {
    let text = format!("{}.{:06}", nanos / 1_000_000, nanos % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
