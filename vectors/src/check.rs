//! One check per encoder: bytes are read as a little program, the core runs it, an oracle judges what it wrote.
//!
//! These are the bodies of the fuzz targets; the seeds and past crashes replay through them in the everyday test. Every
//! byte sequence is a valid program (see [`program`]); none may make a check panic.

use crate::judge::{self, influxdb::LineDialect, pages::PageExtras};
use crate::model::Model;
use loaddensity_metrics_core::influxdb::{
    BodyLimits, GaugeLineEncoder, InstrumentEncoder, IntervalEncoder, IntervalPoint, IntervalRows, LineEncoder,
    ObservationEncoder, RowPlace,
};
use loaddensity_metrics_core::{
    Account, Classic, Event, EventEncoder, Exponential, Exporter, Histograms, Ledger, Observation, Packer, Pump,
    Registry, Sink, Storage, Timestamp, TooSmall, otlp as encoder, prometheus as exposition,
};

pub mod answers;
pub mod choice;
mod dogstatsd;
mod instruments;
mod own;
pub mod program;
mod registry;
pub mod seed;
#[cfg(feature = "settings")]
pub mod settings;

pub use dogstatsd::{dogstatsd, dogstatsd_way};
use program::{Lengths, Program};
pub use registry::registry;

/// Eight series, one of them for the overflow, one shard, and rings of 16 events: small enough to be full at once.
type SmallStorage<H = Exponential> = Storage<8, 1, 16, H>;

/// A Prometheus page in each dialect, filled through buffers of the program's lengths: as the contract has it, and with
/// what the program chooses.
///
/// # Panics
/// If a page is not right.
pub fn prometheus(data: &[u8]) {
    pages::<Exponential>(Program::read(data), |_| true);
    Program::read_choice(data).into_iter().for_each(|program| pages::<Exponential>(program, |_| true));
}

/// One of those pages, which the bytes choose: for a fuzzer, which comes again. All take the parsers more than ten times as long.
///
/// # Panics
/// If the page is not right.
pub fn prometheus_page(data: &[u8]) {
    let choice = sum(data);
    let (program, page) = (either(data, choice / PAGES), choice % PAGES);
    match page % (PAGES / 2) {
        // Only protobuf shows exponential histograms, whose tables take long to make.
        2 => pages::<Exponential>(program, |one| one == page),
        _ => pages::<Classic>(program, |one| one == page),
    }
}

/// The program as the contract has it, or under the options that it chooses.
fn either(data: &[u8], choice: usize) -> (Program<'_>, Lengths) {
    Program::read_choice(data).filter(|_| choice % 2 == 1).unwrap_or_else(|| Program::read(data))
}

/// A number that the bytes choose.
fn sum(data: &[u8]) -> usize {
    data.iter().fold(0, |sum: usize, byte| sum.wrapping_add((*byte).into()))
}

/// Pages of a program: three formats, with times of creation and without.
const PAGES: usize = 6;

fn pages<H: Histograms>(program: (Program<'_>, Lengths), is_wanted: impl Fn(usize) -> bool) {
    own::with_registry::<H>(program.0.choice().has_instruments(), |registry| pages_of(registry, program, is_wanted));
}

fn pages_of(registry: Registry<'_>, (program, lengths): (Program<'_>, Lengths), is_wanted: impl Fn(usize) -> bool) {
    let (constant, labels) = (program.choice().constant(), program.choice().constant_labels());
    let model = program.run(registry, || {});
    for (first, created) in [(0, None), (PAGES / 2, Some(1_700_000_000_012_345_678))] {
        let is_classic = !registry.has_exponentials();
        let besides = PageExtras { exporters: &[], constant: &constant, created, is_classic };
        let options = exposition::ScrapeOptions::default();
        let options = options.constant_labels(&labels).created(created.map(Timestamp::from_unix_nanos));
        if is_wanted(first) {
            let text = exposition::Page::new(registry).with_options(options.clone());
            judge::pages::text(&model, &besides, &filled(text, &model, lengths));
        }
        if is_wanted(first + 1) {
            let open = exposition::Page::open_metrics(registry).with_options(options.clone());
            judge::pages::open(&model, &besides, &filled(open, &model, lengths));
        }
        if is_wanted(first + 2) {
            let families = exposition::Families::new(registry).with_options(options);
            judge::pages::protobuf(&model, &besides, &joined(families, &model, lengths));
        }
    }
}

