//! A running exporter as the supervisor sees it, and how one is started.

use std::future::{Future, ready};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_channel::Receiver;
use futures_lite::FutureExt as _;
use loaddensity_metrics_core::export::{BETWEEN_TURNS, series_in_a_turn};
use loaddensity_metrics_core::{Accounts, DropReason, Exporter, Observation, ObservedRows, Phase, Registry};

use crate::clock::ExporterClock;
use crate::config::Observations;
use crate::dispatcher::{EventDispatcher, EventQueue};
use crate::error::StartError;
use crate::identity::Identity;
use crate::linger::Scrapes;
use crate::runtime::Runtime;
use crate::status::StatusCell;
use crate::stop::{StopSignal, before};

/// Longest wait for a resolver. Other calls wait meanwhile.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time beyond its deadline after which an exporter's task is cancelled.
const GRACE: Duration = Duration::from_millis(250);
/// The last part of it, which begins only when the supervisor has had a turn: where the process stood still, the task has not
/// had one since its deadline, and it alone knows what may have arrived.
const LAST_TURNS: Duration = Duration::from_millis(100);

/// What an exporter prepares its start from.
pub(crate) struct PrepareContext<'a, R: Runtime> {
    pub(crate) runtime: &'a R,
    pub(crate) registry: Registry<'static>,
    pub(crate) identity: &'a Identity,
}

/// What an exporter starts from.
pub(crate) struct LaunchContext<R: Runtime> {
    pub(crate) runtime: R,
    pub(crate) registry: Registry<'static>,
    pub(crate) accounts: Accounts<'static>,
    pub(crate) dispatcher: EventDispatcher<R>,
    /// The time that everything sent carries.
    pub(crate) clock: ExporterClock<R>,
    /// Where timestamps of a coarse clock are put.
    pub(crate) phase: Phase,
    /// The intervals of the engine's own instruments, which have begun, for the launch that asked for them; `None` where the
    /// storage has no room for any.
    pub(crate) observed_rows: Option<ObservedRows<Vec<u64>>>,
}

/// An exporter that is about to start: all that can fail is done, and nothing visible has changed.
pub(crate) struct PreparedExporter<R: Runtime> {
    launch: Box<Launch<R>>,
    /// Whether it sends in intervals what the engine's own instruments count.
    has_observed_rows: bool,
}

type Launch<R> = dyn for<'c> FnOnce(&'c mut LaunchContext<R>) -> Launching<'c, R> + Send;
type Launching<'c, R> = Pin<Box<dyn Future<Output = RunningExporter<R>> + Send + 'c>>;

impl<R: Runtime> PreparedExporter<R> {
    /// `launch` opens the account and starts the task.
    pub(crate) fn new(launch: impl FnOnce(&mut LaunchContext<R>) -> RunningExporter<R> + Send + 'static) -> Self {
        Self { launch: Box::new(move |context| Box::pin(ready(launch(context)))), has_observed_rows: false }
    }

    /// The same for an exporter of what is counted in intervals: `begin` makes them, and they begin once `read` has said
    /// that all that was counted before is read; it is told how many series to read, and other tasks have their turn in
    /// between.
    pub(crate) fn of_intervals<I: Send + 'static>(
        begin: impl FnOnce(&LaunchContext<R>) -> I + Send + 'static,
        mut read: impl FnMut(&mut I, Registry<'static>, usize) -> bool + Send + 'static,
        launch: impl FnOnce(&mut LaunchContext<R>, I) -> RunningExporter<R> + Send + 'static,
    ) -> Self {
        let launch: Box<Launch<R>> = Box::new(move |context| {
            Box::pin(async move {
                let (registry, mut intervals) = (context.registry, begin(context));
                read_in_turns(context.runtime.clone(), registry, |series| read(&mut intervals, registry, series)).await;
                launch(context, intervals)
            })
        });
        Self { launch, has_observed_rows: false }
    }

    /// The same, where `launch` takes [`LaunchContext::observed_rows`].
    pub(crate) fn with_observed_rows(self) -> Self {
        Self { has_observed_rows: true, ..self }
    }

    /// The same, where `launch` takes them unless observations are sent one by one.
    pub(crate) fn with_observations(self, observations: Observations) -> Self {
        match observations {
            Observations::PerInterval => self.with_observed_rows(),
            Observations::PerEvent => self,
        }
    }

