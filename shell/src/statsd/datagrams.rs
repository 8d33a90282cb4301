//! How the sink's messages are put to work: per request or per interval, and what is sent beside them.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_channel::Receiver;
use futures_lite::FutureExt as _;
use loaddensity_metrics_core::dogstatsd::{AggregatedRequest, ContextCount, METRIC_BYTES, MessageEncoder, Telemetry};
use loaddensity_metrics_core::export::datagrams::{
    AggregateDatagrams, AggregatePacking, DatagramSource, IntervalPacking, StatsdMessages,
};
use loaddensity_metrics_core::{CALL_BYTES, Cause, Event, Exporter, Registry, SampleRate, Sampler};

use super::Packets;
use crate::config::StatsdConfig;
use crate::drivers::{
    DatagramDriver, Destination, IntervalItemLender, Lender, OpenSocket, RequestLender, SocketOptions,
};
use crate::hub::Feed;
use crate::random;
use crate::running::{LaunchContext, RunningExporter};
use crate::runtime::Runtime;
use crate::status::{HealthReporter, StatusCell};
use crate::stop::StopSignal;

/// Starts to send, requests and what goes beside them through sockets of their own.
pub(super) fn start<R: Runtime>(
    place: &mut LaunchContext<R>,
    encoder: &MessageEncoder<'static>,
    (to, first, packets): (Destination, Option<OpenSocket<R>>, Packets),
    config: &StatsdConfig,
) -> RunningExporter<R> {
    let status_cell = Arc::new(StatusCell::new(Exporter::Statsd, to.to_string()));
    let contexts = config.aggregate.then(Arc::<AtomicU64>::default);
    let running = match &contexts {
        None => per_request(
            place,
            encoder.clone(),
            (options(to.clone(), first, packets, config), packets),
            (config, status_cell),
        ),
        Some(contexts) => {
            let told = (status_cell, contexts.clone());
            per_interval(place, encoder, (options(to.clone(), first, packets, config), packets), (config, told))
        }
    };
    let over = running.over();
    running.beside(&place.runtime, |stop, status_cell| {
        let reporter = HealthReporter::beside(status_cell.clone());
        let telemetry = packets.telemetry.map(|transport| {
            let (registry, status_cell) = (place.registry, status_cell.clone());
            (encoder.telemetry(transport), move || done(registry, &status_cell, contexts.as_deref()))
        });
        let tells = move || {
            status_cell.gauges_failed(format!(
                "a gauge is left out: with the prefix its name is longer than {METRIC_BYTES} bytes, or its message than \
                 {}",
                packets.bytes
            ));
        };
let packing = IntervalPacking::new(packets.items, packets.bytes, config.interval, place.clock.read()); let source = IntervalItemLender::new(packing, StatsdMessages::new(encoder.gauges(), telemetry), tells); let options = SocketOptions { sockets:1, at_once:false, ..options(to, None, packets, config) };
        let after = StopSignal::default();
let driver = DatagramDriver::new(place, options, source, reporter, after.clone());
        driver.run().or(stops_after(over, stop, after))
    })
}

fn per_request<R: Runtime>(
    place: &mut LaunchContext<R>,
    encoder: MessageEncoder<'static>,
    (options, packets): (SocketOptions<R>, Packets),
    (config, status_cell): (&StatsdConfig, Arc<StatusCell>),
) -> RunningExporter<R> {
    let sampler = sampler(config.sample_rate);
    let feed = place.hub.attach(Exporter::Statsd, config.buffer_events, sampler);
    let is_offloaded = config.segmentation_offload && matches!(options.to, Destination::Udp { .. });
    let call_bytes = if is_offloaded { packets.bytes.max(CALL_BYTES) } else { packets.bytes };
    let source = RequestLender::new(feed.clone(), encoder, (packets.items, packets.bytes), is_offloaded);
    launch(place, SocketOptions { call_bytes, ..options }, source, (status_cell, feed))
}

