//! The demo: real HTTP load, all exporters on, a receiver for each, and whether they saw what was recorded.
//!
//! Target, engine, exporters and receivers are threads of this process and talk over the loopback interface. What the
//! receivers count comes from parsing what was on the wire; what was recorded is also compared with what the target
//! answered. The load is capped, so that two busy cores can carry it.

mod json;
mod report;
mod scraper;
mod target;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{
    Account, Exporter, Exporters, InfluxdbConfig, InfluxdbUdp, OpenTelemetryConfig, PrometheusConfig, Registry,
    Settings, StatsdConfig,
};
use serde_json::Value;

use self::report::{DemoBackend, Demonstration};
use self::scraper::{DemoScraper, Scraped};
use self::target::{DemoTarget, ROUTES, TargetRoute};
use crate::CommandError;
use crate::args::RuntimeName;
use crate::engine::{self, EngineInstruments, Finished, LoadTest, RequestTask, TargetUrl};
use crate::exit::CommandEnding;
use crate::exporter_events;
use crate::interrupt::Interrupt;
use crate::live::{Live, Summary};
use crate::receivers::{DatagramCollector, Observed, OtlpReceiver, dogstatsd, influxdb, prometheus};
use crate::say::{self, ResultForm};
use loaddensity_metrics_cost::thousands;

/// Load of the demo. Its users could do about twice the cap, which they reach even on a busy machine.
const USERS: u32 = 32;
const USERS_PER_SECOND: f64 = 1_000.0;

/// How often the page is scraped, and OTLP exported.
const INTERVAL: Duration = Duration::from_secs(1);

/// Room for a line with an instrument's values, and for few lines of requests: a datagram that a receiver's kernel drops
/// explains the loss of so many at most. (By default, lines are packed up to 1,400 bytes.)
const LINE_BYTES: usize = 440;
/// As many lines of requests, which have more than 110 bytes.
const LINES: u64 = 3;

/// Runs the demo for `seconds` at `rate` requests per second and prints what came of it.
pub(crate) fn run<R: Runtime>(runtime: RuntimeName, seconds: f64, rate: f64, form: ResultForm) -> ExitCode {
    let interrupt = match Interrupt::install("stopping and flushing") {
        Ok(interrupt) => interrupt,
        Err(error) => return crate::failed(&error),
    };
    match show::<R>(runtime, seconds, rate, form, &interrupt) {
        Ok(reconciles) => {
            let ending = CommandEnding { signal: interrupt.signal(), failed: !reconciles, ..CommandEnding::default() };
            ExitCode::from(ending.code())
        }
        Err(error) => crate::failed(&*error),
    }
}

/// Runs it and prints what came of it; whether all reconciles.
fn show<R: Runtime>(
    runtime: RuntimeName,
    seconds: f64,
    rate: f64,
    form: ResultForm,
    interrupt: &Interrupt,
) -> Result<bool, CommandError> {
    let demonstration = demonstrate::<R>(runtime, seconds, rate, form, interrupt)?;
    form.words(format_args!("{demonstration}"))?;
    form.object(|| demonstration.json(runtime))?;
    Ok(demonstration.reconciles())
}

fn demonstrate<R: Runtime>(
    runtime: RuntimeName,
    seconds: f64,
    rate: f64,
    form: ResultForm,
    interrupt: &Interrupt,
) -> Result<Demonstration, CommandError> {
    let target = DemoTarget::start::<R>()?;
    let receivers = Receivers {
        points: DatagramCollector::start()?,
        messages: DatagramCollector::start()?,
        otlp: OtlpReceiver::start::<R>()?,
    };
    let exporters = Exporters::<R>::start(Settings::on(engine::storage()?))?;
    let page = start_all(&exporters, &receivers)?;
    form.words(format_args!("{}", report::opening(runtime, target.address(), page, seconds, rate)))?;

    let scraper = DemoScraper::start::<R>(page, INTERVAL)?;
    let (finished, summary, load) = load(&exporters, load_test(&target, seconds, rate)?, interrupt)?;
    let scraped = scraper.finish()?;
    let (totals, observed) = (exporters.registry().totals(), observed(exporters.registry())?);
    let backends = stop_all(&exporters, receivers, &scraped)?;
    Ok(Demonstration {
        summary,
        load,
        requests: totals.requests(),
        failures: totals.failures(),
        observed,
        answered: target.answered(),
        abandoned: finished.abandoned,
        backends,
    })
}

/// Who listens, beside the scraper.
struct Receivers {
    points: DatagramCollector,
    messages: DatagramCollector,
    otlp: OtlpReceiver,
}

