//! An OTLP/gRPC receiver on hyper's HTTP/2 server, decoding with the types that prost makes of OpenTelemetry's
//! definitions.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use loaddensity_metrics_shell::Outcome;
use loaddensity_metrics_shell::hyper_io::{HyperExecutor, HyperIo};
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_vectors::otlp::{DecodedAttributes, DecodedPoint, DecodedValue, canonical, decode, unframe};

use super::{Arrived, Observed, Refused, ServerThread, refused, same_count};
use crate::engine::{ITERATIONS, TIME_TO_FIRST_BYTE};

/// The method that exports metrics (opentelemetry-proto, `metrics_service.proto`).
const PATH: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
/// gRPC status codes.
const OK: &str = "0";
const INVALID_ARGUMENT: &str = "3";
/// An `ExportMetricsServiceResponse` without content in its gRPC frame: everything was accepted.
const ACCEPTED: &[u8] = &[0; 5];

/// A receiver that keeps the newest value of every point.
#[derive(Debug)]
pub struct OtlpReceiver {
    server: ServerThread,
    received: Arc<Mutex<Received>>,
}

#[derive(Debug, Default)]
struct Received {
    /// By metric and attributes.
    newest: BTreeMap<(String, DecodedAttributes), DecodedValue>,
    /// The times of the exports; all requests of one export carry one.
    exports: BTreeSet<u64>,
    bytes: usize,
    refused: Option<Refused>,
}

impl OtlpReceiver {
    /// Listens on a free port of the IPv4 loopback interface.
    ///
    /// # Errors
    /// What the operating system answers.
    pub fn start<R: Runtime>() -> io::Result<Self> {
        let received = Arc::<Mutex<Received>>::default();
        let shared = received.clone();
        let serve = move |_: R, stream: R::Tcp, executor: HyperExecutor| {
            let shared = shared.clone();
            async move {
                let service = service_fn(move |request| answer(shared.clone(), request));
                // How a client leaves is its own affair.
                let _ = http2::Builder::new(executor).serve_connection(HyperIo::new(stream), service).await;
            }
        };
        Ok(Self { server: ServerThread::start::<R, _>("otlp-receiver", serve)?, received })
    }

    /// Where to send.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// How many exports came, and the bytes of their messages.
    #[must_use]
    pub fn exports(&self) -> (usize, usize) {
        let received = lock(&self.received);
        (received.exports.len(), received.bytes)
    }

    /// Counts the requests: the sum of the newest values of `loaddensity.requests`.
    ///
    /// # Errors
    /// Any request that was not a right export, or histograms that have counted something else.
    pub fn finish(self) -> Result<Arrived, Refused> {
        let received = lock(&self.received);
        if let Some(refused) = &received.refused {
            return Err(refused.clone());
        }
        let mut arrived = Arrived::default();
        let mut counts = BTreeMap::new();
        for ((metric, attributes), value) in &received.newest {
            let outcome = attributes.get("outcome").map(String::as_str);
            match value {
                _ if observe(metric, value, &mut arrived.observed)? => {}
                DecodedValue::Sum(sum) => arrived.add(outcome, u64::try_from(*sum).map_err(refused)?)?,
                DecodedValue::Gauge(_) => {}
                DecodedValue::Histogram { count, .. } | DecodedValue::Exponential { count, .. } => {
                    *counts.entry(metric.as_str()).or_default() += count;
                }
            }
        }
        let count = |metric| (metric, counts.get(metric).copied().unwrap_or(0));
        let requests = ("loaddensity.requests", arrived.requests());
        same_count(&[requests, count("loaddensity.request.latency"), count("loaddensity.response.size")])?;
        let of = |outcome: Outcome| {
            received.newest.iter().find(|((_, attributes), value)| {
                let is_of = attributes.get("outcome").is_some_and(|text| text == outcome.as_str());
                is_of && matches!(value, DecodedValue::Sum(_))
            })
        };
        let sums = Outcome::ALL.into_iter().filter_map(of);
        arrived.sample = sums.map(|((metric, attributes), value)| shown(metric, attributes, value)).collect();
        Ok(arrived)
    }
}

