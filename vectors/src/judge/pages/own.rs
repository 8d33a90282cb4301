//! Instruments of the engine's own on the pages.

use std::collections::BTreeMap;

use super::proto_histogram::{histogram_text, shown_histogram, unix_nanos};
use super::{PageExtras, SeriesSamples, nanos_of};
use crate::contract::{ShownLabels, observed};
use crate::families::ProtoMetricFamily;
use crate::judge::{own, same};
use crate::model::Model;
use crate::model::own::{Measured, OwnPoint, OwnValues};

/// A family of a text page.
pub(super) struct OwnTextFamily<'p> {
    pub(super) name: &'p str,
    pub(super) kind: String,
    /// As OpenMetrics tells it; none in the other format.
    pub(super) unit: Option<&'p str>,
    pub(super) help: Option<&'p str>,
    pub(super) samples: Vec<OwnSample<'p>>,
}

/// A sample of it.
pub(super) struct OwnSample<'p> {
    pub(super) name: &'p str,
    pub(super) labels: Vec<(&'p str, &'p str)>,
    pub(super) text: &'p str,
}

/// The name of an instrument's family, but for what OpenMetrics leaves out of a counter's.
pub(super) fn family_name(own: &OwnValues, is_open: bool) -> String {
    let end = if own.declared.measured == Measured::Counts && !is_open { "_total" } else { "" };
    format!("loaddensity_{}{end}", own.declared.suffixed())
}

/// Judges the families of instruments, which are all that were declared, in that order.
pub(super) fn judge_texts(model: &Model, besides: &PageExtras<'_>, families: &[OwnTextFamily<'_>], is_open: bool) {
    let names: Vec<_> = families.iter().map(|family| family.name.to_owned()).collect();
    assert_eq!(names, model.own().iter().map(|own| family_name(own, is_open)).collect::<Vec<_>>());
    for (own, family) in model.own().iter().zip(families) {
        let is_counter = own.declared.measured == Measured::Counts;
        let unit = Some(own.declared.suffix()).filter(|suffix| is_open && !suffix.is_empty());
        assert_eq!(family.kind, if is_counter { "counter" } else { "histogram" }, "{}", family.name);
        // The other text format ignores blanks at the end of a line, and those before a text.
        let help = if is_open { own.declared.help() } else { own.declared.help().trim_matches(' ') };
        assert_eq!((family.unit, family.help), (unit, Some(help)), "{}", family.name);
        judge_text(model, besides, own, family, is_open);
    }
}

fn judge_text(model: &Model, besides: &PageExtras<'_>, own: &OwnValues, family: &OwnTextFamily<'_>, is_open: bool) {
    // The labels as they are keep series apart whose hashes are blurred.
    let (mut seen, mut times): (BTreeMap<_, SeriesSamples>, _) = (BTreeMap::new(), 0);
    for OwnSample { name, labels, text } in &family.samples {
        if is_open && name.ends_with("_created") {
            assert_eq!(Some(nanos_of(text)), besides.created, "{name}");
            times += 1;
            continue;
        }
        let (le, labels): (Vec<_>, Vec<_>) = labels.iter().copied().partition(|(key, _)| *key == "le");
        let le = le.first().map_or("", |(_, le)| le);
        seen.entry(labels).or_default().push((format!("{name} {le}"), (*text).to_owned()));
    }
    let points = model.own_points(own, true);
    assert_eq!(times, if is_open && besides.created.is_some() { points.len() } else { 0 }, "times of {}", family.name);
    let expected = points.iter().map(|point| (labels(besides, point), lines(own, point.values, besides.is_classic)));
    let seen = seen.into_iter().map(|(labels, lines)| (observed(labels, &[]), lines));
    same(expected.collect(), seen.collect());
}

/// The labels of a point; of the run those that are constant alone.
fn labels(besides: &PageExtras<'_>, point: &OwnPoint<'_>) -> ShownLabels {
    point.of.map_or_else(|| besides.beside(Vec::new()), |known| besides.labels(known))
}

fn lines(own: &OwnValues, values: &[u64], is_classic: bool) -> SeriesSamples {
    let (measured, name) = (own.declared.measured, family_name(own, false));
    let sum = own::text(measured, values.iter().sum());
    if measured == Measured::Counts {
        return vec![(format!("{name} "), sum)];
    }
    let bucket = |le: &str, count: u64| (format!("{name}_bucket {le}"), count.to_string());
    let bounds = own::bounds(measured, is_classic).into_iter();
    let mut lines: Vec<_> = bounds.map(|(bound, le)| bucket(le, own::up_to(values, bound))).collect();
    lines.push(bucket("+Inf", values.len() as u64));
    lines.push((format!("{name}_sum "), sum));
    lines.push((format!("{name}_count "), values.len().to_string()));
    lines
}

/// Judges the same in protobuf, where a family without metrics is not there.
pub(super) fn judge_families(model: &Model, besides: &PageExtras<'_>, families: &[&ProtoMetricFamily]) {
    let shown = model.own().iter().filter(|own| !model.own_points(own, true).is_empty());
    let (mut families, mut expected_families) = (families.iter(), 0);
    for own in shown {
        let family = families.next().unwrap_or_else(|| panic!("{:?} is missing", own.declared));
        let kind = if own.declared.measured == Measured::Counts { 0 } else { 4 };
        let unit = Some(own.declared.suffix()).filter(|suffix| !suffix.is_empty());
        let about = (family.name(), family.r#type(), family.unit.as_deref(), family.help());
        assert_eq!(about, (family_name(own, false).as_str(), kind, unit, own.declared.help()));
        judge_family(model, besides, own, family);
        expected_families += 1;
    }
    assert!(families.next().is_none(), "more families than {expected_families}");
}

fn judge_family(model: &Model, besides: &PageExtras<'_>, own: &OwnValues, family: &ProtoMetricFamily) {
    let seen = family.metric.iter().map(|metric| {
        let (created, value) = match (&metric.counter, &metric.histogram) {
            (Some(counter), _) => (&counter.created_timestamp, counter.value().to_string()),
            (_, Some(histogram)) => (&histogram.created_timestamp, shown_histogram(histogram)),
            _ => panic!("neither a counter nor a histogram: {metric:?}"),
        };
        assert_eq!(created.as_ref().map(unix_nanos), besides.created);
        (observed(metric.labels(), &[]), value)
    });
    let points = model.own_points(own, true);
    let expected = points.iter().map(|point| (labels(besides, point), value(own, point.values)));
    same(expected.collect(), seen.collect());
}

fn value(own: &OwnValues, values: &[u64]) -> String {
    let (measured, sum) = (own.declared.measured, values.iter().sum::<u64>() as f64);
    if measured == Measured::Counts {
        return sum.to_string();
    }
    let unit = own::unit(measured);
    let bounds = own::bounds(measured, false).into_iter();
    let classic: Vec<_> = bounds.map(|(bound, _)| (bound as f64 / unit, own::up_to(values, bound))).collect();
    let numbers = (values.len() as u64, sum / unit);
    histogram_text(numbers, &classic, (measured, values.iter().copied()), &BTreeMap::new())
}
