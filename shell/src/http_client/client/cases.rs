//! Tests of what the client promises, on smol, with servers made of hyper.

use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdTcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_lite::AsyncWriteExt as _;
use futures_lite::future::{pending, poll_once};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, server};
use loaddensity_metrics_core::export::Ids;
use loaddensity_metrics_core::verdict::Said;

use super::{ClientEvent, Encoding, Exchanged, HttpBackend, HttpClient, HttpConnection, ServerAnswer};
use crate::boxed::{AnyRuntime, BoxedFuture};
use crate::config::ClientTls;
use crate::gzip::SLICE;
use crate::http_client::{Advice, ReadBody, RemoteServer, Secrets, TrackedBody, read};
use crate::hyper_io::{HyperIo, HyperTasks, HyperTimer};
use crate::runtime::{Runtime, TcpListener as _};
use crate::shell_smol::smol_runtime::{Smol, SmolStream, SmolTask};
use crate::status::StatusCell;
use crate::tls::HttpVersion;
use crate::{Exporter, Storage};

/// A free port of the IPv4 loopback interface.
const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const BOTH: [HttpVersion; 2] = [HttpVersion::Http1, HttpVersion::Http2];
/// Nothing waits for this timeout; the tests cancel by hand. But it is the longest time that a text may name.
const TIMEOUT: Duration = Duration::ZERO;
/// A body that the server takes but does not answer.
const SILENCE: &[u8] = b"silence";

/// Resolving, connecting and sending have one answer each, and without a call there is no event. The future of `next`
/// may be dropped and made again at any time.
#[test]
fn each_call_that_is_started_has_exactly_one_answer() {
    for protocol in BOTH {
        run(|runtime| async move {
            let site = Site::start(&runtime, protocol).await;
            let (mut client, mut ids) = (client(&runtime, Post::to(site.address, protocol)), Ids::default());
            assert_eq!(poll_once(client.next()).await, None);
            let id = ids.next();
            client.resolve(id);
            assert_eq!(next_event(&runtime, &mut client).await, ClientEvent::Resolved { id });
            assert_eq!(client.addresses(), [site.address]);
            connect(&runtime, &mut client, &mut ids, site.address).await;
            for _ in 0..3 {
                let id = ids.next();
                client.send(id, Bytes::from(vec![7; 100_000]));
                assert_eq!(next_event(&runtime, &mut client).await, ClientEvent::Answer { id, said: Said::Stored });
                assert_eq!(poll_once(client.next()).await, None);
            }
            assert_eq!((site.bodies(), client.words(), site.connections()), (3, "", 1));
        });
    }
}

/// A connection that the server closed between two bodies is told from one that never carried a body. In both cases it
/// is gone afterwards, and the next connection counts as a reconnection.
#[test]
fn a_failure_says_whether_the_connection_had_carried_a_body_before() {
    for protocol in BOTH {
        run(|runtime| async move {
            let site = Site::start(&runtime, protocol).await;
            let status_cell = Arc::new(StatusCell::new(Exporter::Influxdb, "http://h".into()));
            let mut client =
                HttpClient::new(runtime.clone(), Post::to(site.address, protocol), TIMEOUT, status_cell.clone());
            let mut ids = Ids::default();
            for (bodies, is_kept) in [(0, false), (1, true), (2, true)] {
                connect(&runtime, &mut client, &mut ids, site.address).await;
                for _ in 0..bodies {
                    send(&runtime, &mut client, &mut ids).await;
                }
                site.close();
                let id = ids.next();
                client.send(id, Bytes::from_static(b"x"));
                let ClientEvent::Failed { id: failed, kept, .. } = next_event(&runtime, &mut client).await else {
                    panic!("an answer over a connection that is closed")
                };
                assert_eq!((failed, kept), (id, is_kept), "after {bodies} bodies");
                let id = ids.next();
                client.send(id, Bytes::from_static(b"x"));
                let is_gone = ClientEvent::Failed { id, began: false, kept: true };
                assert_eq!(next_event(&runtime, &mut client).await, is_gone, "the connection is gone");
            }
            static STORAGE: Storage<2, 1, 2> = Storage::new();
            let status = status_cell.status(STORAGE.registry().account(Exporter::Influxdb));
            assert_eq!((status.reconnects, status.last_error), (2, None));
        });
    }
}