/// The body of a scrape in protobuf, made in buffers of the program's lengths.
fn joined(mut families: exposition::Families<'_>, model: &Model, mut lengths: Lengths) -> Vec<u8> {
    let (mut body, mut metrics) = (Vec::new(), Vec::new());
    while !families.is_complete() {
        let mut buffer = vec![0xff; lengths.take()];
        match families.next_metric(&mut buffer) {
            Ok(Some(metric)) => metrics.extend_from_slice(metric),
            Ok(None) => {
                let mut room = vec![0xff; exposition::MAX_METRIC];
                body.extend_from_slice(families.finish_family(metrics.len(), &mut room).expect("room for any head"));
                body.append(&mut metrics);
            }
            Err(error) => lengths.too_small(buffer.len(), error),
        }
    }
    assert_eq!(families.totals().requests, model.requests());
    assert_eq!(families.totals().observations, model.observations());
    body
}

fn filled(mut page: exposition::Page<'_>, model: &Model, mut lengths: Lengths) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = vec![0xff; lengths.take()];
        match page.fill(&mut buffer) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(&buffer[..length]),
            Err(error) => lengths.too_small(buffer.len(), error),
        }
    }
    assert_eq!(page.totals().requests, model.requests());
    assert_eq!(page.totals().observations, model.observations());
    bytes
}

/// An OTLP cycle, split into requests of the program's lengths: as the contract has it, and with what the program chooses.
///
/// # Panics
/// If the requests are not right.
pub fn otlp(data: &[u8]) {
    cycle(Program::read(data));
    Program::read_choice(data).into_iter().for_each(cycle);
}

/// Only one of the two, which the bytes choose: for a fuzzer, which comes again.
///
/// # Panics
/// If the requests are not right.
pub fn otlp_way(data: &[u8]) {
    cycle(either(data, sum(data)));
}

