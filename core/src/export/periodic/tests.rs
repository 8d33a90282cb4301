//! The machine on a fake clock, and beside a receiver that does what it likes.

extern crate std;

mod points;
mod receiver;
mod world;

use core::time::Duration;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::export::Health;
use crate::export::verdict::Said;
use points::HEADER;
use world::{Arrival, Receiver, Reply, World};

const MS: fn(u64) -> Duration = Duration::from_millis;
const SECS: fn(u64) -> Duration = Duration::from_secs;
const AWAY: Reply = Reply::Says(Said::Away { at_least: Duration::ZERO, may_have_arrived: false });
const MAYBE: Reply = Reply::Says(Said::Away { at_least: Duration::ZERO, may_have_arrived: true });
const STORED: Reply = Reply::Says(Said::Stored);
const TOO_LARGE: Reply = Reply::Says(Said::TooLarge);
const BROKEN: Reply = Reply::Breaks { began: true };

/// Answers to one body after another, and then always the last one.
#[derive(Clone)]
struct Script {
    bodies: Vec<Reply>,
    next: usize,
    names: Reply,
    connects: Reply,
    connects_after: Duration,
    answers_after: Duration,
}

impl Script {
    fn new(bodies: &[Reply]) -> Self {
        let (names, connects, connects_after, answers_after) = (Reply::Fine, Reply::Fine, MS(1), MS(10));
        Self { bodies: bodies.to_vec(), next: 0, names, connects, connects_after, answers_after }
    }
}

impl Receiver for Script {
    fn resolve(&mut self, _: Tick) -> (Duration, Reply) {
        (MS(1), self.names)
    }

    fn connect(&mut self, _: Tick) -> (Duration, Reply) {
        (self.connects_after, self.connects)
    }

    fn body(&mut self, _: Tick, _: Arrival<'_>) -> (Duration, Reply) {
        self.next += 1;
        (self.answers_after, self.bodies[(self.next - 1).min(self.bodies.len() - 1)])
    }
}

fn limits(is_delta: bool) -> ExportLimits {
    let (interval, timeout) = (SECS(60), SECS(10));
    ExportLimits { interval, timeout, export_timeout: None, max_request_bytes: 16 << 10, is_delta }
}

/// Ten series of ten requests each, in one body of 8,100 bytes.
fn ten_series(limits: ExportLimits, bodies: &[Reply]) -> World<Script> {
    let mut world = World::new(limits, 7, Script::new(bodies), (10, 400));
    record(&mut world, 10);
    world
}

fn record(world: &mut World<Script>, requests: u64) {
    (0..10).for_each(|series| world.source.record(series, requests));
}

fn at(seconds: u64) -> Tick {
    Tick::from_nanos(seconds * 1_000_000_000)
}

/// The times of a body's points.
fn times(sent: &world::Sent) -> (u64, u64) {
    (sent.points[0].start, sent.points[0].end)
}

/// How a body is related to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// Cut, with a later time.
    Later,
    /// Cut, with the same times.
    NextBody,
    /// The same bytes.
    Same,
}

fn hows(world: &World<Script>) -> Vec<How> {
    let how = |pair: &[world::Sent]| match times(&pair[0]) == times(&pair[1]) {
        true if pair[1].is_again => How::Same,
        true => How::NextBody,
        false => How::Later,
    };
    world.sent.windows(2).map(how).collect()
}

