//! What this crate writes for the golden cases, compared with what reference encoders write (`vectors/golden`).
//!
//! DogStatsD messages and OTLP requests of the contract must be equal byte for byte. Other output may differ in what
//! the formats leave open (`1` for `1.0`, the order of labels, fields and metrics). There both outputs are parsed, by
//! other people's parsers or by strict ones, and the parsed values must be equal.

mod common;

use common::{body_of, pumped, whole};
use loaddensity_metrics_core::dogstatsd::{AggregatedRequest, ContextCount, MessageEncoder, RowMessages};
use loaddensity_metrics_core::influxdb::{
    BodyLimits, GaugeLineEncoder, InstrumentEncoder, InstrumentPlace, InstrumentRows, IntervalEncoder, IntervalPoint,
    LineEncoder, ObservationEncoder,
};
use loaddensity_metrics_core::otlp::{self, Export, OwnExport, Sources};
use loaddensity_metrics_core::prometheus::{Families, Page, ScrapeOptions};
use loaddensity_metrics_core::{
    DropReason, Event, EventEncoder, Exponential, Exporter, Observation, ObservedRows, Packer, Registry, SampleRate,
    Series, Sink, Storage, Timestamp,
};
use loaddensity_metrics_vectors::dogstatsd::ParsedMessage;
use loaddensity_metrics_vectors::golden::{CAPACITY, Case, read};
use loaddensity_metrics_vectors::influx::{ParsedPoint, ParsedValue};
use loaddensity_metrics_vectors::{check, contract, otlp as strict};

const MEASUREMENT: &str = "loaddensity_request";
const OTLP_START: Timestamp = Timestamp::from_unix_nanos(1_700_000_000_000_000_000);
const NOW: Timestamp = Timestamp::from_unix_nanos(1_700_000_060_000_000_000);

type CaseStorage = Storage<CAPACITY, 1, 64>;
/// For cases with instruments of the engine's own.
type OwnCaseStorage = Storage<CAPACITY, 1, 64, Exponential, 3, 4, 128>;

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
        compare_intervals(case, &mut ours, &mut expected);
    });
}

#[test]
fn influxdb_instruments() {
    each_observed(|case, registry, rows| {
        let mut ours = read::points(&instrument_lines(registry, case, rows));
        compare_intervals(case, &mut ours, &mut read::points(&case.expected("influxdb-instruments.lp")));
        assert!(!ours.is_empty());
    });
}

