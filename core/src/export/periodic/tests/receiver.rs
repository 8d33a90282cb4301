//! A receiver that does what it likes, and remembers what it has.

use super::std::collections::HashMap;
use super::std::vec::Vec;
use core::time::Duration;

use super::points::{Point, Points};
use super::world::{Arrival, Receiver, Reply, World};
use super::{MS, SECS};
use crate::export::periodic::ExportLimits;
use crate::export::verdict::Said;
use crate::export::{Random, Tick};
use crate::registry::drop_reason::DropReason;

/// Of each temporality. A hundred times as many hold too.
const RUNS: u64 = 150;
const SERIES: usize = 12;
/// Bytes of a point.
const POINT: usize = 300;

/// A point that arrived, stored or not.
#[derive(Clone, Copy)]
struct Seen {
    point: Point,
    is_stored: bool,
    /// Whether a verdict on it came back that is final.
    is_settled: bool,
}

/// What a receiver has.
#[derive(Default)]
struct Store {
    seen: HashMap<(bool, usize), Vec<Seen>>,
}

impl Store {
    /// A point has arrived.
    fn add(&mut self, point: Point, is_delta: bool, is_stored: bool) {
        let all = self.seen.entry((point.is_counter, point.series)).or_default();
        if let Some(known) = all.iter_mut().find(|seen| seen.point.end == point.end) {
            assert!(!known.is_settled, "sent again after a final word: {point:?}");
            assert!(!known.is_stored || known.point == point, "two values at one time: {point:?}, {:?}", known.point);
            *known = Seen { point, is_stored: is_stored || known.is_stored, is_settled: false };
            return;
        }
        if let Some(Seen { point: last, .. }) = all.iter().rfind(|seen| seen.is_stored) {
            assert!(point.end > last.end, "an earlier time: {point:?} after {last:?}");
            assert!(!is_delta || point.start >= last.end, "intervals overlap: {point:?}, {last:?}");
            assert!(is_delta || point.value >= last.value, "a total falls: {point:?}, {last:?}");
        }
        all.push(Seen { point, is_stored, is_settled: false });
    }

    /// A final word on a point has come back.
    fn settle(&mut self, point: &Point) {
        let all = self.seen.get_mut(&(point.is_counter, point.series)).into_iter().flatten();
        all.filter(|seen| seen.point == *point).for_each(|seen| seen.is_settled = true);
    }

    /// Requests that it has: the sum of all intervals, or of the last totals.
    fn requests(&self, is_delta: bool) -> u64 {
        let counters = self.seen.iter().filter(|((is_counter, _), _)| *is_counter);
        let has = |all: &Vec<Seen>| -> u64 {
            let mut stored = all.iter().filter(|seen| seen.is_stored).map(|seen| seen.point.value);
            if is_delta { stored.sum() } else { stored.next_back().unwrap_or(0) }
        };
        counters.map(|(_, all)| has(all)).sum()
    }
}

/// How often what happens, in thousandths.
#[derive(Clone, Copy, Default)]
struct Moods {
    no_name: usize,
    no_connection: usize,
    dead: usize,
    away: usize,
    maybe: usize,
    silent: usize,
    breaks: usize,
    refused: usize,
    partial: usize,
    unclear: usize,
}

impl Moods {
    /// Some receivers have one fault, some have all.
    fn any(random: &mut Random) -> Self {
        let mut often = |most| if random.below(3) == 0 { random.below(most) } else { 0 };
        Self {
            no_name: often(600),
            no_connection: often(600),
            dead: often(500),
            away: often(900),
            maybe: often(500),
            silent: often(500),
            breaks: often(700),
            refused: often(300),
            partial: often(300),
            unclear: often(300),
        }
    }
}

struct Whims {
    random: Random,
    moods: Moods,
    /// Bodies above this are too large.
    limit: usize,
    latency: Duration,
    is_delta: bool,
    store: Store,
    /// By how much more may count as rejected than was.
    slack: u64,
    /// The same of the answer that is on its way.
    slack_of_answer: u64,
    /// Whether nothing is recorded any more.
    is_stopping: bool,
}

