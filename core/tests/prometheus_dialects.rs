//! The three formats of the Prometheus page, parsed back to numbers. All three must have the same numbers.

mod common;

use common::{Recording, any_recording, body_of, page_of, whole};
use loaddensity_metrics_core::prometheus::{Families, Page, ScrapeOptions};
use loaddensity_metrics_core::{ConstantLabels, Exponential, Exporter, Registry, Storage, TraceContext, Unit};
use loaddensity_metrics_vectors::model::Model;
use loaddensity_metrics_vectors::{families, openmetrics, prometheus, samples};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

/// Name and labels of a sample, the bound of a bucket among them.
type Key = (String, BTreeMap<String, String>);
type Numbers = BTreeMap<Key, f64>;
/// The labels, the value and the time of each sample's exemplar.
type Exemplars = BTreeMap<Key, (BTreeMap<String, String>, f64, Option<u64>)>;

proptest! {
    #[test]
    fn random_registries_are_the_same_in_every_dialect(
        recording in any_recording(),
        gauges in vec(proptest::num::f64::NORMAL | proptest::num::f64::ZERO, 0..4),
        constant in any::<bool>(),
        traced in vec(any::<[u8; 24]>(), 1..4),
        observed in vec(any_observation(), 0..40),
    ) {
        let storage = Box::new(Storage::<9, 1, 2, Exponential, 3, 3>::new());
        let registry = storage.registry();
        registry.pump().expect("the only pump").accounts().open(Exporter::Prometheus);
        fill(registry, &recording, &gauges, &traced);
        observe(registry, &observed);
        let nasty = [("run", "\\ \"7\"\n, \\"), ("zone", "é")];
        let constant = if constant { ConstantLabels::new(nasty).expect("short labels") } else { ConstantLabels::NONE };
        compare(registry, &constant);
    }
}

/// Records the whole recording, with the traces in turn, and sets the gauges.
fn fill(registry: Registry<'_>, recording: &Recording, gauges: &[f64], traced: &[[u8; 24]]) {
    let (mut recorder, mut model, mut traces) = (registry.recorder(), Model::new(), traced.iter().cycle());
    for (spelling, samples) in recording {
        // Series whose labels are refused are left out.
        let Ok(series) = model.intern(&mut recorder, spelling) else { continue };
        for (sample, trace) in samples.iter().zip(&mut traces) {
            let (trace_id, span_id) = trace.split_at(16);
            let trace_id = trace_id.try_into().expect("sixteen bytes");
            let span_id = span_id.try_into().expect("eight bytes");
            recorder.record_traced(series, *sample, TraceContext { trace_id, span_id });
        }
    }
    for (number, value) in gauges.iter().enumerate() {
        registry.gauge(&format!("gauge_{number}")).expect("a new gauge").set(*value);
    }
}

/// Which instrument, which series, and what.
type Observation = (usize, usize, u64);

fn any_observation() -> impl Strategy<Value = Observation> {
    let value = prop_oneof![select(samples::latencies()), select(samples::sizes()), 0..10_000_000u64, any::<u64>()];
    (0..6usize, 0..12usize, value)
}

/// Declares an instrument of each kind, unit and reach, those that are observed and those that are not, and observes.
fn observe(registry: Registry<'_>, observed: &[Observation]) {
    let series: Vec<_> = registry.each_series().collect();
    let failed = registry.counter("checks_failed", Unit::One, "Checks that \"failed\"").expect("room");
    let sent = registry.counter("sent", Unit::Bytes, "back\\slash").expect("room");
    let iterations = registry.run_counter("iterations", Unit::One, "").expect("room");
    let first_byte = registry.timer("first_byte", "é").expect("room");
    let batch = registry.histogram("batch", Unit::One, "").expect("room");
    let body = registry.run_histogram("body", Unit::Bytes, "").expect("room");
    let mut recorders = [registry.recorder(), registry.recorder()];
    for (number, (instrument, of, value)) in observed.iter().enumerate() {
        let (recorder, value, series) = (&mut recorders[number % 2], *value, series[of % series.len()]);
        match instrument {
            0 => recorder.add(failed, series, value),
            1 => recorder.add(sent, series, value),
            2 => recorder.add_to_run(iterations, value),
            3 => recorder.observe(first_byte, series, Duration::from_nanos(value)),
            4 => recorder.observe(batch, series, value),
            _ => recorder.observe_in_run(body, value),
        }
    }
}

