//! What a request costs through each entry point (by handle, by strings, `LocalRecorder`) with the default's
//! histograms, and what a recorder costs.

use std::hint::black_box;
use std::time::Instant;

use loaddensity_metrics_core::Registry;
use loaddensity_metrics_tokio::{Exporters, Settings};

use crate::contest::{Contender, Contest, Role};
use crate::floor::{default_storage, record as floor};
use crate::ours::{self, HistogramKind};
use crate::recording::{Pass, RecordingContender, pass};
use crate::runner::threads::THREADS;
use crate::trace::{TraceWork, completed_at};

/// Recorders of a registry that is claimed from, as the default storage has them, and claims in a pass.
const RECORDERS: usize = 12;
const CLAIMS: usize = 1_000;

/// All ways to record, and the floors for comparison.
pub(super) fn recordings(work: &'static TraceWork) -> Vec<RecordingContender> {
    let ours = [
        recording("by handle", work, by_handle),
        recording("LocalRecorder, by handle", work, by_local_recorder),
        recording("by strings", work, by_strings),
        recording("by handle, with a reading of the clock", work, by_handle_and_clock),
    ];
    ours.into_iter().chain(floor::by_handle(work)).chain(default_storage::by_handle(work)).collect()
}

/// Claiming a recorder and giving it back, in storage of the default's size.
pub(super) fn claim(title: &'static str) -> Contest {
    let registry = ours::registry(HistogramKind::Exponential, 511, RECORDERS);
    let claims = move || {
        (0..CLAIMS).for_each(|_| drop(black_box(registry.recorder())));
        CLAIMS
    };
    let contenders = vec![Contender::new("claim and drop", Role::Ours, claims)];
    Contest { title, unit: "recorder", units: CLAIMS as f64, contenders }
}

fn recording(
    name: &'static str,
    work: &'static TraceWork,
    make: fn(Registry<'static>, &'static TraceWork) -> Pass,
) -> RecordingContender {
    let registry = || ours::registry(HistogramKind::Exponential, work.names.len(), THREADS);
    RecordingContender::new(
        name,
        Role::Ours,
        registry,
        move |registry| make(*registry, work),
        |registry| ours::sums(*registry),
    )
}

fn by_handle(registry: Registry<'static>, work: &'static TraceWork) -> Pass {
    let mut recorder = registry.recorder();
    let series = ours::handles(&mut recorder, work);
    pass(work, move |position, event| {
        recorder.record(series[event.series as usize], event.sample(completed_at(position)));
    })
}

fn by_local_recorder(registry: Registry<'static>, work: &'static TraceWork) -> Pass {
    // Nothing is exported; the handle comes from exporters alone.
    let exporters = Exporters::start(Settings::on(registry)).expect("exporters");
    let recorder = exporters.local_recorder();
    let series: Vec<_> = work.names.iter().map(|(method, name)| recorder.series(method, name)).collect();
    pass(work, move |position, event| {
        recorder.record(series[event.series as usize], event.sample(completed_at(position)));
    })
}

fn by_strings(registry: Registry<'static>, work: &'static TraceWork) -> Pass {
    let mut recorder = registry.recorder();
    pass(work, move |position, event| {
        let (method, name) = work.names[event.series as usize];
        recorder.record_request(method, name, event.sample(completed_at(position)));
    })
}

fn by_handle_and_clock(registry: Registry<'static>, work: &'static TraceWork) -> Pass {
    let mut recorder = registry.recorder();
    let series = ours::handles(&mut recorder, work);
    let began = Instant::now();
    pass(work, move |position, event| {
        black_box(began.elapsed());
        recorder.record(series[event.series as usize], event.sample(completed_at(position)));
    })
}