#[test]
fn answers_mean_what_the_table_says() {
    use How::{Later, NextBody, Same};
    let says = Reply::Says;
    let (partial, lost) = (|dropped| says(Said::Partial { dropped }), Reply::Breaks { began: false });
    // What the receiver answers, before it accepts; what goes out after the first body; what is then sent of 100 requests.
    // Cumulative, and delta with what is dropped.
    type Sends<'a> = (&'a [How], u64);
    type Row<'a> = (&'a [Reply], Sends<'a>, Sends<'a>, &'a [(DropReason, u64)]);
    let table: &[Row<'_>] = &[
        (&[], (&[], 100), (&[], 100), &[]),
        (&[partial(2)], (&[], 80), (&[], 80), &[(DropReason::Rejected, 20)]),
        (&[partial(17)], (&[], 0), (&[], 0), &[(DropReason::Rejected, 100)]),
        (&[says(Said::Refused)], (&[], 0), (&[], 0), &[(DropReason::Refused, 100)]),
        (&[says(Said::Ill)], (&[], 0), (&[], 0), &[(DropReason::Refused, 100)]),
        (&[says(Said::Unclear)], (&[], 0), (&[], 0), &[(DropReason::Unconfirmed, 100)]),
        (&[AWAY, AWAY], (&[Later, Later, NextBody], 100), (&[Later, Later, NextBody], 100), &[]),
        (&[lost], (&[Later], 100), (&[Later], 100), &[]),
        (&[MAYBE], (&[Later], 100), (&[NextBody], 100), &[]),
        (&[BROKEN], (&[Same], 100), (&[Same], 100), &[]),
        (&[Reply::Silent], (&[Same], 100), (&[Same], 100), &[]),
        (&[BROKEN; 3], (&[Same, Same, Same], 100), (&[Same, Same, Same], 100), &[]),
        (
            &[BROKEN; 4],
            (&[Same, Same, Same, Later, NextBody], 100),
            (&[Same, Same, Same], 0),
            &[(DropReason::Unconfirmed, 100)],
        ),
        (
            &[BROKEN; 5],
            (&[Same, Same, Same, Later, Same, NextBody], 100),
            (&[Same, Same, Same], 0),
            &[(DropReason::Unconfirmed, 100)],
        ),
        (&[BROKEN, AWAY], (&[Same, Later, NextBody], 100), (&[Same, NextBody, NextBody], 100), &[]),
        (&[BROKEN, says(Said::Refused)], (&[Same], 0), (&[Same], 0), &[(DropReason::Unconfirmed, 100)]),
        (&[TOO_LARGE], (&[NextBody, NextBody, NextBody], 100), (&[NextBody, NextBody, NextBody], 100), &[]),
        (
            &[BROKEN, TOO_LARGE],
            (&[Same, Later, NextBody, NextBody], 100),
            (&[Same, NextBody, NextBody, NextBody], 100),
            &[],
        ),
    ];
    for (answers, cumulative, delta, dropped) in table {
        for (is_delta, expected) in [(false, cumulative), (true, delta)] {
            let bodies: Vec<_> = answers.iter().copied().chain([STORED]).collect();
            let mut world = ten_series(limits(is_delta), &bodies);
            assert_eq!(world.run_until(at(115)), None);
            let what = std::format!("delta: {is_delta}, {answers:?}");
            assert_eq!((&hows(&world)[..], world.source.sent()), *expected, "{what}");
            for cause in DropReason::ALL {
                let expected = dropped.iter().find(|(other, _)| is_delta && *other == cause);
                assert_eq!(world.source.dropped(cause), expected.map_or(0, |(_, requests)| *requests), "{what}");
            }
        }
    }
}

#[test]
fn exports_come_at_every_interval_and_intervals_touch() {
    for is_delta in [false, true] {
        let mut world = ten_series(limits(is_delta), &[STORED]);
        for minute in 1..4 {
            assert_eq!(world.run_until(at(60 * minute + 1)), None);
            record(&mut world, 1);
        }
        let ends: Vec<_> = world.sent.iter().map(|sent| sent.at.as_nanos() / 1_000_000_000).collect();
        // The first one connects.
        assert_eq!((ends, world.names_asked), (vec![60, 120, 180], 1));
        for pair in world.sent.windows(2) {
            let (before, after) = (times(&pair[0]), times(&pair[1]));
            assert_eq!(after.0, if is_delta { before.1 } else { 0 });
        }
        let last: Vec<_> = world.sent[2].points.iter().map(|point| point.value).collect();
        assert_eq!((last, world.source.sent()), (vec![if is_delta { 1 } else { 12 }; 20], 120));
    }
}

#[test]
fn nothing_goes_out_where_nothing_was_recorded() {
    for is_delta in [false, true] {
        let mut world = World::new(limits(is_delta), 1, Script::new(&[STORED]), (10, 400));
        assert_eq!(world.run_until(at(200)), None);
        world.stop(SECS(5));
        assert_eq!((world.finish(), world.sent.len(), world.names_asked), (DropReason::Deadline, 0, 0));
        assert_eq!((world.tick, world.exports.attempts().health), (at(200), Health::Untried));
    }
}

