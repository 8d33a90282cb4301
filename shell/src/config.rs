//! Typed configurations of the four exporters. Each `Default` is LoadDensity's.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use loaddensity_metrics_core::Exporter;

use crate::error::StartError;

/// Most bytes in one UDP datagram over IPv4 (RFC 768: 65,535 less the headers of UDP and IP).
pub(crate) const DATAGRAM_BYTES: RangeInclusive<usize> = 1..=65_507;
/// Events that a sink's buffer may hold; the upper end is 512 MiB of them.
pub(crate) const BUFFER_EVENTS: RangeInclusive<usize> = 1..=16 << 20;
/// Points of an HTTP body; the buffer limits them anyway.
pub(crate) const BATCH_POINTS: RangeInclusive<usize> = 1..=usize::MAX;
/// Bytes of an HTTP body: the longest line fits into the lower end; the upper is what InfluxDB 1 takes by default
/// (`max-body-size`).
pub(crate) const BATCH_BYTES: RangeInclusive<usize> = 4_096..=25_000_000;
/// Bytes of an OTLP request; the upper end is what the specification recommends that servers take.
pub(crate) const REQUEST_BYTES: RangeInclusive<usize> = 4_096..=64 << 20;
/// Intervals and timeouts: anything beyond a day is a mistake in the unit.
pub(crate) const WAIT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(86_400);

/// Where the Prometheus page is served. LoadDensity: `start_prometheus_exporter(port=9646, addr="127.0.0.1")`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrometheusConfig {
    /// TCP port; 0 takes a free one, which the start call returns. Default 9646.
    pub port: u16,
    /// Host name or address to listen on. Default `127.0.0.1`.
    pub addr: String,
}

impl Default for PrometheusConfig {
    fn default() -> Self {
        Self { port: 9646, addr: "127.0.0.1".into() }
    }
}

/// Where and how InfluxDB points are sent.
/// LoadDensity: `start_influxdb_sink(transport="udp", host="127.0.0.1", port, url, token, measurement, timeout, …)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InfluxdbConfig {
    /// Transport and address. Default: UDP to `127.0.0.1:8089`.
    pub target: InfluxdbTarget,
    /// Measurement of every point. Default `loaddensity_request`.
    pub measurement: String,
    /// How long one HTTP request may take, from connecting to the answer's end. Default 2 s.
    pub timeout: Duration,
    /// When a batch is sent (HTTP; over UDP lines leave within two milliseconds).
    pub batch: BatchLimits,
    /// Largest datagram in bytes (UDP): whole lines are packed up to it. 1 to 65,507, default 1,400.
    pub datagram_bytes: usize,
    /// Events that wait here while the backend is slow or away, 32 bytes each; later ones are dropped as
    /// `buffer_full`. Default 65,536.
    pub buffer_events: usize,
}

impl Default for InfluxdbConfig {
    fn default() -> Self {
        Self {
            target: InfluxdbTarget::default(),
            measurement: "loaddensity_request".into(),
            timeout: Duration::from_secs(2),
            batch: BatchLimits::default(),
            datagram_bytes: 1_400,
            buffer_events: 65_536,
        }
    }
}

/// Transport and address of an InfluxDB sink.
#[derive(Clone, PartialEq, Eq)]
pub enum InfluxdbTarget {
    /// Line protocol over UDP (InfluxDB 1).
    Udp {
        /// Host name or address.
        host: String,
        /// Port; LoadDensity's default is 8089.
        port: u16,
    },
    /// `POST /write` of InfluxDB 1.
    Http {
        /// Host name or address.
        host: String,
        /// Port; LoadDensity's default is 8086.
        port: u16,
        /// Database (`db=`).
        database: Option<String>,
        /// User of Basic authentication.
        username: Option<String>,
        /// Password of Basic authentication.
        password: Option<Secret>,
    },
    /// A complete write URL, used as it stands. `https` is refused by a build without TLS.
    Url {
        /// The URL, query included.
        url: String,
        /// Sent as `Authorization: Token …`.
        token: Option<Secret>,
    },
}

impl Default for InfluxdbTarget {
    fn default() -> Self {
        Self::Udp { host: "127.0.0.1".into(), port: 8_089 }
    }
}

