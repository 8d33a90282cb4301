//! The supervisor: the one task that starts and stops exporters, one command after another.
//!
//! A shutdown that comes while a stop or a start is under way does not wait its turn: it brings the stop's deadline
//! nearer, gives up the start, and is the next command. What else waited then gets no answer.
//!
//! A page that lingers after its stop holds up no command: it is kept apart from the exporters that run, and ends when its last
//! values were seen, when its time is over, with the next start of a page, or with the shutdown's deadline.

use std::collections::VecDeque;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use futures_lite::FutureExt as _;
use loaddensity_metrics_core::{Account, Accounts, DropReason, Exporter, Pump};

use crate::clock::ExporterClock;
use crate::config::ExporterConfig;
use crate::dispatcher::EventDispatcher;
use crate::error::StartError;
use crate::identity::Identity;
use crate::random;
use crate::registry_warnings::{self, RegistryWarnings};
use crate::report::Report;
use crate::running::{LaunchContext, PrepareContext, PreparedExporter, QueuesOf, RunningExporter};
use crate::runtime::Runtime;
use crate::settings::Settings;
use crate::status::ExporterStatus;
use crate::stop::{before, capped};

/// A call, with the channel for its answer.
pub(crate) enum SupervisorCommand {
    Start(Box<ExporterConfig>, Sender<Result<Option<SocketAddr>, StartError>>),
    /// Stops those of them that run, side by side.
    Stop(&'static [Exporter], Sender<Vec<Account>>),
    Status(Sender<Vec<ExporterStatus>>),
    Ended(Sender<Vec<ExporterStatus>>),
    Shutdown(Duration, Option<Sender<Report>>),
}

/// The commands that wait. Where it is dropped they get no answer: their channels close, which the callers understand.
struct Inbox {
    commands: Receiver<SupervisorCommand>,
    /// Received already, in order, while a shutdown was looked for.
    waiting: VecDeque<SupervisorCommand>,
}

impl Inbox {
    /// The next command: a shutdown that has come, else the oldest one. `None`: no handle is left.
    async fn next(&mut self) -> Option<SupervisorCommand> {
        let shutdown = self.waiting.iter().position(|command| matches!(command, SupervisorCommand::Shutdown(..)));
        match self.waiting.remove(shutdown.unwrap_or(0)) {
            Some(command) => Some(command),
            None => self.commands.recv().await.ok(),
        }
    }

    /// Waits until one more shutdown is asked for; returns its deadline. Commands that come meanwhile are kept.
    async fn shutdown(&mut self) -> Duration {
        while let Ok(command) = self.commands.recv().await {
            let deadline = if let SupervisorCommand::Shutdown(deadline, _) = &command { Some(*deadline) } else { None };
            self.waiting.push_back(command);
            if let Some(deadline) = deadline {
                return deadline;
            }
        }
        pending().await
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.commands.close();
        while self.commands.try_recv().is_ok() {}
    }
}

/// Everything that runs.
pub(crate) struct Supervisor<R: Runtime> {
    context: LaunchContext<R>,
    identity: Identity,
    /// In the order of [`Exporter::ALL`].
    slots: [Option<(ExporterConfig, RunningExporter<R>)>; Exporter::ALL.len()],
    /// The page that was stopped and lingers.
    lingering: Option<RunningExporter<R>>,
    /// The runs that have ended, in the order of their ends.
    ended: Vec<ExporterStatus>,
    stop_deadline: Duration,
    /// When everything must have ended, once a shutdown was asked for.
    shutdown_by: Option<Instant>,
    inbox: Inbox,
    warnings: RegistryWarnings,
    report: Arc<OnceLock<Report>>,
}

impl<R: Runtime> Supervisor<R> {
    pub(crate) fn new(
        runtime: R,
        settings: Settings,
        pump: Pump<'static>,
        commands: Receiver<SupervisorCommand>,
        report: Arc<OnceLock<Report>>,
    ) -> Self {
        let clock = ExporterClock::of(settings.registry, runtime.clone());
        let phase = settings.identity.phase(random::number());
        let accounts = pump.accounts();
        let dispatcher = EventDispatcher::new(runtime.clone(), clock.clone(), pump, phase);
        let registry = settings.registry;
        let context = LaunchContext { registry, accounts, clock, dispatcher, phase, runtime, observed_rows: None };
        Self {
            context,
            identity: settings.identity,
            slots: Default::default(),
            lingering: None,
            ended: Vec::new(),
            stop_deadline: settings.stop_deadline,
            shutdown_by: None,
            inbox: Inbox { commands, waiting: VecDeque::new() },
            warnings: RegistryWarnings::default(),
            report,
        }
    }

