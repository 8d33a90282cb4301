//! How the program ends: its exit codes. Of those that apply, the first in the order of [`HELP`] counts.

use crate::interrupt::Signal;

/// What `--help` says. 4 (a threshold was crossed) and 5 (the backend stored something else than was sent) are reserved; in
/// this order they come between 1 and 3.
pub(crate) const HELP: &str = "\
Exit codes, the first that applies:
  2      wrong usage
  129, 130, 143
         ended by SIGHUP, SIGINT (Ctrl-C), SIGTERM; all was stopped and flushed, unless a second signal came. A signal
         that is ignored at the start (nohup, a background job of a script) stays ignored. receive ends so with 0 or 1
  1      an action failed, or the program itself did: stdout that cannot be written, the demo's check, something bad that
         came to receive
  3      something that was recorded was not delivered, a page from which nobody took anything included; what sampling
         left out on request aside. What a page showed after its last scrape counts only where it was asked to linger.
         With --allow-loss it is 0
  0      all went well";

/// Exit code of wrong usage, clap's as well.
pub(crate) const USAGE: u8 = 2;

/// Exit code where something that was recorded was not delivered.
pub(crate) const LOST: u8 = 3;

/// What happened that the exit code tells.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CommandEnding {
    /// The signal that asked for the end.
    pub(crate) signal: Option<Signal>,
    /// An action failed, or the program itself did.
    pub(crate) failed: bool,
    /// Something that was recorded was not delivered, which is not allowed.
    pub(crate) lost: bool,
}

impl CommandEnding {
    pub(crate) const FAILED: Self = Self { signal: None, failed: true, lost: false };

    /// The exit code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self { signal: Some(signal), .. } => signal.exit_code(),
            Self { failed: true, .. } => 1,
            Self { lost: true, .. } => LOST,
            Self { .. } => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    use super::*;

    #[test]
    fn the_first_that_applies_is_the_exit_code() {
        for (signal, failed, lost, code) in [
            (None, false, false, 0),
            (None, false, true, 3),
            (None, true, true, 1),
            (Some(SIGTERM), true, true, 143),
            (Some(SIGINT), false, false, 130),
            (Some(SIGHUP), false, true, 129),
        ] {
            assert_eq!(CommandEnding { signal: signal.map(Signal), failed, lost }.code(), code);
        }
    }
}
