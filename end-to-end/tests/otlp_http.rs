//! OTLP over HTTP/1.1, with a server that answers from a script.

mod support;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use flate2::read::GzDecoder;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response};
use loaddensity_metrics_shell::hyper_io::HyperIo;
use loaddensity_metrics_tokio::{
    DropReason, HistogramAggregation, OpenTelemetryConfig, Outcome, Sample, Secret, Temporality, TraceContext,
};
use loaddensity_metrics_vectors::otlp::{self, DecodedPoint, DecodedValue};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsPartialSuccess, ExportMetricsServiceResponse};
use prost::Message as _;
use support::{PATIENCE, assert_settled, exporters, rarely_to, record, stop_opentelemetry, wait_until};
use tokio_util::compat::TokioAsyncReadCompatExt as _;

/// An answer: status, one header, body.
type ScriptedAnswer = (u16, (&'static str, &'static str), Vec<u8>);

/// A request that the server received.
struct ReceivedRequest {
    method_and_target: String,
    headers: HeaderMap,
    points: Vec<DecodedPoint>,
}

/// A server that answers the first requests from `script`, and all later ones with an empty 200.
fn receiver(script: Vec<ScriptedAnswer>) -> (SocketAddr, mpsc::Receiver<ReceivedRequest>) {
    let (address_to, address) = mpsc::channel();
    let (got_to, got) = mpsc::channel();
    let script = Arc::new(Mutex::new(VecDeque::from(script)));
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            address_to.send(listener.local_addr().expect("bound")).expect("awaited");
            while let Ok((stream, _)) = listener.accept().await {
                let (script, got_to) = (script.clone(), got_to.clone());
                let service = service_fn(move |request| serve(request, script.clone(), got_to.clone()));
                let server = hyper::server::conn::http1::Builder::new();
                let connection = server.serve_connection(HyperIo::new(stream.compat()), service);
                tokio::spawn(async move {
                    let _ = connection.await;
                });
            }
        });
    });
    (address.recv_timeout(PATIENCE).expect("bound"), got)
}

async fn serve(
    request: Request<Incoming>,
    script: Arc<Mutex<VecDeque<ScriptedAnswer>>>,
    got: mpsc::Sender<ReceivedRequest>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a whole request").to_bytes();
    let message = match head.headers.get("content-encoding").map(|encoding| encoding.as_bytes()) {
        Some(encoding) => {
            assert_eq!(encoding, b"gzip");
            let mut message = Vec::new();
            GzDecoder::new(&*body).read_to_end(&mut message).expect("gzip");
            message
        }
        None => body.to_vec(),
    };
    otlp::canonical(&message).expect("what prost would write, without a frame");
    let points = otlp::decode(&message).or_else(|_| otlp::decode_delta(&message)).expect("OTLP");
    let method_and_target = format!("{} {}", head.method, head.uri);
    let _ = got.send(ReceivedRequest { method_and_target, headers: head.headers, points });
    let (status, (name, value), body) = script.lock().expect("no panic").pop_front().unwrap_or(OK);
    let answer = Response::builder().status(status).header("content-type", "application/x-protobuf");
    Ok(answer.header(name, value).body(Full::new(body.into())).expect("an answer"))
}

const NOTHING: (&str, &str) = ("x-nothing", "");
const OK: ScriptedAnswer = (200, NOTHING, Vec::new());

/// An exporter to `receiver` whose first export comes after an hour.
fn config(receiver: SocketAddr) -> OpenTelemetryConfig {
    rarely_to(receiver, OpenTelemetryConfig::http())
}

