//! An OTLP/gRPC receiver: hyper's HTTP/2 server on a runtime of its own, and a decoder of the messages.
//!
//! Field numbers are those of opentelemetry-proto 1.x: `collector/metrics/v1/metrics_service.proto`,
//! `metrics/v1/metrics.proto`, `common/v1/common.proto`, `resource/v1/resource.proto`.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use futures_lite::future;
use futures_rustls::TlsAcceptor;
use futures_rustls::rustls::ServerConfig;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, Uri, server};
use loaddensity_metrics_shell::hyper_io::{HyperIo, HyperTasks, HyperTimer};
use loaddensity_metrics_shell::runtime::{Runtime, TcpListener as _};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::load::LoadSums;
use super::protobuf::{messages, number, only, varint};
use super::{LOOPBACK, run};

/// The answer to an export.
#[derive(Clone, Copy)]
pub enum OtlpReply {
    /// An empty `ExportMetricsServiceResponse`, `grpc-status: 0` in the trailers.
    Accept,
    /// The same with a `partial_success`.
    Partial { rejected: u8, message: &'static str },
    /// An error in the trailers, after an empty message.
    Trailers(u8),
    /// An error in the head, without a message.
    TrailersOnly(u8),
    /// An error in the head, whose message is the values of the request's headers.
    Echo(u8),
    /// A message and no status.
    NoStatus,
    /// The answer of a proxy before the service: an HTTP status, a location if there is one, and a page.
    Proxy(u16, &'static str),
    /// The answer of grpc-go to a message that has more bytes than this, without gRPC's prefix. Shorter ones are
    /// accepted.
    TooLargeAbove(usize),
    /// No answer.
    Silence,
}

/// One export, decoded.
#[derive(Clone, Debug)]
pub struct ReceivedExport {
    /// Number of the connection, from 0.
    pub connection: usize,
    pub scheme: String,
    pub authority: String,
    pub path: String,
    head: HeaderMap,
    /// Bytes of the message, without gRPC's prefix.
    pub message_bytes: usize,
    /// These bytes, for other readers.
    pub message: Vec<u8>,
    pub service_name: String,
    /// The attributes `run`, `worker` and `service.instance.id` of the resource.
    pub identity: [Option<String>; 3],
    pub scope: String,
    pub metrics: Vec<ReceivedMetric>,
    /// `start_time_unix_nano` of every data point.
    pub start: u64,
    /// `time_unix_nano` of every data point.
    pub time: u64,
}

/// One metric, summed over its data points.
#[derive(Clone, Debug, Default)]
pub struct ReceivedMetric {
    pub name: String,
    pub unit: String,
    /// `AGGREGATION_TEMPORALITY_DELTA`.
    is_delta: bool,
    count: u64,
    failures: u64,
    /// The sum of a histogram.
    sum: f64,
    times: Vec<(u64, u64)>,
}

struct ReceiverState {
    exports: Mutex<Vec<ReceivedExport>>,
    connections: AtomicUsize,
    replies: Box<dyn Fn(usize) -> OtlpReply + Send + Sync>,
}

/// The receiver, on a thread of its own until it is dropped.
pub struct OtlpTestServer {
    pub address: SocketAddr,
    shared: Arc<ReceiverState>,
    end: Option<async_channel::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl OtlpTestServer {
    /// Starts a receiver that calls `replies` for every export, with the export's number from 0.
    pub fn start<R: Runtime>(replies: impl Fn(usize) -> OtlpReply + Send + Sync + 'static) -> Self {
        Self::start_with::<R>(None, replies)
    }

    /// The same over TLS, if `tls` is given.
    pub fn start_with<R: Runtime>(
        tls: Option<Arc<ServerConfig>>,
        replies: impl Fn(usize) -> OtlpReply + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(ReceiverState {
            exports: Mutex::default(),
            connections: AtomicUsize::new(0),
            replies: Box::new(replies),
        });
        let (end, ended) = async_channel::bounded(1);
        let (bound, address) = mpsc::channel();
        let served = shared.clone();
        let thread = thread::spawn(move || {
            run(|runtime: R| async move {
                let listener = runtime.tcp_listen(LOOPBACK).await.expect("a free port");
                bound.send(listener.local_addr().expect("a bound address")).expect("the case waits for it");
                let ended = async {
                    // Nothing is ever sent: dropping the sender is the signal.
                    let _ = ended.recv().await;
                };
                future::or(ended, accept(&runtime, listener, tls.as_ref(), &served)).await;
            });
        });
        let address = address.recv().expect("a receiver that listens");
        Self { address, shared, end: Some(end), thread: Some(thread) }
    }

    /// The exports that were received so far.
    pub fn exports(&self) -> Vec<ReceivedExport> {
        self.shared.exports.lock().expect("no export panicked the receiver").clone()
    }

    /// Those that came after the first `count`.
    pub fn exports_after(&self, count: usize) -> Vec<ReceivedExport> {
        self.shared.exports.lock().expect("no export panicked the receiver").iter().skip(count).cloned().collect()
    }

    /// The sums over the bodies that are parts of one export.
    pub fn sums(exports: &[ReceivedExport]) -> LoadSums {
        let mut all = LoadSums::default();
        for sums in exports.iter().map(ReceivedExport::sums) {
            all.requests += sums.requests;
            all.failures += sums.failures;
            all.latency_ms += sums.latency_ms;
            all.bytes += sums.bytes;
        }
        all
    }
}

impl Drop for OtlpTestServer {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl ReceivedExport {
    pub fn header(&self, name: &str) -> &str {
        self.head.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Whether all metrics have delta temporality.
    pub fn is_delta(&self) -> bool {
        self.metrics.iter().all(|metric| metric.is_delta)
    }

    /// Whether it is of instruments of the engine's own, which share no body with requests.
    pub fn is_of_own_instruments(&self) -> bool {
        self.metrics.iter().all(|metric| !is_of_requests(&metric.name))
    }

    /// What counters of the engine's own have counted, and how many values histograms have.
    pub fn observations(&self) -> u64 {
        self.metrics.iter().filter(|metric| !is_of_requests(&metric.name)).map(|metric| metric.count).sum()
    }

    pub fn sums(&self) -> LoadSums {
        let of = |name| self.metrics.iter().filter(move |metric| metric.name == name);
        LoadSums {
            requests: of("loaddensity.requests").map(|metric| metric.count).sum(),
            failures: of("loaddensity.requests").map(|metric| metric.failures).sum(),
            latency_ms: of("loaddensity.request.latency").map(|metric| metric.sum).sum(),
            bytes: of("loaddensity.response.size").map(|metric| metric.sum as u64).sum(),
        }
    }
}

async fn accept<R: Runtime>(
    runtime: &R,
    listener: R::Listener,
    tls: Option<&Arc<ServerConfig>>,
    shared: &Arc<ReceiverState>,
) {
    let connections = HyperTasks::new(runtime.clone());
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let number = shared.connections.fetch_add(1, Ordering::SeqCst);
        let shared = shared.clone();
        let service = service_fn(move |request| answer(request, number, shared.clone()));
        let mut http = server::conn::http2::Builder::new(connections.executor());
        http.timer(HyperTimer::new(runtime.clone()));
        // An error is the client's way of closing the connection.
        match tls {
            None => {
                let connection = http.serve_connection(HyperIo::new(stream), service);
                connections.spawn(async move { drop(connection.await) });
            }
            Some(tls) => {
                let tls = TlsAcceptor::from(tls.clone());
                connections.spawn(async move {
                    let Ok(stream) = tls.accept(stream).await else { return };
                    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
                    drop(http.serve_connection(HyperIo::new(stream), service).await);
                });
            }
        }
    }
}

type OtlpResponse = Response<UnsyncBoxBody<Bytes, Infallible>>;

async fn answer(
    request: Request<Incoming>,
    connection: usize,
    shared: Arc<ReceiverState>,
) -> Result<OtlpResponse, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let encoding = head.headers.get("grpc-encoding").cloned();
    let values = head.headers.values().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(", ");
    let (number, message_bytes) = {
        let mut exports = shared.exports.lock().expect("no export panicked the receiver");
        let export = decode(connection, &head.uri, head.headers, &body);
        let message_bytes = export.message_bytes;
        exports.push(export);
        (exports.len() - 1, message_bytes)
    };
    Ok(match (shared.replies)(number) {
        OtlpReply::TooLargeAbove(limit) if message_bytes > limit => {
            let words = format!("grpc: received message larger than max ({message_bytes} vs. {limit})");
            let mut answer = Response::new(Full::default().boxed_unsync());
            answer.headers_mut().insert("grpc-status", HeaderValue::from_static("8"));
            answer.headers_mut().insert("grpc-message", HeaderValue::try_from(words).expect("a header"));
            answer.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
            answer
        }
        OtlpReply::Accept | OtlpReply::TooLargeAbove(_) => with_status(&[], Some(0), encoding),
        OtlpReply::Partial { rejected, message } => with_status(&partial_success(rejected, message), Some(0), encoding),
        OtlpReply::Trailers(status) => with_status(&[], Some(status), encoding),
        OtlpReply::NoStatus => with_status(&[], None, encoding),
        OtlpReply::Proxy(status, location) => {
            let page = Full::new(Bytes::from_static(b"<html>Sign in</html>")).boxed_unsync();
            let answer = Response::builder().status(status).header("content-type", "text/html");
            answer.header("location", location).body(page).expect("an answer")
        }
        OtlpReply::TrailersOnly(status) => {
            let mut answer = Response::new(Full::default().boxed_unsync());
            answer.headers_mut().insert("grpc-status", HeaderValue::from(u16::from(status)));
            answer.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
            answer
        }
        OtlpReply::Echo(status) => {
            let mut answer = with_status(&[], None, None).map(|_| Full::default().boxed_unsync());
            answer.headers_mut().insert("grpc-status", HeaderValue::from(u16::from(status)));
            let words = utf8_percent_encode(&values, NON_ALPHANUMERIC).to_string();
            answer.headers_mut().insert("grpc-message", HeaderValue::try_from(words).expect("a header"));
            answer
        }
        OtlpReply::Silence => future::pending().await,
    })
}

/// A gRPC answer: a frame with `message`, then the status in the trailers. The frame has the request's `encoding`,
/// whatever `grpc-accept-encoding` says, as grpc-go does it.
fn with_status(message: &[u8], status: Option<u8>, encoding: Option<HeaderValue>) -> OtlpResponse {
    let message = if encoding.is_some() { compressed(message) } else { message.to_vec() };
    let mut frame = vec![u8::from(encoding.is_some())];
    frame.extend(u32::try_from(message.len()).expect("a short message").to_be_bytes());
    frame.extend(message);
    let trailers = status.map(|status| {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from(u16::from(status)));
        Ok(trailers)
    });
    let body = Full::new(Bytes::from(frame)).with_trailers(std::future::ready(trailers));
    let mut answer = Response::new(body.boxed_unsync());
    answer.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    answer.headers_mut().extend(encoding.map(|encoding| (HeaderName::from_static("grpc-encoding"), encoding)));
    answer
}

fn compressed(message: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(message).and_then(|()| encoder.finish()).expect("memory takes all")
}

fn decompressed(message: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(message).read_to_end(&mut plain).expect("gzip");
    plain
}

/// `ExportMetricsServiceResponse { partial_success: { rejected_data_points, error_message } }`.
fn partial_success(rejected: u8, message: &str) -> Vec<u8> {
    assert!(rejected < 128 && message.len() < 100, "lengths and numbers of one byte");
    let mut partial = vec![0x08, rejected, 0x12, message.len() as u8];
    partial.extend(message.as_bytes());
    let mut response = vec![0x0A, partial.len() as u8];
    response.extend(partial);
    response
}

/// Reads an `ExportMetricsServiceRequest`. Panics if it is not one, or not as the contract demands.
fn decode(connection: usize, uri: &Uri, head: HeaderMap, body: &[u8]) -> ReceivedExport {
    let (prefix, message) = body.split_at(5);
    let is_compressed = head.get("grpc-encoding").is_some_and(|encoding| encoding == "gzip");
    assert_eq!(prefix[0], u8::from(is_compressed), "compressed as the head says");
    let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
    assert_eq!(length as usize, message.len(), "one message, whole");
    let message = if is_compressed { decompressed(message) } else { message.to_vec() };
    let resource_metrics = only(&message, 1);
    let resource = only(resource_metrics, 1);
    let scope_metrics = only(resource_metrics, 2);
    let metrics: Vec<ReceivedMetric> = messages(scope_metrics, 2).map(metric).collect();
    let mut times = metrics.iter().flat_map(|metric| &metric.times).copied();
    let (start, time) = times.next().expect("at least one data point");
    assert!(times.all(|other| other == (start, time)), "all data points of an export have the same times");
    ReceivedExport {
        connection,
        scheme: uri.scheme_str().unwrap_or_default().to_owned(),
        authority: uri.authority().map(ToString::to_string).unwrap_or_default(),
        path: uri.path().to_owned(),
        head,
        message_bytes: message.len(),
        service_name: attribute(resource, 1, "service.name").expect("the resource has a name"),
        identity: ["run", "worker", "service.instance.id"].map(|key| attribute(resource, 1, key)),
        scope: text(only(only(scope_metrics, 1), 1)),
        metrics,
        start,
        time,
        message,
    }
}

fn metric(bytes: &[u8]) -> ReceivedMetric {
    let mut metric =
        ReceivedMetric { name: text(only(bytes, 1)), unit: text(only(bytes, 3)), ..ReceivedMetric::default() };
    let sum = messages(bytes, 7).next();
    let explicit = messages(bytes, 9).next();
    let data = sum.or(explicit).or_else(|| messages(bytes, 10).next()).expect("a sum or a histogram");
    metric.is_delta = match number(data, 2) {
        Some(1) => true,
        Some(2) => false,
        other => panic!("{}: temporality {other:?}", metric.name),
    };
    // is_monotonic.
    assert_eq!(number(data, 3), sum.map(|_| 1), "{}", metric.name);
    // Fields 2 and 3 are the same in NumberDataPoint, HistogramDataPoint and ExponentialHistogramDataPoint. Fields 4
    // and 5 are the same only in the last two.
    let (attributes, count) = match (sum, explicit) {
        (Some(_), _) => (7, 6),
        (None, Some(_)) => (9, 4),
        (None, None) => (1, 4),
    };
    for point in messages(data, 1) {
        let outcome = attribute(point, attributes, "outcome");
        let is_overflow = messages(point, attributes).any(|pair| only(pair, 1) == b"otel.metric.overflow");
        // Instruments of the engine's own have no outcome, and those of the run have no series.
        let is_request = is_of_requests(&metric.name);
        assert_eq!(outcome.is_some(), is_request, "{}", metric.name);
        for key in ["method", "name"] {
            assert!(!is_request || is_overflow || attribute(point, attributes, key).is_some(), "{key}");
        }
        let count = number(point, count).expect("a count");
        metric.count += count;
        metric.failures += if outcome.as_deref() == Some("failure") { count } else { 0 };
        if sum.is_none() {
            metric.sum += f64::from_bits(number(point, 5).expect("a sum"));
            let in_buckets = if explicit.is_some() { explicit_count(point) } else { exponential_count(point) };
            assert_eq!(in_buckets, count, "buckets add up");
        }
        metric.times.push((number(point, 2).expect("a start"), number(point, 3).expect("a time")));
    }
    metric
}

/// Whether a metric is measured of each request. Others are of the engine's own instruments.
fn is_of_requests(metric: &str) -> bool {
    ["loaddensity.requests", "loaddensity.request.latency", "loaddensity.response.size", "http.client.request.duration"]
        .contains(&metric)
}

fn explicit_count(point: &[u8]) -> u64 {
    let buckets = only(point, 6).chunks_exact(8);
    buckets.map(|bucket| u64::from_le_bytes(bucket.try_into().expect("eight bytes"))).sum()
}

/// `zero_count` and the packed numbers of `positive.bucket_counts`.
fn exponential_count(point: &[u8]) -> u64 {
    let mut sum = number(point, 7).unwrap_or_default();
    let Some(positive) = messages(point, 8).next() else { return sum };
    let mut counts = only(positive, 2);
    while !counts.is_empty() {
        sum += varint(&mut counts);
    }
    sum
}

/// The string value of the attribute `key` (`KeyValue`: key 1, value 2; `AnyValue`: string_value 1).
fn attribute(bytes: &[u8], field: u64, key: &str) -> Option<String> {
    messages(bytes, field).find(|pair| only(pair, 1) == key.as_bytes()).map(|pair| text(only(only(pair, 2), 1)))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}
