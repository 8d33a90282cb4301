//! The configuration of the OpenTelemetry exporter.

use std::ops::RangeInclusive;
use std::time::Duration;

use loaddensity_metrics_core::Exporter;
use loaddensity_metrics_core::otlp::{
    ExportOptions, HistogramAggregation, MIN_OPTIONS_REQUEST, RESOURCE_BYTES, Resource, ResourceError,
};

#[cfg(feature = "opentelemetry-environment")]
mod environment;

#[cfg(feature = "action-json")]
pub(crate) use environment::Given;

use super::Configuration;
use super::check::Check;
use super::labels::Labels;
use super::page_address::PageAddress;
use super::proxy::Proxy;
use super::secret::Secret;
use super::setters::configuration;
use super::shown::shown_without_secrets;
use super::tls::ClientTls;
use crate::error::StartError;

/// Bytes of an OTLP request: any point fits into the lower end, with the longest resource; the upper is what the
/// specification recommends that servers take.
pub(crate) const REQUEST_BYTES: RangeInclusive<usize> = 16_384..=64 << 20;

// Any point with the usual resource, and as much more as the longest one is long.
const _: () = assert!(*REQUEST_BYTES.start() >= MIN_OPTIONS_REQUEST + RESOURCE_BYTES);

/// Headers that the protocols set themselves; all that begin with `grpc-` are among them.
#[cfg(feature = "opentelemetry-environment")]
const RESERVED: [&str; 10] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "user-agent",
];

/// Whether the protocols set the header `name` themselves.
#[cfg(feature = "opentelemetry-environment")]
pub(crate) fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    RESERVED.contains(&name.as_str()) || name.starts_with("grpc-")
}

configuration! {
    /// Where OTLP exports are sent. LoadDensity: `start_opentelemetry_exporter(endpoint="http://localhost:4317",
    /// service_name="loaddensity", export_interval_ms=5000)`, where `export_interval_ms` is the interval in
    /// milliseconds.
    #[derive(Clone, PartialEq, Eq)]
    pub struct OpenTelemetryConfig {
        /// gRPC: `http://host[:port]`. HTTP: a complete URL, which is used as it is; if it has no path,
        /// `/v1/metrics` is added before its query. Default `http://localhost:4317`; see [`http`](Self::http).
        pub endpoint: String = OtlpProtocol::Grpc.default_endpoint().into(),
        /// Resource attribute `service.name`, not empty; cut to 255 bytes. Default `loaddensity`.
        pub service_name: String = "loaddensity".into(),
        /// Time from the start of one export to the start of the next, 1 ms to a day. Default 5 s.
        pub interval: Duration = Duration::from_secs(5),
        /// How a receiver at an `https` endpoint is proven, and what it is shown. Refused with `http`, unless it is the
        /// default: the system's roots, and no certificate of one's own.
        pub tls: ClientTls = ClientTls::default(),
        /// The HTTP proxy that exports are sent through. Default none.
        pub proxy: Option<Proxy> = None,
        /// How long one request may take, from connecting to the answer's end, 1 ms to a day. Default 10 s (OTLP
        /// exporter specification).
        pub timeout: Duration = Duration::from_secs(10),
        /// How long one export may take, with all its requests and attempts, 1 ms to a day; what has not been accepted
        /// by then comes with the next. Default `None`: a receiver that is away is tried again for as long as it takes,
        /// each request for its own `timeout`.
        pub export_timeout: Option<Duration> = None,
        /// Largest request in bytes before compression; a larger export is split. It is no batch's limit: nothing is
        /// sent any sooner for it. 16 KiB to 64 MiB, default 4 MiB, what
        /// servers accept by default.
        pub max_request_bytes: usize = 4 << 20,
        /// What carries the exports. Default [`OtlpProtocol::Grpc`].
        pub protocol: OtlpProtocol = OtlpProtocol::Grpc,
        /// Further headers, or metadata, of every request: name and value. Names are those of HTTP, each given once,
        /// and none that the protocol sets itself. Default none.
        pub headers: Vec<(String, Secret)> = Vec::new(),
        /// Further attributes of the resource. Keys are not empty and each is given once, `service.name` and
        /// `telemetry.sdk.*` are not among them; `service.instance.id` replaces the random one. All together up to
        /// about 7,600 bytes. Default none.
        pub resource_attributes: Labels = Labels::new(),
        /// What the points count from. Default [`Temporality::Cumulative`].
        pub temporality: Temporality = Temporality::Cumulative,
        /// The kind of histograms. Exponential ones need storage that keeps them
        /// ([`Exponential`](loaddensity_metrics_core::Exponential), the default).
        /// Default [`HistogramAggregation::Explicit`].
        pub histograms: HistogramAggregation = HistogramAggregation::Explicit,
        /// Whether cumulative histograms show the smallest and the largest value since the storage was made. Needs the
        /// same as exponential histograms, and cumulative temporality. Default no.
        pub min_max: bool = false,
        /// Whether cumulative latencies show an exemplar for each bucket that has one: the latest request that was
        /// recorded with a trace ([`record_traced`](loaddensity_metrics_core::Recorder::record_traced)). Needs
        /// cumulative temporality. Default no.
        pub exemplars: bool = false,
        /// Whether the latencies are also exported in seconds under the name and the attributes of OpenTelemetry's
        /// semantic conventions, as the histogram `http.client.request.duration`, with the same bounds. Needs explicit
        /// histograms. Default no.
        pub http_client_duration: bool = false,
        /// Whether requests are compressed with gzip. Needs the feature `gzip`. Default no.
        pub gzip: bool = false,
        /// Whether a start starts nothing and says so in the log; a running exporter is stopped by it. Default no.
        pub disabled: bool = false,
    }
}

