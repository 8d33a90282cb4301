//! One operation of ours, many times, for callgrind to count: `instructions --list` names the operations, and
//! `instructions NAME` runs one and prints how often. `benches/instructions.sh` makes a table of it.
//!
//! Each operation runs before it is counted, so that pages are mapped and series interned. Recording runs over the whole
//! trace, so that the caches hold what they hold under load: of many series a part.

use std::env;
use std::hint::black_box;
use std::process::ExitCode;
use std::rc::Rc;

use loaddensity_metrics_benches::batches::{self, BATCH, BatchRequest, BatchWriter};
use loaddensity_metrics_benches::contests::ours::{Direct, PackedBodies};
use loaddensity_metrics_benches::contests::record::bounds;
use loaddensity_metrics_benches::trace::{self, TraceEvent, TraceWork};
use loaddensity_metrics_core::dogstatsd::MessageEncoder;
use loaddensity_metrics_core::influxdb::{LineEncoder, ObservationEncoder};
use loaddensity_metrics_core::otlp::{GRPC_PREFIX, Resource};
use loaddensity_metrics_core::{
    Bounds, ConstantLabels, Event, EventEncoder, Exporter, HeapStorage, HeapStorageBuilder, Observation, Pump,
    Recorder, Registry, Series, SizeError, Unit,
};
use loaddensity_metrics_cost::reading;
use loaddensity_metrics_vectors::otlp;

/// Series of the trace: the cells of a few fit into the second cache that is modelled, those of many do not.
const FEW: usize = 100;
const MANY: usize = 10_000;
/// Requests that are recorded or drained in one run: as many as a ring holds.
const EVENTS: usize = 8_192;
/// Runs after which all of the trace was recorded.
const SLICES: usize = trace::EVENTS / EVENTS;
/// Buffer that a page passes through, in bytes.
const PAGE_BYTES: usize = 16 << 10;
/// Buffer of an OTLP request, in bytes.
const REQUEST_BYTES: usize = 1 << 20;
/// Bodies and datagrams, in bytes.
const BODY_BYTES: usize = 64 << 10;
const DATAGRAM_BYTES: usize = 1_432;

/// Something that is counted.
struct Operation {
    /// Operations of one run.
    units: usize,
    /// Runs before the one that is counted, one or more.
    warm_ups: usize,
    /// What must happen before each run, uncounted.
    before: Box<dyn FnMut()>,
    run: Box<dyn FnMut()>,
}

type Prepare = fn() -> Operation;

/// Name and preparation of each operation.
const OPERATIONS: &[(&str, Prepare)] = &[
    ("record by handle, classic", || record_by_handle(classic(FEW))),
    ("record by handle, exponential", || record_by_handle(exponential(FEW))),
    ("record by handle, classic, raw events", || record_with_events(classic(FEW))),
    ("record by handle, exponential, raw events", || record_with_events(exponential(FEW))),
    ("record by strings, classic", || record_by_strings(classic(FEW))),
    ("record by strings, exponential", || record_by_strings(exponential(FEW))),
    ("record by handle, exponential, Prometheus' bounds", || with_bounds(exponential(FEW), &bounds::prometheus())),
    ("record by handle, exponential, OpenTelemetry's bounds", || {
        with_bounds(exponential(FEW), &bounds::opentelemetry())
    }),
    ("record by handle, exponential, 40 bounds", || with_bounds(exponential(FEW), &bounds::dense())),
    ("record by handle, classic, 40 bounds", || with_bounds(classic(FEW), &bounds::dense())),
    ("10,000 series: record by handle, classic", || record_by_handle(classic(MANY))),
    ("10,000 series: record by handle, exponential", || record_by_handle(exponential(MANY))),
    ("10,000 series: record by handle, classic, raw events", || record_with_events(classic(MANY))),
    ("10,000 series: record by handle, exponential, raw events", || record_with_events(exponential(MANY))),
    ("10,000 series: record by strings, classic", || record_by_strings(classic(MANY))),
    ("10,000 series: record by strings, exponential", || record_by_strings(exponential(MANY))),
    ("add to a counter, exponential", || add(HeapStorage::builder(FEW, 1, EVENTS))),
    ("observe a time, classic", || observe_times(HeapStorage::builder(FEW, 1, EVENTS).classic())),
    ("observe a time, exponential", || observe_times(HeapStorage::builder(FEW, 1, EVENTS))),
    ("observe a number, exponential", || observe_numbers(HeapStorage::builder(FEW, 1, EVENTS))),
    ("add to a counter, sent one by one", add_one_by_one),
    ("observe a time, sent one by one", observe_one_by_one),
    ("pump, per event", drain),
    ("pump, per observation", drain_observations),
    ("prometheus line, 1 shard", || page(FEW, 1, 1)),
    ("prometheus line, 2 shards", || page(FEW, 2, 1)),
    ("prometheus line, 4 shards", || page(FEW, 4, 1)),
    ("10,000 series: prometheus line, 1 shard", || page(MANY, 1, SLICES)),
    ("influxdb line", || direct(line_encoder)),
    ("influxdb line, sink and packer", || packed(line_encoder, BODY_BYTES)),
    ("dogstatsd, 3 messages", || direct(message_encoder)),
    ("dogstatsd, 3 messages, sink and packer", || packed(message_encoder, DATAGRAM_BYTES)),
    ("influxdb line of an observation", || of_observations(observation_lines)),
    ("dogstatsd message of an observation", || of_observations(|registry| message_encoder(registry).observations())),
    ("otlp point", points),
];

