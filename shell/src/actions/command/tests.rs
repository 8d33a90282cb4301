//! Tables of actions: the command that each one gives, or its error.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::actions::{Arguments, Document};
use crate::config::{
    BatchLimits, Credentials, InfluxdbHttp, InfluxdbTarget, InfluxdbUdp, InfluxdbUrl, InfluxdbV1, InfluxdbV2,
    InfluxdbV3, Observations, PageAccess, PageLimits, Precision, Secret, StatusCode, Temporality,
};
use crate::config::{InfluxdbConfig, OpenTelemetryConfig, PrometheusConfig, StatsdConfig};
use crate::environment::logged::logged;
use crate::{Cardinality, SampleRate, StatsdOrigin};

mod fields;
mod proxy;
mod tls;

pub(super) fn parsed(command: &str, arguments: &Value) -> Result<Command, ActionError> {
    let document = json!([[command, arguments]]).to_string();
    let mut document = Document::parse(&document).expect("a document");
    document.actions.remove(0).and_then(|action| Command::from_action(&action))
}

fn parsed_in(environment: &Environment, command: &str, arguments: &Value) -> Result<Command, String> {
    let mut document = Document::parse(&json!([[command, arguments]]).to_string()).expect("a document");
    let action = document.actions.remove(0).expect("an action");
    Command::from_action_in(&action, environment).map_err(|error| error.to_string())
}

/// Checks that all these arguments, by name and by position, give the same command.
fn same<const N: usize>(command: &str, forms: [Value; N], expected: &Command) {
    for arguments in forms {
        let read = parsed(command, &arguments).unwrap_or_else(|error| panic!("{command} {arguments}: {error}"));
        assert_eq!(read, *expected, "{command} {arguments}");
    }
}

pub(super) fn refused(command: &str, cases: &[(Value, &str)]) {
    for (arguments, expected) in cases {
        let error = parsed(command, arguments).expect_err(&arguments.to_string()).to_string();
        assert_eq!(error, format!("actions[0] {command}: {expected}"), "{arguments}");
    }
}

