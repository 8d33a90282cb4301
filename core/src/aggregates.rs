//! What readers compute from the registry: totals, distributions, and the requests of an interval.

pub(crate) mod classic;
pub(crate) mod distribution;
pub(crate) mod interval;
pub(crate) mod row;
pub(crate) mod rows;
pub(crate) mod totals;
