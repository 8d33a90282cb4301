//! The handle through which exporters are started and stopped, as async calls and as blocking ones.
//!
//! All calls are commands to one supervisor task, which carries them out one after another. [`Exporters`] gives that
//! task a thread and a runtime of its own, so that a load test is not disturbed, and blocks the caller until the
//! answer is there. [`AsyncExporters::start_on`] puts it on the caller's runtime; only async calls exist there, so no
//! blocking call can ever wait for the thread that it blocks.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use async_channel::Sender;
use futures_lite::future::block_on;
#[cfg(feature = "prometheus")]
use loaddensity_metrics_core::prometheus::ExpositionFormat;
use loaddensity_metrics_core::{Account, Exporter, Pump, Recorder, Registry};

#[cfg(feature = "prometheus")]
use crate::config::PrometheusConfig;
use crate::config::{ExporterConfig, missing_feature};
use crate::error::{StartError, StopError};
use crate::local::LocalRecorder;
#[cfg(feature = "prometheus")]
use crate::prometheus::renderer::PageRenderer;
use crate::report::Report;
use crate::runtime::Runtime;
use crate::settings::Settings;
use crate::status::ExporterStatus;
use crate::stop::capped;
use crate::supervisor::{Supervisor, SupervisorCommand};

mod calls;

/// Time beyond a deadline that the exporters' thread gets to end. It is not used for flushing.
const THREAD_GRACE: Duration = Duration::from_secs(1);

/// The exporters on a thread of their own. Every call blocks until it is carried out; [`as_async`](Self::as_async) has
/// the same calls as async functions.
///
/// Dropping it stops and flushes whatever runs, within [`Settings::stop_deadline`];
/// [`shutdown`](Self::shutdown) does the same and hands back the report.
pub struct Exporters<R: Runtime> {
    handle: AsyncExporters<R>,
    stop_deadline: Duration,
    /// Disconnected when the thread has ended.
    ended: Mutex<mpsc::Receiver<()>>,
}

impl<R: Runtime> Exporters<R> {
    /// Starts a thread, as [`Settings::thread`] wants it, with a runtime of its own. No exporter runs yet.
    ///
    /// # Errors
    /// [`StartError::StorageInUse`] while other exporters work on the same storage; [`StartError::Runtime`] where the
    /// operating system gives no thread or no runtime, and where [`Settings::thread`] cannot work or its hook fails.
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        let stop_deadline = capped(settings.stop_deadline);
        let thread = settings.thread;
        let builder = thread.builder().map_err(StartError::Runtime)?;
        let pump = settings.registry.pump().ok_or(StartError::StorageInUse)?;
        let (handle, work) = AsyncExporters::prepare(settings, pump);
        let (ready, is_ready) = mpsc::sync_channel(1);
        let (alive, ended) = mpsc::sync_channel::<()>(1);
        let body = move || {
            let _alive = alive;
            let failed = ready.clone();
            if let Err(error) = thread.enter() {
                // Whoever is told may start anew on the same storage.
                drop(work);
                let _ = failed.send(Err(error));
                return;
            }
            let run = R::run(|runtime| async move {
                let _ = ready.send(Ok(()));
                Box::pin(work(runtime).run()).await;
            });
            if let Err(error) = run {
                let _ = failed.send(Err(error));
            }
        };
        builder.spawn(body).map_err(StartError::Runtime)?;
        match is_ready.recv() {
            Ok(result) => result.map_err(StartError::Runtime)?,
            Err(gone) => return Err(StartError::Runtime(std::io::Error::other(gone))),
        }
        Ok(Self { handle, stop_deadline, ended: Mutex::new(ended) })
    }

    /// The same calls as async functions; clones may outlive this.
    pub const fn as_async(&self) -> &AsyncExporters<R> {
        &self.handle
    }

    /// A recorder for one engine thread: `Send`, not `Sync`. Its shard is given back when it is dropped.
    pub fn recorder(&self) -> Recorder<'static> {
        self.handle.recorder()
    }

    /// A handle that any task on any thread may record through.
    pub fn local_recorder(&self) -> LocalRecorder {
        self.handle.local_recorder()
    }

    /// The registry that is exported.
    pub fn registry(&self) -> Registry<'static> {
        self.handle.registry()
    }

    /// See [`AsyncExporters::page_renderer`].
    ///
    /// # Errors
    /// As there.
    #[cfg(feature = "prometheus")]
    pub fn page_renderer(&self, config: &PrometheusConfig) -> Result<PageRenderer, StartError> {
        self.handle.page_renderer(config)
    }

    /// See [`AsyncExporters::render`].
    ///
    /// # Errors
    /// As there.
    #[cfg(feature = "prometheus")]
    pub fn render(&self, format: ExpositionFormat, page: &mut Vec<u8>) -> Result<(), StartError> {
        self.handle.render(format, page)
    }

    /// The running exporters, in the order of [`Exporter::ALL`].
    pub fn status(&self) -> Vec<ExporterStatus> {
        block_on(self.handle.status())
    }

    /// See [`AsyncExporters::stop_all`].
    ///
    /// # Errors
    /// As there.
    pub fn stop_all(&self) -> Result<Vec<Account>, StopError> {
        block_on(self.handle.stop_all())
    }

    /// See [`AsyncExporters::ended_runs`].
    pub fn ended_runs(&self) -> Vec<ExporterStatus> {
        block_on(self.handle.ended_runs())
    }

    /// Stops and flushes every exporter within `deadline`, then ends the thread. More than a day counts as a day. See
    /// [`AsyncExporters::shutdown`].
    pub fn shutdown(self, deadline: Duration) -> Report {
        self.shutdown_in_place(deadline)
    }

    /// [`shutdown`](Self::shutdown) for exporters that others still refer to; their calls fail afterwards.
    pub(crate) fn shutdown_in_place(&self, deadline: Duration) -> Report {
        let report = block_on(self.handle.shutdown(deadline));
        // Only so that nothing of ours runs any more when this returns. The thread may still wait for a slow resolver.
        self.wait_for_end(THREAD_GRACE);
        report
    }

    fn wait_for_end(&self, at_most: Duration) {
        let _ = self.ended.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(at_most);
    }
}

