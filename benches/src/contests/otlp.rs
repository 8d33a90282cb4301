//! OTLP: 1,000 series, all of whose requests succeed, so that every contender writes a sum and two histograms for each:
//! 3,000 points (ours has points of its own for failures and leaves out what is empty). Every contender's request is
//! decoded with prost, and its points must be those of all others; the floor's bytes must be those of prost.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::rc::Rc;

use ::opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use loaddensity_metrics_core::otlp::{Export, GRPC_PREFIX, Resource, Sources};
use loaddensity_metrics_core::{Registry, Sample, Storage, Timestamp};
use loaddensity_metrics_vectors::otlp::{self, DecodedAttributes, DecodedValue};
use prost::Message as _;

use crate::contest::Role::{self, Bound, Floor, Ours, Peer};
use crate::contest::{Contender, Contest};
use crate::floor;
use crate::floor::otlp::{OtlpCell, Times};
use crate::options::RatioOptions;
use crate::peers::{opentelemetry_export, opentelemetry_proto};
use crate::trace::{self, TraceWork};

/// Series of the trace.
const SERIES: usize = 1_000;
/// Points of one request.
const POINTS: usize = 3 * SERIES;
/// The receiver's usual limit: what our buffer holds.
const REQUEST_BYTES: usize = 4 << 20;
const SERVICE_NAME: &str = "loaddensity";
const TIMES: Times = Times { start: 1_700_000_000_000_000_000, now: 1_700_000_010_000_000_000 };

/// The contests that `options` want.
#[must_use]
pub fn contests(options: &RatioOptions) -> Vec<Contest> {
    const TITLE: &str = "otlp, 3,000 points";
    if options.wants(TITLE) { vec![points(TITLE)] } else { Vec::new() }
}

fn points(title: &'static str) -> Contest {
    let work = trace::work(SERIES);
    let cells: Rc<[OtlpCell]> = cells(work);
    let prebuilt = opentelemetry_proto::build(&work.names, &cells, SERVICE_NAME, TIMES);
    let canonical = prebuilt.encode_to_vec();
    let expected = decoded("prost", &canonical);
    assert_eq!(expected.len(), POINTS);
    let mut floor = floor::otlp::FloorExport::new(&work.names, SERVICE_NAME);
    assert!(floor.encode(&cells, TIMES) == canonical, "the floor's bytes are not prost's");
    let contender = |name, role, message: Box<dyn EncodeMessage>| contender(name, role, message, &expected);
    let structs = prebuilt_structs(prebuilt);
    let contenders = vec![
        contender("ours", Ours, ours(work)),
        contender("floor, safe", Floor, hand_written(floor, Rc::clone(&cells))),
        contender("memcpy of the finished message", Bound, copied(canonical)),
        contender("prost, prebuilt structs", Peer, structs),
        contender("prost, built and encoded", Peer, built_and_encoded(work, cells)),
        contender("opentelemetry_sdk, collected and encoded", Peer, sdk(work)),
    ];
    Contest { title, unit: "point", units: POINTS as f64, contenders }
}

/// Makes one message, without gRPC's prefix, and hands it over.
trait EncodeMessage: FnMut(&mut dyn FnMut(&[u8])) {}
impl<F: FnMut(&mut dyn FnMut(&[u8]))> EncodeMessage for F {}

fn contender(name: &'static str, role: Role, mut message: Box<dyn EncodeMessage>, expected: &PointMap) -> Contender {
    message(&mut |bytes| assert_same(name, &decoded(name, bytes), expected));
    Contender::new(name, role, move || {
        let mut length = 0;
        message(&mut |bytes| length = black_box(bytes).len());
        length
    })
}

fn ours(work: &TraceWork) -> Box<dyn EncodeMessage> {
    static STORAGE: Storage<{ SERIES + 1 }, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    record(registry, work);
    let mut buffer = vec![0; REQUEST_BYTES];
    let [start, now] = [TIMES.start, TIMES.now].map(Timestamp::from_unix_nanos);
    let resource = Resource::new(SERVICE_NAME);
    Box::new(move |deliver| {
        let export = Export::new(registry, start, now);
        let part = export.next_request(Sources::new(registry, &resource), &mut buffer);
        let part = part.expect("room for a point").expect("points");
        deliver(&part.of(&buffer)[GRPC_PREFIX..]);
        assert_eq!(part.next.requests(), trace::EVENTS as u64, "one request holds all points");
    })
}

