//! Ctrl-C: the first ends a run early, with the results so far; the second ends the process at once.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

/// Exit code of a process that ended on SIGINT: 128 + 2.
const EXIT_CODE: i32 = 130;

static PRESSED: AtomicBool = AtomicBool::new(false);

/// Takes over SIGINT for this process. Once.
///
/// # Errors
/// Where it has been taken over before, or the operating system refuses.
pub fn install() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        // Nothing else is published through the flag, so relaxed is enough.
        if PRESSED.swap(true, Ordering::Relaxed) {
            process::exit(EXIT_CODE);
        }
        eprintln!("\ninterrupted: showing what there is; press Ctrl-C again to exit at once");
    })
}

/// Whether Ctrl-C was pressed.
#[must_use]
pub fn pressed() -> bool {
    PRESSED.load(Ordering::Relaxed)
}