fn per_interval<R: Runtime>(
    place: &mut LaunchContext<R>,
    encoder: &MessageEncoder<'static>,
    (options, packets): (SocketOptions<R>, Packets),
    (config, (status_cell, contexts)): (&StatsdConfig, (Arc<StatusCell>, Arc<AtomicU64>)),
) -> RunningExporter<R> {
    let feed = place.hub.attach(Exporter::Statsd, config.buffer_events, None);
    // What comes while these leave has the other half of the buffer.
    let aggregator =
        encoder.aggregator(vec![AggregatedRequest::default(); config.buffer_events.div_ceil(2)].into_boxed_slice());
    let counts = vec![ContextCount::default(); if config.timestamps_of_counts { aggregator.contexts() } else { 0 }];
    let counts = config.timestamps_of_counts.then(|| counts.into_boxed_slice());
    let counted_second = place.hub.counted_second.clone();
    let aggregator = aggregator.with_counters(counts, counted_second.load(Ordering::Relaxed));
    let start = place.clock.read();
    let packing = AggregatePacking::new(aggregator, packets.bytes, config.aggregation_interval, start);
    let source = SumSource { feed: feed.clone(), packing, counted_second, contexts };
    launch(place, options, source, (status_cell, feed))
}

fn launch<R: Runtime, L: Lender>(
    place: &LaunchContext<R>,
    options: SocketOptions<R>,
    source: L,
    (status_cell, feed): (Arc<StatusCell>, Arc<Feed>),
) -> RunningExporter<R>
where
    for<'a> L::Lent<'a>: DatagramSource,
{
    let stop = StopSignal::default();
    let driver =
        DatagramDriver::new(place, options, source, HealthReporter::of_requests(status_cell.clone()), stop.clone());
    RunningExporter::launch(&place.runtime, stop, status_cell, driver.run()).fed_by(feed)
}

fn options<R: Runtime>(
    to: Destination,
    first: Option<OpenSocket<R>>,
    packets: Packets,
    config: &StatsdConfig,
) -> SocketOptions<R> {
    let StatsdConfig { sockets, resolve_interval, .. } = *config;
    SocketOptions { to, first, sockets, resolve_interval, at_once: true, call_bytes: packets.bytes }
}

fn sampler(rate: SampleRate) -> Option<Sampler> {
    (!rate.is_all()).then(|| Sampler::new(rate, random::number()))
}

/// What the sink has done until now.
fn done(registry: Registry<'static>, status_cell: &StatusCell, contexts: Option<&AtomicU64>) -> Telemetry {
    let (account, traffic) = (registry.account(Exporter::Statsd), status_cell.traffic());
    Telemetry {
        requests: account.recorded,
        dropped_on_receive: account.dropped.get(Cause::RingFull) + account.dropped.get(Cause::BufferFull),
        gauges: 0,
        packets_sent: traffic.sent,
        bytes_sent: traffic.bytes,
        packets_dropped: traffic.dropped,
        bytes_dropped: traffic.dropped_bytes,
        contexts: contexts.map(|contexts| contexts.load(Ordering::Relaxed)),
    }
}

/// Asks for a stop `after` the sender of requests is over, of which `over` is the sign: the last telemetry tells of its
/// last packets.
async fn stops_after(over: Receiver<()>, stop: StopSignal, after: StopSignal) -> Cause {
    let deadline = stop.asked().await;
    // Nothing comes; an error is the sign.
    let _ = over.recv().await;
    after.ask(deadline);
    std::future::pending().await
}

/// Requests per interval.
struct SumSource {
    feed: Arc<Feed>,
    packing: AggregatePacking<'static, Box<[AggregatedRequest]>, Box<[ContextCount]>>,
    /// The last second that counters said, in this run or in an earlier one.
    counted_second: Arc<AtomicU64>,
    contexts: Arc<AtomicU64>,
}

impl Lender for SumSource {
    type Lent<'a> = AggregateDatagrams<'a, 'static, Box<[AggregatedRequest]>, Box<[ContextCount]>, Box<[Event]>>;

    fn lend<T>(&mut self, ask: impl FnOnce(&mut Self::Lent<'_>) -> T) -> T {
        let Self { feed, packing, counted_second, contexts } = self;
        let asked = ask(&mut AggregateDatagrams::new(&mut feed.lock(), packing));
        counted_second.fetch_max(packing.second().unwrap_or_default(), Ordering::Relaxed);
        contexts.store(packing.contexts(), Ordering::Relaxed);
        asked
    }

    fn holds(&mut self, events: usize) -> impl Future<Output = ()> + Send {
        self.feed.holds(events)
    }
}