/// A limit that makes two bodies of twenty points.
fn halves(is_delta: bool) -> ExportLimits {
    ExportLimits { max_request_bytes: HEADER + 10 * 400, ..limits(is_delta) }
}

#[test]
fn a_cycle_goes_on_where_it_stands() {
    for is_delta in [false, true] {
        // The counter's half is not taken for a while.
        let mut world = ten_series(halves(is_delta), &[STORED, AWAY, AWAY, STORED]);
        assert_eq!(world.run_until(at(61)), None);
        record(&mut world, 5);
        assert_eq!(world.run_until(at(70)), None);
        assert_eq!(hows(&world), [How::NextBody; 4]);
        assert!(world.sent[1..].iter().all(|sent| sent.points.iter().all(|point| point.is_counter)));
        assert_eq!(world.source.sent(), if is_delta { 100 } else { 150 }, "what is frozen does not grow");
    }
}

#[test]
fn values_are_not_shown_as_of_an_interval_before() {
    for (is_delta, expected) in [(false, How::Later), (true, How::NextBody)] {
        let pause = Said::Away { at_least: SECS(70), may_have_arrived: false };
        let mut world = ten_series(halves(is_delta), &[STORED, Reply::Says(pause), STORED]);
        assert_eq!(world.run_until(at(131)), None);
        assert_eq!(hows(&world)[..2], [How::NextBody, expected]);
        assert_eq!((world.sent[2].at.since(world.sent[1].at).as_secs(), world.source.sent()), (70, 100));
    }
}

#[test]
fn after_a_part_that_was_refused_the_next_one_goes_on() {
    for is_delta in [false, true] {
        let mut world = ten_series(halves(is_delta), &[Reply::Says(Said::Refused), STORED]);
        assert_eq!(world.run_until(at(61)), None);
        assert_eq!((hows(&world), world.source.sent()), (vec![How::NextBody], 100), "the first half has no requests");
        let mut world = ten_series(halves(is_delta), &[STORED, Reply::Says(Said::Refused), STORED]);
        assert_eq!(world.run_until(at(61)), None);
        assert_eq!((world.source.sent(), world.source.settled()), (0, if is_delta { 100 } else { 0 }));
        assert_eq!(world.run_until(at(122)), None);
        assert_eq!(world.source.sent(), if is_delta { 0 } else { 100 }, "the next export holds it again");
    }
}

#[test]
fn what_was_left_out_is_dropped_for_its_cause_at_the_stop_only() {
    for (said, cause, left) in [
        (Said::Refused, DropReason::Refused, 100),
        (Said::Partial { dropped: 3 }, DropReason::Rejected, 30),
        (Said::Unclear, DropReason::Unconfirmed, 100),
    ] {
        let mut world = ten_series(limits(false), &[Reply::Says(said)]);
        assert_eq!(world.run_until(at(200)), None);
        assert_eq!((world.source.sent(), world.source.settled()), (100 - left, 100 - left), "{said:?}");
        world.stop(SECS(5));
        world.finish();
        assert_eq!(world.source.dropped(cause), left, "{said:?}");
    }
}

#[test]
fn a_pause_that_is_asked_for_is_kept_up_to_ten_minutes() {
    for (asked, pause) in [(30, 30..31), (3_600, 600..601), (0, 0..1)] {
        let said = Said::Away { at_least: SECS(asked), may_have_arrived: false };
        let mut world = ten_series(limits(false), &[Reply::Says(said), STORED]);
        assert_eq!(world.run_until(at(700)), None);
        assert!(pause.contains(&world.sent[1].at.since(world.sent[0].at).as_secs()), "{asked}");
    }
}

