//! From the bytes that came to what they say, by the parsers that judge the demo.
//!
//! Lines and messages are parsed one by one, so that a bad one is named and hides no other.

use std::collections::BTreeMap;
use std::fmt;

use loaddensity_metrics_shell::Exporter;
use loaddensity_metrics_vectors::dogstatsd::{self, MessageType, ParsedMessage};
use loaddensity_metrics_vectors::influx::{self, ParsedPoint, ParsedValue};
use loaddensity_metrics_vectors::otlp::{DecodeError, DecodedPoint, DecodedValue, canonical, decode, decode_delta};
use loaddensity_metrics_vectors::prometheus::{self, FamilyType, TextFamily};

use super::arrivals::{Arrivals, ArrivedKey, ArrivedKind, ReceiverName, StreamId, Tally};

/// As much of a bad line as is shown.
const SHOWN: usize = 200;

/// Takes lines of InfluxDB; how many were bad, and the first reason.
pub(super) fn points(arrivals: &mut Arrivals, receiver: ReceiverName, body: &[u8]) -> (u64, Option<String>) {
    arrivals.came(receiver);
    let (mut bad, mut first) = (0, None);
    for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match influx::parse(line) {
            Ok(points) => points.iter().for_each(|point| add_point(arrivals, point)),
            Err(error) => {
                let reason = reason(&error, line);
                arrivals.bad(receiver, &reason);
                bad += 1;
                first.get_or_insert(reason);
            }
        }
    }
    (bad, first)
}

fn add_point(arrivals: &mut Arrivals, point: &ParsedPoint) {
    for (field, value) in &point.fields {
        let value = match value {
            ParsedValue::Float(value) => Some(*value),
            ParsedValue::Integer(value) => Some(*value as f64),
            ParsedValue::Unsigned(value) => Some(*value as f64),
            ParsedValue::Text(_) | ParsedValue::Boolean(_) => None,
        };
        let tags = point.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let key = ArrivedKey::new(Exporter::Influxdb, &format!("{}.{field}", point.measurement), tags);
        let kind = if value.is_some() { ArrivedKind::Field } else { ArrivedKind::Set };
        arrivals.add(key, Tally::one(kind, value.unwrap_or_default()));
    }
}

/// Takes a datagram of DogStatsD.
pub(super) fn messages(arrivals: &mut Arrivals, datagram: &[u8]) {
    arrivals.came(ReceiverName::Statsd);
    let text = datagram.strip_suffix(b"\n").unwrap_or(datagram);
    for line in text.split(|byte| *byte == b'\n') {
        match dogstatsd::parse(line) {
            Ok(messages) => messages.iter().for_each(|message| add_message(arrivals, message)),
            Err(error) => arrivals.bad(ReceiverName::Statsd, &reason(&error.reason, line)),
        }
    }
}

fn add_message(arrivals: &mut Arrivals, message: &ParsedMessage<'_>) {
    let kind = match message.kind {
        MessageType::Count => ArrivedKind::Counter,
        MessageType::Gauge => ArrivedKind::Gauge,
        MessageType::Timing | MessageType::Histogram | MessageType::Distribution => ArrivedKind::Histogram,
        MessageType::Set => ArrivedKind::Set,
    };
    let tags = message.tags.iter().map(|(key, value)| (*key, value.unwrap_or_default()));
    let key = ArrivedKey::new(Exporter::Statsd, message.name, tags);
    if kind == ArrivedKind::Set {
        return arrivals.add(key, Tally::one(kind, 0.0));
    }
    for value in message.numbers() {
        // As the Agent does: a count stands for those that were left out.
        let value = if kind == ArrivedKind::Counter { value / message.rate.unwrap_or(1.0) } else { value };
        arrivals.add(key.clone(), Tally::one(kind, value));
    }
}

/// Takes an `ExportMetricsServiceRequest`; why it was bad, if it was.
pub(super) fn export(arrivals: &mut Arrivals, receiver: ReceiverName, message: &[u8]) -> Option<String> {
    arrivals.came(receiver);
    let decoded = canonical(message).and_then(|()| decode_either(message));
    let reason = match decoded {
        Ok((points, is_delta)) => add_exported(arrivals, points, is_delta)?,
        Err(error) => error.to_string(),
    };
    arrivals.bad(receiver, &reason);
    Some(reason)
}

/// The points, and whether they are of an interval.
fn decode_either(message: &[u8]) -> Result<(Vec<DecodedPoint>, bool), DecodeError> {
    match decode(message) {
        Err(error @ DecodeError::Temporality(_)) => {
            decode_delta(message).map(|points| (points, true)).map_err(|_| error)
        }
        decoded => decoded.map(|points| (points, false)),
    }
}

/// Takes the points of an export; which went back, if any.
fn add_exported(arrivals: &mut Arrivals, points: Vec<DecodedPoint>, is_delta: bool) -> Option<String> {
    let mut went_back = None;
    for DecodedPoint { resource, metric, attributes, start, value, .. } in points {
        let tally = match value {
            DecodedValue::Sum(sum) => Tally::one(ArrivedKind::Counter, sum as f64),
            DecodedValue::Gauge(value) => Tally::one(ArrivedKind::Gauge, value),
            DecodedValue::Histogram { count, sum, .. } | DecodedValue::Exponential { count, sum, .. } => {
                Tally::histogram(count, sum)
            }
        };
        let key = ArrivedKey { backend: Exporter::OpenTelemetry, metric, labels: attributes };
        if is_delta {
            arrivals.add(key, tally);
        } else if arrivals.replace(key.clone(), (resource, start), tally) {
            went_back.get_or_insert_with(|| format!("{} {:?} is less than before", key.metric, key.labels));
        }
    }
    went_back
}

