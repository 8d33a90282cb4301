//! Backends that are well: what goes wrong on the way to them is a [`Relay`](crate::relay::Relay)'s.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use loaddensity_metrics_end_to_end::http_server::{HttpReply, HttpServer};
use loaddensity_metrics_end_to_end::otlp_receiver::{OtlpReply, OtlpTestServer};
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{
    BatchLimits, InfluxdbConfig, InfluxdbUrl, OpenTelemetryConfig, PrometheusConfig, StatsdConfig,
};

/// An InfluxDB that stores everything.
pub(crate) struct WellInfluxdb(HttpServer);

/// A receiver of OTLP over gRPC that accepts everything.
pub(crate) struct WellReceiver(OtlpTestServer);

impl WellInfluxdb {
    pub(crate) fn start() -> Self {
        Self(HttpServer::start(|_, _| HttpReply::Status(204)))
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Requests that it has: each point once, by its series and time.
    pub(crate) fn requests(&self) -> u64 {
        let mut points = BTreeSet::new();
        for post in self.0.posts() {
            for line in post.body.lines() {
                let mut parts = line.rsplitn(2, ' ');
                let (time, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                points.insert((time.to_owned(), rest.split(' ').next().unwrap_or_default().to_owned()));
            }
        }
        points.len() as u64
    }
}

impl WellReceiver {
    pub(crate) fn start<R: Runtime>() -> Self {
        Self(OtlpTestServer::start::<R>(|_| OtlpReply::Accept))
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// The last total.
    pub(crate) fn requests(&self) -> u64 {
        self.0.exports().last().map_or(0, |export| export.sums().requests)
    }
}

/// Points that are posted to `server` soon, with short timeouts.
pub(crate) fn influxdb_at(server: impl ToString) -> InfluxdbConfig {
    let url = InfluxdbUrl::new(format!("http://{}/write?db=load", server.to_string()));
    let batch = BatchLimits::default().age(Duration::from_millis(50));
    InfluxdbConfig::default().target(url).batch(batch).timeout(Duration::from_millis(700))
}

/// Exports to `server` at short intervals, with short timeouts.
pub(crate) fn otlp_at(server: impl ToString) -> OpenTelemetryConfig {
    let endpoint = format!("http://{}", server.to_string());
    let interval = Duration::from_millis(100);
    OpenTelemetryConfig::default().endpoint(endpoint).interval(interval).timeout(Duration::from_millis(700))
}

/// Messages to `receiver`, packed.
pub(crate) fn statsd_at(receiver: SocketAddr) -> StatsdConfig {
    StatsdConfig::default().host(receiver.ip().to_string()).port(receiver.port()).packed(true)
}

/// A page on a free port.
pub(crate) fn any_page() -> PrometheusConfig {
    PrometheusConfig::default().port(0)
}
