//! What `LD_start_influxdb_sink` says.

use super::values::{
    buffer_events, client_tls, datagram_bytes, misplaced, observations, proxy, resolve_interval, segmentation_offload,
    size,
};
use crate::actions::arguments::{ArgumentReader, Signature};
use crate::actions::error::ActionError;
use crate::config::{
    BATCH_BYTES, BATCH_POINTS, BatchLimits, InfluxdbConfig, InfluxdbTarget, Observations, Precision, Proxy, StatusCode,
};
use crate::environment::Environment;

mod target;

/// Another name of `aggregate`, with other values.
const POINTS: &str = "points";

/// Positional: LoadDensity's parameters in its order. Named: ours.
pub(super) static SIGNATURE: Signature = Signature::new(&[
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
])
.named(&[
    "api",
    "org",
    "bucket",
    "retention_policy",
    "credentials",
    "no_sync",
    "accept_partial",
    "create_database",
    "precision",
    "gzip",
    "aggregate",
    "interval_seconds",
    "observations",
    "instruments_seconds",
    "constant_labels",
    "status_code",
    "ca_file",
    "client_certificate",
    "client_key",
    "proxy",
    "no_proxy",
    "resolve_seconds",
    "datagram_bytes",
    "segmentation_offload",
    "buffer_events",
    "batch_points",
    "batch_bytes",
    "batch_seconds",
])
.secret(&["token", "password", "proxy"])
.aliases(&[("constant_tags", "constant_labels"), (POINTS, "aggregate")]);

/// Which parameter gives a field that has another name.
pub(super) static FIELDS: [(&str, &str); 21] = [
    ("target", "transport"),
    ("target.host", "host"),
    ("target.port", "port"),
    ("target.url", "url"),
    ("target.server", "url"),
    ("target.database", "database"),
    ("target.retention_policy", "retention_policy"),
    ("target.username", "username"),
    ("target.password", "password"),
    ("target.org", "org"),
    ("target.bucket", "bucket"),
    ("target.token", "token"),
    ("interval", "interval_seconds"),
    ("instruments_interval", "instruments_seconds"),
    ("tls.roots", "ca_file"),
    ("tls.identity.certificate", "client_certificate"),
    ("tls.identity.key", "client_key"),
    ("resolve_interval", "resolve_seconds"),
    ("batch.points", "batch_points"),
    ("batch.bytes", "batch_bytes"),
    ("batch.age", "batch_seconds"),
];

/// The configuration that an action gives; what it leaves out of the target, and the proxy, is as `environment` says.
pub(super) fn config(reader: ArgumentReader<'_>, environment: &Environment) -> Result<InfluxdbConfig, ActionError> {
    let base = InfluxdbConfig { proxy: Proxy::from_env(environment), ..InfluxdbConfig::default() };
    let target = target::read(reader, environment)?;
    check_transport(reader, &target)?;
    let create_database = create_database(reader, &target)?.unwrap_or(base.create_database);
    let aggregate = aggregate(reader)?.unwrap_or(base.aggregate);
    let observations = observations(reader)?.unwrap_or(base.observations);
    check_points(reader, aggregate, observations)?;
    Ok(InfluxdbConfig {
        target,
        create_database,
        aggregate,
        interval: reader.seconds("interval_seconds")?.unwrap_or(base.interval),
        observations,
        instruments_interval: reader.seconds("instruments_seconds")?.unwrap_or(base.instruments_interval),
        constant_labels: reader.labels("constant_labels")?.unwrap_or(base.constant_labels),
        status_code: status_code(reader)?.unwrap_or(base.status_code),
        gzip: reader.flag("gzip")?.unwrap_or(base.gzip),
        precision: precision(reader)?.unwrap_or(base.precision),
        measurement: reader.text("measurement")?.map_or(base.measurement, str::to_owned),
        tls: client_tls(reader, base.tls)?,
        proxy: proxy(reader, base.proxy)?,
        timeout: reader.seconds("timeout")?.unwrap_or(base.timeout),
        batch: batch(reader, base.batch)?,
        resolve_interval: resolve_interval(reader)?.unwrap_or(base.resolve_interval),
        datagram_bytes: datagram_bytes(reader)?.unwrap_or(base.datagram_bytes),
        segmentation_offload: segmentation_offload(reader)?.unwrap_or(base.segmentation_offload),
        buffer_events: buffer_events(reader)?.unwrap_or(base.buffer_events),
    })
}

