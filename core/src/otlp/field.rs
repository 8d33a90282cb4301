//! Field numbers, under the names of the .proto files.

pub(super) const RESOURCE_METRICS: u8 = 1;
pub(super) const RESOURCE: u8 = 1;
pub(super) const SCOPE_METRICS: u8 = 2;
pub(super) const RESOURCE_ATTRIBUTES: u8 = 1;
pub(super) const SCOPE: u8 = 1;
pub(super) const METRICS: u8 = 2;
pub(super) const SCOPE_NAME: u8 = 1;
pub(super) const METRIC_NAME: u8 = 1;
pub(super) const METRIC_UNIT: u8 = 3;
pub(super) const METRIC_SUM: u8 = 7;
pub(super) const METRIC_HISTOGRAM: u8 = 9;
pub(super) const DATA_POINTS: u8 = 1;
pub(super) const AGGREGATION_TEMPORALITY: u8 = 2;
pub(super) const IS_MONOTONIC: u8 = 3;
pub(super) const START_TIME_UNIX_NANO: u8 = 2;
pub(super) const TIME_UNIX_NANO: u8 = 3;
pub(super) const NUMBER_AS_INT: u8 = 6;
pub(super) const NUMBER_ATTRIBUTES: u8 = 7;
pub(super) const HISTOGRAM_COUNT: u8 = 4;
pub(super) const HISTOGRAM_SUM: u8 = 5;
pub(super) const HISTOGRAM_BUCKET_COUNTS: u8 = 6;
pub(super) const HISTOGRAM_EXPLICIT_BOUNDS: u8 = 7;
pub(super) const HISTOGRAM_ATTRIBUTES: u8 = 9;
pub(super) const PARTIAL_SUCCESS: u8 = 1;
pub(super) const REJECTED_DATA_POINTS: u8 = 1;
pub(super) const ERROR_MESSAGE: u8 = 2;
