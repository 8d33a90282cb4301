//! Points per interval in datagrams, and a last one at the stop; goes away with the machine of datagrams.
//!
//! No request waits here; the registry holds what no point has shown yet. Points that could not be handed over leave
//! their requests to the next interval's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use loaddensity_metrics_core::influxdb::{BodyLimits, IntervalEncoder, IntervalRows, IntervalTimes, RowPlace};
use loaddensity_metrics_core::{Backoff, Cause, Exporter, Ledger, Registry, Timestamp};

use super::carrier::Carrier;
use super::gauges::Gauges;
use crate::clock::Clock;
use crate::condition::Condition;
use crate::config::InfluxdbConfig;
use crate::running::{Place, Running};
use crate::runtime::Runtime;
use crate::stop::{StopSignal, sleep_until};
use crate::udp::Peer;

/// Pauses before a datagram is sent again within its interval: the first and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Starts to send. The backend need not be there.
pub(super) fn start<R: Runtime>(
    place: &mut Place<R>,
    peer: Peer<R>,
    address: String,
    (encoder, gauges): (IntervalEncoder<'static>, Gauges),
    config: &InfluxdbConfig,
) -> Running<R> {
    let condition = Arc::new(Condition::new(Exporter::Influxdb, address));
    let stop = StopSignal::default();
    let (rows, before) = IntervalRows::on_heap(place.registry);
    let sender = Sender {
        runtime: place.runtime.clone(),
        registry: place.registry,
        clock: place.clock.clone(),
        ledger: place.registry.open_account_after(Exporter::Influxdb, before),
        rows,
        encoder,
        gauges,
        carrier: Carrier::new(place.runtime.clone(), peer, condition.clone()),
        interval: config.interval,
        times: IntervalTimes::new(config.precision, config.interval, place.phase),
        datagram: vec![0; config.datagram_bytes],
        backoff: Backoff::new(RETRY.0, RETRY.1),
        condition: condition.clone(),
        stop: stop.clone(),
    };
    Running::launch(&place.runtime, stop, condition, sender.run())
}

struct Sender<R: Runtime> {
    runtime: R,
    registry: Registry<'static>,
    clock: Clock<R>,
    ledger: &'static Ledger,
    rows: IntervalRows<Vec<u64>>,
    encoder: IntervalEncoder<'static>,
    gauges: Gauges,
    carrier: Carrier<R>,
    interval: Duration,
    times: IntervalTimes,
    datagram: Vec<u8>,
    backoff: Backoff,
    condition: Arc<Condition>,
    stop: StopSignal,
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
        self.rows.freeze(self.registry);
        let mut from = RowPlace::FIRST;
        loop {
            let packed = self.rows.pack(&self.encoder, from, at, BodyLimits::NONE, &mut self.datagram);
            if packed.is_ok_and(|packed| packed.points == 0) || self.is_overdue() {
                return Cause::Deadline;
            }
            let next = match packed {
                Ok(packed) => {
                    if !self.deliver(packed.bytes, due, is_last).await {
                        return Cause::Unreachable;
                    }
                    self.ledger.add_sent(self.rows.settle(from, packed.next));
                    packed.next
                }
                Err(point) => {
                    self.ledger.add_dropped(Cause::TooLarge, self.rows.settle(from, point.next));
                    point.next
                }
            };
            from = next;
        }
    }

    fn is_overdue(&self) -> bool {
        self.stop.deadline().is_some_and(|deadline| self.runtime.now() >= deadline)
    }

    /// Sends one datagram until the kernel has it, at most until the next interval is `due` or a stop is asked for.
    async fn deliver(&mut self, bytes: usize, due: Instant, is_last: bool) -> bool {
        self.backoff.reset();
        loop {
            match self.carrier.carry(&self.datagram[..bytes], &self.stop).await {
                Ok(complaint) => {
                    self.condition.went_well_but(complaint);
                    return true;
                }
                Err(words) => self.condition.failed(words),
            }
            let pause = self.backoff.pause(self.runtime.wall_clock().as_unix_nanos());
            let is_in_time = !is_last && self.runtime.now() + pause < due;
            if is_in_time {
                self.stop.cuts_short(self.runtime.sleep(pause)).await;
            }
            if !is_in_time || self.stop.deadline().is_some() {
                return false;
            }
        }
    }
}
