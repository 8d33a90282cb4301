use super::{DecodeError, DecodedValue, ExportMetricsServiceRequest, canonical, decode, unframe};
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

/// service.name=x, scope lt, cumulative monotonic integer sum `req` in `{request}` = 7 with m=GET, from 1 s to 2 s;
/// encoded by hand from the field numbers of the proto files.
const BY_HAND: [&str; 3] = [
    "0a600a150a130a0c736572766963652e6e616d6512030a017812470a040a026c74123f0a037265711a097b726571756573747d3a2d0a27",
    "1100ca9a3b00000000190094357700000000310700000000000000",
    "3a0a0a016d12050a0347455410021801",
];

/// The same with the point's attributes before its numbers: any reader takes it, but no writer we know makes it.
const OUT_OF_ORDER: [&str; 4] = [BY_HAND[0], "3a0a0a016d12050a03474554", BY_HAND[1], "10021801"];

fn bytes_of(hex: &[&str]) -> Vec<u8> {
    let digits = hex.concat();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).expect("ASCII"), 16).expect("hex");
    digits.as_bytes().chunks(2).map(byte).collect()
}

fn by_hand() -> Vec<u8> {
    bytes_of(&BY_HAND)
}

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value.into())) };
    KeyValue { key: key.into(), value: Some(value), ..KeyValue::default() }
}

fn histogram_point() -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: vec![attribute("m", "GET")],
        start_time_unix_nano: 1,
        time_unix_nano: 2,
        count: 3,
        sum: Some(12.5),
        bucket_counts: vec![1, 2, 0],
        explicit_bounds: vec![5.0, 10.0],
        ..HistogramDataPoint::default()
    }
}

fn number_point() -> NumberDataPoint {
    NumberDataPoint {
        attributes: vec![attribute("m", "GET")],
        start_time_unix_nano: 1,
        time_unix_nano: 2,
        value: Some(number_data_point::Value::AsInt(3)),
        ..NumberDataPoint::default()
    }
}

fn histogram(points: Vec<HistogramDataPoint>) -> Metric {
    let histogram = Histogram { data_points: points, aggregation_temporality: 2 };
    Metric {
        name: "lat".into(),
        unit: "ms".into(),
        data: Some(metric::Data::Histogram(histogram)),
        ..Metric::default()
    }
}

fn sum(points: Vec<NumberDataPoint>) -> Metric {
    let sum = Sum { data_points: points, aggregation_temporality: 2, is_monotonic: true };
    Metric { name: "req".into(), unit: "1".into(), data: Some(metric::Data::Sum(sum)), ..Metric::default() }
}

fn request(metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    let scope = InstrumentationScope { name: "lt".into(), ..InstrumentationScope::default() };
    let resource = Resource { attributes: vec![attribute("service.name", "x")], ..Resource::default() };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource),
            scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics, schema_url: String::new() }],
            schema_url: String::new(),
        }],
    }
}

fn decoded(metrics: Vec<Metric>) -> Result<usize, DecodeError> {
    decode(&request(metrics).encode_to_vec()).map(|points| points.len())
}

#[test]
fn reads_a_request_made_by_hand() {
    let message = by_hand();
    assert_eq!(canonical(&message), Ok(()));
    let points = decode(&message).expect("points");
    assert_eq!(points.len(), 1);
    let point = &points[0];
    assert_eq!((point.metric.as_str(), point.unit.as_str(), point.scope.as_str()), ("req", "{request}", "lt"));
    assert_eq!(point.resource["service.name"], "x");
    assert_eq!(point.attributes["m"], "GET");
    assert_eq!((point.start, point.time), (1_000_000_000, 2_000_000_000));
    assert_eq!(point.value, DecodedValue::Sum(7));
}

#[test]
fn reads_a_histogram() {
    let message = request(vec![histogram(vec![histogram_point()]), sum(vec![number_point()])]).encode_to_vec();
    let points = decode(&message).expect("points");
    assert_eq!(points.len(), 2);
    let expected = DecodedValue::Histogram { count: 3, sum: 12.5, buckets: vec![1, 2, 0], bounds: vec![5.0, 10.0] };
    assert_eq!(points[0].value, expected);
}

#[test]
fn takes_the_message_out_of_its_frame() {
    assert_eq!(unframe(&[0, 0, 0, 0, 2, 7, 8]), Ok([7, 8].as_slice()));
    assert_eq!(unframe(&[0, 0, 0, 0, 0]), Ok([].as_slice()));
    for wrong in [&[][..], &[0, 0, 0, 0], &[0, 0, 0, 0, 1], &[0, 0, 0, 0, 1, 2, 3], &[0, 1, 0, 0, 0, 0]] {
        assert_eq!(unframe(wrong), Err(DecodeError::Frame), "{wrong:?}");
    }
    assert_eq!(unframe(&[1, 0, 0, 0, 0]), Err(DecodeError::Compressed));
}

