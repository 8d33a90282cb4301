//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Args as _, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::cost::LoadArgs;
use crate::exit;
use crate::run_options::RunOptions;

/// Runs LoadDensity Action-JSON: starts and stops metrics exporters, and load tests between them.
///
/// A document is a list of actions, for example
///
///   [["LD_start_prometheus_exporter", {"port": 9646}],
///    ["LD_start_test", {"user_detail_dict": {"user": "fast_http_user"}, "user_count": 20, "spawn_rate": 10,
///      "test_time": 30, "tasks": [{"method": "get", "request_url": "http://127.0.0.1:8080/"}]}],
///    ["LD_stop_prometheus_exporter"]]
///
/// LD_start_test takes user_detail_dict, user_count (50), spawn_rate (10 users per second), test_time (60 seconds),
/// tasks, max_rate, a cap in requests per second over all users (none), and traces: with true, every request carries a
/// random trace in a traceparent header, and exemplars show it (false); also variables and host, which complete what tasks
/// leave open (docs/action-json.md).
///
/// A task takes method, request_url (http or https), name (the URL), headers, params, json, data, cookies, auth, timeout
/// (30 seconds), verify (true, false, or a file of certificates), and assertions of a status_code. docs/load-engine.md
/// has them all, with examples. The summary says why requests failed, by kind and by status.
///
/// An action that fails is reported and the next one runs. At the end of a document, exporters that still run are
/// stopped and flushed, and a table shows for each exporter what it recorded, sent and dropped, by cause.
///
/// SIGINT (Ctrl-C), SIGTERM and SIGHUP end it early: exporters are stopped and flushed, and the table is shown. A second
/// signal ends it at once; while a page lingers, it ends that.
#[derive(Debug, Parser)]
#[command(version, verbatim_doc_comment, name = "loaddensity-metrics", after_long_help = exit::HELP)]
pub(crate) struct CliArgs {
    /// The async runtime that exporters and load engine run on.
    #[arg(long, value_enum, default_value_t = RuntimeName::Tokio, global = true)]
    pub(crate) runtime: RuntimeName,

    #[command(flatten)]
    pub(crate) options: RunOptions,

    #[command(subcommand)]
    pub(crate) task: CliCommand,
}

impl CliArgs {
    /// Reads the command line, the program's name included.
    ///
    /// # Errors
    /// Help, the version, or what is wrong: also a flag that says how documents are run, to a command that runs none.
    pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(arguments)?;
        let args = Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        let is_given =
            |flag: &&clap::Arg| matches.value_source(flag.get_id().as_str()) == Some(ValueSource::CommandLine);
        match RunOptions::augment_args(Command::default()).get_arguments().find(is_given) {
            Some(flag) if !args.task.runs_documents() => {
                let name = flag.get_long().unwrap_or_default();
                let text = format!("--{name} says how documents are run, and this command runs none: leave it out");
                Err(command.error(ErrorKind::ArgumentConflict, text))
            }
            _ => Ok(args),
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RuntimeName {
    Tokio,
    Smol,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CliCommand {
    /// Run one document.
    Run {
        /// A file with an Action-JSON document; - reads it from stdin.
        file: PathBuf,
    },
    /// Run every *.json file below a folder, sorted by path, one after another.
    RunDir {
        /// The folder.
        dir: PathBuf,
    },
    /// Run a document given on the command line.
    RunStr {
        /// The document.
        json: String,
    },
    /// Show it all at work: a target, a receiver for each backend, a few seconds of load, and the reconciliation.
    ///
    /// Needs nothing installed. Exits with 1 where a backend did not get exactly what was recorded.
    #[cfg(feature = "demo")]
    Demo {
        /// How long the load lasts.
        #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
        seconds: u16,
        /// Cap of the load, in requests per second.
        #[arg(long, value_name = "REQUESTS", default_value_t = 2_500, value_parser = clap::value_parser!(u32).range(1..))]
        rate: u32,
    },
    /// Measure on this machine what recording and exporting cost, and say what that means for your load.
    ///
    /// Shows nanoseconds per request recorded, per line, message and data point, and memory: bytes per series and recorder,
    /// what is addressed, and what is resident. With --between, recording with colder caches as well.
    /// Nothing leaves the machine. Keep the machine idle meanwhile. Exits with 1 where a measurement counted wrongly.
    Cost(LoadArgs),
}

impl CliCommand {
    const fn runs_documents(&self) -> bool {
        match self {
            Self::Run { .. } | Self::RunDir { .. } | Self::RunStr { .. } => true,
            #[cfg(feature = "demo")]
            Self::Demo { .. } => false,
            Self::Cost(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<CliArgs, clap::Error> {
        CliArgs::read(line.split(' ').map(OsString::from))
    }

    #[test]
    fn flags_of_documents_stand_anywhere_and_are_refused_where_none_are_run() {
        for line in ["x --linger 5 run f.json", "x run f.json --linger 5", "x run-str [] --env", "x cost --series 5"] {
            assert!(read(line).is_ok(), "{line}");
        }
        for (line, flag) in [
            ("x cost --linger 5", "--linger"),
            ("x --env cost", "--env"),
            ("x cost --run 7", "--run"),
            #[cfg(feature = "demo")]
            ("x demo --status-label class", "--status-label"),
        ] {
            let text = read(line).expect_err(line).to_string();
            assert!(text.contains(flag) && text.contains("leave it out"), "{line}: {text}");
        }
    }
}
