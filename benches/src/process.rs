//! What the kernel says of this process: CPU time by thread, and resident memory. Linux alone says it. And this program, started
//! again for one measurement, so that none finds pages of another.

use std::fs;
use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

/// CPU time that each thread of this process has used, of those that live.
#[derive(Clone, Debug)]
pub struct CpuTimes {
    /// Name, as long as the kernel keeps it, and time; the main thread first.
    threads: Vec<(String, Duration)>,
}

/// Bytes of a thread's name that the kernel keeps (`TASK_COMM_LEN` less the end).
const NAME_BYTES: usize = 15;

impl CpuTimes {
    /// Until now. Threads that have ended are not in it.
    ///
    /// # Errors
    /// Where there is no `/proc`, or a kernel without scheduler statistics.
    pub fn now() -> io::Result<Self> {
        let main = std::process::id().to_string();
        let mut threads = Vec::new();
        for task in fs::read_dir("/proc/self/task")? {
            let task = task?;
            // A thread may end between two looks at it.
            if let Ok((name, time)) = thread(&task.path()) {
                let at = if task.file_name() == *main { 0 } else { threads.len() };
                threads.insert(at, (name, time));
            }
        }
        if threads.is_empty() {
            return Err(io::Error::other("/proc/self/task/*/schedstat cannot be read"));
        }
        Ok(Self { threads })
    }

    /// Of the threads that are called `name`.
    #[must_use]
    pub fn of(&self, name: &str) -> Duration {
        let kept = &name[..name.len().min(NAME_BYTES)];
        self.threads.iter().filter(|(other, _)| other == kept).map(|(_, time)| *time).sum()
    }

    /// Of all threads but the main one and those that are called one of `names`.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Duration {
        let all: Duration = self.threads.iter().skip(1).map(|(_, time)| *time).sum();
        names.iter().fold(all, |rest, name| rest.saturating_sub(self.of(name)))
    }
}

/// Name and CPU time of one thread. The time is the first number of `schedstat`, in nanoseconds (Linux,
/// Documentation/scheduler/sched-stats.rst).
fn thread(task: &std::path::Path) -> io::Result<(String, Duration)> {
    let name = fs::read_to_string(task.join("comm"))?;
    let times = fs::read_to_string(task.join("schedstat"))?;
    let nanos = times.split_whitespace().next().and_then(|text| text.parse().ok());
    let nanos = nanos.ok_or_else(|| io::Error::other("schedstat does not begin with a number"))?;
    Ok((name.trim_end().to_owned(), Duration::from_nanos(nanos)))
}

/// Resident memory of this process in bytes.
///
/// # Errors
/// Where there is no `/proc`.
pub fn resident() -> io::Result<usize> {
    // Size, resident, shared, …, in pages (proc_pid_statm(5)).
    let pages = fs::read_to_string("/proc/self/statm")?;
    let resident = pages.split_whitespace().nth(1).and_then(|text| text.parse::<usize>().ok());
    let resident = resident.ok_or_else(|| io::Error::other("/proc/self/statm has no second number"))?;
    Ok(resident * rustix::param::page_size())
}

/// Starts this program again with `arguments` and waits for its end; returns what it printed.
///
/// # Errors
/// Where it cannot be started, or fails.
pub fn again(arguments: &[&str]) -> io::Result<String> {
    let program = std::env::current_exe()?;
    let output = Command::new(program).args(arguments).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("measuring {}: {}", arguments.join(" "), output.status)));
    }
    String::from_utf8(output.stdout).map_err(io::Error::other)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_works_is_found_by_its_name() {
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let body = move || {
            let begin = crate::clock::cpu();
            while crate::clock::cpu() - begin < Duration::from_millis(20) {}
            ready.send(()).unwrap();
            let _ = wait.recv();
        };
        let before = CpuTimes::now().unwrap();
        let worker = std::thread::Builder::new().name("a-name-longer-than-15".into()).spawn(body).unwrap();
        is_ready.recv().unwrap();
        let times = CpuTimes::now().unwrap();
        let of_worker = times.of("a-name-longer-than-15");
        assert!(of_worker >= Duration::from_millis(10), "{times:?}");
        let rest = times.without(&["a-name-longer-than-15"]);
        assert!(times.without(&[]) - rest == of_worker && before.of("a-name-longer-than-15").is_zero());
        drop(done);
        worker.join().unwrap();
    }

    #[test]
    fn memory_that_is_written_to_is_resident() {
        let before = resident().unwrap();
        let memory = std::hint::black_box(vec![1_u8; 64 << 20]);
        let grown = resident().unwrap() - before;
        assert!(grown >= memory.len() * 9 / 10, "{grown}");
    }
}
