//! What is sent over UDP, and how that is started: points per request or per interval, the engine's own instruments, and the
//! gauges.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use loaddensity_metrics_core::export::datagrams::IntervalPacking;
use loaddensity_metrics_core::export::posts::{GaugePoints, InstrumentPoints, IntervalPoints};
use loaddensity_metrics_core::influxdb::{GaugeLineEncoder, IntervalEncoder, IntervalRows, IntervalTimes, LineEncoder};
use loaddensity_metrics_core::{CALL_BYTES, DropReason, EventEncoder, Exporter};

use super::{FurtherLines, PointsToSend};
use crate::config::InfluxdbConfig;
use crate::dispatcher::EventQueue;
use crate::drivers::{DatagramDriver, DatagramOptions, Destination, EventLender, IntervalItemLender};
use crate::running::{LaunchContext, RunningExporter};
use crate::runtime::Runtime;
use crate::status::{HealthReporter, StatusCell};
use crate::stop::StopSignal;

/// Starts to send a point for each request, and own instruments and gauges through sockets of their own.
pub(super) fn per_request<R: Runtime>(
    context: &mut LaunchContext<R>,
    to: Destination,
    (encoder, further): (LineEncoder<'static>, FurtherLines),
    config: &InfluxdbConfig,
) -> RunningExporter<R> {
    let (status_cell, stop) = (status_cell(&to), StopSignal::default());
    let queue = context.dispatcher.attach(Exporter::Influxdb, config.buffer_events, None);
    let options = DatagramOptions { at_once: true, ..options(to.clone(), config) };
    let (source, options) = lender(queue.clone(), encoder, options, config);
    let driver =
        DatagramDriver::new(context, options, source, HealthReporter::of_requests(status_cell.clone()), stop.clone());
    let running = RunningExporter::launch(&context.runtime, stop, status_cell, driver.run()).draining(queue);
    with_further(running, context, to, further, config)
}

/// Starts to send a point for each series and interval, and own instruments and gauges through sockets of their own.
pub(super) fn per_interval<R: Runtime>(
    context: &mut LaunchContext<R>,
    to: Destination,
    (rows, encoder, further): (IntervalRows<Vec<u64>>, IntervalEncoder<'static>, FurtherLines),
    config: &InfluxdbConfig,
) -> RunningExporter<R> {
    let (status_cell, stop) = (status_cell(&to), StopSignal::default());
    let ledger = context.accounts.open_after(Exporter::Influxdb, rows.before());
    let points = IntervalPoints::new(context.registry, (rows, ledger), (encoder, times(context, config)));
    // A point that no datagram holds is in the account.
    let source = IntervalItemLender::new(packing(context, config, config.interval), points, || {});
    let options = DatagramOptions { at_once: true, ..options(to.clone(), config) };
    let driver =
        DatagramDriver::new(context, options, source, HealthReporter::of_requests(status_cell.clone()), stop.clone());
    let running = RunningExporter::launch(&context.runtime, stop, status_cell, driver.run());
    with_further(running, context, to, further, config)
}

/// Starts what is sent besides requests.
fn with_further<R: Runtime>(
    running: RunningExporter<R>,
    context: &mut LaunchContext<R>,
    to: Destination,
    FurtherLines { gauges, own }: FurtherLines,
    config: &InfluxdbConfig,
) -> RunningExporter<R> {
    let points = PointsToSend::open(context, own, config);
    let running = running.with_side_task(&context.runtime, |stop, status_cell| {
        run_gauges(context, to.clone(), (gauges, stop, status_cell), config)
    });
    match points {
        Some(PointsToSend::Instruments(points)) => running
            .with_observing_task(&context.runtime, |stop, status_cell| {
                run_instruments(context, to, (*points, stop, status_cell), config)
            }),
        Some(PointsToSend::Observations(queue, encoder)) => {
            let running = running.with_observing_task(&context.runtime, |stop, status_cell| {
                let (source, options) = lender(queue.clone(), *encoder, options(to, config), config);
                let reporter = HealthReporter::of_observations(status_cell);
                DatagramDriver::new(context, options, source, reporter, stop).run()
            });
            running.draining_observations(queue)
        }
        None => running,
    }
}

/// What lends the events in `queue`, as `encoder` writes them, and what they need of sockets.
fn lender<R: Runtime, E: EventEncoder<T>, T: Copy + Default>(
    queue: Arc<EventQueue<T>>,
    encoder: E,
    options: DatagramOptions<R>,
    config: &InfluxdbConfig,
) -> (EventLender<E, T>, DatagramOptions<R>) {
    let InfluxdbConfig { datagram_bytes, segmentation_offload, .. } = *config;
    let call_bytes = if segmentation_offload { datagram_bytes.max(CALL_BYTES) } else { datagram_bytes };
    let source = EventLender::new(queue, encoder, (usize::MAX, datagram_bytes), segmentation_offload);
    (source, DatagramOptions { call_bytes, ..options })
}

/// Sends what own instruments count until a stop has been carried out.
fn run_instruments<R: Runtime>(
    context: &LaunchContext<R>,
    to: Destination,
    (points, stop, status_cell): (InstrumentPoints<'static, Vec<u64>>, StopSignal, Arc<StatusCell>),
    config: &InfluxdbConfig,
) -> impl Future<Output = DropReason> + Send + use<R> {
    let (told, datagram_bytes) = (status_cell.clone(), config.datagram_bytes);
    let on_left_out = move || {
        told.observations_failed(format!("the fields of an instrument do not fit into {datagram_bytes} bytes"));
    };
    let source = IntervalItemLender::new(packing(context, config, config.instruments_interval), points, on_left_out);
    DatagramDriver::new(context, options(to, config), source, HealthReporter::of_observations(status_cell), stop).run()
}

/// Sends the gauges until a stop has been carried out.
fn run_gauges<R: Runtime>(
    context: &LaunchContext<R>,
    to: Destination,
    (gauges, stop, status_cell): (GaugeLineEncoder<'static>, StopSignal, Arc<StatusCell>),
    config: &InfluxdbConfig,
) -> impl Future<Output = DropReason> + Send + use<R> {
    let (told, datagram_bytes) = (status_cell.clone(), config.datagram_bytes);
    let on_left_out = move || told.gauges_failed(format!("a gauge does not fit into {datagram_bytes} bytes"));
    let source = IntervalItemLender::new(
        packing(context, config, config.interval),
        GaugePoints::new(gauges, times(context, config)),
        on_left_out,
    );
    DatagramDriver::new(context, options(to, config), source, HealthReporter::of_gauges(status_cell), stop).run()
}

fn status_cell(to: &Destination) -> Arc<StatusCell> {
    Arc::new(StatusCell::new(Exporter::Influxdb, to.to_string()))
}

fn options<R: Runtime>(to: Destination, config: &InfluxdbConfig) -> DatagramOptions<R> {
    DatagramOptions { to, first: None, sockets: 1, at_once: false, call_bytes: config.datagram_bytes }
}

fn packing<R: Runtime>(context: &LaunchContext<R>, config: &InfluxdbConfig, interval: Duration) -> IntervalPacking {
    IntervalPacking::new(usize::MAX, config.datagram_bytes, interval, context.clock.read())
}

fn times<R: Runtime>(context: &LaunchContext<R>, config: &InfluxdbConfig) -> IntervalTimes {
    IntervalTimes::new(config.precision, config.interval, context.phase)
}
