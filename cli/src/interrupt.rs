//! Ctrl-C: the first asks for a clean end, the second ends at once.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::say;

/// Exit code of a process that ended on SIGINT: 128 + 2.
pub(crate) const EXIT_CODE: u8 = 130;

/// Whether Ctrl-C was pressed.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Takes over SIGINT for this process. Once. `doing` says what the first Ctrl-C has it do.
    pub(crate) fn install(doing: &'static str) -> Result<Self, ctrlc::Error> {
        let pressed = Arc::new(AtomicBool::new(false));
        let handler = pressed.clone();
        // Nothing else is published through the flag, so relaxed is enough.
        ctrlc::set_handler(move || {
            if handler.swap(true, Ordering::Relaxed) {
                process::exit(EXIT_CODE.into());
            }
            say::err(format_args!("\ninterrupted: {doing}; press Ctrl-C again to exit at once"));
        })?;
        Ok(Self(pressed))
    }

    pub(crate) fn pressed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
