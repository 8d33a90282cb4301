//! Backends that are well: what goes wrong on the way to them is a [`Relay`](crate::relay::Relay)'s.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use loaddensity_metrics_end_to_end::http_server::{HttpReply, HttpServer};
use loaddensity_metrics_end_to_end::otlp_receiver::{OtlpReply, OtlpTestServer};
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{
    BatchLimits, InfluxdbConfig, InfluxdbUrl, OpenTelemetryConfig, PrometheusConfig, StatsdConfig,
};
use loaddensity_metrics_vectors::otlp::{self, DecodedValue};

/// An InfluxDB that stores everything.
pub(crate) struct WellInfluxdb {
    server: HttpServer,
    /// Each point once, by its series and time.
    points: Arc<Mutex<BTreeSet<(String, String)>>>,
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

/// The last total of each series, whatever the order in which exports came.
#[derive(Default)]
struct LastTotals {
    exports: usize,
    /// By attributes: start, time and requests.
    series: BTreeMap<String, (u64, u64, u64)>,
}

impl WellInfluxdb {
    pub(crate) fn start() -> Self {
        let points = <Arc<Mutex<BTreeSet<_>>>>::default();
        let stored = points.clone();
        let server = HttpServer::start(move |post, _| {
            lock(&stored).extend(post.body.lines().map(point));
            HttpReply::Status(204)
        });
        Self { server, points }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Requests that it has.
    pub(crate) fn requests(&self) -> u64 {
        lock(&self.points).len() as u64
    }
}

impl WellReceiver {
    pub(crate) fn start<R: Runtime>() -> Self {
        Self { server: OtlpTestServer::start::<R>(|_| OtlpReply::Accept), totals: Mutex::default() }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// The last total.
    pub(crate) fn requests(&self) -> u64 {
        let mut totals = lock(&self.totals);
        for export in self.server.exports_after(totals.exports) {
            totals.take(&export.message);
        }
        totals.requests()
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

    /// The last total.
    pub(crate) fn requests(&self) -> u64 {
        lock(&self.totals).requests()
    }
}

impl LastTotals {
    /// Panics where the message is none, as the receivers do.
    fn take(&mut self, message: &[u8]) {
        self.exports += 1;
        for point in otlp::decode(message).expect("an export") {
            let DecodedValue::Sum(requests) = point.value else { continue };
            let total = (point.start, point.time, u64::try_from(requests).expect("a count"));
            let last = self.series.entry(format!("{:?}", point.attributes)).or_default();
            *last = total.max(*last);
        }
    }

    fn requests(&self) -> u64 {
        self.series.values().map(|(_, _, requests)| requests).sum()
    }
}

/// Series and time of a line.
fn point(line: &str) -> (String, String) {
    let mut parts = line.rsplitn(2, ' ');
    let (time, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    (time.to_owned(), rest.split(' ').next().unwrap_or_default().to_owned())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long exporters wait for an answer, where nothing else is said.
pub(crate) const SHORT_PATIENCE: Duration = Duration::from_millis(700);

/// Points that are posted to `server` soon, with short timeouts.
pub(crate) fn influxdb_at(server: impl Display + Copy) -> InfluxdbConfig {
    let url = InfluxdbUrl::new(format!("http://{server}/write?db=load"));
    let batch = BatchLimits::default().age(Duration::from_millis(50));
    InfluxdbConfig::default().target(url).batch(batch).timeout(SHORT_PATIENCE)
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
    config.endpoint(endpoint).interval(Duration::from_millis(100)).timeout(SHORT_PATIENCE)
}

/// Messages to `receiver`, packed.
pub(crate) fn statsd_at(receiver: SocketAddr) -> StatsdConfig {
    StatsdConfig::default().host(receiver.ip().to_string()).port(receiver.port()).packed(true)
}

/// A page on a free port.
pub(crate) fn any_page() -> PrometheusConfig {
    PrometheusConfig::default().port(0)
}
