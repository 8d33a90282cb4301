//! Messages per interval: what a sink holds goes out as one counter per context and interval, and with the values of
//! many requests in a message.
//!
//! A context is a series with an outcome, and with a kind of failure while that is shown: what Datadog calls the name and tags of a metric. Official clients call this
//! extended aggregation. Source: DataDog/datadog-go, statsd/aggregator.go.

use core::fmt;
use core::ops::Range;

use super::aggregated_request::AggregatedRequest;
use super::counters::{ContextCount, CounterPacket, Counters, contexts_of_series};
use super::join::{append, end};
use super::message_format::{Context, ITEMS, LATENCY, MessageFormat, REQUESTS};
use crate::events::event::Event;
use crate::events::sink::Sink;
use crate::labels::dogstatsd::DogstatsdTags;
use crate::registry::Registry;
use crate::registry::drop_reason::DropReason;
use crate::request::sample::Timestamp;
use crate::wire::text::out::Full;

/// The first requests of a sink, on their way out as packets of messages with packed values. Its memory is the caller's.
///
/// Fill it, take packet by packet, settle it. Meanwhile its requests stay at the front of the sink, which counts them as
/// held. The order of requests does not matter to DogStatsD.
///
/// [With counters](Self::with_counters) that say their second these packets hold the values alone, and the sink goes on
/// counting the requests as held: begin the counters now and then, take packet by packet, settle each.
pub struct Aggregator<'a, B, C = [ContextCount; 0]> {
    registry: Registry<'a>,
    format: MessageFormat,
    slots: B,
    /// Slots that are in use.
    count: usize,
    position: PacketPosition,
    /// Those that say their second.
    counters: Option<Counters<C>>,
}

/// How far the messages of the slots have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct PacketPosition {
    /// The slots of the context.
    start: usize,
    end: usize,
    /// Its message: the counter, latencies, sizes.
    item: u8,
    /// The first slot whose value is not yet in one.
    next: usize,
}

/// A packet of whole messages, to be told of by [`Aggregator::lost`] if it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Bytes at the front of the buffer.
    pub bytes: usize,
    /// Counters in it, one for each context.
    pub contexts: usize,
    from: PacketPosition,
    to: PacketPosition,
}

impl<'a, B: AsRef<[AggregatedRequest]> + AsMut<[AggregatedRequest]>> Aggregator<'a, B> {
    pub(super) const fn new(registry: Registry<'a>, format: MessageFormat, slots: B) -> Self {
        let position = PacketPosition { start: 0, end: 0, item: REQUESTS, next: 0 };
        Self { registry, format, slots, count: 0, position, counters: None }
    }

    /// Counters say the second in which they leave (`|T`, protocol 1.3), and those of a context leave once a second at
    /// most. `counts` has room for [`contexts`](Self::contexts); with `None` counters stay as they are. None leaves before
    /// `after` seconds since the Unix epoch have passed, which is what [`second`](Aggregator::second) said of an earlier
    /// run.
    #[must_use]
    pub fn with_counters<C>(self, counts: Option<C>, after: u64) -> Aggregator<'a, B, C>
    where
        C: AsRef<[ContextCount]> + AsMut<[ContextCount]>,
    {
        let Self { registry, format, slots, count, position, counters: _ } = self;
        let counters = counts.map(|counts| Counters::new(counts, after, registry.has_error_label()));
        Aggregator { registry, format, slots, count, position, counters }
    }
}

