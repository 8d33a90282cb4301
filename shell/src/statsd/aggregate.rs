//! Messages per interval: requests wait in the feed until an interval ends, or half of the buffer is in use, and leave
//! together.
//!
//! The feed counts them as held until what they have become has been handed over, so that nothing else needs an account.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_lite::FutureExt as _;
use loaddensity_metrics_core::dogstatsd::{Aggregator, Count, MessageEncoder, Slot};
use loaddensity_metrics_core::{Cause, Exporter};

use crate::clock::Clock;
use crate::condition::Condition;
use crate::config::StatsdConfig;
use crate::error::StartError;
use crate::hub::Feed;
use crate::running::{Place, Prepared, Running};
use crate::runtime::Runtime;
use crate::stop::{StopSignal, sleep_until};
use crate::udp::{self, Destination, Handed, Outlet};

/// Bytes that leave at once, every [`TICK`]: a receiver with the usual buffer of 208 KiB holds as many in packets of
/// 1,432 bytes.
const BURST_BYTES: usize = 96 << 10;
/// Time between two bursts.
const TICK: Duration = Duration::from_millis(1);

/// Makes the socket, through which packets of up to `packet_bytes` leave.
pub(super) async fn prepare<R: Runtime>(
    runtime: &R,
    config: &StatsdConfig,
    to: Destination<'_>,
    encoder: MessageEncoder<'static>,
    packet_bytes: usize,
) -> Result<Prepared<R>, StartError> {
    let (buffer_events, interval) = (config.buffer_events, config.aggregation_interval);
    let has_seconds = config.timestamps_of_counts;
    let condition = Arc::new(Condition::new(Exporter::Statsd, to.to_string()));
    let link = udp::link(runtime, Exporter::Statsd, to).await?;
    link.tell(&condition);
    Ok(Prepared::new(move |place: &mut Place<R>| {
        let feed = place.hub.attach(Exporter::Statsd, buffer_events, None);
        let stop = StopSignal::default();
        let outlet = Outlet::new(place.runtime.clone(), link, packet_bytes, condition.clone(), stop.clone());
        // What comes while these leave has the other half of the buffer.
        let slots = vec![Slot::default(); buffer_events.div_ceil(2)].into_boxed_slice();
        let aggregator = encoder.aggregator(slots);
        let counts = has_seconds.then(|| vec![Count::default(); aggregator.contexts()].into_boxed_slice());
        let counted_second = place.hub.counted_second.clone();
        let aggregator = aggregator.with_counters(counts, counted_second.load(Ordering::Relaxed));
        let sender = Sender {
            outlet,
            feed: feed.clone(),
            aggregator,
            interval,
            condition: condition.clone(),
            started: place.runtime.now(),
            clock: place.clock.clone(),
            counted_second,
        };
        Running::launch(&place.runtime, stop, condition, sender.run()).fed_by(feed)
    }))
}

struct Sender<R: Runtime> {
    outlet: Outlet<R>,
    feed: Arc<Feed>,
    aggregator: Aggregator<'static, Box<[Slot]>, Box<[Count]>>,
    interval: Duration,
    condition: Arc<Condition>,
    started: Instant,
    clock: Clock<R>,
    /// The last second that counters said, in this run or in an earlier one.
    counted_second: Arc<AtomicU64>,
}

/// No more can be sent: the cause for what is left.
struct Ended(Cause);

impl<R: Runtime> Sender<R> {
    /// Sends until a stop is asked for and nothing is left, or its deadline passes; the cause for what is left.
    async fn run(mut self) -> Cause {
        let mut due = self.outlet.runtime.now() + self.interval;
        loop {
            let is_full = self.feed.holds(self.aggregator.capacity());
            self.outlet.stop.cuts_short(sleep_until(&self.outlet.runtime, due).or(is_full)).await;
            let now = self.outlet.runtime.now();
            if now >= due {
                // An interval that took too long moves those that follow.
                due = (due + self.interval).max(now);
            }
            let is_last = self.outlet.stop.deadline().is_some();
            if let Err(Ended(cause)) = self.send_all(is_last).await {
                return cause;
            }
            // A stop is asked for when the feed has got its last request.
            if is_last {
                return Cause::Deadline;
            }
        }
    }

    /// Sends what waits now, and the counters with a second of their own if it has come.
    async fn send_all(&mut self, is_last: bool) -> Result<(), Ended> {
        let mut waiting = self.feed.lock().len();
        while waiting != 0 {
            self.aggregator.fill(&self.feed.lock());
            let sent = self.send_packets().await;
            let left = sent.as_ref().err().map_or(Cause::Deadline, |Ended(cause)| *cause);
            self.aggregator.settle(&mut self.feed.lock(), left);
            sent?;
            self.outlet.forget_refusal();
            waiting = waiting.saturating_sub(self.aggregator.capacity());
        }
        let tick = self.outlet.runtime.now().saturating_duration_since(self.started);
        let tick = u64::try_from(tick.as_nanos()).unwrap_or(u64::MAX);
        if self.aggregator.begin_counters(tick, self.clock.now(), is_last) {
            self.send_counters().await?;
        }
        Ok(())
    }

    async fn send_counters(&mut self) -> Result<(), Ended> {
        let second = self.aggregator.second().unwrap_or_default();
        self.counted_second.fetch_max(second, Ordering::Relaxed);
        let mut burst = 0;
        while let Some(packet) = self.aggregator.next_counters(&mut self.outlet.memory) {
            let (bytes, contexts) = (packet.bytes, packet.contexts);
            let lost = match self.outlet.hand_over(0..bytes, bytes).await {
                Handed::Over(_) | Handed::Singly => None,
                Handed::Lost(cause) => Some(cause),
                // The feed drops what it counts as held.
                Handed::Overdue | Handed::GivenUp => return Err(self.ended()),
            };
            self.condition.traffic.contexts.add(if lost.is_none() { contexts } else { 0 });
            self.aggregator.settle_counters(&mut self.feed.lock(), packet, lost);
            self.pause_after(&mut burst, bytes).await?;
        }
        Ok(())
    }

    async fn send_packets(&mut self) -> Result<(), Ended> {
        let mut burst = 0;
        while let Some(packet) = self.aggregator.next_packet(&mut self.outlet.memory) {
            match self.outlet.hand_over(0..packet.bytes, packet.bytes).await {
                Handed::Over(_) | Handed::Singly => self.condition.traffic.contexts.add(packet.contexts),
                Handed::Lost(cause) => self.aggregator.lost(packet, cause),
                Handed::Overdue | Handed::GivenUp => {
                    self.aggregator.put_back(packet);
                    return Err(self.ended());
                }
            }
            self.pause_after(&mut burst, packet.bytes).await?;
        }
        Ok(())
    }

    /// Adds `bytes` to a burst, and lets a tick pass where it is over.
    async fn pause_after(&mut self, burst: &mut usize, bytes: usize) -> Result<(), Ended> {
        *burst += bytes;
        if *burst < BURST_BYTES {
            return Ok(());
        }
        *burst = 0;
        self.outlet.runtime.sleep(TICK).await;
        let now = self.outlet.runtime.now();
        match self.outlet.stop.deadline() {
            Some(deadline) if now >= deadline => Err(Ended(Cause::Deadline)),
            _ => Ok(()),
        }
    }

    fn ended(&self) -> Ended {
        Ended(if self.outlet.has_given_up() { Cause::Unreachable } else { Cause::Deadline })
    }
}
