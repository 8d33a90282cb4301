//! The Prometheus exporter, scraped by a client of the standard library.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::LOOPBACK;
use super::load::{Engine, Sums, assert_all_sent, assert_settled, exporters, settings};
use crate::runtime::Runtime;
use crate::{Cause, Exporters, PrometheusConfig, Settings, StartError};

/// Every request is on the page, exactly.
pub fn a_scrape_shows_every_request<R: Runtime>() {
    let (exporters, mut engine) = exporters::<R>();
    let address = exporters.start_prometheus_exporter(any_port()).expect("a free port");
    engine.record(1_000);
    let answer = Client::connect(address).ask("GET", "/metrics");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(answer.sums(), engine.sums);
    assert!(answer.body.ends_with('\n'), "the last line is whole");
    let account = exporters.stop_prometheus_exporter().expect("a stop").expect("it was running");
    assert_all_sent(&account, 1_000);
}

/// One connection serves scrape after scrape, each with the numbers of its moment.
pub fn scrapes_share_a_connection<R: Runtime>() {
    let (exporters, mut engine) = exporters::<R>();
    let mut client = Client::connect(exporters.start_prometheus_exporter(any_port()).expect("a free port"));
    for _ in 0..20 {
        engine.record(50);
        assert_eq!(client.ask("GET", "/metrics").sums(), engine.sums);
    }
}

/// `HEAD` answers as `GET` does, without the page, and so delivers nothing.
pub fn head_delivers_no_page<R: Runtime>() {
    let (exporters, mut engine) = exporters::<R>();
    let mut client = Client::connect(exporters.start_prometheus_exporter(any_port()).expect("a free port"));
    engine.record(10);
    for _ in 0..2 {
        let answer = client.ask("HEAD", "/metrics");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    }
    let account = exporters.stop_prometheus_exporter().expect("a stop").expect("it was running");
    assert_settled(&account, 10);
    assert_eq!(account.dropped.get(Cause::Unscraped), 10, "{account:?}");
}

/// Other paths are 404, other methods 405 with the ones that are allowed; a query is no other path.
pub fn other_paths_and_methods_are_refused<R: Runtime>() {
    let (exporters, _) = exporters::<R>();
    let mut client = Client::connect(exporters.start_prometheus_exporter(any_port()).expect("a free port"));
    for (method, path, status) in [
        ("GET", "/", 404),
        ("GET", "/metrics/more", 404),
        ("POST", "/elsewhere", 404),
        ("POST", "/metrics", 405),
        ("DELETE", "/metrics", 405),
        ("GET", "/metrics?name[]=up", 200),
    ] {
        let answer = client.ask(method, path);
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.header("allow"), (status == 405).then_some("GET, HEAD"), "{method} {path}");
    }
}

/// A port that is taken is an error that says so; the exporter can then be started elsewhere.
pub fn a_taken_port_is_reported<R: Runtime>() {
    let foreign = TcpListener::bind(LOOPBACK).expect("a free port");
    let port = foreign.local_addr().expect("a bound address").port();
    let (exporters, _) = exporters::<R>();
    let taken = PrometheusConfig { port, ..any_port() };
    let error = exporters.start_prometheus_exporter(taken).expect_err("the port is taken");
    assert!(error.to_string().contains(&format!(":{port} is already in use")), "{error}");
    let StartError::Socket { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.kind(), io::ErrorKind::AddrInUse);
    assert!(exporters.status().is_empty());
    let address = exporters.start_prometheus_exporter(any_port()).expect("a free port");
    assert_eq!(Client::connect(address).ask("GET", "/metrics").status, 200);
}

