//! The Prometheus exporter, scraped by a client of the standard library.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{DropReason, Exporters, PageAccess, PageLimits, Secret, StartError};

use super::LOOPBACK;
use super::load::{TestEngine, assert_all_sent, assert_settled, exporters, settings, wait_until};
use super::scraper::{ScrapeClient, any_port};

/// Every request is on the page, exactly.
pub fn a_scrape_shows_every_request<R: Runtime>() {
    let (exporters, mut engine) = exporters::<R>();
    let address = exporters.start_prometheus_exporter(any_port()).expect("a free port");
    engine.record(1_000);
    let answer = ScrapeClient::connect(address).ask("GET", "/metrics");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(answer.sums(), engine.sums);
    assert!(answer.text().ends_with('\n'), "the last line is whole");
    let account = exporters.stop_prometheus_exporter().expect("a stop").expect("it was running");
    assert_all_sent(&account, 1_000);
}

/// One connection serves one scrape after another. Each page has the numbers of its moment.
pub fn scrapes_share_a_connection<R: Runtime>() {
    let (exporters, mut engine) = exporters::<R>();
    let mut client = ScrapeClient::connect(exporters.start_prometheus_exporter(any_port()).expect("a free port"));
    for _ in 0..20 {
        engine.record(50);
        assert_eq!(client.ask("GET", "/metrics").sums(), engine.sums);
    }
}

/// `HEAD` has the same answer as `GET` but no page, so it does not count as a scrape.
pub fn head_delivers_no_page<R: Runtime>() {
    let (exporters, mut engine) = exporters::<R>();
    let mut client = ScrapeClient::connect(exporters.start_prometheus_exporter(any_port()).expect("a free port"));
    engine.record(10);
    for _ in 0..2 {
        let answer = client.ask("HEAD", "/metrics");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    }
    let account = exporters.stop_prometheus_exporter().expect("a stop").expect("it was running");
    assert_settled(&account, 10);
    assert_eq!(account.dropped.get(DropReason::Unscraped), 10, "{account:?}");
}

/// Other paths get 404; other methods get 405 and a list of the allowed ones. A query does not change the path.
pub fn other_paths_and_methods_are_refused<R: Runtime>() {
    let (exporters, _) = exporters::<R>();
    let mut client = ScrapeClient::connect(exporters.start_prometheus_exporter(any_port()).expect("a free port"));
    for (method, path, status) in [
        ("GET", "/metrics/more", 404),
        ("GET", "/metrics//", 404),
        ("POST", "/elsewhere", 404),
        ("POST", "/", 405),
        ("POST", "/metrics", 405),
        ("DELETE", "/metrics/", 405),
        ("GET", "/metrics?name[]=up", 200),
        ("GET", "/metrics/?name[]=up", 200),
    ] {
        let answer = client.ask(method, path);
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.text().contains("the metrics are at /metrics\n"), status == 404, "{method} {path}");
        assert_eq!(answer.header("allow"), (status == 405).then_some("GET, HEAD"), "{method} {path}");
    }
}

/// A request without a `Host`, with several or with one that is none is answered with 400, wherever it goes, and ends the
/// connection (RFC 9112, section 3.2). HTTP/1.0 needs none.
pub fn a_request_needs_one_host<R: Runtime>() {
    let (exporters, _) = exporters::<R>();
    let address = exporters.start_prometheus_exporter(any_port()).expect("a free port");
    for (head, status) in [
        ("GET /metrics HTTP/1.1\r\n", "400"),
        ("GET /metrics HTTP/1.1\r\nHost: h\r\nHost: h\r\n", "400"),
        ("GET /healthz HTTP/1.1\r\nHost: h\r\nHost: other\r\n", "400"),
        ("GET http://h/metrics HTTP/1.1\r\n", "400"),
        ("POST /elsewhere HTTP/1.1\r\nHost: me@h\r\n", "400"),
        ("GET /metrics HTTP/1.0\r\nHost: h\r\nHost: h\r\n", "400"),
        ("GET http://other/metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n", "200"),
        ("GET /metrics HTTP/1.1\r\nHost:\r\nConnection: close\r\n", "200"),
        ("GET /metrics HTTP/1.0\r\n", "200"),
    ] {
        let mut client = ScrapeClient::connect(address);
        client.0.get_mut().write_all(format!("{head}\r\n").as_bytes()).expect("sent");
        let mut answer = String::new();
        client.0.read_to_string(&mut answer).expect("an answer, then the end");
        assert_eq!(answer.split(' ').nth(1), Some(status), "{head}: {answer}");
    }
}

