//! What one `record` costs, beside `prometheus` 0.14 on the same work in the same run: one counter and two histograms
//! per request. Each way is checked first: all must count the same.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use loaddensity_metrics_benches::{EVENTS, SERIES, TraceEvent, series_name, trace};
use loaddensity_metrics_core::{Exporter, Outcome, Recorder, Registry, Request, Series, Storage};
use prometheus::local::{LocalHistogram, LocalIntCounter};
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts};

const LATENCY_BOUNDS: [f64; 11] = [5., 10., 25., 50., 100., 250., 500., 1000., 2500., 5000., 10000.];
const SIZE_BOUNDS: [f64; 8] = [64., 256., 1024., 4096., 16384., 65536., 262144., 1048576.];

static STORAGE: Storage<128, 4, 8192> = Storage::new();

fn record(criterion: &mut Criterion) {
    let trace = trace();
    let names: Vec<_> = (0..SERIES).map(series_name).collect();
    let mut group = criterion.benchmark_group("record");
    group.throughput(Throughput::Elements(EVENTS as u64));

    let registry = STORAGE.registry();
    let mut recorder = registry.recorder();
    let series: Vec<_> = names.iter().map(|(method, name)| recorder.series(method, name)).collect();
    let failures = trace.iter().filter(|event| event.sample.outcome == Outcome::Failure).count() as u64;

    check_ours(registry, failures, || by_handle(&mut recorder, &series, &trace));
    group.bench_function("ours, by handle", |b| b.iter(|| by_handle(&mut recorder, &series, &trace)));

    check_ours(registry, failures, || by_strings(&mut recorder, &names, &trace));
    group.bench_function("ours, by strings", |b| b.iter(|| by_strings(&mut recorder, &names, &trace)));

    let mut pump = registry.pump().expect("no other pump");
    pump.attach(Exporter::Influxdb);
    check_ours(registry, failures, || with_events(&mut recorder, &series, &trace, &mut pump));
    group.bench_function("ours, by handle, raw events on and drained", |b| {
        b.iter(|| with_events(&mut recorder, &series, &trace, &mut pump));
    });
    pump.detach(Exporter::Influxdb);

    let peer = Peer::new();
    let shared: Vec<_> = names.iter().map(|(method, name)| peer.shared(method, name)).collect();
    peer.check(failures, || shared_handles(&shared, &trace));
    group.bench_function("prometheus 0.14, shared handles", |b| b.iter(|| shared_handles(&shared, &trace)));

    let local: Vec<_> = shared.iter().map(Handles::local).collect();
    peer.check(failures, || {
        local_handles(&local, &trace);
        local.iter().for_each(LocalHandles::flush);
    });
    group.bench_function("prometheus 0.14, local() handles", |b| b.iter(|| local_handles(&local, &trace)));

    peer.check(failures, || with_label_values(&peer, &names, &trace));
    group.bench_function("prometheus 0.14, with_label_values", |b| {
        b.iter(|| with_label_values(&peer, &names, &trace));
    });
}

fn by_handle(recorder: &mut Recorder<'_>, series: &[Series], trace: &[TraceEvent]) {
    for event in black_box(trace) {
        recorder.record(series[event.series], event.sample);
    }
}

fn by_strings(recorder: &mut Recorder<'_>, names: &[(&str, String)], trace: &[TraceEvent]) {
    for event in black_box(trace) {
        let ((method, name), sample) = (&names[event.series], event.sample);
        recorder.record_request(&Request {
            method,
            name,
            latency: sample.latency,
            response_bytes: sample.response_bytes,
            status: sample.status,
            outcome: sample.outcome,
            completed_at: sample.completed_at,
        });
    }
}

/// The ring is emptied every 4,096 requests, in the same thread: what is measured is the writing and the reading.
fn with_events(
    recorder: &mut Recorder<'_>,
    series: &[Series],
    trace: &[TraceEvent],
    pump: &mut loaddensity_metrics_core::Pump<'_>,
) {
    let mut events = 0;
    for part in trace.chunks(4_096) {
        by_handle(recorder, series, part);
        events += pump.drain(|event| {
            black_box(event);
        });
    }
    assert_eq!(events, trace.len() as u64);
}

