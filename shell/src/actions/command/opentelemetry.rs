//! What `LD_start_opentelemetry_exporter` says.

use std::time::Duration;

use loaddensity_metrics_core::otlp::Histograms;
use serde_json::Value;

use super::values::{client_tls, size, url};
use crate::actions::arguments::{Reader, Signature};
use crate::actions::error::ActionError;
use crate::config::{OpenTelemetryConfig, OtlpProtocol, REQUEST_BYTES, Secret, Temporality, WAIT};

/// Positional: LoadDensity's parameters in its order. Named: ours.
pub(super) static SIGNATURE: Signature = Signature {
    positional: &["endpoint", "service_name", "export_interval_ms"],
    named: &[
        "ca_file",
        "client_certificate",
        "client_key",
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
    ],
    secret: &["headers"],
};

/// The configuration that an action gives; what it leaves out is as in `base`.
pub(super) fn config(reader: Reader<'_>, base: OpenTelemetryConfig) -> Result<OpenTelemetryConfig, ActionError> {
    let millis = |wait: &Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    let intervals = millis(WAIT.start())..=millis(WAIT.end());
    let interval = reader.whole("export_interval_ms", intervals, "a number of milliseconds")?;
    let protocol = protocol(reader)?.unwrap_or(base.protocol);
    // An endpoint of the other protocol is of no use.
    let endpoint = if protocol == base.protocol { base.endpoint } else { protocol.default_endpoint().into() };
    Ok(OpenTelemetryConfig {
        endpoint: url(reader, "endpoint")?.unwrap_or(endpoint),
        service_name: reader.text("service_name")?.map_or(base.service_name, str::to_owned),
        export_interval: interval.map_or(base.export_interval, Duration::from_millis),
        tls: client_tls(reader, base.tls)?,
        timeout: reader.seconds("timeout")?.unwrap_or(base.timeout),
        export_timeout: reader.seconds("export_timeout")?.or(base.export_timeout),
        max_request_bytes: size(reader, "max_request_bytes", &REQUEST_BYTES, "bytes")?
            .unwrap_or(base.max_request_bytes),
        protocol,
        headers: headers(reader)?.unwrap_or(base.headers),
        resource_attributes: reader.pairs("resource_attributes")?.unwrap_or(base.resource_attributes),
        temporality: reader
            .read("temporality", "\"cumulative\", \"delta\" or \"lowmemory\"", |value| {
                Temporality::parse(value.as_str()?)
            })?
            .unwrap_or(base.temporality),
        histograms: histograms(reader)?.unwrap_or(base.histograms),
        min_max: reader.read("min_max", "true or false", Value::as_bool)?.unwrap_or(base.min_max),
        exemplars: reader.read("exemplars", "true or false", Value::as_bool)?.unwrap_or(base.exemplars),
        http_client_duration: reader
            .read("http_client_duration", "true or false", Value::as_bool)?
            .unwrap_or(base.http_client_duration),
        gzip: reader.read("gzip", "true or false", Value::as_bool)?.unwrap_or(base.gzip),
        disabled: base.disabled,
    })
}

fn protocol(reader: Reader<'_>) -> Result<Option<OtlpProtocol>, ActionError> {
    let Some(name) = reader.text("protocol")? else { return Ok(None) };
    let parsed = OtlpProtocol::parse(&name.to_ascii_lowercase());
    let expected = parsed.err().unwrap_or_default();
    reader.read("protocol", expected, |_| parsed.ok())
}

fn histograms(reader: Reader<'_>) -> Result<Option<Histograms>, ActionError> {
    reader.read("histograms", "\"explicit\" or \"exponential\"", |value| match value.as_str()? {
        "explicit" => Some(Histograms::Explicit),
        "exponential" => Some(Histograms::Exponential),
        _ => None,
    })
}

fn headers(reader: Reader<'_>) -> Result<Option<Vec<(String, Secret)>>, ActionError> {
    let pairs = reader.pairs("headers")?;
    Ok(pairs.map(|pairs| pairs.into_iter().map(|(name, value)| (name, Secret::new(value))).collect()))
}
