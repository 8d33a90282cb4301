//! hyper on the runtime, through the adaptors of [`hyper_io`](loaddensity_metrics_shell::hyper_io).

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_io::{AsyncRead, AsyncWrite};
use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _, future};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::rt::{Executor as _, Write as _};
use hyper::service::service_fn;
use hyper::{Request, Response, client, server};
use loaddensity_metrics_shell::hyper_io::{HyperIo, HyperTasks, HyperTimer};
use loaddensity_metrics_shell::runtime::{Runtime, TcpListener as _};

use super::{DropWatch, Guard, LOOPBACK, run, until};

/// Bodies of sizes around the sizes of buffers, one after the other over one HTTP/1.1 connection.
pub fn http1_echo_over_one_connection<R: Runtime>() {
    run(|runtime: R| async move {
        let server = EchoServer::start(&runtime, HTTP1).await;
        let tasks = HyperTasks::new(runtime.clone());
        let stream = runtime.tcp_connect(server.address).await.expect("a connection");
        let (mut requests, connection) =
            client::conn::http1::handshake(HyperIo::new(stream)).await.expect("an HTTP/1.1 client");
        tasks.spawn(async move { connection.await.expect("the client's connection") });
        for length in [0, 1, 4_095, 4_096, 4_097, 8_192, 100_000, 3 << 20] {
            requests.ready().await.expect("the connection is kept alive");
            let body = body(length);
            let response = requests.send_request(post(&body)).await.expect("a response");
            assert!(collect(response).await == body, "{length} bytes did not come back unchanged");
        }
        assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    });
}

/// Thirty requests together over one HTTP/2 connection, which needs flow control, the executor and the timer.
pub fn http2_echo_of_concurrent_requests<R: Runtime>() {
    const REQUESTS: usize = 30;
    run(|runtime: R| async move {
        let server = EchoServer::start(&runtime, Version::Http2).await;
        let tasks = HyperTasks::new(runtime.clone());
        let stream = runtime.tcp_connect(server.address).await.expect("a connection");
        let (requests, connection) = client::conn::http2::Builder::new(tasks.executor())
            .timer(HyperTimer::new(runtime.clone()))
            .keep_alive_interval(Duration::from_millis(20))
            .handshake(HyperIo::new(stream))
            .await
            .expect("an HTTP/2 client");
        tasks.spawn(async move { connection.await.expect("the client's connection") });
        let (done, results) = async_channel::unbounded();
        for number in 0..REQUESTS {
            let (mut requests, done) = (requests.clone(), done.clone());
            tasks.spawn(async move {
                let body = body(number * 20_000);
                let response = requests.send_request(post(&body)).await.expect("a response");
                done.send(collect(response).await == body).await.expect("main listens");
            });
        }
        for _ in 0..REQUESTS {
            assert!(results.recv().await.expect("each request reports"), "a body did not come back unchanged");
        }
        assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    });
}

/// A shutdown through the adaptor ends only one direction: what the peer sends afterwards still arrives.
pub fn a_shutdown_ends_only_one_direction<R: Runtime>() {
    run(|runtime: R| async move {
        let listener = runtime.tcp_listen(LOOPBACK).await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let (accepted, connected) = future::zip(listener.accept(), runtime.tcp_connect(address)).await;
        let (mut server, mut client) =
            (accepted.expect("a connection").0, HyperIo::new(connected.expect("a connection")));
        future::poll_fn(|cx| Pin::new(&mut client).poll_shutdown(cx)).await.expect("a shutdown");
        assert_eq!(server.read(&mut [0]).await.expect("the end"), 0);
        server.write_all(b"late").await.expect("four bytes written");
        drop(server);
        let mut received = Vec::new();
        client.into_inner().read_to_end(&mut received).await.expect("the answer");
        assert_eq!(received, b"late");
    });
}

/// hyper's time limits work: the connection of a client that sends nothing is closed.
pub fn the_timer_ends_a_silent_connection<R: Runtime>() {
    run(|runtime: R| async move {
        let version = Version::Http1 { header_read_timeout: Duration::from_millis(200) };
        let server = EchoServer::start(&runtime, version).await;
        let mut silent = runtime.tcp_connect(server.address).await.expect("a connection");
        let mut received = Vec::new();
        silent.read_to_end(&mut received).await.expect("the end of the connection");
        until(&runtime, || server.connections_open() == 0).await;
    });
}

