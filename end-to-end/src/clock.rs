//! The wall clock is set back by an hour while exporters run. Everything that has a timestamp must go on as if nothing
//! had happened.

use std::time::Duration;

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{
    AsyncExporters, InfluxdbConfig, InfluxdbUdp, OpenTelemetryConfig, Sample, Settings, StatsdConfig, StatsdSocket,
    Temporality,
};

use super::load::{TestEngine, assert_all_sent, settings};
use super::otlp_receiver::{OtlpReply, OtlpTestServer, ReceivedExport};
use super::receiver::{DatagramReceiver, lines};
use super::staged::{Staged, StagedSockets};
use super::{run, until};

const HOUR: Duration = Duration::from_secs(3_600);

/// Cumulative or delta: no point's time is before its start. Cumulative sums keep one start time, and intervals do not
/// overlap.
pub fn exports_go_on_while_the_clock_is_set_back<R: Runtime>() {
    for temporality in [Temporality::Cumulative, Temporality::Delta] {
        let receiver = OtlpTestServer::start::<R>(|_| OtlpReply::Accept);
        let config = often(&receiver).temporality(temporality);
        let exports = run(|inner: R| async {
            let (runtime, settings) = (Staged::new(inner, StagedSockets::default()), settings(64));
            let exporters = AsyncExporters::start_on(runtime.clone(), settings).expect("a fresh storage is free");
            exporters.start_opentelemetry_exporter(config).await.expect("an exporter");
            let mut engine = TestEngine::new(settings.registry);
            for round in 1..=4 {
                engine.record(10);
                until(&runtime, || {
                    settings.registry.account(loaddensity_metrics_shell::Exporter::OpenTelemetry).sent == 10 * round
                })
                .await;
                runtime.stage().set_back = HOUR * u32::from(round == 2);
            }
            let account = exporters.stop_opentelemetry_exporter().await.expect("a stop").expect("it was running");
            assert_all_sent(&account, 40);
            receiver.exports()
        });
        follow_each_other(&exports);
        for pair in exports.windows(2) {
            // For an interval without requests nothing is sent.
            let follows = pair[0].time <= pair[1].start;
            assert!(
                if temporality == Temporality::Delta { follows } else { pair[0].start == pair[1].start },
                "{temporality:?}"
            );
        }
    }
}

/// After the clock was set back, exporters are started again on a registry. Their start time is still that of the sums.
pub fn exporters_that_are_started_again_keep_the_same_start_time<R: Runtime>() {
    let receiver = OtlpTestServer::start::<R>(|_| OtlpReply::Accept);
    let exports = run(|inner: R| async {
        let (runtime, settings) = (Staged::new(inner, StagedSockets::default()), settings(64));
        for set_back in [Duration::ZERO, HOUR] {
            runtime.stage().set_back = set_back;
            let exporters = AsyncExporters::start_on(runtime.clone(), settings).expect("a storage that is free");
            exporters.start_opentelemetry_exporter(often(&receiver)).await.expect("an exporter");
            TestEngine::new(settings.registry).record(10);
            exporters.stop_opentelemetry_exporter().await.expect("a stop").expect("it was running");
            exporters.shutdown(Duration::from_secs(60)).await;
        }
        receiver.exports()
    });
    follow_each_other(&exports);
    assert!(exports.iter().all(|export| export.start == exports[0].start), "the sums have one start");
}

/// InfluxDB's points per interval and per request, in nanoseconds. The engine gives no times, so the exporters do.
pub fn points_go_on_while_the_clock_is_set_back<R: Runtime>() {
    for aggregate in [false, true] {
        let receiver = DatagramReceiver::start();
        let target = InfluxdbUdp::new("127.0.0.1", receiver.address.port());
        let config = InfluxdbConfig::default().target(target).aggregate(aggregate).interval(Duration::from_millis(5));
        run(|inner: R| async {
            let (runtime, settings) = (Staged::new(inner, StagedSockets::default()), settings(64));
            let exporters = AsyncExporters::start_on(runtime.clone(), settings).expect("a fresh storage is free");
            exporters.start_influxdb_sink(config).await.expect("a socket");
            record_while_set_back(&runtime, settings, loaddensity_metrics_shell::Exporter::Influxdb).await;
            exporters.stop_influxdb_sink().await.expect("a stop");
        });
        let times: Vec<u64> = receiver
            .finish()
            .iter()
            .flat_map(|datagram| lines(datagram))
            .map(|line| line.rsplit(' ').next().and_then(|time| time.parse().ok()).expect(line))
            .collect();
        assert!(times.len() >= 3, "{times:?}");
        never_go_back(&times, 1_000_000_000);
    }
}

/// The timestamps of DogStatsD's counts, in seconds.
pub fn timestamps_of_counts_go_on_while_the_clock_is_set_back<R: Runtime>() {
    let config = StatsdConfig::default()
        .socket(StatsdSocket::UnixDatagram("/staged".into()))
        .aggregate(true)
        .aggregation_interval(Duration::from_millis(20))
        .timestamps_of_counts(true);
    let datagrams = run(|inner: R| async {
        let (runtime, settings) = (Staged::new(inner, StagedSockets::default()), settings(64));
        let exporters = AsyncExporters::start_on(runtime.clone(), settings).expect("a fresh storage is free");
        exporters.start_statsd_sink(config).await.expect("a socket");
        record_while_set_back(&runtime, settings, loaddensity_metrics_shell::Exporter::Statsd).await;
        exporters.stop_statsd_sink().await.expect("a stop");
        std::mem::take(&mut runtime.stage().datagrams)
    });
    let seconds = datagrams.iter().flat_map(|datagram| lines(datagram)).filter_map(|message| message.split_once("|T"));
    let times: Vec<u64> = seconds.map(|(_, second)| second.parse().expect("seconds")).collect();
    assert!(times.len() >= 3, "{times:?}");
    never_go_back(&times, 1);
}

/// Records a request before the clock is set back, after that, and after it is right again. The exporters give the
/// times.
async fn record_while_set_back<R: Runtime>(
    runtime: &Staged<R>,
    settings: Settings,
    exporter: loaddensity_metrics_shell::Exporter,
) {
    let mut recorder = settings.registry.recorder();
    let series = recorder.series("GET", "/x");
    for (sent, set_back) in (1..).zip([Duration::ZERO, HOUR, Duration::ZERO]) {
        runtime.stage().set_back = set_back;
        recorder.record(series, Sample::ok(Duration::ZERO));
        until(runtime, || settings.registry.account(exporter).sent == sent).await;
    }
}

/// Checks that each export has a later time than the one before, by far less than an hour, and no time before its
/// start.
fn follow_each_other(exports: &[ReceivedExport]) {
    assert!(exports.len() >= 2, "{} exports", exports.len());
    assert!(exports.iter().all(|export| export.start <= export.time));
    let times: Vec<u64> = exports.iter().map(|export| export.time).collect();
    assert!(times.is_sorted_by(|one, next| one < next), "{times:?}");
    never_go_back(&times, 1_000_000_000);
}

/// Checks that the times, with `second` units in a second, never go back, and never jump by half an hour or more.
fn never_go_back(times: &[u64], second: u64) {
    assert!(times.is_sorted(), "{times:?}");
    let span = times.iter().max().zip(times.iter().min()).map_or(0, |(last, first)| last - first);
    assert!(span < 1_800 * second, "{times:?}");
}

fn often(receiver: &OtlpTestServer) -> OpenTelemetryConfig {
    OpenTelemetryConfig::default().endpoint(format!("http://{}", receiver.address)).interval(Duration::from_millis(10))
}
