//! The embedding: what an engine does for its metrics. All of it.

use std::time::Duration;

use loaddensity_metrics_shell::{LocalRecorder, Outcome, Sample, Series, Timestamp};

/// A request that was answered in full.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body_bytes: u64,
}

/// Records one completed request; `answer` is `None` where no whole answer came.
///
/// The users are async tasks, so this goes through a [`LocalRecorder`], which finds the recorder of whatever thread it
/// is called on. An engine with threads of its own would keep one `Recorder` on each instead.
pub(super) fn record(
    recorder: LocalRecorder,
    series: Series,
    latency: Duration,
    answer: Option<Answer>,
    completed_at: Timestamp,
) {
    // Latency and size are always there, zero where nothing came: the counts are derived from their buckets.
    let (status, response_bytes) = answer.map_or((0, 0), |answer| (answer.status, answer.body_bytes));
    let outcome = Outcome::of_status(status);
    recorder.record(series, Sample { latency, response_bytes, status, outcome, completed_at });
}
