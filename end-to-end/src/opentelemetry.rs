//! The OpenTelemetry exporter, with a gRPC receiver made of hyper that runs on the tested runtime.

use std::time::Duration;

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{DropReason, Exporters, OpenTelemetryConfig, Sample, StartError, Temporality};

use super::http_server::{HttpReply, HttpServer};
use super::load::{TestEngine, assert_all_sent, assert_settled, exporters, settings, wait_until};
use super::otlp_receiver::{OtlpReply, OtlpTestServer, ReceivedExport};
use super::unused_port;

/// The export at the stop contains every request once, in the form that the contract demands.
pub fn the_last_export_holds_every_request<R: Runtime>() {
    let receiver = OtlpTestServer::start::<R>(|_| OtlpReply::Accept);
    let (exporters, mut engine) = exporters::<R>();
    let config = rarely(&receiver).service_name("checkout");
    exporters.start_opentelemetry_exporter(config).expect("an exporter");
    engine.record(1_000);
    let account = exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running");
    assert_all_sent(&account, 1_000);
    let exports = receiver.exports();
    let [export] = &exports[..] else { panic!("{} exports", exports.len()) };
    assert_eq!(export.path, "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export");
    assert!(export.header("content-type").starts_with("application/grpc"));
    assert_eq!(export.header("te"), "trailers");
    assert_eq!((&export.service_name[..], &export.scope[..]), ("checkout", "loaddensity"));
    assert!(!export.is_delta());
    let metrics: Vec<_> = export.metrics.iter().map(|metric| (&metric.name[..], &metric.unit[..])).collect();
    let contract =
        [("loaddensity.requests", "1"), ("loaddensity.request.latency", "ms"), ("loaddensity.response.size", "By")];
    assert_eq!(metrics, contract);
    assert_eq!(OtlpTestServer::sums(&exports), engine.sums);
}

/// Exports come at every interval, over one connection. Their times and sums never go back.
pub fn exports_come_at_every_interval<R: Runtime>() {
    let receiver = OtlpTestServer::start::<R>(|_| OtlpReply::Accept);
    let (exporters, mut engine) = exporters::<R>();
    let config = rarely(&receiver).interval(Duration::from_millis(20));
    engine.record(10);
    exporters.start_opentelemetry_exporter(config).expect("an exporter");
    for _ in 0..5 {
        engine.record(100);
        let seen = receiver.exports().len();
        // The second of these exports began after the requests were recorded.
        wait_until(|| receiver.exports().len() >= seen + 2);
        assert_eq!(receiver.last_cycle(), engine.sums);
    }
    let account = exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running");
    assert_all_sent(&account, 500);
    let exports = receiver.exports();
    for pair in exports.windows(2) {
        assert_eq!(pair[0].connection, pair[1].connection, "the connection is kept");
        assert_eq!(pair[0].start, pair[1].start, "cumulative sums have one start");
        assert!(pair[0].time < pair[1].time, "each export has a time of its own");
        assert!(pair[0].sums().requests <= pair[1].sums().requests);
    }
    assert!(exports[0].start <= exports[0].time);
}

/// An error in the status trailer is final: the export is dropped.
pub fn an_export_refused_in_the_trailers_is_dropped<R: Runtime>() {
    refused::<R>(OtlpReply::Trailers(3));
}

/// The same if the status is in the head of the answer and there is no message (trailers-only).
pub fn an_export_refused_by_trailers_only_is_dropped<R: Runtime>() {
    refused::<R>(OtlpReply::TrailersOnly(16));
}

/// Only `grpc-status: 0` means success. An answer without a status is neither a success nor a refusal.
pub fn an_answer_without_a_grpc_status_is_unconfirmed<R: Runtime>() {
    for (reply, page) in [(OtlpReply::NoStatus, ""), (OtlpReply::Proxy(200, ""), ": <html>Sign in</html>")] {
        let receiver = OtlpTestServer::start::<R>(move |_| reply);
        let (account, says) = one_export_says::<R>(&receiver, false);
        assert_settled(&account, 100);
        assert_eq!((account.sent, account.dropped.get(DropReason::Unconfirmed)), (0, 100), "{account:?}");
        let shown = format!("HTTP 200 OK without a grpc-status{page}; nothing says that the metrics were taken");
        assert!(says.contains(&shown), "{says:?} lacks {shown:?}");
    }
}

