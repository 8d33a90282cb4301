//! This program once more: in other circumstances, or as somebody else.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::course::Trouble;

/// Set in a process that has become what it was to be.
const MARK: &str = "LOADDENSITY_MATRIX_AGAIN";

/// Becomes the same scenario under `wrapper`, a program that ends by becoming the command that it is given. The process
/// keeps its id, so that the runner can still end it. Call it first in a scenario: it is begun anew.
pub(crate) fn once_under(wrapper: &[&str]) -> Result<(), Trouble> {
    if env::var_os(MARK).is_some() {
        return Ok(());
    }
    let program = env::current_exe()?;
    let error = command(wrapper).arg(program).args(env::args_os().skip(1)).env(MARK, "").exec();
    Err(format!("{}: {error}", wrapper.join(" ")).into())
}

/// This program under `wrapper`, as a process that the kernel kills when the thread that starts it ends, whatever ends it,
/// even where it has been stopped.
pub(crate) fn child(wrapper: &[&str]) -> Result<Command, Trouble> {
    let words: Vec<_> = ["setpriv", "--pdeathsig", "KILL"].iter().chain(wrapper).copied().collect();
    let mut command = command(&words);
    command.arg(env::current_exe()?);
    Ok(command)
}

/// Runs a command, words separated by spaces, and waits for it. What it prints.
pub(crate) fn run(words: &str) -> Result<String, Trouble> {
    let words: Vec<_> = words.split_whitespace().collect();
    let output = command(&words).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("the scenario itself: {}: {}", words.join(" "), said.trim()).into())
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}
