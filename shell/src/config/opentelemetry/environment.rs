//! OpenTelemetry's environment variables.
//!
//! Sources: OpenTelemetry specification, "OpenTelemetry Protocol Exporter", "OpenTelemetry Environment Variable
//! Specification", "Resource SDK"; OTLP metrics exporter, "Configuration". What it says cannot be parsed is warned of in
//! the log and counts as not set.

use std::time::Duration;

use loaddensity_metrics_core::otlp::Histograms;
use percent_encoding::percent_decode_str;

use super::{OpenTelemetryConfig, OtlpProtocol, Temporality};
use crate::config::{ClientCertificate, ClientTls, Roots, Secret, WAIT};
use crate::environment::{self, Environment, EnvironmentError};

mod not_followed;

/// A setting that the metrics' own variable gives, or else the one of all signals.
type Names = (&'static str, &'static str);

const ENDPOINT: Names = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT");
const PROTOCOL: Names = ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL");
const HEADERS: Names = ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS");
const TIMEOUT: Names = ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT");
const COMPRESSION: Names = ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION");
const INSECURE: Names = ("OTEL_EXPORTER_OTLP_METRICS_INSECURE", "OTEL_EXPORTER_OTLP_INSECURE");
const TEMPORALITY: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
const HISTOGRAMS: &str = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
const INTERVAL: &str = "OTEL_METRIC_EXPORT_INTERVAL";
const EXPORT_TIMEOUT: &str = "OTEL_METRIC_EXPORT_TIMEOUT";
const CONFIG_FILE: &str = "OTEL_CONFIG_FILE";
const EXPORTER: &str = "OTEL_METRICS_EXPORTER";
const DISABLED: &str = "OTEL_SDK_DISABLED";
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
const RESOURCE: &str = "OTEL_RESOURCE_ATTRIBUTES";
const EXEMPLARS: &str = "OTEL_METRICS_EXEMPLAR_FILTER";
const ROOTS: Names = ("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE");
const KEY: Names = ("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY");
const CERTIFICATE: Names = ("OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE");

impl OpenTelemetryConfig {
    /// The defaults, overlaid by OpenTelemetry's environment variables. What no variable sets is LoadDensity's default:
    /// gRPC, an export every 5 s.
    ///
    /// `OTEL_SDK_DISABLED` and an `OTEL_METRICS_EXPORTER` without `otlp` set [`disabled`](Self::disabled). What would be
    /// an error is then warned of, and all variables count as not set: what is switched off needs none of them.
    ///
    /// # Errors
    /// [`EnvironmentError`] for what cannot be followed and must not be passed over: a protocol or a compression that
    /// this exporter does not have, a key without a certificate, headers or a value that cannot be read.
    pub fn from_env(environment: &Environment) -> Result<Self, EnvironmentError> {
        let disabled = is_switched_off(environment)?;
        not_followed::warn(environment);
        match Self::followed(environment) {
            Err(error) if disabled => {
                tracing::warn!(%error, "OpenTelemetry is switched off; its other environment variables count as not set");
                Ok(Self { disabled, ..Self::default() })
            }
            followed => Ok(Self { disabled, ..followed? }),
        }
    }

