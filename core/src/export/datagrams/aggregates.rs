//! Datagrams of messages per interval, for DogStatsD: requests wait in the sink until an interval ends, or half of the buffer
//! is in use, and then leave together.
//!
//! The sink counts them as held until their messages were taken, so that nothing else needs an account.

use core::time::Duration;

use super::super::{Now, Tick};
use super::burst::Burst;
use super::source::{CallLimits, DatagramSource, Ready, end_after};
use crate::events::event::Event;
use crate::events::segments::Call;
use crate::events::sink::Sink;
use crate::formats::dogstatsd::{AggregatedRequest, Aggregator, ContextCount, CounterPacket, Packet};
use crate::registry::drop_reason::DropReason;

/// How the requests of a sink are packed into messages per interval.
#[derive(Debug)]
pub struct AggregatePacking<'a, B, C> {
    aggregator: Aggregator<'a, B, C>,
    packet_bytes: usize,
    interval: Duration,
    /// When the interval ends.
    due: Tick,
    stage: AggregateStage,
    /// What was packed last.
    packed: Option<AggregatePacket>,
    /// What was taken last, unless it is known that it has arrived.
    taken: Option<AggregatePacket>,
    /// Whether a packet was taken of those that leave.
    is_begun: bool,
    /// Whether what was packed last cannot be made smaller.
    is_least: bool,
    /// Whether the interval that leaves is the last one.
    is_last: bool,
    contexts: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AggregateStage {
    Waits,
    /// Requests are to be taken, of which so many have waited since the interval ended.
    Fills {
        events: usize,
    },
    /// Their packets leave, and so many requests wait after them.
    Leaves {
        events: usize,
    },
    /// So do the counters with a second of their own.
    Counts,
    /// The last interval has left.
    IsOver,
}

#[derive(Debug)]
enum AggregatePacket {
    Values(Packet),
    Counters(CounterPacket),
}

impl<'a, B, C> AggregatePacking<'a, B, C>
where
    B: AsRef<[AggregatedRequest]> + AsMut<[AggregatedRequest]>,
    C: AsRef<[ContextCount]> + AsMut<[ContextCount]>,
{
    /// Packets of at most `packet_bytes`. The first interval begins at `start`.
    pub fn new(aggregator: Aggregator<'a, B, C>, packet_bytes: usize, interval: Duration, start: Now) -> Self {
        Self {
            aggregator,
            packet_bytes,
            interval,
            due: start.tick.after(interval),
            stage: AggregateStage::Waits,
            packed: None,
            taken: None,
            is_begun: false,
            is_least: false,
            is_last: false,
            contexts: 0,
        }
    }

    /// The second that counters said last; see [`Aggregator::second`].
    pub fn second(&self) -> Option<u64> {
        self.aggregator.second()
    }

    /// Contexts of which messages were taken, for each interval anew.
    pub const fn contexts(&self) -> u64 {
        self.contexts
    }

    /// Whether requests are to leave now: an interval ends, or half of the buffer is full.
    fn begins(&mut self, now: Now, events: usize, is_last: bool) -> bool {
        self.is_last = is_last;
        let ends = now.tick >= self.due;
        if ends {
            self.due = end_after(self.due, self.interval, now);
        }
        ends || is_last || (1..=events).contains(&self.aggregator.capacity())
    }

    /// Whether requests of this interval wait for those that leave.
    const fn waits_after(&self) -> bool {
        matches!(self.stage, AggregateStage::Leaves { events: 1.. })
    }

    fn has_more(&self) -> bool {
        self.packed.is_some()
            || match self.stage {
                AggregateStage::Counts => self.aggregator.has_counters(),
                _ => self.aggregator.has_packets(),
            }
    }

    fn put_back(&mut self) {
        match self.packed.take() {
            Some(AggregatePacket::Values(packet)) => self.aggregator.put_back(packet),
            Some(AggregatePacket::Counters(packet)) => self.aggregator.put_back_counters(&packet),
            None => {}
        }
    }
}

/// The requests of a sink, per interval.
#[derive(Debug)]
pub struct AggregateDatagrams<'s, 'a, B, C, S> {
    sink: &'s mut Sink<'a, S>,
    packing: &'s mut AggregatePacking<'a, B, C>,
}

impl<'s, 'a, B, C, S> AggregateDatagrams<'s, 'a, B, C, S> {
    /// The requests that wait in `sink`, made up by `packing`.
    pub const fn new(sink: &'s mut Sink<'a, S>, packing: &'s mut AggregatePacking<'a, B, C>) -> Self {
        Self { sink, packing }
    }
}

