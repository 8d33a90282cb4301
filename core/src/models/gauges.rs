//! Gauges that threads name at once.

use loom::sync::Arc;
use loom::thread;

use crate::registry::gauges::{self, GaugeWords};

fn number_of(gauges: &[GaugeWords], name: &str) -> Option<usize> {
    let found = gauges::find_or_write(gauges, name)?;
    gauges.iter().position(|gauge| core::ptr::eq(gauge, found))
}

#[test]
fn two_threads_that_name_the_same_gauge_get_one() {
    loom::model(|| {
        let gauges: Arc<[GaugeWords; 2]> = Arc::new(core::array::from_fn(|_| GaugeWords::new()));
        let other = {
            let gauges = gauges.clone();
            thread::spawn(move || number_of(&*gauges, "users"))
        };
        assert_eq!(number_of(&*gauges, "users"), Some(0));
        assert_eq!(other.join().unwrap(), Some(0));
        assert_eq!((number_of(&*gauges, "rate"), number_of(&*gauges, "third")), (Some(1), None));
    });
}

#[test]
fn gauges_whose_names_begin_alike_are_different_and_readers_see_whole_names() {
    loom::model(|| {
        let gauges: Arc<[GaugeWords; 2]> = Arc::new(core::array::from_fn(|_| GaugeWords::new()));
        let (short, long) = ("begins_l", "begins_like_it");
        let other = {
            let gauges = gauges.clone();
            thread::spawn(move || number_of(&*gauges, long))
        };
        let mine = number_of(&*gauges, short);
        let seen = gauges.iter().filter_map(|gauge| gauge.name());
        assert!(seen.clone().any(|name| name == short) && seen.clone().all(|name| name == short || name == long));
        let theirs = other.join().unwrap();
        assert!(mine.is_some() && theirs.is_some() && mine != theirs);
        assert_eq!((number_of(&*gauges, short), number_of(&*gauges, long)), (mine, theirs));
    });
}
