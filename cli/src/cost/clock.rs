//! The clock of the measurements: the thread's CPU time, which other processes do not add to.

/// What is measured, in words.
pub(super) const MEASURED: &str = if cfg!(target_os = "linux") { "CPU time" } else { "elapsed time" };

/// Intervals by which the clock's own cost is found.
const CALIBRATION: u32 = 1_000;

/// Adds up the time that is spent in the parts of a round that count, without what reading the clock costs.
pub(super) struct Stopwatch {
    spent: u64,
    /// What an empty interval takes, in nanoseconds.
    overhead: u64,
}

impl Stopwatch {
    /// A stopwatch that knows what reading the clock costs.
    pub(super) fn new() -> Self {
        let mut watch = Self { spent: 0, overhead: 0 };
        let empty = |_| {
            watch.time(|| ());
            watch.take()
        };
        let overhead = (0..CALIBRATION).map(empty).min().unwrap_or_default();
        Self { spent: 0, overhead }
    }

    /// Does `work`, which counts.
    #[inline]
    pub(super) fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let began = now();
        let result = work();
        self.spent += now().saturating_sub(began).saturating_sub(self.overhead);
        result
    }

    /// The nanoseconds that counted since the last call.
    pub(super) const fn take(&mut self) -> u64 {
        std::mem::replace(&mut self.spent, 0)
    }
}

/// CPU time that this thread has used, in nanoseconds. A system call: read it around thousands of operations.
#[cfg(target_os = "linux")]
#[must_use]
pub fn now() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    // Neither is negative.
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Nanoseconds since the first call.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn now() -> u64 {
    static FIRST: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    FIRST.get_or_init(std::time::Instant::now).elapsed().as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[test]
    fn only_what_is_timed_counts() {
        let busy = || (0..200_000_u64).fold(0, |sum, next| black_box(sum ^ next));
        let mut watch = Stopwatch::new();
        busy();
        assert_eq!(watch.take(), 0);
        watch.time(busy);
        assert!(watch.take() > 0);
        assert_eq!(watch.take(), 0);
    }
}
