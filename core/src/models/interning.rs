//! Keys that threads intern at once, and the entries that they take and give back.

use loom::sync::Arc;
use loom::thread;

use crate::atomics::{AtomicU64, Ordering, zeros};
use crate::registry::intern::{self, Entries, FreeEntries};

/// Entries of two words each: the key, and labels that a look-up does not compare.
struct Table {
    index: [AtomicU64; 4],
    keys: [AtomicU64; 2],
    labels: [AtomicU64; 2],
    links: [AtomicU64; 2],
    next: AtomicU64,
    returned: AtomicU64,
}

const LABELS: u64 = 5;

struct Wanted<'a>(&'a Table, u64);

impl Entries for Wanted<'_> {
    fn matches(&self, number: u32) -> bool {
        self.0.keys[number as usize].load(Ordering::Relaxed) == self.1
    }

    fn write(&self, number: u32) {
        self.0.keys[number as usize].store(self.1, Ordering::Relaxed);
        self.0.labels[number as usize].store(LABELS, Ordering::Relaxed);
    }

    fn free_link(&self, number: u32) -> &AtomicU64 {
        &self.0.links[number as usize]
    }
}

impl Table {
    fn new() -> Self {
        Self {
            index: zeros(),
            keys: zeros(),
            labels: zeros(),
            links: zeros(),
            next: AtomicU64::new(0),
            returned: AtomicU64::new(0),
        }
    }

    /// All keys have the same hash, which is the worst case.
    fn intern(&self, key: u64) -> Option<u32> {
        intern::intern(&self.index, &self.free(), 7 << 32, &Wanted(self, key)).map(|(number, _)| number)
    }

    fn key_and_labels(&self, number: u32) -> (u64, u64) {
        let [key, labels] = [&self.keys, &self.labels].map(|words| words[number as usize].load(Ordering::Relaxed));
        (key, labels)
    }

    fn free(&self) -> FreeEntries<'_> {
        FreeEntries { next: &self.next, returned: &self.returned, first: 0, capacity: 2 }
    }
}

#[test]
fn a_key_that_two_threads_intern_has_one_entry() {
    loom::model(|| {
        let table = Arc::new(Table::new());
        let other = {
            let table = table.clone();
            thread::spawn(move || table.intern(11))
        };
        let mine = table.intern(11).unwrap();
        assert_eq!(other.join().unwrap(), Some(mine));
        // The entry of the thread that came second was given back, so there is room for a second key.
        let second = table.intern(22).unwrap();
        assert_ne!(second, mine);
        assert_eq!((table.intern(11), table.intern(22), table.intern(33)), (Some(mine), Some(second), None));
    });
}

#[test]
fn two_keys_have_two_entries_even_with_one_hash() {
    loom::model(|| {
        let table = Arc::new(Table::new());
        let other = {
            let table = table.clone();
            thread::spawn(move || table.intern(22))
        };
        let mine = table.intern(11);
        let theirs = other.join().unwrap();
        assert!(mine.is_some() && theirs.is_some() && mine != theirs);
        assert_eq!((table.intern(11), table.intern(22)), (mine, theirs));
    });
}

/// Another thread looks for a key while it is interned; whatever it finds is whole.
fn check_seeker(seek: fn(&Table) -> Option<u32>) {
    loom::model(move || {
        let table = Arc::new(Table::new());
        let seeker = {
            let table = table.clone();
            thread::spawn(move || {
                let found = seek(&table);
                if let Some(number) = found {
                    assert_eq!(table.key_and_labels(number), (11, LABELS));
                }
                found
            })
        };
        let interned = table.intern(11);
        assert!(interned.is_some());
        let found = seeker.join().unwrap();
        assert!(found.is_none() || found == interned);
        assert_eq!(seek(&table), interned);
    });
}

#[test]
fn a_thread_that_finds_an_entry_sees_all_of_it() {
    check_seeker(|table| intern::find(&table.index, 7 << 32, |number| table.key_and_labels(number).0 == 11));
}

#[test]
fn a_thread_that_finds_an_entry_near_its_place_sees_all_of_it() {
    check_seeker(|table| intern::near(&table.index, 7 << 32).filter(|number| *number != u32::MAX));
}

#[test]
fn an_entry_that_was_taken_and_given_back_meanwhile_is_not_taken_twice() {
    loom::model(|| {
        let table = Arc::new(Table::new());
        let take = |table: &Table| table.free().take(&Wanted(table, 0));
        let both = [take(&table), take(&table)].map(Option::unwrap);
        both.iter().for_each(|number| table.free().give_back(*number, &Wanted(&table, 0)));
        let other = {
            let table = table.clone();
            thread::spawn(move || {
                let (first, second) = (take(&table), take(&table));
                if let (Some(first), Some(_)) = (first, second) {
                    table.free().give_back(first, &Wanted(&table, 0));
                    return second;
                }
                first
            })
        };
        let mine = take(&table);
        let theirs = other.join().unwrap();
        assert!(mine.is_some() || theirs.is_some());
        assert_ne!(mine, theirs);
        // What is neither's can be taken, and nothing else.
        let rest = take(&table);
        let mut all = [mine, theirs, rest];
        all.sort_unstable();
        assert_eq!((all, take(&table)), ([None, Some(0), Some(1)], None));
    });
}