#[test]
fn refuses_bytes_that_prost_would_not_write() {
    let good = by_hand();
    let mut overlong = vec![0x0a, 0xe0, 0x00];
    overlong.extend(&good[2..]);
    let mut unknown = good.clone();
    unknown.extend([0xf8, 0x01, 0x00]);
    let mut default_written = good.clone();
    default_written.truncate(good.len() - 2);
    default_written.extend([0x18, 0x00]);
    let out_of_order = bytes_of(&OUT_OF_ORDER);
    assert_eq!(decode(&out_of_order), decode(&good));
    for (bytes, at) in [(&overlong, 1), (&unknown, good.len()), (&default_written, 1), (&out_of_order, 55)] {
        assert_eq!(canonical(bytes), Err(DecodeError::NotCanonical(at)));
    }
    assert!(matches!(canonical(&good[..good.len() - 1]), Err(DecodeError::Protobuf(_))));
    assert!(matches!(decode(&good[..good.len() - 1]), Err(DecodeError::Protobuf(_))));
}

#[test]
fn refuses_histograms_that_contradict_themselves() {
    let good = histogram_point();
    let broken = [
        ("a bucket too few", HistogramDataPoint { bucket_counts: vec![1, 2], ..good.clone() }),
        ("a bound too few", HistogramDataPoint { explicit_bounds: vec![5.0], ..good.clone() }),
        ("count differs", HistogramDataPoint { count: 4, ..good.clone() }),
        ("buckets overflow", HistogramDataPoint { bucket_counts: vec![u64::MAX, 4, 0], ..good.clone() }),
        ("bounds equal", HistogramDataPoint { explicit_bounds: vec![5.0, 5.0], ..good.clone() }),
        ("bounds decrease", HistogramDataPoint { explicit_bounds: vec![10.0, 5.0], ..good.clone() }),
        ("bound is no number", HistogramDataPoint { explicit_bounds: vec![5.0, f64::NAN], ..good.clone() }),
        ("no sum", HistogramDataPoint { sum: None, ..good.clone() }),
        ("a sum of nothing", HistogramDataPoint { count: 0, bucket_counts: vec![0, 0, 0], ..good }),
    ];
    for (what, point) in broken {
        let expected = Err(DecodeError::Histogram("lat".into()));
        assert_eq!(decoded(vec![histogram(vec![point])]), expected, "{what}");
    }
}

#[test]
fn refuses_points_that_break_other_rules() {
    let good = number_point();
    let negative = Some(number_data_point::Value::AsInt(-1));
    let twice = vec![attribute("m", "GET"), attribute("m", "PUT")];
    let no_value = KeyValue { key: "m".into(), ..KeyValue::default() };
    let broken = [
        (DecodeError::Time("req".into()), NumberDataPoint { time_unix_nano: 0, ..good.clone() }),
        (DecodeError::Time("req".into()), NumberDataPoint { start_time_unix_nano: 3, ..good.clone() }),
        (DecodeError::NoData("req".into()), NumberDataPoint { value: None, ..good.clone() }),
        (DecodeError::NoData("req".into()), NumberDataPoint { value: negative, ..good.clone() }),
        (DecodeError::Attribute("m".into()), NumberDataPoint { attributes: twice, ..good.clone() }),
        (DecodeError::Attribute("".into()), NumberDataPoint { attributes: vec![attribute("", "x")], ..good.clone() }),
        (DecodeError::Attribute("m".into()), NumberDataPoint { attributes: vec![no_value], ..good }),
    ];
    for (expected, point) in broken {
        assert_eq!(decoded(vec![sum(vec![point])]), Err(expected));
    }
}

#[test]
fn refuses_metrics_that_break_other_rules() {
    let delta = |metric: Metric| match metric.data {
        Some(metric::Data::Sum(sum)) => {
            Metric { data: Some(metric::Data::Sum(Sum { aggregation_temporality: 1, ..sum })), ..metric }
        }
        _ => metric,
    };
    let refused = [
        (vec![], DecodeError::Empty("metrics")),
        (vec![sum(vec![])], DecodeError::Empty("data_points")),
        (vec![Metric { data: None, ..sum(vec![]) }], DecodeError::NoData("req".into())),
        (vec![sum(vec![number_point()]), sum(vec![number_point()])], DecodeError::Twice("req".into())),
        (vec![sum(vec![number_point(), number_point()])], DecodeError::Twice("req".into())),
        (vec![delta(sum(vec![number_point()]))], DecodeError::Temporality("req".into())),
    ];
    for (metrics, expected) in refused {
        assert_eq!(decoded(metrics), Err(expected));
    }
    assert_eq!(decode(&[]), Err(DecodeError::Empty("resource_metrics")));
}
