//! The judges accept right output, and notice every change to it.

use super::{exports, lines, messages, page};
use crate::contract::Spelling;
use crate::model::Model;
use crate::samples;
use loaddensity_metrics_core::dogstatsd::MessageEncoder;
use loaddensity_metrics_core::influxdb::LineEncoder;
use loaddensity_metrics_core::{Event, EventEncoder, Exporter, Storage, Timestamp, otlp, prometheus};
use std::panic::{AssertUnwindSafe, catch_unwind};

struct Wire {
    model: Model,
    page: Vec<u8>,
    lines: Vec<u8>,
    messages: Vec<u8>,
    export: Vec<u8>,
}

fn wire(tells_kinds: bool) -> Wire {
    let storage = Box::new(Storage::<4, 1, 16>::new());
    let registry = storage.registry();
    if tells_kinds {
        registry.set_error_label().expect("nobody has counted yet");
    }
    let mut pump = registry.pump().expect("the only pump");
    pump.attach(Exporter::Influxdb);
    let (mut model, mut recorder, mut events) = (Model::new(), registry.recorder(), Vec::new());
    for (number, name) in ["/items", "a b"].into_iter().enumerate() {
        let series = model.intern(&mut recorder, &Spelling::new("GET", name)).expect("no labels");
        (1..4).for_each(|seed| model.record(&mut recorder, series, samples::sample(seed * 7 + number as u64)));
    }
    pump.drain(|event| events.push(event));
    pump.detach(Exporter::Influxdb);
    let mut room = vec![0; 64 * 1024];
    let length = prometheus::Page::new(registry).fill(&mut room).expect("room for the page");
    let page = room[..length].to_vec();
    let [start, now] = [1, 2].map(Timestamp::from_unix_nanos);
    let resource = otlp::Resource::new("check");
    let cycle = otlp::Export::new(registry, start, now);
    let part = cycle.next_request(otlp::Sources::new(registry, &resource), &mut room).expect("room").expect("points");
    let export = part.of(&room).to_vec();
    let lines = encoded(&LineEncoder::new(registry, "m").expect("measurement"), &events);
    let messages = encoded(&MessageEncoder::new(registry, "p").expect("prefix"), &events);
    Wire { model, page, lines, messages, export }
}

fn encoded<E: EventEncoder>(encoder: &E, events: &[Event]) -> Vec<u8> {
    let item = |event, number| {
        let mut room = [0; 1024];
        let length = encoder.encode(event, number, &mut room).expect("room");
        room[..length].to_vec()
    };
    let items: Vec<_> = events.iter().flat_map(|event| (0..E::ITEMS).map(move |number| item(event, number))).collect();
    items.join(&b'\n')
}

fn convicts(verdict: impl Fn(&[u8]), bytes: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| verdict(bytes))).is_err()
}

/// Each change of one byte, at every place but those that may differ (comments, the exact times of points).
fn every_change_is_noticed(verdict: impl Fn(&[u8]), bytes: &[u8], may_differ: impl Fn(usize) -> bool) {
    assert!(!convicts(&verdict, bytes), "the unchanged bytes are refused");
    let mut noticed = 0;
    for at in (0..bytes.len()).filter(|at| !may_differ(*at)) {
        let mut changed = bytes.to_vec();
        changed[at] = if changed[at] == b'1' { b'2' } else { b'1' };
        assert!(convicts(&verdict, &changed), "byte {at} changed: {:?}", String::from_utf8_lossy(&changed));
        noticed += 1;
    }
    assert!(noticed > bytes.len() / 2, "{noticed} of {} bytes were changed", bytes.len());
}

/// Where the line of byte `at` begins, and the line.
fn line_at(bytes: &[u8], at: usize) -> (usize, &[u8]) {
    let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let end = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| at + end);
    (start, &bytes[start..end])
}

#[test]
fn changed_pages() {
    [false, true].into_iter().for_each(|tells_kinds| changed_pages_of(&wire(tells_kinds)));
}

fn changed_pages_of(wire: &Wire) {
    let Wire { model, page: bytes, .. } = wire;
    let may_differ = |at: usize| {
        let (_, line) = line_at(bytes, at);
        line.starts_with(b"# HELP") || line.starts_with(b"loaddensity_registry") || line.starts_with(b"# TYPE") || {
            // The account of an exporter that the judge is not told the numbers of.
            line.starts_with(b"loaddensity_exporter")
        }
    };
    every_change_is_noticed(|bytes| page(model, &[Exporter::Influxdb], bytes), bytes, may_differ);
    let text = String::from_utf8(bytes.clone()).expect("UTF-8");
    for (right, wrong) in [("_total counter", "_total gauge"), ("_bytes histogram", "_bytes untyped"), ("# HELP", "#")]
    {
        let changed = text.replacen(right, wrong, 1);
        assert!(convicts(|bytes| page(model, &[Exporter::Influxdb], bytes), changed.as_bytes()), "{wrong}");
    }
    assert!(convicts(|bytes| page(model, &[], bytes), bytes), "an account that nobody opened");
}

#[test]
fn changed_lines() {
    [false, true].into_iter().for_each(|tells_kinds| changed_lines_of(&wire(tells_kinds)));
}

fn changed_lines_of(wire: &Wire) {
    let Wire { model, lines: bytes, .. } = wire;
    // The time may be another by a few nanoseconds; that it is unique is judged.
    let is_time = |at: usize| {
        let (start, line) = line_at(bytes, at);
        at > start + line.iter().rposition(|byte| *byte == b' ').unwrap_or_default()
    };
    every_change_is_noticed(|bytes| lines(model, "m", [bytes]), bytes, is_time);
    let first_missing = bytes.iter().position(|byte| *byte == b'\n').expect("several lines") + 1;
    assert!(convicts(|bytes| lines(model, "m", [bytes]), &bytes[first_missing..]), "a line is missing");
    assert!(convicts(|bytes| lines(model, "m", [bytes, &bytes[..first_missing]]), bytes), "a line too much");
}

#[test]
fn changed_messages() {
    [false, true].into_iter().for_each(|tells_kinds| changed_messages_of(&wire(tells_kinds)));
}

fn changed_messages_of(wire: &Wire) {
    let Wire { model, messages: bytes, .. } = wire;
    every_change_is_noticed(|bytes| messages(model, "p", [bytes]), bytes, |_| false);
    assert!(convicts(|bytes| messages(model, "p", [bytes, b"p.requests:1|c|#method:GET"]), bytes), "too much");
}

#[test]
fn changed_exports() {
    [false, true].into_iter().for_each(|tells_kinds| changed_exports_of(&wire(tells_kinds)));
}

fn changed_exports_of(wire: &Wire) {
    let Wire { model, export: bytes, .. } = wire;
    every_change_is_noticed(|bytes| exports(model, "check", (1, 2), [bytes]), bytes, |_| false);
    assert!(convicts(|bytes| exports(model, "check", (1, 2), [bytes, bytes]), bytes), "sent twice");
}

mod own;
