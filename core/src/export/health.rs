//! How an exporter is doing, for people; the driver adds the words of the other side.

use super::Tick;

/// What the last attempt showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

/// Health, and from how many attempts it is known: whoever tells of it does so once for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Course {
    pub(super) health: Health,
    pub(super) attempts: u64,
}

impl Course {
    pub(super) const NEW: Self = Self { health: Health::Untried, attempts: 0 };

    /// An attempt went well.
    pub(super) const fn went_well(&mut self) {
        self.health = Health::Well;
        self.attempts += 1;
    }

    /// An attempt has failed.
    pub(super) const fn failed(&mut self, now: Tick) {
        if !matches!(self.health, Health::Failing { .. }) {
            self.health = Health::Failing { since: now };
        }
        self.attempts += 1;
    }
}
