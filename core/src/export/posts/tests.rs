extern crate std;

use std::collections::VecDeque;
use std::vec::Vec;

mod adapters;
mod intervals;
mod model;
mod rates;
mod simulation;

use super::*;
use crate::export::verdict::Said;
use crate::export::{Health, Id};
use simulation::{Account, MS, Numbers, Reply, Server, Simulation};

/// A server that does what a script says, one step for each request, and then stores everything.
#[derive(Default)]
struct Script {
    replies: VecDeque<Reply>,
    /// When, how many points and how many bytes.
    log: Vec<(u64, usize, usize)>,
    stored: Vec<u32>,
    /// Attempts to resolve that find no address, and to connect that are refused.
    nameless: usize,
    refuses: usize,
    resolved: usize,
    connected: usize,
}

impl Server for Script {
    fn resolves(&mut self, _now: Tick) -> (Duration, usize) {
        self.resolved += 1;
        (MS, usize::from(self.resolved > self.nameless))
    }

    fn connects(&mut self, _now: Tick) -> (Duration, Option<bool>) {
        self.connected += 1;
        (MS, Some(self.connected > self.refuses))
    }

    fn posts(&mut self, now: Tick, points: &[u32], body: &[u8], _kept: bool) -> (Duration, Reply) {
        self.log.push((now.as_nanos() / 1_000_000, points.len(), body.len()));
        let reply = self.replies.pop_front().unwrap_or(Reply::Says(Said::Stored));
        if let Reply::Says(Said::Stored) = reply {
            self.stored.extend(points);
        }
        (MS, reply)
    }
}

impl Script {
    fn of(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self { replies: replies.into_iter().collect(), ..Self::default() }
    }

    fn points(&self) -> Vec<usize> {
        self.log.iter().map(|request| request.1).collect()
    }

    /// Milliseconds between a request and the next.
    fn gap(&self, after: usize) -> u64 {
        self.log[after + 1].0 - self.log[after].0
    }
}

const SECOND: Duration = Duration::from_secs(1);
const STORED: Reply = Reply::Says(Said::Stored);
const ILL: Reply = Reply::Says(Said::Ill);
const REFUSED: Reply = Reply::Says(Said::Refused);
const TOO_LARGE: Reply = Reply::Says(Said::TooLarge);
const AWAY: Reply = Reply::Says(Said::Away { at_least: Duration::ZERO, may_have_arrived: false });
const TIMEOUT: Reply = Reply::Says(Said::Away { at_least: Duration::ZERO, may_have_arrived: true });
const BREAKS: Reply = Reply::Breaks { began: true };
const DEAD: Reply = Reply::Breaks { began: false };

/// InfluxDB over HTTP, per request, with the defaults.
fn limits(bytes: usize) -> PostLimits {
    let schedule = Schedule::Batches { age: SECOND, capacity: 65_536 };
    PostLimits { timeout: 2 * SECOND, bytes, points: 5_000, schedule }
}

fn seconds(seconds: u64) -> Tick {
    Tick::default().after(Duration::from_secs(seconds))
}

/// A machine with `waiting` points of 100 bytes each.
fn simulation(waiting: u32, script: Script) -> Simulation<Script, Numbers> {
    let mut simulation = Simulation::new(&limits(1 << 20), Numbers::new(65_536, 99), script, 7);
    simulation.items.offer(waiting);
    simulation
}

fn dropped(items: &Numbers) -> Vec<(DropReason, u64)> {
    DropReason::ALL.into_iter().map(|cause| (cause, items.dropped(cause))).filter(|(_, count)| *count != 0).collect()
}

/// What the server does, one after the other.
type Replies<'a> = &'a [Reply];
/// What is lost and why.
type Lost<'a> = &'a [(DropReason, u64)];

