//! The errors of a start. The typed API names the field of the configuration. An action names the parameter that sets
//! this field, under the name that the document used.

use std::time::Duration;

use loaddensity_metrics_core::Exporter;
use serde_json::{Value, json};

use crate::StartError;
use crate::actions::command::{key_of, parameters_of};
use crate::actions::document::{Arguments, JsonAction};
use crate::actions::error::{ActionError, Problem};
use crate::config::{
    ClientCertificate, ClientTls, ExporterConfig, InfluxdbConfig, InfluxdbTarget, InfluxdbUdp, InfluxdbUrl, InfluxdbV1,
    InfluxdbV2, OpenTelemetryConfig, PageAccess, PrometheusConfig, Roots, Secret, StatsdConfig, StatsdSocket,
    StatusCode, Temporality,
};

/// The text of `error` for an action with these arguments.
fn said(exporter: Exporter, arguments: &Value, error: StartError) -> String {
    let arguments = match arguments {
        Value::Array(values) => Arguments::Positional(values.clone()),
        Value::Object(named) => Arguments::Named(named.clone()),
        other => panic!("{other} is neither an array nor an object"),
    };
    let action = JsonAction { index: 0, command: "LD_x".into(), arguments };
    let key = error.field().map(|field| key_of(&action, exporter, field));
    ActionError { index: 0, command: "LD_x".into(), problem: Problem::Start { error, key } }.to_string()
}

/// Checks that the error of `config` names `field`, and that an action with `arguments` calls it `key`.
fn refused(config: &ExporterConfig, field: &str, arguments: &Value, key: &str) {
    let error = config.as_configuration().check().expect_err(field);
    assert_eq!(error.field(), Some(field));
    let name = config.exporter().as_str();
    assert!(error.to_string().starts_with(&format!("{name}: `{field}` is ")), "{error}");
    let text = said(config.exporter(), arguments, error);
    assert!(text.starts_with(&format!("actions[0] LD_x: {name}: `{key}` is ")), "{text}");
}

fn prometheus(change: impl FnOnce(&mut PrometheusConfig)) -> ExporterConfig {
    let mut config = PrometheusConfig::default();
    change(&mut config);
    ExporterConfig::Prometheus(config)
}

fn influxdb(change: impl FnOnce(&mut InfluxdbConfig)) -> ExporterConfig {
    let mut config = InfluxdbConfig::default();
    change(&mut config);
    ExporterConfig::Influxdb(config)
}

fn statsd(change: impl FnOnce(&mut StatsdConfig)) -> ExporterConfig {
    let mut config = StatsdConfig::default();
    change(&mut config);
    ExporterConfig::Statsd(config)
}

fn opentelemetry(change: impl FnOnce(&mut OpenTelemetryConfig)) -> ExporterConfig {
    let mut config = OpenTelemetryConfig::default();
    change(&mut config);
    ExporterConfig::OpenTelemetry(config)
}

#[test]
fn errors_of_prometheus_name_the_field_and_the_parameter() {
    let basic = |username: &str, password: &str| PageAccess::Basic {
        username: username.into(),
        password: Secret::new(password),
    };
    let empty = PageAccess::Bearer(Secret::new(""));
    for (config, field, arguments, key) in [
        (prometheus(|c| c.host = String::new()), "host", json!({"host": ""}), "host"),
        (prometheus(|c| c.host = String::new()), "host", json!({"addr": ""}), "addr"),
        (prometheus(|c| c.host = String::new()), "host", json!([0, ""]), "addr"),
        (prometheus(|c| c.path = String::new()), "path", json!({}), "path"),
        (prometheus(|c| c.constant_labels = [("le", "1")].into()), "constant_labels", json!({}), "constant_labels"),
        (prometheus(|c| c.access = basic("", "p")), "access.username", json!({}), "username"),
        (prometheus(|c| c.access = basic("u", "")), "access.password", json!({}), "password"),
        (prometheus(|c| c.access = empty), "access.bearer", json!({}), "bearer_token"),
        (prometheus(|c| c.linger = Some(Duration::MAX)), "linger", json!({}), "linger_seconds"),
        (prometheus(|c| c.limits.connections = 0), "limits.connections", json!({}), "connections"),
        (prometheus(|c| c.limits.head_bytes = 0), "limits.head_bytes", json!({}), "head_bytes"),
        (prometheus(|c| c.limits.head_timeout = Duration::ZERO), "limits.head_timeout", json!({}), "head_seconds"),
        (prometheus(|c| c.limits.idle_timeout = Duration::ZERO), "limits.idle_timeout", json!({}), "idle_seconds"),
    ] {
        refused(&config, field, &arguments, key);
    }
}