#[test]
fn an_export_is_a_proper_post_with_the_headers_and_the_resource_that_were_given() {
    let (receiver, got) = receiver(vec![]);
    let exporters = exporters();
    let config = config(receiver).headers([("X-Api-Key", Secret::new("hunter2"))]).resource_attributes([("run", "7")]);
    assert!(!format!("{config:?}").contains("hunter2"));
    exporters.start_opentelemetry_exporter(config).expect("starts");
    record(&mut exporters.recorder(), 30);
    let account = stop_opentelemetry(&exporters);
    assert_eq!((account.recorded, account.sent), (30, 30));
    let got: Vec<_> = got.try_iter().collect();
    let [request] = &got[..] else { panic!("{} requests", got.len()) };
    assert_eq!(request.method_and_target, "POST /v1/metrics");
    let header = |name: &str| request.headers.get(name).map(|value| value.to_str().expect("text").to_owned());
    assert_eq!(header("host"), Some(receiver.to_string()));
    assert_eq!(header("content-type").as_deref(), Some("application/x-protobuf"));
    assert_eq!(header("x-api-key").as_deref(), Some("hunter2"));
    assert!(header("user-agent").is_some_and(|agent| agent.starts_with("loaddensity-metrics/")));
    let resource = &request.points[0].resource;
    let attribute = |key: &str| resource.get(key).map(String::as_str);
    assert_eq!((attribute("service.name"), attribute("run")), (Some("loaddensity"), Some("7")));
    assert_eq!(attribute("telemetry.sdk.name"), Some("loaddensity-metrics"));
    assert_eq!(attribute("telemetry.sdk.language"), Some("rust"));
    assert_eq!(attribute("telemetry.sdk.version"), Some(env!("CARGO_PKG_VERSION")));
    assert_eq!(attribute("service.instance.id").map(str::len), Some(36));
    let requests: i64 =
        request.points.iter().map(|point| if let DecodedValue::Sum(sum) = point.value { sum } else { 0 }).sum();
    assert_eq!(requests, 30);
}

#[test]
fn only_the_answers_that_the_specification_names_are_retried() {
    let partial = ExportMetricsServiceResponse {
        partial_success: Some(ExportMetricsPartialSuccess { rejected_data_points: 2, error_message: "too old".into() }),
    };
    let cases = [
        ((429, ("retry-after", "0"), vec![]), "429 Too Many Requests", true),
        ((502, NOTHING, vec![]), "502 Bad Gateway", true),
        ((503, NOTHING, b"busy".to_vec()), "503 Service Unavailable", true),
        ((504, NOTHING, vec![]), "504 Gateway Timeout", true),
        ((400, NOTHING, vec![0x12, 2, b'n', b'o']), "400 Bad Request: no", false),
        ((401, NOTHING, b"hunter2?".to_vec()), "401 Unauthorized: …?; check `headers`", false),
        ((408, NOTHING, vec![]), "408", false),
        ((500, ("retry-after", "0"), vec![]), "500", false),
        ((200, NOTHING, partial.encode_to_vec()), "2 data points were rejected: too old", false),
    ];
    // Side by side, because each waits for an interval.
    thread::scope(|scope| {
        for (say, shown, is_retried) in cases {
            scope.spawn(move || check_retried(&say, shown, is_retried));
        }
    });
}

/// Checks whether an export that is answered so is sent again before the next one is due, or else is `shown`.
fn check_retried(say: &ScriptedAnswer, shown: &str, is_retried: bool) {
    const INTERVAL: Duration = Duration::from_secs(6);
    let (receiver, got) = receiver(vec![say.clone()]);
    let exporters = exporters();
    let headers = [("authorization", Secret::new("Bearer hunter2"))];
    exporters.start_opentelemetry_exporter(config(receiver).interval(INTERVAL).headers(headers)).expect("starts");
    record(&mut exporters.recorder(), 5);
    let first = got.recv_timeout(PATIENCE).expect("an export");
    if is_retried {
        let again = got.recv_timeout(PATIENCE).expect("another");
        // The first pause before another attempt is at most half a second.
        let later = Duration::from_nanos(again.points[0].time - first.points[0].time);
        assert!(later < INTERVAL, "{say:?}: {later:?} later");
        wait_until("it is acknowledged", || exporters.status()[0].account.sent == 5);
        return;
    }
    wait_until("the trouble is shown", || {
        exporters.status()[0].last_error.as_ref().is_some_and(|error| error.contains(shown))
    });
    assert_eq!(got.try_iter().count(), 0, "{say:?} was tried again");
    // The last export contains what could not be sent before.
    assert_eq!(stop_opentelemetry(&exporters).sent, 5, "{say:?}");
}

