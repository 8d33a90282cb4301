//! How an exporter is doing, as people are told; the driver adds the words of the server or the system.

use super::Tick;

/// What the last attempt showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// Nothing was tried yet.
    #[default]
    Untried,
    /// The last attempt went well.
    Well,
    /// Attempts fail.
    Failing {
        /// Since the first of those that failed one after another.
        since: Tick,
    },
}

/// What the attempts so far have shown. Whoever tells people of it does so once for each attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempts {
    /// How the exporter is doing.
    pub health: Health,
    /// How many attempts there were.
    pub count: u64,
}

impl Attempts {
    /// There were none.
    pub(super) const NONE: Self = Self { health: Health::Untried, count: 0 };

    /// An attempt went well.
    pub(super) const fn went_well(&mut self) {
        self.health = Health::Well;
        self.count += 1;
    }

    /// An attempt has failed.
    pub(super) const fn failed(&mut self, now: Tick) {
        if !self.are_failing() {
            self.health = Health::Failing { since: now };
        }
        self.count += 1;
    }

    /// Whether the last one has failed.
    pub(super) const fn are_failing(&self) -> bool {
        matches!(self.health, Health::Failing { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attempt_counts_and_a_failure_is_since_the_first_of_several() {
        let (mut attempts, at) = (Attempts::NONE, Tick::from_nanos);
        attempts.failed(at(3));
        attempts.failed(at(5));
        assert_eq!(attempts, Attempts { health: Health::Failing { since: at(3) }, count: 2 });
        attempts.went_well();
        attempts.went_well();
        assert_eq!(attempts, Attempts { health: Health::Well, count: 4 });
        attempts.failed(at(9));
        assert_eq!(attempts.health, Health::Failing { since: at(9) });
    }
}