/// If a proxy before the service refuses, the error names the new URL, the setting, or the credentials that are
/// missing.
pub fn the_error_of_an_answer_by_a_proxy_says_what_to_do<R: Runtime>() {
    for (status, location, shown) in [
        (301, "https://collector:4317/?key=hunter2", "set `endpoint` so that requests go to https://collector:4317/?…"),
        (302, "/login", "/login, unless that is a login page"),
        (401, "", "no credentials were sent: set `headers`"),
        (403, "", "no credentials were sent: set `headers`"),
        (404, "", "no OTLP receiver of metrics answers at"),
        (415, "", "check `protocol` and the port in `endpoint`"),
        (413, "", "lower `max_request_bytes`"),
    ] {
        let receiver = OtlpTestServer::start::<R>(move |_| OtlpReply::Proxy(status, location));
        let (account, says) = one_export_says::<R>(&receiver, false);
        assert_settled(&account, 100);
        assert_eq!((account.sent, account.dropped.get(DropReason::Refused)), (0, 100), "{account:?}");
        assert!(says.contains(shown) && !says.contains("hunter2"), "{says:?} lacks {shown:?}");
        // Too large: the export is sent in smaller parts, until it is clear that the receiver refuses every size.
        let most = if status == 413 { 20 } else { 1 };
        assert!(receiver.exports().len() <= most, "{status} is not followed: {}", receiver.exports().len());
    }
}

/// A receiver that answers in the request's encoding, as grpc-go does, is understood.
pub fn answers_in_the_requests_encoding_are_read<R: Runtime>() {
    for (reply, rejects) in [(OtlpReply::Accept, false), (OtlpReply::Partial { rejected: 2, message: "no" }, true)] {
        let receiver = OtlpTestServer::start::<R>(move |_| reply);
        let (account, says) = one_export_says::<R>(&receiver, true);
        assert_settled(&account, 100);
        assert_eq!(receiver.exports()[0].header("grpc-encoding"), "gzip");
        if rejects {
            // The answer does not say which points. So the two points of the counter with the most requests count.
            assert_eq!((account.sent, account.dropped.get(DropReason::Rejected)), (40, 60), "{account:?}");
            assert_eq!(says, "2 data points were rejected: no");
        } else {
            assert_eq!((account.sent, says.as_str()), (100, ""));
        }
    }
}

/// Over HTTP the status decides. A body in protobuf or JSON is read; for another body there is a warning.
pub fn over_http_the_status_decides_the_outcome<R: Runtime>() {
    let json = "content-type: application/json\r\n";
    let rejected = r#"{"partialSuccess":{"rejectedDataPoints":"2","errorMessage":"no"}}"#;
    let long = "x".repeat(100_000).leak();
    for (reply, cause, shown) in [
        (HttpReply::Status(200), None, ""),
        (HttpReply::Status(202), None, ""),
        (HttpReply::Status(204), None, ""),
        (HttpReply::Headed(200, json, "{}"), None, ""),
        (
            HttpReply::Headed(200, "content-type: text/plain\r\n", "OK"),
            None,
            "answered 200 OK: OK; counted as accepted",
        ),
        (HttpReply::Headed(200, "content-type: text/html\r\n", "<html>"), None, "counted as accepted"),
        (HttpReply::Says(200, "OK"), None, "counted as accepted"),
        (HttpReply::Says(200, long), None, "counted as accepted"),
        (HttpReply::Headed(200, "content-encoding: br\r\n", "OK"), None, "counted as accepted"),
        (HttpReply::Headed(200, json, rejected), Some(DropReason::Rejected), "2 data points were rejected: no"),
        (
            HttpReply::Says(404, "404 page not found"),
            Some(DropReason::Refused),
            "nothing takes metrics at http://127.0.0.1:",
        ),
        (HttpReply::Status(401), Some(DropReason::Refused), "no credentials were sent: set `headers`"),
        (
            HttpReply::Headed(308, "location: https://h/v1/metrics\r\n", ""),
            Some(DropReason::Refused),
            "go to https://h/v1/metrics",
        ),
        (HttpReply::Says(600, long), Some(DropReason::Refused), "answered 600"),
    ] {
        let server = HttpServer::start(move |_, _| reply);
        let config = OpenTelemetryConfig::http()
            .endpoint(format!("http://{}", server.address))
            .interval(Duration::from_secs(3_600));
        let (account, says) = exported::<R>(config);
        assert_settled(&account, 100);
        assert_eq!(account.dropped.total(), cause.map_or(0, |cause| account.dropped.get(cause)), "{account:?}");
        // If two points are rejected, those of the counter with the most requests count as rejected.
        let sent = [(None, 100), (Some(DropReason::Rejected), 40), (Some(DropReason::Refused), 0)];
        assert!(sent.contains(&(cause, account.sent)), "{shown}: {account:?}");
        assert!(says.contains(shown) && says.is_empty() == shown.is_empty(), "{says:?} is not {shown:?}");
        assert_eq!(server.posts().len(), 1);
    }
}