#[test]
fn where_an_export_timeout_is_set_the_attempts_end_with_it() {
    for is_delta in [false, true] {
        let limits = ExportLimits { export_timeout: Some(SECS(3)), ..limits(is_delta) };
        let mut world = ten_series(limits, &[AWAY]);
        assert_eq!(world.run_until(at(119)), None);
        let in_time = world.sent.len();
        assert!((2..6).contains(&in_time) && world.sent[in_time - 1].at < at(63), "{in_time}");
        world.receiver.bodies = vec![STORED];
        assert_eq!(world.run_until(at(121)), None);
        assert_eq!((world.sent[in_time].at.as_nanos() / 1_000_000_000, world.source.sent()), (120, 100));
        // Who asks for more time gets it.
        let pause = Said::Away { at_least: SECS(100), may_have_arrived: false };
        let mut world = ten_series(limits, &[Reply::Says(pause), STORED]);
        assert_eq!(world.run_until(at(170)), None);
        assert_eq!(world.sent[1].at.since(world.sent[0].at).as_secs(), 100);
        // A call that is under way ends with it too; what may have arrived goes out again when the next export is due.
        let mut world = ten_series(ExportLimits { timeout: SECS(10), ..limits }, &[Reply::Silent, STORED]);
        assert_eq!(world.run_until(at(119)), None);
        assert_eq!((world.sent.len(), world.names_asked), (1, 1));
        assert_eq!(world.run_until(at(121)), None);
        assert_eq!(hows(&world)[0], if is_delta { How::Same } else { How::Later });
        assert_eq!(world.source.sent(), 100);
    }
}

/// A1: a name that means nothing yet, or a receiver that is not there, is waited for.
#[test]
fn a_receiver_need_not_be_there_nor_its_name() {
    for is_delta in [false, true] {
        for (names, connects) in [(Reply::Not, Reply::Fine), (Reply::Fine, Reply::Not), (Reply::Silent, Reply::Fine)] {
            let mut world = ten_series(limits(is_delta), &[STORED]);
            (world.receiver.names, world.receiver.connects) = (names, connects);
            assert_eq!(world.run_until(at(600)), None);
            // Pauses of 2.5 to 5 s; a name that nobody answers for takes the time of a call.
            assert!((30..260).contains(&world.names_asked), "{} {names:?}", world.names_asked);
            assert!(matches!(world.exports.attempts().health, Health::Failing { since } if since < at(71)));
            assert_eq!((world.sent.len(), world.source.settled()), (0, 0), "all is held");
            record(&mut world, 1);
            (world.receiver.names, world.receiver.connects) = (Reply::Fine, Reply::Fine);
            assert_eq!(world.run_until(at(620)), None);
            assert_eq!((world.source.sent(), world.exports.attempts().health), (110, Health::Well));
            let (start, end) = times(&world.sent[0]);
            assert!(start < 2_000_000_000 && end > 600_000_000_000, "it is begun anew: {start} to {end}");
        }
    }
}

/// O4: the last export is tried until the deadline.
#[test]
fn the_last_export_is_tried_again() {
    for is_delta in [false, true] {
        for failure in [AWAY, MAYBE, BROKEN, Reply::Breaks { began: false }] {
            let mut world = ten_series(limits(is_delta), &[STORED, failure, failure, STORED]);
            assert_eq!(world.run_until(at(70)), None);
            record(&mut world, 1);
            world.stop(SECS(5));
            assert_eq!((world.finish(), world.source.sent()), (DropReason::Deadline, 110), "{is_delta} {failure:?}");
            assert!(world.tick < at(75), "{:?}", world.tick);
        }
    }
}

#[test]
fn a_stop_shortens_a_call_to_what_is_left_and_no_further() {
    for is_delta in [false, true] {
        let mut world = ten_series(limits(is_delta), &[STORED]);
        world.receiver.answers_after = SECS(1);
        assert_eq!(world.run_until(at(60).after(MS(100))), None);
        assert_eq!(world.sent.len(), 1, "it is under way");
        world.stop(SECS(5));
        assert_eq!((world.finish(), world.source.sent()), (DropReason::Deadline, 100));
        assert!(world.sent.iter().all(|sent| !sent.is_again), "it was answered in time");
    }
}

#[test]
fn after_an_acceptance_the_last_call_has_all_of_the_time_again() {
    for is_delta in [false, true] {
        let mut world = ten_series(limits(is_delta), &[AWAY, STORED]);
        assert_eq!(world.run_until(at(70)), None);
        record(&mut world, 1);
        world.receiver.answers_after = SECS(3);
        world.stop(SECS(5));
        assert_eq!((world.finish(), world.source.sent()), (DropReason::Deadline, 110));
    }
}

