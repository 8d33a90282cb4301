//! Where and how exports are sent, read once when the exporter starts.

use std::time::Duration;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use loaddensity_metrics_core::Exporter;

use crate::config::{OpenTelemetryConfig, OtlpProtocol, Secret, is_reserved};
use crate::error::StartError;
use crate::http_client::{Advice, RemoteServer, Secrets, read_url};
use crate::public_url::public_url;
use crate::tls::HttpVersion;

/// Where receivers take metrics over HTTP (OTLP specification, "OTLP/HTTP Request").
const METRICS_PATH: &str = "/v1/metrics";

/// A receiver, and what every request to it has.
pub(super) struct OtlpTarget {
    pub(super) server: RemoteServer,
    pub(super) protocol: OtlpProtocol,
    pub(super) gzip: bool,
    /// How long a call may take.
    pub(super) timeout: Duration,
    /// Path and query; of HTTP.
    pub(super) path: String,
    /// The headers that the user gives.
    pub(super) headers: HeaderMap,
    /// Their values, which the receiver may repeat.
    pub(super) secrets: Secrets,
    /// What to do about its answers.
    pub(super) advice: Advice,
}

impl OtlpTarget {
    pub(super) fn read(config: &OpenTelemetryConfig) -> Result<Self, StartError> {
        let protocol = config.protocol;
        if protocol == OtlpProtocol::Grpc && !cfg!(feature = "opentelemetry") {
            let expected =
                "this build sends over HTTP only; use \"http/protobuf\", or switch on the feature \"opentelemetry\"";
            return Err(bad("protocol", protocol.as_str(), expected));
        }
        let (server, path) = endpoint(config)?;
        let (headers, mut secrets) = headers(&config.headers)?;
        secrets.add_query(&path);
        server.hide(&mut secrets);
        let advice = advice(protocol, asked(&server, protocol, &path), !headers.is_empty());
        let (gzip, timeout) = (config.gzip, config.timeout);
        Ok(Self { server, protocol, gzip, timeout, path, headers, secrets, advice })
    }

    /// Where exports go, without anything secret.
    pub(super) fn public_address(&self) -> String {
        self.advice.asked.clone()
    }
}

/// The URL that exports go to, without its query.
fn asked(server: &RemoteServer, protocol: OtlpProtocol, path: &str) -> String {
    let path = match protocol {
        OtlpProtocol::Grpc => "",
        OtlpProtocol::HttpProtobuf => path.split('?').next().unwrap_or_default(),
    };
    format!("{}{path}", server.origin())
}

fn advice(protocol: OtlpProtocol, asked: String, has_credentials: bool) -> Advice {
    let (path, no_acceptance) = match protocol {
        OtlpProtocol::Grpc => (
            format!(
                "no OTLP receiver of metrics answers at {asked}: check `endpoint` (usually port 4317) and `protocol`"
            ),
            "nothing says that the metrics were taken: check `endpoint`; a proxy, a login page or a server that does not \
             speak gRPC may answer there",
        ),
        OtlpProtocol::HttpProtobuf if asked.ends_with(METRICS_PATH) => (
            format!("nothing takes metrics at {asked}: check the path in `endpoint`"),
            "nothing says that the metrics were taken: check `endpoint`",
        ),
        OtlpProtocol::HttpProtobuf => (
            format!("nothing takes metrics at {asked}: `endpoint` may lack {METRICS_PATH}"),
            "nothing says that the metrics were taken: check `endpoint`",
        ),
    };
    Advice {
        url: "`endpoint`",
        asked,
        credentials: "`headers`",
        has_credentials,
        size: "`max_request_bytes`",
        path,
        database: String::new(),
        protocol: "check `protocol` and the port in `endpoint` (usually 4317 for \"grpc\", 4318 for \"http/protobuf\"), \
                   and whether the server takes `gzip`",
        no_acceptance,
    }
}

/// The server, and the path and query that are asked for.
fn endpoint(config: &OpenTelemetryConfig) -> Result<(RemoteServer, String), StartError> {
    let carried = carried(config.protocol);
    let (server, path) = read_url(Exporter::OpenTelemetry, "endpoint", &config.endpoint, &config.tls, carried)?;
    let server = server.through(config.proxy.as_ref(), carried);
    match config.protocol {
        OtlpProtocol::Grpc if path != "/" => {
            let expected = "it must be http://host:port of an OTLP/gRPC receiver (usually port 4317), without a path; \
                            for a URL with a path, use protocol \"http/protobuf\"";
            Err(bad("endpoint", &public_url(&config.endpoint), expected))
        }
        OtlpProtocol::Grpc => Ok((server, String::new())),
        OtlpProtocol::HttpProtobuf if has_no_path(&config.endpoint) => {
            Ok((server, format!("{METRICS_PATH}{}", path.trim_start_matches('/'))))
        }
        OtlpProtocol::HttpProtobuf => {
            if path == "/" {
                tracing::warn!(
                    "exports go to the path / of the endpoint, as it says; receivers take them at {METRICS_PATH}"
                );
            }
            Ok((server, path))
        }
    }
}

