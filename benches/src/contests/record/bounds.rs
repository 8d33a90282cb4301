//! What a request costs by handle with bounds of an engine's own: of several bounds within 1.6 % the recorder compares each.

use std::time::Duration;

use loaddensity_metrics_core::Bounds;

use crate::contest::{Contender, Contest, Role};
use crate::ours::{self, HistogramKind};
use crate::recording::pass;
use crate::trace::{EVENTS, TraceWork, completed_at};

/// Latencies of OpenTelemetry's default, in milliseconds ("Explicit Bucket Histogram Aggregation" of the metrics SDK), without
/// zero.
const OPENTELEMETRY: [f64; 14] =
    [5., 10., 25., 50., 75., 100., 250., 500., 750., 1_000., 2_500., 5_000., 7_500., 10_000.];
/// Latencies of the default of Prometheus' clients, in milliseconds.
const PROMETHEUS: [f64; 11] = [5., 10., 25., 50., 100., 250., 500., 1_000., 2_500., 5_000., 10_000.];

/// The contest, in the default's storage and in that of classic buckets alone.
pub(super) fn contest(title: &'static str, work: &'static TraceWork) -> Contest {
    use HistogramKind::{Classic, Exponential};
    let lists = [
        ("the contract's", Exponential, Bounds::CONTRACT),
        ("Prometheus' default", Exponential, prometheus()),
        ("OpenTelemetry's default", Exponential, opentelemetry()),
        ("40 bounds, 6 % apart", Exponential, dense()),
        ("classic, the contract's", Classic, Bounds::CONTRACT),
        ("classic, 40 bounds, 6 % apart", Classic, dense()),
    ];
    let contenders = lists.map(|(name, kind, bounds)| contender(name, (kind, &bounds), work)).into();
    Contest { title, unit: "request", units: EVENTS as f64, contenders }
}

/// The default of Prometheus' clients, of latencies alone.
#[must_use]
pub fn prometheus() -> Bounds {
    bounds(&PROMETHEUS)
}

/// OpenTelemetry's default, of latencies alone.
#[must_use]
pub fn opentelemetry() -> Bounds {
    bounds(&OPENTELEMETRY)
}

/// 40 latencies, each 6 % above the one before: close to the bounds of exponential buckets, which are 4.4 % apart.
#[must_use]
pub fn dense() -> Bounds {
    bounds(&Vec::from_iter((0..40).map(|i| 1.06_f64.powi(i) * 100.0)))
}

fn bounds(millis: &[f64]) -> Bounds {
    let latencies: Vec<_> = millis.iter().map(|millis| Duration::from_nanos((millis * 1e6) as u64)).collect();
    Bounds::new(&latencies, &[]).expect("bounds in order")
}

fn contender(name: &'static str, (kind, bounds): (HistogramKind, &Bounds), work: &'static TraceWork) -> Contender {
    let registry = ours::registry(kind, work.names.len(), 1);
    registry.set_bounds(bounds).expect("a registry that has not counted yet");
    let mut recorder = registry.recorder();
    let series = ours::handles(&mut recorder, work);
    let pass = pass(work, move |position, event| {
        recorder.record(series[event.series as usize], event.sample(completed_at(position)));
    });
    Contender::new(name, Role::Ours, pass)
}
