//! Items of events, compared with a plain `format!`, in buffers of every length. The room that is left decides how
//! items are copied, and must not change the result.

use std::time::Duration;

use loaddensity_metrics_core::dogstatsd::MessageEncoder;
use loaddensity_metrics_core::influxdb::LineEncoder;
use loaddensity_metrics_core::{Event, EventEncoder, Label, Outcome, Registry, Sample, Series, Storage, Timestamp};

/// More bytes than all wide copies together write after the end of an item.
const BEYOND: usize = 320;

/// A series and its tags as InfluxDB sorts them, before and after the outcome, and as DogStatsD shows them.
struct Tags {
    series: Series,
    before: String,
    after: String,
    dogstatsd: String,
}

fn tags(registry: Registry<'_>, name: &str, labels: &[(&str, &str)]) -> Tags {
    let given: Vec<_> = labels.iter().map(|&(key, value)| Label { key, value }).collect();
    let series = registry.series_with_labels("GET", name, &given).expect("labels of plain letters");
    let mut sorted = vec![("method", "GET"), ("name", name)];
    sorted.extend(labels);
    let dogstatsd = sorted.iter().map(|(key, value)| format!("{key}:{value}")).collect::<Vec<_>>().join(",");
    sorted.sort();
    let shown = |is_before: bool| {
        let part = sorted.iter().filter(|(key, _)| (*key < "outcome") == is_before);
        part.map(|(key, value)| format!(",{key}={value}")).collect()
    };
    Tags { series, before: shown(true), after: shown(false), dogstatsd }
}

/// Series whose tags have lengths just below and just above every length at which copying changes.
fn series(registry: Registry<'_>) -> Vec<Tags> {
    let mut all: Vec<Tags> =
        [1, 2, 7, 8, 30, 33, 34, 35, 49, 50, 51, 52, 66, 67, 68, 82, 83, 84, 99, 100, 180, 195, 254, 255]
            .map(|length| tags(registry, &"n".repeat(length), &[]))
            .into();
    all.push(tags(registry, "/a", &[("alpha", "1"), ("region", "eu")]));
    let half = "h".repeat(121);
    let most = [("a", "1"), ("b", "2"), ("m", "3"), ("n", "4"), ("o", "5"), ("p", &*half), ("y", "7"), ("z", &*half)];
    all.push(tags(registry, "/c", &most));
    all.push(tags(registry, "/b", &[("region", "eu-central-1"), ("scenario", &"s".repeat(70))]));
    all
}

fn event(series: Series, [status, latency_ns, response_bytes, nanos]: [u64; 4], outcome: Outcome) -> Event {
    let sample =
        Sample::new(outcome, Duration::ZERO).status(status as u16).completed_at(Timestamp::from_unix_nanos(nanos));
    // Numbers that are larger than a sample's, too.
    let mut event = Event::of(series, sample);
    (event.latency_ns, event.response_bytes) = (latency_ns, response_bytes);
    event
}

/// Numbers just below and just above every value at which printing changes.
fn numbers() -> Vec<[u64; 4]> {
    let now = 1_700_000_000_123_456_789;
    let mut all = vec![[200, 42_000_000, 1_024, now], [0, 0, 0, 0], [65_535, u64::MAX, u64::MAX, u64::MAX]];
    all.extend([1, 9, 10, 99, 100, 101, 999, 1_000, 10_000].map(|status| [status, 1, 1, now]));
    for power in 0..20 {
        let power = 10_u64.pow(power);
        all.extend([power - 1, power, power + power / 7].map(|value| [500, value, value, value]));
    }
    let day = 86_400_000_000_000;
    all.extend([137_000, 10_000_010, 7_900_000, 999_999_999_999, day - 1, day].map(|latency| [200, latency, 7, now]));
    // Timestamps that increase, that go back, and that are a tenth of a second later.
    all.extend([0, 1, 76_543_211, 99_999_999, 100_000_000, 5].map(|later| [200, 1_500_000, 1 << 50, now + later]));
    all.push([200, 1, 1, i64::MAX as u64 - 1]);
    all
}

