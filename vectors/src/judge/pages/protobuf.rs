//! The verdict on the families of a scrape in protobuf.

use super::proto_histogram::{histogram_text, shown_histogram, unix_nanos};
use super::{
    FAMILIES, PAGE_LINES_OF_REGISTRY, PAGE_LINES_PER_EXPORTER, PageExtras, is_own, judge_gauges, of_sample, own,
    part_of,
};
use crate::contract::{LATENCY_BOUNDS_MS, SIZE_BOUNDS, observed};
use crate::families;
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
