//! Nothing in this crate allocates: not recording (by handle or by strings, with events on or off), and no encoder.

#![allow(unsafe_code, reason = "a global allocator, here one that counts, cannot be written without")]

use loaddensity_metrics_core::dogstatsd::MessageEncoder;
use loaddensity_metrics_core::export::Now;
use loaddensity_metrics_core::export::datagrams::InstrumentMessages;
use loaddensity_metrics_core::export::items::Items;
use loaddensity_metrics_core::influxdb::{
    BodyLimits, InstrumentEncoder, InstrumentPlace, InstrumentRows, LineEncoder, ObservationEncoder, Precision,
};
use loaddensity_metrics_core::otlp::{DeltaInterval, Export, ExportOptions, OwnExport, Resource, Sources};
use loaddensity_metrics_core::prometheus::{Families, MAX_METRIC, Page};
use loaddensity_metrics_core::{
    ConstantLabels, DefaultStorage, DropReason, Event, EventEncoder, Exponential, Exporter, Label, Observation,
    ObservedRows, Outcome, Packer, Pump, Registry, Sample, Sink, StatusLabel, Storage, Timestamp, TraceContext, Unit,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::time::Duration;

struct Counting;

thread_local! {
    // Per thread, because the test harness allocates on threads of its own.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes on to the system's allocator with the arguments it came with; counting touches only a
// thread-local number, which needs no allocation and no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `realloc`, and the pointer came from the system's allocator.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and the pointer came from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations_of(action: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    action();
    ALLOCATIONS.get() - before
}

const NAMES: [&str; 4] = ["/items", "", "quote\" back\\slash\n, = café/😀\\", "a name that is longer than the limit"];

fn sample(number: u64) -> Sample {
    Sample::new(Outcome::ALL[(number % 2) as usize], Duration::from_nanos(number * 1_234_567))
        .status(200)
        .response_bytes(number * 321)
        .completed_at(Timestamp::from_unix_nanos(1_700_000_000_000_000_000 + number))
}

/// Claims a recorder, interns series, and records by handle and by strings, for known and for new series.
fn record(registry: Registry<'_>, long: &str) {
    let mut recorder = registry.recorder();
    let labels = [Label { key: "region", value: "e u,=\\" }];
    let labelled = recorder.series_with_labels("GET", "/x", labels).expect("labels");
    let plain = recorder.series("GET", "/items");
    let users = registry.gauge("active_users").expect("room");
    for number in 0..1_000 {
        users.set(number as f64);
        recorder.record_traced(labelled, sample(number), TraceContext { trace_id: [1; 16], span_id: [2; 8] });
        recorder.record(plain, sample(number));
        for name in NAMES.into_iter().chain([long]) {
            recorder.record_request("GET", name, sample(number));
        }
    }
}

fn read(registry: Registry<'_>, buffer: &mut [u8]) {
    let mut page = Page::new(registry);
    while page.fill(buffer).expect("room for a line") != 0 {}
    let [start, now] = [1, 2].map(Timestamp::from_unix_nanos);
    let resource = Resource::new("shop");
    let mut export = Export::new(registry, start, now);
    while let Some(part) = export.next_request(Sources::new(registry, &resource), buffer).expect("room for a point") {
        export = black_box(part.next);
    }
    black_box((registry.totals(), registry.usage(), registry.first_folded(), registry.totals().latency_quantile(0.99)));
    assert_eq!(registry.gauges().map(|(_, value)| value).sum::<f64>(), 999.0);
    let labels = [Label { key: "region", value: "e u,=\\" }];
    let labelled = registry.series_with_labels("GET", "/x", labels).expect("labels");
    assert!((0..12).any(|bucket| registry.exemplar(labelled, Outcome::Success, bucket).is_some()));
    black_box(registry.full_rings().map(|ring| ring.dropped).sum::<u64>());
    for exporter in Exporter::ALL {
        black_box(registry.account(exporter));
    }
}

fn pack<E: EventEncoder>(sink: &mut Sink<'_, [Event; 512]>, encoder: E, buffer: &mut [u8]) -> usize {
    let (mut packer, mut items) = (Packer::new(encoder), 0);
    while !sink.is_empty() {
        let packed = packer.pack(sink, usize::MAX, buffer);
        items += packed.items;
        packer.confirm(sink, packed);
    }
    items
}

#[test]
fn the_counter_counts() {
    assert!(allocations_of(|| drop(black_box(Vec::<u8>::with_capacity(100)))) >= 1);
}

#[test]
fn recording_and_encoding_allocate_nothing() {
    static STORAGE: DefaultStorage = DefaultStorage::new();
    let long = "x".repeat(5_000);
    let mut buffer = vec![0; 16 * 1024];
    let registry = STORAGE.registry();
    assert_eq!(allocations_of(|| record(registry, &long)), 0, "recording without events");

    let mut pump: Pump<'_> = registry.pump().expect("the only pump");
    let mut lines = Sink::new([Event::default(); 512], pump.attach(Exporter::Influxdb));
    let mut messages = Sink::new([Event::default(); 512], pump.attach(Exporter::Statsd));
    assert_eq!(allocations_of(|| record(registry, &long)), 0, "recording with events");
    let mut drained = 0;
    let drain = || {
        drained = pump.drain(|event| {
            lines.offer(event);
            messages.offer(event);
        });
    };
    assert_eq!(allocations_of(drain), 0, "draining");
    assert_eq!(drained, 7_000);

    let mut items = (0, 0);
    let encode = || {
        let encoder = LineEncoder::new(registry, "loaddensity_request").expect("measurement");
        items.0 = pack(&mut lines, encoder, &mut buffer);
        let encoder = MessageEncoder::new(registry, "loaddensity").expect("prefix");
        items.1 = pack(&mut messages, encoder, &mut buffer);
        read(registry, &mut buffer);
    };
    assert_eq!(allocations_of(encode), 0, "encoding");
    assert_eq!(items, (512, 3 * 512));
    assert_eq!(registry.totals().requests(), 14_000);
    let account = registry.account(Exporter::Influxdb);
    assert_eq!((account.sent, account.dropped.get(DropReason::BufferFull)), (512, 7_000 - 512));
}

#[test]
fn recording_by_status_allocates_nothing() {
    static STORAGE: DefaultStorage = DefaultStorage::new();
    let (long, registry) = ("x".repeat(5_000), STORAGE.registry());
    registry.set_status_label(StatusLabel::Code).expect("nobody has counted yet");
    // In the first round series are interned.
    for _ in 0..2 {
        assert_eq!(allocations_of(|| record(registry, &long)), 0);
    }
    assert!(page_has_status(registry));
}

/// Exports of own instruments: totals, and then one interval.
fn export_own(registry: Registry<'_>, interval: &mut DeltaInterval<Vec<u64>>, buffer: &mut [u8]) {
    let (resource, [start, now]) = (Resource::new("shop"), [1, 2].map(Timestamp::from_unix_nanos));
    let mut export = OwnExport::new(registry, start, now);
    while let Some(part) = export.next_request(Sources::new(registry, &resource), buffer).expect("room for a point") {
        export = part.next;
    }
    assert_eq!(export.observations(), registry.observations());
    interval.end(registry, now);
    let mut export = interval.own_export(registry).expect("it has own instruments");
    let observations = interval.observations_unsettled();
    assert_ne!(observations, 0);
    while let Some(part) =
        export.next_request(Sources::of_interval(registry, &resource, interval), buffer).expect("room for a point")
    {
        interval.settle_instruments(registry, export, part.next);
        export = part.next;
    }
    assert_eq!((export.observations(), interval.observations_unsettled()), (observations, 0));
}

#[test]
fn exports_of_own_instruments_allocate_nothing() {
    static STORAGE: Storage<8, 1, 2, Exponential, 2, 2> = Storage::new();
    let (registry, options) = (STORAGE.registry(), ExportOptions::default());
    let memory = vec![0; ObservedRows::<Vec<u64>>::words(registry)];
    let (rows, _) = ObservedRows::new(registry, memory).expect("enough memory");
    let memory = vec![0; DeltaInterval::<Vec<u64>>::words(registry, options)];
    let (interval, _) = DeltaInterval::new(registry, options, memory, Timestamp::default()).expect("enough memory");
    let (mut interval, mut buffer) = (interval.with_instruments(rows), vec![0; 8_192]);
    let checks = registry.counter("checks", Unit::One, "Checks").expect("room");
    let first_byte = registry.timer("first_byte", "").expect("room");
    let (series, mut recorder) = (registry.series("GET", "/items"), registry.recorder());
    for number in 0..3 {
        recorder.add(checks, series, number);
        recorder.observe(first_byte, series, Duration::from_millis(number));
        assert_eq!(allocations_of(|| export_own(registry, &mut interval, &mut buffer)), 0);
    }
}

#[test]
fn lines_of_own_instruments_allocate_nothing() {
    static STORAGE: Storage<8, 1, 2, Exponential, 2, 2> = Storage::new();
    let registry = STORAGE.registry();
    let memory = vec![0; ObservedRows::<Vec<u64>>::words(registry)];
    let (rows, _) = ObservedRows::new(registry, memory).expect("enough memory");
    let memory = vec![0; InstrumentRows::<Vec<u64>>::words(registry)];
    let mut rows = InstrumentRows::new(registry, rows, memory).expect("enough memory");
    let (series, mut recorder, mut buffer) = (registry.series("GET", "/items"), registry.recorder(), vec![0; 8_192]);
    let (labels, at) = (ConstantLabels::default(), Timestamp::from_unix_nanos(1));
    let mut send = || {
        let checks = registry.counter("checks", Unit::One, "Checks").expect("room");
        let sent = registry.run_histogram("sent", Unit::Bytes, "").expect("room");
        recorder.add(checks, series, 1);
        recorder.observe_in_run(sent, 7);
        let encoder = InstrumentEncoder::new(registry, "m", &labels, Precision::Second).expect("a plain measurement");
        rows.freeze();
        let (from, limits) = (InstrumentPlace::FIRST, BodyLimits::NONE);
        let body = rows.pack(&encoder, from, at, limits, &mut buffer).expect("room for a line");
        assert_eq!((body.rows, rows.settle(from, body.next), rows.unsettled()), (2, 2, 0));
    };
    assert_eq!(allocations_of(|| (0..3).for_each(|_| send())), 0);
}

#[test]
fn observations_one_by_one_allocate_nothing() {
    static STORAGE: Storage<8, 1, 2, Exponential, 1, 1, 64> = Storage::new();
    let registry = STORAGE.registry();
    let mut pump = registry.pump().expect("the only one");
    let ledger = pump.attach_observations(Exporter::Statsd);
    let mut sink = Sink::new([Observation::default(); 64], ledger);
    let lines = ObservationEncoder::new(registry, "m", &ConstantLabels::default()).expect("a plain measurement");
    let (messages, mut room) = (MessageEncoder::new(registry, "p").expect("a prefix").observations(), [0; 1_432]);
    let send = || {
        let checks = registry.counter("checks", Unit::One, "Checks").expect("room");
        let first_byte = registry.timer("first_byte", "").expect("room");
        let (series, mut own, mut shared) =
            (registry.series("GET", "/items"), registry.recorder(), registry.recorder());
        for recorder in [&mut own, &mut shared] {
            recorder.add(checks, series, 1);
            recorder.observe(first_byte, series, Duration::from_millis(2));
        }
        pump.drain_observations(|observations| _ = sink.offer_all(observations));
        assert_eq!(sink.len(), 4);
        let mut packer = Packer::new(lines.clone());
        let packed = packer.pack(&mut sink, 2, &mut room);
        packer.confirm(&mut sink, packed);
        let mut packer = Packer::new(messages.clone());
        let packed = packer.pack(&mut sink, 2, &mut room);
        packer.confirm(&mut sink, packed);
        assert!(sink.is_empty());
    };
    assert_eq!(allocations_of(send), 0);
}

#[test]
fn instruments_of_the_engines_own_allocate_nothing() {
    static STORAGE: Storage<8, 1, 2, Exponential, 2, 2> = Storage::new();
    let registry = STORAGE.registry();
    let pump = registry.pump().expect("the only one");
    let memory = vec![0; ObservedRows::<Vec<u64>>::words(registry)];
    let (rows, before) = ObservedRows::new(registry, memory).expect("as many words as it asks for");
    let encoder = MessageEncoder::new(registry, "p").expect("a prefix").instruments();
    let ledger = pump.accounts().observations().open_after(Exporter::Statsd, before);
    let mut messages = InstrumentMessages::new(registry, (rows, ledger), encoder);
    let record = || {
        let (mut own, mut shared) = (registry.recorder(), registry.recorder());
        assert!(!own.is_sharing() && shared.is_sharing());
        let checks = registry.counter("checks", Unit::One, "Checks").expect("room");
        let iterations = registry.run_counter("iterations", Unit::One, "").expect("room");
        let first_byte = registry.timer("first_byte", "").expect("room");
        let sent = registry.run_histogram("sent", Unit::Bytes, "").expect("room");
        let series = registry.series("GET", "/items");
        for recorder in [&mut own, &mut shared] {
            // A lane carries in between.
            for number in 0..40_000 {
                recorder.add(checks, series, number);
                recorder.add_to_run(iterations, 1);
                recorder.observe(first_byte, series, Duration::from_millis(2));
                recorder.observe_in_run(sent, number);
            }
        }
        assert_eq!(registry.instruments().map(|instrument| instrument.series().count()).sum::<usize>(), 4);
        assert_eq!(
            (registry.counter_total(iterations).sum, registry.histogram_total(first_byte).number),
            (80_000, 80_000)
        );
        for mut page in [Page::new(registry), Page::open_metrics(registry)] {
            while page.fill(&mut [0; 4_096]).expect("room for a line") != 0 {}
        }
        let (mut families, mut room, mut metrics) = (Families::new(registry), [0; MAX_METRIC], 0);
        while !families.is_complete() {
            match families.next_metric(&mut room).expect("room for a metric") {
                Some(metric) => metrics += metric.len(),
                None => {
                    families.finish_family(metrics, &mut room).expect("room for a head");
                    metrics = 0;
                }
            }
        }
        messages.freeze(Now::default());
        assert!(messages.read_on());
        while !messages.is_empty() {
            let packed = messages.pack(0, usize::MAX, &mut [0; 1_432]);
            messages.settle(packed.items, 0, DropReason::Unconfirmed);
        }
    };
    assert_eq!(allocations_of(record), 0);
    assert_eq!(registry.observations(), 4 * 80_000);
    assert_eq!(registry.observation_account(Exporter::Statsd).sent, 4 * 80_000);
}

fn page_has_status(registry: Registry<'_>) -> bool {
    let (mut page, mut buffer) = (Page::new(registry), vec![0; 1 << 20]);
    let length = page.fill(&mut buffer).expect("room for a line");
    String::from_utf8_lossy(&buffer[..length]).contains("status=\"200\"")
}