impl fmt::Debug for InfluxdbTarget {
    /// Without the query of a URL, which may hold a password (`p=`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp { host, port } => f.debug_struct("Udp").field("host", host).field("port", port).finish(),
            Self::Http { host, port, database, username, password } => f
                .debug_struct("Http")
                .field("host", host)
                .field("port", port)
                .field("database", database)
                // With a colon in it, what follows is a password: such a name is refused.
                .field("username", &username.as_ref().map(|name| if name.contains(':') { "…" } else { name }))
                .field("password", password)
                .finish(),
            Self::Url { url, token } => {
                f.debug_struct("Url").field("url", &public_url(url)).field("token", token).finish()
            }
        }
    }
}

/// When an HTTP batch is sent: at whichever limit comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Points, 1 or more. Default 5,000.
    pub points: usize,
    /// Bytes of body, 4,096 or more. Default 1 MiB.
    pub bytes: usize,
    /// Age of the oldest point. Default 1 s.
    pub age: Duration,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { points: 5_000, bytes: 1 << 20, age: Duration::from_secs(1) }
    }
}

/// Where DogStatsD messages are sent. LoadDensity: `start_statsd_sink(host="127.0.0.1", port=8125, prefix="loaddensity")`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatsdConfig {
    /// Host name or address. Default `127.0.0.1`.
    pub host: String,
    /// UDP port. Default 8125.
    pub port: u16,
    /// What the metric names begin with; trailing dots are dropped. Default `loaddensity`.
    pub prefix: String,
    /// `None` (the contract): each message is a datagram of its own. `Some(n)`: messages are packed into datagrams of
    /// up to `n` bytes (1,432 suits an Ethernet), which costs several times less on both sides.
    pub datagram_bytes: Option<usize>,
    /// Events that wait here while the socket is full, 32 bytes each; later ones are dropped as `buffer_full`.
    /// Default 65,536.
    pub buffer_events: usize,
}

impl Default for StatsdConfig {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: 8_125,
            prefix: "loaddensity".into(),
            datagram_bytes: None,
            buffer_events: 65_536,
        }
    }
}

/// Where OTLP exports are sent.
/// LoadDensity: `start_opentelemetry_exporter(endpoint="http://localhost:4317", service_name="loaddensity", export_interval_ms=5000)`.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenTelemetryConfig {
    /// `http://host[:port]` of an OTLP/gRPC receiver. Default `http://localhost:4317`.
    pub endpoint: String,
    /// Resource attribute `service.name`. Default `loaddensity`.
    pub service_name: String,
    /// Time from the start of one export to the start of the next, 1 ms or more. Default 5 s.
    pub export_interval: Duration,
    /// How long one request may take, from connecting to the answer's end. Default 10 s (OTLP exporter specification).
    pub timeout: Duration,
    /// Largest request in bytes; a larger export is split. 4,096 or more, default 4 MiB, what servers accept by default.
    pub max_request_bytes: usize,
}

impl Default for OpenTelemetryConfig {
    fn default() -> Self {
        Self {
            endpoint: "http://localhost:4317".into(),
            service_name: "loaddensity".into(),
            export_interval: Duration::from_millis(5_000),
            timeout: Duration::from_secs(10),
            max_request_bytes: 4 << 20,
        }
    }
}

impl fmt::Debug for OpenTelemetryConfig {
    /// Without a user and a password in the endpoint, which are refused.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenTelemetryConfig")
            .field("endpoint", &public_url(&self.endpoint))
            .field("service_name", &self.service_name)
            .field("export_interval", &self.export_interval)
            .field("timeout", &self.timeout)
            .field("max_request_bytes", &self.max_request_bytes)
            .finish()
    }
}

/// A password or a token. Neither `Debug` nor an error text ever shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `secret`.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The text itself, for the wire and for nothing else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The configuration of one exporter, whichever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ExporterConfig {
    Prometheus(PrometheusConfig),
    Influxdb(InfluxdbConfig),
    Statsd(StatsdConfig),
    OpenTelemetry(OpenTelemetryConfig),
}

impl ExporterConfig {
    pub(crate) const fn exporter(&self) -> Exporter {
        match self {
            Self::Prometheus(_) => Exporter::Prometheus,
            Self::Influxdb(_) => Exporter::Influxdb,
            Self::Statsd(_) => Exporter::Statsd,
            Self::OpenTelemetry(_) => Exporter::OpenTelemetry,
        }
    }

