//! One user of a load test.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use futures_lite::future;
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{Outcome, SteadyClock, TraceContext};

use super::closed;
use super::connection::{EngineConnection, LostRequest, RequestFailure};
use super::failures::FailureKind;
use super::measure::{CompleteAnswer, record};
use super::pace::Pace;
use super::script::{Script, ScriptStep};
use super::trace::Traces;

/// How long a user waits after a request that got no answer: an absent server shall not cost a whole core.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// One user.
pub(super) struct User<R: Runtime> {
    runtime: R,
    script: Arc<Script>,
    pace: Arc<Pace>,
    halted: Receiver<()>,
    /// Dropped with the user; the engine counts these.
    _alive: Sender<()>,
    connections: Vec<Option<EngineConnection<R>>>,
}

impl<R: Runtime> User<R> {
    pub(super) fn new(
        runtime: R,
        script: Arc<Script>,
        pace: Arc<Pace>,
        halted: Receiver<()>,
        alive: Sender<()>,
    ) -> Self {
        let connections = script.origins.iter().map(|_| None).collect();
        Self { runtime, script, pace, halted, _alive: alive, connections }
    }

    /// Works through the script until the test is halted.
    pub(super) async fn run(mut self) {
        let script = self.script.clone();
        let mut traces = script.traces.then(Traces::new);
        let (started, mut clock) = (self.runtime.now(), SteadyClock::new(self.runtime.wall_clock()));
        for (number, step) in script.steps.iter().enumerate().cycle() {
            let turn = self.pace.take(self.runtime.now());
            wait(&self.runtime, &self.halted, turn).await;
            if self.halted.is_closed() {
                return;
            }
            let trace = traces.as_mut().map(Traces::next).unwrap_or_default();
            let asked = self.runtime.now();
            let mut began = None;
            let result = self.answer(step, trace, &mut began).await;
            let ended = self.runtime.now();
            let latency = ended.saturating_duration_since(began.unwrap_or(asked));
            let completed_at = clock.at(ended.saturating_duration_since(started), self.runtime.wall_clock());
            let answer = result.as_ref().map_err(|lost| lost.kind.exported()).copied();
            let outcome = step.outcome(answer.ok());
            record(script.recorder, step.series, latency, answer, outcome, completed_at, trace);
            match result {
                Ok(answer) => {
                    script.instruments.answered(script.recorder, step.series, answer);
                    if outcome == Outcome::Failure {
                        script.failures.note_status(answer.status);
                    }
                }
                Err(lost) => {
                    script.failures.note(lost.kind, || lost.text(&script.origins[step.origin]));
                    wait(&self.runtime, &self.halted, AFTER_FAILURE).await;
                }
            }
            if number + 1 == script.steps.len() {
                script.instruments.iterated(script.recorder);
            }
        }
    }

    /// The answer to one request, if a whole one comes in time. `began` becomes the request's start once there is a
    /// connection: opening it is not part of the latency.
    async fn answer(
        &mut self,
        step: &ScriptStep,
        trace: TraceContext,
        began: &mut Option<Instant>,
    ) -> Result<CompleteAnswer, LostRequest> {
        let timeout = self.runtime.sleep(step.timeout);
        let exchange = async { Some(self.exchange(step, trace, began).await) };
        let late = async {
            timeout.await;
            None
        };
        future::or(exchange, late).await.unwrap_or_else(|| {
            let missing = if began.is_some() { "whole answer" } else { "connection" };
            Err(LostRequest::new(FailureKind::TimedOut, format!("no {missing} within {:?}", step.timeout)))
        })
    }

    /// Takes the connection out while it is in use: one on which a request failed or was given up is never put back.
    async fn exchange(
        &mut self,
        step: &ScriptStep,
        trace: TraceContext,
        began: &mut Option<Instant>,
    ) -> Result<CompleteAnswer, LostRequest> {
        loop {
            let mut connection = match self.connections[step.origin].take() {
                Some(open) => open,
                None => EngineConnection::open(&self.runtime, &self.script.origins[step.origin]).await?,
            };
            *began = Some(self.runtime.now());
            match connection.request(&self.runtime, step, trace).await {
                Ok(answer) => {
                    self.connections[step.origin] = Some(connection);
                    return Ok(answer);
                }
                // A server may close an idle connection at any time; a new one is never stale, so this ends.
                Err(RequestFailure::Stale) => {}
                Err(RequestFailure::Lost(lost)) => return Err(lost),
            }
        }
    }
}

/// Waits for `time` or the test's end.
async fn wait<R: Runtime>(runtime: &R, halted: &Receiver<()>, time: Duration) {
    if !time.is_zero() {
        future::or(closed(halted), runtime.sleep(time)).await;
    }
}
