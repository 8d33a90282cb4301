//! Tables: what an action says, and what is wrong with it.

use serde_json::{Value, json};

use super::*;
use crate::actions::{Arguments, Document};
use crate::config::ExporterConfig;

fn parsed(command: &str, arguments: &Value) -> Result<Command, ActionError> {
    let document = json!([[command, arguments]]).to_string();
    let mut document = Document::parse(&document).expect("a document");
    document.actions.remove(0).and_then(|action| Command::from_action(&action))
}

/// Each pair of argument lists, one by name and one by position, must give the same command.
fn same(command: &str, forms: [Value; 2], expected: &Command) {
    for arguments in forms {
        let read = parsed(command, &arguments).unwrap_or_else(|error| panic!("{command} {arguments}: {error}"));
        assert_eq!(read, *expected, "{command} {arguments}");
    }
}

fn refused(command: &str, cases: &[(Value, &str)]) {
    for (arguments, expected) in cases {
        let error = parsed(command, arguments).expect_err(&arguments.to_string()).to_string();
        assert_eq!(error, format!("actions[0] {command}: {expected}"), "{arguments}");
    }
}

#[test]
fn without_arguments_each_start_has_the_contracts_defaults() {
    let nulls = |count: usize| Value::from(vec![Value::Null; count]);
    for (count, command, expected) in [
        (2, "LD_start_prometheus_exporter", Command::StartPrometheus(PrometheusConfig::default())),
        (10, "LD_start_influxdb_sink", Command::StartInfluxdb(InfluxdbConfig::default())),
        (3, "LD_start_statsd_sink", Command::StartStatsd(StatsdConfig::default())),
        (3, "LD_start_opentelemetry_exporter", Command::StartOpenTelemetry(OpenTelemetryConfig::default())),
    ] {
        same(command, [json!({}), nulls(count)], &expected);
        let more = parsed(command, &nulls(count + 1)).expect_err("one too many").to_string();
        assert!(more.contains(&format!("{} values given by position", count + 1)), "{more}");
    }
}

#[test]
fn stop_commands_take_nothing() {
    for (command, expected) in [
        ("LD_stop_prometheus_exporter", Command::StopPrometheus),
        ("LD_stop_influxdb_sink", Command::StopInfluxdb),
        ("LD_stop_statsd_sink", Command::StopStatsd),
        ("LD_stop_opentelemetry_exporter", Command::StopOpenTelemetry),
    ] {
        same(command, [json!({}), json!([])], &expected);
        refused(
            command,
            &[
                (json!({"port": 1}), "unknown parameter port; it takes none"),
                (json!([1]), "1 values given by position; it takes none"),
            ],
        );
    }
}

#[test]
fn prometheus() {
    let expected = Command::StartPrometheus(PrometheusConfig { port: 0, addr: "::1".into() });
    let forms = [json!({"port": 0, "addr": "[::1]"}), json!([0, "::1"])];
    same("LD_start_prometheus_exporter", forms, &expected);
    let host = "a host name or an address, without scheme, port or path";
    refused(
        "LD_start_prometheus_exporter",
        &[
            (json!([65_536]), "port is 65536; expected a port number from 0 to 65535"),
            (json!({"port": "9646"}), "port is \"9646\"; expected a port number from 0 to 65535"),
            (json!({"addr": 7}), &format!("addr is 7; expected {host}")),
            (json!({"addr": ""}), &format!("addr is \"\"; expected {host}")),
            (json!({"addr": "127.0.0.1:9646"}), &format!("addr is \"127.0.0.1:9646\"; expected {host}")),
            (json!({"host": "h"}), "unknown parameter host; did you mean port? the parameters are port, addr"),
        ],
    );
}

#[test]
fn influxdb_over_udp() {
    let expected = Command::StartInfluxdb(InfluxdbConfig {
        target: InfluxdbTarget::Udp { host: "db".into(), port: 9 },
        measurement: "m".into(),
        timeout: Duration::from_millis(2_500),
        ..InfluxdbConfig::default()
    });
    let forms = [
        json!({"transport": "UDP", "host": "db", "port": 9, "measurement": "m", "timeout": 2.5, "url": null}),
        json!(["Udp", "db", 9, null, null, "m", 2.5]),
    ];
    same("LD_start_influxdb_sink", forms, &expected);
    let sized = InfluxdbConfig { datagram_bytes: 512, buffer_events: 9, ..InfluxdbConfig::default() };
    let arguments = json!({"datagram_bytes": 512, "buffer_events": 9});
    assert_eq!(parsed("LD_start_influxdb_sink", &arguments).unwrap(), Command::StartInfluxdb(sized));
}

