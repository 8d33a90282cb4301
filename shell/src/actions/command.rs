//! The eight commands, and what an action says with them as a typed configuration.

use loaddensity_metrics_core::Exporter;

use super::arguments::{ArgumentReader, Signature};
use super::document::JsonAction;
use super::error::{ActionError, Problem};
use super::suggestion::nearest;
use crate::config::{InfluxdbConfig, OpenTelemetryConfig, PrometheusConfig, StatsdConfig};
use crate::environment::Environment;

mod influxdb;
mod opentelemetry;
mod prometheus;
mod statsd;
mod values;

/// The names of the commands.
pub const COMMANDS: [&str; 8] = [
    "LD_start_prometheus_exporter",
    "LD_stop_prometheus_exporter",
    "LD_start_influxdb_sink",
    "LD_stop_influxdb_sink",
    "LD_start_statsd_sink",
    "LD_stop_statsd_sink",
    "LD_start_opentelemetry_exporter",
    "LD_stop_opentelemetry_exporter",
];

/// What an action asks for. What it leaves out has LoadDensity's default.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// `LD_start_prometheus_exporter`
    StartPrometheus(PrometheusConfig),
    /// `LD_stop_prometheus_exporter`
    StopPrometheus,
    /// `LD_start_influxdb_sink`
    StartInfluxdb(InfluxdbConfig),
    /// `LD_stop_influxdb_sink`
    StopInfluxdb,
    /// `LD_start_statsd_sink`
    StartStatsd(StatsdConfig),
    /// `LD_stop_statsd_sink`
    StopStatsd,
    /// `LD_start_opentelemetry_exporter`
    StartOpenTelemetry(OpenTelemetryConfig),
    /// `LD_stop_opentelemetry_exporter`
    StopOpenTelemetry,
}

impl Command {
    /// Reads `action`, and no environment variable. Nothing is started.
    ///
    /// # Errors
    /// [`Problem::UnknownCommand`] where it is none of [`COMMANDS`]; all that can be wrong with its arguments.
    pub fn from_action(action: &JsonAction) -> Result<Self, ActionError> {
        Self::from_action_in(action, &Environment::default())
    }

    /// Reads `action`. What it leaves out has the value that the backend's standard variables say in `environment`, and
    /// where they say nothing the default. Nothing is started.
    ///
    /// # Errors
    /// As [`from_action`](Self::from_action), and [`Problem::Environment`] for a variable of the exporter's that cannot be
    /// used.
    pub fn from_action_in(action: &JsonAction, environment: &Environment) -> Result<Self, ActionError> {
        match action.command.as_str() {
            "LD_start_prometheus_exporter" => {
                let reader = ArgumentReader::new(action, &prometheus::SIGNATURE)?;
                let base = PrometheusConfig::from_env(&unsaid(reader, &prometheus::VARIABLES, environment));
                prometheus::config(reader, reader.environment(base)?).map(Self::StartPrometheus)
            }
            "LD_start_influxdb_sink" => {
                let reader = ArgumentReader::new(action, &influxdb::SIGNATURE)?;
                influxdb::config(reader, environment).map(Self::StartInfluxdb)
            }
            "LD_start_statsd_sink" => {
                let reader = ArgumentReader::new(action, &statsd::SIGNATURE)?;
                let base = StatsdConfig::from_env(&unsaid(reader, &statsd::VARIABLES, environment));
                statsd::config(reader, reader.environment(base)?).map(Self::StartStatsd)
            }
            "LD_start_opentelemetry_exporter" => {
                let reader = ArgumentReader::new(action, &opentelemetry::SIGNATURE)?;
                opentelemetry::config(reader, environment).map(Self::StartOpenTelemetry)
            }
            "LD_stop_prometheus_exporter" => stop(action, Self::StopPrometheus),
            "LD_stop_influxdb_sink" => stop(action, Self::StopInfluxdb),
            "LD_stop_statsd_sink" => stop(action, Self::StopStatsd),
            "LD_stop_opentelemetry_exporter" => stop(action, Self::StopOpenTelemetry),
            _ => Err(ActionError::unknown_command(action, &[])),
        }
    }

    /// The exporter that it is about.
    #[must_use]
    pub const fn exporter(&self) -> Exporter {
        match self {
            Self::StartPrometheus(_) | Self::StopPrometheus => Exporter::Prometheus,
            Self::StartInfluxdb(_) | Self::StopInfluxdb => Exporter::Influxdb,
            Self::StartStatsd(_) | Self::StopStatsd => Exporter::Statsd,
            Self::StartOpenTelemetry(_) | Self::StopOpenTelemetry => Exporter::OpenTelemetry,
        }
    }

    /// Whether it starts its exporter; else it stops it.
    #[must_use]
    pub const fn is_start(&self) -> bool {
        matches!(
            self,
            Self::StartPrometheus(_) | Self::StartInfluxdb(_) | Self::StartStatsd(_) | Self::StartOpenTelemetry(_)
        )
    }
}

impl ActionError {
    /// That `action` was not carried out for this.
    #[must_use]
    pub fn new(action: &JsonAction, problem: Problem) -> Self {
        Self { index: action.index, command: action.command.clone(), problem }
    }

    /// Says that `action` is none of [`COMMANDS`], nor of `others`, which the program knows besides.
    #[must_use]
    pub fn unknown_command(action: &JsonAction, others: &[&'static str]) -> Self {
        let known: Vec<&'static str> = COMMANDS.iter().chain(others).copied().collect();
        let near = nearest(&action.command, known.iter().copied());
        Self::new(action, Problem::UnknownCommand { known, near })
    }

    /// Whether the action's command is not known here; it may be known to the program.
    #[must_use]
    pub const fn is_unknown_command(&self) -> bool {
        matches!(self.problem, Problem::UnknownCommand { .. })
    }
}

/// `environment` without the variables of parameters that the action gives: they are not read, so that none of them keeps
/// the exporter from starting.
fn unsaid(reader: ArgumentReader<'_>, variables: &[(&str, &[&str])], environment: &Environment) -> Environment {
    let said = variables.iter().filter(|(key, _)| reader.value(key).is_some());
    environment.without(&said.flat_map(|(_, names)| names.iter().copied()).collect::<Vec<_>>())
}

/// The parameter of `action` that gives `field` of the exporter's configuration, by the name that it is given by.
pub(super) fn key_of(action: &JsonAction, exporter: Exporter, field: &'static str) -> &'static str {
    let (signature, fields): (_, &[_]) = match exporter {
        Exporter::Prometheus => (&prometheus::SIGNATURE, &prometheus::FIELDS),
        Exporter::Influxdb => (&influxdb::SIGNATURE, &influxdb::FIELDS),
        Exporter::Statsd => (&statsd::SIGNATURE, &statsd::FIELDS),
        Exporter::OpenTelemetry => (&opentelemetry::SIGNATURE, &opentelemetry::FIELDS),
    };
    let key = fields.iter().find(|(named, _)| *named == field).map_or(field, |(_, key)| *key);
    debug_assert!(signature.parameters().any(|known| known == key), "{field} has no parameter");
    ArgumentReader::new(action, signature).map_or(key, |reader| reader.name(key))
}

static STOP: Signature = Signature::new(&[]);

fn stop(action: &JsonAction, command: Command) -> Result<Command, ActionError> {
    ArgumentReader::new(action, &STOP).map(|_| command)
}

#[cfg(test)]
mod tests;
