//! `fast-telemetry` 0.10: counters and histograms sharded by thread, by handles of series and by labels.
//!
//! Set up as the README of its workspace says (github.com/eden-dev-inc/fast-telemetry, which that of the package names as its
//! documentation): labels that are known at run time alone are of `Dynamic…` types ("Dynamic Runtime Labels"), a hot path
//! resolves `series` once, as many shards as `available_parallelism` says ("Shard Count"), and a limit of series of one's own,
//! because it folds what is beyond 2,000. Latencies are whole microseconds, the unit of its own latency buckets.
//!
//! Its exponential `Distribution` has one bucket for each power of two, from which nobody can tell the contract's buckets.

use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use fast_telemetry::{DynamicCounter, DynamicHistogram};
use loaddensity_metrics_core::Outcome;

use crate::contest::Role;
use crate::recording::{Pass, RecordingContender, pass};
use crate::trace::{LATENCY_BOUNDS_NS, SIZE_BOUNDS, TraceSums, TraceWork};

/// The metrics of the contract.
struct FastTelemetryMetrics {
    requests: DynamicCounter,
    latency: DynamicHistogram,
    size: DynamicHistogram,
}

impl FastTelemetryMetrics {
    fn new(work: &TraceWork) -> Arc<Self> {
        let shards = available_parallelism().map_or(1, NonZero::get);
        let series = work.names.len();
        Arc::new(Self {
            requests: DynamicCounter::with_max_series(shards, Outcome::ALL.len() * series),
            latency: DynamicHistogram::with_limits(&LATENCY_BOUNDS_NS.map(|ns| ns / MICROSECOND), shards, series),
            size: DynamicHistogram::with_limits(&SIZE_BOUNDS, shards, series),
        })
    }

    fn sums(&self) -> TraceSums {
        let mut sums = TraceSums::default();
        for (labels, count) in self.requests.snapshot() {
            let failed = labels.pairs().iter().any(|(_, value)| value == Outcome::Failure.as_str());
            sums.requests[usize::from(failed)] += count as u64;
        }
        sums.latency_ns = MICROSECOND * add_buckets(&self.latency, &mut sums.latency_buckets);
        sums.bytes = add_buckets(&self.size, &mut sums.size_buckets);
        let folded = [self.requests.overflow_count(), self.latency.overflow_count(), self.size.overflow_count()];
        assert_eq!(folded, [0; 3], "series beyond the limit were folded");
        sums
    }
}

/// In nanoseconds.
const MICROSECOND: u64 = 1_000;

/// Adds the buckets of all series to `buckets`, which are not cumulative; returns the sum of the values.
fn add_buckets(histogram: &DynamicHistogram, buckets: &mut [u64]) -> u64 {
    let mut sum = 0;
    for (_, cumulative, values, _) in histogram.snapshot() {
        sum += values;
        let mut before = 0;
        for (bucket, (_, count)) in buckets.iter_mut().zip(cumulative) {
            *bucket += count - before;
            before = count;
        }
    }
    sum
}

fn by_series(metrics: &Arc<FastTelemetryMetrics>, work: &'static TraceWork) -> Pass {
    let series = |&(method, name): &(&str, &str)| {
        let requests = |outcome: Outcome| {
            metrics.requests.series(&[("method", method), ("name", name), ("outcome", outcome.as_str())])
        };
        let labels = [("method", method), ("name", name)];
        (Outcome::ALL.map(requests), metrics.latency.series(&labels), metrics.size.series(&labels))
    };
    let series: Vec<_> = work.names.iter().map(series).collect();
    pass(work, move |_, event| {
        let (requests, latency, size) = &series[event.series as usize];
        requests[event.outcome as usize].inc();
        latency.record(event.micros.into());
        size.record(event.bytes.into());
    })
}

fn by_labels(metrics: &Arc<FastTelemetryMetrics>, work: &'static TraceWork) -> Pass {
    let metrics = Arc::clone(metrics);
    pass(work, move |_, event| {
        let (method, name) = work.names[event.series as usize];
        let labels = [("method", method), ("name", name), ("outcome", event.outcome.as_str())];
        metrics.requests.inc(&labels);
        metrics.latency.record(&labels[..2], event.micros.into());
        metrics.size.record(&labels[..2], event.bytes.into());
    })
}

/// By handle.
#[must_use]
pub fn by_handle(work: &'static TraceWork) -> Vec<RecordingContender> {
    vec![recording("fast-telemetry, series handles", work, by_series)]
}

/// By strings.
#[must_use]
pub fn by_strings(work: &'static TraceWork) -> Vec<RecordingContender> {
    vec![recording("fast-telemetry, labels", work, by_labels)]
}

fn recording(
    name: &'static str,
    work: &'static TraceWork,
    make: fn(&Arc<FastTelemetryMetrics>, &'static TraceWork) -> Pass,
) -> RecordingContender {
    let metrics = || FastTelemetryMetrics::new(work);
    RecordingContender::new(name, Role::Peer, metrics, move |metrics| make(metrics, work), |metrics| metrics.sums())
}
