//! Load, four exporters, and receivers that are not ours: what was requested, recorded and received is one number.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use crate::process::{Ended, run, start};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use loaddensity_metrics_cli::receivers::{
    Arrived, CollectedDatagrams, DatagramCollector, OtlpReceiver, ServerThread, dogstatsd, influxdb, prometheus, scrape,
};
use loaddensity_metrics_shell::hyper_io::HyperIo;
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_tokio::Tokio;
use loaddensity_metrics_vectors::closed_port::ClosedPort;

/// Answers `/ok` with 200, `/bad` with 503, and `/never` not at all.
struct TestTarget {
    server: ServerThread,
    answered: Arc<[AtomicU64; 2]>,
    /// One message for each request to `/never`.
    waiting: Receiver<()>,
}

impl TestTarget {
    fn start() -> Self {
        let answered: Arc<[AtomicU64; 2]> = Arc::default();
        let (waits, waiting) = mpsc::channel();
        let counts = answered.clone();
        let serve = move |_: Tokio, stream: <Tokio as Runtime>::Tcp, _| {
            let (counts, waits) = (counts.clone(), waits.clone());
            async move {
                let service = service_fn(move |request| answer(request, counts.clone(), waits.clone()));
                let _ = http1::Builder::new().serve_connection(HyperIo::new(stream), service).await;
            }
        };
        Self { server: ServerThread::start::<Tokio, _>("target", serve).expect("a server"), answered, waiting }
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Successes and failures answered.
    fn answered(&self) -> [u64; 2] {
        [0, 1].map(|at| self.answered[at].load(Ordering::SeqCst))
    }
}

async fn answer(
    request: Request<Incoming>,
    counts: Arc<[AtomicU64; 2]>,
    waits: mpsc::Sender<()>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, count) = match request.uri().path() {
        "/ok" => (StatusCode::OK, 0),
        "/bad" => (StatusCode::SERVICE_UNAVAILABLE, 1),
        _ => {
            let _ = waits.send(());
            std::future::pending().await
        }
    };
    counts[count].fetch_add(1, Ordering::SeqCst);
    let mut response = Response::new(Full::new(Bytes::from_static(b"0123456789")));
    *response.status_mut() = status;
    Ok(response)
}

struct Receivers {
    points: DatagramCollector,
    messages: DatagramCollector,
    otlp: OtlpReceiver,
}

impl Receivers {
    fn start() -> Self {
        let collector = || DatagramCollector::start().expect("a socket");
        let otlp = OtlpReceiver::start::<Tokio>().expect("a server");
        Self { points: collector(), messages: collector(), otlp }
    }

    /// Actions that start all four exporters. Few lines per datagram, so that each that a kernel drops is [`LINES`] points at most.
    fn starts(&self) -> String {
        format!(
            r#"["LD_start_prometheus_exporter", {{"port": 0}}],
               ["LD_start_influxdb_sink", {{"transport": "UDP", "port": {}, "datagram_bytes": {LINE_BYTES}}}],
               ["LD_start_statsd_sink", ["127.0.0.1", {}, "load.density."]],
               ["LD_start_opentelemetry_exporter", {{"endpoint": "http://{}", "export_interval_ms": 300}}]"#,
            self.points.address().port(),
            self.messages.address().port(),
            self.otlp.address(),
        )
    }

    /// Compares all that arrived with what the target answered, and with the table. What came of InfluxDB and of DogStatsD.
    fn reconcile(self, ended: &Ended, answered: [u64; 2]) -> [CollectedDatagrams; 2] {
        let requests = answered[0] + answered[1];
        for exporter in ["influxdb", "statsd", "opentelemetry"] {
            assert_eq!(ended.row(exporter), [requests, requests, 0], "{exporter}\n{}", ended.stdout);
        }
        let (points, messages) = (self.points.finish().unwrap(), self.messages.finish().unwrap());
        over_udp(&influxdb(&points, "loaddensity_request").unwrap(), &points, answered, 1);
        over_udp(&dogstatsd(&messages, "load.density").unwrap(), &messages, answered, 3);
        same(&self.otlp.finish().unwrap(), answered);
        [points, messages]
    }
}

