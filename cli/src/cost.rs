//! Measures what recording and exporting cost on this machine, and says what that means for the user's load.

use std::process::ExitCode;

use loaddensity_metrics_cost::{DEBUG_BUILD, LoadArgs, measure, most_mebibytes, thousands};

use crate::CommandError;
use crate::exit::{self, CommandEnding};
use crate::interrupt::Interrupt;
use crate::say::{self, ResultForm};

/// Measures, and prints what `load` costs.
pub(crate) fn run(load: &LoadArgs, form: ResultForm) -> ExitCode {
    if let Err(error) = load.check() {
        say::err(format_args!("error: {error}"));
        return ExitCode::from(exit::USAGE);
    }
    match report(load, form) {
        Ok(ending) => ExitCode::from(ending.code()),
        Err(error) => crate::failed(&*error),
    }
}

fn report(load: &LoadArgs, form: ResultForm) -> Result<CommandEnding, CommandError> {
    let interrupt = Interrupt::install("stopping")?;
    if cfg!(debug_assertions) {
        say::err(format_args!("warning: {DEBUG_BUILD}"));
    }
    let (seconds, most) = (load.seconds.as_secs_f64(), thousands(most_mebibytes(load)));
    say::err(format_args!("measuring for {seconds} s on one thread, with up to {most} MiB of memory"));
    if let Some(report) = measure(load, || interrupt.pressed())? {
        form.words(format_args!("{report}"))?;
        form.object(|| report.json())?;
    }
    Ok(CommandEnding { signal: interrupt.signal(), ..CommandEnding::default() })
}
