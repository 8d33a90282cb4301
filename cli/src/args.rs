//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::examples;
use crate::exit;
#[cfg(feature = "demo")]
use crate::receive::ReceiveArgs;
use crate::run_options::RunOptions;
use loaddensity_metrics_cost::LoadArgs;

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
#[command(version, verbatim_doc_comment, name = "loaddensity-metrics", after_help = examples::PROGRAM,
          after_long_help = format!("{}\n\n{}", examples::PROGRAM, exit::HELP))]
pub(crate) struct CliArgs {
    /// The async runtime that exporters and load engine run on; smol in a build with the feature smol.
    #[arg(long, value_enum, default_value_t = RuntimeName::Tokio, global = true, display_order = 100)]
    pub(crate) runtime: RuntimeName,

    /// Write results to stdout for programs, one JSON object a line; what people read goes to stderr.
    ///
    /// docs/command-line.md says what is in the objects, with units.
    #[arg(long, global = true, display_order = 101)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) options: RunOptions,

    #[command(subcommand)]
    pub(crate) task: CliCommand,
}

impl CliArgs {
    /// Reads the command line, the program's name included.
    ///
    /// # Errors
    /// Help, the version, or what is wrong: also a flag of the program that means nothing to this command.
    pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut command = Self::program();
        let matches = command.try_get_matches_from_mut(arguments)?;
        let args = Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        let is_given = |flag: &Arg| matches.value_source(flag.get_id().as_str()) == Some(ValueSource::CommandLine);
        let task = matches.subcommand_name().unwrap_or_default();
        match idle_flags(task).find(is_given) {
            Some(flag) => {
                let name = flag.get_long().unwrap_or_default();
                let text = format!("--{name} means nothing to {task}: leave it out");
                Err(command.error(ErrorKind::ArgumentConflict, text))
            }
            None => Ok(args),
        }
    }

    /// The program, for help and for what is made of it. Each command shows those flags that mean something to it.
    pub(crate) fn program() -> Command {
        let program = Self::command();
        let names: Vec<_> = program.get_subcommands().map(|task| task.get_name().to_owned()).collect();
        names.into_iter().fold(program, |program, name| {
            let hidden = idle_flags(&name).map(|flag| flag.hide(true));
            program.mut_subcommand(&name, |task| task.args(hidden))
        })
    }
}

