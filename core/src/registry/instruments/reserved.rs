//! Names that the exporters produce themselves, in some format.

use crate::metrics::produced_names::{Named, NamedKind, dogstatsd, influxdb, otlp, prometheus};
use crate::metrics::unit::ShownUnit;
use crate::metrics::{INSTRUMENTS, Instrument, OTLP_NAMESPACE, PROMETHEUS_NAMESPACE};
use crate::request::label;

/// What begins the names of families that say how exporters and registry are.
pub(crate) const STATUS_PREFIXES: [&str; 2] = ["exporter_", "registry_"];
/// Families that say which run and which target a page is of, as each format of the page names them.
pub(crate) const INFORMATION: [&str; 4] = ["run", "run_info", "target", "target_info"];

/// Whether an exporter calls something else so, or might.
pub(crate) fn is_reserved(named: &Named<'_>) -> bool {
    // InfluxDB 3 allows no field with the name of a tag, and none allows one of the time's.
    let is_tag = influxdb(named).of(named).any(|field| label::RESERVED.iter().any(|tag| field.is(tag)));
    let is_information = prometheus(named).of(named).any(|name| INFORMATION.iter().any(|other| name.is(other)));
    let is_status = STATUS_PREFIXES.iter().any(|prefix| named.name.starts_with(prefix));
    is_tag || is_information || is_status || INSTRUMENTS.into_iter().any(|other| has_a_name_of(named, other))
}

fn has_a_name_of(named: &Named<'_>, other: &Instrument) -> bool {
    let of = |name| Named { name, kind: NamedKind::Instrument(other.kind), unit: ShownUnit::One };
    let family = of(other.prometheus.strip_prefix(PROMETHEUS_NAMESPACE).unwrap_or(other.prometheus));
    let metric = of(other.otlp.strip_prefix(OTLP_NAMESPACE).unwrap_or(other.otlp));
    let message = of(other.dogstatsd);
    [(prometheus as fn(&Named<'_>) -> _, family), (otlp, metric), (dogstatsd, message)].iter().any(|(format, other)| {
        let others = format(other).of(other);
        format(named).of(named).any(|name| others.clone().any(|other| other == name))
    })
}
