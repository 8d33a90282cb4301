//! How the sink's messages are put to work: per request or per interval, and what is sent as well: what own instruments count,
//! gauges, telemetry.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_channel::{Receiver, Sender};
use futures_lite::FutureExt as _;
use loaddensity_metrics_core::dogstatsd::{AggregatedRequest, ContextCount, METRIC_BYTES, MessageEncoder, Telemetry};
use loaddensity_metrics_core::export::datagrams::{
    AggregateDatagrams, AggregatePacking, DatagramSource, InstrumentMessages, IntervalPacking, StatsdMessages,
};
use loaddensity_metrics_core::{
    CALL_BYTES, DropReason, DropStage, Event, EventEncoder, Exporter, ObservationsByKind, ObservedRows, Registry,
    SampleRate, Sampler,
};

use super::Packets;
use crate::config::{Observations, StatsdConfig};
use crate::dispatcher::EventQueue;
use crate::drivers::{
    DatagramDriver, DatagramOptions, Destination, EventLender, IntervalItemLender, Lender, OpenSocket,
};
use crate::random;
use crate::running::{LaunchContext, RunningExporter};
use crate::runtime::Runtime;
use crate::status::{HealthReporter, StatusCell};
use crate::stop::StopSignal;

/// Starts to send: requests through one set of sockets, what own instruments count through another, gauges and telemetry
/// through a third.
pub(super) fn start<R: Runtime>(
    context: &mut LaunchContext<R>,
    encoder: &MessageEncoder<'static>,
    (to, first, packets): (Destination, Option<OpenSocket<R>>, Packets),
    config: &StatsdConfig,
) -> RunningExporter<R> {
    let status_cell = Arc::new(StatusCell::new(Exporter::Statsd, to.to_string()));
    let contexts = config.aggregate.then(Arc::<AtomicU64>::default);
    let running = match &contexts {
        None => per_request(
            context,
            encoder.clone(),
            (options(to.clone(), first, packets, config), packets),
            (config, status_cell),
        ),
        Some(contexts) => {
            let told = (status_cell, contexts.clone());
            per_interval(context, encoder, (options(to.clone(), first, packets, config), packets), (config, told))
        }
    };
    let over = running.over();
    // Closed when observations are no longer sent, or never were.
    let (alive, observing) = async_channel::bounded(1);
    let options = side_options(to.clone(), packets, config);
    let running = match (config.observations, context.observed_rows.take()) {
        (Observations::PerInterval, None) => running,
        (Observations::PerInterval, Some(rows)) => {
            running.with_observing_task(&context.runtime, |stop, status_cell| {
                run_instruments(context, (encoder, rows, alive), (options, packets), (config, stop, status_cell))
            })
        }
        (Observations::PerEvent, _) => {
            let sampler = sampler(config.sample_rate);
            let queue = context.dispatcher.attach_observations(Exporter::Statsd, config.buffer_events, sampler);
            let observing = running.with_observing_task(&context.runtime, |stop, status_cell| {
                let (source, options) = lender(queue.clone(), encoder.observations(), (options, packets), config);
                let reporter = HealthReporter::of_observations(status_cell);
                let driver = DatagramDriver::new(context, options, source, reporter, stop);
                async move {
                    let _alive = alive;
                    driver.run().await
                }
            });
            observing.draining_observations(queue)
        }
    };
    running.with_side_task(&context.runtime, |stop, status_cell| {
        let reporter = HealthReporter::of_gauges(status_cell.clone());
        let telemetry = packets.telemetry.map(|transport| {
            let (registry, status_cell) = (context.registry, status_cell.clone());
            let before = registry.observations_by_kind();
            (encoder.telemetry(transport), move || done(registry, &before, &status_cell, contexts.as_deref()))
        });
        let on_left_out = move || status_cell.gauges_failed(gauge_left_out(packets.bytes));
        let packing = IntervalPacking::new(packets.items, packets.bytes, config.interval, context.clock.read());
        let source = IntervalItemLender::new(packing, StatsdMessages::new(encoder.gauges(), telemetry), on_left_out);
        let after = StopSignal::default();
        let driver = DatagramDriver::new(context, side_options(to, packets, config), source, reporter, after.clone());
        driver.run().or(stops_after([over, observing], stop, after))
    })
}