    /// Carries out commands until a shutdown is asked for, or no handle is left.
    pub(crate) async fn run(mut self) {
        let (deadline, reply) = loop {
            let Some(command) = self.next().await else {
                let over = self.lingering.take().into_iter().collect();
                self.end(over, self.stop_deadline).await;
                continue;
            };
            match command {
                Some(SupervisorCommand::Start(config, reply)) => answer(&reply, self.start(*config).await),
                Some(SupervisorCommand::Stop(exporters, reply)) => {
                    answer(&reply, self.stop(exporters, self.stop_deadline).await);
                }
                Some(SupervisorCommand::Status(reply)) => answer(&reply, self.status()),
                Some(SupervisorCommand::Ended(reply)) => answer(&reply, self.ended.clone()),
                Some(SupervisorCommand::Shutdown(deadline, reply)) => break (deadline, reply),
                None => break (self.stop_deadline, None),
            }
        };
        self.shut_down(deadline).await;
        self.warnings.give_new(self.context.registry);
        let report = Report::new(std::mem::take(&mut self.ended), self.context.registry);
        // Set once: nothing else sets it, and this ends here.
        let _ = self.report.set(report.clone());
        // The answer comes last, when the storage is free for others.
        drop(self);
        if let Some(reply) = reply {
            answer(&reply, report);
        }
    }

    /// The next command; nothing where the page has lingered to its end before that. Warnings about the registry are given
    /// meanwhile.
    async fn next(&mut self) -> Option<Option<SupervisorCommand>> {
        let Self { context, lingering, inbox, warnings, .. } = self;
        let lingered = lingering.as_ref().map(|page| page.lingered(&context.runtime));
        let over = async {
            match lingered {
                Some(lingered) => lingered.await,
                None => pending().await,
            }
            None
        };
        let watch = async {
            while !warnings.are_all_given() {
                warnings.give_new(context.registry);
                context.runtime.sleep(registry_warnings::INTERVAL).await;
            }
            pending().await
        };
        async { Some(inbox.next().await) }.or(over).or(watch).await
    }

    async fn start(&mut self, config: ExporterConfig) -> Result<Option<SocketAddr>, StartError> {
        let exporter = config.exporter();
        if let Some((as_it_runs, running)) = &self.slots[exporter as usize]
            && *as_it_runs == config
            && running.is_alive()
        {
            return Ok(running.bound);
        }
        config.as_configuration().check()?;
        if config.as_configuration().is_disabled() {
            self.stop_one(exporter).await;
            tracing::info!(exporter = exporter.as_str(), "disabled by its configuration; not started");
            return Ok(None);
        }
        let prepared = match self.prepare(&config).await {
            Err(error) if self.is_in_its_own_way(&config, &error) => self.stop_and_prepare(&config).await?,
            prepared => prepared?,
        };
        // Only now: what runs must not end for a start that fails.
        self.stop_one(exporter).await;
        let running = prepared.launch(&mut self.context).await;
        tracing::info!(exporter = exporter.as_str(), address = running.status_cell.address(), "started");
        let bound = running.bound;
        self.slots[exporter as usize] = Some((config, running));
        Ok(bound)
    }

    /// Everything of a start that can fail, unless a shutdown comes first.
    async fn prepare(&mut self, config: &ExporterConfig) -> Result<PreparedExporter<R>, StartError> {
        let Self { context, identity, inbox, shutdown_by, .. } = self;
        let (runtime, registry) = (context.runtime.clone(), context.registry);
        if !R::HAS_TCP {
            config.as_configuration().check_without_tcp()?;
        }
        let given_up = async {
            note_shutdown(&runtime, shutdown_by, inbox.shutdown().await);
            Err(StartError::ShutDown)
        };
        let start = PrepareContext { runtime: &runtime, registry, identity };
        prepare(start, config).or(given_up).await
    }

