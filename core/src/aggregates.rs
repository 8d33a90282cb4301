//! What readers take off the registry: totals, distributions, and what came in an interval.

pub(crate) mod classic;
pub(crate) mod distribution;
pub(crate) mod interval;
pub(crate) mod row;
pub(crate) mod rows;
pub(crate) mod totals;