fn over_udp(arrived: &Arrived, datagrams: &CollectedDatagrams, answered: [u64; 2], per_request: u64) {
    let drops = datagrams.kernel_drops.unwrap_or(0);
    let expected = (answered[0] + answered[1]) * per_request + arrived.gauges;
    let texts = datagrams.iter().map(String::from_utf8_lossy);
    let lines = texts.map(|text| text.lines().filter(|line| !line.is_empty() && !is_own(line)).count() as u64).sum();
    if drops == 0 {
        assert_eq!(lines, expected);
        same(arrived, answered);
    } else {
        // What was dropped may have shown gauges, or instruments of the engine's own.
        assert!((lines..=lines + LINES * drops).contains(&expected), "{lines} of {expected}, {drops} dropped");
    }
}

/// Room for all fields of an own instrument, in bytes, and for as many lines of requests.
const LINE_BYTES: usize = 440;
const LINES: u64 = 4;

/// How lines and messages begin that have one observation.
const ONE_BY_ONE: [&str; 2] = ["loaddensity_request_observations", "load.density.time_to_first_byte:"];

/// Whether a line or a message is of an instrument of the engine's own.
fn is_own(line: &str) -> bool {
    let starts = ["loaddensity_request_instruments", "load.density.iterations:", "load.density.time_to_first_byte."];
    starts.iter().chain(&ONE_BY_ONE).any(|start| line.starts_with(start))
}

fn same(arrived: &Arrived, answered: [u64; 2]) {
    assert_eq!([arrived.success, arrived.failure], answered, "{:?}", arrived.sample);
    assert_eq!(arrived.observed.first_bytes, answered[0] + answered[1], "{:?}", arrived.sample);
}

fn load(seconds: f64, tasks: &str) -> String {
    format!(
        r#"["LD_start_test", {{"user_detail_dict": {{"user": "fast_http_user"}}, "user_count": 8, "spawn_rate": 100,
            "test_time": {seconds}, "max_rate": 500, "tasks": [{tasks}]}}]"#
    )
}

fn task(method: &str, target: SocketAddr, path: &str) -> String {
    format!(r#"{{"method": "{method}", "request_url": "http://{target}{path}", "name": "{path}"}}"#)
}

fn file(name: &str, text: &str) -> PathBuf {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&file, text).expect("a file");
    file
}

/// An Action-JSON file starts all four exporters, runs load, and stops them.
fn four_exporters_see_every_request(runtime: &str) {
    let (target, receivers) = (TestTarget::start(), Receivers::start());
    let tasks = [task("get", target.address(), "/ok"), task("post", target.address(), "/bad")].join(",");
    // A request that is never answered keeps the page up while nothing more is recorded.
    let waiting = load(0.1, &task("get", target.address(), "/never"));
    let stops = r#"["LD_stop_influxdb_sink"], ["LD_stop_statsd_sink"], ["LD_stop_opentelemetry_exporter"], ["LD_stop_prometheus_exporter"]"#;
    let document =
        format!(r#"{{"load_density": [{}, {}, {waiting}, {stops}]}}"#, receivers.starts(), load(2.0, &tasks));
    let file = file(&format!("four_exporters_{runtime}.json"), &document);
    let mut running = start(&["--runtime", runtime, "run", file.to_str().expect("UTF-8")]);
    let line = running.says("prometheus started");
    let page = line.split("http://").nth(1).and_then(|rest| rest.strip_suffix("/metrics")).expect("an address");
    target.waiting.recv_timeout(Duration::from_secs(60)).expect("the second test begins");
    let answered = target.answered();
    let scraped = scrape::<Tokio>(page.parse().expect("an address")).expect("a page");
    let ended = running.end().with_code(0);

    let requests = answered[0] + answered[1];
    assert!(answered.iter().all(|count| *count > 200), "{answered:?}");
    assert!(requests <= 2_000, "the cap of 500 per second was not kept: {requests} in 2 seconds");
    same(&prometheus(&scraped).unwrap(), answered);
    assert_eq!(ended.row("prometheus"), [requests, requests, 0]);
    assert!(ended.stdout.contains("8 abandoned"), "{}", ended.stdout);
    receivers.reconcile(&ended, answered);
}

#[test]
fn four_exporters_see_every_request_on_tokio() {
    four_exporters_see_every_request("tokio");
}

#[test]
fn four_exporters_see_every_request_on_smol() {
    four_exporters_see_every_request("smol");
}

/// InfluxDB and DogStatsD get each observation by itself, and those that show aggregates the same in all.
#[test]
fn a_document_may_ask_for_each_observation_by_itself() {
    let (target, receivers) = (TestTarget::start(), Receivers::start());
    let document = format!(
        r#"[["LD_start_influxdb_sink", {{"transport": "UDP", "port": {}, "datagram_bytes": {LINE_BYTES}, "observations": "event"}}],
            ["LD_start_statsd_sink", {{"port": {}, "prefix": "load.density", "observations": "event"}}],
            ["LD_start_opentelemetry_exporter", {{"endpoint": "http://{}"}}], {}]"#,
        receivers.points.address().port(),
        receivers.messages.address().port(),
        receivers.otlp.address(),
        load(0.5, &task("get", target.address(), "/ok")),
    );
    let ended = run(&["run-str", &document]).with_code(0);
    let answered = target.answered();
    for (way, datagrams) in ONE_BY_ONE.into_iter().zip(receivers.reconcile(&ended, answered)) {
        let lines = datagrams.iter().map(|datagram| String::from_utf8_lossy(datagram).matches(way).count() as u64);
        assert!(lines.sum::<u64>() + datagrams.kernel_drops.unwrap_or(0) >= answered[0], "{way}");
    }
}

