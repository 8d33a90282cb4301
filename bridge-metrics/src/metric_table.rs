//! The metrics of one kind: those that were described or used, and the handles of those that were used.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use loaddensity_metrics_shell::{DESCRIPTION_BYTES, LocalRecorder, Series};
use metrics::{Key, SharedString};

use crate::growing_map::GrowingMap;
use crate::kinds::{FacadeKind, Wanted};
use crate::series::Place;
use crate::unshown::{FacadeMetric, Lack, LackCounts};

/// Most names of a kind that are kept. A storage has room for fewer instruments.
const MOST_NAMES: usize = 4_096;
/// Most keys of a kind that are kept although nothing is shown of their labels. Others are bounded by the storage.
const MOST_UNSHOWN: usize = 1_024;
/// Most chains of the map of keys.
const MOST_CHAINS: usize = 1 << 16;

pub(crate) struct MetricTable<K: FacadeKind> {
    recorder: LocalRecorder,
    counts: Arc<LackCounts>,
    names: GrowingMap<String, Arc<NamedMetric<K>>>,
    name_count: AtomicUsize,
    handles: GrowingMap<Key, K::Handle>,
    unshown_count: AtomicUsize,
}

struct NamedMetric<K: FacadeKind> {
    metric: Arc<FacadeMetric>,
    /// What was said before the first use.
    said: Option<(Option<metrics::Unit>, SharedString)>,
    declared: OnceLock<Result<K::Declared, String>>,
    /// Of all sets of labels that are not shown.
    shared: OnceLock<K::Handle>,
}

impl<K: FacadeKind> MetricTable<K> {
    pub(crate) fn new(recorder: LocalRecorder, counts: Arc<LackCounts>) -> Self {
        let series = recorder.registry().usage().series_capacity;
        Self {
            recorder,
            counts,
            names: GrowingMap::new(64),
            name_count: AtomicUsize::new(0),
            handles: GrowingMap::new(series.min(MOST_CHAINS)),
            unshown_count: AtomicUsize::new(0),
        }
    }

    /// The first description of a metric counts.
    pub(crate) fn describe(&self, name: &str, unit: Option<metrics::Unit>, description: SharedString) {
        if let Some(named) = self.named(name, Some((unit, description))).filter(|named| named.said.is_none()) {
            let why = "its description and its unit are not looked at, because they came after its first use";
            named.metric.lacks(Lack::Description, why);
        }
    }

    /// The handle of a metric with these labels.
    pub(crate) fn handle(&self, key: &Key) -> K::Handle {
        self.handles.get(key).cloned().unwrap_or_else(|| self.new_handle(key))
    }

    #[cold]
    fn new_handle(&self, key: &Key) -> K::Handle {
        let Some(named) = self.named(key.name(), None) else { return K::noop() };
        let declared = match named.declared(key) {
            Ok(declared) => declared,
            Err(why) => {
                named.metric.lacks(Lack::Metric, why);
                return self.keep_unshown(key, K::noop());
            }
        };
        match K::place(&named.metric, declared, key) {
            Place::Apart(series) => self.handles.insert(key, K::handle(&named.metric, declared, series, false)),
            Place::Shared => {
                let shared = || K::handle(&named.metric, declared, Series::OVERFLOW, true);
                self.keep_unshown(key, named.shared.get_or_init(shared).clone())
            }
            Place::Nowhere => self.keep_unshown(key, K::noop()),
        }
    }

    fn keep_unshown(&self, key: &Key, handle: K::Handle) -> K::Handle {
        // Relaxed, here and below: nothing but the bound depends on it.
        let is_kept = self.unshown_count.fetch_add(1, Ordering::Relaxed) < MOST_UNSHOWN;
        if is_kept { self.handles.insert(key, handle) } else { handle }
    }

    /// The metric of this name, which is new unless it was used or described; none where there are too many.
    fn named(&self, name: &str, said: Option<(Option<metrics::Unit>, SharedString)>) -> Option<Arc<NamedMetric<K>>> {
        if let Some(known) = self.names.get(name) {
            return Some(known.clone());
        }
        let nth = self.name_count.fetch_add(1, Ordering::Relaxed);
        if nth >= MOST_NAMES {
            self.counts.add(Lack::Metric);
            if nth == MOST_NAMES {
                let kind = K::WORD;
                tracing::warn!(
                    "the {kind} {name} of the metrics facade and others are not shown: there are too many names"
                );
            }
            return None;
        }
        let metric = FacadeMetric::new(K::WORD, name, self.recorder, self.counts.clone());
        let new = NamedMetric { metric: Arc::new(metric), said, declared: OnceLock::new(), shared: OnceLock::new() };
        Some(self.names.insert(&name.to_owned(), Arc::new(new)))
    }
}

impl<K: FacadeKind> NamedMetric<K> {
    /// What the metric is in the registry, declared now if this is its first use.
    fn declared(&self, key: &Key) -> Result<&K::Declared, &str> {
        let (unit, text) = self.said.as_ref().map_or((None, ""), |(unit, text)| (*unit, text.as_ref()));
        let (description, is_cut) = fitting(text);
        let wanted = Wanted { unit, description: &description, has_labels: key.labels().len() != 0 };
        let declared = self.declared.get_or_init(|| K::declare(&self.metric, wanted));
        if is_cut {
            self.metric.lacks(Lack::Description, format_args!("its description is cut to {DESCRIPTION_BYTES} bytes"));
        }
        declared.as_ref().map_err(String::as_str)
    }
}

/// A description as a registry takes it, and whether something of it is missing.
fn fitting(text: &str) -> (String, bool) {
    let mut fitting = text.replace(char::is_control, " ");
    let end = (0..=DESCRIPTION_BYTES.min(fitting.len())).rev().find(|end| fitting.is_char_boundary(*end));
    let end = end.unwrap_or_default();
    let is_cut = end < fitting.len();
    fitting.truncate(end);
    (fitting, is_cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_made_fit() {
        let long = "ä".repeat(DESCRIPTION_BYTES);
        for (text, expected, is_cut) in [
            ("", "", false),
            ("Two\nlines", "Two lines", false),
            (&long[..DESCRIPTION_BYTES], &long[..DESCRIPTION_BYTES], false),
            (&long, &long[..DESCRIPTION_BYTES], true),
            (&format!("a{long}"), &format!("a{}", &long[..DESCRIPTION_BYTES - 2]), true),
        ] {
            assert_eq!(fitting(text), (expected.to_owned(), is_cut));
        }
    }
}
