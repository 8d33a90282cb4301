//! Host names that get another address.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use loaddensity_metrics_end_to_end::load::settings;
use loaddensity_metrics_end_to_end::receiver::{DatagramReceiver, lines};
use loaddensity_metrics_end_to_end::staged::{Staged, StagedSockets};
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{Account, AsyncExporters, DropReason, Exporter, Report, StatsdConfig};

use crate::backends::{influxdb_at, otlp_at, otlp_http_at};
use crate::course::{Course, Trouble};
use crate::law::{account_of, check_settled, check_stored, wait_until};
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
    /// Messages that the old one had when it went.
    messages: usize,
    /// Datagrams that the system has thrown away because the receivers' threads were late.
    overflows: u64,
}

impl MovingAgent {
    fn start() -> Self {
        Self { old: Some(DatagramReceiver::start()), new: DatagramReceiver::start(), messages: 0, overflows: 0 }
    }

    fn go(&mut self) -> Result<(), Trouble> {
        if let Some(old) = self.old.take() {
            self.overflows += overflows(old.address.port())?;
            self.messages += messages(&old.finish());
        }
        Ok(())
    }

    /// All messages that arrived, and how many datagrams the receivers missed.
    fn finish(mut self) -> Result<(u64, u64), Trouble> {
        self.go()?;
        self.overflows += overflows(self.new.address.port())?;
        Ok(((self.messages + messages(&self.new.finish())) as u64, self.overflows))
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
        servers.iter().all(|server| server.requests() > 100)
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
    course.saw(format!("{recorded} requests"));
    for server in &servers {
        if let Ok(relay) = server.relay() {
            // What the old server had read nothing of arrives late.
            relay.behave(Manner::Well);
            wait_until("all connections to the old server are closed", || relay.open() == 0)?;
        }
    }
    for (server, exporter) in servers.iter().zip([Exporter::Influxdb, Exporter::OpenTelemetry]) {
        let account = settled(course, &report, exporter, recorded)?;
        check_stored(account, server.requests())?;
        if account.sent != recorded {
            return Err(format!("not everything was sent to the new address: {account:?}").into());
        }
    }
    let account = settled(course, &report, Exporter::Statsd, recorded)?;
    let (messages, overflows) = agent.finish()?;
    if overflows != 0 {
        course.saw(format!("{overflows} datagrams overflowed the receivers"));
    }
    check_agent(account, messages, overflows != 0, is_agent_gone && !names_first)
}

async fn start<R: Runtime>(exporters: &AsyncExporters<R>, protocol: ServerProtocol) -> Result<(), impl ToString> {
    let otlp = if protocol == ServerProtocol::Grpc { otlp_at(OTLP) } else { otlp_http_at(OTLP) };
    let often = Some(Duration::from_millis(50));
    let statsd = StatsdConfig::default().host(AGENT).resolve_interval(often).packed(true);
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
            Exporter::Statsd => !is_agent_gone || all.iter().any(|status| status.refusals != 0),
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
    until(runtime, "the new servers have everything", || servers.iter().all(|server| server.requests() >= before))
        .await?;
    until(runtime, "the new addresses are used", || {
        relays.iter().all(|relay| relay.accepted() != 0) && agent.new.has(|datagrams| !datagrams.is_empty())
    })
    .await
}

fn settled<'a>(
    course: &mut Course,
    report: &'a Report,
    exporter: Exporter,
    recorded: u64,
) -> Result<&'a Account, Trouble> {
    let account = account_of(report, exporter)?;
    course.saw_account(account);
    check_settled(account, recorded)?;
    Ok(account)
}

/// Only what was refused may be missing, and a refusal was told where there must have been one.
/// Of what overflowed a receiver the kernel tells nobody.
fn check_agent(account: &Account, messages: u64, overflowed: bool, was_refused: bool) -> Result<(), Trouble> {
    let unconfirmed = account.dropped.get(DropReason::Unconfirmed);
    let holds =
        (overflowed || account.sent * MESSAGES <= messages) && messages <= (account.sent + unconfirmed) * MESSAGES;
    let are_reasons_right = account.dropped.total() == unconfirmed && (unconfirmed != 0 || !was_refused);
    if holds && are_reasons_right {
        return Ok(());
    }
    Err(format!("the Agents have {messages} messages, {MESSAGES} of each request: {account:?}").into())
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

fn messages(datagrams: &[String]) -> usize {
    datagrams.iter().flat_map(|datagram| lines(datagram)).count()
}
