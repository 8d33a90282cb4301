//! Receivers that never stop sending. The exporters' thread must go on, whatever hyper does with the bytes.
//!
//! In each case one exporter has such a receiver while a DogStatsD sink runs beside it. The calls are answered, the
//! sink loses nothing, the status says what is wrong, a stop ends, and the receiver can send only a bounded number of
//! bytes.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{
    BatchLimits, ClientTls, Exporter, Exporters, InfluxdbConfig, InfluxdbUrl, OpenTelemetryConfig, StatsdConfig,
};

use super::LOOPBACK;
use super::certificates::Authority;
use super::load::{TestEngine, assert_all_sent, assert_settled, settings, wait_until};
use super::receiver::DatagramReceiver;
use super::scraper::any_port;

/// The server sends `100 Continue` for ever (RFC 9110, 15.2: a client takes any number of interim responses).
pub fn an_exporter_survives_endless_interim_responses_over_http1<R: Runtime>() {
    let flood = Flood { first: b"", endless: b"HTTP/1.1 100 Continue\r\n\r\n" };
    survives::<R>(&flood, FloodProtocol::Influxdb, None, TOO_MUCH);
    survives::<R>(&flood, FloodProtocol::OtlpHttp, None, TOO_MUCH);
}

/// The server sends `103 Early Hints` for ever on the stream of the request (RFC 9113, 8.1).
pub fn an_exporter_survives_endless_interim_responses_over_http2<R: Runtime>() {
    let flood = http2(b"\0\0\x05\x01\x04\0\0\0\x01\x08\x03103");
    survives::<R>(&flood, FloodProtocol::Grpc, None, TOO_MUCH);
}

/// Both over TLS, whose code reads in a loop of its own.
pub fn an_exporter_survives_endless_interim_responses_over_tls<R: Runtime>() {
    let flood = Flood { first: b"", endless: b"HTTP/1.1 100 Continue\r\n\r\n" };
    survives::<R>(&flood, FloodProtocol::Influxdb, Some(b"http/1.1"), TOO_MUCH);
    let flood = http2(b"\0\0\x05\x01\x04\0\0\0\x01\x08\x03103");
    survives::<R>(&flood, FloodProtocol::Grpc, Some(b"h2"), TOO_MUCH);
}

/// PING frames for ever; each must be answered (RFC 9113, 6.7).
pub fn an_exporter_survives_endless_pings<R: Runtime>() {
    survives::<R>(&http2(b"\0\0\x08\x06\0\0\0\0\0tick-tac"), FloodProtocol::Grpc, None, TOO_MUCH);
}

/// SETTINGS frames for ever; each must be acknowledged (RFC 9113, 6.5).
pub fn an_exporter_survives_endless_settings<R: Runtime>() {
    survives::<R>(&http2(b"\0\0\0\x04\0\0\0\0\0"), FloodProtocol::Grpc, None, TOO_MUCH);
}

/// Frames for ever that have no effect: of an unknown type, which must be ignored (RFC 9113, 4.1), PRIORITY and
/// WINDOW_UPDATE.
pub fn an_exporter_survives_endless_frames_without_effect<R: Runtime>() {
    let (unknown, priority) = (b"\0\0\0\x42\0\0\0\0\0", b"\0\0\x05\x02\0\0\0\0\x03\0\0\0\0\x10");
    survives::<R>(&http2(unknown), FloodProtocol::Grpc, None, TOO_MUCH);
    survives::<R>(&http2(priority), FloodProtocol::Grpc, None, TOO_MUCH);
    survives::<R>(&http2(b"\0\0\x04\x08\0\0\0\0\0\0\0\0\x01"), FloodProtocol::Grpc, None, TOO_MUCH);
}

/// An answer whose body has no end: small frames of data, or empty ones.
pub fn an_exporter_survives_endless_bodies_over_http2<R: Runtime>() {
    for data in [&b"\0\0\0\0\0\0\0\0\x01"[..], b"\0\0\x01\0\0\0\0\0\x01x"] {
        let first = b"\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x04\0\0\0\x01\x88";
        survives::<R>(&Flood { first, endless: data }, FloodProtocol::Grpc, None, "");
    }
}