/// A signal ends the test, flushes, and prints the table.
fn a_signal_stops_cleanly(runtime: &str, signal: &str, code: i32) {
    let (target, receivers) = (TestTarget::start(), Receivers::start());
    let tasks = [task("get", target.address(), "/ok"), task("get", target.address(), "/bad")].join(",");
    let never_reached = r#"["LD_unknown"]"#;
    let document = format!("[{}, {}, {never_reached}]", receivers.starts(), load(600.0, &tasks));
    let mut running = start(&["--runtime", runtime, "run-str", &document]);
    running.says("opentelemetry started");
    while target.answered().iter().sum::<u64>() < 100 {
        std::thread::sleep(Duration::from_millis(5));
    }
    running.signal(signal);
    running.says(&format!("interrupted by SIG{signal}"));
    let ended = running.end().with_code(code);
    let answered = target.answered();
    // Nobody has scraped.
    let requests = answered[0] + answered[1];
    assert_eq!(ended.row("prometheus"), [requests, 0, requests]);
    assert!(ended.stdout.contains(&format!("unscraped {requests}")), "{}", ended.stdout);
    assert!(!ended.stderr.contains("LD_unknown"), "{}", ended.stderr);
    receivers.reconcile(&ended, answered);
}

#[test]
fn signals_stop_cleanly_on_tokio() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        a_signal_stops_cleanly("tokio", signal, code);
    }
}

#[test]
fn signals_stop_cleanly_on_smol() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        a_signal_stops_cleanly("smol", signal, code);
    }
}

#[test]
fn an_absent_server_is_recorded_as_failures_without_status() {
    let closed = ClosedPort::new().expect("a port");
    let absent = closed.address().expect("bound");
    let receivers = Receivers::start();
    let document = format!("[{}, {}]", receivers.starts(), load(0.5, &task("delete", absent, "/x")));
    // Nobody scrapes the page.
    let ended = run(&["--allow-loss", "run-str", &document]).with_code(0);
    let points = receivers.points.finish().unwrap();
    assert!(!points.is_empty());
    let texts: Vec<_> = points.iter().map(String::from_utf8_lossy).collect();
    let (own, lines): (Vec<_>, Vec<_>) =
        texts.iter().flat_map(|text| text.lines()).filter(|line| !line.is_empty()).partition(|line| is_own(line));
    // Nothing was answered, and users went through their task all the same.
    assert!(own.iter().all(|line| line.starts_with("loaddensity_request_instruments iterations=")), "{own:?}");
    let (gauges, requests): (Vec<&str>, Vec<_>) =
        lines.iter().partition(|line| line.starts_with("loaddensity_request_gauges "));
    assert!(gauges.iter().all(|line| line.contains("active_users=") && line.contains("target_rate=")), "{gauges:?}");
    for line in &requests {
        let start = "loaddensity_request,method=DELETE,name=/x,outcome=failure status_code=0i,response_time_ms=";
        assert!(line.starts_with(start) && line.contains(",response_length=0i "), "{line}");
    }
    let drops = points.kernel_drops.unwrap_or(0);
    let known = requests.len() as u64;
    let most = known + LINES * drops;
    assert!((known..=most).contains(&ended.row("influxdb")[0]), "{known} points, {drops} dropped");
}

#[test]
fn the_demo_reconciles_on_both_runtimes() {
    for runtime in ["tokio", "smol"] {
        let ended = run(&["demo", "--seconds", "1", "--rate", "500", "--runtime", runtime]).with_code(0);
        assert!(ended.stdout.contains("all reconcile"), "{}", ended.stdout);
        assert_eq!(ended.stdout.matches("  reconciled\n").count(), 4, "{}", ended.stdout);
    }
}
