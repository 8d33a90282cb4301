//! DogStatsD: batches of 1,000 requests of 100 series, three messages each. Every contender's messages are read back
//! by a strict parser and must hold what the trace has; `floor, safe` and `cadence` write whole milliseconds, all others
//! exact decimals.

use loaddensity_metrics_core::Storage;
use loaddensity_metrics_core::dogstatsd::MessageEncoder;
use loaddensity_metrics_vectors::dogstatsd::{self, MessageType, ParsedMessage};

use super::ours::{Direct, PackedBodies};
use crate::batches::{BATCH, BatchRequest, SeriesNames, contender, requests};
use crate::contest::Contest;
use crate::contest::Role::{Floor, Ours, Peer};
use crate::floor;
use crate::floor::decimal::{Nanos, Whole};
use crate::options::RatioOptions;
use crate::peers::{cadence, write};
use crate::trace::work;

/// Series of the trace.
const SERIES: usize = 100;
/// What Datadog advises for a datagram on networks with the usual frame.
const DATAGRAM_BYTES: usize = 1_432;

/// The contests that `options` want.
#[must_use]
pub fn contests(options: &RatioOptions) -> Vec<Contest> {
    const TITLE: &str = "dogstatsd, 1,000 requests";
    if options.wants(TITLE) { vec![messages(TITLE)] } else { Vec::new() }
}

fn messages(title: &'static str) -> Contest {
    static STORAGE: Storage<{ SERIES + 1 }, 1, 2> = Storage::new();
    let (work, registry) = (work(SERIES), STORAGE.registry());
    let names = work.names.as_slice();
    let requests = requests(work, registry);
    let encoder = || MessageEncoder::new(registry, "loaddensity").expect("a prefix that is allowed");
    let exact = |who: &str, batch: &[BatchRequest], pieces: &[Vec<u8>]| check(who, names, batch, pieces, |r| r.millis);
    let whole = |who: &str, batch: &[BatchRequest], pieces: &[Vec<u8>]| {
        check(who, names, batch, pieces, |request| request.millis.trunc());
    };
    let packed = PackedBodies::new(encoder(), DATAGRAM_BYTES);
    let contenders = vec![
        contender("ours", Ours, Direct::new(encoder()), &requests, exact),
        contender("ours, sink and packer", Ours, packed, &requests, exact),
        contender("floor, safe", Floor, floor::dogstatsd::FloorMessages::<Whole>::new(names), &requests, whole),
        contender(
            "floor, safe, exact decimals",
            Floor,
            floor::dogstatsd::FloorMessages::<Nanos>::new(names),
            &requests,
            exact,
        ),
        contender("write!", Peer, write::WriteMessages::new(names), &requests, exact),
        contender("cadence", Peer, cadence::CadenceMessages::new(names), &requests, whole),
    ];
    Contest { title, unit: "request", units: BATCH as f64, contenders }
}

fn check(who: &str, names: SeriesNames, batch: &[BatchRequest], pieces: &[Vec<u8>], millis: fn(&BatchRequest) -> f64) {
    let refused = |error| panic!("{who}: {error}");
    let messages: Vec<ParsedMessage<'_>> =
        pieces.iter().flat_map(|piece| dogstatsd::parse(piece).unwrap_or_else(refused)).collect();
    assert_eq!(messages.len(), 3 * batch.len(), "{who}: messages");
    for (triple, request) in messages.chunks_exact(3).zip(batch) {
        let expected = [
            ("loaddensity.requests", 1.0, MessageType::Count),
            ("loaddensity.request.latency", millis(request), MessageType::Timing),
            ("loaddensity.response.size", request.event.response_bytes as f64, MessageType::Histogram),
        ];
        for (message, (name, value, kind)) in triple.iter().zip(expected) {
            let tags = tags(names, request);
            assert_eq!((message.name, message.kind, &message.tags[..]), (name, kind, &tags[..]), "{who}");
            assert_eq!(message.numbers(), [value], "{who}");
            assert!(message.rate.is_none() && message.timestamp.is_none() && message.origin.is_empty(), "{who}");
        }
    }
}

fn tags(names: SeriesNames, request: &BatchRequest) -> [(&'static str, Option<&'static str>); 3] {
    let (method, name) = names[request.number as usize];
    let outcome = request.event.outcome().as_str();
    [("method", Some(method)), ("name", Some(name)), ("outcome", Some(outcome))]
}