/// What the points count from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Temporality {
    /// `cumulative`: from the start of the first exporter of the process.
    #[default]
    Cumulative,
    /// `delta`: from the end of the interval before, or the exporter's start. Takes 768 bytes of memory for each series
    /// that the storage has room for, 16,640 with exponential histograms, as far as they are used.
    Delta,
    /// `lowmemory`, as OpenTelemetry calls it: delta for counters and histograms. All that is exported here is of these
    /// kinds, so that it is the same as [`Delta`](Self::Delta).
    LowMemory,
}

impl Temporality {
    /// Its name in OpenTelemetry's environment variables: `cumulative`, `delta` or `lowmemory`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cumulative => "cumulative",
            Self::Delta => "delta",
            Self::LowMemory => "lowmemory",
        }
    }

    /// Reads [`as_str`](Self::as_str)'s names, in upper and lower case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Cumulative, Self::Delta, Self::LowMemory]
            .into_iter()
            .find(|temporality| temporality.as_str().eq_ignore_ascii_case(name))
    }

    /// Whether intervals are sent instead of totals.
    pub(crate) const fn is_delta(self) -> bool {
        !matches!(self, Self::Cumulative)
    }
}

/// What carries OTLP exports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OtlpProtocol {
    /// `grpc`: gRPC over HTTP/2. Needs the feature `opentelemetry`.
    #[default]
    Grpc,
    /// `http/protobuf`: binary protobuf over HTTP/1.1.
    HttpProtobuf,
}

impl OtlpProtocol {
    /// Its name in OpenTelemetry's environment variables: `grpc` or `http/protobuf`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
        }
    }

    /// Reads [`as_str`](Self::as_str)'s names, in upper and lower case.
    ///
    /// # Errors
    /// What would be right, for anything else; `http/json` among it, which is not implemented.
    pub fn parse(name: &str) -> Result<Self, &'static str> {
        match name.to_ascii_lowercase().as_str() {
            "grpc" => Ok(Self::Grpc),
            "http/protobuf" => Ok(Self::HttpProtobuf),
            "http/json" => Err("\"http/protobuf\", which receivers of JSON take on the same port, or \"grpc\""),
            _ => Err("\"grpc\" or \"http/protobuf\""),
        }
    }

    /// Where a receiver of this protocol listens by default (OTLP exporter specification, "Endpoint URLs").
    pub(crate) const fn default_endpoint(self) -> &'static str {
        match self {
            Self::Grpc => "http://localhost:4317",
            Self::HttpProtobuf => "http://localhost:4318/v1/metrics",
        }
    }
}

