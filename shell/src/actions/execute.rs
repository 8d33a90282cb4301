//! Doing what an action says.

use std::fmt;
use std::net::SocketAddr;

use loaddensity_metrics_core::{Account, Exporter};

use super::command::Command;
use super::document::Action;
use super::error::{ActionError, Problem};
use crate::error::{StartError, StopError};
use crate::exporters::AsyncExporters;
use crate::runtime::Runtime;

/// What came of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The exporter runs.
    Started {
        /// Which.
        exporter: Exporter,
        /// Where it listens: Prometheus only.
        address: Option<SocketAddr>,
    },
    /// The exporter does not run any more.
    Stopped {
        /// Which.
        exporter: Exporter,
        /// Its account; `None` where it did not run.
        account: Option<Account>,
    },
}

/// Carries out `action`, which is one of [`COMMANDS`](super::COMMANDS).
///
/// # Errors
/// What [`Command::from_action`] refuses, and what the start and stop calls answer ([`Problem::Start`],
/// [`Problem::Stop`]).
pub async fn execute<R: Runtime>(exporters: &AsyncExporters<R>, action: &Action) -> Result<Answer, ActionError> {
    let done = match Command::from_action(action)? {
        Command::StartPrometheus(config) => {
            let address = exporters.start_prometheus_exporter(config).await;
            started(Exporter::Prometheus, address.map(Some))
        }
        Command::StartInfluxdb(config) => {
            started(Exporter::Influxdb, exporters.start_influxdb_sink(config).await.map(|()| None))
        }
        Command::StartStatsd(config) => {
            started(Exporter::Statsd, exporters.start_statsd_sink(config).await.map(|()| None))
        }
        Command::StartOpenTelemetry(config) => {
            let done = exporters.start_opentelemetry_exporter(config).await;
            started(Exporter::OpenTelemetry, done.map(|()| None))
        }
        Command::StopPrometheus => stopped(Exporter::Prometheus, exporters.stop_prometheus_exporter().await),
        Command::StopInfluxdb => stopped(Exporter::Influxdb, exporters.stop_influxdb_sink().await),
        Command::StopStatsd => stopped(Exporter::Statsd, exporters.stop_statsd_sink().await),
        Command::StopOpenTelemetry => stopped(Exporter::OpenTelemetry, exporters.stop_opentelemetry_exporter().await),
    };
    done.map_err(|problem| ActionError { index: action.index, command: action.command.clone(), problem })
}

fn started(exporter: Exporter, done: Result<Option<SocketAddr>, StartError>) -> Result<Answer, Problem> {
    done.map(|address| Answer::Started { exporter, address }).map_err(Problem::Start)
}

fn stopped(exporter: Exporter, done: Result<Option<Account>, StopError>) -> Result<Answer, Problem> {
    done.map(|account| Answer::Stopped { exporter, account }).map_err(Problem::Stop)
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { exporter, address: Some(address) } => {
                write!(f, "{} started, http://{address}/metrics", exporter.as_str())
            }
            Self::Started { exporter, address: None } => write!(f, "{} started", exporter.as_str()),
            Self::Stopped { exporter, account: Some(account) } => {
                let (name, dropped) = (exporter.as_str(), account.dropped.total());
                write!(f, "{name} stopped: recorded {}, sent {}, dropped {dropped}", account.recorded, account.sent)
            }
            Self::Stopped { exporter, account: None } => write!(f, "{} was not running", exporter.as_str()),
        }
    }
}
