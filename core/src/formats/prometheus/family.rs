//! The metrics of the contract, each a family of its own.

use crate::counts::bounds::Quantity;
use crate::metrics::{Instrument, InstrumentKind, LATENCY, REQUESTS, SIZE};
use crate::wire::text::joined::{join, joined, joined_str, length};

/// Name, kind and help as LoadDensity has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Requests,
    Latency,
    Size,
}

/// The header of an instrument's family in the text format 0.0.4.
macro_rules! text_header {
    ($instrument:ident) => {
        joined!(
            "# HELP ",
            $instrument.prometheus,
            $instrument.prometheus_suffix(),
            " ",
            $instrument.description,
            "\n# TYPE ",
            $instrument.prometheus,
            $instrument.prometheus_suffix(),
            " ",
            type_of(&$instrument),
            "\n",
        )
    };
}

/// The same in OpenMetrics, which names a counter without `_total`, and a unit where the name ends in one.
macro_rules! open_metrics_header {
    ($instrument:ident) => {{
        const UNIT: &str = $instrument.prometheus_unit;
        joined!(
            "# TYPE ",
            $instrument.prometheus,
            " ",
            type_of(&$instrument),
            "\n",
            where_any(UNIT, "# UNIT "),
            where_any(UNIT, $instrument.prometheus),
            where_any(UNIT, " "),
            UNIT,
            where_any(UNIT, "\n"),
            "# HELP ",
            $instrument.prometheus,
            " ",
            $instrument.description,
            "\n",
        )
    }};
}

impl Family {
    /// What is counted in it.
    pub(super) const fn instrument(self) -> &'static Instrument {
        match self {
            Self::Requests => &REQUESTS,
            Self::Latency => &LATENCY,
            Self::Size => &SIZE,
        }
    }

    /// What its histograms are of; nothing where it has counters.
    pub(super) const fn quantity(self) -> Option<Quantity> {
        match self {
            Self::Requests => None,
            Self::Latency => Some(Quantity::Latency),
            Self::Size => Some(Quantity::Size),
        }
    }

    /// What the lines of a series begin with, before its labels: those of outcomes or buckets, that of the sum, and that
    /// of the count. The last two are a histogram's.
    pub(super) const fn starts(self) -> &'static [LineStart; 3] {
        match self {
            Self::Requests => const { &[start(&[REQUESTS.prometheus, "_total{"]), start(&[]), start(&[])] },
            Self::Latency => const { &histogram_starts(&LATENCY) },
            Self::Size => const { &histogram_starts(&SIZE) },
        }
    }

    /// The lines in front of the samples.
    pub(super) const fn header(self, is_open_metrics: bool) -> &'static [u8] {
        match self {
            Self::Requests if is_open_metrics => open_metrics_header!(REQUESTS),
            Self::Latency if is_open_metrics => open_metrics_header!(LATENCY),
            Self::Size if is_open_metrics => open_metrics_header!(SIZE),
            Self::Requests => text_header!(REQUESTS),
            Self::Latency => text_header!(LATENCY),
            Self::Size => text_header!(SIZE),
        }
    }

    /// Name, help and unit as protobuf has them.
    pub(super) const fn about(self) -> (&'static str, &'static str, Option<&'static str>) {
        let Instrument { description, prometheus, prometheus_unit, .. } = *self.instrument();
        match self {
            Self::Requests => (joined_str!(REQUESTS.prometheus, "_total"), description, None),
            Self::Latency | Self::Size => (prometheus, description, Some(prometheus_unit)),
        }
    }

    /// What the line with the creation time of a series begins with, before its labels.
    pub(super) const fn created(self) -> &'static [u8] {
        match self {
            Self::Requests => joined!(REQUESTS.prometheus, "_created{"),
            Self::Latency => joined!(LATENCY.prometheus, "_created{"),
            Self::Size => joined!(SIZE.prometheus, "_created{"),
        }
    }

    /// The family that comes after it on the page.
    pub(super) const fn next(self) -> Option<Self> {
        match self {
            Self::Requests => Some(Self::Latency),
            Self::Latency => Some(Self::Size),
            Self::Size => None,
        }
    }
}

/// The first bytes of a line.
#[derive(Debug)]
pub(super) struct LineStart {
    pub(super) bytes: [u8; START_BYTES],
    pub(super) length: usize,
}

/// Longer than the longest, so that a copy of known length will do.
pub(super) const START_BYTES: usize = 48;

const fn histogram_starts(instrument: &Instrument) -> [LineStart; 3] {
    let name = instrument.prometheus;
    [start(&[name, "_bucket{"]), start(&[name, "_sum{"]), start(&[name, "_count{"])]
}

const fn start(parts: &[&str]) -> LineStart {
    LineStart { bytes: join(parts), length: length(parts) }
}

const fn type_of(instrument: &Instrument) -> &'static str {
    match instrument.kind {
        InstrumentKind::Counter => "counter",
        InstrumentKind::Histogram => "histogram",
    }
}

/// `text`, where there is a unit.
const fn where_any(unit: &str, text: &'static str) -> &'static str {
    if unit.is_empty() { "" } else { text }
}
