//! A client of the metrics page, on the standard library's sockets.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use flate2::read::GzDecoder;
use loaddensity_metrics_shell::PrometheusConfig;

use super::load::LoadSums;
use super::protobuf::{messages, number, only, take, varint};

/// A page on a free port.
pub fn any_port() -> PrometheusConfig {
    PrometheusConfig::default().port(0)
}

/// A connection to the exporter.
pub struct ScrapeClient(pub BufReader<TcpStream>);

/// What the exporter answers.
pub struct ScrapeResponse {
    pub status: u16,
    head: Vec<String>,
    /// The body, decompressed if `Content-Encoding` says that it is compressed.
    body: Vec<u8>,
    /// The length of the body as it was sent.
    pub body_bytes: usize,
}

impl ScrapeClient {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the exporter listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket option");
        Self(BufReader::new(stream))
    }

    pub fn ask(&mut self, method: &str, path: &str) -> ScrapeResponse {
        self.ask_with(method, path, "")
    }

    /// Sends a request with further lines in the head, each with its line end.
    pub fn ask_with(&mut self, method: &str, path: &str, head: &str) -> ScrapeResponse {
        self.send_with(method, path, head);
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
        let mut answer = ScrapeResponse { status, head, body: Vec::new(), body_bytes: 0 };
        if method != "HEAD" {
            let body = self.body(&answer);
            answer.body_bytes = body.len();
            answer.body = match answer.header("content-encoding") {
                None => body,
                Some(coding) => {
                    assert_eq!(coding, "gzip");
                    let mut plain = Vec::new();
                    GzDecoder::new(&body[..]).read_to_end(&mut plain).expect("a whole body in gzip");
                    plain
                }
            };
        }
        answer
    }

    pub fn send(&mut self, method: &str, path: &str) {
        self.send_with(method, path, "");
    }

    fn send_with(&mut self, method: &str, path: &str, head: &str) {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n");
        self.0.get_mut().write_all(request.as_bytes()).expect("a request sent");
    }

    fn body(&mut self, answer: &ScrapeResponse) -> Vec<u8> {
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
        body
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

    /// Asserts that the exporter has closed the connection.
    pub fn expect_end(&mut self) {
        let mut rest = Vec::new();
        // If the exporter did not read all of the client's data, the end of the connection is a reset.
        if self.0.read_to_end(&mut rest).is_ok() {
            assert_eq!(rest, b"", "the exporter sends nothing more before it closes the connection");
        }
    }
}

impl ScrapeResponse {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.iter().filter_map(|line| line.split_once(':'));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    /// The length of the body without compression.
    pub const fn bytes(&self) -> usize {
        self.body.len()
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("UTF-8")
    }

    /// The sums over all series of the page, whatever its format.
    pub fn sums(&self) -> LoadSums {
        let is_protobuf = self.header("content-type").is_some_and(|text| text.starts_with("application/vnd.google"));
        if is_protobuf { self.sums_of_families() } else { self.sums_of_lines() }
    }

    fn sums_of_lines(&self) -> LoadSums {
        let requests = self.whole("loaddensity_requests_total", "");
        for family in ["loaddensity_request_latency_ms", "loaddensity_response_bytes"] {
            assert_eq!(self.whole(&format!("{family}_count"), ""), requests, "{family}");
            assert_eq!(self.whole(&format!("{family}_bucket"), "le=\"+Inf\""), requests, "{family}");
        }
        let latencies = self.samples("loaddensity_request_latency_ms_sum", "");
        LoadSums {
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
        let lines = self.text().lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(move |line| {
            let (head, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = head.split_once('{')?;
            (name == family && labels.contains(label)).then_some(value)
        })
    }

    /// The field numbers are those of client_model, `io/prometheus/client/metrics.proto`.
    fn sums_of_families(&self) -> LoadSums {
        let (mut body, mut sums, mut counted) = (&self.body[..], LoadSums::default(), [0; 2]);
        while !body.is_empty() {
            let length = varint(&mut body) as usize;
            let family = take(&mut body, length);
            for metric in messages(family, 4) {
                let sum = || f64::from_bits(number(only(metric, 7), 2).expect("a sum"));
                let count = || number(only(metric, 7), 1).expect("a count");
                match only(family, 1) {
                    b"loaddensity_requests_total" => {
                        let requests = f64::from_bits(number(only(metric, 3), 1).expect("a value")) as u64;
                        let has_failed = messages(metric, 1).any(|label| only(label, 2) == b"failure");
                        sums.requests += requests;
                        sums.failures += if has_failed { requests } else { 0 };
                    }
                    b"loaddensity_request_latency_ms" => {
                        sums.latency_ms += sum();
                        counted[0] += count();
                    }
                    b"loaddensity_response_bytes" => {
                        sums.bytes += sum() as u64;
                        counted[1] += count();
                    }
                    _ => {}
                }
            }
        }
        assert_eq!(counted, [sums.requests; 2], "latencies and sizes");
        sums
    }
}