#[test]
fn influxdb_over_http() {
    let target = InfluxdbTarget::Http {
        host: "127.0.0.1".into(),
        port: 8_086,
        database: Some("d".into()),
        username: Some("u".into()),
        password: Some(Secret::new("p")),
    };
    let expected = Command::StartInfluxdb(InfluxdbConfig { target, ..InfluxdbConfig::default() });
    let forms = [
        json!({"transport": "http", "database": "d", "username": "u", "password": "p"}),
        json!(["HTTP", null, null, null, null, null, null, "d", "u", "p"]),
    ];
    same("LD_start_influxdb_sink", forms, &expected);

    let url = "http://h:1/api/v2/write?org=o&bucket=b";
    let target = InfluxdbTarget::Url { url: url.into(), token: Some(Secret::new("t")) };
    let expected = Command::StartInfluxdb(InfluxdbConfig { target, ..InfluxdbConfig::default() });
    let forms =
        [json!({"transport": "http", "url": url, "token": "t", "host": null}), json!(["http", null, null, url, "t"])];
    same("LD_start_influxdb_sink", forms, &expected);

    let batch = BatchLimits { points: 10, bytes: 4_096, age: Duration::from_millis(200) };
    let arguments = json!({"transport": "http", "batch_points": 10, "batch_bytes": 4096, "batch_seconds": 0.2});
    let Ok(Command::StartInfluxdb(config)) = parsed("LD_start_influxdb_sink", &arguments) else {
        panic!("not read: {arguments}");
    };
    assert_eq!(config.batch, batch);
}

#[test]
fn what_influxdb_refuses() {
    let udp = "has no meaning over UDP; say \"transport\": \"http\" with it";
    let url = "cannot be given beside url, which is complete in itself; leave one of them out";
    let complete = "expected a complete URL, http://host:port/…";
    let with_url = |key: &str, value: Value| {
        let mut arguments = json!({"transport": "http", "url": "http://h/write"});
        arguments[key] = value;
        arguments
    };
    refused(
        "LD_start_influxdb_sink",
        &[
            (json!(["tcp"]), "transport is a string (not shown); expected \"udp\" or \"http\""),
            (json!({"transport": "tcp"}), "transport is \"tcp\"; expected \"udp\" or \"http\""),
            (json!({"transport": 1}), "transport is 1; expected \"udp\" or \"http\""),
            (json!({"url": "http://h/write"}), &format!("url: {udp}")),
            (json!({"token": "hunter2"}), &format!("token: {udp}")),
            (json!({"transport": "udp", "password": "hunter2"}), &format!("password: {udp}")),
            (json!({"batch_points": 5}), &format!("batch_points: {udp}")),
            (with_url("host", json!("h")), &format!("host: {url}")),
            (with_url("port", json!(1)), &format!("port: {url}")),
            (with_url("database", json!("d")), &format!("database: {url}")),
            (with_url("username", json!("u")), &format!("username: {url}")),
            (with_url("password", json!("hunter2")), &format!("password: {url}")),
            (
                with_url("datagram_bytes", json!(9)),
                "datagram_bytes: has no meaning over HTTP; leave it out, or use transport \"udp\"",
            ),
            (
                json!({"transport": "http", "token": "hunter2"}),
                "token: goes with url only; database, username and password go with host and port",
            ),
            (json!({"transport": "http", "password": "hunter2"}), "password: needs username beside it"),
            (json!({"password": ["hunter2"]}), "password is a list (not shown); expected a string"),
            (json!({"token": 5}), "token is a number (not shown); expected a string"),
            (with_url("url", json!("h:1/write")), &format!("url is \"h:1/write\"; {complete}")),
            (
                with_url("url", json!("ftp://me:hunter2@h/write?p=hunter2")),
                &format!("url is \"ftp://…@h\"; {complete}"),
            ),
            (with_url("url", json!("http://")), &format!("url is \"http://\"; {complete}")),
            (json!({"timeout": 0}), "timeout is 0; expected a number of seconds from 0.001 to 86400"),
        ],
    );
}

#[test]
fn statsd() {
    let expected = Command::StartStatsd(StatsdConfig {
        host: "agent".into(),
        port: 9,
        prefix: "my.app".into(),
        ..StatsdConfig::default()
    });
    let forms = [json!({"host": "agent", "port": 9, "prefix": "my.app.."}), json!(["agent", 9, "my.app"])];
    same("LD_start_statsd_sink", forms, &expected);
    let packed = StatsdConfig { datagram_bytes: Some(1_432), buffer_events: 5, ..StatsdConfig::default() };
    let arguments = json!({"datagram_bytes": 1432, "buffer_events": 5});
    assert_eq!(parsed("LD_start_statsd_sink", &arguments).unwrap(), Command::StartStatsd(packed));
    let known = "the parameters are host, port, prefix, datagram_bytes, buffer_events";
    refused(
        "LD_start_statsd_sink",
        &[
            (json!({"port": 0}), "port is 0; expected a port number from 1 to 65535"),
            (json!({"prefix": false}), "prefix is false; expected a string"),
            (json!({"prot": 1}), &format!("unknown parameter prot; did you mean port? {known}")),
            (json!({"datagram_bytes": 0}), "datagram_bytes is 0; expected a number of bytes from 1 to 65507"),
            (json!(["h", 1, "p", 1432]), "4 values given by position; at most, in this order: host, port, prefix"),
        ],
    );
}