    /// All that the variables say but whether it is switched off.
    fn followed(environment: &Environment) -> Result<Self, EnvironmentError> {
        let mut config = Self::default();
        if let Some((name, text)) = either(environment, PROTOCOL)? {
            config.protocol = OtlpProtocol::parse(text)
                .map_err(|expected| EnvironmentError::shown(name, text, format!("it must be {expected}")))?;
        }
        config.endpoint = endpoint(environment, config.protocol)?;
        if let Some((name, text)) = either(environment, HEADERS)? {
            config.headers = headers(name, text)?;
        }
        if let Some((name, text)) = either(environment, COMPRESSION)? {
            config.gzip = match text {
                "gzip" => true,
                "none" => false,
                _ => return Err(EnvironmentError::shown(name, text, "it must be \"gzip\" or \"none\"")),
            };
        }
        config.tls = tls(environment)?;
        config.timeout = millis(either(environment, TIMEOUT)?, config.timeout);
        config.export_interval = millis(one(environment, INTERVAL)?, config.export_interval);
        let longest = *WAIT.end();
        let limit = one(environment, EXPORT_TIMEOUT)?.map(|given| millis(Some(given), longest));
        config.export_timeout = limit.filter(|limit| *limit != longest);
        if let Some((name, text)) = one(environment, TEMPORALITY)? {
            config.temporality = Temporality::parse(text).unwrap_or_else(|| ignored(name, config.temporality));
        }
        if let Some((name, text)) = one(environment, HISTOGRAMS)? {
            config.histograms = match text.to_ascii_lowercase().as_str() {
                "explicit_bucket_histogram" => Histograms::Explicit,
                "base2_exponential_bucket_histogram" => Histograms::Exponential,
                _ => ignored(name, config.histograms),
            };
        }
        if let Some((name, text)) = one(environment, EXEMPLARS)? {
            config.exemplars = match text.to_ascii_lowercase().as_str() {
                "trace_based" | "always_on" if config.temporality.is_delta() => ignored(name, false),
                "trace_based" | "always_on" => true,
                "always_off" => false,
                _ => ignored(name, config.exemplars),
            };
        }
        config.resource(environment)?;
        if one(environment, CONFIG_FILE)?.is_some() {
            tracing::warn!(
                variable = CONFIG_FILE,
                "configuration files are not read; the other variables are followed"
            );
        }
        Ok(config)
    }

    /// `OTEL_SERVICE_NAME` wins over `service.name` among the attributes. An attribute that cannot be read discards all.
    fn resource(&mut self, environment: &Environment) -> Result<(), EnvironmentError> {
        if let Some((name, text)) = one(environment, RESOURCE)? {
            let pairs = pairs(text).filter(|pairs| !has_duplicates(pairs));
            for (key, value) in pairs.unwrap_or_else(|| ignored(name, Vec::new())) {
                match key.as_str() {
                    "service.name" => self.service_name = value,
                    // What exports says so itself.
                    key if key.starts_with("telemetry.sdk.") => {}
                    _ => self.resource_attributes.push((key, value)),
                }
            }
        }
        if let Some((_, text)) = one(environment, SERVICE_NAME)? {
            self.service_name = text.into();
        }
        Ok(())
    }
}

fn is_switched_off(environment: &Environment) -> Result<bool, EnvironmentError> {
    let is_disabled = one(environment, DISABLED)?.is_some_and(|(_, text)| text.eq_ignore_ascii_case("true"));
    let is_left_out = |(_, list): (_, &str)| !list.split(',').any(|name| name.trim() == "otlp");
    Ok(is_disabled || one(environment, EXPORTER)?.is_some_and(is_left_out))
}

/// The variable that is set, with its value.
fn one<'e>(
    environment: &'e Environment,
    name: &'static str,
) -> Result<Option<(&'static str, &'e str)>, EnvironmentError> {
    Ok(environment.text(name)?.map(|text| (name, text.trim())).filter(|(_, text)| !text.is_empty()))
}

fn either(environment: &Environment, (own, all): Names) -> Result<Option<(&'static str, &str)>, EnvironmentError> {
    Ok(one(environment, own)?.or(one(environment, all)?))
}

/// The metrics' own endpoint stands as it is, with `/` for an empty path; to that of all signals, HTTP appends
/// `v1/metrics`. One of gRPC may have no scheme; `INSECURE` then says whether it is that of TLS.
fn endpoint(environment: &Environment, protocol: OtlpProtocol) -> Result<String, EnvironmentError> {
    let Some((name, text)) = either(environment, ENDPOINT)? else { return Ok(protocol.default_endpoint().into()) };
    let is_own = name == ENDPOINT.0;
    if protocol == OtlpProtocol::Grpc {
        let insecure = either(environment, INSECURE)?.is_some_and(|(_, text)| text.eq_ignore_ascii_case("true"));
        let scheme = if insecure { "http" } else { "https" };
        return Ok(if text.contains("://") { text.into() } else { format!("{scheme}://{text}") });
    }
    let (base, query) = text.split_at(text.find(['?', '#']).unwrap_or(text.len()));
    let has_path = base.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    Ok(match (is_own, has_path) {
        (true, true) => text.into(),
        (true, false) => format!("{base}/{query}"),
        (false, _) => format!("{}/v1/metrics{query}", of_all_signals(name, base)),
    })
}

