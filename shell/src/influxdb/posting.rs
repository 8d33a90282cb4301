//! What is posted over HTTP, and how that is started: points per request or per interval, the engine's own instruments, and
//! the gauges.

use std::future::Future;
use std::sync::Arc;

use loaddensity_metrics_core::export::items::Items;
use loaddensity_metrics_core::export::posts::{
    EventPoints, GaugePoints, InstrumentPoints, IntervalPoints, PostLimits, PostMachine, Schedule,
};
use loaddensity_metrics_core::influxdb::{GaugeLineEncoder, IntervalEncoder, IntervalRows, IntervalTimes, LineEncoder};
use loaddensity_metrics_core::{DropReason, Event, EventEncoder, Exporter, Packer};

use super::{Endpoint, FurtherLines, Influxdb, PointsToSend};
use crate::config::{BatchLimits, InfluxdbConfig};
use crate::dispatcher::EventQueue;
use crate::drivers::{BackendLink, Lender, PostDriver};
use crate::random;
use crate::running::{LaunchContext, RunningExporter};
use crate::runtime::Runtime;
use crate::status::{HealthNote, StatusCell};
use crate::stop::StopSignal;

/// Most bytes of a body with gauges: all that a registry can have fit, however long.
const GAUGE_BYTES: usize = 16 << 10;

