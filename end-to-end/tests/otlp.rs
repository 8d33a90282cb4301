//! OTLP over gRPC, with a receiver that answers from a script.

mod support;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use loaddensity_metrics_shell::hyper_io::{HyperIo, HyperTasks};
use loaddensity_metrics_tokio::{DropReason, Exporters, OpenTelemetryConfig, Sample, Settings, Tokio};
use loaddensity_metrics_vectors::closed_port::ClosedPort;
use loaddensity_metrics_vectors::otlp::{self, DecodedPoint, DecodedValue};
use support::{PATIENCE, assert_settled, exporters, rarely_to, record, registry, stop_opentelemetry, wait_until};
use tokio_util::compat::TokioAsyncReadCompatExt as _;

/// The receiver's answer to one call.
#[derive(Clone, Copy, Debug)]
enum ScriptedAnswer {
    /// Status 0 in the trailers, with a message that says how many points were rejected.
    Rejected(u8),
    /// A status in the trailers, after an empty body.
    Status(&'static str),
    /// A status in the head, without a message (trailers-only).
    TrailersOnly(&'static str),
    /// An HTTP status, as a proxy answers.
    Http(u16),
    /// No answer.
    Nothing,
}

/// A call that the receiver received.
#[derive(Debug)]
struct Call {
    path: String,
    headers: HeaderMap,
    points: Vec<DecodedPoint>,
    bytes: usize,
}

impl Call {
    /// The sum of the request counters in the call.
    fn requests(&self) -> i64 {
        let counters = self.points.iter().filter(|point| point.metric == "loaddensity.requests");
        counters.map(|point| if let DecodedValue::Sum(sum) = point.value { sum } else { 0 }).sum()
    }
}

/// A receiver that answers the first calls from `script`, and all later ones with success.
fn receiver(script: Vec<ScriptedAnswer>) -> (SocketAddr, mpsc::Receiver<Call>) {
    let (address_to, address) = mpsc::channel();
    let (calls_to, calls) = mpsc::channel();
    let script = Arc::new(Mutex::new(VecDeque::from(script)));
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            address_to.send(listener.local_addr().expect("bound")).expect("awaited");
            let tasks = HyperTasks::new(Tokio::current().expect("in tokio"));
            while let Ok((stream, _)) = listener.accept().await {
                let (script, calls_to) = (script.clone(), calls_to.clone());
                let service = service_fn(move |request| serve(request, script.clone(), calls_to.clone()));
                let server = hyper::server::conn::http2::Builder::new(tasks.executor());
                let connection = server.serve_connection(HyperIo::new(stream.compat()), service);
                tasks.spawn(async move {
                    let _ = connection.await;
                });
            }
        });
    });
    (address.recv_timeout(PATIENCE).expect("bound"), calls)
}

type Answer = Response<BoxBody<Bytes, Infallible>>;

async fn serve(
    request: Request<Incoming>,
    script: Arc<Mutex<VecDeque<ScriptedAnswer>>>,
    calls: mpsc::Sender<Call>,
) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    let frame = body.collect().await.expect("a whole request").to_bytes();
    let points = otlp::decode(otlp::unframe(&frame).expect("one gRPC frame")).expect("OTLP");
    let call = Call { path: head.uri.path().into(), headers: head.headers, points, bytes: frame.len() };
    let _ = calls.send(call);
    let say = script.lock().expect("no panic").pop_front().unwrap_or(ScriptedAnswer::Rejected(0));
    Ok(match say {
        ScriptedAnswer::Rejected(points) => trailed(answer_of(points), "0"),
        ScriptedAnswer::Status(status) => trailed(Bytes::new(), status),
        ScriptedAnswer::TrailersOnly(status) => {
            let answer = Response::builder().header("content-type", "application/grpc").header("grpc-status", status);
            answer.header("grpc-message", "not%20now").body(Empty::new().boxed()).expect("an answer")
        }
        ScriptedAnswer::Http(status) => {
            Response::builder().status(status).body(Empty::new().boxed()).expect("an answer")
        }
        ScriptedAnswer::Nothing => std::future::pending().await,
    })
}

/// An `ExportMetricsServiceResponse` in a gRPC frame: empty, or with `rejected_data_points` (field 1 of field 1).
fn answer_of(rejected: u8) -> Bytes {
    match rejected {
        0 => Bytes::from_static(&[0, 0, 0, 0, 0]),
        rejected => Bytes::from(vec![0, 0, 0, 0, 4, 0x0a, 2, 0x08, rejected]),
    }
}

fn trailed(body: Bytes, status: &'static str) -> Answer {
    let trailers = HeaderMap::from_iter([("grpc-status".parse().expect("a name"), HeaderValue::from_static(status))]);
    let body = Full::new(body).with_trailers(async move { Some(Ok(trailers)) });
    Response::builder().header("content-type", "application/grpc").body(body.boxed()).expect("an answer")
}

