//! Host names that get another address.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use loaddensity_metrics_core::AccountKind;
use loaddensity_metrics_end_to_end::receiver::{DatagramReceiver, lines};
use loaddensity_metrics_end_to_end::staged::{Staged, StagedSockets};
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{AsyncExporters, DropReason, Exporter, Report};

use crate::backends::{influxdb_at, otlp_at, otlp_http_at, statsd};
use crate::course::{Course, Trouble};
use crate::items::{ItemCounts, KINDS, in_packet, is_of_own};
use crate::law::{account_of, broken, check_all_sent, check_backend, check_report, wait_until};
use crate::observations_as::are_one_by_one;
use crate::own_instruments::settings;
use crate::relay::{Manner, Relay};
use crate::server::{RelayedServer, ServerProtocol};
use crate::steady_load::SteadyLoad;

/// The names that move.
const INFLUXDB: &str = "influxdb.staged";
const OTLP: &str = "otlp.staged";
const AGENT: &str = "agent.staged";
/// Messages per request of DogStatsD.
const MESSAGES: u64 = 3;

/// Servers whose host names get another address while the old ones are gone, or stay silent: InfluxDB over HTTP, a receiver of
/// OTLP, and a DogStatsD Agent over UDP, which is gone or listens on.
pub(crate) fn moved<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    R::run(|inner: R| move_servers(inner, course))?
}

/// An Agent before and after the move.
struct MovingAgent {
    old: Option<DatagramReceiver>,
    new: DatagramReceiver,
    /// What the old one had when it went.
    had: AgentCounts,
    /// Datagrams that the system has thrown away because the receivers' threads were late.
    overflows: u64,
}

impl MovingAgent {
    fn start() -> Self {
        Self {
            old: Some(DatagramReceiver::start()),
            new: DatagramReceiver::start(),
            had: AgentCounts::default(),
            overflows: 0,
        }
    }

    fn go(&mut self) -> Result<(), Trouble> {
        if let Some(old) = self.old.take() {
            self.overflows += overflows(old.address.port())?;
            self.had.add(&old.finish());
        }
        Ok(())
    }

    /// All that arrived, and how many datagrams the receivers missed.
    fn finish(mut self) -> Result<(AgentCounts, u64), Trouble> {
        self.go()?;
        self.overflows += overflows(self.new.address.port())?;
        self.had.add(&self.new.finish());
        Ok((self.had, self.overflows))
    }
}

/// What the Agents have.
#[derive(Clone, Copy, Debug, Default)]
struct AgentCounts {
    counts: ItemCounts,
    /// Messages of requests.
    messages: u64,
}

impl AgentCounts {
    fn add(&mut self, datagrams: &[String]) {
        for datagram in datagrams {
            self.counts += in_packet(datagram.as_bytes());
            self.messages += if is_of_own(datagram.as_bytes()) { 0 } else { lines(datagram).count() as u64 };
        }
    }

    /// Of one kind, as it is counted: messages of requests, and observations.
    const fn of(self, kind: AccountKind) -> u64 {
        if matches!(kind, AccountKind::Observations) { self.counts.observations } else { self.messages }
    }
}

async fn move_servers<R: Runtime>(inner: R, course: &mut Course) -> Result<(), Trouble> {
    let protocol = [ServerProtocol::Grpc, ServerProtocol::OtlpHttp][course.random.below(2)];
    let mut servers = [RelayedServer::absent::<R>(ServerProtocol::Influxdb)?, RelayedServer::absent::<R>(protocol)?];
    servers.iter_mut().try_for_each(RelayedServer::come)?;
    let mut agent = MovingAgent::start();
    let old_agent = agent.old.iter().map(|receiver| receiver.address).collect();
    let names =
        HashMap::from([(INFLUXDB, vec![servers[0].address()]), (OTLP, vec![servers[1].address()]), (AGENT, old_agent)]);
    let runtime = Staged::new(inner, StagedSockets { names, ..StagedSockets::default() });
    let settings = settings(64);
    let exporters = AsyncExporters::start_on(runtime.clone(), settings).map_err(|error| error.to_string())?;
    start(&exporters, protocol).await.map_err(|error| error.to_string())?;
    let load = SteadyLoad::start(settings.registry, 1);
    until(&runtime, "the old servers have something", || {
        servers.iter().all(|server| server.counts().include(ItemCounts::of_engine(100)))
            && agent.old.iter().all(|old| old.has(|datagrams| datagrams.len() > 100))
    })
    .await?;

    let names_first = course.random.below(2) == 0;
    let relays = [servers[0].another_relay()?, servers[1].another_relay()?];
    let names = [(INFLUXDB, relays[0].address()), (OTLP, relays[1].address()), (AGENT, agent.new.address)];
    let rename = || runtime.stage().names = names.map(|(name, address)| (name, vec![address])).into();
    if names_first {
        rename();
    }
    let is_agent_gone = leave(course, &mut servers, &mut agent)?;
    if !names_first {
        course.note("names still have their old addresses");
        wait_for_complaints(&runtime, &exporters, is_agent_gone).await?;
        rename();
    }
    arrive(&runtime, &servers, &relays, &agent, &load).await?;

    let (recorded, _) = load.stop()?;
    let report = exporters.shutdown(Duration::from_secs(10)).await;
    check_report(course, &report, recorded)?;
    for server in &servers {
        if let Ok(relay) = server.relay() {
            // What the old server had read nothing of arrives late.
            relay.behave(Manner::Well);
            wait_until("all connections to the old server are closed", || relay.open() == 0)?;
        }
    }
    for (server, exporter) in servers.iter().zip([Exporter::Influxdb, Exporter::OpenTelemetry]) {
        check_backend(&report, exporter, server.counts())?;
        check_all_sent(&report, exporter, recorded)?;
    }
    let (had, overflows) = agent.finish()?;
    if overflows != 0 {
        course.saw(format!("{overflows} datagrams overflowed the receivers"));
    }
    let was_refused = is_agent_gone && !names_first;
    KINDS.into_iter().try_for_each(|kind| check_agent(&report, kind, had, overflows != 0, was_refused))
}

