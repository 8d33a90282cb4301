//! Output in buffers of every length, from 0 to that of the whole output. The joined pieces are equal to the whole, or
//! the encoder says that the buffer is too small and loses nothing.

mod common;

use common::{page_of, record};
use loaddensity_metrics_core::dogstatsd::MessageEncoder;
use loaddensity_metrics_core::influxdb::LineEncoder;
use loaddensity_metrics_core::otlp::{Export, MIN_REQUEST, Resource, Sources};
use loaddensity_metrics_core::prometheus::{MAX_LINE, Page};
use loaddensity_metrics_core::{
    Classic, DropReason, Event, EventEncoder, Exporter, Packer, Pump, Recorder, Registry, Sink, Storage, Timestamp,
};
use loaddensity_metrics_vectors::contract::Spelling;
use loaddensity_metrics_vectors::model::Model;
use loaddensity_metrics_vectors::{judge, samples};

/// A few series, with names that are escaped, made safe, and cut.
fn small_recording(series: usize) -> common::Recording {
    let names = ["quote\" back\\slash\nnewline, = café/😀\\", "", &"😀".repeat(70)];
    let labels = vec![("region".to_owned(), "e u,=\\".to_owned())];
    let spellings = names.iter().map(|name| Spelling { labels: labels.clone(), ..Spelling::new("GET", name) });
    spellings
        .take(series)
        .zip(1..)
        .map(|(spelling, seed)| (spelling, vec![samples::sample(seed), samples::sample(seed + 6)]))
        .collect()
}

#[test]
fn prometheus_pages() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    registry.pump().expect("the only pump").accounts().open(Exporter::Prometheus);
    let model = record(&mut registry.recorder(), &small_recording(3), || {});
    let whole = page_of(registry);
    judge::page(&model, &[Exporter::Prometheus], &whole);
    let longest = whole.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::len).max().unwrap_or_default();
    let mut refused = 0;
    for length in 0..=whole.len() {
        let (joined, refusals) = page_in_pieces(registry, length);
        assert!(joined == whole, "pieces of {length} bytes are not the whole");
        assert!(length < 2 * longest || refusals == 0, "{length} bytes were too small for two lines of {longest}");
        refused += refusals;
    }
    assert!(refused > 0, "no length was too small");
}

/// The page, written in buffers of `length` bytes, and how many lines did not fit. Those lines get a larger buffer.
fn page_in_pieces(registry: Registry<'_>, length: usize) -> (Vec<u8>, usize) {
    let (mut page, mut joined, mut refusals) = (Page::new(registry), Vec::new(), 0);
    let (mut buffer, mut large) = (vec![0; length], [0; MAX_LINE]);
    loop {
        let written = match page.fill(&mut buffer) {
            Ok(written) => &buffer[..written],
            Err(error) => {
                refusals += 1;
                assert!(error.needed <= MAX_LINE && length < error.needed);
                let written = page.fill(&mut large).expect("the longest line fits");
                &large[..written]
            }
        };
        if written.is_empty() {
            return (joined, refusals);
        }
        assert!(written.ends_with(b"\n"), "a piece is no whole lines");
        joined.extend_from_slice(written);
    }
}

#[test]
fn otlp_cycles() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let model = record(&mut registry.recorder(), &small_recording(2), || {});
    let (whole, _) = cycle_in_pieces(registry, 64 * 1024);
    assert_eq!(whole.len(), 1);
    let mut refused = 0;
    for length in 0..=whole[0].len() + 512 {
        let (requests, refusals) = cycle_in_pieces(registry, length);
        judge::exports(&model, "shop", TIMES, requests.iter().map(Vec::as_slice));
        assert!(length < MIN_REQUEST || refusals == 0, "{length} bytes were too small");
        refused += refusals;
    }
    assert!(refused > 0, "no length was too small");
}

const TIMES: (u64, u64) = (1, 2);

/// The export, written in buffers of `length` bytes, and how many points did not fit. Those points get a larger buffer.
fn cycle_in_pieces(registry: Registry<'_>, length: usize) -> (Vec<Vec<u8>>, usize) {
    let [start, now] = [TIMES.0, TIMES.1].map(Timestamp::from_unix_nanos);
    let resource = Resource::new("shop");
    let sources = Sources::new(registry, &resource);
    let mut export = Export::new(registry, start, now);
    let (mut requests, mut refusals) = (Vec::new(), 0);
    let (mut buffer, mut large) = (vec![0; length], [0; MIN_REQUEST]);
    loop {
        let (part, room) = match export.next_request(sources, &mut buffer) {
            Ok(part) => (part, &buffer[..]),
            Err(error) => {
                refusals += 1;
                assert!(error.needed <= MIN_REQUEST && length < error.needed);
                (export.next_request(sources, &mut large).expect("any point fits"), &large[..])
            }
        };
        let Some(part) = part else {
            return (requests, refusals);
        };
        requests.push(part.of(room).to_vec());
        export = part.next;
    }
}