const TLS_OVER_UDP: &str = "has no meaning over UDP; say \"transport\": \"http\" and give an https:// url with it";

/// What only one of the transports can carry.
fn check_transport(reader: ArgumentReader<'_>, target: &InfluxdbTarget) -> Result<(), ActionError> {
    if target.is_http() {
        let udp_only = ["resolve_seconds", "datagram_bytes", "segmentation_offload"];
        return misplaced(reader, &udp_only, "has no meaning over HTTP; leave it out, or use transport \"udp\"");
    }
    let https_only = ["ca_file", "client_certificate", "client_key"];
    misplaced(reader, &https_only, TLS_OVER_UDP)?;
    let http_only = ["proxy", "no_proxy", "gzip", "batch_points", "batch_bytes", "batch_seconds"];
    misplaced(reader, &http_only, "has no meaning over UDP; say \"transport\": \"http\" with it")
}

/// What only one kind of points has.
fn check_points(reader: ArgumentReader<'_>, aggregate: bool, observations: Observations) -> Result<(), ActionError> {
    if !aggregate {
        return Ok(());
    }
    misplaced(reader, &["status_code"], "is for points per request; leave it out, or aggregate")?;
    if observations == Observations::PerEvent {
        return Ok(());
    }
    let one_by_one = ["segmentation_offload", "buffer_events", "batch_seconds"];
    misplaced(reader, &one_by_one, "is for points per request; leave it out, or aggregate")
}

fn create_database(reader: ArgumentReader<'_>, target: &InfluxdbTarget) -> Result<Option<bool>, ActionError> {
    let create = reader.flag("create_database")?;
    if create == Some(true) && !target.can_create_database() {
        misplaced(
            reader,
            &["create_database"],
            "is for an InfluxDB 1 with a database; say \"api\": \"v1\" and \"database\" with it",
        )?;
    }
    Ok(create)
}

/// `aggregate`, or what stood for it before: `points`, in words.
fn aggregate(reader: ArgumentReader<'_>) -> Result<Option<bool>, ActionError> {
    if reader.name("aggregate") != POINTS {
        return reader.flag("aggregate");
    }
    reader.read(POINTS, "\"request\" or \"interval\"", |value| match value.as_str()? {
        "request" => Some(false),
        "interval" => Some(true),
        _ => None,
    })
}

fn status_code(reader: ArgumentReader<'_>) -> Result<Option<StatusCode>, ActionError> {
    reader.read("status_code", "\"field\", \"tag\" or \"both\"", |value| match value.as_str()? {
        "field" => Some(StatusCode::Field),
        "tag" => Some(StatusCode::Tag),
        "both" => Some(StatusCode::Both),
        _ => None,
    })
}

fn precision(reader: ArgumentReader<'_>) -> Result<Option<Precision>, ActionError> {
    reader.read("precision", "\"ns\", \"us\", \"ms\" or \"s\"", |value| {
        let name = value.as_str()?;
        Precision::ALL.into_iter().find(|precision| precision.v2() == name)
    })
}

fn batch(reader: ArgumentReader<'_>, base: BatchLimits) -> Result<BatchLimits, ActionError> {
    Ok(BatchLimits {
        points: size(reader, "batch_points", &BATCH_POINTS, "points")?.unwrap_or(base.points),
        bytes: size(reader, "batch_bytes", &BATCH_BYTES, "bytes")?.unwrap_or(base.bytes),
        age: reader.seconds("batch_seconds")?.unwrap_or(base.age),
    })
}
