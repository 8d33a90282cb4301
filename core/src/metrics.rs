//! The instruments as one table of data: what each format calls them, and what they say of themselves.
//!
//! Names, `HELP` texts, units, reserved names and the documents' tables follow from it. How the three are counted is
//! written out for each (`counts/`), because a loop over a table would cost every request.

pub(crate) mod handles;
pub(crate) mod produced_names;
pub(crate) mod unit;

/// One instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Instrument {
    /// What it is.
    pub kind: InstrumentKind,
    /// What it says of itself: `HELP` on the Prometheus page, the description in OTLP.
    pub description: &'static str,
    /// The name of its Prometheus family, without the suffixes of its samples. Empty where the page does not have it.
    pub prometheus: &'static str,
    /// The unit that OpenMetrics names, with which the family's name ends. Empty where it has none.
    pub prometheus_unit: &'static str,
    /// InfluxDB's field, with suffixes where it stands for an interval. Empty where points have none.
    pub influxdb: &'static str,
    /// The name in DogStatsD, after the prefix. Empty where there are no such messages.
    pub dogstatsd: &'static str,
    /// The type in DogStatsD, by the contract.
    pub dogstatsd_type: &'static str,
    /// The name in OTLP.
    pub otlp: &'static str,
    /// The unit in OTLP, in UCUM's notation.
    pub otlp_unit: &'static str,
    pub(crate) words: InstrumentWords,
}

/// What an instrument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstrumentKind {
    /// A monotonic sum.
    Counter,
    /// A distribution over buckets.
    Histogram,
}

/// Where one outcome of a series keeps what an instrument has counted, in words of its cell's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InstrumentWords {
    /// A counter's.
    Counter {
        /// How often.
        count: usize,
    },
    /// A histogram's.
    Histogram {
        /// The sum of what was observed.
        sum: usize,
        /// The largest.
        largest: usize,
        /// The complement of the smallest, because words are zero when storage is made.
        smallest: usize,
    },
}

/// The instruments that every request is counted in, in the order in which they are shown.
pub const INSTRUMENTS: [&Instrument; 3] = [&REQUESTS, &LATENCY, &SIZE];

/// Completed requests.
pub(crate) const REQUESTS: Instrument = Instrument {
    kind: InstrumentKind::Counter,
    description: "Completed requests",
    prometheus: "loaddensity_requests",
    prometheus_unit: "",
    influxdb: "requests",
    dogstatsd: "requests",
    dogstatsd_type: "c",
    otlp: "loaddensity.requests",
    otlp_unit: "1",
    words: InstrumentWords::Counter { count: 6 },
};

/// Latencies.
pub(crate) const LATENCY: Instrument = Instrument {
    kind: InstrumentKind::Histogram,
    description: "Request latency in milliseconds",
    prometheus: "loaddensity_request_latency_ms",
    prometheus_unit: "ms",
    influxdb: "response_time_ms",
    dogstatsd: "request.latency",
    dogstatsd_type: "ms",
    otlp: "loaddensity.request.latency",
    otlp_unit: "ms",
    words: InstrumentWords::Histogram { sum: 0, largest: 2, smallest: 3 },
};

/// Sizes of responses.
pub(crate) const SIZE: Instrument = Instrument {
    kind: InstrumentKind::Histogram,
    description: "Response size in bytes",
    prometheus: "loaddensity_response_bytes",
    prometheus_unit: "bytes",
    influxdb: "response_length",
    dogstatsd: "response.size",
    dogstatsd_type: "h",
    otlp: "loaddensity.response.size",
    otlp_unit: "By",
    words: InstrumentWords::Histogram { sum: 1, largest: 4, smallest: 5 },
};

/// The latencies once more, as OpenTelemetry's semantic conventions have them ("HTTP metrics",
/// `http.client.request.duration`).
pub(crate) const DURATION: Instrument = Instrument {
    kind: LATENCY.kind,
    description: "Duration of HTTP client requests.",
    prometheus: "",
    prometheus_unit: "",
    influxdb: "",
    dogstatsd: "",
    dogstatsd_type: "",
    otlp: "http.client.request.duration",
    otlp_unit: "s",
    words: LATENCY.words,
};

/// What every gauge of the engine says of itself.
pub(crate) const GAUGE_DESCRIPTION: &str = "Set by the load engine";
/// What an instrument of the engine's own says of itself where it must say something, and the engine said nothing.
pub(crate) const OWN_DESCRIPTION: &str = "Measured by the load engine";

/// What the names of all families on the Prometheus page begin with.
pub(crate) const PROMETHEUS_NAMESPACE: &str = "loaddensity_";

/// What the names of our metrics in OTLP begin with.
pub(crate) const OTLP_NAMESPACE: &str = "loaddensity.";

impl Instrument {
    /// The name of the Prometheus family as a text page has it: a counter's with `_total`.
    pub(crate) const fn prometheus_suffix(&self) -> &'static str {
        match self.kind {
            InstrumentKind::Counter => "_total",
            InstrumentKind::Histogram => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_each_formats_rules() {
        for instrument in INSTRUMENTS {
            assert!(instrument.prometheus.starts_with(PROMETHEUS_NAMESPACE), "{instrument:?}");
            // OpenMetrics 1.0, "Unit": the name of a family ends with its unit.
            assert!(instrument.prometheus.ends_with(instrument.prometheus_unit), "{instrument:?}");
            let is_lower = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || b"._".contains(&byte));
            assert!([instrument.influxdb, instrument.dogstatsd, instrument.otlp].into_iter().all(is_lower));
        }
    }

    #[test]
    fn no_two_instruments_keep_anything_in_one_word() {
        let words = |instrument: &Instrument| match instrument.words {
            InstrumentWords::Counter { count } => [Some(count), None, None],
            InstrumentWords::Histogram { sum, largest, smallest } => [sum, largest, smallest].map(Some),
        };
        let mut seen = [false; 64];
        for word in INSTRUMENTS.into_iter().flat_map(words).flatten() {
            assert!(!core::mem::replace(&mut seen[word], true), "word {word}");
        }
    }
}