/// An exporter to `receiver` whose first export comes after an hour.
fn config(receiver: SocketAddr) -> OpenTelemetryConfig {
    rarely_to(receiver, OpenTelemetryConfig::default())
}

#[test]
fn the_last_export_is_made_once_and_is_a_proper_call() {
    let (receiver, calls) = receiver(vec![]);
    let exporters = exporters();
    exporters.start_opentelemetry_exporter(config(receiver)).expect("starts");
    record(&mut exporters.recorder(), 30);
    let account = stop_opentelemetry(&exporters);
    assert_eq!((account.recorded, account.sent), (30, 30));
    let calls: Vec<_> = calls.try_iter().collect();
    let [call] = &calls[..] else { panic!("{} calls", calls.len()) };
    assert_eq!(call.path, "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export");
    for (name, value) in [("te", "trailers"), ("content-type", "application/grpc"), ("grpc-timeout", "10000m")] {
        assert_eq!(call.headers.get(name).map(HeaderValue::as_bytes), Some(value.as_bytes()), "{name}");
    }
    assert_eq!(call.requests(), 30);
    assert_eq!(call.points[0].resource.get("service.name").map(String::as_str), Some("loaddensity"));
}

#[test]
fn totals_are_exported_at_every_interval_over_one_connection() {
    let (receiver, calls) = receiver(vec![]);
    let exporters = exporters();
    let config = config(receiver).interval(Duration::from_millis(20));
    exporters.start_opentelemetry_exporter(config).expect("starts");
    let mut recorder = exporters.recorder();
    for total in [10, 20, 30] {
        record(&mut recorder, 10);
        wait_until("the export is acknowledged", || exporters.status()[0].account.sent == total);
    }
    assert_eq!(exporters.status()[0].reconnects, 0);
    assert_eq!(stop_opentelemetry(&exporters).sent, 30);
    let totals: Vec<_> = calls.try_iter().map(|call| call.requests()).collect();
    assert!(totals.is_sorted() && totals.last() == Some(&30), "{totals:?}");
}

#[test]
fn a_cycle_that_is_too_large_is_split_and_shares_one_timestamp() {
    let (receiver, calls) = receiver(vec![]);
    let registry = registry(256, 1, 64);
    let exporters = Exporters::start(Settings::on(registry)).expect("free");
    let config = config(receiver).max_request_bytes(16_384);
    exporters.start_opentelemetry_exporter(config).expect("starts");
    let mut recorder = exporters.recorder();
    for number in 0..160 {
        let series = recorder.series("GET", &format!("/items/{number}"));
        recorder.record(series, Sample::ok(Duration::ZERO));
    }
    assert_eq!(stop_opentelemetry(&exporters).sent, 160);
    let calls: Vec<_> = calls.try_iter().collect();
    assert!(calls.len() > 2 && calls.iter().all(|call| call.bytes <= 16_384), "{} calls", calls.len());
    assert_eq!(calls.iter().map(Call::requests).sum::<i64>(), 160);
    let mut times: Vec<_> = calls.iter().flat_map(|call| &call.points).map(|point| point.time).collect();
    times.dedup();
    assert_eq!(times.len(), 1);
}

#[test]
fn exports_that_are_not_accepted_whole_do_not_count_as_sent() {
    for (say, cause, shown) in [
        (ScriptedAnswer::Rejected(2), DropReason::Rejected, "2 data points were rejected"),
        (ScriptedAnswer::Status("3"), DropReason::Refused, "INVALID_ARGUMENT (3)"),
        (ScriptedAnswer::Status("13"), DropReason::Refused, "INTERNAL (13)"),
        (ScriptedAnswer::TrailersOnly("16"), DropReason::Refused, "UNAUTHENTICATED (16): not now"),
        (ScriptedAnswer::TrailersOnly("14"), DropReason::Unreachable, "UNAVAILABLE (14): not now"),
        (ScriptedAnswer::Http(404), DropReason::Refused, "HTTP 404"),
        (ScriptedAnswer::Http(503), DropReason::Unreachable, "HTTP 503"),
        (ScriptedAnswer::Nothing, DropReason::Unconfirmed, "no answer within"),
    ] {
        let (receiver, calls) = receiver(vec![say; 1_000]);
        let exporters = exporters();
        let config = config(receiver).interval(Duration::from_millis(400)).timeout(Duration::from_millis(300));
        exporters.start_opentelemetry_exporter(config).expect("starts");
        record(&mut exporters.recorder(), 5);
        calls.recv_timeout(PATIENCE).expect("an export");
        wait_until("the trouble is shown", || {
            exporters.status()[0].last_error.as_ref().is_some_and(|error| error.contains(shown))
        });
        // An unavailable receiver gets the export again until this deadline.
        let account = exporters.shutdown(Duration::from_secs(1)).accounts[0];
        assert_settled(&account);
        assert_eq!((account.sent, account.dropped.get(cause)), (0, 5), "{say:?}: {account:?}");
    }
}

