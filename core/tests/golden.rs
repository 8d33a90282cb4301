//! What this crate writes for the golden cases, compared with what reference encoders write (`vectors/golden`).
//!
//! DogStatsD messages and OTLP requests of the contract must be equal byte for byte. Other output may differ in what
//! the formats leave open (`1` for `1.0`, the order of labels, fields and metrics). There both outputs are parsed, by
//! other people's parsers or by strict ones, and the parsed values must be equal.

mod common;

use common::{body_of, pumped, whole};
use loaddensity_metrics_core::dogstatsd::{AggregatedRequest, ContextCount, MessageEncoder};
use loaddensity_metrics_core::influxdb::{GaugeLineEncoder, IntervalEncoder, IntervalPoint, LineEncoder};
use loaddensity_metrics_core::otlp::{self, Export, Sources};
use loaddensity_metrics_core::prometheus::{Families, Page, ScrapeOptions};
use loaddensity_metrics_core::{
    DropReason, Event, EventEncoder, Exporter, Registry, SampleRate, Sink, Storage, Timestamp,
};
use loaddensity_metrics_vectors::golden::{CAPACITY, Case, read};
use loaddensity_metrics_vectors::influx::{ParsedPoint, ParsedValue};
use loaddensity_metrics_vectors::{check, contract, otlp as strict};

const MEASUREMENT: &str = "loaddensity_request";
const OTLP_START: Timestamp = Timestamp::from_unix_nanos(1_700_000_000_000_000_000);
const NOW: Timestamp = Timestamp::from_unix_nanos(1_700_000_060_000_000_000);

type CaseStorage = Storage<CAPACITY, 1, 64>;

#[test]
fn prometheus_pages() {
    each_recorded(|case, registry| {
        let ours = read::page(&whole(Page::new(registry).with_options(scrape_options(case))));
        assert_eq!(ours, read::page(&case.expected("prometheus.txt")), "{}", case.name);
        assert!(!ours.is_empty());
    });
}

#[test]
fn open_metrics_pages() {
    each_recorded(|case, registry| {
        let page = Page::open_metrics(registry).with_options(scrape_options(case));
        let expected = read::whole_numbers(&case.expected("openmetrics.txt"));
        let ours = read::open_page(&whole(page));
        assert_eq!(ours, read::open_page(&expected), "{}", case.name);
        assert!(!ours.is_empty());
    });
}

#[test]
fn prometheus_protobuf() {
    each_recorded(|case, registry| {
        let families = Families::new(registry).with_options(scrape_options(case));
        let ours = read::metric_families(&body_of(families));
        assert_eq!(ours, read::metric_families(&case.expected("prometheus.bin")), "{}", case.name);
        assert!(!ours.is_empty());
    });
}

#[test]
fn influxdb_lines() {
    each_prepared(|case, registry| {
        let encoder = LineEncoder::new(registry, MEASUREMENT).expect("a plain measurement");
        let encoder = encoder.with_tags(&case.options.constant_labels(), case.options.status_code);
        let ours = read::points(&events(registry, Exporter::Influxdb, encoder, 1_024, case));
        assert_eq!(ours, read::points(&case.expected("influxdb.lp")), "{}", case.name);
        assert_eq!(ours.len(), case.requests.len());
    });
}

#[test]
fn influxdb_intervals() {
    each_recorded(|case, registry| {
        let mut ours = read::points(&intervals(registry, case));
        let mut expected = read::points(&case.expected("influxdb-intervals.lp"));
        let ours_quantiles: Vec<_> = ours.iter_mut().map(take_quantiles).collect();
        let exact: Vec<_> = expected.iter_mut().map(take_quantiles).collect();
        assert_eq!(ours, expected, "{}", case.name);
        for (ours, exact) in ours_quantiles.iter().zip(&exact).flat_map(|(ours, exact)| ours.iter().zip(exact)) {
            assert!(is_near(*ours, *exact), "{}: {ours}, where {exact} is exact", case.name);
        }
    });
}

