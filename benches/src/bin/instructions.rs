//! One operation of ours, many times, for callgrind to count: `instructions --list` names the operations, and
//! `instructions NAME` runs one and prints how often. `benches/instructions.sh` makes a table of it.
//!
//! Each operation runs once before it is counted, so that pages are mapped and series interned.

use std::env;
use std::hint::black_box;
use std::process::ExitCode;
use std::rc::Rc;

use loaddensity_metrics_benches::batches::{self, BATCH, BatchRequest, BatchWriter};
use loaddensity_metrics_benches::contests::ours::{Direct, PackedBodies};
use loaddensity_metrics_benches::trace::{self, TraceEvent, TraceWork};
use loaddensity_metrics_cli::cost::reading;
use loaddensity_metrics_core::dogstatsd::MessageEncoder;
use loaddensity_metrics_core::influxdb::LineEncoder;
use loaddensity_metrics_core::otlp::{GRPC_PREFIX, Resource};
use loaddensity_metrics_core::{
    Classic, Event, EventEncoder, Exponential, Exporter, Histograms, Pump, Recorder, Registry, Series, Storage,
};
use loaddensity_metrics_vectors::otlp;

/// Series of the trace.
const SERIES: usize = 100;
/// Requests that are recorded or drained in one run.
const EVENTS: usize = 8_192;
/// Events that a ring holds: those of a run and no more.
const RING: usize = EVENTS;
/// Most recorders of one registry.
const RECORDERS: usize = 4;
/// Buffer that a page passes through, in bytes.
const PAGE_BYTES: usize = 16 << 10;
/// Buffer of an OTLP request, in bytes.
const REQUEST_BYTES: usize = 1 << 20;
/// Bodies and datagrams, in bytes.
const BODY_BYTES: usize = 64 << 10;
const DATAGRAM_BYTES: usize = 1_432;

type Memory<H> = Storage<{ SERIES + 1 }, RECORDERS, RING, H>;
static CLASSIC: Memory<Classic> = Storage::new();
static EXPONENTIAL: Memory<Exponential> = Storage::new();

/// Something that is counted.
struct Operation {
    /// Operations of one run.
    units: usize,
    /// What must happen before each run, uncounted.
    before: Box<dyn FnMut()>,
    run: Box<dyn FnMut()>,
}

type Prepare = fn() -> Operation;

/// Name and preparation of each operation.
const OPERATIONS: &[(&str, Prepare)] = &[
    ("record by handle, classic", || record_by_handle(registry(&CLASSIC))),
    ("record by handle, exponential", || record_by_handle(registry(&EXPONENTIAL))),
    ("record by handle, classic, raw events", || record_with_events(registry(&CLASSIC))),
    ("record by handle, exponential, raw events", || record_with_events(registry(&EXPONENTIAL))),
    ("record by strings, classic", || record_by_strings(registry(&CLASSIC))),
    ("record by strings, exponential", || record_by_strings(registry(&EXPONENTIAL))),
    ("pump, per event", drain),
    ("prometheus line, 1 shard", || page(1)),
    ("prometheus line, 2 shards", || page(2)),
    ("prometheus line, 4 shards", || page(4)),
    ("influxdb line", || encode(Direct::new(line_encoder()))),
    ("influxdb line, sink and packer", || packed(line_encoder(), BODY_BYTES)),
    ("dogstatsd, 3 messages", || encode(Direct::new(message_encoder()))),
    ("dogstatsd, 3 messages, sink and packer", || packed(message_encoder(), DATAGRAM_BYTES)),
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
    (operation.before)();
    (operation.run)();
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
        Self { units, before: Box::new(|| ()), run: Box::new(run) }
    }
}

fn registry<H: Histograms>(storage: &'static Memory<H>) -> Registry<'static> {
    storage.registry()
}

fn work() -> &'static TraceWork {
    trace::work(SERIES)
}

fn events() -> &'static [TraceEvent] {
    &work().events[..EVENTS]
}

fn series(registry: Registry<'_>) -> Vec<Series> {
    work().names.iter().map(|(method, name)| registry.series(method, name)).collect()
}

fn record_all(recorder: &mut Recorder<'_>, series: &[Series]) {
    for (position, event) in black_box(events()).iter().enumerate() {
        recorder.record(series[event.series as usize], event.sample(trace::completed_at(position)));
    }
}

fn record_by_handle(registry: Registry<'static>) -> Operation {
    let (mut recorder, series) = (registry.recorder(), series(registry));
    Operation::new(EVENTS, move || record_all(&mut recorder, &series))
}

fn record_by_strings(registry: Registry<'static>) -> Operation {
    let mut recorder = registry.recorder();
    Operation::new(EVENTS, move || {
        for (position, event) in black_box(events()).iter().enumerate() {
            let name = work().names[event.series as usize];
            recorder.record_request(name.0, name.1, event.sample(trace::completed_at(position)));
        }
    })
}

fn pump(registry: Registry<'static>) -> Pump<'static> {
    let mut pump = registry.pump().expect("no other pump");
    pump.attach(Exporter::Influxdb);
    pump
}

fn record_with_events(registry: Registry<'static>) -> Operation {
    let (mut pump, mut recorder, series) = (pump(registry), registry.recorder(), series(registry));
    Operation {
        units: EVENTS,
        before: Box::new(move || see(pump.drain_slices(see_events))),
        run: Box::new(move || record_all(&mut recorder, &series)),
    }
}

fn drain() -> Operation {
    let registry = registry(&CLASSIC);
    let (mut pump, mut recorder, series) = (pump(registry), registry.recorder(), series(registry));
    Operation {
        units: EVENTS,
        before: Box::new(move || record_all(&mut recorder, &series)),
        run: Box::new(move || {
            let drained = pump.drain_slices(see_events);
            assert_eq!(drained, EVENTS as u64);
        }),
    }
}

/// A page over what `shards` recorders have counted.
fn page(shards: usize) -> Operation {
    let registry = registry(&EXPONENTIAL);
    let series = series(registry);
    let mut recorders: Vec<_> = (0..shards).map(|_| registry.recorder()).collect();
    recorders.iter_mut().for_each(|recorder| record_all(recorder, &series));
    let mut buffer = vec![0; PAGE_BYTES];
    let mut lines = 0;
    fill(registry, &mut buffer, |part| lines += part.iter().filter(|byte| **byte == b'\n').count());
    Operation::new(lines, move || fill(registry, &mut buffer, see_bytes))
}

fn fill(registry: Registry<'_>, buffer: &mut [u8], part: impl FnMut(&[u8])) {
    reading::page(registry, buffer, part).expect("room for a line");
}

fn line_encoder() -> LineEncoder<'static> {
    LineEncoder::new(registry(&CLASSIC), "loaddensity_request").expect("a measurement that is allowed")
}

fn message_encoder() -> MessageEncoder<'static> {
    MessageEncoder::new(registry(&CLASSIC), "loaddensity").expect("a prefix that is allowed")
}

fn packed(encoder: impl EventEncoder + 'static, bytes: usize) -> Operation {
    encode(PackedBodies::new(encoder, bytes))
}

fn encode(mut writer: impl BatchWriter + 'static) -> Operation {
    let requests: Rc<[BatchRequest]> = batches::requests(work(), registry(&CLASSIC));
    Operation::new(BATCH, move || writer.write(black_box(&requests[..BATCH]), &mut see_bytes))
}

/// One request with the points of both outcomes.
fn points() -> Operation {
    let registry = registry(&EXPONENTIAL);
    let mut recorder = registry.recorder();
    record_all(&mut recorder, &series(registry));
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
