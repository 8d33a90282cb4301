//! OpenTelemetry's environment variables.
//!
//! Sources: OpenTelemetry specification, "OpenTelemetry Protocol Exporter", "OpenTelemetry Environment Variable
//! Specification", "Resource SDK"; OTLP metrics exporter, "Configuration". They were set for other programs too: a value
//! that cannot be used is warned of in the log and counts as not set. Refused is what says where exports go and who sends
//! them (endpoint, headers, files of TLS) where it cannot be read: everything would be lost.

use std::time::Duration;

use loaddensity_metrics_core::otlp::{HistogramAggregation, Resource, SERVICE_NAME_BYTES};

use self::list::List;
use super::{OWN_RESOURCE_BYTES, OpenTelemetryConfig, OtlpProtocol, Temporality, is_reserved};
use crate::config::{ClientCertificate, ClientTls, Proxy, Roots, Secret, WAIT};
use crate::environment::{Environment, EnvironmentError, ignored, left_out};

mod list;
mod not_followed;

/// A setting that the metrics' own variable gives, or else the one of all signals.
type VariableNames = (&'static str, &'static str);

const ENDPOINT: VariableNames = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT");
const PROTOCOL: VariableNames = ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL");
const HEADERS: VariableNames = ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS");
const TIMEOUT: VariableNames = ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT");
const COMPRESSION: VariableNames = ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION");
const INSECURE: VariableNames = ("OTEL_EXPORTER_OTLP_METRICS_INSECURE", "OTEL_EXPORTER_OTLP_INSECURE");
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
const ROOTS: VariableNames = ("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE");
const KEY: VariableNames = ("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY");
const CERTIFICATE: VariableNames =
    ("OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE");
/// The variables that are not read where their setting is given otherwise, by its name in Action-JSON.
const SETTINGS: [(&str, &[&str]); 13] = [
    ("endpoint", &[ENDPOINT.0, ENDPOINT.1]),
    ("service_name", &[SERVICE_NAME]),
    ("interval_seconds", &[INTERVAL]),
    ("timeout", &[TIMEOUT.0, TIMEOUT.1]),
    ("export_timeout", &[EXPORT_TIMEOUT]),
    ("headers", &[HEADERS.0, HEADERS.1]),
    ("resource_attributes", &[RESOURCE]),
    ("temporality", &[TEMPORALITY]),
    ("histograms", &[HISTOGRAMS]),
    ("exemplars", &[EXEMPLARS]),
    ("gzip", &[COMPRESSION.0, COMPRESSION.1]),
    ("ca_file", &[ROOTS.0, ROOTS.1]),
    ("client_certificate", &[CERTIFICATE.0, CERTIFICATE.1, KEY.0, KEY.1]),
];

/// What is given otherwise, and wins over the variables.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) protocol: Option<OtlpProtocol>,
    pub(crate) endpoint: Option<String>,
    /// The names of all settings that are given.
    pub(crate) names: Vec<&'static str>,
}

impl Given {
    fn has(&self, setting: &str) -> bool {
        self.names.contains(&setting)
    }
}

impl OpenTelemetryConfig {
    /// The defaults, overlaid by OpenTelemetry's environment variables. What no variable sets is LoadDensity's default:
    /// gRPC, an export every 5 s. A value that cannot be used is warned of in the log and counts as not set; of a key that
    /// is given twice the last value counts; parts of a list that cannot be read or have no room are left out.
    ///
    /// `OTEL_SDK_DISABLED` and an `OTEL_METRICS_EXPORTER` without `otlp` set [`disabled`](Self::disabled). What would be
    /// an error is then warned of, and all variables count as not set: what is switched off needs none of them.
    ///
    /// # Errors
    /// [`EnvironmentError`] for an endpoint or headers that cannot be read, and for a client's key without a certificate
    /// or the other way round.
    pub fn from_env(environment: &Environment) -> Result<Self, EnvironmentError> {
        Self::from_env_below(&Given::default(), environment)
    }

    /// The same where some settings are given otherwise: their variables are not read, so that none of them keeps the
    /// exporter from starting.
    pub(crate) fn from_env_below(given: &Given, environment: &Environment) -> Result<Self, EnvironmentError> {
        let disabled = is_switched_off(environment);
        not_followed::warn(environment);
        let unsaid = SETTINGS.iter().filter(|(setting, _)| given.has(setting)).flat_map(|(_, names)| *names);
        match Self::followed(given, &environment.without(&unsaid.copied().collect::<Vec<_>>())) {
            Err(error) if disabled => {
                tracing::warn!(%error, "OpenTelemetry is switched off; its other environment variables count as not set");
                Ok(Self { disabled, ..Self::default() })
            }
            followed => Ok(Self { disabled, ..followed? }),
        }
    }

