//! Pages and exports that are made while requests are recorded: no number is torn, contradicts another or goes back.

mod common;

use common::{body_of, page_of, whole};
use loaddensity_metrics_core::otlp::{DeltaInterval, Export, ExportOptions, HistogramAggregation, Resource, Sources};
use loaddensity_metrics_core::prometheus::{Families, Page};
use loaddensity_metrics_core::{Recorder, Registry, Sample, Series, Storage, Timestamp, TraceContext};
use loaddensity_metrics_vectors::otlp::{self, DecodedValue};
use loaddensity_metrics_vectors::{families, openmetrics, prometheus, samples};
use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const NAMES: [&str; 3] = ["/a", "/b", "/c"];

/// Runs `read` again and again while four threads record on two shards and the spill shard.
fn while_recording(registry: Registry<'static>, rounds: usize, mut read: impl FnMut()) {
    let done = AtomicBool::new(false);
    let record = |mut recorder: Recorder<'_>, series: &[Series]| {
        for seed in (0..).take_while(|_| !done.load(Ordering::Relaxed)) {
            let (series, sample) = (series[seed as usize % series.len()], samples::sample(seed));
            recorder.record_traced(series, sample, trace_of(sample));
        }
    };
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut recorder = registry.recorder();
                let series = NAMES.map(|name| recorder.series("GET", name));
                record(recorder, &series);
            });
        }
        while registry.requests() == 0 {
            thread::yield_now();
        }
        // If the reader fails, the recording threads must still end.
        let read = panic::catch_unwind(AssertUnwindSafe(|| (0..rounds).for_each(|_| read())));
        done.store(true, Ordering::Relaxed);
        read.unwrap_or_else(|fault| panic::resume_unwind(fault));
    });
}

/// A trace whose ids contain the latency and the time of its request.
fn trace_of(sample: Sample) -> TraceContext {
    let (latency, at) = (sample.latency.as_nanos() as u64, sample.completed_at.as_unix_nanos());
    let trace_id = (u128::from(at) << 64 | u128::from(latency)).to_be_bytes();
    TraceContext { trace_id, span_id: (at ^ latency | 1).to_be_bytes() }
}

/// Whether all parts of an exemplar are of the same request, whose latency is in milliseconds and whose time is in
/// nanoseconds since the Unix epoch.
fn is_whole(trace_id: &str, span_id: &str, latency_ms: f64, at: u64) -> bool {
    let trace = u128::from_str_radix(trace_id, 16).expect("hexadecimal");
    let (time, latency) = ((trace >> 64) as u64, trace as u64);
    let span = u64::from_str_radix(span_id, 16).expect("hexadecimal");
    (time, latency as f64 / 1e6, time ^ latency | 1) == (at, latency_ms, span)
}

/// The last value that was seen of each counter.
#[derive(Default)]
struct Seen {
    last: BTreeMap<String, f64>,
    grown: usize,
}

impl Seen {
    fn see(&mut self, counter: String, value: f64) {
        let before = self.last.get(&counter).copied().unwrap_or_default();
        assert!(before <= value, "{counter} went back from {before} to {value}");
        self.grown += usize::from(before < value);
        self.last.insert(counter, value);
    }
}

#[test]
fn pages_agree_with_themselves_and_never_go_back() {
    static STORAGE: Storage<8, 2, 2> = Storage::new();
    let mut seen = Seen::default();
    while_recording(STORAGE.registry(), 100, || {
        let bytes = page_of(STORAGE.registry());
        // The parser checks that buckets are cumulative and that the last one is `_count`.
        let page = prometheus::parse(&bytes).unwrap_or_else(|error| panic!("{error}"));
        for sample in page.families.iter().take(3).flat_map(|family| &family.samples) {
            seen.see(format!("{} {:?}", sample.name, sample.labels), sample.value);
        }
    });
    assert!(seen.grown > 100, "nothing moved: {}", seen.grown);
}

#[test]
fn open_metrics_agree_with_themselves_and_their_exemplars_are_whole() {
    static STORAGE: Storage<8, 2, 2> = Storage::new();
    let (mut seen, mut exemplars) = (Seen::default(), 0);
    while_recording(STORAGE.registry(), 100, || {
        let bytes = whole(Page::open_metrics(STORAGE.registry()));
        // The parser checks the same as the one for text, and also that each exemplar is inside its bucket.

        let page = openmetrics::parse(&bytes).unwrap_or_else(|error| panic!("{error}"));
        for sample in page.families.iter().take(3).flat_map(|family| &family.samples) {
            seen.see(format!("{} {:?}", sample.name, sample.labels), sample.text.parse().expect("a number"));
            let Some(exemplar) = &sample.exemplar else { continue };
            let [(_, trace_id), (_, span_id)] = &exemplar.labels[..] else { panic!("{:?}", exemplar.labels) };
            let at = exemplar.timestamp.expect("a time").replace('.', "").parse().expect("nine digits of a fraction");
            assert!(is_whole(trace_id, span_id, exemplar.text.parse().expect("a number"), at), "{exemplar:?}");
            exemplars += 1;
        }
    });
    assert!(seen.grown > 100 && exemplars > 100, "{} moved, {exemplars} exemplars", seen.grown);
}

