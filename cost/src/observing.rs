//! Recording in instruments of the engine's own.

use std::hint::black_box;

use loaddensity_metrics_core::{InstrumentError, Recorder, Registry, Series, Unit};

use crate::clock::Stopwatch;
use crate::trace::{Trace, Traced};
use crate::work::{CostMeasurement, CostRow, RoundResult, WrongResult};

/// Raises a counter, or records the latencies in a timer, for each request of the trace.
pub(crate) struct ObserveTrace<'a> {
    pub(crate) is_counter: bool,
    pub(crate) registry: Registry<'a>,
    pub(crate) handles: &'a [Series],
    pub(crate) trace: &'a Trace,
}

impl CostMeasurement for ObserveTrace<'_> {
    fn row(&self) -> CostRow {
        CostRow::Observe { is_counter: self.is_counter }
    }

    fn round(&mut self, watch: &mut Stopwatch) -> Result<RoundResult, WrongResult> {
        let Self { is_counter, registry, handles, trace } = *self;
        let (before, mut recorder) = (registry.observations(), registry.recorder());
        self.row().expect("recorders without a shard", 0, recorder.is_sharing().into())?;
        let requests = &trace.requests[..];
        let recorded = if is_counter {
            raise(&mut recorder, handles, requests, watch)
        } else {
            observe(&mut recorder, handles, requests, watch)
        };
        self.row().expect("refused instruments", 0, recorded.is_err().into())?;
        let operations = requests.len() as u64;
        self.row().expect("observations counted", operations, registry.observations() - before)?;
        Ok(RoundResult { operations, bytes: 0, times: 1 })
    }
}

/// Never inlined, as recording is not.
#[inline(never)]
fn raise(
    recorder: &mut Recorder<'_>,
    handles: &[Series],
    requests: &[Traced],
    watch: &mut Stopwatch,
) -> Result<(), InstrumentError> {
    // The same declaration gives the same handle.
    let counter = recorder.registry().counter("checks_failed", Unit::One, "")?;
    watch.time(|| {
        for request in black_box(requests) {
            recorder.add(counter, handles[request.series], 1);
        }
    });
    Ok(())
}

#[inline(never)]
fn observe(
    recorder: &mut Recorder<'_>,
    handles: &[Series],
    requests: &[Traced],
    watch: &mut Stopwatch,
) -> Result<(), InstrumentError> {
    let timer = recorder.registry().timer("time_to_first_byte", "")?;
    watch.time(|| {
        for request in black_box(requests) {
            recorder.observe(timer, handles[request.series], request.sample.latency);
        }
    });
    Ok(())
}
