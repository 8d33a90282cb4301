//! Exemplars that are written and read at once.

use loom::sync::Arc;
use loom::thread;

use crate::atomics::{AtomicU64, zeros};
use crate::registry::exemplars;

/// A slot of two words. That is enough to see a torn one.
struct ExemplarSlot {
    sequence: AtomicU64,
    words: [AtomicU64; 2],
}

impl ExemplarSlot {
    fn new() -> Arc<Self> {
        Arc::new(Self { sequence: AtomicU64::new(0), words: zeros() })
    }

    fn write(&self, number: u64) {
        exemplars::write(&self.sequence, &self.words, [number; 2]);
    }

    fn read(&self) -> Option<[u64; 2]> {
        exemplars::read(&self.sequence, &self.words)
    }
}

#[test]
fn two_writers_of_an_exemplar_leave_one_whole_exemplar() {
    loom::model(|| {
        let slot = ExemplarSlot::new();
        let other = {
            let slot = slot.clone();
            thread::spawn(move || slot.write(2))
        };
        slot.write(1);
        other.join().unwrap();
        // The first writer has written. The other one may have given up.
        let last = slot.read();
        assert!([Some([1; 2]), Some([2; 2])].contains(&last), "{last:?}");
    });
}

#[test]
fn an_exemplar_that_is_being_overwritten_is_read_whole() {
    loom::model(|| {
        let slot = ExemplarSlot::new();
        slot.write(1);
        let writer = {
            let slot = slot.clone();
            thread::spawn(move || slot.write(2))
        };
        let read = slot.read();
        assert!([None, Some([1; 2]), Some([2; 2])].contains(&read), "{read:?}");
        writer.join().unwrap();
        assert_eq!(slot.read(), Some([2; 2]));
    });
}
