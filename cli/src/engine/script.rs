//! What every user of a load test does.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::HeaderMap;
use hyper::{Method, StatusCode, Uri};
use loaddensity_metrics_shell::{LocalRecorder, Outcome, Series};

use super::failures::Failures;
use super::measure::{CompleteAnswer, EngineInstruments};
use super::origin::ResolvedOrigin;

/// What every user does.
pub(super) struct Script {
    pub(super) recorder: LocalRecorder,
    pub(super) instruments: EngineInstruments,
    /// Whether every request carries a trace.
    pub(super) traces: bool,
    pub(super) origins: Vec<ResolvedOrigin>,
    pub(super) steps: Vec<ScriptStep>,
    /// What became of those that failed.
    pub(super) failures: Arc<Failures>,
}

/// One request of a script.
pub(super) struct ScriptStep {
    pub(super) series: Series,
    pub(super) method: Method,
    pub(super) path: Uri,
    /// `Host` among them.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) timeout: Duration,
    pub(super) expected: Option<StatusCode>,
    /// Index into the script's origins.
    pub(super) origin: usize,
}

impl ScriptStep {
    /// What an answer amounts to; none is a failure.
    pub(super) fn outcome(&self, answer: Option<CompleteAnswer>) -> Outcome {
        match (answer, self.expected) {
            (None, _) => Outcome::Failure,
            (Some(answer), None) => Outcome::of_status(answer.status),
            (Some(answer), Some(expected)) if answer.status == expected => Outcome::Success,
            (Some(_), Some(_)) => Outcome::Failure,
        }
    }
}