#[test]
fn without_arguments_each_start_uses_the_defaults() {
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
fn given_parameters_win_over_the_environment_and_only_its_own_exporter_reads_a_variable() {
    let environment = Environment::of([
        ("DD_AGENT_HOST", "agent"),
        ("DD_DOGSTATSD_PORT", "9125"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2"),
    ]);
    let read = |command: &str, arguments: Value| parsed_in(&environment, command, &arguments);
    let config = |host: &str, port| StatsdConfig { host: host.into(), port, ..StatsdConfig::default() };
    for (arguments, expected) in [
        (json!({}), config("agent", 9_125)),
        (json!({"port": 1}), config("agent", 1)),
        (json!(["h"]), config("h", 9_125)),
    ] {
        assert_eq!(read("LD_start_statsd_sink", arguments), Ok(Command::StartStatsd(expected)));
    }
    // A wrong variable is an error only for the exporter that reads it. Without this environment nothing is read.
    let error = read("LD_start_opentelemetry_exporter", json!({})).expect_err("no headers");
    let says = "actions[0] LD_start_opentelemetry_exporter: environment variable OTEL_EXPORTER_OTLP_HEADERS (value not";
    assert!(error.starts_with(says), "{error}");
    let plain = parsed("LD_start_statsd_sink", &json!({})).expect("defaults");
    assert_eq!(plain, Command::StartStatsd(StatsdConfig::default()));
}

#[test]
fn stop_commands_take_no_arguments() {
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
fn prometheus_takes_port_and_host_by_name_and_by_position() {
    let expected =
        Command::StartPrometheus(PrometheusConfig { port: 0, host: "::1".into(), ..PrometheusConfig::default() });
    let forms = [json!({"port": 0, "host": "[::1]"}), json!({"port": 0, "addr": "[::1]"}), json!([0, "::1"])];
    same("LD_start_prometheus_exporter", forms, &expected);
    let host = "a host name or an address, without scheme, port or path";
    refused(
        "LD_start_prometheus_exporter",
        &[
            (json!([65_536]), "port is 65536; expected a port number from 0 to 65535"),
            (json!({"port": "9646x"}), "port is \"9646x\"; expected a port number from 0 to 65535"),
            (json!({"host": 7}), &format!("host is 7; expected {host}")),
            (json!({"addr": 7}), &format!("addr is 7; expected {host}")),
            (json!({"addr": ""}), &format!("addr is \"\"; expected {host}")),
            (json!({"addr": "127.0.0.1:9646"}), &format!("addr is \"127.0.0.1:9646\"; expected {host}")),
            (
                json!({"hots": "h"}),
                "unknown parameter hots; did you mean host? the parameters are port, host, path, constant_labels, created_times, gzip, username, \
                 password, bearer_token, certificate, key, client_ca_file, linger_seconds, connections, head_bytes, head_seconds, idle_seconds",
            ),
        ],
    );
}

#[test]
fn prometheus_takes_its_other_parameters_by_name() {
    let start = |config| Command::StartPrometheus(config);
    let limits = PageLimits {
        connections: 2,
        head_bytes: 9_000,
        head_timeout: Duration::from_secs(3),
        idle_timeout: Duration::from_secs(4),
    };
    let expected = PrometheusConfig {
        path: "/x".into(),
        constant_labels: [("run", "7")].into(),
        created_times: true,
        linger: Some(Duration::from_millis(2_500)),
        gzip: !PrometheusConfig::default().gzip,
        limits,
        ..PrometheusConfig::default()
    };
    let form = json!({"path": "/x", "constant_labels": {"run": "7"}, "created_times": true,
        "linger_seconds": "2.5", "gzip": expected.gzip, "connections": 2, "head_bytes": 9_000, "head_seconds": 3, "idle_seconds": 4});
    let mut of_old = form.clone();
    let gzip = of_old.as_object_mut().and_then(|named| named.remove("gzip")).expect("an object");
    of_old["compression"] = gzip;
    same("LD_start_prometheus_exporter", [form, of_old], &start(expected));
    let off = PrometheusConfig { linger: Some(Duration::ZERO), ..PrometheusConfig::default() };
    same("LD_start_prometheus_exporter", [json!({"linger_seconds": 0})], &start(off));
    let access = PageAccess::Basic { username: "me".into(), password: Secret::new("hunter2") };
    let expected = PrometheusConfig { access, ..PrometheusConfig::default() };
    same("LD_start_prometheus_exporter", [json!({"username": "me", "password": "hunter2"})], &start(expected));
    let access = PageAccess::Bearer(Secret::new("hunter2"));
    let expected = PrometheusConfig { access, ..PrometheusConfig::default() };
    same("LD_start_prometheus_exporter", [json!({"bearer_token": "hunter2"})], &start(expected));
    refused(
        "LD_start_prometheus_exporter",
        &[
            (json!({"username": "me"}), "username: has no meaning without password; give both"),
            (json!({"password": "hunter2"}), "password: has no meaning without username; give both"),
            (
                json!({"bearer_token": "hunter2", "password": "hunter2"}),
                "password: has no meaning beside bearer_token; leave one of them out",
            ),
            (json!({"bearer_token": 7}), "bearer_token is a number (not shown); expected a string"),
            (json!({"created_times": "yes"}), "created_times is \"yes\"; expected true or false"),
            (json!({"gzip": "yes"}), "gzip is \"yes\"; expected true or false"),
            (json!({"compression": "gzip"}), "compression is \"gzip\"; expected true or false"),
            (json!({"head_bytes": 1}), "head_bytes is 1; expected a number of bytes from 8192 to 1048576"),
            (json!({"linger_seconds": -1}), "linger_seconds is -1; expected a number of seconds from 0 to 86400"),
            (json!({"linger_seconds": true}), "linger_seconds is true; expected a number of seconds from 0 to 86400"),
            (json!({"connections": 0}), "connections is 0; expected a number of connections from 1 to 4096"),
        ],
    );
}

#[test]
fn influxdb_takes_the_parameters_for_udp() {
    let expected = Command::StartInfluxdb(InfluxdbConfig {
        target: InfluxdbTarget::Udp(InfluxdbUdp::new("db", 9)),
        measurement: "m".into(),
        timeout: Duration::from_millis(2_500),
        ..InfluxdbConfig::default()
    });
    let forms = [
        json!({"transport": "UDP", "host": "db", "port": 9, "measurement": "m", "timeout": 2.5, "url": null}),
        json!(["Udp", "db", 9, null, null, "m", 2.5]),
    ];
    same("LD_start_influxdb_sink", forms, &expected);
    let sized = InfluxdbConfig {
        datagram_bytes: 512,
        segmentation_offload: false,
        buffer_events: 9,
        ..InfluxdbConfig::default()
    };
    let arguments = json!({"datagram_bytes": 512, "segmentation_offload": false, "buffer_events": 9});
    assert_eq!(parsed("LD_start_influxdb_sink", &arguments).unwrap(), Command::StartInfluxdb(sized));
}

#[test]
fn influxdb_takes_the_parameters_for_http() {
    let target = InfluxdbTarget::Http(InfluxdbHttp {
        host: "127.0.0.1".into(),
        port: 8_086,
        database: Some("d".into()),
        username: Some("u".into()),
        password: Some(Secret::new("p")),
    });
    let expected = Command::StartInfluxdb(InfluxdbConfig { target, ..InfluxdbConfig::default() });
    let forms = [
        json!({"transport": "http", "database": "d", "username": "u", "password": "p"}),
        json!(["HTTP", null, null, null, null, null, null, "d", "u", "p"]),
    ];
    same("LD_start_influxdb_sink", forms, &expected);

    let url = "http://h:1/api/v2/write?org=o&bucket=b";
    let target = InfluxdbTarget::Url(InfluxdbUrl { url: url.into(), token: Some(Secret::new("t")) });
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
fn influxdb_takes_the_parameters_of_each_api() {
    let server = || "http://db:1/base".to_owned();
    let token = || Some(Secret::new("t"));
    for (arguments, target) in [
        (
            json!({"transport": "http", "api": "V1", "url": server(), "database": "d", "retention_policy": "r",
                "username": "u", "password": "p", "credentials": "query"}),
            InfluxdbTarget::V1(InfluxdbV1 {
                server: server(),
                database: "d".into(),
                retention_policy: Some("r".into()),
                username: Some("u".into()),
                password: Some(Secret::new("p")),
                credentials: Credentials::Query,
            }),
        ),
        (
            json!({"api": "v2", "host": "::1", "org": "o", "bucket": "b", "token": "t", "precision": "ns"}),
            InfluxdbTarget::V2(InfluxdbV2 {
                server: "http://[::1]:8086".into(),
                org: "o".into(),
                bucket: "b".into(),
                token: token(),
            }),
        ),
        (
            json!({"api": "v3", "database": "d", "token": "t", "no_sync": true, "accept_partial": false}),
            InfluxdbTarget::V3(InfluxdbV3 {
                server: "http://127.0.0.1:8181".into(),
                database: "d".into(),
                token: token(),
                no_sync: true,
                accept_partial: false,
            }),
        ),
    ] {
        let expected = Command::StartInfluxdb(InfluxdbConfig { target, ..InfluxdbConfig::default() });
        assert_eq!(parsed("LD_start_influxdb_sink", &arguments).unwrap(), expected, "{arguments}");
    }
}

#[test]
fn influxdb_takes_the_parameters_for_points_and_tags() {
    let constant_labels = [("run", "7")].into();
    let config = InfluxdbConfig { constant_labels, status_code: StatusCode::Both, ..InfluxdbConfig::default() };
    let forms = ["constant_labels", "constant_tags"].map(|key| json!({key: {"run": "7"}, "status_code": "both"}));
    same("LD_start_influxdb_sink", forms, &Command::StartInfluxdb(config));
    let arguments = json!({"transport": "http", "gzip": true});
    let Ok(Command::StartInfluxdb(config)) = parsed("LD_start_influxdb_sink", &arguments) else {
        panic!("not read: {arguments}");
    };
    assert!(config.gzip && !config.create_database);
    for target in [json!({"api": "v1", "database": "d"}), json!({"transport": "http", "database": "d"})] {
        let mut arguments = target;
        arguments["create_database"] = json!(true);
        let Ok(Command::StartInfluxdb(config)) = parsed("LD_start_influxdb_sink", &arguments) else {
            panic!("not read: {arguments}");
        };
        assert!(config.create_database, "{arguments}");
    }
    let forms = [
        json!({"aggregate": true, "interval_seconds": 2.5, "instruments_seconds": 1.5, "precision": "ms"}),
        json!({"points": "interval", "interval_seconds": 2.5, "instruments_seconds": 1.5, "precision": "ms"}),
    ];
    let config = InfluxdbConfig {
        aggregate: true,
        interval: Duration::from_millis(2_500),
        instruments_interval: Duration::from_millis(1_500),
        precision: Precision::Millisecond,
        ..InfluxdbConfig::default()
    };
    same("LD_start_influxdb_sink", forms, &Command::StartInfluxdb(config));
    same("LD_start_influxdb_sink", [json!({"points": "request"})], &Command::StartInfluxdb(InfluxdbConfig::default()));
    let per_request = "is for points per request; leave it out, or aggregate";
    refused(
        "LD_start_influxdb_sink",
        &[
            (json!({"aggregate": "interval"}), "aggregate is \"interval\"; expected true or false"),
            (json!({"points": "second"}), "points is \"second\"; expected \"request\" or \"interval\""),
            (json!({"status_code": 1}), "status_code is 1; expected \"field\", \"tag\" or \"both\""),
            (
                json!({"constant_labels": ["run"]}),
                "constant_labels is a list; expected an object of strings, {\"name\": \"value\"}",
            ),
            (
                json!({"constant_tags": ["run"]}),
                "constant_tags is a list; expected an object of strings, {\"name\": \"value\"}",
            ),
            (json!({"points": "interval", "status_code": "tag"}), &format!("status_code: {per_request}")),
            (json!({"aggregate": true, "buffer_events": 9}), &format!("buffer_events: {per_request}")),
        ],
    );
}

/// The target of an action in an environment of these variables. What the action gives wins over the environment.
fn influxdb_target(variables: &[(&str, &str)], arguments: &Value) -> Result<InfluxdbTarget, String> {
    let environment = Environment::of(variables.iter().copied());
    match parsed_in(&environment, "LD_start_influxdb_sink", arguments)? {
        Command::StartInfluxdb(config) => Ok(config.target),
        other => panic!("{other:?}"),
    }
}

#[test]
fn arguments_replace_parts_of_the_influxdb_target_of_the_environment() {
    let v2 = |server: &str, bucket: &str| {
        InfluxdbTarget::V2(InfluxdbV2 {
            server: server.into(),
            org: "o".into(),
            bucket: bucket.into(),
            token: Some(Secret::new("t")),
        })
    };
    let variables =
        [("INFLUX_HOST", "http://env"), ("INFLUX_ORG", "o"), ("INFLUX_BUCKET", "env"), ("INFLUX_TOKEN", "t")];
    for (arguments, expected) in [
        (json!({}), v2("http://env", "env")),
        (json!({"bucket": "given"}), v2("http://env", "given")),
        (json!({"api": "v2", "port": 9}), v2("http://127.0.0.1:9", "env")),
        (json!({"transport": "udp"}), InfluxdbTarget::default()),
        (
            json!({"transport": "http", "url": "http://h/write"}),
            InfluxdbTarget::Url(InfluxdbUrl { url: "http://h/write".into(), token: None }),
        ),
    ] {
        assert_eq!(influxdb_target(&variables, &arguments), Ok(expected), "{arguments}");
    }
}

#[test]
fn an_incomplete_influxdb_target_of_the_environment_does_not_stop_an_action_that_names_its_own() {
    let udp = |host: &str, port| InfluxdbTarget::Udp(InfluxdbUdp::new(host, port));
    let v2 = InfluxdbTarget::V2(InfluxdbV2 {
        server: "http://env".into(),
        org: "o".into(),
        bucket: "b".into(),
        token: Some(Secret::new("t")),
    });
    let (host, token, v3) = (("INFLUX_HOST", "http://env"), ("INFLUX_TOKEN", "t"), ("INFLUXDB3_AUTH_TOKEN", "t"));
    for (variables, arguments, expected) in [
        (&[host][..], json!({"host": "h"}), udp("h", 8_089)),
        (&[host], json!(["udp", "h", 1]), udp("h", 1)),
        (&[host, token], json!({"api": "v2", "org": "o", "bucket": "b"}), v2),
        (&[v3], json!({"host": "h", "port": 1}), udp("h", 1)),
        (
            &[v3],
            json!({"database": "d"}),
            InfluxdbTarget::V3(InfluxdbV3 {
                server: "http://127.0.0.1:8181".into(),
                database: "d".into(),
                token: Some(Secret::new("t")),
                no_sync: false,
                accept_partial: true,
            }),
        ),
        (
            &[("INFLUX_BUCKET", "b")],
            json!({"transport": "http", "host": "h"}),
            InfluxdbTarget::Http(InfluxdbHttp {
                host: "h".into(),
                port: 8_086,
                database: None,
                username: None,
                password: None,
            }),
        ),
    ] {
        assert_eq!(influxdb_target(variables, &arguments), Ok(expected), "{variables:?} {arguments}");
    }
    // If the action names no target, an incomplete one of the environment is an error.
    let error = influxdb_target(&[host], &json!({})).expect_err("no bucket");
    assert!(error.contains("INFLUX_HOST") && error.contains("INFLUX_BUCKET_NAME"), "{error}");
}

#[test]
fn a_url_by_position_wins_over_the_host_and_port_before_it() {
    let target = |arguments: &Value| logged(|| influxdb_target(&[], arguments));
    let url = "http://h:1/write?db=d";
    let expected = InfluxdbTarget::Url(InfluxdbUrl { url: url.into(), token: None });
    for (arguments, warnings) in [
        (json!(["http", "127.0.0.1", 8089, url]), 0),
        (json!(["HTTP", "localhost", 8086, url]), 0),
        (json!(["http", null, null, url]), 0),
        (json!(["http", "db", 8089, url]), 1),
        (json!(["http", "127.0.0.1", 9, url]), 1),
        (json!({"transport": "http", "host": "127.0.0.1", "port": 8089, "url": url}), 0),
    ] {
        let (read, said) = target(&arguments);
        assert_eq!((read, said.len()), (Ok(expected.clone()), warnings), "{arguments}: {said:?}");
    }
}

/// The configuration of an action in an environment of these variables, or the error.
fn opentelemetry_config(variables: &[(&str, &str)], arguments: &Value) -> Result<OpenTelemetryConfig, String> {
    let environment = Environment::of(variables.iter().copied());
    match parsed_in(&environment, "LD_start_opentelemetry_exporter", arguments)? {
        Command::StartOpenTelemetry(config) => Ok(config),
        other => panic!("{other:?}"),
    }
}

#[test]
fn variables_are_not_read_for_what_an_action_gives() {
    let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2");
    let given = json!({"headers": {"api-key": "1"}});
    let config = opentelemetry_config(&[headers], &given).expect("headers of its own");
    assert_eq!(config.headers, [("api-key".into(), Secret::new("1"))]);
    // A key without a certificate is refused, but only if the endpoint is encrypted.
    let (key, https) = (("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/k"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c:4317"));
    assert!(opentelemetry_config(&[key, https], &json!({})).is_err());
    let config = opentelemetry_config(&[key, https], &json!({"endpoint": "http://h:4317"})).expect("no TLS");
    assert_eq!((&*config.endpoint, config.tls), ("http://h:4317", crate::config::ClientTls::default()));
    let files = json!({"client_certificate": "/c", "client_key": "/k"});
    let identity = opentelemetry_config(&[key, https], &files).expect("both").tls.identity;
    assert_eq!(identity.map(|identity| identity.certificate), Some("/c".into()));
    for (command, variable, arguments) in [
        ("LD_start_statsd_sink", "DD_AGENT_HOST", json!({"host": "h"})),
        ("LD_start_statsd_sink", "DD_DOGSTATSD_URL", json!({"url": "udp://h:1"})),
        ("LD_start_statsd_sink", "DD_DOGSTATSD_PORT", json!({"port": 1})),
        ("LD_start_prometheus_exporter", "OTEL_EXPORTER_PROMETHEUS_PORT", json!({"port": 1})),
    ] {
        let environment = Environment::of([(variable, "no such:thing/")]);
        assert!(parsed_in(&environment, command, &json!({})).is_err(), "{variable}");
        assert!(parsed_in(&environment, command, &arguments).is_ok(), "{variable}");
    }
}

#[test]
fn an_endpoint_of_the_environment_belongs_to_its_protocol_or_else_to_that_of_the_action() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1");
    let (grpc, http) = (("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), json!({"protocol": "http/protobuf"}));
    for (variables, arguments, expected) in [
        (&[endpoint][..], json!({}), "http://c:1"),
        (&[endpoint], http.clone(), "http://c:1/v1/metrics"),
        (&[endpoint, grpc], http.clone(), "http://localhost:4318/v1/metrics"),
        (&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")], http, "http://c:1/v1/metrics"),
    ] {
        let config = opentelemetry_config(variables, &arguments).expect("an endpoint");
        assert_eq!(config.endpoint, expected, "{variables:?} {arguments}");
    }
}

#[test]
fn settings_of_points_in_the_environment_give_way_to_those_of_an_action() {
    let delta = ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta");
    let exponential =
        ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "base2_exponential_bucket_histogram");
    let exemplars = ("OTEL_METRICS_EXEMPLAR_FILTER", "always_on");
    for (variable, arguments) in [
        (delta, json!({"min_max": true})),
        (delta, json!({"exemplars": true})),
        (exponential, json!({"http_client_duration": true})),
        (exemplars, json!({"temporality": "delta"})),
    ] {
        let (config, warnings) = logged(|| opentelemetry_config(&[variable], &arguments));
        assert_eq!(config, opentelemetry_config(&[], &arguments), "{variable:?} {arguments}");
        assert!(matches!(&warnings[..], [warning] if warning.contains("count as not set")), "{warnings:?}");
        checked(Command::StartOpenTelemetry(config.expect("a configuration"))).expect("fit to start");
    }
    // If the action itself has settings that do not go together, the start still refuses them.
    let wrong = opentelemetry_config(&[delta], &json!({"min_max": true, "temporality": "delta"})).expect("readable");
    assert!(checked(Command::StartOpenTelemetry(wrong)).is_err());
}

#[test]
fn wrong_parameters_of_the_apis_of_influxdb_are_refused() {
    let api = "needs \"api\": \"v1\", \"v2\" or \"v3\" beside it";
    let udp = "has no meaning over UDP; say \"transport\": \"http\" with it";
    let creates = "is for an InfluxDB 1 with a database; say \"api\": \"v1\" and \"database\" with it";
    refused(
        "LD_start_influxdb_sink",
        &[
            (json!({"api": "v4"}), "api is \"v4\"; expected \"v1\", \"v2\" or \"v3\""),
            (json!({"transport": "udp", "api": "v1"}), &format!("api: {udp}")),
            (json!({"retention_policy": "r"}), &format!("retention_policy: {udp}")),
            (json!({"no_sync": true}), &format!("no_sync: {udp}")),
            (json!({"gzip": true}), &format!("gzip: {udp}")),
            (json!({"create_database": true}), &format!("create_database: {creates}")),
            (json!({"transport": "http", "create_database": true}), &format!("create_database: {creates}")),
            (
                json!({"transport": "http", "url": "http://h/write?db=d", "create_database": true}),
                &format!("create_database: {creates}"),
            ),
            (json!({"api": "v3", "database": "d", "create_database": true}), &format!("create_database: {creates}")),
            (
                json!({"api": "v1", "database": "d", "create_database": "yes"}),
                "create_database is \"yes\"; expected true or false",
            ),
            (json!({"no_sync": 1}), "no_sync is 1; expected true or false"),
            (json!({"transport": "http", "bucket": "b"}), &format!("bucket: {api}")),
            (json!({"transport": "http", "retention_policy": "r"}), &format!("retention_policy: {api}")),
            (json!({"api": "v1", "bucket": "b"}), "bucket: is for api v2; api v1 takes database and retention_policy"),
            (
                json!({"api": "v1", "token": "hunter2"}),
                "token: is for api v2 and v3; api v1 takes username and password",
            ),
            (json!({"api": "v1", "password": "hunter2"}), "password: needs username beside it"),
            (json!({"api": "v1", "credentials": "both"}), "credentials is \"both\"; expected \"header\" or \"query\""),
            (json!({"api": "v2", "no_sync": true}), "no_sync: is for api v3; leave it out"),
            (json!({"api": "v2", "database": "d"}), "database: is for api v1 and v3; api v2 takes org and bucket"),
            (json!({"api": "v2", "username": "u"}), "username: is for api v1; api v2 takes org, bucket and token"),
            (json!({"api": "v3", "org": "o"}), "org: is for api v2; api v3 takes database"),
            (json!({"api": "v3", "password": "hunter2"}), "password: is for api v1; api v3 takes database and token"),
            (
                json!({"api": "v3", "url": "http://h", "port": 1}),
                "port: cannot be given beside url, which names the server; leave one of them out",
            ),
            (json!({"precision": "n"}), "precision is \"n\"; expected \"ns\", \"us\", \"ms\" or \"s\""),
        ],
    );
}

#[test]
fn wrong_parameters_of_influxdb_are_refused() {
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
                with_url("resolve_seconds", json!(5)),
                "resolve_seconds: has no meaning over HTTP; leave it out, or use transport \"udp\"",
            ),
            (
                with_url("segmentation_offload", json!(true)),
                "segmentation_offload: has no meaning over HTTP; leave it out, or use transport \"udp\"",
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
fn statsd_takes_its_parameters_and_refuses_wrong_ones() {
    let expected = Command::StartStatsd(StatsdConfig {
        host: "agent".into(),
        port: 9,
        prefix: "my.app".into(),
        ..StatsdConfig::default()
    });
    let forms = [json!({"host": "agent", "port": 9, "prefix": "my.app.."}), json!(["agent", 9, "my.app"])];
    same("LD_start_statsd_sink", forms, &expected);
    let packed = StatsdConfig {
        datagram_bytes: Some(1_432),
        segmentation_offload: false,
        buffer_events: 5,
        ..StatsdConfig::default()
    };
    let arguments = json!({"datagram_bytes": 1432, "segmentation_offload": false, "buffer_events": 5});
    assert_eq!(parsed("LD_start_statsd_sink", &arguments).unwrap(), Command::StartStatsd(packed));
    let dialect = StatsdConfig {
        distributions: true,
        sample_rate: SampleRate::new(0.25).expect("a rate"),
        constant_labels: [("run", "7")].into(),
        newline: true,
        origin: StatsdOrigin {
            container: Some("ci-1".into()),
            external: Some("it-false".into()),
            cardinality: Some(Cardinality::High),
        },
        ..StatsdConfig::default()
    };
    let arguments = json!({
        "distributions": true, "sample_rate": 0.25, "constant_labels": {"run": "7"}, "newline": true,
        "container": "ci-1", "external": "it-false", "cardinality": "high",
    });
    let mut of_old = arguments.clone();
    let labels = of_old.as_object_mut().and_then(|named| named.remove("constant_labels")).expect("an object");
    of_old["constant_tags"] = labels;
    same("LD_start_statsd_sink", [arguments, of_old], &Command::StartStatsd(dialect));
    let known = "the parameters are host, port, prefix, url, resolve_seconds, sockets, packed, datagram_bytes, newline, segmentation_offload, fill_datagrams, buffer_events, \
                 distributions, sample_rate, constant_labels, timestamps_of_counts, aggregate, aggregation_seconds, observations, instruments_seconds, \
                 interval_seconds, telemetry, container, external, cardinality";
    refused(
        "LD_start_statsd_sink",
        &[
            (json!({"port": 0}), "port is 0; expected a port number from 1 to 65535"),
            (json!({"prefix": false}), "prefix is false; expected a string"),
            (json!({"prot": 1}), &format!("unknown parameter prot; did you mean port? {known}")),
            (json!({"sample_rate": 0}), "sample_rate is 0; expected a number from 0.000001 to 1"),
            (json!({"sample_rate": 1.5}), "sample_rate is 1.5; expected a number from 0.000001 to 1"),
            (
                json!({"timestamps": "all"}),
                "timestamps is \"all\"; expected \"counts\" or \"none\": the Agent reads timestamps of counts and gauges \
                 only, not of timings, histograms and distributions",
            ),
            (
                json!({"cardinality": "all"}),
                "cardinality is \"all\"; expected \"none\", \"low\", \"orchestrator\" or \"high\"",
            ),
            (json!({"segmentation_offload": 1}), "segmentation_offload is 1; expected true or false"),
            (json!({"datagram_bytes": 0}), "datagram_bytes is 0; expected a number of bytes from 1 to 65507"),
            (json!(["h", 1, "p", 1432]), "4 values given by position; at most, in this order: host, port, prefix"),
        ],
    );
}

#[test]
fn observations_are_sent_per_interval_or_one_by_one() {
    let per_event = Observations::PerEvent;
    let statsd = StatsdConfig {
        observations: per_event,
        aggregate: true,
        segmentation_offload: false,
        ..StatsdConfig::default()
    };
    let arguments = json!({"observations": "event", "aggregate": true, "segmentation_offload": false});
    assert_eq!(parsed("LD_start_statsd_sink", &arguments).unwrap(), Command::StartStatsd(statsd));
    let influxdb =
        InfluxdbConfig { observations: per_event, aggregate: true, buffer_events: 7, ..InfluxdbConfig::default() };
    let arguments = json!({"observations": "event", "aggregate": true, "buffer_events": 7});
    assert_eq!(parsed("LD_start_influxdb_sink", &arguments).unwrap(), Command::StartInfluxdb(influxdb));
    let per_interval = json!({"observations": "interval"});
    assert_eq!(parsed("LD_start_statsd_sink", &per_interval).unwrap(), Command::StartStatsd(StatsdConfig::default()));
    for (command, per_request) in [
        ("LD_start_statsd_sink", "sample_rate: is for messages per request; leave it out, or aggregate"),
        ("LD_start_influxdb_sink", "status_code: is for points per request; leave it out, or aggregate"),
    ] {
        let field = per_request.split(':').next().expect("a field");
        let value = if field == "sample_rate" { json!(0.5) } else { json!("tag") };
        refused(
            command,
            &[
                (json!({"observations": "each"}), "observations is \"each\"; expected \"interval\" or \"event\""),
                (json!({"observations": "event", "aggregate": true, field: value}), per_request),
            ],
        );
    }
}

#[test]
fn statsd_takes_the_parameters_for_aggregates() {
    let config = StatsdConfig {
        aggregate: true,
        aggregation_interval: Duration::from_millis(500),
        instruments_interval: Duration::from_millis(1_500),
        interval: Duration::from_millis(2_500),
        telemetry: true,
        timestamps_of_counts: true,
        ..StatsdConfig::default()
    };
    let forms = [("timestamps_of_counts", json!(true)), ("timestamps", json!("counts"))].map(|(key, value)| {
        json!({
            "aggregate": true, "aggregation_seconds": 0.5, "instruments_seconds": 1.5, "interval_seconds": 2.5,
            "telemetry": true, key: value,
        })
    });
    same("LD_start_statsd_sink", forms, &Command::StartStatsd(config));
    let none = [json!({"timestamps": "none"}), json!({"timestamps_of_counts": false})];
    same("LD_start_statsd_sink", none, &Command::StartStatsd(StatsdConfig::default()));
    let per_request = "is for messages per request; leave it out, or aggregate";
    refused(
        "LD_start_statsd_sink",
        &[
            (json!({"aggregate": 2}), "aggregate is 2; expected true or false"),
            (
                json!({"aggregation_seconds": 2}),
                "aggregation_seconds: is for messages per interval; say \"aggregate\": true with it",
            ),
            (json!({"aggregate": true, "sample_rate": 0.5}), &format!("sample_rate: {per_request}")),
            (
                json!({"timestamps_of_counts": true}),
                "timestamps_of_counts: are for messages per interval: of several counts that a series has in one second \
                 Datadog keeps the last; say \"aggregate\": true with it",
            ),
            (json!({"timestamps_of_counts": "counts"}), "timestamps_of_counts is \"counts\"; expected true or false"),
            (
                json!({"timestamps": "counts"}),
                "timestamps: are for messages per interval: of several counts that a series has in one second Datadog \
                 keeps the last; say \"aggregate\": true with it",
            ),
            (
                json!({"aggregate": true, "newline": false}),
                "newline: messages that share packets all end with one; leave it out",
            ),
            (
                json!({"aggregate": true, "fill_datagrams": true}),
                "fill_datagrams: is for packed messages per request over UDP with segmentation offload; leave it out, or \
                 say \"packed\": true",
            ),
            (
                json!({"aggregate": true, "segmentation_offload": false}),
                &format!("segmentation_offload: {per_request}"),
            ),
        ],
    );
}

#[test]
fn opentelemetry_takes_its_parameters_and_refuses_wrong_ones() {
    let expected = Command::StartOpenTelemetry(OpenTelemetryConfig {
        endpoint: "http://c:4317".into(),
        service_name: "s".into(),
        interval: Duration::from_millis(250),
        ..OpenTelemetryConfig::default()
    });
    let forms = [
        json!({"endpoint": "http://c:4317", "service_name": "s", "interval_seconds": 0.25}),
        json!({"endpoint": "http://c:4317", "service_name": "s", "export_interval_ms": 250}),
        json!(["http://c:4317", "s", 250]),
    ];
    same("LD_start_opentelemetry_exporter", forms, &expected);
    let limited = OpenTelemetryConfig {
        timeout: Duration::from_secs(3),
        export_timeout: Some(Duration::from_millis(4_500)),
        max_request_bytes: 16_384,
        ..OpenTelemetryConfig::default()
    };
    let arguments = json!({"timeout": 3, "export_timeout": 4.5, "max_request_bytes": 16384});
    let read = parsed("LD_start_opentelemetry_exporter", &arguments).unwrap();
    assert_eq!(read, Command::StartOpenTelemetry(limited));
    let arguments = json!({"temporality": "lowmemory", "histograms": "exponential", "min_max": false});
    let read = parsed("LD_start_opentelemetry_exporter", &arguments).unwrap();
    let dialect = OpenTelemetryConfig {
        temporality: Temporality::LowMemory,
        histograms: crate::HistogramAggregation::Exponential,
        ..OpenTelemetryConfig::default()
    };
    assert_eq!(read, Command::StartOpenTelemetry(dialect));
    let conventional = OpenTelemetryConfig { http_client_duration: true, ..OpenTelemetryConfig::default() };
    let read = parsed("LD_start_opentelemetry_exporter", &json!({"http_client_duration": true})).unwrap();
    assert_eq!(read, Command::StartOpenTelemetry(conventional));
    let over_http = OpenTelemetryConfig {
        headers: vec![("api-key".into(), Secret::new("hunter2"))],
        resource_attributes: [("run", "7")].into(),
        ..OpenTelemetryConfig::http()
    };
    let arguments =
        json!({"protocol": "HTTP/protobuf", "headers": {"api-key": "hunter2"}, "resource_attributes": {"run": "7"}});
    let read = parsed("LD_start_opentelemetry_exporter", &arguments).unwrap();
    assert_eq!(read, Command::StartOpenTelemetry(over_http));
    refused(
        "LD_start_opentelemetry_exporter",
        &[
            (json!(["localhost:4317"]), "endpoint is \"localhost:4317\"; expected a complete URL, http://host:port/…"),
            (
                json!({"temporality": "both"}),
                "temporality is \"both\"; expected \"cumulative\", \"delta\" or \"lowmemory\"",
            ),
            (json!({"histograms": 3}), "histograms is 3; expected \"explicit\" or \"exponential\""),
            (json!({"min_max": "yes"}), "min_max is \"yes\"; expected true or false"),
            (json!({"http_client_duration": 1}), "http_client_duration is 1; expected true or false"),
            (json!({"protocol": "udp"}), "protocol is \"udp\"; expected \"grpc\" or \"http/protobuf\""),
            (
                json!({"protocol": "http/json"}),
                "protocol is \"http/json\"; expected \"http/protobuf\", which receivers of JSON take on the same port, or \"grpc\"",
            ),
            (
                json!({"headers": {"api-key": 7}}),
                "headers is an object (not shown); expected an object of strings, {\"name\": \"value\"}",
            ),
            (
                json!({"interval_seconds": 0.0005}),
                "interval_seconds is 0.0005; expected a number of seconds from 0.001 to 86400",
            ),
            (
                json!({"interval_seconds": 1, "export_interval_ms": 1000}),
                "export_interval_ms: is another name of interval_seconds, which is given too; leave one of them out",
            ),
            (
                json!({"export_interval_ms": 0.5}),
                "export_interval_ms is 0.5; expected a number of milliseconds from 1 to 86400000",
            ),
        ],
    );
}

/// Calls the exporters' own check of the settings.
fn checked(command: Command) -> Result<(), StartError> {
    command.into_config().expect("a start").as_configuration().check()
}

#[test]
fn values_inside_the_named_ranges_can_start_and_others_are_refused() {
    let (influxdb, statsd) = ("LD_start_influxdb_sink", "LD_start_statsd_sink");
    let opentelemetry = "LD_start_opentelemetry_exporter";
    for (command, key, inside, outside) in [
        (influxdb, "batch_points", [json!(1), json!(usize::MAX)], [json!(0), json!(-1)]),
        (influxdb, "batch_bytes", [json!(4_096), json!(25_000_000)], [json!(4_095), json!(25_000_001)]),
        (influxdb, "batch_seconds", [json!(0.001), json!(86_400)], [json!(0.0001), json!(86_400.1)]),
        (influxdb, "instruments_seconds", [json!(0.001), json!(86_400)], [json!(0.0001), json!(86_400.1)]),
        (influxdb, "timeout", [json!(0.001), json!(86_400)], [json!(0.0001), json!(86_400.1)]),
        (influxdb, "buffer_events", [json!(1), json!(16_777_216)], [json!(0), json!(16_777_217)]),
        (statsd, "buffer_events", [json!(1), json!(16_777_216)], [json!(0), json!(16_777_217)]),
        (statsd, "sockets", [json!(1), json!(16)], [json!(0), json!(17)]),
        (statsd, "instruments_seconds", [json!(0.001), json!(86_400)], [json!(0.0001), json!(86_400.1)]),
        (statsd, "interval_seconds", [json!(0.001), json!(86_400)], [json!(0.0001), json!(86_400.1)]),
        (statsd, "datagram_bytes", [json!(1), json!(65_507)], [json!(0), json!(65_508)]),
        (opentelemetry, "timeout", [json!(0.001), json!(86_400)], [json!(0.0001), json!(86_400.1)]),
        (opentelemetry, "export_interval_ms", [json!(1), json!(86_400_000)], [json!(0), json!(86_400_001)]),
        (opentelemetry, "max_request_bytes", [json!(16_384), json!(67_108_864)], [json!(16_383), json!(67_108_865)]),
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
fn the_error_of_an_unknown_command_lists_the_known_ones() {
    let action =
        JsonAction { index: 7, command: "LD_start_statd_sink".into(), arguments: Arguments::Positional(vec![]) };
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
fn every_command_of_the_list_can_be_read() {
    for name in COMMANDS {
        let command = parsed(name, &json!({})).expect(name);
        assert_eq!(name.starts_with("LD_start_"), command.is_start(), "{name}");
        assert!(name.contains(command.exporter().as_str()), "{name}");
    }
}
