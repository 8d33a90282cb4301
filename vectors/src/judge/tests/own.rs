//! The same for instruments of the engine's own.

use super::{convicts, every_change_is_noticed, line_at};
use crate::contract::Spelling;
use crate::judge::dogstatsd::MessageDialect;
use crate::judge::influxdb::LineDialect;
use crate::judge::pages::{self, PageExtras};
use crate::judge::{self, ExportDialect};
use crate::model::Model;
use crate::model::own::{Measured, OwnDeclared};
use loaddensity_metrics_core::dogstatsd::{MessageEncoder, RowMessages};
use loaddensity_metrics_core::influxdb::{BodyLimits, InstrumentEncoder, InstrumentPlace, InstrumentRows, Precision};
use loaddensity_metrics_core::otlp::{ExportOptions, HistogramAggregation, OwnExport, Resource, Sources};
use loaddensity_metrics_core::prometheus::{Families, MAX_METRIC, Page};
use loaddensity_metrics_core::{
    ConstantLabels, Exponential, ObservedRows, Registry, Sample, Series, Storage, Timestamp, Unit,
};
use std::time::Duration;

type ObservedStorage = Storage<4, 1, 2, Exponential, 2, 2>;

fn instruments() -> [OwnDeclared; 4] {
    let own = |name: &str, measured, unit, is_of_run| OwnDeclared {
        name: name.to_owned(),
        description: "of the engine".to_owned(),
        measured,
        unit,
        is_of_run,
    };
    [
        own("checks", Measured::Counts, Unit::One, false),
        own("sent", Measured::Counts, Unit::Bytes, true),
        own("first_byte", Measured::Times, Unit::One, false),
        own("payload", Measured::Numbers, Unit::Bytes, true),
    ]
}

/// Two series, of which one has requests; one value of each histogram, so that its percentiles are known exactly.
fn observed(registry: Registry<'_>) -> (Model, ObservedRows<Vec<u64>>) {
    let memory = vec![0; ObservedRows::<Vec<u64>>::words(registry)];
    let (mut rows, _) = ObservedRows::new(registry, memory).expect("as many words as it asks for");
    let (mut model, mut recorder) = (Model::new(), registry.recorder());
    let [items, alone] =
        ["/items", "a b"].map(|name| model.intern(&mut recorder, &Spelling::new("GET", name)).expect("no labels"));
    model.record(&mut recorder, items, Sample::ok(Duration::from_millis(7)));
    let [checks, sent, first_byte, payload] = &instruments();
    for (declared, series, value) in [
        (checks, Some(items), 3),
        (checks, Some(alone), 40),
        (sent, None, 1_500),
        (first_byte, Some(alone), 850_000),
        (payload, Some(alone), 4_711),
    ] {
        model.observe(&mut recorder, declared, series, value);
    }
    assert_eq!((rows.freeze(registry), model.observations()), (5, 5));
    (model, rows)
}

#[test]
fn changed_pages() {
    let storage = Box::new(ObservedStorage::new());
    let registry = storage.registry();
    let (model, _) = observed(registry);
    let mut room = vec![0; 64 * 1_024];
    for is_open in [false, true] {
        let mut page = if is_open { Page::open_metrics(registry) } else { Page::new(registry) };
        let length = page.fill(&mut room).expect("room for the page");
        let bytes = &room[..length];
        let verdict = |bytes: &[u8]| match is_open {
            true => pages::open(&model, &PageExtras::default(), bytes),
            false => pages::text(&model, &PageExtras::default(), bytes),
        };
        let is_own = |line: &[u8]| {
            let line = String::from_utf8_lossy(line);
            instruments().iter().any(|own| line.contains(&format!("loaddensity_{}", own.name)))
        };
        let own = bytes.split(|byte| *byte == b'\n').filter(|line| is_own(line)).map(|line| line.len() + 1);
        let own: usize = own.sum();
        // What is said of requests and of the registry is judged elsewhere.
        let begin = (0..length).find(|at| is_own(line_at(bytes, *at).1)).expect("own instruments");
        let (before, rest) = bytes.split_at(begin);
        let (own, after) = rest.split_at(own);
        every_change_is_noticed(|own| verdict(&[before, own, after].concat()), own, |_| false);
    }
}