    /// The same for settings that cannot work while the exporter runs, since it has the port.
    async fn stop_and_prepare(&mut self, config: &ExporterConfig) -> Result<PreparedExporter<R>, StartError> {
        let stopped = self.stop_one(config.exporter()).await;
        self.prepare(config).await.map_err(|source| match stopped {
            Some(account) => StartError::Stopped { account: Box::new(account), source: Box::new(source) },
            None => source,
        })
    }

    /// Whether a start failed because the exporter itself listens there, with its present settings.
    fn is_in_its_own_way(&self, config: &ExporterConfig, error: &StartError) -> bool {
        let running = self.slots[config.exporter() as usize].as_ref().map(|(_, running)| running);
        let bound = running.or(self.lingering.as_ref()).and_then(|running| running.bound);
        match (config.as_configuration().page(), error, bound) {
            (Some(page), StartError::Socket { source, .. }, Some(bound)) => {
                source.kind() == std::io::ErrorKind::AddrInUse && page.overlaps(bound)
            }
            _ => false,
        }
    }

    /// Stops `exporter` where it runs or lingers, so that it is over.
    async fn stop_one(&mut self, exporter: Exporter) -> Option<Account> {
        let lingering = self.lingering.take_if(|page| page.status_cell.exporter() == exporter);
        let running = self.slots[exporter as usize].take().map(|(_, running)| running);
        self.end(lingering.into_iter().chain(running).collect(), self.stop_deadline).await.pop()
    }

    /// Stops those of `exporters` that run, but for a page that lingers: its account stays open.
    async fn stop(&mut self, exporters: &[Exporter], deadline: Duration) -> Vec<Account> {
        let (mut accounts, mut ending) = (Vec::new(), Vec::new());
        for exporter in exporters {
            let running = self.slots[*exporter as usize].take().map(|(_, running)| running);
            match running {
                Some(running) if running.lingers(self.context.runtime.now()) => self.lingering = Some(running),
                Some(running) => ending.push(running),
                None => {}
            }
            if self.lingering.as_ref().is_some_and(|page| page.status_cell.exporter() == *exporter) {
                accounts.push(self.context.registry.account(*exporter));
            }
        }
        accounts.extend(self.end(ending, deadline).await);
        accounts
    }

    /// Stops all that runs. A page may linger, but not beyond the deadline.
    async fn shut_down(&mut self, deadline: Duration) {
        let by = note_shutdown(&self.context.runtime, &mut self.shutdown_by, deadline);
        self.stop(&Exporter::ALL, deadline).await;
        let Some(page) = self.lingering.take() else {
            return;
        };
        let Self { context, inbox, shutdown_by, .. } = self;
        let runtime = context.runtime.clone();
        let nearer_deadlines = async {
            let mut by = by;
            while let Some(deadline) = before(&runtime, by, inbox.shutdown()).await {
                by = note_shutdown(&runtime, shutdown_by, deadline);
            }
        };
        page.lingered(&runtime).or(nearer_deadlines).await;
        self.end(vec![page], deadline).await;
    }