    pub(crate) async fn launch(self, context: &mut LaunchContext<R>) -> RunningExporter<R> {
        let registry = context.registry;
        if self.has_observed_rows && registry.has_room_for_instruments() {
            let mut rows = ObservedRows::on_heap(registry);
            read_in_turns(context.runtime.clone(), registry, |most| rows.freeze_some(registry, most)).await;
            context.observed_rows = Some(rows);
        }
        (self.launch)(context).await
    }
}

/// Calls `read` until it says that all is read. It is told how many series to read; other tasks have their turn in between.
async fn read_in_turns<R: Runtime>(
    runtime: R,
    registry: Registry<'static>,
    mut read: impl FnMut(usize) -> bool + Send,
) {
    while !read(series_in_a_turn(registry.recorders_read())) {
        runtime.sleep(BETWEEN_TURNS).await;
    }
}

/// An exporter that runs.
pub(crate) struct RunningExporter<R: Runtime> {
    pub(crate) status_cell: Arc<StatusCell>,
    /// The address that is listened on.
    pub(crate) bound: Option<SocketAddr>,
    /// What is scraped, and may linger.
    pub(crate) scrapes: Option<Arc<Scrapes>>,
    stop: StopSignal,
    /// The cause for what was not sent; comes when the task has ended.
    ended: Receiver<DropReason>,
    /// Closed when the task is over, however it ended.
    over: Receiver<()>,
    queue: Option<Arc<EventQueue>>,
    observation_queue: Option<Arc<EventQueue<Observation>>>,
    task: R::Task,
    /// Whether its task sends observations as well.
    is_observing: bool,
    side_tasks: Vec<SideTask<R>>,
}

/// A further task of an exporter.
struct SideTask<R: Runtime> {
    /// Ends the task where it is dropped.
    _task: R::Task,
    /// As that of the first task.
    ended: Receiver<DropReason>,
    /// Whether it sends observations.
    is_observing: bool,
}

/// What an exporter gets through queues, each by itself.
#[derive(Clone, Copy)]
pub(crate) struct QueuesOf {
    pub(crate) requests: bool,
    pub(crate) observations: bool,
}

/// Why what an exporter did not send is dropped.
pub(crate) struct DropCauses {
    pub(crate) requests: DropReason,
    /// `None` where it sends no observations.
    pub(crate) observations: Option<DropReason>,
}

impl<R: Runtime> RunningExporter<R> {
    /// Starts `work` as a task. Its output is the cause for what it could not send.
    pub(crate) fn launch<F>(runtime: &R, stop: StopSignal, status_cell: Arc<StatusCell>, work: F) -> Self
    where
        F: Future<Output = DropReason> + Send + 'static,
    {
        let (end, ended) = async_channel::bounded(1);
        let (alive, over) = async_channel::bounded(1);
        // Boxed, here and elsewhere: some have tens of kilobytes, and a runtime copies what it is to run.
        let work = Box::pin(work);
        let task = runtime.spawn(async move {
            let _alive = alive;
            // Fails only where nobody waits any more.
            let _ = end.try_send(work.await);
        });
        Self {
            status_cell,
            bound: None,
            scrapes: None,
            stop,
            ended,
            over,
            queue: None,
            observation_queue: None,
            task,
            is_observing: false,
            side_tasks: Vec::new(),
        }
    }

    /// Its task sends observations as well, whose account is open.
    pub(crate) fn observing(self) -> Self {
        Self { is_observing: true, ..self }
    }

    /// Whether there is an account of observations.
    pub(crate) fn is_observing(&self) -> bool {
        self.is_observing || self.side_tasks.iter().any(|task| task.is_observing)
    }

    /// Starts `work` as a further task, which gets the same signal to stop and must end by its deadline. It has no account.
    pub(crate) fn with_side_task<F>(self, runtime: &R, work: impl FnOnce(StopSignal, Arc<StatusCell>) -> F) -> Self
    where
        F: Future<Output = DropReason> + Send + 'static,
    {
        self.with_task(runtime, false, work)
    }

    /// The same for a task that sends observations, whose account is open.
    pub(crate) fn with_observing_task<F>(self, runtime: &R, work: impl FnOnce(StopSignal, Arc<StatusCell>) -> F) -> Self
    where
        F: Future<Output = DropReason> + Send + 'static,
    {
        self.with_task(runtime, true, work)
    }

    fn with_task<F>(
        mut self,
        runtime: &R,
        is_observing: bool,
        work: impl FnOnce(StopSignal, Arc<StatusCell>) -> F,
    ) -> Self
    where
        F: Future<Output = DropReason> + Send + 'static,
    {
        let (end, ended) = async_channel::bounded(1);
        let work = Box::pin(work(self.stop.clone(), self.status_cell.clone()));
        let task = runtime.spawn(async move {
            // Fails only where nobody waits any more.
            let _ = end.try_send(work.await);
        });
        self.side_tasks.push(SideTask { _task: task, ended, is_observing });
        self
    }

