//! How many answers of a kind that takes memory may be under way at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of seats. Who finds none is answered in a way that needs none.
pub(super) struct Seats(Arc<AtomicUsize>);

/// A seat, given back when it is dropped.
pub(super) struct Seat(Arc<AtomicUsize>);

impl Seats {
    pub(super) fn new(seats: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(seats)))
    }

    /// One, unless all are taken.
    pub(super) fn take(&self) -> Option<Seat> {
        // Relaxed, here and below: nothing else is read by it.
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| free.checked_sub(1));
        taken.ok().map(|_| Seat(self.0.clone()))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What then happens to a request is the negotiation's: `Negotiated::from_accept` without protobuf.
    #[test]
    fn few_bodies_are_held_at_a_time() {
        let seats = Seats::new(4);
        let mut taken: Vec<_> = (0..4).map(|_| seats.take().expect("a free seat")).collect();
        assert!(seats.take().is_none());
        taken.pop();
        let again = seats.take();
        assert!(again.is_some() && seats.take().is_none());
    }
}
