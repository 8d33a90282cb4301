//! What is posted over HTTP, and how it is put to work: points per request or per interval, and the gauges beside them.

use std::future::Future;
use std::sync::Arc;

use loaddensity_metrics_core::export::posts::{
    GaugePoints, IntervalPoints, PostLimits, Posts, RequestPoints, Schedule,
};
use loaddensity_metrics_core::influxdb::{GaugeLineEncoder, IntervalEncoder, IntervalRows, IntervalTimes, LineEncoder};
use loaddensity_metrics_core::{Cause, Event, Exporter, Packer};

use super::{Endpoint, Influxdb};
use crate::condition::{Condition, Voice};
use crate::config::{BatchLimits, InfluxdbConfig};
use crate::drivers::{ItemSource, PostDriver, Wire};
use crate::hub::Feed;
use crate::random;
use crate::running::{Place, Running};
use crate::runtime::Runtime;
use crate::stop::StopSignal;

/// Most bytes of a body with gauges: all that a registry can have fit, however long.
const GAUGE_BYTES: usize = 16 << 10;

/// Starts to send a point for each request, and the gauges over a connection of their own. The backend need not be there.
pub(super) fn per_request<R: Runtime>(
    place: &mut Place<R>,
    endpoint: Box<Endpoint>,
    (encoder, gauges): (LineEncoder<'static>, GaugeLineEncoder<'static>),
    config: &InfluxdbConfig,
) -> Running<R> {
    let feed = place.hub.attach(Exporter::Influxdb, config.buffer_events, None);
    let condition = Arc::new(Condition::new(Exporter::Influxdb, endpoint.public_address()));
    let stop = StopSignal::default();
    let schedule = Schedule::Batches { age: config.batch.age, capacity: config.buffer_events };
    let source = Requests { feed: feed.clone(), packer: Packer::new(encoder) };
    let to = (endpoint.clone(), config);
    let driver =
        driver(place, to, (condition.clone(), Condition::tell), stop.clone(), (source, config.batch, schedule));
    let work = driver.run();
    Running::launch(&place.runtime, stop, condition, work)
        .fed_by(feed)
        .beside(&place.runtime, |stop, condition| run_gauges(place, endpoint, (gauges, stop, condition), config))
}

/// Starts to send a point for each series and interval, and the gauges over a connection of their own.
pub(super) fn per_interval<R: Runtime>(
    place: &mut Place<R>,
    endpoint: Box<Endpoint>,
    (encoder, gauges): (IntervalEncoder<'static>, GaugeLineEncoder<'static>),
    config: &InfluxdbConfig,
) -> Running<R> {
    let condition = Arc::new(Condition::new(Exporter::Influxdb, endpoint.public_address()));
    let stop = StopSignal::default();
    let (rows, before) = IntervalRows::on_heap(place.registry);
    let ledger = place.registry.open_account_after(Exporter::Influxdb, before);
    let times = IntervalTimes::new(config.precision, config.interval, place.phase);
    let source = Intervals(IntervalPoints::new(place.registry, (rows, ledger), (encoder, times)));
    let schedule = Schedule::Intervals { every: config.interval, always_anew: false };
    let to = (endpoint.clone(), config);
    let driver =
        driver(place, to, (condition.clone(), Condition::tell), stop.clone(), (source, config.batch, schedule));
    let work = driver.run();
    Running::launch(&place.runtime, stop, condition, work)
        .beside(&place.runtime, |stop, condition| run_gauges(place, endpoint, (gauges, stop, condition), config))
}

/// Sends the gauges until a stop has been carried out.
fn run_gauges<R: Runtime>(
    place: &Place<R>,
    endpoint: Box<Endpoint>,
    (gauges, stop, condition): (GaugeLineEncoder<'static>, StopSignal, Arc<Condition>),
    config: &InfluxdbConfig,
) -> impl Future<Output = Cause> + Send + use<R> {
    let schedule = Schedule::Intervals { every: config.interval, always_anew: true };
    let limits = BatchLimits { bytes: config.batch.bytes.min(GAUGE_BYTES), points: usize::MAX, ..config.batch };
    let times = IntervalTimes::new(config.precision, config.interval, place.phase);
    let source = Gauges(GaugePoints::new(gauges, times));
    let told: (Arc<Condition>, Voice) = (condition, Condition::tell_of_gauges);
    driver(place, (endpoint, config), told, stop, (source, limits, schedule)).run()
}

fn driver<R: Runtime, S: ItemSource>(
    place: &Place<R>,
    (endpoint, config): (Box<Endpoint>, &InfluxdbConfig),
    told: (Arc<Condition>, Voice),
    stop: StopSignal,
    (source, BatchLimits { points, bytes, .. }, schedule): (S, BatchLimits, Schedule),
) -> PostDriver<R, Influxdb, S> {
    let limits = PostLimits { timeout: config.timeout, bytes, points, schedule };
    let wire = Wire::new(place, (Influxdb::new(endpoint), config.timeout), told, stop, bytes);
    PostDriver::new(wire, Posts::new(&limits, random::number()), source)
}

/// The requests that the pump has handed over.
struct Requests {
    feed: Arc<Feed>,
    packer: Packer<LineEncoder<'static>>,
}

impl ItemSource for Requests {
    type Items<'a> = RequestPoints<'a, 'static, LineEncoder<'static>, Box<[Event]>>;

    fn lend<T>(&mut self, ask: impl FnOnce(&mut Self::Items<'_>) -> T) -> T {
        ask(&mut RequestPoints::new(&self.packer, &mut self.feed.lock()))
    }

    fn holds(&mut self, items: usize) -> impl Future<Output = ()> + Send {
        self.feed.holds(items)
    }
}

/// What came in each interval.
struct Intervals(IntervalPoints<'static, Vec<u64>>);

impl ItemSource for Intervals {
    type Items<'a> = IntervalPoints<'static, Vec<u64>>;

    fn lend<T>(&mut self, ask: impl FnOnce(&mut IntervalPoints<'static, Vec<u64>>) -> T) -> T {
        ask(&mut self.0)
    }
}

/// The gauges as they are.
struct Gauges(GaugePoints<'static>);

impl ItemSource for Gauges {
    type Items<'a> = GaugePoints<'static>;

    fn lend<T>(&mut self, ask: impl FnOnce(&mut GaugePoints<'static>) -> T) -> T {
        ask(&mut self.0)
    }
}