#[test]
fn influxdb_bodies() {
    static STORAGE: Storage<4, 1, 16> = Storage::new();
    let encoder = LineEncoder::new(STORAGE.registry(), "loaddensity_request").expect("measurement");
    batches(STORAGE.registry(), Exporter::Influxdb, &encoder, |model, whole| {
        judge::lines(model, "loaddensity_request", [whole]);
    });
}

#[test]
fn dogstatsd_datagrams() {
    static STORAGE: Storage<4, 1, 16> = Storage::new();
    let encoder = MessageEncoder::new(STORAGE.registry(), "loaddensity").expect("prefix");
    batches(STORAGE.registry(), Exporter::Statsd, &encoder, |model, whole| {
        judge::messages(model, "loaddensity", [whole]);
    });
}

fn batches<E: EventEncoder + Clone>(
    registry: Registry<'_>,
    exporter: Exporter,
    encoder: &E,
    verdict: impl Fn(&Model, &[u8]),
) {
    let mut pump = registry.pump().expect("the only pump");
    pump.attach(exporter);
    let mut recorder = registry.recorder();
    let (model, events) = recorded(&mut recorder, &mut pump);
    let items: Vec<Vec<Vec<u8>>> = events.iter().map(|event| items_of(encoder, event)).collect();
    let whole = items.concat().join(&b'\n');
    verdict(&model, &whole);
    for length in 0..=whole.len() {
        let fits = |items: &&Vec<Vec<u8>>| items.iter().all(|item| item.len() <= length);
        let packed = pack_all(exporter, encoder, &events, length);
        // An event with an item that is too large counts as dropped. Its earlier items may be in a batch all the same.
        let too_large = items.iter().filter(|items| !fits(items)).count() as u64;
        assert_eq!(packed.too_large, too_large, "{length} bytes");
        assert_eq!(packed.sent, events.len() as u64 - too_large, "{length} bytes");
        if too_large == 0 {
            assert!(packed.batches.join(&b'\n') == whole, "pieces of {length} bytes are not the whole");
        }
        assert!(packed.batches.iter().all(|batch| batch.len() <= length));
    }
}

fn recorded(recorder: &mut Recorder<'_>, pump: &mut Pump<'_>) -> (Model, Vec<Event>) {
    let mut events = Vec::new();
    let model = record(recorder, &small_recording(3), || {
        pump.drain(|event| events.push(event));
    });
    (model, events)
}

/// All items of an event. Checks that each fits into its own length and into more, but not into less.
fn items_of<E: EventEncoder>(encoder: &E, event: &Event) -> Vec<Vec<u8>> {
    let item = |number| {
        let mut room = [0; 4096];
        let length = encoder.encode(event, number, &mut room).expect("room for any item");
        for shorter in 0..length {
            assert!(encoder.encode(event, number, &mut [0; 4096][..shorter]).is_err(), "fits into {shorter}");
        }
        for longer in length..length + 8 {
            let mut other = vec![0; longer];
            assert_eq!(encoder.encode(event, number, &mut other), Ok(length));
            assert_eq!(other[..length], room[..length]);
        }
        room[..length].to_vec()
    };
    (0..E::ITEMS).map(item).collect()
}

struct Outcome {
    batches: Vec<Vec<u8>>,
    sent: u64,
    too_large: u64,
}

fn pack_all<E: EventEncoder + Clone>(exporter: Exporter, encoder: &E, events: &[Event], length: usize) -> Outcome {
    // A storage of its own for the account, because other tests may have the pump of the registry.
    let storage = Storage::<2, 1, 2, Classic>::new();
    let mut pump = storage.registry().pump().expect("the only pump");
    let mut sink = Sink::new(vec![Event::default(); events.len()], pump.attach(exporter));
    assert!(events.iter().all(|event| sink.offer(*event)));
    let mut packer = Packer::new(encoder.clone());
    let (mut batches, mut room) = (Vec::new(), vec![0; length]);
    while !sink.is_empty() {
        let packed = packer.pack(&mut sink, usize::MAX, &mut room);
        if packed.items != 0 {
            batches.push(room[..packed.bytes].to_vec());
        }
        packer.confirm(&mut sink, packed);
    }
    let account = storage.registry().account(exporter);
    assert_eq!(account.dropped.total(), account.dropped.get(DropReason::TooLarge));
    Outcome { batches, sent: account.sent, too_large: account.dropped.total() }
}
