//! The cells of all shards, for readers that go from series to series.

use crate::counts::cells::Cells;
use crate::counts::lane_map::LaneMap;
use crate::counts::outcome_cell::OutcomeCell;
use crate::request::sample::Outcome;
use crate::request::series::Series;

/// The cells of the shards that had been claimed when this was made. What shards that are claimed later count is seen by the
/// next reader.
#[derive(Clone, Copy)]
pub(crate) struct ShardCells<'a> {
    pub(crate) map: LaneMap<'a>,
    pub(crate) cells: Cells<'a>,
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
}