/// The requests in the counters of a delta export.
fn came(got: &ReceivedRequest) -> i64 {
    got.points.iter().map(|point| if let DecodedValue::Sum(sum) = point.value { sum } else { 0 }).sum()
}

#[test]
fn intervals_touch_and_grow_until_one_may_have_been_delivered() {
    let (unavailable, late) = ((503, ("retry-after", "1"), vec![]), (504, NOTHING, vec![]));
    let (receiver, got) = receiver(vec![OK, unavailable, late, OK, (400, NOTHING, vec![])]);
    let exporters = exporters();
    record(&mut exporters.recorder(), 3);
    let config = config(receiver).interval(Duration::from_secs(1)).temporality(Temporality::Delta);
    exporters.start_opentelemetry_exporter(config).expect("starts");
    let mut recorder = exporters.recorder();
    let mut take = |requests| {
        record(&mut recorder, requests);
        let got = got.recv_timeout(PATIENCE).expect("an export");
        assert!(got.points.iter().all(|point| (point.start, point.time) == (got.points[0].start, got.points[0].time)));
        got
    };
    // What was recorded before the start is in no interval.
    let first = take(10);
    assert_eq!(came(&first), 10);
    let unavailable = take(5);
    assert_eq!((came(&unavailable), unavailable.points[0].start), (5, first.points[0].time));
    let longer = take(7);
    assert_eq!(
        came(&longer),
        12,
        "of an interval that cannot have arrived nothing is lost, and the next is part of it"
    );
    assert_eq!(longer.points[0].start, first.points[0].time);
    assert!(longer.points[0].time > unavailable.points[0].time);
    let again = take(4);
    assert_eq!(again.points, longer.points, "a gateway may have delivered it, so it is sent again unchanged");
    let lost = take(0);
    assert_eq!((came(&lost), lost.points[0].start), (4, again.points[0].time));
    wait_until("the refusal is accounted for", || exporters.status()[0].account.dropped.get(DropReason::Refused) == 4);
    record(&mut recorder, 2);
    let account = stop_opentelemetry(&exporters);
    assert_eq!((account.recorded, account.sent, account.dropped.total()), (28, 24, 4), "{account:?}");
}

#[test]
fn exponential_histograms_with_extremes_arrive() {
    let (receiver, got) = receiver(vec![]);
    let exporters = exporters();
    let config = config(receiver).histograms(HistogramAggregation::Exponential).min_max(true).exemplars(true);
    exporters.start_opentelemetry_exporter(config).expect("starts");
    let mut recorder = exporters.recorder();
    record(&mut recorder, 9);
    let items = recorder.series("GET", "/items");
    let sample = Sample::failed(Duration::from_micros(7_900));
    recorder.record_traced(items, sample, TraceContext { trace_id: [7; 16], span_id: [8; 8] });
    assert_eq!(stop_opentelemetry(&exporters).sent, 10);
    let got = got.try_recv().expect("the last export");
    let exemplars: Vec<_> = got.points.iter().flat_map(|point| &point.exemplars).collect();
    assert_eq!(exemplars.len(), 1);
    assert_eq!((exemplars[0].value, &exemplars[0].trace_id[..]), (7.9, &[7; 16][..]));
    let latencies: Vec<_> = got.points.iter().filter(|point| point.metric == "loaddensity.request.latency").collect();
    assert_eq!(latencies.len(), 2);
    for point in latencies {
        assert_eq!(point.extremes, Some((7.9, 7.9)));
        // 7.9 ms lies in (2^(23/8), 2^(24/8)].
        assert!(
            matches!(&point.value, DecodedValue::Exponential { scale: 3, buckets, .. } if buckets[0].0 == 23),
            "{point:?}"
        );
    }
}