/// Records the whole trace as successes.
fn record(registry: Registry<'_>, work: &TraceWork) {
    let mut recorder = registry.recorder();
    let series: Vec<_> = work.names.iter().map(|(method, name)| recorder.series(method, name)).collect();
    for (position, event) in work.events.iter().enumerate() {
        let sample = event.sample(trace::completed_at(position));
        let success = Sample::http(200, sample.latency).response_bytes(sample.response_bytes);
        recorder.record(series[event.series as usize], success.completed_at(sample.completed_at));
    }
}

fn cells(work: &TraceWork) -> Rc<[OtlpCell]> {
    let cells: Rc<[OtlpCell]> = work.names.iter().map(|_| OtlpCell::default()).collect();
    work.events.iter().for_each(|event| cells[event.series as usize].add(event));
    cells
}

fn hand_written(mut floor: floor::otlp::FloorExport, cells: Rc<[OtlpCell]>) -> Box<dyn EncodeMessage> {
    Box::new(move |deliver| deliver(floor.encode(black_box(&cells), TIMES)))
}

fn copied(message: Vec<u8>) -> Box<dyn EncodeMessage> {
    let mut copy = Vec::with_capacity(message.len());
    Box::new(move |deliver| {
        copy.clear();
        copy.extend_from_slice(black_box(&message));
        deliver(&copy);
    })
}

fn prebuilt_structs(request: ExportMetricsServiceRequest) -> Box<dyn EncodeMessage> {
    let mut out = Vec::new();
    Box::new(move |deliver| {
        out.clear();
        black_box(&request).encode(&mut out).expect("a Vec takes anything");
        deliver(&out);
    })
}

fn built_and_encoded(work: &'static TraceWork, cells: Rc<[OtlpCell]>) -> Box<dyn EncodeMessage> {
    let mut out = Vec::new();
    Box::new(move |deliver| {
        let request = opentelemetry_proto::build(&work.names, black_box(&cells), SERVICE_NAME, TIMES);
        out.clear();
        request.encode(&mut out).expect("a Vec takes anything");
        deliver(&out);
    })
}

fn sdk(work: &TraceWork) -> Box<dyn EncodeMessage> {
    let mut export = opentelemetry_export::OpenTelemetryExport::new(SERVICE_NAME, SERIES);
    export.record(work);
    Box::new(move |deliver| deliver(export.encode()))
}

/// By metric and attributes: unit and value. Times are not compared, because the SDK takes its own.
type PointMap = BTreeMap<(String, DecodedAttributes), (String, DecodedValue)>;

fn decoded(who: &str, message: &[u8]) -> PointMap {
    let points = otlp::decode(message).unwrap_or_else(|error| panic!("{who}: {error}"));
    let service = DecodedAttributes::from([("service.name".to_owned(), SERVICE_NAME.to_owned())]);
    let one = |point: otlp::DecodedPoint| {
        assert_eq!((point.scope.as_str(), &point.resource), ("loaddensity", &service), "{who}");
        ((point.metric, point.attributes), (point.unit, point.value))
    };
    points.into_iter().map(one).collect()
}

fn assert_same(who: &str, points: &PointMap, expected: &PointMap) {
    assert_eq!(points.len(), expected.len(), "{who}: points");
    for ((key, (unit, value)), (expected_key, (expected_unit, expected_value))) in points.iter().zip(expected) {
        assert_eq!((key, unit), (expected_key, expected_unit), "{who}");
        assert!(is_same(value, expected_value), "{who}: {key:?} is {value:?}, not {expected_value:?}");
    }
}

/// Sums that were added up as floats may differ in the last digits.
fn is_same(value: &DecodedValue, expected: &DecodedValue) -> bool {
    match (value, expected) {
        (
            DecodedValue::Histogram { count, sum, buckets, bounds },
            DecodedValue::Histogram { count: count_2, sum: sum_2, buckets: buckets_2, bounds: bounds_2 },
        ) => (count, buckets, bounds) == (count_2, buckets_2, bounds_2) && (sum - sum_2).abs() <= 1e-9 * sum_2.abs(),
        (value, expected) => value == expected,
    }
}
