//! InfluxDB lines, checked by InfluxData's parser, by a reader of what all versions agree on, and by a naive model.

mod common;

use common::{any_recording, edge_recording, nasty_recording, pumped};
use loaddensity_metrics_core::influxdb::{GaugeLineEncoder, LineEncoder, MeasurementError, Precision, StatusCode};
use loaddensity_metrics_core::{ConstantLabels, Exporter, Sample, Storage, Timestamp, Written};
use loaddensity_metrics_vectors::contract::Spelling;
use loaddensity_metrics_vectors::judge::influxdb::LineDialect;
use loaddensity_metrics_vectors::{check, influx, judge};
use proptest::prelude::*;
use std::time::Duration;

const MEASUREMENT: &str = "loaddensity_request";

#[test]
fn nasty_names_survive_or_are_made_safe() {
    static STORAGE: Storage<1_024, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let encoder = LineEncoder::new(registry, MEASUREMENT).expect("measurement");
    let (model, bodies) = pumped(registry, Exporter::Influxdb, encoder, 1_400, &nasty_recording());
    assert!(model.requests() > 800, "{}", model.requests());
    judge::lines(&model, MEASUREMENT, bodies.iter().map(Vec::as_slice));
}

#[test]
fn every_bound_and_extreme_is_written_exactly() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let encoder = LineEncoder::new(registry, MEASUREMENT).expect("measurement");
    let (model, bodies) = pumped(registry, Exporter::Influxdb, encoder, 1_400, &edge_recording());
    judge::lines(&model, MEASUREMENT, bodies.iter().map(Vec::as_slice));
}

#[test]
fn a_timestamp_is_that_of_the_sample_except_for_its_unique_part() {
    static STORAGE: Storage<4, 3, 16> = Storage::new();
    let registry = STORAGE.registry();
    let at = 1_700_000_000_123_456_789;
    let sample = Sample::ok(Duration::ZERO).completed_at(Timestamp::from_unix_nanos(at));
    let recording = vec![(Spelling::new("GET", "/x"), vec![sample; 10])];
    let encoder = LineEncoder::new(registry, MEASUREMENT).expect("measurement");
    let (_, bodies) = pumped(registry, Exporter::Influxdb, encoder, 200, &recording);
    let points: Vec<_> = bodies.iter().flat_map(|body| influx::parse(body).expect("lines")).collect();
    assert_eq!(points.len(), 10);
    for (number, point) in points.iter().enumerate() {
        let off = point.timestamp.expect("a timestamp") - at as i64;
        // Four recorders, the shared one included: steps of four nanoseconds.
        assert!(off.abs() <= 4 * (number as i64 + 1), "{off} ns off at {number}");
    }
}

/// Nasty constant tags of every kind, and the status code as a field, a tag and both.
#[test]
fn nasty_names_and_constant_tags_stay_in_order_in_every_dialect() {
    let nasty = r"a,b=c d\e\,f\";
    let constant = [("Aa", nasty), ("mez", "\n"), ("scenario", "ours loses"), ("statuz", "é😀"), ("zz", nasty)];
    let labels = ConstantLabels::new(constant).expect("tags that every format takes");
    static STORAGES: [Storage<1_024, 1, 2>; 3] = [Storage::new(), Storage::new(), Storage::new()];
    for (storage, status) in STORAGES.iter().zip([StatusCode::Field, StatusCode::Tag, StatusCode::Both]) {
        let registry = storage.registry();
        let encoder = LineEncoder::new(registry, MEASUREMENT).expect("measurement").with_tags(&labels, status);
        let (model, bodies) = pumped(registry, Exporter::Influxdb, encoder, 4_096, &nasty_recording());
        let dialect = LineDialect { constant: constant.map(|(key, value)| (key.into(), value.into())).into(), status };
        judge::influxdb::lines(&model, MEASUREMENT, &dialect, bodies.iter().map(Vec::as_slice));
    }
}