/// PING frames while no request is under way: the connection is replaced, nothing is lost, and the status says why.
pub fn an_exporter_survives_endless_pings_between_two_exports<R: Runtime>() {
    // SETTINGS, then HEADERS that end the stream: `:status: 200`, `grpc-status: 0`.
    let first = b"\0\0\0\x04\0\0\0\0\0\0\0\x10\x01\x05\0\0\0\x01\x88\0\x0bgrpc-status\x010";
    let flood = Flood { first, endless: b"\0\0\x08\x06\0\0\0\0\0tick-tac" };
    let server = FloodServer::start(&flood, FloodProtocol::Grpc, None);
    let settings = settings(64);
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    let endpoint = format!("http://{}", server.address);
    let interval = Duration::from_secs(2);
    let config = OpenTelemetryConfig::default().endpoint(endpoint).interval(interval);
    exporters.start_opentelemetry_exporter(config).expect("an exporter");
    TestEngine::new(settings.registry).record(50);
    wait_until(|| exporters.status()[0].account.sent == 50);
    wait_until(|| exporters.status()[0].last_error.as_ref().is_some_and(|error| error.contains(TOO_MUCH)));
    wait_until(|| exporters.status()[0].reconnects > 0);
    assert_all_sent(&exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running"), 50);
}

/// A head that is continued in CONTINUATION frames for ever (RFC 9113, 6.10).
pub fn an_exporter_survives_endless_heads_over_http2<R: Runtime>() {
    let first = b"\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\0\0\0\0\x01\x88";
    survives::<R>(&Flood { first, endless: b"\0\0\x05\x09\0\0\0\0\x01\0\x01a\x01b" }, FloodProtocol::Grpc, None, "");
}

/// Chunks, chunk extensions, trailers and heads without an end (RFC 9112, 7.1).
pub fn an_exporter_survives_endless_answers_over_http1<R: Runtime>() {
    let chunked = b"HTTP/1.1 400 Bad Request\r\ntransfer-encoding: chunked\r\n\r\n";
    let trailers = b"HTTP/1.1 400 Bad Request\r\ntransfer-encoding: chunked\r\n\r\n0\r\n";
    let extension = b"1;an-extension-without-any-end";
    for (first, endless) in [
        (&chunked[..], &b"1\r\nx\r\n"[..]),
        (chunked, b"1;an-extension=of-each-chunk\r\nx\r\n"),
        (&[&chunked[..], extension].concat(), b"-at-all"),
        (chunked, b"0"),
        (trailers, b"a: b\r\n"),
        (b"HTTP/1.1 400 Bad Request\r\n", b"a: b\r\n"),
        (b"HTTP/1.1 400 ", b"Bad "),
    ] {
        for protocol in [FloodProtocol::Influxdb, FloodProtocol::OtlpHttp] {
            survives::<R>(&Flood { first, endless }, protocol, None, "");
        }
    }
}

/// Clients of the page that never stop sending: requests without waiting for answers, and bodies and heads without an
/// end.
pub fn the_page_survives_clients_that_never_stop_sending<R: Runtime>() {
    let chunked = b"POST /metrics HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";
    let long = b"POST /metrics HTTP/1.1\r\nhost: h\r\ncontent-length: 9000000000000000\r\n\r\n";
    for (first, endless) in [
        (&b""[..], &b"GET /metrics HTTP/1.1\r\nhost: h\r\n\r\n"[..]),
        (b"", b"HEAD /nowhere HTTP/1.1\r\nhost: h\r\n\r\n"),
        (b"", b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\n\r\nx"),
        (b"", b"\r\n"),
        (chunked, b"1\r\nx\r\n"),
        (long, b"x"),
        (b"GET /metrics HTTP/1.1\r\n", b"a: b\r\n"),
    ] {
        let settings = settings(64).stop_deadline(Duration::from_millis(500));
        let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
        let page = exporters.start_prometheus_exporter(any_port()).expect("a free port");
        let ending = Arc::new(AtomicBool::new(false));
        let clients = [(); 4].map(|()| {
            let (ending, piece) = (ending.clone(), endless.repeat(16_384 / endless.len()));
            thread::spawn(move || flood_page(page, first, &piece, &ending))
        });
        let mut engine = TestEngine::new(settings.registry);
        for _ in 0..20 {
            engine.record(50);
            assert_eq!(running(&exporters), 1);
            thread::sleep(Duration::from_millis(5));
        }
        let account = exporters.stop_prometheus_exporter().expect("a stop").expect("it was running");
        assert_settled(&account, 1_000);
        ending.store(true, Ordering::SeqCst);
        clients.into_iter().for_each(|client| client.join().expect("a client's thread"));
        TcpListener::bind(page).expect("the port is free");
    }
}

/// What the status says if only the limit on received bytes ended the flood.
const TOO_MUCH: &str = "the server sent more than 1 MiB since the last request";

/// The most bytes that a receiver may send over one connection: the limit, and what the system's buffers take.
const MOST_SENT: usize = 24 << 20;

/// What a receiver sends after it got a request.
struct Flood<'a> {
    first: &'a [u8],
    /// What it sends again and again.
    endless: &'a [u8],
}

/// The protocol, and with it the exporter.
#[derive(Clone, Copy, PartialEq)]
enum FloodProtocol {
    Influxdb,
    OtlpHttp,
    Grpc,
}

/// A flood that begins with a server's preface, which is an empty SETTINGS frame (RFC 9113, 3.4).
const fn http2(endless: &[u8]) -> Flood<'_> {
    Flood { first: b"\0\0\0\x04\0\0\0\0\0", endless }
}

