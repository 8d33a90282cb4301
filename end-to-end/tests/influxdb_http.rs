//! InfluxDB over HTTP, with a server that answers from a script.

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use loaddensity_metrics_tokio::{
    Account, BatchLimits, DropReason, Exporters, InfluxdbConfig, InfluxdbHttp, InfluxdbTarget, InfluxdbUdp,
    InfluxdbUrl, Labels, Sample, Secret,
};
use loaddensity_metrics_vectors::closed_port::ClosedPort;
use loaddensity_metrics_vectors::influx;
use support::{
    PATIENCE, ReceivedRequest, ScriptedAnswer, assert_settled, exporters, record, scripted_server, wait_until,
};

/// A sink to `server`, with bodies of up to ten points that wait for up to a minute.
fn config(server: SocketAddr) -> InfluxdbConfig {
    InfluxdbConfig::default()
        .target(InfluxdbUrl::new(format!("http://{server}/write?db=load")))
        .batch(BatchLimits::default().points(10).age(Duration::from_secs(60)))
}

fn points(got: &ReceivedRequest) -> usize {
    influx::parse(got.body.as_bytes()).expect("line protocol").len()
}

fn next(got: &Receiver<ReceivedRequest>) -> ReceivedRequest {
    got.recv_timeout(PATIENCE).expect("a request")
}

fn stop(exporters: &Exporters) -> Account {
    let account = exporters.stop_influxdb_sink().expect("stops").expect("it ran");
    assert_settled(&account);
    account
}

#[test]
fn bodies_are_posted_over_one_connection_with_hidden_credentials() {
    let (server, got) = scripted_server(vec![]);
    let exporters = exporters();
    let target = InfluxdbHttp::new("127.0.0.1", server.port())
        .database("load test")
        .username("Aladdin")
        .password(Secret::new("open sesame"));
    let config = config(server).target(target);
    assert!(!format!("{config:?}").contains("sesame"));
    exporters.start_influxdb_sink(config).expect("starts");
    let mut recorder = exporters.recorder();
    for _ in 0..3 {
        record(&mut recorder, 10);
        let got = next(&got);
        assert_eq!((points(&got), got.connection), (10, 0));
        assert!(got.head.starts_with("POST /write?db=load%20test&precision=ns HTTP/1.1\r\n"), "{}", got.head);
        assert!(got.head.contains("authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"), "{}", got.head);
        assert!(got.head.contains(&format!("host: {server}\r\n")), "{}", got.head);
    }
    record(&mut recorder, 4);
    wait_until("all but the last are acknowledged", || exporters.status()[0].account.sent == 30);
    assert!(!format!("{:?}", exporters.status()).contains("sesame"));
    let account = stop(&exporters);
    assert_eq!((account.recorded, account.sent), (34, 34));
    assert_eq!(points(&next(&got)), 4);
}

/// An answer that repeats the secrets of the request, written in three ways.
fn echo(words: &str) -> ScriptedAnswer {
    let escaped = words.replace('&', "\\u0026").replace('/', "%2F");
    ScriptedAnswer::status("503 Service Unavailable", &format!("{{\"error\":\"{words} {escaped}\"}}"))
}

