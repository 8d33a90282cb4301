//! What the tests against the oracles share: registries full of nasty names, random recordings, and pumping.

#![allow(dead_code, reason = "every test file uses some of it")]

use loaddensity_metrics_core::prometheus::{Families, MAX_METRIC, Page};
use loaddensity_metrics_core::{
    Event, EventEncoder, Exporter, Outcome, Packer, Recorder, Registry, Sample, Sink, Timestamp,
};
use loaddensity_metrics_vectors::contract::Spelling;
use loaddensity_metrics_vectors::model::Model;
use loaddensity_metrics_vectors::{names, samples};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::time::Duration;

/// A series with what is recorded for it.
pub(crate) type Recording = Vec<(Spelling, Vec<Sample>)>;

/// Every nasty name as a name, as a method and as the value of a label where it is short enough, each with samples.
pub(crate) fn nasty_recording() -> Recording {
    let table = names::all();
    let labelled =
        |name: &str| Spelling { labels: vec![("scenario".into(), name.into())], ..Spelling::new("GET", "/x") };
    let spellings = table.iter().flat_map(|nasty| {
        let label = (nasty.name.len() <= 80).then(|| labelled(&nasty.name));
        [Some(Spelling::new("GET", &nasty.name)), Some(Spelling::new(&nasty.name, "/x")), label].into_iter().flatten()
    });
    let mut seed = 0;
    spellings
        .map(|spelling| {
            let count = seed % 4;
            let samples = (0..count).map(|offset| samples::sample(seed * 4 + offset)).collect();
            seed += 1;
            (spelling, samples)
        })
        .collect()
}

/// All latencies and sizes at which buckets or number printing change.
pub(crate) fn edge_recording() -> Recording {
    let (latencies, sizes) = (samples::latencies(), samples::sizes());
    let pairs = latencies.iter().cycle().zip(sizes.iter().cycle()).take(latencies.len() * sizes.len());
    let sample = |(number, (latency, size)): (usize, (&u64, &u64))| {
        let sample = Sample::new(Outcome::ALL[number % 3 % 2], Duration::from_nanos(*latency))
            .status(number as u16)
            .response_bytes(*size)
            .completed_at(Timestamp::from_unix_nanos(1_700_000_000_000_000_000));
        samples::with_error(sample, number as u64)
    };
    vec![(Spelling::new("GET", "/edge"), pairs.enumerate().map(sample).collect())]
}

/// Random series, nasty ones among them, with random samples.
pub(crate) fn any_recording() -> impl Strategy<Value = Recording> {
    vec((any_spelling(), vec(any_sample(), 0..6)), 0..12)
}

fn any_spelling() -> impl Strategy<Value = Spelling> {
    let table: Vec<String> = names::all().into_iter().map(|nasty| nasty.name).collect();
    let text = || prop_oneof![select(table.clone()), "(?s).{0,40}", "[a\\\\,= |:#\"\n\u{85}é😀]{0,300}"];
    let label = ("[a-nA-N0-9.-]{1,6}", "(?s).{0,8}").prop_map(|(key, value)| (format!("x{key}"), value));
    (text(), text(), vec(label, 0..3)).prop_map(|(method, name, labels)| Spelling { method, name, labels })
}

fn any_sample() -> impl Strategy<Value = Sample> {
    let latency = prop_oneof![select(samples::latencies()), 0..10_000_000_000_000u64, any::<u64>()];
    let size = prop_oneof![select(samples::sizes()), 0..10_000_000u64, any::<u64>()];
    let time = 1_700_000_000_000_000_000..1_700_000_000_000_001_000u64;
    (latency, size, any::<u16>(), any::<bool>(), time).prop_map(|(latency, response_bytes, status, failed, time)| {
        let sample = Sample::new(Outcome::ALL[usize::from(failed)], Duration::from_nanos(latency))
            .status(status)
            .response_bytes(response_bytes)
            .completed_at(Timestamp::from_unix_nanos(time));
        samples::with_error(sample, latency ^ time)
    })
}

/// Records all of it through one recorder; `after` runs after every sample. Series whose labels the core refuses are
/// left out.
pub(crate) fn record(recorder: &mut Recorder<'_>, recording: &Recording, mut after: impl FnMut()) -> Model {
    let mut model = Model::new();
    for (spelling, samples) in recording {
        let Ok(series) = model.intern(recorder, spelling) else {
            continue;
        };
        for sample in samples {
            model.record(recorder, series, *sample);
            after();
        }
    }
    model
}

/// A whole page of the text format.
pub(crate) fn page_of(registry: Registry<'_>) -> Vec<u8> {
    whole(Page::new(registry))
}

/// All that is left of a page.
pub(crate) fn whole(mut page: Page<'_>) -> Vec<u8> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    loop {
        match page.fill(&mut buffer).expect("16 KiB hold any line") {
            0 => return bytes,
            length => bytes.extend_from_slice(&buffer[..length]),
        }
    }
}

/// The whole body of a scrape in protobuf.
pub(crate) fn body_of(mut families: Families<'_>) -> Vec<u8> {
    let (mut body, mut metrics, mut buffer) = (Vec::new(), Vec::new(), vec![0; MAX_METRIC]);
    while !families.is_complete() {
        while let Some(metric) = families.next_metric(&mut buffer).expect("it holds any metric") {
            metrics.extend_from_slice(metric);
        }
        body.extend_from_slice(families.finish_family(metrics.len(), &mut buffer).expect("it holds any head"));
        body.append(&mut metrics);
    }
    body
}

/// Records with one per-request exporter on; returns the model and the batches, each of at most `batch` bytes.
pub(crate) fn pumped<E: EventEncoder>(
    registry: Registry<'_>,
    exporter: Exporter,
    encoder: E,
    batch: usize,
    recording: &Recording,
) -> (Model, Vec<Vec<u8>>) {
    let mut pump = registry.pump().expect("the only pump");
    let mut sink = Sink::new(vec![Event::default(); 64], pump.attach(exporter));
    let mut packer = Packer::new(encoder);
    let mut batches = Vec::new();
    let model = record(&mut registry.recorder(), recording, || {
        pump.drain(|event| assert!(sink.offer(event)));
        let mut room = vec![0; batch];
        while !sink.is_empty() {
            let packed = packer.pack(&mut sink, usize::MAX, &mut room);
            assert_ne!(packed.items, 0, "{batch} bytes hold no item");
            packer.confirm(&mut sink, packed);
            batches.push(room[..packed.bytes].to_vec());
        }
    });
    let account = pump.detach(exporter);
    assert!(account.balanced(), "{account:?}");
    assert_eq!((account.recorded, account.sent), (model.requests(), model.requests()), "{account:?}");
    (model, batches)
}