/// A user who opens the server in a browser finds a link to the page, whatever its path is. A slash at the end of the
/// path makes no difference.
pub fn the_root_links_to_the_page<R: Runtime>() {
    let (exporters, mut engine) = exporters::<R>();
    engine.record(5);
    for (path, link) in [("/metrics", "/metrics"), ("/load&more/", "/load&amp;more/")] {
        let config = any_port().path(path);
        let mut client = ScrapeClient::connect(exporters.start_prometheus_exporter(config).expect("a free port"));
        let root = client.ask("GET", "/");
        assert_eq!((root.status, root.header("content-type")), (200, Some("text/html; charset=utf-8")));
        assert!(root.text().contains(&format!("<a href=\"{link}\">")), "{}", root.text());
        assert_eq!(client.ask("HEAD", "/?x").status, 200);
        let bare = path.trim_end_matches('/');
        for path in [bare, &format!("{bare}/")] {
            assert_eq!(client.ask("GET", path).sums(), engine.sums, "{path}");
        }
    }
    let at_the_root = any_port().path("/");
    let mut client = ScrapeClient::connect(exporters.start_prometheus_exporter(at_the_root).expect("a free port"));
    assert_eq!(client.ask("GET", "/").sums(), engine.sums);
}

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROTOBUF: &str = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

/// The `Accept` header chooses the format, for `HEAD` as for `GET`. Each format shows every request.
pub fn the_accept_header_chooses_the_dialect<R: Runtime>() {
    let (exporters, mut engine) = exporters::<R>();
    let constant_labels = [("run", "7")];
    let config = any_port().created_times(true).constant_labels(constant_labels);
    let mut client = ScrapeClient::connect(exporters.start_prometheus_exporter(config).expect("a free port"));
    engine.record(100);
    for (accept, content_type) in [
        ("*/*", TEXT),
        ("text/plain;version=0.0.4;escaping=dots", "text/plain; version=0.0.4; charset=utf-8; escaping=dots"),
        ("application/openmetrics-text;version=1.0.0", OPEN),
        ("text/plain;q=0.1\r\nAccept: application/openmetrics-text;version=1.0.0;q=0.2", OPEN),
        (PROTOBUF, PROTOBUF),
    ] {
        let head = format!("Accept: {accept}\r\n");
        for method in ["HEAD", "GET"] {
            let answer = client.ask_with(method, "/metrics", &head);
            assert_eq!((answer.status, answer.header("content-type")), (200, Some(content_type)), "{accept}");
            assert!(answer.header("vary").is_some_and(|vary| vary.contains("accept")), "{accept}");
            if method == "GET" {
                assert_eq!(answer.sums(), engine.sums, "{accept}");
            }
            let is_open = method == "GET" && content_type == OPEN;
            if method == "GET" && content_type != PROTOBUF {
                assert_eq!(answer.text().ends_with("\n# EOF\n"), is_open, "{accept}");
                assert_eq!(answer.text().contains("\nloaddensity_requests_created{"), is_open, "{accept}");
                let mut lines = answer.text().lines().filter(|line| !line.starts_with('#'));
                assert!(lines.all(|line| line.contains("run=\"7\"")), "{}", answer.text());
            }
        }
    }
}