#[test]
fn who_is_silent_for_as_long_as_a_call_may_take_is_unreachable() {
    let mut world = ten_series(limits(false), &[Reply::Silent]);
    assert_eq!(world.run_until(at(71)), None);
    world.stop(Duration::ZERO);
    assert_eq!(world.finish(), DropReason::Unreachable);
}

#[test]
fn a_connection_that_died_while_it_was_kept_costs_nothing_but_another_call() {
    for is_delta in [false, true] {
        for began in [false, true] {
            let mut world = ten_series(limits(is_delta), &[STORED, Reply::Breaks { began }, STORED]);
            assert_eq!(world.run_until(at(70)), None);
            record(&mut world, 1);
            assert_eq!(world.run_until(at(121)), None);
            assert_eq!((&hows(&world)[1..], world.source.sent()), (&[How::Same][..], 110));
            assert_eq!(world.sent[2].at.since(world.sent[1].at), MS(12), "at once");
            assert_eq!(world.exports.attempts().health, Health::Well);
        }
    }
}

#[test]
fn at_a_stop_a_delta_sends_the_rest_of_its_cycle_and_then_the_last_interval() {
    // Nothing of it can have arrived: one interval.
    let mut world = ten_series(limits(true), &[AWAY, STORED]);
    assert_eq!(world.run_until(Tick::from_nanos(60_100_000_000)), None);
    record(&mut world, 1);
    world.stop(SECS(5));
    let stopped = world.tick;
    assert_eq!((world.finish(), world.source.sent(), hows(&world)), (DropReason::Deadline, 110, vec![How::Later]));
    assert_eq!(world.sent[1].at, stopped, "a pause ends at once");
    assert_eq!(times(&world.sent[1]).0, times(&world.sent[0]).0);
    // Half of it has arrived: the other half, then what came since.
    let mut world = ten_series(halves(true), &[STORED, AWAY, STORED]);
    assert_eq!(world.run_until(Tick::from_nanos(60_100_000_000)), None);
    record(&mut world, 1);
    world.stop(SECS(5));
    assert_eq!((world.finish(), world.source.sent()), (DropReason::Deadline, 110));
    assert_eq!(hows(&world)[..4], [How::NextBody, How::NextBody, How::NextBody, How::Later]);
    assert_eq!(times(&world.sent[4]).0, times(&world.sent[0]).1, "intervals touch");
}

#[test]
fn an_interval_is_read_in_turns_and_anew_at_a_stop() {
    let mut world = ten_series(limits(true), &[STORED]);
    world.source.in_a_turn = 1;
    // Before all are read, after five of nine pauses.
    assert_eq!(world.run_until(Tick::from_nanos(60_000_500_000)), None);
    record(&mut world, 1);
    world.stop(SECS(5));
    assert_eq!((world.finish(), world.source.sent()), (DropReason::Deadline, 110));
    assert_eq!((world.sent.len(), times(&world.sent[0]).0), (1, 0), "one interval, from the beginning");
}

#[test]
fn places_without_a_point_are_passed_over_in_turns() {
    let mut world = World::new(limits(false), 7, Script::new(&[STORED]), (10, 400));
    world.source.passes = 2;
    world.source.record(9, 5);
    assert_eq!(world.run_until(at(100)), None);
    // After four turns of two places, a name and a connection.
    assert_eq!(world.sent.iter().map(|sent| sent.at).collect::<Vec<_>>(), [Tick::from_nanos(60_002_400_000)]);
    assert_eq!((world.sent[0].points.len(), world.source.sent()), (2, 5));
}

#[test]
fn at_a_stop_a_cumulative_export_sends_all_that_was_counted_once_more() {
    let mut world = ten_series(halves(false), &[STORED, AWAY, STORED]);
    assert_eq!(world.run_until(Tick::from_nanos(60_100_000_000)), None);
    record(&mut world, 1);
    world.stop(SECS(5));
    assert_eq!((world.finish(), world.source.sent()), (DropReason::Deadline, 110));
    assert_eq!(hows(&world), [How::NextBody, How::Later, How::NextBody, How::NextBody]);
}