fn main() -> ExitCode {
    let argument = env::args().nth(1).unwrap_or_default();
    if argument == "--list" {
        OPERATIONS.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    let Some((_, prepare)) = OPERATIONS.iter().find(|(name, _)| *name == argument) else {
        eprintln!("{argument:?} is no operation; --list names them");
        return ExitCode::FAILURE;
    };
    let mut operation = prepare();
    for _ in 0..operation.warm_ups {
        (operation.before)();
        (operation.run)();
    }
    (operation.before)();
    instructions_region(&mut operation.run);
    println!("{}", operation.units);
    ExitCode::SUCCESS
}

/// What callgrind counts: it is told this name.
#[inline(never)]
fn instructions_region(run: &mut dyn FnMut()) {
    run();
    // So that the call above is no tail call, which would leave the region.
    black_box(());
}

/// So that nothing is left out because nobody looks at it.
fn see<T>(value: T) {
    black_box(value);
}

fn see_bytes(bytes: &[u8]) {
    see(bytes);
}

fn see_events(events: &[Event]) {
    see(events);
}

impl Operation {
    fn new(units: usize, run: impl FnMut() + 'static) -> Self {
        Self { units, warm_ups: 1, before: Box::new(|| ()), run: Box::new(run) }
    }

    /// An operation on the requests of the trace, [`EVENTS`] in each run.
    fn on_trace(before: impl FnMut() + 'static, run: impl FnMut() + 'static) -> Self {
        Self { units: EVENTS, warm_ups: SLICES, before: Box::new(before), run: Box::new(run) }
    }
}

/// A registry, and the requests that are recorded in it.
#[derive(Clone, Copy)]
struct Load {
    registry: Registry<'static>,
    work: &'static TraceWork,
}

fn classic(series: usize) -> Load {
    Load::new(HeapStorage::classic(series, 1, EVENTS), series)
}

fn exponential(series: usize) -> Load {
    Load::new(HeapStorage::new(series, 1, EVENTS), series)
}

impl Load {
    /// The storage is never given back.
    fn new(storage: Result<HeapStorage, SizeError>, series: usize) -> Self {
        let storage = Box::leak(Box::new(storage.expect("a size that exists")));
        Self { registry: storage.registry(), work: trace::work(series) }
    }

    /// The trace in slices, again and again.
    fn slices(self) -> impl Iterator<Item = &'static [TraceEvent]> {
        self.work.events.chunks_exact(EVENTS).cycle()
    }

    fn series(self) -> Vec<Series> {
        self.work.names.iter().map(|(method, name)| self.registry.series(method, name)).collect()
    }

    /// What records the next slice of the trace by handles at each call.
    fn recording(self) -> impl FnMut() + 'static {
        let (mut recorder, series, mut slices) = (self.registry.recorder(), self.series(), self.slices());
        move || slices.by_ref().take(1).for_each(|slice| record_slice(&mut recorder, &series, slice))
    }

    fn pump(self) -> Pump<'static> {
        let mut pump = self.registry.pump().expect("no other pump");
        pump.attach(Exporter::Influxdb);
        pump
    }

    fn observation_pump(self) -> Pump<'static> {
        let mut pump = self.registry.pump().expect("no other pump");
        pump.attach_observations(Exporter::Influxdb);
        pump
    }
}

fn see_observations(observations: &[Observation]) {
    see(observations);
}

