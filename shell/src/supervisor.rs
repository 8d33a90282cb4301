//! The supervisor: the one task that starts and stops exporters, one command after another.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use loaddensity_metrics_core::{Account, Cause, Exporter, Pump};

use crate::birth;
use crate::condition::ExporterStatus;
use crate::config::ExporterConfig;
use crate::error::StartError;
use crate::hub::Hub;
use crate::report::Report;
use crate::running::{Place, Running};
use crate::runtime::Runtime;
use crate::settings::Settings;

/// A call, with the way back for its answer.
pub(crate) enum Command {
    Start(ExporterConfig, Sender<Result<Option<SocketAddr>, StartError>>),
    Stop(Exporter, Sender<Option<Account>>),
    Status(Sender<Vec<ExporterStatus>>),
    Shutdown(Duration, Option<Sender<Report>>),
}

/// The commands that wait. Dropping it answers them all with silence, which the callers understand.
struct Inbox(Receiver<Command>);

impl Drop for Inbox {
    fn drop(&mut self) {
        self.0.close();
        while self.0.try_recv().is_ok() {}
    }
}

/// Everything that runs.
pub(crate) struct Supervisor<R: Runtime> {
    place: Place<R>,
    /// In the order of [`Exporter::ALL`].
    slots: [Option<(ExporterConfig, Running<R>)>; Exporter::ALL.len()],
    ran: [bool; Exporter::ALL.len()],
    stop_deadline: Duration,
    inbox: Inbox,
    report: Arc<OnceLock<Report>>,
}

impl<R: Runtime> Supervisor<R> {
    pub(crate) fn new(
        runtime: R,
        settings: Settings,
        pump: Pump<'static>,
        commands: Receiver<Command>,
        report: Arc<OnceLock<Report>>,
    ) -> Self {
        let place = Place {
            registry: settings.registry,
            born: birth::of(settings.registry, runtime.wall_clock()),
            hub: Hub::new(runtime.clone(), pump),
            runtime,
        };
        Self {
            place,
            slots: Default::default(),
            ran: Default::default(),
            stop_deadline: settings.stop_deadline,
            inbox: Inbox(commands),
            report,
        }
    }

    /// Carries out commands until a shutdown is asked for or nobody is left to ask for anything.
    pub(crate) async fn run(mut self) {
        let (deadline, reply) = loop {
            match self.inbox.0.recv().await {
                Ok(Command::Start(config, reply)) => answer(&reply, self.start(config).await),
                Ok(Command::Stop(exporter, reply)) => answer(&reply, self.stop(exporter).await),
                Ok(Command::Status(reply)) => answer(&reply, self.status()),
                Ok(Command::Shutdown(deadline, reply)) => break (deadline, reply),
                Err(_) => break (self.stop_deadline, None),
            }
        };
        let report = self.stop_all(deadline).await;
        // Set once: this is the only place, and it ends here.
        let _ = self.report.set(report.clone());
        // The answer comes last, when the storage is free for others.
        drop(self);
        if let Some(reply) = reply {
            answer(&reply, report);
        }
    }

    async fn start(&mut self, config: ExporterConfig) -> Result<Option<SocketAddr>, StartError> {
        let exporter = config.exporter();
        if let Some((as_it_runs, running)) = &self.slots[exporter as usize]
            && *as_it_runs == config
            && running.is_alive()
        {
            return Ok(running.bound);
        }
        config.check()?;
        self.stop(exporter).await;
        let running = launch(&mut self.place, &config).await?;
        tracing::info!(exporter = exporter.as_str(), address = running.condition.address(), "started");
        let bound = running.bound;
        self.ran[exporter as usize] = true;
        self.slots[exporter as usize] = Some((config, running));
        Ok(bound)
    }

    async fn stop(&mut self, exporter: Exporter) -> Option<Account> {
        let (_, running) = self.slots[exporter as usize].take()?;
        let deadline = self.place.runtime.now() + self.stop_deadline;
        if exporter.is_per_request() {
            self.place.hub.detach(exporter);
        }
        running.ask_to_stop(deadline);
        let cause = running.ended(&self.place.runtime, deadline).await;
        Some(self.close(exporter, cause))
    }

    /// All at the same time, so that a slow one takes nothing from the others' deadline.
    async fn stop_all(&mut self, deadline: Duration) -> Report {
        let deadline = self.place.runtime.now() + deadline;
        for exporter in Exporter::ALL {
            if let Some((_, running)) = &self.slots[exporter as usize] {
                if exporter.is_per_request() {
                    self.place.hub.detach(exporter);
                }
                running.ask_to_stop(deadline);
            }
        }
        for exporter in Exporter::ALL {
            if let Some((_, running)) = self.slots[exporter as usize].take() {
                let cause = running.ended(&self.place.runtime, deadline).await;
                self.close(exporter, cause);
            }
        }
        let ran = Exporter::ALL.into_iter().filter(|exporter| self.ran[*exporter as usize]);
        Report {
            accounts: ran.map(|exporter| self.place.registry.account(exporter)).collect(),
            full_rings: self.place.hub.full_rings(),
        }
    }

    /// The last account of `exporter`; of aggregates, what was not sent is dropped for `cause`.
    fn close(&self, exporter: Exporter, cause: Cause) -> Account {
        let registry = self.place.registry;
        let account = if exporter.is_per_request() {
            registry.account(exporter)
        } else {
            registry.close_account(exporter, cause)
        };
        tracing::info!(
            exporter = exporter.as_str(),
            recorded = account.recorded,
            sent = account.sent,
            dropped = account.dropped.total(),
            "stopped"
        );
        account
    }

    fn status(&self) -> Vec<ExporterStatus> {
        let running = Exporter::ALL.into_iter().zip(&self.slots).filter_map(|(exporter, slot)| {
            slot.as_ref().map(|(_, running)| running.condition.status(self.place.registry.account(exporter)))
        });
        running.collect()
    }
}

async fn launch<R: Runtime>(place: &mut Place<R>, config: &ExporterConfig) -> Result<Running<R>, StartError> {
    match config {
        #[cfg(feature = "prometheus")]
        ExporterConfig::Prometheus(config) => crate::prometheus::start(place, config).await,
        #[cfg(feature = "influxdb")]
        ExporterConfig::Influxdb(config) => crate::influxdb::start(place, config).await,
        #[cfg(feature = "statsd")]
        ExporterConfig::Statsd(config) => crate::statsd::start(place, config).await,
        #[cfg(feature = "opentelemetry")]
        ExporterConfig::OpenTelemetry(config) => crate::opentelemetry::start(place, config).await,
        #[allow(unreachable_patterns, reason = "reached in builds that leave an exporter out")]
        other => Err(StartError::BuiltWithout { feature: other.exporter().as_str() }),
    }
}

/// Answers a caller, who may have gone.
fn answer<T>(reply: &Sender<T>, value: T) {
    let _ = reply.try_send(value);
}
