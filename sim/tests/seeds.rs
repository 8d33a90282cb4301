//! Some seeds: the law holds in all of them, and each is one course of events. `sim/run` takes many more.

use loaddensity_metrics_sim::{Choices, simulate};

#[test]
fn the_law_holds_for_the_first_seeds_and_for_what_was_found() {
    // Found by chance: an ill server fails alone over a point that it has; all that waits is what a server cannot bear.
    for seed in (0..60).chain([245_229_007_508_322, 243_260_367_776_327]) {
        if let Err(violation) = simulate(Choices::of_seed(seed), false) {
            panic!("seed {seed}, after {:?}: {}; sim/run --seed {seed} --trace", violation.at, violation.what);
        }
    }
}

#[test]
fn a_seed_is_one_course_of_events() {
    let seen = |seed| format!("{:?}", simulate(Choices::of_seed(seed), true).map_err(|violation| violation.what));
    assert_eq!(seen(7), seen(7));
    assert_ne!(seen(7), seen(8));
}

#[test]
fn whatever_bytes_decide_the_law_holds() {
    for bytes in [vec![], vec![1; 2_000], (0..4_000).map(|at| (at * 7 % 251) as u8).collect()] {
        let outcome = simulate(Choices::of_bytes(bytes), false);
        assert!(outcome.is_ok(), "{outcome:?}");
    }
}