#[test]
fn what_an_answer_means_for_the_points() {
    let partial = |dropped| Reply::Says(Said::Partial { dropped });
    let rows: [(&str, Replies<'_>, &[usize], Lost<'_>); 17] = [
        ("stored", &[], &[10], &[]),
        ("in part, whatever the status (case I1)", &[partial(1)], &[10], &[(DropReason::Refused, 1)]),
        ("of more than there were", &[partial(99)], &[10], &[(DropReason::Refused, 10)]),
        ("a 2xx that is no acceptance", &[Reply::Says(Said::Unclear)], &[10], &[(DropReason::Unconfirmed, 10)]),
        ("refused", &[REFUSED], &[10], &[(DropReason::Refused, 10)]),
        ("away", &[AWAY, AWAY], &[10, 10, 10], &[]),
        ("silence (case I5)", &[Reply::Never], &[10, 10], &[]),
        ("a break", &[BREAKS], &[10, 10], &[]),
        ("a break before anything went out", &[DEAD], &[10, 10], &[]),
        ("silence, then refused", &[Reply::Never, REFUSED], &[10, 10], &[(DropReason::Unconfirmed, 10)]),
        ("a gateway's timeout, then in part", &[TIMEOUT, partial(2)], &[10, 10], &[(DropReason::Unconfirmed, 2)]),
        ("away for sure, then refused", &[AWAY, REFUSED], &[10, 10], &[(DropReason::Refused, 10)]),
        ("failed once", &[ILL], &[10, 10], &[]),
        ("failed over several, then refused", &[ILL, REFUSED], &[10, 10], &[(DropReason::Unconfirmed, 10)]),
        ("ill: probes alone until one is accepted", &[ILL, ILL, ILL, ILL], &[10, 10, 1, 1, 1, 10], &[]),
        ("the answer to a probe shows it to be well", &[ILL, ILL, ILL, REFUSED], &[10, 10, 1, 1, 10], &[]),
        ("a small body that is too large", &[TOO_LARGE], &[10], &[(DropReason::Refused, 10)]),
    ];
    for (name, replies, requests, lost) in rows {
        let mut simulation = simulation(10, Script::of(replies.iter().copied()));
        simulation.run(seconds(60));
        assert_eq!(simulation.server.points(), requests, "{name}");
        assert_eq!(dropped(&simulation.items), lost, "{name}");
        assert_eq!(simulation.items.sent(), 10 - lost.iter().map(|lost| lost.1).sum::<u64>(), "{name}");
        let is_well = !matches!(replies.last(), Some(Reply::Says(Said::Partial { .. } | Said::Unclear)))
            && simulation.items.sent() == 10;
        assert_eq!(simulation.posts.attempts().health == Health::Well, is_well, "{name}");
    }
}

#[test]
fn pauses_grow_up_to_five_seconds_and_a_server_gets_what_it_asks_for_up_to_a_minute() {
    let mut away = simulation(10, Script::of([AWAY; 9]));
    away.run(seconds(60));
    for (after, longest) in [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000, 5_000].into_iter().enumerate() {
        let gap = away.server.gap(after);
        assert!((longest / 2..=longest + 2).contains(&gap), "{gap} ms after attempt {after}");
    }
    for (asked, granted) in [(3, 3), (0, 0), (60, 60), (3_600, 60)] {
        let at_least = Duration::from_secs(asked);
        let replies = [Reply::Says(Said::Away { at_least, may_have_arrived: false })];
        let mut simulation = simulation(10, Script::of(replies));
        simulation.run(seconds(100));
        let gap = simulation.server.gap(0);
        assert!((granted * 1_000..=granted * 1_000 + 300).contains(&gap), "{gap} ms instead of {asked} s");
    }
    let mut again = simulation(10, Script::of([AWAY, AWAY, AWAY, STORED, AWAY]));
    again.rate = 1;
    again.run(seconds(8));
    let after = 4;
    assert!(again.server.gap(after) <= 252, "an acceptance begins them anew: {:?}", again.server.log);
}

#[test]
fn a_connection_that_was_dead_is_no_failure() {
    // The first body is taken; the second finds the kept connection dead, before or after it has begun.
    for (dies, cause) in [(DEAD, DropReason::Refused), (BREAKS, DropReason::Unconfirmed)] {
        let mut simulation = simulation(10, Script::of([STORED, dies, REFUSED]));
        simulation.run(seconds(2));
        simulation.items.offer(10);
        simulation.run(seconds(4));
        assert_eq!(simulation.server.points(), [10, 10, 10]);
        assert_eq!(simulation.server.gap(1), 3, "at once: one millisecond each to break, to resolve, to connect");
        assert_eq!(dropped(&simulation.items), [(cause, 10)], "what may have gone out is not called refused");
    }
}

