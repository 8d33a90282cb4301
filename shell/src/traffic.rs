//! What has left a sink through its sockets.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the start of an exporter.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Packets that were handed over.
    pub(crate) packets_sent: Counter,
    /// Their bytes.
    pub(crate) bytes_sent: Counter,
    /// Packets that could not be handed over.
    pub(crate) packets_dropped: Counter,
    /// Their bytes.
    pub(crate) bytes_dropped: Counter,
    /// Contexts of which messages per interval were sent.
    pub(crate) contexts: Counter,
}

impl Traffic {
    pub(crate) fn sent(&self, packets: usize, bytes: usize) {
        self.packets_sent.add(packets);
        self.bytes_sent.add(bytes);
    }

    pub(crate) fn dropped(&self, packets: usize, bytes: usize) {
        self.packets_dropped.add(packets);
        self.bytes_dropped.add(bytes);
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

// Relaxed: each number stands for itself.
impl Counter {
    pub(crate) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
