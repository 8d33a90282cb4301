//! What is said on stdout and stderr.
//!
//! Whoever reads may be gone (`| head`). That is no reason to end a load test, so a broken pipe is passed over; `println!`
//! would panic.

use std::fmt;
use std::io::{self, ErrorKind, IsTerminal as _, Write as _, stderr, stdout};

use serde_json::Value;

/// A line of what was asked for.
///
/// # Errors
/// That it cannot be written, for instance to a full disk.
pub(crate) fn out(line: fmt::Arguments<'_>) -> io::Result<()> {
    written(writeln!(stdout().lock(), "{line}"))
}

/// How results are said.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ResultForm {
    /// In words, on stdout.
    Words,
    /// As a line of JSON on stdout, and in words on stderr.
    Json,
}

impl ResultForm {
    /// A result for people.
    ///
    /// # Errors
    /// Those of [`out`].
    pub(crate) fn words(self, words: fmt::Arguments<'_>) -> io::Result<()> {
        match self {
            Self::Words => out(words),
            Self::Json => {
                err(words);
                Ok(())
            }
        }
    }

    /// The same result for programs.
    ///
    /// # Errors
    /// Those of [`out`].
    pub(crate) fn object(self, object: impl FnOnce() -> Value) -> io::Result<()> {
        match self {
            Self::Words => Ok(()),
            Self::Json => out(format_args!("{}", object())),
        }
    }
}

/// A line about what goes on, or went wrong. There is nobody to tell that it cannot be written. It goes out at once: of pieces
/// some would be missing where another thread ends the process.
pub(crate) fn err(line: fmt::Arguments<'_>) {
    let _ = stderr().write_all(format!("{line}\n").as_bytes());
}

/// A line about something that is wrong, over the live line, where there is one.
pub(crate) fn warning(line: fmt::Arguments<'_>) {
    over(format_args!("warning: {line}"));
}

/// A line about what goes on, over the live line, where there is one.
pub(crate) fn over(line: fmt::Arguments<'_>) {
    let clear = if rewrites_lines() { CLEAR } else { "" };
    err(format_args!("{clear}{line}"));
}

/// Clears the live line, where there is one.
pub(crate) fn clear_line() {
    if rewrites_lines() {
        let _ = write!(stderr(), "{CLEAR}");
    }
}

/// Whether stderr is a terminal that can rewrite a line: what is kept in a file or a pipe gets no control characters, nor
/// does a terminal that says it knows none.
pub(crate) fn rewrites_lines() -> bool {
    stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Bytes of what was asked for.
///
/// # Errors
/// Those of [`out`].
#[cfg(feature = "packaging")]
pub(crate) fn bytes(bytes: &[u8]) -> io::Result<()> {
    written(stdout().lock().write_all(bytes))
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
