//! The bounded queue of one exporter that sends each event by itself: the pump fills it, and the exporter empties it.
//!
//! Each exporter has its own sink, so that a backend that stalls costs the others nothing. The memory is the caller's.

use core::marker::PhantomData;

use crate::events::event::Event;
use crate::events::sampling::Sampler;
use crate::registry::drop_reason::DropReason;
use crate::registry::ledger::Ledger;

/// Events on their way to one backend, first in, first out, and the ledger of the exporter that sends them: requests, or
/// [`Observation`](crate::Observation)s, which are `T` then.
#[derive(Debug)]
pub struct Sink<'a, B, T = Event> {
    buffer: B,
    first: usize,
    length: usize,
    /// How many items of the first event were sent already, in an earlier batch.
    begun: u8,
    /// Events that have left the buffer but still count as held, because their outcome is not known yet.
    apart: u64,
    ledger: &'a Ledger,
    sampler: Option<Sampler>,
    events: PhantomData<fn() -> T>,
}

impl<'a, T: Copy, B: AsRef<[T]> + AsMut<[T]>> Sink<'a, B, T> {
    /// An empty sink over `buffer`, whose length is its capacity.
    pub const fn new(buffer: B, ledger: &'a Ledger) -> Self {
        Self { buffer, first: 0, length: 0, begun: 0, apart: 0, ledger, sampler: None, events: PhantomData }
    }

    /// From now on the sink takes only the events that `sampler` keeps, and drops the others as `sampled`.
    pub fn set_sampler(&mut self, sampler: Sampler) {
        self.sampler = Some(sampler);
    }

    /// Takes `event`, or drops it as `buffer_full` if there is no room. Returns whether it took the event.
    pub fn offer(&mut self, event: T) -> bool {
        self.offer_all(&[event]) == 1
    }

    /// Takes the first of `events`, as many as there is room for, and drops the others as `buffer_full`. Returns how
    /// many it took.
    pub fn offer_all(&mut self, events: &[T]) -> usize {
        match self.sampler.take() {
            None => self.take(events),
            Some(mut sampler) => {
                let kept = events.iter().filter(|_| sampler.keeps());
                let (mut kept_events, mut taken) = (0, 0);
                for event in kept {
                    kept_events += 1;
                    taken += self.take(core::slice::from_ref(event));
                }
                self.ledger.add_dropped(DropReason::Sampled, (events.len() - kept_events) as u64);
                self.sampler = Some(sampler);
                taken
            }
        }
    }

    /// Drops all events for `cause`. But what may have arrived, whole or in part, is `unconfirmed`: the events that are held
    /// apart from the buffer, and the first one if some of its items were sent.
    pub fn abandon(&mut self, cause: DropReason) {
        self.drop_front(usize::from(self.begun != 0), DropReason::Unconfirmed);
        self.drop_front(self.length, cause);
        self.settle_apart(self.apart, Some(DropReason::Unconfirmed));
    }

    /// Drops the first `events` for `cause`.
    pub fn drop_front(&mut self, events: usize, cause: DropReason) {
        let events = self.remove(events);
        self.ledger.add_dropped(cause, events);
    }

    /// Says that the first `events` have reached the backend.
    pub fn confirm_front(&mut self, events: usize) {
        // A datagram with only a part of an event confirms no event. Then the words that other threads read stay
        // untouched.
        if events != 0 {
            let events = self.remove(events);
            self.ledger.add_sent(events);
        }
    }

    /// The event at `position` from the front.
    #[must_use]
    pub fn get(&self, position: usize) -> Option<&T> {
        (position < self.length).then(|| &self.buffer.as_ref()[self.place(position)])
    }