#[test]
fn influxdb_gauges() {
    let mut cases = 0;
    each_prepared(|case, registry| {
        let constant = case.options.constant_labels();
        let encoder = GaugeLineEncoder::new(registry, "loaddensity_request_gauges", &constant, case.options.precision);
        let mut line = [0; 2_048];
        let written =
            encoder.expect("a plain measurement").encode(0..usize::MAX, NOW, &mut line).expect("it holds the line");
        assert_eq!(usize::from(written.items), case.options.gauges.len(), "{}", case.name);
        if written.items != 0 {
            let expected = read::points(&case.expected("influxdb-gauges.lp"));
            assert_eq!(read::points(&line[..written.bytes]), expected, "{}", case.name);
            cases += 1;
        }
    });
    assert_ne!(cases, 0, "no case has gauges");
}

#[test]
fn dogstatsd_messages() {
    each_prepared(|case, registry| {
        let (encoder, has_seconds) = (message_encoder(registry, case), case.options.dogstatsd.timestamps);
        let ours = match has_seconds {
            true => counted(registry, &encoder, case),
            false => events(registry, Exporter::Statsd, encoder, 1_432, case),
        };
        let ours = contract::without_hashes(&[ours.as_slice(), b"\n"].concat());
        let expected = case.expected("dogstatsd.txt");
        let [mut seen, mut wanted] = [read::messages(&ours), read::messages(&expected)];
        if has_seconds {
            // Counters come last. Datadog's client for Python writes the time after the cardinality. The one for Go
            // writes it before the cardinality, as we do.
            for messages in [&mut seen, &mut wanted] {
                messages.sort_by_key(|message| format!("{message:?}"));
            }
        }
        assert_eq!(seen, wanted, "{}", case.name);
        if !has_seconds {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert!(ours == expected, "{}: {} is not {}", case.name, text(&ours), text(&expected));
        }
    });
}

#[test]
fn otlp_requests() {
    each_prepared(|case, registry| {
        let options = case.options.otlp;
        let memory = vec![0; otlp::DeltaInterval::<Vec<u64>>::words(registry, options)];
        let (mut interval, _) =
            otlp::DeltaInterval::new(registry, options, memory, OTLP_START).expect("as many words as it asks for");
        case.record(registry);
        interval.end(registry, NOW);
        let resource = case.options.resource("golden");
        let (export, sources) = match case.options.is_delta {
            true => (interval.export(registry), Sources::of_interval(registry, &resource, &interval)),
            false => (Export::new(registry, OTLP_START, NOW), Sources::new(registry, &resource).with_options(options)),
        };
        let mut buffer = vec![0; 256 << 10];
        let part = export.next_message(sources, &mut buffer).expect("it fits").expect("there are points");
        let ours = part.of(&buffer);
        let expected = case.expected("otlp.bin");
        assert_eq!(strict::canonical(ours), Ok(()), "{}", case.name);
        assert_eq!(read::export(ours), read::export(&expected), "{}", case.name);
        // The format leaves the order of metrics open. In this case the reference puts gauges first.
        assert!(ours == expected || !case.options.gauges.is_empty(), "{}: other bytes for the same", case.name);
        assert_eq!(part.next.next_message(sources, &mut buffer), Ok(None), "{}", case.name);
    });
}

#[test]
fn every_case_is_a_good_fuzz_seed() {
    for case in Case::all() {
        let program = check::seed::of_case(&case);
        for check in [check::prometheus, check::influxdb, check::dogstatsd, check::otlp] {
            check(&program);
        }
    }
}