fn survives<R: Runtime>(flood: &Flood<'_>, protocol: FloodProtocol, alpn: Option<&[u8]>, says: &str) {
    let authority = Authority::new();
    let tls = alpn.map(|alpn| authority.server(&authority.certify(&["localhost"], false), false, alpn));
    let trusted = if tls.is_some() { authority.trusted() } else { ClientTls::default() };
    let server = FloodServer::start(flood, protocol, tls);
    let (scheme, host) = if alpn.is_some() { ("https", "localhost") } else { ("http", "127.0.0.1") };
    let agent = DatagramReceiver::start();
    let settings = settings(64).stop_deadline(Duration::from_millis(500));
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    let url = format!("{scheme}://{host}:{}", server.address.port());
    start(&exporters, protocol, url, trusted);
    exporters.start_statsd_sink(StatsdConfig::default().port(agent.address.port())).expect("a socket");

    let mut engine = TestEngine::new(settings.registry);
    for _ in 0..20 {
        engine.record(50);
        assert_eq!(running(&exporters), 2);
        thread::sleep(Duration::from_millis(5));
    }
    wait_until(|| {
        let flooded = exporters.status().into_iter().find(|status| status.exporter != Exporter::Statsd);
        flooded.and_then(|status| status.last_error).is_some_and(|error| error.contains(says))
    });
    // The exporter tries again, and the stop comes during that.
    wait_until(|| server.connections.load(Ordering::SeqCst) >= 2);
    engine.record(50);
    let account = match protocol {
        FloodProtocol::Influxdb => exporters.stop_influxdb_sink(),
        FloodProtocol::OtlpHttp | FloodProtocol::Grpc => exporters.stop_opentelemetry_exporter(),
    };
    let account = account.expect("a stop").expect("it was running");
    assert_settled(&account, 1_050);
    assert_eq!(account.sent, 0, "nothing was accepted");
    assert_all_sent(&exporters.stop_statsd_sink().expect("a stop").expect("it was running"), 1_050);
    let sent = server.most_sent.load(Ordering::SeqCst);
    assert!(sent < MOST_SENT, "{sent} bytes went into one connection");
}

fn start<R: Runtime>(exporters: &Exporters<R>, protocol: FloodProtocol, url: String, tls: ClientTls) {
    let interval = Duration::from_millis(50);
    match protocol {
        FloodProtocol::Influxdb => {
            let target = InfluxdbUrl::new(url + "/write");
            let batch = BatchLimits::default().points(100).age(Duration::from_millis(20));
            let config = InfluxdbConfig::default().target(target).batch(batch).tls(tls);
            exporters.start_influxdb_sink(config).expect("a sink");
        }
        FloodProtocol::OtlpHttp => {
            let config = OpenTelemetryConfig::http().endpoint(url).interval(interval).tls(tls);
            exporters.start_opentelemetry_exporter(config).expect("an exporter");
        }
        FloodProtocol::Grpc => {
            let config = OpenTelemetryConfig::default().endpoint(url).interval(interval).tls(tls);
            exporters.start_opentelemetry_exporter(config).expect("an exporter");
        }
    }
}