#[test]
fn a_batch_waits_until_it_is_full_or_old() {
    let mut slow = simulation(0, Script::default());
    slow.rate = 1;
    slow.run(Tick::default().after(3_500 * MS));
    let first = slow.server.log[0];
    assert!((995..=1_005).contains(&first.0) && (995..=1_005).contains(&first.1), "by age: {first:?}");
    assert_eq!(slow.server.log.len(), 3);
    let mut fast = simulation(0, Script::default());
    fast.rate = 20;
    fast.run(seconds(3));
    assert!(fast.server.log[1..].iter().all(|log| (5_000..5_100).contains(&log.1)), "by number: {:?}", fast.server.log);
    let mut short = Simulation::new(&limits(16_000), Numbers::new(65_536, 99), Script::default(), 7);
    short.rate = 1;
    short.run(seconds(2));
    assert!(short.server.log[1..].iter().all(|log| log.1 == 160), "by bytes: {:?}", short.server.log);
    let schedule = Schedule::Batches { age: SECOND, capacity: 100 };
    let mut tight =
        Simulation::new(&PostLimits { schedule, ..limits(1 << 20) }, Numbers::new(100, 99), Script::default(), 7);
    tight.rate = 1;
    tight.run(seconds(2));
    assert_eq!((tight.items.dropped(DropReason::BufferFull), tight.server.log[3].1), (0, 50), "at half of the buffer");
}

#[test]
fn what_is_too_large_is_halved_and_a_single_point_is_dropped() {
    let mut halved = simulation(1_000, Script::of([TOO_LARGE, TOO_LARGE]));
    halved.run(seconds(9));
    assert_eq!(halved.server.points()[..4], [1_000, 500, 250, 250]);
    assert_eq!((halved.items.sent(), halved.posts.learned_bytes()), (1_000, Some(24_999)));
    assert!(halved.server.gap(0) < 5, "without a pause");
    // One point of 3,000 bytes among others, and a server that takes 2,500.
    struct Small;
    impl Server for Small {
        fn posts(&mut self, _: Tick, _: &[u32], body: &[u8], _: bool) -> (Duration, Reply) {
            (MS, if body.len() > 2_500 { TOO_LARGE } else { STORED })
        }
    }
    let mut items = Numbers::new(65_536, 99);
    items.longer = Some((100, 3_000));
    items.offer(300);
    let mut single = Simulation::new(&limits(1 << 20), items, Small, 7);
    single.run(seconds(9));
    assert_eq!((single.items.sent(), dropped(&single.items)), (299, std::vec![(DropReason::TooLarge, 1)]));
    // One that fits into no body of ours: a limit that was learned keeps none from going alone, the buffer does.
    for (longest, lost) in [(30_000, std::vec![]), (40_000, std::vec![(DropReason::TooLarge, 1)])] {
        let mut items = Numbers::new(65_536, 99);
        items.longer = Some((5, longest));
        items.offer(10);
        let mut simulation = Simulation::new(&limits(32_000), items, Script::of([AWAY; 5]), 7);
        simulation.run(seconds(60));
        assert_eq!(dropped(&simulation.items), lost);
    }
}

#[test]
fn a_server_that_refuses_every_size_is_asked_with_pauses() {
    struct Never;
    impl Server for Never {
        fn posts(&mut self, _: Tick, _: &[u32], _: &[u8], _: bool) -> (Duration, Reply) {
            (MS, TOO_LARGE)
        }
    }
    for line in [99, 3_000] {
        let mut simulation = Simulation::new(&limits(1 << 20), Numbers::new(65_536, line), Never, 7);
        simulation.rate = 1;
        simulation.run(seconds(100));
        assert!(simulation.requests < 60, "{} requests with lines of {line}", simulation.requests);
        assert_eq!(simulation.items.sent(), 0);
    }
}

#[test]
fn only_the_point_that_the_server_cannot_take_is_dropped() {
    struct Poisoned(u32);
    impl Server for Poisoned {
        fn posts(&mut self, _: Tick, points: &[u32], _: &[u8], _: bool) -> (Duration, Reply) {
            (MS, if points.contains(&self.0) { ILL } else { STORED })
        }
    }
    for (bad, waiting) in [(0, 2), (1, 2), (0, 5_000), (77, 5_000), (4_999, 5_000), (9_998, 10_000), (9_999, 10_000)] {
        let mut simulation = Simulation::new(&limits(1 << 20), Numbers::new(65_536, 99), Poisoned(bad), 7);
        simulation.items.offer(waiting);
        simulation.run(seconds(10));
        assert_eq!(simulation.items.sent(), u64::from(waiting - 1), "{bad}");
        assert_eq!(dropped(&simulation.items), [(DropReason::Refused, 1)], "{bad}");
        assert!(simulation.requests < 60, "{} requests for {bad}", simulation.requests);
    }
}

#[test]
fn a_probe_is_a_copy_of_what_was_accepted_whole_or_else_the_newest_point() {
    for (before, probe) in [(STORED, 0), (Reply::Says(Said::Partial { dropped: 1 }), 19)] {
        let mut simulation = simulation(10, Script::of([before, ILL, ILL, STORED]));
        simulation.run(seconds(2));
        simulation.items.offer(10);
        simulation.run(seconds(9));
        let (stored, accepted) = (&simulation.server.stored, if probe == 0 { 10 } else { 0 });
        assert_eq!(stored[accepted], probe, "{stored:?}");
    }
}