    /// Ends all of `ending` at the same time, so that a slow one takes nothing from the others' deadline. A shutdown that
    /// comes meanwhile brings the deadline nearer.
    async fn end(&mut self, ending: Vec<RunningExporter<R>>, deadline: Duration) -> Vec<Account> {
        let Self { context, ended, inbox, shutdown_by, .. } = self;
        let (runtime, accounts) = (context.runtime.clone(), context.accounts);
        let deadline = runtime.now() + capped(deadline);
        let deadline = shutdown_by.map_or(deadline, |by| by.min(deadline));
        let mut signals = Vec::new();
        for running in &ending {
            let (exporter, queues) = (running.status_cell.exporter(), running.queues());
            if queues.requests {
                context.dispatcher.detach(exporter);
            }
            if queues.observations {
                context.dispatcher.detach_observations(exporter);
            }
            signals.push(running.ask_to_stop(deadline));
        }
        let mut closed = Vec::new();
        let all_end = async {
            for running in ending {
                let (status_cell, queues) = (running.status_cell.clone(), running.queues());
                let exporter = status_cell.exporter();
                let causes = running.ended(&runtime).await;
                let account = close(accounts, exporter, queues, causes.requests);
                let observations =
                    causes.observations.map(|cause| close_observations(accounts, exporter, queues, cause));
                ended.push(ExporterStatus { observations, ..status_cell.status(account) });
                closed.push(account);
            }
        };
        let nearer_deadlines = async {
            loop {
                let by = note_shutdown(&runtime, shutdown_by, inbox.shutdown().await);
                signals.iter().for_each(|signal| signal.ask(by));
            }
        };
        all_end.or(nearer_deadlines).await;
        closed
    }

    fn status(&self) -> Vec<ExporterStatus> {
        let of = |running: &RunningExporter<R>| {
            let (status_cell, registry) = (&running.status_cell, self.context.registry);
            let exporter = status_cell.exporter();
            let observations = running.is_observing().then(|| registry.observation_account(exporter));
            ExporterStatus { observations, ..status_cell.status(registry.account(exporter)) }
        };
        let lingering = self.lingering.iter().map(|page| ExporterStatus { lingers: true, ..of(page) });
        // The page is the first of them all.
        lingering.chain(self.slots.iter().flatten().map(|(_, running)| of(running))).collect()
    }
}

/// Notes when a shutdown that was asked for now is due. Of several deadlines the nearest counts; it is returned.
fn note_shutdown<R: Runtime>(runtime: &R, shutdown_by: &mut Option<Instant>, deadline: Duration) -> Instant {
    let by = runtime.now() + capped(deadline);
    *shutdown_by.insert(shutdown_by.map_or(by, |nearest| nearest.min(by)))
}

/// The last account of `exporter`, which got every request through a queue, or else sent sums. Of sums, what was not
/// sent is dropped for `cause`.
fn close(accounts: Accounts<'static>, exporter: Exporter, queues: QueuesOf, cause: DropReason) -> Account {
    let registry = accounts.registry();
    let account = if queues.requests { registry.account(exporter) } else { accounts.close(exporter, cause) };
    tracing::info!(
        exporter = exporter.as_str(),
        recorded = account.recorded,
        sent = account.sent,
        dropped = account.dropped.total(),
        "stopped"
    );
    account
}

/// The same of observations.
fn close_observations(accounts: Accounts<'static>, exporter: Exporter, queues: QueuesOf, cause: DropReason) -> Account {
    let account = match queues.observations {
        true => accounts.registry().observation_account(exporter),
        false => accounts.observations().close(exporter, cause),
    };
    if account.recorded != 0 {
        tracing::info!(
            exporter = exporter.as_str(),
            recorded = account.recorded,
            sent = account.sent,
            dropped = account.dropped.total(),
            "stopped sending observations"
        );
    }
    account
}

macro_rules! prepare_each {
    ($($exporter:ident: $folder:ident, feature $feature:literal {
        $(#[$start_doc:meta])* fn $start:ident($config:ident) -> $answer:ty = $Start:ident;
        $(#[$stop_doc:meta])* fn $stop:ident() = $Stop:ident;
    })*) => {
        /// Has the exporter of `config` prepare its start.
        async fn prepare<R: Runtime>(
            start: PrepareContext<'_, R>,
            config: &ExporterConfig,
        ) -> Result<PreparedExporter<R>, StartError> {
            match config {
                $(
                    #[cfg(feature = $feature)]
                    ExporterConfig::$exporter(config) => crate::$folder::prepare(start, config).await,
                    #[cfg(not(feature = $feature))]
                    ExporterConfig::$exporter(_) => {
                        Err(StartError::BuiltWithout { feature: config.exporter().as_str() })
                    }
                )*
            }
        }
    };
}

crate::each_exporter!(prepare_each);

/// Answers a caller, who may have gone.
fn answer<T>(reply: &Sender<T>, value: T) {
    let _ = reply.try_send(value);
}
