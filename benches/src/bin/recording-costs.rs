//! Measures what recording costs on this machine and puts it into the table of README.md and of `recording-costs.tsv`, in the
//! column of this processor. The columns of others stay.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::{fs, io};

use clap::Parser;
use loaddensity_metrics_benches::backends::BenchError;
use loaddensity_metrics_benches::contests::record;
use loaddensity_metrics_benches::cost_table::{self, CostTable, MEASURED, MeasuredRow};
use loaddensity_metrics_benches::options::RatioOptions;
use loaddensity_metrics_benches::runner;

/// Measures what recording costs and writes this processor's column of `benches/recording-costs.tsv` and of README.md. A minute.
#[derive(Debug, Parser)]
#[command(name = "recording-costs")]
struct RecordingCostsArgs {
    /// The processor's name, instead of what the kernel says.
    #[arg(long, value_name = "NAME")]
    processor: Option<String>,
    /// Interleaved rounds of each contest, of which the fastest counts.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Prints the table and writes nothing.
    #[arg(long)]
    dry_run: bool,
}

const COMMAND: &str = "`--bin recording-costs`";

fn main() -> ExitCode {
    match run(&RecordingCostsArgs::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &RecordingCostsArgs) -> Result<(), BenchError> {
    if cfg!(debug_assertions) && !args.dry_run {
        return Err("a build without optimization: figures are those of `cargo run --profile bench`".into());
    }
    let processor = args.processor.clone().map_or_else(processor, Ok)?;
    let how = [
        ("measured", printed_by("date", &["--utc", "+%F"])?),
        ("rustc", printed_by("rustc", &["--version"])?.split(' ').nth(1).unwrap_or_default().to_owned()),
        ("command", COMMAND.to_owned()),
    ];
    let benches = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (file, readme) = (benches.join("recording-costs.tsv"), benches.join("../README.md"));
    let mut table = CostTable::parse(&fs::read_to_string(&file)?)?;
    table.set_column(&processor, &costs(args.rounds as usize)?, &how);
    if args.dry_run {
        print!("{}", table.markdown());
        return Ok(());
    }
    let document = table.put_into(&fs::read_to_string(&readme)?).ok_or("README.md has no such table")?;
    fs::write(file, table.to_string())?;
    fs::write(readme, document)?;
    println!("written to benches/recording-costs.tsv and README.md, in the column of {processor}");
    Ok(())
}

/// Label and nanoseconds of each row.
fn costs(rounds: usize) -> Result<Vec<(&'static str, String)>, BenchError> {
    let mut minima = Vec::new();
    for title in cost_table::titles() {
        eprintln!("measuring {title}");
        let contests = record::contests(&RatioOptions { only: Some(title.to_owned()), ..RatioOptions::default() });
        for contest in contests.into_iter().filter(|contest| contest.title == title) {
            minima.extend(runner::minima(contest, rounds).into_iter().map(|(name, nanos)| ((title, name), nanos)));
        }
    }
    let cost = |(label, title, contender): &MeasuredRow| {
        let found = minima.iter().find(|(of, _)| *of == (*title, *contender));
        let (_, nanos) = found.ok_or_else(|| format!("{label}: was not measured"))?;
        Ok((*label, if *nanos < 100.0 { format!("{nanos:.1}") } else { format!("{nanos:.0}") }))
    };
    MEASURED.iter().map(cost).collect()
}

/// The processor's name, family and model, of which a guest often has only the last two.
fn processor() -> Result<String, BenchError> {
    let information = fs::read_to_string("/proc/cpuinfo")?;
    let field = |wanted: &str| {
        let mut fields = information.lines().filter_map(|line| line.split_once(':'));
        let found = fields.find(|(name, _)| name.trim() == wanted).map(|(_, value)| value.trim().to_owned());
        found.ok_or_else(|| format!("/proc/cpuinfo has no {wanted:?}: name the processor with --processor"))
    };
    let name = ["(R)", "(TM)", "(r)", "(tm)"].iter().fold(field("model name")?, |name, mark| name.replace(mark, ""));
    let words: Vec<_> = name.split_whitespace().filter(|word| !["CPU", "Processor"].contains(word)).collect();
    Ok(format!("{} (family {}, model {})", words.join(" "), field("cpu family")?, field("model")?))
}

/// The first line that a program prints.
fn printed_by(program: &str, arguments: &[&str]) -> io::Result<String> {
    let output = Command::new(program).args(arguments).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().filter(|_| output.status.success());
    line.map(String::from).ok_or_else(|| io::Error::other(format!("{program}: {}", output.status)))
}