/// The endpoint of all signals, to which the path of one is appended. People give it with that path, or another one's.
fn of_all_signals<'b>(name: &'static str, base: &'b str) -> &'b str {
    let base = base.trim_end_matches('/');
    let signals = ["/v1/metrics", "/v1/traces", "/v1/logs"];
    let Some(short) = signals.iter().find_map(|path| base.strip_suffix(path)) else { return base };
    tracing::warn!(
        variable = name,
        "environment variable {name} ends in the path of one signal, which is appended to it; that is left out once: \
         set it without, or set {} to the whole URL",
        ENDPOINT.0
    );
    short.trim_end_matches('/')
}

fn headers(name: &'static str, text: &str) -> Result<Vec<(String, Secret)>, EnvironmentError> {
    let expected = "it must be a list of headers, name=value,name=value, with values percent-encoded";
    let pairs = pairs(text).ok_or_else(|| EnvironmentError::hidden(name, expected))?;
    Ok(pairs.into_iter().map(|(name, value)| (name, Secret::new(value))).collect())
}

/// `key=value,key=value` with percent-encoded values; `None` where it is none.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let decoded = |text: &str| {
        // `%` stands for nothing but an escape.
        let is_encoded = text
            .split('%')
            .skip(1)
            .all(|rest| rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)));
        is_encoded.then(|| percent_decode_str(text.trim()).decode_utf8().ok().map(String::from)).flatten()
    };
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        let key = decoded(key).filter(|key| !key.is_empty())?;
        Some((key, decoded(value)?))
    };
    text.split(',').filter(|part| !part.trim().is_empty()).map(pair).collect()
}

fn has_duplicates(pairs: &[(String, String)]) -> bool {
    pairs.iter().enumerate().any(|(at, (key, _))| pairs[..at].iter().any(|(other, _)| other == key))
}