/// How many exporters run. If the exporters' thread never answers, this fails and does not hang.
fn running<R: Runtime>(exporters: &Exporters<R>) -> usize {
    let handle = exporters.as_async().clone();
    let (sender, answer) = mpsc::channel();
    thread::spawn(move || sender.send(futures_lite::future::block_on(handle.status())));
    let status = answer.recv_timeout(Duration::from_secs(60)).expect("the exporters' thread answers");
    status.len()
}

/// A server that floods each client after its request, until the client closes the connection or this is dropped.
struct FloodServer {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// The most bytes that went into one connection.
    most_sent: Arc<AtomicUsize>,
    ending: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl FloodServer {
    fn start(flood: &Flood<'_>, protocol: FloodProtocol, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(LOOPBACK).expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let (connections, most_sent, ending) = <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicBool>)>::default();
        let (count, most, end) = (connections.clone(), most_sent.clone(), ending.clone());
        let (first, piece) = (flood.first.to_vec(), flood.endless.repeat(16_384 / flood.endless.len()));
        let accepting = thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    break;
                }
                count.fetch_add(1, Ordering::SeqCst);
                let (first, piece, tls) = (first.clone(), piece.clone(), tls.clone());
                let (most, end) = (most.clone(), end.clone());
                // Ends when the client closes the connection; an error is the client's way of doing so.
                thread::spawn(move || {
                    let stream = stream?;
                    let flood = |stream: &mut dyn Write| pour(stream, &first, &piece, &most, &end);
                    match tls {
                        None => {
                            let mut answers = stream.try_clone()?;
                            wait_for_request(&stream, protocol)?;
                            // The client's answers must be read; otherwise the client would wait until it can send
                            // them.
                            thread::spawn(move || io::copy(&mut &stream, &mut io::sink()));
                            flood(&mut answers)
                        }
                        Some(tls) => {
                            let session = ServerConnection::new(tls).map_err(io::Error::other)?;
                            let mut stream = StreamOwned::new(session, stream);
                            wait_for_request(&mut stream, protocol)?;
                            flood(&mut stream)
                        }
                    }
                });
            }
        });
        Self { address, connections, most_sent, ending, accepting: Some(accepting) }
    }
}

impl Drop for FloodServer {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

/// Connects to the page again and again, sends without an end, and reads whatever comes.
fn flood_page(page: SocketAddr, first: &[u8], piece: &[u8], ending: &AtomicBool) {
    while !ending.load(Ordering::SeqCst) {
        // An error is the page's way of closing the connection.
        let Ok(mut stream) = TcpStream::connect(page) else {
            thread::sleep(Duration::from_millis(5));
            continue;
        };
        let answers = stream.try_clone().expect("a socket");
        let reader = thread::spawn(move || io::copy(&mut &answers, &mut io::sink()));
        let _ = pour(&mut stream, first, piece, &AtomicUsize::new(0), ending);
        let _ = stream.shutdown(Shutdown::Both);
        let _ = reader.join();
    }
}

/// Reads the head of a request. For HTTP/2 this is the preface and all frames up to HEADERS.
fn wait_for_request(stream: impl Read, protocol: FloodProtocol) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    if protocol != FloodProtocol::Grpc {
        let mut line = String::new();
        while stream.read_line(&mut line)? > 0 && !line.ends_with("\r\n\r\n") {}
        return Ok(());
    }
    skip_frames_to_headers(&mut stream)
}

/// Reads the preface of a client of HTTP/2 and its frames up to HEADERS (RFC 9113, 6.2).
pub(super) fn skip_frames_to_headers(stream: &mut impl Read) -> io::Result<()> {
    stream.read_exact(&mut [0; 24])?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let length = u64::from(u32::from_be_bytes([0, head[0], head[1], head[2]]));
        io::copy(&mut stream.by_ref().take(length), &mut io::sink())?;
        if head[3] == 1 {
            return Ok(());
        }
    }
}

fn pour(stream: &mut dyn Write, first: &[u8], piece: &[u8], most: &AtomicUsize, ending: &AtomicBool) -> io::Result<()> {
    stream.write_all(first)?;
    let mut sent = 0;
    while !ending.load(Ordering::SeqCst) {
        stream.write_all(piece)?;
        sent += piece.len();
        most.fetch_max(sent, Ordering::SeqCst);
    }
    Ok(())
}
