//! The command line of loaddensity-metrics: runs LoadDensity Action-JSON, with a reference load engine for
//! `LD_start_test`, the demo, and the measuring of what it all costs.
//!
//! Nothing here is needed to embed the metrics; [`engine`] shows how it is done. The demo's receivers are public for
//! the integration tests; [`interrupt`] is public for the benches.

mod args;
mod complaints;
mod cost;
#[cfg(feature = "demo")]
mod demo;
mod document_json;
pub mod engine;
mod examples;
mod exit;
mod exporter_events;
mod failure_warnings;
mod identity;
pub mod interrupt;
mod live;
mod losses;
#[cfg(any(feature = "packaging", test))]
mod packaging;
#[cfg(feature = "demo")]
mod receive;
#[cfg(feature = "demo")]
pub mod receivers;
mod run_options;
mod runner;
mod say;
mod source;
mod start_test;

use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;

use loaddensity_metrics_shell::runtime::Runtime;
#[cfg(feature = "smol")]
use loaddensity_metrics_smol::Smol;
use loaddensity_metrics_tokio::Tokio;

use self::args::{CliArgs, CliCommand, CompletionShell, RuntimeName};
use self::exit::CommandEnding;
use self::say::ResultForm;
use self::source::DocumentSource;

/// Why a command failed; the text is for the user.
type CommandError = Box<dyn std::error::Error>;

/// What the binary does.
pub fn main() -> ExitCode {
    let args = match CliArgs::read(std::env::args_os()) {
        Ok(args) => args,
        Err(instead) => return show(&instead),
    };
    match args.runtime {
        RuntimeName::Tokio => run::<Tokio>(args),
        #[cfg(feature = "smol")]
        RuntimeName::Smol => run::<Smol>(args),
        #[cfg(not(feature = "smol"))]
        RuntimeName::Smol => wrong_usage(&WITHOUT_SMOL),
    }
}

fn run<R: Runtime>(args: CliArgs) -> ExitCode {
    let form = if args.json { ResultForm::Json } else { ResultForm::Words };
    let sources = match args.task {
        CliCommand::Run { file } if file.as_os_str() == "-" => DocumentSource::stdin().map(|source| vec![source]),
        CliCommand::Run { file } => DocumentSource::file(&file).map(|source| vec![source]),
        CliCommand::RunDir { dir } => DocumentSource::below(&dir),
        CliCommand::RunStr { document } => Ok(vec![DocumentSource::argument(document)]),
        #[cfg(feature = "demo")]
        CliCommand::Demo { seconds, rate } => return demo::run::<R>(args.runtime, seconds.into(), rate.into(), form),
        #[cfg(feature = "demo")]
        CliCommand::Receive(receive) => return receive::run::<R>(&receive, form),
        CliCommand::Cost(load) => return cost::run(&load, form),
        CliCommand::Completions { shell } => return ended(completions(shell)),
        CliCommand::Man { folder } => return ended(man(folder.as_deref())),
    };
    match sources {
        Ok(sources) => runner::run::<R>(&sources, args.options, form),
        Err(error) => wrong_usage(&error),
    }
}

/// Said where smol was left out.
#[cfg(not(feature = "smol"))]
const WITHOUT_SMOL: &str = "smol was left out of this build, which saves time; with it: \
     cargo run --release --features smol -- demo --runtime smol";

#[cfg(feature = "packaging")]
fn completions(shell: CompletionShell) -> Result<(), CommandError> {
    Ok(say::bytes(&packaging::completions(shell))?)
}

#[cfg(feature = "packaging")]
fn man(folder: Option<&Path>) -> Result<(), CommandError> {
    match folder {
        Some(folder) => packaging::pages(folder)?,
        None => say::bytes(&packaging::page()?)?,
    }
    Ok(())
}

#[cfg(not(feature = "packaging"))]
fn completions(_: CompletionShell) -> Result<(), CommandError> {
    Err(WITHOUT_PACKAGING.into())
}

#[cfg(not(feature = "packaging"))]
fn man(_: Option<&Path>) -> Result<(), CommandError> {
    Err(WITHOUT_PACKAGING.into())
}

/// Said where the commands for packages were left out.
#[cfg(not(feature = "packaging"))]
const WITHOUT_PACKAGING: &str = "completions and man pages were left out of this build, which saves time; one with them is \
     cargo build --release -p loaddensity-metrics-cli --features packaging";

fn ended(result: Result<(), CommandError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

/// Help, the version, or what is wrong with the arguments.
fn show(instead: &clap::Error) -> ExitCode {
    match say::written(instead.print()) {
        Err(error) if !instead.use_stderr() => failed(&error),
        Ok(()) | Err(_) => ExitCode::from(u8::try_from(instead.exit_code()).unwrap_or(exit::USAGE)),
    }
}

fn wrong_usage(error: &dyn Display) -> ExitCode {
    say::err(format_args!("error: {error}"));
    ExitCode::from(exit::USAGE)
}

/// The program itself cannot do its work.
fn failed(error: &dyn std::error::Error) -> ExitCode {
    say::err(format_args!("error: {error}"));
    ExitCode::from(CommandEnding::FAILED.code())
}

/// The README's examples, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// The examples for authors of load engines, likewise.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
#[doc = include_str!("../../docs/failures.md")]
#[doc = include_str!("../../docs/own-instruments.md")]
struct Embedding;

/// The examples of labels, gauges and exemplars, likewise.
#[cfg(doctest)]
#[doc = include_str!("../../docs/gauges-and-exemplars.md")]
struct LabelsAndGauges;

/// The examples for LoadDensity's users, likewise.
#[cfg(doctest)]
#[doc = include_str!("../../docs/migrating.md")]
struct Migrating;

/// The example of docs/generators.md, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../docs/generators.md")]
struct Generators;

/// The examples of configurations, likewise.
#[cfg(doctest)]
#[doc = include_str!("../../docs/dogstatsd.md")]
#[doc = include_str!("../../docs/influxdb.md")]
#[doc = include_str!("../../docs/opentelemetry.md")]
#[doc = include_str!("../../docs/prometheus.md")]
#[doc = include_str!("../../docs/threads.md")]
#[doc = include_str!("../../docs/tls.md")]
struct Configurations;
