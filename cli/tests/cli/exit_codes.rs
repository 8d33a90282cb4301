//! Exit codes and signals, as whoever starts the binary sees them, on both runtimes.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use loaddensity_metrics_vectors::closed_port::ClosedPort;

use crate::process::{Ended, Running, run, run_ignoring, run_into_a_full_disk, run_with_stdin, start, start_ignoring};

const RUNTIMES: [&str; 2] = ["tokio", "smol"];

/// A load of `seconds` against `url`, of some hundred requests a second where they end at once.
fn load(seconds: f64, url: &str) -> String {
    format!(
        r#"["LD_start_test", {{"user_detail_dict": {{"user": "fast_http_user"}}, "user_count": 2, "spawn_rate": 100,
            "test_time": {seconds}, "max_rate": 300, "tasks": [{{"method": "get", "request_url": "{url}", "name": "x"}}]}}]"#
    )
}

/// The page that a binary says it has started.
struct Served(String);

impl Served {
    fn of(running: &mut Running) -> Self {
        let line = running.says("prometheus started");
        Self(
            line.split("http://").nth(1).and_then(|rest| rest.strip_suffix("/metrics")).expect("an address").to_owned(),
        )
    }

    /// Requests on the page.
    fn requests(&self) -> u64 {
        let mut stream = TcpStream::connect(&self.0).expect("the page is served");
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("a page");
        let counters = text.lines().filter(|line| line.starts_with("loaddensity_requests_total{"));
        counters.map(|line| line.rsplit(' ').next().expect("a value").parse::<u64>().expect("a number")).sum()
    }
}