fn shared_handles(handles: &[Handles], trace: &[TraceEvent]) {
    for event in black_box(trace) {
        let series = &handles[event.series];
        series.requests[event.sample.outcome as usize].inc();
        series.latency.observe(event.millis);
        series.size.observe(event.bytes);
    }
}

fn local_handles(handles: &[LocalHandles], trace: &[TraceEvent]) {
    for event in black_box(trace) {
        let series = &handles[event.series];
        series.requests[event.sample.outcome as usize].inc();
        series.latency.observe(event.millis);
        series.size.observe(event.bytes);
    }
}

fn with_label_values(peer: &Peer, names: &[(&str, String)], trace: &[TraceEvent]) {
    for event in black_box(trace) {
        let (method, name) = &names[event.series];
        peer.requests.with_label_values(&[*method, name, event.sample.outcome.as_str()]).inc();
        peer.latency.with_label_values(&[*method, name]).observe(event.millis);
        peer.size.with_label_values(&[*method, name]).observe(event.bytes);
    }
}

/// One way through the trace must add what the trace holds.
fn check_ours(registry: Registry<'_>, failures: u64, once: impl FnOnce()) {
    let before = registry.totals();
    once();
    let after = registry.totals();
    assert_eq!(after.requests() - before.requests(), EVENTS as u64);
    assert_eq!(after.failures() - before.failures(), failures);
}

/// The metrics of the contract, made with `prometheus`.
struct Peer {
    requests: IntCounterVec,
    latency: HistogramVec,
    size: HistogramVec,
}

struct Handles {
    requests: [IntCounter; 2],
    latency: Histogram,
    size: Histogram,
}

struct LocalHandles {
    requests: [LocalIntCounter; 2],
    latency: LocalHistogram,
    size: LocalHistogram,
}

impl Peer {
    fn new() -> Self {
        let labels = ["method", "name", "outcome"];
        let histogram = |name: &str, bounds: &[f64]| {
            let options = HistogramOpts::new(name, "help").buckets(bounds.to_vec());
            HistogramVec::new(options, &labels[..2]).expect("valid name and bounds")
        };
        Self {
            requests: IntCounterVec::new(Opts::new("requests_total", "help"), &labels).expect("valid name"),
            latency: histogram("latency_ms", &LATENCY_BOUNDS),
            size: histogram("response_bytes", &SIZE_BOUNDS),
        }
    }

    fn shared(&self, method: &str, name: &str) -> Handles {
        Handles {
            requests: Outcome::ALL.map(|outcome| self.requests.with_label_values(&[method, name, outcome.as_str()])),
            latency: self.latency.with_label_values(&[method, name]),
            size: self.size.with_label_values(&[method, name]),
        }
    }

    /// Requests, failures and observations so far.
    fn totals(&self) -> [u64; 3] {
        let mut totals = [0; 3];
        for (method, name) in (0..SERIES).map(series_name) {
            let series = self.shared(method, &name);
            let [success, failure] = series.requests.map(|counter| counter.get());
            totals[0] += success + failure;
            totals[1] += failure;
            totals[2] += series.latency.get_sample_count();
        }
        totals
    }

    fn check(&self, failures: u64, once: impl FnOnce()) {
        let before = self.totals();
        once();
        let after = self.totals();
        let added: Vec<_> = after.iter().zip(before).map(|(after, before)| after - before).collect();
        assert_eq!(added, [EVENTS as u64, failures, EVENTS as u64]);
    }
}

impl Handles {
    fn local(&self) -> LocalHandles {
        LocalHandles {
            requests: self.requests.each_ref().map(IntCounter::local),
            latency: self.latency.local(),
            size: self.size.local(),
        }
    }
}

impl LocalHandles {
    fn flush(&self) {
        self.requests.iter().for_each(LocalIntCounter::flush);
        self.latency.flush();
        self.size.flush();
    }
}

criterion_group!(benches, record);
criterion_main!(benches);
