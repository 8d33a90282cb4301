//! What the tests of the exporters share.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use loaddensity_metrics_tokio::{
    Account, Exporters, HeapStorage, OpenTelemetryConfig, Outcome, Recorder, Registry, Sample, Settings, Timestamp,
};

/// The longest time that a test waits for something.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Exporters on a storage of their own.
pub fn exporters() -> Exporters {
    Exporters::start(Settings::on(registry(64, 4, 4_096))).expect("a fresh storage is free")
}

/// A registry that exists until the process ends.
pub fn registry(series: usize, shards: usize, ring: usize) -> Registry<'static> {
    Box::leak(Box::new(HeapStorage::new(series, shards, ring).expect("a size that exists"))).registry()
}

/// Records `requests` of `GET /items`, one in ten of them a failure.
pub fn record(recorder: &mut Recorder<'static>, requests: u64) {
    let items = recorder.series("GET", "/items");
    for number in 0..requests {
        let outcome = if number % 10 == 9 { Outcome::Failure } else { Outcome::Success };
        let completed_at = Timestamp::from_unix_nanos(1_700_000_000_000_000_000 + number * 1_000);
        let latency = Duration::from_micros(7_900);
        recorder
            .record(items, Sample::new(outcome, latency).status(200).response_bytes(512).completed_at(completed_at));
    }
}

/// Waits until `is_so` returns true. The test fails if that takes too long.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Asserts the law of accounting, with nothing held.
pub fn assert_settled(account: &Account) {
    assert!(account.balanced() && account.held == 0, "{account:?}");
}

/// `config` with `receiver` as its endpoint, whose first export comes after an hour.
pub fn rarely_to(receiver: SocketAddr, config: OpenTelemetryConfig) -> OpenTelemetryConfig {
    config.endpoint(format!("http://{receiver}")).interval(Duration::from_secs(3_600))
}

/// Stops the OTLP exporter, and asserts that nothing in its account is held.
pub fn stop_opentelemetry(exporters: &Exporters) -> Account {
    let account = exporters.stop_opentelemetry_exporter().expect("stops").expect("it ran");
    assert_settled(&account);
    account
}

/// A minimal HTTP client with one connection.
pub struct Http {
    stream: BufReader<TcpStream>,
}

/// An answer. A chunked body is put together.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Http {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        Self { stream: BufReader::new(stream) }
    }

    pub fn request(&mut self, method: &str, path: &str) -> Answer {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes()).expect("the request goes out");
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.stream.read_line(&mut head).expect("a line"), 0, "closed after {head:?}");
        }
        let status = head[9..12].parse().expect("a status");
        let lower = head.to_lowercase();
        let body = if method == "HEAD" {
            String::new()
        } else if lower.contains("transfer-encoding: chunked") {
            self.chunks()
        } else {
            let length = lower.split("content-length: ").nth(1).expect("a length").lines().next().expect("a line");
            self.exactly(length.trim().parse().expect("a number"))
        };
        Answer { status, head, body }
    }

    fn chunks(&mut self) -> String {
        let mut body = String::new();
        loop {
            let mut size = String::new();
            self.stream.read_line(&mut size).expect("a chunk size");
            let size = usize::from_str_radix(size.trim(), 16).expect("hexadecimal");
            body += &self.exactly(size);
            assert_eq!(self.exactly(2), "\r\n");
            if size == 0 {
                return body;
            }
        }
    }

    fn exactly(&mut self, bytes: usize) -> String {
        let mut buffer = vec![0; bytes];
        self.stream.read_exact(&mut buffer).expect("as many bytes as announced");
        String::from_utf8(buffer).expect("UTF-8")
    }

    /// Whether the server has closed the connection and everything that it sent was read.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.stream.read(&mut [0; 1]), Ok(0) | Err(_))
    }
}

/// A request that a scripted server received.
#[derive(Debug)]
pub struct ReceivedRequest {
    /// The number of the connection, from 0.
    pub connection: usize,
    pub head: String,
    pub body: String,
}

/// The answer of a scripted server to one request.
#[derive(Clone, Debug)]
pub enum ScriptedAnswer {
    /// These bytes.
    Bytes(String),
    /// No answer.
    Nothing,
    /// No answer, and the connection is closed.
    Close,
}

impl ScriptedAnswer {
    pub fn status(status: &str, body: &str) -> Self {
        Self::Bytes(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    }
}

/// An HTTP/1.1 server that answers the first requests from `script`, and all later ones with 204.
pub fn scripted_server(script: Vec<ScriptedAnswer>) -> (SocketAddr, mpsc::Receiver<ReceivedRequest>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (sender, got) = mpsc::channel();
    thread::spawn(move || {
        let mut script = script.into_iter();
        for (connection, stream) in listener.incoming().enumerate() {
            let Ok(stream) = stream else { return };
            serve_script(connection, BufReader::new(stream), &mut script, &sender);
        }
    });
    (address, got)
}

fn serve_script(
    connection: usize,
    mut stream: BufReader<TcpStream>,
    script: &mut impl Iterator<Item = ScriptedAnswer>,
    got: &mpsc::Sender<ReceivedRequest>,
) {
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if !matches!(stream.read_line(&mut head), Ok(1..)) {
                return;
            }
        }
        let length = head
            .to_lowercase()
            .split("content-length: ")
            .nth(1)
            .map_or(0, |rest| rest.lines().next().and_then(|line| line.trim().parse().ok()).unwrap_or(0));
        let mut body = vec![0; length];
        if stream.read_exact(&mut body).is_err() {
            return;
        }
        let body = String::from_utf8(body).expect("lines are UTF-8");
        let _ = got.send(ReceivedRequest { connection, head, body });
        let answered =
            match script.next().unwrap_or_else(|| ScriptedAnswer::Bytes("HTTP/1.1 204 No Content\r\n\r\n".into())) {
                ScriptedAnswer::Bytes(bytes) => stream.get_mut().write_all(bytes.as_bytes()).is_ok(),
                // Until the client gives up.
                ScriptedAnswer::Nothing => stream.read(&mut [0; 1]).is_ok_and(|read| read != 0),
                ScriptedAnswer::Close => false,
            };
        if !answered {
            return;
        }
    }
}