#[test]
fn changed_families() {
    let storage = Box::new(ObservedStorage::new());
    let registry = storage.registry();
    let (model, _) = observed(registry);
    let mut families = Families::new(registry);
    let (mut bodies, mut metrics, mut room) = (Vec::new(), Vec::new(), vec![0; MAX_METRIC]);
    while !families.is_complete() {
        match families.next_metric(&mut room).expect("room for any") {
            Some(metric) => metrics.extend_from_slice(metric),
            None => {
                let head = families.finish_family(metrics.len(), &mut room).expect("room for any").to_vec();
                bodies.push([head, std::mem::take(&mut metrics)].concat());
            }
        }
    }
    let verdict = |bodies: &[Vec<u8>]| pages::protobuf(&model, &PageExtras::default(), &bodies.concat());
    let is_own = |body: &Vec<u8>| {
        let body = String::from_utf8_lossy(body);
        instruments().iter().any(|own| body.contains(&format!("loaddensity_{}", own.name)))
    };
    let places: Vec<_> = (0..bodies.len()).filter(|at| is_own(&bodies[*at])).collect();
    assert_eq!(places.len(), instruments().len());
    for at in places {
        let with = |body: &[u8]| {
            let mut changed = bodies.clone();
            changed[at] = body.to_vec();
            changed
        };
        every_change_is_noticed(|body| verdict(&with(body)), &bodies[at], |_| false);
        assert!(convicts(|body| verdict(&with(body)), b""), "a family is missing");
    }
}

#[test]
fn changed_lines() {
    let storage = Box::new(ObservedStorage::new());
    let registry = storage.registry();
    let (model, rows) = observed(registry);
    let memory = vec![0; InstrumentRows::<Vec<u64>>::words(registry)];
    let mut rows = InstrumentRows::new(registry, rows, memory).expect("as many words as it asks for");
    rows.freeze();
    let encoder = InstrumentEncoder::new(registry, "m", &ConstantLabels::NONE, Precision::Second).expect("measurement");
    let (mut room, at) = ([0; 4_096], Timestamp::from_unix_nanos(1_000_000_000));
    let body = rows.pack(&encoder, InstrumentPlace::FIRST, at, BodyLimits::NONE, &mut room).expect("room");
    let bytes = &room[..body.bytes];
    let verdict = |bytes: &[u8]| judge::influxdb::instruments(&model, "m", &LineDialect::default(), [bytes]);
    every_change_is_noticed(verdict, bytes, |_| false);
    let first = bytes.iter().position(|byte| *byte == b'\n').expect("several lines") + 1;
    assert!(convicts(verdict, &bytes[first..]), "a line is missing");
    assert!(convicts(verdict, &[bytes, b"\n", &bytes[..first - 1]].concat()), "a line is there twice");
}

#[test]
fn changed_messages() {
    let storage = Box::new(ObservedStorage::new());
    let registry = storage.registry();
    let (model, rows) = observed(registry);
    let encoder = MessageEncoder::new(registry, "p").expect("prefix").instruments();
    let mut bytes = Vec::new();
    for instrument in registry.instruments() {
        for series in rows.series(&instrument, Series::OVERFLOW) {
            let row = RowMessages::new(&rows, &instrument, series).expect("it has something");
            let mut room = [0; 4_096];
            let length = encoder.encode(&row, 0..row.messages(), &mut room).expect("room");
            bytes.extend(&room[..length]);
            bytes.push(b'\n');
        }
    }
    let verdict = |bytes: &[u8]| judge::dogstatsd::instruments(&model, &MessageDialect::contract("p"), [bytes]);
    every_change_is_noticed(verdict, &bytes, |_| false);
    let first = bytes.iter().position(|byte| *byte == b'\n').expect("several messages") + 1;
    assert!(convicts(verdict, &bytes[first..]), "a message is missing");
    assert!(convicts(verdict, &[&bytes[..], &bytes[..first]].concat()), "a message is there twice");
}

#[test]
fn changed_exports() {
    let storage = Box::new(ObservedStorage::new());
    let registry = storage.registry();
    let (model, _) = observed(registry);
    let (resource, [start, now]) = (Resource::new("check"), [1, 2].map(Timestamp::from_unix_nanos));
    for histograms in [HistogramAggregation::Explicit, HistogramAggregation::Exponential] {
        let options = ExportOptions { histograms, min_max: true, ..ExportOptions::default() };
        let sources = Sources::new(registry, &resource).with_options(options);
        let mut room = vec![0; 64 * 1_024];
        let part =
            OwnExport::new(registry, start, now).next_request(sources, &mut room).expect("room").expect("points");
        let bytes = part.of(&room).to_vec();
        let dialect = ExportDialect { options, ..ExportDialect::default() };
        let verdict = |bytes: &[u8]| judge::instrument_exports(dialect, &model, "check", (1, 2), [bytes]);
        every_change_is_noticed(verdict, &bytes, |_| false);
        let twice = || judge::instrument_exports(dialect, &model, "check", (1, 2), [&bytes[..], &bytes]);
        assert!(convicts(|_| twice(), &bytes), "sent twice");
    }
}
