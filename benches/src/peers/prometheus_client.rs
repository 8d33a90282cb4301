//! `prometheus-client` 0.25: handles, and look-up in its families by borrowed strings that live for ever (with owned
//! ones it allocates on every look-up).

use loaddensity_metrics_core::Outcome;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::contest::{Contender, Role};
use crate::exposition::{self, LATENCY, REQUESTS, SIZE};
use crate::recording::{Pass, RecordingContender, pass};
use crate::trace::{LATENCY_BOUNDS_MS, SIZE_BOUNDS_F64, TraceWork};
use labels::{PrometheusClientRequest, PrometheusClientSeries};

mod labels {
    use prometheus_client::encoding::EncodeLabelSet;

    #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
    pub(super) struct PrometheusClientRequest {
        pub(super) method: &'static str,
        pub(super) name: &'static str,
        pub(super) outcome: &'static str,
    }

    #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
    pub(super) struct PrometheusClientSeries {
        pub(super) method: &'static str,
        pub(super) name: &'static str,
    }
}

type PrometheusClientHistograms = Family<PrometheusClientSeries, Histogram, fn() -> Histogram>;

/// The metrics of the contract. Clones count into the same place.
#[derive(Clone)]
struct PrometheusClientMetrics {
    requests: Family<PrometheusClientRequest, Counter>,
    latency: PrometheusClientHistograms,
    size: PrometheusClientHistograms,
}

impl PrometheusClientMetrics {
    fn new() -> Self {
        Self {
            requests: Family::default(),
            latency: PrometheusClientHistograms::new_with_constructor(|| Histogram::new(LATENCY_BOUNDS_MS)),
            size: PrometheusClientHistograms::new_with_constructor(|| Histogram::new(SIZE_BOUNDS_F64)),
        }
    }

    fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        // The encoder appends the suffix `_total`.
        registry.register(REQUESTS.trim_end_matches("_total"), "help", self.requests.clone());
        registry.register(LATENCY, "help", self.latency.clone());
        registry.register(SIZE, "help", self.size.clone());
        registry
    }

    fn handles(&self, work: &'static TraceWork) -> Pass {
        let handle = |&(method, name): &(&'static str, &'static str)| {
            let series = PrometheusClientSeries { method, name };
            let requests = Outcome::ALL.map(|outcome| {
                self.requests.get_or_create_owned(&PrometheusClientRequest { method, name, outcome: outcome.as_str() })
            });
            (requests, self.latency.get_or_create_owned(&series), self.size.get_or_create_owned(&series))
        };
        let handles: Vec<_> = work.names.iter().map(handle).collect();
        pass(work, move |_, event| {
            let (requests, latency, size) = &handles[event.series as usize];
            requests[event.outcome as usize].inc();
            latency.observe(event.millis);
            size.observe(event.bytes.into());
        })
    }

    fn families(&self, work: &'static TraceWork) -> Pass {
        let metrics = self.clone();
        pass(work, move |_, event| {
            let (method, name) = work.names[event.series as usize];
            metrics
                .requests
                .get_or_create(&PrometheusClientRequest { method, name, outcome: event.outcome.as_str() })
                .inc();
            let series = PrometheusClientSeries { method, name };
            metrics.latency.get_or_create(&series).observe(event.millis);
            metrics.size.get_or_create(&series).observe(event.bytes.into());
        })
    }
}

/// By handle.
#[must_use]
pub fn by_handle(work: &'static TraceWork) -> Vec<RecordingContender> {
    vec![recording("prometheus-client, handles", work, PrometheusClientMetrics::handles)]
}

/// By strings.
#[must_use]
pub fn by_strings(work: &'static TraceWork) -> Vec<RecordingContender> {
    vec![recording("prometheus-client, families", work, PrometheusClientMetrics::families)]
}

fn recording(
    name: &'static str,
    work: &'static TraceWork,
    make: fn(&PrometheusClientMetrics, &'static TraceWork) -> Pass,
) -> RecordingContender {
    let sums = |metrics: &PrometheusClientMetrics| {
        let mut page = String::new();
        encode(&mut page, &metrics.registry()).expect("a string takes everything");
        exposition::total(&exposition::parse(&page))
    };
    RecordingContender::new(name, Role::Peer, PrometheusClientMetrics::new, move |metrics| make(metrics, work), sums)
}

/// A page of `passes` passes, encoded into a string that is used again; and that string.
#[must_use]
pub fn page(work: &'static TraceWork, passes: u64) -> (Contender, String) {
    let metrics = PrometheusClientMetrics::new();
    let mut record = metrics.handles(work);
    (0..passes).for_each(|_| _ = record());
    let (registry, mut page) = (metrics.registry(), String::new());
    encode(&mut page, &registry).expect("a string takes everything");
    let shown = page.clone();
    let run = move || {
        page.clear();
        encode(&mut page, &registry).expect("a string takes everything");
        page.len()
    };
    (Contender::new("prometheus-client, text::encode", Role::Peer, run), shown)
}
