//! A test of 100,000 series: each of them is in every format, with its labels and everything that two recorders counted.
#![cfg(feature = "alloc")]

mod common;

use common::{body_of, page_of};
use loaddensity_metrics_core::dogstatsd::MessageEncoder;
use loaddensity_metrics_core::influxdb::LineEncoder;
use loaddensity_metrics_core::otlp::{Export, Resource, Sources};
use loaddensity_metrics_core::prometheus::Families;
use loaddensity_metrics_core::{
    Bounds, Event, EventEncoder, Exporter, HeapStorage, Label, Outcome, Packer, Pump, Recorder, Sample, Series, Sink,
    Timestamp,
};
use loaddensity_metrics_vectors::influx::ParsedValue;
use loaddensity_metrics_vectors::otlp::{DecodedValue, OVERFLOW, decode, unframe};
use loaddensity_metrics_vectors::{dogstatsd, families, influx, prometheus};
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

const SERIES: usize = 100_000;
/// Series beyond those that the storage has room for; their requests are those of number [`SERIES`].
const FOLDED: usize = 3;
const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];
/// Series between two drains, fewer than a ring has room for.
const SLICE: usize = 1_000;
/// Of InfluxDB's lines and of datagrams.
const BODY_BYTES: usize = 64 << 10;
const REQUEST_BYTES: usize = 4 << 20;

/// What the storage holds, and what per-request exporters wrote while it was recorded.
struct Recorded {
    storage: HeapStorage,
    lines: Vec<Vec<u8>>,
    messages: Vec<Vec<u8>>,
}

/// What is shown of a series and outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Shown {
    requests: u64,
    latencies: u64,
    latency_ns: u64,
    sizes: u64,
    bytes: u64,
}

/// By number of series, then by outcome.
type ShownSeries = Vec<[Shown; 2]>;

#[test]
fn a_page_has_all_of_100_000_series() {
    let bytes = page_of(recorded().storage.registry());
    let page = prometheus::parse(&bytes).expect("a page");
    let mut shown = nothing();
    let mut buckets = 0;
    for sample in page.samples().filter(|sample| sample.label("method").is_some()) {
        let one = of_labels(&mut shown, sample.labels.iter().map(|(key, value)| (*key, value.as_ref())));
        let value = sample.value as u64;
        match sample.name {
            "loaddensity_requests_total" => one.requests += value,
            "loaddensity_request_latency_ms_count" => one.latencies += value,
            "loaddensity_request_latency_ms_sum" => one.latency_ns += nanos(sample.value),
            "loaddensity_response_bytes_count" => one.sizes += value,
            "loaddensity_response_bytes_sum" => one.bytes += value,
            _ => buckets += 1,
        }
    }
    // One of latency, one of size, and the overflow series.
    assert_eq!(buckets, 2 * (SERIES + 1));
    assert_same(&shown, &expected_of_scrapes());
}

#[test]
fn a_scrape_of_native_histograms_has_all_of_100_000_series() {
    let body = body_of(Families::new(recorded().storage.registry()));
    let mut shown = nothing();
    for family in families::decode(&body).expect("families") {
        for metric in family.metric.iter().filter(|metric| metric.label("method").is_some()) {
            let one = of_labels(&mut shown, metric.labels());
            let Some(histogram) = &metric.histogram else {
                one.requests += metric.counter.as_ref().and_then(|counter| counter.value).expect("a counter") as u64;
                continue;
            };
            let native: u64 = histogram.native().expect("native buckets").values().sum();
            assert_eq!(native + histogram.zero_count.unwrap_or_default(), histogram.sample_count(), "{metric:?}");
            if family.name() == "loaddensity_request_latency_ms" {
                one.latencies += histogram.sample_count();
                one.latency_ns += nanos(histogram.sample_sum());
            } else {
                one.sizes += histogram.sample_count();
                one.bytes += histogram.sample_sum() as u64;
            }
        }
    }
    assert_same(&shown, &expected_of_scrapes());
}

#[test]
fn an_export_has_all_of_100_000_series() {
    let registry = recorded().storage.registry();
    let resource = Resource::new("shop");
    let (mut buffer, mut shown, mut requests) = (vec![0; REQUEST_BYTES], nothing(), 0);
    let mut export = Export::new(registry, Timestamp::from_unix_nanos(1), Timestamp::from_unix_nanos(2));
    while let Some(part) = export.next_request(Sources::new(registry, &resource), &mut buffer).expect("room") {
        let message = unframe(part.of(&buffer)).expect("a frame");
        for point in decode(message).expect("points") {
            let attributes = point.attributes.iter().map(|(key, value)| (key.as_str(), value.as_str()));
            let one = of_labels(&mut shown, attributes);
            match (point.metric.as_str(), point.value) {
                (_, DecodedValue::Sum(value)) => one.requests += value as u64,
                ("loaddensity.request.latency", DecodedValue::Histogram { count, sum, .. }) => {
                    one.latencies += count;
                    one.latency_ns += nanos(sum);
                }
                (_, DecodedValue::Histogram { count, sum, .. }) => {
                    one.sizes += count;
                    one.bytes += sum as u64;
                }
                (metric, value) => panic!("{metric}: {value:?}"),
            }
        }
        requests += 1;
        export = part.next;
    }
    assert!(requests > 1, "one request would do");
    assert_eq!(export.requests(), registry.requests());
    assert_same(&shown, &expected());
}

