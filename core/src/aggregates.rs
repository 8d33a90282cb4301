//! What readers compute from the registry: totals, distributions, and the requests of an interval.

pub(crate) mod classic;
pub(crate) mod coarse_buckets;
pub(crate) mod distribution;
pub(crate) mod interval;
pub(crate) mod observed;
pub(crate) mod observed_row;
pub(crate) mod observed_rows;
pub(crate) mod own_instrument;
pub(crate) mod row;
pub(crate) mod rows;
pub(crate) mod totals;