#[test]
fn errors_of_influxdb_name_the_field_and_the_parameter() {
    let empty = String::new;
    let udp = |host: &str, port| InfluxdbTarget::Udp(InfluxdbUdp::new(host, port));
    let v1 = |server: &str, database: &str, policy: Option<&str>| {
        InfluxdbTarget::V1(InfluxdbV1 {
            server: server.into(),
            database: database.into(),
            retention_policy: policy.map(Into::into),
            username: None,
            password: None,
            credentials: Default::default(),
        })
    };
    let v2 = |org: &str| {
        InfluxdbTarget::V2(InfluxdbV2 { server: "http://h".into(), org: org.into(), bucket: empty(), token: None })
    };
    let identity = || ClientCertificate { certificate: "c".into(), key: "k".into() };
    let roots = |c: &mut InfluxdbConfig| c.tls = ClientTls { roots: Roots::Pem("ca".into()), identity: None };
    let own = |c: &mut InfluxdbConfig| c.tls = ClientTls { roots: Roots::System, identity: Some(identity()) };
    let per_interval = |c: &mut InfluxdbConfig| (c.aggregate, c.status_code) = (true, StatusCode::Tag);
    for (config, field, arguments, key) in [
        (influxdb(|c| c.target = udp("", 1)), "target.host", json!({}), "host"),
        (influxdb(|c| c.target = udp("h", 0)), "target.port", json!({}), "port"),
        (
            influxdb(|c| c.target = InfluxdbTarget::Url(InfluxdbUrl { url: empty(), token: None })),
            "target.url",
            json!({}),
            "url",
        ),
        (influxdb(|c| c.target = v1("", "", None)), "target.server", json!({}), "url"),
        (influxdb(|c| c.target = v1("http://h", "", None)), "target.database", json!({}), "database"),
        (
            influxdb(|c| c.target = v1("http://h", "d", Some(""))),
            "target.retention_policy",
            json!({}),
            "retention_policy",
        ),
        (influxdb(|c| c.target = v2("")), "target.org", json!({}), "org"),
        (influxdb(|c| c.target = v2("o")), "target.bucket", json!({}), "bucket"),
        (influxdb(|c| c.create_database = true), "create_database", json!({}), "create_database"),
        (influxdb(|c| c.interval = Duration::ZERO), "interval", json!({}), "interval_seconds"),
        (
            influxdb(|c| c.instruments_interval = Duration::ZERO),
            "instruments_interval",
            json!({}),
            "instruments_seconds",
        ),
        (influxdb(per_interval), "status_code", json!({"points": "interval"}), "status_code"),
        (influxdb(|c| c.gzip = true), "gzip", json!({}), "gzip"),
        (influxdb(roots), "tls.roots", json!({}), "ca_file"),
        (influxdb(own), "tls.identity.certificate", json!({}), "client_certificate"),
        (influxdb(|c| c.timeout = Duration::ZERO), "timeout", json!({}), "timeout"),
        (influxdb(|c| c.resolve_interval = Some(Duration::ZERO)), "resolve_interval", json!({}), "resolve_seconds"),
        (influxdb(|c| c.batch.points = 0), "batch.points", json!({}), "batch_points"),
        (influxdb(|c| c.batch.bytes = 0), "batch.bytes", json!({}), "batch_bytes"),
        (influxdb(|c| c.batch.age = Duration::ZERO), "batch.age", json!({}), "batch_seconds"),
        (influxdb(|c| c.datagram_bytes = 0), "datagram_bytes", json!({}), "datagram_bytes"),
        (influxdb(|c| c.buffer_events = 0), "buffer_events", json!({}), "buffer_events"),
    ] {
        refused(&config, field, &arguments, key);
    }
}

