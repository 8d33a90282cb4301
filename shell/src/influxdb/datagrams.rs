//! What is sent in datagrams, and how it is put to work: points per request or per interval, and the gauges beside them.

use std::future::Future;
use std::sync::Arc;

use loaddensity_metrics_core::export::datagrams::Rounds;
use loaddensity_metrics_core::export::posts::{GaugePoints, IntervalPoints};
use loaddensity_metrics_core::influxdb::{GaugeLineEncoder, IntervalEncoder, IntervalRows, IntervalTimes, LineEncoder};
use loaddensity_metrics_core::{CALL_BYTES, Cause, Exporter};

use crate::condition::{Condition, Teller};
use crate::config::InfluxdbConfig;
use crate::drivers::{DatagramDriver, Destination, LentItems, LentRequests, Way};
use crate::running::{Place, Running, host_port};
use crate::runtime::Runtime;
use crate::stop::StopSignal;

/// Starts to send a point for each request, and the gauges through a socket of their own.
pub(super) fn per_request<R: Runtime>(
    place: &mut Place<R>,
    (host, port): (&str, u16),
    (encoder, gauges): (LineEncoder<'static>, GaugeLineEncoder<'static>),
    config: &InfluxdbConfig,
) -> Running<R> {
    let InfluxdbConfig { datagram_bytes, segmentation_offload, buffer_events, .. } = *config;
    let (condition, stop) = (condition(host, port), StopSignal::default());
    let feed = place.hub.attach(Exporter::Influxdb, buffer_events, None);
    let source = LentRequests::new(feed.clone(), encoder, (usize::MAX, datagram_bytes), segmentation_offload);
    let call_bytes = if segmentation_offload { datagram_bytes.max(CALL_BYTES) } else { datagram_bytes };
    let way = Way { call_bytes, at_once: true, ..way(host, port, config) };
    let driver = DatagramDriver::new(place, way, source, Teller::of_requests(condition.clone()), stop.clone());
    Running::launch(&place.runtime, stop, condition, driver.run())
        .fed_by(feed)
        .beside(&place.runtime, |stop, condition| run_gauges(place, (host, port), (gauges, stop, condition), config))
}

/// Starts to send a point for each series and interval, and the gauges through a socket of their own.
pub(super) fn per_interval<R: Runtime>(
    place: &mut Place<R>,
    (host, port): (&str, u16),
    (encoder, gauges): (IntervalEncoder<'static>, GaugeLineEncoder<'static>),
    config: &InfluxdbConfig,
) -> Running<R> {
    let (condition, stop) = (condition(host, port), StopSignal::default());
    let (rows, before) = IntervalRows::on_heap(place.registry);
    let ledger = place.registry.open_account_after(Exporter::Influxdb, before);
    let points = IntervalPoints::new(place.registry, (rows, ledger), (encoder, times(place, config)));
    // A point that no datagram holds is in the account.
    let source = LentItems::new(rounds(place, config), points, || {});
    let way = Way { at_once: true, ..way(host, port, config) };
    let driver = DatagramDriver::new(place, way, source, Teller::of_requests(condition.clone()), stop.clone());
    Running::launch(&place.runtime, stop, condition, driver.run())
        .beside(&place.runtime, |stop, condition| run_gauges(place, (host, port), (gauges, stop, condition), config))
}

/// Sends the gauges until a stop has been carried out.
fn run_gauges<R: Runtime>(
    place: &Place<R>,
    (host, port): (&str, u16),
    (gauges, stop, condition): (GaugeLineEncoder<'static>, StopSignal, Arc<Condition>),
    config: &InfluxdbConfig,
) -> impl Future<Output = Cause> + Send + use<R> {
    let (told, datagram_bytes) = (condition.clone(), config.datagram_bytes);
    let tells = move || told.gauges_failed(format!("a gauge does not fit into {datagram_bytes} bytes"));
    let source = LentItems::new(rounds(place, config), GaugePoints::new(gauges, times(place, config)), tells);
    DatagramDriver::new(place, way(host, port, config), source, Teller::beside(condition), stop).run()
}

fn condition(host: &str, port: u16) -> Arc<Condition> {
    Arc::new(Condition::new(Exporter::Influxdb, format!("udp://{}", host_port(host, port))))
}

fn way<R: Runtime>(host: &str, port: u16, config: &InfluxdbConfig) -> Way<R> {
    let to = Destination::Udp { host: host.into(), port };
    let (resolve_interval, call_bytes) = (config.resolve_interval, config.datagram_bytes);
    Way { to, first: None, sockets: 1, resolve_interval, at_once: false, call_bytes }
}

fn rounds<R: Runtime>(place: &Place<R>, config: &InfluxdbConfig) -> Rounds {
    Rounds::new(usize::MAX, config.datagram_bytes, config.interval, place.clock.read())
}

fn times<R: Runtime>(place: &Place<R>, config: &InfluxdbConfig) -> IntervalTimes {
    IntervalTimes::new(config.precision, config.interval, place.phase)
}