fn compare(registry: Registry<'_>, constant: &ConstantLabels) {
    let options = ScrapeOptions::default().constant_labels(constant);
    let text = whole(Page::new(registry).with_options(options.clone()));
    let open = whole(Page::open_metrics(registry).with_options(options.clone()));
    let body = body_of(Families::new(registry).with_options(options));
    let text = of_text(&text);
    let (open, of_open) = of_open_metrics(&open);
    let (protobuf, of_protobuf) = of_families(&body);
    assert!(text.len() > 10, "{text:?}");
    same(&text, &open, f64::eq);
    // The text format has all digits of a sum. Protobuf has the nearest float.
    same(&text, &protobuf, |one, other| (one - other).abs() <= 2.0 * f64::EPSILON * one.abs());
    same(&of_open, &of_protobuf, PartialEq::eq);
    if *constant == ConstantLabels::NONE {
        assert_eq!(of_text(&page_of(registry)), text);
    }
}

/// Asserts that both are the same. It shows only the first difference, because the whole is long.
fn same<V: Debug>(one: &BTreeMap<Key, V>, other: &BTreeMap<Key, V>, is_same: impl Fn(&V, &V) -> bool) {
    for key in one.keys().chain(other.keys()) {
        let values = (one.get(key), other.get(key));
        assert!(values.0.zip(values.1).is_some_and(|(one, other)| is_same(one, other)), "{key:?}: {values:?}");
    }
}

fn of_text(page: &[u8]) -> Numbers {
    let page = prometheus::parse(page).unwrap_or_else(|error| panic!("{error}"));
    let labels = |sample: &prometheus::TextSample<'_>| {
        key(sample.name, sample.labels.iter().map(|(name, value)| (*name, value.as_ref())))
    };
    page.samples().map(|sample| (labels(sample), sample.value)).collect()
}

fn of_open_metrics(page: &[u8]) -> (Numbers, Exemplars) {
    let page = openmetrics::parse(page).unwrap_or_else(|error| panic!("{error}"));
    let (mut numbers, mut exemplars) = (Numbers::new(), Exemplars::new());
    for sample in page.samples() {
        let key = key(sample.name, sample.labels.iter().map(|(name, value)| (*name, value.as_str())));
        if let Some(exemplar) = &sample.exemplar {
            let labels = exemplar.labels.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            // Nine digits of a fraction.
            let at = exemplar.timestamp.map(|text| text.replace('.', "").parse().expect("digits"));
            exemplars.insert(key.clone(), (labels, exemplar.text.parse().expect("a number"), at));
        }
        numbers.insert(key, sample.text.parse().expect("a number"));
    }
    (numbers, exemplars)
}

/// The samples that the text format would show.
fn of_families(body: &[u8]) -> (Numbers, Exemplars) {
    let (mut numbers, mut exemplars) = (Numbers::new(), Exemplars::new());
    let families = families::decode(body).unwrap_or_else(|error| panic!("{error}"));
    for (name, metric) in families.iter().flat_map(|family| family.metric.iter().map(|metric| (family.name(), metric)))
    {
        if let Some(counter) = &metric.counter {
            numbers.insert(key(name, metric.labels()), counter.value());
        }
        if let Some(gauge) = &metric.gauge {
            numbers.insert(key(name, metric.labels()), gauge.value());
        }
        let Some(histogram) = &metric.histogram else { continue };
        let bucket = |bound: f64| {
            let bound = format!("{bound:?}");
            key(&format!("{name}_bucket"), metric.labels().chain([("le", bound.as_str())]))
        };
        let count = histogram.sample_count() as f64;
        numbers.insert(key(&format!("{name}_count"), metric.labels()), count);
        numbers.insert(key(&format!("{name}_sum"), metric.labels()), histogram.sample_sum());
        numbers.insert(bucket(f64::INFINITY), count);
        for classic in &histogram.bucket {
            numbers.insert(bucket(classic.upper_bound()), classic.cumulative_count() as f64);
            if let Some(exemplar) = &classic.exemplar {
                let labels = exemplar.label.iter().map(|pair| (pair.name().to_owned(), pair.value().to_owned()));
                let at = exemplar.timestamp.as_ref().map(|at| at.seconds as u64 * 1_000_000_000 + at.nanos as u64);
                exemplars.insert(bucket(classic.upper_bound()), (labels.collect(), exemplar.value(), at));
            }
        }
    }
    (numbers, exemplars)
}

/// The key of a sample. A bound can be written in several ways that mean the same number.
fn key<'l>(name: &str, labels: impl Iterator<Item = (&'l str, &'l str)>) -> Key {
    let labels = labels.map(|(name, value)| {
        let bound = if name == "le" { value.trim_start_matches('+').parse::<f64>().ok() } else { None };
        (name.to_owned(), bound.map_or_else(|| value.to_owned(), |bound| format!("{bound:?}")))
    });
    (name.to_owned(), labels.collect())
}
