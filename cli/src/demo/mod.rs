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
    Exporter, Exporters, InfluxdbConfig, InfluxdbUdp, OpenTelemetryConfig, PrometheusConfig, Settings, StatsdConfig,
};
use serde_json::Value;

use self::report::{DemoBackend, Demonstration};
use self::scraper::{DemoScraper, Scraped};
use self::target::{DemoTarget, ROUTES, TargetRoute};
use crate::CommandError;
use crate::args::RuntimeName;
use crate::engine::{self, Finished, LoadTest, RequestTask, TargetUrl};
use crate::exit::CommandEnding;
use crate::exporter_events;
use crate::interrupt::Interrupt;
use crate::live::{Live, Summary};
use crate::numbers::thousands;
use crate::receivers::{DatagramCollector, OtlpReceiver, dogstatsd, influxdb, prometheus};
use crate::say::{self, ResultForm};

/// Load of the demo. Its users could do about twice the cap, which they reach even on a busy machine.
const USERS: u32 = 32;
const USERS_PER_SECOND: f64 = 1_000.0;

/// How often the page is scraped, and OTLP exported.
const INTERVAL: Duration = Duration::from_secs(1);

/// Room for one line in a datagram and never for two: a datagram that a receiver's kernel drops is then one point, and
/// the kernel's count explains a difference exactly. (By default, lines are packed up to 1,400 bytes.)
const ONE_LINE: usize = 200;

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
    let exporters = Exporters::<R>::start(Settings::default())?;
    let page = start_all(&exporters, &receivers)?;
    form.words(format_args!("{}", report::opening(runtime, target.address(), page, seconds, rate)))?;

    let scraper = DemoScraper::start::<R>(page, INTERVAL)?;
    let (finished, summary, load) = load(&exporters, load_test(&target, seconds, rate)?, interrupt)?;
    let scraped = scraper.finish()?;
    let totals = exporters.registry().totals();
    let backends = stop_all(&exporters, receivers, &scraped)?;
    Ok(Demonstration {
        summary,
        load,
        requests: totals.requests(),
        failures: totals.failures(),
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
            .datagram_bytes(ONE_LINE),
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
    let (points, messages) = (receivers.points.finish()?, receivers.messages.finish()?);
    let (exports, export_bytes) = receivers.otlp.exports();
    let of_page =
        format!("{} scrapes of text 0.0.4, the last of {} bytes", scraped.count, thousands(scraped.last.len() as u64));
    let of_otlp = format!("{exports} exports over gRPC, {} bytes, decoded", thousands(export_bytes as u64));
    Ok([
        DemoBackend { account: page, arrived: prometheus(&scraped.last), carried: of_page, datagrams: None },
        DemoBackend::over_udp(influx, influxdb(&points, "loaddensity_request"), &points, 1),
        DemoBackend::over_udp(statsd, dogstatsd(&messages, "loaddensity"), &messages, 3),
        DemoBackend { account: otlp, arrived: receivers.otlp.finish(), carried: of_otlp, datagrams: None },
    ])
}