/// A host name that does not resolve, or an address of another machine, is an error at the start.
pub fn a_foreign_address_is_reported<R: Runtime>() {
    let (exporters, _) = exporters::<R>();
    let at = |addr: &str| PrometheusConfig { addr: addr.into(), ..any_port() };
    let error = exporters.start_prometheus_exporter(at("no-such-host.invalid")).expect_err("no such host");
    assert!(matches!(&error, StartError::Resolve { host, .. } if host == "no-such-host.invalid"), "{error:?}");
    let error = exporters.start_prometheus_exporter(at("192.0.2.200")).expect_err("not an address of this machine");
    assert!(matches!(error, StartError::Socket { .. }), "{error:?}");
}

/// A stop closes the port and idle connections at once; start, stop, start works, on the same port, with a fresh
/// account.
pub fn a_stop_frees_the_port<R: Runtime>() {
    // A stop that waited for its deadline would not return before the case is given up.
    let settings = Settings { stop_deadline: Duration::from_secs(3_600), ..settings(64) };
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    let mut engine = Engine::new(settings.registry);
    let mut config = any_port();
    for round in 0..3 {
        let address = exporters.start_prometheus_exporter(config.clone()).expect("the port is free");
        config.port = address.port();
        let mut client = Client::connect(address);
        engine.record(10);
        assert_eq!(client.ask("GET", "/metrics").sums(), engine.sums, "round {round}");
        let account = exporters.stop_prometheus_exporter().expect("a stop").expect("it was running");
        assert_all_sent(&account, 10);
        client.expect_end();
        let refused = TcpStream::connect(address).expect_err("nobody listens any more");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }
    assert!(exporters.stop_prometheus_exporter().expect("a stop").is_none(), "it was not running");
}

/// Starting again with the same settings keeps everything; with others, it moves.
pub fn a_second_start_changes_only_what_is_different<R: Runtime>() {
    let (exporters, mut engine) = exporters::<R>();
    let address = exporters.start_prometheus_exporter(any_port()).expect("a free port");
    let mut client = Client::connect(address);
    engine.record(10);
    assert_eq!(exporters.start_prometheus_exporter(any_port()).expect("it runs"), address);
    assert_eq!(client.ask("GET", "/metrics").sums(), engine.sums);
    let moved = PrometheusConfig { addr: "localhost".into(), ..any_port() };
    let elsewhere = exporters.start_prometheus_exporter(moved).expect("a free port");
    client.expect_end();
    assert_eq!(Client::connect(elsewhere).ask("GET", "/metrics").sums(), engine.sums);
}

/// What was recorded after the last scrape is accounted for at the stop.
pub fn what_no_scrape_has_seen_is_unscraped<R: Runtime>() {
    let (exporters, mut engine) = exporters::<R>();
    engine.record(7);
    let address = exporters.start_prometheus_exporter(any_port()).expect("a free port");
    engine.record(10);
    assert_eq!(Client::connect(address).ask("GET", "/metrics").sums().requests, 17);
    engine.record(5);
    let account = exporters.stop_prometheus_exporter().expect("a stop").expect("it was running");
    assert_settled(&account, 15);
    assert_eq!((account.sent, account.dropped.get(Cause::Unscraped)), (10, 5), "{account:?}");
}

/// A client that asks for a large page and reads none of it does not hold up a stop, and has not got the page.
pub fn a_client_that_does_not_read_is_cut_off<R: Runtime>() {
    // 27 lines a series: some 20 MB, more than the sockets' buffers hold.
    const SERIES: usize = 8_000;
    let settings = Settings { stop_deadline: Duration::from_millis(300), ..settings(SERIES) };
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    let mut recorder = exporters.recorder();
    for number in 1..SERIES {
        recorder.series("GET", &format!("/a/name/that/makes/the/page/larger/{number}"));
    }
    let mut engine = Engine::new(settings.registry);
    let address = exporters.start_prometheus_exporter(any_port()).expect("a free port");
    engine.record(10);
    let mut client = Client::connect(address);
    client.send("GET", "/metrics");
    assert!(client.0.fill_buf().is_ok_and(|bytes| !bytes.is_empty()), "the page begins");
    let start = Instant::now();
    let account = exporters.stop_prometheus_exporter().expect("a stop").expect("it was running");
    assert!(start.elapsed() < Duration::from_secs(20), "the stop took {:?}", start.elapsed());
    assert_settled(&account, 10);
    assert_eq!(account.dropped.get(Cause::Unscraped), 10, "{account:?}");
}

