//! What is sent over UDP, and how that is started: points per request or per interval, and the gauges.

use std::future::Future;
use std::sync::Arc;

use loaddensity_metrics_core::export::datagrams::IntervalPacking;
use loaddensity_metrics_core::export::posts::{GaugePoints, IntervalPoints};
use loaddensity_metrics_core::influxdb::{GaugeLineEncoder, IntervalEncoder, IntervalRows, IntervalTimes, LineEncoder};
use loaddensity_metrics_core::{CALL_BYTES, DropReason, Exporter};

use crate::config::InfluxdbConfig;
use crate::drivers::{DatagramDriver, DatagramOptions, Destination, IntervalItemLender, RequestLender};
use crate::running::{LaunchContext, RunningExporter};
use crate::runtime::Runtime;
use crate::status::{HealthReporter, StatusCell};
use crate::stop::StopSignal;

/// Starts to send a point for each request, and the gauges through a socket of their own.
pub(super) fn per_request<R: Runtime>(
    context: &mut LaunchContext<R>,
    to: Destination,
    (encoder, gauges): (LineEncoder<'static>, GaugeLineEncoder<'static>),
    config: &InfluxdbConfig,
) -> RunningExporter<R> {
    let InfluxdbConfig { datagram_bytes, segmentation_offload, buffer_events, .. } = *config;
    let (status_cell, stop) = (status_cell(&to), StopSignal::default());
    let queue = context.dispatcher.attach(Exporter::Influxdb, buffer_events, None);
    let source = RequestLender::new(queue.clone(), encoder, (usize::MAX, datagram_bytes), segmentation_offload);
    let call_bytes = if segmentation_offload { datagram_bytes.max(CALL_BYTES) } else { datagram_bytes };
    let options = DatagramOptions { call_bytes, at_once: true, ..options(to.clone(), config) };
    let driver =
        DatagramDriver::new(context, options, source, HealthReporter::of_requests(status_cell.clone()), stop.clone());
    RunningExporter::launch(&context.runtime, stop, status_cell, driver.run())
        .draining(queue)
        .with_side_task(&context.runtime, |stop, status_cell| {
            run_gauges(context, to, (gauges, stop, status_cell), config)
        })
}

/// Starts to send a point for each series and interval, and the gauges through a socket of their own.
pub(super) fn per_interval<R: Runtime>(
    context: &mut LaunchContext<R>,
    to: Destination,
    (rows, encoder, gauges): (IntervalRows<Vec<u64>>, IntervalEncoder<'static>, GaugeLineEncoder<'static>),
    config: &InfluxdbConfig,
) -> RunningExporter<R> {
    let (status_cell, stop) = (status_cell(&to), StopSignal::default());
    let ledger = context.accounts.open_after(Exporter::Influxdb, rows.before());
    let points = IntervalPoints::new(context.registry, (rows, ledger), (encoder, times(context, config)));
    // A point that no datagram holds is in the account.
    let source = IntervalItemLender::new(packing(context, config), points, || {});
    let options = DatagramOptions { at_once: true, ..options(to.clone(), config) };
    let driver =
        DatagramDriver::new(context, options, source, HealthReporter::of_requests(status_cell.clone()), stop.clone());
    RunningExporter::launch(&context.runtime, stop, status_cell, driver.run())
        .with_side_task(&context.runtime, |stop, status_cell| {
            run_gauges(context, to, (gauges, stop, status_cell), config)
        })
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
        packing(context, config),
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

fn packing<R: Runtime>(context: &LaunchContext<R>, config: &InfluxdbConfig) -> IntervalPacking {
    IntervalPacking::new(usize::MAX, config.datagram_bytes, config.interval, context.clock.read())
}

fn times<R: Runtime>(context: &LaunchContext<R>, config: &InfluxdbConfig) -> IntervalTimes {
    IntervalTimes::new(config.precision, config.interval, context.phase)
}
