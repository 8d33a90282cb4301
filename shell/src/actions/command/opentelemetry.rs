//! What `LD_start_opentelemetry_exporter` says.

use std::time::Duration;

use loaddensity_metrics_core::otlp::HistogramAggregation;

use super::values::{client_tls, proxy, size, url};
use crate::actions::arguments::{ArgumentReader, Signature};
use crate::actions::error::ActionError;
use crate::config::{
    Configuration as _, Given, Labels, OpenTelemetryConfig, OtlpProtocol, REQUEST_BYTES, Secret, Temporality, WAIT,
};
use crate::environment::Environment;
use crate::error::StartError;

/// The contract's name of the interval, which it gives in milliseconds.
const MILLISECONDS: &str = "export_interval_ms";

/// Positional: LoadDensity's parameters in its order. Named: ours.
pub(super) static SIGNATURE: Signature = Signature::new(&["endpoint", "service_name", MILLISECONDS])
    .named(&[
        "ca_file",
        "client_certificate",
        "client_key",
        "proxy",
        "no_proxy",
        "timeout",
        "export_timeout",
        "max_request_bytes",
        "protocol",
        "headers",
        "resource_attributes",
        "temporality",
        "histograms",
        "min_max",
        "exemplars",
        "http_client_duration",
        "gzip",
    ])
    .secret(&["headers", "proxy"])
    .aliases(&[(MILLISECONDS, "interval_seconds")]);

/// Which parameter gives a field that has another name.
pub(super) static FIELDS: [(&str, &str); 4] = [
    ("interval", "interval_seconds"),
    ("tls.roots", "ca_file"),
    ("tls.identity.certificate", "client_certificate"),
    ("tls.identity.key", "client_key"),
];

/// The configuration that an action gives; what it leaves out is as `environment` says.
pub(super) fn config(
    reader: ArgumentReader<'_>,
    environment: &Environment,
) -> Result<OpenTelemetryConfig, ActionError> {
    let given = Given { protocol: protocol(reader)?, endpoint: url(reader, "endpoint")?, names: reader.given() };
    let base = reader.environment(OpenTelemetryConfig::from_env_below(&given, environment))?;
    let config = overlaid(reader, &given, base.clone())?;
    match config.check() {
        Ok(()) => Ok(config),
        Err(error) => Ok(without_kinds(reader, &given, base, &error)?.unwrap_or(config)),
    }
}

/// The same without the kinds of points that the environment says, or else without its attributes too, which make requests
/// long: an environment that was made for a whole fleet is not at odds with what one action says. `None` where that is
/// of no use.
fn without_kinds(
    reader: ArgumentReader<'_>,
    given: &Given,
    mut base: OpenTelemetryConfig,
    error: &StartError,
) -> Result<Option<OpenTelemetryConfig>, ActionError> {
    let default = OpenTelemetryConfig::default();
    (base.temporality, base.histograms, base.exemplars) = (default.temporality, default.histograms, default.exemplars);
    let mut left_out = "the temporality, the histograms and the exemplars";
    let mut config = overlaid(reader, given, base.clone())?;
    if config.check().is_err() {
        left_out = "the temporality, the histograms, the exemplars and the resource attributes";
        config = overlaid(reader, given, OpenTelemetryConfig { resource_attributes: Labels::new(), ..base })?;
    }
    if config.check().is_err() {
        return Ok(None);
    }
    tracing::warn!("{left_out} of the environment count as not set, since the action is at odds with them: {error}");
    Ok(Some(config))
}

/// What the action gives, over `base`.
fn overlaid(
    reader: ArgumentReader<'_>,
    given: &Given,
    base: OpenTelemetryConfig,
) -> Result<OpenTelemetryConfig, ActionError> {
    Ok(OpenTelemetryConfig {
        endpoint: given.endpoint.clone().unwrap_or(base.endpoint),
        service_name: reader.text("service_name")?.map_or(base.service_name, str::to_owned),
        interval: interval(reader)?.unwrap_or(base.interval),
        tls: client_tls(reader, base.tls)?,
        proxy: proxy(reader, base.proxy)?,
        timeout: reader.seconds("timeout")?.unwrap_or(base.timeout),
        export_timeout: reader.seconds("export_timeout")?.or(base.export_timeout),
        max_request_bytes: size(reader, "max_request_bytes", &REQUEST_BYTES, "bytes")?
            .unwrap_or(base.max_request_bytes),
        protocol: base.protocol,
        headers: headers(reader)?.unwrap_or(base.headers),
        resource_attributes: reader.labels("resource_attributes")?.unwrap_or(base.resource_attributes),
        temporality: reader
            .read("temporality", "\"cumulative\", \"delta\" or \"lowmemory\"", |value| {
                Temporality::parse(value.as_str()?)
            })?
            .unwrap_or(base.temporality),
        histograms: histograms(reader)?.unwrap_or(base.histograms),
        min_max: reader.flag("min_max")?.unwrap_or(base.min_max),
        exemplars: reader.flag("exemplars")?.unwrap_or(base.exemplars),
        http_client_duration: reader.flag("http_client_duration")?.unwrap_or(base.http_client_duration),
        gzip: reader.flag("gzip")?.unwrap_or(base.gzip),
        disabled: base.disabled,
    })
}

fn interval(reader: ArgumentReader<'_>) -> Result<Option<Duration>, ActionError> {
    if reader.name("interval_seconds") != MILLISECONDS {
        return reader.seconds("interval_seconds");
    }
    let millis = |wait: &Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    let intervals = millis(WAIT.start())..=millis(WAIT.end());
    let interval = reader.whole(MILLISECONDS, intervals, "a number of milliseconds")?;
    Ok(interval.map(Duration::from_millis))
}

fn protocol(reader: ArgumentReader<'_>) -> Result<Option<OtlpProtocol>, ActionError> {
    let Some(name) = reader.text("protocol")? else { return Ok(None) };
    let parsed = OtlpProtocol::parse(name);
    let expected = parsed.err().unwrap_or_default();
    reader.read("protocol", expected, |_| parsed.ok())
}

fn histograms(reader: ArgumentReader<'_>) -> Result<Option<HistogramAggregation>, ActionError> {
    reader.read("histograms", "\"explicit\" or \"exponential\"", |value| match value.as_str()? {
        "explicit" => Some(HistogramAggregation::Explicit),
        "exponential" => Some(HistogramAggregation::Exponential),
        _ => None,
    })
}

fn headers(reader: ArgumentReader<'_>) -> Result<Option<Vec<(String, Secret)>>, ActionError> {
    let headers = reader.labels("headers")?;
    Ok(headers.map(|headers| headers.into_iter().map(|(name, value)| (name, Secret::new(value))).collect()))
}