    /// Looks for values that cannot work, before anything is touched. What only an exporter can judge (a URL, a
    /// prefix, a host) it judges itself when it starts.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        let check = Check(self.exporter());
        match self {
            Self::Prometheus(config) => check.host("addr", &config.addr),
            Self::Influxdb(config) => check_influxdb(check, config),
            Self::Statsd(config) => {
                check.host("host", &config.host)?;
                check.port(config.port)?;
                config.datagram_bytes.map_or(Ok(()), |bytes| check.range("datagram_bytes", bytes, &DATAGRAM_BYTES))?;
                check.range("buffer_events", config.buffer_events, &BUFFER_EVENTS)
            }
            Self::OpenTelemetry(config) => {
                check.wait("export_interval_ms", config.export_interval)?;
                check.wait("timeout", config.timeout)?;
                check.range("max_request_bytes", config.max_request_bytes, &REQUEST_BYTES)
            }
        }
    }
}

fn check_influxdb(check: Check, config: &InfluxdbConfig) -> Result<(), StartError> {
    match &config.target {
        InfluxdbTarget::Udp { host, port } | InfluxdbTarget::Http { host, port, .. } => {
            check.host("host", host)?;
            check.port(*port)?;
        }
        InfluxdbTarget::Url { url, .. } => check.not_empty("url", url)?,
    }
    check.wait("timeout", config.timeout)?;
    check.range("batch_points", config.batch.points, &BATCH_POINTS)?;
    check.range("batch_bytes", config.batch.bytes, &BATCH_BYTES)?;
    check.wait("batch_seconds", config.batch.age)?;
    check.range("datagram_bytes", config.datagram_bytes, &DATAGRAM_BYTES)?;
    check.range("buffer_events", config.buffer_events, &BUFFER_EVENTS)
}

/// Checks settings of one exporter.
#[derive(Clone, Copy)]
struct Check(Exporter);

impl Check {
    fn not_empty(self, key: &'static str, value: &str) -> Result<(), StartError> {
        if value.trim().is_empty() { Err(self.bad(key, value, "it must not be empty")) } else { Ok(()) }
    }

    fn host(self, key: &'static str, value: &str) -> Result<(), StartError> {
        self.not_empty(key, value)?;
        let is_alone = !value.contains('@');
        is_alone
            .then_some(())
            .ok_or_else(|| self.bad(key, public_url(value), "it must be a host alone, without a user"))
    }

    fn port(self, port: u16) -> Result<(), StartError> {
        if port == 0 { Err(self.bad("port", port, "a port to send to is 1 to 65535")) } else { Ok(()) }
    }

    fn range(self, key: &'static str, value: usize, range: &RangeInclusive<usize>) -> Result<(), StartError> {
        if range.contains(&value) {
            return Ok(());
        }
        let expected = match *range.end() {
            usize::MAX => format!("it must be {} or more", range.start()),
            end => format!("it must be {} to {end}", range.start()),
        };
        Err(self.bad(key, value, &expected))
    }

    fn wait(self, key: &'static str, value: Duration) -> Result<(), StartError> {
        if WAIT.contains(&value) {
            return Ok(());
        }
        Err(self.bad(key, format_args!("{value:?}"), "it must be 1 millisecond to 1 day"))
    }

    fn bad(self, key: &'static str, value: impl fmt::Display, expected: &str) -> StartError {
        StartError::Setting { exporter: self.0, key, value: value.to_string(), expected: expected.into() }
    }
}

