//! Delta temporality over gRPC: what the receiver accepted adds up to what was recorded, whichever exports failed.

use std::time::Duration;

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{DropReason, Exporters, HistogramAggregation, OpenTelemetryConfig, Temporality};

use super::load::{TestEngine, assert_all_sent, assert_settled, exporters, settings, wait_until};
use super::otlp_receiver::{OtlpReply, OtlpTestServer, ReceivedExport};

/// Intervals touch and add up. An interval that the receiver could not take is extended by the requests that came
/// meanwhile.
pub fn deltas_add_up_over_grpc<R: Runtime>() {
    add_up::<R>(HistogramAggregation::Explicit);
}

/// The same with exponential histograms.
pub fn exponential_deltas_add_up_over_grpc<R: Runtime>() {
    add_up::<R>(HistogramAggregation::Exponential);
}

fn add_up<R: Runtime>(histograms: HistogramAggregation) {
    const FAILS: usize = 1;
    let receiver =
        OtlpTestServer::start::<R>(|number| if number == FAILS { OtlpReply::Trailers(14) } else { OtlpReply::Accept });
    let (exporters, mut engine) = exporters::<R>();
    // These are counted before the exporter starts, so they are in no interval.
    engine.record(10);
    let before = engine.sums;
    let config = delta(&receiver).interval(Duration::from_millis(40)).histograms(histograms);
    exporters.start_opentelemetry_exporter(config).expect("an exporter");
    for round in 1..=4 {
        engine.record(100);
        wait_until(|| exporters.status()[0].account.sent == 100 * round);
    }
    engine.record(50);
    let account = exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running");
    assert_all_sent(&account, 450);
    let mut exports = receiver.exports();
    let failed = exports.remove(FAILS);
    let extended = &exports[FAILS];
    assert!(extended.start == failed.start && extended.time > failed.time, "{failed:?} {extended:?}");
    assert!(extended.sums().requests >= failed.sums().requests);
    assert!(exports.iter().all(ReceivedExport::is_delta));
    assert!(exports.windows(2).all(|pair| pair[0].time <= pair[1].start), "no time is in two intervals");
    assert_eq!(OtlpTestServer::sums(&exports), engine.sums.since(before));
}

/// An interval above the limit is sent in parts. If one part is not accepted, the accepted ones are not sent again. All
/// parts have the same interval, and every request is in exactly one of them.
pub fn parts_of_a_delta_are_sent_once<R: Runtime>() {
    const LIMIT: usize = 16 << 10;
    let receiver = OtlpTestServer::start::<R>(|_| OtlpReply::Accept);
    let settings = settings(256);
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    let config = delta(&receiver).max_request_bytes(LIMIT);
    exporters.start_opentelemetry_exporter(config).expect("an exporter");
    let mut recorder = exporters.recorder();
    for number in 0..200 {
        let series = recorder.series("GET", &format!("/item/{number}"));
        recorder.record(series, loaddensity_metrics_shell::Sample::ok(Duration::ZERO));
    }
    let account = exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running");
    assert_all_sent(&account, 200);
    let exports = receiver.exports();
    assert!(exports.len() > 4, "{} parts", exports.len());
    let interval = (exports[0].start, exports[0].time);
    assert!(exports.iter().all(|export| export.message_bytes <= LIMIT && (export.start, export.time) == interval));
    assert_eq!(OtlpTestServer::sums(&exports).requests, 200);
}

/// What a receiver refuses for good is dropped for that reason and not sent again.
pub fn deltas_that_are_refused_are_dropped<R: Runtime>() {
    let receiver =
        OtlpTestServer::start::<R>(|number| if number == 0 { OtlpReply::Trailers(3) } else { OtlpReply::Accept });
    let settings = settings(64);
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    let config = delta(&receiver).interval(Duration::from_millis(40));
    exporters.start_opentelemetry_exporter(config).expect("an exporter");
    let mut engine = TestEngine::new(settings.registry);
    engine.record(100);
    wait_until(|| exporters.status()[0].account.dropped.get(DropReason::Refused) > 0);
    let dropped = exporters.status()[0].account.dropped.get(DropReason::Refused);
    engine.record(50);
    let account = exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running");
    assert_settled(&account, 150);
    assert_eq!((account.sent, account.dropped.get(DropReason::Refused)), (150 - dropped, dropped), "{account:?}");
    assert_eq!(OtlpTestServer::sums(&receiver.exports()[1..]).requests, 150 - dropped);
}

/// An exporter with delta temporality that exports only at its stop.
fn delta(receiver: &OtlpTestServer) -> OpenTelemetryConfig {
    OpenTelemetryConfig::default()
        .endpoint(format!("http://{}", receiver.address))
        .interval(Duration::from_secs(3_600))
        .temporality(Temporality::Delta)
}
