//! One check per encoder: bytes are read as a little program, the core runs it, an oracle judges what it wrote.
//!
//! These are the bodies of the fuzz targets; the seeds and past crashes replay through them in the everyday test. Every
//! byte sequence is a valid program (see [`program`]); none may make a check panic.

use crate::judge;
use crate::model::Model;
use loaddensity_metrics_core::dogstatsd::MessageEncoder;
use loaddensity_metrics_core::influxdb::LineEncoder;
use loaddensity_metrics_core::{
    Event, EventEncoder, Exporter, Packer, Registry, Sink, Storage, Timestamp, TooSmall, otlp as encoder,
    prometheus as exposition,
};

pub mod program;
use program::{Lengths, Program};

/// Eight series, one of them for the overflow, one shard, and rings of 16 events: small enough to be full at once.
type SmallStorage = Storage<8, 1, 16>;

/// A Prometheus page, filled through buffers of the program's lengths.
///
/// # Panics
/// If the page is not right.
pub fn prometheus(data: &[u8]) {
    let storage = Box::new(SmallStorage::new());
    let (program, mut lengths) = Program::read(data);
    let model = program.run(storage.registry(), || {});
    let mut page = exposition::Page::new(storage.registry());
    let mut bytes = Vec::new();
    loop {
        let mut buffer = vec![0xff; lengths.take()];
        match page.fill(&mut buffer) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(&buffer[..length]),
            Err(error) => lengths.too_small(buffer.len(), error),
        }
    }
    assert_eq!(page.requests(), model.requests());
    judge::page(&model, &[], &bytes);
}

/// An OTLP cycle, split into requests of the program's lengths.
///
/// # Panics
/// If the requests are not right.
pub fn otlp(data: &[u8]) {
    let storage = Box::new(SmallStorage::new());
    let (program, mut lengths) = Program::read(data);
    let model = program.run(storage.registry(), || {});
    let (service, times) = ("check", (1, 1_700_000_000_000_000_000));
    let (start, now) = (Timestamp::from_unix_nanos(times.0), Timestamp::from_unix_nanos(times.1));
    let mut export = encoder::Export::new(storage.registry(), service, start, now);
    let mut requests = Vec::new();
    loop {
        let mut buffer = vec![0xff; lengths.take()];
        match export.next_request(&mut buffer) {
            Ok(None) => break,
            Ok(Some(request)) => requests.push(request.to_vec()),
            Err(error) => lengths.too_small(buffer.len(), error),
        }
    }
    assert_eq!(export.requests(), model.requests());
    judge::exports(&model, service, times, requests.iter().map(Vec::as_slice));
}

/// Lines of InfluxDB, packed into bodies of the program's lengths.
///
/// # Panics
/// If the lines or the account are not right.
pub fn influxdb(data: &[u8]) {
    let storage = Box::new(SmallStorage::new());
    let measurement = "loaddensity_request";
    let encoder = LineEncoder::new(storage.registry(), measurement).expect("a plain measurement");
    let (model, bodies) = events(data, storage.registry(), Exporter::Influxdb, &encoder);
    judge::lines(&model, measurement, bodies.iter().map(Vec::as_slice));
}

/// DogStatsD messages, packed into datagrams of the program's lengths.
///
/// # Panics
/// If the messages or the account are not right.
pub fn dogstatsd(data: &[u8]) {
    let storage = Box::new(SmallStorage::new());
    let prefix = "loaddensity";
    let encoder = MessageEncoder::new(storage.registry(), prefix).expect("a plain prefix");
    let (model, datagrams) = events(data, storage.registry(), Exporter::Statsd, &encoder);
    judge::messages(&model, prefix, datagrams.iter().map(Vec::as_slice));
}

/// Runs a program with one per-request exporter on; returns what was recorded and the batches it was packed into.
fn events<E: EventEncoder + Clone>(
    data: &[u8],
    registry: Registry<'_>,
    exporter: Exporter,
    encoder: &E,
) -> (Model, Vec<Vec<u8>>) {
    let mut pump = registry.pump().expect("the pump of a new registry is free");
    let mut sink = Sink::new(vec![Event::default(); 64], pump.attach(exporter));
    let mut packer = Packer::new(encoder.clone());
    let (program, mut lengths) = Program::read(data);
    let mut batches = Vec::new();
    let model = program.run(registry, || {
        pump.drain(|event| assert!(sink.offer(event), "the sink is full"));
        while let Some(event) = sink.get(0) {
            let room = lengths.take().max(longest_item(encoder, event));
            let batch = pack_twice(&mut packer, &mut sink, room, lengths.take());
            batches.push(batch);
        }
    });
    let account = pump.detach(exporter);
    assert!(account.balanced(), "{account:?}");
    assert_eq!((account.recorded, account.sent, account.held), (model.requests(), model.requests(), 0));
    (model, batches)
}

/// Packs a batch, forgets it as after a failed attempt, packs it again, and confirms it.
fn pack_twice<E: EventEncoder>(
    packer: &mut Packer<E>,
    sink: &mut Sink<'_, Vec<Event>>,
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
fn longest_item<E: EventEncoder>(encoder: &E, event: &Event) -> usize {
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
