//! DogStatsD messages over UDP, read by a strict parser of the published grammar.

use loaddensity_metrics_vectors::dogstatsd::{MessageType, ParsedMessage, parse};

use super::{Arrived, CollectedDatagrams, Refused, refused, same_count};

/// Counts the requests: the sum of `<prefix>.requests`; the messages with the engine's gauges apart.
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

fn count(message: &ParsedMessage<'_>) -> Result<u64, Refused> {
    match &message.values[..] {
        [value] => value.parse().map_err(refused),
        values => Err(Refused(format!("{} values in one counter", values.len()))),
    }
}