#[test]
fn influxdb_observations() {
    each_declared(|case, registry| {
        let (constant, measurement) = (case.options.constant_labels(), format!("{MEASUREMENT}_observations"));
        let encoder = ObservationEncoder::new(registry, &measurement, &constant).expect("a plain measurement");
        let ours = observations(registry, Exporter::Influxdb, encoder, case);
        assert_eq!(read::points(&ours), read::points(&case.expected("influxdb-observations.lp")), "{}", case.name);
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
fn dogstatsd_instruments() {
    each_observed(|case, registry, rows| {
        let ours = instrument_messages(registry, case, rows);
        let (mut seen, expected) = (read::messages(&ours), case.expected("dogstatsd-instruments.txt"));
        let mut wanted = read::messages(&expected);
        assert_eq!(seen.len(), wanted.len(), "{}", case.name);
        for (ours, exact) in seen.iter_mut().zip(&mut wanted).filter(|(_, wanted)| is_quantile(wanted.name)) {
            assert!(is_near(take_value(ours), take_value(exact)), "{}: {ours:?}, where {exact:?} is exact", case.name);
        }
        assert_eq!(seen, wanted, "{}", case.name);
        let exact = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            let exact = text.lines().filter(|line| !is_quantile(line.split(':').next().unwrap_or_default()));
            exact.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(exact(&ours), exact(&expected), "{}: other bytes for the same", case.name);
    });
}

#[test]
fn dogstatsd_observations() {
    each_declared(|case, registry| {
        let encoder = message_encoder(registry, case).observations();
        let ours = observations(registry, Exporter::Statsd, encoder, case);
        let (ours, expected) = ([&ours[..], b"\n"].concat(), case.expected("dogstatsd-observations.txt"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(ours == expected, "{}: {} is not {}", case.name, text(&ours), text(&expected));
    });
}

#[test]
fn otlp_instruments() {
    each_observed(|case, registry, rows| {
        let options = case.options.otlp;
        let memory = vec![0; otlp::DeltaInterval::<Vec<u64>>::words(registry, options)];
        let (interval, _) =
            otlp::DeltaInterval::new(registry, options, memory, OTLP_START).expect("as many words as it asks for");
        let mut interval = interval.with_instruments(rows);
        case.record(registry);
        interval.end(registry, NOW);
        let resource = case.options.resource("golden");
        let (export, sources) = match case.options.is_delta {
            true => (interval.own_export(registry), Sources::of_interval(registry, &resource, &interval)),
            false => (
                Some(OwnExport::new(registry, OTLP_START, NOW)),
                Sources::new(registry, &resource).with_options(options),
            ),
        };
        let mut buffer = vec![0; 256 << 10];
        let part =
            export.expect("rows").next_message(sources, &mut buffer).expect("it fits").expect("there are points");
        let (ours, expected) = (part.of(&buffer), case.expected("otlp-instruments.bin"));
        assert_eq!(read::export(ours), read::export(&expected), "{}", case.name);
        assert!(ours == expected, "{}: other bytes for the same", case.name);
        assert_eq!(part.next.next_message(sources, &mut buffer), Ok(None), "{}", case.name);
        assert_eq!(part.observations, case.observations.len() as u64, "{}", case.name);
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
        let (plain, own);
        let registry = if case.instruments.is_empty() {
            plain = Box::new(CaseStorage::new());
            plain.registry()
        } else {
            own = own_storage();
            own.registry()
        };
        case.prepare(registry);
        test(&case, registry);
    }
}

/// On a stack with room for it more than once: there a build without optimizations makes it.
fn own_storage() -> Box<OwnCaseStorage> {
    let thread = std::thread::Builder::new().stack_size(8 << 20).spawn(Box::default).expect("a thread");
    thread.join().expect("a storage")
}

/// Each case with instruments of the engine's own, with rows for the interval in which all was recorded.
fn each_observed(mut test: impl FnMut(&Case, Registry<'_>, ObservedRows<Vec<u64>>)) {
    each_declared(|case, registry| {
        let memory = vec![0; ObservedRows::<Vec<u64>>::words(registry)];
        let (rows, before) = ObservedRows::new(registry, memory).expect("as many words as it asks for");
        assert_eq!(before, 0);
        test(case, registry, rows);
    });
}

/// Each case with instruments of the engine's own, which are declared.
fn each_declared(mut test: impl FnMut(&Case, Registry<'_>)) {
    let mut cases = 0;
    each_prepared(|case, registry| {
        if !case.instruments.is_empty() {
            test(case, registry);
            cases += 1;
        }
    });
    assert_ne!(cases, 0, "no case has instruments");
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

/// What an encoder writes for the observations, in datagrams that they share.
fn observations<E>(registry: Registry<'_>, exporter: Exporter, encoder: E, case: &Case) -> Vec<u8>
where
    E: EventEncoder<Observation>,
{
    let mut pump = registry.pump().expect("the only pump");
    let ledger = pump.attach_observations(exporter);
    let mut sink = Sink::new(vec![Observation::default(); case.observations.len()], ledger);
    case.record(registry);
    pump.set_now(NOW);
    pump.drain_observations(|observations| _ = sink.offer_all(observations));
    let (mut packer, mut room, mut datagrams) = (Packer::new(encoder), [0; 1_432], Vec::new());
    while !sink.is_empty() {
        let packed = packer.pack(&mut sink, usize::MAX, &mut room);
        datagrams.push(room[..packed.bytes].to_vec());
        packer.confirm(&mut sink, packed);
    }
    assert_eq!(pump.detach_observations(exporter).sent, case.observations.len() as u64, "{}", case.name);
    datagrams.join(&b'\n')
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

/// One line for the run and one for each series.
fn instrument_lines(registry: Registry<'_>, case: &Case, rows: ObservedRows<Vec<u64>>) -> Vec<u8> {
    let memory = vec![0; InstrumentRows::<Vec<u64>>::words(registry)];
    let mut rows = InstrumentRows::new(registry, rows, memory).expect("as many words as it asks for");
    case.record(registry);
    assert_eq!(rows.freeze(), case.observations.len() as u64, "{}", case.name);
    let (constant, measurement) = (case.options.constant_labels(), format!("{MEASUREMENT}_instruments"));
    let encoder = InstrumentEncoder::new(registry, &measurement, &constant, case.options.precision);
    let (encoder, mut lines) = (encoder.expect("a plain measurement"), vec![0; 16 << 10]);
    let body = rows.pack(&encoder, InstrumentPlace::FIRST, NOW, BodyLimits::NONE, &mut lines).expect("room for all");
    assert_eq!(rows.waiting(), body.rows, "{}", case.name);
    lines.truncate(body.bytes);
    lines
}

/// The messages of each row, instrument by instrument.
fn instrument_messages(registry: Registry<'_>, case: &Case, mut rows: ObservedRows<Vec<u64>>) -> Vec<u8> {
    case.record(registry);
    rows.freeze(registry);
    let (encoder, mut messages) = (message_encoder(registry, case).instruments(), Vec::new());
    for instrument in registry.instruments() {
        for series in rows.series(&instrument, Series::OVERFLOW) {
            let row = RowMessages::new(&rows, &instrument, series).expect("it has something");
            let mut room = [0; 4_096];
            let length = encoder.encode(&row, 0..row.messages(), &mut room).expect("it fits");
            messages.extend_from_slice(&room[..length]);
            messages.push(b'\n');
        }
    }
    messages
}

/// Points of an interval are equal but for their quantiles, which are near.
fn compare_intervals(case: &Case, ours: &mut [ParsedPoint], expected: &mut [ParsedPoint]) {
    let near: Vec<_> = ours.iter_mut().flat_map(take_quantiles).collect();
    let exact: Vec<_> = expected.iter_mut().flat_map(take_quantiles).collect();
    assert_eq!(ours, expected, "{}", case.name);
    assert_eq!(near.len(), exact.len(), "{}", case.name);
    for ((name, near), (exact_name, exact)) in near.iter().zip(&exact) {
        let is_same_type = matches!(near, ParsedValue::Float(_)) == matches!(exact, ParsedValue::Float(_));
        assert!(name == exact_name && is_same_type, "{}: {name} {near:?}, not {exact_name} {exact:?}", case.name);
        assert!(is_near(number(near), number(exact)), "{}: {name} {near:?}, where {exact:?} is exact", case.name);
    }
}

/// Removes the quantiles from the fields of an interval: they are exact only to 4.4 %.
fn take_quantiles(point: &mut ParsedPoint) -> Vec<(String, ParsedValue)> {
    let (quantiles, others) = point.fields.drain(..).partition(|(name, _)| is_quantile(name));
    point.fields = others;
    quantiles
}

fn is_quantile(name: &str) -> bool {
    ["p50", "p95", "p99"].iter().any(|end| name.ends_with(end))
}

fn number(value: &ParsedValue) -> f64 {
    match value {
        ParsedValue::Float(number) => *number,
        ParsedValue::Integer(number) => *number as f64,
        other => panic!("{other:?} is no number"),
    }
}

/// The value of a message, of which it is then without.
fn take_value(message: &mut ParsedMessage<'_>) -> f64 {
    let values = std::mem::take(&mut message.values);
    let [value] = values[..] else { panic!("one value: {message:?}") };
    value.parse().expect("a number")
}

fn is_near(ours: f64, exact: f64) -> bool {
    // All values below the scale are in one bucket, and all values above it in another. That of numbers reaches further.
    let is_off_scale = exact <= 1.0 / 1_024.0 || exact > f64::from(1 << 20);
    is_off_scale || (ours - exact).abs() <= exact * 0.0445 + 2e-6
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
