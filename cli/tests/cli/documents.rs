//! Documents, their errors, and exit codes, as the user of the binary sees them.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

use loaddensity_metrics_vectors::closed_port::ClosedPort;

use crate::process::{Ended, run, run_unread, run_with};

const SECRET: &str = "hunter2";

fn run_str(document: &str) -> Ended {
    run(&["run-str", document])
}

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

#[test]
fn an_empty_document_does_nothing() {
    let ended = run_str("[]").with_code(0);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("no exporter was running\n", ""));
}

#[test]
fn each_kind_of_bad_input_is_named_and_the_remaining_actions_run() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("bound").port();
    let in_use = format!(r#"["LD_start_prometheus_exporter", [{taken}]]"#);
    let in_use_says = format!("127.0.0.1:{taken} is already in use");
    let cases: [(&str, &[&str]); 15] = [
        (
            r#"["LD_start_statd_sink"]"#,
            &["LD_start_statd_sink", "unknown command", "did you mean LD_start_statsd_sink?", "LD_start_test"],
        ),
        (
            r#"["LD_start_statsd_sink", {"prot": 1}]"#,
            &["LD_start_statsd_sink", "unknown parameter prot", "did you mean port?"],
        ),
        (
            r#"["LD_start_statsd_sink", {"port": "dogstatsd"}]"#,
            &["port is \"dogstatsd\"", "expected a port number from 1 to 65535"],
        ),
        (r#"["LD_start_statsd_sink", ["h", 70000]]"#, &["port is 70000", "from 1 to 65535"]),
        (r#"["LD_start_statsd_sink", ["h", 1, "p", 4]]"#, &["4 values given by position", "host, port, prefix"]),
        (r#"["LD_start_statsd_sink", {"prefix": "1 bad"}]"#, &["LD_start_statsd_sink", "prefix", "1 bad"]),
        (
            r#"["LD_start_statsd_sink", {"host": "user@agent"}]"#,
            &["LD_start_statsd_sink", "host is \"…@agent\"", "a host name or an address"],
        ),
        (
            r#"["LD_start_opentelemetry_exporter", {"endpoint": "localhost:4317"}]"#,
            &["endpoint is \"localhost:4317\"", "http://host:port"],
        ),
        (
            r#"["LD_start_opentelemetry_exporter", {"endpoint": "https://localhost:4317", "ca_file": "/no/such.pem"}]"#,
            &["ca_file", "/no/such.pem"],
        ),
        (
            r#"["LD_start_influxdb_sink", {"transport": "http", "url": "https://127.0.0.1/write?p=hunter2", "ca_file": "/no/such.pem"}]"#,
            &["ca_file", "/no/such.pem"],
        ),
        (&in_use, &["LD_start_prometheus_exporter", &in_use_says]),
        (
            r#"["LD_start_test", {"user_detail_dict": {"user": "websocket_user"}}]"#,
            &["user_detail_dict.user is \"websocket_user\"", "http_user or fast_http_user"],
        ),
        (
            r#"["LD_start_test", {"user_detail_dict": {"user": "http_user"}, "tasks": [{"method": "get", "request_url": "http://no-such-host.invalid/"}]}]"#,
            &["tasks[0].request_url", "no-such-host.invalid"],
        ),
        (
            r#"["LD_start_test", {"user_detail_dict": {"user": "http_user"}, "tasks": [{"method": "get", "request_url": "${var.base}/"}]}]"#,
            &["tasks[0].request_url: ${var.base} stands for nothing here", "\"variables\""],
        ),
        (r#""LD_stop_statsd_sink""#, &["no action: a string", r#"["LD_name", {"key": value}]"#]),
    ];
    let actions: Vec<&str> = cases.iter().map(|(action, _)| *action).chain([r#"["LD_stop_statsd_sink"]"#]).collect();
    let ended = run_str(&format!("[{}]", actions.join(","))).with_code(1);
    let errors: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), cases.len(), "{}", ended.stderr);
    for (index, ((_, parts), error)) in cases.iter().zip(errors).enumerate() {
        assert!(error.starts_with(&format!("error: run-str: actions[{index}]")), "{error}");
        for part in *parts {
            assert!(error.contains(part), "{error:?} lacks {part:?}");
        }
    }
    assert!(ended.stderr.contains("LD_stop_statsd_sink: statsd was not running"), "{}", ended.stderr);
    assert!(!ended.stderr.contains(SECRET) && !ended.stdout.contains(SECRET));
}

#[test]
fn what_is_no_document_says_where() {
    for (text, part) in [
        ("[[\"LD_stop_statsd_sink\"]", "line 1, column 24"),
        ("{\"load_densty\": []}", "{\"load_density\": [action, …]}"),
    ] {
        let ended = run_str(text).with_code(1);
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
}

#[test]
fn secrets_are_nowhere_in_the_output() {
    // Nobody listens there, so that errors about the backend are said as well.
    let closed = ClosedPort::new().expect("a port");
    let closed = closed.address().expect("bound");
    let port = closed.port();
    let load = format!(
        r#"["LD_start_test", {{"user_detail_dict": {{"user": "http_user"}}, "user_count": 1, "test_time": 0.2,
            "tasks": [{{"method": "get", "request_url": "http://{closed}/", "name": "x"}}]}}]"#
    );
    let document = format!(
        r#"[["LD_start_influxdb_sink", {{"transport": "http", "port": {port}, "database": "d", "username": "u", "password": "{SECRET}"}}],
            {load},
            ["LD_start_influxdb_sink", {{"transport": "http", "url": "http://{closed}/write?p={SECRET}", "token": "{SECRET}"}}],
            {load},
            ["LD_start_influxdb_sink", {{"transport": "http", "url": "http://u:{SECRET}@{closed}/write"}}],
            ["LD_start_influxdb_sink", ["http", "h", 1, null, null, "m", "{SECRET}"]],
            ["LD_start_influxdb_sink", {{"transport": "http", "token": "{SECRET}"}}],
            ["LD_start_influxdb_sink", {{"transport": "http", "passwort": "{SECRET}"}}],
            ["LD_start_influxdb_sink", {{"transport": "http", "token": ["{SECRET}"]}}],
            ["LD_start_influxdb_sink", {{"transport": "http", "url": "ftp://u:{SECRET}@h/?p={SECRET}"}}]]"#
    );
    let ended = run_str(&document).with_code(1);
    assert_eq!(ended.stderr.lines().filter(|line| line.starts_with("error: ")).count(), 6, "{}", ended.stderr);
    assert!(!ended.stderr.contains(SECRET) && !ended.stdout.contains(SECRET), "{}{}", ended.stderr, ended.stdout);
    assert!(ended.stderr.contains("not delivered"), "{}", ended.stderr);
}

#[test]
fn a_backend_that_is_not_there_is_said_and_its_losses_are_in_the_table() {
    let closed = ClosedPort::new().expect("a port");
    let closed = closed.address().expect("bound");
    let port = closed.port();
    let document = format!(
        r#"[["LD_start_influxdb_sink", {{"transport": "http", "port": {port}, "batch_seconds": 0.05}}],
            ["LD_start_opentelemetry_exporter", {{"endpoint": "http://{closed}", "export_interval_ms": 50}}],
            ["LD_start_test", {{"user_detail_dict": {{"user": "http_user"}}, "user_count": 2, "spawn_rate": 100, "test_time": 1,
              "tasks": [{{"method": "get", "request_url": "http://{closed}/", "name": "nobody"}}]}}]]"#
    );
    let ended = run_str(&document).with_code(3);
    let test = ended.stdout.lines().find(|line| line.starts_with("LD_start_test: ")).expect("a summary");
    let requests: u64 = test["LD_start_test: ".len()..].split(' ').next().expect("a number").parse().expect("a number");
    assert!(requests > 0 && test.contains(&format!(" {requests} failed")), "{test}");
    for (exporter, start) in [
        ("influxdb", "actions[0] LD_start_influxdb_sink"),
        ("opentelemetry", "actions[1] LD_start_opentelemetry_exporter"),
    ] {
        assert_eq!(ended.row(exporter), [requests, 0, requests], "{}", ended.stdout);
        let warned = |part: &str| {
            ended.stderr.lines().any(|line| line.starts_with(&format!("warning: {start}")) && line.contains(part))
        };
        assert!(warned(&closed.to_string()), "{}", ended.stderr);
        assert!(warned(&format!("{requests} of {requests} requests not delivered")), "{}", ended.stderr);
    }
}

