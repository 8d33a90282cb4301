//! Recording, as an engine's thread does it.

use std::hint::black_box;

use loaddensity_metrics_core::{Recorder, Registry, Series};
use loaddensity_metrics_shell::LocalRecorder;

use crate::clock::Stopwatch;
use crate::other_memory::BetweenRequests;
use crate::trace::{Trace, Traced};
use crate::work::{CostMeasurement, CostRow, RecordEntry, RoundResult, WrongResult};

/// Records requests into a recorder's own shard, by handle or by strings.
pub(crate) struct RecordTrace<'a> {
    pub(crate) row: CostRow,
    pub(crate) registry: Registry<'a>,
    pub(crate) handles: &'a [Series],
    pub(crate) trace: &'a Trace,
    pub(crate) between: BetweenRequests<'a>,
}

impl CostMeasurement for RecordTrace<'_> {
    fn row(&self) -> CostRow {
        self.row
    }

    fn round(&mut self, watch: &mut Stopwatch) -> Result<RoundResult, WrongResult> {
        let Self { row, registry, handles, trace, .. } = *self;
        let before = registry.requests();
        let mut recorder = registry.recorder();
        row.expect("recorders without a shard", 0, recorder.is_sharing().into())?;
        let requests = self.between.requests(trace);
        match row {
            CostRow::Record { entry: RecordEntry::ByStrings, .. } => {
                self.between.time(watch, requests, |requests| by_strings(&mut recorder, trace, requests));
            }
            _ => self.between.time(watch, requests, |requests| by_handle(&mut recorder, handles, requests)),
        }
        let operations = requests.len() as u64;
        row.expect("requests counted", operations, registry.requests() - before)?;
        Ok(RoundResult { operations, bytes: 0, times: 1 })
    }
}

/// Records requests through the recorder of whatever thread it is called on.
pub(crate) struct RecordLocally<'a> {
    pub(crate) row: CostRow,
    pub(crate) recorder: LocalRecorder,
    pub(crate) handles: &'a [Series],
    pub(crate) trace: &'a Trace,
    pub(crate) between: BetweenRequests<'a>,
}

impl CostMeasurement for RecordLocally<'_> {
    fn row(&self) -> CostRow {
        self.row
    }

    fn round(&mut self, watch: &mut Stopwatch) -> Result<RoundResult, WrongResult> {
        let Self { row, recorder, handles, trace, .. } = *self;
        let registry = recorder.registry();
        let before = registry.requests();
        let requests = self.between.requests(trace);
        self.between.time(watch, requests, |requests| locally(recorder, handles, requests));
        row.expect("recorders without a shard", 0, registry.usage().spill_recorders as u64)?;
        let operations = requests.len() as u64;
        row.expect("requests counted", operations, registry.requests() - before)?;
        Ok(RoundResult { operations, bytes: 0, times: 1 })
    }
}

/// Claims a recorder and gives it back, as an engine does that has one for each task.
pub(crate) struct ClaimRecorders<'a> {
    pub(crate) registry: Registry<'a>,
}

/// Recorders of one round.
const CLAIMS: u64 = 10_000;

impl CostMeasurement for ClaimRecorders<'_> {
    fn row(&self) -> CostRow {
        CostRow::Claim
    }

    fn round(&mut self, watch: &mut Stopwatch) -> Result<RoundResult, WrongResult> {
        let registry = self.registry;
        let sharing = watch.time(|| (0..CLAIMS).filter(|_| black_box(registry.recorder()).is_sharing()).count());
        self.row().expect("recorders without a shard", 0, sharing as u64)?;
        Ok(RoundResult { operations: CLAIMS, bytes: 0, times: 1 })
    }
}

/// Records `requests` with the `handles` of their series. Never inlined, like the next two, so that what is around the loop takes
/// no registers from it.
#[inline(never)]
pub(crate) fn by_handle(recorder: &mut Recorder<'_>, handles: &[Series], requests: &[Traced]) {
    for request in black_box(requests) {
        recorder.record(handles[request.series], request.sample);
    }
}

#[inline(never)]
fn locally(recorder: LocalRecorder, handles: &[Series], requests: &[Traced]) {
    for request in black_box(requests) {
        recorder.record(handles[request.series], request.sample);
    }
}

#[inline(never)]
fn by_strings(recorder: &mut Recorder<'_>, trace: &Trace, requests: &[Traced]) {
    for Traced { series, sample } in black_box(requests) {
        let (method, name) = &trace.names[*series];
        recorder.record_request(method, name, *sample);
    }
}