pub(super) fn any_port() -> PrometheusConfig {
    PrometheusConfig { port: 0, ..PrometheusConfig::default() }
}

/// A connection to the exporter.
pub(super) struct Client(BufReader<TcpStream>);

/// What the exporter answers.
pub(super) struct Answer {
    pub(super) status: u16,
    head: Vec<String>,
    body: String,
}

impl Client {
    pub(super) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the exporter listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket option");
        Self(BufReader::new(stream))
    }

    pub(super) fn ask(&mut self, method: &str, path: &str) -> Answer {
        self.send(method, path);
        let status_line = self.line();
        let status = status_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).expect("a status line");
        let status = status.parse().expect("a status");
        let mut head = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                break;
            }
            head.push(line);
        }
        let mut answer = Answer { status, head, body: String::new() };
        if method != "HEAD" {
            answer.body = self.body(&answer);
        }
        answer
    }

    fn send(&mut self, method: &str, path: &str) {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).expect("a request sent");
    }

    fn body(&mut self, answer: &Answer) -> String {
        let mut body = Vec::new();
        if answer.header("transfer-encoding") == Some("chunked") {
            loop {
                let size = usize::from_str_radix(&self.line(), 16).expect("a chunk's size");
                self.take(size, &mut body);
                assert_eq!(self.line(), "", "a chunk ends with a line end");
                if size == 0 {
                    break;
                }
            }
        } else {
            let length = answer.header("content-length").expect("chunks or a length");
            self.take(length.parse().expect("a length"), &mut body);
        }
        String::from_utf8(body).expect("UTF-8")
    }

    fn take(&mut self, bytes: usize, body: &mut Vec<u8>) {
        let taken = self.0.by_ref().take(bytes as u64).read_to_end(body).expect("a body");
        assert_eq!(taken, bytes, "the body is cut short");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        line.strip_suffix("\r\n").expect("a whole line").to_owned()
    }

    /// The exporter has closed the connection.
    fn expect_end(&mut self) {
        let mut rest = Vec::new();
        // Data that the exporter never read turns the end into a reset.
        if self.0.read_to_end(&mut rest).is_ok() {
            assert_eq!(rest, b"", "the exporter ends the connection without a word");
        }
    }
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.iter().filter_map(|line| line.split_once(':'));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    /// Sums over all series of the page.
    pub(super) fn sums(&self) -> Sums {
        let requests = self.whole("loaddensity_requests_total", "");
        for family in ["loaddensity_request_latency_ms", "loaddensity_response_bytes"] {
            assert_eq!(self.whole(&format!("{family}_count"), ""), requests, "{family}");
            assert_eq!(self.whole(&format!("{family}_bucket"), "le=\"+Inf\""), requests, "{family}");
        }
        let latencies = self.samples("loaddensity_request_latency_ms_sum", "");
        Sums {
            requests,
            failures: self.whole("loaddensity_requests_total", "outcome=\"failure\""),
            latency_ms: latencies.map(|value| value.parse::<f64>().expect("a number")).sum(),
            bytes: self.whole("loaddensity_response_bytes_sum", ""),
        }
    }

    fn whole(&self, family: &str, label: &str) -> u64 {
        self.samples(family, label).map(|value| value.parse::<u64>().expect("an integer")).sum()
    }

    /// The values of `family` whose labels contain `label`.
    fn samples<'a>(&'a self, family: &'a str, label: &'a str) -> impl Iterator<Item = &'a str> {
        let lines = self.body.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(move |line| {
            let (head, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = head.split_once('{')?;
            (name == family && labels.contains(label)).then_some(value)
        })
    }
}
