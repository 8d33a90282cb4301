//! One user of a load test.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use futures_lite::future;
use hyper::{Method, Uri};
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{LocalRecorder, Series, SteadyClock, TraceContext};

use super::closed;
use super::connection::{Connection, Failure, Origin};
use super::measure::{Answer, record};
use super::pace::Pace;
use super::trace::Traces;

/// How long a request may take, from connecting to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long a user waits after a request that got no answer: an absent server shall not cost a whole core.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// What every user does.
pub(super) struct Script {
    pub(super) recorder: LocalRecorder,
    /// Whether every request carries a trace.
    pub(super) traces: bool,
    pub(super) origins: Vec<Origin>,
    pub(super) steps: Vec<Step>,
}

/// One request of a script.
pub(super) struct Step {
    pub(super) series: Series,
    pub(super) method: Method,
    pub(super) path: Uri,
    /// Index into the script's origins.
    pub(super) origin: usize,
}

/// One user.
pub(super) struct User<R: Runtime> {
    runtime: R,
    script: Arc<Script>,
    pace: Arc<Pace>,
    halted: Receiver<()>,
    /// Dropped with the user; the engine counts these.
    _alive: Sender<()>,
    connections: Vec<Option<Connection<R>>>,
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
        for step in script.steps.iter().cycle() {
            let turn = self.pace.take(self.runtime.now());
            wait(&self.runtime, &self.halted, turn).await;
            if self.halted.is_closed() {
                return;
            }
            let mut began = self.runtime.now();
            let trace = traces.as_mut().map(Traces::next).unwrap_or_default();
            let answer = self.answer(step, trace, &mut began).await;
            let ended = self.runtime.now();
            let latency = ended.saturating_duration_since(began);
            let completed_at = clock.at(ended.saturating_duration_since(started), self.runtime.wall_clock());
            record(script.recorder, step.series, latency, answer, completed_at, trace);
            if answer.is_none() {
                wait(&self.runtime, &self.halted, AFTER_FAILURE).await;
            }
        }
    }

    /// The answer to one request, if a whole one comes in time. `began` is moved to the request's start once there
    /// is a connection: opening it is not part of the latency.
    async fn answer(&mut self, step: &Step, trace: TraceContext, began: &mut Instant) -> Option<Answer> {
        let timeout = self.runtime.sleep(TIMEOUT);
        let exchange = async { self.exchange(step, trace, began).await.ok() };
        future::or(exchange, async {
            timeout.await;
            None
        })
        .await
    }

    /// Takes the connection out while it is in use: one on which a request failed or was given up is never put back.
    async fn exchange(&mut self, step: &Step, trace: TraceContext, began: &mut Instant) -> Result<Answer, Failure> {
        let origin = &self.script.origins[step.origin];
        loop {
            let mut connection = match self.connections[step.origin].take() {
                Some(open) => open,
                None => Connection::open(&self.runtime, origin).await.map_err(|_| Failure::Lost)?,
            };
            *began = self.runtime.now();
            match connection.request(&step.method, &step.path, &origin.authority, trace).await {
                Ok(answer) => {
                    self.connections[step.origin] = Some(connection);
                    return Ok(answer);
                }
                // A server may close an idle connection at any time; a new one is never stale, so this ends.
                Err(Failure::Stale) => {}
                Err(Failure::Lost) => return Err(Failure::Lost),
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
