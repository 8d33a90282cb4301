//! How what the engine's own instruments count leaves.

use loaddensity_metrics_core::{AccountKind, Registry};

use super::check::Check;
use crate::error::StartError;

/// How an exporter that can send events one by one sends what the engine's own instruments count. How requests are sent says
/// nothing of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Observations {
    /// What came in each interval.
    #[default]
    PerInterval,
    /// Each by itself. The storage must have rings of observations
    /// ([`HeapStorageBuilder::observations`](crate::HeapStorageBuilder::observations), or the last parameter of
    /// [`Storage`](crate::Storage)); without them the start is refused.
    PerEvent,
}

impl Observations {
    /// Refuses what the storage has no rings for.
    pub(super) fn check(self, check: Check, registry: Registry<'_>) -> Result<(), StartError> {
        if self == Self::PerInterval || registry.ring_events(AccountKind::Observations) != 0 {
            return Ok(());
        }
        let expected = "the storage has no rings of observations; make one with HeapStorage::builder(…).observations(1024), or \
                        with 1024 as the last parameter of Storage, or leave this out";
        Err(check.bad("observations", "per event", expected))
    }
}