#[test]
fn native_histograms_agree_with_themselves_and_their_exemplars_are_whole() {
    static STORAGE: Storage<8, 2, 2> = Storage::new();
    let (mut seen, mut exemplars) = (Seen::default(), 0);
    while_recording(STORAGE.registry(), 100, || {
        let body = body_of(Families::new(STORAGE.registry()));
        // The decoder checks that native buckets add up to the count and that no classic one exceeds it.
        let families = families::decode(&body).unwrap_or_else(|error| panic!("{error}"));
        for (family, metric) in families.iter().flat_map(|family| family.metric.iter().map(move |one| (family, one))) {
            let key = format!("{} {:?}", family.name(), metric.labels().collect::<Vec<_>>());
            if let Some(counter) = metric.counter.as_ref().filter(|_| family.name() == "loaddensity_requests_total") {
                seen.see(key, counter.value());
                continue;
            }
            let Some(histogram) = &metric.histogram else { continue };
            assert_eq!(histogram.schema, Some(3));
            seen.see(format!("{key} count"), histogram.sample_count() as f64);
            for bucket in &histogram.bucket {
                seen.see(format!("{key} {}", bucket.upper_bound()), bucket.cumulative_count() as f64);
                let Some(exemplar) = &bucket.exemplar else { continue };
                let [trace_id, span_id] = &exemplar.label[..] else { panic!("{:?}", exemplar.label) };
                let time = exemplar.timestamp.as_ref().expect("a time");
                let at = time.seconds as u64 * 1_000_000_000 + time.nanos as u64;
                assert!(is_whole(trace_id.value(), span_id.value(), exemplar.value(), at), "{exemplar:?}");
                exemplars += 1;
            }
            for (index, count) in histogram.native().expect("judged by the decoder") {
                seen.see(format!("{key} native {index}"), count as f64);
            }
        }
    });
    assert!(seen.grown > 100 && exemplars > 100, "{} moved, {exemplars} exemplars", seen.grown);
}

#[test]
fn exports_agree_with_themselves_and_never_go_back() {
    static STORAGE: Storage<8, 2, 2> = Storage::new();
    let (mut last, mut grown, mut buffer) = (BTreeMap::new(), 0, vec![0; 64 * 1024]);
    while_recording(STORAGE.registry(), 100, || {
        let [start, now] = [1, 2].map(Timestamp::from_unix_nanos);
        let resource = Resource::new("shop");
        let sources = Sources::new(STORAGE.registry(), &resource);
        let mut export = Export::new(STORAGE.registry(), start, now);
        let mut total = 0;
        while let Some(part) = export.next_request(sources, &mut buffer).expect("room for a point") {
            export = part.next;
            let message = otlp::unframe(part.of(&buffer)).expect("a frame");
            otlp::canonical(message).expect("canonical");
            // The decoder checks that buckets add up to the count.
            for point in otlp::decode(message).unwrap_or_else(|error| panic!("{error}")) {
                let count = match point.value {
                    DecodedValue::Sum(value) => {
                        total += value as u64;
                        value as u64
                    }
                    DecodedValue::Gauge(_) => panic!("a gauge that nobody set"),
                    DecodedValue::Histogram { count, .. } | DecodedValue::Exponential { count, .. } => count,
                };
                let before = last.insert((point.metric, point.attributes), count).unwrap_or_default();
                assert!(before <= count, "went back from {before} to {count}");
                grown += usize::from(before < count);
            }
        }
        assert_eq!(export.requests(), total, "the total is not what the counter points show");
    });
    assert!(grown > 100, "nothing moved: {grown}");
}

#[test]
fn intervals_add_up_to_what_was_recorded() {
    static STORAGES: [Storage<8, 2, 2>; 2] = [const { Storage::new() }; 2];
    for (storage, histograms) in
        STORAGES.iter().zip([HistogramAggregation::Explicit, HistogramAggregation::Exponential])
    {
        let (registry, at) = (storage.registry(), Timestamp::from_unix_nanos);
        let options = ExportOptions { histograms, ..ExportOptions::default() };
        let memory = vec![0; DeltaInterval::<Vec<u64>>::words(registry, options)];
        let (mut interval, _) =
            DeltaInterval::new(registry, options, memory, at(1)).expect("as many words as it asks for");
        let mut sums: BTreeMap<String, u64> = BTreeMap::new();
        let (mut now, mut ended, mut shown, mut buffer) = (1, 0, 0, vec![0; 64 * 1024]);
        let resource = Resource::new("shop");
        let mut read = || {
            now += 1;
            ended += interval.end(registry, at(now));
            let mut export = interval.export(registry);
            loop {
                let sources = Sources::of_interval(registry, &resource, &interval);
                let Some(part) = export.next_request(sources, &mut buffer).expect("room for a point") else { break };
                assert_eq!(interval.settle(export, part.next), part.requests);
                export = part.next;
                // The decoder checks that buckets add up to the count.
                let message = otlp::unframe(part.of(&buffer)).expect("a frame");
                for point in otlp::decode_delta(message).unwrap_or_else(|error| panic!("{error}")) {
                    assert_eq!((point.start, point.time), (now - 1, now));
                    *sums.entry(point.metric).or_default() += match point.value {
                        DecodedValue::Sum(value) => value as u64,
                        DecodedValue::Gauge(_) => panic!("a gauge that nobody set"),
                        DecodedValue::Histogram { count, .. } | DecodedValue::Exponential { count, .. } => count,
                    };
                }
            }
            shown += export.requests();
        };
        while_recording(registry, 100, &mut read);
        // Once more, after recording has ended.
        read();
        let total = registry.requests();
        assert_eq!((ended, shown), (total, total), "{histograms:?}");
        for (metric, sum) in &sums {
            assert_eq!(*sum, total, "{histograms:?} {metric}");
        }
        assert_eq!(sums.len(), 3);
    }
}