    /// All that the variables say but whether it is switched off.
    fn followed(given: &Given, environment: &Environment) -> Result<Self, EnvironmentError> {
        let mut config = Self::default();
        let read = |name| one_of(environment, name, |text| protocol(name, text));
        let protocol = read(PROTOCOL.0).or_else(|| read(PROTOCOL.1));
        config.protocol = given.protocol.or(protocol).unwrap_or(config.protocol);
        config.endpoint = match protocol {
            // An endpoint of the other protocol is of no use.
            Some(other) if other != config.protocol => config.protocol.default_endpoint().into(),
            _ => endpoint(environment, config.protocol)?,
        };
        config.headers = headers(environment)?;
        config.tls = tls(environment, given.endpoint.as_ref().unwrap_or(&config.endpoint))?;
        config.proxy = Proxy::from_env(environment);
        config.gzip = either_of(environment, COMPRESSION, compression).unwrap_or(config.gzip);
        config.timeout = either_of(environment, TIMEOUT, limit).unwrap_or(config.timeout);
        config.export_timeout = one_of(environment, EXPORT_TIMEOUT, limit).filter(|limit| limit != WAIT.end());
        config.interval = one_of(environment, INTERVAL, interval).unwrap_or(config.interval);
        config.temporality = one_of(environment, TEMPORALITY, temporality).unwrap_or(config.temporality);
        config.histograms = one_of(environment, HISTOGRAMS, histograms).unwrap_or(config.histograms);
        let exemplars = |text: &str| exemplars(text, config.temporality);
        config.exemplars = one_of(environment, EXEMPLARS, exemplars).unwrap_or(config.exemplars);
        config.resource(environment);
        if environment.text(CONFIG_FILE) != Ok(None) {
            let says = "configuration files are not read; the other variables are followed";
            tracing::warn!(variable = CONFIG_FILE, "environment variable {CONFIG_FILE}: {says}");
        }
        Ok(config)
    }

    /// `OTEL_SERVICE_NAME` wins over `service.name` among the attributes. Those that cannot be read are left out, as
    /// OpenTelemetry's SDKs do it; the specification would have all of them go.
    fn resource(&mut self, environment: &Environment) {
        let list = List::read(text(environment, RESOURCE).unwrap_or_default(), |a, b| a == b);
        if let Some(first) = list.unreadable.first() {
            let why = "each must be key=value, with a percent-encoded value";
            left_out(RESOURCE, &format!("part {first}"), list.unreadable.len(), why);
        }
        let mut room = Resource::new(&"n".repeat(SERVICE_NAME_BYTES));
        let mut beyond = Vec::new();
        for (key, value) in list.pairs {
            match key.as_str() {
                "service.name" if value.trim().is_empty() => left_out(RESOURCE, &key, 1, "it must not be empty"),
                "service.name" => self.service_name = value,
                // What exports says so itself.
                key if key.starts_with("telemetry.sdk.") => {}
                _ if !has_room(&mut room, &key, &value) => beyond.push(key),
                _ => self.resource_attributes.extend([(key, value)]),
            }
        }
        if let Some(first) = beyond.first() {
            let first: String = first.chars().take(SHOWN_KEY).collect();
            left_out(RESOURCE, &first, beyond.len(), "all attributes together are too long; shorten them");
        }
        if let Some(name) = text(environment, SERVICE_NAME) {
            self.service_name = name.into();
        }
    }
}

/// Most characters of a key that a warning shows.
const SHOWN_KEY: usize = 80;

/// Takes an attribute into `resource` where it leaves room for the exporter's own.
fn has_room(resource: &mut Resource, key: &str, value: &str) -> bool {
    let before = resource.clone();
    let fits = resource.put(key, value).is_ok() && resource.has_room_for(OWN_RESOURCE_BYTES);
    if !fits {
        *resource = before;
    }
    fits
}

/// `OTEL_METRICS_EXPORTER` is a list. Names that no specification has are warned of; those of other exporters are not for
/// this one.
fn is_switched_off(environment: &Environment) -> bool {
    if one_of(environment, DISABLED, boolean).unwrap_or(false) {
        return true;
    }
    let list = text(environment, EXPORTER).unwrap_or_default().to_ascii_lowercase();
    let (known, unknown): (Vec<_>, Vec<_>) = list
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .partition(|name| ["otlp", "prometheus", "console", "logging", "none"].contains(name));
    if let Some(first) = unknown.first() {
        left_out(EXPORTER, &format!("{first:?}"), unknown.len(), "it must be otlp, prometheus, console or none");
    }
    !known.is_empty() && !known.contains(&"otlp")
}

