//! The sockets, and who answers there.

use std::convert::Infallible;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use flate2::read::GzDecoder;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use loaddensity_metrics_shell::hyper_io::{HyperExecutor, HyperIo};
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_vectors::otlp::{FRAME_LENGTH, unframe};
use serde_json::json;

use super::arrivals::{Arrivals, ReceiverName, lock};
use super::flags::ReceiveArgs;
use super::reading;
use crate::CommandError;
use crate::receivers::{ServerThread, datagrams, grpc_answer, grpc_frame};

/// Longest body that is taken, plain and as it came.
const MOST_BYTES: usize = 64 << 20;

type SharedArrivals = Arc<Mutex<Arrivals>>;

/// All receivers at work.
pub(super) struct OpenReceivers {
    influxdb_udp: UdpReceiver,
    statsd: UdpReceiver,
    influxdb_http: ServerThread,
    otlp_grpc: ServerThread,
    otlp_http: ServerThread,
}

/// What the kernel dropped before a receiver could read it, where it says so.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KernelDrops {
    pub(super) influxdb: Option<u64>,
    pub(super) statsd: Option<u64>,
}

impl OpenReceivers {
    /// Opens them all on the ports of `args`.
    ///
    /// # Errors
    /// The first that cannot be opened, with the flag that names another port.
    pub(super) fn open<R: Runtime>(args: &ReceiveArgs, arrivals: &SharedArrivals) -> Result<Self, CommandError> {
        let opened = |name: ReceiverName, port: u16| {
            move |error: io::Error| {
                let flag = name.as_str();
                format!(
                    "127.0.0.1:{port} for {flag}: {error}; --{flag} names another port, --{flag} 0 takes a free one"
                )
            }
        };
        let influxdb_udp = UdpReceiver::open(args.influxdb_udp, arrivals, |arrivals, datagram| {
            reading::points(arrivals, ReceiverName::InfluxdbUdp, datagram);
        });
        let statsd = UdpReceiver::open(args.statsd, arrivals, reading::messages);
        let points = open_http1::<R, _, _>(ReceiverName::InfluxdbHttp, args.influxdb_http, arrivals, answer_points);
        let exports = open_http1::<R, _, _>(ReceiverName::OtlpHttp, args.otlp_http, arrivals, answer_export);
        let grpc = open_grpc::<R>(args.otlp_grpc, arrivals);
        Ok(Self {
            influxdb_udp: influxdb_udp.map_err(opened(ReceiverName::InfluxdbUdp, args.influxdb_udp))?,
            statsd: statsd.map_err(opened(ReceiverName::Statsd, args.statsd))?,
            influxdb_http: points.map_err(opened(ReceiverName::InfluxdbHttp, args.influxdb_http))?,
            otlp_grpc: grpc.map_err(opened(ReceiverName::OtlpGrpc, args.otlp_grpc))?,
            otlp_http: exports.map_err(opened(ReceiverName::OtlpHttp, args.otlp_http))?,
        })
    }

    /// Where `receiver` listens; the scraper does not.
    pub(super) const fn address(&self, receiver: ReceiverName) -> Option<SocketAddr> {
        match receiver {
            ReceiverName::InfluxdbHttp => Some(self.influxdb_http.address()),
            ReceiverName::InfluxdbUdp => Some(self.influxdb_udp.address),
            ReceiverName::Statsd => Some(self.statsd.address),
            ReceiverName::OtlpGrpc => Some(self.otlp_grpc.address()),
            ReceiverName::OtlpHttp => Some(self.otlp_http.address()),
            ReceiverName::Scraper => None,
        }
    }

    /// Ends them. Every datagram that was sent before is read first.
    ///
    /// # Errors
    /// What the operating system answered while receiving.
    pub(super) fn close(self) -> io::Result<KernelDrops> {
        Ok(KernelDrops { influxdb: self.influxdb_udp.close()?, statsd: self.statsd.close()? })
    }
}

struct UdpReceiver {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Option<u64>>>,
}

impl UdpReceiver {
    fn open(port: u16, arrivals: &SharedArrivals, take: fn(&mut Arrivals, &[u8])) -> io::Result<Self> {
        let socket = datagrams::listen_at(port)?;
        let address = socket.local_addr()?;
        let (stop, arrivals) = (Arc::<AtomicBool>::default(), arrivals.clone());
        let stopped = stop.clone();
        let body = move || {
            datagrams::receive(&socket, &stopped, |datagram| take(&mut lock(&arrivals), datagram))?;
            Ok(datagrams::kernel_drops(address))
        };
        Ok(Self { address, stop, thread: thread::Builder::new().name(format!("udp-{}", address.port())).spawn(body)? })
    }

    fn close(self) -> io::Result<Option<u64>> {
        self.stop.store(true, Ordering::Release);
        self.thread.join().map_err(|_| io::Error::other("a receiver panicked"))?
    }
}

fn open_http1<R: Runtime, A, F>(
    name: ReceiverName,
    port: u16,
    arrivals: &SharedArrivals,
    answer: A,
) -> io::Result<ServerThread>
where
    A: Fn(SharedArrivals, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let arrivals = arrivals.clone();
    let serve = move |_: R, stream: R::Tcp, _: HyperExecutor| {
        let (arrivals, answer) = (arrivals.clone(), answer.clone());
        async move {
            let service = service_fn(move |request| {
                let answered = answer(arrivals.clone(), request);
                async { Ok::<_, Infallible>(answered.await) }
            });
            // How a client leaves is its own affair.
            let _ = http1::Builder::new().serve_connection(HyperIo::new(stream), service).await;
        }
    };
    ServerThread::start_at::<R, _>(name.as_str(), port, serve)
}

