//! Signals that ask for the end: the first for a clean one, the second for one at once.

use std::fs;
use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::signal_name;

use crate::say;

/// One of the signals that ask for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal(pub(crate) i32);

impl Signal {
    /// Exit code of a process that ended on it, as shells have it: 128 and its number.
    pub(crate) const fn exit_code(self) -> u8 {
        128 + self.0 as u8
    }
}

/// Which signals came.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<SignalState>);

/// Nothing else is published through these, so relaxed is enough.
#[derive(Debug, Default)]
struct SignalState {
    /// The first that came, 0 before.
    first: AtomicI32,
    /// Whether all that is left to do is to wait, which the second ends.
    is_waiting: AtomicBool,
    /// Whether the second came meanwhile.
    again: AtomicBool,
}

impl Interrupt {
    /// Takes over SIGHUP, SIGINT and SIGTERM for this process, but for those that are ignored already. Once. `doing` says
    /// what the first has it do.
    pub fn install(doing: &'static str) -> io::Result<Self> {
        let ignored = ignored(&fs::read_to_string("/proc/self/status").unwrap_or_default());
        let wanted = [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
        let mut signals = Signals::new(wanted)?;
        let interrupt = Self::default();
        let came = interrupt.clone();
        let body = move || signals.forever().for_each(|signal| came.came(Signal(signal), doing));
        thread::Builder::new().name("signals".into()).spawn(body)?;
        Ok(interrupt)
    }

    /// Whether a signal came.
    pub fn pressed(&self) -> bool {
        self.signal().is_some()
    }

    /// The first signal that came.
    pub fn signal(&self) -> Option<Signal> {
        Some(self.0.first.load(Ordering::Relaxed)).filter(|signal| *signal != 0).map(Signal)
    }

    /// Says whether only waiting is left to do. A second signal then ends the waiting and nothing else.
    pub(crate) fn waits(&self, is_waiting: bool) {
        self.0.is_waiting.store(is_waiting, Ordering::Relaxed);
    }

    /// Whether a second signal came while all that was left to do was to wait.
    pub(crate) fn pressed_again(&self) -> bool {
        self.0.again.load(Ordering::Relaxed)
    }

    fn came(&self, signal: Signal, doing: &str) {
        let name = signal_name(signal.0).unwrap_or("a signal");
        if !self.pressed() {
            // Before anybody knows of it: who has nothing more to do ends the process, and these words with it.
            say::err(format_args!("\ninterrupted by {name}: {doing}; a second signal ends it at once"));
            self.0.first.store(signal.0, Ordering::Relaxed);
        } else if !self.0.is_waiting.load(Ordering::Relaxed) || self.0.again.swap(true, Ordering::Relaxed) {
            process::exit(signal.exit_code().into());
        }
    }
}

/// The signals that a process ignores, signal 1 in the lowest bit, from its `/proc/self/status` (proc_pid_status(5)). Where
/// there is none, none counts as ignored.
fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read() {
        // As nohup starts a program, and as a shell starts one in the background of a script; SIGPIPE is Rust's.
        let status = |mask: &str| format!("Name:\tsleep\nSigBlk:\t0000000000000002\nSigIgn:\t{mask}\nSigCgt:\tff\n");
        for (text, expected) in [
            (status("0000000000001001"), 1 << (SIGHUP - 1) | 1 << 12),
            (status("0000000000000006"), 1 << (SIGINT - 1) | 1 << 2),
            (status("nonsense"), 0),
            (String::new(), 0),
        ] {
            assert_eq!(ignored(&text), expected, "{text}");
        }
    }
}
