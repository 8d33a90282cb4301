//! The configuration of the InfluxDB sink.

use std::ops::RangeInclusive;
use std::time::Duration;

use loaddensity_metrics_core::influxdb::{Precision, StatusCode};
use loaddensity_metrics_core::{Exporter, Registry};

use super::Configuration;
use super::check::{BUFFER_EVENTS, Check, DATAGRAM_BYTES, RESOLVE_INTERVAL};
use super::labels::Labels;
use super::observations::Observations;
use super::page_address::PageAddress;
use super::proxy::Proxy;
use super::setters::configuration;
use super::tls::ClientTls;
use crate::error::StartError;

mod environment;
mod target;

pub use target::{
    Credentials, InfluxdbHttp, InfluxdbTarget, InfluxdbUdp, InfluxdbUrl, InfluxdbV1, InfluxdbV2, InfluxdbV3,
};

/// Points of an HTTP body; the buffer limits them anyway.
pub(crate) const BATCH_POINTS: RangeInclusive<usize> = 1..=usize::MAX;
/// Bytes of an HTTP body: the longest line fits into the lower end; the upper is what InfluxDB 1 takes by default
/// (`max-body-size`).
pub(crate) const BATCH_BYTES: RangeInclusive<usize> = 4_096..=25_000_000;

configuration! {
    /// Where and how InfluxDB points are sent. LoadDensity: `start_influxdb_sink(transport="udp", host="127.0.0.1",
    /// port, url, token, measurement, timeout, …)`.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct InfluxdbConfig {
        /// Transport and address. Default: UDP to `127.0.0.1:8089`.
        pub target: InfluxdbTarget = InfluxdbTarget::default(),
        /// Whether the database is created before the first points (`CREATE DATABASE`; one that exists stays as it is),
        /// and again where it has vanished. For InfluxDB 1: refused without a database, and with targets that have none
        /// or are complete in themselves. Default `false`.
        pub create_database: bool = false,
        /// Measurement of every point. Default `loaddensity_request`.
        pub measurement: String = "loaddensity_request".into(),
        /// Whether points stand for intervals instead of single requests: for what one series did in one interval. The
        /// measurement is `<measurement>_interval` then, the tags are those of the series without the outcome, the
        /// fields are sums, extremes and percentiles. Default no (the contract): measurement, tags and fields are
        /// LoadDensity's.
        pub aggregate: bool = false,
        /// Time from one point of a series to the next, with `aggregate`, and from one point with the engine's gauges
        /// to the next, always. 1 ms to 1 day, and no less than a unit of `precision`. The last one ends at the stop.
        /// Default 10 s.
        pub interval: Duration = Duration::from_secs(10),
        /// How what the engine's own instruments count leaves, where the storage has room for any: what came in each interval,
        /// or each observation by itself. Default: per interval.
        pub observations: Observations = Observations::PerInterval,
        /// Time from one point with what the engine's own instruments count to the next, where the storage has room for any.
        /// 1 ms to 1 day, and no less than a unit of `precision`. The last one ends at the stop. Default 10 s.
        pub instruments_interval: Duration = Duration::from_secs(10),
        /// Tags that every point has, besides those of its series, which win over ones of the same name. Default: none.
        /// Names as those of a series' labels, up to 1,024 bytes altogether (see
        /// [`ConstantLabels`](loaddensity_metrics_core::ConstantLabels)).
        pub constant_labels: Labels = Labels::new(),
        /// Where the status code of a request is shown. Default: in the field `status_code`. A point of an interval has
        /// none.
        pub status_code: StatusCode = StatusCode::Field,
        /// Unit of the timestamps. Coarser than nanoseconds is refused while every request is a point of its own: two
        /// of one series within a unit would be one point, and one of them lost. Over UDP and with a complete URL it
        /// must be what the listener and the URL say. Default: nanoseconds.
        pub precision: Precision = Precision::Nanosecond,
        /// How a server at an `https` URL is proven, and what it is shown. Refused with any other target, unless it is
        /// the default: the system's roots, and no certificate of one's own.
        pub tls: ClientTls = ClientTls::default(),
        /// The HTTP proxy that bodies are sent through. Refused over UDP, unless the environment gave it. Default none.
        pub proxy: Option<Proxy> = None,
        /// Whether bodies are sent in gzip (`Content-Encoding: gzip`): they become ten times shorter or more, and take
        /// some milliseconds for a mebibyte. Refused over UDP, and by a build without the feature `gzip`. Default
        /// `false`.
        pub gzip: bool = false,
        /// How long one HTTP request may take, from connecting to the answer's end. Default 2 s.
        pub timeout: Duration = Duration::from_secs(2),
        /// When a batch is sent (HTTP; over UDP lines leave within two milliseconds). Its `bytes` are the largest body.
        pub batch: BatchLimits = BatchLimits::default(),
        /// How often a host name is resolved again (over UDP), 1 ms to 1 day; also soon after an error of the socket.
        /// The sink goes over to another address where the one in use is no longer among the answers. `None`: never.
        /// Default 30 s.
        pub resolve_interval: Option<Duration> = Some(RESOLVE_INTERVAL),
        /// Largest datagram in bytes (UDP): whole lines are packed up to it. 1 to 65,507, default 1,400.
        pub datagram_bytes: usize = 1_400,
        /// Whether several datagrams are handed to the kernel in one call where it can take them (UDP on Linux), which
        /// costs several times less: while more than one waits, all but the last are filled up to `datagram_bytes` with
        /// newlines, which InfluxDB reads over. Nothing to a sink that posts over HTTP. Default `true`.
        pub segmentation_offload: bool = true,
        /// Events that wait here while the backend is slow or away, 32 bytes each; later ones are dropped as
        /// `buffer_full`. Default 65,536.
        pub buffer_events: usize = 65_536,
    }
}

