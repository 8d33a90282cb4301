//! Both ends of real connections through the layer: hyper's client and hyper's server, each with a registry of its own.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use loaddensity_metrics_shell::{HeapStorage, LocalRecorder, Outcome, Registry, Totals};
use loaddensity_metrics_tower::{RequestLayer, RouteTemplate, by_route};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower_layer::Layer;
use tower_service::Service;

const CLIENTS: usize = 8;
const REQUESTS: usize = 500;
/// What the server knows by its path, with its status.
const ROUTES: [(&str, u16); 6] =
    [("/sized", 200), ("/chunked", 200), ("/absent", 404), ("/broken", 200), ("/silent", 0), ("/endless", 200)];
const CHUNK: &[u8] = &[7; 1_000];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ends_record_what_both_ends_count() {
    let (at_client, at_server) = (registry(), registry());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address");
    let calls = Arc::new(Calls::default());
    let server = tokio::spawn(serve(listener, at_server, Arc::clone(&calls)));

    let mut clients = JoinSet::new();
    (0..CLIENTS).for_each(|number| drop(clients.spawn(client(address, at_client, number))));
    let mut expected = HashMap::<_, Sums>::new();
    while let Some(counted) = clients.join_next().await {
        for (route, sums) in counted.expect("a client ends") {
            expected.entry(route).or_default().add(sums);
        }
    }
    for (route, _) in ROUTES {
        assert_eq!(Sums::of(&totals(at_client, route)), expected[route], "the client's {route}");
    }
    assert_eq!(at_client.requests(), (CLIENTS * REQUESTS) as u64);

    // Its connections end, because the clients are gone.
    server.abort();
    drop(server.await);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while at_server.requests() < calls.all() && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await; // for what would be recorded twice
    for (at, (route, _)) in ROUTES.into_iter().enumerate() {
        let recorded = totals(at_server, route);
        assert_eq!(recorded.requests(), calls.0[at].load(Ordering::Relaxed), "the server's {route}");
        // Who got all of it agrees on all of it. Of the others the server learns how they went on, but not how far.
        if ["/sized", "/chunked", "/absent"].contains(&route) {
            assert_eq!(Sums::of(&recorded), expected[route], "the server's {route}");
        } else {
            assert!(recorded.by_outcome[0] == 0 && recorded.failures() > 0, "the server's {route}");
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    by_outcome: [u64; 2],
    bytes: [u64; 2],
}

impl Sums {
    fn of(totals: &Totals) -> Self {
        Self { by_outcome: totals.by_outcome, bytes: totals.sizes.map(|sizes| sizes.sum) }
    }

    fn count(&mut self, outcome: Outcome, bytes: u64) {
        self.by_outcome[outcome as usize] += 1;
        self.bytes[outcome as usize] += bytes;
    }

    fn add(&mut self, other: Self) {
        for side in 0..2 {
            self.by_outcome[side] += other.by_outcome[side];
            self.bytes[side] += other.bytes[side];
        }
    }
}

fn totals(registry: Registry<'static>, route: &str) -> Totals {
    registry.series_totals(registry.series("GET", route))
}

fn registry() -> Registry<'static> {
    Box::leak(Box::new(HeapStorage::new(20, 4, 16).expect("a small storage can be made"))).registry()
}

/// One request after another, over a connection that is made again when it was broken.
async fn client(address: SocketAddr, registry: Registry<'static>, number: usize) -> HashMap<&'static str, Sums> {
    let layer = RequestLayer::new(LocalRecorder::new(registry), by_route);
    let mut counted = HashMap::<_, Sums>::new();
    let mut connection = None;
    for at in 0..REQUESTS {
        // The first three more often: each of the others costs a connection.
        let (route, _) = ROUTES[if at % 10 == 0 { 3 + (at / 10 + number) % 3 } else { at % 3 }];
        let mut service = match connection.take() {
            Some(service) => service,
            None => layer.layer(Connection::open(address).await),
        };
        std::future::poll_fn(|context| service.poll_ready(context)).await.expect("the connection is open");
        let request = Request::get(route).extension(RouteTemplate::new(route)).header("host", "test");
        let call = service.call(request.body(Empty::<Bytes>::new()).expect("a request"));
        let sums = counted.entry(route).or_default();
        if route == "/silent" {
            assert!(tokio::time::timeout(Duration::from_millis(5), call).await.is_err(), "the server is silent");
            sums.count(Outcome::Failure, 0);
            continue;
        }
        let response = call.await.expect("the server answers");
        let status = response.status().as_u16();
        let mut body = response.into_body();
        let (mut bytes, mut has_ended) = (0, false);
        let enough = if route == "/endless" { 3_000 } else { u64::MAX };
        while !has_ended && bytes < enough {
            match body.frame().await {
                Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, Bytes::len) as u64,
                Some(Err(_)) => break,
                None => has_ended = true,
            }
        }
        assert_eq!(has_ended, at % 10 != 0, "{route}");
        sums.count(if has_ended && status == 200 { Outcome::Success } else { Outcome::Failure }, bytes);
        if has_ended {
            connection = Some(service);
        }
    }
    counted
}

/// hyper's client as a service of tower.
struct Connection(SendRequest<Empty<Bytes>>);

impl Connection {
    async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("a connection begins");
        tokio::spawn(connection);
        Self(sender)
    }
}

impl Service<Request<Empty<Bytes>>> for Connection {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Empty<Bytes>>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

/// How often each route was called.
#[derive(Default)]
struct Calls([AtomicU64; ROUTES.len()]);

impl Calls {
    fn all(&self) -> u64 {
        self.0.iter().map(|calls| calls.load(Ordering::Relaxed)).sum()
    }
}

async fn serve(listener: TcpListener, registry: Registry<'static>, calls: Arc<Calls>) {
    let layer = RequestLayer::new(LocalRecorder::new(registry), |recorder, request: &Request<Incoming>| {
        recorder.series(request.method().as_str(), request.uri().path())
    });
    let service = layer.layer(Handler(calls));
    loop {
        let (stream, _) = listener.accept().await.expect("a connection comes");
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

#[derive(Clone)]
struct Handler(Arc<Calls>);

impl Service<Request<Incoming>> for Handler {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let at = ROUTES.iter().position(|(route, _)| *route == request.uri().path()).expect("a route of the test");
        self.0.0[at].fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let (route, status) = ROUTES[at];
            let (chunks, broken) = match route {
                "/silent" => std::future::pending().await,
                "/broken" => (2, true),
                "/endless" => (u64::MAX, false),
                "/absent" => (0, false),
                _ => (3, false),
            };
            let mut response =
                Response::new(Answer { chunks, broken, has_pause: route == "/endless" || broken, pause: None });
            *response.status_mut() = StatusCode::from_u16(status).expect("a status");
            if route == "/sized" {
                response.headers_mut().insert("content-length", (3 * CHUNK.len()).into());
            }
            Ok(response)
        })
    }
}

/// Some chunks, and then an end or an error.
struct Answer {
    chunks: u64,
    broken: bool,
    /// After each chunk, so that what came before is on its way.
    has_pause: bool,
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
        }
        self.pause = self.has_pause.then(|| Box::pin(tokio::time::sleep(Duration::from_millis(1))));
        if self.chunks > 0 {
            self.chunks -= 1;
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(CHUNK)))));
        }
        Poll::Ready(self.broken.then_some(Err("as the test wants it")))
    }
}
