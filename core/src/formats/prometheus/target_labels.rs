//! Labels that Prometheus itself sets on every series of a target: `job` and `instance`. One of that name on a page arrives
//! as `exported_job`, `exported_instance`, unless the scrape has `honor_labels` (Prometheus, configuration,
//! `scrape_config`).

use crate::registry::Registry;
use crate::request::series::Series;

/// Their names.
pub const TARGET_LABELS: [&str; 2] = ["job", "instance"];

/// Series that are looked at in one call: what a page can spare.
const IN_ONE_CALL: u32 = 64;

/// Finds the labels of series that Prometheus would rename, each once.
#[derive(Clone, Debug, Default)]
pub struct TargetLabels {
    /// Series that were looked at.
    looked_at: u32,
    is_found: [bool; TARGET_LABELS.len()],
}

impl TargetLabels {
    /// The next of [`TARGET_LABELS`] that a series has and that was not found before. Looks at each series once, and at a few
    /// in each call, so `None` may only mean that the others wait for the next call.
    pub fn find(&mut self, registry: Registry<'_>) -> Option<&'static str> {
        let end = registry.series_end().min(self.looked_at.saturating_add(IN_ONE_CALL));
        while self.looked_at < end {
            let entry = registry.entry(Series::from_number(self.looked_at));
            if !entry.is_published() {
                // Being written, or given up; those after it wait with it.
                return None;
            }
            let has = entry.with_key(|key| TARGET_LABELS.map(|name| key.labels().any(|(label, _)| label == name)));
            if let Some(at) = (0..has.len()).find(|at| has[*at] && !self.is_found[*at]) {
                self.is_found[at] = true;
                return Some(TARGET_LABELS[at]);
            }
            self.looked_at += 1;
        }
        None
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::registry::storage::Storage;
    use crate::request::label::Label;

    #[test]
    fn labels_that_prometheus_sets_are_found_once() {
        static STORAGE: Storage<512, 1, 2> = Storage::new();
        let (registry, mut labels) = (STORAGE.registry(), TargetLabels::default());
        let series = |name, labels: &[(&'static str, &'static str)]| {
            let labels: heapless::Vec<_, 4> = labels.iter().map(|(key, value)| Label { key, value }).collect();
            registry.series_with_labels("GET", name, &labels).unwrap()
        };
        series("/job", &[("region", "job"), ("jobs", "1")]);
        assert_eq!(labels.find(registry), None);
        series("/a", &[("instance", "1"), ("job", "x")]);
        assert_eq!(labels.find(registry), Some("job"));
        assert_eq!(labels.find(registry), Some("instance"));
        series("/b", &[("job", "y")]);
        assert_eq!(labels.find(registry), None);
        // However many series there are, a call looks at a few.
        let mut labels = TargetLabels::default();
        for name in ["/c/0", "/c/1", "/c/2", "/c/3"] {
            (0..64).for_each(|number| {
                let mut longer: heapless::String<16> = heapless::String::new();
                core::fmt::Write::write_fmt(&mut longer, format_args!("{name}/{number}")).unwrap();
                registry.series("GET", &longer);
            });
        }
        let mut calls = 0;
        while labels.looked_at < registry.series_end() {
            labels.find(registry);
            calls += 1;
        }
        assert!(calls >= 260 / 64, "{calls}");
    }
}