fn cycle(program: (Program<'_>, Lengths)) {
    let options = program.0.choice().otlp();
    // Else exponential histograms are shown nowhere, and their tables take long to make.
    match options.min_max || options.histograms == encoder::HistogramAggregation::Exponential {
        true => cycle_in::<Exponential>(program),
        false => cycle_in::<Classic>(program),
    }
}

fn cycle_in<H: Histograms>(program: (Program<'_>, Lengths)) {
    own::with_registry::<H>(program.0.choice().has_instruments(), |registry| cycle_of(registry, program));
}

fn cycle_of(registry: Registry<'_>, (program, mut lengths): (Program<'_>, Lengths)) {
    let dialect = judge::ExportDialect {
        options: program.choice().otlp(),
        is_delta: program.choice().is_delta(),
        is_classic: !registry.has_exponentials(),
    };
    program.choice().set_error_label(registry);
    let (service, times) = ("check", (1, 1_700_000_000_000_000_000));
    let (start, now) = (Timestamp::from_unix_nanos(times.0), Timestamp::from_unix_nanos(times.1));
    let memory = vec![0; encoder::DeltaInterval::<Vec<u64>>::words(registry, dialect.options)];
    let (interval, _) =
        encoder::DeltaInterval::new(registry, dialect.options, memory, start).expect("as many words as it asks for");
    let mut interval = interval.with_instruments(own::rows(registry));
    let model = program.run(registry, || {});
    interval.end(registry, now);
    let resource = encoder::Resource::new(service);
    let (mut export, sources) = match dialect.is_delta {
        true => (interval.export(registry), encoder::Sources::of_interval(registry, &resource, &interval)),
        false => (
            encoder::Export::new(registry, start, now),
            encoder::Sources::new(registry, &resource).with_options(dialect.options),
        ),
    };
    let mut requests = Vec::new();
    loop {
        let mut buffer = vec![0xff; lengths.take()];
        match export.next_request(sources, &mut buffer) {
            Ok(None) => break,
            Ok(Some(part)) => {
                requests.push(part.of(&buffer).to_vec());
                export = part.next;
            }
            Err(error) => lengths.too_small(buffer.len(), error),
        }
    }
    assert_eq!(export.requests(), model.requests());
    judge::exports_as(dialect, &model, service, times, requests.iter().map(Vec::as_slice));
    let export = match dialect.is_delta {
        true => interval.own_export(registry).expect("the interval has rows"),
        false => encoder::OwnExport::new(registry, start, now),
    };
    let requests = own::requests(export, sources, model.observations(), lengths);
    judge::instrument_exports(dialect, &model, service, times, requests.iter().map(Vec::as_slice));
}

/// Lines of InfluxDB, packed into bodies of the program's lengths: as the contract has them, and with what the program
/// chooses, a line for each request and one for each series; and a line for each observation.
///
/// # Panics
/// If the lines or the account are not right.
pub fn influxdb(data: &[u8]) {
    lines(Program::read(data));
    Program::read_choice(data).into_iter().for_each(lines);
    Program::read_choice(data).into_iter().for_each(observation_lines);
}

/// Only one of them, which the bytes choose: for a fuzzer, which comes again.
///
/// # Panics
/// If the lines or the account are not right.
pub fn influxdb_way(data: &[u8]) {
    match (sum(data) % 3, Program::read_choice(data)) {
        (2, Some(chosen)) => observation_lines(chosen),
        _ => lines(either(data, sum(data))),
    }
}

/// A line for each observation.
fn observation_lines((program, lengths): (Program<'_>, Lengths)) {
    if !program.choice().has_instruments() {
        return;
    }
    own::with_registry::<Exponential>(true, |registry| {
        let (measurement, choice) = ("my observations", program.choice());
        choice.set_error_label(registry);
        let encoder = ObservationEncoder::new(registry, measurement, &choice.constant_labels());
        let dialect = LineDialect { constant: choice.constant(), status: choice.status_code() };
        let encoder = encoder.expect("a plain measurement");
        let (model, bodies) = events((program, lengths), registry, Exporter::Influxdb, &encoder);
        judge::influxdb::observations(&model, measurement, &dialect, bodies.iter().map(Vec::as_slice));
    });
}

fn lines(program: (Program<'_>, Lengths)) {
    own::with_registry::<Exponential>(program.0.choice().has_instruments(), |registry| lines_of(registry, program));
}

fn lines_of(registry: Registry<'_>, (program, lengths): (Program<'_>, Lengths)) {
    let (measurement, choice) = ("my load", program.choice());
    let (labels, precision) = (choice.constant_labels(), choice.precision());
    choice.set_error_label(registry);
    let dialect = LineDialect { constant: choice.constant(), status: choice.status_code() };
    let memory = vec![0xff; IntervalRows::<Vec<u64>>::words(registry)];
    let (mut rows, _) = IntervalRows::new(registry, memory).expect("as many words as it asks for");
    let encoder = LineEncoder::new(registry, measurement).expect("a plain measurement");
    let encoder = if choice.is_contract() { encoder } else { encoder.with_tags(&labels, dialect.status) };
    let observed = own::rows(registry);
    let (model, bodies) = events((program, lengths), registry, Exporter::Influxdb, &encoder);
    judge::influxdb::lines(&model, measurement, &dialect, bodies.iter().map(Vec::as_slice));
    let encoder = IntervalEncoder::new(registry, measurement, &labels, precision).expect("a plain measurement");
    let intervals = intervals(registry, &encoder);
    judge::influxdb::intervals(&model, measurement, &dialect, intervals.iter().map(Vec::as_slice));
    assert_eq!(rows.freeze(registry), model.requests());
    assert_eq!(settled(&mut rows, &encoder), intervals, "what is frozen is not what was recorded");
    let encoder = GaugeLineEncoder::new(registry, measurement, &labels, precision).expect("a plain measurement");
    let mut line = vec![0xff; 4_096];
    let written = encoder.encode(0..3, AT, &mut line).expect("4 KiB hold three gauges");
    judge::influxdb::gauges(&model, measurement, &dialect, &line[..written.bytes]);
    let time = format!(" {}", AT.as_unix_nanos() / precision.nanos());
    let is_at = |line: &[u8]| line.is_empty() || line.ends_with(time.as_bytes());
    assert!(is_at(&line[..written.bytes]) && intervals.iter().all(|line| is_at(line)), "not at{time}");
    let encoder = InstrumentEncoder::new(registry, measurement, &labels, precision).expect("a plain measurement");
    own::lines(&model, observed, (&encoder, measurement, &dialect), registry, lengths);
}

/// When intervals end.
const AT: Timestamp = Timestamp::from_unix_nanos(1_700_000_000_123_456_789);

/// One line for each series that has requests, as if all were of one interval.
fn intervals(registry: Registry<'_>, encoder: &IntervalEncoder<'_>) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    for series in registry.each_series() {
        let latencies = registry.series_distributions(series).map(|both| both.latency());
        let interval = IntervalPoint::new(&registry.series_totals(series), latencies.as_ref());
        let mut line = vec![0xff; 4_096];
        let length = encoder.encode(series, &interval, AT, &mut line).expect("4 KiB hold any line");
        let mut exact = vec![0xff; length];
        assert_eq!(encoder.encode(series, &interval, AT, &mut exact), Ok(length));
        assert_eq!(exact, line[..length], "a line depends on the buffer");
        assert!(encoder.encode(series, &interval, AT, &mut line[..length - 1]).is_err());
        if interval.requests != 0 {
            lines.push(exact);
        }
    }
    lines
}

/// The lines of one interval, from bodies of any number of points, each of which is settled.
fn settled(rows: &mut IntervalRows<Vec<u64>>, encoder: &IntervalEncoder<'_>) -> Vec<Vec<u8>> {
    let (mut lines, mut from, mut out) = (Vec::new(), RowPlace::FIRST, vec![0xff; 16 << 10]);
    for points in 1.. {
        let limits = BodyLimits { points, ..BodyLimits::NONE };
        let body = rows.pack(encoder, from, AT, limits, &mut out).expect("16 KiB hold any line");
        if body.points == 0 {
            break;
        }
        assert_eq!(rows.settle(from, body.next), body.weights.all());
        lines.extend(out[..body.bytes].split(|byte| *byte == b'\n').map(<[u8]>::to_vec));
        from = body.next;
    }
    assert_eq!(rows.unsettled(), 0);
    lines
}

/// What the pump hands over one by one: requests, or observations.
trait Pumped: Copy + Default {
    fn attach<'a>(pump: &mut Pump<'a>, exporter: Exporter) -> &'a Ledger;
    fn drain(pump: &mut Pump<'_>, deliver: impl FnMut(&[Self]));
    fn detach(pump: &mut Pump<'_>, exporter: Exporter) -> Account;
    fn recorded(model: &Model) -> u64;
}

impl Pumped for Event {
    fn attach<'a>(pump: &mut Pump<'a>, exporter: Exporter) -> &'a Ledger {
        pump.attach(exporter)
    }

    fn drain(pump: &mut Pump<'_>, deliver: impl FnMut(&[Self])) {
        pump.drain_slices(deliver);
    }

    fn detach(pump: &mut Pump<'_>, exporter: Exporter) -> Account {
        pump.detach(exporter)
    }

    fn recorded(model: &Model) -> u64 {
        model.requests()
    }
}