/// A client that accepts gzip gets it in every format, unless gzip is switched off. Such a page counts as a scrape too.
pub fn pages_are_compressed_for_clients_that_accept_gzip<R: Runtime>() {
    const SERIES: usize = 2_000;
    for gzip in [true, false] {
        let settings = settings(SERIES);
        let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
        let mut recorder = exporters.recorder();
        for number in 4..SERIES {
            recorder.series("GET", &format!("/a/name/{number}"));
        }
        let mut engine = TestEngine::new(settings.registry);
        let config = any_port().gzip(gzip);
        let mut client = ScrapeClient::connect(exporters.start_prometheus_exporter(config).expect("a free port"));
        for (content_type, accepted, is_wanted) in [
            (TEXT, "Accept-Encoding: gzip\r\n", true),
            (OPEN, "Accept-Encoding: br\r\nAccept-Encoding: gzip;q=0.1\r\n", true),
            (PROTOBUF, "Accept-Encoding: gzip, identity\r\n", true),
            (TEXT, "Accept-Encoding: gzip;q=0, *\r\n", false),
            (PROTOBUF, "Accept-Encoding: identity\r\n", false),
            (TEXT, "", false),
        ] {
            engine.record(100);
            let head = format!("Accept: {content_type}\r\n{accepted}");
            let is_compressed = gzip && is_wanted;
            for method in ["HEAD", "GET"] {
                let answer = client.ask_with(method, "/metrics", &head);
                assert_eq!((answer.status, answer.header("content-type")), (200, Some(content_type)), "{head}");
                assert_eq!(answer.header("content-encoding"), is_compressed.then_some("gzip"), "{head}");
                let vary = if gzip { "accept, accept-encoding" } else { "accept" };
                assert_eq!(answer.header("vary"), Some(vary));
                if method == "GET" {
                    assert_eq!(answer.sums(), engine.sums, "{head}");
                    assert_eq!(answer.body_bytes < answer.bytes() / 5, is_compressed, "{head}");
                }
            }
        }
        engine.record(100);
        assert_eq!(client.ask_with("GET", "/metrics", "Accept-Encoding: gzip\r\n").sums(), engine.sums);
        let account = exporters.stop_prometheus_exporter().expect("a stop").expect("it was running");
        assert_all_sent(&account, 700);
    }
}

/// The page is at the path of the settings, and `/healthz` always exists.
pub fn the_page_is_at_its_path<R: Runtime>() {
    let (exporters, _) = exporters::<R>();
    let config = any_port().path("/load/metrics");
    let mut client = ScrapeClient::connect(exporters.start_prometheus_exporter(config).expect("a free port"));
    for (method, path, status) in [
        ("GET", "/load/metrics", 200),
        ("HEAD", "/load/metrics?x=1", 200),
        ("GET", "/metrics", 404),
        ("GET", "/healthz", 200),
        ("HEAD", "/healthz", 200),
        ("POST", "/healthz", 405),
        ("PUT", "/load/metrics", 405),
    ] {
        let answer = client.ask(method, path);
        assert_eq!(answer.status, status, "{method} {path}");
        match status {
            404 => assert!(answer.text().contains("/load/metrics"), "{}", answer.text()),
            _ => assert_eq!(answer.text() == "ok\n", (method, path) == ("GET", "/healthz"), "{method} {path}"),
        }
    }
    let beside_health = any_port().path("/healthz");
    let error = exporters.start_prometheus_exporter(beside_health).expect_err("that path is taken");
    assert!(matches!(error, StartError::Setting { field: "path", .. }), "{error:?}");
}

