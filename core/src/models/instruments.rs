//! Instruments that threads declare at once, while others read them and what they counted.

use loom::sync::Arc;
use loom::thread;

use crate::atomics::{Ordering, zeros};
use crate::counts::observed_cells::{self, CounterCell, counter_word};
use crate::counts::own_observed;
use crate::metrics::InstrumentKind;
use crate::metrics::unit::ShownUnit;
use crate::registry::instruments::declaration::{Declaration, DeclaredWords, InstrumentShape, Reach};
use crate::registry::instruments::declared::{InstrumentControl, Instruments};
use crate::registry::instruments::instrument_error::InstrumentError;

/// Room for two counters.
struct Declarable {
    control: InstrumentControl,
    words: [DeclaredWords; 2],
}

impl Declarable {
    fn new() -> Arc<Self> {
        Arc::new(Self { control: InstrumentControl::new(), words: [zeros(), zeros()] })
    }

    fn instruments(&self) -> Instruments<'_> {
        Instruments { control: &self.control, words: [&self.words, &[]] }
    }

    fn declare(&self, name: &str) -> Result<u32, InstrumentError> {
        self.declare_of(name, Reach::Series)
    }

    fn declare_of(&self, name: &str, reach: Reach) -> Result<u32, InstrumentError> {
        let shape = InstrumentShape { kind: InstrumentKind::Counter, unit: ShownUnit::One, reach };
        self.instruments().declare(&Declaration::new(name, "what it is", shape).unwrap(), || true)
    }
}

fn model(check: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    // An instrument has too many words for all interleavings.
    builder.preemption_bound = Some(2);
    builder.max_branches = 10_000;
    builder.check(check);
}

#[test]
fn two_threads_that_declare_one_instrument_get_one_handle() {
    model(|| {
        let declarable = Declarable::new();
        let other = {
            let declarable = declarable.clone();
            thread::spawn(move || declarable.declare("a"))
        };
        let mine = declarable.declare("a");
        assert_eq!(other.join().unwrap(), mine);
        assert!(mine.is_ok() && declarable.instruments().each().count() == 1);
    });
}

#[test]
fn two_threads_that_declare_two_instruments_get_two_and_readers_see_whole_ones() {
    model(|| {
        let declarable = Declarable::new();
        let other = {
            let declarable = declarable.clone();
            thread::spawn(move || declarable.declare("b"))
        };
        let mine = declarable.declare("a");
        for seen in declarable.instruments().each() {
            assert!((seen.name == "a" || seen.name == "b") && seen.description == "what it is", "{seen:?}");
        }
        let theirs = other.join().unwrap();
        assert!(mine.is_ok() && theirs.is_ok() && mine != theirs);
        assert_eq!((declarable.declare("a"), declarable.declare("b")), (mine, theirs));
        assert_eq!(declarable.declare("c"), Err(InstrumentError::Full(InstrumentKind::Counter, 2)));
    });
}

#[test]
fn of_two_threads_that_declare_different_instruments_of_one_name_one_is_told() {
    model(|| {
        let declarable = Declarable::new();
        let other = {
            let declarable = declarable.clone();
            thread::spawn(move || declarable.declare_of("a", Reach::Run))
        };
        let outcomes = [declarable.declare("a"), other.join().unwrap()];
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        assert!(outcomes.contains(&Err(InstrumentError::Taken)));
    });
}

/// Raises a counter twice, by 2 each time, while a reader looks: what the number says is in the sum.
fn check_counter(raise: fn(&CounterCell, u64)) {
    model(move || {
        let cell: Arc<CounterCell> = Arc::new(zeros());
        let writer = {
            let cell = cell.clone();
            thread::spawn(move || (0..2).for_each(|_| raise(&cell, 2)))
        };
        let number = observed_cells::number_of(&cell);
        let sum = cell[counter_word::SUM].load(Ordering::Relaxed);
        assert!(number <= 2 && 2 * number <= sum, "{sum} of {number}");
        writer.join().unwrap();
        assert_eq!((observed_cells::number_of(&cell), cell[counter_word::SUM].load(Ordering::Relaxed)), (2, 4));
    });
}

#[test]
fn what_a_counters_number_says_is_in_its_sum() {
    check_counter(own_observed::raise_own);
    check_counter(own_observed::raise_shared);
}