/// Takes a page.
pub(super) fn page(arrivals: &mut Arrivals, page: &[u8]) {
    arrivals.came(ReceiverName::Scraper);
    match prometheus::parse(page) {
        Ok(page) => page.families.iter().for_each(|family| add_family(arrivals, family)),
        Err(error) => arrivals.bad(ReceiverName::Scraper, &error.to_string()),
    }
}

fn add_family(arrivals: &mut Arrivals, family: &TextFamily<'_>) {
    let kind = match family.kind {
        FamilyType::Counter => ArrivedKind::Counter,
        FamilyType::Gauge | FamilyType::Untyped => ArrivedKind::Gauge,
        FamilyType::Histogram | FamilyType::Summary => ArrivedKind::Histogram,
    };
    let mut histograms = BTreeMap::new();
    for sample in &family.samples {
        let labels = sample.labels.iter().map(|(key, value)| (*key, value.as_ref()));
        let key = ArrivedKey::new(Exporter::Prometheus, family.name, labels);
        match sample.name.strip_prefix(family.name) {
            _ if kind != ArrivedKind::Histogram => put(arrivals, key, Tally::one(kind, sample.value)),
            // On the page a count is an integer below 2^53.
            Some("_count") => histograms.entry(key).or_insert((0, 0.0)).0 = sample.value as u64,
            Some("_sum") => histograms.entry(key).or_insert((0, 0.0)).1 = sample.value,
            _ => {}
        }
    }
    for (key, (number, sum)) in histograms {
        put(arrivals, key, Tally::histogram(number, sum));
    }
}

/// A page is one stream. An engine that was started again begins anew, which no page says.
fn put(arrivals: &mut Arrivals, key: ArrivedKey, tally: Tally) {
    arrivals.replace(key, StreamId::default(), tally);
}

/// What is wrong, and with what.
fn reason(error: &dyn fmt::Display, line: &[u8]) -> String {
    let shown = String::from_utf8_lossy(&line[..line.len().min(SHOWN)]);
    let more = if line.len() > SHOWN { "…" } else { "" };
    format!("{error}, in {shown:?}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(arrivals: &Arrivals, metric: &str) -> (u64, f64, f64) {
        let rows = arrivals.rows();
        let mut found = rows.iter().filter(|(key, _)| key.metric == metric);
        let (Some((_, tally)), None) = (found.next(), found.next()) else { panic!("{metric}: {rows:?}") };
        (tally.number, tally.sum(), tally.last)
    }

    #[test]
    fn a_bad_line_is_named_and_hides_no_other() {
        let mut arrivals = Arrivals::default();
        let body = b"m,a=b x=1.5,n=2i 1\nm,a=b x= 2\nm,a=b x=2,on=true 3\n";
        let (bad, first) = points(&mut arrivals, ReceiverName::InfluxdbUdp, body);
        assert!(bad == 1 && first.is_some_and(|reason| reason.contains("m,a=b x= 2")));
        assert_eq!(row(&arrivals, "m.x"), (2, 3.5, 2.0));
        assert_eq!(row(&arrivals, "m.n"), (1, 2.0, 2.0));
        assert_eq!(row(&arrivals, "m.on").0, 1);
        assert!(arrivals.first_bad()[0].starts_with("influxdb-udp: line 1: "), "{:?}", arrivals.first_bad());
    }

    #[test]
    fn messages_count_as_the_agent_counts() {
        let mut arrivals = Arrivals::default();
        messages(&mut arrivals, b"c:2|c|@0.5|#a:b\nc:3|c|#a:b\nt:1:2:3|ms|@0.1\ng:4|g\ng:1|g\n:1|c\n");
        assert_eq!(row(&arrivals, "c"), (2, 7.0, 3.0));
        assert_eq!(row(&arrivals, "t"), (3, 6.0, 3.0));
        assert_eq!(row(&arrivals, "g").2, 1.0);
        assert_eq!(arrivals.all_bad(), 1);
        assert!(arrivals.first_bad()[0].ends_with(r#"in ":1|c""#), "{:?}", arrivals.first_bad());
    }

    #[test]
    fn the_newest_page_counts() {
        let mut arrivals = Arrivals::default();
        let text = |count: u64| {
            format!(
                "# TYPE r_total counter\nr_total{{a=\"b\"}} {count}\n# TYPE h histogram\nh_bucket{{le=\"+Inf\"}} {count}\n\
                 h_sum 1.5\nh_count {count}\n"
            )
        };
        [text(3), text(5), "x\n".to_owned()].iter().for_each(|text| page(&mut arrivals, text.as_bytes()));
        assert_eq!(row(&arrivals, "r_total"), (2, 5.0, 5.0));
        assert_eq!((row(&arrivals, "h").0, row(&arrivals, "h").1), (5, 1.5));
        assert_eq!((arrivals.counts(ReceiverName::Scraper).transfers, arrivals.all_bad()), (3, 1));
    }

    #[test]
    fn what_is_no_export_is_bad() {
        let mut arrivals = Arrivals::default();
        let reason = export(&mut arrivals, ReceiverName::OtlpHttp, b"no protobuf").expect("bad");
        assert_eq!(arrivals.first_bad(), [format!("otlp-http: {reason}")]);
    }
}
