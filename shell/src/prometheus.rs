//! The Prometheus exporter: an HTTP/1.1 server for the metrics page.
//!
//! A page is streamed through one small buffer, so a scrape takes constant memory, however many series there are and
//! however slowly the client reads. It counts as sent when its last byte is with the kernel.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_channel::Sender;
use futures_lite::FutureExt as _;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use loaddensity_metrics_core::{Cause, Exporter, Registry, prometheus as page};

use crate::condition::Condition;
use crate::config::PrometheusConfig;
use crate::error::StartError;
use crate::hyper_io::{HyperIo, HyperTasks, HyperTimer};
use crate::running::{Place, Prepared, Running, host_port, resolve};
use crate::runtime::{Runtime, TcpListener};
use crate::stop::StopSignal;

mod body;
mod delivery;

use body::Answer;
use delivery::{Delivered, Delivery};

/// Connections at a time; more are closed as they come. Each holds at most [`HYPER_BUFFER`] and a frame of the page.
const CONNECTIONS: usize = 64;
/// What hyper buffers of requests and of answers, in bytes.
const HYPER_BUFFER: usize = 8_192;
/// A connection on which no byte has moved for this long is closed. Longer than the usual scrape intervals, so that
/// scrapers may keep theirs.
const IDLE: Duration = Duration::from_secs(120);
/// Pause after an accept that failed, for instance because the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Where the page is.
const PATH: &str = "/metrics";

/// Listens. Connections wait until it is launched.
pub(crate) async fn prepare<R: Runtime>(runtime: &R, config: &PrometheusConfig) -> Result<Prepared<R>, StartError> {
    let failed = |source| StartError::Socket {
        exporter: Exporter::Prometheus,
        address: host_port(&config.addr, config.port),
        source,
    };
    let listener = listen(runtime, config).await?.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok(Prepared::new(move |place: &mut Place<R>| {
        place.registry.open_account(Exporter::Prometheus);
        let condition = Arc::new(Condition::new(Exporter::Prometheus, format!("http://{bound}{PATH}")));
        let stop = StopSignal::default();
        let server = Server {
            runtime: place.runtime.clone(),
            registry: place.registry,
            condition: condition.clone(),
            stop: stop.clone(),
        };
        Running::launch(&place.runtime, stop, condition, server.run(listener)).bound_to(bound)
    }))
}

/// A listener on the first address of the host that takes one.
async fn listen<R: Runtime>(runtime: &R, config: &PrometheusConfig) -> Result<io::Result<R::Listener>, StartError> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in resolve(runtime, Exporter::Prometheus, "addr", &config.addr, config.port).await? {
        match runtime.tcp_listen(address).await {
            Ok(listener) => return Ok(Ok(listener)),
            Err(error) => last = error,
        }
    }
    Ok(Err(last))
}

struct Server<R: Runtime> {
    runtime: R,
    registry: Registry<'static>,
    condition: Arc<Condition>,
    stop: StopSignal,
}

impl<R: Runtime> Server<R> {
    async fn run(self, listener: R::Listener) -> Cause {
        let connections = HyperTasks::new(self.runtime.clone());
        let (alive, all_ended) = async_channel::bounded(1);
        loop {
            let asked = async {
                self.stop.asked().await;
                None
            };
            match asked.or(async { Some(listener.accept().await) }).await {
                None => break,
                // Full: dropping the connection closes it, and the client may come again.
                Some(Ok(_)) if connections.len() >= CONNECTIONS => {
                    self.condition.failed(format!("{CONNECTIONS} connections are open, more are closed"));
                }
                Some(Ok((stream, _))) => connections.spawn(self.connection(stream, alive.clone())),
                Some(Err(error)) => {
                    self.condition.failed(format!("cannot accept connections: {error}"));
                    self.stop.cuts_short(self.runtime.sleep(ACCEPT_PAUSE)).await;
                }
            }
        }
        // Frees the port; then what is under way may end.
        drop((listener, alive));
        self.stop.unless_overdue(&self.runtime, all_ended.recv()).await;
        Cause::Unscraped
    }

    /// Serves one connection until its client, or a stop, ends it.
    fn connection(&self, stream: R::Tcp, alive: Sender<Infallible>) -> impl Future<Output = ()> + Send + use<R> {
        let (runtime, registry, stop) = (self.runtime.clone(), self.registry, self.stop.clone());
        let delivered = Arc::new(Delivered::new(registry.ledger(Exporter::Prometheus), self.condition.clone()));
        async move {
            let _alive = alive;
            let io = Delivery::new(HyperIo::new(stream), delivered.clone());
            let service = service_fn(|request| {
                let answer = answer(&request, registry, &delivered);
                async move { Ok::<_, Infallible>(answer) }
            });
            let mut connection = pin!(
                http1::Builder::new()
                    .timer(HyperTimer::new(runtime.clone()))
                    .header_read_timeout(IDLE)
                    .max_buf_size(HYPER_BUFFER)
                    .serve_connection(io, service)
            );
            let served = async {
                let asked = async {
                    stop.asked().await;
                    true
                };
                let ended = async {
                    // An error is the client's own doing: it went away, or spoke nonsense and was answered so.
                    let _ = connection.as_mut().await;
                    false
                };
                if asked.or(ended).await {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            };
            served.or(delivered.idle(&runtime, IDLE)).await;
        }
    }
}

fn answer(request: &Request<Incoming>, registry: Registry<'static>, delivered: &Arc<Delivered>) -> Response<Answer> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let (status, body) = match (request.uri().path(), is_read) {
        (PATH, true) => (StatusCode::OK, Answer::page(registry, delivered.clone())),
        (PATH, false) => (StatusCode::METHOD_NOT_ALLOWED, Answer::text("only GET and HEAD are answered here\n")),
        _ => (StatusCode::NOT_FOUND, Answer::text("not found; the metrics are at /metrics\n")),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if status == StatusCode::OK {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(page::CONTENT_TYPE));
    } else {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

/// Bytes that have moved on a connection, in either direction.
#[derive(Default)]
struct Moved(AtomicU64);

impl Moved {
    fn note(&self, bytes: usize) {
        // Relaxed: it is only compared with itself.
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn so_far(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