/// Adds the newest value of an instrument of the engine's own; whether it is one.
fn observe(metric: &str, value: &DecodedValue, observed: &mut Observed) -> Result<bool, Refused> {
    match (metric.strip_prefix("loaddensity."), value) {
        (Some(ITERATIONS), DecodedValue::Sum(sum)) => observed.iterations += u64::try_from(*sum).map_err(refused)?,
        (
            Some(TIME_TO_FIRST_BYTE),
            DecodedValue::Histogram { count, sum, .. } | DecodedValue::Exponential { count, sum, .. },
        ) => {
            observed.first_bytes += count;
            observed.add_first_byte_ms(*sum);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

async fn answer(
    received: Arc<Mutex<Received>>,
    request: Request<Incoming>,
) -> Result<Response<impl Body<Data = Bytes, Error = Infallible>>, Infallible> {
    let took = take(&received, request).await;
    let answer = grpc_answer(took.is_ok());
    if let Err(refused) = took {
        lock(&received).refused.get_or_insert(refused);
    }
    Ok(answer)
}

async fn take(received: &Mutex<Received>, request: Request<Incoming>) -> Result<(), Refused> {
    let frame = grpc_frame(request).await?;
    let message = unframe(&frame).map_err(refused)?;
    canonical(message).map_err(refused)?;
    let points = decode(message).map_err(refused)?;
    let mut received = lock(received);
    received.bytes += message.len();
    points.into_iter().try_for_each(|point| keep(&mut received, point))
}

/// What a request carries that calls the method that exports metrics.
///
/// # Errors
/// Another request, or one that breaks off.
pub(crate) async fn grpc_frame(request: Request<Incoming>) -> Result<Bytes, Refused> {
    if request.method() != Method::POST || request.uri().path() != PATH {
        return Err(Refused(format!("{} {}", request.method(), request.uri())));
    }
    Ok(request.into_body().collect().await.map_err(refused)?.to_bytes())
}

/// The answer to an export that was accepted as a whole, or was not one.
pub(crate) fn grpc_answer(is_accepted: bool) -> Response<impl Body<Data = Bytes, Error = Infallible>> {
    let mut trailers = HeaderMap::new();
    let status = if is_accepted { OK } else { INVALID_ARGUMENT };
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    let body = Full::new(Bytes::from_static(ACCEPTED)).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

fn keep(received: &mut Received, point: DecodedPoint) -> Result<(), Refused> {
    if point.scope != "loaddensity" || !point.metric.starts_with("loaddensity.") {
        return Err(Refused(format!("not a point of the contract: {point:?}")));
    }
    received.exports.insert(point.time);
    let key = (point.metric, point.attributes);
    if let Some(before) = received.newest.get(&key)
        && count(before) > count(&point.value)
    {
        return Err(Refused(format!("{key:?} went back from {before:?} to {:?}", point.value)));
    }
    received.newest.insert(key, point.value);
    Ok(())
}

fn count(value: &DecodedValue) -> u64 {
    match value {
        DecodedValue::Sum(sum) => sum.unsigned_abs(),
        // It may go back.
        DecodedValue::Gauge(_) => 0,
        DecodedValue::Histogram { count, .. } | DecodedValue::Exponential { count, .. } => *count,
    }
}

fn shown(metric: &str, attributes: &DecodedAttributes, value: &DecodedValue) -> String {
    let attributes = attributes.iter().map(|(key, value)| format!("{key}={value:?}")).collect::<Vec<_>>().join(", ");
    format!("{metric} {{{attributes}}} sum, cumulative, monotonic: {}", count(value))
}

fn lock(received: &Mutex<Received>) -> MutexGuard<'_, Received> {
    received.lock().unwrap_or_else(PoisonError::into_inner)
}
