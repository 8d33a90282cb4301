//! What each format calls an instrument or a gauge: the one place that says which names a name leads to.
//!
//! Names are without what all names of a format begin with (`loaddensity_`, `loaddensity.`, the prefix of DogStatsD), and
//! InfluxDB's are fields of one measurement.

use core::fmt;

use crate::metrics::InstrumentKind;
use crate::metrics::unit::ShownUnit;

/// What a name belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NamedKind {
    Instrument(InstrumentKind),
    Gauge,
}

/// What is shown, with the name that was chosen for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named<'n> {
    pub(crate) name: &'n str,
    pub(crate) kind: NamedKind,
    pub(crate) unit: ShownUnit,
}

/// A name as a format has it: the chosen one, the unit's suffix, and what follows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProducedName<'n>([&'n str; 3]);

impl<'n> ProducedName<'n> {
    fn bytes(&self) -> impl Iterator<Item = u8> {
        self.0.iter().flat_map(|part| part.bytes())
    }

    /// What it is put together from, in this order.
    pub(crate) const fn parts(&self) -> [&'n str; 3] {
        self.0
    }

    pub(crate) fn is(&self, other: &str) -> bool {
        self.bytes().eq(other.bytes())
    }
}

impl PartialEq for ProducedName<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes().eq(other.bytes())
    }
}

impl fmt::Display for ProducedName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| f.write_str(part))
    }
}

/// What a format calls things: all names that something leads to, the one of the whole first.
pub(crate) type FormatNames = fn(&Named<'_>) -> Names;

/// The formats' functions.
pub(crate) const FORMATS: [FormatNames; 4] = [prometheus, otlp, dogstatsd, influxdb];

/// What comes after a name in one format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    unit: &'static str,
    suffixes: &'static [&'static str],
}

impl Names {
    /// The names of `named`, which these were made for.
    pub(crate) fn of<'n>(self, named: &Named<'n>) -> impl Iterator<Item = ProducedName<'n>> + Clone {
        let (name, unit) = (named.name, self.unit);
        self.suffixes.iter().map(move |suffix| ProducedName([name, unit, suffix]))
    }
}

/// The family, and its samples. OpenMetrics allows no family with the name of another one's sample.
pub(crate) fn prometheus(named: &Named<'_>) -> Names {
    let suffixes: &[&str] = match named.kind {
        NamedKind::Instrument(InstrumentKind::Counter) => &["", "_total", "_created"],
        NamedKind::Instrument(InstrumentKind::Histogram) => &["", "_bucket", "_sum", "_count", "_created"],
        NamedKind::Gauge => &[""],
    };
    Names { unit: named.unit.suffix(), suffixes }
}

/// The metric.
pub(crate) fn otlp(_: &Named<'_>) -> Names {
    Names { unit: "", suffixes: &[""] }
}

/// The messages, per event and per interval.
pub(crate) fn dogstatsd(named: &Named<'_>) -> Names {
    let suffixes: &[&str] = match named.kind {
        NamedKind::Instrument(InstrumentKind::Histogram) => {
            &["", ".count", ".sum", ".min", ".max", ".p50", ".p95", ".p99"]
        }
        NamedKind::Instrument(InstrumentKind::Counter) | NamedKind::Gauge => &[""],
    };
    Names { unit: "", suffixes }
}

/// The fields, per event and per interval. Gauges are fields of another measurement.
pub(crate) fn influxdb(named: &Named<'_>) -> Names {
    let suffixes: &[&str] = match named.kind {
        NamedKind::Instrument(InstrumentKind::Histogram) => {
            &["", "_count", "_sum", "_min", "_max", "_p50", "_p95", "_p99"]
        }
        NamedKind::Instrument(InstrumentKind::Counter) => &[""],
        NamedKind::Gauge => &[],
    };
    Names { unit: named.unit.suffix(), suffixes }
}

/// Whether some format would call something of both by one name.
pub(crate) fn clash(one: &Named<'_>, other: &Named<'_>) -> bool {
    FORMATS.iter().any(|format| {
        let others = format(other).of(other);
        format(one).of(one).any(|name| others.clone().any(|other| other == name))
    })
}
