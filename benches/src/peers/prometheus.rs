//! `prometheus` 0.14: handles that threads share, `local()` handles that are flushed, and look-up by label values.

use prometheus::core::Collector;
use prometheus::local::{LocalHistogram, LocalIntCounter};
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, TextEncoder};

use crate::contest::{Contender, Role};
use crate::exposition::{self, LATENCY, REQUESTS, SIZE};
use crate::recording::{Pass, RecordingContender, pass};
use crate::trace::{LATENCY_BOUNDS_MS, SIZE_BOUNDS_F64, TraceWork};
use loaddensity_metrics_core::Outcome;

/// The metrics of the contract.
#[derive(Clone)]
struct PrometheusMetrics {
    registry: Registry,
    requests: IntCounterVec,
    latency: HistogramVec,
    size: HistogramVec,
}

struct Handles {
    requests: [IntCounter; 2],
    latency: Histogram,
    size: Histogram,
}

/// Hands over what it counted when it is dropped; its histograms do so by themselves.
struct LocalHandles {
    requests: [LocalIntCounter; 2],
    latency: LocalHistogram,
    size: LocalHistogram,
}

impl PrometheusMetrics {
    fn new() -> Self {
        let labels = ["method", "name", "outcome"];
        let histogram = |name: &str, bounds: &[f64]| {
            let options = HistogramOpts::new(name, "help").buckets(bounds.to_vec());
            HistogramVec::new(options, &labels[..2]).expect("valid name and bounds")
        };
        let metrics = Self {
            registry: Registry::new(),
            requests: IntCounterVec::new(Opts::new(REQUESTS, "help"), &labels).expect("valid name"),
            latency: histogram(LATENCY, &LATENCY_BOUNDS_MS),
            size: histogram(SIZE, &SIZE_BOUNDS_F64),
        };
        let collectors: [Box<dyn Collector>; 3] =
            [Box::new(metrics.requests.clone()), Box::new(metrics.latency.clone()), Box::new(metrics.size.clone())];
        collectors.into_iter().for_each(|collector| metrics.registry.register(collector).expect("names differ"));
        metrics
    }

    fn handles(&self, work: &TraceWork) -> Vec<Handles> {
        let handles = |&(method, name): &(&str, &str)| Handles {
            requests: Outcome::ALL.map(|outcome| self.requests.with_label_values(&[method, name, outcome.as_str()])),
            latency: self.latency.with_label_values(&[method, name]),
            size: self.size.with_label_values(&[method, name]),
        };
        work.names.iter().map(handles).collect()
    }

    fn shared(&self, work: &'static TraceWork) -> Pass {
        let handles = self.handles(work);
        pass(work, move |_, event| {
            let series = &handles[event.series as usize];
            series.requests[event.outcome as usize].inc();
            series.latency.observe(event.millis);
            series.size.observe(event.bytes.into());
        })
    }

    fn local(&self, work: &'static TraceWork) -> Pass {
        let handles: Vec<_> = self.handles(work).iter().map(Handles::local).collect();
        pass(work, move |_, event| {
            let series = &handles[event.series as usize];
            series.requests[event.outcome as usize].inc();
            series.latency.observe(event.millis);
            series.size.observe(event.bytes.into());
        })
    }

    fn with_label_values(&self, work: &'static TraceWork) -> Pass {
        let metrics = self.clone();
        pass(work, move |_, event| {
            let (method, name) = work.names[event.series as usize];
            metrics.requests.with_label_values(&[method, name, event.outcome.as_str()]).inc();
            metrics.latency.with_label_values(&[method, name]).observe(event.millis);
            metrics.size.with_label_values(&[method, name]).observe(event.bytes.into());
        })
    }

    fn render(&self, page: &mut String) {
        TextEncoder::new().encode_utf8(&self.registry.gather(), page).expect("metrics that can be encoded");
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

impl Drop for LocalHandles {
    fn drop(&mut self) {
        self.requests.iter().for_each(LocalIntCounter::flush);
    }
}

/// By handle.
#[must_use]
pub fn by_handle(work: &'static TraceWork) -> Vec<RecordingContender> {
    vec![
        recording("prometheus, local() handles", work, PrometheusMetrics::local),
        recording("prometheus, shared handles", work, PrometheusMetrics::shared),
    ]
}

/// By strings.
#[must_use]
pub fn by_strings(work: &'static TraceWork) -> Vec<RecordingContender> {
    vec![recording("prometheus, with_label_values", work, PrometheusMetrics::with_label_values)]
}

fn recording(
    name: &'static str,
    work: &'static TraceWork,
    make: fn(&PrometheusMetrics, &'static TraceWork) -> Pass,
) -> RecordingContender {
    let sums = |metrics: &PrometheusMetrics| {
        let mut page = String::new();
        metrics.render(&mut page);
        exposition::total(&exposition::parse(&page))
    };
    RecordingContender::new(name, Role::Peer, PrometheusMetrics::new, move |metrics| make(metrics, work), sums)
}

/// A page of `passes` passes, gathered and encoded into a string that is used again; and that string.
#[must_use]
pub fn page(work: &'static TraceWork, passes: u64) -> (Contender, String) {
    let metrics = PrometheusMetrics::new();
    let mut record = metrics.shared(work);
    (0..passes).for_each(|_| _ = record());
    let mut page = String::new();
    metrics.render(&mut page);
    let shown = page.clone();
    let run = move || {
        page.clear();
        metrics.render(&mut page);
        page.len()
    };
    (Contender::new("prometheus, TextEncoder", Role::Peer, run), shown)
}