impl Whims {
    fn new(seed: u64, is_delta: bool) -> Self {
        let mut random = Random::new(seed);
        let limit = [usize::MAX, usize::MAX, 500, 3_000, 5_000, 7_000][random.below(6)];
        let latency = Duration::from_micros([0, 10, 100, 1_000, 10_000, 100_000, 1_000_000][random.below(7)]);
        Self {
            random,
            moods: Moods::default(),
            limit,
            latency,
            is_delta,
            store: Store::default(),
            slack: 0,
            slack_of_answer: 0,
            is_stopping: false,
        }
    }

    fn happens(&mut self, often: usize) -> bool {
        self.random.below(1_000) < often
    }

    fn latency(&mut self) -> Duration {
        self.latency / 2 + self.latency.mul_f64(self.random.below(1_000) as f64 / 1_000.0)
    }

    fn arrive(&mut self, arrival: &Arrival<'_>, is_stored: bool) {
        arrival.points.iter().for_each(|point| self.store.add(*point, self.is_delta, is_stored));
    }

    /// Rejects some points and stores the others.
    fn partial(&mut self, arrival: &Arrival<'_>) -> Reply {
        let mut dropped = 0;
        let mut requests = 0;
        let often = [100, 900][self.random.below(2)];
        for point in arrival.points {
            let is_dropped = self.happens(often);
            self.store.add(*point, self.is_delta, !is_dropped);
            dropped += u64::from(is_dropped);
            requests += if is_dropped && point.is_counter { point.value } else { 0 };
        }
        let mut counters: Vec<_> =
            arrival.points.iter().filter(|point| point.is_counter).map(|point| point.value).collect();
        counters.sort_unstable_by(|one, other| other.cmp(one));
        let counted: u64 = counters.iter().take(if dropped > 16 { usize::MAX } else { dropped as usize }).sum();
        self.slack_of_answer = counted - requests;
        Reply::Says(if dropped == 0 { Said::Stored } else { Said::Partial { dropped } })
    }

    fn judge(&mut self, arrival: &Arrival<'_>) -> Reply {
        let moods = self.moods;
        let is_stored = self.random.below(2) == 0;
        if arrival.is_kept && self.happens(moods.dead) {
            let began = self.random.below(2) == 0;
            self.arrive(arrival, is_stored && began);
            return Reply::Breaks { began };
        }
        if arrival.bytes > self.limit {
            return Reply::Says(Said::TooLarge);
        }
        if self.happens(moods.away) {
            let at_least = if self.random.below(4) == 0 { MS(self.random.next() % 8_000) } else { Duration::ZERO };
            return Reply::Says(Said::Away { at_least, may_have_arrived: false });
        }
        if self.happens(moods.maybe) {
            self.arrive(arrival, is_stored);
            return Reply::Says(Said::Away { at_least: Duration::ZERO, may_have_arrived: true });
        }
        if self.happens(moods.silent) {
            self.arrive(arrival, is_stored);
            return Reply::Silent;
        }
        if self.happens(moods.breaks) {
            let began = self.random.below(3) != 0;
            self.arrive(arrival, is_stored && began);
            return Reply::Breaks { began };
        }
        if self.happens(moods.refused) {
            self.arrive(arrival, false);
            return Reply::Says([Said::Refused, Said::Ill][self.random.below(2)]);
        }
        if self.happens(moods.unclear) {
            self.arrive(arrival, is_stored);
            return Reply::Says(Said::Unclear);
        }
        if self.happens(moods.partial) {
            return self.partial(arrival);
        }
        self.arrive(arrival, true);
        Reply::Says(Said::Stored)
    }
}

impl Receiver for Whims {
    fn resolve(&mut self, _: Tick) -> (Duration, Reply) {
        let fails = self.happens(self.moods.no_name);
        (self.latency(), if fails { [Reply::Not, Reply::Silent][self.random.below(2)] } else { Reply::Fine })
    }

    fn connect(&mut self, _: Tick) -> (Duration, Reply) {
        let fails = self.happens(self.moods.no_connection);
        (self.latency(), if fails { [Reply::Not, Reply::Silent][self.random.below(2)] } else { Reply::Fine })
    }

    fn body(&mut self, _: Tick, arrival: Arrival<'_>) -> (Duration, Reply) {
        let reply = self.judge(&arrival);
        (self.latency(), reply)
    }

