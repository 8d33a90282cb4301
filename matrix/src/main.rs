//! Exporters on real sockets beside what goes wrong in the field: scenario by scenario, on tokio and on smol.

mod again;
mod backend_process;
mod backends;
mod course;
mod far_backends;
mod generators;
mod hostile;
mod items;
mod law;
mod leftovers;
mod load_generator;
mod memory;
mod namespace;
mod observations_as;
mod own_instruments;
mod process;
mod relay;
mod resources;
mod runner;
mod scenario;
mod scenarios;
mod server;
mod short_buffers;
mod site;
mod steady_load;
mod unix_agent;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::observations_as::ObservationsAs;
use crate::scenario::{MatrixRuntime, SCENARIOS};

/// Runs exporters on real sockets, and lets everything go wrong that goes wrong in the field. Prints a Markdown table. Exits
/// with 1 where a request or an observation was lost in silence, a stop was late or a scenario did not end, and with 2 where this machine cannot
/// run one: which rights or programs it lacks is said.
#[derive(Debug, Parser)]
#[command(name = "matrix", verbatim_doc_comment)]
pub(crate) struct MatrixArgs {
    /// Only those whose name contains one of these.
    pub(crate) names: Vec<String>,
    /// Decides what is left to chance. Without it: drawn, and printed.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// On one runtime only.
    #[arg(long)]
    pub(crate) runtime: Option<MatrixRuntime>,
    /// How DogStatsD and InfluxDB are told what own instruments observed. Without it: one way on one runtime, the other on the
    /// other, and with the next seed the other way round.
    #[arg(long)]
    pub(crate) observations: Option<ObservationsAs>,
    /// Goes on for so many minutes, round by round, each with the next seed; prints the memory of each round.
    #[arg(long)]
    pub(crate) minutes: Option<u64>,
    /// Prints the scenarios and what each does.
    #[arg(long)]
    pub(crate) list: bool,
    /// Runs one scenario in this process. For the command itself.
    #[arg(long, hide = true, requires_all = ["seed", "runtime", "observations"])]
    pub(crate) one: Option<String>,
    /// Serves as the backends of a scenario, with Unix sockets in this folder. For the command itself.
    #[arg(long, hide = true)]
    pub(crate) backends: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = MatrixArgs::parse();
    if let Some(folder) = &args.backends {
        return backend_process::serve(folder);
    }
    if args.list {
        for scenario in SCENARIOS {
            println!("{:<24} {}", scenario.name, scenario.what);
        }
        return ExitCode::SUCCESS;
    }
    leftovers::sweep();
    runner::run(&args)
}