/// What carries requests.
pub(super) const fn carried(protocol: OtlpProtocol) -> HttpVersion {
    match protocol {
        OtlpProtocol::Grpc => HttpVersion::Http2,
        OtlpProtocol::HttpProtobuf => HttpVersion::Http1,
    }
}

/// Whether no path follows the host and the port, not even a slash.
fn has_no_path(url: &str) -> bool {
    url.split_once("://").is_some_and(|(_, rest)| !rest.split(['?', '#']).next().is_some_and(|rest| rest.contains('/')))
}

fn headers(given: &[(String, Secret)]) -> Result<(HeaderMap, Secrets), StartError> {
    let (mut headers, mut secrets) = (HeaderMap::new(), Secrets::default());
    for (name, value) in given {
        let bad = |expected| bad("headers", name, expected);
        let known = HeaderName::try_from(name.as_str())
            .map_err(|_| bad("it is no name of an HTTP header: letters, digits and - without spaces"))?;
        if is_reserved(known.as_str()) {
            return Err(bad("the exporter sets this header itself; leave it out"));
        }
        let mut shown = HeaderValue::try_from(value.reveal())
            .map_err(|_| bad("its value holds a line break or another control character"))?;
        shown.set_sensitive(true);
        if headers.insert(known, shown).is_some() {
            return Err(bad("the header is given twice; leave one of them out"));
        }
        secrets.add_header(value.reveal());
    }
    Ok((headers, secrets))
}

fn bad(field: &'static str, value: &str, expected: &str) -> StartError {
    StartError::Setting { exporter: Exporter::OpenTelemetry, field, value: value.into(), expected: expected.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(change: impl FnOnce(&mut OpenTelemetryConfig)) -> Result<OtlpTarget, String> {
        let mut config = OpenTelemetryConfig::http();
        change(&mut config);
        OtlpTarget::read(&config).map_err(|error| error.to_string())
    }

    #[test]
    fn an_http_endpoint_is_used_unchanged_unless_it_has_no_path() {
        for (endpoint, path, address) in [
            ("http://h:4318", "/v1/metrics", "http://h:4318/v1/metrics"),
            ("http://h", "/v1/metrics", "http://h/v1/metrics"),
            ("HTTP://h:80", "/v1/metrics", "http://h/v1/metrics"),
            ("http://h:4318?key=k", "/v1/metrics?key=k", "http://h:4318/v1/metrics"),
            ("http://h:4318?key=a/b", "/v1/metrics?key=a/b", "http://h:4318/v1/metrics"),
            ("http://h:4318#part", "/v1/metrics", "http://h:4318/v1/metrics"),
            ("http://h:4318/", "/", "http://h:4318/"),
            ("http://h:4318//v1/metrics/", "//v1/metrics/", "http://h:4318//v1/metrics/"),
            ("http://[::1]:4318/otlp?key=k", "/otlp?key=k", "http://[::1]:4318/otlp"),
        ] {
            let target = read(|config| config.endpoint = endpoint.into()).expect(endpoint);
            assert_eq!((target.path.as_str(), target.public_address()), (path, address.into()), "{endpoint}");
        }
    }

    #[test]
    fn a_grpc_endpoint_with_a_path_is_refused() {
        let grpc = |endpoint: &str| {
            read(|config| {
                *config = OpenTelemetryConfig { endpoint: endpoint.into(), ..OpenTelemetryConfig::default() };
            })
        };
        let text = grpc("http://h:4318/v1/metrics").err().expect("refused");
        assert!(text.contains("without a path") && text.contains("http/protobuf"), "{text}");
        assert_eq!(grpc("http://h:4317/").expect("no path").public_address(), "http://h:4317");
    }

    #[test]
    fn headers_are_checked_and_their_values_never_shown() {
        for (name, value, says) in [
            ("api key", "hunter2", "no name of an HTTP header"),
            ("", "hunter2", "no name of an HTTP header"),
            ("grpc-timeout", "hunter2", "sets this header itself"),
            ("Content-Type", "hunter2", "sets this header itself"),
            ("api-key", "hunter2\n", "control character"),
            ("Authorization", "hunter2", "given twice"),
        ] {
            let text = read(|config| {
                config.headers = vec![("authorization".into(), Secret::new("x")), (name.into(), Secret::new(value))];
            });
            let text = text.err().expect(name);
            assert!(text.contains("`headers`") && text.contains(says) && !text.contains("hunter2"), "{text}");
        }
        let token = |config: &mut OpenTelemetryConfig| {
            config.headers = vec![("Authorization".into(), Secret::new("Bearer hunter2"))];
        };
        let target = read(token).expect("a header");
        assert_eq!(target.headers["authorization"], "Bearer hunter2");
        assert!(!format!("{:?}", target.headers).contains("hunter2"), "sensitive for hyper too");
        assert_eq!(target.secrets.excerpt(b"no Bearer hunter2, no hunter2"), "no …, no …");
    }
}
