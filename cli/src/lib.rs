//! The command line of loaddensity-metrics: runs LoadDensity Action-JSON, with a reference load engine for
//! `LD_start_test`, the demo, and the measuring of what it all costs.
//!
//! Nothing here is needed to embed the metrics; [`engine`] shows how it is done. The demo's receivers are public for
//! the integration tests; what [`cost`] measures with, and [`interrupt`], are public for the benches.

mod args;
mod complaints;
pub mod cost;
#[cfg(feature = "demo")]
mod demo;
pub mod engine;
mod exit;
mod exporter_events;
mod failure_warnings;
mod identity;
pub mod interrupt;
mod live;
mod losses;
mod numbers;
#[cfg(feature = "demo")]
pub mod receivers;
mod run_options;
mod runner;
mod say;
mod source;
mod start_test;

use std::process::ExitCode;

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_smol::Smol;
use loaddensity_metrics_tokio::Tokio;

use self::args::{CliArgs, CliCommand, RuntimeName};
use self::exit::CommandEnding;
use self::source::{DocumentSource, SourceError};

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
        RuntimeName::Smol => run::<Smol>(args),
    }
}

fn run<R: Runtime>(args: CliArgs) -> ExitCode {
    let sources = match args.task {
        CliCommand::Run { file } if file.as_os_str() == "-" => DocumentSource::stdin().map(|source| vec![source]),
        CliCommand::Run { file } => DocumentSource::file(&file).map(|source| vec![source]),
        CliCommand::RunDir { dir } => DocumentSource::below(&dir),
        CliCommand::RunStr { json } => Ok(vec![DocumentSource::argument(json)]),
        #[cfg(feature = "demo")]
        CliCommand::Demo { seconds, rate } => return demo::run::<R>(args.runtime, seconds.into(), rate.into()),
        CliCommand::Cost(load) => return cost::run(&load),
    };
    match sources {
        Ok(sources) => runner::run::<R>(&sources, args.options),
        Err(error) => wrong_usage(&error),
    }
}

/// Help, the version, or what is wrong with the arguments.
fn show(instead: &clap::Error) -> ExitCode {
    match say::written(instead.print()) {
        Err(error) if !instead.use_stderr() => failed(&error),
        Ok(()) | Err(_) => ExitCode::from(u8::try_from(instead.exit_code()).unwrap_or(exit::USAGE)),
    }
}

fn wrong_usage(error: &SourceError) -> ExitCode {
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
#[doc = include_str!("../../docs/tls.md")]
struct Configurations;
