//! Running the binary.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_loaddensity-metrics");

/// Far more than any run needs; it turns a hang into a failure.
const LIMIT: Duration = Duration::from_secs(120);

/// The binary, at work.
pub(crate) struct Running {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    /// Lines of stderr as they come.
    lines: Receiver<String>,
    stderr: String,
}

/// What the binary did.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Starts the binary.
pub(crate) fn start(arguments: &[&str]) -> Running {
    start_with(arguments, &[])
}

/// Starts the binary as whoever ignores `signals` does: `HUP`, or several with spaces between.
pub(crate) fn start_ignoring(signals: &str, arguments: &[&str]) -> Running {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("trap '' {signals}; exec \"$0\" \"$@\""), BINARY]).args(arguments);
    spawn(&mut shell, Stdio::null())
}

/// Starts the binary with these environment variables besides.
fn start_with(arguments: &[&str], variables: &[(&str, &str)]) -> Running {
    spawn(binary().args(arguments).envs(variables.iter().copied()), Stdio::null())
}

/// The binary, deaf to what the machine that runs the tests says of colours: a machine of CI sets `CI`, for instance, which
/// gives even a dumb terminal colours.
fn binary() -> Command {
    let mut command = Command::new(BINARY);
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
        command.env_remove(variable);
    }
    command
}

/// Starts `command` with `stdin`, and pipes for what it says.
fn spawn(command: &mut Command, stdin: Stdio) -> Running {
    let mut child =
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    let (mut out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let stdout = thread::spawn(move || {
        let mut text = String::new();
        out.read_to_string(&mut text).expect("text");
        text
    });
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(err).lines() {
            if sender.send(line.expect("text")).is_err() {
                break;
            }
        }
    });
    Running { child, stdout: Some(stdout), lines, stderr: String::new() }
}

/// Runs the binary to its end.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    start(arguments).end()
}

/// Runs the binary to its end with these environment variables besides.
pub(crate) fn run_with(arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    start_with(arguments, variables).end()
}

/// Runs the binary to its end as whoever ignores `signals` does.
pub(crate) fn run_ignoring(signals: &str, arguments: &[&str]) -> Ended {
    start_ignoring(signals, arguments).end()
}

/// Runs the binary to its end with `input` on stdin.
pub(crate) fn run_with_stdin(arguments: &[&str], input: &[u8]) -> Ended {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    // It fits into the pipe.
    writer.write_all(input).expect("written");
    drop(writer);
    spawn(Command::new(BINARY).args(arguments), reader.into()).end()
}

/// Runs the binary to its end with a stdout that has no room.
pub(crate) fn run_into_a_full_disk(arguments: &[&str]) -> Ended {
    let full = File::options().write(true).open("/dev/full").expect("Linux has one");
    let output =
        Command::new(BINARY).args(arguments).stdin(Stdio::null()).stdout(full).output().expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ended { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs the binary to its end on a terminal that says it is a `term`, with these environment variables besides; returns all
/// that the terminal was sent.
#[cfg(target_os = "linux")]
pub(crate) fn run_on_a_terminal(arguments: &[&str], term: &str, variables: &[(&str, &str)]) -> Vec<u8> {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
    grantpt(&terminal).expect("granted");
    unlockpt(&terminal).expect("unlocked");
    let name = ptsname(&terminal, Vec::new()).expect("a name").into_string().expect("text");
    let open = || File::options().read(true).write(true).open(&name).expect("its other end");
    let mut command = binary();
    command.args(arguments).env("TERM", term).envs(variables.iter().copied());
    let mut child = command.stdin(Stdio::null()).stdout(open()).stderr(open()).spawn().expect("the binary runs");
    // Else it would never end.
    drop(command);
    let (mut terminal, mut sent) = (File::from(terminal), Vec::new());
    // EIO, once nobody has the other end any more.
    let _ = terminal.read_to_end(&mut sent);
    child.wait().expect("ended");
    sent
}

/// Runs the binary to its end with pipes for stdout and stderr that nobody reads.
pub(crate) fn run_unread(arguments: &[&str]) -> ExitStatus {
    let (out, err) = (unread_pipe(), unread_pipe());
    let mut command = Command::new(BINARY);
    command.args(arguments).stdin(Stdio::null()).stdout(out).stderr(err).status().expect("the binary runs")
}

fn unread_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

impl Running {
    /// Waits for a line of stderr that holds `part`, and returns it.
    pub(crate) fn says(&mut self, part: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(LIMIT).unwrap_or_else(|_| {
                panic!("stderr never said {part:?}, only:\n{}", self.stderr);
            });
            self.stderr += &format!("{line}\n");
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Sends it `INT`, `TERM` or `HUP`.
    pub(crate) fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ended {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(began.elapsed() < LIMIT, "no end after {LIMIT:?}");
            thread::sleep(Duration::from_millis(10));
        };
        let stdout = self.stdout.take().expect("joined once").join().expect("the reader ends");
        while let Ok(line) = self.lines.recv() {
            self.stderr += &format!("{line}\n");
        }
        Ended { status, stdout, stderr: std::mem::take(&mut self.stderr) }
    }
}

impl Drop for Running {
    /// A test that fails leaves no process behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Asserts the exit code; shows the output where it is another.
    pub(crate) fn with_code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// What stdout has with `--json`: an object a line, and nothing else.
    pub(crate) fn objects(&self) -> Vec<serde_json::Value> {
        let object = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stdout.lines().map(object).collect()
    }

    /// Recorded, sent and dropped of an exporter, from the table.
    pub(crate) fn row(&self, exporter: &str) -> [u64; 3] {
        let row = self.stdout.lines().find(|line| line.split_whitespace().next() == Some(exporter));
        let row = row.unwrap_or_else(|| panic!("no row of {exporter}:\n{}", self.stdout));
        let mut columns = row.split_whitespace().skip(1).map(|column| column.parse().expect("a number"));
        std::array::from_fn(|_| columns.next().expect("three columns"))
    }
}
