//! The demo's HTTP target: four routes of different sizes and speeds, one of which fails now and then.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use loaddensity_metrics_shell::hyper_io::HyperIo;
use loaddensity_metrics_shell::runtime::Runtime;

use crate::receivers::ServerThread;

/// One route.
pub(super) struct TargetRoute {
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// Name under which requests to it are recorded.
    pub(super) name: &'static str,
    /// Size of its answers.
    pub(super) bytes: usize,
    /// How long it thinks.
    pub(super) delay: Duration,
    /// Whether it answers 500 now and then.
    pub(super) fails: bool,
}

impl TargetRoute {
    const fn new(method: Method, path: &'static str, name: &'static str, bytes: usize, millis: u64) -> Self {
        Self { method, path, name, bytes, delay: Duration::from_millis(millis), fails: false }
    }

    const fn failing(mut self) -> Self {
        self.fails = true;
        self
    }
}

/// All of them.
pub(super) static ROUTES: [TargetRoute; 4] = [
    TargetRoute::new(Method::GET, "/items", "/items", 1_500, 0),
    TargetRoute::new(Method::GET, "/items/7", "/items/{id}", 120, 0),
    TargetRoute::new(Method::POST, "/orders", "/orders", 300, 6).failing(),
    TargetRoute::new(Method::GET, "/report", "/report", 40_000, 12),
];

/// Every so many orders one is answered with 500.
const FAILING: u64 = 8;

/// A running target.
pub(super) struct DemoTarget {
    server: ServerThread,
    answered: Arc<AnsweredCounts>,
}

#[derive(Default)]
struct AnsweredCounts {
    all: AtomicU64,
    orders: AtomicU64,
}

impl DemoTarget {
    pub(super) fn start<R: Runtime>() -> io::Result<Self> {
        let answered = Arc::<AnsweredCounts>::default();
        let shared = answered.clone();
        let serve = move |runtime: R, stream: R::Tcp, _| {
            let shared = shared.clone();
            async move {
                let service = service_fn(move |request| answer(runtime.clone(), shared.clone(), request));
                // How a client leaves is its own affair.
                let _ = http1::Builder::new().serve_connection(HyperIo::new(stream), service).await;
            }
        };
        Ok(Self { server: ServerThread::start::<R, _>("demo-target", serve)?, answered })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Requests answered so far, counted here and not by any metric.
    pub(super) fn answered(&self) -> u64 {
        self.answered.all.load(Ordering::Relaxed)
    }
}

async fn answer<R: Runtime>(
    runtime: R,
    answered: Arc<AnsweredCounts>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    // Counters of one thread, read when it is idle: relaxed is enough.
    answered.all.fetch_add(1, Ordering::Relaxed);
    let (method, path) = (request.method(), request.uri().path());
    let Some(route) = ROUTES.iter().find(|route| route.method == *method && route.path == path) else {
        return Ok(with_status(StatusCode::NOT_FOUND, Bytes::new()));
    };
    if !route.delay.is_zero() {
        runtime.sleep(route.delay).await;
    }
    if route.fails && answered.orders.fetch_add(1, Ordering::Relaxed) % FAILING == FAILING - 1 {
        return Ok(with_status(StatusCode::INTERNAL_SERVER_ERROR, Bytes::from_static(b"out of stock")));
    }
    Ok(with_status(StatusCode::OK, Bytes::from_static(&[b'.'; 65_536]).slice(..route.bytes)))
}

fn with_status(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
}
