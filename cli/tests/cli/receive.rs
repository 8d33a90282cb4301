//! `receive`, beside an engine that embeds the exporters: what was recorded is what it says.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{
    Exporters, HeapStorage, InfluxdbConfig, InfluxdbUdp, InfluxdbV2, OpenTelemetryConfig, PrometheusConfig, Sample,
    Settings, StatsdConfig, Temporality, Unit,
};
use loaddensity_metrics_smol::Smol;
use loaddensity_metrics_tokio::Tokio;
use serde_json::Value;

use crate::process::{Running, run, start};

const FREE_PORTS: [&str; 10] =
    ["--influxdb-http", "0", "--influxdb-udp", "0", "--statsd", "0", "--otlp-grpc", "0", "--otlp-http", "0"];

/// What each of two series gets.
const SUCCESSES: u64 = 150;
const FAILURES: u64 = 50;

/// A running `receive`, and where it listens.
struct Receiving {
    running: Running,
    addresses: [SocketAddr; 5],
}

impl Receiving {
    fn start(arguments: &[&str]) -> Self {
        let mut running = start(&[&["receive"], &FREE_PORTS[..], arguments].concat());
        let addresses = ["influxdb-http", "influxdb-udp", "statsd", "otlp-grpc", "otlp-http"].map(|name| {
            let line = running.says(&format!("{name} listens on "));
            line.rsplit(' ').next().and_then(|address| address.parse().ok()).expect("an address")
        });
        running.says("ready");
        Self { running, addresses }
    }
}

/// Number and sum of a metric over the rows of `backend` whose labels have all of `labels`.
fn total(object: &Value, backend: &str, metric: &str, labels: &[(&str, &str)]) -> (u64, f64) {
    let arrived = object["arrived"].as_array().expect("rows");
    let wanted = |row: &&Value| {
        row["backend"] == backend
            && row["metric"] == metric
            && labels.iter().all(|(key, value)| row["labels"][key] == *value)
    };
    let rows: Vec<_> = arrived.iter().filter(wanted).collect();
    assert!(!rows.is_empty(), "{backend} {metric} {labels:?}: {object}");
    let sum: f64 = rows.iter().filter_map(|row| row["sum"].as_f64()).sum();
    (rows.iter().map(|row| row["number"].as_u64().expect("a number")).sum(), sum)
}

fn last(object: &Value, backend: &str, metric: &str) -> Option<f64> {
    let rows = object["arrived"].as_array().expect("rows");
    rows.iter().find(|row| row["backend"] == backend && row["metric"] == metric)?["last"].as_f64()
}

/// How an engine sends.
#[derive(Clone, Copy)]
struct Sending {
    runtime: &'static str,
    /// Lines in bodies, not in datagrams.
    lines_over_http: bool,
    /// OTLP over HTTP/1.1, not over gRPC.
    otlp_over_http: bool,
    /// Zipped where there are bodies, and intervals of OTLP instead of what is cumulative.
    zipped_intervals: bool,
}