#[test]
fn a_receiver_that_is_busy_is_asked_again_before_the_next_interval() {
    const INTERVAL: Duration = Duration::from_secs(6);
    let (receiver, calls) = receiver(vec![ScriptedAnswer::TrailersOnly("14")]);
    let exporters = exporters();
    exporters.start_opentelemetry_exporter(config(receiver).interval(INTERVAL)).expect("starts");
    record(&mut exporters.recorder(), 5);
    let first = calls.recv_timeout(PATIENCE).expect("an export");
    let again = calls.recv_timeout(PATIENCE).expect("another");
    let later = Duration::from_nanos(again.points[0].time - first.points[0].time);
    assert!(later < INTERVAL, "{later:?} later");
    wait_until("it is acknowledged", || exporters.status()[0].account.sent == 5);
    assert_eq!(exporters.status()[0].last_error, None);
}

#[test]
fn an_absent_receiver_is_reported_and_a_stop_does_not_wait_for_it() {
    let closed = ClosedPort::new().expect("a port");
    let exporters = exporters();
    let config = config(closed.address().expect("bound")).interval(Duration::from_millis(20));
    exporters.start_opentelemetry_exporter(config).expect("starts without a receiver");
    record(&mut exporters.recorder(), 5);
    wait_until("the trouble is shown", || {
        exporters.status()[0].last_error.as_ref().is_some_and(|error| error.contains("cannot connect"))
    });
    assert_eq!(stop_opentelemetry(&exporters).dropped.get(DropReason::Unreachable), 5);
}

#[test]
fn a_host_without_an_address_is_reported_and_a_stop_does_not_wait_for_it() {
    let exporters = exporters();
    let config =
        OpenTelemetryConfig::default().endpoint("http://no-such-host.invalid:4317").interval(Duration::from_millis(20));
    exporters.start_opentelemetry_exporter(config).expect("a name need not resolve yet");
    record(&mut exporters.recorder(), 5);
    wait_until("the trouble is shown", || {
        exporters.status()[0].last_error.as_ref().is_some_and(|error| error.contains("no-such-host.invalid"))
    });
    assert_eq!(exporters.status()[0].account.held, 5);
    assert_eq!(stop_opentelemetry(&exporters).dropped.get(DropReason::Unreachable), 5);
}

/// An exporter that exports every 20 ms and waits for answers longer than any stop takes.
fn patient(receiver: SocketAddr) -> OpenTelemetryConfig {
    config(receiver).interval(Duration::from_millis(20)).timeout(PATIENCE)
}

#[test]
fn an_export_under_way_leaves_time_for_the_last_one() {
    let (receiver, calls) = receiver(vec![ScriptedAnswer::Nothing]);
    let exporters = exporters();
    let mut recorder = exporters.recorder();
    exporters.start_opentelemetry_exporter(patient(receiver)).expect("starts");
    record(&mut recorder, 5);
    calls.recv_timeout(PATIENCE).expect("an export");
    record(&mut recorder, 5);
    let account = exporters.shutdown(Duration::from_secs(2)).accounts[0];
    assert_settled(&account);
    assert_eq!((account.recorded, account.sent), (10, 10), "{account:?}");
}

#[test]
fn a_receiver_that_takes_exports_and_is_silent_is_not_called_unreachable() {
    // What was recorded after the export under way began is sent with the last one, or not at all.
    for (deadline, unconfirmed, never_sent) in [(Duration::ZERO, 5, 2), (Duration::from_secs(2), 7, 0)] {
        let (receiver, calls) = receiver(vec![ScriptedAnswer::Nothing; 1_000]);
        let exporters = exporters();
        exporters.start_opentelemetry_exporter(patient(receiver)).expect("starts");
        let mut recorder = exporters.recorder();
        record(&mut recorder, 5);
        calls.recv_timeout(PATIENCE).expect("an export");
        record(&mut recorder, 2);
        let report = exporters.shutdown(deadline);
        let account = report.accounts[0];
        assert_settled(&account);
        let dropped = [DropReason::Unconfirmed, DropReason::Deadline].map(|cause| account.dropped.get(cause));
        assert_eq!(dropped, [unconfirmed, never_sent], "{deadline:?}: {account:?}");
        let said = report.troubles[0].last_error.as_deref().unwrap_or_default();
        assert!(said.contains("no answer within") && !said.contains("20s"), "the real wait was shorter: {said}");
    }
}

#[test]
fn bad_endpoints_are_refused() {
    let exporters = exporters();
    for (endpoint, says) in [
        ("localhost:4317", "http://"),
        ("http://localhost:4318/v1/metrics", "without a path"),
        ("https://localhost:4317/?api-key=k", "without a path"),
        ("http://root:hun/ter2@localhost:4317", "\"http://…@localhost:4317\"; it must not hold a user"),
    ] {
        let config = OpenTelemetryConfig::default().endpoint(endpoint);
        let text = exporters.start_opentelemetry_exporter(config).expect_err(endpoint).to_string();
        assert!(text.contains("opentelemetry") && text.contains("`endpoint`") && text.contains(says), "{text}");
    }
}