    /// Closed when its task is over, however that ended; nothing ever comes.
    pub(crate) fn over(&self) -> Receiver<()> {
        self.over.clone()
    }

    /// It listens on `address`.
    pub(crate) fn bound_to(self, address: SocketAddr) -> Self {
        Self { bound: Some(address), ..self }
    }

    /// It is scraped, which `scrapes` notes.
    pub(crate) fn scraped(self, scrapes: Arc<Scrapes>) -> Self {
        Self { scrapes: Some(scrapes), ..self }
    }

    /// Whether it serves on after a stop at `now`. Then its account is frozen.
    pub(crate) fn lingers(&self, now: Instant) -> bool {
        let lingers = |(scrapes, limit): (&Arc<Scrapes>, _)| scrapes.linger(now, limit);
        self.is_alive() && self.scrapes.as_ref().zip(self.status_cell.linger()).is_some_and(lingers)
    }

    /// Waits until it is to end, where it lingers.
    pub(crate) fn lingered(&self, runtime: &R) -> impl Future<Output = ()> + Send + use<R> {
        let (scrapes, runtime) = (self.scrapes.clone(), runtime.clone());
        async move {
            if let Some(scrapes) = scrapes {
                scrapes.over(&runtime).await;
            }
        }
    }

    /// It sends what is in `queue`.
    pub(crate) fn draining(self, queue: Arc<EventQueue>) -> Self {
        Self { queue: Some(queue), ..self }
    }

    /// A further task of it sends the observations in `queue`.
    pub(crate) fn draining_observations(self, queue: Arc<EventQueue<Observation>>) -> Self {
        Self { observation_queue: Some(queue), ..self }
    }

    /// Whether it gets every request, or every observation, through a queue.
    pub(crate) const fn queues(&self) -> QueuesOf {
        QueuesOf { requests: self.queue.is_some(), observations: self.observation_queue.is_some() }
    }

    /// Whether its task still runs. Before a stop it ends only by a panic.
    pub(crate) fn is_alive(&self) -> bool {
        !self.ended.is_closed()
    }

    /// Asks it to be done by `deadline`, without waiting for it. The signal brings the deadline nearer, if need be.
    pub(crate) fn ask_to_stop(&self, deadline: Instant) -> StopSignal {
        self.stop.ask(deadline);
        self.stop.clone()
    }

    /// Waits until it has ended, after it was asked to stop: until [`GRACE`] after its deadline at most. Returns the causes
    /// for what it did not send. What is still in its queues is dropped for them.
    pub(crate) async fn ended(self, runtime: &R) -> DropCauses {
        let overdue = async {
            self.stop.overdue(runtime, GRACE - LAST_TURNS).await;
            runtime.sleep(LAST_TURNS).await;
        };
        let (mut first, mut observing) = (None, None);
        // Tasks themselves cannot be looked at from several threads.
        let sides: Vec<_> = self.side_tasks.iter().map(|side| (side.ended.clone(), side.is_observing)).collect();
        let all_ended = async {
            // An error is the end as well.
            first = self.ended.recv().await.ok();
            for (ended, is_observing) in sides {
                let cause = ended.recv().await.ok();
                observing = if is_observing { cause } else { observing };
            }
        };
        all_ended.or(overdue).await;
        let is_observing = self.is_observing();
        let observing = if self.is_observing { first } else { observing };
        drop((self.task, self.side_tasks));
        // Whoever did not say why has not ended by itself, or not well.
        let cause = |said: Option<_>| said.unwrap_or(DropReason::Deadline);
        if let Some(queue) = self.queue {
            queue.abandon(cause(first));
        }
        if let Some(queue) = self.observation_queue {
            queue.abandon(cause(observing));
        }
        DropCauses { requests: cause(first), observations: is_observing.then(|| cause(observing)) }
    }
}

/// The addresses of `host`; an error that names it where there are none.
pub(crate) async fn resolve<R: Runtime>(
    runtime: &R,
    exporter: Exporter,
    field: &'static str,
    host: &str,
    port: u16,
) -> Result<Vec<SocketAddr>, StartError> {
    let refused = |source| StartError::Resolve { exporter, field, host: host.into(), source };
    let limit = runtime.now() + RESOLVE_TIMEOUT;
    let answer = before(runtime, limit, runtime.resolve(host, port)).await;
    answer.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into())).map_err(refused)
}