#[test]
fn lines_of_influxdb_have_all_of_100_000_series() {
    let mut shown = nothing();
    for point in recorded().lines.iter().flat_map(|body| influx::parse(body).expect("lines")) {
        let one = of_labels(&mut shown, point.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        let (Some(ParsedValue::Float(latency)), Some(ParsedValue::Integer(bytes))) =
            (point.field("response_time_ms"), point.field("response_length"))
        else {
            panic!("{point:?}");
        };
        *one = one.plus(&Shown::of(nanos(*latency), *bytes as u64));
    }
    assert_same(&shown, &expected());
}

#[test]
fn messages_of_dogstatsd_have_all_of_100_000_series() {
    let mut shown = nothing();
    for message in recorded().messages.iter().flat_map(|payload| dogstatsd::parse(payload).expect("messages")) {
        let tags = message.tags.iter().map(|(key, value)| (*key, value.expect("a value")));
        let one = of_labels(&mut shown, tags);
        let value: f64 = message.numbers().iter().sum();
        match message.name {
            "shop.requests" => one.requests += value as u64,
            "shop.request.latency" => {
                one.latencies += 1;
                one.latency_ns += nanos(value);
            }
            "shop.response.size" => {
                one.sizes += 1;
                one.bytes += value as u64;
            }
            other => panic!("{other}"),
        }
    }
    assert_same(&shown, &expected());
}

#[test]
fn series_100_001_is_folded_and_said() {
    let registry = recorded().storage.registry();
    let usage = registry.usage();
    assert_eq!((usage.series, usage.series_capacity, usage.folded), (SERIES, SERIES, FOLDED as u64));
    let (method, name) = registry.first_folded().expect("some were folded");
    assert_eq!((method.as_str(), name.as_str()), ("GET", "/items/0"));
    let folded: usize = (SERIES..SERIES + FOLDED).map(|number| samples(number).count()).sum();
    assert_eq!(registry.series_totals(Series::OVERFLOW).requests(), folded as u64);
    // Those that are in the storage are found as before.
    let found = intern(&registry.recorder(), SERIES - 1);
    assert_ne!(found, Series::OVERFLOW);
    assert_eq!(registry.series_totals(found).requests(), samples(SERIES - 1).count() as u64);
}

/// Recorded once for all tests of this file.
fn recorded() -> &'static Recorded {
    static RECORDED: OnceLock<Recorded> = OnceLock::new();
    RECORDED.get_or_init(|| {
        let storage = HeapStorage::new(SERIES, 2, 2 * SLICE.next_power_of_two()).expect("a size that exists");
        let registry = storage.registry();
        // No bounds, so that a page is read within seconds.
        registry.set_bounds(&Bounds::new(&[], &[]).expect("no bounds")).expect("not settled");
        let mut pump = registry.pump().expect("the only pump");
        let mut lines = Bodies::new(&mut pump, Exporter::Influxdb, LineEncoder::new(registry, "load").expect("a name"));
        let messages = MessageEncoder::new(registry, "shop").expect("a prefix");
        let mut messages = Bodies::new(&mut pump, Exporter::Statsd, messages);
        let mut recorders = [registry.recorder(), registry.recorder()];
        for number in 0..SERIES + FOLDED {
            let series = intern(&recorders[0], number);
            assert_eq!(series == Series::OVERFLOW, number >= SERIES, "{number}");
            for (recorder, sample) in recorders.iter_mut().zip(samples(number)) {
                recorder.record(series, sample);
            }
            if number % SLICE == SLICE - 1 || number == SERIES + FOLDED - 1 {
                pump.drain_slices(|events| {
                    lines.write(events);
                    messages.write(events);
                });
            }
        }
        for exporter in [Exporter::Influxdb, Exporter::Statsd] {
            let account = pump.detach(exporter);
            assert!(account.balanced(), "{account:?}");
            assert_eq!((account.recorded, account.sent), (registry.requests(), registry.requests()), "{account:?}");
        }
        let (lines, messages) = (lines.written, messages.written);
        drop((pump, recorders));
        Recorded { storage, lines, messages }
    })
}

