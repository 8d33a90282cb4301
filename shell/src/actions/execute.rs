//! Carries out actions.

use std::fmt;
use std::net::SocketAddr;

use loaddensity_metrics_core::{Account, Exporter};

use super::command::Command;
use super::document::JsonAction;
use super::error::{ActionError, Problem};
use crate::config::ExporterConfig;
use crate::environment::Environment;
use crate::exporters::AsyncExporters;
use crate::runtime::Runtime;

/// The outcome of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ActionOutcome {
    /// The exporter runs.
    Started {
        /// Which.
        exporter: Exporter,
        /// Where it listens: Prometheus only.
        address: Option<SocketAddr>,
        /// The URL of its page: Prometheus only.
        page: Option<String>,
    },
    /// The exporter does not run any more, but for a page that lingers.
    Stopped {
        /// Which.
        exporter: Exporter,
        /// Its account; `None` where it did not run.
        account: Option<Account>,
    },
}

/// Carries out `action`, which is one of [`COMMANDS`](super::COMMANDS). The environment is not read.
///
/// # Errors
/// What [`Command::from_action`] refuses, and what the start and stop calls answer ([`Problem::Start`],
/// [`Problem::Stop`]).
pub async fn execute<R: Runtime>(
    exporters: &AsyncExporters<R>,
    action: &JsonAction,
) -> Result<ActionOutcome, ActionError> {
    execute_in(exporters, action, &Environment::default()).await
}

/// Carries out `action`; what it leaves out is as `environment` says ([`Command::from_action_in`]).
///
/// # Errors
/// What [`Command::from_action_in`] refuses, and what the start and stop calls answer ([`Problem::Start`],
/// [`Problem::Stop`]).
pub async fn execute_in<R: Runtime>(
    exporters: &AsyncExporters<R>,
    action: &JsonAction,
    environment: &Environment,
) -> Result<ActionOutcome, ActionError> {
    execute_command(exporters, action, Command::from_action_in(action, environment)?).await
}

/// Carries out `command`, which is what `action` says, perhaps with settings that the program adds.
///
/// # Errors
/// What the start and stop calls answer ([`Problem::Start`], [`Problem::Stop`]), as errors of `action`.
pub async fn execute_command<R: Runtime>(
    exporters: &AsyncExporters<R>,
    action: &JsonAction,
    command: Command,
) -> Result<ActionOutcome, ActionError> {
    let exporter = command.exporter();
    let done = match command.into_config() {
        Some(config) => start(exporters, action, config).await,
        None => stop(exporters, exporter).await,
    };
    done.map_err(|problem| ActionError::new(action, problem))
}

async fn start<R: Runtime>(
    exporters: &AsyncExporters<R>,
    action: &JsonAction,
    config: ExporterConfig,
) -> Result<ActionOutcome, Problem> {
    let exporter = config.exporter();
    let address =
        exporters.start_exporter(config.clone()).await.map_err(|error| Problem::of_start(action, exporter, error))?;
    let page = config.as_configuration().page().zip(address).map(|(page, address)| page.url(address));
    Ok(ActionOutcome::Started { exporter, address, page })
}

async fn stop<R: Runtime>(exporters: &AsyncExporters<R>, exporter: Exporter) -> Result<ActionOutcome, Problem> {
    let account = exporters.stop_exporter(exporter).await.map_err(Problem::Stop)?;
    Ok(ActionOutcome::Stopped { exporter, account })
}

impl fmt::Display for ActionOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { exporter, page: Some(page), .. } => write!(f, "{} started, {page}", exporter.as_str()),
            Self::Started { exporter, .. } => write!(f, "{} started", exporter.as_str()),
            Self::Stopped { exporter, account: Some(account) } => {
                let (name, dropped) = (exporter.as_str(), account.dropped.total());
                write!(f, "{name} stopped: recorded {}, sent {}, dropped {dropped}", account.recorded, account.sent)?;
                // After a stop only a page that lingers holds anything.
                if account.held == 0 { Ok(()) } else { write!(f, ", held {}, lingers", account.held) }
            }
            Self::Stopped { exporter, account: None } => write!(f, "{} was not running", exporter.as_str()),
        }
    }
}