#[test]
fn durations_in_seconds_arrive_under_conventional_names() {
    for temporality in [Temporality::Cumulative, Temporality::Delta] {
        let (receiver, got) = receiver(vec![]);
        let exporters = exporters();
        let config = config(receiver).http_client_duration(true).temporality(temporality);
        exporters.start_opentelemetry_exporter(config).expect("starts");
        let mut recorder = exporters.recorder();
        let items = recorder.series("GET", "/items/{id}");
        for outcome in Outcome::ALL {
            recorder.record(items, Sample::new(outcome, Duration::from_millis(250)));
        }
        assert_eq!(stop_opentelemetry(&exporters).sent, 2);
        let got = got.try_recv().expect("the last export");
        let mut seen: Vec<_> =
            got.points.iter().filter(|point| point.metric == "http.client.request.duration").collect();
        seen.sort_by_key(|point| point.attributes.len());
        let attributes: Vec<Vec<_>> = seen
            .iter()
            .map(|point| point.attributes.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect())
            .collect();
        let request = [("http.request.method", "GET"), ("url.template", "/items/{id}")];
        assert_eq!(attributes, [&request[..], &[&[("error.type", "_OTHER")], &request[..]].concat()]);
        for point in seen {
            assert!(
                matches!(&point.value, DecodedValue::Histogram { count: 1, sum, .. } if *sum == 0.25)
                    && point.unit == "s",
                "{point:?}"
            );
        }
        assert_eq!(got.points.iter().filter(|point| point.metric == "loaddensity.request.latency").count(), 2);
    }
}

#[test]
fn compressed_requests_arrive() {
    let (receiver, got) = receiver(vec![]);
    let exporters = exporters();
    let config = config(receiver).gzip(true);
    exporters.start_opentelemetry_exporter(config).expect("starts");
    record(&mut exporters.recorder(), 30);
    assert_eq!(stop_opentelemetry(&exporters).sent, 30);
    let got = got.try_recv().expect("the last export");
    assert_eq!((came(&got), got.headers.get("content-encoding").is_some()), (30, true));
}

#[test]
fn a_disabled_exporter_is_not_started_and_stops_the_one_that_runs() {
    let (receiver, got) = receiver(vec![]);
    let exporters = exporters();
    let disabled = config(receiver).disabled(true);
    exporters.start_opentelemetry_exporter(disabled.clone()).expect("does nothing");
    record(&mut exporters.recorder(), 5);
    assert!(exporters.status().is_empty() && exporters.stop_opentelemetry_exporter().expect("a stop").is_none());
    exporters.start_opentelemetry_exporter(config(receiver)).expect("starts");
    exporters.start_opentelemetry_exporter(disabled).expect("stops");
    assert!(exporters.status().is_empty());
    assert_eq!(got.try_iter().count(), 1, "the last export of the exporter that ran");
}

#[test]
fn exports_refused_until_the_end_are_dropped_for_their_reason() {
    for (say, cause) in
        [((503, NOTHING, vec![]), DropReason::Unreachable), ((404, NOTHING, vec![]), DropReason::Refused)]
    {
        let (receiver, _got) = receiver(vec![say; 1_000]);
        let exporters = exporters();
        exporters.start_opentelemetry_exporter(config(receiver)).expect("starts");
        record(&mut exporters.recorder(), 5);
        // An unavailable receiver gets the export again until this deadline.
        let account = exporters.shutdown(Duration::from_secs(1)).accounts[0];
        assert_settled(&account);
        assert_eq!((account.sent, account.dropped.get(cause)), (0, 5), "{account:?}");
    }
}

#[test]
fn a_receiver_gets_no_export_for_as_long_as_it_asks() {
    // A pause longer than several intervals, and one within an interval, where our own pause would be at most half a
    // second.
    for (interval, asked) in [(Duration::from_millis(20), "2"), (Duration::from_millis(2_500), "1")] {
        let (receiver, got) = receiver(vec![(503, ("retry-after", asked), vec![])]);
        let exporters = exporters();
        let config = config(receiver).interval(interval);
        exporters.start_opentelemetry_exporter(config).expect("starts");
        record(&mut exporters.recorder(), 5);
        let first = got.recv_timeout(PATIENCE).expect("an export");
        let again = got.recv_timeout(PATIENCE).expect("another");
        let later = Duration::from_nanos(again.points[0].time - first.points[0].time);
        let asked = Duration::from_secs(asked.parse().expect("a number"));
        assert!(later >= asked, "{later:?} later, though it asked for {asked:?}");
    }
}
