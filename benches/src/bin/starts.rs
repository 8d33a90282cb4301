//! What a recorded request costs from one start of the process to the next, alone and in company, and the memory of a series.
//!
//! Each figure is one of a process of its own (this binary, started again), which checks the answers as the contests do.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use loaddensity_metrics_benches::backends::BenchError;
use loaddensity_metrics_benches::contests::record;
use loaddensity_metrics_benches::process;
use loaddensity_metrics_benches::recording::RecordingContender;
use loaddensity_metrics_benches::starts::{self, ContenderStarts, StartCost};
use loaddensity_metrics_benches::trace::{self, TraceWork};

/// Measures each contender of the recording contests in processes of its own and in processes with all of them. Prints a
/// Markdown table: median, least and most. Some minutes.
#[derive(Debug, Parser)]
#[command(name = "starts")]
struct StartsArgs {
    /// Series of the trace.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    series: u32,
    /// Processes for each figure.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    starts: u32,
    /// Rounds of each process, of which the fastest counts.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// By strings instead of by handle.
    #[arg(long)]
    strings: bool,
    /// Contenders whose names contain it; all of them without it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Measures in this process and prints it: how this binary starts itself.
    #[command(subcommand)]
    one: Option<StartsCommand>,
}

#[derive(Clone, Debug, Subcommand)]
#[command(hide = true)]
enum StartsCommand {
    /// One contender.
    Alone { name: String },
    /// All contenders.
    Company,
}

fn main() -> ExitCode {
    let args = StartsArgs::parse();
    let run = || match &args.one {
        None => all(&args),
        Some(StartsCommand::Alone { name }) => alone(&args, name),
        Some(StartsCommand::Company) => {
            print_costs(&starts::in_company(recordings(&args), args.work(), args.rounds as usize));
            Ok(())
        }
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

impl StartsArgs {
    fn work(&self) -> &'static TraceWork {
        trace::work(self.series as usize)
    }

    /// Starts this binary with these arguments and `command`; returns what it measured.
    fn again(&self, command: &[&str]) -> Result<Vec<StartCost>, BenchError> {
        let (series, rounds) = (self.series.to_string(), self.rounds.to_string());
        let mut arguments = vec!["--series", &series, "--rounds", &rounds, "--only", &self.only];
        arguments.extend(self.strings.then_some("--strings"));
        arguments.extend(command);
        eprintln!("measuring {}", command.join(" "));
        process::again(&arguments)?.lines().map(|line| line.parse().map_err(BenchError::from)).collect()
    }
}

fn recordings(args: &StartsArgs) -> Vec<RecordingContender> {
    let mut all = if args.strings { record::by_strings(args.work()) } else { record::by_handle(args.work()) };
    all.retain(|recording| recording.name.contains(&args.only));
    all
}

fn all(args: &StartsArgs) -> Result<(), BenchError> {
    let names = recordings(args).into_iter().map(|recording| recording.name);
    let mut contenders: Vec<_> = names.map(|name| (name, ContenderStarts::default())).collect();
    // All of them in turn, so that whatever the machine does in these minutes it does to all.
    for _ in 0..args.starts {
        let mut costs = args.again(&["company"])?;
        for (name, _) in &contenders {
            costs.extend(args.again(&["alone", name])?);
        }
        for cost in costs {
            let contender = contenders.iter_mut().find(|(name, _)| *name == cost.name);
            contender.ok_or_else(|| format!("{}: measured, but nobody asked for it", cost.name))?.1.add(&cost);
        }
    }
    let how = if args.strings { "strings" } else { "handle" };
    println!(
        "Recorded by {how}, {} series: median (least to most) of {} starts of the process, in ns per request, each the\n\
         fastest of {} rounds; resident memory after one pass over the trace.\n",
        args.series, args.starts, args.rounds
    );
    println!("| contender | alone, ns | in company, ns | resident bytes per series |\n|---|--:|--:|--:|");
    for (name, starts) in contenders {
        println!("| {name} | {} |", starts.cells().join(" | "));
    }
    Ok(())
}

fn alone(args: &StartsArgs, name: &str) -> Result<(), BenchError> {
    let recording = recordings(args).into_iter().find(|recording| recording.name == name);
    let recording = recording.ok_or_else(|| format!("{name}: no contender"))?;
    print_costs(&starts::alone(recording, args.work(), args.rounds as usize)?);
    Ok(())
}

fn print_costs(costs: &[StartCost]) {
    costs.iter().for_each(|cost| println!("{cost}"));
}