/// Starts the exporters; where the metrics page is.
fn start_all<R: Runtime>(exporters: &Exporters<R>, receivers: &Receivers) -> Result<SocketAddr, CommandError> {
    let page = exporters.start_prometheus_exporter(PrometheusConfig::default().port(0))?;
    let (points, messages) = (receivers.points.address(), receivers.messages.address());
    exporters.start_influxdb_sink(
        InfluxdbConfig::default()
            .target(InfluxdbUdp::new(points.ip().to_string(), points.port()))
            .datagram_bytes(LINE_BYTES),
    )?;
    exporters.start_statsd_sink(StatsdConfig::default().host(messages.ip().to_string()).port(messages.port()))?;
    exporters.start_opentelemetry_exporter(
        OpenTelemetryConfig::default().endpoint(format!("http://{}", receivers.otlp.address())).interval(INTERVAL),
    )?;
    Ok(page)
}

fn load_test(target: &DemoTarget, seconds: f64, rate: f64) -> Result<LoadTest, CommandError> {
    let task = |route: &TargetRoute| -> Result<RequestTask, CommandError> {
        let url = format!("http://{}{}", target.address(), route.path);
        Ok(RequestTask::new(route.method.clone(), TargetUrl::parse(&url)?, route.name))
    };
    Ok(LoadTest {
        users: USERS,
        spawn_rate: USERS_PER_SECOND,
        duration: Duration::from_secs_f64(seconds),
        max_rate: Some(rate),
        traces: false,
        tasks: ROUTES.iter().map(task).collect::<Result<_, _>>()?,
    })
}

/// Runs the load with the live line; how it ended, a line about it, and the same for programs.
fn load<R: Runtime>(
    exporters: &Exporters<R>,
    test: LoadTest,
    interrupt: &Interrupt,
) -> Result<(Finished, String, Value), CommandError> {
    let (mut live, mut events) = (Live::start(exporters.registry()), exporter_events::listen());
    let warn = || events.take().for_each(|event| say::warning(format_args!("{}", event.text)));
    let running = engine::start::<R>(test, exporters.local_recorder())?;
    let finished = live.watch(running, "demo", interrupt, warn, || exporters.status())?;
    let summary = Summary { live: &live, finished };
    Ok((finished, summary.to_string(), summary.json()))
}

/// What the engine's instruments counted.
fn observed(registry: Registry<'static>) -> Result<Observed, CommandError> {
    // Declared by the engine; the same declaration gives the same handles.
    let EngineInstruments { time_to_first_byte, iterations, .. } = EngineInstruments::declare(registry)?;
    let first_bytes = registry.histogram_total(time_to_first_byte);
    let iterations = registry.counter_total(iterations).sum;
    Ok(Observed { iterations, first_bytes: first_bytes.number, first_byte_nanos: first_bytes.sum })
}

/// Stops the exporters, each of which flushes, and reads what arrived.
fn stop_all<R: Runtime>(
    exporters: &Exporters<R>,
    receivers: Receivers,
    scraped: &Scraped,
) -> Result<[DemoBackend; Exporter::ALL.len()], CommandError> {
    let accounts = [
        exporters.stop_prometheus_exporter()?,
        exporters.stop_influxdb_sink()?,
        exporters.stop_statsd_sink()?,
        exporters.stop_opentelemetry_exporter()?,
    ];
    let [Some(page), Some(influx), Some(statsd), Some(otlp)] = accounts else {
        return Err("an exporter was not running any more".into());
    };
    let of = |account: Account| exporters.registry().observation_account(account.exporter);
    let (points, messages) = (receivers.points.finish()?, receivers.messages.finish()?);
    let (exports, export_bytes) = receivers.otlp.exports();
    let of_page =
        format!("{} scrapes of text 0.0.4, the last of {} bytes", scraped.count, thousands(scraped.last.len() as u64));
    let of_otlp = format!("{exports} exports over gRPC, {} bytes, decoded", thousands(export_bytes as u64));
    Ok([
        DemoBackend {
            account: page,
            observations: of(page),
            arrived: prometheus(&scraped.last),
            carried: of_page,
            datagrams: None,
        },
        DemoBackend::over_udp((influx, of(influx)), influxdb(&points, "loaddensity_request"), &points, LINES),
        DemoBackend::over_udp((statsd, of(statsd)), dogstatsd(&messages, "loaddensity"), &messages, 1),
        DemoBackend {
            account: otlp,
            observations: of(otlp),
            arrived: receivers.otlp.finish(),
            carried: of_otlp,
            datagrams: None,
        },
    ])
}
