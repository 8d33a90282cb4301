//! Backends that are well: what goes wrong on the way to them is a [`Relay`](crate::relay::Relay)'s.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use loaddensity_metrics_end_to_end::http_server::{HttpReply, HttpServer};
use loaddensity_metrics_end_to_end::otlp_receiver::{OtlpReply, OtlpTestServer};
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{
    BatchLimits, InfluxdbConfig, InfluxdbUrl, Observations, OpenTelemetryConfig, PrometheusConfig, StatsdConfig,
    StatsdSocket,
};

use crate::items::{ItemCounts, LastTotals, StoredPoints};
use crate::observations_as::are_one_by_one;
use crate::own_instruments::OBSERVATIONS;

/// An InfluxDB that stores everything.
pub(crate) struct WellInfluxdb {
    server: HttpServer,
    points: Arc<Mutex<StoredPoints>>,
}

/// A receiver of OTLP over gRPC that accepts everything.
pub(crate) struct WellReceiver {
    server: OtlpTestServer,
    totals: Mutex<LastTotals>,
}

/// A receiver of OTLP over HTTP that accepts everything.
pub(crate) struct WellHttpReceiver {
    server: HttpServer,
    totals: Arc<Mutex<LastTotals>>,
}

impl WellInfluxdb {
    pub(crate) fn start() -> Self {
        let points = <Arc<Mutex<StoredPoints>>>::default();
        let stored = points.clone();
        let server = HttpServer::start(move |post, _| {
            lock(&stored).take(&post.body);
            HttpReply::Status(204)
        });
        Self { server, points }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// What it has.
    pub(crate) fn counts(&self) -> ItemCounts {
        lock(&self.points).counts()
    }
}

impl WellReceiver {
    pub(crate) fn start<R: Runtime>() -> Self {
        Self { server: OtlpTestServer::start::<R>(|_| OtlpReply::Accept), totals: Mutex::default() }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// The last totals.
    pub(crate) fn counts(&self) -> ItemCounts {
        let mut totals = lock(&self.totals);
        for export in self.server.exports_after(totals.exports) {
            totals.take(&export.message);
        }
        totals.counts()
    }
}

impl WellHttpReceiver {
    pub(crate) fn start() -> Self {
        let totals = <Arc<Mutex<LastTotals>>>::default();
        let stored = totals.clone();
        let server = HttpServer::start(move |post, _| {
            lock(&stored).take(&post.bytes);
            HttpReply::Status(200)
        });
        Self { server, totals }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// The last totals.
    pub(crate) fn counts(&self) -> ItemCounts {
        lock(&self.totals).counts()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long exporters wait for an answer, where nothing else is said.
pub(crate) const SHORT_PATIENCE: Duration = Duration::from_millis(700);
/// How often totals are sent, and own instruments where they are sent per interval.
const SHORT_INTERVAL: Duration = Duration::from_millis(100);

/// Where observations are sent one by one, a buffer lasts as long for them as one of the default length for requests.
const BUFFER: usize = 65_536 * OBSERVATIONS as usize;

/// Points that are posted to `server` soon, with short timeouts.
pub(crate) fn influxdb_at(server: impl Display + Copy) -> InfluxdbConfig {
    let url = InfluxdbUrl::new(format!("http://{server}/write?db=load"));
    let batch = BatchLimits::default().age(Duration::from_millis(50));
    let config = InfluxdbConfig::default().target(url).batch(batch).timeout(SHORT_PATIENCE);
    let config = config.instruments_interval(SHORT_INTERVAL);
    if are_one_by_one() { config.observations(Observations::PerEvent).buffer_events(BUFFER) } else { config }
}

/// Exports over gRPC to `server` at short intervals, with short timeouts.
pub(crate) fn otlp_at(server: impl Display + Copy) -> OpenTelemetryConfig {
    soon(OpenTelemetryConfig::default(), server)
}

/// The same over HTTP.
pub(crate) fn otlp_http_at(server: impl Display + Copy) -> OpenTelemetryConfig {
    soon(OpenTelemetryConfig::http(), server)
}

fn soon(config: OpenTelemetryConfig, server: impl Display + Copy) -> OpenTelemetryConfig {
    let endpoint = format!("http://{server}");
    config.endpoint(endpoint).interval(SHORT_INTERVAL).timeout(SHORT_PATIENCE)
}

/// Messages to `receiver`, packed.
pub(crate) fn statsd_at(receiver: SocketAddr) -> StatsdConfig {
    statsd().host(receiver.ip().to_string()).port(receiver.port())
}

/// The same to a Unix socket.
pub(crate) fn statsd_to(socket: StatsdSocket) -> StatsdConfig {
    statsd().socket(socket)
}

/// Messages, packed, and own instruments one by one or at short intervals.
pub(crate) fn statsd() -> StatsdConfig {
    let config = StatsdConfig::default().packed(true).instruments_interval(SHORT_INTERVAL);
    if are_one_by_one() { config.observations(Observations::PerEvent).buffer_events(BUFFER) } else { config }
}

/// A page on a free port.
pub(crate) fn any_page() -> PrometheusConfig {
    PrometheusConfig::default().port(0)
}
