//! The eight commands: their parameters, and what an action says with them as a typed configuration.

use std::ops::RangeInclusive;
use std::time::Duration;

use loaddensity_metrics_core::Exporter;
use serde_json::Value;

use super::arguments::{Reader, Signature};
use super::document::Action;
use super::error::{ActionError, Problem};
use super::near::nearest;
use crate::config::{
    BATCH_BYTES, BATCH_POINTS, BUFFER_EVENTS, BatchLimits, DATAGRAM_BYTES, InfluxdbConfig, InfluxdbTarget,
    OpenTelemetryConfig, PrometheusConfig, REQUEST_BYTES, Secret, StatsdConfig, WAIT,
};

/// The names of the commands.
pub const COMMANDS: [&str; 8] = [
    "LD_start_prometheus_exporter",
    "LD_stop_prometheus_exporter",
    "LD_start_influxdb_sink",
    "LD_stop_influxdb_sink",
    "LD_start_statsd_sink",
    "LD_stop_statsd_sink",
    "LD_start_opentelemetry_exporter",
    "LD_stop_opentelemetry_exporter",
];

/// What an action asks for. What it leaves out has LoadDensity's default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `LD_start_prometheus_exporter`
    StartPrometheus(PrometheusConfig),
    /// `LD_stop_prometheus_exporter`
    StopPrometheus,
    /// `LD_start_influxdb_sink`
    StartInfluxdb(InfluxdbConfig),
    /// `LD_stop_influxdb_sink`
    StopInfluxdb,
    /// `LD_start_statsd_sink`
    StartStatsd(StatsdConfig),
    /// `LD_stop_statsd_sink`
    StopStatsd,
    /// `LD_start_opentelemetry_exporter`
    StartOpenTelemetry(OpenTelemetryConfig),
    /// `LD_stop_opentelemetry_exporter`
    StopOpenTelemetry,
}

impl Command {
    /// Reads `action`. Nothing is started.
    ///
    /// # Errors
    /// [`Problem::UnknownCommand`] where it is none of [`COMMANDS`]; all that can be wrong with its arguments.
    pub fn from_action(action: &Action) -> Result<Self, ActionError> {
        match action.command.as_str() {
            "LD_start_prometheus_exporter" => prometheus(Reader::new(action, &PROMETHEUS)?).map(Self::StartPrometheus),
            "LD_start_influxdb_sink" => influxdb(Reader::new(action, &INFLUXDB)?).map(Self::StartInfluxdb),
            "LD_start_statsd_sink" => statsd(Reader::new(action, &STATSD)?).map(Self::StartStatsd),
            "LD_start_opentelemetry_exporter" => {
                opentelemetry(Reader::new(action, &OPENTELEMETRY)?).map(Self::StartOpenTelemetry)
            }
            "LD_stop_prometheus_exporter" => stop(action, Self::StopPrometheus),
            "LD_stop_influxdb_sink" => stop(action, Self::StopInfluxdb),
            "LD_stop_statsd_sink" => stop(action, Self::StopStatsd),
            "LD_stop_opentelemetry_exporter" => stop(action, Self::StopOpenTelemetry),
            _ => Err(ActionError::unknown_command(action, &[])),
        }
    }

    /// The exporter that it is about.
    #[must_use]
    pub const fn exporter(&self) -> Exporter {
        match self {
            Self::StartPrometheus(_) | Self::StopPrometheus => Exporter::Prometheus,
            Self::StartInfluxdb(_) | Self::StopInfluxdb => Exporter::Influxdb,
            Self::StartStatsd(_) | Self::StopStatsd => Exporter::Statsd,
            Self::StartOpenTelemetry(_) | Self::StopOpenTelemetry => Exporter::OpenTelemetry,
        }
    }

    /// Whether it starts its exporter; else it stops it.
    #[must_use]
    pub const fn is_start(&self) -> bool {
        matches!(
            self,
            Self::StartPrometheus(_) | Self::StartInfluxdb(_) | Self::StartStatsd(_) | Self::StartOpenTelemetry(_)
        )
    }
}