fn millis(nanos: u64) -> String {
    let text = format!("{}.{:06}", nanos / 1_000_000, nanos % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').into()
}

fn line(measurement: &str, event: &Event, tags: &Tags) -> Vec<String> {
    let largest = i64::MAX as u64;
    vec![format!(
        "{measurement}{},outcome={}{} status_code={}i,response_time_ms={},response_length={}i {}",
        tags.before,
        event.outcome().as_str(),
        tags.after,
        event.status,
        millis(event.latency_ns),
        event.response_bytes.min(largest),
        event.completed_at.as_unix_nanos().min(largest - 1),
    )]
}

fn messages(prefix: &str, event: &Event, tags: &Tags) -> Vec<String> {
    let rest = format!("{},outcome:{}", tags.dogstatsd, event.outcome().as_str());
    vec![
        format!("{prefix}requests:1|c|#{rest}"),
        format!("{prefix}request.latency:{}|ms|#{rest}", millis(event.latency_ns)),
        format!("{prefix}response.size:{}|h|#{rest}", event.response_bytes),
    ]
}

/// Each item alone, and all of them together, in buffers of every length.
fn assert_in_every_buffer<E: EventEncoder>(encoder: &E, event: &Event, expected: &[String]) {
    for (item, expected) in (0..E::ITEMS).zip(expected) {
        for room in 0..expected.len() + BEYOND {
            let mut buffer = vec![0xff; room];
            let length = encoder.encode(event, item, &mut buffer).ok();
            assert_eq!(length, (room >= expected.len()).then_some(expected.len()), "{expected} in {room}");
            assert!(length.is_none_or(|length| buffer[..length] == *expected.as_bytes()), "{expected} in {room}");
        }
    }
    for first in 0..E::ITEMS {
        let whole = expected[first.into()..].join("\n");
        for room in 0..whole.len() + BEYOND {
            let mut buffer = vec![0xff; room];
            let written = encoder.encode_items(event, first..E::ITEMS, &mut buffer);
            let ends =
                (1..=expected.len() - usize::from(first)).map(|items| expected[first.into()..][..items].join("\n"));
            let fits = ends.take_while(|whole| whole.len() <= room).last().unwrap_or_default();
            assert_eq!(buffer[..written.bytes], *fits.as_bytes(), "items from {first} on in {room}");
            assert_eq!(usize::from(written.items), fits.split_terminator('\n').count());
        }
    }
}

fn assert_as_written<E: EventEncoder>(encoder: &E, event: &Event, expected: &[String]) {
    let mut buffer = [0; 4_096];
    let written = encoder.encode_items(event, 0..E::ITEMS, &mut buffer);
    assert_eq!(core::str::from_utf8(&buffer[..written.bytes]), Ok(expected.join("\n").as_str()));
}

#[test]
fn lines_are_the_same_in_buffers_of_every_length() {
    // Too large to be moved over the stack of a test's thread.
    static STORAGE: Storage<32, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let usual = [200, 1_500_000, 123, 1_700_000_000_123_456_789];
    let longest = [65_535, u64::MAX, u64::MAX, u64::MAX];
    for measurement in [
        "m",
        "loaddensity_request",
        &"m".repeat(32),
        &"m".repeat(33),
        &"m".repeat(64),
        &"m".repeat(65),
        &"m".repeat(128),
    ] {
        let encoder = LineEncoder::new(registry, measurement).expect("measurement");
        for tags in series(registry) {
            for (numbers, outcome) in [usual, longest].into_iter().zip(Outcome::ALL) {
                let event = event(tags.series, numbers, outcome);
                assert_in_every_buffer(&encoder, &event, &line(measurement, &event, &tags));
            }
        }
    }
}

#[test]
fn messages_are_the_same_in_buffers_of_every_length() {
    // Too large to be moved over the stack of a test's thread.
    static STORAGE: Storage<32, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let prefix = |length| format!("{}.", "p".repeat(length));
    for prefix in ["", "loaddensity.", &prefix(14), &prefix(15), &prefix(46), &prefix(47), &prefix(160)] {
        let encoder = MessageEncoder::new(registry, prefix).expect("prefix");
        // Longer names are cut for DogStatsD.
        let fits = |tags: &&Tags| tags.dogstatsd.len() <= "method:GET,name:".len() + 195;
        for tags in series(registry).iter().filter(fits).step_by(3) {
            for (numbers, outcome) in
                [[200, 1_500_000, 123, 1], [0, u64::MAX, u64::MAX, 1]].into_iter().zip(Outcome::ALL)
            {
                let event = event(tags.series, numbers, outcome);
                assert_in_every_buffer(&encoder, &event, &messages(prefix, &event, tags));
            }
        }
    }
}

#[test]
fn numbers_are_written_like_those_of_the_standard_library() {
    let storage = Box::new(Storage::<4, 1, 2>::new());
    let registry = storage.registry();
    let lines = LineEncoder::new(registry, "m").expect("measurement");
    let datagrams = MessageEncoder::new(registry, "p").expect("prefix");
    let tags = tags(registry, "/x", &[]);
    for (numbers, outcome) in numbers().into_iter().zip(Outcome::ALL.into_iter().cycle()) {
        let event = event(tags.series, numbers, outcome);
        assert_as_written(&lines, &event, &line("m", &event, &tags));
        assert_as_written(&datagrams, &event, &messages("p.", &event, &tags));
    }
}