/// A server of another protocol may close a new connection before anything was asked. The failure tells what it spoke, however
/// early that was seen.
#[test]
fn a_new_connection_that_is_closed_before_the_request_tells_what_is_spoken_there() {
    for (protocol, said, told) in [
        (HttpVersion::Http1, &b"SSH-2.0-x\r\n"[..], "no HTTP is spoken there"),
        (HttpVersion::Http2, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "HTTP/1 is spoken there"),
        (HttpVersion::Http2, b"", "it was closed without a word"),
    ] {
        run(|runtime| async move {
            let listener = runtime.tcp_listen(LOOPBACK).await.expect("a free port");
            let address = listener.local_addr().expect("an address");
            let _server = runtime.spawn(async move {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                stream.write_all(said).await.expect("room for a few bytes");
                stream.close().await.expect("an open stream");
                pending::<()>().await;
            });
            let (mut client, mut ids) = (client(&runtime, Post::to(address, protocol)), Ids::default());
            connect(&runtime, &mut client, &mut ids, address).await;
            until(&runtime, || client.connection.as_ref().is_some_and(HttpConnection::is_closed)).await;
            let id = ids.next();
            client.send(id, Bytes::from_static(b"x"));
            let failed = ClientEvent::Failed { id, began: false, kept: false };
            assert_eq!(next_event(&runtime, &mut client).await, failed);
            assert!(client.words().contains(told), "{}", client.words());
        });
    }
}

/// A cancelled call fails at once, and the event says whether its body had begun to go out.
#[test]
fn a_cancelled_call_fails_at_once() {
    for protocol in BOTH {
        run(|runtime| async move {
            let site = Site::start(&runtime, protocol).await;
            let (mut client, mut ids) = (client(&runtime, Post::to(site.address, protocol)), Ids::default());
            client.cancel();
            assert_eq!(poll_once(client.next()).await, None, "nothing was started");

            let id = ids.next();
            client.connect(id, site.address);
            assert_eq!(poll_once(client.next()).await, None);
            cancelled(&mut client, ClientEvent::Failed { id, began: false, kept: false }, "no connection within 0ns")
                .await;

            connect(&runtime, &mut client, &mut ids, site.address).await;
            send(&runtime, &mut client, &mut ids).await;
            let (id, bodies) = (ids.next(), site.bodies());
            client.send(id, Bytes::from_static(SILENCE));
            while site.bodies() == bodies {
                assert_eq!(poll_once(client.next()).await, None);
                runtime.sleep(Duration::from_millis(1)).await;
            }
            cancelled(&mut client, ClientEvent::Failed { id, began: true, kept: false }, "no answer within 0ns").await;

            // The connection was closed, and a new one works.
            until(&runtime, || site.open() == 0).await;
            connect(&runtime, &mut client, &mut ids, site.address).await;
            send(&runtime, &mut client, &mut ids).await;
        });
    }
}

/// A body that is being compressed has not begun to go out.
#[test]
fn a_body_that_is_being_compressed_has_not_begun_to_go_out() {
    run(|runtime| async move {
        let site = Site::start(&runtime, HttpVersion::Http1).await;
        let post = Post { encoding: Encoding::Gzip, ..Post::to(site.address, HttpVersion::Http1) };
        let (mut client, mut ids) = (client(&runtime, post), Ids::default());
        connect(&runtime, &mut client, &mut ids, site.address).await;
        let id = ids.next();
        client.send(id, Bytes::from(vec![7; 4 << 20]));
        for _ in 0..10 {
            assert_eq!(poll_once(client.next()).await, None, "it pauses, so that other tasks can run");
        }
        cancelled(&mut client, ClientEvent::Failed { id, began: false, kept: false }, "no answer within 0ns").await;
        assert_eq!(site.bodies(), 0);
    });
}

/// While a large body is compressed, timers go off in time, also the pump's. Compressing 4 MiB without a pause would
/// delay the pump so long that rings could fill up.
#[test]
fn compressing_does_not_delay_timers() {
    run(|runtime| async move {
        let site = Site::start(&runtime, HttpVersion::Http1).await;
        let post = Post { encoding: Encoding::Gzip, ..Post::to(site.address, HttpVersion::Http1) };
        let (mut client, mut ids) = (client(&runtime, post), Ids::default());
        connect(&runtime, &mut client, &mut ids, site.address).await;
        let ticks = Arc::new(AtomicUsize::new(0));
        let (inner, counting) = (runtime.clone(), ticks.clone());
        let _ticking = runtime.spawn(async move {
            loop {
                inner.sleep(Duration::from_millis(1)).await;
                counting.fetch_add(1, Ordering::SeqCst);
            }
        });
        // In a task, as exporters run: a runtime may poll its main future more often than its tasks.
        let (began, counted) = (Arc::new(Mutex::new(None)), ticks.clone());
        let noting = began.clone();
        let _sending = runtime.spawn(async move {
            client.send(ids.next(), Bytes::from(vec![7; 4 << 20]));
            client.next().await;
            *noting.lock().expect("no panic") = Some(counted.load(Ordering::SeqCst));
        });
        until(&runtime, || began.lock().expect("no panic").is_some()).await;
        let ticks = began.lock().expect("no panic").expect("it is over");
        assert!(ticks >= 8, "{ticks} in the time of {} slices", (4 << 20) / SLICE);
    });
}

