//! A small closed-model HTTP load engine, and the reference example of embedding the metrics in one.
//!
//! Closed model: every user sends its next request when the last one is answered. A user is a task with one kept-alive
//! HTTP/1.1 connection for each server it talks to; it goes through the tasks in order, over and over. All users live
//! on one thread with a runtime of its own, apart from the exporters' thread.
//!
//! What an engine of your own would copy is in `measure.rs`: one call for each completed request, through the public
//! API, and nothing else of the exporters is known here.
//!
//! It does not speak HTTP/2, follow redirects, or look at more of an answer than its status and size.

mod connection;
mod failures;
mod measure;
mod origin;
mod pace;
mod script;
mod target_url;
mod task;
mod tls;
mod trace;
mod user;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use futures_lite::future;
use hyper::header::{CONTENT_LENGTH, HOST};
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{GaugeError, InstrumentError, LabelError, LocalRecorder, Series};

pub use self::failures::{FailureKind, Failures};
use self::measure::EngineGauges;
pub(crate) use self::measure::{EngineInstruments, storage};
#[cfg(feature = "demo")]
pub(crate) use self::measure::{ITERATIONS, TIME_TO_FIRST_BYTE};
use self::origin::ResolvedOrigin;
use self::pace::Pace;
use self::script::{Script, ScriptStep};
pub use self::target_url::{TargetUrl, TargetUrlError};
pub use self::task::RequestTask;
use self::tls::HttpsConnector;
pub use self::tls::Verify;
use self::user::User;

/// How long users may finish the request they are in when a test ends.
const GRACE: Duration = Duration::from_secs(2);

/// What is to be run.
#[derive(Clone, Debug)]
pub struct LoadTest {
    /// Concurrent users, 1 or more.
    pub users: u32,
    /// Users started per second, above 0.
    pub spawn_rate: f64,
    /// From the first user's start to the end.
    pub duration: Duration,
    /// Cap over all users, in requests per second, above 0.
    pub max_rate: Option<f64>,
    /// Whether every request carries a `traceparent` header of a random trace, which is recorded too.
    pub traces: bool,
    /// What each user does, in this order, over and over. At least one.
    pub tasks: Vec<RequestTask>,
}

/// A load test that runs.
#[derive(Debug)]
pub struct RunningTest {
    thread: JoinHandle<io::Result<Result<Finished, EngineError>>>,
    stop: Sender<()>,
    failures: Arc<Failures>,
}

/// How a load test ended.
#[derive(Clone, Copy, Debug)]
pub struct Finished {
    /// From the first user's start to the last user's end.
    pub elapsed: Duration,
    /// Requests that were given up at the end, because they took longer than the grace of two seconds. They are not
    /// recorded: they never completed.
    pub abandoned: usize,
}

/// Starts `test` on a thread of its own and returns at once. Every completed request goes to `recorder`.
///
/// # Errors
/// Where the operating system gives no thread.
pub fn start<R: Runtime>(test: LoadTest, recorder: LocalRecorder) -> io::Result<RunningTest> {
    let (stop, stopped) = async_channel::bounded(1);
    let failures = Arc::<Failures>::default();
    let noted = failures.clone();
    let body = move || R::run(|runtime| drive(runtime, test, recorder, noted, stopped));
    let thread = thread::Builder::new().name("load-engine".into()).spawn(body)?;
    Ok(RunningTest { thread, stop, failures })
}

impl RunningTest {
    /// Ends the test before its time: users finish the request they are in.
    pub fn stop(&self) {
        self.stop.close();
    }

    /// What requests have failed with so far; it may be kept beyond the end.
    #[must_use]
    pub fn failures(&self) -> Arc<Failures> {
        self.failures.clone()
    }

    /// Whether [`join`](Self::join) would return at once.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// [`EngineError`]: the test did not run.
    pub fn join(self) -> Result<Finished, EngineError> {
        match self.thread.join() {
            Ok(run) => run.map_err(EngineError::Runtime)?,
            Err(_) => Err(EngineError::Runtime(io::Error::other("the engine's thread panicked"))),
        }
    }
}

async fn drive<R: Runtime>(
    runtime: R,
    test: LoadTest,
    recorder: LocalRecorder,
    failures: Arc<Failures>,
    stopped: Receiver<()>,
) -> Result<Finished, EngineError> {
    let gauges = EngineGauges::new(recorder).map_err(EngineError::Gauge)?;
    let script = Arc::new(prepare(&runtime, &test, recorder, failures).await?);
    let began = runtime.now();
    let pace = Arc::new(Pace::new(test.max_rate, began));
    // Closing `halt` tells every user to end; `alive` is disconnected when the last one has.
    let (halt, halted) = async_channel::bounded::<()>(1);
    let (alive, ended) = async_channel::bounded::<()>(1);
    let mut users = Vec::new();
    gauges.begin(test.max_rate);
    let spawning = async {
        for number in 0..test.users {
            sleep_until(&runtime, began + Duration::from_secs_f64(f64::from(number) / test.spawn_rate)).await;
            let user = User::new(runtime.clone(), script.clone(), pace.clone(), halted.clone(), alive.clone());
            users.push(runtime.spawn(user.run()));
            gauges.users(users.len());
        }
        future::pending::<()>().await;
    };
    let over = future::or(sleep_until(&runtime, began + test.duration), closed(&stopped));
    future::or(spawning, over).await;
    halt.close();
    drop(alive);
    future::or(closed(&ended), runtime.sleep(GRACE)).await;
    let abandoned = ended.sender_count();
    drop(users);
    gauges.end();
    Ok(Finished { elapsed: runtime.now().saturating_duration_since(began), abandoned })
}

