//! Bounds that threads set and read at once.

use loom::sync::Arc;
use loom::thread;

use crate::counts::bounds::{Bounds, BoundsError, BoundsWords};

#[test]
fn two_threads_may_set_the_same_bounds_at_once() {
    loom::model(|| {
        let words = Arc::new(BoundsWords::new());
        let own = Bounds::new(&[], &[]).unwrap();
        let other = {
            let words = words.clone();
            thread::spawn(move || words.set(&own))
        };
        assert_eq!(words.set(&own), Ok(()));
        assert_eq!((other.join().unwrap(), words.get()), (Ok(()), own));
    });
}

#[test]
fn only_one_of_two_threads_that_set_different_bounds_succeeds() {
    loom::model(|| {
        let words = Arc::new(BoundsWords::new());
        let [mine, theirs] = [&[1][..], &[2]].map(|sizes| Bounds::new(&[], sizes).unwrap());
        let other = {
            let words = words.clone();
            thread::spawn(move || words.set(&theirs))
        };
        let expected = match words.set(&mine) {
            Ok(()) => (Err(BoundsError::InUse), mine),
            Err(_) => (Ok(()), theirs),
        };
        assert_eq!((other.join().unwrap(), words.get()), expected);
    });
}

#[test]
fn a_thread_that_reads_bounds_while_others_set_them_fixes_them() {
    loom::model(|| {
        let words = Arc::new(BoundsWords::new());
        let own = Bounds::new(&[], &[1]).unwrap();
        let setter = {
            let words = words.clone();
            thread::spawn(move || words.set(&own))
        };
        let seen = words.get();
        let expected = if seen == own { Ok(()) } else { Err(BoundsError::InUse) };
        assert!(seen == own || seen == Bounds::CONTRACT);
        assert_eq!((setter.join().unwrap(), words.get()), (expected, seen));
    });
}