/// Dropping [`HyperTasks`] ends the tasks that it started, even if somebody still has an executor. No task starts after
/// that.
pub fn tasks_end_with_their_owner<R: Runtime>() {
    run(|runtime: R| async move {
        let tasks = HyperTasks::new(runtime.clone());
        let executor = tasks.executor();
        let mut watches = Vec::new();
        for _ in 0..10 {
            let ((guard, watch), inner) = (Guard::new(), tasks.executor());
            watches.push(watch);
            executor.execute(async move {
                let (_guard, _executor) = (guard, inner);
                future::pending::<()>().await;
            });
        }
        runtime.sleep(Duration::from_millis(1)).await;
        assert_eq!(tasks.len(), 10);
        assert!(!watches.iter().any(DropWatch::dropped), "a task ended early");
        drop(tasks);
        until(&runtime, || watches.iter().all(DropWatch::dropped)).await;
        let (guard, watch) = Guard::new();
        executor.execute(async move {
            let _guard = guard;
            future::pending::<()>().await;
        });
        assert!(watch.dropped(), "a task was started after the owner's end");
    });
}

/// Tasks that have ended take no memory, so a server that runs for long does not grow.
pub fn tasks_that_have_ended_take_no_memory<R: Runtime>() {
    run(|runtime: R| async move {
        let tasks = HyperTasks::new(runtime.clone());
        for _ in 0..1_000 {
            tasks.spawn(async {});
            tasks.spawn(runtime.sleep(Duration::from_millis(1)));
        }
        until(&runtime, || tasks.is_empty()).await;
    });
}

#[derive(Clone, Copy)]
enum Version {
    Http1 { header_read_timeout: Duration },
    Http2,
}

/// HTTP/1.1 with a time limit that no client here reaches.
const HTTP1: Version = Version::Http1 { header_read_timeout: Duration::from_secs(60) };

/// Answers every request with its own body, until it is dropped.
struct EchoServer<R: Runtime> {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    open: Arc<HyperTasks>,
    _accepting: R::Task,
}

impl<R: Runtime> EchoServer<R> {
    async fn start(runtime: &R, version: Version) -> Self {
        let listener = runtime.tcp_listen(LOOPBACK).await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let connections = Arc::new(AtomicUsize::new(0));
        let open = Arc::new(HyperTasks::new(runtime.clone()));
        let (served, running, timer) = (connections.clone(), open.clone(), HyperTimer::new(runtime.clone()));
        let _accepting = runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                served.fetch_add(1, Ordering::SeqCst);
                serve(&running, version, timer.clone(), HyperIo::new(stream));
            }
        });
        Self { address, connections, open, _accepting }
    }

    fn connections_open(&self) -> usize {
        self.open.len()
    }
}

fn serve<S>(tasks: &HyperTasks, version: Version, timer: HyperTimer, io: HyperIo<S>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    match version {
        Version::Http1 { header_read_timeout } => {
            let mut http = server::conn::http1::Builder::new();
            http.timer(timer).header_read_timeout(header_read_timeout);
            let connection = http.serve_connection(io, service_fn(echo));
            tasks.spawn(async move { drop(connection.await) });
        }
        Version::Http2 => {
            let mut http = server::conn::http2::Builder::new(tasks.executor());
            http.timer(timer).keep_alive_interval(Duration::from_millis(20));
            let connection = http.serve_connection(io, service_fn(echo));
            tasks.spawn(async move { drop(connection.await) });
        }
    }
}

async fn echo(request: Request<Incoming>) -> Result<Response<Incoming>, Infallible> {
    Ok(Response::new(request.into_body()))
}

fn post(body: &Bytes) -> Request<Full<Bytes>> {
    Request::post("http://localhost/").header("host", "localhost").body(Full::new(body.clone())).expect("a request")
}

async fn collect(response: Response<Incoming>) -> Bytes {
    assert_eq!(response.status(), 200);
    response.into_body().collect().await.expect("a whole body").to_bytes()
}

fn body(length: usize) -> Bytes {
    (0..length).map(|n| (n % 253) as u8).collect()
}
