//! The binary `loaddensity-metrics`.

use std::process::ExitCode;

fn main() -> ExitCode {
    loaddensity_metrics_cli::main()
}