    /// The number of events that wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether no event waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The number of events that the sink can hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buffer.as_ref().len()
    }

    /// The ledger that the sink writes to.
    #[must_use]
    pub const fn ledger(&self) -> &'a Ledger {
        self.ledger
    }

    /// Removes the first `events` from the buffer. They count as held until [`settle_apart`](Self::settle_apart) is
    /// called for them.
    pub(crate) fn hold_apart(&mut self, events: usize) {
        self.apart += events.min(self.length) as u64;
        self.remove(events);
    }

    /// Says that `events` of those that are held apart have reached the backend, or were lost for a reason.
    pub(crate) fn settle_apart(&mut self, events: u64, lost: Option<DropReason>) {
        let events = events.min(self.apart);
        self.apart -= events;
        self.show_held();
        match lost {
            Some(cause) => self.ledger.add_dropped(cause, events),
            None => self.ledger.add_sent(events),
        }
    }

    /// How many items of the first event were sent already.
    pub(crate) const fn begun(&self) -> u8 {
        self.begun
    }

    pub(crate) const fn set_begun(&mut self, items: u8) {
        self.begun = if self.length == 0 { 0 } else { items };
    }

    fn take(&mut self, events: &[T]) -> usize {
        let capacity = self.capacity();
        let (taken, refused) = events.split_at(events.len().min(capacity - self.length));
        if !taken.is_empty() {
            let start = self.place(self.length);
            let (to_the_end, from_the_start) = taken.split_at(taken.len().min(capacity - start));
            let buffer = self.buffer.as_mut();
            buffer[start..start + to_the_end.len()].copy_from_slice(to_the_end);
            buffer[..from_the_start.len()].copy_from_slice(from_the_start);
            self.length += taken.len();
            self.show_held();
        }
        self.ledger.add_dropped(DropReason::BufferFull, refused.len() as u64);
        taken.len()
    }

    /// The index in the buffer of the event at `position`, which is at most the capacity.
    #[inline]
    fn place(&self, position: usize) -> usize {
        let at = self.first + position;
        if at < self.capacity() { at } else { at - self.capacity() }
    }

    fn remove(&mut self, events: usize) -> u64 {
        let events = events.min(self.length);
        if events != 0 {
            self.begun = 0;
        }
        self.first = self.place(events);
        self.length -= events;
        self.show_held();
        events as u64
    }

    fn show_held(&self) {
        self.ledger.set_held(self.length as u64 + self.apart);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;

    use std::collections::VecDeque;
    use std::vec::Vec;

    use super::*;
    use crate::events::sampling::SampleRate;
    use crate::registry::accounts::Accounts;
    use crate::registry::exporter::Exporter;
    use crate::registry::storage::Storage;

    #[test]
    fn events_come_out_in_order_wherever_in_the_buffer_the_first_one_is() {
        static STORAGE: Storage<4, 1, 2> = Storage::new();
        let ledger = Accounts::new(STORAGE.registry()).open(Exporter::Influxdb);
        let mut sink = Sink::new([Event::default(); 5], ledger);
        let (mut model, mut next, mut refused) = (VecDeque::new(), 0, 0);
        for step in 0..200 {
            let events: Vec<_> =
                (next..next + step % 8).map(|size| Event { response_bytes: size, ..Event::default() }).collect();
            next += step % 8;
            let room = 5 - model.len();
            let taken = sink.offer_all(&events);
            assert_eq!(taken, events.len().min(room));
            refused += (events.len() - taken) as u64;
            model.extend(events[..taken].iter().copied());
            let held: Vec<_> = (0..6).map_while(|position| sink.get(position).copied()).collect();
            assert_eq!(held, Vec::from_iter(model.iter().copied()));
            let leave = (step / 3 % 6) as usize;
            sink.confirm_front(leave);
            model.drain(..leave.min(model.len()));
        }
        assert_eq!(ledger.outcome().1.get(DropReason::BufferFull), refused);
        assert_eq!(ledger.held(), model.len() as u64);
    }

    #[test]
    fn what_a_sampler_leaves_out_is_sampled_and_not_refused() {
        static STORAGE: Storage<4, 1, 2> = Storage::new();
        let ledger = Accounts::new(STORAGE.registry()).open(Exporter::Statsd);
        let mut sink = Sink::new([Event::default(); 300], ledger);
        let rate = SampleRate::new(0.5).expect("a rate");
        sink.set_sampler(Sampler::new(rate, 1));
        let mut same = Sampler::new(rate, 1);
        let kept = (0..1_000).filter(|_| same.keeps()).count() as u64;
        // Of those that the sampler keeps there is room for 300.
        assert_eq!(sink.offer_all(&[Event::default(); 1_000]), 300);
        let dropped = ledger.outcome().1;
        assert!((400..600).contains(&kept), "{kept}");
        assert_eq!(dropped.get(DropReason::Sampled), 1_000 - kept);
        assert_eq!((dropped.get(DropReason::BufferFull), ledger.held()), (kept - 300, 300));
    }

    #[test]
    fn a_sink_without_a_buffer_drops_everything() {
        static STORAGE: Storage<4, 1, 2> = Storage::new();
        let ledger = Accounts::new(STORAGE.registry()).open(Exporter::Statsd);
        let mut sink = Sink::new(const { [] as [Event; 0] }, ledger);
        assert_eq!(sink.offer_all(&[Event::default(); 3]), 0);
        assert!(!sink.offer(Event::default()) && sink.get(0).is_none());
        sink.abandon(DropReason::Deadline);
        assert_eq!(ledger.outcome().1.total(), 4);
    }
}