#[test]
fn errors_of_statsd_name_the_field_and_the_parameter() {
    let bad = || [("name", "x")].into();
    let empty = StatsdSocket::Unix("".into());
    for (config, field, arguments, key) in [
        (statsd(|c| c.host = String::new()), "host", json!({}), "host"),
        (statsd(|c| c.port = 0), "port", json!({}), "port"),
        (statsd(|c| c.socket = Some(empty)), "socket", json!({}), "url"),
        (statsd(|c| c.resolve_interval = Some(Duration::ZERO)), "resolve_interval", json!({}), "resolve_seconds"),
        (statsd(|c| c.sockets = 0), "sockets", json!({}), "sockets"),
        (statsd(|c| c.datagram_bytes = Some(0)), "datagram_bytes", json!({}), "datagram_bytes"),
        (statsd(|c| c.buffer_events = 0), "buffer_events", json!({}), "buffer_events"),
        (statsd(|c| c.constant_labels = bad()), "constant_labels", json!({"constant_labels": {}}), "constant_labels"),
        (statsd(|c| c.constant_labels = bad()), "constant_labels", json!({"constant_tags": {}}), "constant_tags"),
        (statsd(|c| c.timestamps_of_counts = true), "timestamps_of_counts", json!({}), "timestamps_of_counts"),
        (
            statsd(|c| c.timestamps_of_counts = true),
            "timestamps_of_counts",
            json!({"timestamps": "counts"}),
            "timestamps",
        ),
        (statsd(|c| c.aggregation_interval = Duration::ZERO), "aggregation_interval", json!({}), "aggregation_seconds"),
        (statsd(|c| c.instruments_interval = Duration::ZERO), "instruments_interval", json!({}), "instruments_seconds"),
        (statsd(|c| c.interval = Duration::ZERO), "interval", json!({}), "interval_seconds"),
    ] {
        refused(&config, field, &arguments, key);
    }
}

#[test]
fn errors_of_opentelemetry_name_the_field_and_the_parameter() {
    let delta = |change: fn(&mut OpenTelemetryConfig)| {
        opentelemetry(|config| {
            config.temporality = Temporality::Delta;
            change(config);
        })
    };
    let none = || json!({});
    for (config, field, arguments, key) in [
        (
            opentelemetry(|c| c.interval = Duration::ZERO),
            "interval",
            json!({"interval_seconds": 0}),
            "interval_seconds",
        ),
        (
            opentelemetry(|c| c.interval = Duration::ZERO),
            "interval",
            json!({"export_interval_ms": 0}),
            "export_interval_ms",
        ),
        (opentelemetry(|c| c.interval = Duration::ZERO), "interval", json!([null, null, 0]), "export_interval_ms"),
        (opentelemetry(|c| c.timeout = Duration::ZERO), "timeout", none(), "timeout"),
        (opentelemetry(|c| c.export_timeout = Some(Duration::ZERO)), "export_timeout", none(), "export_timeout"),
        (opentelemetry(|c| c.max_request_bytes = 0), "max_request_bytes", none(), "max_request_bytes"),
        (opentelemetry(|c| c.service_name = String::new()), "service_name", none(), "service_name"),
        (delta(|c| c.min_max = true), "min_max", none(), "min_max"),
        (delta(|c| c.exemplars = true), "exemplars", none(), "exemplars"),
        (
            opentelemetry(|c| c.resource_attributes = [("", "x")].into()),
            "resource_attributes",
            none(),
            "resource_attributes",
        ),
    ] {
        refused(&config, field, &arguments, key);
    }
}

/// Every row of the tables, also those whose field is refused only when files, URLs and headers are read.
#[test]
fn every_field_that_is_named_differently_has_a_parameter() {
    for exporter in Exporter::ALL {
        let (signature, fields) = parameters_of(exporter);
        for (field, key) in fields {
            assert!(signature.parameters().any(|known| known == *key), "{exporter:?}: {key}");
            let error = StartError::Setting { exporter, field, value: "v".into(), expected: "e".into() };
            assert_eq!(error.to_string(), format!("{}: `{field}` is \"v\"; e", exporter.as_str()));
            let text = said(exporter, &json!({}), error);
            assert_eq!(text, format!("actions[0] LD_x: {}: `{key}` is \"v\"; e", exporter.as_str()));
            let error =
                StartError::Resolve { exporter, field, host: "h".into(), source: std::io::ErrorKind::NotFound.into() };
            assert!(said(exporter, &json!({}), error).contains(&format!(" `{key}`: no address for host \"h\"")));
        }
    }
}