fn protocol(variable: &'static str, text: &str) -> Result<OtlpProtocol, String> {
    if text.eq_ignore_ascii_case("http/json") {
        let instead = "http/protobuf is sent, which receivers of JSON take on the same port";
        tracing::warn!(variable, "environment variable {variable} is {text:?}, which is not built in; {instead}");
        return Ok(OtlpProtocol::HttpProtobuf);
    }
    OtlpProtocol::parse(text).map_err(|expected| format!("it must be {expected}"))
}

fn compression(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "gzip" if cfg!(not(feature = "gzip")) => Err("this build has no gzip; switch on its feature".into()),
        "gzip" => Ok(true),
        "none" => Ok(false),
        _ => Err("it must be \"gzip\" or \"none\"".into()),
    }
}

fn temporality(text: &str) -> Result<Temporality, String> {
    Temporality::parse(text).ok_or_else(|| "it must be \"cumulative\", \"delta\" or \"lowmemory\"".into())
}

fn histograms(text: &str) -> Result<HistogramAggregation, String> {
    match text.to_ascii_lowercase().as_str() {
        "explicit_bucket_histogram" => Ok(HistogramAggregation::Explicit),
        "base2_exponential_bucket_histogram" => Ok(HistogramAggregation::Exponential),
        _ => Err("it must be \"explicit_bucket_histogram\" or \"base2_exponential_bucket_histogram\"".into()),
    }
}

fn exemplars(text: &str, temporality: Temporality) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "trace_based" | "always_on" if temporality.is_delta() => Err("intervals have no exemplars".into()),
        "trace_based" | "always_on" => Ok(true),
        "always_off" => Ok(false),
        _ => Err("it must be \"trace_based\", \"always_on\" or \"always_off\"".into()),
    }
}

fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("it must be \"true\" or \"false\"".into()),
    }
}

/// Whole milliseconds of a pause, which cannot be switched off.
fn interval(text: &str) -> Result<Duration, String> {
    let expected = || "it must be a whole number of milliseconds, 1 to a day".into();
    millis(text).filter(|wait| WAIT.contains(wait)).ok_or_else(expected)
}

/// Whole milliseconds of a timeout. 0 means no limit; it is read as the longest timeout, and so is anything longer.
fn limit(text: &str) -> Result<Duration, String> {
    match millis(text) {
        Some(Duration::ZERO) => Ok(*WAIT.end()),
        Some(limit) => Ok(limit.min(*WAIT.end())),
        None => Err("it must be a whole number of milliseconds, or 0 for no limit".into()),
    }
}

fn millis(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_millis)
}

/// What the variable says in `read`'s words; nothing where it is not set, or cannot be used, which is warned of.
fn one_of<T>(environment: &Environment, name: &'static str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
    let text = text(environment, name)?;
    match read(text) {
        Ok(value) => Some(value),
        Err(expected) => ignored(&EnvironmentError::shown(name, text, expected), None),
    }
}

/// The same of two variables, of which the first wins where it can be used.
fn either_of<T>(
    environment: &Environment,
    (own, all): VariableNames,
    read: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    one_of(environment, own, &read).or_else(|| one_of(environment, all, &read))
}

/// What the variable says without blanks around it; nothing where it is not set, or not UTF-8, which is warned of.
fn text<'e>(environment: &'e Environment, name: &'static str) -> Option<&'e str> {
    one(environment, name).unwrap_or_else(|error| ignored(&error, None)).map(|(_, text)| text)
}

/// The variable that is set, with its value.
fn one<'e>(
    environment: &'e Environment,
    name: &'static str,
) -> Result<Option<(&'static str, &'e str)>, EnvironmentError> {
    Ok(environment.text(name)?.map(|text| (name, text.trim())).filter(|(_, text)| !text.is_empty()))
}

fn either(
    environment: &Environment,
    (own, all): VariableNames,
) -> Result<Option<(&'static str, &str)>, EnvironmentError> {
    Ok(one(environment, own)?.or(one(environment, all)?))
}

