//! Three servers with a relay before each, and exporters that send to them over InfluxDB's HTTP, OTLP over gRPC and OTLP over
//! HTTP.

use std::thread;
use std::time::Duration;

use loaddensity_metrics_core::AccountKind;
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{Account, DropReason, ExporterStatus, Exporters};

use crate::backends::{influxdb_at, otlp_at, otlp_http_at};
use crate::course::{Course, Trouble};
use crate::items::{ItemCounts, KINDS};
use crate::law::{account_in, account_of, check_backend, check_reasons, shut_down, wait_until};
use crate::own_instruments::settings;
use crate::relay::{Manner, Relay};
use crate::server::{RelayedServer, ServerProtocol};
use crate::steady_load::SteadyLoad;

/// The servers, the exporters, and an engine for each of these.
pub(crate) struct ServerSite<R: Runtime> {
    pub(crate) servers: [RelayedServer; 3],
    /// InfluxDB and gRPC on one thread, OTLP over HTTP on another, as a process has one exporter of a kind for a registry.
    exporters: [Exporters<R>; 2],
    load: [SteadyLoad; 2],
}

/// Requests a millisecond. What a ring holds lasts for two seconds without the pump.
const PACE: u64 = 2;
/// The longest time that a millisecond's requests may take an engine, on a machine that does something else besides.
const MOST_OF_AN_ENGINE: Duration = Duration::from_secs(1);
/// How often it is looked whether something has happened, every two milliseconds. Looks are counted and not seconds: a process
/// that stood still for long has waited for nothing.
const MOST_LOOKS: u32 = 15_000;

impl<R: Runtime> ServerSite<R> {
    /// The servers are absent. Exporters wait for an answer for `patience`.
    pub(crate) fn start(patience: Duration) -> Result<Self, Trouble> {
        let servers = [
            RelayedServer::absent::<R>(ServerProtocol::Influxdb)?,
            RelayedServer::absent::<R>(ServerProtocol::Grpc)?,
            RelayedServer::absent::<R>(ServerProtocol::OtlpHttp)?,
        ];
        let start = || Exporters::<R>::start(settings(64)).map_err(|error| error.to_string());
        let exporters = [start()?, start()?];
        let [influxdb, grpc, http] = [0, 1, 2].map(|place: usize| servers[place].address());
        let [first, second] = &exporters;
        first.start_influxdb_sink(influxdb_at(influxdb).timeout(patience)).map_err(|error| error.to_string())?;
        first.start_opentelemetry_exporter(otlp_at(grpc).timeout(patience)).map_err(|error| error.to_string())?;
        second.start_opentelemetry_exporter(otlp_http_at(http).timeout(patience)).map_err(|error| error.to_string())?;
        let load = [SteadyLoad::start(first.registry(), PACE), SteadyLoad::start(second.registry(), PACE)];
        Ok(Self { servers, exporters, load })
    }

    /// The servers are there.
    pub(crate) fn start_well(patience: Duration) -> Result<Self, Trouble> {
        let mut site = Self::start(patience)?;
        site.come()?;
        Ok(site)
    }

    pub(crate) fn come(&mut self) -> Result<(), Trouble> {
        self.servers.iter_mut().try_for_each(RelayedServer::come)
    }

    pub(crate) fn go(&mut self) {
        self.servers.iter_mut().for_each(RelayedServer::go);
    }

    /// Closes all connections.
    pub(crate) fn cut(&self) {
        self.servers.iter().filter_map(|server| server.relay().ok()).for_each(Relay::cut);
    }

    /// All servers but those that are away.
    pub(crate) fn behave(&self, manner_of: impl Fn(ServerProtocol) -> Manner) {
        for server in &self.servers {
            if let Ok(relay) = server.relay() {
                relay.behave(manner_of(server.protocol));
            }
        }
    }

