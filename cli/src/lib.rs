//! The command line of loaddensity-metrics: runs LoadDensity Action-JSON, with a reference load engine for
//! `LD_start_test`, the demo, and the measuring of what it all costs.
//!
//! Nothing here is needed to embed the metrics; [`engine`] shows how it is done. The demo's receivers are public for
//! the integration tests.

mod args;
mod complaints;
mod cost;
#[cfg(feature = "demo")]
mod demo;
pub mod engine;
mod exit;
mod failure_warnings;
mod heard;
mod identity;
mod interrupt;
mod live;
mod losses;
mod numbers;
#[cfg(feature = "demo")]
pub mod receivers;
mod runner;
mod say;
mod source;
mod start_test;

use std::process::ExitCode;

use clap::Parser;
use loaddensity_metrics_shell::environment::Environment;
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_smol::Smol;
use loaddensity_metrics_tokio::Tokio;

use self::args::{Args, RuntimeName, Task};
use self::exit::Ending;
use self::runner::RunOptions;
use self::source::{Source, SourceError};

/// What the binary does.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(instead) => return show(&instead),
    };
    match args.runtime {
        RuntimeName::Tokio => run::<Tokio>(args),
        RuntimeName::Smol => run::<Smol>(args),
    }
}

fn run<R: Runtime>(args: Args) -> ExitCode {
    let environment = if args.env { Environment::process() } else { Environment::default() };
    let options = RunOptions {
        environment,
        identity: args.identity,
        status_label: args.status_label.map(Into::into),
        linger: args.linger,
        allow_loss: args.allow_loss,
    };
    let sources = match args.task {
        Task::Run { file } if file.as_os_str() == "-" => Source::stdin().map(|source| vec![source]),
        Task::Run { file } => Source::file(&file).map(|source| vec![source]),
        Task::RunDir { dir } => Source::below(&dir),
        Task::RunStr { json } => Ok(vec![Source::argument(json)]),
        #[cfg(feature = "demo")]
        Task::Demo { seconds, rate } => return demo::run::<R>(args.runtime, seconds.into(), rate.into()),
        Task::Cost(load) => return cost::run(&load),
    };
    match sources {
        Ok(sources) => runner::run::<R>(&sources, options),
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
    ExitCode::from(Ending::FAILED.code())
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