/// The client tries no other address than the one that it was given.
#[test]
fn only_the_address_that_is_named_is_tried() {
    run(|runtime| async move {
        let site = Site::start(&runtime, HttpVersion::Http1).await;
        let (mut client, mut ids) = (client(&runtime, Post::to(site.address, HttpVersion::Http1)), Ids::default());
        connect(&runtime, &mut client, &mut ids, site.address).await;
        let id = ids.next();
        let unused = StdTcpListener::bind(LOOPBACK).and_then(|listener| listener.local_addr());
        client.connect(id, unused.expect("a free port"));
        assert_eq!(next_event(&runtime, &mut client).await, ClientEvent::Failed { id, began: false, kept: false });
        let words = client.words();
        assert!(words.starts_with("cannot connect: ") && words.contains("nothing listens there"), "{words}");
        until(&runtime, || site.open() == 0).await;
        assert_eq!(site.connections(), 1);
    });
}

/// A host name that cannot be resolved has no addresses, not even those that it had before.
#[test]
fn an_unknown_name_has_no_address() {
    run(|runtime| async move {
        let server = RemoteServer::plain(Exporter::Influxdb, "no-such-host.invalid", 80, &ClientTls::default());
        let post = Post { server: server.expect("no TLS"), ..Post::to(LOOPBACK, HttpVersion::Http1) };
        let (mut client, id) = (client(&runtime, post), Ids::default().next());
        client.resolve(id);
        assert_eq!(next_event(&runtime, &mut client).await, ClientEvent::Resolved { id });
        assert_eq!(client.addresses(), []);
        let words = client.words();
        assert!(words.contains("no address for host \"no-such-host.invalid\""), "{words}");
    });
}

/// The future of a started call has memory of its own, which is small.
#[test]
fn the_memory_of_a_started_call_is_small() {
    for protocol in BOTH {
        run(|runtime| async move {
            let site = Site::start(&runtime, protocol).await;
            let (mut client, mut ids) = (client(&runtime, Post::to(site.address, protocol)), Ids::default());
            let mut bytes = [0; 3];
            client.resolve(ids.next());
            bytes[0] = bytes_under_way(&client);
            next_event(&runtime, &mut client).await;
            client.connect(ids.next(), site.address);
            bytes[1] = bytes_under_way(&client);
            next_event(&runtime, &mut client).await;
            client.send(ids.next(), Bytes::from_static(b"x"));
            bytes[2] = bytes_under_way(&client);
            assert!(bytes.iter().all(|bytes| (1..=MOST_BYTES).contains(bytes)), "{bytes:?}");
        });
    }
}

/// The most bytes of the future of a started call. The largest one holds a request and its whole answer.
const MOST_BYTES: usize = 2_048;

fn bytes_under_way(client: &HttpClient<Smol, Post>) -> usize {
    client.started.as_ref().map_or(0, |started| size_of_val(&*started.work))
}

/// Runs `main` on a new runtime.
fn run<F: Future>(main: impl FnOnce(Smol) -> F) -> F::Output {
    Smol::run(main).expect("the operating system has resources for a runtime")
}

/// Waits until `condition` returns true.
async fn until(runtime: &Smol, mut condition: impl FnMut() -> bool) {
    while !condition() {
        runtime.sleep(Duration::from_millis(1)).await;
    }
}

/// The next event. The future of `next` is polled once, dropped and made again until the event is there.
async fn next_event(runtime: &Smol, client: &mut HttpClient<Smol, Post>) -> ClientEvent {
    loop {
        match poll_once(client.next()).await {
            Some(event) => return event,
            None => runtime.sleep(Duration::from_millis(1)).await,
        }
    }
}

async fn connect(runtime: &Smol, client: &mut HttpClient<Smol, Post>, ids: &mut Ids, address: SocketAddr) {
    let id = ids.next();
    client.connect(id, address);
    assert_eq!(next_event(runtime, client).await, ClientEvent::Connected { id }, "{}", client.words());
}

async fn send(runtime: &Smol, client: &mut HttpClient<Smol, Post>, ids: &mut Ids) {
    let id = ids.next();
    client.send(id, Bytes::from_static(b"x"));
    assert_eq!(next_event(runtime, client).await, ClientEvent::Answer { id, said: Said::Stored }, "{}", client.words());
}

async fn cancelled(client: &mut HttpClient<Smol, Post>, failed: ClientEvent, says: &str) {
    client.cancel();
    assert_eq!(poll_once(client.next()).await, Some(failed));
    assert!(client.words().starts_with(says), "{}", client.words());
    assert_eq!(poll_once(client.next()).await, None, "there is only one answer");
}