#[test]
fn a_backend_that_is_missed_only_at_the_end_is_named_with_its_settings() {
    let closed = ClosedPort::new().expect("a port");
    let closed = closed.address().expect("bound");
    let port = closed.port();
    let load = format!(
        r#"["LD_start_test", {{"user_detail_dict": {{"user": "http_user"}}, "user_count": 1, "test_time": 0.2,
            "tasks": [{{"method": "get", "request_url": "http://{closed}/", "name": "x"}}]}}]"#
    );
    // All of it is sent by the stops.
    let document = format!(
        r#"[["LD_start_influxdb_sink", {{"transport": "http", "port": {port}, "batch_seconds": 600}}],
            ["LD_start_opentelemetry_exporter", {{"endpoint": "http://{closed}", "export_interval_ms": 600000}}],
            {load},
            ["LD_start_influxdb_sink", {{"transport": "http", "url": "http://{closed}/write?p={SECRET}", "batch_seconds": 600}}],
            {load},
            ["LD_stop_influxdb_sink"]]"#
    );
    let ended = run_str(&document).with_code(3);
    for start in [
        format!(
            "actions[0] LD_start_influxdb_sink: host \"127.0.0.1\", port {port}: http://{closed}/write: cannot connect"
        ),
        format!("actions[1] LD_start_opentelemetry_exporter: endpoint http://{closed}: cannot connect"),
        format!("actions[3] LD_start_influxdb_sink: url http://{closed}/write: cannot connect"),
    ] {
        assert!(ended.stderr.contains(&format!("warning: {start}")), "{start}:\n{}", ended.stderr);
    }
    assert!(!ended.stderr.contains(SECRET) && !ended.stdout.contains(SECRET), "{}{}", ended.stderr, ended.stdout);
    // Of requests, and of observations.
    let rows: Vec<&str> = ended.stdout.lines().filter(|line| line.starts_with("influxdb  ")).collect();
    let is_run = |(row, run): (&&str, u32)| row.ends_with(&format!("(run {run} of 2)"));
    assert!(rows.len() == 4 && rows.iter().zip([1, 2, 1, 2]).all(is_run), "{rows:?}");
}

