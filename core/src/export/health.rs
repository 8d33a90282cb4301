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

impl Health {
    /// An attempt went well.
    pub const fn went_well(&mut self) {
        *self = Self::Well;
    }

    /// An attempt has failed.
    pub const fn failed(&mut self, now: Tick) {
        if !matches!(self, Self::Failing { .. }) {
            *self = Self::Failing { since: now };
        }
    }
}
