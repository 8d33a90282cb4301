//! What `LD_start_prometheus_exporter` says.

use std::path::PathBuf;
use std::time::Duration;

use super::unsaid;
use super::values::{host, misplaced, port, size};
use crate::actions::arguments::{ArgumentReader, Signature, number};
use crate::actions::error::ActionError;
use crate::config::{CONNECTIONS, HEAD_BYTES, PageAccess, PageLimits, PrometheusConfig, Secret, ServerTls, WAIT};
use crate::environment::Environment;

/// Positional: LoadDensity's parameters in its order. Named: ours.
pub(super) static SIGNATURE: Signature = Signature::new(&["port", "addr"])
    .named(&[
        "path",
        "constant_labels",
        "created_times",
        "gzip",
        "username",
        "password",
        "bearer_token",
        "certificate",
        "key",
        "client_ca_file",
        "linger_seconds",
        "connections",
        "head_bytes",
        "head_seconds",
        "idle_seconds",
    ])
    .secret(&["username", "password", "bearer_token"])
    .aliases(&[("addr", "host"), ("compression", "gzip")]);

/// Which parameter gives a field that has another name.
pub(super) static FIELDS: [(&str, &str); 11] = [
    ("access.username", "username"),
    ("access.password", "password"),
    ("access.bearer", "bearer_token"),
    ("tls.certificate", "certificate"),
    ("tls.key", "key"),
    ("tls.client_ca_file", "client_ca_file"),
    ("linger", "linger_seconds"),
    ("limits.connections", "connections"),
    ("limits.head_bytes", "head_bytes"),
    ("limits.head_timeout", "head_seconds"),
    ("limits.idle_timeout", "idle_seconds"),
];

/// The variables that are not read where the action gives these.
static VARIABLES: [(&str, &[&str]); 2] =
    [("port", &["OTEL_EXPORTER_PROMETHEUS_PORT"]), ("host", &["OTEL_EXPORTER_PROMETHEUS_HOST"])];

/// The configuration that an action gives; what it leaves out is as `environment` says.
pub(super) fn config(reader: ArgumentReader<'_>, environment: &Environment) -> Result<PrometheusConfig, ActionError> {
    let base = reader.environment(PrometheusConfig::from_env(&unsaid(reader, &VARIABLES, environment)))?;
    Ok(PrometheusConfig {
        port: port(reader, 0)?.unwrap_or(base.port),
        host: host(reader, "host")?.unwrap_or(base.host),
        path: reader.text("path")?.map_or(base.path, str::to_owned),
        constant_labels: reader.labels("constant_labels")?.unwrap_or(base.constant_labels),
        created_times: reader.flag("created_times")?.unwrap_or(base.created_times),
        gzip: reader.flag("gzip")?.unwrap_or(base.gzip),
        access: access(reader)?.unwrap_or(base.access),
        tls: tls(reader)?.or(base.tls),
        linger: linger(reader)?.or(base.linger),
        limits: limits(reader, base.limits)?,
    })
}

fn access(reader: ArgumentReader<'_>) -> Result<Option<PageAccess>, ActionError> {
    let secret = |key| reader.text(key).map(|text| text.map(Secret::new));
    if let Some(token) = secret("bearer_token")? {
        misplaced(reader, &["username", "password"], "has no meaning beside bearer_token; leave one of them out")?;
        return Ok(Some(PageAccess::Bearer(token)));
    }
    match (reader.text("username")?, secret("password")?) {
        (Some(username), Some(password)) => Ok(Some(PageAccess::Basic { username: username.into(), password })),
        (Some(_), None) => {
            misplaced(reader, &["username"], "has no meaning without password; give both").map(|()| None)
        }
        (None, _) => misplaced(reader, &["password"], "has no meaning without username; give both").map(|()| None),
    }
}

fn tls(reader: ArgumentReader<'_>) -> Result<Option<ServerTls>, ActionError> {
    let client_ca_file = reader.text("client_ca_file")?.map(PathBuf::from);
    match (reader.text("certificate")?, reader.text("key")?) {
        (Some(certificate), Some(key)) => {
            Ok(Some(ServerTls { certificate: certificate.into(), key: key.into(), client_ca_file }))
        }
        (None, None) => {
            misplaced(reader, &["client_ca_file"], "needs certificate and key, which the page is served with")?;
            Ok(None)
        }
        _ => misplaced(reader, &["certificate", "key"], "has no meaning alone; give both").map(|()| None),
    }
}

/// Zero says that it does not linger.
fn linger(reader: ArgumentReader<'_>) -> Result<Option<Duration>, ActionError> {
    let expected = format!("a number of seconds from 0 to {}", WAIT.end().as_secs());
    reader.read("linger_seconds", &expected, |value| {
        Duration::try_from_secs_f64(number(value)?).ok().filter(|limit| limit <= WAIT.end())
    })
}

fn limits(reader: ArgumentReader<'_>, base: PageLimits) -> Result<PageLimits, ActionError> {
    Ok(PageLimits {
        connections: size(reader, "connections", &CONNECTIONS, "connections")?.unwrap_or(base.connections),
        head_bytes: size(reader, "head_bytes", &HEAD_BYTES, "bytes")?.unwrap_or(base.head_bytes),
        head_timeout: reader.seconds("head_seconds")?.unwrap_or(base.head_timeout),
        idle_timeout: reader.seconds("idle_seconds")?.unwrap_or(base.idle_timeout),
    })
}
