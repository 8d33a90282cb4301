//! Messages per interval: what a sink holds goes out as one counter per context and interval, and with the values of
//! many requests in a message.
//!
//! A context is a series with an outcome: what Datadog calls the name and tags of a metric. Official clients call this
//! extended aggregation. Source: DataDog/datadog-go, statsd/aggregator.go.

use core::fmt;
use core::ops::Range;

use super::dialect::{Dialect, ITEMS, REQUESTS, SIZE};
use super::packed::Context;
use crate::event::Event;
use crate::ledger::Cause;
use crate::registry::Registry;
use crate::sample::Outcome;
use crate::series::Series;
use crate::sink::Sink;
use crate::text::out::Full;

/// Room for one request in an [`Aggregator`]: 24 bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slot {
    pub(super) latency_ns: u64,
    pub(super) response_bytes: u64,
    series: Series,
    outcome: Outcome,
    /// Why a message of it is lost, if one is.
    lost: Option<Cause>,
}

const _: () = assert!(size_of::<Slot>() == 24, "the documentation says so");

/// The first requests of a sink, on their way out as packets of messages with packed values. Its memory is the caller's.
///
/// Fill it, take packet by packet, settle it. Meanwhile its requests stay at the front of the sink, which counts them as
/// held. The order of requests does not matter to DogStatsD.
pub struct Aggregator<'a, B> {
    registry: Registry<'a>,
    dialect: Dialect,
    slots: B,
    /// Slots that are in use.
    count: usize,
    place: Place,
}

/// How far the messages of the slots have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
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
    from: Place,
    to: Place,
}

impl<'a, B: AsRef<[Slot]> + AsMut<[Slot]>> Aggregator<'a, B> {
    pub(super) const fn new(registry: Registry<'a>, dialect: Dialect, slots: B) -> Self {
        let place = Place { start: 0, end: 0, item: REQUESTS, next: 0 };
        Self { registry, dialect, slots, count: 0, place }
    }

    /// Most requests that it takes at once.
    pub fn capacity(&self) -> usize {
        self.slots.as_ref().len()
    }

    /// Takes the first requests of `sink`, as many as there are slots, and sorts them. What it held before must be
    /// settled.
    pub fn fill<S: AsRef<[Event]> + AsMut<[Event]>>(&mut self, sink: &Sink<'_, S>) {
        let slots = self.slots.as_mut();
        let events = (0..slots.len()).map_while(|position| sink.get(position));
        self.count = slots.iter_mut().zip(events).map(|(slot, event)| *slot = Slot::of(event)).count();
        slots[..self.count].sort_unstable_by_key(Slot::context);
        self.place = self.first_of(0);
    }

    /// Writes as many of the messages that follow as fit, joined by newlines, to the front of `out`, whose length must be
    /// the same for all packets. `None` where none is left.
    ///
    /// Requests of a context that has a message that could not fit, with the longest value, are dropped as `too_large`
    /// when it is settled.
    pub fn next_packet(&mut self, out: &mut [u8]) -> Option<Packet> {
        let mut packet = Packet { bytes: 0, contexts: 0, from: self.place, to: self.place };
        while self.place.start != self.count {
            if self.place.item == REQUESTS && self.is_too_large(out.len()) {
                self.lose(self.place.start..self.place.end, Cause::TooLarge);
                self.place = self.first_of(self.place.end);
                continue;
            }
            let start = packet.bytes + usize::from(packet.bytes != 0);
            let counters = usize::from(self.place.item == REQUESTS);
            let Ok(length) = out.get_mut(start..).ok_or(Full).and_then(|room| self.encode(room)) else { break };
            if let Some(newline) = start.checked_sub(1).and_then(|before| out.get_mut(before)) {
                *newline = b'\n';
            }
            packet.bytes = start + length;
            packet.contexts += counters;
        }
        packet.to = self.place;
        (packet.bytes != 0).then_some(packet)
    }

    /// The packet is lost for `cause`, and with it every request that it has a message or a value of.
    pub fn lost(&mut self, packet: Packet, cause: Cause) {
        let Packet { from: mut place, to, .. } = packet;
        while place != to {
            let is_last = (place.start, place.item) == (to.start, to.item);
            let upto = if is_last { to.next } else { place.end };
            self.lose(place.next..upto, cause);
            place = self.behind(place, upto);
        }
    }

    /// The packet was not sent: it is the next one again.
    pub const fn put_back(&mut self, packet: Packet) {
        self.place = packet.from;
    }

    /// Settles the requests: those of which a message was lost are dropped for its cause, the first if there are several;
    /// those of which not all messages were taken for `left`; and the others are sent.
    pub fn settle<S>(&mut self, sink: &mut Sink<'_, S>, left: Cause)
    where
        S: AsRef<[Event]> + AsMut<[Event]>,
    {
        let Place { start, item, next, .. } = self.place;
        let whole = if item == SIZE { next } else { start };
        let slots = &self.slots.as_ref()[..self.count];
        let (taken, not_taken) = slots.split_at(whole);
        for cause in Cause::ALL {
            sink.drop_front(slots.iter().filter(|slot| slot.lost == Some(cause)).count(), cause);
        }
        sink.drop_front(not_taken.iter().filter(|slot| slot.lost.is_none()).count(), left);
        sink.confirm_front(taken.iter().filter(|slot| slot.lost.is_none()).count());
        self.count = 0;
        self.place = Place::default();
    }

    /// Writes the next message, or as much of it as fits, and goes on behind it.
    fn encode(&mut self, out: &mut [u8]) -> Result<usize, Full> {
        let Place { end, item, next, .. } = self.place;
        let requests = &self.slots.as_ref()[next..end];
        let message = self.dialect.encode_packed(requests, item, self.context(), out)?;
        self.place = self.behind(self.place, next + message.requests);
        Ok(message.bytes)
    }

    /// The place behind the message whose values come before `upto`.
    fn behind(&self, place: Place, upto: usize) -> Place {
        if upto < place.end {
            Place { next: upto, ..place }
        } else if place.item + 1 < ITEMS {
            Place { item: place.item + 1, next: place.start, ..place }
        } else {
            self.first_of(place.end)
        }
    }

    /// The first place of the context that begins at `start`.
    fn first_of(&self, start: usize) -> Place {
        let slots = &self.slots.as_ref()[start..self.count];
        let is_same = |slot: &&Slot| slots.first().is_some_and(|first| first.context() == slot.context());
        let end = start + slots.iter().take_while(is_same).count();
        Place { start, end, item: REQUESTS, next: start }
    }

    fn is_too_large(&self, longest: usize) -> bool {
        self.dialect.longest(self.context()) > longest
    }

    /// The context of the place.
    fn context(&self) -> Context<'a> {
        let slot = self.slots.as_ref().get(self.place.start).copied().unwrap_or_default();
        Context { tags: self.registry.shown_entry(slot.series).dogstatsd(), outcome: slot.outcome }
    }

    fn lose(&mut self, slots: Range<usize>, cause: Cause) {
        for slot in &mut self.slots.as_mut()[slots] {
            slot.lost.get_or_insert(cause);
        }
    }
}

impl Slot {
    const fn of(event: &Event) -> Self {
        let Event { series, outcome, latency_ns, response_bytes, .. } = *event;
        Self { latency_ns, response_bytes, series, outcome, lost: None }
    }

    /// What it has in common with the others of its context.
    fn context(&self) -> (Series, usize) {
        (self.series, self.outcome.index())
    }
}

impl<B> fmt::Debug for Aggregator<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aggregator").field("requests", &self.count).field("place", &self.place).finish_non_exhaustive()
    }
}