impl ActionError {
    /// Says that `action` is none of [`COMMANDS`], nor of `others`, which the program knows besides.
    #[must_use]
    pub fn unknown_command(action: &Action, others: &[&'static str]) -> Self {
        let known: Vec<&'static str> = COMMANDS.iter().chain(others).copied().collect();
        let near = nearest(&action.command, known.iter().copied());
        Self { index: action.index, command: action.command.clone(), problem: Problem::UnknownCommand { known, near } }
    }

    /// Whether the action's command is not known here; it may be known to the program.
    #[must_use]
    pub const fn is_unknown_command(&self) -> bool {
        matches!(self.problem, Problem::UnknownCommand { .. })
    }
}

// Positional: LoadDensity's parameters in its order. Named: ours.

static PROMETHEUS: Signature = Signature { positional: &["port", "addr"], named: &[], secret: &[] };

static INFLUXDB: Signature = Signature {
    positional: &[
        "transport",
        "host",
        "port",
        "url",
        "token",
        "measurement",
        "timeout",
        "database",
        "username",
        "password",
    ],
    named: &["datagram_bytes", "buffer_events", "batch_points", "batch_bytes", "batch_seconds"],
    secret: &["token", "password"],
};

static STATSD: Signature =
    Signature { positional: &["host", "port", "prefix"], named: &["datagram_bytes", "buffer_events"], secret: &[] };

static OPENTELEMETRY: Signature = Signature {
    positional: &["endpoint", "service_name", "export_interval_ms"],
    named: &["timeout", "max_request_bytes"],
    secret: &[],
};

static STOP: Signature = Signature { positional: &[], named: &[], secret: &[] };

fn stop(action: &Action, command: Command) -> Result<Command, ActionError> {
    Reader::new(action, &STOP).map(|_| command)
}

fn prometheus(reader: Reader<'_>) -> Result<PrometheusConfig, ActionError> {
    let default = PrometheusConfig::default();
    Ok(PrometheusConfig {
        port: port(reader, 0)?.unwrap_or(default.port),
        addr: host(reader, "addr")?.unwrap_or(default.addr),
    })
}

fn influxdb(reader: Reader<'_>) -> Result<InfluxdbConfig, ActionError> {
    let default = InfluxdbConfig::default();
    Ok(InfluxdbConfig {
        target: influxdb_target(reader)?,
        measurement: reader.text("measurement")?.map_or(default.measurement, str::to_owned),
        timeout: reader.seconds("timeout")?.unwrap_or(default.timeout),
        batch: batch(reader)?,
        datagram_bytes: datagram_bytes(reader)?.unwrap_or(default.datagram_bytes),
        buffer_events: buffer_events(reader)?.unwrap_or(default.buffer_events),
    })
}

fn influxdb_target(reader: Reader<'_>) -> Result<InfluxdbTarget, ActionError> {
    let http = "\"udp\" or \"http\"";
    let is_http = reader.read("transport", http, |value| match value.as_str()?.to_ascii_lowercase().as_str() {
        "udp" => Some(false),
        "http" => Some(true),
        _ => None,
    })?;
    let secret = |key| Ok::<_, ActionError>(reader.text(key)?.map(Secret::new));
    let text = |key| Ok::<_, ActionError>(reader.text(key)?.map(str::to_owned));
    let host = host(reader, "host")?.unwrap_or_else(|| "127.0.0.1".into());
    let port = port(reader, 1)?;
    let (token, password) = (secret("token")?, secret("password")?);
    let (database, username) = (text("database")?, text("username")?);
    let url = url(reader, "url")?;
    if !is_http.unwrap_or(false) {
        let http_only = ["url", "token", "database", "username", "password"];
        let reason = "has no meaning over UDP; say \"transport\": \"http\" with it";
        misplaced(reader, &http_only, reason)?;
        misplaced(reader, &["batch_points", "batch_bytes", "batch_seconds"], reason)?;
        return Ok(InfluxdbTarget::Udp { host, port: port.unwrap_or(8_089) });
    }
    misplaced(reader, &["datagram_bytes"], "has no meaning over HTTP; leave it out, or use transport \"udp\"")?;
    if let Some(url) = url {
        let reason = "cannot be given beside url, which is complete in itself; leave one of them out";
        misplaced(reader, &["host", "port", "database", "username", "password"], reason)?;
        return Ok(InfluxdbTarget::Url { url, token });
    }
    misplaced(reader, &["token"], "goes with url only; database, username and password go with host and port")?;
    if username.is_none() {
        misplaced(reader, &["password"], "needs username beside it")?;
    }
    Ok(InfluxdbTarget::Http { host, port: port.unwrap_or(8_086), database, username, password })
}

fn batch(reader: Reader<'_>) -> Result<BatchLimits, ActionError> {
    let default = BatchLimits::default();
    Ok(BatchLimits {
        points: size(reader, "batch_points", &BATCH_POINTS, "points")?.unwrap_or(default.points),
        bytes: size(reader, "batch_bytes", &BATCH_BYTES, "bytes")?.unwrap_or(default.bytes),
        age: reader.seconds("batch_seconds")?.unwrap_or(default.age),
    })
}

fn statsd(reader: Reader<'_>) -> Result<StatsdConfig, ActionError> {
    let default = StatsdConfig::default();
    let prefix = reader.text("prefix")?.map(|prefix| prefix.trim_end_matches('.').to_owned());
    Ok(StatsdConfig {
        host: host(reader, "host")?.unwrap_or(default.host),
        port: port(reader, 1)?.unwrap_or(default.port),
        prefix: prefix.unwrap_or(default.prefix),
        datagram_bytes: datagram_bytes(reader)?,
        buffer_events: buffer_events(reader)?.unwrap_or(default.buffer_events),
    })
}

fn opentelemetry(reader: Reader<'_>) -> Result<OpenTelemetryConfig, ActionError> {
    let default = OpenTelemetryConfig::default();
    let millis = |wait: &Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    let intervals = millis(WAIT.start())..=millis(WAIT.end());
    let interval = reader.whole("export_interval_ms", intervals, "a number of milliseconds")?;
    Ok(OpenTelemetryConfig {
        endpoint: url(reader, "endpoint")?.unwrap_or(default.endpoint),
        service_name: reader.text("service_name")?.map_or(default.service_name, str::to_owned),
        export_interval: interval.map_or(default.export_interval, Duration::from_millis),
        timeout: reader.seconds("timeout")?.unwrap_or(default.timeout),
        max_request_bytes: size(reader, "max_request_bytes", &REQUEST_BYTES, "bytes")?
            .unwrap_or(default.max_request_bytes),
    })
}

fn port(reader: Reader<'_>, least: u64) -> Result<Option<u16>, ActionError> {
    let port = reader.whole("port", least..=65_535, "a port number")?;
    Ok(port.and_then(|port| u16::try_from(port).ok()))
}

/// A host without scheme, port or path. The brackets of an IPv6 address are taken off.
fn host(reader: Reader<'_>, key: &str) -> Result<Option<String>, ActionError> {
    let expected = "a host name or an address, without scheme, port or path";
    reader.read(key, expected, |value| {
        let text = value.as_str()?;
        let host = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let strange = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '@' | '[' | ']' | '?');
        let has_port = host.matches(':').count() == 1;
        (!host.is_empty() && !host.contains(strange) && !has_port).then(|| host.to_owned())
    })
}