#[test]
fn opentelemetry() {
    let expected = Command::StartOpenTelemetry(OpenTelemetryConfig {
        endpoint: "http://c:4317".into(),
        service_name: "s".into(),
        export_interval: Duration::from_millis(250),
        ..OpenTelemetryConfig::default()
    });
    let forms = [
        json!({"endpoint": "http://c:4317", "service_name": "s", "export_interval_ms": 250}),
        json!(["http://c:4317", "s", 250]),
    ];
    same("LD_start_opentelemetry_exporter", forms, &expected);
    let limited = OpenTelemetryConfig {
        timeout: Duration::from_secs(3),
        max_request_bytes: 4_096,
        ..OpenTelemetryConfig::default()
    };
    let arguments = json!({"timeout": 3, "max_request_bytes": 4096});
    let read = parsed("LD_start_opentelemetry_exporter", &arguments).unwrap();
    assert_eq!(read, Command::StartOpenTelemetry(limited));
    refused(
        "LD_start_opentelemetry_exporter",
        &[
            (json!(["localhost:4317"]), "endpoint is \"localhost:4317\"; expected a complete URL, http://host:port/…"),
            (
                json!({"export_interval_ms": 0.5}),
                "export_interval_ms is 0.5; expected a number of milliseconds from 1 to 86400000",
            ),
        ],
    );
}

/// What the exporters' own check makes of the settings.
fn checked(command: Command) -> Result<(), crate::StartError> {
    match command {
        Command::StartInfluxdb(config) => ExporterConfig::Influxdb(config).check(),
        Command::StartStatsd(config) => ExporterConfig::Statsd(config).check(),
        Command::StartOpenTelemetry(config) => ExporterConfig::OpenTelemetry(config).check(),
        other => panic!("{other:?} has no ranges"),
    }
}

#[test]
fn what_is_within_the_named_ranges_is_fit_to_start() {
    let (influxdb, statsd) = ("LD_start_influxdb_sink", "LD_start_statsd_sink");
    let opentelemetry = "LD_start_opentelemetry_exporter";
    for (command, key, inside, outside) in [
        (influxdb, "batch_points", [json!(1), json!(usize::MAX)], [json!(0), json!(-1)]),
        (influxdb, "batch_bytes", [json!(4_096), json!(25_000_000)], [json!(4_095), json!(25_000_001)]),
        (influxdb, "batch_seconds", [json!(0.001), json!(86_400)], [json!(0.0001), json!(86_400.1)]),
        (influxdb, "timeout", [json!(0.001), json!(86_400)], [json!(0.0001), json!(86_400.1)]),
        (influxdb, "buffer_events", [json!(1), json!(16_777_216)], [json!(0), json!(16_777_217)]),
        (statsd, "buffer_events", [json!(1), json!(16_777_216)], [json!(0), json!(16_777_217)]),
        (statsd, "datagram_bytes", [json!(1), json!(65_507)], [json!(0), json!(65_508)]),
        (opentelemetry, "timeout", [json!(0.001), json!(86_400)], [json!(0.0001), json!(86_400.1)]),
        (opentelemetry, "export_interval_ms", [json!(1), json!(86_400_000)], [json!(0), json!(86_400_001)]),
        (opentelemetry, "max_request_bytes", [json!(4_096), json!(67_108_864)], [json!(4_095), json!(67_108_865)]),
    ] {
        let with = |value: &Value| {
            let mut arguments = if key.starts_with("batch") { json!({"transport": "http"}) } else { json!({}) };
            arguments[key] = value.clone();
            parsed(command, &arguments)
        };
        for value in &inside {
            let read = with(value).unwrap_or_else(|error| panic!("{error}"));
            checked(read).unwrap_or_else(|error| panic!("{key} {value}: {error}"));
        }
        for value in &outside {
            let text = with(value).expect_err(&format!("{key} {value}")).to_string();
            assert!(
                text.starts_with(&format!("actions[0] {command}: {key} is {value}; expected a number of")),
                "{text}"
            );
        }
    }
}

#[test]
fn unknown_commands_name_what_there_is() {
    let action = Action { index: 7, command: "LD_start_statd_sink".into(), arguments: Arguments::Positional(vec![]) };
    let text = Command::from_action(&action).expect_err("unknown").to_string();
    let known = COMMANDS.join(", ");
    assert_eq!(
        text,
        format!(
            "actions[7] LD_start_statd_sink: unknown command; did you mean LD_start_statsd_sink? the commands are {known}"
        )
    );
    let text = ActionError::unknown_command(&action, &["LD_start_test"]).to_string();
    assert!(text.ends_with(&format!("{known}, LD_start_test")), "{text}");
}

#[test]
fn every_command_of_the_list_is_known() {
    for name in COMMANDS {
        let command = parsed(name, &json!({})).expect(name);
        assert_eq!(name.starts_with("LD_start_"), command.is_start(), "{name}");
        assert!(name.contains(command.exporter().as_str()), "{name}");
    }
}
