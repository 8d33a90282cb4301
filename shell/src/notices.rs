//! What somebody must know of the registry while the load still runs, each said once: which of the storage's limits were
//! exceeded, and which ring was full first.

use std::time::Duration;

use loaddensity_metrics_core::Registry;

/// Time between two looks at the registry, which cost a few loads each.
pub(crate) const LOOK: Duration = Duration::from_secs(1);

/// What was said already.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    folded: bool,
    cut: bool,
    spilled: bool,
    full_ring: bool,
}

impl Notices {
    /// Warns of what is new.
    pub(crate) fn look(&mut self, registry: Registry<'_>) {
        for notice in self.unsaid(registry) {
            tracing::warn!("{notice}");
        }
    }

    /// Whether nothing can be new any more.
    pub(crate) const fn all_said(&self) -> bool {
        self.folded && self.cut && self.spilled && self.full_ring
    }

    fn unsaid(&mut self, registry: Registry<'_>) -> impl Iterator<Item = String> + use<> {
        let exceeded = registry.exceeded();
        // Between the first fold and its key there is a moment; the next look comes soon.
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

/// The text of `notice`, if there is one and none was said.
fn once(said: &mut bool, notice: Option<impl ToString>) -> Option<String> {
    let notice = notice.filter(|_| !*said)?;
    *said = true;
    Some(notice.to_string())
}

#[cfg(test)]
mod tests {
    use loaddensity_metrics_core::{Exporter, Sample, Storage};

    use super::*;

    #[test]
    fn each_limit_is_said_once_when_it_is_first_exceeded() {
        static STORAGE: Storage<3, 1, 2> = Storage::new();
        let registry = STORAGE.registry();
        let (mut notices, mut recorder) = (Notices::default(), registry.recorder());
        let mut says = |parts: &[&str]| {
            let said: Vec<_> = notices.unsaid(registry).collect();
            assert_eq!(said.len(), parts.len(), "{said:?}");
            for (said, part) in said.iter().zip(parts) {
                assert!(said.contains(part), "{said:?} lacks {part:?}");
            }
            notices.all_said()
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
