//! A further process, made as a copy of this one, for what must share neither memory nor descriptors with the exporters.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::course::Trouble;

/// The longest time that a forked process lives, and its parent waits for a line: one that hangs must not outlive the matrix.
const LIMIT: Duration = Duration::from_secs(60);
/// The last line of a process whose work went well.
const DONE: &str = "done";

/// A forked process. Dropping it ends it.
pub(crate) struct ForkedProcess {
    lines: LineStream,
    id: libc::pid_t,
}

/// Lines of text between a process and its fork.
pub(crate) struct LineStream(BufReader<UnixStream>);

impl ForkedProcess {
    /// Forks. The copy does its work, and nothing else of this process's.
    pub(crate) fn start(work: impl FnOnce(&mut LineStream) -> Result<(), Trouble>) -> Result<Self, Trouble> {
        let (own, other) = UnixStream::pair()?;
        for stream in [&own, &other] {
            stream.set_read_timeout(Some(LIMIT))?;
        }
        let id = fork(|| {
            let mut lines = LineStream(BufReader::new(other));
            let outcome = panic::catch_unwind(AssertUnwindSafe(|| work(&mut lines)));
            let words = match outcome {
                Ok(Ok(())) => DONE.to_owned(),
                Ok(Err(trouble)) => trouble.to_string().replace('\n', " "),
                Err(_) => "a panic".to_owned(),
            };
            // Nobody is left to be told where this fails.
            let _ = lines.say(&words);
        })?;
        Ok(Self { lines: LineStream(BufReader::new(own)), id })
    }

    /// The next line that it says.
    pub(crate) fn hear(&mut self) -> Result<String, Trouble> {
        match self.lines.hear()? {
            Some(line) => Ok(line),
            None => Err("a forked process ended without a word".to_owned().into()),
        }
    }

    pub(crate) fn say(&mut self, line: &str) -> Result<(), Trouble> {
        Ok(self.lines.say(line)?)
    }

    /// Says a line to it, and hears its answer.
    pub(crate) fn ask(&mut self, line: &str) -> Result<String, Trouble> {
        self.say(line)?;
        self.hear()
    }

    /// Waits until it has done its work.
    pub(crate) fn finish(mut self) -> Result<(), Trouble> {
        self.lines.0.get_ref().shutdown(std::net::Shutdown::Write)?;
        let words = self.hear()?;
        if words == DONE { Ok(()) } else { Err(format!("in a forked process: {words}").into()) }
    }
}

impl Drop for ForkedProcess {
    fn drop(&mut self) {
        // A program does it, for the call would be unsafe. One that has ended is waited for by nobody: its number stays its own.
        let _ = Command::new("kill").args(["-KILL", &self.id.to_string()]).stderr(Stdio::null()).status();
    }
}

impl LineStream {
    pub(crate) fn say(&mut self, line: &str) -> io::Result<()> {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes())
    }

    /// The next line, or nothing where the other process has no more to say.
    pub(crate) fn hear(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        let length = self.0.read_line(&mut line)?;
        Ok((length != 0).then(|| line.trim_end().to_owned()))
    }
}

/// The number of a copy of this process that does `work` and ends, without anything that a process does at its end.
#[allow(unsafe_code, reason = "fork(2) has no safe form; nothing else shows what a fork of an engine does")]
fn fork(work: impl FnOnce()) -> io::Result<libc::pid_t> {
    // SAFETY: the copy has this one thread, and all memory as it is now. What other threads held locked stays locked in it: it
    // takes only what is its own, and what glibc makes usable in a fork (malloc, new threads). A lock that it waits for in vain,
    // or whatever else makes it hang, ends with its alarm. `_exit` returns to nobody, so no frame of the parent's is left twice.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: as above; neither call takes a pointer.
        0 => unsafe {
            libc::alarm(LIMIT.as_secs() as libc::c_uint);
            work();
            libc::_exit(0)
        },
        id => Ok(id),
    }
}