impl<'a, B: AsRef<[AggregatedRequest]> + AsMut<[AggregatedRequest]>, C: AsRef<[ContextCount]> + AsMut<[ContextCount]>>
    Aggregator<'a, B, C>
{
    /// Most requests that it takes at once.
    pub fn capacity(&self) -> usize {
        self.slots.as_ref().len()
    }

    /// Contexts that there can be: each series of the storage, the overflow series among them, with both outcomes, and its
    /// failures of each kind while the label `error_type` is on.
    pub fn contexts(&self) -> usize {
        contexts_of_series(self.registry.has_error_label()) * (self.registry.usage().series_capacity + 1)
    }

    /// Takes the first requests of `sink`, as many as there are slots, and sorts them. What it held before must be
    /// settled.
    pub fn fill<S: AsRef<[Event]> + AsMut<[Event]>>(&mut self, sink: &Sink<'_, S>) {
        let (slots, has_kinds) = (self.slots.as_mut(), self.registry.has_error_label());
        let events = (0..slots.len()).map_while(|position| sink.get(position));
        self.count =
            slots.iter_mut().zip(events).map(|(slot, event)| *slot = AggregatedRequest::of(event, has_kinds)).count();
        slots[..self.count].sort_unstable_by_key(AggregatedRequest::context);
        self.position = self.first_of(0);
    }

    /// Writes as many of the messages that follow as fit, joined by newlines, to the front of `out`, whose length must be
    /// the same for all packets. `None` where none is left.
    ///
    /// Requests of a context that has a message that could not fit, with the longest value, are dropped as `too_large`
    /// when it is settled.
    pub fn next_packet(&mut self, out: &mut [u8]) -> Option<Packet> {
        let most = out.len();
        self.next_packet_within(out, most)
    }

    /// The same, but only what fits into no `most` bytes is too large. `out` has as many, or fewer, but no fewer than
    /// [`least_packet`](Self::least_packet) says.
    pub(crate) fn next_packet_within(&mut self, out: &mut [u8], most: usize) -> Option<Packet> {
        let mut packet = Packet { bytes: 0, contexts: 0, from: self.position, to: self.position };
        while self.position.start != self.count {
            if self.is_at_start() && self.is_too_large(most) {
                self.lose(self.position.start..self.position.end, DropReason::TooLarge);
                self.position = self.first_of(self.position.end);
                continue;
            }
            let counters = usize::from(self.position.item == REQUESTS);
            let newline = self.format.ends_with_newline;
            let Ok(bytes) = append(out, packet.bytes, newline, |room| self.encode(room)) else { break };
            packet.bytes = bytes;
            packet.contexts += counters;
        }
        packet.to = self.position;
        end(out, &mut packet.bytes, self.format.ends_with_newline);
        (packet.bytes != 0).then_some(packet)
    }

    /// The packet is lost for `cause`, and with it every request that it has a message or a value of.
    pub fn lost(&mut self, packet: Packet, cause: DropReason) {
        let Packet { from: mut position, to, .. } = packet;
        while position != to {
            let is_last = (position.start, position.item) == (to.start, to.item);
            let upto = if is_last { to.next } else { position.end };
            self.lose(position.next..upto, cause);
            position = self.position_after(position, upto);
        }
    }

    /// The packet was not sent: it is the next one again.
    pub const fn put_back(&mut self, packet: Packet) {
        self.position = packet.from;
    }

    /// Settles the requests: those of which a message was lost are dropped for its cause, the first if there are several;
    /// those of which some messages were taken, but not all, as `unconfirmed`; those of which none was for `left`; and the
    /// others are sent, or wait for their counter.
    pub fn settle<S>(&mut self, sink: &mut Sink<'_, S>, left: DropReason)
    where
        S: AsRef<[Event]> + AsMut<[Event]>,
    {
        let part = self.taken_in_part();
        let slots = &self.slots.as_ref()[..self.count];
        let (taken, not_taken) = slots.split_at(part.start);
        let (part, not_taken) = not_taken.split_at(part.len());
        for cause in DropReason::ALL {
            sink.drop_front(slots.iter().filter(|slot| slot.lost == Some(cause)).count(), cause);
        }
        for (slots, cause) in [(part, DropReason::Unconfirmed), (not_taken, left)] {
            sink.drop_front(slots.iter().filter(|slot| slot.lost.is_none()).count(), cause);
        }
        let whole = taken.iter().filter(|slot| slot.lost.is_none()).count();
        match &mut self.counters {
            None => sink.confirm_front(whole),
            Some(counters) => {
                let counted = taken.iter().filter(|slot| slot.lost != Some(DropReason::TooLarge));
                let is_held = |slot: &&AggregatedRequest| {
                    let tags = self.registry.shown_entry(slot.series).labels::<DogstatsdTags>();
                    counters.add((slot.series, slot.outcome, slot.kind), tags, slot.lost.is_none())
                };
                let held = counted.filter(is_held).filter(|slot| slot.lost.is_none()).count();
                sink.hold_apart(held);
                // With too little memory for the counts.
                sink.drop_front(whole - held, DropReason::BufferFull);
            }
        }
        self.count = 0;
        self.position = PacketPosition::default();
    }

    /// Lets the counters leave: where a second has passed since the last, or these are the last, which then say the
    /// second that follows if need be. Whether they may; if not, they wait for the next time.
    ///
    /// `tick` is a monotonic clock in nanoseconds. Times are this clock's, moved to where the wall clock `wall` was
    /// furthest ahead, so that they never go back.
    pub fn begin_counters(&mut self, tick: u64, wall: Timestamp, are_last: bool) -> bool {
        self.counters.as_mut().is_some_and(|counters| counters.begin(tick, wall.as_unix_nanos(), are_last))
    }

    /// The second that the counters said last; `None` without such counters.
    pub fn second(&self) -> Option<u64> {
        self.counters.as_ref().map(Counters::second)
    }

    /// Writes as many of the counters that follow as fit, joined by newlines, to the front of `out`, whose length must be
    /// that for packets of values. `None` where none is left.
    pub fn next_counters(&mut self, out: &mut [u8]) -> Option<CounterPacket> {
        let Self { registry, format, counters, .. } = self;
        let counters = counters.as_mut()?;
        let mut packet = CounterPacket { bytes: 0, contexts: 0, places: counters.next()..counters.next() };
        while let Some(((series, outcome, kind), requests)) = counters.peek() {
            let context = Context { tags: registry.shown_entry(series).labels::<DogstatsdTags>(), outcome, kind };
            let write = |room: &mut [u8]| format.encode_counter(requests, counters.second(), context, room);
            let Ok(bytes) = append(out, packet.bytes, format.ends_with_newline, write) else { break };
            packet.bytes = bytes;
            packet.contexts += 1;
            packet.places.end = counters.advance();
        }
        end(out, &mut packet.bytes, format.ends_with_newline);
        (packet.bytes != 0).then_some(packet)
    }

    /// The packet was sent, or is lost for a cause, and with it every request of its counters.
    pub fn settle_counters<S>(&mut self, sink: &mut Sink<'_, S>, packet: CounterPacket, lost: Option<DropReason>)
    where
        S: AsRef<[Event]> + AsMut<[Event]>,
    {
        if let Some(counters) = &mut self.counters {
            sink.settle_apart(counters.clear(packet.places), lost);
        }
    }

    /// The packet was not sent: it is the next one again.
    pub const fn put_back_counters(&mut self, packet: &CounterPacket) {
        if let Some(counters) = &mut self.counters {
            counters.put_back(&packet.places);
        }
    }

    /// Writes the next message, or as much of it as fits, and goes on after it.
    fn encode(&mut self, out: &mut [u8]) -> Result<usize, Full> {
        let PacketPosition { end, item, next, .. } = self.position;
        let requests = &self.slots.as_ref()[next..end];
        let message = self.format.encode_packed(requests, item, self.context(), out)?;
        self.position = self.position_after(self.position, next + message.requests);
        Ok(message.bytes)
    }

    /// The position after the message whose values come before `upto`.
    fn position_after(&self, position: PacketPosition, upto: usize) -> PacketPosition {
        if upto < position.end {
            PacketPosition { next: upto, ..position }
        } else if position.item + 1 < ITEMS {
            PacketPosition { item: position.item + 1, next: position.start, ..position }
        } else {
            self.first_of(position.end)
        }
    }

    /// The first position of the context that begins at `start`.
    fn first_of(&self, start: usize) -> PacketPosition {
        let slots = &self.slots.as_ref()[start..self.count];
        let is_same = |slot: &&AggregatedRequest| slots.first().is_some_and(|first| first.context() == slot.context());
        let end = start + slots.iter().take_while(is_same).count();
        PacketPosition { start, end, item: self.first_item(), next: start }
    }

    /// The slots of which some messages were taken, but not all. Those before them were taken whole, of those after them
    /// nothing was taken.
    const fn taken_in_part(&self) -> Range<usize> {
        let PacketPosition { start, end, item, next } = self.position;
        match item {
            REQUESTS => start..start,
            // The counter leaves later.
            LATENCY if self.counters.is_some() => start..next,
            // The counter tells of all.
            LATENCY => start..end,
            _ => next..end,
        }
    }

    /// The first message of a context.
    const fn first_item(&self) -> u8 {
        if self.counters.is_some() { LATENCY } else { REQUESTS }
    }

    fn is_at_start(&self) -> bool {
        (self.position.item, self.position.next) == (self.first_item(), self.position.start)
    }

    fn is_too_large(&self, most: usize) -> bool {
        self.least_packet() > most
    }

    /// Bytes that any message of one value needs, of those that are next.
    pub(crate) fn least_packet(&self) -> usize {
        self.longest(self.context())
    }

    /// Bytes that the counter needs that is next.
    pub(crate) fn least_counters(&self) -> usize {
        let next = self.counters.as_ref().and_then(Counters::peek);
        next.map_or(0, |((series, outcome, kind), _)| {
            self.longest(Context { tags: self.registry.shown_entry(series).labels::<DogstatsdTags>(), outcome, kind })
        })
    }

    /// Requests that it has taken and not settled.
    pub(crate) const fn requests(&self) -> usize {
        self.count
    }

    /// Whether requests are yet to be written into packets.
    pub(crate) const fn has_packets(&self) -> bool {
        self.position.start != self.count
    }

    /// Whether counters are yet to be written into packets.
    pub(crate) fn has_counters(&self) -> bool {
        self.counters.as_ref().is_some_and(|counters| counters.peek().is_some())
    }

    fn longest(&self, context: Context<'_>) -> usize {
        let newline = usize::from(self.format.ends_with_newline);
        self.format.longest(context, self.counters.is_some()) + newline
    }

    /// The context of the position.
    fn context(&self) -> Context<'a> {
        let slot = self.slots.as_ref().get(self.position.start).copied().unwrap_or_default();
        let tags = self.registry.shown_entry(slot.series).labels::<DogstatsdTags>();
        Context { tags, outcome: slot.outcome, kind: slot.kind }
    }

    fn lose(&mut self, slots: Range<usize>, cause: DropReason) {
        for slot in &mut self.slots.as_mut()[slots] {
            slot.lost.get_or_insert(cause);
        }
    }
}

impl<B, C> fmt::Debug for Aggregator<'_, B, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aggregator")
            .field("requests", &self.count)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