/// A client without the credentials gets no page, and the answer says which kind of credentials is needed. The health
/// path needs none.
pub fn only_clients_with_credentials_get_the_page<R: Runtime>() {
    let (exporters, mut engine) = exporters::<R>();
    engine.record(3);
    let basic = PageAccess::Basic { username: "me".into(), password: Secret::new("a:b") };
    let bearer = PageAccess::Bearer(Secret::new("t0ken"));
    // "me:a:b" in base64.
    for (access, right, challenge) in
        [(basic, "Basic bWU6YTpi", "Basic realm="), (bearer, "Bearer t0ken", "Bearer realm=")]
    {
        let config = any_port().access(access);
        let mut client = ScrapeClient::connect(exporters.start_prometheus_exporter(config).expect("a free port"));
        let right = format!("Authorization: {right}\r\n");
        assert_eq!(client.ask_with("GET", "/metrics", &right).sums(), engine.sums);
        assert_eq!(client.ask_with("GET", "/elsewhere", &right).status, 404);
        for wrong in ["", "Authorization: Basic bWU6YTpj\r\n", "Authorization: Bearer t0keN\r\n"] {
            for (method, path) in [("GET", "/metrics"), ("HEAD", "/metrics"), ("GET", "/elsewhere")] {
                let answer = client.ask_with(method, path, wrong);
                assert_eq!(answer.status, 401, "{method} {path} {wrong}");
                let said = answer.header("www-authenticate").unwrap_or_default();
                assert!(said.starts_with(challenge), "{said}");
                assert!(!answer.text().contains("loaddensity"), "{}", answer.text());
            }
        }
        assert_eq!(client.ask("GET", "/healthz").status, 200);
    }
}

/// If all places are taken, the connection that has had no complete request for the longest time is closed.
pub fn a_connection_without_requests_makes_room<R: Runtime>() {
    const PLACES: usize = 64;
    let (exporters, mut engine) = exporters::<R>();
    engine.record(10);
    let address = exporters.start_prometheus_exporter(any_port()).expect("a free port");
    // Half of a head is not a request.
    let mut first = ScrapeClient::connect(address);
    first.0.get_mut().write_all(b"GET /metrics HTTP/1.1\r\n").expect("sent");
    let mut second = ScrapeClient::connect(address);
    let mut others: Vec<_> = (2..PLACES).map(|_| ScrapeClient::connect(address)).collect();
    // Once the last connection was answered, all connections before it have their places.
    assert_eq!(others[PLACES - 3].ask("GET", "/healthz").status, 200);
    assert_eq!(second.ask("GET", "/metrics").sums(), engine.sums);
    let more: Vec<_> = (0..6).map(|_| ScrapeClient::connect(address)).collect();
    assert_eq!(ScrapeClient::connect(address).ask("GET", "/metrics").sums(), engine.sums);
    first.expect_end();
    others[..6].iter_mut().for_each(ScrapeClient::expect_end);
    assert_eq!(second.ask("GET", "/metrics").sums(), engine.sums);
    assert_eq!(others[6].ask("GET", "/metrics").sums(), engine.sums);
    let [status] = &exporters.status()[..] else { panic!("one exporter") };
    assert_eq!((status.turned_away, status.last_error.as_deref()), (0, None));
    drop(more);
}

/// A connection that has to make room before it was served is closed without an answer: no page is cut off for it.
pub fn a_page_that_begins_is_whole<R: Runtime>() {
    // More than a turn sends.
    const SERIES: usize = 200;
    let settings = settings(SERIES);
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    let mut recorder = exporters.recorder();
    for number in 1..SERIES {
        recorder.series("GET", &format!("/a/name/that/makes/the/page/larger/{number}"));
    }
    let limits = PageLimits::default().connections(1);
    let address = exporters.start_prometheus_exporter(any_port().limits(limits)).expect("a free port");
    for _ in 0..20 {
        let clients: Vec<_> = (0..8).map(|_| TcpStream::connect(address).expect("the exporter listens")).collect();
        for mut client in &clients {
            // Who has made room may have been closed already.
            let _ = client.write_all(b"GET /metrics HTTP/1.1\r\nHost: page\r\nConnection: close\r\n\r\n");
        }
        for mut client in clients {
            let mut answer = Vec::new();
            // So may the others be, before they are answered.
            let _ = client.read_to_end(&mut answer);
            let is_page = answer.starts_with(b"HTTP/1.1 200 ");
            assert!(!is_page || answer.ends_with(b"\r\n0\r\n\r\n"), "a page was cut off after {} bytes", answer.len());
        }
    }
}