impl<R: Runtime> Drop for Exporters<R> {
    fn drop(&mut self) {
        self.handle.ask_for_shutdown(self.stop_deadline);
        self.wait_for_end(self.stop_deadline + THREAD_GRACE);
    }
}

impl<R: Runtime> fmt::Debug for Exporters<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporters").finish_non_exhaustive()
    }
}

/// The exporters' handle for async callers. Clones are handles of the same exporters; when the last one is gone,
/// whatever runs is stopped and flushed within [`Settings::stop_deadline`].
///
/// A call whose future is dropped is carried out all the same.
pub struct AsyncExporters<R: Runtime> {
    commands: Sender<SupervisorCommand>,
    settings: Settings,
    /// What the shutdown reported, for calls that come after it.
    report: Arc<OnceLock<Report>>,
    /// The process that they run in. A fork has a copy of the handle, and nobody who answers.
    process: u32,
    runtime: std::marker::PhantomData<fn() -> R>,
}

impl<R: Runtime> AsyncExporters<R> {
    /// Puts the exporters on `runtime`, as further tasks. No exporter runs yet.
    ///
    /// # Errors
    /// [`StartError::StorageInUse`] while other exporters work on the same storage.
    pub fn start_on(runtime: R, settings: Settings) -> Result<Self, StartError> {
        let pump = settings.registry.pump().ok_or(StartError::StorageInUse)?;
        let (handle, work) = Self::prepare(settings, pump);
        let spawner = runtime.clone();
        let supervisor = Box::pin(work(runtime).run());
        let (hand_over, own_task) = async_channel::bounded(1);
        let task = spawner.spawn(async move {
            // The supervisor owns its own task: it must run on when every handle is gone, until all is flushed.
            let own_task = own_task.recv().await;
            supervisor.await;
            drop(own_task);
        });
        // The channel has room for exactly this.
        let _ = hand_over.try_send(task);
        Ok(handle)
    }

    fn prepare(settings: Settings, pump: Pump<'static>) -> (Self, impl FnOnce(R) -> Supervisor<R> + Send + use<R>) {
        let (sender, commands) = async_channel::unbounded();
        let report = Arc::new(OnceLock::new());
        let handle = Self {
            commands: sender,
            settings,
            report: report.clone(),
            process: std::process::id(),
            runtime: std::marker::PhantomData,
        };
        (handle, move |runtime| Supervisor::new(runtime, settings, pump, commands, report))
    }