/// The metrics' own endpoint is used as it is, with `/` for an empty path. To the endpoint of all signals HTTP appends
/// `v1/metrics`. One of gRPC may have no scheme; `INSECURE` then says whether it is that of TLS.
fn endpoint(environment: &Environment, protocol: OtlpProtocol) -> Result<String, EnvironmentError> {
    let Some((name, text)) = either(environment, ENDPOINT)? else { return Ok(protocol.default_endpoint().into()) };
    let is_own = name == ENDPOINT.0;
    if protocol == OtlpProtocol::Grpc {
        let insecure = either_of(environment, INSECURE, boolean).unwrap_or(false);
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

/// A part that cannot be read may be the credential without which nothing is taken: it is refused. Headers that the protocol
/// sets itself are left out.
fn headers(environment: &Environment) -> Result<Vec<(String, Secret)>, EnvironmentError> {
    let Some((variable, text)) = either(environment, HEADERS)? else { return Ok(Vec::new()) };
    let list = List::read(text, str::eq_ignore_ascii_case);
    if let Some(part) = list.unreadable.first() {
        let expected = format!(
            "part {part} of the list cannot be read; it must be name=value,name=value, with percent-encoded values"
        );
        return Err(EnvironmentError::hidden(variable, expected));
    }
    let (reserved, headers): (Vec<_>, Vec<_>) = list.pairs.into_iter().partition(|(name, _)| is_reserved(name));
    if let Some((first, _)) = reserved.first() {
        left_out(variable, first, reserved.len(), "the exporter sets it itself");
    }
    Ok(headers.into_iter().map(|(name, value)| (name, Secret::new(value))).collect())
}

/// The files of TLS. A key without a certificate, or the other way round, is refused. To an endpoint without TLS they mean
/// nothing.
fn tls(environment: &Environment, endpoint: &str) -> Result<ClientTls, EnvironmentError> {
    if !endpoint.get(.."https:".len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:")) {
        let files = [ROOTS, CERTIFICATE, KEY].into_iter().flat_map(|(own, all)| [own, all]);
        files.filter(|name| environment.text(name) != Ok(None)).for_each(|variable| {
            tracing::warn!(variable, "environment variable {variable} is for https, and the endpoint is none");
        });
        return Ok(ClientTls::default());
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Configuration as _;
    use crate::environment::logged::logged;

    fn of(variables: &[(&str, &str)]) -> Result<OpenTelemetryConfig, String> {
        OpenTelemetryConfig::from_env(&Environment::of(variables.iter().copied())).map_err(|error| error.to_string())
    }

    #[test]
    fn without_variables_the_configuration_is_the_default() {
        assert_eq!(of(&[]), Ok(OpenTelemetryConfig::default()));
        assert_eq!(of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", ""), (SERVICE_NAME, " ")]), Ok(OpenTelemetryConfig::default()));
    }

    #[test]
    fn the_endpoint_follows_the_protocol_the_precedence_and_the_rule_for_paths() {
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
    fn all_other_variables_are_followed() {
        let config = of(&[
            (ENDPOINT.1, "https://c:4317"),
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
        let expected = OpenTelemetryConfig {
            endpoint: "https://c:4317".into(),
            headers: vec![("api-key".into(), Secret::new("a b,c")), ("x".into(), Secret::new("y=z"))],
            timeout: Duration::from_millis(2_500),
            interval: Duration::from_secs(60),
            export_timeout: Some(Duration::from_secs(30)),
            temporality: Temporality::Delta,
            histograms: HistogramAggregation::Exponential,
            service_name: "shop".into(),
            gzip: cfg!(feature = "gzip"),
            resource_attributes: [("run", "7"), ("team", "a=b")].into(),
            tls: ClientTls {
                roots: Roots::Pem("/etc/ca.pem".into()),
                identity: Some(ClientCertificate { certificate: "/etc/client.pem".into(), key: "/etc/key.pem".into() }),
            },
            ..OpenTelemetryConfig::default()
        };
        assert_eq!(config, Ok(expected));
    }

    /// The configuration from these variables, and the warnings.
    fn logged_of(variables: &[(&str, &str)]) -> (OpenTelemetryConfig, Vec<String>) {
        let (config, warnings) = logged(|| of(variables));
        (config.unwrap_or_else(|error| panic!("{error}")), warnings)
    }

    #[test]
    fn a_variable_that_cannot_be_used_is_warned_of_by_name_and_counts_as_not_set() {
        for (variable, value) in [
            (TIMEOUT.1, "soon"),
            (TIMEOUT.1, "-1"),
            (TIMEOUT.0, "2.5"),
            (INTERVAL, "0"),
            (INTERVAL, "1.5"),
            (INTERVAL, "-1"),
            (INTERVAL, "5s"),
            (INTERVAL, "86400001"),
            (INTERVAL, "18446744073709551616"),
            (EXPORT_TIMEOUT, "never"),
            (TEMPORALITY, "both"),
            (HISTOGRAMS, "summary"),
            (EXEMPLARS, "sometimes"),
            (RESOURCE, "broken"),
            (RESOURCE, "x=%zz"),
            (RESOURCE, "x=%ff"),
            (RESOURCE, "service.name="),
            (RESOURCE, "service.name=%20"),
            (PROTOCOL.1, "udp"),
            (COMPRESSION.1, "zstd"),
            (COMPRESSION.0, "deflate"),
            (DISABLED, "1"),
            (EXPORTER, "otpl"),
            (HEADERS.1, "Content-Type=text/plain,grpc-timeout=1S"),
            (ROOTS.1, "/etc/ca.pem"),
            (KEY.0, "/etc/key.pem"),
            (CONFIG_FILE, "/etc/otel.yaml"),
        ] {
            let (config, warnings) = logged_of(&[(variable, value)]);
            assert_eq!(config, OpenTelemetryConfig::default(), "{variable}={value}");
            let [warning] = &warnings[..] else { panic!("{variable}={value}: {warnings:?}") };
            assert!(warning.contains(variable), "{variable}={value}: {warning}");
        }
    }

    #[test]
    fn values_ignore_case_and_blanks_around_them() {
        let default = OpenTelemetryConfig::default;
        for (variables, expected) in [
            (vec![(COMPRESSION.1, "None")], default()),
            (vec![(PROTOCOL.1, "HTTP/Protobuf")], OpenTelemetryConfig::http()),
            (vec![(PROTOCOL.0, "gRPC")], default()),
            (vec![(INTERVAL, " 60000 ")], OpenTelemetryConfig { interval: Duration::from_secs(60), ..default() }),
            (vec![(TIMEOUT.1, "0")], OpenTelemetryConfig { timeout: *WAIT.end(), ..default() }),
            (vec![(TIMEOUT.1, "9223372036854775807")], OpenTelemetryConfig { timeout: *WAIT.end(), ..default() }),
            (vec![(EXPORT_TIMEOUT, "0")], default()),
            (
                vec![(TEMPORALITY, "LowMemory")],
                OpenTelemetryConfig { temporality: Temporality::LowMemory, ..default() },
            ),
            (vec![(EXEMPLARS, "Always_On")], OpenTelemetryConfig { exemplars: true, ..default() }),
            (vec![(EXPORTER, "OTLP")], default()),
            (vec![(EXPORTER, " otlp , Console")], default()),
            (vec![(EXPORTER, "None")], OpenTelemetryConfig { disabled: true, ..default() }),
            (vec![(DISABLED, "True")], OpenTelemetryConfig { disabled: true, ..default() }),
        ] {
            assert_eq!(logged_of(&variables), (expected, vec![]), "{variables:?}");
        }
    }

    #[test]
    fn a_build_without_gzip_warns_and_sends_uncompressed() {
        for value in ["gzip", " GZIP "] {
            let (config, warnings) = logged_of(&[(COMPRESSION.1, value)]);
            assert_eq!(config, OpenTelemetryConfig { gzip: cfg!(feature = "gzip"), ..OpenTelemetryConfig::default() });
            assert_eq!(warnings.len(), usize::from(!cfg!(feature = "gzip")), "{warnings:?}");
        }
    }

    #[test]
    fn json_is_sent_as_protobuf_to_the_same_port() {
        let (config, warnings) = logged_of(&[(PROTOCOL.1, "HTTP/JSON"), (ENDPOINT.1, "http://c:4318")]);
        assert_eq!((config.protocol, &*config.endpoint), (OtlpProtocol::HttpProtobuf, "http://c:4318/v1/metrics"));
        let [warning] = &warnings[..] else { panic!("{warnings:?}") };
        assert!(warning.contains(PROTOCOL.1) && warning.contains("http/protobuf"), "{warning}");
    }

    #[test]
    fn the_variable_of_all_signals_counts_if_that_of_metrics_cannot_be_used() {
        let (config, warnings) = logged_of(&[(TIMEOUT.0, "soon"), (TIMEOUT.1, "2000")]);
        assert_eq!((config.timeout, warnings.len()), (Duration::from_secs(2), 1), "{warnings:?}");
    }

    #[test]
    fn the_last_value_of_a_key_that_is_given_twice_counts() {
        let list = "service.name=a,k8s.pod.name=p,k8s.pod.name=q";
        let (config, warnings) = logged_of(&[(RESOURCE, list), (HEADERS.1, "Api-Key=1,api-key=2")]);
        assert_eq!(config.service_name, "a");
        assert_eq!(config.resource_attributes, [("k8s.pod.name", "q")].into());
        assert_eq!(config.headers, [("api-key".to_owned(), Secret::new("2"))]);
        assert_eq!(warnings, Vec::<String>::new());
    }

    #[test]
    fn attributes_that_do_not_fit_or_cannot_be_read_are_left_out_and_the_first_one_is_named() {
        let long = |key: &str, bytes: usize| format!("{key}={}", "x".repeat(bytes));
        let list = [long("a", 3_000), long("b", 6_000), long("c", 3_000), "d".into(), long("e", 9_000)].join(",");
        let (config, warnings) = logged_of(&[(RESOURCE, &list)]);
        let keys: Vec<_> = config.resource_attributes.iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["a", "c"]);
        assert_eq!(config.check().map_err(|error| error.to_string()), Ok(()));
        assert_eq!(
            warnings,
            [
                format!(
                    "environment variable {RESOURCE}: part 4 left out; each must be key=value, with a percent-encoded value"
                ),
                format!(
                    "environment variable {RESOURCE}: b and 1 more left out; all attributes together are too long; shorten them"
                ),
            ]
        );
        // There is still room for a service name of full length, which may be set elsewhere.
        let named = OpenTelemetryConfig { service_name: "n".repeat(300), ..config };
        assert_eq!(named.check().map_err(|error| error.to_string()), Ok(()));
    }

    #[cfg(unix)]
    #[test]
    fn values_that_are_not_utf_8_are_refused_only_for_endpoints_and_headers() {
        use std::ffi::OsString;
        use std::os::unix::ffi::OsStringExt as _;
        let of = |name: &'static str| {
            OpenTelemetryConfig::from_env(&Environment::of([(name, OsString::from_vec(vec![b'1', 0xff]))]))
        };
        for name in [ENDPOINT.1, HEADERS.0] {
            assert_eq!(of(name).map_err(|error| error.variable), Err(name));
        }
        for name in [PROTOCOL.1, TIMEOUT.1, INTERVAL, RESOURCE, SERVICE_NAME, EXPORTER, DISABLED, HISTOGRAMS] {
            assert_eq!(of(name), Ok(OpenTelemetryConfig::default()), "{name}");
        }
    }

    #[test]
    fn wrong_headers_and_incomplete_certificates_are_refused() {
        let https = (ENDPOINT.1, "https://c:4317");
        for (variable, value, says) in [
            (KEY.1, "/etc/key.pem", CERTIFICATE.1),
            (CERTIFICATE.0, "/etc/client.pem", KEY.1),
            (HEADERS.1, "hunter2", "part 1 of the list"),
            (HEADERS.1, "a=1,api-key=hunter2%", "part 2 of the list"),
        ] {
            let text = of(&[https, (variable, value)]).expect_err(variable);
            assert!(text.contains(variable) && text.contains(says) && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn exemplars_follow_their_variable() {
        for (variables, exemplars) in [
            (vec![(EXEMPLARS, "always_on")], true),
            (vec![(EXEMPLARS, "always_off")], false),
            (vec![(EXEMPLARS, "trace_based"), (TEMPORALITY, "lowmemory")], false),
        ] {
            assert_eq!(of(&variables).map(|config| config.exemplars), Ok(exemplars), "{variables:?}");
        }
    }

    #[test]
    fn each_variable_that_switches_exports_off_disables_them() {
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
    fn switching_off_wins_over_errors_in_other_variables() {
        let broken = [(PROTOCOL.1, "http/protobuf"), (HEADERS.1, "hunter2"), (ENDPOINT.1, "http://c:4317")];
        for off in [(DISABLED, "true"), (EXPORTER, "none")] {
            let config = of(&[off, broken[0], broken[1], broken[2]]);
            assert_eq!(config, Ok(OpenTelemetryConfig { disabled: true, ..OpenTelemetryConfig::default() }), "{off:?}");
        }
        // Variables without errors are followed all the same, for programs that set `disabled` to false.
        let config = of(&[(DISABLED, "true"), broken[2]]).map(|config| (config.disabled, config.endpoint));
        assert_eq!(config, Ok((true, "http://c:4317".into())));
    }
}
