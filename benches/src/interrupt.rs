//! Signals that ask for the end: the first ends a run early, with the results so far; the second ends the process at once.

use std::io;
use std::sync::OnceLock;

use loaddensity_metrics_cli::interrupt::Interrupt;

static INTERRUPT: OnceLock<Interrupt> = OnceLock::new();

/// Takes over the signals for this process. Once.
///
/// # Errors
/// What the operating system answers.
pub fn install() -> io::Result<()> {
    let interrupt = Interrupt::install("showing what there is")?;
    let _ = INTERRUPT.set(interrupt);
    Ok(())
}

/// Whether a signal came.
#[must_use]
pub fn pressed() -> bool {
    INTERRUPT.get().is_some_and(Interrupt::pressed)
}