fn refused<R: Runtime>(reply: OtlpReply) {
    let receiver = OtlpTestServer::start::<R>(move |_| reply);
    let account = one_export::<R>(&receiver);
    assert_settled(&account, 100);
    assert_eq!((account.sent, account.dropped.get(DropReason::Refused)), (0, 100), "{account:?}");
}

/// A receiver that is unavailable for a while gets the export again.
pub fn an_unavailable_receiver_is_asked_again<R: Runtime>() {
    let receiver = OtlpTestServer::start::<R>(|number| match number {
        0 => OtlpReply::TrailersOnly(14),
        1 => OtlpReply::Trailers(14),
        _ => OtlpReply::Accept,
    });
    let (exporters, mut engine) = exporters::<R>();
    let config = rarely(&receiver).interval(Duration::from_millis(50));
    exporters.start_opentelemetry_exporter(config).expect("an exporter");
    engine.record(100);
    wait_until(|| exporters.status()[0].account.sent == 100);
    engine.record(50);
    let account = exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running");
    assert_all_sent(&account, 150);
    assert_eq!(receiver.last_cycle(), engine.sums);
}

/// The receiver is unavailable once when the last export comes, or the connection was closed meanwhile. The export is
/// sent again, as long as the stop's deadline allows.
pub fn a_stop_tries_again<R: Runtime>() {
    for temporality in [Temporality::Cumulative, Temporality::Delta] {
        let receiver =
            OtlpTestServer::start::<R>(
                |number| if number == 0 { OtlpReply::TrailersOnly(14) } else { OtlpReply::Accept },
            );
        let account = exported::<R>(rarely(&receiver).temporality(temporality)).0;
        assert_all_sent(&account, 100);
        let http = |first| HttpServer::start(move |_, number| if number == 0 { first } else { HttpReply::Status(200) });
        let server = http(HttpReply::Status(503));
        let config = |server: &HttpServer| {
            OpenTelemetryConfig::http()
                .endpoint(format!("http://{}", server.address))
                .interval(Duration::from_secs(3_600))
                .temporality(temporality)
        };
        assert_all_sent(&exported::<R>(config(&server)).0, 100);
        let server = http(HttpReply::StatusAndClose(200));
        let (exporters, mut engine) = exporters::<R>();
        let interval = Duration::from_millis(20);
        exporters.start_opentelemetry_exporter(config(&server).interval(interval)).expect("an exporter");
        engine.record(50);
        wait_until(|| exporters.status()[0].account.sent == 50);
        engine.record(50);
        let account = exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running");
        assert_all_sent(&account, 100);
    }
}

/// A receiver that does not answer once gets the same bytes again, and counts nothing that it does not have.
pub fn an_export_without_an_answer_is_sent_again<R: Runtime>() {
    for temporality in [Temporality::Cumulative, Temporality::Delta] {
        let server =
            HttpServer::start(|_, number| if number == 0 { HttpReply::Silence } else { HttpReply::Status(200) });
        let config = OpenTelemetryConfig::http()
            .endpoint(format!("http://{}", server.address))
            .interval(Duration::from_millis(20))
            .timeout(Duration::from_millis(200))
            .temporality(temporality);
        let (exporters, mut engine) = exporters::<R>();
        exporters.start_opentelemetry_exporter(config).expect("an exporter");
        engine.record(50);
        wait_until(|| exporters.status()[0].account.sent == 50);
        let account = exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running");
        assert_all_sent(&account, 50);
        let posts = server.posts();
        assert_eq!(posts[0].status, None, "the first export got no answer");
        assert!(!posts[0].body.is_empty() && posts[0].body == posts[1].body, "the same bytes: {temporality:?}");
    }
}