#[test]
fn nobody_who_reads_is_no_reason_to_fail() {
    // An error, an answer, a summary and a table: everything that is ever said.
    let load = r#"["LD_start_test", {"user_detail_dict": {"user": "http_user"}, "user_count": 1, "test_time": 0.1,
        "tasks": [{"method": "get", "request_url": "http://127.0.0.1:9/"}]}]"#;
    let document = format!(r#"[["LD_start_statsd_sink"], ["LD_stop_statsd_sink"], {load}, ["LD_stop_statsd_sink"]]"#);
    assert_eq!(run_unread(&["run-str", &document]).code(), Some(0));
    assert_eq!(run_unread(&["run-str", r#"[["LD_unknown"]]"#]).code(), Some(1));
    assert_eq!(run_unread(&["run", "no-such-file.json"]).code(), Some(2));
}

#[test]
fn run_dir_takes_every_json_below_it_in_order_and_goes_on_after_errors() {
    let folder = folder("run_dir_order");
    // Each document tells itself apart by an unknown command of its own.
    for (path, text) in [
        ("b.json", r#"[["LD_second"]]"#),
        ("a/z.json", "no document: first"),
        ("c/deep/er/x.json", r#"[["LD_third"]]"#),
        ("c/deep/er/y.JSON.txt", r#"[["LD_never"]]"#),
        ("d.json", r#"[["LD_stop_statsd_sink"]]"#),
    ] {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    let ended = run(&["run-dir", folder.to_str().expect("UTF-8")]).with_code(1);
    let order: Vec<&str> = ended
        .stderr
        .lines()
        .map(|line| {
            let known = ["z.json: no JSON", "LD_second", "LD_third", "LD_stop_statsd_sink: statsd was not running"];
            *known.iter().find(|part| line.contains(**part)).unwrap_or_else(|| panic!("{line}"))
        })
        .collect();
    assert_eq!(order, ["z.json: no JSON", "LD_second", "LD_third", "LD_stop_statsd_sink: statsd was not running"]);
    // Documents that are right leave 0.
    let ended = run(&["run", folder.join("d.json").to_str().expect("UTF-8")]).with_code(0);
    assert!(ended.stderr.contains("statsd was not running"));
}

#[test]
fn wrong_usage_is_2() {
    let empty = folder("empty");
    for arguments in [
        &[][..],
        &["walk"],
        &["run"],
        &["run", "no-such-file.json"],
        &["run-dir", "no-such-folder"],
        &["run-dir", empty.to_str().expect("UTF-8")],
        &["--runtime", "async-std", "run-str", "[]"],
    ] {
        let ended = run(arguments).with_code(2);
        assert!(!ended.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn help_tells_of_commands_and_exit_codes() {
    let ended = run(&["--help"]).with_code(0);
    for part in ["run-dir", "run-str", "--runtime", "LD_start_test", "Exit codes"] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
}

#[test]
fn the_environment_is_read_only_when_asked_for() {
    let variables = [("DD_AGENT_HOST", "no-such-host.invalid"), ("DD_DOGSTATSD_PORT", "70000")];
    let document = r#"[["LD_start_statsd_sink", {"port": 9}]]"#;
    let without = run_with(&["run-str", document], &variables).with_code(0);
    assert!(without.stderr.contains("statsd started"), "{}", without.stderr);
    let wrong = run_with(&["--env", "run-str", r#"[["LD_start_statsd_sink"]]"#], &variables).with_code(1);
    let says = "error: run-str: actions[0] LD_start_statsd_sink: environment variable DD_DOGSTATSD_PORT is \"70000\"";
    assert!(wrong.stderr.contains(says), "{}", wrong.stderr);
    // A name need not have an address yet: it is asked until it has one.
    run_with(&["run-str", "--env", document], &variables[..1]).with_code(0);
    let user = [("DD_AGENT_HOST", "user@agent")];
    let host = run_with(&["run-str", "--env", document], &user).with_code(1);
    assert!(host.stderr.contains("DD_AGENT_HOST"), "{}", host.stderr);
    let given = r#"[["LD_start_statsd_sink", {"port": 9, "host": "127.0.0.1"}]]"#;
    let wins = run_with(&["--env", "run-str", given], &variables[..1]).with_code(0);
    assert!(wins.stderr.contains("statsd started"), "{}", wins.stderr);
}