/// An engine records a load that is known, with instruments and a gauge of its own.
fn what_was_recorded_arrives<R: Runtime>(sending: Sending, signal: &str) {
    let Sending { runtime, lines_over_http, otlp_over_http, zipped_intervals } = sending;
    let storage = HeapStorage::builder(8, 2, 4_096).counters(1).histograms(1).build().expect("storage");
    let registry = Box::leak(Box::new(storage)).registry();
    let checks = registry.counter("checks", Unit::One, "Checks.").expect("a counter");
    let first_byte = registry.timer("first_byte", "Time to the first byte.").expect("a timer");
    registry.gauge("active_users").expect("a gauge").set(7.0);
    let exporters = Exporters::<R>::start(Settings::on(registry)).expect("a thread");
    let page = exporters.start_prometheus_exporter(PrometheusConfig::default().port(0)).expect("a page");
    let url = format!("http://{page}/metrics");
    let receiving = Receiving::start(&["--runtime", runtime, "--json", "--every", "0.2", "--scrape", &url]);
    let [influxdb_http, influxdb_udp, statsd, otlp_grpc, otlp_http] = receiving.addresses;

    let influxdb = InfluxdbConfig::default();
    let influxdb = if lines_over_http {
        influxdb.target(InfluxdbV2::new(format!("http://{influxdb_http}"), "org", "bucket")).gzip(zipped_intervals)
    } else {
        influxdb.target(InfluxdbUdp::new(influxdb_udp.ip().to_string(), influxdb_udp.port()))
    };
    exporters.start_influxdb_sink(influxdb).expect("started");
    let packed = StatsdConfig::default().host(statsd.ip().to_string()).port(statsd.port()).packed(true);
    exporters.start_statsd_sink(packed).expect("started");
    let otlp = if otlp_over_http {
        OpenTelemetryConfig::http().endpoint(format!("http://{otlp_http}/v1/metrics"))
    } else {
        OpenTelemetryConfig::default().endpoint(format!("http://{otlp_grpc}"))
    };
    let temporality = if zipped_intervals { Temporality::Delta } else { Temporality::Cumulative };
    let otlp = otlp.gzip(zipped_intervals).temporality(temporality);
    exporters.start_opentelemetry_exporter(otlp).expect("started");

    let mut recorder = exporters.recorder();
    for name in ["/a", "/b c"] {
        let series = recorder.series_with_labels("GET", name, [("scenario", "x")]).expect("a series");
        for (status, requests) in [(200, SUCCESSES), (500, FAILURES)] {
            for _ in 0..requests {
                recorder.record(series, Sample::http(status, Duration::from_millis(4)).response_bytes(100));
                recorder.add(checks, series, 2);
                recorder.observe(first_byte, series, Duration::from_millis(3));
            }
        }
    }
    exporters.stop_influxdb_sink().expect("stopped");
    exporters.stop_statsd_sink().expect("stopped");
    exporters.stop_opentelemetry_exporter().expect("stopped");
    receiving.running.signal(signal);
    let ended = receiving.running.end().with_code(0);
    exporters.shutdown(Duration::from_secs(5));

    let [object] = &ended.objects()[..] else { panic!("{}", ended.stdout) };
    assert_eq!((object["kind"].as_str(), object["bad"].as_u64()), (Some("receive"), Some(0)), "{object:#}");
    let drops = |receiver: &Value| receiver["kernel_drops"].as_u64().unwrap_or(0);
    assert!(
        object["receivers"].as_array().expect("receivers").iter().all(|receiver| drops(receiver) == 0),
        "{object:#}"
    );
    for name in ["/a", "/b c"] {
        for (outcome, requests) in [("success", SUCCESSES), ("failure", FAILURES)] {
            let labels = [("name", name), ("outcome", outcome), ("method", "GET"), ("scenario", "x")];
            let (number, millis, bytes) = (requests as f64, requests as f64 * 4.0, requests as f64 * 100.0);
            for (backend, metric, sum) in [
                ("prometheus", "loaddensity_requests_total", number),
                ("statsd", "loaddensity.requests", number),
                ("opentelemetry", "loaddensity.requests", number),
            ] {
                assert_eq!(total(object, backend, metric, &labels).1, sum, "{backend} {name} {outcome}");
            }
            for (backend, metric, sum) in [
                ("influxdb", "loaddensity_request.response_time_ms", millis),
                ("influxdb", "loaddensity_request.response_length", bytes),
                ("statsd", "loaddensity.request.latency", millis),
                ("statsd", "loaddensity.response.size", bytes),
                ("opentelemetry", "loaddensity.request.latency", millis),
                ("opentelemetry", "loaddensity.response.size", bytes),
            ] {
                assert_eq!(total(object, backend, metric, &labels), (requests, sum), "{backend} {metric}");
            }
        }
    }
    let all = 2 * (SUCCESSES + FAILURES);
    // On the page by default, histograms do not tell outcomes apart.
    for (metric, each) in [("loaddensity_request_latency_ms", 4), ("loaddensity_response_bytes", 100)] {
        for name in ["/a", "/b c"] {
            assert_eq!(total(object, "prometheus", metric, &[("name", name)]), (all / 2, (each * all / 2) as f64));
        }
    }
    for (backend, metric) in [
        ("prometheus", "loaddensity_checks_total"),
        ("influxdb", "loaddensity_request_instruments.checks"),
        ("statsd", "loaddensity.checks"),
        ("opentelemetry", "loaddensity.checks"),
    ] {
        assert_eq!(total(object, backend, metric, &[]).1, 2.0 * all as f64, "{backend} {metric}");
    }
    for (backend, metric) in [("prometheus", "loaddensity_first_byte_ms"), ("opentelemetry", "loaddensity.first_byte")]
    {
        assert_eq!(total(object, backend, metric, &[]), (all, 3.0 * all as f64), "{backend} {metric}");
    }
    for (backend, metric) in [
        ("prometheus", "loaddensity_active_users"),
        ("influxdb", "loaddensity_request_gauges.active_users"),
        ("statsd", "loaddensity.active_users"),
        ("opentelemetry", "loaddensity.active_users"),
    ] {
        assert_eq!(last(object, backend, metric), Some(7.0), "{backend} {metric}: {object:#}");
    }
    // What people read has the same rows.
    assert!(ended.stderr.contains("loaddensity_request.response_time_ms"), "{}", ended.stderr);
}

#[test]
fn all_that_was_recorded_arrives_as_datagrams_and_over_grpc() {
    let sending = Sending { runtime: "tokio", lines_over_http: false, otlp_over_http: false, zipped_intervals: false };
    what_was_recorded_arrives::<Tokio>(sending, "INT");
}

#[test]
fn all_that_was_recorded_arrives_in_bodies() {
    let sending = Sending { runtime: "smol", lines_over_http: true, otlp_over_http: true, zipped_intervals: false };
    what_was_recorded_arrives::<Smol>(sending, "TERM");
}

