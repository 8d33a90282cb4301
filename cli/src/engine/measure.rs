//! The embedding: what an engine does for its metrics. All of it.

use std::time::Duration;

use loaddensity_metrics_shell::{
    Counter, ErrorKind, Gauge, GaugeError, HeapStorage, Histogram, InstrumentError, LocalRecorder, Outcome, Registry,
    Sample, Series, SizeError, Timestamp, TraceContext, Unit,
};

/// A request that was answered in full.
#[derive(Clone, Copy, Debug)]
pub(super) struct CompleteAnswer {
    pub(super) status: u16,
    pub(super) body_bytes: u64,
    /// From when the request was sent to the head of its answer.
    pub(super) first_byte: Duration,
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

/// What the engine measures besides requests, where the storage was built with room for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EngineInstruments {
    pub(crate) time_to_first_byte: Histogram<Duration>,
    pub(crate) iterations: Counter,
}

/// The names of these instruments.
pub(crate) const TIME_TO_FIRST_BYTE: &str = "time_to_first_byte";
pub(crate) const ITERATIONS: &str = "iterations";

/// Storage with room for them, and with rings, as a document may ask for each observation by itself; else with the sizes of the
/// default one. The exporters' thread may use it until the process ends.
pub(crate) fn storage() -> Result<Registry<'static>, SizeError> {
    let storage = HeapStorage::builder(511, 12, 65_536).counters(1).histograms(1).observations(16_384).build()?;
    Ok(Box::leak(Box::new(storage)).registry())
}

impl EngineInstruments {
    pub(crate) fn declare(registry: Registry<'static>) -> Result<Self, InstrumentError> {
        let first_byte = registry.timer(TIME_TO_FIRST_BYTE, "From the request to the head of its answer");
        let iterations = registry.run_counter(ITERATIONS, Unit::One, "Times that a user went through all tasks");
        Ok(Self {
            time_to_first_byte: first_byte.or_else(|error| none_where_full(error, Histogram::NONE))?,
            iterations: iterations.or_else(|error| none_where_full(error, Counter::NONE))?,
        })
    }

    /// An answer has come whole.
    pub(super) fn answered(self, recorder: LocalRecorder, series: Series, answer: CompleteAnswer) {
        recorder.observe(self.time_to_first_byte, series, answer.first_byte);
    }

    /// A user has gone through all tasks.
    pub(super) fn iterated(self, recorder: LocalRecorder) {
        recorder.add_to_run(self.iterations, 1);
    }
}

/// The handle that records nothing, where there is no room for another.
fn none_where_full<T>(error: InstrumentError, none: T) -> Result<T, InstrumentError> {
    if matches!(error, InstrumentError::Full { .. }) { Ok(none) } else { Err(error) }
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
