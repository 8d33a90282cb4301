//! What is counted of requests, from where a request is counted to what is read: the bounds, the buckets that a request
//! falls into, the words of classic and exponential histograms, and their sums.

pub(crate) mod bounds;
pub(crate) mod buckets;
pub(crate) mod cell;
pub(crate) mod columns;
pub(crate) mod distribution;
pub(crate) mod exponential;
pub(crate) mod interval;
pub(crate) mod row;
pub(crate) mod rows;
pub(crate) mod totals;
