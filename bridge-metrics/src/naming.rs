//! What a registry calls a metric of the facade, and what is counted of its numbers. The table is in `docs/bridges.md`.

use loaddensity_metrics_shell::Unit;

/// A counter's name, its unit, and how many of that unit a number of the facade's is.
pub(crate) struct CounterName {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) factor: u64,
}

/// A histogram's name and what its values are.
pub(crate) struct HistogramName {
    pub(crate) name: String,
    pub(crate) scale: Scale,
}

/// What a histogram's value of 1 is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    /// So many nanoseconds.
    Time(f64),
    /// So many of a unit.
    Number(Unit, f64),
}

impl CounterName {
    /// Of a metric with this name, of which this unit was said.
    pub(crate) fn of(name: &str, said: Option<metrics::Unit>) -> Self {
        let name = without_total(name);
        let (name, is_bytes) = match name.strip_suffix("_bytes") {
            Some(before) => (before.to_owned(), true),
            None => (name, false),
        };
        let (unit, factor) = match said.and_then(bytes_of) {
            Some(factor) => (Unit::Bytes, factor),
            None if is_bytes => (Unit::Bytes, 1),
            None => (Unit::One, 1),
        };
        Self { name, unit, factor }
    }
}

impl HistogramName {
    /// Of a metric with this name, of which this unit was said.
    pub(crate) fn of(name: &str, said: Option<metrics::Unit>) -> Self {
        let name = without_total(name);
        let ending = name.rsplit_once('_').and_then(|(before, word)| Some((before.to_owned(), scale_of_word(word)?)));
        let (name, scale) = match ending {
            Some((before, scale)) => (before, Some(scale)),
            None => (name, None),
        };
        Self { name, scale: said.and_then(scale_of_unit).or(scale).unwrap_or(Scale::Number(Unit::One, 1.0)) }
    }
}

/// Lower-case letters and digits with one `_` between words, whatever stood between them.
pub(crate) fn clean(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("_")
}

/// Formats add `_total` themselves.
fn without_total(name: &str) -> String {
    let name = clean(name);
    name.strip_suffix("_total").map(str::to_owned).unwrap_or(name)
}

fn scale_of_word(word: &str) -> Option<Scale> {
    match word {
        "seconds" | "secs" | "s" => Some(Scale::Time(1e9)),
        "milliseconds" | "millis" | "ms" => Some(Scale::Time(1e6)),
        "microseconds" | "micros" | "us" => Some(Scale::Time(1e3)),
        "nanoseconds" | "nanos" | "ns" => Some(Scale::Time(1.0)),
        "bytes" => Some(Scale::Number(Unit::Bytes, 1.0)),
        _ => None,
    }
}

/// Nothing for units that are neither of time nor of size: what the name says counts.
fn scale_of_unit(unit: metrics::Unit) -> Option<Scale> {
    match unit {
        metrics::Unit::Seconds => Some(Scale::Time(1e9)),
        metrics::Unit::Milliseconds => Some(Scale::Time(1e6)),
        metrics::Unit::Microseconds => Some(Scale::Time(1e3)),
        metrics::Unit::Nanoseconds => Some(Scale::Time(1.0)),
        size => bytes_of(size).map(|bytes| Scale::Number(Unit::Bytes, bytes as f64)),
    }
}

const fn bytes_of(unit: metrics::Unit) -> Option<u64> {
    match unit {
        metrics::Unit::Bytes => Some(1),
        metrics::Unit::Kibibytes => Some(1 << 10),
        metrics::Unit::Mebibytes => Some(1 << 20),
        metrics::Unit::Gibibytes => Some(1 << 30),
        metrics::Unit::Tebibytes => Some(1 << 40),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use metrics::Unit as Said;

    use super::*;

    #[test]
    fn counters_lose_total_and_bytes_at_the_end_of_their_names() {
        for (name, said, expected) in [
            ("http_requests_total", None, ("http_requests", Unit::One, 1)),
            ("app.requests", None, ("app_requests", Unit::One, 1)),
            ("App::Sent-Bytes/Total", None, ("app_sent", Unit::Bytes, 1)),
            ("sent_bytes", Some(Said::Count), ("sent", Unit::Bytes, 1)),
            ("sent", Some(Said::Bytes), ("sent", Unit::Bytes, 1)),
            ("sent_total", Some(Said::Mebibytes), ("sent", Unit::Bytes, 1 << 20)),
            ("__a..b__", None, ("a_b", Unit::One, 1)),
            // Left to the registry, which refuses them.
            ("cpu_seconds_total", Some(Said::Seconds), ("cpu_seconds", Unit::One, 1)),
            ("bytes", None, ("bytes", Unit::One, 1)),
            ("total", None, ("total", Unit::One, 1)),
        ] {
            let CounterName { name: shown, unit, factor } = CounterName::of(name, said);
            assert_eq!((&*shown, unit, factor), expected, "{name}");
        }
    }

    #[test]
    fn histograms_have_the_unit_that_was_said_or_else_that_of_the_names_end() {
        let number = |factor| Scale::Number(Unit::Bytes, factor);
        for (name, said, expected) in [
            ("latency_seconds", None, ("latency", Scale::Time(1e9))),
            ("http.request.duration_ms", None, ("http_request_duration", Scale::Time(1e6))),
            ("wait_us", None, ("wait", Scale::Time(1e3))),
            ("wait_nanoseconds", None, ("wait", Scale::Time(1.0))),
            ("latency", Some(Said::Seconds), ("latency", Scale::Time(1e9))),
            ("latency_seconds", Some(Said::Milliseconds), ("latency", Scale::Time(1e6))),
            ("latency_seconds", Some(Said::Count), ("latency", Scale::Time(1e9))),
            ("body_bytes", None, ("body", number(1.0))),
            ("body", Some(Said::Kibibytes), ("body", number(1_024.0))),
            ("latency", None, ("latency", Scale::Number(Unit::One, 1.0))),
            ("rate", Some(Said::MegabitsPerSecond), ("rate", Scale::Number(Unit::One, 1.0))),
            ("load", Some(Said::Percent), ("load", Scale::Number(Unit::One, 1.0))),
            ("load_percent", None, ("load_percent", Scale::Number(Unit::One, 1.0))),
            ("seconds", None, ("seconds", Scale::Number(Unit::One, 1.0))),
        ] {
            let HistogramName { name: shown, scale } = HistogramName::of(name, said);
            assert_eq!((&*shown, scale), expected, "{name}");
        }
    }
}