/// A receiver that accepts less than `max_request_bytes` gets smaller parts, however it words its refusal. The status
/// names the size that it accepts, and nothing is lost.
pub fn a_limit_of_the_receiver_is_learned<R: Runtime>() {
    const LIMIT: usize = 9_000;
    const SERIES: u64 = 200;
    for temporality in [Temporality::Cumulative, Temporality::Delta] {
        let receiver = OtlpTestServer::start::<R>(|_| OtlpReply::TooLargeAbove(LIMIT));
        let server = HttpServer::start(|post, _| {
            let length = post.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            if length > LIMIT { HttpReply::Says(400, "http: request body too large") } else { HttpReply::Status(200) }
        });
        let interval = Duration::from_millis(50);
        for config in [
            rarely(&receiver).interval(interval).temporality(temporality),
            OpenTelemetryConfig::http()
                .endpoint(format!("http://{}", server.address))
                .interval(interval)
                .temporality(temporality),
        ] {
            let settings = settings(256);
            let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
            exporters.start_opentelemetry_exporter(config).expect("an exporter");
            let mut recorder = settings.registry.recorder();
            for number in 0..SERIES {
                let series = recorder.series("GET", &format!("/items/{number}"));
                recorder.record(series, Sample::ok(Duration::ZERO));
            }
            wait_until(|| exporters.status()[0].account.sent == SERIES);
            let learned = exporters.status()[0].learned_bytes;
            assert!(learned.is_some_and(|bytes| bytes < 4 << 20), "{learned:?}");
            let account = exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running");
            assert_all_sent(&account, SERIES);
        }
        if temporality == Temporality::Delta {
            let taken: Vec<_> = receiver.exports().into_iter().filter(|export| export.message_bytes <= LIMIT).collect();
            assert_eq!(OtlpTestServer::sums(&taken).requests, SERIES, "no request is sent twice");
        }
    }
}

/// Data points that the receiver rejects are counted, and the export is not sent again.
pub fn a_partial_success_is_counted<R: Runtime>() {
    let receiver = OtlpTestServer::start::<R>(|_| OtlpReply::Partial { rejected: 2, message: "too old" });
    let (exporters, mut engine) = exporters::<R>();
    exporters.start_opentelemetry_exporter(rarely(&receiver)).expect("an exporter");
    engine.record(100);
    let account = exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running");
    assert_settled(&account, 100);
    assert!(account.dropped.get(DropReason::Rejected) > 0, "{account:?}");
    assert_eq!(receiver.exports().len(), 1);
}

/// A partial success that rejects nothing is a warning.
pub fn a_partial_success_without_rejections_is_success<R: Runtime>() {
    let receiver = OtlpTestServer::start::<R>(|_| OtlpReply::Partial { rejected: 0, message: "deprecated" });
    assert_all_sent(&one_export::<R>(&receiver), 100);
}

/// An export above the limit is sent in parts. All parts have the same time, and they add up.
pub fn a_large_export_is_sent_in_parts<R: Runtime>() {
    const LIMIT: usize = 16 << 10;
    let receiver = OtlpTestServer::start::<R>(|_| OtlpReply::Accept);
    let settings = settings(256);
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    let config = rarely(&receiver).max_request_bytes(LIMIT);
    exporters.start_opentelemetry_exporter(config).expect("an exporter");
    let mut engine = TestEngine::new(settings.registry);
    engine.record(100);
    let mut recorder = exporters.recorder();
    for number in 0..200 {
        let series = recorder.series("GET", &format!("/item/{number}"));
        recorder.record(series, Sample::ok(Duration::ZERO));
    }
    let account = exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running");
    assert_all_sent(&account, 300);
    let exports = receiver.exports();
    assert!(exports.len() > 4, "{} parts", exports.len());
    assert!(exports.iter().all(|export| export.message_bytes <= LIMIT && export.time == exports[0].time));
    let sums = OtlpTestServer::sums(&exports);
    assert_eq!((sums.requests, sums.bytes), (300, engine.sums.bytes));
}