/// Sends what own instruments count until a stop has been carried out. Then, or when it is dropped, `alive` is.
fn run_instruments<R: Runtime>(
    context: &LaunchContext<R>,
    (encoder, rows, alive): (&MessageEncoder<'static>, ObservedRows<Vec<u64>>, Sender<()>),
    (options, packets): (DatagramOptions<R>, Packets),
    (config, stop, status_cell): (&StatsdConfig, StopSignal, Arc<StatusCell>),
) -> impl Future<Output = DropReason> + Send + use<R> {
    let reporter = HealthReporter::of_observations(status_cell.clone());
    let ledger = context.accounts.observations().open_after(Exporter::Statsd, rows.before());
    let messages = InstrumentMessages::new(context.registry, (rows, ledger), encoder.instruments());
    let messages = if packets.items == 1 { messages.with_single_messages() } else { messages };
    let packing = IntervalPacking::new(packets.items, packets.bytes, config.instruments_interval, context.clock.read());
    let on_left_out = move || status_cell.observations_failed(message_left_out(packets.bytes));
    let source = IntervalItemLender::new(packing, messages, on_left_out);
    let driver = DatagramDriver::new(context, options, source, reporter, stop);
    async move {
        let _alive = alive;
        driver.run().await
    }
}

/// What is said where a message of an own instrument fits into no packet of `bytes`.
fn message_left_out(bytes: usize) -> String {
    format!(
        "a message is left out: with the prefix its name is longer than {METRIC_BYTES} bytes, or it is longer than {bytes}"
    )
}

/// What is said where a gauge fits into no packet of `bytes`.
fn gauge_left_out(bytes: usize) -> String {
    format!(
        "a gauge is left out: with the prefix its name is longer than {METRIC_BYTES} bytes, or its message than {bytes}"
    )
}

fn per_request<R: Runtime>(
    context: &mut LaunchContext<R>,
    encoder: MessageEncoder<'static>,
    (options, packets): (DatagramOptions<R>, Packets),
    (config, status_cell): (&StatsdConfig, Arc<StatusCell>),
) -> RunningExporter<R> {
    let sampler = sampler(config.sample_rate);
    let queue = context.dispatcher.attach(Exporter::Statsd, config.buffer_events, sampler);
    let (source, options) = lender(queue.clone(), encoder, (options, packets), config);
    launch(context, options, source, (status_cell, queue))
}

/// What lends the events in `queue`, as `encoder` writes them, and what they need of sockets.
fn lender<R: Runtime, E: EventEncoder<T>, T: Copy + Default>(
    queue: Arc<EventQueue<T>>,
    encoder: E,
    (options, packets): (DatagramOptions<R>, Packets),
    config: &StatsdConfig,
) -> (EventLender<E, T>, DatagramOptions<R>) {
    let is_offloaded = config.segmentation_offload && matches!(options.to, Destination::Udp(_));
    let call_bytes = if is_offloaded { packets.bytes.max(CALL_BYTES) } else { packets.bytes };
    let source = EventLender::new(queue, encoder, (packets.items, packets.bytes), is_offloaded);
    (source, DatagramOptions { call_bytes, ..options })
}

fn per_interval<R: Runtime>(
    context: &mut LaunchContext<R>,
    encoder: &MessageEncoder<'static>,
    (options, packets): (DatagramOptions<R>, Packets),
    (config, (status_cell, contexts)): (&StatsdConfig, (Arc<StatusCell>, Arc<AtomicU64>)),
) -> RunningExporter<R> {
    let queue = context.dispatcher.attach(Exporter::Statsd, config.buffer_events, None);
    // The other half of the buffer is for what comes while these leave.
    let aggregator =
        encoder.aggregator(vec![AggregatedRequest::default(); config.buffer_events.div_ceil(2)].into_boxed_slice());
    let counts = vec![ContextCount::default(); if config.timestamps_of_counts { aggregator.contexts() } else { 0 }];
    let counts = config.timestamps_of_counts.then(|| counts.into_boxed_slice());
    let counted_second = context.dispatcher.counted_second.clone();
    let aggregator = aggregator.with_counters(counts, counted_second.load(Ordering::Relaxed));
    let start = context.clock.read();
    let packing = AggregatePacking::new(aggregator, packets.bytes, config.aggregation_interval, start);
    let source = SumSource { queue: queue.clone(), packing, counted_second, contexts };
    launch(context, options, source, (status_cell, queue))
}

fn launch<R: Runtime, L: Lender>(
    context: &LaunchContext<R>,
    options: DatagramOptions<R>,
    source: L,
    (status_cell, queue): (Arc<StatusCell>, Arc<EventQueue>),
) -> RunningExporter<R>
where
    for<'a> L::Lent<'a>: DatagramSource,
{
    let stop = StopSignal::default();
    let driver =
        DatagramDriver::new(context, options, source, HealthReporter::of_requests(status_cell.clone()), stop.clone());
    RunningExporter::launch(&context.runtime, stop, status_cell, driver.run()).draining(queue)
}

fn options<R: Runtime>(
    to: Destination,
    first: Option<OpenSocket<R>>,
    packets: Packets,
    config: &StatsdConfig,
) -> DatagramOptions<R> {
    DatagramOptions { to, first, sockets: config.sockets, at_once: true, call_bytes: packets.bytes }
}

/// Of what is sent besides requests: through one socket, which is made when there is something to be sent.
fn side_options<R: Runtime>(to: Destination, packets: Packets, config: &StatsdConfig) -> DatagramOptions<R> {
    DatagramOptions { sockets: 1, at_once: false, ..options(to, None, packets, config) }
}

fn sampler(rate: SampleRate) -> Option<Sampler> {
    (!rate.is_all()).then(|| Sampler::new(rate, random::number()))
}

/// What the sink has done until now, since there were so many observations `before`.
fn done(
    registry: Registry<'static>,
    before: &ObservationsByKind,
    status_cell: &StatusCell,
    contexts: Option<&AtomicU64>,
) -> Telemetry {
    let (account, traffic) = (registry.account(Exporter::Statsd), status_cell.traffic());
    let of_observations = registry.observation_account(Exporter::Statsd);
    Telemetry {
        requests: account.recorded,
        dropped_on_receive: account.dropped.at(DropStage::Queueing),
        observations: registry.observations_by_kind().since(before),
        observations_dropped_on_receive: of_observations.dropped.at(DropStage::Queueing),
        gauges: 0,
        packets_sent: traffic.sent,
        bytes_sent: traffic.bytes,
        packets_dropped: traffic.dropped,
        bytes_dropped: traffic.dropped_bytes,
        contexts: contexts.map(|contexts| contexts.load(Ordering::Relaxed)),
    }
}

/// Asks for the stop `after` once the other senders have ended, which `over` shows: the last telemetry counts their last
/// packets.
async fn stops_after(over: [Receiver<()>; 2], stop: StopSignal, after: StopSignal) -> DropReason {
    let deadline = stop.asked().await;
    for over in over {
        // Nothing comes; an error is the sign.
        let _ = over.recv().await;
    }
    after.ask(deadline);
    std::future::pending().await
}

/// Requests per interval.
struct SumSource {
    queue: Arc<EventQueue>,
    packing: AggregatePacking<'static, Box<[AggregatedRequest]>, Box<[ContextCount]>>,
    /// The last second that counters said, in this run or in an earlier one.
    counted_second: Arc<AtomicU64>,
    contexts: Arc<AtomicU64>,
}

impl Lender for SumSource {
    type Lent<'a> = AggregateDatagrams<'a, 'static, Box<[AggregatedRequest]>, Box<[ContextCount]>, Box<[Event]>>;

    fn lend<T>(&mut self, ask: impl FnOnce(&mut Self::Lent<'_>) -> T) -> T {
        let Self { queue, packing, counted_second, contexts } = self;
        let asked = ask(&mut AggregateDatagrams::new(&mut queue.lock(), packing));
        counted_second.fetch_max(packing.second().unwrap_or_default(), Ordering::Relaxed);
        contexts.store(packing.contexts(), Ordering::Relaxed);
        asked
    }

    fn wait_until_holds(&mut self, events: usize) -> impl Future<Output = ()> + Send {
        self.queue.wait_until_holds(events)
    }
}