/// Each case with a registry on which its options are set.
fn each_prepared(mut test: impl FnMut(&Case, Registry<'_>)) {
    for case in Case::all() {
        let storage = Box::new(CaseStorage::new());
        case.prepare(storage.registry());
        test(&case, storage.registry());
    }
}

/// Each case with a registry on which its options are set and all its requests are recorded.
fn each_recorded(mut test: impl FnMut(&Case, Registry<'_>)) {
    each_prepared(|case, registry| {
        case.record(registry);
        test(case, registry);
    });
}

fn scrape_options(case: &Case) -> ScrapeOptions {
    ScrapeOptions::default().constant_labels(&case.options.constant_labels()).created(case.options.created)
}

/// What an encoder writes for the requests, in batches of any length up to `batch`.
fn events<E: EventEncoder>(
    registry: Registry<'_>,
    exporter: Exporter,
    encoder: E,
    batch: usize,
    case: &Case,
) -> Vec<u8> {
    let recording = case.requests.iter().map(|(spelling, sample)| (spelling.clone(), vec![*sample])).collect();
    pumped(registry, exporter, encoder, batch, &recording).1.join(&b'\n')
}

/// Intervals of one request each, which end when the request was completed, with counters that have a timestamp.
fn counted(registry: Registry<'_>, encoder: &MessageEncoder<'_>, case: &Case) -> Vec<u8> {
    let mut pump = registry.pump().expect("the only pump");
    let mut sink = Sink::new(vec![Event::default(); 4], pump.attach(Exporter::Statsd));
    let aggregator = encoder.aggregator(vec![AggregatedRequest::default(); 4]);
    let counts = vec![ContextCount::default(); aggregator.contexts()];
    let mut aggregator = aggregator.with_counters(Some(counts), 0);
    let (mut recorder, mut packets, mut room) = (registry.recorder(), Vec::new(), [0; 1_432]);
    for (spelling, sample) in &case.requests {
        let series = recorder.series_with_labels(&spelling.method, &spelling.name, spelling.as_labels());
        recorder.record(series.expect("good labels"), *sample);
        pump.drain(|event| assert!(sink.offer(event)));
        aggregator.fill(&sink);
        while let Some(packet) = aggregator.next_packet(&mut room) {
            packets.push(room[..packet.bytes].to_vec());
        }
        aggregator.settle(&mut sink, DropReason::Deadline);
        assert!(aggregator.begin_counters(0, sample.completed_at, false));
        while let Some(packet) = aggregator.next_counters(&mut room) {
            packets.push(room[..packet.bytes].to_vec());
            aggregator.settle_counters(&mut sink, packet, None);
        }
    }
    packets.join(&b'\n')
}

fn intervals(registry: Registry<'_>, case: &Case) -> Vec<u8> {
    let constant = case.options.constant_labels();
    let encoder = IntervalEncoder::new(registry, &format!("{MEASUREMENT}_interval"), &constant, case.options.precision)
        .expect("a plain measurement");
    let mut lines = Vec::new();
    for series in registry.each_series() {
        let distributions = registry.series_distributions(series).expect("exponential histograms");
        let interval = IntervalPoint::new(&registry.series_totals(series), Some(&distributions.latency()));
        let mut line = [0; 2_048];
        let length = encoder.encode(series, &interval, NOW, &mut line).expect("it holds any line");
        if interval.requests != 0 {
            lines.push(line[..length].to_vec());
        }
    }
    lines.join(&b'\n')
}

/// Removes the quantiles from the fields of an interval: they are exact only to 4.4 %.
fn take_quantiles(point: &mut ParsedPoint) -> [f64; 3] {
    let quantile = |name: &str| match point.field(name) {
        Some(ParsedValue::Float(millis)) => *millis,
        other => panic!("{name} is {other:?}"),
    };
    let names = ["response_time_ms_p50", "response_time_ms_p95", "response_time_ms_p99"];
    let quantiles = names.map(quantile);
    point.fields.retain(|(name, _)| !names.contains(&name.as_str()));
    quantiles
}

fn is_near(millis: f64, exact: f64) -> bool {
    // All values below the scale are in one bucket, and all values above it in another.
    let is_off_scale = exact <= 1.0 / 1_024.0 || exact > f64::from(1 << 20);
    is_off_scale || (millis - exact).abs() <= exact * 0.0445 + 2e-6
}

fn message_encoder<'r>(registry: Registry<'r>, case: &Case) -> MessageEncoder<'r> {
    let asked = &case.options.dogstatsd;
    let mut encoder = MessageEncoder::new(registry, "loaddensity").expect("a plain prefix");
    if !case.options.constant.is_empty() {
        encoder = encoder.with_constant_tags(&case.options.constant_tags());
    }
    if asked.distributions {
        encoder = encoder.with_distributions();
    }
    if asked.sample_rate != SampleRate::ALL {
        encoder = encoder.with_sample_rate(asked.sample_rate);
    }
    if asked.origin() != Default::default() {
        encoder = encoder.with_origin(asked.origin()).expect("a good origin");
    }
    encoder
}