    /// A recorder for one engine thread: `Send`, not `Sync`. Its shard is given back when it is dropped.
    pub fn recorder(&self) -> Recorder<'static> {
        self.registry().recorder()
    }

    /// A handle that any task on any thread may record through.
    pub const fn local_recorder(&self) -> LocalRecorder {
        LocalRecorder::new(self.registry())
    }

    /// The registry that is exported.
    pub const fn registry(&self) -> Registry<'static> {
        self.settings.registry
    }

    /// What writes the page for a server of your own, with the constant labels and the creation times of `config`. It starts no
    /// exporter, and no account counts what it writes.
    ///
    /// # Errors
    /// [`StartError::Setting`] where the labels cannot be shown.
    #[cfg(feature = "prometheus")]
    pub fn page_renderer(&self, config: &PrometheusConfig) -> Result<PageRenderer, StartError> {
        PageRenderer::new(&self.settings, config)
    }

    /// Appends the page as it is now to `page`, as an exporter with the default configuration would show it; see
    /// [`PageRenderer`].
    ///
    /// # Errors
    /// [`StartError::Setting`] where the label of the settings' identity cannot be shown.
    #[cfg(feature = "prometheus")]
    pub fn render(&self, format: ExpositionFormat, page: &mut Vec<u8>) -> Result<(), StartError> {
        self.page_renderer(&PrometheusConfig::default())?.render(format, page);
        Ok(())
    }

    /// The running exporters, in the order of [`Exporter::ALL`], a page that lingers included; none after a shutdown.
    pub async fn status(&self) -> Vec<ExporterStatus> {
        self.ask(SupervisorCommand::Status).await.unwrap_or_default()
    }

    /// The runs that have ended, by a stop or by a start with other settings, in the order of their ends: where each
    /// one sent to, its last account, and what was wrong at its end. None after a shutdown, whose [`Report`] has them.
    ///
    /// They are kept until the shutdown, some 300 bytes each.
    pub async fn ended_runs(&self) -> Vec<ExporterStatus> {
        self.ask(SupervisorCommand::Ended).await.unwrap_or_default()
    }

    /// Stops and flushes whatever runs, side by side, all within [`Settings::stop_deadline`]; returns the accounts in
    /// the order of [`Exporter::ALL`]. Each can be started again.
    ///
    /// # Errors
    /// [`StopError::ShutDown`].
    pub async fn stop_all(&self) -> Result<Vec<Account>, StopError> {
        self.ask(|reply| SupervisorCommand::Stop(&Exporter::ALL, reply)).await.ok_or(StopError::ShutDown)
    }

    /// Stops and flushes every exporter within `deadline`. A page that lingers is waited for until then, and has its last
    /// account in the report. After that every handle of these exporters is dead; a
    /// further shutdown returns the first one's report.
    ///
    /// It does not wait for calls that take longer: a stop that is under way must end by this `deadline` as well, and
    /// a start that is under way, or any other call that waits for its turn, fails.
    pub async fn shutdown(&self, deadline: Duration) -> Report {
        match self.ask(|reply| SupervisorCommand::Shutdown(deadline, Some(reply))).await {
            Some(report) => report,
            None => self.report.get().cloned().unwrap_or_default(),
        }
    }

    /// Asks for a shutdown and does not wait for it.
    fn ask_for_shutdown(&self, deadline: Duration) {
        // Fails only where the supervisor has gone, and with it all there is to shut down.
        let _ = self.commands.try_send(SupervisorCommand::Shutdown(deadline, None));
    }

    /// Starts the exporter of `config`. Returns the address that it listens on, where it listens.
    pub(crate) async fn start_exporter(&self, config: ExporterConfig) -> Result<Option<SocketAddr>, StartError> {
        if let Some(feature) = missing_feature(config.exporter()) {
            return Err(StartError::BuiltWithout { feature });
        }
        self.ask(|reply| SupervisorCommand::Start(Box::new(config), reply)).await.unwrap_or(Err(StartError::ShutDown))
    }

    /// Stops `exporter`. `None`: it was not running.
    pub(crate) async fn stop_exporter(&self, exporter: Exporter) -> Result<Option<Account>, StopError> {
        if let Some(feature) = missing_feature(exporter) {
            return Err(StopError::BuiltWithout { feature });
        }
        let stopped = self.ask(|reply| SupervisorCommand::Stop(only(exporter), reply)).await;
        stopped.map(|mut accounts| accounts.pop()).ok_or(StopError::ShutDown)
    }

    /// The supervisor's answer, or nothing where it has gone, or is another process's.
    async fn ask<T>(&self, command: impl FnOnce(Sender<T>) -> SupervisorCommand) -> Option<T> {
        if self.process != std::process::id() {
            return None;
        }
        let (reply, answer) = async_channel::bounded(1);
        self.commands.send(command(reply)).await.ok()?;
        answer.recv().await.ok()
    }
}

/// `exporter` alone.
fn only(exporter: Exporter) -> &'static [Exporter] {
    std::slice::from_ref(&Exporter::ALL[exporter as usize])
}

impl<R: Runtime> Clone for AsyncExporters<R> {
    fn clone(&self) -> Self {
        Self {
            commands: self.commands.clone(),
            settings: self.settings,
            report: self.report.clone(),
            process: self.process,
            runtime: std::marker::PhantomData,
        }
    }
}

impl<R: Runtime> fmt::Debug for AsyncExporters<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncExporters").finish_non_exhaustive()
    }
}
