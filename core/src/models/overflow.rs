//! The overflow series: how it comes to be, what falls into it, and which key was the first.

use loom::sync::Arc;
use loom::thread;

use crate::atomics::{AtomicU64, Ordering, zeros};
use crate::registry::first_folded::FirstFolded;
use crate::registry::intern::{self, Entries, FreeEntries};
use crate::registry::parts::before_ready;

const HASH: u64 = 7 << 32;

/// What is written before the first handle of a registry is used: the entry, here of one word, and its place in the index.
struct Made {
    ready: AtomicU64,
    entry: AtomicU64,
    index: [AtomicU64; 2],
}

impl Made {
    /// A handle, and what its user finds.
    fn use_handle(&self) {
        before_ready(&self.ready, || {
            self.entry.store(11, Ordering::Relaxed);
            intern::enter(&self.index, HASH, 0);
        });
        assert_eq!(self.entry.load(Ordering::Relaxed), 11);
        assert_eq!(intern::find(&self.index, HASH, |number| number == 0), Some(0));
    }
}

#[test]
fn registries_made_at_once_agree_on_the_overflow_series() {
    loom::model(|| {
        let made = Arc::new(Made { ready: AtomicU64::new(0), entry: AtomicU64::new(0), index: zeros() });
        let other = {
            let made = made.clone();
            thread::spawn(move || made.use_handle())
        };
        made.use_handle();
        other.join().unwrap();
        let taken = made.index.iter().filter(|place| place.load(Ordering::Relaxed) != 0).count();
        assert_eq!(taken, 1);
    });
}

/// A registry with room for one key of one word.
struct Room {
    index: [AtomicU64; 4],
    key: AtomicU64,
    link: AtomicU64,
    next: AtomicU64,
    returned: AtomicU64,
}

struct Wanted<'a>(&'a Room, u64);

impl Entries for Wanted<'_> {
    fn matches(&self, number: u32) -> bool {
        assert_eq!(number, 0);
        self.0.key.load(Ordering::Relaxed) == self.1
    }

    fn write(&self, number: u32) {
        assert_eq!(number, 0, "there is no other entry");
        self.0.key.store(self.1, Ordering::Relaxed);
    }

    fn free_link(&self, _: u32) -> &AtomicU64 {
        &self.0.link
    }
}

impl Room {
    fn intern(&self, key: u64) -> Option<u32> {
        let free = FreeEntries { next: &self.next, returned: &self.returned, first: 0, capacity: 1 };
        intern::intern(&self.index, &free, HASH, &Wanted(self, key)).map(|(number, _)| number)
    }
}

#[test]
fn of_two_keys_one_has_the_last_entry_and_the_other_overflows() {
    loom::model(|| {
        let [index, room] = [zeros::<4>(), zeros::<4>()];
        let [key, link, next, returned] = room;
        let room = Arc::new(Room { index, key, link, next, returned });
        let other = {
            let room = room.clone();
            thread::spawn(move || room.intern(22))
        };
        let mine = room.intern(11);
        let theirs = other.join().unwrap();
        assert!(mine.is_some() != theirs.is_some(), "{mine:?} and {theirs:?}");
        assert_eq!((room.intern(11), room.intern(22)), (mine, theirs));
    });
}

#[test]
fn the_first_key_that_was_folded_is_one_of_them_and_whole() {
    loom::model(|| {
        let first = Arc::new(FirstFolded::new());
        let other = {
            let first = first.clone();
            thread::spawn(move || first.note("PUT", "/put"))
        };
        let reader = {
            let first = first.clone();
            thread::spawn(move || first.get())
        };
        first.note("GET", "/get");
        let seen = reader.join().unwrap();
        other.join().unwrap();
        let last = first.get();
        for (method, name) in seen.iter().chain(&last) {
            assert!([("GET", "/get"), ("PUT", "/put")].contains(&(method, name)), "{method} {name}");
        }
        assert!(last.is_some() && (seen.is_none() || seen == last));
    });
}
