//! The commands, and what an action says with them as a typed configuration.

use loaddensity_metrics_core::Exporter;

use super::arguments::{ArgumentReader, Signature};
use super::document::JsonAction;
use super::error::{ActionError, Problem};
use super::suggestion::nearest;
use crate::config::ExporterConfig;
use crate::environment::Environment;
use crate::error::StartError;

mod influxdb;
mod opentelemetry;
mod prometheus;
mod statsd;
mod values;

macro_rules! commands {
    ($($exporter:ident: $folder:ident, feature $feature:literal {
        $(#[$start_doc:meta])* fn $start:ident($config:ident) -> $answer:ty = $Start:ident;
        $(#[$stop_doc:meta])* fn $stop:ident() = $Stop:ident;
    })*) => {
        /// The names of the commands.
        pub const COMMANDS: [&str; 2 * Exporter::ALL.len()] =
            [$(concat!("LD_", stringify!($start)), concat!("LD_", stringify!($stop)),)*];

        /// What an action asks for. What it leaves out has LoadDensity's default.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Command {$(
            #[doc = concat!("`LD_", stringify!($start), "`")]
            $Start(crate::$config),
            #[doc = concat!("`LD_", stringify!($stop), "`")]
            $Stop,
        )*}

        impl Command {
            /// Reads `action`. What it leaves out has the value that the backend's standard variables say in `environment`,
            /// and where they say nothing the default. Nothing is started.
            ///
            /// # Errors
            /// As [`from_action`](Self::from_action), and [`Problem::Environment`] for a variable of the exporter's that
            /// cannot be used.
            pub fn from_action_in(action: &JsonAction, environment: &Environment) -> Result<Self, ActionError> {
                match action.command.as_str() {
                    $(
                        concat!("LD_", stringify!($start)) => {
                            let reader = ArgumentReader::new(action, &$folder::SIGNATURE)?;
                            $folder::config(reader, environment).map(Self::$Start)
                        }
                        concat!("LD_", stringify!($stop)) => {
                            ArgumentReader::new(action, &STOP).map(|_| Self::$Stop)
                        }
                    )*
                    _ => Err(ActionError::unknown_command(action, &[])),
                }
            }

            /// The exporter that it is about.
            #[must_use]
            pub const fn exporter(&self) -> Exporter {
                match self {
                    $(Self::$Start(_) | Self::$Stop => Exporter::$exporter,)*
                }
            }

            /// Whether it starts its exporter; else it stops it.
            #[must_use]
            pub const fn is_start(&self) -> bool {
                matches!(self, $(Self::$Start(_))|*)
            }

            /// What it starts; `None`: it stops its exporter.
            pub(super) fn into_config(self) -> Option<ExporterConfig> {
                match self {
                    $(
                        Self::$Start(config) => Some(ExporterConfig::$exporter(config)),
                        Self::$Stop => None,
                    )*
                }
            }
        }

        /// The parameters of the start of `exporter`, and which of them gives a field that has another name.
        fn parameters_of(exporter: Exporter) -> (&'static Signature, &'static [(&'static str, &'static str)]) {
            match exporter {
                $(Exporter::$exporter => (&$folder::SIGNATURE, &$folder::FIELDS),)*
            }
        }
    };
}

crate::each_exporter!(commands);

impl Command {
    /// Reads `action`, and no environment variable. Nothing is started.
    ///
    /// # Errors
    /// [`Problem::UnknownCommand`] where it is none of [`COMMANDS`]; all that can be wrong with its arguments.
    pub fn from_action(action: &JsonAction) -> Result<Self, ActionError> {
        Self::from_action_in(action, &Environment::default())
    }

    /// Looks for values that cannot work, as the start that `action` asks for does before it touches anything. What only
    /// the exporter can judge (a URL, a prefix, whether a host has an address) shows when it starts.
    ///
    /// # Errors
    /// [`Problem::Start`], as an error of `action`.
    pub fn check(&self, action: &JsonAction) -> Result<(), ActionError> {
        let Some(config) = self.clone().into_config() else { return Ok(()) };
        let checked = config.as_configuration().check();
        checked.map_err(|error| ActionError::new(action, Problem::of_start(action, self.exporter(), error)))
    }
}

impl Problem {
    /// A start that was refused, with the parameter of `action` that it is for.
    pub(super) fn of_start(action: &JsonAction, exporter: Exporter, error: StartError) -> Self {
        let key = error.field().map(|field| key_of(action, exporter, field));
        Self::Start { error, key }
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
fn key_of(action: &JsonAction, exporter: Exporter, field: &'static str) -> &'static str {
    let (signature, fields) = parameters_of(exporter);
    let key = fields.iter().find(|(named, _)| *named == field).map_or(field, |(_, key)| *key);
    debug_assert!(signature.parameters().any(|known| known == key), "{field} has no parameter");
    ArgumentReader::new(action, signature).map_or(key, |reader| reader.name(key))
}

/// No stop has parameters.
static STOP: Signature = Signature::new(&[]);

#[cfg(test)]
mod tests;
