//! How the sink's messages are put to work: per request or per interval, and what is sent beside them.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_channel::Receiver;
use futures_lite::FutureExt as _;
use loaddensity_metrics_core::dogstatsd::{AggregatedRequest, ContextCount, METRIC_BYTES, MessageEncoder, Telemetry};
use loaddensity_metrics_core::export::datagrams::{Aggregated, Aggregating, Rounds, StatsdMessages};
use loaddensity_metrics_core::{CALL_BYTES, Cause, Event, Exporter, Registry, SampleRate, Sampler};

use super::Packets;
use crate::condition::{Condition, Teller};
use crate::config::StatsdConfig;
use crate::drivers::{DatagramDriver, DatagramSource, Destination, LentItems, LentRequests, Open, Way};
use crate::hub::Feed;
use crate::random;
use crate::running::{Place, Running};
use crate::runtime::Runtime;
use crate::stop::StopSignal;

/// Starts to send, requests and what goes beside them through sockets of their own.
pub(super) fn start<R: Runtime>(
    place: &mut Place<R>,
    encoder: &MessageEncoder<'static>,
    (to, first, packets): (Destination, Option<Open<R>>, Packets),
    config: &StatsdConfig,
) -> Running<R> {
    let condition = Arc::new(Condition::new(Exporter::Statsd, to.to_string()));
    let contexts = config.aggregate.then(Arc::<AtomicU64>::default);
    let running = match &contexts {
        None => {
            per_request(place, encoder.clone(), (way(to.clone(), first, packets, config), packets), (config, condition))
        }
        Some(contexts) => {
            let told = (condition, contexts.clone());
            per_interval(place, encoder, (way(to.clone(), first, packets, config), packets), (config, told))
        }
    };
    let over = running.over();
    running.beside(&place.runtime, |stop, condition| {
        let teller = Teller::beside(condition.clone());
        let telemetry = packets.telemetry.map(|transport| {
            let (registry, condition) = (place.registry, condition.clone());
            (encoder.telemetry(transport), move || done(registry, &condition, contexts.as_deref()))
        });
        let tells = move || {
            condition.gauges_failed(format!(
                "a gauge is left out: with the prefix its name is longer than {METRIC_BYTES} bytes, or its message than \
                 {}",
                packets.bytes
            ));
        };
        let rounds = Rounds::new(packets.items, packets.bytes, config.interval, place.clock.read());
        let source = LentItems::new(rounds, StatsdMessages::new(encoder.gauges(), telemetry), tells);
        let way = Way { sockets: 1, at_once: false, ..way(to, None, packets, config) };
        let after = StopSignal::default();
        let driver = DatagramDriver::new(place, way, source, teller, after.clone());
        driver.run().or(stops_after(over, stop, after))
    })
}

fn per_request<R: Runtime>(
    place: &mut Place<R>,
    encoder: MessageEncoder<'static>,
    (way, packets): (Way<R>, Packets),
    (config, condition): (&StatsdConfig, Arc<Condition>),
) -> Running<R> {
    let sampler = sampler(config.sample_rate);
    let feed = place.hub.attach(Exporter::Statsd, config.buffer_events, sampler);
    let is_offloaded = config.segmentation_offload && matches!(way.to, Destination::Udp { .. });
    let call_bytes = if is_offloaded { packets.bytes.max(CALL_BYTES) } else { packets.bytes };
    let source = LentRequests::new(feed.clone(), encoder, (packets.items, packets.bytes), is_offloaded);
    launch(place, Way { call_bytes, ..way }, source, (condition, feed))
}

fn per_interval<R: Runtime>(
    place: &mut Place<R>,
    encoder: &MessageEncoder<'static>,
    (way, packets): (Way<R>, Packets),
    (config, (condition, contexts)): (&StatsdConfig, (Arc<Condition>, Arc<AtomicU64>)),
) -> Running<R> {
    let feed = place.hub.attach(Exporter::Statsd, config.buffer_events, None);
    // What comes while these leave has the other half of the buffer.
    let aggregator =
        encoder.aggregator(vec![AggregatedRequest::default(); config.buffer_events.div_ceil(2)].into_boxed_slice());
    let counts = vec![ContextCount::default(); if config.timestamps_of_counts { aggregator.contexts() } else { 0 }];
    let counts = config.timestamps_of_counts.then(|| counts.into_boxed_slice());
    let counted_second = place.hub.counted_second.clone();
    let aggregator = aggregator.with_counters(counts, counted_second.load(Ordering::Relaxed));
    let start = place.clock.read();
    let aggregating = Aggregating::new(aggregator, packets.bytes, config.aggregation_interval, start);
    let source = Sums { feed: feed.clone(), aggregating, counted_second, contexts };
    launch(place, way, source, (condition, feed))
}

fn launch<R: Runtime, S: DatagramSource>(
    place: &Place<R>,
    way: Way<R>,
    source: S,
    (condition, feed): (Arc<Condition>, Arc<Feed>),
) -> Running<R> {
    let stop = StopSignal::default();
    let driver = DatagramDriver::new(place, way, source, Teller::of_requests(condition.clone()), stop.clone());
    Running::launch(&place.runtime, stop, condition, driver.run()).fed_by(feed)
}

fn way<R: Runtime>(to: Destination, first: Option<Open<R>>, packets: Packets, config: &StatsdConfig) -> Way<R> {
    let StatsdConfig { sockets, resolve_interval, .. } = *config;
    Way { to, first, sockets, resolve_interval, at_once: true, call_bytes: packets.bytes }
}

fn sampler(rate: SampleRate) -> Option<Sampler> {
    (!rate.is_all()).then(|| Sampler::new(rate, random::number()))
}

/// What the sink has done until now.
fn done(registry: Registry<'static>, condition: &Condition, contexts: Option<&AtomicU64>) -> Telemetry {
    let (account, traffic) = (registry.account(Exporter::Statsd), condition.traffic());
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
struct Sums {
    feed: Arc<Feed>,
    aggregating: Aggregating<'static, Box<[AggregatedRequest]>, Box<[ContextCount]>>,
    /// The last second that counters said, in this run or in an earlier one.
    counted_second: Arc<AtomicU64>,
    contexts: Arc<AtomicU64>,
}

impl DatagramSource for Sums {
    type Source<'a> = Aggregated<'a, 'static, Box<[AggregatedRequest]>, Box<[ContextCount]>, Box<[Event]>>;

    fn lend<T>(&mut self, ask: impl FnOnce(&mut Self::Source<'_>) -> T) -> T {
        let Self { feed, aggregating, counted_second, contexts } = self;
        let asked = ask(&mut Aggregated { sink: &mut feed.lock(), aggregating });
        counted_second.fetch_max(aggregating.second().unwrap_or_default(), Ordering::Relaxed);
        contexts.store(aggregating.contexts(), Ordering::Relaxed);
        asked
    }

    fn holds(&mut self, events: usize) -> impl Future<Output = ()> + Send {
        self.feed.holds(events)
    }
}