/// Starts to send a point for each request, and own instruments and gauges over connections of their own. The backend need not be there.
pub(super) fn per_request<R: Runtime>(
    context: &mut LaunchContext<R>,
    endpoint: Box<Endpoint>,
    (encoder, further): (LineEncoder<'static>, FurtherLines),
    config: &InfluxdbConfig,
) -> RunningExporter<R> {
    let queue = context.dispatcher.attach(Exporter::Influxdb, config.buffer_events, None);
    let status_cell = Arc::new(StatusCell::new(Exporter::Influxdb, endpoint.public_address()));
    let stop = StopSignal::default();
    let schedule = batches(config);
    let source = EventSource { queue: queue.clone(), packer: Packer::new(encoder) };
    let to = (endpoint.clone(), config);
    let driver =
        driver(context, to, (status_cell.clone(), StatusCell::tell), stop.clone(), (source, config.batch, schedule));
    let work = driver.run();
    let running = RunningExporter::launch(&context.runtime, stop, status_cell, work).draining(queue);
    with_further(running, context, endpoint, further, config)
}

/// Starts to send a point for each series and interval, and own instruments and gauges over connections of their own.
pub(super) fn per_interval<R: Runtime>(
    context: &mut LaunchContext<R>,
    endpoint: Box<Endpoint>,
    (rows, encoder, further): (IntervalRows<Vec<u64>>, IntervalEncoder<'static>, FurtherLines),
    config: &InfluxdbConfig,
) -> RunningExporter<R> {
    let status_cell = Arc::new(StatusCell::new(Exporter::Influxdb, endpoint.public_address()));
    let stop = StopSignal::default();
    let ledger = context.accounts.open_after(Exporter::Influxdb, rows.before());
    let times = IntervalTimes::new(config.precision, config.interval, context.phase);
    let source = IntervalSource(IntervalPoints::new(context.registry, (rows, ledger), (encoder, times)));
    let schedule = Schedule::Intervals { every: config.interval, always_anew: false };
    let to = (endpoint.clone(), config);
    let driver =
        driver(context, to, (status_cell.clone(), StatusCell::tell), stop.clone(), (source, config.batch, schedule));
    let work = driver.run();
    let running = RunningExporter::launch(&context.runtime, stop, status_cell, work);
    with_further(running, context, endpoint, further, config)
}

/// Starts what is sent besides requests.
fn with_further<R: Runtime>(
    running: RunningExporter<R>,
    context: &mut LaunchContext<R>,
    endpoint: Box<Endpoint>,
    FurtherLines { gauges, own }: FurtherLines,
    config: &InfluxdbConfig,
) -> RunningExporter<R> {
    let points = PointsToSend::open(context, own, config);
    let running = running.with_side_task(&context.runtime, |stop, status_cell| {
        run_gauges(context, endpoint.clone(), (gauges, stop, status_cell), config)
    });
    match points {
        Some(PointsToSend::Instruments(points)) => running
            .with_observing_task(&context.runtime, |stop, status_cell| {
                run_instruments(context, endpoint, (*points, stop, status_cell), config)
            }),
        Some(PointsToSend::Observations(queue, encoder)) => {
            let running = running.with_observing_task(&context.runtime, |stop, status_cell| {
                let source = EventSource { queue: queue.clone(), packer: Packer::new(*encoder) };
                let told: (Arc<StatusCell>, HealthNote) = (status_cell, StatusCell::tell_of_observations);
                driver(context, (endpoint, config), told, stop, (source, config.batch, batches(config))).run()
            });
            running.draining_observations(queue)
        }
        None => running,
    }
}

/// Sends what own instruments count until a stop has been carried out.
fn run_instruments<R: Runtime>(
    context: &LaunchContext<R>,
    endpoint: Box<Endpoint>,
    (points, stop, status_cell): (InstrumentPoints<'static, Vec<u64>>, StopSignal, Arc<StatusCell>),
    config: &InfluxdbConfig,
) -> impl Future<Output = DropReason> + Send + use<R> {
    let schedule = Schedule::Intervals { every: config.instruments_interval, always_anew: false };
    let told: (Arc<StatusCell>, HealthNote) = (status_cell, StatusCell::tell_of_observations);
    driver(context, (endpoint, config), told, stop, (InstrumentSource(points), config.batch, schedule)).run()
}

/// Sends the gauges until a stop has been carried out.
fn run_gauges<R: Runtime>(
    context: &LaunchContext<R>,
    endpoint: Box<Endpoint>,
    (gauges, stop, status_cell): (GaugeLineEncoder<'static>, StopSignal, Arc<StatusCell>),
    config: &InfluxdbConfig,
) -> impl Future<Output = DropReason> + Send + use<R> {
    let schedule = Schedule::Intervals { every: config.interval, always_anew: true };
    let limits = BatchLimits { bytes: config.batch.bytes.min(GAUGE_BYTES), points: usize::MAX, ..config.batch };
    let times = IntervalTimes::new(config.precision, config.interval, context.phase);
    let source = GaugeSource(GaugePoints::new(gauges, times));
    let told: (Arc<StatusCell>, HealthNote) = (status_cell, StatusCell::tell_of_gauges);
    driver(context, (endpoint, config), told, stop, (source, limits, schedule)).run()
}

fn driver<R: Runtime, L: Lender>(
    context: &LaunchContext<R>,
    (endpoint, config): (Box<Endpoint>, &InfluxdbConfig),
    told: (Arc<StatusCell>, HealthNote),
    stop: StopSignal,
    (source, BatchLimits { points, bytes, .. }, schedule): (L, BatchLimits, Schedule),
) -> PostDriver<R, Influxdb, L>
where
    for<'a> L::Lent<'a>: Items,
{
    let limits = PostLimits::new(config.timeout, bytes, schedule).points(points);
    let link = BackendLink::new(context, (Influxdb::new(endpoint), config.timeout), told, stop, bytes);
    PostDriver::new(link, PostMachine::new(&limits, random::number()), source)
}

/// When events of a queue leave.
const fn batches(config: &InfluxdbConfig) -> Schedule {
    Schedule::Batches { age: config.batch.age, capacity: config.buffer_events }
}

/// The events that the pump has handed over: requests, or observations.
struct EventSource<E, T = Event> {
    queue: Arc<EventQueue<T>>,
    packer: Packer<E>,
}

impl<E: EventEncoder<T> + Send + 'static, T: Copy + Default + Send + 'static> Lender for EventSource<E, T> {
    type Lent<'a> = EventPoints<'a, 'static, E, Box<[T]>, T>;

    fn lend<A>(&mut self, ask: impl FnOnce(&mut Self::Lent<'_>) -> A) -> A {
        ask(&mut EventPoints::new(&self.packer, &mut self.queue.lock()))
    }

    fn wait_until_holds(&mut self, items: usize) -> impl Future<Output = ()> + Send {
        self.queue.wait_until_holds(items)
    }
}

/// What came in each interval.
struct IntervalSource(IntervalPoints<'static, Vec<u64>>);

impl Lender for IntervalSource {
    type Lent<'a> = IntervalPoints<'static, Vec<u64>>;

    fn lend<T>(&mut self, ask: impl FnOnce(&mut IntervalPoints<'static, Vec<u64>>) -> T) -> T {
        ask(&mut self.0)
    }
}

/// What own instruments counted in each interval.
struct InstrumentSource(InstrumentPoints<'static, Vec<u64>>);

impl Lender for InstrumentSource {
    type Lent<'a> = InstrumentPoints<'static, Vec<u64>>;

    fn lend<T>(&mut self, ask: impl FnOnce(&mut InstrumentPoints<'static, Vec<u64>>) -> T) -> T {
        ask(&mut self.0)
    }
}

/// The gauges as they are.
struct GaugeSource(GaugePoints<'static>);

impl Lender for GaugeSource {
    type Lent<'a> = GaugePoints<'static>;

    fn lend<T>(&mut self, ask: impl FnOnce(&mut GaugePoints<'static>) -> T) -> T {
        ask(&mut self.0)
    }
}
