//! Shards that threads claim and release.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use crate::atomics::{AtomicU64, Ordering, zeros};
use crate::registry::parts::{claim, release};

/// The mark of a shard's owner, a counter, and what only the owner may touch: loom says where two threads do.
struct Shard {
    owned: AtomicU64,
    counter: AtomicU64,
    owners: UnsafeCell<()>,
}

impl Shard {
    fn new() -> Arc<Self> {
        Arc::new(Self { owned: AtomicU64::new(0), counter: AtomicU64::new(0), owners: UnsafeCell::new(()) })
    }

    /// Counts as a recorder does, in plain loads and stores. Returns how many were counted: none where another thread has the
    /// shard.
    fn count(&self) -> u64 {
        if !claim(&self.owned) {
            return 0;
        }
        self.owners.with_mut(|_| ());
        self.counter.store(self.counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        release(&self.owned);
        1
    }
}

#[test]
fn a_shard_that_changes_hands_loses_no_count() {
    loom::model(|| {
        let shard = Shard::new();
        let other = {
            let shard = shard.clone();
            thread::spawn(move || shard.count())
        };
        let counted = shard.count() + other.join().unwrap();
        assert_eq!(shard.counter.load(Ordering::Relaxed), counted);
        assert_eq!(shard.count(), 1);
    });
}

#[test]
fn threads_that_claim_at_once_get_a_shard_each() {
    loom::model(|| {
        let shards: Arc<[AtomicU64; 2]> = Arc::new(zeros());
        let other = {
            let shards = shards.clone();
            thread::spawn(move || shards.iter().position(claim))
        };
        let mine = shards.iter().position(claim);
        let theirs = other.join().unwrap();
        assert!(mine.is_some() && theirs.is_some() && mine != theirs, "{mine:?} and {theirs:?}");
        assert_eq!(shards.iter().position(claim), None);
    });
}