/// What one exporter writes of each request.
struct Bodies<'a, E> {
    sink: Sink<'a, Vec<Event>>,
    packer: Packer<E>,
    written: Vec<Vec<u8>>,
}

impl<'a, E: EventEncoder> Bodies<'a, E> {
    fn new(pump: &mut Pump<'a>, exporter: Exporter, encoder: E) -> Self {
        let sink = Sink::new(vec![Event::default(); 4 * SLICE], pump.attach(exporter));
        Self { sink, packer: Packer::new(encoder), written: Vec::new() }
    }

    fn write(&mut self, events: &[Event]) {
        assert_eq!(self.sink.offer_all(events), events.len());
        let mut room = vec![0; BODY_BYTES];
        while !self.sink.is_empty() {
            let packed = self.packer.pack(&mut self.sink, usize::MAX, &mut room);
            self.packer.confirm(&mut self.sink, packed);
            self.written.push(room[..packed.bytes].to_vec());
        }
    }
}

/// Names repeat, so that labels tell series apart.
fn intern(recorder: &Recorder<'_>, number: usize) -> Series {
    let item = number.to_string();
    let labels = [Label { key: "item", value: &item }];
    recorder.registry().series_with_labels(METHODS[number % 4], name(number), labels).expect("good labels")
}

fn name(number: usize) -> &'static str {
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| (0..1_000).map(|name| format!("/items/{name}")).collect());
    &NAMES[number % NAMES.len()]
}

/// Of the first recorder, and for every tenth series of the second one.
fn samples(number: usize) -> impl Iterator<Item = Sample> {
    let failed = usize::from(number.is_multiple_of(50));
    let first = Sample::new(Outcome::ALL[failed], Duration::from_millis(1 + number as u64 % 1_000));
    let first = first.status([200, 503][failed]).response_bytes(number as u64);
    let second = Sample::ok(Duration::from_millis(2 + number as u64 % 1_000)).response_bytes(100 + number as u64);
    [first].into_iter().chain(number.is_multiple_of(10).then_some(second))
}

/// What must be shown, from the samples alone.
fn expected() -> ShownSeries {
    let mut expected = nothing();
    for number in 0..SERIES + FOLDED {
        for sample in samples(number) {
            let one = &mut expected[number.min(SERIES)][sample.outcome as usize];
            *one = one.plus(&Shown::of(sample.latency.as_nanos() as u64, sample.response_bytes));
        }
    }
    expected
}

/// The same where histograms are of both outcomes.
fn expected_of_scrapes() -> ShownSeries {
    let both = |[success, failure]: [Shown; 2]| {
        let histograms = Shown { requests: failure.requests, ..success.plus(&failure) };
        [Shown { requests: success.requests, ..Shown::default() }, histograms]
    };
    expected().into_iter().map(both).collect()
}

fn nothing() -> ShownSeries {
    vec![<[Shown; 2]>::default(); SERIES + 1]
}

/// The series and outcome with these labels, which must be all that it has. Without an outcome it stands with failures.
fn of_labels<'a, 's>(shown: &'s mut ShownSeries, labels: impl Iterator<Item = (&'a str, &'a str)>) -> &'s mut Shown {
    let (mut outcome, mut is_overflow, mut own) = (1, false, [None; 3]);
    for (key, value) in labels {
        match key {
            "method" => own[0] = Some(value),
            "name" => own[1] = Some(value),
            "item" => own[2] = Some(value),
            "outcome" => outcome = usize::from(value != Outcome::Success.as_str()),
            OVERFLOW => is_overflow = true,
            "le" => {}
            _ => panic!("a label {key:?}"),
        }
    }
    if is_overflow || own == [Some("overflow"), Some("overflow"), None] {
        return &mut shown[SERIES][outcome];
    }
    let item = own[2].unwrap_or_else(|| panic!("no item in {own:?}"));
    let number = item.parse::<usize>().expect("a number");
    let right = [METHODS[number % 4], name(number), item];
    assert!(own == right.map(Some), "{own:?}, expected {right:?}");
    &mut shown[number][outcome]
}

fn assert_same(shown: &ShownSeries, expected: &ShownSeries) {
    for (number, (shown, expected)) in shown.iter().zip(expected).enumerate() {
        assert_eq!(shown, expected, "series {number}");
    }
}

fn nanos(millis: f64) -> u64 {
    (1e6 * millis).round() as u64
}

impl Shown {
    /// One request.
    const fn of(latency_ns: u64, bytes: u64) -> Self {
        Self { requests: 1, latencies: 1, latency_ns, sizes: 1, bytes }
    }

    const fn plus(&self, other: &Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            latencies: self.latencies + other.latencies,
            latency_ns: self.latency_ns + other.latency_ns,
            sizes: self.sizes + other.sizes,
            bytes: self.bytes + other.bytes,
        }
    }
}