    fn is_heard(&mut self, said: Said, points: &[Point]) {
        if matches!(said, Said::Partial { .. }) {
            self.slack += self.slack_of_answer;
        }
        if !matches!(said, Said::TooLarge | Said::Away { .. }) {
            points.iter().for_each(|point| self.store.settle(point));
        }
    }

    fn record(&mut self, time: Duration, points: &mut Points) {
        let most = 1 + time.as_millis().min(5_000) as usize;
        for _ in 0..if self.is_stopping { 0 } else { 2 } {
            points.record(self.random.below(SERIES), self.random.below(most) as u64);
        }
        let (sent, has) = (points.sent(), self.store.requests(self.is_delta));
        assert!(sent <= has, "{sent} are called sent, and the receiver has {has}");
    }
}

/// What one run came to.
struct Run {
    sent: u64,
    has: u64,
    /// What may have arrived beyond what is called sent, by the account.
    may_have: u64,
}

fn run(seed: u64, is_delta: bool) -> Run {
    let mut random = Random::new(!seed);
    let limits = ExportLimits {
        interval: MS(500 + random.next() % 5_000),
        timeout: MS(200 + random.next() % 3_000),
        export_timeout: (random.below(3) == 0).then(|| MS(500 + random.next() % 5_000)),
        max_request_bytes: [1_500, 3_000, 8_192, 64 << 10][random.below(4)],
        is_delta,
    };
    let mut world = World::new(limits, seed, Whims::new(seed, is_delta), (SERIES, POINT));
    world.source.in_a_turn = [usize::MAX, SERIES / 3][random.below(2)];
    world.late = [Duration::ZERO, MS(30)][random.below(2)];
    world.lends = [usize::MAX, 2_000, 450][random.below(3)];
    for _ in 0..3 {
        world.receiver.moods = Moods::any(&mut random);
        assert_eq!(world.run(MS(random.next() % 30_000)), None);
    }
    // Half of the receivers are well in the end, and have time.
    let recovers = random.below(2) == 0;
    if recovers {
        (world.receiver.moods, world.receiver.limit, world.receiver.latency) = (Moods::default(), usize::MAX, MS(5));
    }
    world.receiver.is_stopping = true;
    let left = if recovers { SECS(30) } else { MS(random.next() % 8_000) };
    world.stop(left * 2);
    world.stop(left);
    let deadline = world.tick.after(left + world.late);
    let cause = world.finish();
    assert!(world.tick <= deadline, "{:?} after {deadline:?}", world.tick);
    check(&world, is_delta, recovers, cause)
}

/// What holds at the end of every run.
fn check(world: &World<Whims>, is_delta: bool, recovers: bool, cause: DropReason) -> Run {
    let (source, receiver) = (&world.source, &world.receiver);
    let (recorded, sent, has) = (source.recorded(), source.sent(), receiver.store.requests(is_delta));
    assert_eq!(source.settled(), recorded, "nothing is held any more");
    assert!(sent <= has && has <= recorded, "{sent} sent, {has} arrived, {recorded} recorded");
    let may_have = source.dropped(DropReason::Unconfirmed) + receiver.slack;
    if is_delta {
        assert!(has <= sent + may_have, "{has} arrived, {sent} sent, {may_have} more at most");
    }
    let causes = [DropReason::Deadline, DropReason::Unreachable];
    if recovers {
        // A delta may have nothing left to send.
        assert!(is_delta || cause == DropReason::Deadline, "{cause}");
        assert_eq!(causes.map(|cause| source.dropped(cause)), [0, 0], "all is tried until the deadline");
        assert!(is_delta || sent == recorded, "{sent} of {recorded}");
    }
    Run { sent, has, may_have }
}

#[test]
fn whatever_a_receiver_does_the_account_is_about_what_it_has() {
    for is_delta in [false, true] {
        let (mut has, mut beyond) = (0, 0);
        for seed in 0..RUNS {
            let run = run(seed, is_delta);
            has += run.has;
            beyond += run.has.saturating_sub(run.sent + run.may_have);
        }
        // Cumulative: the accepted parts of a cycle that was cut off say less than all that arrived with cycles before.
        assert!(beyond * 50 <= if is_delta { 0 } else { has }, "{beyond} of {has} arrived and are not accounted for");
    }
}