#[test]
fn a_stop_ends_by_its_deadline() {
    let asked = Reply::Says(Said::Away { at_least: SECS(60), may_have_arrived: false });
    for is_delta in [false, true] {
        // What the receiver does; what the last points are dropped as; the cause that the machine gives at the end.
        for (reply, dropped_as, cause) in [
            (Reply::Silent, DropReason::Unconfirmed, DropReason::Deadline),
            (AWAY, DropReason::Unreachable, DropReason::Unreachable),
            (MAYBE, DropReason::Unconfirmed, DropReason::Unreachable),
            (asked, DropReason::Unreachable, DropReason::Unreachable),
        ] {
            let mut world = ten_series(limits(is_delta), &[STORED, reply]);
            assert_eq!(world.run_until(at(70)), None);
            record(&mut world, 1);
            world.stop(SECS(4));
            assert_eq!((world.finish(), world.tick), (cause, at(74)), "{is_delta} {reply:?}");
            assert_eq!((world.source.sent(), world.source.dropped(dropped_as)), (100, 10), "{is_delta} {reply:?}");
            assert!((2..60).contains(&world.sent.len()), "{} {reply:?}", world.sent.len());
        }
        // A stop without any time.
        let mut world = ten_series(limits(is_delta), &[STORED]);
        world.stop(Duration::ZERO);
        assert_eq!(
            (world.finish(), world.source.dropped(DropReason::Deadline), world.sent.len()),
            (DropReason::Deadline, 100, 0)
        );
    }
}

#[test]
fn a_pause_that_was_asked_for_gets_half_of_what_a_stop_leaves() {
    for is_delta in [false, true] {
        let pause = Said::Away { at_least: SECS(90), may_have_arrived: false };
        let mut world = ten_series(limits(is_delta), &[Reply::Says(pause), STORED]);
        assert_eq!(world.run_until(at(61)), None);
        world.stop(SECS(4));
        assert_eq!((world.finish(), world.sent[1].at, world.source.sent()), (DropReason::Deadline, at(63), 100));
    }
}

#[test]
fn a_call_leaves_time_for_what_is_to_follow() {
    for is_delta in [false, true] {
        // One that is under way when the stop comes: the last export is to follow.
        let mut world = ten_series(limits(is_delta), &[STORED, Reply::Silent, STORED]);
        assert_eq!(world.run_until(at(70)), None);
        record(&mut world, 1);
        assert_eq!(world.run_until(at(121)), None);
        world.stop(SECS(4));
        assert_eq!((world.finish(), world.source.sent()), (DropReason::Deadline, 110));
        // The first one of two; one after another that failed.
        for bodies in [&[STORED, STORED, Reply::Silent, STORED][..], &[STORED, STORED, AWAY, Reply::Silent, STORED]] {
            let mut world = ten_series(halves(is_delta), bodies);
            assert_eq!(world.run_until(at(70)), None);
            record(&mut world, 1);
            world.stop(SECS(4));
            assert_eq!((world.finish(), world.source.sent()), (DropReason::Deadline, 110), "{bodies:?}");
        }
        let mut world = ten_series(limits(is_delta), &[STORED, AWAY, Reply::Silent, STORED]);
        assert_eq!(world.run_until(at(70)), None);
        record(&mut world, 1);
        world.stop(SECS(4));
        assert_eq!((world.finish(), world.source.sent()), (DropReason::Deadline, 110));
    }
}

#[test]
fn a_connection_that_comes_when_the_time_is_over_serves_the_next_call() {
    for is_delta in [false, true] {
        let mut world = ten_series(limits(is_delta), &[STORED]);
        world.receiver.connects_after = MS(9_999);
        assert_eq!(world.run_until(at(80)), None);
        assert_eq!((world.sent.len(), world.names_asked, world.source.sent()), (1, 1, 100));
    }
}

