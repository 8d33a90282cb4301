//! Environment variables: bytes are what `/proc/PID/environ` holds, `name=value` with a zero byte between two.

use std::ffi::OsString;
use std::fmt::{Debug, Display};

use loaddensity_metrics_shell::actions::{COMMANDS, Command, Document};
use loaddensity_metrics_shell::environment::Environment;
use loaddensity_metrics_shell::{Identity, InfluxdbConfig, OpenTelemetryConfig, PrometheusConfig, Proxy, StatsdConfig};

use super::secrets::{SECRET, SecretPlace};
use super::told::{is_fit, is_public, warned};

/// An environment, as each exporter reads it.
///
/// # Panics
/// If an error or a warning is too long, has control characters or shows a secret.
pub fn environment(data: &[u8]) {
    // Else any name or value of it is a secret.
    if String::from_utf8_lossy(data).contains(SECRET) {
        return;
    }
    let variables: Vec<_> = data.split(|byte| *byte == 0).map(variable).collect();
    read(&Environment::of(variables.iter().map(|(name, value)| (os_text(name), os_text(value)))));
    let secret = variables.iter().map(|(name, value)| (os_text(name), os_text(&with_secret(name, value))));
    read(&Environment::of(secret));
}

fn variable(entry: &[u8]) -> (&[u8], &[u8]) {
    let at = entry.iter().position(|byte| *byte == b'=').unwrap_or(entry.len());
    (&entry[..at], entry.get(at + 1..).unwrap_or_default())
}

#[cfg(unix)]
fn os_text(bytes: &[u8]) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec())
}

#[cfg(not(unix))]
fn os_text(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

fn read(environment: &Environment) {
    is_public(&format!("{environment:?}"));
    is_read(|| PrometheusConfig::from_env(environment));
    is_read(|| InfluxdbConfig::from_env(environment));
    is_read(|| StatsdConfig::from_env(environment));
    is_read(|| OpenTelemetryConfig::from_env(environment));
    is_public(&format!("{:?}", warned(|| Identity::from_env(environment, Some(40)))));
    for name in COMMANDS {
        let document = Document::parse(&format!("[[{name:?}]]")).expect("a document");
        for action in document.actions.iter().flatten() {
            is_read(|| {
                let command = Command::from_action_in(action, environment)?;
                command.check(action).map(|()| command)
            });
        }
    }
    is_public(&format!("{:?}", Proxy::from_env(environment)));
    if let Ok(Some(url)) = environment.text("https_proxy") {
        is_read(|| Proxy::new(url));
    }
}

fn is_read<T: Debug, E: Debug + Display>(read: impl FnOnce() -> Result<T, E>) {
    let read = warned(read);
    if let Err(error) = &read {
        is_fit(&error.to_string());
    }
    is_public(&format!("{read:?}"));
}

/// Which variables hold secrets.
const SECRETS: [(&str, SecretPlace); 17] = [
    ("INFLUXDB3_HOST_URL", SecretPlace::Url),
    ("INFLUXDB3_AUTH_TOKEN", SecretPlace::All),
    ("INFLUX_HOST", SecretPlace::Url),
    ("INFLUX_TOKEN", SecretPlace::All),
    ("INFLUX_USERNAME", SecretPlace::Url),
    ("INFLUX_PASSWORD", SecretPlace::All),
    ("DD_DOGSTATSD_URL", SecretPlace::Url),
    ("DD_AGENT_HOST", SecretPlace::Url),
    ("OTEL_EXPORTER_PROMETHEUS_HOST", SecretPlace::Url),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", SecretPlace::Url),
    ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", SecretPlace::Url),
    ("OTEL_EXPORTER_OTLP_HEADERS", SecretPlace::List),
    ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", SecretPlace::List),
    ("https_proxy", SecretPlace::Url),
    ("http_proxy", SecretPlace::Url),
    ("all_proxy", SecretPlace::Url),
    ("HTTP_PROXY", SecretPlace::Url),
];

fn with_secret(name: &[u8], value: &[u8]) -> Vec<u8> {
    match (SECRETS.iter().find(|(known, _)| known.as_bytes() == name), std::str::from_utf8(value)) {
        (Some((_, place)), Ok(text)) => place.put(text).into_bytes(),
        // What is not UTF-8 is not shown at all.
        (Some(_), Err(_)) => [value, SECRET.as_bytes()].concat(),
        _ => value.to_vec(),
    }
}
