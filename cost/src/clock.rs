//! The clock of the measurements: the thread's CPU time, which other processes do not add to.

/// Whether it is the thread's CPU time, or what elapsed.
pub(crate) const IS_CPU_TIME: bool = cfg!(target_os = "linux");

/// What is measured, in words.
pub(crate) const MEASURED: &str = if IS_CPU_TIME { "CPU time" } else { "elapsed time" };

/// Intervals by which the clock's own cost is found.
const CALIBRATION: u32 = 1_000;

/// Adds up the time that is spent in the parts of a round that count, without what reading the clock costs.
pub(crate) struct Stopwatch {
    time: RoundTime,
    /// What an empty interval takes, in nanoseconds.
    overhead: u64,
}

/// The time of a round, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RoundTime {
    /// What counted.
    pub(crate) counted: u64,
    /// What was done with that and is not to count.
    pub(crate) taken_off: u64,
}

impl RoundTime {
    /// What is left. Less than nothing where little counted, and the machine was busy.
    pub(crate) const fn rest(self) -> f64 {
        self.counted as f64 - self.taken_off as f64
    }
}

impl Stopwatch {
    /// A stopwatch that knows what reading the clock costs.
    pub(crate) fn new() -> Self {
        let mut watch = Self { time: RoundTime::default(), overhead: 0 };
        let empty = |_| {
            watch.time(|| ());
            watch.take().counted
        };
        let overhead = (0..CALIBRATION).map(empty).min().unwrap_or_default();
        Self { time: RoundTime::default(), overhead }
    }

    /// Does `work`, which counts.
    #[inline]
    pub(crate) fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let (result, nanos) = self.timed(work);
        self.time.counted += nanos;
        result
    }

    /// Does `work`, whose time is taken off what counts.
    #[inline]
    pub(crate) fn take_off(&mut self, work: impl FnOnce()) {
        self.time.taken_off += self.timed(work).1;
    }

    /// The time since the last call.
    pub(crate) fn take(&mut self) -> RoundTime {
        std::mem::take(&mut self.time)
    }

    #[inline]
    fn timed<T>(&self, work: impl FnOnce() -> T) -> (T, u64) {
        let began = now();
        let result = work();
        (result, now().saturating_sub(began).saturating_sub(self.overhead))
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
        assert_eq!(watch.take().rest(), 0.0);
        watch.time(busy);
        let time = watch.take();
        assert!(time.counted > 0 && time.taken_off == 0);
        assert_eq!(watch.take().rest(), 0.0);
    }

    #[test]
    fn what_is_taken_off_is_not_in_the_rest() {
        let mut watch = Stopwatch::new();
        watch.take_off(|| _ = (0..200_000_u64).fold(0, |sum, next| black_box(sum ^ next)));
        let time = watch.take();
        assert!(time.counted == 0 && time.taken_off > 0);
        assert_eq!(time.rest(), -(time.taken_off as f64));
        assert_eq!(RoundTime { counted: 7, taken_off: 5 }.rest(), 2.0);
    }
}
