//! The open connections. Where all places are taken, the connection makes room that has gone longest without a complete
//! request; never one that is being answered.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_channel::{Receiver, Sender};

/// Places for connections.
pub(super) struct Connections {
    places: usize,
    open: Arc<Mutex<OpenConnections>>,
}

#[derive(Default)]
struct OpenConnections {
    /// Counts the events: a later one has a greater number.
    events: u64,
    entries: Vec<OpenConnection>,
}

struct OpenConnection {
    /// The event that it came with.
    id: u64,
    /// The event of its last complete request; `id` until there was one.
    last: u64,
    is_answered: bool,
    /// Dropped with the entry, which tells the connection that it makes room.
    _stays: Sender<Infallible>,
}

/// A connection that has a place, which is free again when this is dropped.
pub(super) struct Admitted {
    id: u64,
    open: Arc<Mutex<OpenConnections>>,
    stays: Receiver<Infallible>,
}

impl Connections {
    pub(super) fn new(places: usize) -> Self {
        Self { places, open: Arc::default() }
    }

    /// A place, if need be that of another connection, which ends. `None` where all are being answered.
    pub(super) fn admit(&self) -> Option<Admitted> {
        let mut open = lock(&self.open);
        if open.entries.len() >= self.places {
            let waiting = open.entries.iter().enumerate().filter(|(_, entry)| !entry.is_answered);
            let (longest, _) = waiting.min_by_key(|(_, entry)| entry.last)?;
            open.entries.swap_remove(longest);
        }
        let id = open.next_event();
        let (sender, stays) = async_channel::bounded(1);
        open.entries.push(OpenConnection { id, last: id, is_answered: false, _stays: sender });
        Some(Admitted { id, open: self.open.clone(), stays })
    }
}

impl Admitted {
    /// A request has come whole, and is answered from now on.
    pub(super) fn asked(&self) {
        let mut open = lock(&self.open);
        let event = open.next_event();
        if let Some(entry) = open.entry(self.id) {
            (entry.last, entry.is_answered) = (event, true);
        }
    }

    /// The answer is with the kernel.
    pub(super) fn answered(&self) {
        if let Some(entry) = lock(&self.open).entry(self.id) {
            entry.is_answered = false;
        }
    }

    /// Completes when it has to make room.
    pub(super) fn makes_room(&self) -> impl Future<Output = ()> + Send + use<> {
        let stays = self.stays.clone();
        async move {
            // Nothing is ever sent: this is the entry's end.
            let _ = stays.recv().await;
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        lock(&self.open).entries.retain(|entry| entry.id != self.id);
    }
}

impl OpenConnections {
    const fn next_event(&mut self) -> u64 {
        self.events += 1;
        self.events
    }

    fn entry(&mut self, id: u64) -> Option<&mut OpenConnection> {
        self.entries.iter_mut().find(|entry| entry.id == id)
    }
}

fn lock(open: &Mutex<OpenConnections>) -> MutexGuard<'_, OpenConnections> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stays(admitted: &Admitted) -> bool {
        !admitted.stays.is_closed()
    }

    #[test]
    fn the_connection_that_was_idle_longest_makes_room() {
        let connections = Connections::new(3);
        let [first, second, third] = std::array::from_fn(|_| connections.admit().expect("a free place"));
        // The first connection was just answered, so it is now the last to make room.
        first.asked();
        first.answered();
        let fourth = connections.admit().expect("room");
        assert_eq!([&first, &second, &third, &fourth].map(stays), [true, false, true, true]);
        let fifth = connections.admit().expect("room");
        assert_eq!([&first, &third, &fourth, &fifth].map(stays), [true, false, true, true]);
        // Dropping a connection that made room before frees no second place.
        drop((second, third));
        let sixth = connections.admit().expect("room");
        assert_eq!([&first, &fourth, &fifth, &sixth].map(stays), [false, true, true, true]);
        drop(fifth);
        let seventh = connections.admit().expect("a free place");
        assert_eq!([&fourth, &sixth, &seventh].map(stays), [true; 3]);
    }

    #[test]
    fn a_connection_that_is_being_answered_makes_no_room() {
        let connections = Connections::new(2);
        let [first, second] = std::array::from_fn(|_| connections.admit().expect("a free place"));
        first.asked();
        second.asked();
        assert!(connections.admit().is_none());
        second.answered();
        let third = connections.admit().expect("room");
        assert_eq!([&first, &second, &third].map(stays), [true, false, true]);
        third.asked();
        assert!(connections.admit().is_none());
        // A connection that made room cannot get its place back.
        second.asked();
        drop(third);
        assert!(connections.admit().is_some());
    }
}
