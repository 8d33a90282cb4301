//! What is said on stdout and stderr.
//!
//! Whoever reads may be gone (`| head`). That is no reason to end a load test, so errors of writing are passed over;
//! `println!` would panic.

use std::fmt;
use std::io::{Write as _, stderr, stdout};

/// A line of what was asked for.
pub(crate) fn out(line: fmt::Arguments<'_>) {
    let _ = writeln!(stdout().lock(), "{line}");
}

/// A line about what goes on, or went wrong.
pub(crate) fn err(line: fmt::Arguments<'_>) {
    let _ = writeln!(stderr().lock(), "{line}");
}