fn record_slice(recorder: &mut Recorder<'_>, series: &[Series], slice: &[TraceEvent]) {
    for (position, event) in black_box(slice).iter().enumerate() {
        recorder.record(series[event.series as usize], event.sample(trace::completed_at(position)));
    }
}

fn record_by_handle(load: Load) -> Operation {
    Operation::on_trace(|| (), load.recording())
}

fn with_bounds(load: Load, bounds: &Bounds) -> Operation {
    load.registry.set_bounds(bounds).expect("a registry that has not counted yet");
    record_by_handle(load)
}

fn record_by_strings(load: Load) -> Operation {
    see(load.series());
    let (mut recorder, mut slices) = (load.registry.recorder(), load.slices());
    let mut record_slice = move |slice: &[TraceEvent]| {
        for (position, event) in black_box(slice).iter().enumerate() {
            let name = load.work.names[event.series as usize];
            recorder.record_request(name.0, name.1, event.sample(trace::completed_at(position)));
        }
    };
    Operation::on_trace(|| (), move || slices.by_ref().take(1).for_each(&mut record_slice))
}

fn record_with_events(load: Load) -> Operation {
    let mut pump = load.pump();
    Operation::on_trace(move || see(pump.drain_slices(see_events)), load.recording())
}

/// A counter that stands after another one, raised for each request of the trace.
fn add(storage: HeapStorageBuilder) -> Operation {
    let load = Load::new(storage.counters(2).histograms(1).build(), FEW);
    let [_, counter] = ["first", "second"].map(|name| load.registry.counter(name, Unit::One, "").expect("room"));
    on_recorder(load, move |recorder, series, event| recorder.add(counter, series, event.bytes.into()))
}

fn observe_times(storage: HeapStorageBuilder) -> Operation {
    let load = Load::new(storage.counters(1).histograms(2).build(), FEW);
    let [_, timer] = ["first", "second"].map(|name| load.registry.timer(name, "").expect("room"));
    on_recorder(load, move |recorder, series, event| recorder.observe(timer, series, event.latency))
}

fn observe_numbers(storage: HeapStorageBuilder) -> Operation {
    let load = Load::new(storage.counters(1).histograms(2).build(), FEW);
    let [_, sizes] = ["first", "second"].map(|name| load.registry.histogram(name, Unit::Bytes, "").expect("room"));
    on_recorder(load, move |recorder, series, event| recorder.observe(sizes, series, event.bytes.into()))
}

/// The same counter in storage with rings of observations, where an exporter wants them.
fn add_one_by_one() -> Operation {
    let load = with_rings();
    let counter = load.registry.counter("second", Unit::One, "").expect("room");
    one_by_one(load, move |recorder, series, event| recorder.add(counter, series, event.bytes.into()))
}

fn observe_one_by_one() -> Operation {
    let load = with_rings();
    let timer = load.registry.timer("second", "").expect("room");
    one_by_one(load, move |recorder, series, event| recorder.observe(timer, series, event.latency))
}

fn with_rings() -> Load {
    let storage = HeapStorage::builder(FEW, 1, EVENTS).counters(2).histograms(2).observations(EVENTS);
    let load = Load::new(storage.build(), FEW);
    load.registry.counter("first", Unit::One, "").expect("room");
    load.registry.timer("first_time", "").expect("room");
    load
}

/// The rings are emptied before each run.
fn one_by_one(load: Load, record: impl Fn(&mut Recorder<'static>, Series, &TraceEvent) + 'static) -> Operation {
    let mut pump = load.observation_pump();
    let before = move || assert!(pump.drain_observations(see_observations) <= EVENTS as u64);
    Operation { before: Box::new(before), ..on_recorder(load, record) }
}

fn drain_observations() -> Operation {
    let load = with_rings();
    let timer = load.registry.timer("second", "").expect("room");
    let mut pump = load.observation_pump();
    let run = move || assert_eq!(pump.drain_observations(see_observations), EVENTS as u64);
    let recording = on_recorder(load, move |recorder, series, event| recorder.observe(timer, series, event.latency));
    Operation { before: recording.run, ..Operation::on_trace(|| (), run) }
}

/// What an encoder writes for the observations of a slice of the trace.
fn of_observations<E: EventEncoder<Observation> + 'static>(encoder: fn(Registry<'static>) -> E) -> Operation {
    let load = with_rings();
    let timer = load.registry.timer("second", "").expect("room");
    let mut pump = load.observation_pump();
    (on_recorder(load, move |recorder, series, event| recorder.observe(timer, series, event.latency)).run)();
    let (mut observations, encoder, mut out) = (Vec::new(), encoder(load.registry), [0; 1_432]);
    // As exporters do: without a time they would have one of 1970, with fewer digits.
    pump.set_now(trace::completed_at(0));
    pump.drain_observations(|some| observations.extend_from_slice(some));
    let run = move || {
        for observation in black_box(&observations) {
            let length = encoder.encode(observation, 0, &mut out).expect("room for it");
            see_bytes(&out[..length]);
        }
    };
    Operation::new(EVENTS, run)
}