/// A URL without what may be secret in it: user and password, query, fragment.
///
/// A password may hold anything, also what ends a host (`/`, `?`, `#`) or looks like an end of its own (`@`). So
/// wherever an `@` is, what stands before the last one may be a password; and where a query may have begun before it,
/// what stands behind may be one too.
pub(crate) fn public_url(url: &str) -> String {
    let is_scheme = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let behind_scheme = url.find("://").filter(|at| is_scheme(&url[..*at])).map_or(0, |at| at + "://".len());
    let (scheme, rest) = url.split_at(behind_scheme);
    let upto = |text: &str, ends: &[char]| text.split(ends).next().unwrap_or_default().to_owned();
    match rest.rsplit_once('@') {
        Some((before, _)) if before.contains(['?', '#']) => format!("{scheme}…"),
        Some((_, host)) => format!("{scheme}…@{}", upto(host, &['/', '?', '#'])),
        None if rest.contains(['?', '#']) => format!("{scheme}{}?…", upto(rest, &['?', '#'])),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_fit_to_start() {
        for config in [
            ExporterConfig::Prometheus(PrometheusConfig::default()),
            ExporterConfig::Influxdb(InfluxdbConfig::default()),
            ExporterConfig::Statsd(StatsdConfig::default()),
            ExporterConfig::OpenTelemetry(OpenTelemetryConfig::default()),
        ] {
            assert!(config.check().is_ok(), "{config:?}");
        }
    }

    #[test]
    fn values_that_cannot_work_are_named() {
        let statsd = |change: fn(&mut StatsdConfig)| {
            let mut config = StatsdConfig::default();
            change(&mut config);
            ExporterConfig::Statsd(config)
        };
        let influxdb = |change: fn(&mut InfluxdbConfig)| {
            let mut config = InfluxdbConfig::default();
            change(&mut config);
            ExporterConfig::Influxdb(config)
        };
        let telemetry = |change: fn(&mut OpenTelemetryConfig)| {
            let mut config = OpenTelemetryConfig::default();
            change(&mut config);
            ExporterConfig::OpenTelemetry(config)
        };
        for (config, parts) in [
            (statsd(|c| c.host = " ".into()), ["statsd", "`host`", "not be empty"]),
            (statsd(|c| c.host = "root:hunter2@h".into()), ["`host`", "\"…@h\"", "without a user"]),
            (statsd(|c| c.port = 0), ["statsd", "`port`", "1 to 65535"]),
            (statsd(|c| c.datagram_bytes = Some(70_000)), ["`datagram_bytes`", "70000", "1 to 65507"]),
            (statsd(|c| c.buffer_events = 0), ["`buffer_events`", "\"0\"", "1 to"]),
            (influxdb(|c| c.timeout = Duration::ZERO), ["influxdb", "`timeout`", "1 millisecond"]),
            (influxdb(|c| c.batch.points = 0), ["`batch_points`", "\"0\"", "1 or more"]),
            (influxdb(|c| c.batch.bytes = 100), ["`batch_bytes`", "100", "4096"]),
            (telemetry(|c| c.export_interval = Duration::ZERO), ["opentelemetry", "export_interval_ms", "1 day"]),
            (telemetry(|c| c.max_request_bytes = 1), ["`max_request_bytes`", "\"1\"", "4096"]),
        ] {
            let text = config.check().expect_err("must be refused").to_string();
            for part in parts {
                assert!(text.contains(part), "{text:?} lacks {part:?}");
            }
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        for (url, shown) in [
            ("http://h:8086/write?db=x&p=secret", "http://h:8086/write?…"),
            ("http://h:8086/write#secret", "http://h:8086/write?…"),
            ("http://h:8086/write", "http://h:8086/write"),
            ("http://root:secret@h:8086/write", "http://…@h:8086"),
            ("http://root:secret@h?p=secret", "http://…@h"),
            ("http://root:sec@ret@h", "http://…@h"),
            ("http://root:sec/ret@h/write", "http://…@h"),
            ("http://root:sec?ret@h/write", "http://…"),
            ("http://root:sec#ret@h/write", "http://…"),
            ("http://h/write?u=root&p=sec@ret", "http://…"),
            ("http://root:sec://ret@[::1]:1/write", "http://…@[::1]:1"),
            ("http://h/a@b", "http://…@b"),
            ("root:secret@h/write#secret", "…@h"),
            ("root:secret://x@h", "…@h"),
            ("h:1/write", "h:1/write"),
        ] {
            assert_eq!(public_url(url), shown, "{url}");
        }
        let http = |username: &str| InfluxdbTarget::Http {
            host: "h".into(),
            port: 1,
            database: None,
            username: Some(username.into()),
            password: Some(Secret::new("secret")),
        };
        let endpoint = "http://root:secret@h".into();
        for config in [
            format!(
                "{:?}",
                InfluxdbTarget::Url { url: "http://h/write?p=secret".into(), token: Some(Secret::new("secret")) }
            ),
            format!("{:?}", OpenTelemetryConfig { endpoint, ..OpenTelemetryConfig::default() }),
            format!("{:?}", http("root:secret")),
        ] {
            assert!(!config.contains("secret"), "{config}");
        }
        assert!(format!("{:?}", http("root")).contains("root"));
    }
}