impl Pumped for Observation {
    fn attach<'a>(pump: &mut Pump<'a>, exporter: Exporter) -> &'a Ledger {
        pump.attach_observations(exporter)
    }

    fn drain(pump: &mut Pump<'_>, deliver: impl FnMut(&[Self])) {
        pump.drain_observations(deliver);
    }

    fn detach(pump: &mut Pump<'_>, exporter: Exporter) -> Account {
        pump.detach_observations(exporter)
    }

    fn recorded(model: &Model) -> u64 {
        model.observations()
    }
}

/// Runs a program with one exporter on that sends each event by itself; returns what was recorded and the batches it was
/// packed into.
fn events<T: Pumped, E: EventEncoder<T> + Clone>(
    (program, mut lengths): (Program<'_>, Lengths),
    registry: Registry<'_>,
    exporter: Exporter,
    encoder: &E,
) -> (Model, Vec<Vec<u8>>) {
    let mut pump = registry.pump().expect("the pump of a new registry is free");
    let mut sink = Sink::new(vec![T::default(); 64], T::attach(&mut pump, exporter));
    let mut packer = Packer::new(encoder.clone());
    let mut batches = Vec::new();
    let model = program.run(registry, || {
        T::drain(&mut pump, |events| assert_eq!(sink.offer_all(events), events.len(), "the sink is full"));
        while let Some(event) = sink.get(0) {
            let room = lengths.take().max(longest_item(encoder, event));
            let batch = pack_twice(&mut packer, &mut sink, room, lengths.take());
            batches.push(batch);
        }
    });
    let account = T::detach(&mut pump, exporter);
    assert!(account.balanced(), "{account:?}");
    let recorded = T::recorded(&model);
    assert_eq!((account.recorded, account.sent, account.held), (recorded, recorded, 0));
    (model, batches)
}

/// Packs a batch, forgets it as after a failed attempt, packs it again, and confirms it.
fn pack_twice<T: Copy, E: EventEncoder<T>>(
    packer: &mut Packer<E>,
    sink: &mut Sink<'_, Vec<T>, T>,
    room: usize,
    most: usize,
) -> Vec<u8> {
    let most = 1 + most % 8;
    let (mut first, mut again) = (vec![0xff; room], vec![0; room]);
    let packed = packer.pack(sink, most, &mut first);
    assert!(packed.items >= 1 && packed.items <= most && packed.bytes <= room, "{packed:?}");
    assert_eq!(packer.pack(sink, most, &mut again), packed);
    assert_eq!(first[..packed.bytes], again[..packed.bytes], "packed again, it is another batch");
    packer.confirm(sink, packed);
    first.truncate(packed.bytes);
    first
}

/// Length of the event's longest item. Each item must fit into exactly its length and into nothing shorter.
fn longest_item<T, E: EventEncoder<T>>(encoder: &E, event: &T) -> usize {
    let mut room = [0; 4096];
    let lengths = (0..E::ITEMS).map(|item| {
        let length = encoder.encode(event, item, &mut room).expect("4 KiB hold any item");
        let mut exact = vec![0xff; length];
        assert_eq!(encoder.encode(event, item, &mut exact), Ok(length));
        assert_eq!(exact, room[..length], "item {item} depends on the buffer");
        for shorter in [0, length / 2, length - 1] {
            assert!(encoder.encode(event, item, &mut exact[..shorter]).is_err(), "item {item} fits into {shorter}");
        }
        length
    });
    lengths.max().unwrap_or_default()
}

impl Lengths {
    /// Makes later buffers large enough, once the encoder has refused one.
    fn too_small(&mut self, length: usize, error: TooSmall) {
        assert!(length < error.needed, "{length} bytes were refused, and {} needed", error.needed);
        self.at_least(error.needed);
    }
}