#[test]
fn a_probe_of_which_nobody_knows_whether_it_was_stored_is_unconfirmed() {
    // The body has the first 5,000 points of ten more. Each of its points may have been stored, and the newest one, which was
    // the probe.
    for unclear in [TIMEOUT, BREAKS] {
        let replies = [ILL, ILL, unclear].into_iter().chain([AWAY; 99]);
        let mut simulation = simulation(5_010, Script::of(replies));
        simulation.run(seconds(2));
        simulation.stop(SECOND);
        simulation.run(seconds(9));
        assert_eq!(simulation.server.points()[..3], [5_000, 5_000, 1]);
        let lost = [(DropReason::Unreachable, 9), (DropReason::Unconfirmed, 5_001)];
        assert_eq!(dropped(&simulation.items), lost, "{unclear:?}");
    }
}

#[test]
fn a_name_that_does_not_resolve_yet_and_a_server_that_is_not_there_yet_are_waited_for() {
    for (nameless, refuses) in [(5, 0), (0, 5), (3, 2)] {
        let mut simulation = simulation(10, Script { nameless, refuses, ..Script::default() });
        simulation.run(seconds(60));
        assert_eq!((simulation.items.sent(), simulation.server.resolved), (10, 6), "case A1");
        simulation.items.offer(10);
        simulation.run(seconds(70));
        assert_eq!((simulation.items.sent(), simulation.server.resolved), (20, 6), "the connection is kept");
    }
}

#[test]
fn at_a_stop_what_waits_is_tried_until_the_deadline_where_a_server_was_ever_there() {
    let asks = Reply::Says(Said::Away { at_least: Duration::from_secs(60), may_have_arrived: false });
    let rows: [(&str, Replies<'_>, u64, u64, Lost<'_>); 9] = [
        ("all goes well", &[], 10, 50, &[]),
        ("the last body meets 503 once (case O4)", &[AWAY], 10, 400, &[]),
        ("and five times", &[AWAY; 5], 10, 5_000, &[]),
        ("a connection that died while idle", &[BREAKS], 10, 50, &[]),
        ("the server asks for a minute, and gets half of what is left", &[asks], 10, 2_600, &[]),
        ("503 for ever", &[AWAY; 999], 0, 5_000, &[(DropReason::Unreachable, 10)]),
        ("silence for ever", &[Reply::Never; 999], 0, 5_000, &[(DropReason::Unconfirmed, 10)]),
        ("ill for ever", &[ILL; 999], 0, 5_000, &[(DropReason::Unconfirmed, 10)]),
        ("refused", &[REFUSED], 0, 50, &[(DropReason::Refused, 10)]),
    ];
    for (name, replies, sent, within, lost) in rows {
        let mut simulation = simulation(10, Script::of([STORED].iter().chain(replies).copied()));
        simulation.run(seconds(2));
        simulation.items.offer(10);
        simulation.stop(5 * SECOND);
        simulation.run(seconds(9));
        let (done, _) = simulation.done.expect("a stop ends");
        assert_eq!((simulation.items.sent(), dropped(&simulation.items)), (10 + sent, lost.to_vec()), "{name}");
        assert!(done.since(seconds(2)) <= within as u32 * MS, "{name}: {:?}", done.since(seconds(2)));
    }
}

#[test]
fn at_a_stop_two_attempts_are_made_where_nobody_was_ever_there() {
    struct Hole;
    impl Server for Hole {
        fn connects(&mut self, _: Tick) -> (Duration, Option<bool>) {
            (MS, None)
        }
        fn posts(&mut self, _: Tick, _: &[u32], _: &[u8], _: bool) -> (Duration, Reply) {
            unreachable!("nobody is there")
        }
    }
    let mut away = simulation(10, Script { nameless: 99, ..Script::default() });
    away.stop(5 * SECOND);
    away.run(seconds(9));
    let (done, cause) = away.done.expect("a stop ends");
    assert_eq!((away.server.resolved, cause), (2, DropReason::Unreachable));
    assert!(done <= Tick::default().after(260 * MS));
    assert_eq!(dropped(&away.items), [(DropReason::Unreachable, 10)]);
    let mut silent = Simulation::new(&limits(1 << 20), Numbers::new(99, 99), Hole, 7);
    silent.items.offer(10);
    silent.run(seconds(20));
    silent.stop(SECOND);
    silent.run(seconds(29));
    let (done, cause) = silent.done.expect("a stop ends");
    assert!(cause == DropReason::Unreachable && done <= seconds(21));
}

