//! InfluxDB points over UDP, read by InfluxData's parser.

use std::collections::HashSet;

use loaddensity_metrics_vectors::influx::{ParsedPoint, ParsedValue, parse};

use super::{Arrived, CollectedDatagrams, Observed, Refused, refused};
use crate::engine::{ITERATIONS, TIME_TO_FIRST_BYTE};

/// Counts the points; those of `<measurement>_gauges`, `<measurement>_instruments` and `<measurement>_observations` apart.
///
/// # Errors
/// A datagram that InfluxData's parser does not take as a whole, a point without the contract's tags and fields, a gauge
/// that is no number, or two points that InfluxDB would store as one, because series and time are equal.
pub fn influxdb(datagrams: &CollectedDatagrams, measurement: &str) -> Result<Arrived, Refused> {
    let mut arrived = Arrived::default();
    let mut stored = HashSet::new();
    for datagram in datagrams.iter() {
        for point in parse(datagram).map_err(refused)? {
            match point.measurement.strip_prefix(measurement) {
                Some("_gauges") => {
                    check_gauges(&point)?;
                    arrived.gauges += 1;
                }
                Some("_instruments") => observe(&point, &mut arrived.observed)?,
                Some("_observations") => observe_one(&point, &mut arrived.observed)?,
                _ => {
                    check(&point, measurement)?;
                    arrived.add(point.tag("outcome"), 1)?;
                }
            }
            let fresh = stored.insert((point.measurement, point.tags, point.timestamp));
            if !fresh {
                return Err(Refused(format!("two points of one series at {:?}", point.timestamp)));
            }
        }
    }
    let requests = |line: &&str| line.starts_with(&format!("{measurement},"));
    let mut texts = datagrams.iter().map(String::from_utf8_lossy);
    arrived.sample = texts.find_map(|text| text.lines().find(requests).map(str::to_owned)).into_iter().collect();
    Ok(arrived)
}

fn check(point: &ParsedPoint, measurement: &str) -> Result<(), Refused> {
    let has_tags = ["method", "name", "outcome"].iter().all(|key| point.tag(key).is_some());
    let has_fields = matches!(point.field("status_code"), Some(ParsedValue::Integer(0..=999)))
        && matches!(point.field("response_time_ms"), Some(ParsedValue::Float(0.0..)))
        && matches!(point.field("response_length"), Some(ParsedValue::Integer(0..)));
    if point.measurement == measurement && has_tags && has_fields && point.timestamp.is_some() {
        Ok(())
    } else {
        Err(Refused(format!("not a point of the contract: {point:?}")))
    }
}

/// Adds what came of instruments in an interval.
fn observe(point: &ParsedPoint, observed: &mut Observed) -> Result<(), Refused> {
    for (field, value) in &point.fields {
        let of_first_byte = field.strip_prefix(TIME_TO_FIRST_BYTE).and_then(|rest| rest.strip_prefix("_ms_"));
        match (field.as_str(), of_first_byte, value) {
            (ITERATIONS, _, ParsedValue::Integer(count @ 0..)) => observed.iterations += count.unsigned_abs(),
            (_, Some("count"), ParsedValue::Integer(count @ 0..)) => observed.first_bytes += count.unsigned_abs(),
            (_, Some("sum"), ParsedValue::Float(millis)) => observed.add_first_byte_ms(*millis),
            (_, Some("min" | "max" | "p50" | "p95" | "p99"), ParsedValue::Float(_)) => {}
            _ => return Err(Refused(format!("not the engine's instruments: {point:?}"))),
        }
    }
    Ok(())
}

/// Adds one observation, which has a point of its own.
fn observe_one(point: &ParsedPoint, observed: &mut Observed) -> Result<(), Refused> {
    match &point.fields[..] {
        [(field, ParsedValue::Integer(1))] if field == ITERATIONS => observed.iterations += 1,
        [(field, ParsedValue::Float(millis))] if field.strip_prefix(TIME_TO_FIRST_BYTE) == Some("_ms") => {
            observed.first_bytes += 1;
            observed.add_first_byte_ms(*millis);
        }
        _ => return Err(Refused(format!("not an observation of the engine's: {point:?}"))),
    }
    Ok(())
}

fn check_gauges(point: &ParsedPoint) -> Result<(), Refused> {
    let are_numbers = point.fields.iter().all(|(_, value)| matches!(value, ParsedValue::Float(_)));
    if are_numbers && point.tags.is_empty() && point.timestamp.is_some() {
        Ok(())
    } else {
        Err(Refused(format!("not the engine's gauges: {point:?}")))
    }
}