#[test]
fn an_answer_that_repeats_the_request_is_shown_without_secrets() {
    let url = |server| format!("http://{server}/write?db=load&u=root&p=hun/ter2");
    let http = |server: SocketAddr| {
        InfluxdbHttp::new(server.ip().to_string(), server.port())
            .username("Aladdin")
            .password(Secret::new("open sesame"))
            .into()
    };
    let with_url = |server: SocketAddr| InfluxdbUrl::new(url(server)).token(Secret::new("t0k/en")).into();
    type Case<'a> = (&'a str, &'a dyn Fn(SocketAddr) -> InfluxdbTarget, &'a [&'a str]);
    let cases: [Case<'_>; 3] = [
        ("/write?db=load&u=root&p=hun/ter2", &with_url, &["ter2", "u=root"]),
        ("p=hun/ter2, Token t0k/en", &with_url, &["ter2", "t0k"]),
        ("Aladdin:open sesame, Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", &http, &["sesame", "QWxh"]),
    ];
    for (words, target, secrets) in cases {
        let (server, _got) = scripted_server(vec![echo(words); 100]);
        let exporters = exporters();
        exporters.start_influxdb_sink(config(server).target(target(server))).expect("starts");
        record(&mut exporters.recorder(), 10);
        wait_until("the trouble is shown", || exporters.status()[0].last_error.is_some());
        let shown = format!("{:?}", exporters.status());
        assert!(shown.contains("answered 503") && shown.contains('…'), "{shown}");
        for secret in secrets {
            assert!(!shown.contains(secret), "{shown}");
        }
        exporters.shutdown(Duration::ZERO);
    }
}

#[test]
fn bad_settings_are_refused_without_showing_their_secrets() {
    let http = |username: &str| InfluxdbTarget::from(InfluxdbHttp::new("localhost", 1).username(username));
    let url = |url: &str| InfluxdbTarget::from(InfluxdbUrl::new(url));
    let exporters = exporters();
    for (target, says) in [
        (http("root:hunter2"), "`target.username`"),
        (url("http://root:hunter2@localhost/write"), "must not hold a user"),
        (url("http://root:x/hunter2@localhost/write"), "must not hold a user"),
        (InfluxdbUdp::new("root:hunter2@localhost", 1).into(), "without a user"),
    ] {
        let config = InfluxdbConfig::default().target(target);
        let text = exporters.start_influxdb_sink(config).expect_err(says).to_string();
        assert!(text.contains(says) && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn a_url_is_used_unchanged_with_its_token() {
    let (server, got) = scripted_server(vec![]);
    let exporters = exporters();
    let url = format!("http://{server}/api/v2/write?org=o&bucket=b%2Fc&precision=ns");
    let target = InfluxdbUrl::new(url).token(Secret::new("t0k"));
    exporters.start_influxdb_sink(config(server).target(target)).expect("starts");
    record(&mut exporters.recorder(), 10);
    let got = next(&got);
    assert!(got.head.starts_with("POST /api/v2/write?org=o&bucket=b%2Fc&precision=ns HTTP/1.1\r\n"), "{}", got.head);
    assert!(got.head.contains("authorization: Token t0k\r\n"), "{}", got.head);
    assert_eq!(stop(&exporters).sent, 10);
}

#[test]
fn a_body_leaves_when_its_first_point_is_old_enough() {
    let (server, got) = scripted_server(vec![]);
    let exporters = exporters();
    let batch = BatchLimits::default().age(Duration::from_millis(20));
    exporters.start_influxdb_sink(config(server).batch(batch)).expect("starts");
    record(&mut exporters.recorder(), 3);
    assert_eq!(points(&next(&got)), 3);
    assert_eq!(stop(&exporters).sent, 3);
}

#[test]
fn a_busy_server_gets_the_same_body_again() {
    let (server, got) = scripted_server(vec![
        ScriptedAnswer::status("503 Service Unavailable", "{\"error\":\"busy\"}"),
        ScriptedAnswer::Close,
        ScriptedAnswer::status("429 Too Many Requests", ""),
    ]);
    let exporters = exporters();
    exporters.start_influxdb_sink(config(server)).expect("starts");
    record(&mut exporters.recorder(), 10);
    let first = next(&got);
    wait_until("the trouble is shown", || {
        exporters.status()[0].last_error.as_ref().is_some_and(|error| error.contains("503") && error.contains("busy"))
    });
    for _ in 0..3 {
        assert_eq!(next(&got).body, first.body);
    }
    wait_until("it is acknowledged", || exporters.status()[0].account.sent == 10);
    assert_eq!(exporters.status()[0].last_error, None);
    assert!(exporters.status()[0].reconnects > 0);
    assert_eq!(stop(&exporters).dropped.total(), 0);
}

#[test]
fn a_refusal_is_final() {
    let (server, got) = scripted_server(vec![ScriptedAnswer::status(
        "400 Bad Request",
        "{\"error\":\"unable to parse 'a': no fields\"}",
    )]);
    let exporters = exporters();
    exporters.start_influxdb_sink(config(server)).expect("starts");
    let mut recorder = exporters.recorder();
    record(&mut recorder, 10);
    let refused = next(&got);
    wait_until("it is refused", || exporters.status()[0].account.dropped.get(DropReason::Refused) == 10);
    record(&mut recorder, 10);
    assert_ne!(next(&got).body, refused.body);
    let account = stop(&exporters);
    assert_eq!((account.sent, account.dropped.get(DropReason::Refused)), (10, 10));
}

#[test]
fn a_body_that_is_too_large_is_halved_down_to_one_point() {
    let too_large = || ScriptedAnswer::status("413 Request Entity Too Large", "");
    let (server, got) = scripted_server((0..4).map(|_| too_large()).collect());
    let exporters = exporters();
    // A comma takes two bytes in a line. So this line has more than 2,000 bytes, which a server may well find too
    // large.
    let constant_labels: Labels = (0..3).map(|number| (format!("tag{number}"), ",".repeat(255))).collect();
    exporters.start_influxdb_sink(config(server).constant_labels(constant_labels)).expect("starts");
    let mut recorder = exporters.recorder();
    let series = recorder.series("GET", &",".repeat(255));
    for _ in 0..10 {
        recorder.record(series, Sample::ok(Duration::ZERO));
    }
    let bodies: Vec<_> = (0..4).map(|_| next(&got)).collect();
    assert_eq!(bodies.iter().map(points).collect::<Vec<_>>(), [10, 5, 2, 1]);
    assert!(bodies[3].body.len() > 2_000, "{} bytes", bodies[3].body.len());
    let account = stop(&exporters);
    assert_eq!((account.sent, account.dropped.get(DropReason::TooLarge)), (9, 1), "{account:?}");
}

#[test]
fn a_small_body_that_the_server_finds_too_large_is_refused() {
    let (server, got) = scripted_server(vec![ScriptedAnswer::status("413 Request Entity Too Large", "")]);
    let exporters = exporters();
    exporters.start_influxdb_sink(config(server)).expect("starts");
    let mut recorder = exporters.recorder();
    record(&mut recorder, 10);
    let refused = next(&got);
    assert!(points(&refused) == 10 && refused.body.len() < 2_000, "{} bytes", refused.body.len());
    record(&mut recorder, 10);
    let account = stop(&exporters);
    assert_eq!((account.sent, account.dropped.get(DropReason::Refused)), (10, 10), "{account:?}");
}

#[test]
fn after_silence_a_body_is_sent_again_and_a_full_buffer_drops() {
    let (server, got) = scripted_server(vec![ScriptedAnswer::Nothing]);
    let exporters = exporters();
    let config = config(server).timeout(Duration::from_millis(500)).buffer_events(20);
    exporters.start_influxdb_sink(config).expect("starts");
    let mut recorder = exporters.recorder();
    record(&mut recorder, 10);
    let unanswered = next(&got);
    record(&mut recorder, 500);
    let again = next(&got);
    assert_eq!((points(&unanswered), &again.body), (10, &unanswered.body));
    let account = stop(&exporters);
    assert_eq!(account.recorded, 510);
    assert_eq!(
        account.sent + account.dropped.get(DropReason::BufferFull),
        510,
        "nothing but the buffer lost any: {account:?}"
    );
    assert!(account.sent >= 10 && account.dropped.get(DropReason::BufferFull) > 0, "{account:?}");
}

#[test]
fn an_absent_server_is_reported_and_a_stop_does_not_wait_for_it() {
    let closed = ClosedPort::new().expect("a port");
    let exporters = exporters();
    exporters.start_influxdb_sink(config(closed.address().expect("bound"))).expect("starts without a backend");
    record(&mut exporters.recorder(), 15);
    // The sink takes what is recorded a few events at a time: the error can be there before the last event is.
    wait_until("the trouble is shown, and everything is held", || {
        let status = exporters.status().remove(0);
        status.last_error.is_some_and(|error| error.contains("cannot connect")) && status.account.held == 15
    });
    assert_eq!(stop(&exporters).dropped.get(DropReason::Unreachable), 15);
}

#[test]
fn points_that_a_vanished_server_did_not_get_are_not_counted_as_sent() {
    for comes_back in [false, true] {
        let (server, got) = breaking_server(comes_back);
        let exporters = exporters();
        // The lines are three times as long as usual, so they need several bodies. No body is due before the stop.
        let batch = BatchLimits::default().bytes(4_096).age(Duration::from_secs(60));
        exporters.start_influxdb_sink(config(server).batch(batch)).expect("starts");
        let mut recorder = exporters.recorder();
        let series = recorder.series("GET", &"/long".repeat(50));
        for _ in 0..24 {
            recorder.record(series, Sample::ok(Duration::ZERO));
        }
        let account = exporters.shutdown(Duration::from_secs(2)).accounts[0];
        assert_settled(&account);
        let gone = got.recv_timeout(PATIENCE).expect("a request").lines().count() as u64;
        assert!((1..24).contains(&gone), "{gone} points in a body");
        let dropped = [DropReason::Unconfirmed, DropReason::Unreachable].map(|cause| account.dropped.get(cause));
        let expected = if comes_back { (24, [0, 0]) } else { (0, [gone, 24 - gone]) };
        assert_eq!((account.sent, dropped), expected, "{account:?}");
    }
}

/// A server that reads one request, sends its body to the test, and closes the connection without an answer. After that
/// it accepts everything if `comes_back`; else it is gone.
fn breaking_server(comes_back: bool) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = listener.local_addr().expect("bound");
    let (hands_on, got) = mpsc::channel();
    thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        let listener = Some(listener).filter(|_| comes_back);
        let mut stream = BufReader::new(stream);
        hands_on.send(read_request(&mut stream)).expect("the test waits");
        drop(stream);
        for stream in listener.iter().flat_map(TcpListener::incoming) {
            let mut stream = BufReader::new(stream.expect("a connection"));
            while stream.fill_buf().is_ok_and(|bytes| !bytes.is_empty()) {
                read_request(&mut stream);
                stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n").expect("an answer");
            }
        }
    });
    (server, got)
}

#[test]
fn a_body_on_a_kept_connection_is_unconfirmed_when_the_server_is_gone() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = listener.local_addr().expect("bound");
    let serving = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        // Nobody listens any more; only this connection remains.
        drop(listener);
        let mut stream = BufReader::new(stream);
        read_request(&mut stream);
        stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n").expect("an answer");
        read_request(&mut stream);
    });
    let exporters = exporters();
    exporters.start_influxdb_sink(config(server)).expect("starts");
    let mut recorder = exporters.recorder();
    record(&mut recorder, 10);
    wait_until("the first body is acknowledged", || exporters.status()[0].account.sent == 10);
    record(&mut recorder, 5);
    let account = stop(&exporters);
    serving.join().expect("both requests came");
    assert_eq!((account.sent, account.dropped.get(DropReason::Unconfirmed)), (10, 5), "{account:?}");
}