fn client(runtime: &Smol, post: Post) -> HttpClient<Smol, Post> {
    let status_cell = StatusCell::new(Exporter::Influxdb, "http://h".into());
    HttpClient::new(runtime.clone(), post, TIMEOUT, Arc::new(status_cell))
}

/// A backend for which every answer means that the server has the body.
struct Post {
    server: RemoteServer,
    protocol: HttpVersion,
    encoding: Encoding,
    advice: Advice,
    secrets: Secrets,
}

impl Post {
    fn to(address: SocketAddr, protocol: HttpVersion) -> Self {
        let host = address.ip().to_string();
        let server = RemoteServer::plain(Exporter::Influxdb, &host, address.port(), &ClientTls::default());
        let advice = Advice {
            url: "`url`",
            asked: format!("http://{address}/"),
            credentials: "`token`",
            has_credentials: false,
            size: "`batch_bytes`",
            path: String::new(),
            database: String::new(),
            protocol: "",
            no_acceptance: "",
        };
        let server = server.expect("no TLS");
        Self { server, protocol, encoding: Encoding::Plain, advice, secrets: Secrets::default() }
    }
}

impl HttpBackend for Post {
    const LONGEST_PAUSE: Duration = Duration::MAX;

    fn server(&self) -> &RemoteServer {
        &self.server
    }

    fn protocol(&self) -> HttpVersion {
        self.protocol
    }

    fn encoding(&self) -> Encoding {
        self.encoding
    }

    fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    fn exchange<'a>(
        &'a self,
        _: &'a dyn AnyRuntime,
        connection: &'a mut HttpConnection,
        body: &'a TrackedBody,
    ) -> BoxedFuture<'a, Result<Exchanged, String>> {
        Box::pin(async move {
            let request = match self.protocol {
                HttpVersion::Http1 => self.server.post("/"),
                HttpVersion::Http2 => Request::post(self.server.origin()),
            };
            let response = connection.send(request.body(body.outgoing()).expect("a request")).await;
            let (head, body) = response.map_err(|error| connection.broke(&error, &self.advice))?.into_parts();
            let ReadBody { is_over, .. } = read(&head.headers, body).await;
            Ok(Exchanged { answer: ServerAnswer::new(Said::Stored, String::new(), Self::LONGEST_PAUSE), is_over })
        })
    }
}

/// A server that takes bodies. Dropping it closes its port and its connections.
struct Site {
    runtime: Smol,
    address: SocketAddr,
    shared: Arc<SiteState>,
    _accepting: SmolTask,
}

struct SiteState {
    open: Mutex<HyperTasks>,
    connections: AtomicUsize,
    bodies: Arc<AtomicUsize>,
}

impl Site {
    async fn start(runtime: &Smol, protocol: HttpVersion) -> Self {
        let listener = runtime.tcp_listen(LOOPBACK).await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let (connections, bodies) = (AtomicUsize::new(0), Arc::default());
        let open = Mutex::new(HyperTasks::new(runtime.clone()));
        let shared = Arc::new(SiteState { open, connections, bodies });
        let (inner, serving) = (runtime.clone(), shared.clone());
        let accepting = runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                serving.connections.fetch_add(1, Ordering::SeqCst);
                serve(&inner, HyperIo::new(stream), protocol, &serving);
            }
        });
        Self { runtime: runtime.clone(), address, shared, _accepting: accepting }
    }

    /// Closes all connections.
    fn close(&self) {
        *self.shared.open.lock().expect("no panic") = HyperTasks::new(self.runtime.clone());
    }

    /// How many connections are open.
    fn open(&self) -> usize {
        self.shared.open.lock().expect("no panic").len()
    }

    /// How many connections were made.
    fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many bodies arrived whole.
    fn bodies(&self) -> usize {
        self.shared.bodies.load(Ordering::SeqCst)
    }
}

fn serve(runtime: &Smol, stream: HyperIo<SmolStream>, protocol: HttpVersion, shared: &SiteState) {
    let bodies = shared.bodies.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let bodies = bodies.clone();
        async move {
            let body = request.into_body().collect().await?.to_bytes();
            bodies.fetch_add(1, Ordering::SeqCst);
            if body == SILENCE {
                pending::<()>().await;
            }
            Ok::<_, hyper::Error>(Response::new(Full::<Bytes>::default()))
        }
    });
    let (open, timer) = (shared.open.lock().expect("no panic"), HyperTimer::new(runtime.clone()));
    match protocol {
        HttpVersion::Http1 => {
            let connection = server::conn::http1::Builder::new().timer(timer).serve_connection(stream, service);
            open.spawn(async move { drop(connection.await) });
        }
        HttpVersion::Http2 => {
            let mut http = server::conn::http2::Builder::new(open.executor());
            let connection = http.timer(timer).serve_connection(stream, service);
            open.spawn(async move { drop(connection.await) });
        }
    }
}
