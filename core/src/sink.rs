//! The bounded buffer of one per-request exporter: what the pump fills and the exporter's sender empties.
//!
//! Each sink has one of its own, so that a backend that stalls costs the others nothing. Its memory is the caller's.

use crate::event::Event;
use crate::ledger::{Cause, Ledger};

/// Events on their way to one backend, first in, first out, with that backend's ledger.
#[derive(Debug)]
pub struct Sink<'a, B> {
    buffer: B,
    first: usize,
    length: usize,
    /// Items of the first event that have left already, in an earlier batch.
    begun: u8,
    ledger: &'a Ledger,
}

impl<'a, B: AsRef<[Event]> + AsMut<[Event]>> Sink<'a, B> {
    /// An empty sink over `buffer`, whose length is its capacity.
    pub const fn new(buffer: B, ledger: &'a Ledger) -> Self {
        Self { buffer, first: 0, length: 0, begun: 0, ledger }
    }

    /// Takes `event`, or drops it as `buffer_full` where there is no room; returns whether it was taken.
    pub fn offer(&mut self, event: Event) -> bool {
        let capacity = self.capacity();
        if self.length == capacity {
            self.ledger.add_dropped(Cause::BufferFull, 1);
            return false;
        }
        let at = (self.first + self.length) % capacity;
        self.buffer.as_mut()[at] = event;
        self.length += 1;
        self.ledger.set_held(self.length as u64);
        true
    }

    /// Drops everything for `cause`.
    pub fn abandon(&mut self, cause: Cause) {
        self.drop_front(self.length, cause);
    }

    /// Drops the first `events` for `cause`.
    pub fn drop_front(&mut self, events: usize, cause: Cause) {
        let events = self.remove(events);
        self.ledger.add_dropped(cause, events);
    }

    /// The first `events` have reached the backend.
    pub fn confirm_front(&mut self, events: usize) {
        let events = self.remove(events);
        self.ledger.add_sent(events);
    }

    /// The event at `position` from the front.
    #[must_use]
    pub fn get(&self, position: usize) -> Option<&Event> {
        let at = (self.first + position) % self.capacity().max(1);
        (position < self.length).then(|| &self.buffer.as_ref()[at])
    }

    /// Events that wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Events that it can hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buffer.as_ref().len()
    }

    /// The ledger that it writes to.
    #[must_use]
    pub const fn ledger(&self) -> &'a Ledger {
        self.ledger
    }

    /// Items of the first event that have left already.
    pub(crate) const fn begun(&self) -> u8 {
        self.begun
    }

    pub(crate) const fn set_begun(&mut self, items: u8) {
        self.begun = if self.length == 0 { 0 } else { items };
    }

    fn remove(&mut self, events: usize) -> u64 {
        let events = events.min(self.length);
        if events != 0 {
            self.begun = 0;
        }
        self.first = (self.first + events) % self.capacity().max(1);
        self.length -= events;
        self.ledger.set_held(self.length as u64);
        events as u64
    }
}
