//! The paired runner: `cargo bench -p loaddensity-metrics-benches --bench ratios -- [--only TEXT] [--markdown]`.

use std::process::ExitCode;

use loaddensity_metrics_benches::options::RatioOptions;
use loaddensity_metrics_benches::{contests, runner};

fn main() -> ExitCode {
    let options = match RatioOptions::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    for build in contests::ALL {
        for contest in build(&options) {
            runner::run(contest, &options);
        }
    }
    for contest in contests::record::thread_contests(&options) {
        runner::threads::run(&contest, &options);
    }
    ExitCode::SUCCESS
}