/// If all connections are being answered, a further one gets 503 with the reason, and is counted. There is room again
/// when an answer has ended.
pub fn connections_are_limited<R: Runtime>() {
    // 27 lines a series: some 20 MB, more than the sockets' buffers hold.
    const SERIES: usize = 8_000;
    let settings = settings(SERIES);
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    let mut recorder = exporters.recorder();
    for number in 1..SERIES {
        recorder.series("GET", &format!("/a/name/that/makes/the/page/larger/{number}"));
    }
    let limits = PageLimits::default().connections(1);
    let address = exporters.start_prometheus_exporter(any_port().limits(limits)).expect("a free port");
    let mut slow = ScrapeClient::connect(address);
    slow.send("GET", "/metrics");
    assert!(slow.0.fill_buf().is_ok_and(|bytes| !bytes.is_empty()), "the page begins");
    for (method, path, status) in [("GET", "/metrics", 503), ("HEAD", "/", 503), ("GET", "/healthz", 200)] {
        let mut client = ScrapeClient::connect(address);
        let answer = client.ask(method, path);
        assert_eq!((answer.status, answer.header("connection")), (status, Some("close")), "{method} {path}");
        assert_eq!(answer.text().contains("at most 1 connections"), (method, status) == ("GET", 503));
        client.expect_end();
    }
    let [status] = &exporters.status()[..] else { panic!("one exporter") };
    assert_eq!(status.turned_away, 2);
    assert!(status.last_error.as_ref().is_some_and(|error| error.contains("503")), "{status:?}");
    drop(slow);
    wait_until(|| ScrapeClient::connect(address).ask("GET", "/metrics").status == 200);
    // The client has the last byte of its page before the exporter learns that all of it is written.
    wait_until(|| exporters.status()[0].last_error.is_none());
}

/// A connection on which nothing happens is closed after the idle time.
pub fn idle_connections_are_closed<R: Runtime>() {
    let (exporters, _) = exporters::<R>();
    let limits = PageLimits::default().idle_timeout(Duration::from_millis(50));
    let address = exporters.start_prometheus_exporter(any_port().limits(limits)).expect("a free port");
    ScrapeClient::connect(address).expect_end();
    let limits = PageLimits::default().head_timeout(Duration::from_millis(50));
    let address = exporters.start_prometheus_exporter(any_port().limits(limits)).expect("a free port");
    let mut slow = ScrapeClient::connect(address);
    slow.0.get_mut().write_all(b"GET /metrics HTTP/1.1\r\nHost: ").expect("sent");
    slow.expect_end();
}

/// A head that is longer than the limit is refused. If the limit is raised, it is accepted.
pub fn long_heads_are_refused<R: Runtime>() {
    let (exporters, _) = exporters::<R>();
    let long = format!("X-Long: {}\r\n", "x".repeat(20_000));
    for (head_bytes, status) in [(8_192, 431), (40_000, 200)] {
        let limits = PageLimits::default().head_bytes(head_bytes);
        let config = any_port().limits(limits);
        let mut client = ScrapeClient::connect(exporters.start_prometheus_exporter(config).expect("a free port"));
        assert_eq!(client.ask_with("GET", "/healthz", &long).status, status);
    }
}

/// If the port is taken, the error says so. The exporter can then be started on another port.
pub fn a_taken_port_is_reported<R: Runtime>() {
    let foreign = TcpListener::bind(LOOPBACK).expect("a free port");
    let port = foreign.local_addr().expect("a bound address").port();
    let (exporters, _) = exporters::<R>();
    let taken = any_port().port(port);
    let error = exporters.start_prometheus_exporter(taken).expect_err("the port is taken");
    assert!(error.to_string().contains(&format!(":{port} is already in use")), "{error}");
    let StartError::Socket { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.kind(), io::ErrorKind::AddrInUse);
    assert!(exporters.status().is_empty());
    let address = exporters.start_prometheus_exporter(any_port()).expect("a free port");
    assert_eq!(ScrapeClient::connect(address).ask("GET", "/metrics").status, 200);
}

