//! Since when a registry counts, as cumulative formats want to know it.

use std::sync::{Mutex, PoisonError};

use loaddensity_metrics_core::{Exporter, Registry, Timestamp};

/// The registries that exporters were started on, each by the place of a ledger in its storage.
static BIRTHS: Mutex<Vec<(usize, Timestamp)>> = Mutex::new(Vec::new());

/// When the first exporters of this process were started on `registry`; `now`, if these are the first.
///
/// Exporters that are shut down and started anew go on with the same sums. A later start time would tell a receiver
/// that the sums had begun at zero again (OpenTelemetry, data-model.md, "Resets and Gaps").
pub(crate) fn of(registry: Registry<'static>, now: Timestamp) -> Timestamp {
    let place = std::ptr::from_ref(registry.ledger(Exporter::OpenTelemetry)).addr();
    let mut births = BIRTHS.lock().unwrap_or_else(PoisonError::into_inner);
    match births.iter().find(|(other, _)| *other == place) {
        // A clock that was set back must not put the start behind the present.
        Some((_, birth)) => (*birth).min(now),
        None => {
            births.push((place, now));
            now
        }
    }
}

#[cfg(test)]
mod tests {
    use loaddensity_metrics_core::Storage;

    use super::*;

    static ONE: Storage<8, 1, 16> = Storage::new();
    static OTHER: Storage<8, 1, 16> = Storage::new();

    #[test]
    fn a_registry_keeps_its_first_start() {
        let at = Timestamp::from_unix_nanos;
        assert_eq!(of(ONE.registry(), at(5)), at(5));
        assert_eq!(of(ONE.registry(), at(9)), at(5));
        assert_eq!(of(ONE.registry(), at(3)), at(3));
        assert_eq!(of(OTHER.registry(), at(9)), at(9));
    }
}
