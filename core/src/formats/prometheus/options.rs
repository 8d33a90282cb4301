//! What a scrape shows besides what it always does.

use super::constant::ConstantText;
use super::info::RunInfo;
use crate::labels::constant::ConstantLabels;
use crate::request::sample::Timestamp;

/// What a scrape shows, whatever it is written in: [`Page`](super::Page) and [`Families`](super::Families) take the same.
/// The default is LoadDensity's contract.
///
/// ```
/// use loaddensity_metrics_core::prometheus::{Page, RunInfo, ScrapeOptions};
/// use loaddensity_metrics_core::{ConstantLabels, Storage};
///
/// static STORAGE: Storage<100, 4, 1024> = Storage::new();
/// let options = ScrapeOptions::default()
///     .constant_labels(&ConstantLabels::new([("region", "eu")])?)
///     .run_info(RunInfo::new(Some("nightly-7"), Some(3), Some(40))?);
/// let page = Page::new(STORAGE.registry()).with_options(options);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrapeOptions {
    /// Escaped.
    pub(super) constant: ConstantText,
    pub(super) run_info: Option<RunInfo>,
    pub(super) created: Option<Timestamp>,
}

impl ScrapeOptions {
    /// Labels that every line has, but for lines with a label of the same name of their own. Default none.
    #[must_use]
    pub fn constant_labels(self, constant: &ConstantLabels) -> Self {
        Self { constant: ConstantText::new(constant), ..self }
    }

    /// A series that says which run it is of. Default none.
    #[must_use]
    pub fn run_info(self, info: impl Into<Option<RunInfo>>) -> Self {
        Self { run_info: info.into(), ..self }
    }

    /// Since when the registry has counted. Each counter and histogram of the contract and of the
    /// engine's own then says so in protobuf and in
    /// OpenMetrics, where that is a line of its own, `_created`; Prometheus keeps those as series of their own unless it
    /// is told to read them. The text format has no place for it. Default: it is not said.
    #[must_use]
    pub fn created(self, created: impl Into<Option<Timestamp>>) -> Self {
        Self { created: created.into(), ..self }
    }
}
