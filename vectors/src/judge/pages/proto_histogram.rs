//! Histograms of a scrape in protobuf as texts, of a message and of values.

use super::exemplar_text;
use crate::contract::millis;
use crate::families::{ProtoBucket, ProtoHistogram, ProtoTimestamp};
use crate::model::own::Measured;
use std::collections::BTreeMap;

pub(super) fn unix_nanos(time: &ProtoTimestamp) -> u64 {
    time.seconds as u64 * 1_000_000_000 + time.nanos as u64
}

/// The index of the native bucket of schema 3 in which a value lies, by the specification's definition: the bucket
/// reaches to 2^(index/8), inclusive. `None` up to 2^-`zero`; what is above 2^`top` lies in the bucket after that.
#[must_use]
pub fn native_bucket(value: f64, zero: i32, top: i32) -> Option<i32> {
    let bound = |index: i32| (f64::from(index) / 8.0).exp2();
    if value <= bound(-8 * zero) {
        return None;
    }
    (-8 * zero + 1..=8 * top).find(|index| value <= bound(*index)).or(Some(8 * top + 1))
}

/// By the position of its bucket.
type BucketExemplars = BTreeMap<usize, String>;

pub(super) fn histogram_text(
    (count, sum): (u64, f64),
    classic: &[(f64, u64)],
    (measured, values): (Measured, impl Iterator<Item = u64>),
    exemplars: &BucketExemplars,
) -> String {
    // Numbers below the smallest there is count as zero, so that a histogram without any is a native one.
    let (unit, zero, top, threshold) = match measured {
        Measured::Times => (1e6, 10, 20, -10),
        Measured::Numbers | Measured::Counts => (1.0, 127, 34, -128),
    };
    let mut native: BTreeMap<Option<i32>, u64> = BTreeMap::new();
    values.for_each(|value| *native.entry(native_bucket(value as f64 / unit, zero, top)).or_default() += 1);
    let zeros = native.remove(&None).unwrap_or_default();
    let native: Vec<_> = native.into_iter().filter_map(|(index, count)| Some((index?, count))).collect();
    format!("{count} {sum} {classic:?} {zeros} up to {} {native:?} {exemplars:?}", f64::from(threshold).exp2())
}

pub(super) fn shown_histogram(histogram: &ProtoHistogram) -> String {
    assert_eq!(histogram.schema, Some(3), "storage with exponential histograms shows native ones");
    let is_bounded = |bucket: &&ProtoBucket| bucket.upper_bound().is_finite();
    let classic: Vec<_> = histogram
        .bucket
        .iter()
        .filter(is_bounded)
        .map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()))
        .collect();
    for unbounded in histogram.bucket.iter().filter(|bucket| !is_bounded(bucket)) {
        assert_eq!(unbounded.cumulative_count(), histogram.sample_count(), "{unbounded:?}");
        assert!(unbounded.exemplar.is_some(), "the last bucket goes without saying");
    }
    let native: Vec<_> = histogram.native().expect("checked when it was read").into_iter().collect();
    let (count, sum, zeros) = (histogram.sample_count(), histogram.sample_sum(), histogram.zero_count());
    let (threshold, exemplars) = (histogram.zero_threshold(), shown_exemplars(histogram));
    format!("{count} {sum} {classic:?} {zeros} up to {threshold} {native:?} {exemplars:?}")
}

fn shown_exemplars(histogram: &ProtoHistogram) -> BucketExemplars {
    let buckets = histogram.bucket.iter().enumerate();
    let shown = buckets.filter_map(|(at, bucket)| {
        let exemplar = bucket.exemplar.as_ref()?;
        let labels = exemplar.label.iter().map(|pair| (pair.name(), pair.value()));
        // A float holds fifteen digits for certain; a latency of a day in nanoseconds has fourteen.
        let value = millis((exemplar.value() * 1e6).round() as u64);
        Some((at, exemplar_text(labels, &value, exemplar.timestamp.as_ref().map(unix_nanos))))
    });
    shown.collect()
}