/// What is recorded of each request of the trace by instruments of the engine's own.
fn on_recorder(load: Load, record: impl Fn(&mut Recorder<'static>, Series, &TraceEvent) + 'static) -> Operation {
    let (mut recorder, series, mut slices) = (load.registry.recorder(), load.series(), load.slices());
    let run = move || {
        for event in slices.by_ref().take(1).flat_map(black_box) {
            record(&mut recorder, series[event.series as usize], event);
        }
    };
    Operation::on_trace(|| (), run)
}

fn drain() -> Operation {
    let load = classic(FEW);
    let mut pump = load.pump();
    let run = move || assert_eq!(pump.drain_slices(see_events), EVENTS as u64);
    Operation::on_trace(load.recording(), run)
}

/// A page over what `shards` recorders have counted, each `slices` of the trace.
fn page(series: usize, shards: usize, slices: usize) -> Operation {
    let load = Load::new(HeapStorage::new(series, shards, EVENTS), series);
    // All at once, so that each has a shard of its own.
    let mut recordings: Vec<_> = (0..shards).map(|_| load.recording()).collect();
    recordings.iter_mut().for_each(|record| (0..slices).for_each(|_| record()));
    let mut buffer = vec![0; PAGE_BYTES];
    let mut lines = 0;
    fill(load.registry, &mut buffer, |part| lines += part.iter().filter(|byte| **byte == b'\n').count());
    Operation::new(lines, move || fill(load.registry, &mut buffer, see_bytes))
}

fn fill(registry: Registry<'_>, buffer: &mut [u8], part: impl FnMut(&[u8])) {
    reading::page(registry, buffer, part).expect("room for a line");
}

fn line_encoder(registry: Registry<'static>) -> LineEncoder<'static> {
    LineEncoder::new(registry, "loaddensity_request").expect("a measurement that is allowed")
}

fn observation_lines(registry: Registry<'static>) -> ObservationEncoder<'static> {
    ObservationEncoder::new(registry, "loaddensity_request_observations", &ConstantLabels::NONE).expect("as above")
}

fn message_encoder(registry: Registry<'static>) -> MessageEncoder<'static> {
    MessageEncoder::new(registry, "loaddensity").expect("a prefix that is allowed")
}

fn direct<E: EventEncoder + 'static>(encoder: fn(Registry<'static>) -> E) -> Operation {
    let load = classic(FEW);
    encode(load, Direct::new(encoder(load.registry)))
}

fn packed<E: EventEncoder + 'static>(encoder: fn(Registry<'static>) -> E, bytes: usize) -> Operation {
    let load = classic(FEW);
    encode(load, PackedBodies::new(encoder(load.registry), bytes))
}

fn encode(load: Load, mut writer: impl BatchWriter + 'static) -> Operation {
    let requests: Rc<[BatchRequest]> = batches::requests(load.work, load.registry);
    Operation::new(BATCH, move || writer.write(black_box(&requests[..BATCH]), &mut see_bytes))
}

/// One request with the points of both outcomes.
fn points() -> Operation {
    let load = exponential(FEW);
    load.recording()();
    let registry = load.registry;
    let mut buffer = vec![0; REQUEST_BYTES];
    // An exporter makes it once.
    let resource = Resource::new("loaddensity");
    let mut count = 0;
    let mut points = |message: &[u8]| count += otlp::decode(&message[GRPC_PREFIX..]).expect("points").len();
    export(registry, &resource, &mut buffer, &mut points);
    Operation::new(count, move || export(registry, &resource, &mut buffer, see_bytes))
}

fn export(registry: Registry<'_>, resource: &Resource, buffer: &mut [u8], deliver: impl FnMut(&[u8])) {
    reading::export(registry, resource, buffer, deliver).expect("room for a point");
}
