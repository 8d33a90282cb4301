//! What is said on stdout and stderr.
//!
//! Whoever reads may be gone (`| head`). That is no reason to end a load test, so a broken pipe is passed over; `println!`
//! would panic.

use std::fmt;
use std::io::{self, ErrorKind, IsTerminal as _, Write as _, stderr, stdout};

/// A line of what was asked for.
///
/// # Errors
/// That it cannot be written, for instance to a full disk.
pub(crate) fn out(line: fmt::Arguments<'_>) -> io::Result<()> {
    written(writeln!(stdout().lock(), "{line}"))
}

/// A line about what goes on, or went wrong. There is nobody to tell that it cannot be written.
pub(crate) fn err(line: fmt::Arguments<'_>) {
    let _ = writeln!(stderr().lock(), "{line}");
}

/// A line about something that is wrong, over the live line, where there is one.
pub(crate) fn warning(line: fmt::Arguments<'_>) {
    over(format_args!("warning: {line}"));
}

/// A line about what goes on, over the live line, where there is one.
pub(crate) fn over(line: fmt::Arguments<'_>) {
    let clear = if stderr().is_terminal() { CLEAR } else { "" };
    err(format_args!("{clear}{line}"));
}

/// Clears the live line, where there is one.
pub(crate) fn clear_line() {
    if stderr().is_terminal() {
        let _ = write!(stderr(), "{CLEAR}");
    }
}

/// What is wrong with stdout, if anything is but that nobody reads it.
pub(crate) fn written(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(io::Error::new(error.kind(), format!("cannot write to stdout: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Back to the first column, and the line cleared.
const CLEAR: &str = "\r\x1b[K";
