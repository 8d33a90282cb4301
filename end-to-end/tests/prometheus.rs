//! The metrics page over HTTP.

mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use loaddensity_metrics_tokio::{DropReason, Exporters, PrometheusConfig, Sample, Settings, StartError};
use loaddensity_metrics_vectors::families;
use support::{Http, PATIENCE, assert_settled, exporters, record, registry, wait_until};

fn any_port() -> PrometheusConfig {
    PrometheusConfig::default().port(0)
}

#[test]
fn a_page_is_served_with_the_exact_type_over_a_kept_connection() {
    let exporters = exporters();
    let address = exporters.start_prometheus_exporter(any_port()).expect("starts");
    let mut recorder = exporters.recorder();
    record(&mut recorder, 50);
    let mut http = Http::connect(address);
    let first = http.request("GET", "/metrics");
    assert_eq!(first.status, 200);
    assert!(first.head.contains("\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{}", first.head);
    let line = "loaddensity_requests_total{method=\"GET\",name=\"/items\",outcome=\"success\"} ";
    assert!(first.body.contains(&format!("{line}45\n")), "{}", first.body);
    record(&mut recorder, 10);
    let second = http.request("GET", "/metrics?x=1");
    assert!(second.body.contains(&format!("{line}54\n")), "{}", second.body);
    wait_until("the page counts as sent", || exporters.status()[0].account.sent == 60);
    let account = exporters.stop_prometheus_exporter().expect("stops").expect("ran");
    assert_settled(&account);
    assert_eq!((account.recorded, account.sent), (60, 60));
    assert!(http.is_closed());
}

const PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

/// A client that asks for a page in protobuf over a connection that is closed after the page.
fn protobuf_client(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    let request = format!("GET /metrics HTTP/1.0\r\nAccept: {PROTOBUF},text/plain;q=0.1\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("goes out");
    stream
}

/// Reads the answer and returns its head and its body.
fn read_answer(mut stream: TcpStream) -> (String, Vec<u8>) {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    let body = answer.split_off(end);
    (String::from_utf8(answer).expect("a head"), body)
}

#[test]
fn a_page_in_protobuf_shows_every_request_and_counts_as_sent() {
    let exporters = exporters();
    let config = any_port().created_times(true);
    let address = exporters.start_prometheus_exporter(config).expect("starts");
    record(&mut exporters.recorder(), 50);
    let (head, body) = read_answer(protobuf_client(address));
    let content_type = "content-type: application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                        encoding=delimited\r\n";
    assert!(head.contains(content_type), "{head}");
    let families = families::decode(&body).expect("families");
    let family = |name: &str| families.iter().find(|family| family.name() == name).expect(name);
    let counters = family("loaddensity_requests_total").metric.iter().filter_map(|metric| metric.counter.as_ref());
    assert_eq!(counters.map(|counter| counter.value()).sum::<f64>(), 50.0);
    let latencies = &family("loaddensity_request_latency_ms").metric;
    let histograms: Vec<_> = latencies.iter().filter_map(|metric| metric.histogram.as_ref()).collect();
    assert_eq!(histograms.iter().map(|histogram| histogram.sample_count()).sum::<u64>(), 50);
    assert!(histograms.iter().all(|histogram| histogram.schema == Some(3) && histogram.created_timestamp.is_some()));
    wait_until("the page counts as sent", || exporters.status()[0].account.sent == 50);
    let account = exporters.stop_prometheus_exporter().expect("stops").expect("ran");
    assert_settled(&account);
}

#[test]
fn other_methods_and_paths_get_405_and_404() {
    let exporters = exporters();
    let mut http = Http::connect(exporters.start_prometheus_exporter(any_port()).expect("starts"));
    record(&mut exporters.recorder(), 5);
    let head = http.request("HEAD", "/metrics");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert!(head.head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{}", head.head);
    let post = http.request("POST", "/metrics");
    assert_eq!(post.status, 405);
    assert!(post.head.contains("\r\nallow: GET, HEAD\r\n"), "{}", post.head);
    for (path, status) in [("/", 200), ("/other", 404)] {
        let answer = http.request("GET", path);
        assert_eq!(answer.status, status);
        assert!(answer.body.contains("/metrics"), "{}", answer.body);
    }
    // None of these answers was a page.
    let account = exporters.stop_prometheus_exporter().expect("stops").expect("ran");
    assert_eq!((account.sent, account.dropped.get(DropReason::Unscraped)), (0, 5));
}

#[test]
fn stop_frees_the_port_and_start_takes_it_again() {
    let exporters = exporters();
    let address = exporters.start_prometheus_exporter(any_port()).expect("starts");
    let config = PrometheusConfig::default().port(address.port());
    for _ in 0..3 {
        assert_eq!(Http::connect(address).request("GET", "/metrics").status, 200);
        exporters.stop_prometheus_exporter().expect("stops");
        drop(TcpListener::bind(address).expect("the port is free"));
        assert_eq!(exporters.start_prometheus_exporter(config.clone()).expect("starts again"), address);
    }
}

#[test]
fn a_port_in_use_is_reported_as_such() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port();
    let config = PrometheusConfig::default().port(port);
    let error = exporters().start_prometheus_exporter(config).expect_err("the port is taken");
    assert!(matches!(error, StartError::Socket { .. }));
    let text = error.to_string();
    assert!(text.contains("prometheus") && text.contains(&port.to_string()) && text.contains("in use"), "{text}");
}

#[test]
fn clients_that_send_nonsense_or_disconnect_do_no_harm() {
    let exporters = exporters();
    let address = exporters.start_prometheus_exporter(any_port()).expect("starts");
    for nonsense in [&b"\x16\x03\x01\x02\x00"[..], b"GET\r\n\r\n", b"GET /metrics HTTP/1.1\r\n"] {
        let mut stream = TcpStream::connect(address).expect("listens");
        stream.write_all(nonsense).expect("goes out");
    }
    assert_eq!(Http::connect(address).request("GET", "/metrics").status, 200);
}

/// Exporters with a page of about twelve megabytes, which is more than the kernel's buffers hold.
fn with_a_long_page() -> (Exporters, SocketAddr) {
    const SERIES: usize = 2_000;
    let exporters = Exporters::start(Settings::on(registry(SERIES + 1, 1, 2))).expect("free");
    let address = exporters.start_prometheus_exporter(any_port()).expect("starts");
    let mut recorder = exporters.recorder();
    for number in 0..SERIES {
        let series = recorder.series("GET", &format!("/{number}/{}", "x".repeat(200)));
        recorder.record(series, Sample::ok(Duration::ZERO));
    }
    (exporters, address)
}

/// A client that has asked for the page and has read only its first bytes.
fn slow_client(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").expect("goes out");
    let mut first = [0; 1];
    stream.read_exact(&mut first).expect("the answer begins");
    stream
}

#[test]
fn a_stop_finishes_the_page_that_is_being_sent() {
    let (exporters, address) = with_a_long_page();
    let mut stream = slow_client(address);
    let reader = thread::spawn(move || {
        wait_until("the port is closed", || TcpStream::connect(address).is_err());
        let mut page = String::new();
        stream.read_to_string(&mut page).expect("the rest of the page");
        page
    });
    let account = exporters.stop_prometheus_exporter().expect("stops").expect("ran");
    let page = reader.join().expect("the page comes");
    assert!(page.ends_with('\n') && page.contains("loaddensity_exporter_"), "cut off");
    assert_settled(&account);
    assert_eq!((account.recorded, account.sent), (2_000, 2_000));
}

#[test]
fn a_client_that_does_not_read_does_not_delay_a_shutdown_and_counts_as_no_scrape() {
    let (exporters, address) = with_a_long_page();
    let stream = slow_client(address);
    let began = Instant::now();
    let report = exporters.shutdown(Duration::from_millis(100));
    assert!(began.elapsed() < PATIENCE);
    drop(stream);
    assert_eq!((report.accounts[0].sent, report.accounts[0].dropped.get(DropReason::Unscraped)), (0, 2_000));
}

#[test]
fn a_flood_of_connections_is_bounded_and_does_not_shut_out_the_scraper() {
    let exporters = exporters();
    let address = exporters.start_prometheus_exporter(any_port()).expect("starts");
    let flood: Vec<_> = (0..100).map(|_| TcpStream::connect(address).expect("the kernel accepts")).collect();
    let mut http = Http::connect(address);
    assert_eq!(http.request("GET", "/metrics").status, 200);
    let is_closed = |mut stream: &TcpStream| {
        stream.set_nonblocking(true).expect("a socket option");
        stream.read(&mut [0]).is_ok()
    };
    // 64 connections may be open, and one of them is the scraper's.
    wait_until("others have made room", || flood.iter().filter(|stream| is_closed(stream)).count() == 37);
    assert_eq!(http.request("GET", "/metrics").status, 200);
    assert_eq!(exporters.status()[0].last_error, None);
}
