//! `metrics` 0.24 with `metrics-exporter-prometheus` 0.18. It stores every sample of a histogram until somebody scrapes
//! or calls `run_upkeep`; who pays for that is said in each name.

use std::sync::{Arc, PoisonError, RwLock};

use loaddensity_metrics_core::Outcome;
use metrics::{Counter, Histogram, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::clock;
use crate::contest::{Contender, Role};
use crate::exposition::{self, LATENCY, REQUESTS, SIZE};
use crate::recording::{Pass, RecordingContender, pass};
use crate::trace::{LATENCY_BOUNDS_MS, SIZE_BOUNDS_F64, TraceWork};

/// Upkeep and recording keep out of each other's way: two threads that recorded and called `run_upkeep` at the same time
/// lost 0.4 % of the latencies.
struct MetricsRecorder {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    recording: RwLock<()>,
}

impl MetricsRecorder {
    fn new() -> Arc<Self> {
        let bounds = |builder: PrometheusBuilder, name: &str, bounds: &[f64]| {
            builder.set_buckets_for_metric(Matcher::Full(name.into()), bounds).expect("bounds")
        };
        let builder = bounds(PrometheusBuilder::new(), LATENCY, &LATENCY_BOUNDS_MS);
        let recorder = bounds(builder, SIZE, &SIZE_BOUNDS_F64).build_recorder();
        Arc::new(Self { handle: recorder.handle(), recorder, recording: RwLock::default() })
    }

    fn series(&self, (method, name): (&'static str, &'static str)) -> ([Counter; 2], Histogram, Histogram) {
        static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);
        let labels = vec![Label::new("method", method), Label::new("name", name)];
        let histogram = |metric: &'static str| {
            self.recorder.register_histogram(&Key::from_parts(metric, labels.clone()), &METADATA)
        };
        let counter = |outcome: Outcome| {
            let mut labels = labels.clone();
            labels.push(Label::new("outcome", outcome.as_str()));
            self.recorder.register_counter(&Key::from_parts(REQUESTS, labels), &METADATA)
        };
        (Outcome::ALL.map(counter), histogram(LATENCY), histogram(SIZE))
    }

    /// Runs a pass beside those of other threads.
    fn record<T>(&self, pass: impl FnOnce() -> T) -> T {
        let _recording = self.recording.read().unwrap_or_else(PoisonError::into_inner);
        pass()
    }

    /// Takes in the samples, unless another thread records: then that one does it, after its pass.
    fn upkeep(&self) {
        if let Ok(_alone) = self.recording.try_write() {
            self.handle.run_upkeep();
        }
    }

    fn handles(&self, work: &'static TraceWork) -> Pass {
        let handles: Vec<_> = work.names.iter().map(|names| self.series(*names)).collect();
        pass(work, move |_, event| {
            let (requests, latency, size) = &handles[event.series as usize];
            requests[event.outcome as usize].increment(1);
            latency.record(event.millis);
            size.record(f64::from(event.bytes));
        })
    }
}

/// The macros look for a recorder of the thread before they look for one of the process: the former is no slower.
fn macros(metrics: &Arc<MetricsRecorder>, work: &'static TraceWork) -> Pass {
    let metrics = Arc::clone(metrics);
    let mut record = pass(work, move |_, event| {
        let (method, name) = work.names[event.series as usize];
        let outcome = event.outcome.as_str();
        metrics::counter!(REQUESTS, "method" => method, "name" => name, "outcome" => outcome).increment(1);
        metrics::histogram!(LATENCY, "method" => method, "name" => name).record(event.millis);
        metrics::histogram!(SIZE, "method" => method, "name" => name).record(f64::from(event.bytes));
    });
    Box::new(move || {
        let requests = metrics.record(|| metrics::with_local_recorder(&metrics.recorder, &mut record));
        clock::apart(|| metrics.upkeep());
        requests
    })
}

fn handles_apart(metrics: &Arc<MetricsRecorder>, work: &'static TraceWork) -> Pass {
    let (metrics, mut record) = (Arc::clone(metrics), metrics.handles(work));
    Box::new(move || {
        let requests = metrics.record(&mut record);
        clock::apart(|| metrics.upkeep());
        requests
    })
}

fn handles_whole(metrics: &Arc<MetricsRecorder>, work: &'static TraceWork) -> Pass {
    let (metrics, mut record) = (Arc::clone(metrics), metrics.handles(work));
    Box::new(move || {
        let requests = metrics.record(&mut record);
        metrics.upkeep();
        requests
    })
}

/// By handle.
#[must_use]
pub fn by_handle(work: &'static TraceWork) -> Vec<RecordingContender> {
    vec![
        recording("metrics + exporter, handles, upkeep not counted", work, handles_apart),
        recording("metrics + exporter, handles, with upkeep", work, handles_whole),
    ]
}

/// By strings.
#[must_use]
pub fn by_strings(work: &'static TraceWork) -> Vec<RecordingContender> {
    vec![recording("metrics + exporter, macros, upkeep not counted", work, macros)]
}

fn recording(
    name: &'static str,
    work: &'static TraceWork,
    make: fn(&Arc<MetricsRecorder>, &'static TraceWork) -> Pass,
) -> RecordingContender {
    let sums = |metrics: &Arc<MetricsRecorder>| exposition::total(&exposition::parse(&metrics.handle.render()));
    RecordingContender::new(name, Role::Peer, MetricsRecorder::new, move |metrics| make(metrics, work), sums)
}

/// A page of `passes` passes, rendered into a buffer that is used again, all samples taken in before; and that page.
#[must_use]
pub fn page(work: &'static TraceWork, passes: u64) -> (Contender, String) {
    let metrics = MetricsRecorder::new();
    let mut record = handles_whole(&metrics, work);
    (0..passes).for_each(|_| _ = record());
    let shown = metrics.handle.render();
    let mut page = Vec::with_capacity(shown.len());
    let run = move || {
        page.clear();
        metrics.handle.render_to_write(&mut page).expect("a vector takes everything");
        page.len()
    };
    (Contender::new("metrics-exporter-prometheus, render_to_write", Role::Peer, run), shown)
}
