//! What a shard counts of requests: the bounds, the lanes that a request falls into, and the cells that have them.

pub(crate) mod bounds;
pub(crate) mod cells;
pub(crate) mod edges;
pub(crate) mod exponential;
pub(crate) mod kinds;
pub(crate) mod lane_map;
pub(crate) mod lane_sums;
pub(crate) mod lanes;
pub(crate) mod layout;
pub(crate) mod observable;
pub(crate) mod observed_cells;
pub(crate) mod outcome_cell;
pub(crate) mod own_cells;
pub(crate) mod own_observed;
pub(crate) mod shard_cells;
