//! What could not be shown as the facade meant it: counted, and told once for each metric.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use loaddensity_metrics_shell::LocalRecorder;

/// What a [`FacadeRecorder`](crate::FacadeRecorder) could not show as the facade meant it. The first time of each metric is a
/// warning of `tracing` as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unshown {
    /// Metrics of which nothing is shown, each kind and name once: the registry refuses the name, or has no room.
    pub metrics: u64,
    /// Sets of labels that are not shown. What counters and histograms have with them counts in the overflow series or in the
    /// run; what gauges have, nowhere. One that more than 1,024 others preceded may count again each time that it is used.
    pub labels: u64,
    /// Values that were not recorded: negative, NaN or infinite, or absolute ones of counters whose labels are not shown.
    pub values: u64,
    /// Values of histograms that were rounded, because they had fractions and are not times.
    pub rounded: u64,
    /// Metrics whose description or unit came after their first use, or whose description was cut.
    pub descriptions: u64,
}

/// The same, one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    Metric,
    Labels,
    Value,
    Fraction,
    Description,
}

const LACKS: usize = 5;

/// How often there was each lack.
#[derive(Debug, Default)]
pub(crate) struct LackCounts([AtomicU64; LACKS]);

impl LackCounts {
    pub(crate) fn read(&self) -> Unshown {
        // Relaxed, here and below: these are figures for display.
        let of = |lack: Lack| self.0.get(lack as usize).map_or(0, |count| count.load(Ordering::Relaxed));
        Unshown {
            metrics: of(Lack::Metric),
            labels: of(Lack::Labels),
            values: of(Lack::Value),
            rounded: of(Lack::Fraction),
            descriptions: of(Lack::Description),
        }
    }

    pub(crate) fn add(&self, lack: Lack) {
        self.0.iter().skip(lack as usize).take(1).for_each(|count| _ = count.fetch_add(1, Ordering::Relaxed));
    }
}

/// A metric of the facade, whatever becomes of it.
#[derive(Debug)]
pub(crate) struct FacadeMetric {
    /// `counter`, `gauge` or `histogram`.
    kind: &'static str,
    /// As the facade has it.
    pub(crate) name: String,
    pub(crate) recorder: LocalRecorder,
    counts: Arc<LackCounts>,
    told: [AtomicBool; LACKS],
}

impl FacadeMetric {
    pub(crate) fn new(kind: &'static str, name: &str, recorder: LocalRecorder, counts: Arc<LackCounts>) -> Self {
        Self { kind, name: name.to_owned(), recorder, counts, told: Default::default() }
    }

    /// Counts a lack, and tells the first of its kind. Nobody may hold a lock meanwhile: a subscriber may use the facade itself.
    #[cold]
    pub(crate) fn lacks(&self, lack: Lack, why: impl Display) {
        let is_told = self.told.get(lack as usize).is_some_and(|told| told.swap(true, Ordering::Relaxed));
        if !is_told || !matches!(lack, Lack::Metric | Lack::Description) {
            self.counts.add(lack);
        }
        if !is_told {
            tracing::warn!("the {} {} of the metrics facade: {why}", self.kind, self.name);
        }
    }
}
