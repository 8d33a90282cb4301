//! The cells of all shards, for readers that go from series to series.

use crate::counts::cells::Cells;
use crate::counts::kinds::{self, KindCells};
use crate::counts::lane_map::LaneMap;
use crate::counts::outcome_cell::OutcomeCell;
use crate::request::error_kind::KINDS;
use crate::request::sample::Outcome;
use crate::request::series::Series;

/// The cells of the shards that had been claimed when this was made. What shards that are claimed later count is seen by the
/// next reader.
#[derive(Clone, Copy)]
pub(crate) struct ShardCells<'a> {
    pub(crate) map: LaneMap<'a>,
    pub(crate) cells: Cells<'a>,
    /// Failures by kind, while the label `error_type` is on.
    pub(crate) kinds: Option<KindCells<'a>>,
    /// Series that each shard has cells for.
    pub(crate) series: usize,
    /// Shards that have been claimed.
    pub(crate) shards: usize,
    /// Whether the spill shard has been used.
    pub(crate) is_spilled: bool,
}

impl<'a> ShardCells<'a> {
    /// Calls `read` with the cells of one series and outcome, those left out that counted nothing: pages that were never
    /// written are not read.
    #[inline]
    pub(crate) fn each(&self, series: Series, outcome: Outcome, mut read: impl FnMut(OutcomeCell<'a>)) {
        let mut read_used = |cell: Option<OutcomeCell<'a>>| {
            if let Some(cell) = cell.filter(|cell| cell.is_used()) {
                read(cell);
            }
        };
        let series = if series.index() < self.series { series.index() } else { 0 };
        for shard in 0..self.shards {
            read_used(self.cells.own((shard, self.series), series, outcome));
        }
        if self.is_spilled {
            read_used(self.cells.spill(series, outcome));
        }
    }

    /// Requests of one series and outcome.
    #[inline]
    pub(crate) fn requests(&self, series: Series, outcome: Outcome) -> u64 {
        let mut requests = 0_u64;
        self.each(series, outcome, |cell| requests = requests.wrapping_add(cell.count(self.map)));
        requests
    }

    /// Failures of one series by kind, while the label `error_type` is on. Their sum may be less than the failures that
    /// [`requests`](Self::requests) says a moment later, and never more.
    pub(crate) fn failures(&self, series: Series) -> Option<[u64; KINDS]> {
        let (kinds, mut sums) = (self.kinds?, [0; KINDS]);
        let series = if series.index() < self.series { series.index() } else { 0 };
        let is_used = |cell: Option<OutcomeCell<'_>>| cell.is_some_and(OutcomeCell::is_used);
        // The kinds of what has not failed are in pages that were never written.
        for shard in 0..self.shards {
            if is_used(self.cells.own((shard, self.series), series, Outcome::Failure)) {
                kinds::read(kinds.own.get(shard * self.series + series), &mut sums);
            }
        }
        if self.is_spilled && is_used(self.cells.spill(series, Outcome::Failure)) {
            kinds::read(kinds.spill.get(series), &mut sums);
        }
        Some(sums)
    }
}