/// The flags of the whole program that mean nothing to the command `task`.
fn idle_flags(task: &str) -> impl Iterator<Item = Arg> {
    let heeded: Option<&[&str]> = match task {
        "run" | "run-dir" | "run-str" => None,
        "demo" | "receive" => Some(&["runtime", "json"]),
        "cost" => Some(&["json"]),
        _ => Some(&[]),
    };
    let flags: Vec<_> = CliArgs::command().get_arguments().filter(|flag| flag.is_global_set()).cloned().collect();
    flags.into_iter().filter(move |flag| heeded.is_some_and(|heeded| !heeded.contains(&flag.get_id().as_str())))
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RuntimeName {
    Tokio,
    Smol,
}

#[cfg(feature = "demo")]
impl RuntimeName {
    /// As it is given.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Tokio => "tokio",
            Self::Smol => "smol",
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum CliCommand {
    /// Run one document.
    #[command(after_help = examples::RUN)]
    Run {
        /// A file with an Action-JSON document; - reads it from stdin.
        file: PathBuf,
    },
    /// Run every *.json file below a folder, sorted by path, one after another.
    #[command(after_help = examples::RUN_DIR)]
    RunDir {
        /// The folder.
        dir: PathBuf,
    },
    /// Run a document given on the command line.
    #[command(after_help = examples::RUN_STR)]
    RunStr {
        /// The document.
        #[arg(value_name = "JSON")]
        document: String,
    },
    /// Show it all at work: a target, a receiver for each backend, a few seconds of load, and the reconciliation.
    ///
    /// All of it runs in this process, over the loopback interface, and nothing has to be installed. The table at the end
    /// has a row for each backend: how many requests were recorded and sent, and how many arrived, as other people's
    /// parsers count them in what came over the wire. Exits with 1 where a backend did not get exactly what was recorded.
    #[cfg(feature = "demo")]
    #[command(after_help = examples::DEMO)]
    Demo {
        /// How long the load lasts.
        #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
        seconds: u16,
        /// Cap of the load, in requests per second.
        #[arg(long, value_name = "REQUESTS", default_value_t = 2_500, value_parser = clap::value_parser!(u32).range(1..))]
        rate: u32,
    },
    /// Receive what exporters send, where no server is at hand, and say what arrived: InfluxDB, DogStatsD, OTLP, and a page.
    ///
    /// Listens on the loopback interface, at the ports that exporters send to by default. Every few seconds it prints for each
    /// series and metric that changed how many values came and what they add up to, and at the end all of them. A line that
    /// is bad is shown with the reason, by the parsers that judge the demo. Counters and histograms of OTLP and of a page
    /// are cumulative: their newest value counts.
    ///
    /// Ctrl-C, SIGTERM or --for end it; the exit code is 0 then.
    #[cfg(feature = "demo")]
    #[command(after_help = examples::RECEIVE)]
    Receive(ReceiveArgs),
    /// Measure on this machine what recording and exporting cost, and say what that means for your load.
    ///
    /// Say how many requests a second your engine makes, over how many series and threads. The first table has what one of
    /// each thing costs: a request that is recorded, a line, a message, a data point. Then comes memory: bytes per series
    /// and recorder, what is addressed, and what is resident. At the end all of it is multiplied by your load, in shares
    /// of a core.
    ///
    /// Nothing leaves the machine. Keep it idle meanwhile; a line says how busy it was. Exits with 1 where a measurement
    /// counted wrongly.
    #[command(after_help = examples::COST)]
    Cost(LoadArgs),
    /// Write a shell's completions to stdout.
    #[command(after_help = examples::COMPLETIONS)]
    Completions {
        /// The shell that they are for.
        shell: CompletionShell,
    },
    /// Write the man page to stdout, or into a folder, with a page for each command.
    #[command(after_help = examples::MAN)]
    Man {
        /// The folder, which must be there. The program's page in it is loaddensity-metrics.1.
        folder: Option<PathBuf>,
    },
}

/// A shell that completions are written for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum CompletionShell {
    Bash,
    Elvish,
    Fish,
    #[value(name = "powershell")]
    PowerShell,
    Zsh,
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

    #[test]
    fn each_command_shows_the_flags_that_mean_something_to_it() {
        for (task, shown, hidden) in [
            ("run", &["--env", "--linger", "--worker", "--runtime", "--json"][..], &[][..]),
            #[cfg(feature = "demo")]
            ("demo", &["--seconds", "--rate", "--runtime", "--json"], &["--env", "--linger", "--worker"]),
            #[cfg(feature = "demo")]
            ("receive", &["--statsd", "--scrape", "--for", "--runtime", "--json"], &["--env", "--linger", "--worker"]),
            ("cost", &["--series", "--json"], &["--env", "--linger", "--worker", "--runtime"]),
            ("completions", &["<SHELL>"], &["--env", "--linger", "--worker", "--runtime", "--json"]),
            ("man", &["[FOLDER]"], &["--env", "--linger", "--worker", "--runtime", "--json"]),
        ] {
            for help in ["-h", "--help"] {
                let text = read(&format!("x {task} {help}")).expect_err("help").to_string();
                assert!(shown.iter().all(|flag| text.contains(flag)), "{task}: {text}");
                assert!(!hidden.iter().any(|flag| text.contains(flag)), "{task}: {text}");
                assert!(text.contains("Example"), "{task}: {text}");
            }
        }
    }

    /// Those of the program and of each command, as a shell would split them.
    #[test]
    fn every_example_is_taken() {
        let program = CliArgs::program();
        let helps =
            [program.get_after_help()].into_iter().chain(program.get_subcommands().map(Command::get_after_help));
        for help in helps {
            // A line that is indented further goes on with the one before.
            let text = help.expect("examples").to_string().replace("\n          ", " ");
            let lines: Vec<_> = text.lines().filter_map(|line| line.split_once("loaddensity-metrics ")).collect();
            assert!(!lines.is_empty(), "{text}");
            for (_, line) in lines {
                // Quoted text is every second piece between quotes; what follows > or | is the shell's.
                let pieces = line.split('\'').enumerate().flat_map(|(at, piece)| match at % 2 {
                    0 => piece.split_whitespace().collect(),
                    _ => vec![piece],
                });
                let words = pieces.take_while(|word| !matches!(*word, ">" | "|"));
                let arguments = ["x"].into_iter().chain(words).map(OsString::from);
                let error = CliArgs::read(arguments).err().map(|error| error.kind());
                assert!(matches!(error, None | Some(ErrorKind::DisplayHelp)), "{line}: {error:?}");
            }
        }
    }
}
