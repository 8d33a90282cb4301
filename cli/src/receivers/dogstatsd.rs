//! DogStatsD messages over UDP, read by a strict parser of the published grammar.

use std::fmt;
use std::str::FromStr;

use loaddensity_metrics_vectors::dogstatsd::{MessageType, ParsedMessage, parse};

use super::{Arrived, CollectedDatagrams, Observed, Refused, refused, same_count};
use crate::engine::{ITERATIONS, TIME_TO_FIRST_BYTE};

/// Counts the requests: the sum of `<prefix>.requests`; the messages with the engine's gauges and instruments apart.
///
/// # Errors
/// A datagram that breaks the grammar, a message that the contract does not know, or another number of latencies or
/// sizes than of requests. Where the kernel dropped datagrams the numbers may differ, and do so by no more than that.
pub fn dogstatsd(datagrams: &CollectedDatagrams, prefix: &str) -> Result<Arrived, Refused> {
    let mut arrived = Arrived::default();
    let (mut latencies, mut sizes) = (0, 0);
    for datagram in datagrams.iter() {
        for message in parse(datagram).map_err(refused)? {
            let name = message.name.strip_prefix(prefix).unwrap_or_default();
            match (name, message.kind) {
                (".requests", MessageType::Count) => arrived.add(message.tag("outcome"), count(&message)?)?,
                (".request.latency", MessageType::Timing) => latencies += 1,
                (".response.size", MessageType::Histogram) => sizes += 1,
                (_, MessageType::Gauge) if message.tags.is_empty() => arrived.gauges += 1,
                _ if observe(name, &message, &mut arrived.observed)? => {}
                _ => return Err(Refused(format!("not a message of the contract: {message:?}"))),
            }
        }
    }
    if datagrams.kernel_drops.unwrap_or(0) == 0 {
        same_count(&[("requests", arrived.requests()), ("latencies", latencies), ("sizes", sizes)])?;
    }
    let lines = datagrams.iter().take(3).map(String::from_utf8_lossy);
    arrived.sample = lines.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).take(3).collect();
    Ok(arrived)
}

/// Adds what came of an instrument, in an interval or one by one; whether it is one.
fn observe(name: &str, message: &ParsedMessage<'_>, observed: &mut Observed) -> Result<bool, Refused> {
    let of_first_byte = name.strip_prefix('.').and_then(|name| name.strip_prefix(TIME_TO_FIRST_BYTE));
    match (of_first_byte, message.kind) {
        (None, MessageType::Count) if name.strip_prefix('.') == Some(ITERATIONS) => {
            observed.iterations += count(message)?;
        }
        (Some(".count"), MessageType::Count) => observed.first_bytes += count(message)?,
        (Some(".sum"), MessageType::Count) => observed.add_first_byte_ms(value(message)?),
        (Some(""), MessageType::Timing) => {
            observed.first_bytes += 1;
            observed.add_first_byte_ms(value(message)?);
        }
        (Some(".min" | ".max" | ".p50" | ".p95" | ".p99"), MessageType::Gauge) => {}
        _ => return Ok(false),
    }
    Ok(true)
}

fn count(message: &ParsedMessage<'_>) -> Result<u64, Refused> {
    value(message)
}

fn value<T: FromStr<Err: fmt::Display>>(message: &ParsedMessage<'_>) -> Result<T, Refused> {
    match &message.values[..] {
        [value] => value.parse().map_err(refused),
        values => Err(Refused(format!("{} values in one counter", values.len()))),
    }
}