/// An absolute URL. Whether its scheme can be used is for the exporter to say, which knows how it was built.
fn url(reader: Reader<'_>, key: &str) -> Result<Option<String>, ActionError> {
    reader.read(key, "a complete URL, http://host:port/…", |value: &Value| {
        let text = value.as_str()?;
        let (scheme, rest) = text.split_once("://")?;
        let web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        let has_host = !rest.is_empty() && !rest.starts_with(['/', '?', '#', ':']);
        let clean = !text.contains(|c: char| c.is_whitespace() || c.is_control());
        (web && has_host && clean).then(|| text.to_owned())
    })
}

fn datagram_bytes(reader: Reader<'_>) -> Result<Option<usize>, ActionError> {
    size(reader, "datagram_bytes", &DATAGRAM_BYTES, "bytes")
}

fn buffer_events(reader: Reader<'_>) -> Result<Option<usize>, ActionError> {
    size(reader, "buffer_events", &BUFFER_EVENTS, "events")
}

fn size(
    reader: Reader<'_>,
    key: &str,
    range: &RangeInclusive<usize>,
    unit: &str,
) -> Result<Option<usize>, ActionError> {
    let end = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
    let size = reader.whole(key, end(*range.start())..=end(*range.end()), &format!("a number of {unit}"))?;
    Ok(size.and_then(|size| usize::try_from(size).ok()))
}

fn misplaced(reader: Reader<'_>, keys: &[&str], reason: &str) -> Result<(), ActionError> {
    match keys.iter().find(|key| reader.value(key).is_some()) {
        Some(key) => Err(reader.error(Problem::Misplaced { key: (*key).to_owned(), reason: reason.to_owned() })),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
