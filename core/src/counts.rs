//! What a shard counts of requests: the bounds, the buckets that a request falls into, and the words of classic and
//! exponential histograms.

pub(crate) mod bounds;
pub(crate) mod buckets;
pub(crate) mod cell;
pub(crate) mod columns;
pub(crate) mod exponential;
pub(crate) mod layout;