impl<B, C, S> DatagramSource for AggregateDatagrams<'_, '_, B, C, S>
where
    B: AsRef<[AggregatedRequest]> + AsMut<[AggregatedRequest]>,
    C: AsRef<[ContextCount]> + AsMut<[ContextCount]>,
    S: AsRef<[Event]> + AsMut<[Event]>,
{
    fn ready(&mut self, now: Now, is_last: bool) -> Ready {
        // Bounded: each turn but the last ends a stage, and events are fewer each time.
        loop {
            let this = &mut *self.packing;
            let stage = this.stage;
            match stage {
                AggregateStage::Leaves { .. } | AggregateStage::Counts if this.has_more() => {
                    return Ready::Burst(Burst::OF_BYTES);
                }
                AggregateStage::Leaves { .. } | AggregateStage::Counts if this.taken.is_some() => {
                    // A look takes its time, where there is any.
                    let events = this.aggregator.requests() + this.aggregator.capacity();
                    let is_over = this.is_last || this.waits_after() || now.tick >= this.due;
                    return match is_over || self.sink.len() >= events {
                        true => Ready::Unsettled,
                        false => Ready::Waits { until: this.due, events },
                    };
                }
                AggregateStage::Leaves { events } => {
                    this.aggregator.settle(self.sink, DropReason::Deadline);
                    (this.stage, this.is_begun) = (AggregateStage::Fills { events }, false);
                }
                AggregateStage::Fills { events: 0 } => {
                    this.aggregator.begin_counters(now.tick.as_nanos(), now.wall, this.is_last);
                    this.stage = AggregateStage::Counts;
                }
                AggregateStage::Fills { events } => {
                    this.aggregator.fill(self.sink);
                    this.stage =
                        AggregateStage::Leaves { events: events.saturating_sub(this.aggregator.capacity().max(1)) };
                }
                AggregateStage::Counts => {
                    this.stage = if this.is_last { AggregateStage::IsOver } else { AggregateStage::Waits };
                    this.is_begun = false;
                }
                AggregateStage::Waits if this.begins(now, self.sink.len(), is_last) => {
                    this.stage = AggregateStage::Fills { events: self.sink.len() };
                }
                AggregateStage::Waits => {
                    return Ready::Waits { until: this.due, events: this.aggregator.capacity().max(1) };
                }
                AggregateStage::IsOver => return Ready::Waits { until: Tick::NEVER, events: usize::MAX },
            }
        }
    }

    fn pack(&mut self, _: Now, limits: CallLimits, out: &mut [u8]) -> Option<Call> {
        let this = &mut *self.packing;
        this.put_back();
        let most = this.packet_bytes.min(out.len());
        // Where the socket bears less than was configured, a message still has the bytes that one value needs.
        let least = match this.stage {
            AggregateStage::Counts => this.aggregator.least_counters(),
            _ => this.aggregator.least_packet(),
        };
        this.is_least = limits.largest <= least;
        let out = &mut out[..limits.largest.max(least).min(most)];
        let packed = match this.stage {
            AggregateStage::Leaves { .. } => AggregatePacket::Values(this.aggregator.next_packet_within(out, most)?),
            AggregateStage::Counts => AggregatePacket::Counters(this.aggregator.next_counters(out)?),
            AggregateStage::Waits | AggregateStage::Fills { .. } | AggregateStage::IsOver => return None,
        };
        let (AggregatePacket::Values(Packet { bytes, .. }) | AggregatePacket::Counters(CounterPacket { bytes, .. })) =
            packed;
        this.packed = Some(packed);
        Some(Call { bytes, segment: bytes, datagrams: 1 })
    }

    fn taken(&mut self, _: usize) -> u64 {
        let this = &mut *self.packing;
        (this.taken, this.is_begun) = (this.packed.take(), true);
        this.contexts += match &this.taken {
            Some(
                AggregatePacket::Values(Packet { contexts, .. })
                | AggregatePacket::Counters(CounterPacket { contexts, .. }),
            ) => *contexts as u64,
            None => 0,
        };
        0
    }

    fn is_smallest(&self) -> bool {
        self.packing.is_least
    }

    fn drop_too_large(&mut self) -> u64 {
        let packed = self.packing.packed.take();
        self.lose(packed, DropReason::TooLarge);
        0
    }

    fn may_change_socket(&self) -> bool {
        !self.packing.is_begun
    }

    fn arrived(&mut self, _: u64, _: bool) {
        if let Some(AggregatePacket::Counters(packet)) = self.packing.taken.take() {
            self.packing.aggregator.settle_counters(self.sink, packet, None);
        }
    }

    fn lost(&mut self, _: u64, _: bool, cause: DropReason) {
        let taken = self.packing.taken.take();
        self.lose(taken, cause);
    }

    fn abandon(&mut self, cause: DropReason) {
        let taken = self.packing.taken.take();
        self.lose(taken, DropReason::Unconfirmed);
        self.packing.put_back();
        self.packing.aggregator.settle(self.sink, cause);
        self.packing.stage = AggregateStage::IsOver;
        self.sink.abandon(cause);
    }
}

impl<B, C, S> AggregateDatagrams<'_, '_, B, C, S>
where
    B: AsRef<[AggregatedRequest]> + AsMut<[AggregatedRequest]>,
    C: AsRef<[ContextCount]> + AsMut<[ContextCount]>,
    S: AsRef<[Event]> + AsMut<[Event]>,
{
    fn lose(&mut self, packet: Option<AggregatePacket>, cause: DropReason) {
        let aggregator = &mut self.packing.aggregator;
        match packet {
            Some(AggregatePacket::Values(packet)) => aggregator.lost(packet, cause),
            Some(AggregatePacket::Counters(packet)) => aggregator.settle_counters(self.sink, packet, Some(cause)),
            None => {}
        }
    }
}