/// All gauges that a registry can have, with the longest numbers, in lines of any length that hold one.
#[test]
fn gauges_are_fields_of_one_time() {
    let storage = Box::new(Storage::<4, 1, 2>::new());
    let registry = storage.registry();
    let labels = ConstantLabels::new([("run", "a b"), ("zone", "x")]).expect("tags that every format takes");
    let encoder = GaugeLineEncoder::new(registry, "my gauges", &labels, Precision::Second).expect("measurement");
    let at = Timestamp::from_unix_nanos(1_700_000_000_123_456_789);
    assert_eq!(encoder.encode(0..9, at, &mut [0; 64]), Ok(Written::default()), "nothing is no line");
    let numbers = [0.0, -0.5, 250.0, 1e300, -5e-324, f64::MAX, 0.1, 123_456.789];
    let expected: Vec<(String, influx::ParsedValue)> = (0..32)
        .map(|number| (format!("gauge_{number}"), influx::ParsedValue::Float(numbers[number % numbers.len()])))
        .collect();
    for (name, value) in &expected {
        let influx::ParsedValue::Float(value) = value else { panic!("{value:?}") };
        registry.gauge(name).expect("room for 32").set(*value);
    }
    for length in [450, 512, 1_400, 16 << 10] {
        let (mut seen, mut line) = (Vec::new(), vec![0xff; length]);
        loop {
            let written = encoder.encode(seen.len()..usize::MAX, at, &mut line).expect("the longest number fits");
            if written.items == 0 {
                break;
            }
            let line = std::str::from_utf8(&line[..written.bytes]).expect("UTF-8");
            let point = influx::portable(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
            assert_eq!(influx::parse(line.as_bytes()), Ok(vec![point.clone()]));
            assert_eq!((point.measurement.as_str(), point.timestamp), ("my gauges", Some(1_700_000_000)));
            assert_eq!(point.tags, [("run".into(), "a b".into()), ("zone".into(), "x".into())]);
            assert_eq!(point.fields.len(), usize::from(written.items));
            seen.extend(point.fields);
        }
        assert_eq!(seen, expected);
    }
    assert!(encoder.encode(3..9, at, &mut [0; 100]).is_err(), "1e300 does not fit");
}

#[test]
fn without_constant_tags_the_line_is_as_the_contract_says() {
    let line = |change: fn(LineEncoder<'_>) -> LineEncoder<'_>| {
        let storage = Box::new(Storage::<4, 1, 2>::new());
        let encoder = change(LineEncoder::new(storage.registry(), MEASUREMENT).expect("measurement"));
        let recording = vec![(Spelling::new("GET", "/x"), vec![Sample::ok(Duration::ZERO)])];
        pumped(storage.registry(), Exporter::Influxdb, encoder, 1_400, &recording).1
    };
    let contract = line(|encoder| encoder);
    assert_eq!(line(|encoder| encoder.with_tags(&ConstantLabels::NONE, StatusCode::Field)), contract);
    assert_ne!(line(|encoder| encoder.with_tags(&ConstantLabels::NONE, StatusCode::Tag)), contract);
}

#[test]
fn a_measurement_is_shown_as_it_is_or_refused() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let recording = vec![(Spelling::new("GET", "/x"), vec![Sample::ok(Duration::ZERO)])];
    for measurement in ["m", "a b", "a,b=c", " a ", "café/😀", "a#\"'", "e".repeat(128).as_str()] {
        let encoder = LineEncoder::new(registry, measurement).expect(measurement);
        let (_, bodies) = pumped(registry, Exporter::Influxdb, encoder, 1_400, &recording);
        let line = String::from_utf8(bodies.concat()).expect("UTF-8");
        let point = influx::portable(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        assert_eq!(point.measurement, measurement);
        assert_eq!(influx::parse(line.as_bytes()), Ok(vec![point]));
    }
    let refused = [
        ("", MeasurementError::Empty),
        ("#a", MeasurementError::Character),
        (r"a\b", MeasurementError::Character),
        ("a\nb", MeasurementError::Character),
        ("a\0", MeasurementError::Character),
        (&"e".repeat(129), MeasurementError::TooLong),
    ];
    for (measurement, error) in refused {
        assert_eq!(LineEncoder::new(registry, measurement).err(), Some(error), "{measurement:?}");
    }
}

proptest! {
    #[test]
    fn random_recordings_arrive_exactly(recording in any_recording(), batch in 2_000..9_000usize) {
        let storage = Box::new(Storage::<9, 1, 2>::new());
        let registry = storage.registry();
        let encoder = LineEncoder::new(registry, MEASUREMENT).expect("measurement");
        let (model, bodies) = pumped(registry, Exporter::Influxdb, encoder, batch, &recording);
        judge::lines(&model, MEASUREMENT, bodies.iter().map(Vec::as_slice));
    }

    #[test]
    fn random_programs_give_right_lines(program in proptest::collection::vec(any::<u8>(), 0..600)) {
        check::influxdb(&program);
    }
}