fn open_grpc<R: Runtime>(port: u16, arrivals: &SharedArrivals) -> io::Result<ServerThread> {
    let arrivals = arrivals.clone();
    let serve = move |_: R, stream: R::Tcp, executor: HyperExecutor| {
        let arrivals = arrivals.clone();
        async move {
            let service = service_fn(move |request| {
                let arrivals = arrivals.clone();
                async move {
                    let message =
                        grpc_frame(request).await.map_err(|refused| refused.0).and_then(|frame| message(&frame));
                    let is_accepted = take_export(&arrivals, ReceiverName::OtlpGrpc, message).is_none();
                    Ok::<_, Infallible>(grpc_answer(is_accepted))
                }
            });
            let _ = http2::Builder::new(executor).serve_connection(HyperIo::new(stream), service).await;
        }
    };
    ServerThread::start_at::<R, _>(ReceiverName::OtlpGrpc.as_str(), port, serve)
}

/// The message in a gRPC frame, which may be compressed.
fn message(frame: &[u8]) -> Result<Vec<u8>, String> {
    match frame.split_first_chunk::<FRAME_LENGTH>() {
        Some(([1, length @ ..], message)) if u32::from_be_bytes(*length) as usize == message.len() => unzip(message),
        _ => unframe(frame).map(<[u8]>::to_vec).map_err(|error| error.to_string()),
    }
}

async fn answer_points(arrivals: SharedArrivals, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    if path.ends_with("/query") {
        // CREATE DATABASE; here every database is there.
        return json_answer(StatusCode::OK, &json!({ "results": [{ "statement_id": 0 }] }));
    }
    let is_write = ["/write", "/api/v2/write", "/api/v3/write_lp"].iter().any(|end| path.ends_with(end));
    let taken = match body(ReceiverName::InfluxdbHttp, is_write, request).await {
        Ok(lines) => reading::points(&mut lock(&arrivals), ReceiverName::InfluxdbHttp, &lines),
        Err(reason) => {
            refuse(&arrivals, ReceiverName::InfluxdbHttp, &reason);
            return json_answer(StatusCode::BAD_REQUEST, &json!({ "code": "invalid", "message": reason }));
        }
    };
    match taken {
        (_, None) => plain_answer(StatusCode::NO_CONTENT),
        // As InfluxDB 1 and 2 say it.
        (bad, Some(reason)) => {
            let text = format!("partial write: {reason} dropped={bad}");
            json_answer(StatusCode::BAD_REQUEST, &json!({ "code": "invalid", "error": text, "message": text }))
        }
    }
}

async fn answer_export(arrivals: SharedArrivals, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let is_export = request.uri().path().ends_with("/v1/metrics");
    let message = body(ReceiverName::OtlpHttp, is_export, request).await;
    match take_export(&arrivals, ReceiverName::OtlpHttp, message.map(Vec::from)) {
        // An answer without content: all was accepted.
        None => {
            let mut answer = plain_answer(StatusCode::OK);
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
            answer
        }
        Some(_) => plain_answer(StatusCode::BAD_REQUEST),
    }
}

/// Takes an export, or why there is none; why it was bad, if it was.
fn take_export(arrivals: &SharedArrivals, receiver: ReceiverName, message: Result<Vec<u8>, String>) -> Option<String> {
    match message {
        Ok(message) => reading::export(&mut lock(arrivals), receiver, &message),
        Err(reason) => {
            refuse(arrivals, receiver, &reason);
            Some(reason)
        }
    }
}

fn refuse(arrivals: &SharedArrivals, receiver: ReceiverName, reason: &str) {
    let mut arrivals = lock(arrivals);
    arrivals.came(receiver);
    arrivals.bad(receiver, reason);
}

/// The body of a `POST` to the right path, plain.
async fn body(receiver: ReceiverName, is_path: bool, request: Request<Incoming>) -> Result<Bytes, String> {
    if !is_path || request.method() != Method::POST {
        let (method, path) = (request.method(), request.uri().path());
        return Err(format!("{method} {path} is nothing that is sent to {}", receiver.as_str()));
    }
    let is_gzip = request.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip");
    let body =
        Limited::new(request.into_body(), MOST_BYTES).collect().await.map_err(|error| error.to_string())?.to_bytes();
    if is_gzip { unzip(&body).map(Bytes::from) } else { Ok(body) }
}

fn unzip(zipped: &[u8]) -> Result<Vec<u8>, String> {
    let mut plain = Vec::new();
    let most = MOST_BYTES as u64 + 1;
    GzDecoder::new(zipped).take(most).read_to_end(&mut plain).map_err(|error| format!("gzip: {error}"))?;
    if plain.len() > MOST_BYTES { Err(format!("more than {MOST_BYTES} bytes, unzipped")) } else { Ok(plain) }
}

fn plain_answer(status: StatusCode) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

fn json_answer(status: StatusCode, value: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(value.to_string().into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