/// Reads one whole request, and returns its body.
fn read_request(stream: &mut BufReader<TcpStream>) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(stream.read_line(&mut head).expect("a head"), 0, "{head}");
    }
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    stream.read_exact(&mut body).expect("a body");
    String::from_utf8(body).expect("lines are UTF-8")
}

#[test]
fn a_long_pause_that_is_asked_for_is_shown() {
    let answer = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 86400\r\nContent-Length: 0\r\n\r\n";
    let (server, _got) = scripted_server(vec![ScriptedAnswer::Bytes(answer.into())]);
    let exporters = exporters();
    exporters.start_influxdb_sink(config(server)).expect("starts");
    record(&mut exporters.recorder(), 10);
    wait_until("the pause is shown", || {
        exporters.status()[0].last_error.as_ref().is_some_and(|error| error.contains("asked to wait 86400 s"))
    });
    assert_eq!(stop(&exporters).sent, 10, "a stop cuts the pause short");
}

#[test]
fn a_stop_in_the_middle_of_a_request_keeps_its_deadline() {
    // The server is silent for the first request, or for ever.
    for (silences, sent, dropped) in [(1, 13, [0, 0]), (1_000, 0, [10, 3])] {
        let (server, got) = scripted_server(vec![ScriptedAnswer::Nothing; silences]);
        let exporters = exporters();
        exporters.start_influxdb_sink(config(server).timeout(10 * PATIENCE)).expect("starts");
        record(&mut exporters.recorder(), 13);
        next(&got);
        let begun = Instant::now();
        let account = exporters.shutdown(Duration::from_secs(1)).accounts[0];
        assert!(begun.elapsed() < PATIENCE, "a stop does not wait for the timeout of a request");
        assert_settled(&account);
        let causes = [DropReason::Unconfirmed, DropReason::Deadline].map(|cause| account.dropped.get(cause));
        assert_eq!((account.sent, causes), (sent, dropped), "never sent means `deadline`: {account:?}");
    }
}