#[test]
fn in_one_instant_times_differ_and_attempts_end() {
    let mut world = ten_series(limits(false), &[STORED]);
    world.receiver.answers_after = Duration::ZERO;
    assert_eq!(world.run_until(at(120)), None);
    world.stop(SECS(1));
    assert_eq!(world.finish(), DropReason::Deadline);
    assert_eq!((world.sent[1].at, hows(&world)), (world.sent[2].at, vec![How::Later; 2]));
    // Half of half of what is left for ever.
    let mut world = ten_series(limits(true), &[AWAY]);
    world.receiver.answers_after = Duration::ZERO;
    assert_eq!(world.run_until(at(61)), None);
    world.stop(SECS(1));
    assert_eq!(world.finish(), DropReason::Unreachable);
    assert!(world.sent.len() < 20, "{}", world.sent.len());
}

#[test]
fn silence_counts_for_its_own_part_only() {
    // Five bodies of five points.
    let limits = ExportLimits { max_request_bytes: HEADER + 5 * 400, ..limits(true) };
    let mut world = ten_series(limits, &[STORED, BROKEN, BROKEN, BROKEN, STORED, BROKEN, BROKEN, BROKEN, STORED]);
    assert_eq!(world.run_until(at(119)), None);
    assert_eq!(world.source.sent(), 100);
    // What has arrived after all is no reason to doubt what comes after it.
    let mut world = ten_series(limits, &[STORED, STORED, BROKEN, BROKEN, STORED, Reply::Says(Said::Refused)]);
    assert_eq!(world.run_until(at(119)), None);
    assert_eq!((world.source.sent(), world.source.dropped(DropReason::Refused)), (50, 50));
    // Of a body that may have arrived whole, half arrives and half is refused.
    let mut world = ten_series(limits, &[STORED, STORED, MAYBE, STORED, Reply::Says(Said::Refused)]);
    world.run_until(at(119));
    let causes = [DropReason::Unconfirmed, DropReason::Refused].map(|cause| world.source.dropped(cause));
    assert_eq!((world.source.sent(), causes), (50, [0, 50]));
}

#[test]
fn where_nobody_was_ever_there_a_stop_makes_two_attempts() {
    for is_delta in [false, true] {
        let mut world = ten_series(limits(is_delta), &[STORED]);
        world.receiver.connects = Reply::Not;
        assert_eq!(world.run_until(at(100)), None);
        let before = world.names_asked;
        world.stop(SECS(10));
        assert_eq!((world.finish(), world.names_asked - before), (DropReason::Unreachable, 2));
        assert_eq!((world.source.dropped(DropReason::Unreachable), world.tick < at(101)), (100, true));
    }
}

/// O5: a limit of the receiver's is learned, and asked about again after a minute.
#[test]
fn what_is_too_large_is_halved_and_the_limit_remembered() {
    for is_delta in [false, true] {
        let mut world = World::new(limits(is_delta), 7, Limited { bytes: 5_000 }, (10, 400));
        for second in 0..290 {
            (0..10).for_each(|series| world.source.record(series, 1));
            assert_eq!(world.run(Duration::from_millis(if second == 0 { 500 } else { 1_000 })), None);
            if second == 70 {
                assert_eq!((world.exports.learned_bytes(), world.source.sent()), (Some(4_050), 610));
            }
        }
        let refused = world.sent.iter().filter(|sent| sent.bytes > 5_000).count();
        assert_eq!(refused, 2, "once at first, and when a minute has doubled the limit");
        assert_eq!(world.source.sent(), 2_410);
    }
}

/// A receiver with a limit.
struct Limited {
    bytes: usize,
}

impl Receiver for Limited {
    fn resolve(&mut self, _: Tick) -> (Duration, Reply) {
        (MS(1), Reply::Fine)
    }

    fn connect(&mut self, _: Tick) -> (Duration, Reply) {
        (MS(1), Reply::Fine)
    }

    fn body(&mut self, _: Tick, arrival: Arrival<'_>) -> (Duration, Reply) {
        (MS(10), if arrival.bytes > self.bytes { TOO_LARGE } else { STORED })
    }
}