/// An export without an answer is abandoned when its time is over, and the next export contains its requests.
pub fn an_export_without_an_answer_is_abandoned_after_its_timeout<R: Runtime>() {
    let receiver =
        OtlpTestServer::start::<R>(|number| if number == 0 { OtlpReply::Silence } else { OtlpReply::Accept });
    let (exporters, mut engine) = exporters::<R>();
    let config = rarely(&receiver)
        .interval(Duration::from_millis(50))
        // If this timeout counted, the case would not end.
        .timeout(Duration::from_secs(3_600))
        .export_timeout(Duration::from_millis(100));
    exporters.start_opentelemetry_exporter(config).expect("an exporter");
    engine.record(100);
    wait_until(|| exporters.status()[0].account.sent == 100);
    let account = exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running");
    assert_all_sent(&account, 100);
    assert_eq!(receiver.last_cycle(), engine.sums);
}

/// A receiver that never answers does not delay a stop beyond its deadline.
pub fn a_stop_does_not_wait_for_a_silent_receiver<R: Runtime>() {
    let receiver = OtlpTestServer::start::<R>(|_| OtlpReply::Silence);
    let settings = settings(64).stop_deadline(Duration::from_millis(300));
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    exporters.start_opentelemetry_exporter(rarely(&receiver)).expect("an exporter");
    TestEngine::new(settings.registry).record(100);
    let account = exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running");
    assert_settled(&account, 100);
    assert_eq!(account.sent, 0, "{account:?}");
}

/// Nobody listens: the start does not fail, and every request is accounted for.
pub fn a_missing_receiver_changes_no_sum<R: Runtime>() {
    let settings = settings(64).stop_deadline(Duration::from_millis(300));
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    let config = OpenTelemetryConfig::default()
        .endpoint(format!("http://{}", unused_port()))
        .interval(Duration::from_millis(20));
    exporters.start_opentelemetry_exporter(config).expect("nobody needs to listen yet");
    TestEngine::new(settings.registry).record(100);
    wait_until(|| exporters.status()[0].last_error.is_some());
    let account = exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running");
    assert_settled(&account, 100);
    assert_eq!(account.sent, 0, "{account:?}");
}

/// Endpoints that cannot work are refused at the start.
pub fn bad_endpoints_are_refused_at_the_start<R: Runtime>() {
    let (exporters, _) = exporters::<R>();
    for endpoint in ["localhost:4317", "http://", "grpc://localhost", "", "http://a b"] {
        let config = OpenTelemetryConfig::default().endpoint(endpoint);
        let error = exporters.start_opentelemetry_exporter(config).expect_err(endpoint);
        assert!(matches!(error, StartError::Setting { field: "endpoint", .. }), "{endpoint}: {error:?}");
    }
    let interval = Duration::ZERO;
    let config = OpenTelemetryConfig::default().interval(interval);
    let error = exporters.start_opentelemetry_exporter(config).expect_err("an interval of 0");
    assert!(matches!(error, StartError::Setting { field: "interval", .. }), "{error:?}");
    assert!(exporters.status().is_empty());
}

/// Records a hundred requests, which the export at the stop contains.
fn one_export<R: Runtime>(receiver: &OtlpTestServer) -> loaddensity_metrics_shell::Account {
    one_export_says::<R>(receiver, false).0
}

/// The same. Also returns the last error.
fn one_export_says<R: Runtime>(receiver: &OtlpTestServer, gzip: bool) -> (loaddensity_metrics_shell::Account, String) {
    exported::<R>(rarely(receiver).gzip(gzip))
}

/// Records a hundred requests for an exporter that exports only at its stop. Returns the account and the last error.
fn exported<R: Runtime>(config: OpenTelemetryConfig) -> (loaddensity_metrics_shell::Account, String) {
    let (exporters, mut engine) = exporters::<R>();
    exporters.start_opentelemetry_exporter(config).expect("an exporter");
    engine.record(100);
    let account = exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running");
    (account, exporters.ended_runs().remove(0).last_error.unwrap_or_default())
}

/// An exporter that exports only at its stop.
fn rarely(receiver: &OtlpTestServer) -> OpenTelemetryConfig {
    OpenTelemetryConfig::default().endpoint(format!("http://{}", receiver.address)).interval(Duration::from_secs(3_600))
}

impl OtlpTestServer {
    /// The sums over all parts of the last export.
    fn last_cycle(&self) -> super::load::LoadSums {
        let exports = self.exports();
        let last = exports.last().map(|export| export.time);
        let parts: Vec<ReceivedExport> = exports.into_iter().filter(|export| Some(export.time) == last).collect();
        Self::sums(&parts)
    }
}