/// Whole milliseconds. 0 is no limit, for which the longest stands.
fn millis(given: Option<(&'static str, &str)>, default: Duration) -> Duration {
    let Some((name, text)) = given else { return default };
    match text.parse().ok().map(Duration::from_millis) {
        Some(Duration::ZERO) => *WAIT.end(),
        Some(wait) if WAIT.contains(&wait) => wait,
        _ => ignored(name, default),
    }
}

/// The files of TLS. A key without a certificate, or the other way round, is refused.
fn tls(environment: &Environment) -> Result<ClientTls, EnvironmentError> {
    let (roots, certificate, key) =
        (either(environment, ROOTS)?, either(environment, CERTIFICATE)?, either(environment, KEY)?);
    let alone =
        |(name, file): (_, &str), other| EnvironmentError::shown(name, file, format!("it needs {other} beside it"));
    let identity = match (certificate, key) {
        (None, None) => None,
        (Some((_, certificate)), Some((_, key))) => {
            Some(ClientCertificate { certificate: certificate.into(), key: key.into() })
        }
        (Some(certificate), None) => return Err(alone(certificate, KEY.1)),
        (None, Some(key)) => return Err(alone(key, CERTIFICATE.1)),
    };
    Ok(ClientTls { roots: roots.map_or(Roots::System, |(_, file)| Roots::Pem(file.into())), identity })
}

/// Warns of a variable that cannot be used, whose value is not shown, and goes on with `instead`.
fn ignored<T>(variable: &'static str, instead: T) -> T {
    environment::ignored(&EnvironmentError::hidden(variable, "it cannot be read"), instead)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<OpenTelemetryConfig, String> {
        OpenTelemetryConfig::from_env(&Environment::of(variables.iter().copied())).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_set_is_the_default() {
        assert_eq!(of(&[]), Ok(OpenTelemetryConfig::default()));
        assert_eq!(of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", ""), (SERVICE_NAME, " ")]), Ok(OpenTelemetryConfig::default()));
    }

    #[test]
    fn endpoints_follow_protocol_precedence_and_the_rule_of_the_path() {
        let http = (PROTOCOL.1, "http/protobuf");
        for (variables, endpoint) in [
            (vec![http], "http://localhost:4318/v1/metrics"),
            (vec![http, (ENDPOINT.1, "http://c:4318")], "http://c:4318/v1/metrics"),
            (vec![http, (ENDPOINT.1, "http://c/otlp/")], "http://c/otlp/v1/metrics"),
            (vec![http, (ENDPOINT.0, "http://c:4318")], "http://c:4318/"),
            (vec![http, (ENDPOINT.0, "http://c/m"), (ENDPOINT.1, "http://d")], "http://c/m"),
            (vec![http, (ENDPOINT.1, "http://c/otlp?api-key=k")], "http://c/otlp/v1/metrics?api-key=k"),
            (vec![http, (ENDPOINT.1, "http://c?api-key=a/b")], "http://c/v1/metrics?api-key=a/b"),
            (vec![http, (ENDPOINT.1, "http://c//")], "http://c/v1/metrics"),
            (vec![http, (ENDPOINT.1, "http://c/v1/metrics")], "http://c/v1/metrics"),
            (vec![http, (ENDPOINT.1, "http://c/otlp/v1/traces/?k=v")], "http://c/otlp/v1/metrics?k=v"),
            (vec![http, (ENDPOINT.1, "http://c/dev1/metrics")], "http://c/dev1/metrics/v1/metrics"),
            (vec![http, (ENDPOINT.0, "http://c/m?k=v")], "http://c/m?k=v"),
            (vec![http, (ENDPOINT.0, "http://c?k=v")], "http://c/?k=v"),
            (vec![http, (ENDPOINT.0, "http://c/v1/metrics/v1/metrics")], "http://c/v1/metrics/v1/metrics"),
            (vec![(ENDPOINT.1, "http://c:4317")], "http://c:4317"),
            (vec![(ENDPOINT.1, "c:4317")], "https://c:4317"),
            (vec![(ENDPOINT.1, "c:4317"), (INSECURE.1, "TRUE")], "http://c:4317"),
            (vec![(ENDPOINT.1, "c:4317"), (INSECURE.1, "true"), (INSECURE.0, "false")], "https://c:4317"),
            (vec![(PROTOCOL.0, "grpc"), http], "http://localhost:4317"),
        ] {
            assert_eq!(of(&variables).map(|config| config.endpoint).as_deref(), Ok(endpoint), "{variables:?}");
        }
    }

    #[test]
    fn everything_else_that_is_set_is_followed() {
        let config = of(&[
            (HEADERS.1, "api-key=a%20b%2Cc, x=y=z"),
            (TIMEOUT.1, "2500"),
            (INTERVAL, "60000"),
            (EXPORT_TIMEOUT, "30000"),
            (CONFIG_FILE, "/etc/otel.yaml"),
            (TEMPORALITY, "DELTA"),
            (HISTOGRAMS, "base2_exponential_bucket_histogram"),
            (RESOURCE, "run=7,service.name=ignored,team=a%3Db"),
            (SERVICE_NAME, "shop"),
            (COMPRESSION.0, "gzip"),
            (COMPRESSION.1, "none"),
            (ROOTS.1, "/etc/ca.pem"),
            (KEY.0, "/etc/key.pem"),
            (CERTIFICATE.1, "/etc/client.pem"),
        ]);
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let expected = OpenTelemetryConfig {
            headers: vec![("api-key".into(), Secret::new("a b,c")), ("x".into(), Secret::new("y=z"))],
            timeout: Duration::from_millis(2_500),
            export_interval: Duration::from_secs(60),
            export_timeout: Some(Duration::from_secs(30)),
            temporality: Temporality::Delta,
            histograms: Histograms::Exponential,
            service_name: "shop".into(),
            gzip: true,
            resource_attributes: vec![pair("run", "7"), pair("team", "a=b")],
            tls: ClientTls {
                roots: Roots::Pem("/etc/ca.pem".into()),
                identity: Some(ClientCertificate { certificate: "/etc/client.pem".into(), key: "/etc/key.pem".into() }),
            },
            ..OpenTelemetryConfig::default()
        };
        assert_eq!(config, Ok(expected));
    }

    #[test]
    fn what_cannot_be_parsed_counts_as_not_set() {
        for variable in [
            (TIMEOUT.1, "soon"),
            (TIMEOUT.1, "-1"),
            (INTERVAL, "1.5"),
            (EXPORT_TIMEOUT, "never"),
            (EXPORT_TIMEOUT, "0"),
            (TEMPORALITY, "both"),
            (HISTOGRAMS, "summary"),
            (RESOURCE, "run=7,broken"),
            (RESOURCE, "run=7,x=%zz"),
            (RESOURCE, "run=7,x=%ff"),
            (RESOURCE, "run=7,run=8"),
            (DISABLED, "1"),
        ] {
            assert_eq!(of(&[variable]), Ok(OpenTelemetryConfig::default()), "{variable:?}");
        }
        assert_eq!(of(&[(TIMEOUT.1, "0")]).map(|config| config.timeout), Ok(*WAIT.end()));
    }

    #[test]
    fn what_must_not_be_passed_over_is_refused() {
        for (variable, value, says) in [
            (PROTOCOL.1, "http/json", "http/protobuf"),
            (PROTOCOL.0, "udp", "\"grpc\" or"),
            (COMPRESSION.0, "zstd", "\"gzip\" or \"none\""),
            (KEY.1, "/etc/key.pem", CERTIFICATE.1),
            (CERTIFICATE.0, "/etc/client.pem", KEY.1),
            (HEADERS.1, "hunter2", "value not shown"),
            (HEADERS.1, "api-key=hunter2%", "value not shown"),
        ] {
            let text = of(&[(variable, value)]).expect_err(variable);
            assert!(text.contains(variable) && text.contains(says) && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn exemplars_are_cumulative() {
        for (variables, exemplars) in [
            (vec![(EXEMPLARS, "always_on")], true),
            (vec![(EXEMPLARS, "always_off")], false),
            (vec![(EXEMPLARS, "trace_based"), (TEMPORALITY, "lowmemory")], false),
        ] {
            assert_eq!(of(&variables).map(|config| config.exemplars), Ok(exemplars), "{variables:?}");
        }
    }

    #[test]
    fn switched_off_is_disabled() {
        for (variables, disabled) in [
            (vec![(DISABLED, "True")], true),
            (vec![(DISABLED, "false")], false),
            (vec![(EXPORTER, "none")], true),
            (vec![(EXPORTER, "console, otlp")], false),
            (vec![(EXPORTER, "prometheus")], true),
        ] {
            assert_eq!(of(&variables).map(|config| config.disabled), Ok(disabled), "{variables:?}");
        }
    }

    #[test]
    fn what_is_switched_off_wins_over_what_would_be_an_error() {
        let broken = [(PROTOCOL.1, "http/json"), (HEADERS.1, "hunter2"), (ENDPOINT.1, "http://c:4317")];
        for off in [(DISABLED, "true"), (EXPORTER, "none")] {
            let config = of(&[off, broken[0], broken[1], broken[2]]);
            assert_eq!(config, Ok(OpenTelemetryConfig { disabled: true, ..OpenTelemetryConfig::default() }), "{off:?}");
        }
        // What can be followed still is, for who sets `disabled` back.
        let config = of(&[(DISABLED, "true"), broken[2]]).map(|config| (config.disabled, config.endpoint));
        assert_eq!(config, Ok((true, "http://c:4317".into())));
    }
}
