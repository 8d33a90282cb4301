//! Keys that threads intern at once, and the entries that they take and give back.

use loom::sync::Arc;
use loom::thread;

use crate::atomics::{AtomicU64, Ordering, zeros};
use crate::registry::intern::{self, Entries, FreeEntries};

/// Entries of one word each: the key.
struct Table {
    index: [AtomicU64; 4],
    keys: [AtomicU64; 2],
    links: [AtomicU64; 2],
    next: AtomicU64,
    returned: AtomicU64,
}

struct Wanted<'a>(&'a Table, u64);

impl Entries for Wanted<'_> {
    fn matches(&self, number: u32) -> bool {
        self.0.keys[number as usize].load(Ordering::Relaxed) == self.1
    }

    fn write(&self, number: u32) {
        self.0.keys[number as usize].store(self.1, Ordering::Relaxed);
    }

    fn free_link(&self, number: u32) -> &AtomicU64 {
        &self.0.links[number as usize]
    }
}

impl Table {
    fn new() -> Self {
        Self { index: zeros(), keys: zeros(), links: zeros(), next: AtomicU64::new(0), returned: AtomicU64::new(0) }
    }

    /// All keys have the same hash, which is the worst case.
    fn intern(&self, key: u64) -> Option<u32> {
        intern::intern(&self.index, &self.free(), 7 << 32, &Wanted(self, key)).map(|(number, _)| number)
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

#[test]
fn a_thread_that_finds_an_entry_sees_all_of_it() {
    loom::model(|| {
        let table = Arc::new(Table::new());
        let seeker = {
            let table = table.clone();
            thread::spawn(move || {
                let key_of = |number: u32| table.keys[number as usize].load(Ordering::Relaxed);
                let near = intern::near(&table.index, 7 << 32).filter(|number| *number != u32::MAX);
                assert!(near.is_none_or(|number| key_of(number) == 11));
                let found = intern::find(&table.index, 7 << 32, |number| key_of(number) == 11);
                assert!(near.is_none() || found == near);
                found
            })
        };
        let interned = table.intern(11);
        assert!(interned.is_some());
        let found = seeker.join().unwrap();
        assert!(found.is_none() || found == interned);
        assert_eq!(intern::find(&table.index, 7 << 32, |number| number == 0), interned);
    });
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
