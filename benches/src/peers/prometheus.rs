//! `prometheus` 0.14: handles that threads share, `local()` handles that are flushed, and look-up by label values.

use prometheus::core::Collector;
use prometheus::local::{LocalHistogram, LocalIntCounter};
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, TextEncoder};

use crate::contest::{Contender, Role};
use crate::exposition::{self, LATENCY, REQUESTS, SIZE};
use crate::recording::{Pass, RecordingContender, pass};
use crate::trace::{LATENCY_BOUNDS_MS, SIZE_BOUNDS_F64, TraceEvent, TraceSums, TraceWork};
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
        pass(work, move |_, event| handles[event.series as usize].observe(event))
    }

    fn local(&self, work: &'static TraceWork) -> Pass {
        let handles: Vec<_> = self.handles(work).iter().map(Handles::local).collect();
        pass(work, move |_, event| handles[event.series as usize].observe(event))
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

    fn sums(&self) -> TraceSums {
        let mut page = String::new();
        self.render(&mut page);
        exposition::total(&exposition::parse(&page))
    }

    fn render(&self, page: &mut String) {
        TextEncoder::new().encode_utf8(&self.registry.gather(), page).expect("metrics that can be encoded");
    }
}

impl Handles {
    #[inline]
    fn observe(&self, event: &TraceEvent) {
        self.requests[event.outcome as usize].inc();
        self.latency.observe(event.millis);
        self.size.observe(event.bytes.into());
    }

    fn local(&self) -> LocalHandles {
        LocalHandles {
            requests: self.requests.each_ref().map(IntCounter::local),
            latency: self.latency.local(),
            size: self.size.local(),
        }
    }
}

impl LocalHandles {
    #[inline]
    fn observe(&self, event: &TraceEvent) {
        self.requests[event.outcome as usize].inc();
        self.latency.observe(event.millis);
        self.size.observe(event.bytes.into());
    }
}

impl Drop for LocalHandles {
    fn drop(&mut self) {
        self.requests.iter().for_each(LocalIntCounter::flush);
    }
}

/// The metrics of the contract, and three of the engine's own.
struct InstrumentedMetrics {
    contract: PrometheusMetrics,
    sent: IntCounterVec,
    first_byte: HistogramVec,
    body: HistogramVec,
}

struct InstrumentHandles {
    sent: IntCounter,
    first_byte: Histogram,
    body: Histogram,
}

/// Hands over what it counted when it is dropped; its histograms do so by themselves.
struct LocalInstruments {
    sent: LocalIntCounter,
    first_byte: LocalHistogram,
    body: LocalHistogram,
}

impl InstrumentedMetrics {
    fn new() -> Self {
        let (contract, labels) = (PrometheusMetrics::new(), ["method", "name"]);
        let histogram = |name: &str, bounds: &[f64]| {
            let options = HistogramOpts::new(name, "help").buckets(bounds.to_vec());
            HistogramVec::new(options, &labels).expect("valid name and bounds")
        };
        let metrics = Self {
            sent: IntCounterVec::new(Opts::new("sent_bytes_total", "help"), &labels).expect("valid name"),
            first_byte: histogram("time_to_first_byte_ms", &LATENCY_BOUNDS_MS),
            body: histogram("body_bytes", &SIZE_BOUNDS_F64),
            contract,
        };
        let collectors: [Box<dyn Collector>; 3] =
            [Box::new(metrics.sent.clone()), Box::new(metrics.first_byte.clone()), Box::new(metrics.body.clone())];
        let registry = &metrics.contract.registry;
        collectors.into_iter().for_each(|collector| registry.register(collector).expect("names differ"));
        metrics
    }

    fn handles(&self, work: &TraceWork) -> Vec<InstrumentHandles> {
        let handles = |&(method, name): &(&str, &str)| InstrumentHandles {
            sent: self.sent.with_label_values(&[method, name]),
            first_byte: self.first_byte.with_label_values(&[method, name]),
            body: self.body.with_label_values(&[method, name]),
        };
        work.names.iter().map(handles).collect()
    }

    fn shared(&self, work: &'static TraceWork) -> Pass {
        let handles: Vec<_> = self.contract.handles(work).into_iter().zip(self.handles(work)).collect();
        pass(work, move |_, event| {
            let (requests, instruments) = &handles[event.series as usize];
            requests.observe(event);
            instruments.observe(event);
        })
    }

    fn local(&self, work: &'static TraceWork) -> Pass {
        let contract = self.contract.handles(work);
        let handles: Vec<_> =
            contract.iter().map(Handles::local).zip(self.handles(work).iter().map(InstrumentHandles::local)).collect();
        pass(work, move |_, event| {
            let (requests, instruments) = &handles[event.series as usize];
            requests.observe(event);
            instruments.observe(event);
        })
    }

    /// Those of requests, when those of the instruments are right.
    fn sums(&self, work: &TraceWork) -> TraceSums {
        let (requests, mut sums) = (self.contract.sums(), TraceSums::default());
        for InstrumentHandles { sent, first_byte, body } in self.handles(work) {
            sums.requests[0] += sent.get();
            sums.latency_ns += exposition::nanos(first_byte.get_sample_sum());
            sums.bytes += body.get_sample_sum() as u64;
            add_buckets(&mut sums.latency_buckets, &first_byte);
            add_buckets(&mut sums.size_buckets, &body);
        }
        assert_eq!(sums, TraceSums::of_instruments(&work.events, requests.passes()), "instruments");
        requests
    }
}

/// Adds the buckets of a histogram, which are cumulative and without the last one.
fn add_buckets(to: &mut [u64], histogram: &Histogram) {
    let (families, mut below) = (histogram.collect(), 0);
    let shown = families[0].get_metric()[0].get_histogram();
    let cumulative =
        shown.get_bucket().iter().map(|bucket| bucket.cumulative_count()).chain([shown.get_sample_count()]);
    for (sum, count) in to.iter_mut().zip(cumulative) {
        *sum += count - below;
        below = count;
    }
}

impl InstrumentHandles {
    #[inline]
    fn observe(&self, event: &TraceEvent) {
        self.sent.inc_by(event.bytes.into());
        self.first_byte.observe(event.millis);
        self.body.observe(event.bytes.into());
    }

    fn local(&self) -> LocalInstruments {
        LocalInstruments { sent: self.sent.local(), first_byte: self.first_byte.local(), body: self.body.local() }
    }
}

impl LocalInstruments {
    #[inline]
    fn observe(&self, event: &TraceEvent) {
        self.sent.inc_by(event.bytes.into());
        self.first_byte.observe(event.millis);
        self.body.observe(event.bytes.into());
    }
}

impl Drop for LocalInstruments {
    fn drop(&mut self) {
        self.sent.flush();
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

/// By handle, and with a counter and two histograms of the engine's own, which an embedder registers beside the contract's.
#[must_use]
pub fn with_instruments(work: &'static TraceWork) -> Vec<RecordingContender> {
    let contender = |name, make: fn(&InstrumentedMetrics, &'static TraceWork) -> Pass| {
        let sums = move |metrics: &InstrumentedMetrics| metrics.sums(work);
        RecordingContender::new(name, Role::Peer, InstrumentedMetrics::new, move |metrics| make(metrics, work), sums)
    };
    vec![
        contender("prometheus, local() handles", InstrumentedMetrics::local),
        contender("prometheus, shared handles", InstrumentedMetrics::shared),
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
    let make = move |metrics: &PrometheusMetrics| make(metrics, work);
    RecordingContender::new(name, Role::Peer, PrometheusMetrics::new, make, PrometheusMetrics::sums)
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
