//! The recorder that the facade is given.

use std::fmt;
use std::sync::Arc;

use loaddensity_metrics_shell::LocalRecorder;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, SharedString};

use crate::kinds::{FacadeCounters, FacadeGauges, FacadeHistograms};
use crate::metric_table::MetricTable;
use crate::unshown::{LackCounts, Unshown};

/// Shows what is said through the `metrics` facade as instruments and gauges of a registry.
///
/// Clones are the same recorder: give one to `metrics::set_global_recorder` and keep another to ask for
/// [`unshown`](Self::unshown).
#[derive(Clone)]
pub struct FacadeRecorder {
    tables: Arc<FacadeTables>,
}

struct FacadeTables {
    counters: MetricTable<FacadeCounters>,
    gauges: MetricTable<FacadeGauges>,
    histograms: MetricTable<FacadeHistograms>,
    counts: Arc<LackCounts>,
}

impl FacadeRecorder {
    /// One that records with `recorder`: where there are exporters, `exporters.local_recorder()`.
    #[must_use]
    pub fn new(recorder: LocalRecorder) -> Self {
        let counts = Arc::new(LackCounts::default());
        let tables = FacadeTables {
            counters: MetricTable::new(recorder, counts.clone()),
            gauges: MetricTable::new(recorder, counts.clone()),
            histograms: MetricTable::new(recorder, counts.clone()),
            counts,
        };
        Self { tables: Arc::new(tables) }
    }

    /// What could not be shown as the facade meant it, so far.
    #[must_use]
    pub fn unshown(&self) -> Unshown {
        self.tables.counts.read()
    }
}

impl metrics::Recorder for FacadeRecorder {
    fn describe_counter(&self, key: KeyName, unit: Option<metrics::Unit>, description: SharedString) {
        self.tables.counters.describe(key.as_str(), unit, description);
    }

    fn describe_gauge(&self, _: KeyName, _: Option<metrics::Unit>, _: SharedString) {
        // Gauges of a registry have neither.
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<metrics::Unit>, description: SharedString) {
        self.tables.histograms.describe(key.as_str(), unit, description);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.tables.counters.handle(key)
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.tables.gauges.handle(key)
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.tables.histograms.handle(key)
    }
}

impl fmt::Debug for FacadeRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FacadeRecorder").field("unshown", &self.unshown()).finish_non_exhaustive()
    }
}