/// Everything that is looked up once: addresses, certificates and series.
async fn prepare<R: Runtime>(
    runtime: &R,
    test: &LoadTest,
    recorder: LocalRecorder,
    failures: Arc<Failures>,
) -> Result<Script, EngineError> {
    let instruments = EngineInstruments::declare(recorder.registry()).map_err(EngineError::Instrument)?;
    let (origins, steps) = (Vec::new(), Vec::new());
    let mut script = Script { recorder, instruments, traces: test.traces, origins, steps, failures };
    for (index, task) in test.tasks.iter().enumerate() {
        let origin = match script.origins.iter().position(|origin| origin.is_of(task)) {
            Some(known) => known,
            None => {
                script.origins.push(origin(runtime, index, task).await?);
                script.origins.len() - 1
            }
        };
        // Interned here, once: what is recorded later is a number.
        let labels = task.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let series = recorder.series_with_labels(task.method.as_str(), &task.name, labels);
        let series = series.map_err(|source| EngineError::Labels { task: index, source })?;
        script.steps.push(step(task, series, origin));
    }
    Ok(script)
}

async fn origin<R: Runtime>(runtime: &R, index: usize, task: &RequestTask) -> Result<ResolvedOrigin, EngineError> {
    let target = &task.target;
    let tls = target.is_https().then(|| HttpsConnector::new(&task.verify).map(|tls| (tls, task.verify.clone())));
    let tls = tls.transpose().map_err(|reason| EngineError::Verify { task: index, reason })?;
    let found = runtime.resolve(target.host(), target.port()).await;
    let resolve = |source| EngineError::Resolve { task: index, host: target.host().into(), source };
    let addresses = found.map_err(resolve)?;
    Ok(ResolvedOrigin { host: target.host().into(), authority: target.authority().clone(), addresses, tls })
}

fn step(task: &RequestTask, series: Series, origin: usize) -> ScriptStep {
    let mut headers = task.headers.clone();
    headers.entry(HOST).or_insert_with(|| task.target.authority().clone());
    // The body's own length is the right one.
    headers.remove(CONTENT_LENGTH);
    ScriptStep {
        series,
        method: task.method.clone(),
        path: task.target.path().clone(),
        headers,
        body: task.body.clone(),
        timeout: task.timeout,
        expected: task.expected,
        origin,
    }
}

/// Completes when the other side has closed the channel, on which nothing is ever sent.
async fn closed(channel: &Receiver<()>) {
    let _ = channel.recv().await;
}

async fn sleep_until<R: Runtime>(runtime: &R, moment: Instant) {
    let left = moment.saturating_duration_since(runtime.now());
    if !left.is_zero() {
        runtime.sleep(left).await;
    }
}

/// Why a load test did not run.
#[derive(Debug)]
pub enum EngineError {
    /// No thread or runtime could be had.
    Runtime(io::Error),
    /// The engine's gauges have no place in the registry.
    Gauge(GaugeError),
    /// The engine's instruments have no place in the registry.
    Instrument(InstrumentError),
    /// The host of a task has no address.
    Resolve {
        /// Index of the task.
        task: usize,
        /// Its host.
        host: String,
        /// What the resolver answered.
        source: io::Error,
    },
    /// A series cannot have the labels of a task.
    Labels {
        /// Index of the task.
        task: usize,
        /// What is wrong with them.
        source: LabelError,
    },
    /// The certificates that a task trusts cannot be had.
    Verify {
        /// Index of the task.
        task: usize,
        /// What is wrong with them, and what to do.
        reason: String,
    },
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runtime(source) => write!(f, "the load engine: {source}"),
            Self::Gauge(source) => write!(f, "the load engine: {source}"),
            Self::Instrument(source) => write!(f, "the load engine: {source}"),
            Self::Resolve { task, host, source } => {
                write!(f, "tasks[{task}]: no address for host {host:?} ({source})")
            }
            Self::Labels { task, source } => write!(f, "tasks[{task}]: {source}"),
            Self::Verify { task, reason } => write!(f, "tasks[{task}]: {reason}"),
        }
    }
}

impl std::error::Error for EngineError {}