#[test]
fn a_single_point_that_is_too_large_is_left_out() {
    for is_delta in [false, true] {
        let mut world = World::new(limits(is_delta), 7, Script::new(&[TOO_LARGE]), (1, 3_000));
        world.source.record(0, 100);
        assert_eq!(world.run_until(at(90)), None);
        assert_eq!(world.sent.iter().map(|sent| sent.points.len()).collect::<Vec<_>>(), [2, 1, 1]);
        assert_eq!(world.source.dropped(DropReason::TooLarge), if is_delta { 100 } else { 0 });
        // A point that no body may ever hold is left out too.
        let small = ExportLimits { max_request_bytes: 2_000, ..limits(is_delta) };
        let mut world = World::new(small, 7, Script::new(&[STORED]), (1, 3_000));
        world.source.record(0, 100);
        assert_eq!(world.run_until(at(90)), None);
        world.stop(SECS(5));
        world.finish();
        assert_eq!((world.sent.len(), world.source.dropped(DropReason::TooLarge)), (0, 100));
    }
}

#[test]
fn who_finds_everything_too_large_is_asked_with_back_off() {
    for is_delta in [false, true] {
        let mut world = World::new(limits(is_delta), 7, Script::new(&[TOO_LARGE]), (1_000, 400));
        (0..1_000).for_each(|series| world.source.record(series, 1));
        assert_eq!(world.run_until(at(3_660)), None);
        assert!((700..1_500).contains(&world.sent.len()), "{} bodies in an hour", world.sent.len());
        let bytes: usize = world.sent.iter().map(|sent| sent.bytes).sum();
        assert!(bytes < 1 << 20, "{bytes} bytes in an hour");
    }
}

#[test]
fn an_hour_of_503_and_of_500_costs_little() {
    for is_delta in [false, true] {
        // Bodies of 4 MiB.
        let large = ExportLimits { max_request_bytes: 4 << 20, interval: SECS(5), ..limits(is_delta) };
        let hour = |reply, series| {
            let mut world = World::new(large, 7, Script::new(&[reply]), (series, 690));
            (0..series).for_each(|series| world.source.record(series, 1));
            assert_eq!(world.run_until(at(3_604)), None);
            (world.sent.len(), world.sent.iter().map(|sent| sent.bytes).sum::<usize>(), world.source.settled())
        };
        let (bodies, bytes, settled) = hour(AWAY, 3_000);
        assert!((900..1_100).contains(&bodies) && bytes < 10_000_000, "{bodies} bodies, {bytes} bytes");
        assert_eq!(settled, 0, "all is held");
        // Each export goes out once.
        let (bodies, _, settled) = hour(Reply::Says(Said::Ill), 30);
        assert_eq!((bodies, settled), if is_delta { (1, 30) } else { (720, 0) });
    }
}

#[test]
fn bodies_to_nobody_are_no_larger_than_the_first_buffer_and_no_smaller_at_once() {
    let limits = ExportLimits { max_request_bytes: 1 << 20, ..limits(true) };
    let mut world = World::new(limits, 7, Script::new(&[AWAY, STORED]), (400, 400));
    (0..400).for_each(|series| world.source.record(series, 1));
    assert_eq!(world.run(SECS(70)), None);
    let bytes: Vec<_> = world.sent.iter().map(|sent| sent.bytes).collect();
    assert!(bytes[0] > 256 << 10 && (128 << 10..=256 << 10).contains(&bytes[1]), "{bytes:?}");
    assert_eq!(world.source.sent(), 400);
}

#[test]
fn each_size_of_a_buffer_is_asked_for_once_and_what_is_lent_is_used() {
    let limits = ExportLimits { max_request_bytes: 2 << 20, ..limits(true) };
    let mut world = World::new(limits, 7, Script::new(&[STORED]), (1_000, 1_000));
    for _ in 0..3 {
        (0..1_000).for_each(|series| world.source.record(series, 1));
        assert_eq!(world.run(SECS(61)), None);
    }
    assert_eq!(world.rooms, [256 << 10, 1 << 20, 2 << 20]);
    assert_eq!((world.sent.len(), world.source.sent()), (3, 3_000));
    // What fits is not cut, so that no larger buffer is wanted.
    let mut world = World::new(limits, 7, Script::new(&[STORED]), (100, 1_000));
    (0..100).for_each(|series| world.source.record(series, 1));
    assert_eq!(world.run(SECS(61)), None);
    assert_eq!((&world.rooms[..], world.sent.len()), (&[256 << 10][..], 1));
}