#[test]
fn all_went_well_is_0_and_a_failed_action_is_1() {
    for runtime in RUNTIMES {
        run(&["--runtime", runtime, "run-str", "[]"]).with_code(0);
        run(&["--runtime", runtime, "--allow-loss", "run-str", r#"[["LD_unknown"]]"#]).with_code(1);
        run(&["--runtime", runtime, "walk"]).with_code(2);
    }
}

/// What an exporter could not deliver, in each kind: the exit code is 3, unless that is allowed; the reason is said.
#[test]
fn what_was_not_delivered_is_3() {
    let closed = ClosedPort::new().expect("a port");
    let closed = closed.address().expect("bound");
    let load = load(0.5, &format!("http://{closed}/"));
    let port = closed.port();
    for (exporter, start) in [
        ("influxdb", format!(r#"["LD_start_influxdb_sink", {{"transport": "http", "port": {port}}}]"#)),
        ("opentelemetry", format!(r#"["LD_start_opentelemetry_exporter", {{"endpoint": "http://{closed}"}}]"#)),
        ("prometheus", r#"["LD_start_prometheus_exporter", {"port": 0}]"#.into()),
    ] {
        let document = format!("[{start}, {load}]");
        let lost = |ended: &Ended| {
            let [recorded, _, dropped] = ended.row(exporter);
            assert!(recorded > 0 && dropped > 0, "{}", ended.stdout);
            assert!(ended.stderr.contains("requests not delivered"), "{}", ended.stderr);
        };
        for runtime in RUNTIMES {
            let ended = run(&["--runtime", runtime, "run-str", &document]).with_code(3);
            lost(&ended);
            assert!(ended.stderr.contains("--allow-loss"), "{}", ended.stderr);
        }
        lost(&run(&["--allow-loss", "run-str", &document]).with_code(0));
    }
}

/// Datagrams that were refused count as sent; that some were lost is known all the same.
#[test]
fn datagrams_to_a_closed_port_are_3() {
    let closed = ClosedPort::new().expect("a port");
    let closed = closed.address().expect("bound");
    // A socket takes only what comes from the peer that it is connected to, so all else is refused.
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.connect("127.0.0.1:9").expect("a peer");
    let port = socket.local_addr().expect("bound").port();
    let load = load(0.5, &format!("http://{closed}/"));
    for start in [
        format!(r#"["LD_start_statsd_sink", {{"port": {port}}}]"#),
        format!(r#"["LD_start_influxdb_sink", {{"port": {port}}}]"#),
        format!(r#"["LD_start_influxdb_sink", {{"port": {port}, "points": "interval", "interval_seconds": 0.1}}]"#),
    ] {
        for runtime in RUNTIMES {
            let ended = run(&["--runtime", runtime, "run-str", &format!("[{start}, {load}]")]).with_code(3);
            assert!(ended.stderr.contains("refused"), "{}", ended.stderr);
        }
    }
    // Nothing was recorded, so nothing is lost.
    run(&["run-str", &format!(r#"[["LD_start_statsd_sink", {{"port": {port}}}]]"#)]).with_code(0);
}

/// A test that ends between two scrapes is nothing unusual.
#[test]
fn a_page_that_was_scraped_is_no_loss_and_no_warning() {
    let closed = ClosedPort::new().expect("a port");
    let closed = closed.address().expect("bound");
    let document =
        format!(r#"[["LD_start_prometheus_exporter", {{"port": 0}}], {}]"#, load(2.0, &format!("http://{closed}/")));
    for runtime in RUNTIMES {
        let mut running = start(&["--runtime", runtime, "run-str", &document]);
        let page = Served::of(&mut running);
        while page.requests() == 0 {
            thread::sleep(Duration::from_millis(10));
        }
        let ended = running.end().with_code(0);
        let [recorded, sent, dropped] = ended.row("prometheus");
        assert!(sent > 0 && recorded == sent + dropped, "{}", ended.stdout);
        // The load has its own: nothing listens at its target.
        let of_the_page = |line: &str| line.starts_with("error") || line.starts_with("warning: actions[0]");
        assert!(!ended.stderr.lines().any(of_the_page), "{}", ended.stderr);
    }
}

/// The program ends after the last scrape, or with the time; whether it came decides.
#[test]
fn a_page_that_lingers_gets_its_last_scrape() {
    let closed = ClosedPort::new().expect("a port");
    let closed = closed.address().expect("bound");
    let load = load(0.3, &format!("http://{closed}/"));
    for runtime in RUNTIMES {
        let document = format!(r#"[["LD_start_prometheus_exporter", {{"port": 0}}], {load}]"#);
        let mut running = start(&["--runtime", runtime, "--linger", "600", "run-str", &document]);
        let page = Served::of(&mut running);
        running.says("serves its last values until they were scraped, 600 s at most");
        let requests = page.requests();
        let ended = running.end().with_code(0);
        assert_eq!(ended.row("prometheus"), [requests, requests, 0]);

        // What an action says wins.
        let document = format!(r#"[["LD_start_prometheus_exporter", {{"port": 0, "linger_seconds": 0.2}}], {load}]"#);
        let ended = run(&["--runtime", runtime, "--linger", "600", "run-str", &document]).with_code(3);
        let [recorded, sent, dropped] = ended.row("prometheus");
        assert!(recorded > 0 && sent == 0 && dropped == recorded, "{}", ended.stdout);
        assert!(ended.stderr.contains("no scrape came after the stop"), "{}", ended.stderr);
    }
}

/// A stop in the document lets the page linger, too; its answer says so.
#[test]
fn a_page_that_is_stopped_by_its_document_lingers() {
    let closed = ClosedPort::new().expect("a port");
    let closed = closed.address().expect("bound");
    let load = load(0.3, &format!("http://{closed}/"));
    let document = format!(
        r#"[["LD_start_prometheus_exporter", {{"port": 0, "linger_seconds": 600}}], {load},
            ["LD_stop_prometheus_exporter"]]"#
    );
    let mut running = start(&["run-str", &document]);
    let page = Served::of(&mut running);
    assert!(running.says("prometheus stopped").ends_with(", lingers"));
    let requests = page.requests();
    assert_eq!(running.end().with_code(0).row("prometheus"), [requests, requests, 0]);
}

/// The first signal ends the test, and the second the lingering; what was not seen is in the table.
#[test]
fn a_second_signal_ends_the_lingering() {
    let closed = ClosedPort::new().expect("a port");
    let closed = closed.address().expect("bound");
    let load = load(600.0, &format!("http://{closed}/"));
    let document = format!(r#"[["LD_start_prometheus_exporter", {{"port": 0}}], {load}, ["LD_unknown"]]"#);
    for runtime in RUNTIMES {
        let mut running = start(&["--runtime", runtime, "--linger", "600", "run-str", &document]);
        // The live line: something was recorded.
        running.says(" requests, ");
        running.signal("TERM");
        running.says("interrupted by SIGTERM");
        running.says("serves its last values");
        running.signal("INT");
        let ended = running.end().with_code(143);
        let [recorded, sent, dropped] = ended.row("prometheus");
        assert!(recorded > 0 && sent == 0 && dropped == recorded, "{}", ended.stdout);
        assert!(!ended.stderr.contains("LD_unknown"), "{}", ended.stderr);
    }
}

#[test]
fn a_second_signal_exits_at_once() {
    // Connections wait in its queue, and are never answered.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("bound");
    let document = format!(r#"[["LD_start_statsd_sink"], {}]"#, load(600.0, &format!("http://{address}/")));
    for (runtime, first, second, code) in
        [("tokio", "INT", "INT", 130), ("smol", "INT", "TERM", 143), ("tokio", "TERM", "HUP", 129)]
    {
        let mut running = start(&["--runtime", runtime, "run-str", &document]);
        running.says("statsd started");
        drop(silent.accept().expect("the load begins"));
        running.signal(first);
        // Now the users' grace runs, because their requests are never answered.
        running.says(&format!("interrupted by SIG{first}"));
        running.signal(second);
        assert_eq!(running.end().with_code(code).stdout, "");
    }
}

/// As `nohup` starts a program, and a shell one in the background of a script.
#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("bound");
    let document = format!(r#"[["LD_start_statsd_sink"], {}]"#, load(600.0, &format!("http://{address}/")));
    for (runtime, ignored) in [("tokio", "HUP"), ("smol", "INT")] {
        let mut running = start_ignoring(ignored, &["--runtime", runtime, "run-str", &document]);
        running.says("statsd started");
        running.signal(ignored);
        running.signal("TERM");
        running.says("interrupted by SIGTERM");
        let ended = running.end().with_code(143);
        assert!(!ended.stderr.contains(&format!("SIG{ignored}")), "{}", ended.stderr);
    }
    // Where all are, it is simply run.
    run_ignoring("HUP INT TERM", &["run-str", "[]"]).with_code(0);
}

#[cfg(feature = "demo")]
#[test]
fn the_demo_ends_on_a_signal() {
    for runtime in RUNTIMES {
        let mut running = start(&["--runtime", runtime, "demo", "--seconds", "3600", "--rate", "200"]);
        running.says("requests");
        running.signal("HUP");
        running.says("interrupted by SIGHUP");
        let ended = running.end().with_code(129);
        assert!(ended.stdout.contains("all reconcile"), "{}", ended.stdout);
    }
}

#[test]
fn stdout_that_cannot_be_written_is_1() {
    let mut cases = vec![
        vec!["--runtime", "tokio", "run-str", "[]"],
        vec!["--runtime", "smol", "--allow-loss", "run-str", "[]"],
        vec!["cost", "--seconds", "0.1", "--series", "1", "--threads", "1"],
        vec!["--help"],
        vec!["--version"],
    ];
    if cfg!(feature = "demo") {
        cases.push(vec!["demo", "--seconds", "1", "--rate", "10"]);
    }
    for arguments in cases {
        let ended = run_into_a_full_disk(&arguments).with_code(1);
        assert!(
            ended.stderr.contains("error: ") && ended.stderr.contains("cannot write to stdout"),
            "{}",
            ended.stderr
        );
    }
    // Wrong usage is said on stderr.
    run_into_a_full_disk(&["walk"]).with_code(2);
}

#[test]
fn a_document_is_read_from_stdin() {
    for (runtime, document, code, part) in [
        ("tokio", r#"[["LD_stop_statsd_sink"]]"#, 0, "statsd was not running"),
        ("smol", "[[", 1, "error: stdin: no JSON"),
        ("tokio", "", 1, "error: stdin: no JSON"),
    ] {
        let ended = run_with_stdin(&["--runtime", runtime, "run", "-"], document.as_bytes()).with_code(code);
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
    let ended = run_with_stdin(&["run", "-"], b"\xff").with_code(2);
    assert!(ended.stderr.contains("error: stdin: "), "{}", ended.stderr);
}

#[test]
fn help_lists_the_exit_codes() {
    let help = run(&["--help"]).with_code(0).stdout;
    let codes = help.split_once("Exit codes").expect("a section").1;
    for part in ["\n  2 ", "\n  129, 130, 143\n", "\n  1 ", "\n  3 ", "\n  0 ", "--allow-loss", "nohup"] {
        assert!(codes.contains(part), "{part:?}: {codes}");
    }
    assert!(help.contains("--linger <SECONDS>"), "{help}");
}
