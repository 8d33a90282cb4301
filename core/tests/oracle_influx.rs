//! InfluxDB lines, judged by InfluxData's parser, by a reader of what all versions agree on, and by a naive model.

mod common;

use common::{any_recording, edge_recording, nasty_recording, pumped};
use loaddensity_metrics_core::influxdb::{LineEncoder, MeasurementError};
use loaddensity_metrics_core::{Exporter, Sample, Storage, Timestamp};
use loaddensity_metrics_vectors::contract::Spelling;
use loaddensity_metrics_vectors::{check, influx, judge};
use proptest::prelude::*;

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
fn a_timestamp_is_the_samples_but_for_what_makes_it_unique() {
    static STORAGE: Storage<4, 3, 16> = Storage::new();
    let registry = STORAGE.registry();
    let at = 1_700_000_000_123_456_789;
    let sample = Sample { completed_at: Timestamp::from_unix_nanos(at), ..Sample::default() };
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

#[test]
fn a_measurement_is_shown_as_it_is_or_refused() {
    static STORAGE: Storage<4, 1, 2> = Storage::new();
    let registry = STORAGE.registry();
    let recording = vec![(Spelling::new("GET", "/x"), vec![Sample::default()])];
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
