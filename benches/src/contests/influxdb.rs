//! InfluxDB lines: batches of 1,000 requests of 100 series. Every contender's lines are read back by InfluxData's own
//! parser and must hold what the trace has. `floor, safe` writes latencies exact to the nanosecond, as ours does.

use loaddensity_metrics_core::Storage;
use loaddensity_metrics_core::influxdb::LineEncoder;
use loaddensity_metrics_vectors::influx::{self, ParsedPoint, ParsedValue};

use super::ours::{Direct, PackedBodies};
use crate::batches::{BATCH, BatchRequest, SeriesNames, contender, requests};
use crate::contest::Contest;
use crate::contest::Role::{Floor, Ours, Peer};
use crate::floor;
use crate::floor::decimal::{Micros, Nanos};
use crate::options::RatioOptions;
use crate::peers::questdb::Keys;
use crate::peers::{influx_line_protocol, questdb, write};
use crate::trace::work;

/// Series of the trace.
const SERIES: usize = 100;
/// What the exporter's HTTP bodies hold.
const BODY_BYTES: usize = 64 << 10;

/// The contests that `options` want.
#[must_use]
pub fn contests(options: &RatioOptions) -> Vec<Contest> {
    const TITLE: &str = "influxdb, 1,000 lines";
    if options.wants(TITLE) { vec![lines(TITLE)] } else { Vec::new() }
}

fn lines(title: &'static str) -> Contest {
    static STORAGE: Storage<{ SERIES + 1 }, 1, 2> = Storage::new();
    let (work, registry) = (work(SERIES), STORAGE.registry());
    let names = work.names.as_slice();
    let requests = requests(work, registry);
    let encoder = || LineEncoder::new(registry, "loaddensity_request").expect("a measurement that is allowed");
    let check = |who: &str, batch: &[BatchRequest], pieces: &[Vec<u8>]| check(who, names, batch, pieces);
    let packed = PackedBodies::new(encoder(), BODY_BYTES);
    let contenders = vec![
        contender("ours", Ours, Direct::new(encoder()), &requests, check),
        contender("ours, sink and packer", Ours, packed, &requests, check),
        contender("floor, safe", Floor, floor::influxdb::FloorLines::<Nanos>::new(names), &requests, check),
        contender("floor, safe, whole µs", Floor, floor::influxdb::FloorLines::<Micros>::new(names), &requests, check),
        contender("write!", Peer, write::WriteLines::new(names), &requests, check),
        contender("questdb-rs", Peer, questdb::QuestdbLines::new(names, Keys::Checked), &requests, check),
        contender(
            "questdb-rs, unchecked names",
            Peer,
            questdb::QuestdbLines::new(names, Keys::Unchecked),
            &requests,
            check,
        ),
        contender("influxdb-line-protocol", Peer, influx_line_protocol::BuilderLines::new(names), &requests, check),
    ];
    Contest { title, unit: "line", units: BATCH as f64, contenders }
}

fn check(who: &str, names: SeriesNames, batch: &[BatchRequest], pieces: &[Vec<u8>]) {
    let read = |piece: &Vec<u8>| influx::parse(piece).unwrap_or_else(|error| panic!("{who}: {error}"));
    let points: Vec<ParsedPoint> = pieces.iter().flat_map(read).collect();
    assert_eq!(points.len(), batch.len(), "{who}: points");
    for (point, request) in points.iter().zip(batch) {
        assert_eq!(*point, expected(names, request), "{who}");
    }
}

fn expected(names: SeriesNames, request: &BatchRequest) -> ParsedPoint {
    let (method, name) = names[request.number as usize];
    let tags = [("method", method), ("name", name), ("outcome", request.event.outcome().as_str())];
    let fields = [
        ("status_code", ParsedValue::Integer(request.event.status.into())),
        ("response_time_ms", ParsedValue::Float(request.millis)),
        ("response_length", ParsedValue::Integer(request.event.response_bytes as i64)),
    ];
    ParsedPoint {
        measurement: "loaddensity_request".into(),
        tags: tags.map(|(key, value)| (key.into(), value.into())).into(),
        fields: fields.map(|(key, value)| (key.into(), value)).into(),
        timestamp: Some(request.unix_nanos()),
    }
}