#[test]
fn a_stop_ends_a_pause_and_shortens_a_call() {
    let mut pausing = simulation(10, Script::of([AWAY; 6]));
    pausing.run(seconds(6));
    let attempts = pausing.server.log.len();
    pausing.stop(5 * SECOND);
    pausing.run(seconds(12));
    assert!(pausing.server.log[attempts].0 <= 6_002, "at once: {:?}", pausing.server.log);
    assert_eq!(pausing.items.sent(), 10);
    // A call that would last two seconds has one left.
    let mut calling = simulation(10, Script::of([STORED, Reply::Never]));
    calling.run(seconds(2));
    calling.items.offer(5_000);
    calling.run(Tick::default().after(2_100 * MS));
    calling.stop(SECOND);
    calling.run(seconds(9));
    assert_eq!(calling.done.expect("a stop ends").0, Tick::default().after(3_100 * MS));
    assert_eq!((calling.items.sent(), dropped(&calling.items)), (10, std::vec![(DropReason::Unconfirmed, 5_000)]));
    // A second stop, which is nearer.
    let mut nearer = simulation(10, Script::of([Reply::Never; 9]));
    nearer.run(seconds(1));
    nearer.stop(5 * SECOND);
    nearer.run(Tick::default().after(1_500 * MS));
    nearer.stop(100 * MS);
    nearer.run(seconds(9));
    assert_eq!(nearer.done.expect("a stop ends").0, Tick::default().after(1_600 * MS));
    // Where the last one failed it has half of that.
    let mut failing = simulation(10, Script::of([STORED, AWAY, Reply::Never]));
    failing.run(seconds(2));
    failing.items.offer(10);
    failing.run(Tick::default().after(3_050 * MS));
    assert_eq!(failing.server.points(), [10, 10]);
    failing.stop(SECOND);
    failing.run(seconds(9));
    assert_eq!(failing.items.sent(), 20);
    // Where more is to follow it has half of that, and what may have arrived goes out again.
    let mut more = simulation(15_000, Script::of([STORED, Reply::Never]));
    more.run(Tick::default().after(100 * MS));
    more.stop(SECOND);
    more.run(seconds(9));
    assert_eq!(more.items.sent(), 15_000);
}

#[test]
fn what_never_went_out_waited_for_the_deadline_where_only_that_cut_calls_short() {
    for (within, cause) in [
        (Duration::ZERO, DropReason::Deadline),
        (15 * MS, DropReason::Deadline),
        (100 * MS, DropReason::Deadline),
        (SECOND, DropReason::Deadline),
        // The server has kept silent for as long as a call may take.
        (5 * SECOND, DropReason::Unreachable),
    ] {
        let replies = core::iter::once(STORED).chain([Reply::Never; 99]);
        let mut silent = simulation(15_000, Script::of(replies));
        silent.run(Tick::default().after(100 * MS));
        silent.stop(within);
        silent.run(seconds(9));
        let lost = [DropReason::Unconfirmed, cause].map(|cause| silent.items.dropped(cause));
        assert_eq!((silent.items.sent(), lost), (5_000, [5_000; 2]), "{within:?}");
        assert!(
            matches!(silent.posts.attempts().health, Health::Failing { .. }),
            "it is told of all the same: {within:?}"
        );
    }
}

#[test]
fn an_hour_of_500_costs_at_most_1500_requests_and_an_hour_of_503_ten_megabytes() {
    struct Always(Said, bool);
    impl Server for Always {
        fn posts(&mut self, _: Tick, _: &[u32], _: &[u8], _: bool) -> (Duration, Reply) {
            (MS, if core::mem::take(&mut self.1) { STORED } else { Reply::Says(self.0) })
        }
    }
    let away = Said::Away { at_least: Duration::ZERO, may_have_arrived: false };
    for (said, requests, bytes) in [(Said::Ill, 1_500, 10 << 20), (away, 1_500, 10 << 20)] {
        for was_well in [false, true] {
            let mut simulation = Simulation::new(&limits(1 << 20), Numbers::new(65_536, 99), Always(said, was_well), 7);
            simulation.items.offer(65_000);
            simulation.run(seconds(3_600));
            assert!(
                simulation.requests <= requests && simulation.bytes <= bytes,
                "{} and {} bytes",
                simulation.requests,
                simulation.bytes
            );
            assert!(matches!(simulation.posts.attempts().health, Health::Failing { .. }));
        }
    }
}