    pub(crate) fn status(&self, protocol: ServerProtocol) -> Result<ExporterStatus, Trouble> {
        let all = self.exporters[protocol.place()].status();
        let status = all.into_iter().find(|status| status.exporter == protocol.exporter());
        status.ok_or_else(|| format!("{protocol:?} has no status").into())
    }

    /// Waits until every exporter says that something is wrong, in one of the words.
    pub(crate) fn wait_for_complaints(&self, course: &Course, words: &[&str]) -> Result<(), Trouble> {
        ServerProtocol::ALL.into_iter().try_for_each(|protocol| self.wait_for_complaint(course, protocol, words))
    }

    pub(crate) fn wait_for_complaint(
        &self,
        course: &Course,
        protocol: ServerProtocol,
        words: &[&str],
    ) -> Result<(), Trouble> {
        let mut looks = 0;
        loop {
            let error = self.status(protocol)?.last_error;
            if let Some(says) = error.as_deref().filter(|says| words.iter().any(|word| says.contains(word))) {
                course.note(format!("{protocol:?}: {says}"));
                return Ok(());
            }
            looks += 1;
            if looks > MOST_LOOKS {
                return Err(format!("{protocol:?} says {error:?}, where one of {words:?} was expected").into());
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until every server has what was recorded until now and was not dropped, and the exporter knows it.
    pub(crate) fn wait_for_arrival(&self) -> Result<(), Trouble> {
        ServerProtocol::ALL.into_iter().try_for_each(|protocol| self.wait_for_arrival_of(protocol))
    }

    pub(crate) fn wait_for_arrival_of(&self, protocol: ServerProtocol) -> Result<(), Trouble> {
        let (server, mut looks) = (&self.servers[protocol as usize], 0);
        let before = self.load[protocol.place()].recorded();
        loop {
            let (status, stored) = (self.status(protocol)?, server.counts());
            let [requests, observations] = KINDS.map(|kind| has_arrived(&status, kind, stored, before));
            if status.last_error.is_none() && requests? && observations? {
                return Ok(());
            }
            looks += 1;
            if looks > MOST_LOOKS {
                return Err(format!("{protocol:?} has {stored:?} of {before:?}: {status:?}").into());
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Stops everything, lets what is on its way arrive, and checks the law. Drop reasons other than those that
    /// `reasons_of` names are refused.
    pub(crate) fn stop(
        self,
        course: &mut Course,
        deadline: Duration,
        reasons_of: impl Fn(ServerProtocol) -> Vec<DropReason>,
    ) -> Result<Vec<(ServerProtocol, AccountKind, Account)>, Trouble> {
        let mut reports = Vec::new();
        let mut recorded = Vec::new();
        for load in self.load {
            let (counts, slowest) = load.stop()?;
            if slowest > MOST_OF_AN_ENGINE {
                return Err(format!("recording a millisecond's requests took {slowest:?}").into());
            }
            recorded.push(counts);
        }
        for (exporters, recorded) in self.exporters.into_iter().zip(recorded) {
            reports.push(shut_down(course, exporters, deadline, recorded)?);
        }
        let mut accounts = Vec::new();
        for server in &self.servers {
            if let Ok(relay) = server.relay() {
                relay.behave(Manner::Well);
                wait_until("all connections are closed after a stop", || relay.open() == 0)?;
            }
            let (report, exporter) = (&reports[server.protocol.place()], server.protocol.exporter());
            check_backend(report, exporter, server.counts())?;
            check_reasons(report, exporter, &reasons_of(server.protocol))?;
            for kind in KINDS {
                accounts.push((server.protocol, kind, *account_of(report, kind, exporter)?));
            }
        }
        Ok(accounts)
    }
}

/// Whether a server has what was recorded `before` and was not dropped, and the exporter knows it.
fn has_arrived(
    status: &ExporterStatus,
    kind: AccountKind,
    stored: ItemCounts,
    before: ItemCounts,
) -> Result<bool, Trouble> {
    let account = account_in(status, kind)?;
    Ok(stored.of(kind).min(account.sent) + account.dropped.total() >= before.of(kind))
}
