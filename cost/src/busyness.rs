//! How busy the machine was while it was measured: the CPU time of a thread leaves out what others took, but neither the caches that
//! they turned over nor the clock that they slowed.

use std::fmt;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use crate::clock;

/// Share of the time in which the measuring thread did not run, from which on the figures are called too high. The benches leave a
/// slice of two threads out from 3 % on; a run of seconds also meets what a system does now and then.
const BUSY: f64 = 0.05;

/// What other work did to the measuring thread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Busyness {
    /// How long was measured.
    pub(crate) elapsed: Duration,
    /// Share of that in which the thread did not run; `None` where its CPU time is not known.
    pub(crate) off_core: Option<f64>,
    /// Threads that ran or waited for a core, on average over the last minute; `None` where the system does not say it.
    pub(crate) load_average: Option<f64>,
    pub(crate) cores: usize,
}

/// Begun on the thread that measures.
pub(crate) struct BusyWatch {
    began: Instant,
    cpu: u64,
}

impl BusyWatch {
    pub(crate) fn start() -> Self {
        Self { began: Instant::now(), cpu: clock::now() }
    }

    /// On the same thread.
    pub(crate) fn stop(&self) -> Busyness {
        let (elapsed, ran) = (self.began.elapsed(), clock::now() - self.cpu);
        let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Busyness {
            elapsed,
            off_core: clock::IS_CPU_TIME.then(|| off_core(elapsed, ran)),
            load_average: load_average(&text),
            cores: available_parallelism().map_or(1, usize::from),
        }
    }
}

impl Busyness {
    /// Whether others took so much that the figures suffer.
    pub(crate) fn is_busy(&self) -> bool {
        self.off_core.is_some_and(|share| share > BUSY)
    }
}

impl fmt::Display for Busyness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { elapsed, off_core, load_average, cores } = self;
        let seconds = elapsed.as_secs_f64();
        match off_core {
            Some(share) => write!(
                f,
                "how busy it was: in {:.1} % of {seconds:.1} s the measuring thread did not run",
                share * 100.0
            )?,
            None => write!(f, "how busy it was: not known here")?,
        }
        match load_average {
            Some(load) => write!(f, "; load average {load:.2} on {cores} cores"),
            None => Ok(()),
        }
    }
}

fn off_core(elapsed: Duration, ran: u64) -> f64 {
    // Two clocks: they may disagree by a little.
    (1.0 - ran as f64 / elapsed.as_nanos() as f64).max(0.0)
}

/// The first number of `/proc/loadavg` (proc_loadavg(5)).
fn load_average(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_sleeps_does_not_run() {
        let watch = BusyWatch::start();
        std::thread::sleep(Duration::from_millis(50));
        let busyness = watch.stop();
        assert!(busyness.elapsed >= Duration::from_millis(50) && busyness.cores > 0, "{busyness:?}");
        assert_eq!(busyness.off_core.is_some(), cfg!(target_os = "linux"), "{busyness:?}");
        // Far more than a thread needs to fall asleep and to wake up.
        assert!(busyness.off_core.is_none_or(|share| share > 0.5) && busyness.is_busy() == busyness.off_core.is_some());
    }

    #[test]
    fn shares_are_between_none_and_all() {
        let second = Duration::from_secs(1);
        for (ran, share) in [(1_000_000_000, 0.0), (1_000_001_000, 0.0), (750_000_000, 0.25), (0, 1.0)] {
            assert_eq!(off_core(second, ran), share, "{ran}");
        }
    }

    #[test]
    fn the_load_average_is_that_of_a_minute() {
        assert_eq!(load_average("0.56 1.04 1.36 2/345 6789\n"), Some(0.56));
        assert_eq!(load_average(""), None);
    }

    #[test]
    fn it_is_said_in_a_line() {
        let known =
            Busyness { elapsed: Duration::from_secs(10), off_core: Some(0.004), load_average: Some(0.5), cores: 2 };
        let text = "how busy it was: in 0.4 % of 10.0 s the measuring thread did not run; load average 0.50 on 2 cores";
        assert_eq!(known.to_string(), text);
        assert!(!known.is_busy() && Busyness { off_core: Some(0.34), ..known }.is_busy());
        let unknown = Busyness { off_core: None, load_average: None, ..known };
        assert_eq!((unknown.to_string().as_str(), unknown.is_busy()), ("how busy it was: not known here", false));
    }
}