async fn start<R: Runtime>(exporters: &AsyncExporters<R>, protocol: ServerProtocol) -> Result<(), impl ToString> {
    let otlp = if protocol == ServerProtocol::Grpc { otlp_at(OTLP) } else { otlp_http_at(OTLP) };
    let often = Some(Duration::from_millis(50));
    let statsd = statsd().host(AGENT).resolve_interval(often);
    exporters.start_influxdb_sink(influxdb_at(INFLUXDB)).await?;
    exporters.start_opentelemetry_exporter(otlp).await?;
    exporters.start_statsd_sink(statsd).await.map(drop)
}

/// The old servers go, or stay and are silent, each as chance has it. Whether the Agent is gone.
fn leave(course: &mut Course, servers: &mut [RelayedServer], agent: &mut MovingAgent) -> Result<bool, Trouble> {
    for server in servers {
        if course.random.below(2) == 0 {
            course.saw(format!("old {:?} gone", server.protocol));
            server.go();
        } else {
            course.saw(format!("old {:?} silent", server.protocol));
            server.relay()?.behave(Manner::Silent);
        }
    }
    let is_gone = course.random.below(2) == 0;
    if is_gone {
        course.saw("old Agent gone");
        agent.go()?;
    }
    Ok(is_gone)
}

/// Both servers are complained of, and the Agent where it is gone.
async fn wait_for_complaints<R: Runtime>(
    runtime: &Staged<R>,
    exporters: &AsyncExporters<Staged<R>>,
    is_agent_gone: bool,
) -> Result<(), Trouble> {
    let end = Instant::now() + LONGEST_WAIT;
    loop {
        let all = exporters.status().await;
        let is_told = |exporter| match exporter {
            // A refusal of what is not a request would not do.
            Exporter::Statsd => {
                !is_agent_gone || all.iter().any(|status| status.refusals != 0 && status.account.dropped.total() != 0)
            }
            _ => all.iter().any(|status| status.exporter == exporter && status.last_error.is_some()),
        };
        if [Exporter::Influxdb, Exporter::OpenTelemetry, Exporter::Statsd].into_iter().all(is_told) {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(format!("nothing is complained of where servers are gone or silent: {all:?}").into());
        }
        runtime.sleep(Duration::from_millis(2)).await;
    }
}

/// What was recorded until now has arrived, over the new addresses.
async fn arrive<R: Runtime>(
    runtime: &Staged<R>,
    servers: &[RelayedServer; 2],
    relays: &[Relay; 2],
    agent: &MovingAgent,
    load: &SteadyLoad,
) -> Result<(), Trouble> {
    let before = load.recorded();
    until(runtime, "the new servers have everything", || servers.iter().all(|server| server.counts().include(before)))
        .await?;
    until(runtime, "the new addresses are used", || {
        relays.iter().all(|relay| relay.accepted() != 0) && agent.new.has(|datagrams| !datagrams.is_empty())
    })
    .await
}

/// Only what was refused may be missing, and a refusal was told where there must have been one.
/// Of what overflowed a receiver the kernel tells nobody.
/// Whether a row of own instruments was under way just then is left to chance, but observations that are sent one by one were.
fn check_agent(
    report: &Report,
    kind: AccountKind,
    had: AgentCounts,
    overflowed: bool,
    was_refused: bool,
) -> Result<(), Trouble> {
    let account = account_of(report, kind, Exporter::Statsd)?;
    let (each, must_show) =
        if kind == AccountKind::Requests { (MESSAGES, was_refused) } else { (1, was_refused && are_one_by_one()) };
    let (unconfirmed, had) = (account.dropped.get(DropReason::Unconfirmed), had.of(kind));
    let holds = (overflowed || account.sent * each <= had) && had <= (account.sent + unconfirmed) * each;
    let are_reasons_right = account.dropped.total() == unconfirmed && (unconfirmed != 0 || !must_show);
    if holds && are_reasons_right {
        return Ok(());
    }
    Err(broken(kind, format_args!("the Agents have {had}, {each} of each"), account))
}

/// Until when something must have happened that never takes a quarter of this.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

async fn until<R: Runtime>(runtime: &Staged<R>, what: &str, mut holds: impl FnMut() -> bool) -> Result<(), Trouble> {
    let end = Instant::now() + LONGEST_WAIT;
    while !holds() {
        if Instant::now() > end {
            return Err(format!("it did not come to this: {what}").into());
        }
        runtime.sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// Datagrams that found the buffer of the socket at `port` full: the column `drops` of /proc/net/udp.
fn overflows(port: u16) -> Result<u64, Trouble> {
    let sockets = fs::read_to_string("/proc/net/udp")?;
    let local = format!(":{port:04X}");
    let line =
        sockets.lines().find(|line| line.split_whitespace().nth(1).is_some_and(|address| address.ends_with(&local)));
    let drops = line.and_then(|line| line.split_whitespace().last()?.parse().ok());
    drops.ok_or_else(|| format!("the scenario itself: /proc/net/udp has no socket at port {port}").into())
}