/// A host name that does not resolve, or an address of another machine, is an error at the start.
pub fn a_foreign_address_is_reported<R: Runtime>() {
    let (exporters, _) = exporters::<R>();
    let at = |host: &str| any_port().host(host);
    let error = exporters.start_prometheus_exporter(at("no-such-host.invalid")).expect_err("no such host");
    assert!(matches!(&error, StartError::Resolve { host, .. } if host == "no-such-host.invalid"), "{error:?}");
    let error = exporters.start_prometheus_exporter(at("192.0.2.200")).expect_err("not an address of this machine");
    assert!(matches!(error, StartError::Socket { .. }), "{error:?}");
}

/// A stop closes the port and idle connections at once. After that, a start on the same port works and has a new
/// account.
pub fn a_stop_frees_the_port<R: Runtime>() {
    // If the stop waited for its deadline, the case would fail by its time limit.
    let settings = settings(64).stop_deadline(Duration::from_secs(3_600));
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    let mut engine = TestEngine::new(settings.registry);
    let mut config = any_port();
    for round in 0..3 {
        let address = exporters.start_prometheus_exporter(config.clone()).expect("the port is free");
        config.port = address.port();
        let mut client = ScrapeClient::connect(address);
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

/// A second start with the same settings changes nothing. With another port, the page moves there.
pub fn a_second_start_changes_only_what_is_different<R: Runtime>() {
    let (exporters, mut engine) = exporters::<R>();
    let address = exporters.start_prometheus_exporter(any_port()).expect("a free port");
    let mut client = ScrapeClient::connect(address);
    engine.record(10);
    assert_eq!(exporters.start_prometheus_exporter(any_port()).expect("it runs"), address);
    assert_eq!(client.ask("GET", "/metrics").sums(), engine.sums);
    let moved = any_port().host("localhost");
    let elsewhere = exporters.start_prometheus_exporter(moved).expect("a free port");
    client.expect_end();
    assert_eq!(ScrapeClient::connect(elsewhere).ask("GET", "/metrics").sums(), engine.sums);
}

/// Requests that were recorded after the last scrape count as `unscraped` at the stop.
pub fn requests_that_no_scrape_has_seen_are_unscraped<R: Runtime>() {
    let (exporters, mut engine) = exporters::<R>();
    engine.record(7);
    let address = exporters.start_prometheus_exporter(any_port()).expect("a free port");
    engine.record(10);
    assert_eq!(ScrapeClient::connect(address).ask("GET", "/metrics").sums().requests, 17);
    engine.record(5);
    let account = exporters.stop_prometheus_exporter().expect("a stop").expect("it was running");
    assert_settled(&account, 15);
    assert_eq!((account.sent, account.dropped.get(DropReason::Unscraped)), (10, 5), "{account:?}");
}

/// A client that asks for a large page and does not read it does not delay a stop. The page does not count as scraped.
pub fn a_client_that_does_not_read_is_cut_off<R: Runtime>() {
    // 27 lines a series: some 20 MB, more than the sockets' buffers hold.
    const SERIES: usize = 8_000;
    let settings = settings(SERIES).stop_deadline(Duration::from_millis(300));
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    let mut recorder = exporters.recorder();
    for number in 1..SERIES {
        recorder.series("GET", &format!("/a/name/that/makes/the/page/larger/{number}"));
    }
    let mut engine = TestEngine::new(settings.registry);
    let address = exporters.start_prometheus_exporter(any_port()).expect("a free port");
    engine.record(10);
    let mut client = ScrapeClient::connect(address);
    client.send("GET", "/metrics");
    assert!(client.0.fill_buf().is_ok_and(|bytes| !bytes.is_empty()), "the page begins");
    let start = Instant::now();
    let account = exporters.stop_prometheus_exporter().expect("a stop").expect("it was running");
    assert!(start.elapsed() < Duration::from_secs(20), "the stop took {:?}", start.elapsed());
    assert_settled(&account, 10);
    assert_eq!(account.dropped.get(DropReason::Unscraped), 10, "{account:?}");
}
