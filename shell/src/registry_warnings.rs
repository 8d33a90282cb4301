//! Warnings about the registry while the load still runs, each given once: limits of the storage that were exceeded, and the
//! first full ring.

use std::time::Duration;

use loaddensity_metrics_core::Registry;

/// Time between two looks at the registry, which cost a few loads each.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

/// Which warnings were given.
#[derive(Debug, Default)]
pub(crate) struct RegistryWarnings {
    folded: bool,
    cut: bool,
    spilled: bool,
    full_ring: bool,
}

impl RegistryWarnings {
    /// Gives those that are new.
    pub(crate) fn give_new(&mut self, registry: Registry<'_>) {
        for warning in self.new_ones(registry) {
            tracing::warn!("{warning}");
        }
    }

    /// Whether all were given.
    pub(crate) const fn are_all_given(&self) -> bool {
        self.folded && self.cut && self.spilled && self.full_ring
    }

    fn new_ones(&mut self, registry: Registry<'_>) -> impl Iterator<Item = String> + use<> {
        let exceeded = registry.exceeded();
        // The key of the first fold is written a moment after it; the next look comes soon.
        let folded = exceeded.folded.filter(|folded| folded.first.is_some());
        let full = registry.full_rings().next();
        [
            once(&mut self.folded, folded),
            once(&mut self.cut, exceeded.cut),
            once(&mut self.spilled, exceeded.spilled),
            once(&mut self.full_ring, full),
        ]
        .into_iter()
        .flatten()
    }
}

/// The text of `warning`, if there is one and it is the first.
fn once(is_given: &mut bool, warning: Option<impl ToString>) -> Option<String> {
    let warning = warning.filter(|_| !*is_given)?;
    *is_given = true;
    Some(warning.to_string())
}

#[cfg(test)]
mod tests {
    use loaddensity_metrics_core::{Exporter, Sample, Storage};

    use super::*;

    #[test]
    fn each_limit_is_warned_of_once_when_it_is_first_exceeded() {
        static STORAGE: Storage<3, 1, 2> = Storage::new();
        let registry = STORAGE.registry();
        let (mut warnings, mut recorder) = (RegistryWarnings::default(), registry.recorder());
        let mut says = |parts: &[&str]| {
            let said: Vec<_> = warnings.new_ones(registry).collect();
            assert_eq!(said.len(), parts.len(), "{said:?}");
            for (said, part) in said.iter().zip(parts) {
                assert!(said.contains(part), "{said:?} lacks {part:?}");
            }
            warnings.are_all_given()
        };
        says(&[]);
        recorder.series("GET", &"x".repeat(300));
        recorder.series("GET", "/b");
        says(&["GET xxx"]);
        for name in ["/c", "/d"] {
            recorder.series("GET", name);
        }
        says(&["the first was GET /c"]);
        let sharing = registry.recorder();
        says(&["build the storage for 2 recorders"]);
        drop(sharing);
        let mut pump = registry.pump().expect("the only one");
        let _ledger = pump.attach(Exporter::Statsd);
        let series = recorder.series("GET", "/b");
        for _ in 0..3 {
            recorder.record(series, Sample::ok(Duration::ZERO));
        }
        recorder.series("GET", "/e");
        assert!(says(&["recorder 0: 1 events dropped by its full ring of 2"]));
        says(&[]);
    }
}
