//! The verdict on the families of a scrape in protobuf.

use super::{
    FAMILIES, PAGE_LINES_OF_REGISTRY, PAGE_LINES_PER_EXPORTER, PageExtras, exemplar_text, is_own, judge_gauges,
    of_sample, own, part_of,
};
use crate::contract::{LATENCY_BOUNDS_MS, SIZE_BOUNDS, millis, observed};
use crate::families::{self, ProtoBucket, ProtoHistogram, ProtoTimestamp};
use crate::judge::same;
use crate::model::own::Measured;
use crate::model::{Model, ModelSeries, bytes, nanos};
use std::collections::BTreeMap;

/// Judges the families of a scrape in protobuf.
///
/// # Panics
/// As [`text`](super::text).
pub fn protobuf(model: &Model, besides: &PageExtras<'_>, body: &[u8]) {
    let families = families::decode(body).unwrap_or_else(|error| panic!("{error}"));
    let (owns, families): (Vec<_>, Vec<_>) = families.iter().partition(|family| is_own(model, family.name(), false));
    own::judge_families(model, besides, &owns);
    let (mut seen, mut gauges, mut others) = (Vec::new(), Vec::new(), 0);
    for family in families {
        let is_of_series = FAMILIES.iter().any(|(name, _)| *name == family.name());
        let is_status =
            ["loaddensity_registry_", "loaddensity_exporter_"].iter().any(|head| family.name().starts_with(head));
        for metric in &family.metric {
            let labels: Vec<_> = metric.labels().collect();
            if is_status {
                besides.assert_on(&labels);
                others += 1;
                continue;
            }
            if let (false, Some(gauge)) = (is_of_series, &metric.gauge) {
                gauges.push((observed(labels, &[]), family.name(), gauge.value()));
                continue;
            }
            let outcome = part_of(metric.label("outcome").unwrap_or_default(), metric.label("error_type"));
            let (created, value) = match (&metric.counter, &metric.histogram) {
                (Some(counter), _) => (&counter.created_timestamp, format!("{outcome} {}", counter.value())),
                (_, Some(histogram)) => (&histogram.created_timestamp, shown_histogram(histogram)),
                _ => panic!("neither a counter nor a histogram: {metric:?}"),
            };
            assert_eq!(created.as_ref().map(unix_nanos), besides.created);
            seen.push((observed(labels, &["outcome", "error_type"]), family.name().to_owned(), value));
        }
    }
    let expected = model.shown().flat_map(|known| {
        let shown = besides.labels(known);
        family_values(known, model.tells_kinds())
            .into_iter()
            .map(move |(name, value)| (shown.clone(), name.to_owned(), value))
    });
    same(expected.collect(), seen);
    judge_gauges(model, besides, &gauges);
    let exporters = besides.exporters.len() * PAGE_LINES_PER_EXPORTER;
    assert_eq!(others, exporters + PAGE_LINES_OF_REGISTRY, "metrics about the registry and the exporters");
}

pub(super) fn unix_nanos(time: &ProtoTimestamp) -> u64 {
    time.seconds as u64 * 1_000_000_000 + time.nanos as u64
}

fn family_values(known: &ModelSeries, tells_kinds: bool) -> Vec<(&'static str, String)> {
    let [(requests, _), (latency, _), (size, _)] = FAMILIES;
    let counts = known.counts(tells_kinds).into_iter();
    let mut values: Vec<_> = counts
        .map(|(outcome, kind, count)| (requests, format!("{} {}", part_of(outcome.as_str(), kind), count as f64)))
        .collect();
    let both = known.of(None);
    let cumulative =
        |bounds: &[u64], up_to: Vec<u64>| bounds.iter().map(|bound| *bound as f64).zip(up_to).collect::<Vec<_>>();
    values.push((
        latency,
        histogram_text(
            (both.count(), both.latency_sum() as f64 / 1e6),
            &cumulative(&LATENCY_BOUNDS_MS, both.latencies_up_to()),
            (Measured::Times, known.samples.iter().map(nanos)),
            &known.exemplars(None).iter().map(|(at, traced)| (*at, of_sample(traced))).collect(),
        ),
    ));
    values.push((
        size,
        histogram_text(
            (both.count(), both.size_sum() as f64),
            &cumulative(&SIZE_BOUNDS, both.sizes_up_to()),
            (Measured::Numbers, known.samples.iter().map(bytes)),
            &BTreeMap::new(),
        ),
    ));
    values
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
