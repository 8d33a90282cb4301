//! What can be set of a machine of periodic exports.

use core::time::Duration;

/// What can be set of an [`ExportMachine`](super::ExportMachine).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ExportLimits {
    /// Time from the start of one export to the start of the next.
    pub interval: Duration,
    /// The most time of one body, from connecting to the end of the answer.
    pub timeout: Duration,
    /// The most time of one export, with all its bodies and attempts. At a stop the deadline counts instead.
    pub export_timeout: Option<Duration>,
    /// The most bytes of one body, before compression.
    pub max_request_bytes: usize,
    /// Whether each export sends what came in one interval, rather than all that was counted.
    pub is_delta: bool,
}

impl ExportLimits {
    /// An export in each `interval`, all that was counted so far, in bodies of at most `max_request_bytes`, each of which
    /// takes `timeout` at most.
    #[must_use]
    pub const fn new(interval: Duration, timeout: Duration, max_request_bytes: usize) -> Self {
        Self { interval, timeout, export_timeout: None, max_request_bytes, is_delta: false }
    }

    /// The same, where one export with all its bodies and attempts takes so long at most.
    #[must_use]
    pub const fn export_timeout(self, export_timeout: Option<Duration>) -> Self {
        Self { export_timeout, ..self }
    }

    /// The same, for what came in intervals if `is_delta`, else for all that was counted so far.
    #[must_use]
    pub const fn delta(self, is_delta: bool) -> Self {
        Self { is_delta, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_that_were_asked_for() {
        let usual = ExportLimits::new(Duration::from_secs(60), Duration::from_secs(10), 1 << 20);
        assert_eq!((usual.export_timeout, usual.is_delta), (None, false));
        let limits = usual.export_timeout(Some(Duration::from_secs(30))).delta(true);
        assert_eq!((limits.export_timeout, limits.is_delta), (Some(Duration::from_secs(30)), true));
    }
}