configuration! {
    /// When an HTTP batch is sent: at whichever limit comes first.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct BatchLimits {
        /// Points, 1 or more. Default 5,000.
        pub points: usize = 5_000,
        /// Bytes of body, 4,096 or more. Default 1 MiB.
        pub bytes: usize = 1 << 20,
        /// Age of the oldest point. Default 1 s.
        pub age: Duration = Duration::from_secs(1),
    }
}

impl Configuration for InfluxdbConfig {
    fn check(&self) -> Result<(), StartError> {
        let check = Check(Exporter::Influxdb);
        self.target.check(check)?;
        if self.create_database && !self.target.can_create_database() {
            let expected = "only an InfluxDB 1 that is given with `database` is told to create it; an InfluxDB 3 does so by \
                            itself, a bucket of an InfluxDB 2 is created by hand, and so is what a complete URL names";
            return Err(check.bad("create_database", true, expected));
        }
        self.check_points(check)?;
        if self.gzip && !self.target.is_http() {
            let expected = "no InfluxDB reads compressed datagrams; leave it out, or send over HTTP";
            return Err(check.bad("gzip", self.gzip, expected));
        }
        if let Some((field, path)) = self.tls.first_file().filter(|_| !self.target.is_http()) {
            let expected = "there is no TLS over UDP; leave it out, or send over HTTP to an https:// URL";
            return Err(check.bad(field, path.display(), expected));
        }
        if self.proxy.as_ref().is_some_and(Proxy::is_given) && !self.target.is_http() {
            return Err(check.bad("proxy", "…", "an HTTP proxy carries no datagrams; leave it out, or send over HTTP"));
        }
        check.wait("timeout", self.timeout)?;
        self.resolve_interval.map_or(Ok(()), |interval| check.wait("resolve_interval", interval))?;
        check.range("batch.points", self.batch.points, &BATCH_POINTS)?;
        check.range("batch.bytes", self.batch.bytes, &BATCH_BYTES)?;
        check.wait("batch.age", self.batch.age)?;
        check.range("datagram_bytes", self.datagram_bytes, &DATAGRAM_BYTES)?;
        check.range("buffer_events", self.buffer_events, &BUFFER_EVENTS)
    }

    fn check_without_tcp(&self) -> Result<(), StartError> {
        if self.target.is_http() {
            return Check(Exporter::Influxdb).without_tcp("target", "http", "send points over `udp`, or ");
        }
        Ok(())
    }

    fn page(&self) -> Option<PageAddress<'_>> {
        None
    }
}

impl InfluxdbConfig {
    /// Looks for what this storage cannot give.
    pub(crate) fn check_storage(&self, registry: Registry<'_>) -> Result<(), StartError> {
        self.observations.check(Check(Exporter::Influxdb), registry)
    }

    fn check_points(&self, check: Check) -> Result<(), StartError> {
        check.wait("interval", self.interval)?;
        check.wait("instruments_interval", self.instruments_interval)?;
        let unit = Duration::from_nanos(self.precision.nanos());
        if !self.aggregate && self.precision != Precision::Nanosecond {
            let expected = "it must be ns: at a coarser one, requests of one series within a unit would be one point; \
                            use points per interval (aggregate) for it";
            return Err(check.bad("precision", self.precision.v2(), expected));
        }
        let intervals = [("interval", self.interval), ("instruments_interval", self.instruments_interval)];
        // Points per request are in nanoseconds.
        if let Some((field, interval)) = intervals.into_iter().find(|(_, interval)| *interval < unit) {
            let expected = "it must be no less than a unit of precision; choose a finer precision";
            return Err(check.bad(field, format_args!("{interval:?}"), expected));
        }
        if self.observations == Observations::PerEvent && self.precision != Precision::Nanosecond {
            let expected = "it must be ns: at a coarser one, observations of one series within a unit would be one point; leave \
                            out precision, or observations";
            return Err(check.bad("precision", self.precision.v2(), expected));
        }
        if self.aggregate && self.status_code != StatusCode::Field {
            let expected = "points per interval have no status code; leave it out, or use points per request";
            return Err(check.bad("status_code", format!("{:?}", self.status_code).to_lowercase(), expected));
        }
        Ok(())
    }
}
