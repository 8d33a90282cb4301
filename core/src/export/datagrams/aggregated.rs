//! DogStatsD's messages per interval: requests wait in the sink until an interval ends, or half of the buffer is in use,
//! and leave together.
//!
//! The sink counts them as held until what they have become was handed over, so that nothing else needs an account.

use core::time::Duration;

use super::super::{Now, Tick};
use super::burst::Burst;
use super::source::{Ready, Room, Source, end_after};
use crate::events::event::Event;
use crate::events::segments::Call;
use crate::events::sink::Sink;
use crate::formats::dogstatsd::{AggregatedRequest, Aggregator, ContextCount, CounterPacket, Packet};
use crate::registry::ledger::Cause;

/// How the requests of a sink become messages per interval.
#[derive(Debug)]
pub struct Aggregating<'a, B, C> {
    aggregator: Aggregator<'a, B, C>,
    packet_bytes: usize,
    interval: Duration,
    /// When the interval ends.
    due: Tick,
    state: State,
    /// What was packed last.
    packed: Option<Leaving>,
    /// What was taken last, unless it is known that it has arrived.
    taken: Option<Leaving>,
    /// Whether a packet was taken of those that leave.
    is_begun: bool,
    /// Whether what was packed last cannot be made smaller.
    is_least: bool,
    /// Whether the interval that leaves is the last one.
    is_last: bool,
    contexts: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
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
enum Leaving {
    Values(Packet),
    Counters(CounterPacket),
}

impl<'a, B, C> Aggregating<'a, B, C>
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
            state: State::Waits,
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
        matches!(self.state, State::Leaves { events: 1.. })
    }

    fn has_more(&self) -> bool {
        self.packed.is_some()
            || match self.state {
                State::Counts => self.aggregator.has_counters(),
                _ => self.aggregator.has_packets(),
            }
    }

    fn put_back(&mut self) {
        match self.packed.take() {
            Some(Leaving::Values(packet)) => self.aggregator.put_back(packet),
            Some(Leaving::Counters(packet)) => self.aggregator.put_back_counters(&packet),
            None => {}
        }
    }
}

/// The requests of a sink, per interval.
#[derive(Debug)]
pub struct Aggregated<'s, 'a, B, C, S> {
    /// Where they wait.
    pub sink: &'s mut Sink<'a, S>,
    /// What they become.
    pub aggregating: &'s mut Aggregating<'a, B, C>,
}