#[test]
fn all_that_was_recorded_arrives_zipped_and_by_interval() {
    for otlp_over_http in [false, true] {
        let sending = Sending { runtime: "tokio", lines_over_http: true, otlp_over_http, zipped_intervals: true };
        what_was_recorded_arrives::<Tokio>(sending, "TERM");
    }
}

/// The answer to a request.
fn post(address: SocketAddr, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("connected");
    let length = body.len();
    let request =
        format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn what_is_bad_is_named_as_it_comes_with_what_the_judge_says() {
    let mut receiving = Receiving::start(&["--json", "--every", "0.1"]);
    let [influxdb_http, influxdb_udp, statsd, _, otlp_http] = receiving.addresses;
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.send_to(b"good:1|c\nbad name:1|c", statsd).expect("sent");
    socket.send_to(b"m x=1 1\nm x=\n", influxdb_udp).expect("sent");
    let answer = post(influxdb_http, "/api/v2/write?org=o&bucket=b", "m x=2 2\nm y=1 3 4\n");
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("dropped=1"), "{answer}");
    assert!(post(influxdb_http, "/write?db=d", "m x=2 5\n").starts_with("HTTP/1.1 204"));
    assert!(post(influxdb_http, "/elsewhere", "").starts_with("HTTP/1.1 400"));
    assert!(post(otlp_http, "/v1/metrics", "no protobuf").starts_with("HTTP/1.1 400"));
    receiving.running.says("bad: otlp-http: not an export request");
    receiving.running.signal("TERM");
    let ended = receiving.running.end().with_code(1);
    assert!(ended.stderr.contains("error: bad lines, messages, bodies or pages came: 5"), "{}", ended.stderr);
    let [object] = &ended.objects()[..] else { panic!("{}", ended.stdout) };
    let bad: Vec<_> = object["first_bad"].as_array().expect("texts").iter().filter_map(Value::as_str).collect();
    assert_eq!((object["bad"].as_u64(), bad.len()), (Some(5), 5), "{bad:#?}");
    for (receiver, part) in [
        ("statsd: ", r#"in "bad name:1|c""#),
        ("influxdb-udp: ", r#"in "m x=""#),
        ("influxdb-http: ", r#"in "m y=1 3 4""#),
        ("influxdb-http: ", "POST /elsewhere"),
        ("otlp-http: ", "not an export request"),
    ] {
        assert!(bad.iter().any(|bad| bad.starts_with(receiver) && bad.contains(part)), "{receiver}{part}: {bad:#?}");
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    assert_eq!(total(object, "statsd", "good", &[]), (1, 1.0));
    assert_eq!(total(object, "influxdb", "m.x", &[]), (3, 5.0));
}

/// 13 metrics come at once; each run shows some of them on the way, and all of them at the end.
#[test]
fn rows_that_are_not_shown_at_once_are_counted_and_shown_at_the_end() {
    for (rows, on_the_way) in [("10", 10), ("2", 2), ("all", 13)] {
        let mut receiving = Receiving::start(&["--json", "--every", "0.1", "--rows", rows]);
        let messages: Vec<_> = (0..13).map(|metric| format!("m{metric:02}:1|c")).collect();
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.send_to(messages.join("\n").as_bytes(), receiving.addresses[2]).expect("sent");
        (0..on_the_way).for_each(|metric| _ = receiving.running.says(&format!("m{metric:02} ")));
        if on_the_way < 13 {
            let more = receiving.running.says(" more that changed");
            assert!(more.contains(&format!("… and {} more", 13 - on_the_way)) && more.contains("--rows all"), "{more}");
        }
        receiving.running.signal("TERM");
        let ended = receiving.running.end().with_code(0);
        let (way, table) = ended.stderr.split_once("received in ").expect("the report");
        let rows_of = |text: &str| text.lines().filter(|line| line.starts_with("statsd         m")).count();
        assert_eq!((rows_of(way), rows_of(table)), (on_the_way, 13), "{}", ended.stderr);
    }
}

#[test]
fn it_ends_after_its_time_with_a_table() {
    let ended =
        run(&[&["receive", "--for", "0.3s", "--scrape", "http://127.0.0.1:1/metrics"], &FREE_PORTS[..]].concat());
    let ended = ended.with_code(0);
    for part in ["received in 0.", "statsd ", "0 datagrams, 0 bad", "scrape ", "0 pages"] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
    assert!(ended.stderr.contains("warning: the page was not scraped: "), "{}", ended.stderr);
}

#[test]
fn a_port_that_is_taken_is_named_with_its_flag() {
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let port = taken.local_addr().expect("bound").port().to_string();
    let mut arguments = [&["receive"], &FREE_PORTS[..]].concat();
    arguments[6] = &port;
    let ended = run(&arguments).with_code(1);
    assert!(ended.stderr.contains(&format!("127.0.0.1:{port} for statsd: ")), "{}", ended.stderr);
    assert!(ended.stderr.contains("--statsd 0 takes a free one"), "{}", ended.stderr);
}
