//! Warnings of what the requests of a load test fail with: each kind once, when it is first seen, with what to look at.

use crate::engine::{FailureKind, Failures};
use crate::say;

/// Statuses that have a usual cause.
const HINTS: [(u16, &str); 2] = [
    (401, "the server wants credentials; give the task auth, or an Authorization among its headers"),
    (403, "the server does not allow it with these credentials; look at the task's auth and headers"),
];

/// What was warned of.
#[derive(Debug, Default)]
pub(crate) struct FailureWarnings {
    kinds: [bool; FailureKind::ALL.len()],
    statuses: [bool; HINTS.len()],
}

impl FailureWarnings {
    /// Says what is new; `whose` says of what.
    pub(crate) fn say(&mut self, whose: &str, failures: &Failures) {
        for (kind, said) in FailureKind::ALL.into_iter().zip(&mut self.kinds) {
            if let Some(first) = failures.first(kind).filter(|_| !*said) {
                say::warning(format_args!("{whose}: {}: {first}", kind.as_str()));
                *said = true;
            }
        }
        for ((status, advice), said) in HINTS.into_iter().zip(&mut self.statuses) {
            if failures.of_status(status) != 0 && !*said {
                say::warning(format_args!("{whose}: status {status}: {advice}"));
                *said = true;
            }
        }
    }
}