impl<B, C, S> Source for Aggregated<'_, '_, B, C, S>
where
    B: AsRef<[AggregatedRequest]> + AsMut<[AggregatedRequest]>,
    C: AsRef<[ContextCount]> + AsMut<[ContextCount]>,
    S: AsRef<[Event]> + AsMut<[Event]>,
{
    fn ready(&mut self, now: Now, is_last: bool) -> Ready {
        // Bounded: each turn but the last ends a state, and events are fewer each time.
        loop {
            let this = &mut *self.aggregating;
            let state = this.state;
            match state {
                State::Leaves { .. } | State::Counts if this.has_more() => return Ready::Burst(Burst::OF_BYTES),
                State::Leaves { .. } | State::Counts if this.taken.is_some() => {
                    // A look takes its time, where there is any.
                    let events = this.aggregator.requests() + this.aggregator.capacity();
                    let is_over = this.is_last || this.waits_after() || now.tick >= this.due;
                    return match is_over || self.sink.len() >= events {
                        true => Ready::Unsettled,
                        false => Ready::Waits { until: this.due, events },
                    };
                }
                State::Leaves { events } => {
                    this.aggregator.settle(self.sink, Cause::Deadline);
                    (this.state, this.is_begun) = (State::Fills { events }, false);
                }
                State::Fills { events: 0 } => {
                    this.aggregator.begin_counters(now.tick.as_nanos(), now.wall, this.is_last);
                    this.state = State::Counts;
                }
                State::Fills { events } => {
                    this.aggregator.fill(self.sink);
                    this.state = State::Leaves { events: events.saturating_sub(this.aggregator.capacity().max(1)) };
                }
                State::Counts => {
                    this.state = if this.is_last { State::IsOver } else { State::Waits };
                    this.is_begun = false;
                }
                State::Waits if this.begins(now, self.sink.len(), is_last) => {
                    this.state = State::Fills { events: self.sink.len() };
                }
                State::Waits => return Ready::Waits { until: this.due, events: this.aggregator.capacity().max(1) },
                State::IsOver => return Ready::Waits { until: Tick::NEVER, events: usize::MAX },
            }
        }
    }

    fn pack(&mut self, _: Now, room: Room, out: &mut [u8]) -> Option<Call> {
        let this = &mut *self.aggregating;
        this.put_back();
        let most = this.packet_bytes.min(out.len());
        // Where the socket bears less than was configured, a message still has the bytes that one value needs.
        let least = match this.state {
            _ if room.largest >= most => 0,
            State::Counts => this.aggregator.least_counters(),
            _ => this.aggregator.least_packet(),
        };
        this.is_least = room.largest <= least;
        let out = &mut out[..room.largest.max(least).min(most)];
        let packed = match this.state {
            State::Leaves { .. } => Leaving::Values(this.aggregator.next_packet_within(out, most)?),
            State::Counts => Leaving::Counters(this.aggregator.next_counters(out)?),
            State::Waits | State::Fills { .. } | State::IsOver => return None,
        };
        let (Leaving::Values(Packet { bytes, .. }) | Leaving::Counters(CounterPacket { bytes, .. })) = packed;
        this.packed = Some(packed);
        Some(Call { bytes, segment: bytes, datagrams: 1 })
    }

    fn taken(&mut self, _: usize) -> u64 {
        let this = &mut *self.aggregating;
        (this.taken, this.is_begun) = (this.packed.take(), true);
        this.contexts += match &this.taken {
            Some(Leaving::Values(Packet { contexts, .. }) | Leaving::Counters(CounterPacket { contexts, .. })) => {
                *contexts as u64
            }
            None => 0,
        };
        0
    }

    fn is_single(&self) -> bool {
        self.aggregating.is_least
    }

    fn is_too_large(&mut self) -> u64 {
        let packed = self.aggregating.packed.take();
        self.lose(packed, Cause::TooLarge);
        0
    }

    fn is_between(&self) -> bool {
        !self.aggregating.is_begun
    }

    fn arrived(&mut self, _: u64, _: bool) {
        if let Some(Leaving::Counters(packet)) = self.aggregating.taken.take() {
            self.aggregating.aggregator.settle_counters(self.sink, packet, None);
        }
    }

    fn refused(&mut self, _: u64, _: bool) {
        let taken = self.aggregating.taken.take();
        self.lose(taken, Cause::Unconfirmed);
    }

    fn abandon(&mut self, cause: Cause) {
        let taken = self.aggregating.taken.take();
        self.lose(taken, cause);
        self.aggregating.put_back();
        self.aggregating.aggregator.settle(self.sink, cause);
        self.aggregating.state = State::IsOver;
        self.sink.abandon(cause);
    }
}

impl<B, C, S> Aggregated<'_, '_, B, C, S>
where
    B: AsRef<[AggregatedRequest]> + AsMut<[AggregatedRequest]>,
    C: AsRef<[ContextCount]> + AsMut<[ContextCount]>,
    S: AsRef<[Event]> + AsMut<[Event]>,
{
    fn lose(&mut self, packet: Option<Leaving>, cause: Cause) {
        let aggregator = &mut self.aggregating.aggregator;
        match packet {
            Some(Leaving::Values(packet)) => aggregator.lost(packet, cause),
            Some(Leaving::Counters(packet)) => aggregator.settle_counters(self.sink, packet, Some(cause)),
            None => {}
        }
    }
}
