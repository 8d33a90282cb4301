//! Typed configurations of the four exporters. Each `Default` is LoadDensity's.

use std::fmt;
use std::time::Duration;

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
    /// Events that wait here while the backend is slow or away, 40 bytes each; later ones are dropped as
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Events that wait here while the socket is full, 40 bytes each; later ones are dropped as `buffer_full`.
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
