//! Ours, recording: by handle and by strings, without and with raw events.

use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};

use loaddensity_metrics_core::{Event, Exporter, Pump, Registry};

use crate::clock;
use crate::contest::Role;
use crate::ours::{self, HistogramKind};
use crate::recording::{Pass, RecordingContender, pass};
use crate::runner::threads::THREADS;
use crate::trace::{TraceEvent, TraceWork, completed_at};

/// Requests between two looks of the pump: half a ring.
const DRAINED_EVERY: usize = 4_096;

/// By handle.
pub(super) fn by_handle(work: &'static TraceWork) -> [RecordingContender; 2] {
    both(work, |registry, work| {
        let mut recorder = registry.recorder();
        let series = ours::handles(&mut recorder, work);
        pass(work, move |position, event| {
            recorder.record(series[event.series as usize], event.sample(completed_at(position)));
        })
    })
}

/// By strings.
pub(super) fn by_strings(work: &'static TraceWork) -> [RecordingContender; 2] {
    both(work, |registry, work| {
        let mut recorder = registry.recorder();
        pass(work, move |position, event| {
            let (method, name) = work.names[event.series as usize];
            recorder.record_request(method, name, event.sample(completed_at(position)));
        })
    })
}

/// Without exponential histograms and with them.
fn both(work: &'static TraceWork, make: fn(Registry<'static>, &'static TraceWork) -> Pass) -> [RecordingContender; 2] {
    let kinds = [
        ("ours, classic histograms", HistogramKind::Classic),
        ("ours, exponential histograms too", HistogramKind::Exponential),
    ];
    kinds.map(|(name, kind)| {
        let registry = move || ours::registry(kind, work.names.len(), THREADS);
        let sums = |registry: &Registry<'static>| {
            ours::check_quantiles(*registry, work);
            ours::sums(*registry)
        };
        RecordingContender::new(name, Role::Ours, registry, move |registry| make(*registry, work), sums)
    })
}

/// Whose time counts while raw events go from an engine through a ring to the pump.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TimedSide {
    Engine,
    Pump,
}

/// By handle while both per-request exporters run. Engine and pump take turns in one thread, and only one side counts.
pub(super) fn with_events(name: &'static str, work: &'static TraceWork, counted: TimedSide) -> RecordingContender {
    let place = || {
        let registry = ours::registry(HistogramKind::Classic, work.names.len(), THREADS);
        let mut pump = registry.pump().expect("nobody else has it");
        for exporter in [Exporter::Influxdb, Exporter::Statsd] {
            pump.attach(exporter);
        }
        (registry, Arc::new(Mutex::new(pump)))
    };
    let make = move |(registry, pump): &RegistryAndPump| events_pass(*registry, work, Arc::clone(pump), counted);
    RecordingContender::new(name, Role::Ours, place, make, |(registry, _)| ours::sums(*registry))
}

type RegistryAndPump = (Registry<'static>, Arc<Mutex<Pump<'static>>>);

fn events_pass(
    registry: Registry<'static>,
    work: &'static TraceWork,
    pump: Arc<Mutex<Pump<'static>>>,
    counted: TimedSide,
) -> Pass {
    let mut recorder = registry.recorder();
    let series = ours::handles(&mut recorder, work);
    let mut record = move |part: usize, events: &[TraceEvent]| {
        for (position, event) in events.iter().enumerate() {
            let at = completed_at(part * DRAINED_EVERY + position);
            recorder.record(series[event.series as usize], event.sample(at));
        }
    };
    let drain = move || {
        let mut pump = pump.lock().unwrap_or_else(PoisonError::into_inner);
        pump.drain_slices(|events: &[Event]| _ = black_box(events))
    };
    Box::new(move || {
        let mut drained = 0;
        for (part, events) in work.events.chunks(DRAINED_EVERY).enumerate() {
            drained += match counted {
                TimedSide::Engine => {
                    record(part, events);
                    clock::apart(&drain)
                }
                TimedSide::Pump => {
                    clock::apart(|| record(part, events));
                    drain()
                }
            };
        }
        assert_eq!(drained, work.events.len() as u64, "the ring lost events");
        work.events.len()
    })
}
