//! The aggregated mode: one point per series and interval, over HTTP or UDP, and a last one at the stop.
//!
//! No request waits here; the registry holds what no point has shown yet. Points that could not be delivered leave
//! their requests to the next interval's. A body that may have arrived is only sent again as it is, so that it
//! overwrites itself; one of which that stays unknown is `unconfirmed` and not made up for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use loaddensity_metrics_core::influxdb::{IntervalEncoder, IntervalTimes};
use loaddensity_metrics_core::verdict::Said;
use loaddensity_metrics_core::{Backoff, Cause, Exporter, Ledger, Timestamp};

use super::batch::BatchSize;
use super::carrier::{Carried, Carrier};
use super::gauges::Gauges;
use super::readings::{Points, Readings};
use crate::clock::Clock;
use crate::condition::Condition;
use crate::config::InfluxdbConfig;
use crate::running::{Place, Running};
use crate::runtime::Runtime;
use crate::stop::{StopSignal, sleep_until};

/// Pauses before a body is sent again within its interval: the first and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Starts to send. The backend need not be there.
pub(super) fn start<R: Runtime>(
    place: &mut Place<R>,
    carrier: impl FnOnce(R, Arc<Condition>) -> Carrier<R>,
    address: String,
    (encoder, gauges): (IntervalEncoder<'static>, Gauges),
    config: &InfluxdbConfig,
) -> Running<R> {
    let condition = Arc::new(Condition::new(Exporter::Influxdb, address));
    let stop = StopSignal::default();
    let (readings, before) = Readings::begin(place.registry, encoder);
    let carrier = carrier(place.runtime.clone(), condition.clone());
    let sender = Sender {
        runtime: place.runtime.clone(),
        clock: place.clock.clone(),
        ledger: place.registry.open_account_after(Exporter::Influxdb, before),
        readings,
        gauges,
        // As many points as there are series may have to go into a body.
        size: BatchSize::new(carrier.limits(config), usize::MAX),
        carrier,
        interval: config.interval,
        times: IntervalTimes::new(config.precision, config.interval, place.phase),
        memory: BytesMut::new(),
        backoff: Backoff::new(RETRY.0, RETRY.1),
        condition: condition.clone(),
        stop: stop.clone(),
    };
    Running::launch(&place.runtime, stop, condition, sender.run())
}

struct Sender<R: Runtime> {
    runtime: R,
    clock: Clock<R>,
    ledger: &'static Ledger,
    readings: Readings,
    gauges: Gauges,
    size: BatchSize,
    carrier: Carrier<R>,
    interval: Duration,
    times: IntervalTimes,
    /// Memory of a body, between two of them.
    memory: BytesMut,
    backoff: Backoff,
    condition: Arc<Condition>,
    stop: StopSignal,
}

/// What became of the points of one body.
enum Fate {
    Sent,
    /// They are lost, and the next interval does not make up for them.
    Lost(Cause),
    /// The body was too large; smaller ones may be taken.
    Split,
    /// They are left to the next interval.
    Left(Cause),
}

impl<R: Runtime> Sender<R> {
    /// Sends until a stop is asked for, then once more; the cause for what is left.
    async fn run(mut self) -> Cause {
        let mut due = self.runtime.now();
        loop {
            // A cycle that took too long moves those that follow.
            due = (due + self.interval).max(self.runtime.now());
            self.stop.cuts_short(sleep_until(&self.runtime, due)).await;
            let deadline = self.stop.deadline();
            let at = self.times.next(self.clock.now());
            let cause = self.send_interval(at, due + self.interval, deadline.is_some()).await;
            self.gauges.send(&mut self.carrier, at, &self.condition, &self.stop).await;
            if deadline.is_some() {
                return cause;
            }
        }
    }

    /// Sends the points of the interval that ends now, with retries until the next is `due`; the cause for what is left.
    async fn send_interval(&mut self, at: Timestamp, due: Instant, is_last: bool) -> Cause {
        let series = self.readings.series();
        let mut rest = &series[..];
        while !rest.is_empty() {
            if self.stop.deadline().is_some_and(|deadline| self.runtime.now() >= deadline) {
                return Cause::Deadline;
            }
            let mut memory = std::mem::take(&mut self.memory);
            memory.resize(self.size.bytes(), 0);
            let points = self.readings.fill(rest, at, self.size.points(), &mut memory);
            let body = memory.freeze();
            let fate = match (points.lines, points.requests) {
                (0, 0) => Fate::Sent,
                (0, _) => Fate::Lost(Cause::TooLarge),
                _ => self.deliver(&points, body.slice(..points.bytes), due, is_last).await,
            };
            // Where hyper has not let go of it yet, the next body gets new memory.
            self.memory = body.try_into_mut().unwrap_or_default();
            match fate {
                Fate::Sent => self.ledger.add_sent(points.requests),
                Fate::Lost(cause) => self.ledger.add_dropped(cause, points.requests),
                Fate::Split => continue,
                Fate::Left(cause) => return cause,
            }
            rest = rest.get(points.looked_at..).unwrap_or_default();
            self.readings.settle(points);
        }
        Cause::Deadline
    }

    /// Sends one body until it is answered for, at most until the next interval is `due` or a stop is asked for.
    async fn deliver(&mut self, points: &Points, body: bytes::Bytes, due: Instant, is_last: bool) -> Fate {
        self.backoff.reset();
        let mut may_have_arrived = false;
        loop {
            let (began, least_pause) = match self.carrier.carry(&body, &self.stop).await {
                Carried::Over(complaint) => {
                    self.size.taken();
                    self.condition.went_well_but(complaint);
                    return Fate::Sent;
                }
                Carried::Answered(answer) => {
                    self.condition.failed(answer.words);
                    match answer.said {
                        // Of points that a server has in part, nobody knows which.
                        Said::Stored | Said::Partial { .. } | Said::Refused => return Fate::Lost(Cause::Refused),
                        Said::Unclear => return Fate::Lost(Cause::Unconfirmed),
                        Said::TooLarge if self.size.split(points.lines) => return Fate::Split,
                        Said::TooLarge => return Fate::Lost(Cause::TooLarge),
                        Said::Ill => (false, Duration::ZERO),
                        Said::Away { at_least, .. } => (false, at_least),
                    }
                }
                Carried::Failed { began, words } => {
                    self.condition.failed(words);
                    (began, Duration::ZERO)
                }
            };
            may_have_arrived |= began;
            let pause = self.backoff.pause_of_at_least(least_pause, self.runtime.wall_clock().as_unix_nanos());
            let is_in_time = !is_last && self.runtime.now() + pause < due;
            if is_in_time {
                self.stop.cuts_short(self.runtime.sleep(pause)).await;
            }
            if !is_in_time || self.stop.deadline().is_some() {
                return if may_have_arrived { Fate::Lost(Cause::Unconfirmed) } else { Fate::Left(Cause::Unreachable) };
            }
        }
    }
}
