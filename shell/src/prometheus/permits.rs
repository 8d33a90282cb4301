//! How many answers of a kind that takes memory may be under way at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of permits. A client that gets none is answered in a way that needs none.
pub(super) struct Permits(Arc<AtomicUsize>);

/// A permit, given back when it is dropped.
pub(super) struct Permit(Arc<AtomicUsize>);

impl Permits {
    pub(super) fn new(permits: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(permits)))
    }

    /// One, unless all are taken.
    pub(super) fn take(&self) -> Option<Permit> {
        // Relaxed, here and below: nothing else is read by it.
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| free.checked_sub(1));
        taken.ok().map(|_| Permit(self.0.clone()))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The negotiation decides what happens to a request without a permit: `Negotiated::from_accept` without protobuf.
    #[test]
    fn few_bodies_are_held_at_a_time() {
        let permits = Permits::new(4);
        let mut taken: Vec<_> = (0..4).map(|_| permits.take().expect("a free permit")).collect();
        assert!(permits.take().is_none());
        taken.pop();
        let again = permits.take();
        assert!(again.is_some() && permits.take().is_none());
    }
}
