//! The embedding: what an engine does for its metrics. All of it.

use std::time::Duration;

use loaddensity_metrics_shell::{
    ErrorKind, Gauge, GaugeError, LocalRecorder, Outcome, Sample, Series, Timestamp, TraceContext,
};

/// A request that was answered in full.
#[derive(Clone, Copy, Debug)]
pub(super) struct CompleteAnswer {
    pub(super) status: u16,
    pub(super) body_bytes: u64,
}

/// Records one completed request: what was answered, or why no whole answer came, with a trace that is all zero where
/// there is none. The engine says whether it was a success, since a task may expect a certain status.
///
/// The users are async tasks, so this goes through a [`LocalRecorder`], which finds the recorder of whatever thread it
/// is called on. An engine with threads of its own would keep one `Recorder` on each instead.
pub(super) fn record(
    recorder: LocalRecorder,
    series: Series,
    latency: Duration,
    answer: Result<CompleteAnswer, ErrorKind>,
    outcome: Outcome,
    completed_at: Timestamp,
    trace: TraceContext,
) {
    // Latency and size are always there, zero where nothing came: the counts are derived from their buckets.
    let (status, response_bytes) = answer.map_or((0, 0), |answer| (answer.status, answer.body_bytes));
    let sample = Sample::new(outcome, latency).status(status).response_bytes(response_bytes).completed_at(completed_at);
    let sample = match (outcome, answer) {
        (Outcome::Success, _) => sample,
        // Another status than the task expects.
        (Outcome::Failure, Ok(_)) => sample.error(ErrorKind::Status),
        (Outcome::Failure, Err(kind)) => sample.error(kind),
    };
    recorder.record_traced(series, sample, trace);
}

/// What the engine shows of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct EngineGauges {
    active_users: Gauge<'static>,
    target_rate: Gauge<'static>,
}

impl EngineGauges {
    pub(super) fn new(recorder: LocalRecorder) -> Result<Self, GaugeError> {
        Ok(Self { active_users: recorder.gauge("active_users")?, target_rate: recorder.gauge("target_rate")? })
    }

    /// A test begins. Without a cap there is no rate that it aims at; zero says so.
    pub(super) fn begin(self, max_rate: Option<f64>) {
        self.target_rate.set(max_rate.unwrap_or(0.0));
        self.users(0);
    }

    /// So many users are at work.
    pub(super) fn users(self, users: usize) {
        self.active_users.set(users as f64);
    }

    /// The test is over.
    pub(super) fn end(self) {
        self.begin(None);
    }
}