impl OpenTelemetryConfig {
    /// The defaults for HTTP: `http/protobuf` to `http://localhost:4318/v1/metrics`.
    #[must_use]
    pub fn http() -> Self {
        let protocol = OtlpProtocol::HttpProtobuf;
        Self { endpoint: protocol.default_endpoint().into(), protocol, ..Self::default() }
    }

    /// The options of the encoder.
    pub(crate) const fn options(&self) -> ExportOptions {
        ExportOptions {
            histograms: self.histograms,
            min_max: self.min_max,
            exemplars: self.exemplars,
            http_client_duration: self.http_client_duration,
        }
    }
}

impl Configuration for OpenTelemetryConfig {
    fn check(&self) -> Result<(), StartError> {
        let check = Check(Exporter::OpenTelemetry);
        check.wait("interval", self.interval)?;
        check.wait("timeout", self.timeout)?;
        self.export_timeout.map_or(Ok(()), |limit| check.wait("export_timeout", limit))?;
        check.range("max_request_bytes", self.max_request_bytes, &REQUEST_BYTES)?;
        check.not_empty("service_name", &self.service_name)?;
        if self.min_max && self.temporality.is_delta() {
            let expected = "those of an interval are not known; use temporality \"cumulative\", or leave min_max out";
            return Err(check.bad("min_max", true, expected));
        }
        if self.exemplars && self.temporality.is_delta() {
            let expected = "an interval that is sent again must hold the same, and exemplars are replaced meanwhile; \
                            use temporality \"cumulative\", or leave exemplars out";
            return Err(check.bad("exemplars", true, expected));
        }
        if self.http_client_duration && self.histograms == HistogramAggregation::Exponential {
            let expected = "buckets that double in milliseconds have no equals in seconds; use histograms \"explicit\", \
                            or leave http_client_duration out";
            return Err(check.bad("http_client_duration", true, expected));
        }
        self.check_resource(check)
    }

    fn check_without_tcp(&self) -> Result<(), StartError> {
        Check(Exporter::OpenTelemetry).without_tcp("protocol", self.protocol.as_str(), "")
    }

    fn page(&self) -> Option<PageAddress<'_>> {
        None
    }

    fn is_disabled(&self) -> bool {
        self.disabled
    }
}

impl OpenTelemetryConfig {
    fn check_resource(&self, check: Check) -> Result<(), StartError> {
        let mut resource = Resource::new(&self.service_name);
        for (key, value) in &self.resource_attributes {
            let bad = |expected: &str| check.bad("resource_attributes", key, expected);
            if key == "service.name" {
                return Err(bad("it has a setting of its own; use service_name"));
            }
            if key.starts_with("telemetry.sdk.") {
                return Err(bad("it says which program exports; choose another key"));
            }
            resource.put(key, value).map_err(|error| match error {
                ResourceError::Empty => bad("a key must not be empty"),
                ResourceError::Duplicate => bad("the key is given twice; leave one of them out"),
                ResourceError::TooLong => bad("all attributes together are too long; shorten them or leave some out"),
                other => bad(&other.to_string()),
            })?;
        }
        let fits = resource.has_room_for(OWN_RESOURCE_BYTES);
        let too_long = || {
            check.bad(
                "resource_attributes",
                self.resource_attributes.len(),
                "they are too long together; shorten them or leave some out",
            )
        };
        if !fits {
            return Err(too_long());
        }
        Ok(())
    }
}

/// Room for what the exporter puts into a resource besides what is configured: `run` and `worker` of an identity, and the
/// exporter's own attributes. A test beside those fails where it is too small (`opentelemetry/identity.rs`).
const OWN_RESOURCE_BYTES: usize = 384;

shown_without_secrets!(OpenTelemetryConfig {
    endpoint;
    service_name, interval, tls, proxy, timeout, export_timeout, max_request_bytes, protocol, headers, resource_attributes,
    temporality, histograms, min_max, exemplars, http_client_duration, gzip, disabled,
});
